/* report.json: everything of the outcome, for programs.
 *
 * Described by docs/report.schema.json; `version` there grows when a member
 * changes its meaning or goes away, not when one is added. Compact JSON with a
 * line for each task, so that the file can be read by lines too. Texts are as
 * in the journal: who shows them has to make them safe; as bytes of a log,
 * nothing in the file is obeyed. */
#include "base/json.h"
#include "base/memory.h"
#include "reporters/reporter.h"

#define REPORT_VERSION 1

static void member_or_null(struct json *json, const char *key, const char *text)
{
    json_key(json, key);
    if (text)
        json_string(json, text);
    else
        json_null(json);
}

static void member_strings(struct json *json, const char *key,
                           const struct strings *list)
{
    json_key(json, key);
    json_array(json);
    for (size_t i = 0; i < list->count; i++)
        json_string(json, list->items[i]);
    json_end(json);
}

static void write_usage(struct json *json, const struct outcome_usage *usage)
{
    json_key(json, "usage");
    json_object(json);
    json_member_int(json, "turns", usage->turns);
    json_member_int(json, "input_tokens", usage->input_tokens);
    json_member_int(json, "cached_tokens", usage->cached_tokens);
    json_member_int(json, "output_tokens", usage->output_tokens);
    json_member_int(json, "reasoning_tokens", usage->reasoning_tokens);
    json_key(json, "cost_usd");
    if (usage->cost_known)
        json_micro(json, usage->cost_microusd);
    else
        json_null(json);
    json_member_int(json, "retries", usage->retries);
    json_member_int(json, "estimated_tokens", usage->estimated_tokens);
    json_member_int(json, "tool_calls", usage->tool_calls);
    json_member_int(json, "denied_calls", usage->denied_calls);
    json_key(json, "compactions");
    json_object(json);
    json_member_int(json, "count", usage->compactions);
    json_member_int(json, "tokens", usage->compaction_tokens);
    json_key(json, "cost_usd");
    json_micro(json, usage->compaction_microusd);
    json_member_int(json, "duration_ms", usage->compaction_ms);
    json_end(json);
    json_key(json, "reviews");
    json_object(json);
    json_member_int(json, "count", usage->reviews);
    json_key(json, "cost_usd");
    json_micro(json, usage->review_microusd);
    json_end(json);
    json_end(json);
}

static void write_exit(struct json *json, struct exit_status status)
{
    json_object(json);
    json_member_int(json, "status", status.status);
    json_member_string(json, "name", status.name);
    json_member_bool(json, "retryable", status.retryable);
    json_end(json);
}

/* ---- an attempt -------------------------------------------------------- */

static void write_step(struct json *json, const struct outcome_step *step)
{
    json_object(json);
    json_member_string(json, "phase", outcome_phase_name(step->phase));
    json_member_int(json, "round", step->round);
    json_member_string(json, "name", step->name);
    json_member_string(json, "result", outcome_result_name(step->result));
    json_key(json, "exit_status");
    if (step->exit_status >= 0)
        json_int(json, step->exit_status);
    else
        json_null(json);
    json_key(json, "signal");
    if (step->signal)
        json_int(json, step->signal);
    else
        json_null(json);
    json_member_int(json, "duration_ms", step->duration_ms);
    json_member_string(json, "output", step->output);
    json_member_int(json, "output_bytes", step->output_bytes);
    json_end(json);
}

static void write_call(struct json *json, const struct outcome_call *call)
{
    json_object(json);
    json_member_int(json, "turn", call->turn);
    json_member_string(json, "tool", call->tool);
    member_or_null(json, "rule", call->rule);
    json_member_string(json, "summary", call->summary);
    json_end(json);
}

static void write_sandboxes(struct json *json,
                            const struct outcome_attempt *attempt)
{
    json_key(json, "sandboxes");
    json_array(json);
    for (size_t i = 0; i < attempt->sandbox_count; i++) {
        json_object(json);
        json_member_string(json, "purpose", attempt->sandboxes[i].purpose);
        member_strings(json, "layers", &attempt->sandboxes[i].layers);
        member_strings(json, "missing", &attempt->sandboxes[i].missing);
        json_end(json);
    }
    json_end(json);
}

static void write_attempt(struct json *json,
                          const struct outcome_attempt *attempt)
{
    json_object(json);
    json_member_int(json, "number", attempt->number);
    json_member_bool(json, "finished", attempt->finished);
    json_member_string(json, "verdict", attempt->verdict);
    json_member_string(json, "reason", attempt->reason);
    json_member_string(json, "message", attempt->message);
    member_or_null(json, "commit", attempt->commit);
    json_member_int(json, "repository_ms", attempt->repository_ms);
    write_sandboxes(json, attempt);
    write_usage(json, &attempt->usage);
    member_or_null(json, "last_retry", attempt->last_retry);
    json_key(json, "denied");
    json_array(json);
    for (size_t i = 0; i < attempt->denied_count; i++)
        write_call(json, &attempt->denied[i]);
    json_end(json);
    json_member_int(json, "verify_rounds", attempt->rounds);
    member_or_null(json, "failed_step", attempt->failed_step);
    json_key(json, "steps");
    json_array(json);
    for (size_t i = 0; i < attempt->step_count; i++)
        write_step(json, &attempt->steps[i]);
    json_end(json);
    json_end(json);
}

