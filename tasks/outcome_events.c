#include "tasks/outcome_events.h"

#include <ctype.h>
#include <signal.h>

#include "base/memory.h"

/* ---- words ------------------------------------------------------------- */

static const char *const verdict_names[VERDICTS] = {
    [VERDICT_PASSED] = "passed",         [VERDICT_FAILED] = "failed",
    [VERDICT_ERROR] = "error",           [VERDICT_SKIPPED] = "skipped",
    [VERDICT_UNFINISHED] = "unfinished",
};
static const char *const phase_names[PHASES] = {
    [PHASE_SETUP] = "setup", [PHASE_BASE] = "base", [PHASE_VERIFY] = "verify"};
static const char *const result_names[RESULTS] = {[RESULT_PASSED] = "passed",
                                                  [RESULT_FAILED] = "failed",
                                                  [RESULT_TIMEOUT] = "timeout",
                                                  [RESULT_KILLED] = "killed"};

const char *verdict_name(enum verdict verdict)
{
    return verdict_names[verdict < VERDICTS ? verdict : VERDICT_ERROR];
}

const char *outcome_phase_name(enum outcome_phase phase)
{
    return phase_names[phase < PHASES ? phase : PHASE_SETUP];
}

const char *outcome_result_name(enum outcome_result result)
{
    return result_names[result < RESULTS ? result : RESULT_FAILED];
}

/* The place of a word among `count`, which is the place of none. */
static size_t word_index(const char *const *words, size_t count,
                         const char *word)
{
    size_t i = 0;

    while (i < count && strcmp(words[i], word))
        i++;
    return i;
}

/* ---- members ----------------------------------------------------------- */

static const char *text_or_null(struct arena *arena, const cJSON *event,
                                const char *key)
{
    const char *text = json_get_string(event, key);

    return text ? arena_string(arena, text) : NULL;
}

static const char *text_member(struct arena *arena, const cJSON *event,
                               const char *key)
{
    const char *text = text_or_null(arena, event, key);

    return text ? text : "";
}

/* An amount: a missing or negative one is 0. */
static int64_t amount(const cJSON *event, const char *key)
{
    int64_t value = json_get_int64(event, key, 0);

    return value > 0 ? value : 0;
}

void event_add(int64_t *sum, int64_t value)
{
    *sum += value;
    if (*sum > JSON_INTEGER_MAX)
        *sum = JSON_INTEGER_MAX;
}

/* "2026-11-21T00:30:00.123Z", with or without the fraction. */
static bool is_time(const char *text)
{
    static const char shape[] = "0000-00-00T00:00:00";

    for (const char *at = shape; *at; at++, text++) {
        if (*at == '0' ? !isdigit((unsigned char)*text) : *text != *at)
            return false;
    }
    if (*text == '.') {
        size_t digits = strspn(text + 1, "0123456789");

        if (!digits || digits > 9)
            return false;
        text += 1 + digits;
    }
    return !strcmp(text, "Z");
}

static const char *time_of(struct arena *arena, const cJSON *event)
{
    const char *text = json_get_string(event, "time");

    return text && is_time(text) ? arena_string(arena, text) : NULL;
}

static struct strings string_list(struct arena *arena, const cJSON *event,
                                  const char *key)
{
    const cJSON *array = json_get_array(event, key);
    struct strings list = {0};
    const cJSON *item;
    size_t length = array ? (size_t)cJSON_GetArraySize(array) : 0;

    if (length > OUTCOME_NAMES_MAX)
        length = OUTCOME_NAMES_MAX;
    list.items = arena_array(arena, length, sizeof(*list.items));
    cJSON_ArrayForEach(item, array)
    {
        if (list.count < length && cJSON_IsString(item))
            list.items[list.count++] = arena_string(arena, item->valuestring);
    }
    return list;
}

void *event_room(struct arena *arena, void *items, size_t count, size_t size)
{
    void *larger;

    if (count & (count - 1))
        return items;
    larger = arena_array(arena, count ? 2 * count : 1, size);
    if (count)
        memcpy(larger, items, count * size);
    return larger;
}

