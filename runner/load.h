/* From the command line to a plan that can run: manifests, filters and what
 * flags replace. */
#ifndef NIGHTJAR_RUNNER_LOAD_H
#define NIGHTJAR_RUNNER_LOAD_H

#include "runner/options.h"
#include "tasks/choose.h"
#include "tasks/manifest.h"
#include "tasks/outcome.h"

/* Loads every manifest into the plan; every problem is printed on standard
 * error. Returns -1 when there was one; the caller frees the plan in any
 * case. */
int load_plan(const struct options *options, struct plan *plan);

/* Tells, on standard error, what repositories of this machine the tasks will
 * not find, or not as they are in their work trees; each once. */
void load_look_at_repositories(const struct plan *plan);

/* How long the tasks of a run took that ended, sorted by id: owned by the
 * caller, pointing into the outcome, which the caller frees. */
int load_durations(const char *directory, struct run_outcome *outcome,
                   struct past_duration **past, size_t *count,
                   struct error *err);

#endif
