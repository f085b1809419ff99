#include "runner/lingering.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/number.h"

#define WAIT_MS 30000
#define PAUSE_NS 5000000
#define FILE_BYTES 4096
#define STATE_FIELD 1 /* behind the name, from 1: proc(5) */
#define START_FIELD 20

/* The rest of /proc/PID/stat behind the name, which may hold anything; NULL
 * when the process is gone. Owned by the caller. */
static char *read_status(pid_t pid)
{
    CLEANUP(mem_free) char *path = mem_format("/proc/%d/stat", pid);
    CLEANUP(buffer_free) struct buffer text = {0};
    CLEANUP(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    char bytes[FILE_BYTES];
    const char *name_end;
    ssize_t got = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes) - 1);

    if (got <= 0)
        return NULL;
    bytes[got] = '\0';
    name_end = strrchr(bytes, ')');
    return name_end ? mem_string(name_end + 1) : NULL;
}

static char *field_of(const char *status, int number)
{
    const char *at = status;

    for (int i = 0; i < number; i++) {
        at += strcspn(at, " ");
        at += strspn(at, " ");
    }
    return mem_bytes(at, strcspn(at, " \n"));
}

static void read_boot(char *out, size_t size)
{
    CLEANUP(fd_close)
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, out, size - 1);

    out[got > 0 ? got : 0] = '\0';
    out[strcspn(out, "\n")] = '\0';
}

/* "BOOT PID START\n"; NULL when the process is gone. */
static char *describe(pid_t pid)
{
    CLEANUP(mem_free) char *status = read_status(pid);
    CLEANUP(mem_free) char *start = NULL;
    CLEANUP(mem_free) char *state = NULL;
    char boot[64];

    if (!status)
        return NULL;
    read_boot(boot, sizeof(boot));
    state = field_of(status, STATE_FIELD);
    start = field_of(status, START_FIELD);
    /* A zombie has seen the end of all that were in its namespace. */
    if (*state == 'Z' || *state == 'X')
        return NULL;
    return mem_format("%s %d %s\n", boot, pid, start);
}

int lingering_note(const char *path, pid_t pid, struct error *err)
{
    CLEANUP(mem_free) char *line = describe(pid);

    return line ? file_replace(AT_FDCWD, path,
                               (struct span){line, strlen(line)}, err)
                : 0;
}

static bool is_there(const char *noted)
{
    const char *blank = strchr(noted, ' ');
    CLEANUP(mem_free)
    char *pid = blank ? mem_bytes(blank + 1, strcspn(blank + 1, " ")) : NULL;
    CLEANUP(mem_free) char *now = NULL;
    int64_t number;

    if (!pid || number_int64(pid, &number) || number < 1 || number > INT32_MAX)
        return false;
    now = describe((pid_t)number);
    return now && !strcmp(now, noted);
}

int lingering_wait(const char *path, struct error *err)
{
    const struct timespec pause = {0, PAUSE_NS};
    int64_t until = clock_deadline(WAIT_MS);
    CLEANUP(buffer_free) struct buffer noted = {0};
    struct error ignored;

    buffer_init(&noted, FILE_BYTES);
    if (file_read(AT_FDCWD, path, &noted, &ignored))
        return 0;
    while (is_there(noted.data)) {
        if (clock_now_ms() > until)
            return error_set(err, ERROR_SANDBOX,
                             "processes of the run that was cut off do not "
                             "end");
        nanosleep(&pause, NULL);
    }
    return 0;
}

bool lingering_rebooted(const char *path)
{
    CLEANUP(buffer_free) struct buffer noted = {0};
    struct error ignored;
    char boot[64];
    size_t length;

    buffer_init(&noted, FILE_BYTES);
    if (file_read(AT_FDCWD, path, &noted, &ignored))
        return true;
    read_boot(boot, sizeof(boot));
    length = strcspn(noted.data, " ");
    return length != strlen(boot) || memcmp(noted.data, boot, length) != 0;
}