struct outcome_attempt *event_attempt(struct event_subject *subject,
                                      const cJSON *event)
{
    struct outcome_task *task = subject->task;
    int64_t number = json_get_int64(event, "attempt", 0);
    struct outcome_attempt *attempt;

    if (number < 1 || number > OUTCOME_ATTEMPTS_MAX)
        return NULL;
    for (size_t i = task->attempt_count; i; i--) {
        if (task->attempts[i - 1].number == number)
            return &task->attempts[i - 1];
    }
    task->attempts = event_room(subject->arena, task->attempts,
                                task->attempt_count, sizeof(*task->attempts));
    attempt = &task->attempts[task->attempt_count++];
    attempt->number = number;
    attempt->usage.cost_known = true;
    attempt->verdict = attempt->reason = attempt->message = "";
    return attempt;
}

/* ---- events of the run ------------------------------------------------- */

static void run_started(struct event_subject *subject, const cJSON *event)
{
    struct run_outcome *run = subject->run;

    run->id = text_member(subject->arena, event, "run_id");
    run->name = text_member(subject->arena, event, "name");
    run->version = text_member(subject->arena, event, "version");
    run->model = text_member(subject->arena, event, "model");
    run->provider = text_member(subject->arena, event, "provider");
    run->jobs = amount(event, "jobs");
    run->tasks_announced = amount(event, "tasks");
    run->shard = amount(event, "shard");
    run->shards = amount(event, "shards");
    run->whole = amount(event, "whole");
    if (!run->started_at)
        run->started_at = time_of(subject->arena, event);
    run->signal = 0;
    run->finished = false;
    run->finished_at = NULL;
}

static void run_interrupted(struct event_subject *subject, const cJSON *event)
{
    int64_t number = json_get_int64(event, "signal", SIGTERM);

    /* A second signal does not change what the first one was. */
    if (!subject->run->signal)
        subject->run->signal = number > 0 && number < NSIG ? number : SIGTERM;
}

static void run_finished(struct event_subject *subject, const cJSON *event)
{
    struct run_outcome *run = subject->run;
    int64_t status = amount(event, "exit_status");

    run->finished = true;
    run->finished_at = time_of(subject->arena, event);
    run->duration_ms = amount(event, "duration_ms");
    run->recorded = (struct exit_status){
        .status = status < 256 ? (int)status : 255,
        .name = text_member(subject->arena, event, "exit_name"),
        .retryable = json_get_true(event, "retryable"),
    };
}

/* ---- events of a task -------------------------------------------------- */

static void set_unfinished(struct outcome_task *task)
{
    task->verdict = VERDICT_UNFINISHED;
    task->reason = "unfinished";
    task->message = "no result: the run ended before the task did";
    task->retryable = true;
}

struct outcome_task *event_task(struct arena *arena, const cJSON *event)
{
    struct outcome_task *task = arena_alloc(arena, sizeof(*task));

    task->id = text_member(arena, event, "task");
    task->suite = text_member(arena, event, "suite");
    task->cell = text_member(arena, event, "cell");
    task->repo = text_member(arena, event, "repo");
    task->ref = text_or_null(arena, event, "ref");
    task->prompt_bytes = amount(event, "prompt_bytes");
    task->number = amount(event, "number");
    task->setup = string_list(arena, event, "setup");
    task->verify = string_list(arena, event, "verify");
    task->prefix = "";
    task->usage.cost_known = true;
    set_unfinished(task);
    return task;
}

static void task_again(struct event_subject *subject, const cJSON *event)
{
    subject->task->attempts_before = amount(event, "attempts_before");
}

static void task_started(struct event_subject *subject, const cJSON *event)
{
    subject->task->started = true;
    subject->task->attempts_allowed = amount(event, "attempts");
    set_unfinished(subject->task);
}

