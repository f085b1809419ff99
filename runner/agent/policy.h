/* The policy: whether a tool call may run, decided by rules, with no human.
 *
 * Rules are tried in their order, the manifest's before ours; the first that
 * matches decides. Without one the call is allowed, since the sandbox confines
 * it. Each simple command of a shell script is decided by itself, and each
 * path of a patch; the strictest counts: deny, then review. A script that is
 * too long to be read whole counts as the strictest rule of its tool. */
#ifndef NIGHTJAR_RUNNER_AGENT_POLICY_H
#define NIGHTJAR_RUNNER_AGENT_POLICY_H

#include "runner/tools/tool.h"

#define DECISION_REASON_MAX 500

enum decision_verdict { DECISION_ALLOW, DECISION_DENY, DECISION_REVIEW };

struct decision {
    enum decision_verdict verdict;
    bool reviewed;                        /* a second model had its say */
    const struct approve_rule *rule;      /* NULL: no rule matched */
    char reason[DECISION_REASON_MAX + 1]; /* for the model; "" if none */
};

/* The patch that a call carries, also one within a shell command. */
struct call_patch {
    struct span text;      /* {NULL, 0}: none */
    const char *directory; /* what its paths are relative to */
};

/* "tasks.yaml:12", or "default:3" for a rule of ours; NULL without a rule.
 * Owned by the caller. */
char *policy_rule_name(const struct task *task,
                       const struct decision *decision);

/* Decides about a call of a tool of the table. */
struct decision policy_decide(const struct tool_context *context,
                              const struct tool *tool,
                              const struct tool_call *call,
                              const struct call_patch *patch);

#endif
