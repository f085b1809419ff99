/* A worker: one forked process that works on one task and tells the
 * supervisor what happens. */
#ifndef NIGHTJAR_RUNNER_WORKER_H
#define NIGHTJAR_RUNNER_WORKER_H

#include "base/secret.h"
#include "runner/agent/budget.h"
#include "runner/link.h"
#include "runner/model/tape.h"
#include "sandbox/sandbox.h"
#include "tasks/task.h"

struct worker_job {
    const struct task *task;
    const struct secrets *secrets;
    const char *key;     /* of the model, among the secrets; may be NULL */
    const char *scratch; /* a folder of this task alone, on the host */
    const char *passage; /* the folder of the whole run, above it */
    const struct cache *cache;
    const struct sandbox_filter *filter;
    const struct run_settings *run;
    struct tape_settings tape;
    size_t index;                   /* of the task in the whole plan */
    const char *transcript;         /* of a run that was cut off; NULL: none */
    int64_t attempts_before;        /* of earlier tries of the task */
    int64_t attempt;                /* of that run, the last; from 1 */
    int64_t verify_rounds;          /* in it */
    struct agent_totals totals;     /* of all of it */
    int link;                       /* socket to the supervisor */
    int files[LINK_FILES];          /* of the task, open for reading */
    struct link_progress *progress; /* shared memory */
    int supervisor;                 /* its process id */
};

/* Works and ends the process: 0 when a verdict was sent. */
_Noreturn void worker_main(const struct worker_job *job);

#endif
