/* A task's setup and checks, run where nothing but them has been. */
#ifndef NIGHTJAR_RUNNER_CHECKS_H
#define NIGHTJAR_RUNNER_CHECKS_H

#include "runner/attempt.h"
#include "runner/place.h"

struct checked {
    bool passed;
    const struct task_step *failed; /* the first */
    struct step_run run;            /* of that step; the caller frees output */
};

/* Runs the setup steps. One that fails is the world's fault (ERROR_SETUP):
 * nothing could be judged. */
int checks_set_up(struct place *place, int64_t round, struct error *err);

/* Setup and checks in a clean checkout of `tree`, for the phase `purpose`
 * ("verify", "base"). -1 when they could not be run. */
int checks_run(const struct attempt_request *request, struct object_id tree,
               const char *purpose, int64_t round, struct checked *checked,
               struct error *err);

#endif
