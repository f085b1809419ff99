#include "tasks/outcome.h"

#include <search.h>
#include <signal.h>

#include "base/memory.h"
#include "tasks/event.h"
#include "tasks/outcome_events.h"

#define JOURNAL_FORMAT 1

struct projection {
    struct run_outcome run;
    /* Trees of search.h, which stay balanced whatever the keys are; the key
     * is the first member of what they hold. */
    void *tasks_by_id;
    void *suites_by_name;
};

/* ---- finding ----------------------------------------------------------- */

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void keep(void *node)
{
    (void)node; /* in the arena */
}

/* The node of the tree that is equal to `node`, or `node` after adding. */
static void *find_or_add(void **root, void *node)
{
    void *const *found = tsearch(node, root, compare_keys);

    if (!found)
        _exit(MEMORY_EXIT_STATUS); /* as base/memory.h does */
    return *found;
}

static struct outcome_task *find_task(const struct projection *projection,
                                      const char *id)
{
    void *const *found =
        id ? tfind(&id, &projection->tasks_by_id, compare_keys) : NULL;

    return found ? *found : NULL;
}

static void add_to_suite(struct projection *projection,
                         struct outcome_task *task)
{
    struct run_outcome *run = &projection->run;
    struct outcome_suite *made = arena_alloc(&run->arena, sizeof(*made));
    struct outcome_suite *suite;

    made->name = task->suite;
    suite = find_or_add(&projection->suites_by_name, made);
    if (suite == made) {
        run->suites = event_room(&run->arena, run->suites, run->suite_count,
                                 sizeof(struct outcome_suite *));
        run->suites[run->suite_count++] = suite;
        suite->first = task;
    } else {
        suite->last->next = task;
    }
    suite->last = task;
    suite->count++;
}

static void task_planned(struct projection *projection, const cJSON *event)
{
    struct run_outcome *run = &projection->run;
    const char *id = json_get_string(event, "task");
    struct outcome_task *task;

    if (!id || !*id || find_task(projection, id)) {
        run->ignored++;
        return;
    }
    task = event_task(&run->arena, event);
    run->tasks = event_room(&run->arena, run->tasks, run->task_count,
                            sizeof(struct outcome_task *));
    run->tasks[run->task_count++] = task;
    find_or_add(&projection->tasks_by_id, task);
    add_to_suite(projection, task);
}

/* ---- lines ------------------------------------------------------------- */

static void apply(struct projection *projection, const char *type,
                  const cJSON *event)
{
    struct event_subject subject = {.run = &projection->run,
                                    .arena = &projection->run.arena};
    const struct event_handler *handler = event_handler_find(type);

    if (!strcmp(type, "task_planned")) {
        task_planned(projection, event);
        return;
    }
    if (handler && handler->scope != SCOPE_RUN)
        subject.task = find_task(projection, json_get_string(event, "task"));
    if (subject.task && handler->scope == SCOPE_ATTEMPT)
        subject.attempt = event_attempt(&subject, event);
    if (!handler || (handler->scope != SCOPE_RUN && !subject.task) ||
        (handler->scope == SCOPE_ATTEMPT && !subject.attempt)) {
        projection->run.ignored++;
        return;
    }
    handler->apply(&subject, event);
}

static int read_line(struct projection *projection, struct span line,
                     struct error *err)
{
    CLEANUP(json_free) cJSON *event = NULL;
    const char *type;

    if (line.length >= EVENT_BYTES_MAX)
        return error_set(err, ERROR_PROTOCOL, "longer than %zu bytes",
                         EVENT_BYTES_MAX);
    event = json_parse(line.data, line.length, err);
    if (!event)
        return -1;
    type = json_get_string(event, "type");
    if (!type)
        return error_set(err, ERROR_PROTOCOL,
                         "expected an object with a 'type'");
    if (!strcmp(type, "run_started") &&
        json_get_int64(event, "format", JOURNAL_FORMAT) != JOURNAL_FORMAT)
        return error_set(err, ERROR_PROTOCOL,
                         "a journal of another format; expected format %d",
                         JOURNAL_FORMAT);
    apply(projection, type, event);
    return 0;
}

static int read_lines(struct projection *projection, struct span journal,
                      struct error *err)
{
    struct run_outcome *run = &projection->run;

