#include "runner/resume.h"

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

int resume_options(struct span run_json, struct arena *arena,
                   struct options *options, struct error *err)
{
    CLEANUP(json_free)
    cJSON *json = json_parse(run_json.data, run_json.length, err);
    const cJSON *command = json_get_object(json, "command");
    const char *url = json_get_string(command, "model_url");

    if (!json)
        return error_context(err, "run.json");
    if (!command)
        return error_set(err, ERROR_USAGE,
                         "run.json does not say how the run was started");
    if (read_list(command, "manifests", arena, &options->arguments, err) ||
        read_list(command, "filters", arena, &options->filters, err) ||
        read_list(command, "params", arena, &options->params, err))
        return -1;
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

/* An attempt that failed and is not followed by another one. */
static bool is_last_word(const struct task *task,
                         const struct outcome_attempt *attempt)
{
    return !strcmp(attempt->verdict, "passed") ||
           (!strcmp(attempt->verdict, "failed") &&
            (attempt->number >= task->attempts ||
             !strcmp(attempt->reason, "verify_base") ||
             !strcmp(attempt->reason, "budget")));
}

static struct resume_task state_of(const struct task *task,
                                   const struct outcome_task *before)
{
    struct resume_task state = {.state = RESUME_WORK, .attempt = 1};
    const struct outcome_attempt *last;

    if (!before)
        return state;
    if (before->verdict == VERDICT_PASSED || before->verdict == VERDICT_FAILED)
        state.state = RESUME_DONE;
    if (state.state == RESUME_DONE || !before->attempt_count)
        return state;
    state.totals = (struct agent_totals){
        .turns = before->usage.turns,
        .input_tokens = before->usage.input_tokens,
        .output_tokens = before->usage.output_tokens,
        .cost_microusd =
            before->usage.cost_known ? before->usage.cost_microusd : -1,
        .review_microusd = before->usage.review_microusd};
    last = &before->attempts[before->attempt_count - 1];
    state.attempt = last->number;
    state.verify_rounds = last->rounds;
    state.begun = true;
    if (!last->finished)
        return state;
    if (is_last_word(task, last)) {
        state.state = RESUME_SETTLE;
        state.last = last;
    } else if (!strcmp(last->verdict, "failed")) {
        state.attempt++;
        state.verify_rounds = 0;
    }
    return state;
}

struct resume_task *resume_tasks(const struct plan *plan,
                                 const struct run_outcome *outcome)
{
    struct resume_task *states = mem_array(plan->count, sizeof(*states));

    for (size_t i = 0; i < plan->count; i++)
        states[i] =
            state_of(&plan->tasks[i], find_task(outcome, plan->tasks[i].id, i));
    return states;
}