static void artifact_written(struct event_subject *subject, const cJSON *event)
{
    struct outcome_task *task = subject->task;
    struct outcome_artifact *artifact;

    if (task->artifact_count == OUTCOME_LIST_MAX)
        return;
    task->artifacts =
        event_room(subject->arena, task->artifacts, task->artifact_count,
                   sizeof(*task->artifacts));
    artifact = &task->artifacts[task->artifact_count++];
    artifact->name = text_member(subject->arena, event, "name");
    artifact->path = text_member(subject->arena, event, "path");
    artifact->bytes = amount(event, "bytes");
}

static void task_finished(struct event_subject *subject, const cJSON *event)
{
    struct outcome_task *task = subject->task;
    size_t verdict = word_index(verdict_names, VERDICT_UNFINISHED,
                                json_get_text(event, "verdict", ""));

    /* A word that is not known must not look like success. */
    task->verdict =
        verdict < VERDICT_UNFINISHED ? (enum verdict)verdict : VERDICT_ERROR;
    task->reason = text_member(subject->arena, event, "reason");
    task->message = text_member(subject->arena, event, "message");
    task->hint = text_or_null(subject->arena, event, "hint");
    task->finished_at = time_of(subject->arena, event);
    task->retryable = json_get_true(event, "retryable");
    task->attempts_made = amount(event, "attempts");
    task->commit = text_or_null(subject->arena, event, "commit");
    task->duration_ms = amount(event, "duration_ms");
}

/* ---- events of an attempt ---------------------------------------------- */

static void attempt_started(struct event_subject *subject, const cJSON *event)
{
    struct outcome_attempt *attempt = subject->attempt;

    (void)event;
    /* Begun anew after an interruption: its rounds count from here. */
    attempt->finished = false;
    attempt->last_round = attempt->step_count;
}

static void repository_ready(struct event_subject *subject, const cJSON *event)
{
    subject->attempt->commit = text_or_null(subject->arena, event, "commit");
    subject->attempt->repository_ms = amount(event, "duration_ms");
}

static void sandbox_ready(struct event_subject *subject, const cJSON *event)
{
    struct outcome_attempt *attempt = subject->attempt;
    struct outcome_sandbox *sandbox;

    if (attempt->sandbox_count == OUTCOME_LIST_MAX)
        return;
    attempt->sandboxes =
        event_room(subject->arena, attempt->sandboxes, attempt->sandbox_count,
                   sizeof(*attempt->sandboxes));
    sandbox = &attempt->sandboxes[attempt->sandbox_count++];
    sandbox->purpose = text_member(subject->arena, event, "purpose");
    sandbox->layers = string_list(subject->arena, event, "layers");
    sandbox->missing = string_list(subject->arena, event, "missing");
}

/* Whether the step belongs to the round of the verify step before it. */
static bool same_round(const struct outcome_attempt *attempt, int64_t round)
{
    for (size_t i = attempt->step_count; i > attempt->last_round; i--) {
        if (attempt->steps[i - 1].phase == PHASE_VERIFY)
            return attempt->steps[i - 1].round == round;
    }
    return false;
}

static void step_finished(struct event_subject *subject, const cJSON *event)
{
    struct outcome_attempt *attempt = subject->attempt;
    size_t phase =
        word_index(phase_names, PHASES, json_get_text(event, "phase", ""));
    size_t result =
        word_index(result_names, RESULTS, json_get_text(event, "result", ""));
    int64_t round = amount(event, "round");
    struct outcome_step *step;

    if (phase == PHASES)
        return;
    attempt->steps = event_room(subject->arena, attempt->steps,
                                attempt->step_count, sizeof(*attempt->steps));
    if (phase == PHASE_VERIFY && !same_round(attempt, round))
        attempt->last_round = attempt->step_count;
    step = &attempt->steps[attempt->step_count++];
    step->phase = (enum outcome_phase)phase;
    step->round = round;
    step->name = text_member(subject->arena, event, "name");
    step->result =
        result < RESULTS ? (enum outcome_result)result : RESULT_FAILED;
    step->exit_status = json_get_int64(event, "exit_status", -1);
    step->signal = amount(event, "signal");
    step->duration_ms = amount(event, "duration_ms");
    step->output = text_member(subject->arena, event, "output");
    step->output_bytes = amount(event, "output_bytes");
}

