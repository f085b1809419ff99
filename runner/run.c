#include "runner/run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "runner/dry_run.h"
#include "runner/load.h"
#include "runner/model/model.h"
#include "runner/report_run.h"
#include "runner/reports.h"
#include "runner/supervisor.h"
#include "runner/task_record.h"
#include "tasks/cache.h"
#include "tasks/mirror.h"
#include "tasks/outcome.h"

#define TEXT_BYTES_MAX ((size_t)1 << 30)
#define STATUS_USAGE 2

extern char **environ;

/* ---- check ------------------------------------------------------------- */

int check_command(const struct options *options)
{
    struct plan plan;
    int status = load_plan(options, &plan) ? STATUS_USAGE : 0;

    for (size_t i = 0; !status && i < plan.count; i++)
        printf("%s\n", plan.tasks[i].id);
    if (!status) {
        struct error ignored;

        if (!repositories_start(&ignored))
            load_look_at_repositories(&plan);
        fprintf(stderr, "%zu task%s, no problems\n", plan.count,
                plan.count == 1 ? "" : "s");
    }
    plan_free(&plan);
    return status;
}

/* ---- run --------------------------------------------------------------- */

/* The key of each task's model, out of the environment and out of sight: the
 * variable's value is wiped, so that /proc shows nothing of it. */
static int take_keys(const struct plan *plan, struct secrets *secrets,
                     const char **keys, struct error *err)
{
    for (size_t i = 0; i < plan->count; i++) {
        const struct model_settings *model = plan->tasks[i].model;
        const char *value = model->key_env ? getenv(model->key_env) : NULL;

        if (model->provider == MODEL_SCRIPTED || !model->key_env)
            continue;
        if (!value || !*value) {
            if (model->provider == MODEL_COMPATIBLE)
                continue;
            error_set(err, ERROR_USAGE, "%s is not set", model->key_env);
            return error_hint(err,
                              "export the model's key as %s, or name "
                              "another variable in model.key_env",
                              model->key_env);
        }
        keys[i] = secrets_add(secrets, value);
        if (!keys[i])
            return error_set(err, ERROR_USAGE,
                             "%s: expected a key of at least %d characters",
                             model->key_env, SECRET_LENGTH_MIN);
    }
    return 0;
}

static void wipe_keys(const struct plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        const char *name = plan->tasks[i].model->key_env;
        char *value = name ? getenv(name) : NULL;

        if (value)
            explicit_bzero(value, strlen(value));
        if (name)
            unsetenv(name);
    }
}

static void put_list(struct json *json, const char *key,
                     const struct option_list *list, bool paths)
{
    json_key(json, key);
    json_array(json);
    for (size_t i = 0; i < list->count; i++) {
        CLEANUP(mem_free)
        char *path = paths ? realpath(list->items[i], NULL) : NULL;

        json_string(json, path ? path : list->items[i]);
    }
    json_end(json);
}

/* FNV-1a: against mistakes, not against whoever writes them. */
static void digest_hex(struct span text, char hex[static 20])
{
    uint64_t digest = 14695981039346656037U;

    for (size_t at = 0; at < text.length; at++)
        digest = (digest ^ (unsigned char)text.data[at]) * 1099511628211U;
    snprintf(hex, 20, "%016llx", (unsigned long long)digest);
}

/* What the manifests say, so that a run is not gone on with under another
 * policy. */
static void put_digests(struct json *json, const struct option_list *list)
{
    json_key(json, "digests");
    json_array(json);
    for (size_t i = 0; i < list->count; i++) {
        CLEANUP(buffer_free) struct buffer text = {0};
        struct error ignored;
        char hex[20];

        buffer_init(&text, MANIFEST_BYTES_MAX);
        if (file_read(AT_FDCWD, list->items[i], &text, &ignored))
            buffer_clear(&text);
        digest_hex(buffer_span(&text), hex);
        json_string(json, hex);
    }
    json_end(json);
}

/* How the run was started, for --resume. */
static void put_command(struct json *json, const struct options *options,
                        size_t whole)
{
    json_key(json, "command");
    json_object(json);
    put_list(json, "manifests", &options->arguments, true);
    put_digests(json, &options->arguments);
    put_list(json, "filters", &options->filters, false);
    put_list(json, "params", &options->params, false);
    json_member_int(json, "jobs", options->jobs);
    json_member_int(json, "shard", (int64_t)options->shard.number);
    json_member_int(json, "shards", (int64_t)options->shard.count);
    json_member_int(json, "whole", (int64_t)whole);
    json_member_text(json, "model_url", options->model_url);
    json_end(json);
}

