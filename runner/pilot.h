/* What the first tasks of a run make one expect of all of it. Pure. */
#ifndef NIGHTJAR_RUNNER_PILOT_H
#define NIGHTJAR_RUNNER_PILOT_H

#include "tasks/outcome.h"

/* Shares are thousandths, costs millionths of a dollar. The intervals hold
 * 95 % of what such tasks would show, if the rest are like them: Wilson's
 * score interval for the share that passes (Wilson 1927), Student's t for the
 * mean cost. */
struct projection {
    int64_t tasks; /* that were looked at: those with a verdict */
    int64_t passed;
    int64_t share;
    int64_t share_low;
    int64_t share_high;
    bool cost_known;
    int64_t cost; /* of the whole run of `all` tasks */
    int64_t cost_low;
    int64_t cost_high; /* -1: one task says nothing about the spread */
};

/* The two-sided 95 % quantile of Student's t; freedom is 1 or more. */
double pilot_student_95(int64_t freedom);

/* From the finished tasks of the outcome; `all` is how many there will be. */
struct projection pilot_project(const struct run_outcome *outcome, size_t all);

/* For people, in one line without its end. */
void pilot_tell(const struct projection *projection, size_t all,
                struct buffer *out);

#endif
