/* `nightjar diff` and `nightjar estimate`: what one run says about another. */
#ifndef NIGHTJAR_RUNNER_COMPARE_H
#define NIGHTJAR_RUNNER_COMPARE_H

#include "runner/options.h"

/* What changed between two runs of the same tasks. Returns 0, 1 when a task
 * that passed passes no more, or the status of an error. */
int diff_command(const struct options *options);

/* What a run of the manifests would cost, by an earlier run. Returns the exit
 * status. */
int estimate_command(const struct options *options);

#endif
