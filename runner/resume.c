#include "runner/resume.h"

#include "base/glob.h"
#include "base/json.h"
#include "base/memory.h"

static bool same(const cJSON *before, const cJSON *now, const char *key)
{
    return cJSON_Compare(json_get(before, key), json_get(now, key), true);
}

int resume_check(struct span written, struct span text, struct error *err)
{
    CLEANUP(json_free)
    cJSON *before = json_parse(written.data, written.length, err);
    CLEANUP(json_free) cJSON *now = NULL;

    if (!before)
        return error_context(err, "run.json");
    now = json_parse(text.data, text.length, err);
    if (!now)
        return -1;
    if (same(before, now, "tasks") &&
        same(json_get_object(before, "command"),
             json_get_object(now, "command"), "digests"))
        return 0;
    error_set(err, ERROR_USAGE,
              "the manifest says something else than when the run was begun");
    return error_hint(err, "put it back as it was, or start a new run");
}

/* ---- options ----------------------------------------------------------- */

static int read_list(const cJSON *json, const char *key, struct arena *arena,
                     struct option_list *list, struct error *err)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, json_get_array(json, key))
    {
        if (!cJSON_IsString(item) || list->count == OPTIONS_LIST_MAX)
            return error_set(err, ERROR_USAGE, "run.json: command.%s", key);
        list->items[list->count++] = arena_string(arena, item->valuestring);
    }
    return 0;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The tasks that the run has, however they were chosen; sorted. */
static struct strings read_ids(const cJSON *tasks, struct arena *arena)
{
    struct strings ids = {NULL, 0};
    const cJSON *task;

    ids.items = arena_array(arena, (size_t)cJSON_GetArraySize(tasks) + 1,
                            sizeof(char *));
    cJSON_ArrayForEach(task, tasks)
    {
        ids.items[ids.count++] =
            arena_string(arena, json_get_text(task, "id", ""));
    }
    qsort(ids.items, ids.count, sizeof(char *), by_text);
    return ids;
}

int resume_options(struct span run_json, struct arena *arena,
                   struct options *options, struct error *err)
{
    CLEANUP(json_free)
    cJSON *json = json_parse(run_json.data, run_json.length, err);
    const cJSON *command = json_get_object(json, "command");
    const char *url = json_get_string(command, "model_url");

    if (!json)
        return error_context(err, "run.json");
    if (json_get_array(json, "merged")) {
        error_set(err, ERROR_USAGE, "a merged run cannot be gone on with");
        return error_hint(err, "go on with its parts, and merge them again");
    }
    if (!command)
        return error_set(err, ERROR_USAGE,
                         "run.json does not say how the run was started");
    if (read_list(command, "manifests", arena, &options->arguments, err) ||
        read_list(command, "params", arena, &options->params, err))
        return -1;
    options->only = read_ids(json_get_array(json, "tasks"), arena);
    options->shard.number = (size_t)json_get_int64(command, "shard", 0);
    options->shard.count = (size_t)json_get_int64(command, "shards", 0);
    options->whole = (size_t)json_get_int64(command, "whole", 0);
    if (options->jobs < 0)
        options->jobs = json_get_int64(command, "jobs", -1);
    if (url && !options->model_url)
        options->model_url = arena_string(arena, url);
    return 0;
}

/* ---- tasks ------------------------------------------------------------- */

static const struct outcome_task *find_task(const struct run_outcome *outcome,
                                            const char *id, size_t guess)
{
    /* Mostly they are in the same order. */
    if (guess < outcome->task_count && !strcmp(outcome->tasks[guess]->id, id))
        return outcome->tasks[guess];
    for (size_t i = 0; i < outcome->task_count; i++) {
        if (!strcmp(outcome->tasks[i]->id, id))
            return outcome->tasks[i];
    }
    return NULL;
}

/* An attempt that failed and is not followed by another one. `before`: those
 * of earlier tries of the task. */
static bool is_last_word(const struct task *task,
                         const struct outcome_attempt *attempt, int64_t before)
{
    return !strcmp(attempt->verdict, "passed") ||
           (!strcmp(attempt->verdict, "failed") &&
            (attempt->number - before >= task->attempts ||
             !strcmp(attempt->reason, "verify_base") ||
             !strcmp(attempt->reason, "budget")));
}

