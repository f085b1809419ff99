/* `nightjar plan`: how tasks can be divided between machines. */
#ifndef NIGHTJAR_RUNNER_PLAN_COMMAND_H
#define NIGHTJAR_RUNNER_PLAN_COMMAND_H

#include "runner/options.h"

/* Returns the exit status. */
int plan_command(const struct options *options);

#endif
