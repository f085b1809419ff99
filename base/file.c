#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/memory.h"

#define CHUNK_BYTES 65536
/* Two descriptors are open for each folder that is being removed; what lies
 * deeper is moved up first. */
#define TREE_DEPTH_MAX 16

int file_read_fd(int fd, struct buffer *out, struct error *err)
{
    for (;;) {
        size_t left = out->maximum - out->length;
        size_t want = left < CHUNK_BYTES ? left : CHUNK_BYTES;
        char one_more;
        ssize_t got = read(fd, want ? buffer_reserve(out, want) : &one_more,
                           want ? want : 1);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set_errno(err, ERROR_IO, errno, "read");
        if (got == 0)
            return 0;
        if (!want)
            return error_set(err, ERROR_IO, "larger than %zu bytes",
                             out->maximum);
        buffer_commit(out, (size_t)got);
    }
}

int file_read(int dirfd, const char *path, struct buffer *out,
              struct error *err)
{
    /* O_NONBLOCK: opening a FIFO must not wait for a writer. */
    CLEANUP(fd_close)
    int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat info;

    if (fd < 0 || fstat(fd, &info))
        return error_set_errno(err, ERROR_IO, errno, "%s", path);
    if (!S_ISREG(info.st_mode))
        return error_set(err, ERROR_IO, "%s: not a regular file", path);
    if (file_read_fd(fd, out, err))
        return error_context(err, "%s", path);
    return 0;
}

int file_write_fd(int fd, const void *data, size_t length, struct error *err)
{
    const char *at = data;

    while (length) {
        ssize_t put = write(fd, at, length);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return error_set_errno(err, ERROR_IO, errno, "write");
        at += put;
        length -= (size_t)put;
    }
    return 0;
}

static int write_synced(int dirfd, const char *name, struct span content,
                        struct error *err)
{
    CLEANUP(fd_close)
    int fd = openat(dirfd, name,
                    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);

    if (fd < 0)
        return error_set_errno(err, ERROR_IO, errno, "create %s", name);
    if (file_write_fd(fd, content.data, content.length, err))
        return error_context(err, "%s", name);
    if (fsync(fd))
        return error_set_errno(err, ERROR_IO, errno, "fsync %s", name);
    return 0;
}

