/* Starting a worker: a fork of the warm supervisor without exec. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/memory.h"
#include "runner/worker_table.h"

#define SOCKET_BYTES (1 << 20)
#define LINK_FD 3
#define GUARD_FD 4
#define FIRST_FREE_FD 10

/* In the child: everything of the supervisor's goes but the two descriptors
 * that a worker needs. */
static _Noreturn void become_worker(const struct worker_job *job, int link,
                                    int guard)
{
    struct worker_job own = *job;
    /* Moved up first, so that neither is overwritten. */
    int high_link = fcntl(link, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
    int high_guard = fcntl(guard, F_DUPFD_CLOEXEC, FIRST_FREE_FD);

    if (high_link < 0 || high_guard < 0 ||
        dup3(high_link, LINK_FD, O_CLOEXEC) < 0 ||
        dup3(high_guard, GUARD_FD, O_CLOEXEC) < 0 ||
        syscall(SYS_close_range, GUARD_FD + 1U, ~0U, 0U))
        _exit(1);
    own.link = LINK_FD;
    worker_main(&own);
}

static int fork_worker(struct worker *worker, const struct worker_job *job,
                       int guard, struct error *err)
{
    int size = SOCKET_BYTES;
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
        return error_set_errno(err, ERROR_IO, errno, "socketpair");
    /* A smaller buffer only costs more wake-ups. */
    setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    worker->socket = ends[0];
    worker->pid = fork();
    if (worker->pid == 0)
        become_worker(job, ends[1], guard);
    close(ends[1]);
    if (worker->pid < 0)
        return error_set_errno(err, ERROR_IO, errno, "fork");
    worker->pidfd = (int)syscall(SYS_pidfd_open, worker->pid, 0);
    if (worker->pidfd >= 0)
        return 0;
    error_set_errno(err, ERROR_IO, errno, "pidfd_open");
    kill(worker->pid, SIGKILL);
    while (waitpid(worker->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return -1;
}

int worker_start(struct worker *worker, const struct worker_job *job, int guard,
                 struct error *err)
{
    *worker = (struct worker){.pidfd = -1,
                              .socket = -1,
                              .artifact_fd = -1,
                              .transcript = -1,
                              .began = clock_now_ms(),
                              .kill_at = CLOCK_NEVER,
                              .scratch = mem_string(job->scratch)};
    buffer_init(&worker->received,
                LINK_TRANSCRIPT_MAX + 2 * WORKER_RECEIVE_BYTES);
    if (mkdir(worker->scratch, 0700) && errno != EEXIST)
        error_set_errno(err, ERROR_IO, errno, "mkdir %s", worker->scratch);
    else if (!fork_worker(worker, job, guard, err))
        worker->task = job->task;
    if (worker->task)
        return 0;
    worker_free(worker);
    return -1;
}
