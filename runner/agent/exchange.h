/* One exchange with a model: planned against every limit, reserved with the
 * run, sent, and settled, whatever becomes of it. */
#ifndef NIGHTJAR_RUNNER_AGENT_EXCHANGE_H
#define NIGHTJAR_RUNNER_AGENT_EXCHANGE_H

#include "runner/agent/loop.h"

struct exchange {
    struct agent *agent;
    const struct model_settings *settings; /* whose price and limits count */
    struct conversation *conversation;     /* what is sent; or NULL, and … */
    struct span body;                      /* … this, to the endpoint that
                                              compacts */
    int64_t input;                         /* tokens of the request, at most */
    int64_t output; /* wanted at most; 0: as the model's settings say */
    void (*on_item)(void *context, const struct model_item *item);
    void (*on_again)(struct agent *agent); /* those items do not count */
    int64_t cost_microusd;                 /* out: -1 if unknown */
    int64_t duration_ms;                   /* out */

    /* private */
    struct model_request request;
    struct reservation reservation;
    bool reserved; /* with the run, and not settled */
    struct error refused;
};

/* Returns 0 and the reply, which the caller frees. Errors: ERROR_BUDGET when a
 * limit leaves no room for it, and those of model_respond. */
int exchange_run(struct exchange *exchange, struct model_reply *reply,
                 struct error *err);

/* Adds what an exchange took to an event: input, cached and output tokens,
 * cost or null, and how long it was. */
void exchange_put(struct json *event, const struct exchange *exchange,
                  const struct model_usage *usage);

/* At most so many tokens are in the agent's next request: what the last
 * response counted, and every byte since as a token. */
int64_t exchange_input_bound(const struct agent *agent);

/* About so many: four bytes to a token. */
int64_t exchange_input_estimate(const struct agent *agent);

#endif
