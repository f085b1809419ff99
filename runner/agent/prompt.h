/* The first items of a conversation: what the model is told before it works.
 *
 * Least changing first: instructions, what the sandbox allows, the task's
 * instructions, the environment, then the task. Nothing before the task's
 * prompt names a date, an id, a host path or anything random, so all tasks of
 * a manifest share that prefix byte for byte, and with it the provider's
 * cache. */
#ifndef NIGHTJAR_RUNNER_AGENT_PROMPT_H
#define NIGHTJAR_RUNNER_AGENT_PROMPT_H

#include "runner/agent/conversation.h"
#include "tasks/task.h"

/* What a sandbox is like from inside. */
struct prompt_place {
    const char *workspace;
    const char *home;
    const char *temporary;
    const char *shell;
};

/* Starts the conversation: head and first items. */
void prompt_begin(struct conversation *conversation, const struct task *task,
                  const struct prompt_place *place, struct link *link);

#endif
