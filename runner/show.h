/* `nightjar show`: what a task's conversation was, to be read. */
#ifndef NIGHTJAR_RUNNER_SHOW_H
#define NIGHTJAR_RUNNER_SHOW_H

#include "runner/options.h"

/* Prints it; on a terminal through the pager. Returns the exit status. */
int show_command(const struct options *options);

#endif
