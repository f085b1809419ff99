/* The environment of commands in a sandbox: built from nothing. */
#ifndef NIGHTJAR_RUNNER_ENVIRONMENT_H
#define NIGHTJAR_RUNNER_ENVIRONMENT_H

#include "sandbox/sandbox.h"

struct command_environment {
    char **items; /* "NAME=value", NULL at the end */
    size_t count;
};

/* What every command gets: paths, locale, how tools behave unattended, and,
 * where the sandbox has a proxy, where it is. Of the addresses of the own
 * loopback, those that `hosts` names are asked for there too. */
void environment_init(struct command_environment *environment,
                      const struct sandbox *sandbox, const char *const *hosts,
                      size_t host_count);
void environment_free(struct command_environment *environment);

/* Sets or replaces one; beyond some thousand they are left out. */
void environment_set(struct command_environment *environment, const char *name,
                     const char *value);

#endif
