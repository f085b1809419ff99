/* The packets between a sandbox's owner and its PID 1, over one SEQPACKET
 * socket. Both ends are this program; still, each checks what it gets. */
#ifndef NIGHTJAR_SANDBOX_CONTROL_H
#define NIGHTJAR_SANDBOX_CONTROL_H

#include <stdint.h>

#include "sandbox/mounts.h"

enum control_type {
    CONTROL_GO,      /* to init: maps are written, go on */
    CONTROL_READY,   /* from init: confined, commands may come */
    CONTROL_FAILED,  /* from init: step and errno; before READY it ends */
    CONTROL_RUN,     /* to init: fds [request, input, output] */
    CONTROL_STARTED, /* from init: with the terminal's master, if asked for */
    CONTROL_SIGNAL,  /* to init: id, value = signal */
    CONTROL_EXITED,  /* from init: id, value = wait status */
};

/* What init was doing when it failed; texts in sandbox.c. */
enum control_step {
    STEP_IDENTITY,
    STEP_SOURCES, /* id = operation */
    STEP_MOUNTS,  /* id = operation, or their count */
    STEP_LOOPBACK,
    STEP_HOSTNAME,
    STEP_PRIVILEGES,
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
    uint32_t terminal;
    uint32_t size; /* of everything, the head included */
    uint64_t memory_bytes;
    uint64_t pids;
};

/* What PID 1 starts from; made before the fork so that it needs no memory. */
struct init_setup {
    int control;
    struct mounts *mounts;
    const char *staging;
    struct span filter;
    uint64_t pids;
};

/* PID 1's life. Never returns. */
_Noreturn void init_main(const struct init_setup *setup);

#endif
