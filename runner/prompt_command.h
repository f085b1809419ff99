/* nightjar prompt: what the model is sent first. */
#ifndef NIGHTJAR_RUNNER_PROMPT_COMMAND_H
#define NIGHTJAR_RUNNER_PROMPT_COMMAND_H

#include "runner/options.h"

int prompt_command(const struct options *options);

#endif
