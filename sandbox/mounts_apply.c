/* The part of mounts.h that works in PID 1: system calls alone. */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/memory.h"
#include "sandbox/mounts.h"

/* <sys/mount.h> clashes with <linux/mount.h> in older C libraries. */
int mount(const char *, const char *, const char *, unsigned long,
          const void *);
int umount2(const char *, int);
#define DETACH_UNMOUNT 2 /* MNT_DETACH */

/* Where an overlay's parts are while it is made. */
#define LOWER ".lower"
#define UPPER ".upper"

static bool binds(const struct mount_operation *item)
{
    return item->type == MOUNT_READ || item->type == MOUNT_WRITE ||
           item->type == MOUNT_DEVICE || item->type == MOUNT_MASK ||
           item->type == MOUNT_OVERLAY;
}

static uint64_t attributes(enum mount_type type)
{
    switch (type) {
    case MOUNT_READ:
        return MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
    case MOUNT_DEVICE:
    case MOUNT_MASK:
        return MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
    default:
        return MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
    }
}

/* A detached copy of what is at the path, with those attributes. Submounts
 * come along: they cannot be left out without rights over them, and they get
 * the same attributes. */
static int take(int directory, const char *path, uint64_t set)
{
    struct mount_attr attr = {.attr_set = set};
    int fd = (int)syscall(SYS_open_tree, directory, path,
                          OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);

    if (fd >= 0 && syscall(SYS_mount_setattr, fd, "",
                           AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr))) {
        int number = errno;

        close(fd);
        errno = number;
        return -1;
    }
    return fd;
}

static int set_attributes(int fd, uint64_t set)
{
    struct mount_attr attr = {.attr_set = set};

    return (int)syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | AT_RECURSIVE,
                        &attr, sizeof(attr));
}