    while (journal.length) {
        const char *end = memchr(journal.data, '\n', journal.length);
        size_t length = end ? (size_t)(end - journal.data) : journal.length;

        if (!end && length < EVENT_BYTES_MAX) {
            run->torn_bytes = length;
            return 0;
        }
        run->events++;
        if (read_line(projection, (struct span){journal.data, length}, err))
            return error_context(err, "journal: line %zu", run->events);
        journal.data += length + 1;
        journal.length -= length + 1;
    }
    return 0;
}

static void add_usage(struct outcome_usage *sum,
                      const struct outcome_usage *usage)
{
    event_add(&sum->turns, usage->turns);
    event_add(&sum->input_tokens, usage->input_tokens);
    event_add(&sum->cached_tokens, usage->cached_tokens);
    event_add(&sum->output_tokens, usage->output_tokens);
    event_add(&sum->reasoning_tokens, usage->reasoning_tokens);
    event_add(&sum->cost_microusd, usage->cost_microusd);
    event_add(&sum->retries, usage->retries);
    event_add(&sum->estimated_tokens, usage->estimated_tokens);
    event_add(&sum->compactions, usage->compactions);
    event_add(&sum->compaction_tokens, usage->compaction_tokens);
    event_add(&sum->compaction_microusd, usage->compaction_microusd);
    event_add(&sum->compaction_ms, usage->compaction_ms);
    event_add(&sum->reviews, usage->reviews);
    event_add(&sum->review_microusd, usage->review_microusd);
    event_add(&sum->tool_calls, usage->tool_calls);
    event_add(&sum->denied_calls, usage->denied_calls);
    sum->cost_known = sum->cost_known && usage->cost_known;
}

static void sum_up(struct run_outcome *run)
{
    for (size_t i = 0; i < run->task_count; i++) {
        struct outcome_task *task = run->tasks[i];

        for (size_t j = 0; j < task->attempt_count; j++)
            add_usage(&task->usage, &task->attempts[j].usage);
        add_usage(&run->usage, &task->usage);
        run->counts[task->verdict]++;
    }
}

int outcome_read(struct span journal, struct run_outcome *outcome,
                 struct error *err)
{
    struct projection projection = {
        .run = {.id = "",
                .name = "",
                .version = "",
                .model = "",
                .provider = "",
                .started_ms = -1,
                .ended_ms = -1,
                .recorded.name = "",
                .usage.cost_known = true},
    };
    int status = read_lines(&projection, journal, err);

    tdestroy(projection.tasks_by_id, keep);
    tdestroy(projection.suites_by_name, keep);
    if (status) {
        outcome_free(&projection.run);
        return -1;
    }
    sum_up(&projection.run);
    *outcome = projection.run;
    return 0;
}

void outcome_free(struct run_outcome *outcome)
{
    arena_free(&outcome->arena);
    *outcome = (struct run_outcome){0};
}

/* ---- exit status ------------------------------------------------------- */

static bool stopped_by_limit(const struct outcome_task *task)
{
    return task->verdict == VERDICT_SKIPPED &&
           (!strcmp(task->reason, "fail_fast") ||
            !strcmp(task->reason, "failures") ||
            !strcmp(task->reason, "run_budget"));
}

struct exit_status outcome_exit(const struct run_outcome *outcome)
{
    bool limit = false;
    bool incomplete = outcome->tasks_announced > (int64_t)outcome->task_count;
    bool retryable = incomplete;

    for (size_t i = 0; i < outcome->task_count; i++) {
        const struct outcome_task *task = outcome->tasks[i];
        bool cut = task->verdict == VERDICT_SKIPPED &&
                   !strcmp(task->reason, "interrupted");
        bool error = task->verdict == VERDICT_ERROR ||
                     task->verdict == VERDICT_UNFINISHED;

        limit = limit || stopped_by_limit(task);
        incomplete = incomplete || cut || error;
        retryable = retryable || cut || (error && task->retryable);
    }
    if (outcome->signal == SIGINT)
        return (struct exit_status){130, "interrupted", true};
    if (outcome->signal)
        return (struct exit_status){143, "terminated", true};
    if (limit)
        return (struct exit_status){4, "limit", true};
    if (incomplete)
        return (struct exit_status){3, "incomplete", retryable};
    if (outcome->counts[VERDICT_FAILED])
        return (struct exit_status){1, "failed", false};
    return (struct exit_status){0, "passed", false};
}
