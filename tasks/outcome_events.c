#include "tasks/outcome_events.h"

#include <signal.h>

#include "base/memory.h"
#include "tasks/outcome_members.h"

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

/* ---- attempts ---------------------------------------------------------- */

void event_add(int64_t *sum, int64_t value)
{
    *sum += value;
    if (*sum > JSON_INTEGER_MAX)
        *sum = JSON_INTEGER_MAX;
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
    attempt->started_ms = attempt->ended_ms = -1;
    attempt->verdict = attempt->reason = attempt->message = "";
    return attempt;
}

/* ---- events of the run ------------------------------------------------- */

static void run_started(struct event_subject *subject, const cJSON *event)
{
    struct run_outcome *run = subject->run;

    run->id = member_text(subject->arena, event, "run_id");
    run->name = member_text(subject->arena, event, "name");
    run->version = member_text(subject->arena, event, "version");
    run->model = member_text(subject->arena, event, "model");
    run->provider = member_text(subject->arena, event, "provider");
    run->jobs = member_amount(event, "jobs");
    run->tasks_announced = member_amount(event, "tasks");
    run->shard = member_amount(event, "shard");
    run->shards = member_amount(event, "shards");
    run->whole = member_amount(event, "whole");
    if (!run->started_at) {
        run->started_at = member_time(subject->arena, event);
        run->started_ms = member_ms(event);
    }
    run->ended_ms = -1;
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
    int64_t status = member_amount(event, "exit_status");

    run->finished = true;
    run->finished_at = member_time(subject->arena, event);
    run->ended_ms = member_ms(event);
    /* Of a run that was gone on with, each part adds its time. */
    event_add(&run->duration_ms, member_amount(event, "duration_ms"));
    run->recorded = (struct exit_status){
        .status = status < 256 ? (int)status : 255,
        .name = member_text(subject->arena, event, "exit_name"),
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

    task->id = member_text(arena, event, "task");
    task->suite = member_text(arena, event, "suite");
    task->cell = member_text(arena, event, "cell");
    task->repo = member_text(arena, event, "repo");
    task->ref = member_text_or_null(arena, event, "ref");
    task->prompt_bytes = member_amount(event, "prompt_bytes");
    task->number = member_amount(event, "number");
    task->setup = member_strings(arena, event, "setup");
    task->verify = member_strings(arena, event, "verify");
    task->prefix = "";
    task->definition = member_text(arena, event, "definition");
    task->started_ms = task->ended_ms = -1;
    task->usage.cost_known = true;
    set_unfinished(task);
    return task;
}

static void task_again(struct event_subject *subject, const cJSON *event)
{
    subject->task->attempts_before = member_amount(event, "attempts_before");
}

static void task_started(struct event_subject *subject, const cJSON *event)
{
    if (!subject->task->started)
        subject->task->started_ms = member_ms(event);
    subject->task->started = true;
    subject->task->attempts_allowed = member_amount(event, "attempts");
    set_unfinished(subject->task);
}

static void artifact_written(struct event_subject *subject, const cJSON *event)
{
    struct outcome_task *task = subject->task;
    struct outcome_artifact *artifact;
    const char *path = json_get_text(event, "path", "");

    /* Written again, after another round: the file is one. */
    for (size_t i = 0; i < task->artifact_count; i++) {
        if (strcmp(task->artifacts[i].path, path) != 0)
            continue;
        task->artifacts[i].bytes = member_amount(event, "bytes");
        return;
    }
    if (task->artifact_count == OUTCOME_LIST_MAX)
        return;
    task->artifacts =
        event_room(subject->arena, task->artifacts, task->artifact_count,
                   sizeof(*task->artifacts));
    artifact = &task->artifacts[task->artifact_count++];
    artifact->name = member_text(subject->arena, event, "name");
    artifact->path = member_text(subject->arena, event, "path");
    artifact->bytes = member_amount(event, "bytes");
}

static void task_finished(struct event_subject *subject, const cJSON *event)
{
    struct outcome_task *task = subject->task;
    size_t verdict = word_index(verdict_names, VERDICT_UNFINISHED,
                                json_get_text(event, "verdict", ""));

    /* A word that is not known must not look like success. */
    task->verdict =
        verdict < VERDICT_UNFINISHED ? (enum verdict)verdict : VERDICT_ERROR;
    task->reason = member_text(subject->arena, event, "reason");
    task->message = member_text(subject->arena, event, "message");
    task->hint = member_text_or_null(subject->arena, event, "hint");
    task->finished_at = member_time(subject->arena, event);
    task->ended_ms = member_ms(event);
    task->retryable = json_get_true(event, "retryable");
    task->attempts_made = member_amount(event, "attempts");
    task->commit = member_text_or_null(subject->arena, event, "commit");
    task->duration_ms = member_amount(event, "duration_ms");
}

/* ---- events of an attempt ---------------------------------------------- */

static void attempt_started(struct event_subject *subject, const cJSON *event)
{
    struct outcome_attempt *attempt = subject->attempt;

    if (attempt->started_ms < 0)
        attempt->started_ms = member_ms(event);
    attempt->ended_ms = -1;
    /* Begun anew after an interruption: its rounds count from here. */
    attempt->finished = false;
    attempt->last_round = attempt->step_count;
}

static void repository_ready(struct event_subject *subject, const cJSON *event)
{
    subject->attempt->commit =
        member_text_or_null(subject->arena, event, "commit");
    subject->attempt->repository_ms = member_amount(event, "duration_ms");
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
    sandbox->purpose = member_text(subject->arena, event, "purpose");
    sandbox->layers = member_strings(subject->arena, event, "layers");
    sandbox->missing = member_strings(subject->arena, event, "missing");
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
    int64_t round = member_amount(event, "round");
    struct outcome_step *step;

    if (phase == PHASES)
        return;
    attempt->steps = event_room(subject->arena, attempt->steps,
                                attempt->step_count, sizeof(*attempt->steps));
    if (phase == PHASE_VERIFY && !same_round(attempt, round))
        attempt->last_round = attempt->step_count;
    step = &attempt->steps[attempt->step_count++];
    step->ended_ms = member_ms(event);
    step->phase = (enum outcome_phase)phase;
    step->round = round;
    step->name = member_text(subject->arena, event, "name");
    step->result =
        result < RESULTS ? (enum outcome_result)result : RESULT_FAILED;
    step->exit_status = json_get_int64(event, "exit_status", -1);
    step->signal = member_amount(event, "signal");
    step->duration_ms = member_amount(event, "duration_ms");
    step->output = member_text(subject->arena, event, "output");
    step->output_bytes = member_amount(event, "output_bytes");
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
    event_add(&usage->input_tokens, member_amount(event, "input_tokens"));
    event_add(&usage->cached_tokens, member_amount(event, "cached_tokens"));
    event_add(&usage->output_tokens, member_amount(event, "output_tokens"));
    return member_amount(event, "input_tokens") +
           member_amount(event, "output_tokens");
}

static void add_turn(struct event_subject *subject, const cJSON *event)
{
    struct outcome_attempt *attempt = subject->attempt;
    struct outcome_turn *turn;

    if (attempt->turn_count == OUTCOME_LIST_MAX)
        return;
    attempt->turns = event_room(subject->arena, attempt->turns,
                                attempt->turn_count, sizeof(*attempt->turns));
    turn = &attempt->turns[attempt->turn_count++];
    turn->ended_ms = member_ms(event);
    turn->number = member_amount(event, "turn");
    turn->duration_ms = member_amount(event, "duration_ms");
    turn->input_tokens = member_amount(event, "input_tokens");
    turn->cached_tokens = member_amount(event, "cached_tokens");
    turn->output_tokens = member_amount(event, "output_tokens");
    turn->cost_microusd = json_get_int64(event, "cost_microusd", -1);
    turn->calls = member_amount(event, "calls");
}

static void turn_finished(struct event_subject *subject, const cJSON *event)
{
    struct outcome_usage *usage = &subject->attempt->usage;
    struct outcome_task *task = subject->task;

    if (subject->attempt == task->attempts && !usage->turns) {
        task->first_input_tokens = member_amount(event, "input_tokens");
        task->first_cached_tokens = member_amount(event, "cached_tokens");
    }
    usage->turns++;
    add_turn(subject, event);
    if (json_get_true(event, "estimated"))
        event_add(&usage->estimated_tokens, add_tokens(usage, event));
    else
        add_tokens(usage, event);
    event_add(&usage->reasoning_tokens,
              member_amount(event, "reasoning_tokens"));
    add_cost(usage, event, NULL);
}

static void compacted(struct event_subject *subject, const cJSON *event)
{
    struct outcome_usage *usage = &subject->attempt->usage;

    usage->compactions++;
    event_add(&usage->compaction_tokens, add_tokens(usage, event));
    event_add(&usage->compaction_ms, member_amount(event, "duration_ms"));
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
    int64_t input = member_amount(event, "estimated_input_tokens");
    int64_t output = member_amount(event, "estimated_output_tokens");

    usage->retries += !cJSON_IsFalse(json_get(event, "again"));
    event_add(&usage->input_tokens, input);
    event_add(&usage->output_tokens, output);
    event_add(&usage->estimated_tokens, input + output);
    if (input + output)
        add_cost(usage, event, NULL);
    subject->attempt->last_retry =
        member_text_or_null(subject->arena, event, "message");
}

static void prefix_leased(struct event_subject *subject, const cJSON *event)
{
    struct outcome_task *task = subject->task;

    if (*task->prefix)
        return; /* a later attempt's */
    task->prefix = member_text(subject->arena, event, "prefix");
    task->position = member_amount(event, "position");
    task->waited_ms = member_amount(event, "waited_ms");
}

static struct outcome_call tool_call(struct arena *arena, const cJSON *event)
{
    return (struct outcome_call){
        .ended_ms = member_ms(event),
        .turn = member_amount(event, "turn"),
        .id = member_text(arena, event, "call_id"),
        .tool = member_text(arena, event, "tool"),
        .call = member_text(arena, event, "call"),
        .allowed = !strcmp(json_get_text(event, "decision", "deny"), "allow"),
        .reviewed = json_get_true(event, "reviewed"),
        .ok = json_get_true(event, "ok"),
        .rule = member_text_or_null(arena, event, "rule"),
        .reason = member_text(arena, event, "reason"),
        .summary = member_text(arena, event, "summary"),
        .duration_ms = member_amount(event, "duration_ms"),
    };
}

static void take_plan(struct event_subject *subject, const cJSON *plan)
{
    size_t count = (size_t)cJSON_GetArraySize(plan);
    struct outcome_plan_step *steps;
    const cJSON *item;

    if (count > OUTCOME_LIST_MAX)
        return;
    steps = arena_array(subject->arena, count, sizeof(*steps));
    subject->task->plan = steps;
    subject->task->plan_count = count;
    cJSON_ArrayForEach(item, plan)
    {
        steps->step = member_text(subject->arena, item, "step");
        steps++->status = member_text(subject->arena, item, "status");
    }
}

static void tool_finished(struct event_subject *subject, const cJSON *event)
{
    struct outcome_attempt *attempt = subject->attempt;
    struct outcome_call call = tool_call(subject->arena, event);

    attempt->usage.tool_calls++;
    attempt->usage.denied_calls += !call.allowed;
    if (json_get_array(event, "plan"))
        take_plan(subject, json_get_array(event, "plan"));
    if (attempt->call_count < OUTCOME_LIST_MAX) {
        attempt->calls =
            event_room(subject->arena, attempt->calls, attempt->call_count,
                       sizeof(*attempt->calls));
        attempt->calls[attempt->call_count++] = call;
    }
    if (call.allowed || attempt->denied_count == OUTCOME_LIST_MAX)
        return;
    attempt->denied =
        event_room(subject->arena, attempt->denied, attempt->denied_count,
                   sizeof(*attempt->denied));
    attempt->denied[attempt->denied_count++] = call;
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
        note->path = member_text(arena, item, "path");
        note->rule = member_text(arena, item, "rule");
        note->message = member_text(arena, item, "message");
    }
    return list;
}

