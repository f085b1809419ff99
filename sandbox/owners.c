/* Sources of another owner, given to the inside user: the part of mounts.h
 * that works in a sandbox's owner, when that is root.
 *
 * A mount can carry a mapping of owners (Linux 5.12, mount_setattr(2)): files
 * of user A look as if they were B's, and what B creates is A's. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/memory.h"
#include "sandbox/mounts.h"

static int write_map(pid_t pid, const char *name, uint32_t from, uint32_t to)
{
    CLEANUP(mem_free) char *path = mem_format("/proc/%d/%s", (int)pid, name);
    CLEANUP(mem_free)
    char *text = mem_format("%" PRIu32 " %" PRIu32 " 1\n", from, to);
    CLEANUP(fd_close) int fd = open(path, O_WRONLY | O_CLOEXEC);

    return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text)
               ? 0
               : -1;
}

/* A user namespace with that one mapping, as a descriptor. It needs a process
 * to be made, and none to live on. */
static int make_namespace(uid_t owner, gid_t group,
                          struct sandbox_identity identity)
{
    pid_t parent = getpid();
    pid_t pid =
        (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, 0);
    int fd = -1;
    int number;

    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        /* Who was killed before that left nobody to end this. */
        if (getppid() != parent)
            _exit(0);
        for (;;)
            pause();
    }
    if (pid < 0)
        return -1;
    if (!write_map(pid, "uid_map", owner, identity.uid) &&
        !write_map(pid, "gid_map", group, identity.gid)) {
        CLEANUP(mem_free) char *path = mem_format("/proc/%d/ns/user", (int)pid);

        fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    number = errno;
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    errno = number;
    return fd;
}

static int take_mapped(const char *path, int namespace)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP,
                              .userns_fd = (uint64_t) namespace};
    int fd = (int)syscall(SYS_open_tree, AT_FDCWD, path,
                          OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

    if (fd >= 0 && syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attr,
                           sizeof(attr))) {
        int number = errno;

        close(fd);
        errno = number;
        return -1;
    }
    return fd;
}

static int map_one(struct mount_operation *item,
                   struct sandbox_identity identity, struct error *err)
{
    const char *path = item->lower ? item->lower : item->source;
    CLEANUP(fd_close)
    int namespace = make_namespace(item->owner, item->group, identity);
    int *fd = item->lower ? &item->lower_fd : &item->fd;

    if (namespace < 0)
        return error_set_errno(err, ERROR_SANDBOX, errno,
                               "sandbox: cannot make a user namespace");
    *fd = take_mapped(path, namespace);
    if (*fd >= 0)
        return 0;
    error_set_errno(err, ERROR_SANDBOX, errno,
                    "sandbox: cannot give '%s' to the inside user", path);
    return error_hint(err, "root's files can only be lent where the filesystem "
                           "maps owners (ext4, xfs, btrfs, tmpfs): use such "
                           "a place, or run nightjar as the files' owner");
}

static bool is_foreign(const struct mount_operation *item,
                       struct sandbox_identity identity)
{
    return item->owner != (uid_t)-1 && !item->itself &&
           (item->owner != identity.uid || item->group != identity.gid);
}

int mounts_map_owners(struct mounts *mounts, struct sandbox_identity identity,
                      struct error *err)
{
    if (geteuid() || !identity.uid)
        return 0;
    for (size_t i = 0; i < mounts->count; i++) {
        if (is_foreign(&mounts->items[i], identity) &&
            map_one(&mounts->items[i], identity, err))
            return -1;
    }
    return 0;
}

size_t mounts_mapped(const struct mounts *mounts, int *fds, size_t maximum)
{
    size_t count = 0;

    for (size_t i = 0; i < mounts->count; i++) {
        const struct mount_operation *item = &mounts->items[i];

        if (item->fd >= 0 && count < maximum)
            fds[count++] = item->fd;
        if (item->lower_fd >= 0 && count < maximum)
            fds[count++] = item->lower_fd;
    }
    return count;
}

size_t mounts_put_mapped(struct mounts *mounts, const int *fds)
{
    size_t count = 0;

    for (size_t i = 0; i < mounts->count; i++) {
        struct mount_operation *item = &mounts->items[i];

        if (item->fd >= 0)
            item->fd = fds[count++];
        if (item->lower_fd >= 0)
            item->lower_fd = fds[count++];
    }
    return count;
}
