/* Spans: run > task > attempt > turns, tool calls and steps.
 *
 * Names and attributes are those of OpenTelemetry's semantic conventions for
 * generative AI (invoke_agent, chat, execute_tool) where they have one, else
 * begin with "nightjar.". Ids are hashes of what they name, so the same
 * journal gives the same bytes; with a traceparent the run is part of that
 * trace. What calls and messages said is left out unless the options ask for
 * it. */
#include <inttypes.h>

#include "base/memory.h"
#include "base/sha256.h"
#include "reporters/clean.h"
#include "reporters/otlp.h"

#define TRACE_DIGITS 32
#define SPAN_DIGITS 16
#define KIND_INTERNAL 1
#define KIND_CLIENT 3
#define STATUS_OK 1
#define STATUS_ERROR 2
#define NAME_MAX_BYTES 200
#define MESSAGE_MAX 1000

struct traces {
    struct json json;
    const struct run_outcome *outcome;
    const struct report_options *options;
    char trace[TRACE_DIGITS + 1];
    char run[SPAN_DIGITS + 1];
};

struct span_ids {
    char id[SPAN_DIGITS + 1];
    const char *parent;
};

/* A name for what is at that place of the run. */
static void name_span(const struct traces *traces, const char *place,
                      char out[static SPAN_DIGITS + 1])
{
    CLEANUP(mem_free)
    char *text = mem_format("%s\n%s", traces->outcome->id, place);

    sha256_hex((struct span){text, strlen(text)}, SPAN_DIGITS, out);
}

static bool is_hex(const char *text, size_t length)
{
    return strspn(text, "0123456789abcdef") >= length;
}

/* "00-TRACE-SPAN-01" */
static bool has_parent(const char *text)
{
    static const char zeros[] = "00000000000000000000000000000000";

    return text && strlen(text) >= 55 && is_hex(text, 2) && text[2] == '-' &&
           is_hex(text + 3, TRACE_DIGITS) && text[35] == '-' &&
           is_hex(text + 36, SPAN_DIGITS) && text[52] == '-' &&
           strncmp(text, "ff", 2) != 0 &&
           (strncmp(text, "00", 2) != 0 || strlen(text) == 55) &&
           strncmp(text + 3, zeros, TRACE_DIGITS) != 0 &&
           strncmp(text + 36, zeros, SPAN_DIGITS) != 0;
}

static void name_trace(struct traces *traces)
{
    const char *parent = traces->options->traceparent;

    if (has_parent(parent))
        snprintf(traces->trace, sizeof(traces->trace), "%.32s", parent + 3);
    else
        sha256_hex(
            (struct span){traces->outcome->id, strlen(traces->outcome->id)},
            TRACE_DIGITS, traces->trace);
    name_span(traces, "run", traces->run);
}

static void begin_span(struct traces *traces, const char *id,
                       const char *parent, const char *name, int kind)
{
    struct json *json = &traces->json;

    json_object(json);
    json_member_string(json, "traceId", traces->trace);
    json_member_string(json, "spanId", id);
    if (parent)
        json_member_string(json, "parentSpanId", parent);
    clean_member(json, "name", name, NAME_MAX_BYTES);
    json_member_int(json, "kind", kind);
}

static void put_times(struct json *json, int64_t start, int64_t end)
{
    otlp_time(json, "startTimeUnixNano", start);
    otlp_time(json, "endTimeUnixNano", end < start ? start : end);
}

static void begin_attributes(struct json *json)
{
    json_key(json, "attributes");
    json_array(json);
}

static void end_span(struct json *json, int code, const char *message)
{
    json_end(json); /* attributes */
    json_key(json, "status");
    json_object(json);
    if (code)
        json_member_int(json, "code", code);
    if (message && *message)
        clean_member(json, "message", message, MESSAGE_MAX);
    json_end(json);
    json_end(json);
}

static void put_usage(struct json *json, const struct outcome_usage *usage)
{
    otlp_int(json, "gen_ai.usage.input_tokens", usage->input_tokens);
    otlp_int(json, "gen_ai.usage.cache_read.input_tokens",
             usage->cached_tokens);
    otlp_int(json, "gen_ai.usage.output_tokens", usage->output_tokens);
    otlp_int(json, "nightjar.turns", usage->turns);
    if (usage->cost_known)
        otlp_double_micro(json, "nightjar.cost_usd", usage->cost_microusd);
}

static void put_model(const struct traces *traces, struct json *json)
{
    otlp_text(json, "gen_ai.provider.name", traces->outcome->provider);
    otlp_text(json, "gen_ai.request.model", traces->outcome->model);
}

/* ---- of an attempt ----------------------------------------------------- */

