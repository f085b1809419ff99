/* The egress proxy: the only way out of a sandbox whose network is a list.
 *
 * A process of the host's, unprivileged and confined itself, serves a socket
 * that was made in the sandbox's network namespace: HTTP CONNECT and plain
 * HTTP with absolute URLs (RFC 9110, 9112). It looks names up itself, so that
 * a listed name decides and not the caller's idea of its address, and refuses
 * addresses that are not public unless the list names them. */
#ifndef NIGHTJAR_SANDBOX_EGRESS_H
#define NIGHTJAR_SANDBOX_EGRESS_H

#include "sandbox/sandbox.h"

struct egress;

/* Checks one entry of a list. Errors: ERROR_MANIFEST with what is wrong. */
int egress_check_host(const char *host, struct error *err);

/* Starts the process. `listener` stays the caller's. NULL on failure. */
struct egress *egress_start(int listener, struct sandbox_identity identity,
                            struct error *err);

/* Replaces the list and cuts what is open; returns when that is done. */
int egress_set_hosts(struct egress *egress, const char *const *hosts,
                     size_t count, struct error *err);

/* Once no command runs any more: cuts what is open and waits, for a moment,
 * until all of it is counted. */
void egress_settle(struct egress *egress);

/* The next thing it told, if any, without waiting. */
bool egress_next(struct egress *egress, struct sandbox_notice *notice);

/* Ends the process. Accepts NULL. */
void egress_stop(struct egress *egress);

#endif
