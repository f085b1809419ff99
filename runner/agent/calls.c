#include "runner/agent/calls.h"

#include "base/clock.h"
#include "base/memory.h"
#include "runner/agent/policy.h"
#include "runner/agent/review.h"

#define SUMMARY_BYTES 200
#define CALL_BYTES 400 /* of a call, in its event */
#define PLAN_BYTES 16384

/* ---- one call ---------------------------------------------------------- */

/* The steps of an update_plan, for reports. */
static void put_plan(struct json *event, const struct tool_call *call,
                     const struct tool_result *result)
{
    struct error ignored;
    CLEANUP(json_free) cJSON *arguments = NULL;

    if (strcmp(call->name, "update_plan") != 0 || !result->ok ||
        strlen(call->arguments) > PLAN_BYTES)
        return;
    arguments = json_parse(call->arguments, strlen(call->arguments), &ignored);
    if (!json_get_array(arguments, "plan"))
        return;
    json_key(event, "plan");
    json_value(event, json_get_array(arguments, "plan"));
}

static void note_call(struct agent *agent, const struct tool_call *call,
                      const struct decision *decision,
                      const struct tool_result *result, int64_t duration_ms)
{
    struct json event = link_begin(agent->link, "tool_finished");
    size_t shown = strnlen(result->summary, SUMMARY_BYTES);
    CLEANUP(mem_free) char *rule = policy_rule_name(agent->task, decision);
    CLEANUP(mem_free) char *script = tool_script(call);
    const char *shown_call = *script ? script : call->arguments;

    json_member_int(&event, "attempt", agent->attempt);
    json_member_int(&event, "turn", agent->turn);
    json_member_string(&event, "call_id", call->call_id);
    json_key(&event, "tool");
    json_bytes(&event, call->name, strnlen(call->name, SUMMARY_BYTES));
    json_key(&event, "call");
    json_bytes(&event, shown_call, strnlen(shown_call, CALL_BYTES));
    json_member_string(&event, "decision",
                       decision->verdict == DECISION_ALLOW ? "allow" : "deny");
    json_member_bool(&event, "reviewed", decision->reviewed);
    json_key(&event, "rule");
    if (rule)
        json_string(&event, rule);
    else
        json_null(&event);
    json_key(&event, "reason");
    json_bytes(&event, decision->reason, strlen(decision->reason));
    json_member_bool(&event, "ok", result->ok);
    json_member_int(&event, "duration_ms", duration_ms);
    json_key(&event, "summary");
    json_bytes(&event, result->summary, shown);
    put_plan(&event, call, result);
    link_send(agent->link, &event);
}

/* For whoever watches: a command may take its time. */
static void note_start(struct agent *agent, const struct tool_call *call)
{
    struct json event = link_begin(agent->link, "tool_started");
    CLEANUP(mem_free) char *script = tool_script(call);
    const char *shown = *script ? script : call->arguments;

    json_member_int(&event, "attempt", agent->attempt);
    json_member_int(&event, "turn", agent->turn);
    json_member_string(&event, "call_id", call->call_id);
    json_key(&event, "tool");
    json_bytes(&event, call->name, strnlen(call->name, SUMMARY_BYTES));
    json_key(&event, "call");
    json_bytes(&event, shown, strnlen(shown, SUMMARY_BYTES));
    link_send(agent->link, &event);
}

/* The patch within a call, wherever it stands. `directory` and `script` keep
 * what the call_patch points to. */
