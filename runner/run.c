#include "runner/run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/printable.h"
#include "reporters/reporter.h"
#include "runner/dry_run.h"
#include "runner/load.h"
#include "runner/model/model.h"
#include "runner/supervisor.h"
#include "tasks/cache.h"
#include "tasks/mirror.h"
#include "tasks/outcome.h"

#define TEXT_BYTES_MAX ((size_t)1 << 30)
#define STATUS_USAGE 2
#define STATUS_INCOMPLETE 3
#define STATUS_INTERNAL 70

extern char **environ;

void print_error(const struct error *err)
{
    CLEANUP(buffer_free) struct buffer text = {0};

    buffer_init(&text, (ERROR_TEXT_MAX + ERROR_HINT_MAX) * 8);
    buffer_add_string(&text, "nightjar: ");
    printable_add(&text, err->text, strlen(err->text), false);
    if (*err->hint) {
        buffer_add_string(&text, "\n  hint: ");
        printable_add(&text, err->hint, strlen(err->hint), false);
    }
    fprintf(stderr, "%s\n", text.data);
}

static int status_of(const struct error *err)
{
    if (err->kind == ERROR_USAGE || err->kind == ERROR_MANIFEST)
        return STATUS_USAGE;
    return err->kind == ERROR_INTERNAL ? STATUS_INTERNAL : STATUS_INCOMPLETE;
}

static int fail(const struct error *err)
{
    print_error(err);
    return status_of(err);
}

/* ---- reports ----------------------------------------------------------- */

static struct report_options report_options(const struct options *options)
{
    struct report_options result = {.columns = 0};
    struct winsize size;

    if (isatty(STDOUT_FILENO) && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size))
        result.columns = size.ws_col;
    result.color = options->color == COLOR_ALWAYS ||
                   (options->color == COLOR_AUTO && isatty(STDOUT_FILENO) &&
                    !getenv("NO_COLOR"));
    return result;
}

static int render(const struct run_outcome *outcome, const char *format,
                  const struct report_options *options, struct buffer *out,
                  struct error *err)
{
    const struct reporter *reporter = reporter_find(format);

    if (!reporter) {
        error_set(err, ERROR_USAGE, "--report: unknown format '%s'", format);
        return error_hint(err, "known are json, junit and table");
    }
    return reporter->write(outcome, options, out, err);
}

/* "FORMAT=PATH": the path; NULL for "FORMAT". *format is the caller's. */
static const char *split_report(const char *text, char **format)
{
    const char *equals = strchr(text, '=');

    *format =
        equals ? mem_bytes(text, (size_t)(equals - text)) : mem_string(text);
    return equals ? equals + 1 : NULL;
}

static int check_reports(const struct options *options, struct error *err)
{
    for (size_t i = 0; i < options->reports.count; i++) {
        CLEANUP(mem_free) char *format = NULL;
        const char *path = split_report(options->reports.items[i], &format);

        if (!reporter_find(format)) {
            error_set(err, ERROR_USAGE, "--report: unknown format '%s'",
                      format);
            return error_hint(err, "known are json, junit and table");
        }
        if (path && !*path)
            return error_set(err, ERROR_USAGE, "--report: '%s=' names no file",
                             format);
    }
    return 0;
}

static int read_outcome(const char *path, struct run_outcome *outcome,
                        struct error *err)
{
    CLEANUP(buffer_free) struct buffer journal = {0};

    buffer_init(&journal, JOURNAL_BYTES_MAX);
    if (run_directory_read_journal(path, &journal, err))
        return -1;
    return outcome_read(buffer_span(&journal), outcome, err);
}

static int put_out(struct span text, struct error *err)
{
    if (file_write_fd(STDOUT_FILENO, text.data, text.length, err))
        return error_context(err, "standard output");
    return 0;
}

