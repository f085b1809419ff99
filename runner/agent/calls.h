/* The tool calls of a reply: decided, run and answered, each once, in their
 * order. Whatever is wrong with a call becomes its answer. */
#ifndef NIGHTJAR_RUNNER_AGENT_CALLS_H
#define NIGHTJAR_RUNNER_AGENT_CALLS_H

#include "runner/agent/loop.h"

bool calls_is_call(const struct model_item *item);
size_t calls_count(const struct model_reply *reply);

/* Answers all calls. -1 only when the attempt cannot go on. */
int calls_handle(struct agent *agent, const struct model_reply *reply,
                 struct error *err);

/* With each item of a response that still comes (exchange.h; context: the
 * agent): calls that only look run at once. */
void calls_start_early(void *context, const struct model_item *item);

/* Forgets the answers to those. */
void calls_forget_early(struct agent *agent);

#endif
