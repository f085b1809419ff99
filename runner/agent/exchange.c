#include "runner/agent/exchange.h"

#include "base/clock.h"

#define TOKEN_BYTES 4
/* A token of a broken stream came in at least so many bytes. */
#define STREAM_TOKEN_BYTES 16
/* What a response is likely to have, to keep to a rate with. */
#define LIKELY_OUTPUT_TOKENS 1000

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

static void put_cost(struct json *event, int64_t cost)
{
    json_key(event, "cost_microusd");
    if (cost < 0)
        json_null(event);
    else
        json_int(event, cost);
}

void exchange_put(struct json *event, const struct exchange *exchange,
                  const struct model_usage *usage)
{
    json_member_int(event, "input_tokens", usage->input_tokens);
    json_member_int(event, "cached_tokens", usage->cached_tokens);
    json_member_int(event, "output_tokens", usage->output_tokens);
    put_cost(event, exchange->cost_microusd);
    json_member_int(event, "duration_ms", exchange->duration_ms);
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

static int64_t likely_input(const struct exchange *exchange)
{
    const struct agent *agent = exchange->agent;

    return exchange->conversation == agent->conversation
               ? exchange_input_estimate(agent)
               : exchange->input / TOKEN_BYTES;
}

static bool ask_run(struct exchange *exchange, bool last)
{
    const struct reservation *planned = &exchange->reservation;
    int64_t output = planned->output_tokens < LIKELY_OUTPUT_TOKENS
                         ? planned->output_tokens
                         : LIKELY_OUTPUT_TOKENS;
    struct link *link = exchange->agent->link;
    struct json ask = link_ask_begin(link, "reserve");

    put_amount(&ask, planned->input_tokens + planned->output_tokens,
               planned->cost_microusd);
    json_member_int(&ask, "likely", likely_input(exchange) + output);
    json_member_bool(&ask, "last", last);
    return link_ask(link, &ask);
}

static int stopped(struct error *err)
{
    return error_set(err, ERROR_INTERRUPTED, "the run is to stop");
}

/* Plans, and waits until the request may go: there is money for it, and its
 * server is not asked too fast. Where the run has no room for as much output,
 * it may have some for less. */
static int reserve(struct exchange *exchange, struct error *err)
{
    struct agent *agent = exchange->agent;
    int64_t output = exchange->output;

    if (plan(exchange, output, err))
        return -1;
    /* A replay asks no server, and pays nothing. */
    if (!budget_of_run(&agent->budget) && clock_is_frozen())
        return 0;
    for (;;) {
        bool last = exchange->reservation.output_tokens <= BUDGET_OUTPUT_MIN;

        if (ask_run(exchange, last)) {
            exchange->reserved = true;
            return 0;
        }
        agent->stop = link_asked(agent->link);
        if (agent->stop)
            return stopped(err);
        if (last)
            break;
        output = exchange->reservation.output_tokens / 8;
        if (output < BUDGET_OUTPUT_MIN)
            output = BUDGET_OUTPUT_MIN;
        if (plan(exchange, output, err))
            return -1;
    }
    return error_set(err, ERROR_BUDGET,
                     "the run's budget has no room for another request");
}

/* `throttled_ms`: how long the server wants to be left alone; or -1. */
static void settle(struct exchange *exchange, const struct model_usage *usage,
                   int64_t cost, bool succeeded, int64_t throttled_ms)
{
    struct agent *agent = exchange->agent;
    struct json ask;

    if (!exchange->reserved)
        return;
    exchange->reserved = false;
    ask = link_ask_begin(agent->link, "settle");
    put_amount(&ask, usage->input_tokens + usage->output_tokens, cost);
    json_member_bool(&ask, "succeeded", succeeded);
    if (throttled_ms >= 0)
        json_member_int(&ask, "throttled_ms", throttled_ms);
    link_tell(agent->link, &ask);
}

/* A server that is asked too fast, or is full, is so for every task; one that
 * failed, for this request. */
static int64_t throttled_ms(const struct model_failed *failed)
{
    bool full = failed->status == 503 || failed->status == 529;

    if (!full && failed->error->kind != ERROR_RATE_LIMIT)
        return -1;
    return failed->again ? failed->wait_ms : 0;
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
    put_cost(&event, cost);
    json_member_string(&event, "message", failed->error->text);
    link_send(agent->link, &event);
}

static void set_body(struct exchange *exchange)
{
    if (exchange->conversation)
        exchange->request.body = conversation_request(
            exchange->conversation, exchange->reservation.max_output_tokens);
}

/* A response that broke off is billed all the same, by its provider's count,
 * which nobody tells: it is estimated, and counted. */
static bool on_failed(void *context, const struct model_failed *failed)
{
    struct exchange *exchange = context;
    struct agent *agent = exchange->agent;
    struct model_usage estimate = {0};
    int64_t cost = 0;

    if (exchange->on_again)
        exchange->on_again(agent);
    if (failed->received) {
        estimate.input_tokens = likely_input(exchange);
        estimate.output_tokens =
            (int64_t)(failed->received / STREAM_TOKEN_BYTES);
        cost = budget_count(&agent->budget, exchange->settings, &estimate);
    }
    note_retry(agent, failed, &estimate, cost);
    settle(exchange, &estimate, cost, false, throttled_ms(failed));
    /* Nothing more is paid for once somebody has asked to stop. */
    return failed->again && !link_asked(agent->link);
}

static bool on_retry(void *context)
{
    struct exchange *exchange = context;

    if (reserve(exchange, &exchange->refused))
        return false;
    set_body(exchange); /* there may be less output left to ask for */
    return exchange->request.body.data != NULL;
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

/* A server that tells no usage is taken at its bytes: limits hold, and a
 * compaction comes when it should. */
static void estimate_usage(const struct exchange *exchange,
                           struct model_reply *reply)
{
    int64_t bytes = 0;

    if (reply->has_usage)
        return;
    for (size_t i = 0; i < reply->count; i++)
        bytes += (int64_t)reply->items[i].raw.length;
    reply->usage = (struct model_usage){
        .input_tokens = (int64_t)exchange->request.body.length / TOKEN_BYTES,
        .output_tokens = bytes / TOKEN_BYTES};
}

static int check(const struct exchange *exchange, struct error *err)
{
    const struct agent *agent = exchange->agent;

    if (agent->exchanging)
        return error_set(err, ERROR_INTERNAL, "a request within a request");
    if (link_asked(agent->link))
        return stopped(err);
    if (exchange->conversation && exchange->conversation->full)
        return error_set(err, ERROR_CONTEXT_LENGTH,
                         "the conversation is larger than %zu bytes",
                         CONVERSATION_BYTES_MAX);
    return 0;
}

static int send(struct exchange *exchange, struct model_reply *reply,
                struct error *err)
{
    static const struct model_usage nothing;
    struct agent *agent = exchange->agent;
    int status;

    exchange->request = (struct model_request){
        .body = exchange->body,
        .compact = !exchange->conversation,
        .deadline = agent->deadline,
        .wake = agent->link->fd,
        .on_failed = on_failed,
        .on_retry = on_retry,
        .on_begin = on_begin,
        .on_item = on_item,
        .context = exchange,
    };
    set_body(exchange);
    if (!exchange->request.body.data)
        status = error_set(err, ERROR_CONTEXT_LENGTH,
                           "the conversation is larger than %zu bytes",
                           CONVERSATION_BYTES_MAX);
    else
        status = model_respond(agent->model, &exchange->request, reply, err);
    if (status)
        settle(exchange, &nothing, 0, false, -1);
    if (status && exchange->refused.kind != ERROR_NONE)
        *err = exchange->refused;
    return status;
}

int exchange_run(struct exchange *exchange, struct model_reply *reply,
                 struct error *err)
{
    struct agent *agent = exchange->agent;
    int64_t began = clock_now_ms();
    int status;

    exchange->refused.kind = ERROR_NONE;
    if (check(exchange, err) || reserve(exchange, err))
        return -1;
    agent->exchanging = true;
    status = send(exchange, reply, err);
    agent->exchanging = false;
    if (status)
        return -1;
    estimate_usage(exchange, reply);
    exchange->duration_ms = clock_elapsed_ms(began);
    exchange->cost_microusd =
        budget_count(&agent->budget, exchange->settings, &reply->usage);
    settle(exchange, &reply->usage, exchange->cost_microusd, true, -1);
    return 0;
}
