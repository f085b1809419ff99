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
#define TREE_DEPTH_MAX 4096

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

int file_make_directories(int dirfd, const char *path, struct error *err)
{
    CLEANUP(mem_free) char *copy = mem_string(path);

    for (char *at = copy + 1; *copy; at++) {
        char end = *at;

        if (end && end != '/')
            continue;
        *at = '\0';
        if (mkdirat(dirfd, copy, 0777) && errno != EEXIST)
            return error_set_errno(err, ERROR_IO, errno, "mkdir %s", copy);
        *at = end;
        if (!end)
            break;
    }
    return 0;
}

int file_open_beneath(int dirfd, const char *path, int flags, mode_t mode)
{
    struct open_how how = {
        .flags = (uint64_t)(flags | O_CLOEXEC),
        .mode = flags & (O_CREAT | O_TMPFILE) ? mode : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };

    return (int)syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
}

static int remove_entries(int fd, int depth, struct error *err);

static int remove_entry(int dirfd, const char *name, int depth,
                        struct error *err)
{
    CLEANUP(fd_close) int fd = -1;

    if (!unlinkat(dirfd, name, 0) || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM && errno != EACCES)
        return error_set_errno(err, ERROR_IO, errno, "remove %s", name);
    if (depth > TREE_DEPTH_MAX)
        return error_set(err, ERROR_IO, "remove %s: nested too deep", name);
    fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == EACCES) {
        /* Ours, but its mode shuts us out. AT_SYMLINK_NOFOLLOW is not
         * needed: unlink has just told that it is a directory. */
        if (fchmodat(dirfd, name, 0700, 0))
            return error_set_errno(err, ERROR_IO, errno, "remove %s", name);
        fd = openat(dirfd, name,
                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    }
    if (fd < 0)
        return error_set_errno(err, ERROR_IO, errno, "remove %s", name);
    fchmod(fd, 0700);
    if (remove_entries(fd, depth + 1, err))
        return error_context(err, "%s", name);
    if (unlinkat(dirfd, name, AT_REMOVEDIR) && errno != ENOENT)
        return error_set_errno(err, ERROR_IO, errno, "remove %s", name);
    return 0;
}

static void directory_close(DIR **directory)
{
    if (*directory)
        closedir(*directory);
}

static int remove_entries(int fd, int depth, struct error *err)
{
    CLEANUP(directory_close) DIR *directory = NULL;
    struct dirent *entry;
    int copy = dup(fd);

    directory = copy < 0 ? NULL : fdopendir(copy);
    if (!directory) {
        fd_reset(&copy);
        return error_set_errno(err, ERROR_IO, errno, "read directory");
    }
    while ((entry = readdir(directory))) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        if (remove_entry(fd, entry->d_name, depth, err))
            return -1;
    }
    return 0;
}

int file_remove_tree(int dirfd, const char *name, struct error *err)
{
    return remove_entry(dirfd, name, 0, err);
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
