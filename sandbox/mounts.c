#include "sandbox/mounts.h"

#include <sys/stat.h>

#include "base/memory.h"

#define SHARED_BYTES ((int64_t)1 << 30) /* of /dev/shm, without a limit */

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

/* For the host's network: where names are looked up. */
static const char *const network_paths[] = {"/etc/resolv.conf",
                                            "/etc/host.conf"};

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
static const char nsswitch_dns[] =
    "passwd: files\ngroup: files\nhosts: files dns\n"
    "services: files\nprotocols: files\n";

static struct mount_operation *add(struct mounts *mounts, enum mount_type type,
                                   const char *target, const char *source)
{
    struct mount_operation *item = &mounts->items[mounts->count++];

    *item = (struct mount_operation){.type = type,
                                     .target = mem_string(target),
                                     .mode = 0755,
                                     .owner = (uid_t)-1,
                                     .fd = -1,
                                     .lower_fd = -1};
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
    /* Else a name of /etc/hosts has its first address only. */
    add(mounts, MOUNT_FILE, "etc/host.conf", "multi on\n");
    add(mounts, MOUNT_FILE, "etc/hostname", "nightjar\n");
}

static void add_tmpfs(struct mounts *mounts, const char *target, int64_t bytes,
                      unsigned mode)
{
    struct mount_operation *item = add(mounts, MOUNT_TMPFS, target, NULL);

    item->bytes = bytes;
    item->mode = mode;
}

static void add_devices(struct mounts *mounts, int64_t shared_bytes)
{
    for (size_t i = 0; i < ARRAY_LENGTH(devices); i++)
        add(mounts, MOUNT_DEVICE, devices[i] + 1, devices[i]);
    add(mounts, MOUNT_SYMLINK, "dev/fd", "/proc/self/fd");
    add(mounts, MOUNT_SYMLINK, "dev/stdin", "/proc/self/fd/0");
    add(mounts, MOUNT_SYMLINK, "dev/stdout", "/proc/self/fd/1");
    add(mounts, MOUNT_SYMLINK, "dev/stderr", "/proc/self/fd/2");
    add(mounts, MOUNT_DEVPTS, "dev/pts", NULL);
    add(mounts, MOUNT_SYMLINK, "dev/ptmx", "pts/ptmx");
    add_tmpfs(mounts, "dev/shm", shared_bytes, 01777);
    /* mq_open(3) goes through it, seen or not, and Landlock looks there. */
    add(mounts, MOUNT_MQUEUE, "dev/mqueue", NULL)->optional = true;
}

/* A directory or file with the owner that it has on the host. */
static void add_owned(struct mounts *mounts, enum mount_type type,
                      const char *target, const char *source)
{
    struct mount_operation *item = add(mounts, type, target, source);
    struct stat info;

    if (!stat(source, &info)) {
        item->owner = info.st_uid;
        item->group = info.st_gid;
    }
}

static int add_paths(struct mounts *mounts, enum mount_type type,
                     const char *const *paths, size_t count, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (paths[i][0] != '/' || !paths[i][1])
            return error_set(err, ERROR_SANDBOX,
                             "path '%s': expected an absolute path below /",
                             paths[i]);
        if (mounts->count >= MOUNTS_MAX - 8)
            return error_set(err, ERROR_SANDBOX, "more than %d paths",
                             MOUNTS_MAX);
        if (type == MOUNT_WRITE)
            add_owned(mounts, type, paths[i] + 1, paths[i]);
        else
            add(mounts, type, paths[i] + 1, paths[i]);
    }
    return 0;
}

static void add_scratch(struct mounts *mounts, const char *scratch)
{
    static const char *const names[][2] = {
        {"tmp", "tmp"}, {"var/tmp", "var-tmp"}, {&SANDBOX_HOME[1], "home"}};

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        CLEANUP(mem_free)
        char *source = mem_format("%s/%s", scratch, names[i][1]);

        add(mounts, MOUNT_WRITE, names[i][0], source);
    }
}

/* What git on the host would obey later stays as it was. The folder itself is
 * a mount too, so that it cannot be moved aside. */