static void add_cost(struct outcome_usage *usage, const cJSON *event,
                     int64_t *also)
{
    int64_t cost;

    if (!json_get_integer(event, "cost_microusd", &cost) || cost < 0) {
        usage->cost_known = false;
        return;
    }
    event_add(&usage->cost_microusd, cost);
    if (also)
        event_add(also, cost);
}

static int64_t add_tokens(struct outcome_usage *usage, const cJSON *event)
{
    event_add(&usage->input_tokens, amount(event, "input_tokens"));
    event_add(&usage->cached_tokens, amount(event, "cached_tokens"));
    event_add(&usage->output_tokens, amount(event, "output_tokens"));
    return amount(event, "input_tokens") + amount(event, "output_tokens");
}

static void turn_finished(struct event_subject *subject, const cJSON *event)
{
    struct outcome_usage *usage = &subject->attempt->usage;
    struct outcome_task *task = subject->task;

    if (subject->attempt == task->attempts && !usage->turns) {
        task->first_input_tokens = amount(event, "input_tokens");
        task->first_cached_tokens = amount(event, "cached_tokens");
    }
    usage->turns++;
    if (json_get_true(event, "estimated"))
        event_add(&usage->estimated_tokens, add_tokens(usage, event));
    else
        add_tokens(usage, event);
    event_add(&usage->reasoning_tokens, amount(event, "reasoning_tokens"));
    add_cost(usage, event, NULL);
}

static void compacted(struct event_subject *subject, const cJSON *event)
{
    struct outcome_usage *usage = &subject->attempt->usage;

    usage->compactions++;
    event_add(&usage->compaction_tokens, add_tokens(usage, event));
    event_add(&usage->compaction_ms, amount(event, "duration_ms"));
    add_cost(usage, event, &usage->compaction_microusd);
}

static void call_reviewed(struct event_subject *subject, const cJSON *event)
{
    struct outcome_usage *usage = &subject->attempt->usage;

    usage->reviews++;
    add_tokens(usage, event);
    add_cost(usage, event, &usage->review_microusd);
}

static void request_retried(struct event_subject *subject, const cJSON *event)
{
    struct outcome_usage *usage = &subject->attempt->usage;
    int64_t input = amount(event, "estimated_input_tokens");
    int64_t output = amount(event, "estimated_output_tokens");

    usage->retries += !cJSON_IsFalse(json_get(event, "again"));
    event_add(&usage->input_tokens, input);
    event_add(&usage->output_tokens, output);
    event_add(&usage->estimated_tokens, input + output);
    if (input + output)
        add_cost(usage, event, NULL);
    subject->attempt->last_retry =
        text_or_null(subject->arena, event, "message");
}

static void prefix_leased(struct event_subject *subject, const cJSON *event)
{
    struct outcome_task *task = subject->task;

    if (*task->prefix)
        return; /* a later attempt's */
    task->prefix = text_member(subject->arena, event, "prefix");
    task->position = amount(event, "position");
    task->waited_ms = amount(event, "waited_ms");
}

static void tool_finished(struct event_subject *subject, const cJSON *event)
{
    struct outcome_attempt *attempt = subject->attempt;
    struct outcome_call *call;

    attempt->usage.tool_calls++;
    if (!strcmp(json_get_text(event, "decision", "deny"), "allow"))
        return;
    attempt->usage.denied_calls++;
    if (attempt->denied_count == OUTCOME_LIST_MAX)
        return;
    attempt->denied =
        event_room(subject->arena, attempt->denied, attempt->denied_count,
                   sizeof(*attempt->denied));
    call = &attempt->denied[attempt->denied_count++];
    call->turn = amount(event, "turn");
    call->tool = text_member(subject->arena, event, "tool");
    call->rule = text_or_null(subject->arena, event, "rule");
    call->summary = text_member(subject->arena, event, "summary");
}