static void put_turn(struct traces *traces, const struct outcome_turn *turn,
                     const char *place, const char *parent)
{
    struct json *json = &traces->json;
    CLEANUP(mem_free)
    char *here = mem_format("%s/turn/%" PRId64 "/%" PRId64, place, turn->number,
                            turn->ended_ms);
    CLEANUP(mem_free)
    char *name = mem_format("chat %s", traces->outcome->model);
    char id[SPAN_DIGITS + 1];

    name_span(traces, here, id);
    begin_span(traces, id, parent, name, KIND_CLIENT);
    put_times(json, turn->ended_ms - turn->duration_ms, turn->ended_ms);
    begin_attributes(json);
    otlp_text(json, "gen_ai.operation.name", "chat");
    put_model(traces, json);
    otlp_int(json, "gen_ai.usage.input_tokens", turn->input_tokens);
    otlp_int(json, "gen_ai.usage.cache_read.input_tokens", turn->cached_tokens);
    otlp_int(json, "gen_ai.usage.output_tokens", turn->output_tokens);
    otlp_int(json, "nightjar.turn", turn->number);
    if (turn->cost_microusd >= 0)
        otlp_double_micro(json, "nightjar.cost_usd", turn->cost_microusd);
    end_span(json, 0, NULL);
}

static void put_call(struct traces *traces, const struct outcome_call *call,
                     const char *place, size_t number, const char *parent)
{
    struct json *json = &traces->json;
    CLEANUP(mem_free) char *here = mem_format("%s/call/%zu", place, number);
    CLEANUP(mem_free) char *name = mem_format("execute_tool %s", call->tool);
    char id[SPAN_DIGITS + 1];

    name_span(traces, here, id);
    begin_span(traces, id, parent, name, KIND_INTERNAL);
    put_times(json, call->ended_ms - call->duration_ms, call->ended_ms);
    begin_attributes(json);
    otlp_text(json, "gen_ai.operation.name", "execute_tool");
    otlp_text(json, "gen_ai.tool.name", call->tool);
    otlp_text(json, "gen_ai.tool.call.id", call->id);
    otlp_text(json, "gen_ai.tool.type", "function");
    otlp_text(json, "nightjar.decision", call->allowed ? "allow" : "deny");
    if (call->rule)
        otlp_text(json, "nightjar.rule", call->rule);
    if (traces->options->content) {
        otlp_text(json, "gen_ai.tool.call.arguments", call->call);
        otlp_text(json, "gen_ai.tool.call.result", call->summary);
    }
    if (!call->allowed || !call->ok)
        otlp_text(json, "error.type", call->allowed ? "tool" : "denied");
    end_span(json, call->allowed && call->ok ? 0 : STATUS_ERROR,
             traces->options->content ? call->summary : NULL);
}

static void put_step(struct traces *traces, const struct outcome_step *step,
                     const char *place, size_t number, const char *parent)
{
    struct json *json = &traces->json;
    CLEANUP(mem_free) char *here = mem_format("%s/step/%zu", place, number);
    CLEANUP(mem_free)
    char *name =
        mem_format("%s %s", outcome_phase_name(step->phase), step->name);
    bool passed = step->result == RESULT_PASSED;
    char id[SPAN_DIGITS + 1];

    name_span(traces, here, id);
    begin_span(traces, id, parent, name, KIND_INTERNAL);
    put_times(json, step->ended_ms - step->duration_ms, step->ended_ms);
    begin_attributes(json);
    otlp_text(json, "nightjar.phase", outcome_phase_name(step->phase));
    otlp_text(json, "nightjar.step", step->name);
    otlp_int(json, "nightjar.round", step->round);
    otlp_text(json, "nightjar.result", outcome_result_name(step->result));
    if (step->exit_status >= 0)
        otlp_int(json, "process.exit.code", step->exit_status);
    if (!passed)
        otlp_text(json, "error.type", outcome_result_name(step->result));
    end_span(json, passed ? STATUS_OK : STATUS_ERROR,
             !passed && traces->options->content ? step->output : NULL);
}

