/* `nightjar merge`: one run directory of several. */
#ifndef NIGHTJAR_RUNNER_MERGE_H
#define NIGHTJAR_RUNNER_MERGE_H

#include "runner/options.h"

/* Returns the exit status of the merged run. */
int merge_command(const struct options *options);

#endif