static struct outcome_notes notes(struct arena *arena, const cJSON *event,
                                  const char *key)
{
    const cJSON *array = json_get_array(event, key);
    struct outcome_notes list = {0};
    const cJSON *item;
    size_t length = array ? (size_t)cJSON_GetArraySize(array) : 0;

    if (length > OUTCOME_LIST_MAX) {
        list.dropped = length - OUTCOME_LIST_MAX;
        length = OUTCOME_LIST_MAX;
    }
    list.items = arena_array(arena, length, sizeof(*list.items));
    cJSON_ArrayForEach(item, array)
    {
        struct outcome_note *note;

        if (list.count == length)
            break;
        note = &list.items[list.count++];
        note->path = text_member(arena, item, "path");
        note->rule = text_member(arena, item, "rule");
        note->message = text_member(arena, item, "message");
    }
    return list;
}

static void patch_made(struct event_subject *subject, const cJSON *event)
{
    struct outcome_patch *patch = arena_alloc(subject->arena, sizeof(*patch));

    patch->files = amount(event, "files");
    patch->insertions = amount(event, "insertions");
    patch->deletions = amount(event, "deletions");
    patch->bytes = amount(event, "bytes");
    patch->violations = notes(subject->arena, event, "violations");
    patch->findings = notes(subject->arena, event, "findings");
    subject->task->patch = patch;
}

static void verify_finished(struct event_subject *subject, const cJSON *event)
{
    subject->attempt->rounds++;
    subject->attempt->failed_step =
        text_or_null(subject->arena, event, "failed_step");
}

static void attempt_finished(struct event_subject *subject, const cJSON *event)
{
    struct outcome_attempt *attempt = subject->attempt;

    attempt->finished = true;
    attempt->verdict = text_member(subject->arena, event, "verdict");
    attempt->reason = text_member(subject->arena, event, "reason");
    attempt->message = text_member(subject->arena, event, "message");
}

static void reservation_lost(struct event_subject *subject, const cJSON *event)
{
    event_add(&subject->run->lost_tokens, amount(event, "tokens"));
    event_add(&subject->run->lost_microusd, amount(event, "cost_microusd"));
}

/* Of use to others. */
static void nothing(struct event_subject *subject, const cJSON *event)
{
    (void)subject;
    (void)event;
}

/* ---- all of them ------------------------------------------------------- */

static const struct event_handler handlers[] = {
    {"run_started", SCOPE_RUN, run_started},
    {"pilot_finished", SCOPE_RUN, nothing},
    {"run_interrupted", SCOPE_RUN, run_interrupted},
    {"run_finished", SCOPE_RUN, run_finished},
    {"reservation_lost", SCOPE_TASK, reservation_lost},
    {"task_again", SCOPE_TASK, task_again},
    {"task_started", SCOPE_TASK, task_started},
    {"artifact_written", SCOPE_TASK, artifact_written},
    {"task_finished", SCOPE_TASK, task_finished},
    {"attempt_started", SCOPE_ATTEMPT, attempt_started},
    {"repository_ready", SCOPE_ATTEMPT, repository_ready},
    {"sandbox_ready", SCOPE_ATTEMPT, sandbox_ready},
    {"step_finished", SCOPE_ATTEMPT, step_finished},
    {"turn_finished", SCOPE_ATTEMPT, turn_finished},
    {"request_retried", SCOPE_ATTEMPT, request_retried},
    {"compacted", SCOPE_ATTEMPT, compacted},
    {"call_reviewed", SCOPE_ATTEMPT, call_reviewed},
    {"prefix_leased", SCOPE_TASK, prefix_leased},
    {"tool_finished", SCOPE_ATTEMPT, tool_finished},
    {"tool_started", SCOPE_ATTEMPT, nothing},
    {"patch_made", SCOPE_ATTEMPT, patch_made},
    {"verify_finished", SCOPE_ATTEMPT, verify_finished},
    {"attempt_finished", SCOPE_ATTEMPT, attempt_finished},
};

const struct event_handler *event_handler_find(const char *type)
{
    for (size_t i = 0; i < ARRAY_LENGTH(handlers); i++) {
        if (!strcmp(handlers[i].type, type))
            return &handlers[i];
    }
    return NULL;
}
