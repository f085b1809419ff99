/* `nightjar init`: a manifest of one task, from the command line. */
#ifndef NIGHTJAR_RUNNER_INIT_H
#define NIGHTJAR_RUNNER_INIT_H

#include "runner/options.h"

/* Prints the manifest. Returns the exit status. */
int init_command(const struct options *options);

#endif
