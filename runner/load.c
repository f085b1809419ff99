#include "runner/load.h"

#include "base/memory.h"
#include "base/printable.h"
#include "base/schema.h"
#include "runner/run.h"
#include "runner/run_directory.h"
#include "tasks/choose.h"
#include "tasks/local_repository.h"
#include "tasks/manifest_rules.h"

#define PROBLEM_BYTES_MAX 65536

static void print_problems(const struct problems *problems)
{
    for (size_t i = 0; i < problems->count; i++) {
        CLEANUP(buffer_free) struct buffer line = {0};

        buffer_init(&line, PROBLEM_BYTES_MAX);
        problem_format(&problems->items[i], &line);
        if (line.length && line.data[line.length - 1] != '\n')
            buffer_add_byte(&line, '\n');
        fputs(line.data, stderr);
    }
    if (problems->dropped)
        fprintf(stderr, "... and %zu more problems\n", problems->dropped);
}

static void split_params(const struct options *options, struct params *params)
{
    size_t count = options->params.count;

    params->names = mem_array(count + 1, sizeof(char *));
    params->values = mem_array(count + 1, sizeof(char *));
    for (size_t i = 0; i < count; i++) {
        const char *text = options->params.items[i];
        const char *equals = strchr(text, '=');

        params->names[i] = mem_bytes(text, (size_t)(equals - text));
        params->values[i] = equals + 1;
    }
    params->count = count;
}

static void params_free(struct params *params)
{
    for (size_t i = 0; i < params->count; i++)
        free((char *)(uintptr_t)params->names[i]);
    free(params->names);
    free(params->values);
}

static int load_manifests(const struct options *options, struct plan *plan)
{
    CLEANUP(params_free) struct params params = {.count = 0};
    struct problems problems = {0};
    int status = 0;

    split_params(options, &params);
    for (size_t i = 0; i < options->arguments.count; i++)
        status |= manifest_load(plan, options->arguments.items[i], &params,
                                &problems);
    print_problems(&problems);
    problems_free(&problems);
    return status;
}

/* What the manifest's own reader cannot know: whether a schema is one. */
static int check_schemas(const struct plan *plan)
{
    const char *last = NULL;
    int status = 0;

    for (size_t i = 0; i < plan->count; i++) {
        const char *text = plan->tasks[i].output_schema;
        struct schema *schema;
        struct error err;

        if (!text || text == last)
            continue;
        last = text;
        schema = schema_compile((struct span){text, strlen(text)}, &err);
        if (!schema) {
            error_context(&err, "task %s: output_schema", plan->tasks[i].id);
            print_error(&err);
            status = -1;
        }
        schema_free(schema);
    }
    return status;
}

static int replace_url(const struct options *options, struct plan *plan)
{
    const char *expected =
        options->model_url ? rule_base_url(options->model_url) : NULL;
    const struct model_settings *from = NULL;
    struct model_settings *to = NULL;
    struct error err;

    if (!options->model_url)
        return 0;
    if (expected) {
        error_set(&err, ERROR_USAGE, "--model-url: expected %s", expected);
        print_error(&err);
        return -1;
    }
    for (size_t i = 0; i < plan->count; i++) {
        struct task *task = &plan->tasks[i];

        if (task->model->provider == MODEL_SCRIPTED) {
            error_set(&err, ERROR_USAGE,
                      "--model-url: the model of task %s is a script",
                      task->id);
            print_error(&err);
            return -1;
        }
        if (task->model != from) {
            size_t length = strlen(options->model_url);

            from = task->model;
            to = arena_alloc(&plan->arena, sizeof(*to));
            *to = *from;
            while (length && options->model_url[length - 1] == '/')
                length--;
            to->base_url =
                arena_bytes(&plan->arena, options->model_url, length);
        }
        task->model = to;
    }
    return 0;
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct past_duration *)a)->id,
                  ((const struct past_duration *)b)->id);
}

int load_durations(const char *directory, struct run_outcome *outcome,
                   struct past_duration **past, size_t *count,
                   struct error *err)
{
    CLEANUP(buffer_free) struct buffer journal = {0};

