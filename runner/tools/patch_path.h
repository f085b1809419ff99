/* Paths of a patch: to what place in the workspace they lead.
 *
 * A normal path is relative to the workspace, without ".", "..", empty
 * components or a '/' at either end; "" is the workspace itself. A real path
 * is a normal path on which no directory is a symlink.
 *
 * Nothing here or in patch_apply.h leaves the workspace: every step opens one
 * component beneath the directory before it, follows no link on its own, and
 * reads links as text. So a link that is swapped meanwhile cannot lead out. */
#ifndef NIGHTJAR_RUNNER_TOOLS_PATCH_PATH_H
#define NIGHTJAR_RUNNER_TOOLS_PATCH_PATH_H

#include <stdbool.h>

#include "base/error.h"

/* The workspace as commands in the sandbox see it. */
#define PATCH_WORKSPACE "/workspace"

/* Ask: is there nothing at that real path any more, because an earlier
 * operation removed it? */
struct patch_removed {
    bool (*ask)(const void *context, const char *path);
    const void *context;
};

/* The normal path of `path` as seen from `directory` (relative to the
 * workspace, or under PATCH_WORKSPACE), owned by the caller. NULL and an error
 * (ERROR_REPOSITORY) if it leads out of the workspace, into a ".git" of any
 * case, names no file, or is too long. Does not look at the disk. */
char *patch_path_normal(const char *directory, const char *path,
                        struct error *err);

/* The real path of a normal path, owned by the caller. Symlinks on the way
 * are followed, the last component too if `follow`; what does not exist is
 * taken as it stands. `removed` may be NULL. NULL and an error if a link
 * leads out or into ".git", or a file stands where a directory must. */
char *patch_path_real(int root, const char *path, bool follow,
                      const struct patch_removed *removed, struct error *err);

/* The last component of a path: a pointer into it. */
const char *patch_path_name(const char *path);

/* An O_PATH descriptor of the directory that holds a real path, no symlink
 * followed; -1 with errno set. */
int patch_path_parent(int root, const char *real);

#endif
