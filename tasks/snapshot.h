/* Snapshots: what a workspace holds, as a tree in its mirror.
 *
 * The workspace's own `.git` is never asked, because commands could write to
 * it: every file is read again through the directory's descriptor, nothing is
 * followed, and each content is hashed here. Tracked files always count;
 * others count unless an ignore file of the workspace names them. Entries
 * named `.git` in any spelling, sockets, pipes and devices are left out and
 * counted. */
#ifndef NIGHTJAR_TASKS_SNAPSHOT_H
#define NIGHTJAR_TASKS_SNAPSHOT_H

#include "tasks/mirror.h"

#define SNAPSHOT_FILES_MAX 1000000
#define SNAPSHOT_FILE_BYTES_MAX ((size_t)512 << 20)
#define SNAPSHOT_DEPTH_MAX 256

struct snapshot_request {
    const struct mirror *mirror;
    int workspace;         /* descriptor of its root */
    int upper;             /* of an overlay over the files of `base`: where
                              what changed is, and all that is looked at; or
                              -1 */
    struct object_id base; /* commit or tree: which files are tracked */
    const char *scratch;   /* a folder on the host, for ignore rules */
    int64_t deadline;      /* base/clock.h */
};

struct snapshot {
    struct object_id tree;
    size_t files;    /* in the tree */
    size_t left_out; /* not representable: special files, `.git` entries */
};

/* Errors: ERROR_REPOSITORY (a limit, a file that cannot be read),
 * ERROR_TIMEOUT. */
int snapshot_take(const struct snapshot_request *request,
                  struct snapshot *snapshot, struct error *err);

/* A tree with `mine` wherever it differs from `theirs`, and `base` elsewhere:
 * with theirs = the state after setup, what setup alone changed is not part
 * of the result. */
int snapshot_without(const struct mirror *mirror, struct object_id base,
                     struct object_id theirs, struct object_id mine,
                     struct object_id *tree, struct error *err);

/* `tree` with every path that matches one of the globs as it is in `base`
 * (restored, or removed if base has none). */
int snapshot_pin(const struct mirror *mirror, struct object_id tree,
                 struct object_id base, const char *const *globs, size_t count,
                 struct object_id *pinned, struct error *err);

#endif
