/* The supervisor: starts a worker for each task, at most so many at once,
 * writes down what they say, and ends when all tasks have a verdict.
 *
 * It is one poll loop. What workers send is not trusted: frames are bounded,
 * events must be of a known type and of the worker's own task; a worker that
 * breaks a rule is killed and its task is an error. */
#ifndef NIGHTJAR_RUNNER_SUPERVISOR_H
#define NIGHTJAR_RUNNER_SUPERVISOR_H

#include "base/secret.h"
#include "runner/gate.h"
#include "runner/model/tape.h"
#include "runner/progress.h"
#include "runner/resume.h"
#include "runner/run_directory.h"
#include "tasks/choose.h"
#include "tasks/manifest.h"

struct supervision {
    const struct plan *plan;
    const struct secrets *secrets;
    /* The key for each task's model, in the plan's order; NULL entries for
     * models without one. Among the secrets. */
    const char *const *keys;
    struct run_directory *directory;
    /* Of a run that is gone on with: the state of each task, and what was
     * spent; NULL: a new run. */
    const struct resume_task *resume;
    struct gate_amount spent;
    struct tape_settings tape;
    const struct cache *cache; /* of repositories */
    struct shard shard;        /* that the plan is */
    struct progress progress;
};

/* Runs every task. On 0 the journal is complete, also after a signal; -1 is
 * a fault of the host (ERROR_IO: a full disk, no more processes), after which
 * nothing of the run is left running. SIGINT, SIGTERM, SIGHUP and SIGCHLD
 * must be blocked. */
int supervise(struct supervision *supervision, struct error *err);

#endif
