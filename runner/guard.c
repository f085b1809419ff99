#include "runner/guard.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/memory.h"
#include "sandbox/sandbox.h"

#define NAME_START "nightjar-"
#define END_TIMEOUT_MS 15000
#define REMOVE_TRIES 200
#define REMOVE_PAUSE_NS 50000000

/* Processes of a sandbox that is being torn down may still write for a
 * moment. */
static void remove_patiently(const char *path)
{
    const struct timespec pause = {0, REMOVE_PAUSE_NS};
    struct error ignored;

    for (int i = 0; i < REMOVE_TRIES; i++) {
        if (!file_remove_tree(AT_FDCWD, path, &ignored))
            return;
        nanosleep(&pause, NULL);
    }
}

static _Noreturn void guard_main(int pipe, const char *scratch)
{
    char byte;
    ssize_t got;

    setsid();
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_NAME, "nightjar-guard");
    if (dup2(pipe, 0) < 0 || syscall(SYS_close_range, 1U, ~0U, 0U))
        _exit(1);
    do {
        got = read(0, &byte, 1);
    } while (got > 0 || (got < 0 && errno == EINTR));
    if (scratch)
        remove_patiently(scratch);
    sandbox_sweep_groups();
    _exit(0);
}

static const char *temporary_folder(void)
{
    const char *folder = getenv("TMPDIR");

    return folder && *folder == '/' ? folder : "/tmp";
}

/* A folder of ours whose lock nobody holds any more. */
static void remove_if_stale(const char *folder, const char *name)
{
    CLEANUP(mem_free) char *path = mem_format("%s/%s", folder, name);
    CLEANUP(mem_free) char *lock = mem_format("%s/lock", path);
    CLEANUP(fd_close) int fd = open(lock, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    struct stat info;

    if (fd < 0 || lstat(path, &info) || !S_ISDIR(info.st_mode) ||
        info.st_uid != geteuid() || flock(fd, LOCK_EX | LOCK_NB))
        return;
    remove_patiently(path);
}

static void remove_stale(const char *folder)
{
    DIR *directory = opendir(folder);
    struct dirent *entry;

    while (directory && (entry = readdir(directory))) {
        if (!strncmp(entry->d_name, NAME_START, strlen(NAME_START)))
            remove_if_stale(folder, entry->d_name);
    }
    if (directory)
        closedir(directory);
}

static int take_folder(struct guard *guard, const char *directory,
                       struct error *err)
{
    CLEANUP(mem_free) char *root = realpath(directory, NULL);

    if (!root)
        return error_set_errno(err, ERROR_IO, errno, "%s", directory);
    guard->scratch = mem_format("%s/work", root);
    if (mkdir(guard->scratch, 0700) && errno != EEXIST)
        return error_set_errno(err, ERROR_IO, errno, "mkdir %s",
                               guard->scratch);
    return 0;
}

static int make_folder(struct guard *guard, struct error *err)
{
    const char *folder = temporary_folder();
    CLEANUP(mem_free) char *lock = NULL;

    remove_stale(folder);
    guard->scratch = mem_format("%s/" NAME_START "XXXXXX", folder);
    if (!mkdtemp(guard->scratch)) {
        error_set_errno(err, ERROR_IO, errno, "create a folder in %s", folder);
        mem_free(&guard->scratch);
        return -1;
    }
    lock = mem_format("%s/lock", guard->scratch);
    guard->lock = open(lock, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (guard->lock < 0 || flock(guard->lock, LOCK_EX | LOCK_NB))
        return error_set_errno(err, ERROR_IO, errno, "lock %s", lock);
    return 0;
}

int guard_start(struct guard *guard, const char *directory, struct error *err)
{
    int ends[2];

    *guard = (struct guard){.lock = -1, .pipe = -1};
    if (directory ? take_folder(guard, directory, err)
                  : make_folder(guard, err)) {
        guard_leave(guard);
        return -1;
    }
    if (pipe2(ends, O_CLOEXEC)) {
        error_set_errno(err, ERROR_IO, errno, "pipe");
        guard_leave(guard);
        return -1;
    }
    guard->pid = fork();
    if (guard->pid == 0)
        guard_main(ends[0], directory ? NULL : guard->scratch);
    close(ends[0]);
    guard->pipe = ends[1];
    if (guard->pid < 0) {
        error_set_errno(err, ERROR_IO, errno, "fork");
        guard_leave(guard);
        return -1;
    }
    return 0;
}

/* The guard ends as soon as nobody holds its pipe any more. If somebody does,
 * it goes on without us: a run must not hang for a folder. */
static void await_end(pid_t pid)
{
    CLEANUP(fd_close) int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd wait = {fd, POLLIN, 0};

    if (fd >= 0 && poll(&wait, 1, END_TIMEOUT_MS) == 1)
        waitpid(pid, NULL, 0);
}

void guard_leave(struct guard *guard)
{
    fd_reset(&guard->pipe);
    fd_reset(&guard->lock);
    if (guard->pid > 0)
        await_end(guard->pid);
    free(guard->scratch);
    *guard = (struct guard){.lock = -1, .pipe = -1};
}

void guard_end(struct guard *guard)
{
    struct error ignored;

    if (guard->scratch)
        file_remove_tree(AT_FDCWD, guard->scratch, &ignored);
    guard_leave(guard);
}
