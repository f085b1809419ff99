/* Reviews: a second model decides about a call whose rule says `review`.
 *
 * It is told the policy, the last of the conversation and the call, all of it
 * as material. It answers allow or deny with a reason; whatever else happens
 * (no model, no money, no clear answer, an error) is a denial. */
#ifndef NIGHTJAR_RUNNER_AGENT_REVIEW_H
#define NIGHTJAR_RUNNER_AGENT_REVIEW_H

#include "runner/agent/loop.h"

/* Turns the decision into allow or deny, with its reason, and sends the
 * event. */
void review_decide(struct agent *agent, const struct tool_call *call,
                   struct decision *decision);

#endif
