/* `nightjar run`: from manifests to reports. */
#ifndef NIGHTJAR_RUNNER_RUN_H
#define NIGHTJAR_RUNNER_RUN_H

#include "runner/options.h"

/* Returns the exit status. What is wrong is printed on standard error. */
int run_command(const struct options *options);

/* `nightjar check` */
int check_command(const struct options *options);

/* `nightjar report` */
int report_command(const struct options *options);

/* Prints an error and its hint on standard error, untrusted text made
 * printable. */
void print_error(const struct error *err);

#endif