static void add_git(struct mounts *mounts, const char *inside,
                    const char *workspace)
{
    static const char *const names[] = {"hooks", "config", "config.worktree"};
    CLEANUP(mem_free) char *git = mem_format("%s/.git", workspace);
    CLEANUP(mem_free) char *target = mem_format("%s/.git", inside + 1);
    struct stat info;

    if (lstat(git, &info) || !S_ISDIR(info.st_mode))
        return;
    add(mounts, MOUNT_WRITE, target, git)->itself = true;
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        CLEANUP(mem_free) char *file = mem_format("%s/%s", git, names[i]);
        CLEANUP(mem_free) char *to = mem_format("%s/%s", target, names[i]);

        if (!lstat(file, &info) &&
            (S_ISREG(info.st_mode) || S_ISDIR(info.st_mode)))
            add(mounts, MOUNT_READ, to, file)->itself = true;
    }
}

static void add_workspace(struct mounts *mounts,
                          const struct sandbox_spec *spec)
{
    const char *inside = spec->inside ? spec->inside : SANDBOX_WORKSPACE;

    if (spec->lower) {
        struct mount_operation *item =
            add(mounts, MOUNT_OVERLAY, inside + 1, spec->workspace);
        struct stat info;

        item->lower = mem_string(spec->lower);
        if (!stat(spec->lower, &info)) {
            item->owner = info.st_uid;
            item->group = info.st_gid;
        }
        return;
    }
    add_owned(mounts, MOUNT_WRITE, inside + 1, spec->workspace);
    if (spec->protect_git)
        add_git(mounts, inside, spec->workspace);
}

int mounts_plan(const struct sandbox_spec *spec, struct mounts *mounts,
                struct error *err)
{
    int64_t shared =
        spec->limits.memory_bytes ? spec->limits.memory_bytes : SHARED_BYTES;

    mounts->count = 0;
    mounts->staging = mounts->upper = mounts->scratch = -1;
    add_system(mounts);
    if (spec->network == SANDBOX_NETWORK_OPEN) {
        for (size_t i = 0; i < ARRAY_LENGTH(network_paths); i++)
            add(mounts, MOUNT_READ, network_paths[i] + 1, network_paths[i])
                ->optional = true;
    }
    add(mounts, MOUNT_FILE, "etc/nsswitch.conf",
        spec->network == SANDBOX_NETWORK_OPEN ? nsswitch_dns : nsswitch);
    add_devices(mounts, shared);
    add(mounts, MOUNT_PROC, "proc", NULL);
    for (size_t i = 0; i < ARRAY_LENGTH(masked); i++)
        add(mounts, MOUNT_MASK, masked[i], "/dev/null");
    add_tmpfs(mounts, "run", MOUNTS_ROOT_BYTES, 0755);
    add_scratch(mounts, spec->scratch);
    /* The folders that the workspace may lie in come first. */
    if (add_paths(mounts, MOUNT_READ, spec->read, spec->read_count, err) ||
        add_paths(mounts, MOUNT_WRITE, spec->write, spec->write_count, err)) {
        mounts_free(mounts);
        return -1;
    }
    if (spec->lower && spec->objects)
        add_owned(mounts, MOUNT_READ, &SANDBOX_OBJECTS[1], spec->objects);
    add_workspace(mounts, spec);
    return 0;
}

void mounts_free(struct mounts *mounts)
{
    for (size_t i = 0; i < mounts->count; i++) {
        free(mounts->items[i].target);
        free(mounts->items[i].source);
        free(mounts->items[i].lower);
        fd_reset(&mounts->items[i].fd);
        fd_reset(&mounts->items[i].lower_fd);
    }
    mounts->count = 0;
    fd_reset(&mounts->staging);
    fd_reset(&mounts->upper);
    fd_reset(&mounts->scratch);
}

void mounts_describe(const struct mounts *mounts, struct buffer *out)
{
    static const char *const names[] = {
        [MOUNT_DIRECTORY] = "directory", [MOUNT_FILE] = "file",
        [MOUNT_SYMLINK] = "symlink",     [MOUNT_READ] = "read-only",
        [MOUNT_WRITE] = "writable",      [MOUNT_DEVICE] = "device",
        [MOUNT_MASK] = "mask",           [MOUNT_TMPFS] = "tmpfs",
        [MOUNT_PROC] = "proc",           [MOUNT_DEVPTS] = "devpts",
        [MOUNT_MQUEUE] = "mqueue",       [MOUNT_OVERLAY] = "overlay",
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
        else if (item->type == MOUNT_OVERLAY)
            buffer_addf(out, " of %s over %s", item->source, item->lower);
        if (item->optional)
            buffer_add_string(out, " (if there)");
        buffer_add_byte(out, '\n');
    }
}