int mounts_take_sources(struct mounts *mounts, const char *staging,
                        size_t *failed)
{
    *failed = mounts->count;
    mounts->staging = open(staging, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (mounts->staging < 0)
        return -1;
    for (size_t i = 0; i < mounts->count; i++) {
        struct mount_operation *item = &mounts->items[i];
        uint64_t set = attributes(item->type);

        *failed = i;
        if (!binds(item) || item->itself)
            continue;
        if (item->lower && item->lower_fd < 0)
            item->lower_fd =
                take(AT_FDCWD, item->lower, attributes(MOUNT_READ));
        else if (item->lower &&
                 set_attributes(item->lower_fd, attributes(MOUNT_READ)))
            return -1;
        if (item->lower && item->lower_fd < 0)
            return -1;
        if (item->fd >= 0) { /* the owner took it */
            if (set_attributes(item->fd, set))
                return -1;
            continue;
        }
        item->fd = take(AT_FDCWD, item->source, set);
        if (item->fd < 0 && !(item->optional && errno == ENOENT))
            return -1;
    }
    return 0;
}

/* Creates the folders above and `path` itself, as a folder or empty file. */
static int make_target(int root, const char *path, bool folder)
{
    char part[4096];
    size_t length = strlen(path);
    int fd;

    if (length >= sizeof(part)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    for (size_t i = 0; i <= length; i++) {
        part[i] = path[i];
        if (i && path[i] == '/') {
            part[i] = '\0';
            if (mkdirat(root, part, 0755) && errno != EEXIST)
                return -1;
            part[i] = '/';
        }
    }
    if (folder)
        return mkdirat(root, path, 0755) && errno != EEXIST ? -1 : 0;
    fd = openat(root, path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0444);
    if (fd < 0)
        return -1;
    return close(fd);
}

static int place(int root, int fd, const char *target)
{
    return (int)syscall(SYS_move_mount, fd, "", root, target,
                        MOVE_MOUNT_F_EMPTY_PATH);
}

static int apply_bind(int root, const struct mount_operation *item)
{
    struct stat info;

    if (item->itself) {
        int fd = take(root, item->target, attributes(item->type));
        int status = fd < 0 ? -1 : place(root, fd, item->target);

        if (fd >= 0)
            close(fd);
        return status;
    }
    if (item->fd < 0)
        return 0; /* optional and not there */
    if (fstat(item->fd, &info))
        return -1;
    if (item->type != MOUNT_MASK &&
        make_target(root, item->target, S_ISDIR(info.st_mode)))
        return -1;
    if (item->type == MOUNT_MASK &&
        faccessat(root, item->target, F_OK, AT_SYMLINK_NOFOLLOW))
        return 0; /* this kernel has no such entry */
    return place(root, item->fd, item->target);
}

/* A task's files over the shared ones. Both are moved into the tree for the
 * kernel to find, and out of sight again: commands see them merged only. */
static int apply_overlay(int root, struct mounts *mounts,
                         const struct mount_operation *item)
{
    if (make_target(root, item->target, true) ||
        make_target(root, LOWER, true) || make_target(root, UPPER, true) ||
        place(root, item->lower_fd, LOWER) || place(root, item->fd, UPPER))
        return -1;
    mounts->upper = openat(root, UPPER "/upper",
                           O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    /* The staging folder is the working directory. */
    if (mounts->upper < 0 ||
        mount("overlay", item->target, "overlay", MS_NOSUID | MS_NODEV,
              "lowerdir=" LOWER ",upperdir=" UPPER "/upper,workdir=" UPPER
              "/work,userxattr"))
        return -1;
    if (umount2(LOWER, DETACH_UNMOUNT) || umount2(UPPER, DETACH_UNMOUNT) ||
        unlinkat(root, LOWER, AT_REMOVEDIR) ||
        unlinkat(root, UPPER, AT_REMOVEDIR))
        return -1;
    return 0;
}

static int apply_file(int root, const struct mount_operation *item)
{
    size_t length = strlen(item->source);
    int fd;
    bool written;

    if (make_target(root, item->target, false))
        return -1;
    fd = openat(root, item->target, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == EACCES) {
        if (fchmodat(root, item->target, 0644, 0))
            return -1;
        fd = openat(root, item->target, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    }
    if (fd < 0)
        return -1;
    written =
        write(fd, item->source, length) == (ssize_t)length && !fchmod(fd, 0444);
    close(fd);
    return written ? 0 : -1;
}

/* The staging folder is the working directory, so targets are relative. */
static int apply_filesystem(int root, const struct mount_operation *item)
{
    struct mount_attr read_only = {.attr_set = MOUNT_ATTR_RDONLY};
    char options[96];

    if (make_target(root, item->target, true))
        return -1;
    if (item->type == MOUNT_PROC) {
        if (mount("proc", item->target, "proc",
                  MS_NOSUID | MS_NODEV | MS_NOEXEC, "hidepid=2"))
            return -1;
        return (int)syscall(SYS_mount_setattr, root, item->target, 0,
                            &read_only, sizeof(read_only));
    }
    if (item->type == MOUNT_DEVPTS)
        return mount("devpts", item->target, "devpts", MS_NOSUID | MS_NOEXEC,
                     "newinstance,ptmxmode=0666,mode=620");
    if (item->type == MOUNT_MQUEUE)
        return mount("mqueue", item->target, "mqueue",
                     MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) &&
                       errno != ENODEV
                   ? -1
                   : 0;
    snprintf(options, sizeof(options), "size=%lld,mode=%o,nr_inodes=1000000",
             (long long)item->bytes, item->mode);
    return mount("tmpfs", item->target, "tmpfs", MS_NOSUID | MS_NODEV, options);
}

static int apply_one(int root, struct mounts *mounts,
                     const struct mount_operation *item)
{
    switch (item->type) {
    case MOUNT_DIRECTORY:
        if (make_target(root, item->target, true))
            return -1;
        return fchmodat(root, item->target, item->mode, 0);
    case MOUNT_FILE:
        return apply_file(root, item);
    case MOUNT_SYMLINK:
        return symlinkat(item->source, root, item->target);
    case MOUNT_TMPFS:
    case MOUNT_PROC:
    case MOUNT_DEVPTS:
    case MOUNT_MQUEUE:
        return apply_filesystem(root, item);
    case MOUNT_OVERLAY:
        return apply_overlay(root, mounts, item);
    default:
        return apply_bind(root, item);
    }
}

/* The masks hide entries of a read-only /proc, and the root must not be
 * written to either: it is frozen last, without what is mounted in it. */
static int freeze_root(void)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};

    return (int)syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, &attr,
                        sizeof(attr));
}

/* An empty tmpfs over the staging folder, by descriptors: the inside user may
 * have no right to walk the path to it. Returns the new root's descriptor. */
static int mount_root(int staging)
{
    char size[32];
    int context = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
    int root = -1;

    snprintf(size, sizeof(size), "%lld", (long long)MOUNTS_ROOT_BYTES);
    if (context < 0 ||
        syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, "size", size, 0) ||
        syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, "mode", "0755",
                0) ||
        syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
        return -1;
    root = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC,
                        MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
    close(context);
    if (root < 0 || syscall(SYS_move_mount, root, "", staging, "",
                            MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH))
        return -1;
    return root;
}

int mounts_apply(struct mounts *mounts, size_t *failed)
{
    int root;

    *failed = mounts->count;
    umask(0);
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
        return -1;
    root = mount_root(mounts->staging);
    if (root < 0 || fchdir(root))
        return -1;
    for (size_t i = 0; i < mounts->count; i++) {
        *failed = i;
        if (apply_one(root, mounts, &mounts->items[i]))
            return -1;
    }
    *failed = mounts->count;
    close(root);
    umask(022);
    if (syscall(SYS_pivot_root, ".", ".") || umount2(".", DETACH_UNMOUNT) ||
        chdir("/"))
        return -1;
    return freeze_root();
}
