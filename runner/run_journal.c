#include "runner/run_journal.h"

#include "base/memory.h"
#include "base/sha256.h"
#include "tasks/event.h"

#define DEFINITION_DIGITS 16
#define DEFINITION_BYTES_MAX ((size_t)32 << 20)

void run_journal_init(struct run_journal *journal,
                      struct run_directory *directory,
                      const struct secrets *secrets, struct progress *progress)
{
    *journal = (struct run_journal){
        .directory = directory, .secrets = secrets, .progress = progress};
    buffer_init(&journal->line, EVENT_BYTES_MAX);
}

void run_journal_free(struct run_journal *journal)
{
    buffer_free(&journal->line);
}

int run_journal_accept(struct run_journal *journal, const cJSON *event,
                       struct span line, struct error *err)
{
    progress_event(journal->progress, event);
    return run_directory_append(journal->directory, line, err);
}

int run_journal_write(struct run_journal *journal, struct json *event,
                      struct error *err)
{
    CLEANUP(json_free) cJSON *json = NULL;

    if (event_end(event))
        return error_set(err, ERROR_INTERNAL, "event is too long");
    secrets_mask(journal->secrets, journal->line.data, journal->line.length);
    json = json_parse(journal->line.data, journal->line.length, err);
    if (!json)
        return error_context(err, "own event");
    return run_journal_accept(journal, json, buffer_span(&journal->line), err);
}

struct json run_journal_begin(struct run_journal *journal, const char *type,
                              const char *task)
{
    return event_begin(&journal->line, type, task);
}

static void put_names(struct json *event, const char *key,
                      const struct task_steps *steps)
{
    json_key(event, key);
    json_array(event);
    for (size_t i = 0; i < steps->count; i++)
        json_string(event, steps->items[i].name);
    json_end(event);
}

void run_journal_optional(struct json *event, const char *key, const char *text)
{
    json_key(event, key);
    if (text)
        json_string(event, text);
    else
        json_null(event);
}

static void add_steps(struct buffer *text, const struct task_steps *steps)
{
    buffer_addf(text, "%zu\n", steps->count);
    for (size_t i = 0; i < steps->count; i++)
        buffer_addf(text, "%zu %s\n%zu %s\n", strlen(steps->items[i].name),
                    steps->items[i].name, strlen(steps->items[i].run),
                    steps->items[i].run);
}

/* What the task was asked to do and how it is checked, so that two runs can be
 * compared: of equal definitions only chance and the commit differ. */
static void put_definition(struct json *event, const struct task *task)
{
    CLEANUP(buffer_free) struct buffer text = {0};
    char hash[DEFINITION_DIGITS + 1];

    buffer_init(&text, DEFINITION_BYTES_MAX);
    buffer_addf(&text, "%s\n%s\n%s\n", task->model ? task->model->name : "",
                task->repo, task->instructions ? task->instructions : "");
    buffer_addf(&text, "%zu\n%s\n", strlen(task->prompt), task->prompt);
    add_steps(&text, &task->setup);
    add_steps(&text, &task->verify);
    sha256_hex(buffer_span(&text), DEFINITION_DIGITS, hash);
    json_member_string(event, "definition", hash);
}

int run_journal_plan(struct run_journal *journal, const struct plan *plan,
                     const struct shard *shard, size_t jobs, struct error *err)
{
    const struct model_settings *model =
        plan->count ? plan->tasks[0].model : NULL;
    static const char *const providers[] = {"openai", "compatible", "scripted"};
    struct json event = run_journal_begin(journal, "run_started", NULL);

    json_member_int(&event, "format", 1);
    json_member_string(&event, "run_id", journal->directory->run_id);
    json_member_string(&event, "name", plan->name);
    json_member_string(&event, "version", NIGHTJAR_VERSION);
    json_member_string(&event, "model", model ? model->name : "");
    json_member_string(&event, "provider",
                       model ? providers[model->provider] : "");
    json_member_int(&event, "jobs", (int64_t)jobs);
    json_member_int(&event, "tasks", (int64_t)plan->count);
    if (shard->count) {
        json_member_int(&event, "shard", (int64_t)shard->number);
        json_member_int(&event, "shards", (int64_t)shard->count);
        json_member_int(&event, "whole", (int64_t)plan->whole);
    }
    if (run_journal_write(journal, &event, err))
        return -1;
    for (size_t i = 0; i < plan->count; i++) {
        const struct task *task = &plan->tasks[i];

        event = run_journal_begin(journal, "task_planned", task->id);
        json_member_string(&event, "suite", task->suite);
        json_member_string(&event, "cell", task->matrix_cell);
        json_member_int(&event, "number", (int64_t)task->number);
        json_member_string(&event, "repo", task->repo);
        run_journal_optional(&event, "ref", task->ref);
        json_member_int(&event, "prompt_bytes", (int64_t)strlen(task->prompt));
        put_names(&event, "verify", &task->verify);
        put_names(&event, "setup", &task->setup);
        put_definition(&event, task);
        if (run_journal_write(journal, &event, err))
            return -1;
    }
    return run_directory_sync(journal->directory, err);
}
