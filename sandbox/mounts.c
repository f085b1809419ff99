#include "sandbox/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/memory.h"

/* <sys/mount.h> clashes with <linux/mount.h> in older C libraries. */
int mount(const char *, const char *, const char *, unsigned long,
          const void *);
int umount2(const char *, int);
#define DETACH_UNMOUNT 2 /* MNT_DETACH */

#define ROOT_BYTES ((int64_t)4 << 20) /* mount points and small files */

/* Named system paths: programs, libraries and the configuration that they
 * need to start. No /etc as a whole: it holds host keys and passwords. */
static const char *const system_paths[] = {
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/ca-certificates.conf",
    "/etc/crypto-policies",
    "/etc/fonts",
    "/etc/gai.conf",
    "/etc/inputrc",
    "/etc/java-11-openjdk",
    "/etc/java-17-openjdk",
    "/etc/java-21-openjdk",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/magic",
    "/etc/manpath.config",
    "/etc/maven",
    "/etc/mime.types",
    "/etc/perl",
    "/etc/php",
    "/etc/pki/tls",
    "/etc/protocols",
    "/etc/python3",
    "/etc/python3.11",
    "/etc/python3.12",
    "/etc/rpc",
    "/etc/services",
    "/etc/shells",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/terminfo",
    "/etc/timezone",
};

static const char *const devices[] = {"/dev/null",    "/dev/zero",
                                      "/dev/full",    "/dev/random",
                                      "/dev/urandom", "/dev/tty"};

/* Entries of /proc that tell about the kernel or the host's other users; the
 * rest is read-only and shows this PID namespace alone. */
static const char *const masked[] = {
    "proc/kcore",         "proc/keys",        "proc/key-users",
    "proc/kallsyms",      "proc/kmsg",        "proc/kpagecgroup",
    "proc/kpagecount",    "proc/kpageflags",  "proc/latency_stats",
    "proc/modules",       "proc/sched_debug", "proc/slabinfo",
    "proc/sysrq-trigger", "proc/timer_list",  "proc/vmallocinfo",
    "proc/config.gz",     "proc/iomem",       "proc/ioports",
};

static const char passwd[] =
    "root:x:0:0:root:/root:/usr/sbin/nologin\n"
    "agent:x:1000:1000:agent:" SANDBOX_HOME ":/bin/sh\n"
    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
static const char group[] = "root:x:0:\nagent:x:1000:\ntty:x:5:\n"
                            "nogroup:x:65534:\n";
static const char hosts[] = "127.0.0.1 localhost nightjar\n"
                            "::1 localhost ip6-localhost\n";
static const char nsswitch[] = "passwd: files\ngroup: files\nhosts: files\n"
                               "services: files\nprotocols: files\n";

static struct mount_operation *add(struct mounts *mounts, enum mount_type type,
                                   const char *target, const char *source)
{
    struct mount_operation *item = &mounts->items[mounts->count++];

    *item = (struct mount_operation){
        .type = type, .target = mem_string(target), .mode = 0755, .fd = -1};
    if (source)
        item->source = mem_string(source);
    return item;
}

static void add_system(struct mounts *mounts)
{
    for (size_t i = 0; i < ARRAY_LENGTH(system_paths); i++) {
        const char *path = system_paths[i];
        char link[256];
        ssize_t length = readlink(path, link, sizeof(link) - 1);

        /* A merged /usr: keep the link, its end is mounted. */
        if (length > 0 && strncmp(path, "/etc", 4) != 0) {
            link[length] = '\0';
            add(mounts, MOUNT_SYMLINK, path + 1, link);
        } else {
            add(mounts, MOUNT_READ, path + 1, path)->optional = true;
        }
    }
    add(mounts, MOUNT_FILE, "etc/passwd", passwd);
    add(mounts, MOUNT_FILE, "etc/group", group);
    add(mounts, MOUNT_FILE, "etc/hosts", hosts);
    add(mounts, MOUNT_FILE, "etc/nsswitch.conf", nsswitch);
    add(mounts, MOUNT_FILE, "etc/hostname", "nightjar\n");
}

static void add_tmpfs(struct mounts *mounts, const char *target, int64_t bytes,
                      unsigned mode)
{
    struct mount_operation *item = add(mounts, MOUNT_TMPFS, target, NULL);

    item->bytes = bytes;
    item->mode = mode;
}

static void add_devices(struct mounts *mounts, int64_t scratch_bytes)
{
    for (size_t i = 0; i < ARRAY_LENGTH(devices); i++)
        add(mounts, MOUNT_DEVICE, devices[i] + 1, devices[i]);
    add(mounts, MOUNT_SYMLINK, "dev/fd", "/proc/self/fd");
    add(mounts, MOUNT_SYMLINK, "dev/stdin", "/proc/self/fd/0");
    add(mounts, MOUNT_SYMLINK, "dev/stdout", "/proc/self/fd/1");
    add(mounts, MOUNT_SYMLINK, "dev/stderr", "/proc/self/fd/2");
    add(mounts, MOUNT_DEVPTS, "dev/pts", NULL);
    add(mounts, MOUNT_SYMLINK, "dev/ptmx", "pts/ptmx");
    add_tmpfs(mounts, "dev/shm", scratch_bytes, 01777);
}

