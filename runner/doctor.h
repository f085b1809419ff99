/* `nightjar doctor`: what the host gives sandboxes. */
#ifndef NIGHTJAR_RUNNER_DOCTOR_H
#define NIGHTJAR_RUNNER_DOCTOR_H

#include "runner/options.h"

/* Returns the process's exit status. */
int doctor_command(const struct options *options);

#endif
