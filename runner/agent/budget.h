/* Budgets of a task: what its requests may take, planned before each of them
 * so that no limit is passed, and counted after. Pure.
 *
 * The worst case of a request is its input, of which every byte that no
 * response has counted yet is taken for a token, and the most output that it
 * asks for. Where a limit leaves less output than that, less is asked for. */
#ifndef NIGHTJAR_RUNNER_AGENT_BUDGET_H
#define NIGHTJAR_RUNNER_AGENT_BUDGET_H

#include "runner/model/model.h"
#include "tasks/task.h"

/* The output that a request asks for when some limit needs a bound and the
 * manifest gives none. */
#define BUDGET_OUTPUT_DEFAULT 32768
/* Less is not worth a request. */
#define BUDGET_OUTPUT_MIN 256
/* From this share of a limit on the agent is told, in hundredths. */
#define BUDGET_NEAR_PERCENT 80
/* … or when it has room for so many more requests. */
#define BUDGET_NEAR_REQUESTS 3

struct agent_totals {
    int64_t turns;
    int64_t input_tokens;
    int64_t output_tokens;
    int64_t cost_microusd;   /* -1: some turn's cost is unknown */
    int64_t review_microusd; /* of it: reviews */
};

struct budget {
    const struct task_budget *limits;
    const struct run_settings *run;
    struct agent_totals totals; /* of the task, all attempts */
    unsigned told;              /* bits: of what the agent knows it is near */
};

struct reservation {
    int64_t input_tokens;
    int64_t output_tokens;     /* 0: not bounded, and nothing needs it */
    int64_t max_output_tokens; /* to send; 0: none */
    int64_t cost_microusd;     /* 0 when nothing limits the cost */
};

/* Plans a request of at most `input` tokens. `asked`: the output that is
 * wanted at most; 0 for the model's setting. Returns 0, or -1 with
 * ERROR_BUDGET naming the limit. */
int budget_plan(const struct budget *budget, const struct model_settings *model,
                int64_t input, int64_t asked, struct reservation *reservation,
                struct error *err);

/* Whether the run limits tokens or cost: requests must be reserved there. */
bool budget_of_run(const struct budget *budget);

/* Counts what a request took. Returns its cost; -1: unknown. */
int64_t budget_count(struct budget *budget, const struct model_settings *model,
                     const struct model_usage *usage);

/* If a limit has come near since the last time, adds what the agent should
 * be told and returns true: most of it is used, or it has room for few more
 * requests like the next one, of `input` tokens. `left_ms` and `timeout_ms`
 * are about its time. */
bool budget_near(struct budget *budget, const struct model_settings *model,
                 int64_t input, int64_t left_ms, int64_t timeout_ms,
                 struct buffer *out);

#endif
