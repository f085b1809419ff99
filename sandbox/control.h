/* The packets between a sandbox's owner and its PID 1, over one SEQPACKET
 * socket. Both ends are this program; still, each checks what it gets. */
#ifndef NIGHTJAR_SANDBOX_CONTROL_H
#define NIGHTJAR_SANDBOX_CONTROL_H

#include <stdint.h>

#include "sandbox/mounts.h"

#define CONTROL_FDS_MAX 64

enum control_type {
    CONTROL_GO,      /* to init: maps are written, go on; fds: the mounts that
                        only the owner could take hold of, in their order,
                        then the files that count processor time and kills
                        for memory */
    CONTROL_READY,   /* from init: confined, commands may come; value =
                        Landlock's ABI; fds: workspace, then, for a proxy, its
                        listening socket; step = its port */
    CONTROL_FAILED,  /* from init: step and errno; before READY it ends */
    CONTROL_RUN,     /* to init: fds [request, input, output, errors] */
    CONTROL_STARTED, /* from init: with the terminal's master, if asked for */
    CONTROL_SIGNAL,  /* to init: id, value = signal */
    CONTROL_EXITED,  /* from init: id, value = wait status, step = limit */
    CONTROL_LIMIT,   /* from init: value = enum sandbox_limit */
    CONTROL_END,     /* to init: no process but it is to be left */
    CONTROL_ENDED,   /* from init: value = how many are, all the same */
    CONTROL_REFUSED, /* from init: id = number of a refused system call */
};

/* What init was doing when it failed; texts in explain.c. */
enum control_step {
    STEP_IDENTITY,
    STEP_SOURCES, /* id = operation */
    STEP_MOUNTS,  /* id = operation, or their count */
    STEP_OVERLAY,
    STEP_WORKSPACE,
    STEP_LOOPBACK,
    STEP_PROXY,
    STEP_HOSTNAME,
    STEP_WATCH,
    STEP_LIMITS,
    STEP_PRIVILEGES,
    STEP_LANDLOCK,
    STEP_FILTER,
    STEP_COMMANDS, /* too many at once */
    STEP_TERMINAL,
    STEP_REQUEST,
    STEP_FORK,
    STEP_DIRECTORY,
    STEP_EXEC,
    STEP_COUNT
};

struct control {
    uint32_t type;
    uint32_t id;
    int32_t value; /* errno, signal or status */
    uint32_t step;
};

/* The request's content, in a sealed memory file: this head, then the
 * directory, argc strings, envc strings, each with its NUL. */
struct control_request {
    uint32_t argc;
    uint32_t envc;
    uint16_t terminal;
    uint16_t rows;
    uint16_t columns;
    uint16_t reserved;
    uint32_t size; /* of everything, the head included */
};

/* What PID 1 starts from; made before the fork so that it needs no memory. */
struct init_setup {
    int control;
    struct mounts *mounts;
    const char *staging;
    struct span filter;
    bool notify;     /* the filter tells of refusals */
    bool namespaces; /* all of them, or none */
    bool landlock;
    bool group_memory; /* a control group holds memory */
    bool group_cpu_time;
    bool group_events;
    enum sandbox_network network;
    struct sandbox_identity identity; /* to become, without namespaces */
    bool own_user;                    /* nobody else has that identity */
    struct sandbox_limits limits;
    const char *workspace; /* inside; also where the staging ends */
    const char *scratch;   /* the host's; without namespaces */
};

/* PID 1's life. Never returns. */
_Noreturn void init_main(const struct init_setup *setup);

/* Sends a packet with descriptors; 0 or -1 with errno. Only system calls. */
int control_send(int socket, const struct control *packet, const int *fds,
                 size_t count);

/* Receives one packet and up to CONTROL_FDS_MAX descriptors; those that did
 * not come are -1. Returns 1, 0 at the end of the socket, -1 with errno. */
int control_receive(int socket, struct control *packet,
                    int fds[static CONTROL_FDS_MAX], int flags);

#endif