static int sync_directory_of(int dirfd, const char *name)
{
    CLEANUP(mem_free) char *path = mem_string(name);
    char *slash = strrchr(path, '/');
    CLEANUP(fd_close) int fd = -1;

    if (slash)
        slash[slash == path] = '\0';
    fd = openat(dirfd, slash ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -1 : fsync(fd);
}

int file_replace(int dirfd, const char *name, struct span content,
                 struct error *err)
{
    CLEANUP(mem_free) char *beside = mem_format("%s.new-%d", name, getpid());

    unlinkat(dirfd, beside, 0);
    if (write_synced(dirfd, beside, content, err)) {
        unlinkat(dirfd, beside, 0);
        return -1;
    }
    if (renameat(dirfd, beside, dirfd, name)) {
        error_set_errno(err, ERROR_IO, errno, "rename to %s", name);
        unlinkat(dirfd, beside, 0);
        return -1;
    }
    if (sync_directory_of(dirfd, name))
        return error_set_errno(err, ERROR_IO, errno, "fsync directory of %s",
                               name);
    return 0;
}

static bool is_directory(int dirfd, const char *path)
{
    struct stat info;

    return !fstatat(dirfd, path, &info, 0) && S_ISDIR(info.st_mode);
}

int file_make_directories(int dirfd, const char *path, struct error *err)
{
    CLEANUP(mem_free) char *copy = mem_string(path);

    for (char *at = copy + 1; *copy; at++) {
        char end = *at;

        if (end && end != '/')
            continue;
        *at = '\0';
        if (mkdirat(dirfd, copy, 0777) &&
            (errno != EEXIST || !is_directory(dirfd, copy)))
            return error_set_errno(err, ERROR_IO, errno, "mkdir %s", copy);
        *at = end;
        if (!end)
            break;
    }
    return 0;
}

int file_open_beneath(int dirfd, const char *path, int flags, mode_t mode)
{
    /* O_TMPFILE is several bits, one of them O_DIRECTORY. */
    bool creates = flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE;
    struct open_how how = {
        .flags = (uint64_t)(flags | O_CLOEXEC),
        .mode = creates ? mode : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };

    return (int)syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
}

/* A removal at work. */
struct removal {
    int top;       /* the folder that it began with */
    bool moved_up; /* into it, since it was read */
    unsigned long long names;
    struct error *err;
};

static int remove_entries(struct removal *removal, int fd, int depth);

/* Opens a folder; one of ours whose mode shuts us out is opened up. */
static int open_folder(int dirfd, const char *name)
{
    static const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(dirfd, name, flags);

    if (fd < 0 && errno == EACCES &&
        !fchmodat(dirfd, name, 0700, AT_SYMLINK_NOFOLLOW))
        fd = openat(dirfd, name, flags);
    if (fd >= 0)
        fchmod(fd, 0700);
    return fd;
}

/* Moves a folder to where the removal began, so that no tree is too deep. */
static int move_up(struct removal *removal, int dirfd, const char *name)
{
    char fresh[32];
    bool opened_up = false;

    for (;;) {
        snprintf(fresh, sizeof(fresh), "deep-%llu", removal->names++);
        if (!renameat(dirfd, name, removal->top, fresh))
            break;
        if (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR)
            continue; /* the name is taken */
        if (errno != EACCES || opened_up ||
            fchmodat(dirfd, name, 0700, AT_SYMLINK_NOFOLLOW))
            return error_set_errno(removal->err, ERROR_IO, errno, "remove %s",
                                   name);
        opened_up = true;
    }
    removal->moved_up = true;
    return 0;
}

static int remove_folder(struct removal *removal, int dirfd, const char *name,
                         int depth)
{
    CLEANUP(fd_close) int fd = open_folder(dirfd, name);

    if (fd < 0)
        return error_set_errno(removal->err, ERROR_IO, errno, "remove %s",
                               name);
    if (!depth)
        removal->top = fd;
    do {
        removal->moved_up = depth && removal->moved_up;
        if (remove_entries(removal, fd, depth + 1))
            return error_context(removal->err, "%s", name);
    } while (!depth && removal->moved_up);
    if (unlinkat(dirfd, name, AT_REMOVEDIR) && errno != ENOENT)
        return error_set_errno(removal->err, ERROR_IO, errno, "remove %s",
                               name);
    return 0;
}

static int remove_entry(struct removal *removal, int dirfd, const char *name,
                        int depth)
{
    if (!unlinkat(dirfd, name, 0) || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM && errno != EACCES)
        return error_set_errno(removal->err, ERROR_IO, errno, "remove %s",
                               name);
    if (depth > TREE_DEPTH_MAX)
        return move_up(removal, dirfd, name);
    return remove_folder(removal, dirfd, name, depth);
}

static void directory_close(DIR **directory)
{
    if (*directory)
        closedir(*directory);
}

static int remove_entries(struct removal *removal, int fd, int depth)
{
    CLEANUP(directory_close) DIR *directory = NULL;
    struct dirent *entry;
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    directory = copy < 0 ? NULL : fdopendir(copy);
    if (!directory) {
        fd_reset(&copy);
        return error_set_errno(removal->err, ERROR_IO, errno, "read directory");
    }
    rewinddir(directory);
    while ((entry = readdir(directory))) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        if (remove_entry(removal, fd, entry->d_name, depth))
            return -1;
    }
    return 0;
}

int file_remove_tree(int dirfd, const char *name, struct error *err)
{
    struct removal removal = {.top = -1, .err = err};

    return remove_entry(&removal, dirfd, name, 0);
}

char *file_temporary_folder(const char *stem, struct error *err)
{
    const char *base = getenv("TMPDIR");
    CLEANUP(mem_free)
    char *path =
        mem_format("%s/%s.XXXXXX", base && *base ? base : "/tmp", stem);

    if (mkdtemp(path))
        return STEAL(path);
    error_set_errno(err, ERROR_IO, errno, "%s", path);
    return NULL;
}

int file_memory(const char *name, struct span content, struct error *err)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return error_set_errno(err, ERROR_IO, errno, "memfd_create");
    if (file_write_fd(fd, content.data, content.length, err) ||
        lseek(fd, 0, SEEK_SET) < 0 ||
        fcntl(fd, F_ADD_SEALS,
              F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
        error_set_errno(err, ERROR_IO, errno, "memory file %s", name);
        fd_reset(&fd);
        return -1;
    }
    return fd;
}

/* Between file systems, and on some of them, the kernel copies nothing. */
static int copy_bytes(int from, int to, struct error *err)
{
    char bytes[65536];

    for (;;) {
        ssize_t got = read(from, bytes, sizeof(bytes));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set_errno(err, ERROR_IO, errno, "read");
        if (!got)
            return 0;
        if (file_write_fd(to, bytes, (size_t)got, err))
            return -1;
    }
}

int file_copy_fd(int from, int to, struct error *err)
{
    for (;;) {
        ssize_t copied = copy_file_range(from, NULL, to, NULL, 1 << 30, 0);

        if (copied == 0)
            return 0;
        if (copied < 0 && (errno == EXDEV || errno == EINVAL ||
                           errno == ENOSYS || errno == EOPNOTSUPP))
            return copy_bytes(from, to, err);
        if (copied < 0 && errno != EINTR)
            return error_set_errno(err, ERROR_IO, errno, "copy");
    }
}
