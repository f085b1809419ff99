/* The agent loop: prompt → model → calls → outputs → model … → final message.
 *
 * Each received response is on disk, in the attempt's transcript, before
 * anything of it is acted on. */
#ifndef NIGHTJAR_RUNNER_AGENT_LOOP_H
#define NIGHTJAR_RUNNER_AGENT_LOOP_H

#include "runner/agent/budget.h"
#include "runner/agent/conversation.h"
#include "runner/agent/policy.h"
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

/* The answers to calls that ran while the response was still coming. */
#define AGENT_EARLY_MAX 64

struct early_answer {
    char *call_id;
    char *arguments;
    struct decision decision;
    struct tool_result result;
    int64_t duration_ms;
};

struct agent {
    const struct task *task;
    struct model *model;
    struct tool_context *tools;
    struct conversation *conversation;
    struct link *link;
    const char *prefix_key; /* what tasks of the same prefix share */
    int64_t attempt;
    int64_t deadline;
    struct budget budget;
    int64_t turn; /* of this attempt */
    enum link_stop stop;
    struct model_reply resumed; /* received before, and not acted on */
    bool has_resumed;
    bool leased;     /* its first request may go */
    bool exchanging; /* a request is under way */
    struct early_answer early[AGENT_EARLY_MAX];
    size_t early_count;
    int64_t compactions;        /* of this attempt */
    int64_t since_compaction;   /* responses */
    int64_t futile_compactions; /* in a row, with hardly a response between */
    int64_t context_tokens;     /* that the last response saw, with itself */
    size_t context_bytes;       /* of the body that these were */
    char *plan;                 /* the last update_plan, as text; may be NULL */
    struct buffer final;        /* the final message */
    char text[256];             /* which budget, … */
};

/* Runs turns until the agent ends. Called again, it goes on with the same
 * conversation, to which the caller has added what it has to answer. */
enum agent_end agent_run(struct agent *agent, struct error *err);

/* Releases what the agent holds; what it points to is the caller's. */
void agent_free(struct agent *agent);

#endif
