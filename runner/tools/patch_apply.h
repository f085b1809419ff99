/* Carrying out a patch in a workspace: all of it or nothing.
 *
 * First every result is made in memory; an operation sees what those before
 * it in the same patch did (delete then add, two updates of one file). Only
 * then are files written (patch_commit.h).
 *
 * Where a path may lead: into the workspace, not into a ".git" of any case,
 * and not through a symlink that leaves (patch_path.h).
 *
 * Add      makes missing directories and replaces a file that exists; each
 *          line ends with LF.
 * Update   of a symlink that stays inside edits its target.
 * Move     replaces a file that exists; a move to the same place is a plain
 *          update. A symlink that is moved becomes a regular file at the new
 *          place; its target stays.
 * Delete   removes a file or a symlink, never its target, never a directory.
 *
 * A replaced or moved file keeps its permission bits, without setuid, setgid
 * and sticky; a file that is deleted and added again counts as replaced.
 * Hard links are not kept: the other name keeps the old content. */
#ifndef NIGHTJAR_RUNNER_TOOLS_PATCH_APPLY_H
#define NIGHTJAR_RUNNER_TOOLS_PATCH_APPLY_H

#include <stddef.h>

#include "base/buffer.h"
#include "base/error.h"
#include "runner/tools/patch_parse.h"

#define PATCH_FILE_MAX ((size_t)64 << 20)   /* bytes of one file */
#define PATCH_TOTAL_MAX ((size_t)256 << 20) /* of all files of a patch */

/* Applies the patch in the workspace whose directory is `root`. Paths are
 * relative to `directory`, which is relative to the workspace ("." is the
 * workspace itself) or lies under "/workspace". On success adds to `summary`
 *
 *     Success. Updated the following files:
 *     A path            (added, then modified or moved, then deleted,
 *     M path             each group in the order of the patch; the path as
 *     D path             the patch has it, of a move the new one)
 *
 * Paths are bytes without NUL and line ends, and may be no UTF-8.
 *
 * Errors are for the model and hold only paths inside the workspace:
 * ERROR_REPOSITORY for a patch that does not fit, ERROR_IO for one that could
 * not be read or written. On failure the tree is as it was. */
int patch_apply(int root, const char *directory, const struct patch *patch,
                struct buffer *summary, struct error *err);

/* The places that a patch touches, as normal paths relative to the workspace,
 * each once, in the order of the patch. */
struct patch_paths {
    char **paths;
    size_t count;
};

/* Lists them for a check against the policy. With a `root` that is not
 * negative, a path that a symlink makes a different place is listed as both,
 * so a rule for the real place holds as well. Errors as for patch_apply when
 * a path escapes; *paths needs no release then. */
int patch_paths(int root, const char *directory, const struct patch *patch,
                struct patch_paths *paths, struct error *err);
void patch_paths_free(struct patch_paths *paths);

#endif
