/* The run's folder for checkouts, and a process that removes it whatever
 * becomes of the run.
 *
 * The guard waits at a pipe whose other end the supervisor and its workers
 * hold. When the last of them is gone, killed or not, it removes the folder
 * and ends. Folders of runs whose guard was killed too are removed by the
 * next run. */
#ifndef NIGHTJAR_RUNNER_GUARD_H
#define NIGHTJAR_RUNNER_GUARD_H

#include <sys/types.h>

#include "base/error.h"

struct guard {
    char *scratch; /* absolute; mode 0700 */
    int lock;      /* held as long as the run lives */
    int pipe;      /* the end that keeps the guard waiting */
    pid_t pid;
};

/* Creates the folder in TMPDIR (default /tmp) and starts the guard. */
int guard_start(struct guard *guard, struct error *err);

/* Removes the folder and waits for the guard's end. Accepts a guard that did
 * not start when it is zeroed. */
void guard_end(struct guard *guard);

#endif