/* ---- a task ------------------------------------------------------------ */

static void write_notes(struct json *json, const char *key,
                        const struct outcome_notes *notes)
{
    json_key(json, key);
    json_array(json);
    for (size_t i = 0; i < notes->count; i++) {
        json_object(json);
        json_member_string(json, "path", notes->items[i].path);
        json_member_string(json, "rule", notes->items[i].rule);
        json_member_string(json, "message", notes->items[i].message);
        json_end(json);
    }
    json_end(json);
}

static void write_patch(struct json *json, const struct outcome_patch *patch)
{
    json_key(json, "patch");
    if (!patch) {
        json_null(json);
        return;
    }
    json_object(json);
    json_member_int(json, "files", patch->files);
    json_member_int(json, "insertions", patch->insertions);
    json_member_int(json, "deletions", patch->deletions);
    json_member_int(json, "bytes", patch->bytes);
    write_notes(json, "violations", &patch->violations);
    json_member_int(json, "violations_dropped",
                    (int64_t)patch->violations.dropped);
    write_notes(json, "findings", &patch->findings);
    json_member_int(json, "findings_dropped", (int64_t)patch->findings.dropped);
    json_end(json);
}

static void write_artifacts(struct json *json, const struct outcome_task *task)
{
    json_key(json, "artifacts");
    json_array(json);
    for (size_t i = 0; i < task->artifact_count; i++) {
        json_object(json);
        json_member_string(json, "name", task->artifacts[i].name);
        json_member_string(json, "path", task->artifacts[i].path);
        json_member_int(json, "bytes", task->artifacts[i].bytes);
        json_end(json);
    }
    json_end(json);
}

static void write_planned(struct json *json, const struct outcome_task *task)
{
    json_member_string(json, "id", task->id);
    json_member_string(json, "suite", task->suite);
    json_member_string(json, "matrix_cell", task->cell);
    json_member_string(json, "repo", task->repo);
    member_or_null(json, "ref", task->ref);
    json_member_int(json, "prompt_bytes", task->prompt_bytes);
    member_strings(json, "setup", &task->setup);
    member_strings(json, "verify", &task->verify);
}

static void write_task(struct json *json, const struct outcome_task *task)
{
    json_object(json);
    write_planned(json, task);
    json_member_bool(json, "started", task->started);
    json_member_string(json, "verdict", verdict_name(task->verdict));
    json_member_string(json, "reason", task->reason);
    json_member_string(json, "message", task->message);
    member_or_null(json, "hint", task->hint);
    json_member_bool(json, "retryable", task->retryable);
    member_or_null(json, "commit", task->commit);
    json_member_int(json, "duration_ms", task->duration_ms);
    write_usage(json, &task->usage);
    write_patch(json, task->patch);
    write_artifacts(json, task);
    json_member_int(json, "attempts_allowed", task->attempts_allowed);
    json_member_int(json, "attempts_made", task->attempts_made);
    json_key(json, "attempts");
    json_array(json);
    for (size_t i = 0; i < task->attempt_count; i++)
        write_attempt(json, &task->attempts[i]);
    json_end(json);
    json_end(json);
}

/* ---- the run ----------------------------------------------------------- */

static void write_run(struct json *json, const struct run_outcome *outcome)
{
    json_key(json, "run");
    json_object(json);
    json_member_string(json, "id", outcome->id);
    json_member_string(json, "name", outcome->name);
    json_member_string(json, "nightjar_version", outcome->version);
    json_member_string(json, "model", outcome->model);
    json_member_string(json, "provider", outcome->provider);
    json_member_int(json, "jobs", outcome->jobs);
    member_or_null(json, "started_at", outcome->started_at);
    json_key(json, "interrupted_by_signal");
    if (outcome->signal)
        json_int(json, outcome->signal);
    else
        json_null(json);
    json_member_bool(json, "finished", outcome->finished);
    member_or_null(json, "finished_at", outcome->finished_at);
    json_key(json, "duration_ms");
    if (outcome->finished)
        json_int(json, outcome->duration_ms);
    else
        json_null(json);
    json_key(json, "recorded_exit");
    if (outcome->finished)
        write_exit(json, outcome->recorded);
    else
        json_null(json);
    json_end(json);
}

static void write_counts(struct json *json, const struct run_outcome *outcome)
{
    json_key(json, "counts");
    json_object(json);
    json_member_int(json, "announced", outcome->tasks_announced);
    json_member_int(json, "tasks", (int64_t)outcome->task_count);
    for (int i = 0; i < VERDICTS; i++)
        json_member_int(json, verdict_name((enum verdict)i),
                        (int64_t)outcome->counts[i]);
    json_end(json);
}

/* ---- what the provider had cached ---------------------------------------- */

