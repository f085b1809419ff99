/* Going on with a run that was cut off: what its directory says about each
 * task of the plan. */
#ifndef NIGHTJAR_RUNNER_RESUME_H
#define NIGHTJAR_RUNNER_RESUME_H

#include "runner/agent/budget.h"
#include "runner/options.h"
#include "runner/run_directory.h"
#include "tasks/manifest.h"
#include "tasks/outcome.h"

struct resume_task {
    enum {
        RESUME_WORK,   /* not begun, or to be gone on with */
        RESUME_SETTLE, /* its attempt has a verdict, the task has not */
        RESUME_DONE,
    } state;
    int64_t attempt;            /* to go on with or to begin, from 1 */
    int64_t verify_rounds;      /* that were in it */
    struct agent_totals totals; /* of the task, as the journal has it */
    bool begun;                 /* there may be a record of it */
    int64_t attempts_before;    /* of earlier tries of the task */
    const char *commit;         /* that its ref was; \"\": not known */
    bool failed;                /* what is done: failed or an error */
    const char *again; /* "retry" or "rerun": it was done with; or NULL */
    const struct outcome_attempt *last; /* of RESUME_SETTLE */
};

/* Compares run.json, as it was written, with `text`, as it would be now: the
 * tasks must be the same (ERROR_USAGE). */
int resume_check(struct span written, struct span text, struct error *err);

/* Which tasks that are done with are worked on again, as the command line has
 * it: "failed", "error:network"; ids or globs. */
struct resume_again {
    const struct option_list *retry;
    const struct option_list *rerun;
};

/* Whether each --rerun names a task (ERROR_USAGE). */
int resume_check_again(const struct plan *plan,
                       const struct resume_again *again, struct error *err);

/* One entry for each task of the plan, owned by the caller; points into the
 * outcome. */
struct resume_task *resume_tasks(const struct plan *plan,
                                 const struct run_outcome *outcome,
                                 const struct resume_again *again);

/* The command line of the run whose run.json that is: manifests, filters,
 * params, jobs. Strings are in the arena. Errors: ERROR_USAGE. */
int resume_options(struct span run_json, struct arena *arena,
                   struct options *options, struct error *err);

#endif