/* Into the run directory, or where the user said. */
static int write_report(const struct run_directory *directory,
                        const struct run_outcome *outcome, const char *format,
                        const char *path, struct error *err)
{
    const struct report_options plain = {.color = false};
    CLEANUP(buffer_free) struct buffer text = {0};
    CLEANUP(mem_free) char *name = NULL;

    buffer_init(&text, TEXT_BYTES_MAX);
    if (render(outcome, format, &plain, &text, err))
        return -1;
    if (path)
        return file_replace(AT_FDCWD, path, buffer_span(&text), err);
    name = mem_format("reports/%s", reporter_find(format)->file);
    return run_directory_write(directory, name, buffer_span(&text), err);
}

static int write_reports(const struct options *options,
                         const struct run_directory *directory,
                         const struct run_outcome *outcome, struct error *err)
{
    if (write_report(directory, outcome, "json", NULL, err) ||
        write_report(directory, outcome, "junit", NULL, err))
        return error_context(err, "report");
    for (size_t i = 0; i < options->reports.count; i++) {
        CLEANUP(mem_free) char *format = NULL;
        const char *path = split_report(options->reports.items[i], &format);

        if (write_report(directory, outcome, format, path, err))
            return error_context(err, "report");
    }
    return 0;
}

static int print_table(const struct options *options,
                       const struct run_directory *directory,
                       const struct run_outcome *outcome, struct error *err)
{
    struct report_options how = report_options(options);
    struct exit_status status = outcome_exit(outcome);
    CLEANUP(buffer_free) struct buffer text = {0};

    if (options->verbosity == PROGRESS_QUIET)
        return 0;
    buffer_init(&text, TEXT_BYTES_MAX);
    if (report_table(outcome, &how, &text, err))
        return -1;
    buffer_addf(&text, "\nrun directory: %s\nexit status:   %d (%s)\n",
                directory->path, status.status, status.name);
    return put_out(buffer_span(&text), err);
}

int report_command(const struct options *options)
{
    struct report_options how = report_options(options);
    struct run_outcome outcome;
    struct error err;
    int status = 0;

    if (check_reports(options, &err) ||
        read_outcome(options->arguments.items[0], &outcome, &err))
        return fail(&err);
    for (size_t i = 0; i < options->reports.count || !i; i++) {
        CLEANUP(buffer_free) struct buffer text = {0};
        CLEANUP(mem_free) char *format = NULL;
        const char *path = split_report(
            options->reports.count ? options->reports.items[i] : "table",
            &format);

        buffer_init(&text, TEXT_BYTES_MAX);
        status = render(&outcome, format, &how, &text, &err);
        if (!status && path)
            status = file_replace(AT_FDCWD, path, buffer_span(&text), &err);
        else if (!status)
            status = put_out(buffer_span(&text), &err);
        if (status)
            break;
    }
    outcome_free(&outcome);
    return status ? fail(&err) : 0;
}

/* ---- check ------------------------------------------------------------- */

