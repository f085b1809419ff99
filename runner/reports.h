/* From a run directory to its reports. */
#ifndef NIGHTJAR_RUNNER_REPORTS_H
#define NIGHTJAR_RUNNER_REPORTS_H

#include "runner/options.h"
#include "runner/run_directory.h"
#include "tasks/cache.h"
#include "tasks/outcome.h"

/* Prints the error (run.h); returns the exit status that it means. */
int report_failure(const struct error *err);

/* Whether every --report can be written, before anything is done for it. */
int reports_check(const struct options *options, struct error *err);

/* What the journal of a run directory says; the caller frees the outcome. */
int reports_read(const char *path, struct run_outcome *outcome,
                 struct error *err);

/* Writes to standard output. */
int reports_put(struct span text, struct error *err);

/* The reports of a run that is over, and its table; `cache` may be NULL.
 * Returns the exit status; what is wrong is printed. */
int reports_finish(const struct options *options,
                   const struct run_directory *directory,
                   const struct cache *cache, struct error *err);

#endif
