/* Passing standard input, output and errors between this process and a
 * command in a sandbox, without the command ever holding ours. */
#ifndef NIGHTJAR_RUNNER_RELAY_H
#define NIGHTJAR_RUNNER_RELAY_H

#include "sandbox/sandbox.h"

enum relay_end { RELAY_EXITED, RELAY_TIMEOUT };

/* Whether standard input and output are a terminal. */
bool relay_on_terminal(void);

/* Sets a terminal command's size to that of standard output. */
void relay_set_size(struct sandbox_command *command);

/* Whether output and errors are one file or pipe, whose order is to stay. */
bool relay_one_output(void);

/* Until the command has exited or the deadline passed. SIGINT, SIGTERM and
 * SIGHUP go to the command's group; the second one kills it. They must be
 * blocked before other processes are started, see relay_block_signals.
 * Returns 0, or -1 when the sandbox is gone
 * or output could not be passed on for another reason than that nobody reads.
 */
int relay_run(struct sandbox *sandbox, struct sandbox_process *process,
              int64_t deadline, enum relay_end *end, struct error *err);

void relay_block_signals(void);

#endif
