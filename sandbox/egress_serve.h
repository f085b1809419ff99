/* What the proxy's process and its owner say to each other, and the process
 * itself. Internal to the egress proxy. */
#ifndef NIGHTJAR_SANDBOX_EGRESS_SERVE_H
#define NIGHTJAR_SANDBOX_EGRESS_SERVE_H

#include "base/hosts.h"
#include "sandbox/sandbox.h"

enum egress_message_type {
    EGRESS_HOST,   /* to the process: one entry of the next list */
    EGRESS_USE,    /* to the process: the list is complete; answered */
    EGRESS_SETTLE, /* to the process: nobody is left inside; answered by DONE
                      once all that went through is counted */
    EGRESS_ASK,    /* to the process: what changed since; answered */
    EGRESS_DONE,   /* from the process: the answer is complete */
    EGRESS_REPORT, /* from the process: one line of the answer */
};

struct egress_message {
    uint32_t type;
    union {
        struct host_entry host;
        struct {
            char name[HOST_NAME_MAX_LENGTH + 1];
            int port;
            int64_t connections;
            int64_t refusals;
            int64_t sent;
            int64_t received;
            char reason[SANDBOX_REASON_MAX]; /* of the last refusal */
        } report;
    };
};

/* The process's life: `listener` accepts, `owner` is the SEQPACKET socket. */
_Noreturn void egress_serve(int listener, int owner);

/* One client: reads its request, connects, copies until one side ends. */
void egress_client(int client);

/* For egress_client: */
struct egress_target {
    char name[HOST_NAME_MAX_LENGTH + 1];
    int port;
};

/* Whether the list allows the name; counts a refusal otherwise. */
bool egress_may_ask(const struct egress_target *target);

/* Whether it allows the address that the name led to. */
bool egress_may_connect(const struct egress_target *target,
                        const struct in6_addr *address);

/* Counts a refusal or a connection's end. */
void egress_count_refusal(const struct egress_target *target,
                          const char *reason);
void egress_count_bytes(const struct egress_target *target, int64_t sent,
                        int64_t received);

/* Registers the server's socket so that a new list cuts it; false when that
 * came meanwhile. The client's own was registered before. */
bool egress_register(int client, int server);

#endif
