/* `nightjar sandbox`: one command in the sandbox that tasks have. */
#ifndef NIGHTJAR_RUNNER_SANDBOX_COMMAND_H
#define NIGHTJAR_RUNNER_SANDBOX_COMMAND_H

#include "runner/options.h"

#define SANDBOX_STATUS_FAILED 125 /* the sandbox could not be made */

/* Returns the process's exit status. */
int sandbox_command(const struct options *options);

#endif
