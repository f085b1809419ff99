/* Leases: the right to change something on disk that runs and processes share.
 *
 * The kernel holds a lease for its owner (flock), so that the end of a process
 * ends its leases. The file names the owner and until when the work is to be
 * done: one that is still held then, by a process that hangs, is taken over.
 * What a lease protects must bear that a late owner wakes up: fetches into
 * a repository do, and what each process makes under a name of its own and
 * renames. */
#ifndef NIGHTJAR_TASKS_LEASE_H
#define NIGHTJAR_TASKS_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* Waits until the lease at `path` (made if it is missing; its folder must be
 * there) is free, and takes it, until `deadline` (base/clock.h). Closing the
 * descriptor gives it back. Returns -1 with ERROR_TIMEOUT at the deadline,
 * naming the owner, or ERROR_IO. */
int lease_take(const char *path, int64_t deadline, struct error *err);

/* Says that the folder of `path` is in use: any number may say so together.
 * Closing the descriptor ends it. -1: ERROR_IO. */
int lease_use(const char *path, struct error *err);

/* Takes what lease_take or lease_use gives, if nobody has either: the
 * descriptor, or -1. */
int lease_try_alone(const char *path);

#endif
