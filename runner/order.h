/* In which order tasks are started. Pure. */
#ifndef NIGHTJAR_RUNNER_ORDER_H
#define NIGHTJAR_RUNNER_ORDER_H

#include "tasks/manifest.h"

/* The plan's indices as they are to be started, owned by the caller: first
 * `pilot` of them that are spread evenly over the plan, then the rest; in each
 * part those of a higher priority first, else as in the plan. The same plan
 * gives the same order. */
size_t *order_make(const struct plan *plan, size_t pilot);

#endif
