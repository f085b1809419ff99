#include "runner/agent/loop.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/memory.h"
#include "runner/agent/policy.h"

#define NUDGES_MAX 3 /* in a row: asked to go on without having worked */
#define SUMMARY_BYTES 200

/* ---- before a turn ----------------------------------------------------- */

static bool spent(struct agent *agent, const char *what, int64_t used,
                  int64_t budget)
{
    if (budget < 0 || used < budget)
        return false;
    snprintf(agent->text, sizeof(agent->text),
             "the budget of %" PRId64 " %s is spent", budget, what);
    return true;
}

static bool over_budget(struct agent *agent)
{
    const struct task_budget *budget = &agent->task->budget;
    const struct agent_totals *totals = &agent->totals;

    if (budget->cost_microusd >= 0 && totals->cost_microusd < 0) {
        snprintf(agent->text, sizeof(agent->text),
                 "budget.cost_usd is set but the model's price is unknown: "
                 "set model.price");
        return true;
    }
    return spent(agent, "turns", totals->turns, budget->turns) ||
           spent(agent, "input tokens", totals->input_tokens,
                 budget->input_tokens) ||
           spent(agent, "output tokens", totals->output_tokens,
                 budget->output_tokens) ||
           spent(agent, "millionths of a dollar", totals->cost_microusd,
                 budget->cost_microusd);
}

/* ---- one request ------------------------------------------------------- */

static void on_retry(void *context, const struct model_retry *retry)
{
    struct agent *agent = context;
    struct json event = link_begin(agent->link, "request_retried");

    json_member_int(&event, "attempt", agent->attempt);
    json_member_int(&event, "turn", agent->turn);
    json_member_string(&event, "kind", error_kind_name(retry->error->kind));
    json_member_int(&event, "status", retry->status);
    json_member_int(&event, "wait_ms", retry->wait_ms);
    json_member_string(&event, "message", retry->error->text);
    link_send(agent->link, &event);
}

static void note_usage(struct agent *agent, const struct model_reply *reply,
                       int64_t duration_ms, size_t calls)
{
    const struct model_usage *usage = &reply->usage;
    int64_t cost = model_cost_microusd(&agent->task->model->price, usage);
    struct json event = link_begin(agent->link, "turn_finished");

    agent->totals.turns++;
    agent->totals.input_tokens += usage->input_tokens;
    agent->totals.output_tokens += usage->output_tokens;
    if (cost < 0)
        agent->totals.cost_microusd = -1;
    else if (agent->totals.cost_microusd >= 0)
        agent->totals.cost_microusd += cost;
    json_member_int(&event, "attempt", agent->attempt);
    json_member_int(&event, "turn", agent->turn);
    json_member_int(&event, "input_tokens", usage->input_tokens);
    json_member_int(&event, "cached_tokens", usage->cached_tokens);
    json_member_int(&event, "output_tokens", usage->output_tokens);
    json_member_int(&event, "reasoning_tokens", usage->reasoning_tokens);
    json_key(&event, "cost_microusd");
    if (cost < 0)
        json_null(&event);
    else
        json_int(&event, cost);
    json_member_int(&event, "duration_ms", duration_ms);
    json_member_int(&event, "calls", (int64_t)calls);
    link_send(agent->link, &event);
}

static bool is_call(const struct model_item *item)
{
    return item->type == ITEM_FUNCTION_CALL || item->type == ITEM_CUSTOM_CALL;
}

static size_t count_calls(const struct model_reply *reply)
{
    size_t calls = 0;

    for (size_t i = 0; i < reply->count; i++)
        calls += is_call(&reply->items[i]);
    return calls;
}

static int request(struct agent *agent, struct model_reply *reply,
                   struct error *err)
{
    int64_t began = clock_now_ms();
    struct model_request request = {
        .body = conversation_request(agent->conversation),
        .deadline = agent->deadline,
        .wake = agent->link->fd,
        .on_retry = on_retry,
        .context = agent,
    };

    agent->turn++;
    if (!request.body.data || agent->conversation->full)
        return error_set(err, ERROR_CONTEXT_LENGTH,
                         "the conversation is larger than %zu bytes",
                         CONVERSATION_BYTES_MAX);
    if (model_respond(agent->model, &request, reply, err))
        return -1;
    for (size_t i = 0; i < reply->count; i++)
        conversation_add(agent->conversation, reply->items[i].raw);
    note_usage(agent, reply, clock_now_ms() - began, count_calls(reply));
    return 0;
}

/* ---- calls ------------------------------------------------------------- */

static void note_call(struct agent *agent, const struct tool_call *call,
                      const struct decision *decision,
                      const struct tool_result *result, int64_t duration_ms)
{
    struct json event = link_begin(agent->link, "tool_finished");
    size_t shown = strnlen(result->summary, SUMMARY_BYTES);
    CLEANUP(mem_free) char *rule = NULL;

    if (decision->rule)
        rule = mem_format("%s:%zu", agent->task->file, decision->rule->line);
    json_member_int(&event, "attempt", agent->attempt);
    json_member_int(&event, "turn", agent->turn);
    json_member_string(&event, "call_id", call->call_id);
    json_key(&event, "tool");
    json_bytes(&event, call->name, strnlen(call->name, SUMMARY_BYTES));
    json_member_string(&event, "decision",
                       decision->allowed ? "allow" : "deny");
    json_key(&event, "rule");
    if (rule)
        json_string(&event, rule);
    else
        json_null(&event);
    json_member_bool(&event, "ok", result->ok);
    json_member_int(&event, "duration_ms", duration_ms);
    json_key(&event, "summary");
    json_bytes(&event, result->summary, shown);
    link_send(agent->link, &event);
}

