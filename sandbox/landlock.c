#include "sandbox/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/memory.h"

/* The kernel's numbers; headers of distributions are often older than it. */
#define FS_TRUNCATE ((uint64_t)1 << 14)  /* version 3 */
#define FS_IOCTL_DEV ((uint64_t)1 << 15) /* version 5 */
#define NET_BIND_TCP ((uint64_t)1 << 0)  /* version 4 */
#define NET_CONNECT_TCP ((uint64_t)1 << 1)
#define SCOPE_ABSTRACT_SOCKETS ((uint64_t)1 << 0) /* version 6 */
#define SCOPE_SIGNALS ((uint64_t)1 << 1)
#define VERSION_NET 4

#define FS_READ                                                  \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | \
     LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_WRITE                                                     \
    (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |  \
     LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |    \
     LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM |    \
     LANDLOCK_ACCESS_FS_REFER | FS_TRUNCATE)
#define FS_NODES (LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK)
#define FS_DEVICE                                                   \
    (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | \
     FS_IOCTL_DEV | FS_TRUNCATE)
/* What a rule for a single file may name. */
#define FS_OF_FILES                                              \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | \
     LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE | FS_IOCTL_DEV)

/* struct landlock_ruleset_attr as of version 6; the kernel takes a shorter
 * one from us where it is older. */
struct ruleset {
    uint64_t files;
    uint64_t network;
    uint64_t scopes;
};

int landlock_version(void)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0,
                           LANDLOCK_CREATE_RULESET_VERSION);

    return version < 0 ? 0 : (int)version;
}

static uint64_t known_rights(int version)
{
    uint64_t rights = FS_READ | FS_WRITE | FS_NODES | FS_IOCTL_DEV;

    if (version < 5)
        rights &= ~FS_IOCTL_DEV;
    if (version < 3)
        rights &= ~FS_TRUNCATE;
    if (version < 2)
        rights &= ~(uint64_t)LANDLOCK_ACCESS_FS_REFER;
    return rights;
}

static int allow_fd(int ruleset, int fd, uint64_t rights)
{
    struct landlock_path_beneath_attr rule = {.allowed_access = rights,
                                              .parent_fd = fd};
    struct stat info;

    if (fstat(fd, &info))
        return -1;
    if (!S_ISDIR(info.st_mode))
        rule.allowed_access &= FS_OF_FILES;
    return (int)syscall(SYS_landlock_add_rule, ruleset,
                        LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
}

/* A path that is not there needs no rule. */
static int allow(int ruleset, const char *path, uint64_t rights)
{
    int fd = open(path, O_PATH | O_CLOEXEC);
    int status;

    if (fd < 0)
        return errno == ENOENT || errno == EACCES ? 0 : -1;
    status = allow_fd(ruleset, fd, rights);
    close(fd);
    return status;
}

/* The new tree was built from nothing: all of it may be read. Its paths are
 * relative to the root, which is the working directory. */
static int allow_tree(int ruleset, const struct mounts *mounts, uint64_t known)
{
    if (allow(ruleset, "/", FS_READ) ||
        allow(ruleset, "/dev", FS_DEVICE & known))
        return -1;
    for (size_t i = 0; i < mounts->count; i++) {
        const struct mount_operation *item = &mounts->items[i];

        if ((item->type == MOUNT_WRITE || item->type == MOUNT_TMPFS ||
             item->type == MOUNT_MQUEUE || item->type == MOUNT_OVERLAY) &&
            allow(ruleset, item->target, (FS_READ | FS_WRITE) & known))
            return -1;
    }
    /* For counting what was written; no command has a path to it. */
    return mounts->upper < 0 ? 0 : allow_fd(ruleset, mounts->upper, FS_READ);
}

/* The host's tree: what the plan names, where it is. */
static int allow_host(int ruleset, const struct mounts *mounts, uint64_t known)
{
    if (allow(ruleset, "/proc", FS_READ) ||
        allow(ruleset, "/dev/ptmx", FS_DEVICE & known))
        return -1;
    for (size_t i = 0; i < mounts->count; i++) {
        const struct mount_operation *item = &mounts->items[i];
        char file[512] = "/";
        int status = 0;

        if (item->type == MOUNT_READ && !item->itself)
            status = allow(ruleset, item->source, FS_READ);
        else if (item->type == MOUNT_WRITE && !item->itself)
            status = allow(ruleset, item->source, (FS_READ | FS_WRITE) & known);
        else if (item->type == MOUNT_DEVICE)
            status = allow(ruleset, item->source, FS_DEVICE & known);
        else if (item->type == MOUNT_FILE &&
                 strlen(item->target) < sizeof(file) - 1) {
            memcpy(file + 1, item->target, strlen(item->target) + 1);
            status = allow(ruleset, file, FS_READ);
        }
        if (status)
            return -1;
    }
    return 0;
}

int landlock_confine(const struct mounts *mounts, bool namespaces, bool tcp,
                     int proc, int version)
{
    struct ruleset attr = {.files = known_rights(version)};
    size_t size = sizeof(attr.files);
    int ruleset;
    int status;

    if (version >= VERSION_NET) {
        if (!tcp)
            attr.network = NET_BIND_TCP | NET_CONNECT_TCP;
        size = offsetof(struct ruleset, scopes);
    }
    if (version >= LANDLOCK_SCOPES) {
        attr.scopes = SCOPE_ABSTRACT_SOCKETS | SCOPE_SIGNALS;
        size = sizeof(attr);
    }
    ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
    if (ruleset < 0)
        return -1;
    status = namespaces ? allow_tree(ruleset, mounts, attr.files)
                        : allow_host(ruleset, mounts, attr.files);
    if (!status)
        status = allow_fd(ruleset, proc, FS_READ);
    if (!status)
        status = (int)syscall(SYS_landlock_restrict_self, ruleset, 0);
    close(ruleset);
    return status;
}