static int add_paths(struct mounts *mounts, enum mount_type type,
                     const char *const *paths, size_t count, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (paths[i][0] != '/' || !paths[i][1])
            return error_set(err, ERROR_SANDBOX,
                             "path '%s': expected an absolute path below /",
                             paths[i]);
        if (mounts->count >= MOUNTS_MAX - 4)
            return error_set(err, ERROR_SANDBOX, "more than %d paths",
                             MOUNTS_MAX);
        add(mounts, type, paths[i] + 1, paths[i]);
    }
    return 0;
}

int mounts_plan(const struct sandbox_spec *spec, struct mounts *mounts,
                struct error *err)
{
    mounts->count = 0;
    mounts->staging = -1;
    add_system(mounts);
    add_devices(mounts, spec->scratch_bytes);
    add(mounts, MOUNT_PROC, "proc", NULL);
    for (size_t i = 0; i < ARRAY_LENGTH(masked); i++)
        add(mounts, MOUNT_MASK, masked[i], "/dev/null");
    add_tmpfs(mounts, "tmp", spec->scratch_bytes, 01777);
    add_tmpfs(mounts, "var/tmp", spec->scratch_bytes, 01777);
    add_tmpfs(mounts, "run", ROOT_BYTES, 0755);
    add_tmpfs(mounts, "home", spec->scratch_bytes, 0755);
    add(mounts, MOUNT_DIRECTORY, &SANDBOX_HOME[1], NULL)->mode = 0700;
    add(mounts, MOUNT_WRITE, &SANDBOX_WORKSPACE[1], spec->workspace);
    if (add_paths(mounts, MOUNT_READ, spec->read, spec->read_count, err) ||
        add_paths(mounts, MOUNT_WRITE, spec->write, spec->write_count, err)) {
        mounts_free(mounts);
        return -1;
    }
    return 0;
}

void mounts_free(struct mounts *mounts)
{
    for (size_t i = 0; i < mounts->count; i++) {
        free(mounts->items[i].target);
        free(mounts->items[i].source);
        fd_reset(&mounts->items[i].fd);
    }
    mounts->count = 0;
    fd_reset(&mounts->staging);
}

void mounts_describe(const struct mounts *mounts, struct buffer *out)
{
    static const char *const names[] = {
        [MOUNT_DIRECTORY] = "directory", [MOUNT_FILE] = "file",
        [MOUNT_SYMLINK] = "symlink",     [MOUNT_READ] = "read-only",
        [MOUNT_WRITE] = "writable",      [MOUNT_DEVICE] = "device",
        [MOUNT_MASK] = "mask",           [MOUNT_TMPFS] = "tmpfs",
        [MOUNT_PROC] = "proc",           [MOUNT_DEVPTS] = "devpts",
    };

    for (size_t i = 0; i < mounts->count; i++) {
        const struct mount_operation *item = &mounts->items[i];

        buffer_addf(out, "%-9s /%s", names[item->type], item->target);
        if (item->type == MOUNT_TMPFS)
            buffer_addf(out, " (%lld MiB)", (long long)item->bytes >> 20);
        else if (item->type == MOUNT_SYMLINK)
            buffer_addf(out, " -> %s", item->source);
        else if (item->type == MOUNT_WRITE)
            buffer_addf(out, " from %s", item->source);
        if (item->optional)
            buffer_add_string(out, " (if there)");
        buffer_add_byte(out, '\n');
    }
}

/* ---- in PID 1 ---------------------------------------------------------- */

static bool binds(const struct mount_operation *item)
{
    return item->type == MOUNT_READ || item->type == MOUNT_WRITE ||
           item->type == MOUNT_DEVICE || item->type == MOUNT_MASK;
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

int mounts_take_sources(struct mounts *mounts, const char *staging,
                        size_t *failed)
{
    *failed = mounts->count;
    mounts->staging = open(staging, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (mounts->staging < 0)
        return -1;
    for (size_t i = 0; i < mounts->count; i++) {
        struct mount_operation *item = &mounts->items[i];
        struct mount_attr attr = {.attr_set = attributes(item->type)};

        *failed = i;
        if (!binds(item))
            continue;
        /* Submounts come along: they cannot be left out without rights over
         * them, and they get the same attributes. */
        item->fd =
            (int)syscall(SYS_open_tree, AT_FDCWD, item->source,
                         OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
        if (item->fd < 0 && item->optional && errno == ENOENT)
            continue;
        if (item->fd < 0 ||
            syscall(SYS_mount_setattr, item->fd, "",
                    AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)))
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

static int apply_bind(int root, const struct mount_operation *item)
{
    struct stat info;

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
    return (int)syscall(SYS_move_mount, item->fd, "", root, item->target,
                        MOVE_MOUNT_F_EMPTY_PATH);
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
    snprintf(options, sizeof(options), "size=%lld,mode=%o,nr_inodes=1000000",
             (long long)item->bytes, item->mode);
    return mount("tmpfs", item->target, "tmpfs", MS_NOSUID | MS_NODEV, options);
}

static int apply_one(int root, const struct mount_operation *item)
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
        return apply_filesystem(root, item);
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

    snprintf(size, sizeof(size), "%lld", (long long)ROOT_BYTES);
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
        if (apply_one(root, &mounts->items[i]))
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
