/* `nightjar merge`: one run directory of several. */
#ifndef NIGHTJAR_RUNNER_MERGE_H
#define NIGHTJAR_RUNNER_MERGE_H

#include "runner/options.h"
#include "runner/run_directory.h"

/* Makes the run directory `out` (NULL: as run_directory_create) of those runs;
 * the caller closes it. What is missing or in several is told on standard
 * error. Errors: ERROR_USAGE, ERROR_PROTOCOL, ERROR_IO. */
int merge_runs(const struct option_list *paths, const char *out,
               struct run_directory *directory, struct error *err);

/* Returns the exit status of the merged run. */
int merge_command(const struct options *options);

#endif
