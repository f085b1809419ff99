#include "runner/prompt_command.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/printable.h"
#include "runner/agent/exchange.h"
#include "runner/agent/prompt.h"
#include "runner/load.h"
#include "runner/place.h"
#include "runner/run.h"
#include "tasks/cache.h"

#define TEXT_BYTES ((size_t)512 << 20)
#define TOKEN_BYTES 4
#define FETCH_MS 600000
#define STATUS_USAGE 2
#define STATUS_INCOMPLETE 3

static const struct task *find_task(const struct plan *plan, const char *id,
                                    size_t *index)
{
    for (*index = 0; *index < plan->count; ++*index) {
        if (!id || !strcmp(plan->tasks[*index].id, id))
            return &plan->tasks[*index];
    }
    return NULL;
}

static size_t tokens_of(size_t bytes)
{
    return (bytes + TOKEN_BYTES - 1) / TOKEN_BYTES;
}

/* The text of an item of ours. */
static void add_item_text(struct buffer *out, struct span item)
{
    struct error ignored;
    CLEANUP(json_free)
    cJSON *json = json_parse(item.data, item.length, &ignored);
    const cJSON *part = json_get_array(json, "content");
    const char *text = json_get_text(part ? part->child : NULL, "text", "");

    printable_add(out, text, strlen(text), true);
    buffer_add_byte(out, '\n');
}

static void write_parts(const struct prompt *prompt, struct buffer *out)
{
    size_t all = prompt->head.length;

    buffer_addf(out, "=== settings and tools (about %zu tokens)\n",
                tokens_of(prompt->head.length));
    printable_add(out, prompt->head.data, prompt->head.length, true);
    buffer_add_byte(out, '\n');
    for (size_t i = 0; i < prompt->part_count; i++) {
        const struct prompt_part *part = &prompt->parts[i];

        all += part->length;
        buffer_addf(out, "=== %s (about %zu tokens)\n", part->name,
                    tokens_of(part->length));
        add_item_text(
            out, (struct span){prompt->items.data + part->at, part->length});
    }
    buffer_addf(out, "=== all: about %zu tokens; prefix key %s\n",
                tokens_of(all), prompt->key);
}

/* The very bytes, by the way that sends them. */
static void write_body(const struct prompt *prompt, const struct task *task,
                       struct buffer *out)
{
    const struct budget budget = {.limits = &task->budget};
    struct conversation conversation;
    struct reservation reservation;
    struct error ignored;

    prompt_begin(prompt, &conversation, NULL);
    if (budget_plan(&budget, task->model, (int64_t)conversation.body.length, 0,
                    &reservation, &ignored))
        reservation.max_output_tokens = 0;
    buffer_add_span(out, conversation_request(&conversation,
                                              reservation.max_output_tokens));
    conversation_free(&conversation);
}

static int write_prompt(const struct options *options, const struct plan *plan,
                        const struct task *task, size_t index,
                        const struct mirror *mirror, struct buffer *out,
                        struct error *err)
{
    const struct prompt_place place = {.workspace = SANDBOX_WORKSPACE,
                                       .home = SANDBOX_HOME,
                                       .temporary = "/tmp",
                                       .shell = place_shell()};
    CLEANUP(documents_free) struct documents documents = {.agent_count = 0};
    CLEANUP(prompt_free) struct prompt prompt;
    const struct prompt_request request = {.task = task,
                                           .documents = &documents,
                                           .place = &place,
                                           .index = index,
                                           .jobs = plan->run.jobs};

    memset(&prompt, 0, sizeof(prompt));
    if (documents_read(mirror, task, &documents, err))
        return -1;
    prompt_make(&request, &prompt);
    if (options->json)
        write_body(&prompt, task, out);
    else
        write_parts(&prompt, out);
    for (size_t i = 0; i < documents.problem_count; i++) {
        CLEANUP(buffer_free) struct buffer line = {0};

        buffer_init(&line, TEXT_BYTES);
        printable_add(&line, documents.problems[i],
                      strlen(documents.problems[i]), false);
        fprintf(stderr, "nightjar: left out: %s\n", line.data);
    }
    return 0;
}

static int fetch_and_write(const struct options *options,
                           const struct plan *plan, const struct task *task,
                           size_t index, struct buffer *out, struct error *err)
{
    CLEANUP(cache_close) struct cache cache = {.folder = NULL};
    CLEANUP(mirror_cleanup) struct mirror *mirror = NULL;
    bool fetched;
    struct mirror_request request = {.url = task->repo,
                                     .cache = &cache,
                                     .age_ms = task->fetch_age_ms,
                                     .ref = task->ref,
                                     .depth = task->depth,
                                     .deadline = clock_deadline(FETCH_MS)};

    if (repositories_start(err) ||
        cache_open(&cache, options->cache, CACHE_BYTES, err) ||
        mirror_take(&request, &mirror, &fetched, err))
        return -1;
    return write_prompt(options, plan, task, index, mirror, out, err);
}

static int prompt_of(const struct options *options, const struct plan *plan)
{
    CLEANUP(buffer_free) struct buffer text = {0};
    const struct task *task;
    struct error err;
    size_t index;

    task = find_task(plan, options->task, &index);
    if (!task) {
        error_set(&err, ERROR_USAGE, "there is no task '%s'",
                  options->task ? options->task : "");
        error_hint(&err, "'nightjar check' lists them");
        print_error(&err);
        return STATUS_USAGE;
    }
    buffer_init(&text, TEXT_BYTES);
    if (fetch_and_write(options, plan, task, index, &text, &err)) {
        print_error(&err);
        return STATUS_INCOMPLETE;
    }
    if (options->json)
        buffer_add_byte(&text, '\n');
    return fwrite(text.data, 1, text.length, stdout) == text.length &&
                   !fflush(stdout)
               ? 0
               : STATUS_INCOMPLETE;
}

int prompt_command(const struct options *options)
{
    struct plan plan;
    int status;

    status =
        load_plan(options, &plan) ? STATUS_USAGE : prompt_of(options, &plan);
    plan_free(&plan);
    return status;
}
