#include "sandbox/orphans.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/memory.h"

#define SPARED_MAX 64
#define ROUNDS_MAX 10000
#define TEXT_MAX ((size_t)4 << 20)

static pid_t spared[SPARED_MAX];

static void replace(pid_t from, pid_t to)
{
    for (size_t i = 0; i < SPARED_MAX; i++) {
        if (spared[i] == from) {
            spared[i] = to;
            return;
        }
    }
}

void orphans_spare(pid_t pid)
{
    replace(0, pid);
}

void orphans_forget(pid_t pid)
{
    replace(pid, 0);
}

static bool is_spared(pid_t pid)
{
    for (size_t i = 0; i < SPARED_MAX; i++) {
        if (spared[i] == pid)
            return true;
    }
    return false;
}

static int64_t count_filters(pid_t pid)
{
    CLEANUP(mem_free) char *path = mem_format("/proc/%d/status", (int)pid);
    CLEANUP(buffer_free) struct buffer text = {0};
    struct error ignored;
    const char *at;

    buffer_init(&text, TEXT_MAX);
    if (file_read(AT_FDCWD, path, &text, &ignored))
        return -1;
    at = strstr(text.data, "\nSeccomp_filters:");
    return at ? strtoll(at + strlen("\nSeccomp_filters:"), NULL, 10) : -1;
}

/* One look at the children; whether something was killed. */
static bool kill_once(int64_t own)
{
    CLEANUP(mem_free)
    char *path = mem_format("/proc/self/task/%d/children", (int)getpid());
    CLEANUP(buffer_free) struct buffer text = {0};
    struct error ignored;
    bool killed = false;
    char *at;
    char *end;

    buffer_init(&text, TEXT_MAX);
    if (file_read(AT_FDCWD, path, &text, &ignored))
        return false;
    for (at = text.data;; at = end) {
        pid_t pid = (pid_t)strtol(at, &end, 10);

        if (end == at)
            return killed;
        if (is_spared(pid) || count_filters(pid) <= own)
            continue;
        kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
        killed = true; /* its own children are ours now */
    }
}

void orphans_kill(void)
{
    int64_t own = count_filters(getpid());

    for (int i = 0; i < ROUNDS_MAX && kill_once(own); i++)
        ;
}
