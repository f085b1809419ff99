/* nightjar why: what was decided about a task's tool calls. */
#ifndef NIGHTJAR_RUNNER_WHY_H
#define NIGHTJAR_RUNNER_WHY_H

#include "runner/options.h"

int why_command(const struct options *options);

#endif
