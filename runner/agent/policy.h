/* The policy: whether a tool call may run, decided by rules, with no human.
 *
 * Rules are tried in their order, the first that matches decides; without one
 * the call is allowed, since the sandbox confines it. A shell script is
 * allowed when each of its simple commands is; a patch when each of its paths
 * is. A script that is too long to be read whole counts as denied as soon as
 * some rule denies anything of its tool. */
#ifndef NIGHTJAR_RUNNER_AGENT_POLICY_H
#define NIGHTJAR_RUNNER_AGENT_POLICY_H

#include "runner/tools/tool.h"

struct decision {
    bool allowed;
    const struct approve_rule *rule; /* NULL: no rule matched */
};

/* The patch that a call carries, also one within a shell command. */
struct call_patch {
    struct span text;      /* {NULL, 0}: none */
    const char *directory; /* what its paths are relative to */
};

/* Decides about a call of a tool of the table. */
struct decision policy_decide(const struct tool_context *context,
                              const struct tool *tool,
                              const struct tool_call *call,
                              const struct call_patch *patch);

#endif
