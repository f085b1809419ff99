/* The reports of a run: at its end, and from its run directory again. */
#ifndef NIGHTJAR_RUNNER_REPORT_RUN_H
#define NIGHTJAR_RUNNER_REPORT_RUN_H

#include "runner/options.h"
#include "runner/run_directory.h"
#include "tasks/cache.h"

/* Whether every --report can be written, before anything is done for it. */
int reports_check(const struct options *options, struct error *err);

/* The reports of a run that is over, and its table; `cache` may be NULL.
 * Returns the exit status; what is wrong is printed. */
int reports_finish(const struct options *options,
                   const struct run_directory *directory,
                   const struct cache *cache, struct error *err);

/* What the options ask for, from the run directory at `path`; without any
 * question the table. */
int report_directory(const struct options *options, const char *path,
                     struct error *err);

#endif
