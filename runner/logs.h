/* `nightjar logs`: what happened in a task, line by line. */
#ifndef NIGHTJAR_RUNNER_LOGS_H
#define NIGHTJAR_RUNNER_LOGS_H

#include "runner/options.h"

/* Returns the exit status: 2 when the run has no such task. */
int logs_command(const struct options *options);

#endif
