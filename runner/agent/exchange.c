#include "runner/agent/exchange.h"

#include "base/clock.h"
#include "runner/agent/calls.h"

#define TOKEN_BYTES 4
/* A token of a broken stream came in at least so many bytes. */
#define STREAM_TOKEN_BYTES 16

static int64_t bytes_since(const struct agent *agent)
{
    return (int64_t)(agent->conversation->body.length - agent->context_bytes);
}

int64_t exchange_input_bound(const struct agent *agent)
{
    return agent->context_tokens + bytes_since(agent);
}

int64_t exchange_input_estimate(const struct agent *agent)
{
    return agent->context_tokens + bytes_since(agent) / TOKEN_BYTES;
}

/* ---- with the run ------------------------------------------------------ */

static void put_amount(struct json *ask, int64_t tokens, int64_t cost)
{
    json_member_int(ask, "tokens",
                    tokens < JSON_INTEGER_MAX ? tokens : JSON_INTEGER_MAX);
    json_member_int(ask, "cost_microusd",
                    cost < 0                  ? 0
                    : cost < JSON_INTEGER_MAX ? cost
                                              : JSON_INTEGER_MAX);
}

static int plan(struct exchange *exchange, int64_t output, struct error *err)
{
    return budget_plan(&exchange->agent->budget, exchange->settings,
                       exchange->input, output, &exchange->reservation, err);
}

static bool ask_run(struct exchange *exchange, bool last)
{
    const struct reservation *planned = &exchange->reservation;
    struct link *link = exchange->agent->link;
    struct json ask = link_ask_begin(link, "reserve");

    put_amount(&ask, planned->input_tokens + planned->output_tokens,
               planned->cost_microusd);
    json_member_bool(&ask, "last", last);
    return link_ask(link, &ask);
}

/* Plans and reserves. Where the run has no room for as much output, it may
 * have some for less. */
static int reserve(struct exchange *exchange, struct error *err)
{
    struct agent *agent = exchange->agent;
    int64_t output = exchange->output;

    if (plan(exchange, output, err))
        return -1;
    if (!budget_of_run(&agent->budget))
        return 0;
    for (;;) {
        bool last = exchange->reservation.output_tokens <= BUDGET_OUTPUT_MIN;

        if (ask_run(exchange, last))
            return 0;
        if (last)
            break;
        output = exchange->reservation.output_tokens / 8;
        if (output < BUDGET_OUTPUT_MIN)
            output = BUDGET_OUTPUT_MIN;
        if (plan(exchange, output, err))
            return -1;
    }
    agent->stop = link_asked(agent->link);
    return error_set(err, ERROR_BUDGET,
                     "the run's budget has no room for another request");
}

static void settle(struct agent *agent, const struct model_usage *usage,
                   int64_t cost)
{
    struct json ask;

    if (!budget_of_run(&agent->budget))
        return;
    ask = link_ask_begin(agent->link, "settle");
    put_amount(&ask, usage->input_tokens + usage->output_tokens, cost);
    link_tell(agent->link, &ask);
}

/* ---- what the request tells -------------------------------------------- */

static void note_retry(const struct agent *agent,
                       const struct model_failed *failed,
                       const struct model_usage *estimate, int64_t cost)
{
    struct json event = link_begin(agent->link, "request_retried");

    json_member_int(&event, "attempt", agent->attempt);
    json_member_int(&event, "turn", agent->turn);
    json_member_string(&event, "kind", error_kind_name(failed->error->kind));
    json_member_int(&event, "status", failed->status);
    json_member_bool(&event, "again", failed->again);
    json_member_int(&event, "wait_ms", failed->again ? failed->wait_ms : 0);
    json_member_int(&event, "estimated_input_tokens", estimate->input_tokens);
    json_member_int(&event, "estimated_output_tokens", estimate->output_tokens);
    json_key(&event, "cost_microusd");
    if (cost < 0)
        json_null(&event);
    else
        json_int(&event, cost);
    json_member_string(&event, "message", failed->error->text);
    link_send(agent->link, &event);
}

/* A response that broke off is billed all the same, by its provider's count,
 * which nobody tells: it is estimated, and counted. */
static bool on_failed(void *context, const struct model_failed *failed)
{
    struct exchange *exchange = context;
    struct agent *agent = exchange->agent;
    struct model_usage estimate = {0};
    int64_t cost = 0;

    if (exchange->conversation == agent->conversation)
        calls_forget_early(agent);
    if (failed->received) {
        estimate.input_tokens = exchange->input / TOKEN_BYTES;
        if (exchange->conversation == agent->conversation)
            estimate.input_tokens = exchange_input_estimate(agent);
        estimate.output_tokens =
            (int64_t)(failed->received / STREAM_TOKEN_BYTES);
        cost = budget_count(&agent->budget, exchange->settings, &estimate);
    }
    note_retry(agent, failed, &estimate, cost);
    settle(agent, &estimate, cost);
    if (!failed->again)
        return false;
    return !reserve(exchange, &exchange->refused);
}

static void on_begin(void *context)
{
    const struct exchange *exchange = context;
    struct json ask;

    if (exchange->conversation != exchange->agent->conversation)
        return;
    ask = link_ask_begin(exchange->agent->link, "began");
    link_tell(exchange->agent->link, &ask);
}

static void on_item(void *context, const struct model_item *item)
{
    const struct exchange *exchange = context;

    if (exchange->on_item)
        exchange->on_item(exchange->agent, item);
}

/* ---- whole ------------------------------------------------------------- */

static int send(struct exchange *exchange, struct model_reply *reply,
                struct error *err)
{
    struct agent *agent = exchange->agent;
    struct model_request request = {
        .body = exchange->body,
        .compact = !exchange->conversation,
        .deadline = agent->deadline,
        .wake = agent->link->fd,
        .on_failed = on_failed,
        .on_begin = on_begin,
        .on_item = on_item,
        .context = exchange,
    };

    if (exchange->conversation)
        request.body = conversation_request(
            exchange->conversation, exchange->reservation.max_output_tokens);
    return model_respond(agent->model, &request, reply, err);
}

int exchange_run(struct exchange *exchange, struct model_reply *reply,
                 struct error *err)
{
    struct agent *agent = exchange->agent;
    int64_t began = clock_now_ms();

    exchange->refused.kind = ERROR_NONE;
    if (exchange->conversation && exchange->conversation->full)
        return error_set(err, ERROR_CONTEXT_LENGTH,
                         "the conversation is larger than %zu bytes",
                         CONVERSATION_BYTES_MAX);
    if (reserve(exchange, err))
        return -1;
    if (send(exchange, reply, err)) {
        if (exchange->refused.kind != ERROR_NONE)
            *err = exchange->refused;
        return -1;
    }
    exchange->duration_ms = clock_elapsed_ms(began);
    exchange->cost_microusd =
        budget_count(&agent->budget, exchange->settings, &reply->usage);
    settle(agent, &reply->usage, exchange->cost_microusd);
    return 0;
}
