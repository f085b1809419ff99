/* A shell script as the simple commands that it may run, for matching rules.
 *
 * This reads words, it does not run a shell: variables and globs stay as they
 * are, and what stands in substitutions, groups and `sh -c` arguments is read
 * as commands too. A script can always hide what it does (eval, encodings,
 * files): rules steer an honest model, the sandbox confines the other. */
#ifndef NIGHTJAR_RUNNER_AGENT_SHELL_H
#define NIGHTJAR_RUNNER_AGENT_SHELL_H

#include <stdbool.h>

#include "base/arena.h"

#define SHELL_COMMANDS_MAX 512
#define SHELL_WORDS_MAX 4096 /* of one command */
#define SHELL_DEPTH_MAX 4    /* of sh -c within sh -c */

struct shell_command {
    const char **words; /* quotes taken off; without leading assignments */
    size_t count;
};

struct shell_commands {
    struct shell_command *items;
    size_t count;
    bool complete; /* false: a limit was reached, there is more */
};

/* Splits; everything is in the arena. */
struct shell_commands shell_split(struct arena *arena, const char *script);

#endif
