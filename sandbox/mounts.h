/* The file tree of a sandbox as a list of operations.
 *
 * mounts_plan turns a specification into the list, mounts_describe prints it,
 * mounts_apply walks it in one direction inside the new mount namespace. The
 * tree is built from nothing: what the list does not name is not there.
 * Everything of the system is read-only, nothing has setuid or device files
 * in force except the six devices of the list. */
#ifndef NIGHTJAR_SANDBOX_MOUNTS_H
#define NIGHTJAR_SANDBOX_MOUNTS_H

#include "sandbox/sandbox.h"

#define MOUNTS_MAX 192
#define MOUNTS_ROOT_BYTES ((int64_t)4 << 20) /* mount points, small files */

enum mount_type {
    MOUNT_DIRECTORY, /* mkdir with mode */
    MOUNT_FILE,      /* a file with content, mode 0444 */
    MOUNT_SYMLINK,   /* target -> content */
    MOUNT_READ,      /* bind source, read-only, nosuid, nodev */
    MOUNT_WRITE,     /* bind source, nosuid, nodev */
    MOUNT_DEVICE,    /* bind a device file, nosuid, noexec */
    MOUNT_MASK,      /* bind /dev/null over a file that is there */
    MOUNT_TMPFS,     /* size and mode; nosuid, nodev */
    MOUNT_PROC,      /* new instance, hidepid, read-only */
    MOUNT_DEVPTS,    /* new instance */
    MOUNT_MQUEUE,    /* message queues of the IPC namespace */
    MOUNT_OVERLAY,   /* source/upper over a lower directory */
};

struct mount_operation {
    enum mount_type type;
    char *target;  /* in the new tree, without the leading '/' */
    char *source;  /* on the host; or content of a file or symlink; or NULL */
    int64_t bytes; /* of a tmpfs */
    unsigned mode;
    bool optional; /* left out when the source is not there */
    bool itself;   /* the source is already in the new tree, at the target */
    char *lower;   /* of an overlay, on the host */
    uid_t owner;   /* of the source, for one that the sandbox may write to */
    gid_t group;
    int fd;       /* the source's detached mount while applying */
    int lower_fd; /* likewise, of an overlay */
};

struct mounts {
    struct mount_operation items[MOUNTS_MAX];
    size_t count;
    int staging; /* the folder that the tree is built on, while applying */
    int upper;   /* where the workspace's changes go, once applied */
    int scratch; /* and temporary files */
};

/* Makes the list. Errors: a path that is not absolute, too many. */
int mounts_plan(const struct sandbox_spec *spec, struct mounts *mounts,
                struct error *err);
void mounts_free(struct mounts *mounts);

/* A line for each operation. */
void mounts_describe(const struct mounts *mounts, struct buffer *out);

/* In the owner: takes hold of the sources whose owner is another than
 * `identity`, with that owner mapped to it. Needs root; does nothing without.
 * Errors: a filesystem that cannot. */
int mounts_map_owners(struct mounts *mounts, struct sandbox_identity identity,
                      struct error *err);

/* The descriptors that mounts_map_owners made, at most `maximum`, in their
 * order, and the same order for putting them in place in PID 1. */
size_t mounts_mapped(const struct mounts *mounts, int *fds, size_t maximum);
size_t mounts_put_mapped(struct mounts *mounts, const int *fds);

/* In PID 1, in new namespaces: first takes hold of every source and of
 * `staging`, a directory to build on; that needs the rights of the user
 * outside. Only system calls; no allocation. Returns 0, or -1 with errno and
 * *failed set to the operation's index (mounts->count for what belongs to
 * none). */
int mounts_take_sources(struct mounts *mounts, const char *staging,
                        size_t *failed);

/* Then, as the inside user: builds the tree over the staging directory and
 * makes it the root. */
int mounts_apply(struct mounts *mounts, size_t *failed);

#endif
