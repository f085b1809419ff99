#include "tasks/lease.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/number.h"

/* Between two looks, from the first to the longest. */
#define PAUSE_FIRST_NS 5000000
#define PAUSE_LAST_NS 250000000
#define NOTE_MAX 128
/* So long over its time an owner may be late. */
#define GRACE_MS 10000

/* Whether the path still names the open file: it may have been replaced while
 * it was waited for. */
static bool is_current(int fd, const char *path)
{
    struct stat opened;
    struct stat named;

    return !fstat(fd, &opened) && !stat(path, &named) &&
           opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

/* The scope no longer closes it. */
static int keep(int *fd)
{
    int kept = *fd;

    *fd = -1;
    return kept;
}

static int open_lock(const char *path)
{
    return open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
}

/* "PID DEADLINE\n": who has it, until when. */
static int note_owner(int fd, int64_t deadline)
{
    char text[NOTE_MAX];
    int length = snprintf(text, sizeof(text), "%d %" PRId64 "\n", (int)getpid(),
                          deadline);

    return ftruncate(fd, 0) || pwrite(fd, text, (size_t)length, 0) != length
               ? -1
               : 0;
}

struct owner {
    int64_t pid;
    int64_t deadline;
};

static struct owner read_owner(int fd)
{
    struct owner owner = {0, CLOCK_NEVER};
    char text[NOTE_MAX];
    ssize_t got = pread(fd, text, sizeof(text) - 1, 0);
    char *blank;

    if (got <= 0)
        return owner;
    text[got] = '\0';
    text[strcspn(text, "\n")] = '\0';
    blank = strchr(text, ' ');
    if (!blank)
        return owner;
    *blank = '\0';
    if (number_int64(text, &owner.pid) ||
        number_int64(blank + 1, &owner.deadline))
        return (struct owner){0, CLOCK_NEVER};
    return owner;
}

/* A new lock in the place of `late`, whose owner hangs. One at a time: who has
 * been before us is not late. */
static int take_over(const char *path, int late, int64_t deadline)
{
    CLEANUP(mem_free) char *turn = mem_format("%s.takeover", path);
    CLEANUP(mem_free) char *own = mem_format("%s.%d", path, (int)getpid());
    CLEANUP(fd_close) int guard = open_lock(turn);
    CLEANUP(fd_close) int fd = -1;

    if (guard < 0 || flock(guard, LOCK_EX | LOCK_NB) || !is_current(late, path))
        return -1;
    fd = open_lock(own);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) || note_owner(fd, deadline) ||
        rename(own, path))
        return -1;
    return keep(&fd);
}

/* One look: the lease, or -1 with *owner who has it, as far as is known. */
static int look(const char *path, int64_t deadline, struct owner *owner,
                struct error *err)
{
    CLEANUP(fd_close) int fd = open_lock(path);

    err->kind = ERROR_NONE;
    *owner = (struct owner){0, CLOCK_NEVER};
    if (fd < 0)
        return error_set_errno(err, ERROR_IO, errno, "open %s", path);
    if (!flock(fd, LOCK_EX | LOCK_NB)) {
        if (!is_current(fd, path))
            return -1;
        if (note_owner(fd, deadline))
            return error_set_errno(err, ERROR_IO, errno, "write %s", path);
        return keep(&fd);
    }
    *owner = read_owner(fd);
    return owner->deadline < clock_now_ms() - GRACE_MS
               ? take_over(path, fd, deadline)
               : -1;
}

int lease_take(const char *path, int64_t deadline, struct error *err)
{
    struct timespec pause = {0, PAUSE_FIRST_NS};

    for (;;) {
        struct owner owner;
        int fd = look(path, deadline, &owner, err);

        if (fd >= 0)
            return fd;
        if (err->kind != ERROR_NONE)
            return -1;
        if (clock_now_ms() >= deadline)
            return error_set(err, ERROR_TIMEOUT,
                             "process %" PRId64 " still holds %s", owner.pid,
                             path);
        nanosleep(&pause, NULL);
        pause.tv_nsec += pause.tv_nsec / 2;
        if (pause.tv_nsec > PAUSE_LAST_NS)
            pause.tv_nsec = PAUSE_LAST_NS;
    }
}

int lease_use(const char *path, struct error *err)
{
    for (;;) {
        CLEANUP(fd_close) int fd = open_lock(path);

        if (fd < 0)
            return error_set_errno(err, ERROR_IO, errno, "open %s", path);
        /* Whoever has it alone removes its folder, and is done soon. */
        if (flock(fd, LOCK_SH)) {
            if (errno != EINTR)
                return error_set_errno(err, ERROR_IO, errno, "lock %s", path);
        } else if (is_current(fd, path)) {
            return keep(&fd);
        }
    }
}

int lease_try_alone(const char *path)
{
    CLEANUP(fd_close) int fd = open_lock(path);

    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) || !is_current(fd, path))
        return -1;
    return keep(&fd);
}