static int by_prefix(const void *a, const void *b)
{
    const struct outcome_task *one = *(struct outcome_task *const *)a;
    const struct outcome_task *other = *(struct outcome_task *const *)b;
    int order = strcmp(one->prefix, other->prefix);

    if (order)
        return order;
    if (one->position != other->position)
        return one->position < other->position ? -1 : 1;
    return strcmp(one->id, other->id);
}

static void write_position(struct json *json, const struct outcome_task *task)
{
    json_object(json);
    json_member_int(json, "position", task->position);
    json_member_string(json, "task", task->id);
    json_member_int(json, "first_input_tokens", task->first_input_tokens);
    json_member_int(json, "first_cached_tokens", task->first_cached_tokens);
    json_member_int(json, "input_tokens", task->usage.input_tokens);
    json_member_int(json, "cached_tokens", task->usage.cached_tokens);
    json_member_int(json, "waited_ms", task->waited_ms);
    json_end(json);
}

/* Tasks of one prefix, next to each other. Returns how many. */
static size_t write_prefix(struct json *json, struct outcome_task **tasks,
                           size_t count)
{
    const char *prefix = tasks[0]->prefix;
    int64_t input = 0;
    int64_t cached = 0;
    size_t same = 0;

    while (same < count && !strcmp(tasks[same]->prefix, prefix)) {
        input += tasks[same]->usage.input_tokens;
        cached += tasks[same++]->usage.cached_tokens;
    }
    json_object(json);
    json_member_string(json, "prefix", prefix);
    json_member_int(json, "tasks", (int64_t)same);
    json_member_int(json, "input_tokens", input);
    json_member_int(json, "cached_tokens", cached);
    json_key(json, "by_position");
    json_array(json);
    for (size_t i = 0; i < same; i++)
        write_position(json, tasks[i]);
    json_end(json);
    json_end(json);
    return same;
}

static void write_cache(struct json *json, const struct run_outcome *outcome)
{
    CLEANUP(mem_free)
    struct outcome_task **tasks =
        mem_array(outcome->task_count, sizeof(struct outcome_task *));
    size_t count = 0;

    for (size_t i = 0; i < outcome->task_count; i++) {
        if (*outcome->tasks[i]->prefix)
            tasks[count++] = outcome->tasks[i];
    }
    qsort(tasks, count, sizeof(struct outcome_task *), by_prefix);
    json_key(json, "cache");
    json_object(json);
    json_key(json, "prefixes");
    json_array(json);
    for (size_t at = 0; at < count;)
        at += write_prefix(json, tasks + at, count - at);
    json_end(json);
    json_end(json);
}

static void write_journal(struct json *json, const struct run_outcome *outcome)
{
    json_key(json, "journal");
    json_object(json);
    json_member_int(json, "events", (int64_t)outcome->events);
    json_member_int(json, "ignored_events", (int64_t)outcome->ignored);
    json_member_int(json, "torn_bytes", (int64_t)outcome->torn_bytes);
    json_end(json);
}

/* In JSON an escape says the same: what runners and terminals obey in a log,
 * should it be printed there, is written as one. Nothing outside of strings
 * holds these characters. */
static bool add_quiet(struct buffer *out, struct span text)
{
    static const char *const words[] = {"#[", "#vso[", "#teamcity["};
    size_t from = 0;

    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        bool c1 = byte == 0xC2 && i + 1 < text.length &&
                  (unsigned char)text.data[i + 1] < 0xA0;
        bool word = false;

        for (size_t w = 0; byte == '#' && w < ARRAY_LENGTH(words); w++)
            word = word || (text.length - i - 1 >= strlen(words[w]) &&
                            !strncasecmp(text.data + i + 1, words[w],
                                         strlen(words[w])));
        if (!c1 && !word && byte != 0x7F)
            continue;
        if (buffer_add(out, text.data + from, i - from) ||
            buffer_addf(out, "\\u%04x",
                        c1 ? (unsigned char)text.data[i + 1] : byte))
            return false;
        i += c1;
        from = i + 1;
    }
    return !buffer_add(out, text.data + from, text.length - from);
}

int report_json(const struct run_outcome *outcome,
                const struct report_options *options, struct buffer *out,
                struct error *err)
{
    CLEANUP(buffer_free) struct buffer text = {0};
    struct json json = json_to(&text);
    bool full = false;

    (void)options;
    buffer_init(&text, out->maximum);
    json_object(&json);
    json_member_string(&json, "format", "nightjar-report");
    json_member_int(&json, "version", REPORT_VERSION);
    write_run(&json, outcome);
    json_key(&json, "exit");
    write_exit(&json, outcome_exit(outcome));
    write_counts(&json, outcome);
    write_usage(&json, &outcome->usage);
    write_journal(&json, outcome);
    write_cache(&json, outcome);
    json_key(&json, "tasks");
    json_array(&json);
    for (size_t i = 0; i < outcome->task_count; i++) {
        /* The line break comes before the writer's comma. */
        full = buffer_add_byte(&text, '\n') || full;
        write_task(&json, outcome->tasks[i]);
    }
    json_end(&json);
    json_end(&json);
    full = buffer_add_byte(&text, '\n') || full;
    full = !add_quiet(out, buffer_span(&text)) || full;
    return report_done(full || json.full, "json", out, err);
}
