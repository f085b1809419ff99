/* The system-call filter: what sandboxed processes may ask of the kernel.
 *
 * An allow list: what filter.c does not name fails with ENOSYS, as on a
 * kernel that does not have it, so that programs that probe fall back. What
 * programs commonly try and must not have fails with EPERM. A foreign
 * architecture's or x32's calls kill the process. */
#ifndef NIGHTJAR_SANDBOX_FILTER_H
#define NIGHTJAR_SANDBOX_FILTER_H

#include "base/buffer.h"
#include "base/error.h"

/* Adds the filter as an array of struct sock_filter, for seccomp(2). */
int filter_build(struct buffer *program, struct error *err);

/* In the process to be confined, with no_new_privs set: installs it.
 * Only a system call. Returns 0 or -1 with errno. */
int filter_install(struct span program);

#endif
