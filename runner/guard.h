/* A folder for checkouts, and a process that puts away what is left of it
 * whatever becomes of its owner.
 *
 * The guard waits at a pipe whose other end the owner and its workers hold.
 * When the last of them is gone, killed or not, it removes their control
 * groups and a temporary folder, and ends. Temporary folders whose guard was
 * killed too are removed by the next one. The folder of a run is in its
 * directory and outlives a run that was cut off, so that it can be gone on
 * with. */
#ifndef NIGHTJAR_RUNNER_GUARD_H
#define NIGHTJAR_RUNNER_GUARD_H

#include <sys/types.h>

#include "base/error.h"

struct guard {
    char *scratch; /* absolute; mode 0700 */
    int lock;      /* of a temporary folder, held as long as it is used */
    int pipe;      /* the end that keeps the guard waiting */
    pid_t pid;
};

/* Makes the folder "work" in a run directory, or takes the one that is there;
 * or, with NULL, a temporary one in TMPDIR (default /tmp). Starts the guard. */
int guard_start(struct guard *guard, const char *directory, struct error *err);

/* Removes the folder and waits for the guard's end. Accepts a guard that did
 * not start when it is zeroed. */
void guard_end(struct guard *guard);

/* The same, but the folder stays. */
void guard_leave(struct guard *guard);

#endif
