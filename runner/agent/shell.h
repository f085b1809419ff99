/* A shell script as the simple commands that it may run, for matching rules.
 *
 * This reads words, it does not run a shell: variables and globs stay as they
 * are, and what stands in substitutions, groups, `sh -c` arguments and
 * here-documents is read as commands too. Redirections are left out. A script
 * can always hide what it does (eval, encodings, files): rules steer an honest
 * model, the sandbox confines the other. */
#ifndef NIGHTJAR_RUNNER_AGENT_SHELL_H
#define NIGHTJAR_RUNNER_AGENT_SHELL_H

#include <stdbool.h>

#include "base/arena.h"

#define SHELL_COMMANDS_MAX 512
#define SHELL_WORDS_MAX 4096 /* of one command and those that it stands in */
#define SHELL_DEPTH_MAX 32   /* of substitutions, sh -c … in each other */

struct shell_command {
    const char **words; /* quotes taken off; without leading assignments */
    size_t count;       /* 0: nothing but redirections */
};

struct shell_commands {
    struct shell_command *items;
    size_t count;
    bool complete; /* false: a limit was reached, there is more */
};

/* Splits; everything is in the arena. A command behind another that runs it
 * (sudo, env, xargs…) is listed as it stands and by itself. */
struct shell_commands shell_split(struct arena *arena, const char *script);

#endif