static void patch_made(struct event_subject *subject, const cJSON *event)
{
    struct outcome_patch *patch = arena_alloc(subject->arena, sizeof(*patch));

    patch->files = member_amount(event, "files");
    patch->insertions = member_amount(event, "insertions");
    patch->deletions = member_amount(event, "deletions");
    patch->bytes = member_amount(event, "bytes");
    patch->tree = member_text(subject->arena, event, "tree");
    patch->violations = notes(subject->arena, event, "violations");
    patch->findings = notes(subject->arena, event, "findings");
    subject->task->patch = patch;
}

static void verify_finished(struct event_subject *subject, const cJSON *event)
{
    subject->attempt->rounds++;
    subject->attempt->failed_step =
        member_text_or_null(subject->arena, event, "failed_step");
}

static void attempt_finished(struct event_subject *subject, const cJSON *event)
{
    struct outcome_attempt *attempt = subject->attempt;

    attempt->finished = true;
    attempt->ended_ms = member_ms(event);
    attempt->verdict = member_text(subject->arena, event, "verdict");
    attempt->reason = member_text(subject->arena, event, "reason");
    attempt->message = member_text(subject->arena, event, "message");
}

static void reservation_lost(struct event_subject *subject, const cJSON *event)
{
    event_add(&subject->run->lost_tokens, member_amount(event, "tokens"));
    event_add(&subject->run->lost_microusd,
              member_amount(event, "cost_microusd"));
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