static struct call_patch find_patch(const struct agent *agent,
                                    const struct tool *tool,
                                    const struct tool_call *call,
                                    char **directory, char **script)
{
    struct call_patch patch = {{NULL, 0}, agent->task->directory};
    const char *text = NULL;

    if (tool->kind == TOOL_PATCH) {
        text = call->custom ? call->arguments
                            : json_get_string(call->json, "input");
        if (text)
            patch.text = (struct span){text, strlen(text)};
    } else if (tool->kind & TOOL_EXEC && strcmp(tool->name, "write_stdin") &&
               agent->task->tools & TOOL_PATCH) {
        *script = tool_script(call);
        if (apply_patch_in_command(*script, &patch.text, directory)) {
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
    CLEANUP(mem_free) char *script = NULL;
    struct call_patch patch =
        find_patch(agent, tool, call, &directory, &script);

    *decision = policy_decide(agent->tools, tool, call, &patch);
    if (decision->verdict == DECISION_REVIEW)
        review_decide(agent, call, decision);
    if (decision->verdict != DECISION_ALLOW) {
        tool_refuse(result, "denied by the task's policy%s%s",
                    *decision->reason ? ": " : "", decision->reason);
        return 0;
    }
    if (patch.text.data && tool->kind & TOOL_EXEC) {
        apply_patch_text(agent->tools, patch.directory, patch.text, result);
        return 0;
    }
    if (tool->kind & TOOL_EXEC)
        note_start(agent, call);
    return tool->run(agent->tools, call, result, err);
}

/* The tool of a call, its arguments parsed; NULL when there is something
 * wrong with the call, which is its answer then. */
static const struct tool *prepare(const struct agent *agent,
                                  struct tool_call *call,
                                  struct tool_result *result)
{
    const struct tool *tool = tool_find(call->name, agent->task->tools);
    const char *text = *call->arguments ? call->arguments : "{}";
    struct error parse;

    if (!tool || (call->custom && !tool->freeform)) {
        tool_refuse(result, "unsupported call: %.200s", call->name);
        return NULL;
    }
    if (call->custom)
        return tool;
    call->json = json_parse(text, strlen(text), &parse);
    if (cJSON_IsObject(call->json))
        return tool;
    tool_refuse(result, "failed to parse function arguments: %s",
                call->json ? "expected an object" : parse.text);
    return NULL;
}

static int answer(struct agent *agent, struct tool_call *call,
                  struct decision *decision, struct tool_result *result,
                  struct error *err)
{
    const struct tool *tool = prepare(agent, call, result);

    *decision = (struct decision){.verdict = DECISION_ALLOW};
    return tool ? run_tool(agent, tool, call, decision, result, err) : 0;
}

/* ---- before the response is whole -------------------------------------- */

/* Runs a call that only looks, while the rest still comes. Its answer counts
 * only if the response becomes whole and has the call as it was. */
void calls_start_early(void *context, const struct model_item *item)
{
    static const struct call_patch none = {{NULL, 0}, NULL};
    struct agent *agent = context;
    struct early_answer *early = &agent->early[agent->early_count];
    struct tool_call call = {.name = item->name,
                             .call_id = item->call_id,
                             .arguments = item->arguments};
    const struct tool *tool = NULL;
    int64_t began = clock_now_ms();
    struct error err;

    if (item->type != ITEM_FUNCTION_CALL ||
        agent->early_count == AGENT_EARLY_MAX)
        return;
    tool_result_init(&early->result);
    tool = prepare(agent, &call, &early->result);
    if (tool && tool->looks_only)
        early->decision = policy_decide(agent->tools, tool, &call, &none);
    /* What is not plainly allowed waits for its turn: a review is a request,
     * and one is going on. What fails is tried again in its turn, too. */
    if (!tool || !tool->looks_only ||
        early->decision.verdict != DECISION_ALLOW ||
        tool->run(agent->tools, &call, &early->result, &err)) {
        tool_result_free(&early->result);
    } else {
        early->call_id = mem_string(item->call_id);
        early->arguments = mem_string(item->arguments);
        early->duration_ms = clock_elapsed_ms(began);
        agent->early_count++;
    }
    cJSON_Delete(call.json);
}

void calls_forget_early(struct agent *agent)
{
    for (size_t i = 0; i < agent->early_count; i++) {
        struct early_answer *early = &agent->early[i];

        free(early->call_id);
        free(early->arguments);
        tool_result_free(&early->result);
    }
    agent->early_count = 0;
}

static struct early_answer *find_early(struct agent *agent,
                                       const struct tool_call *call)
{
    for (size_t i = 0; i < agent->early_count; i++) {
        struct early_answer *early = &agent->early[i];

        if (!strcmp(early->call_id, call->call_id) &&
            !strcmp(early->arguments, call->arguments))
            return early;
    }
    return NULL;
}

/* ---- in their order ---------------------------------------------------- */

static void add_answer(struct agent *agent, const struct tool_call *call,
                       const struct tool_result *result)
{
    if (result->parts.length)
        conversation_add_output_parts(agent->conversation, call->call_id,
                                      call->custom,
                                      buffer_span(&result->parts));
    else
        conversation_add_output(agent->conversation, call->call_id,
                                call->custom, buffer_span(&result->text));
}

static void keep_plan(struct agent *agent, const struct tool_call *call)
{
    if (strcmp(call->name, "update_plan") != 0)
        return;
    free(agent->plan);
    agent->plan = mem_string(call->arguments);
}

static int handle_call(struct agent *agent, const struct model_item *item,
                       struct error *err)
{
    struct tool_call call = {.name = item->name,
                             .call_id = item->call_id,
                             .custom = item->type == ITEM_CUSTOM_CALL,
                             .arguments = item->arguments};
    CLEANUP(tool_result_free) struct tool_result result;
    const struct early_answer *early = find_early(agent, &call);
    struct decision decision;
    int64_t began = clock_now_ms();
    int status = 0;

    tool_result_init(&result);
    if (early) {
        if (early->result.ok)
            keep_plan(agent, &call);
        note_call(agent, &call, &early->decision, &early->result,
                  early->duration_ms);
        add_answer(agent, &call, &early->result);
        return 0;
    }
    decision = (struct decision){.verdict = DECISION_ALLOW};
    if (began >= agent->deadline)
        tool_refuse(&result, "not run: the task's time is over");
    else
        status = answer(agent, &call, &decision, &result, err);
    if (!status)
        note_call(agent, &call, &decision, &result, clock_elapsed_ms(began));
    cJSON_Delete(call.json);
    call.json = NULL;
    if (status)
        return -1;
    if (result.ok)
        keep_plan(agent, &call);
    add_answer(agent, &call, &result);
    return 0;
}

bool calls_is_call(const struct model_item *item)
{
    return item->type == ITEM_FUNCTION_CALL || item->type == ITEM_CUSTOM_CALL;
}

size_t calls_count(const struct model_reply *reply)
{
    size_t calls = 0;

    for (size_t i = 0; i < reply->count; i++)
        calls += calls_is_call(&reply->items[i]);
    return calls;
}

int calls_handle(struct agent *agent, const struct model_reply *reply,
                 struct error *err)
{
    for (size_t i = 0; i < reply->count; i++) {
        if (calls_is_call(&reply->items[i]) &&
            handle_call(agent, &reply->items[i], err))
            return -1;
    }
    return 0;
}
