/* The agent loop: prompt → model → calls → outputs → model … → final message.
 */
#ifndef NIGHTJAR_RUNNER_AGENT_LOOP_H
#define NIGHTJAR_RUNNER_AGENT_LOOP_H

#include "runner/agent/conversation.h"
#include "runner/model/model.h"
#include "runner/tools/tool.h"

enum agent_end {
    AGENT_MESSAGE,    /* a final message */
    AGENT_NO_MESSAGE, /* it stopped without one, also when asked again */
    AGENT_BUDGET,     /* which: agent->text */
    AGENT_TIMEOUT,
    AGENT_STOPPED, /* the supervisor asked: agent->stop */
    AGENT_ERROR,   /* err */
};

struct agent_totals {
    int64_t turns;
    int64_t input_tokens;
    int64_t output_tokens;
    int64_t cost_microusd; /* -1: some turn's cost is unknown */
};

struct agent {
    const struct task *task;
    struct model *model;
    struct tool_context *tools;
    struct conversation *conversation;
    struct link *link;
    int64_t attempt;
    int64_t deadline;
    struct agent_totals totals; /* of the task, all attempts */
    int64_t turn;               /* of this attempt */
    enum link_stop stop;
    struct buffer final; /* the final message */
    char text[256];      /* which budget, … */
};

/* Runs turns until the agent ends. Called again, it goes on with the same
 * conversation, to which the caller has added what it has to answer. */
enum agent_end agent_run(struct agent *agent, struct error *err);

#endif