    buffer_init(&journal, JOURNAL_BYTES_MAX);
    if (run_directory_read_journal(directory, &journal, err) ||
        outcome_read(buffer_span(&journal), outcome, err))
        return -1;
    *past = mem_array(outcome->task_count + 1, sizeof(**past));
    *count = 0;
    for (size_t i = 0; i < outcome->task_count; i++) {
        const struct outcome_task *task = outcome->tasks[i];

        if (task->verdict == VERDICT_PASSED || task->verdict == VERDICT_FAILED)
            (*past)[(*count)++] =
                (struct past_duration){task->id, task->duration_ms};
    }
    qsort(*past, *count, sizeof(**past), by_id);
    return 0;
}

static int choose_shard(const struct options *options, struct plan *plan)
{
    CLEANUP(outcome_free) struct run_outcome outcome = {.task_count = 0};
    CLEANUP(mem_free) struct past_duration *past = NULL;
    size_t count = 0;
    struct error err;

    if (options->durations &&
        load_durations(options->durations, &outcome, &past, &count, &err)) {
        error_context(&err, "--durations");
        print_error(&err);
        return -1;
    }
    plan_shard(plan, &options->shard, past, count);
    return 0;
}

/* A part may be empty: other machines have the rest. */
static int choose(const struct options *options, struct plan *plan)
{
    if (options->resume) {
        plan_keep(plan, options->only.items, options->only.count);
        plan->whole = options->whole;
        return 0;
    }
    if (options->sample >= 0)
        plan_sample(plan, (size_t)options->sample, options->seed);
    if (options->limit >= 0)
        plan_limit(plan, (size_t)options->limit);
    plan->whole = plan->count;
    return options->shard.count ? choose_shard(options, plan) : 0;
}

static int filter(const struct options *options, struct plan *plan)
{
    struct strings globs = {(const char **)(uintptr_t)options->filters.items,
                            options->filters.count};
    struct error err;

    for (size_t i = 0; i < plan->count; i++)
        plan->tasks[i].number = i;
    if (globs.count)
        plan_filter(plan, &globs);
    if (plan->count)
        return choose(options, plan);
    error_set(&err, ERROR_USAGE, "%s",
              globs.count ? "no task matches --filter"
                          : "the manifests have no task");
    print_error(&err);
    return -1;
}

int load_plan(const struct options *options, struct plan *plan)
{
    plan_init(plan);
    if (load_manifests(options, plan) || filter(options, plan) ||
        check_schemas(plan) || replace_url(options, plan))
        return -1;
    if (options->jobs > 0)
        plan->run.jobs = options->jobs;
    return 0;
}

/* ---- repositories of this machine ---------------------------------------- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void tell_repository(const char *repo)
{
    static const char *const texts[] = {
        [LOCAL_NONE] = "is no git repository: its tasks will end in an error",
        [LOCAL_EMPTY] = "has no commit yet: its tasks will end in an error",
        [LOCAL_CHANGED] = "has changes that are not committed: tasks work on "
                          "the commit, without them",
    };
    enum local_state state = local_repository_look(repo);
    CLEANUP(buffer_free) struct buffer shown = {0};

    if (state == LOCAL_GOOD)
        return;
    buffer_init(&shown, PROBLEM_BYTES_MAX);
    printable_add(&shown, repo, strlen(repo), false);
    fprintf(stderr, "nightjar: warning: %s %s\n", shown.data, texts[state]);
}

void load_look_at_repositories(const struct plan *plan)
{
    CLEANUP(mem_free)
    const char **repos = mem_array(plan->count, sizeof(char *));

    for (size_t i = 0; i < plan->count; i++)
        repos[i] = plan->tasks[i].repo;
    qsort(repos, plan->count, sizeof(*repos), by_text);
    for (size_t i = 0; i < plan->count; i++) {
        if (!i || strcmp(repos[i], repos[i - 1]) != 0)
            tell_repository(repos[i]);
    }
}