/* "failed", "error:network": whether a task that ended so is meant. */
static bool is_meant(const char *what, const struct outcome_task *before)
{
    const char *verdict = verdict_name(before->verdict);
    size_t length = strlen(verdict);

    return !strncmp(what, verdict, length) &&
           (!what[length] || !strcmp(what + length + 1, before->reason));
}

static bool is_retried(const struct resume_again *again,
                       const struct outcome_task *before)
{
    if (!again->retry->count)
        return before->verdict == VERDICT_ERROR && !again->rerun->count;
    for (size_t i = 0; i < again->retry->count; i++) {
        if (is_meant(again->retry->items[i], before))
            return true;
    }
    return false;
}

static bool is_rerun(const struct resume_again *again, const char *id)
{
    for (size_t i = 0; i < again->rerun->count; i++) {
        if (glob_match_word(again->rerun->items[i], id))
            return true;
    }
    return false;
}

static bool is_done(const struct outcome_task *before)
{
    return before->verdict == VERDICT_PASSED ||
           before->verdict == VERDICT_FAILED ||
           before->verdict == VERDICT_ERROR;
}

/* A task that is done with, and yet to be worked on: from the start, but for
 * an error of the world's, which is gone on from. */
static void begin_again(struct resume_task *state,
                        const struct outcome_task *before, const char *why)
{
    state->again = why;
    state->state = RESUME_WORK;
    state->begun = false;
    state->totals = (struct agent_totals){0};
    state->verify_rounds = 0;
    if (before->attempt_count)
        state->attempt = before->attempts[before->attempt_count - 1].number + 1;
    state->attempts_before = state->attempt - 1;
}

static struct resume_task state_of(const struct task *task,
                                   const struct outcome_task *before,
                                   const struct resume_again *again)
{
    struct resume_task state = {
        .state = RESUME_WORK, .attempt = 1, .commit = ""};
    const struct outcome_attempt *last;
    bool rerun = is_rerun(again, task->id);

    if (!before)
        return state;
    state.attempts_before = before->attempts_before;
    for (size_t i = 0; i < before->attempt_count; i++) {
        if (before->attempts[i].commit)
            state.commit = before->attempts[i].commit;
    }
    if (is_done(before) && !rerun && !is_retried(again, before))
        state.state = RESUME_DONE;
    state.failed =
        before->verdict == VERDICT_FAILED || before->verdict == VERDICT_ERROR;
    if (state.state == RESUME_DONE)
        return state;
    if (!before->attempt_count) {
        state.again = before->verdict == VERDICT_ERROR ? "retry" : NULL;
        return state;
    }
    state.totals = (struct agent_totals){
        .turns = before->usage.turns,
        .input_tokens = before->usage.input_tokens,
        .output_tokens = before->usage.output_tokens,
        .cost_microusd =
            before->usage.cost_known ? before->usage.cost_microusd : -1,
        .review_microusd = before->usage.review_microusd};
    if (rerun || before->verdict == VERDICT_PASSED ||
        before->verdict == VERDICT_FAILED) {
        begin_again(&state, before, rerun ? "rerun" : "retry");
        return state;
    }
    if (before->verdict == VERDICT_ERROR)
        state.again = "retry";
    last = &before->attempts[before->attempt_count - 1];
    state.attempt = last->number;
    state.verify_rounds = last->rounds;
    state.begun = true;
    if (!last->finished)
        return state;
    if (is_last_word(task, last, before->attempts_before)) {
        state.state = RESUME_SETTLE;
        state.last = last;
    } else if (!strcmp(last->verdict, "failed")) {
        state.attempt++;
        state.verify_rounds = 0;
    }
    return state;
}

int resume_check_again(const struct plan *plan,
                       const struct resume_again *again, struct error *err)
{
    for (size_t i = 0; i < again->rerun->count; i++) {
        bool found = false;

        for (size_t k = 0; k < plan->count && !found; k++)
            found = glob_match_word(again->rerun->items[i], plan->tasks[k].id);
        if (!found)
            return error_set(err, ERROR_USAGE,
                             "--rerun: the run has no task '%s'",
                             again->rerun->items[i]);
    }
    return 0;
}

struct resume_task *resume_tasks(const struct plan *plan,
                                 const struct run_outcome *outcome,
                                 const struct resume_again *again)
{
    struct resume_task *states = mem_array(plan->count, sizeof(*states));

    for (size_t i = 0; i < plan->count; i++)
        states[i] = state_of(&plan->tasks[i],
                             find_task(outcome, plan->tasks[i].id, i), again);
    return states;
}
