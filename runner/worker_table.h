/* One running worker as the supervisor sees it, and the frames it sends. */
#ifndef NIGHTJAR_RUNNER_WORKER_TABLE_H
#define NIGHTJAR_RUNNER_WORKER_TABLE_H

#include <sys/types.h>

#include "runner/link.h"
#include "runner/run_directory.h"
#include "runner/worker.h"
#include "tasks/task.h"

#define WORKER_ARTIFACT_BYTES_MAX ((size_t)512 << 20)
#define WORKER_RECEIVE_BYTES ((size_t)256 << 10)

struct worker {
    const struct task *task;
    pid_t pid;
    int pidfd;
    int socket;
    char *scratch;
    int64_t began;   /* base/clock.h */
    int64_t kill_at; /* when it must have ended */
    struct buffer received;
    bool ended; /* the socket gave its end */

    int transcript;

    /* the file that is being sent */
    char artifact[LINK_NAME_MAX + 1]; /* "" if none */
    int artifact_fd;
    size_t artifact_bytes;
    size_t artifacts_total;

    /* from its events */
    int64_t attempts;
    char commit[41];
    cJSON *verdict;  /* the last attempt_finished; NULL: none yet */
    char fault[256]; /* what rule it broke; "" if none */
    bool stopped;    /* killed because the run ends now */
    bool late;       /* killed because it did not end in time */
    bool resumable;  /* its task may be gone on with: the folder stays */
};

/* Creates the job's scratch folder and forks its worker, which keeps nothing
 * of the supervisor's but its end of the socket and `guard`, the pipe that
 * tells the guard that somebody lives. job->link is set in the worker. On
 * failure the entry stays free (ERROR_IO). */
int worker_start(struct worker *worker, const struct worker_job *job,
                 const struct run_directory *directory, int guard,
                 struct error *err);

/* What the supervisor does with what a worker sends. */
struct worker_handler {
    /* With an accepted event; -1 only for faults of its own. */
    int (*event)(void *context, struct worker *worker, const cJSON *event,
                 struct span line, struct error *err);
    /* With a question (gate.h), which worker_answer answers now or later; what
     * is none is the worker's fault. -1 as above. */
    int (*ask)(void *context, struct worker *worker, const cJSON *ask,
               struct error *err);
    void *context;
};

/* Reads what the worker sent and hands it on; files and transcript lines go
 * to the run directory. Returns 0, or -1 when the run directory cannot be
 * written. A broken rule is noted in worker->fault. */
int worker_receive(struct worker *worker, struct run_directory *directory,
                   const struct worker_handler *handler, struct error *err);

/* Notes what rule the worker broke; the first one counts. */
void worker_fault(struct worker *worker, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Answers a question. A worker that is gone is noticed by its pidfd. */
void worker_answer(const struct worker *worker, bool yes);

/* Answers "pin": with a commit, or "" for none. */
void worker_answer_pin(const struct worker *worker, const char *commit);

/* Releases what the entry holds; the process must be gone. */
void worker_free(struct worker *worker);

#endif