/* What a record says may be long, and is somebody else's: that it is the same
 * when the run is gone on with is enough. */
static void put_record(struct json *json, const struct task *task)
{
    CLEANUP(buffer_free) struct buffer text = {0};
    char hex[20];

    if (!task->record.count)
        return;
    buffer_init(&text, TEXT_BYTES_MAX);
    task_record_json(task, &text);
    digest_hex(buffer_span(&text), hex);
    json_member_string(json, "record", hex);
}

/* What was asked for, resolved, for whoever reads the directory later. */
static int make_run_json(const struct options *options,
                         const struct supervision *supervision,
                         struct buffer *text, struct error *err)
{
    const struct plan *plan = supervision->plan;
    struct json json;

    json = json_to(text);
    json_object(&json);
    json_member_string(&json, "format", "nightjar-run");
    json_member_int(&json, "version", 1);
    json_member_string(&json, "run_id", supervision->directory->run_id);
    json_member_string(&json, "nightjar", NIGHTJAR_VERSION);
    json_member_string(&json, "libgit2", repositories_version());
    json_member_string(&json, "libcurl", model_library_version());
    put_command(&json, options, plan->whole);
    json_key(&json, "tasks");
    json_array(&json);
    for (size_t i = 0; i < plan->count; i++) {
        const struct task *task = &plan->tasks[i];

        json_object(&json);
        json_member_string(&json, "id", task->id);
        json_member_string(&json, "suite", task->suite);
        json_member_string(&json, "repo", task->repo);
        json_member_text(&json, "ref", task->ref);
        json_member_string(&json, "directory", task->directory);
        json_member_string(&json, "prompt", task->prompt);
        json_member_string(&json, "model", task->model->name);
        json_member_int(&json, "timeout_ms", task->timeout_ms);
        json_member_int(&json, "attempts", task->attempts);
        json_member_int(&json, "fix_attempts", task->fix_attempts);
        json_member_text(&json, "output_schema", task->output_schema);
        put_record(&json, task);
        json_end(&json);
    }
    json_end(&json);
    json_end(&json);
    if (json.full || buffer_add_byte(text, '\n'))
        return error_set(err, ERROR_IO, "run.json: too large");
    secrets_mask(supervision->secrets, text->data, text->length);
    return 0;
}

static int create_directory(const struct options *options,
                            struct supervision *supervision, struct error *err)
{
    CLEANUP(buffer_free) struct buffer text = {0};

    buffer_init(&text, TEXT_BYTES_MAX);
    if (run_directory_create(supervision->directory, options->out, err) ||
        make_run_json(options, supervision, &text, err))
        return -1;
    return run_directory_write(supervision->directory, "run.json",
                               buffer_span(&text), err);
}

/* The directory of a run that was cut off, and what it says. */
static int open_directory(const struct options *options,
                          struct supervision *supervision,
                          struct run_outcome *outcome, struct error *err)
{
    struct run_directory *directory = supervision->directory;
    const struct resume_again again = {&options->retry, &options->rerun};
    CLEANUP(buffer_free) struct buffer written = {0};
    CLEANUP(buffer_free) struct buffer text = {0};

    buffer_init(&written, TEXT_BYTES_MAX);
    buffer_init(&text, TEXT_BYTES_MAX);
    if (run_directory_open(directory, options->resume, err) ||
        file_read(directory->fd, "run.json", &written, err) ||
        reports_read(options->resume, outcome, err))
        return -1;
    directory->run_id = mem_string(outcome->id);
    if (make_run_json(options, supervision, &text, err) ||
        resume_check(buffer_span(&written), buffer_span(&text), err) ||
        resume_check_again(supervision->plan, &again, err))
        return -1;
    supervision->resume = resume_tasks(supervision->plan, outcome, &again);
    supervision->spent = (struct gate_amount){
        .tokens = outcome->usage.input_tokens + outcome->usage.output_tokens +
                  outcome->lost_tokens,
        .cost_microusd = outcome->usage.cost_microusd + outcome->lost_microusd};
    return 0;
}

static void block_signals(void)
{
    sigset_t mask;

    sigemptyset(&mask);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGHUP);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static int prepare_directory(const struct options *options,
                             struct supervision *supervision,
                             struct run_outcome *before, struct error *err)
{
    return options->resume ? open_directory(options, supervision, before, err)
                           : create_directory(options, supervision, err);
}

/* Where repositories are kept: a machine without a home keeps them in the run
 * directory. */
