/* Patches: the difference between two trees of a mirror as git's unified
 * format, and what the policy says of it.
 *
 * The text keeps renames, modes, symlinks, binary files (as "GIT binary
 * patch"), files without a last newline and names that are no UTF-8 (quoted as
 * git does), and full object ids, so that `git apply` takes it on a clean
 * checkout. Format: git-diff(1), "Generating patch text with -p". */
#ifndef NIGHTJAR_TASKS_PATCH_H
#define NIGHTJAR_TASKS_PATCH_H

#include "base/arena.h"
#include "base/buffer.h"
#include "tasks/mirror.h"
#include "tasks/task.h"

#define PATCH_BYTES_MAX ((size_t)256 << 20)

struct patch_file {
    const char *path;     /* afterwards; of a removed file before; bytes */
    const char *old_path; /* before; equal to path unless renamed */
    bool binary;
    bool submodule;
    bool link;
    int64_t added; /* lines */
    int64_t removed;
    int64_t bytes;      /* of the new content; 0 when removed */
    const char *secret; /* kind of a credential in an added line, or NULL */
    size_t secret_line; /* in the new file */
};

struct patch_summary {
    struct arena arena;
    struct patch_file *files;
    size_t count;
    int64_t added;
    int64_t removed;
};

struct violation {
    const char *path;    /* bytes; "" for the whole patch */
    const char *rule;    /* protect, allow, directory, max_files, … */
    const char *message; /* for people and for the model */
};

struct violations {
    struct violation *items;
    size_t count;
};

/* Adds the patch text from `base` to `tree` and fills the summary, which the
 * caller frees in any case. Errors: ERROR_REPOSITORY. */
int patch_make(const struct mirror *mirror, struct object_id base,
               struct object_id tree, struct buffer *text,
               struct patch_summary *summary, struct error *err);
void patch_summary_free(struct patch_summary *summary);

/* Applies the text to `base` and gives the resulting tree: what `git apply`
 * would leave. */
int patch_apply_text(const struct mirror *mirror, struct object_id base,
                     struct span text, struct object_id *tree,
                     struct error *err);

/* What the policy refuses in a patch (`violations`), and what it only wants
 * told (`findings`); both in the summary's arena. `directory` is the task's:
 * changes outside of it are refused. Pure. */
void patch_check(struct patch_summary *summary,
                 const struct patch_policy *policy, const char *directory,
                 struct violations *violations, struct violations *findings);

#endif
