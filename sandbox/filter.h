/* The system-call filter: what sandboxed processes may ask of the kernel.
 *
 * An allow list: what filter.c does not name fails with ENOSYS, as on a
 * kernel that does not have it, so that programs that probe fall back. What
 * programs commonly try and must not have fails with EPERM. A foreign
 * architecture's or x32's calls kill the process. */
#ifndef NIGHTJAR_SANDBOX_FILTER_H
#define NIGHTJAR_SANDBOX_FILTER_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"

struct filter_options {
    bool notify; /* refusals go to a listener, which answers with
                    filter_errno; else the kernel answers */
    bool inet;   /* internet sockets: for an own network namespace, or the
                    host's when that is wanted */
    bool shared; /* no own namespaces: nothing that reaches other processes
                    of the same user by number, name or socket */
};

/* Adds the filter as an array of struct sock_filter, for seccomp(2). */
int filter_build(const struct filter_options *options, struct buffer *program,
                 struct error *err);

/* In the process to be confined, with no_new_privs set: installs it.
 * Only a system call. Returns the listener or 0, or -1 with errno; EBUSY: a
 * filter that this process came with has a listener already. */
int filter_install(struct span program, bool notify);

/* The answer to a refused call: EPERM, ENOSYS, or what socket calls say of a
 * kind that is not there. Signal-safe once filter_build was called. */
int filter_errno(int number, const uint64_t arguments[static 6]);

/* A system call's name ("mount") to `out`; its number when it has none. */
void filter_call_name(int number, char *out, size_t size);

/* The table for people: names and reasons, as Markdown. */
void filter_describe(struct buffer *out);

#endif
