#include "runner/run_directory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "runner/link.h"

static char *make_run_id(void)
{
    time_t now = (time_t)(clock_utc_ms() / 1000);
    unsigned char random[3] = {0};
    struct tm parts;
    char stamp[32] = "19700101T000000Z";

    if (gmtime_r(&now, &parts))
        strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &parts);
    if (!clock_is_frozen() && getrandom(random, sizeof(random), 0) < 0)
        memset(random, getpid() & 0xFF, sizeof(random));
    return mem_format("%s-%02x%02x%02x", stamp, random[0], random[1],
                      random[2]);
}

/* The folder for runs keeps itself out of the repository that it is in. */
static int make_default(struct run_directory *directory, struct error *err)
{
    static const char rule[] = "*\n";
    CLEANUP(fd_close) int fd = -1;

    directory->path = mem_format(".nightjar/runs/%s", directory->run_id);
    if (file_make_directories(AT_FDCWD, directory->path, err))
        return -1;
    fd = open(".nightjar/.gitignore", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
              0666);
    if (fd < 0 && errno != EEXIST)
        return error_set_errno(err, ERROR_IO, errno, ".nightjar/.gitignore");
    return fd < 0 ? 0 : file_write_fd(fd, rule, strlen(rule), err);
}

/* The journal of a run that was killed before it wrote anything: as good as
 * new. Else -1 with EEXIST. */
static int open_empty(int folder)
{
    struct stat info;
    int fd = openat(folder, "journal.jsonl",
                    O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);

    if (fd >= 0 && !fstat(fd, &info) && S_ISREG(info.st_mode) &&
        !info.st_size && !flock(fd, LOCK_EX | LOCK_NB))
        return fd;
    fd_reset(&fd);
    errno = EEXIST;
    return -1;
}

static int open_journal(struct run_directory *directory, struct error *err)
{
    directory->fd = open(directory->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory->fd < 0)
        return error_set_errno(err, ERROR_IO, errno, "%s", directory->path);
    directory->journal =
        openat(directory->fd, "journal.jsonl",
               O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
    if (directory->journal < 0 && errno == EEXIST)
        directory->journal = open_empty(directory->fd);
    if (directory->journal < 0 && errno == EEXIST) {
        error_set(err, ERROR_USAGE, "%s holds a run already", directory->path);
        return error_hint(err, "give --out a folder that is new or empty");
    }
    if (directory->journal < 0 || flock(directory->journal, LOCK_EX | LOCK_NB))
        return error_set_errno(err, ERROR_IO, errno, "%s/journal.jsonl",
                               directory->path);
    if ((mkdirat(directory->fd, "tasks", 0777) && errno != EEXIST) ||
        (mkdirat(directory->fd, "reports", 0777) && errno != EEXIST) ||
        fsync(directory->fd))
        return error_set_errno(err, ERROR_IO, errno, "%s", directory->path);
    return 0;
}

int run_directory_create(struct run_directory *directory, const char *out,
                         struct error *err)
{
    *directory = (struct run_directory){.fd = -1, .journal = -1};
    directory->run_id = make_run_id();
    if (out) {
        directory->path = mem_string(out);
        if (file_make_directories(AT_FDCWD, out, err))
            return -1;
    } else if (make_default(directory, err)) {
        return -1;
    }
    return open_journal(directory, err);
}

int run_directory_cut_torn(int journal, struct error *err)
{
    off_t end = lseek(journal, 0, SEEK_END);
    off_t kept = end;
    char byte = 0;

    while (kept > 0 && pread(journal, &byte, 1, kept - 1) == 1 && byte != '\n')
        kept--;
    if (end < 0 || (kept < end && ftruncate(journal, kept)))
        return error_set_errno(err, ERROR_IO, errno, "cut a torn line");
    return 0;
}

int run_directory_open(struct run_directory *directory, const char *path,
                       struct error *err)
{
    *directory = (struct run_directory){.fd = -1, .journal = -1};
    directory->path = mem_string(path);
    directory->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory->fd >= 0)
        directory->journal = openat(directory->fd, "journal.jsonl",
                                    O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    if (directory->journal < 0) {
        error_set_errno(err, ERROR_USAGE, errno, "%s", path);
        return error_hint(err, "--resume wants the folder of a run");
    }
    if (flock(directory->journal, LOCK_EX | LOCK_NB)) {
        error_set(err, ERROR_USAGE, "%s: a run is still at work in it", path);
        return error_hint(err, "'nightjar status %s' tells how far it is",
                          path);
    }
    return run_directory_cut_torn(directory->journal, err);
}

void run_directory_close(struct run_directory *directory)
{
    fd_reset(&directory->fd);
    fd_reset(&directory->journal);
    mem_free(&directory->path);
    mem_free(&directory->run_id);
}

int run_directory_append(struct run_directory *directory, struct span line,
                         struct error *err)
{
    if (file_write_fd(directory->journal, line.data, line.length, err))
        return error_context(err, "journal");
    if (directory->progress)
        directory->progress->written += (int64_t)line.length;
    return 0;
}

int run_directory_sync(struct run_directory *directory, struct error *err)
{
    if (fdatasync(directory->journal))
        return error_set_errno(err, ERROR_IO, errno, "journal: sync");
    return 0;
}

int run_directory_task(const struct run_directory *directory, const char *task,
                       struct error *err)
{
    CLEANUP(mem_free) char *name = mem_format("tasks/%s", task);
    int fd;

    if (mkdirat(directory->fd, name, 0777) && errno != EEXIST)
        return error_set_errno(err, ERROR_IO, errno, "mkdir %s", name);
    fd = openat(directory->fd, name,
                O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return error_set_errno(err, ERROR_IO, errno, "%s", name);
    return fd;
}

int run_directory_write(const struct run_directory *directory, const char *name,
                        struct span content, struct error *err)
{
    return file_replace(directory->fd, name, content, err);
}

int run_directory_read_journal(const char *path, struct buffer *out,
                               struct error *err)
{
    CLEANUP(mem_free) char *journal = mem_format("%s/journal.jsonl", path);

    if (file_read(AT_FDCWD, journal, out, err)) {
        /* Not there, or part of a path that is no folder. */
        if (access(journal, F_OK) && (errno == ENOENT || errno == ENOTDIR))
            err->kind = ERROR_USAGE;
        return error_hint(err, "expected the folder of a run, such as those in "
                               ".nightjar/runs");
    }
    return 0;
}

bool run_directory_is_at_work(const char *path)
{
    CLEANUP(mem_free) char *journal = mem_format("%s/journal.jsonl", path);
    CLEANUP(fd_close) int fd = open(journal, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK;
}
