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
#define FILES_FD 5
#define FIRST_FREE_FD 10

/* In the child: everything of the supervisor's goes but the descriptors that a
 * worker needs, which become the first ones. */
static _Noreturn void become_worker(const struct worker_job *job, int link,
                                    int guard)
{
    struct worker_job own = *job;
    int kept[FILES_FD + LINK_FILES - LINK_FD] = {link, guard};
    const unsigned count = ARRAY_LENGTH(kept);

    memcpy(kept + FILES_FD - LINK_FD, job->files, sizeof(job->files));
    /* Moved up first, so that none is overwritten. */
    for (unsigned i = 0; i < count; i++) {
        kept[i] = fcntl(kept[i], F_DUPFD_CLOEXEC, FIRST_FREE_FD);
        if (kept[i] < 0)
            _exit(1);
    }
    for (unsigned i = 0; i < count; i++) {
        if (dup3(kept[i], LINK_FD + (int)i, O_CLOEXEC) < 0)
            _exit(1);
    }
    if (syscall(SYS_close_range, LINK_FD + count, ~0U, 0U))
        _exit(1);
    own.link = LINK_FD;
    for (int i = 0; i < LINK_FILES; i++)
        own.files[i] = FILES_FD + i;
    worker_main(&own);
}

/* The task's folder and its transcript, and what its worker has of them. */
static int open_files(struct worker *worker, struct worker_job *job,
                      const struct run_directory *directory, struct error *err)
{
    static const char name[] = "transcript.jsonl";
    int folder = run_directory_task(directory, job->task->id, err);

    if (folder < 0)
        return -1;
    job->files[LINK_FOLDER] = folder;
    worker->transcript =
        openat(folder, name,
               O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0666);
    job->files[LINK_TURN] =
        openat(directory->fd, "work/turn",
               O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    job->files[LINK_LINES] =
        openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    job->files[LINK_JOURNAL] = openat(directory->fd, "journal.jsonl",
                                      O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (worker->transcript < 0 || job->files[LINK_TURN] < 0 ||
        job->files[LINK_LINES] < 0 || job->files[LINK_JOURNAL] < 0)
        return error_set_errno(err, ERROR_IO, errno, "tasks/%s/%s",
                               job->task->id, name);
    /* Of a run that was cut off: nothing may stand behind half a line. */
    return run_directory_cut_torn(worker->transcript, err);
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

int worker_start(struct worker *worker, const struct worker_job *job,
                 const struct run_directory *directory, int guard,
                 struct error *err)
{
    struct worker_job own = *job;

    for (int i = 0; i < LINK_FILES; i++)
        own.files[i] = -1;
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
    else if (!open_files(worker, &own, directory, err) &&
             !fork_worker(worker, &own, guard, err))
        worker->task = job->task;
    for (int i = 0; i < LINK_FILES; i++)
        fd_reset(&own.files[i]);
    if (worker->task)
        return 0;
    worker_free(worker);
    return -1;
}