static void put_attempt(struct traces *traces, const struct outcome_task *task,
                        const struct outcome_attempt *attempt,
                        const char *parent)
{
    struct json *json = &traces->json;
    CLEANUP(mem_free)
    char *place = mem_format("%s\n%" PRId64, task->id, attempt->number);
    bool passed = !strcmp(attempt->verdict, "passed");
    int64_t end = attempt->ended_ms < 0 ? task->ended_ms : attempt->ended_ms;
    char id[SPAN_DIGITS + 1];

    name_span(traces, place, id);
    begin_span(traces, id, parent, "invoke_agent nightjar", KIND_INTERNAL);
    put_times(json, attempt->started_ms, end);
    begin_attributes(json);
    otlp_text(json, "gen_ai.operation.name", "invoke_agent");
    otlp_text(json, "gen_ai.agent.name", "nightjar");
    put_model(traces, json);
    put_usage(json, &attempt->usage);
    otlp_int(json, "nightjar.attempt", attempt->number);
    otlp_text(json, "nightjar.reason", attempt->reason);
    if (!passed && *attempt->reason)
        otlp_text(json, "error.type", attempt->reason);
    end_span(json, passed ? STATUS_OK : STATUS_ERROR,
             passed ? NULL : attempt->reason);
    for (size_t i = 0; i < attempt->turn_count; i++)
        put_turn(traces, &attempt->turns[i], place, id);
    for (size_t i = 0; i < attempt->call_count; i++)
        put_call(traces, &attempt->calls[i], place, i, id);
    for (size_t i = 0; i < attempt->step_count; i++)
        put_step(traces, &attempt->steps[i], place, i, id);
}

/* ---- the run and its tasks --------------------------------------------- */

static void put_task(struct traces *traces, const struct outcome_task *task)
{
    struct json *json = &traces->json;
    CLEANUP(mem_free) char *place = mem_format("task\n%s", task->id);
    CLEANUP(mem_free) char *name = mem_format("task %s", task->id);
    bool passed = task->verdict == VERDICT_PASSED;
    char id[SPAN_DIGITS + 1];

    if (!task->started)
        return;
    name_span(traces, place, id);
    begin_span(traces, id, traces->run, name, KIND_INTERNAL);
    put_times(json, task->started_ms, task->ended_ms);
    begin_attributes(json);
    otlp_text(json, "nightjar.task", task->id);
    otlp_text(json, "nightjar.suite", task->suite);
    otlp_text(json, "nightjar.repo", task->repo);
    if (task->commit)
        otlp_text(json, "nightjar.commit", task->commit);
    otlp_text(json, "nightjar.verdict", verdict_name(task->verdict));
    otlp_text(json, "nightjar.reason", task->reason);
    put_usage(json, &task->usage);
    if (!passed)
        otlp_text(json, "error.type", task->reason);
    end_span(json, passed ? STATUS_OK : STATUS_ERROR,
             passed ? NULL : task->reason);
    for (size_t i = 0; i < task->attempt_count; i++)
        put_attempt(traces, task, &task->attempts[i], id);
}

static void put_run(struct traces *traces)
{
    const struct run_outcome *outcome = traces->outcome;
    struct exit_status status = outcome_exit(outcome);
    struct json *json = &traces->json;
    CLEANUP(mem_free) char *name = mem_format("run %s", outcome->name);
    const char *parent = traces->options->traceparent;
    char above[SPAN_DIGITS + 1] = "";

    if (has_parent(parent))
        snprintf(above, sizeof(above), "%.16s", parent + 36);
    begin_span(traces, traces->run, *above ? above : NULL, name, KIND_INTERNAL);
    put_times(json, outcome->started_ms, outcome->ended_ms);
    begin_attributes(json);
    otlp_text(json, "nightjar.run", outcome->id);
    otlp_int(json, "nightjar.tasks", (int64_t)outcome->task_count);
    otlp_int(json, "nightjar.exit_status", status.status);
    otlp_text(json, "nightjar.exit_name", status.name);
    put_usage(json, &outcome->usage);
    end_span(json, status.status ? STATUS_ERROR : STATUS_OK,
             status.status ? status.name : NULL);
}

int traces_add(const struct run_outcome *outcome,
               const struct report_options *options, size_t *at, size_t bytes,
               struct buffer *out, struct error *err)
{
    struct traces traces = {
        .json = json_to(out), .outcome = outcome, .options = options};
    struct json *json = &traces.json;
    size_t start = out->length;

    name_trace(&traces);
    json_object(json);
    json_key(json, "resourceSpans");
    json_array(json);
    json_object(json);
    otlp_resource(json, outcome, options);
    json_key(json, "scopeSpans");
    json_array(json);
    json_object(json);
    otlp_scope(json, outcome);
    json_key(json, "spans");
    json_array(json);
    if (!*at)
        put_run(&traces);
    while (*at < outcome->task_count && out->length - start < bytes)
        put_task(&traces, outcome->tasks[(*at)++]);
    for (int i = 0; i < 6; i++)
        json_end(json);
    return report_done(json->full, "traces", out, err);
}

int report_traces(const struct run_outcome *outcome,
                  const struct report_options *options, struct buffer *out,
                  struct error *err)
{
    size_t at = 0;

    if (traces_add(outcome, options, &at, SIZE_MAX, out, err))
        return -1;
    return report_done(buffer_add_byte(out, '\n'), "traces", out, err);
}