/* The patch within a call, wherever it stands. `directory` keeps what the
 * call_patch points to. */
static struct call_patch find_patch(const struct agent *agent,
                                    const struct tool *tool,
                                    const struct tool_call *call,
                                    char **directory)
{
    struct call_patch patch = {{NULL, 0}, agent->task->directory};
    const char *text = NULL;

    if (tool->kind == TOOL_PATCH) {
        text = call->custom ? call->arguments
                            : json_get_string(call->json, "input");
        if (text)
            patch.text = (struct span){text, strlen(text)};
    } else if (!strcmp(tool->name, "exec_command") &&
               agent->task->tools & TOOL_PATCH) {
        text = json_get_string(call->json, "cmd");
        if (text && apply_patch_in_command(text, &patch.text, directory)) {
            const char *workdir = json_get_text(call->json, "workdir", "");
            CLEANUP(mem_free)
            char *joined =
                mem_format("%s%s%s", workdir,
                           *workdir && **directory ? "/" : "", *directory);
            const char *whole = **directory == '/' ? *directory : joined;
            char *place =
                tool_workspace_path(agent->tools, *whole ? whole : ".");

            free(*directory);
            *directory = place ? place : mem_string("..");
            patch.directory = *directory;
        }
    }
    return patch;
}

static int run_tool(struct agent *agent, const struct tool *tool,
                    const struct tool_call *call, struct decision *decision,
                    struct tool_result *result, struct error *err)
{
    CLEANUP(mem_free) char *directory = NULL;
    struct call_patch patch = find_patch(agent, tool, call, &directory);

    *decision = policy_decide(agent->tools, tool, call, &patch);
    if (!decision->allowed) {
        tool_refuse(result, "denied by the task's policy%s%s",
                    decision->rule->because ? ": " : "",
                    decision->rule->because ? decision->rule->because : "");
        return 0;
    }
    if (patch.text.data && tool->kind == TOOL_EXEC) {
        apply_patch_text(agent->tools, patch.directory, patch.text, result);
        return 0;
    }
    return tool->run(agent->tools, call, result, err);
}

/* Parses the arguments and runs. Whatever is wrong with the call becomes its
 * answer. */
static int answer(struct agent *agent, struct tool_call *call,
                  struct decision *decision, struct tool_result *result,
                  struct error *err)
{
    const struct tool *tool = tool_find(call->name, agent->task->tools);
    struct error parse;

    *decision = (struct decision){true, NULL};
    if (!tool || (call->custom && !tool->freeform)) {
        tool_refuse(result, "unsupported call: %.200s", call->name);
        return 0;
    }
    if (!call->custom) {
        const char *text = *call->arguments ? call->arguments : "{}";

        call->json = json_parse(text, strlen(text), &parse);
        if (!cJSON_IsObject(call->json)) {
            tool_refuse(result, "failed to parse function arguments: %s",
                        call->json ? "expected an object" : parse.text);
            return 0;
        }
    }
    return run_tool(agent, tool, call, decision, result, err);
}

static int handle_call(struct agent *agent, const struct model_item *item,
                       struct error *err)
{
    struct tool_call call = {.name = item->name,
                             .call_id = item->call_id,
                             .custom = item->type == ITEM_CUSTOM_CALL,
                             .arguments = item->arguments};
    CLEANUP(tool_result_free) struct tool_result result;
    struct decision decision;
    int64_t began = clock_now_ms();
    int status;

    tool_result_init(&result);
    if (began >= agent->deadline) {
        decision = (struct decision){true, NULL};
        tool_refuse(&result, "not run: the task's time is over");
        status = 0;
    } else {
        status = answer(agent, &call, &decision, &result, err);
    }
    cJSON_Delete(call.json);
    if (status)
        return -1;
    note_call(agent, &call, &decision, &result, clock_now_ms() - began);
    if (result.parts.length)
        conversation_add_output_parts(agent->conversation, call.call_id,
                                      call.custom, buffer_span(&result.parts));
    else
        conversation_add_output(agent->conversation, call.call_id, call.custom,
                                buffer_span(&result.text));
    return 0;
}

/* In the order of the calls, each answered. */
static int handle_calls(struct agent *agent, const struct model_reply *reply,
                        struct error *err)
{
    for (size_t i = 0; i < reply->count; i++) {
        if (is_call(&reply->items[i]) &&
            handle_call(agent, &reply->items[i], err))
            return -1;
    }
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

enum agent_end agent_run(struct agent *agent, struct error *err)
{
    int nudges = 0;

    for (;;) {
        struct model_reply reply = {.count = 0};
        const char *text;
        bool has_final;
        size_t calls;

        agent->stop = link_asked(agent->link);
        if (agent->stop)
            return AGENT_STOPPED;
        if (clock_now_ms() >= agent->deadline)
            return AGENT_TIMEOUT;
        if (over_budget(agent))
            return AGENT_BUDGET;
        if (request(agent, &reply, err)) {
            agent->stop = link_asked(agent->link);
            if (agent->stop)
                return AGENT_STOPPED;
            return err->kind == ERROR_TIMEOUT &&
                           clock_now_ms() >= agent->deadline
                       ? AGENT_TIMEOUT
                       : AGENT_ERROR;
        }
        calls = count_calls(&reply);
        if (handle_calls(agent, &reply, err)) {
            model_reply_free(&reply);
            return AGENT_ERROR;
        }
        has_final = take_final(agent, &reply);
        text = nudge(&reply, has_final);
        model_reply_free(&reply);
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
