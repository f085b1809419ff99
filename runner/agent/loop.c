#include "runner/agent/loop.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/memory.h"
#include "runner/agent/calls.h"
#include "runner/agent/compaction.h"
#include "runner/agent/exchange.h"
#include "runner/agent/record.h"

#define NUDGES_MAX 3 /* in a row: asked to go on without having worked */

void agent_free(struct agent *agent)
{
    calls_forget_early(agent);
    model_reply_free(&agent->resumed);
    buffer_free(&agent->final);
    mem_free(&agent->plan);
}

/* ---- before a request -------------------------------------------------- */

/* The first request of an attempt waits until it may use the prefix that
 * others are just putting into the provider's cache. */
static void await_lease(struct agent *agent)
{
    struct json ask;

    /* A replay has no cache to wait for, and an order that is not ours. */
    if (agent->leased || clock_is_frozen())
        return;
    ask = link_ask_begin(agent->link, "lease");
    json_member_string(&ask, "key", agent->prefix_key);
    agent->leased = link_ask(agent->link, &ask);
}

static void tell_if_near(struct agent *agent)
{
    CLEANUP(buffer_free) struct buffer text = {0};
    int64_t left = agent->deadline - clock_now_ms();

    buffer_init(&text, 4096);
    if (budget_near(&agent->budget, agent->task->model,
                    exchange_input_bound(agent), left, agent->task->timeout_ms,
                    &text))
        conversation_add_message(agent->conversation, "user",
                                 buffer_span(&text));
}

/* ---- one turn ---------------------------------------------------------- */

static void note_turn(struct agent *agent, const struct model_reply *reply,
                      const struct exchange *exchange)
{
    const struct model_usage *usage = &reply->usage;
    struct json event = link_begin(agent->link, "turn_finished");

    json_member_int(&event, "attempt", agent->attempt);
    json_member_int(&event, "turn", agent->turn);
    exchange_put(&event, exchange, usage);
    json_member_int(&event, "cache_write_tokens", usage->cache_write_tokens);
    json_member_int(&event, "reasoning_tokens", usage->reasoning_tokens);
    json_member_int(&event, "calls", (int64_t)calls_count(reply));
    json_member_bool(&event, "estimated", !reply->has_usage);
    link_send(agent->link, &event);
}

/* The response and its money are on disk before anything is done with it. */
static void keep(struct agent *agent, const struct model_reply *reply,
                 const struct exchange *exchange)
{
    for (size_t i = 0; i < reply->count; i++)
        conversation_add(agent->conversation, reply->items[i].raw);
    agent->context_tokens =
        reply->usage.input_tokens + reply->usage.output_tokens;
    agent->context_bytes = agent->conversation->body.length;
    agent->since_compaction++;
    note_turn(agent, reply, exchange);
    record_response(agent);
}

static int request(struct agent *agent, struct model_reply *reply,
                   struct error *err)
{
    struct exchange exchange = {.agent = agent,
                                .settings = agent->task->model,
                                .conversation = agent->conversation,
                                .on_item = calls_start_early,
                                .on_again = calls_forget_early};

    if (compaction_is_due(agent) && compact(agent, "threshold", err))
        return -1;
    await_lease(agent);
    tell_if_near(agent);
    exchange.input = exchange_input_bound(agent);
    agent->turn++;
    while (exchange_run(&exchange, reply, err)) {
        if (err->kind != ERROR_CONTEXT_LENGTH ||
            compact(agent, "context_length", err))
            return -1;
        exchange.input = exchange_input_bound(agent);
    }
    agent->budget.totals.turns++;
    keep(agent, reply, &exchange);
    return 0;
}

/* ---- the end ----------------------------------------------------------- */

/* The reply's last message that is not commentary, into agent->final. */
static bool take_final(struct agent *agent, const struct model_reply *reply)
{
    buffer_clear(&agent->final);
    for (size_t i = reply->count; i > 0; i--) {
        const struct model_item *item = &reply->items[i - 1];

        if (item->type != ITEM_MESSAGE || item->commentary)
            continue;
        if (item->refusal)
            buffer_add_string(&agent->final, item->refusal);
        else
            buffer_add_string(&agent->final, item->text);
        return agent->final.length > 0;
    }
    return false;
}

/* A reply without calls that is no end: what to say to it, or NULL. */
static const char *nudge(const struct model_reply *reply, bool has_final)
{
    if (reply->cut_short)
        return "Your last message was cut off at the output limit. Go on, in "
               "smaller steps.";
    if (reply->go_on)
        return "Go on.";
    if (!has_final)
        return "Go on with the task. When it is done, end with one final "
               "message.";
    return NULL;
}

static enum agent_end end_of_error(struct agent *agent, const struct error *err)
{
    agent->stop = link_asked(agent->link);
    if (agent->stop)
        return AGENT_STOPPED;
    if (err->kind == ERROR_BUDGET) {
        snprintf(agent->text, sizeof(agent->text), "%.255s", err->text);
        return AGENT_BUDGET;
    }
    if (clock_now_ms() >= agent->deadline)
        return AGENT_TIMEOUT;
    return AGENT_ERROR;
}

/* The next reply: one that was received before the run was cut off, or a new
 * one. Returns false and the end that it is instead. */
static bool next_reply(struct agent *agent, struct model_reply *reply,
                       enum agent_end *end, struct error *err)
{
    if (agent->has_resumed) {
        *reply = agent->resumed;
        memset(&agent->resumed, 0, sizeof(agent->resumed));
        agent->has_resumed = false;
        return true;
    }
    agent->stop = link_asked(agent->link);
    if (agent->stop) {
        *end = AGENT_STOPPED;
        return false;
    }
    if (clock_now_ms() >= agent->deadline) {
        *end = AGENT_TIMEOUT;
        return false;
    }
    if (!request(agent, reply, err))
        return true;
    calls_forget_early(agent);
    *end = end_of_error(agent, err);
    return false;
}

enum agent_end agent_run(struct agent *agent, struct error *err)
{
    int nudges = 0;

    for (;;) {
        struct model_reply reply = {.count = 0};
        enum agent_end end;
        const char *text;
        bool has_final;
        size_t calls;
        int status;

        if (!next_reply(agent, &reply, &end, err))
            return end;
        calls = calls_count(&reply);
        status = calls_handle(agent, &reply, err);
        calls_forget_early(agent);
        has_final = take_final(agent, &reply);
        text = nudge(&reply, has_final);
        model_reply_free(&reply);
        if (status)
            return AGENT_ERROR;
        if (calls) {
            nudges = 0;
            continue;
        }
        if (!text)
            return AGENT_MESSAGE;
        if (++nudges > NUDGES_MAX)
            return AGENT_NO_MESSAGE;
        conversation_add_message(agent->conversation, "user",
                                 (struct span){text, strlen(text)});
    }
}