static int prepare_cache(const struct options *options,
                         const struct supervision *supervision,
                         struct cache *cache, struct error *err)
{
    const char *variable = getenv("NIGHTJAR_CACHE");
    int64_t bytes =
        options->cache_bytes >= 0 ? options->cache_bytes : CACHE_BYTES;
    CLEANUP(mem_free) char *own = NULL;

    if (!cache_open(cache, options->cache, bytes, err))
        return 0;
    /* What was asked for is not replaced. */
    if (options->cache || (variable && *variable))
        return -1;
    cache_close(cache);
    if (options->verbosity != PROGRESS_QUIET)
        fprintf(stderr,
                "nightjar: %s: repositories are kept in the run directory "
                "alone\n",
                err->text);
    own = mem_format("%s/work/cache", supervision->directory->path);
    return cache_open(cache, own, bytes, err);
}

static int run_plan(const struct options *options, const struct plan *plan,
                    struct secrets *secrets)
{
    CLEANUP(outcome_free) struct run_outcome before = {.task_count = 0};
    CLEANUP(mem_free)
    const char **keys = mem_array(plan->count, sizeof(char *));
    CLEANUP(run_directory_close)
    struct run_directory directory = {.fd = -1, .journal = -1};
    struct supervision supervision = {
        .plan = plan,
        .tape = {.folder = options->replay ? options->replay : options->record,
                 .replay = options->replay != NULL},
        .secrets = secrets,
        .keys = keys,
        .directory = &directory,
        .progress = {.verbosity = options->verbosity,
                     .form = options->progress,
                     .color = options->color == COLOR_ALWAYS ||
                              (options->color == COLOR_AUTO &&
                               isatty(STDERR_FILENO) && !getenv("NO_COLOR"))}};
    CLEANUP(cache_close) struct cache cache = {.folder = NULL};
    int64_t started_ms = 0;
    struct error err;
    int status;

    if (supervision.tape.folder &&
        tape_prepare(&supervision.tape, &started_ms, &err))
        return report_failure(&err);
    if (supervision.tape.replay)
        clock_freeze(started_ms);
    else if (take_keys(plan, secrets, keys, &err))
        return report_failure(&err);
    secrets_add_environment(secrets, environ);
    wipe_keys(plan);
    block_signals();
    if (models_start(&err) || repositories_start(&err))
        return report_failure(&err);
    if (!options->resume && options->verbosity != PROGRESS_QUIET)
        load_look_at_repositories(plan);
    if (prepare_directory(options, &supervision, &before, &err) ||
        prepare_cache(options, &supervision, &cache, &err))
        return report_failure(&err);
    supervision.cache = &cache;
    supervision.shard = options->shard;
    status = supervise(&supervision, &err)
                 ? report_failure(&err)
                 : reports_finish(options, &directory, &cache, &err);
    cache_trim(&cache);
    free((void *)(uintptr_t)supervision.resume);
    return status;
}

static int print_plan(const struct plan *plan)
{
    CLEANUP(buffer_free) struct buffer text = {0};
    struct error err;

    buffer_init(&text, TEXT_BYTES_MAX);
    if (dry_run_print(plan, &text, &err) ||
        reports_put(buffer_span(&text), &err))
        return report_failure(&err);
    return 0;
}

/* With --resume, the rest of the options are those of that run. */
static int complete_options(struct options *options, struct arena *arena,
                            struct error *err)
{
    CLEANUP(mem_free) char *path = NULL;
    CLEANUP(buffer_free) struct buffer text = {0};

    if (!options->resume)
        return 0;
    path = mem_format("%s/run.json", options->resume);
    buffer_init(&text, TEXT_BYTES_MAX);
    if (file_read(AT_FDCWD, path, &text, err)) {
        err->kind = ERROR_USAGE;
        return error_hint(err, "--resume wants the folder of a run");
    }
    return resume_options(buffer_span(&text), arena, options, err);
}

static int run_with(const struct options *options);

int run_command(const struct options *options)
{
    CLEANUP(arena_free) struct arena arena = {NULL};
    struct options completed = *options;
    struct error err;

    if (complete_options(&completed, &arena, &err))
        return report_failure(&err);
    return run_with(&completed);
}

static int run_with(const struct options *options)
{
    struct secrets secrets = {.count = 0};
    struct plan plan;
    struct error err;
    int status;

    if (reports_check(options, &err))
        return report_failure(&err);
    if (load_plan(options, &plan))
        status = STATUS_USAGE;
    else if (options->dry_run)
        status = print_plan(&plan);
    else
        status = run_plan(options, &plan, &secrets);
    plan_free(&plan);
    secrets_free(&secrets);
    return status;
}
