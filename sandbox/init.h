/* The parts of a sandbox's PID 1. It is a copy of a process that may have had
 * threads, so nothing here allocates: only what is safe after fork. */
#ifndef NIGHTJAR_SANDBOX_INIT_H
#define NIGHTJAR_SANDBOX_INIT_H

#include "sandbox/control.h"
#include "sandbox/watch.h"

/* What PID 1 has once it is confined. */
struct init {
    int control;
    int listener;  /* of the filter's refusals, or -1 */
    int workspace; /* an open directory */
    int proxy;     /* a listening socket, or -1 */
    int proxy_port;
    int landlock_abi;
    int oom_score; /* of this process, to be written; or -1 */
    struct watch watch;
};

/* Tells the owner which step failed, with errno, and ends the process. */
_Noreturn void init_fail(int control, enum control_step step, size_t id);

/* Puts every layer on, in the order that their needs dictate; ends the
 * process where one fails. fds: what came with GO. */
void confine(const struct init_setup *setup, const int *fds, struct init *init);

struct child_error {
    int32_t errnum;
    uint32_t step;
};

/* Starts what the request in fds[0] says with fds[1], fds[2] and fds[3] as
 * input, output and errors (-1: as output), or with an own terminal, whose
 * master goes to *master. Returns 0 and the pid, or -1 and the error. */
int command_start(const int *fds, pid_t *pid, int *master,
                  struct child_error *error);

#endif