int check_command(const struct options *options)
{
    struct plan plan;
    int status = load_plan(options, &plan) ? STATUS_USAGE : 0;

    for (size_t i = 0; !status && i < plan.count; i++)
        printf("%s\n", plan.tasks[i].id);
    if (!status)
        fprintf(stderr, "%zu task%s, no problems\n", plan.count,
                plan.count == 1 ? "" : "s");
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

/* What the manifests say, so that a run is not gone on with under another
 * policy. FNV-1a: against mistakes, not against whoever writes them. */
static void put_digests(struct json *json, const struct option_list *list)
{
    json_key(json, "digests");
    json_array(json);
    for (size_t i = 0; i < list->count; i++) {
        CLEANUP(buffer_free) struct buffer text = {0};
        uint64_t digest = 14695981039346656037U;
        struct error ignored;
        char hex[20];

        buffer_init(&text, MANIFEST_BYTES_MAX);
        if (file_read(AT_FDCWD, list->items[i], &text, &ignored))
            buffer_clear(&text);
        for (size_t at = 0; at < text.length; at++)
            digest = (digest ^ (unsigned char)text.data[at]) * 1099511628211U;
        snprintf(hex, sizeof(hex), "%016llx", (unsigned long long)digest);
        json_string(json, hex);
    }
    json_end(json);
}

/* How the run was started, for --resume. */
static void put_command(struct json *json, const struct options *options)
{
    json_key(json, "command");
    json_object(json);
    put_list(json, "manifests", &options->arguments, true);
    put_digests(json, &options->arguments);
    put_list(json, "filters", &options->filters, false);
    put_list(json, "params", &options->params, false);
    json_member_int(json, "jobs", options->jobs);
    json_member_text(json, "model_url", options->model_url);
    json_end(json);
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
    put_command(&json, options);
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
    CLEANUP(buffer_free) struct buffer written = {0};
    CLEANUP(buffer_free) struct buffer text = {0};

    buffer_init(&written, TEXT_BYTES_MAX);
    buffer_init(&text, TEXT_BYTES_MAX);
    if (run_directory_open(directory, options->resume, err) ||
        file_read(directory->fd, "run.json", &written, err) ||
        read_outcome(options->resume, outcome, err))
        return -1;
    directory->run_id = mem_string(outcome->id);
    if (make_run_json(options, supervision, &text, err) ||
        resume_check(buffer_span(&written), buffer_span(&text), err))
        return -1;
    supervision->resume = resume_tasks(supervision->plan, outcome);
    supervision->spent = (struct gate_amount){
        .tokens = outcome->usage.input_tokens + outcome->usage.output_tokens,
        .cost_microusd = outcome->usage.cost_microusd};
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

static int finish(const struct options *options,
                  const struct run_directory *directory, struct error *err)
{
    struct run_outcome outcome;
    int status;

    if (read_outcome(directory->path, &outcome, err))
        return fail(err);
    if (write_reports(options, directory, &outcome, err) ||
        print_table(options, directory, &outcome, err))
        status = fail(err);
    else
        status = outcome_exit(&outcome).status;
    outcome_free(&outcome);
    return status;
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
    const char *folder =
        options->cache ? options->cache : getenv("NIGHTJAR_CACHE");
    int64_t bytes =
        options->cache_bytes >= 0 ? options->cache_bytes : CACHE_BYTES;
    CLEANUP(mem_free) char *own = NULL;

    if (!cache_open(cache, folder && *folder ? folder : NULL, bytes, err))
        return 0;
    if (folder || cache->folder)
        return -1;
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
                     .color = options->color == COLOR_ALWAYS ||
                              (options->color == COLOR_AUTO &&
                               isatty(STDERR_FILENO) && !getenv("NO_COLOR"))}};
    CLEANUP(cache_close) struct cache cache = {.folder = NULL};
    int64_t started_ms = 0;
    struct error err;
    int status;

    if (supervision.tape.folder &&
        tape_prepare(&supervision.tape, &started_ms, &err))
        return fail(&err);
    if (supervision.tape.replay)
        clock_freeze(started_ms);
    else if (take_keys(plan, secrets, keys, &err))
        return fail(&err);
    secrets_add_environment(secrets, environ);
    wipe_keys(plan);
    block_signals();
    if (models_start(&err) || repositories_start(&err) ||
        prepare_directory(options, &supervision, &before, &err) ||
        prepare_cache(options, &supervision, &cache, &err))
        return fail(&err);
    supervision.cache = &cache;
    status = supervise(&supervision, &err) ? fail(&err)
                                           : finish(options, &directory, &err);
    cache_trim(&cache);
    free((void *)(uintptr_t)supervision.resume);
    return status;
}

static int print_plan(const struct plan *plan)
{
    CLEANUP(buffer_free) struct buffer text = {0};
    struct error err;

    buffer_init(&text, TEXT_BYTES_MAX);
    if (dry_run_print(plan, &text, &err) || put_out(buffer_span(&text), &err))
        return fail(&err);
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
        return fail(&err);
    return run_with(&completed);
}

static int run_with(const struct options *options)
{
    struct secrets secrets = {.count = 0};
    struct plan plan;
    struct error err;
    int status;

    if (check_reports(options, &err))
        return fail(&err);
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
