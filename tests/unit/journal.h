/* Journals for tests, written with the writer that nightjar itself uses.
 *
 *     struct journal journal;
 *     journal_init(&journal);
 *     struct json *event = journal_event(&journal, "task_finished", "a");
 *     json_member_string(event, "verdict", "passed");
 *     journal_end(&journal);
 *     outcome_read(buffer_span(&journal.text), ...);
 *     journal_free(&journal); */
#ifndef NIGHTJAR_TESTS_UNIT_JOURNAL_H
#define NIGHTJAR_TESTS_UNIT_JOURNAL_H

#include "base/json.h"
#include "tasks/event.h"

#define JOURNAL_BYTES_MAX ((size_t)64 << 20)

struct journal {
    struct buffer text;
    struct buffer line;
    struct json event;
};

static inline void journal_init(struct journal *journal)
{
    buffer_init(&journal->text, JOURNAL_BYTES_MAX);
    buffer_init(&journal->line, EVENT_BYTES_MAX);
}

static inline void journal_free(struct journal *journal)
{
    buffer_free(&journal->text);
    buffer_free(&journal->line);
}

static inline struct json *journal_event(struct journal *journal,
                                         const char *type, const char *task)
{
    journal->event = event_begin(&journal->line, type, task);
    return &journal->event;
}

/* Returns -1 when the event is too long to be sent; it is left out then. */
static inline int journal_end(struct journal *journal)
{
    if (event_end(&journal->event))
        return -1;
    return buffer_add_span(&journal->text, buffer_span(&journal->line));
}

/* The events that most tests need, complete. */

static inline void journal_run(struct journal *journal, int64_t tasks)
{
    struct json *event = journal_event(journal, "run_started", NULL);

    json_member_int(event, "format", 1);
    json_member_string(event, "run_id", "20261121-1");
    json_member_string(event, "name", "nightly");
    json_member_string(event, "version", "1.2.3");
    json_member_string(event, "model", "gpt-test");
    json_member_string(event, "provider", "scripted");
    json_member_int(event, "jobs", 4);
    json_member_int(event, "tasks", tasks);
    journal_end(journal);
}

static inline void journal_planned(struct journal *journal, const char *task,
                                   const char *suite, const char *verify)
{
    struct json *event = journal_event(journal, "task_planned", task);

    json_member_string(event, "suite", suite);
    json_member_string(event, "cell", "");
    json_member_string(event, "repo", "https://host/a.git");
    json_key(event, "ref");
    json_null(event);
    json_member_int(event, "prompt_bytes", 12);
    json_key(event, "verify");
    json_raw(event, (struct span){verify, strlen(verify)});
    json_key(event, "setup");
    json_array(event);
    json_end(event);
    journal_end(journal);
}

static inline void journal_attempt(struct journal *journal, const char *task,
                                   int64_t attempt)
{
    json_member_int(journal_event(journal, "attempt_started", task), "attempt",
                    attempt);
    journal_end(journal);
}

static inline void journal_step(struct journal *journal, const char *task,
                                int64_t attempt, int64_t round,
                                const char *name, const char *result,
                                const char *output)
{
    struct json *event = journal_event(journal, "step_finished", task);

    json_member_int(event, "attempt", attempt);
    json_member_string(event, "phase", "verify");
    json_member_int(event, "round", round);
    json_member_string(event, "name", name);
    json_member_string(event, "result", result);
    json_member_int(event, "exit_status", !strcmp(result, "passed") ? 0 : 2);
    json_member_int(event, "duration_ms", 250);
    json_member_string(event, "output", output);
    json_member_int(event, "output_bytes", (int64_t)strlen(output));
    journal_end(journal);
}

/* cost_microusd < 0: null. */
static inline void journal_turn(struct journal *journal, const char *task,
                                int64_t attempt, int64_t turn,
                                int64_t cost_microusd)
{
    struct json *event = journal_event(journal, "turn_finished", task);

    json_member_int(event, "attempt", attempt);
    json_member_int(event, "turn", turn);
    json_member_int(event, "input_tokens", 1000);
    json_member_int(event, "cached_tokens", 600);
    json_member_int(event, "output_tokens", 50);
    json_member_int(event, "reasoning_tokens", 20);
    json_key(event, "cost_microusd");
    if (cost_microusd < 0)
        json_null(event);
    else
        json_int(event, cost_microusd);
    json_member_int(event, "duration_ms", 900);
    json_member_int(event, "calls", 1);
    journal_end(journal);
}

static inline void journal_finished(struct journal *journal, const char *task,
                                    const char *verdict, const char *reason,
                                    const char *message)
{
    struct json *event = journal_event(journal, "task_finished", task);

    json_member_string(event, "verdict", verdict);
    json_member_string(event, "reason", reason);
    json_member_string(event, "message", message);
    json_key(event, "hint");
    json_null(event);
    json_member_bool(event, "retryable", false);
    json_member_int(event, "attempts", 1);
    json_key(event, "commit");
    json_null(event);
    json_member_int(event, "duration_ms", 1750);
    journal_end(journal);
}

static inline void journal_signal(struct journal *journal, int64_t number)
{
    struct json *event = journal_event(journal, "run_interrupted", NULL);

    json_member_int(event, "signal", number);
    json_member_string(event, "action", "stop");
    journal_end(journal);
}

#endif
