/* Writing the result of a patch: all files or none.
 *
 * Three steps, each of which can be taken back: set aside what goes away,
 * write every new content beside its place, rename each into it. A failure
 * takes back what was done, so that the tree is as before. A process killed
 * between the steps can leave files named ".patch-…"; nothing is fsynced,
 * because a workspace is not kept across a crash of the host. */
#ifndef NIGHTJAR_RUNNER_TOOLS_PATCH_COMMIT_H
#define NIGHTJAR_RUNNER_TOOLS_PATCH_COMMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/error.h"

/* One path: what it was on the disk, and what it shall be. */
struct patch_change {
    char *path; /* real path (patch_path.h), owned */
    size_t path_length;
    bool was_there; /* on the disk */
    bool is_there;  /* afterwards */
    bool changed;
    mode_t type;        /* S_IFMT bits of what was there */
    mode_t permissions; /* of the new file, if has_permissions */
    bool has_permissions;
    bool loaded; /* content is that of the file */
    struct buffer content;

    /* Used by patch_commit. */
    char *written; /* name of the new content beside the place, owned */
    char *aside;   /* name of what was there, owned */
    bool in_place; /* the new content has its name */
};

/* Carries out all changes with `changed`. Missing directories are made. On
 * failure (ERROR_IO, with the path in the workspace) nothing has changed. */
int patch_commit(int root, struct patch_change *changes, size_t count,
                 struct error *err);

#endif
