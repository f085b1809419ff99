#include "reporters/cases.h"

#include <inttypes.h>

#include "base/memory.h"
#include "base/names.h"
#include "base/utf8.h"
#include "reporters/xml.h"

#define NAME_MAX_BYTES 500    /* of a suite, class or case */
#define MESSAGE_MAX_BYTES 300 /* of a message */

struct making {
    struct arena arena;
    struct names used_names;
};

/* ---- names ------------------------------------------------------------- */

/* One line, clean, cut, and not empty: readers refuse cases without a name. */
static const char *clean_name(struct arena *arena, const char *text)
{
    CLEANUP(buffer_free) struct buffer clean = {0};
    size_t kept;

    buffer_init(&clean, strlen(text) * 8);
    xml_clean(&clean, text, strlen(text));
    for (size_t i = 0; i < clean.length; i++) {
        if (strchr("\t\n\r", clean.data[i]))
            clean.data[i] = ' ';
    }
    kept = utf8_floor(clean.data, clean.length, NAME_MAX_BYTES);
    if (strspn(clean.data, " ") == clean.length)
        return "unnamed";
    return arena_bytes(arena, clean.data, kept);
}

/* Some readers keep only the first of two cases with one name. */
static const char *unique_name(struct making *making, const char *classname,
                               const char *name)
{
    return arena_string(
        &making->arena,
        names_unique(&making->used_names, classname, name, " (", ")"));
}

/* Clean and short, one line; in the arena. */
static const char *short_text(struct arena *arena, const char *text)
{
    CLEANUP(buffer_free) struct buffer clean = {0};
    size_t length;

    buffer_init(&clean, strlen(text) * 8);
    xml_clean(&clean, text, strlen(text));
    length = strcspn(clean.data, "\r\n");
    if (length <= MESSAGE_MAX_BYTES && length == clean.length)
        return arena_bytes(arena, clean.data, length);
    length = utf8_floor(clean.data, length, MESSAGE_MAX_BYTES);
    clean.data[length] = '\0';
    return arena_format(arena, "%s...", clean.data);
}

/* ---- cases ------------------------------------------------------------- */

static const struct outcome_attempt *
last_attempt(const struct outcome_task *task)
{
    return task->attempt_count ? &task->attempts[task->attempt_count - 1]
                               : NULL;
}

static bool is_in_last_round(const struct outcome_attempt *attempt, size_t i)
{
    return i >= attempt->last_round && attempt->steps[i].phase == PHASE_VERIFY;
}

/* The last run of a verify step in the last round; NULL if there was none. */
static const struct outcome_step *find_step(const struct outcome_task *task,
                                            const char *name)
{
    const struct outcome_attempt *attempt = last_attempt(task);

    if (!attempt)
        return NULL;
    for (size_t i = attempt->step_count; i > attempt->last_round; i--) {
        if (is_in_last_round(attempt, i - 1) &&
            !strcmp(attempt->steps[i - 1].name, name))
            return &attempt->steps[i - 1];
    }
    return NULL;
}

static const char *failed_step(const struct outcome_task *task)
{
    const struct outcome_attempt *attempt = last_attempt(task);

    if (!attempt)
        return NULL;
    for (size_t i = attempt->last_round; i < attempt->step_count; i++) {
        if (is_in_last_round(attempt, i) &&
            attempt->steps[i].result != RESULT_PASSED)
            return attempt->steps[i].name;
    }
    return NULL;
}

/* Why steps of the task did not run: of one task always the same. */
static const char *why_not_run(struct arena *arena,
                               const struct outcome_task *task)
{
    const char *blocker = failed_step(task);

    if (blocker)
        return arena_format(arena, "not run: the step '%s' ended the round",
                            short_text(arena, blocker));
    return arena_format(arena, "not run: the task ended before it (%s)",
                        short_text(arena, task->reason));
}

static const char *why_skipped(struct arena *arena,
                               const struct outcome_task *task)
{
    return short_text(arena,
                      arena_format(arena, "%s%s%s", task->reason,
                                   *task->message ? ": " : "", task->message));
}

static enum case_result task_result(const struct outcome_task *task)
{
    switch (task->verdict) {
    case VERDICT_PASSED:
        return CASE_PASSED;
    case VERDICT_FAILED:
        return CASE_FAILED;
    case VERDICT_SKIPPED:
        return CASE_SKIPPED;
    default:
        return CASE_ERROR;
    }
}

static void add_step_cases(struct making *making, struct case_suite *suite,
                           struct test_case *task_case)
{
    const struct outcome_task *task = task_case->task;
    const char *why = why_not_run(&making->arena, task);
    const char *classname =
        clean_name(&making->arena, arena_format(&making->arena, "%s.%s",
                                                suite->name, task->id));

    for (size_t i = 0; i < task->verify.count; i++) {
        const struct outcome_step *step =
            find_step(task, task->verify.items[i]);
        enum case_result result = !step                           ? CASE_SKIPPED
                                  : step->result == RESULT_PASSED ? CASE_PASSED
                                                                  : CASE_FAILED;
        int64_t time_ms = step ? step->duration_ms : 0;

        suite->cases[suite->count++] = (struct test_case){
            .classname = classname,
            .name =
                unique_name(making, classname,
                            clean_name(&making->arena, task->verify.items[i])),
            .result = result,
            .time_ms = time_ms,
            .task = task,
            .is_step = true,
            .step = step,
            .why = why,
        };
        task_case->time_ms -=
            time_ms < task_case->time_ms ? time_ms : task_case->time_ms;
    }
}

static void add_cases(struct making *making, struct case_suite *suite,
                      const struct outcome_task *task)
{
    struct test_case *task_case = &suite->cases[suite->count++];
    const char *name = *task->cell ? arena_format(&making->arena, "%s [%s]",
                                                  task->id, task->cell)
                                   : task->id;

    *task_case = (struct test_case){
        .classname = suite->name,
        .name =
            unique_name(making, suite->name, clean_name(&making->arena, name)),
        .result = task_result(task),
        .time_ms = task->duration_ms,
        .task = task,
        .why = why_skipped(&making->arena, task),
    };
    add_step_cases(making, suite, task_case);
}

static void make_suite(struct making *making, struct case_suite *suite,
                       const struct outcome_suite *source)
{
    size_t count = 0;

    suite->name = clean_name(&making->arena, source->name);
    for (const struct outcome_task *task = source->first; task;
         task = task->next)
        count += 1 + task->verify.count;
    suite->cases = arena_array(&making->arena, count, sizeof(*suite->cases));
    for (const struct outcome_task *task = source->first; task;
         task = task->next)
        add_cases(making, suite, task);
    for (size_t i = 0; i < suite->count; i++) {
        suite->results[suite->cases[i].result]++;
        if (__builtin_add_overflow(suite->time_ms, suite->cases[i].time_ms,
                                   &suite->time_ms))
            suite->time_ms = INT64_MAX;
    }
}

/* ---- texts ------------------------------------------------------------- */

static const char *step_message(struct arena *arena,
                                const struct outcome_step *step)
{
    if (step->result == RESULT_TIMEOUT)
        return arena_format(arena, "timed out after %" PRId64 ".%03d s",
                            step->duration_ms / 1000,
                            (int)(step->duration_ms % 1000));
    if (step->signal)
        return arena_format(arena, "killed by signal %" PRId64, step->signal);
    if (step->exit_status >= 0)
        return arena_format(arena, "exit status %" PRId64, step->exit_status);
    return outcome_result_name(step->result);
}

static void add_notes(struct buffer *text, const char *title,
                      const struct outcome_notes *notes)
{
    for (size_t i = 0; i < notes->count; i++) {
        const struct outcome_note *note = &notes->items[i];

        buffer_addf(text, "%s: %s: %s: %s\n", title, note->rule,
                    *note->path ? note->path : "the patch", note->message);
    }
    if (notes->dropped)
        buffer_addf(text, "%s: %zu more\n", title, notes->dropped);
}

static void add_task_text(struct buffer *text, const struct outcome_task *task)
{
    buffer_addf(text, "%s\n", *task->message ? task->message : task->reason);
    if (task->hint)
        buffer_addf(text, "hint: %s\n", task->hint);
    buffer_addf(text, "reason: %s\n", task->reason);
    if (task->patch) {
        add_notes(text, "violation", &task->patch->violations);
        add_notes(text, "finding", &task->patch->findings);
    }
}

const char *case_message(struct arena *arena, const struct test_case *test)
{
    const char *message = test->is_step
                              ? step_message(arena, test->step)
                              : short_text(arena, test->task->message);

    return *message ? message : short_text(arena, test->task->reason);
}

void case_text(struct arena *arena, struct buffer *out,
               const struct test_case *test)
{
    if (test->is_step)
        buffer_addf(out, "%s\n%s", step_message(arena, test->step),
                    test->step->output);
    else
        add_task_text(out, test->task);
}

static void add_suite(struct case_suite *total, const struct case_suite *suite)
{
    total->count += suite->count;
    for (size_t i = 0; i < CASE_RESULTS; i++)
        total->results[i] += suite->results[i];
    if (__builtin_add_overflow(total->time_ms, suite->time_ms, &total->time_ms))
        total->time_ms = INT64_MAX;
}

struct cases cases_of(const struct run_outcome *outcome)
{
    struct making making = {0};
    struct cases cases = {
        .suites = arena_array(&making.arena, outcome->suite_count,
                              sizeof(*cases.suites)),
        .count = outcome->suite_count,
        .total.name = clean_name(&making.arena, outcome->name)};

    for (size_t i = 0; i < cases.count; i++) {
        make_suite(&making, &cases.suites[i], outcome->suites[i]);
        add_suite(&cases.total, &cases.suites[i]);
    }
    names_free(&making.used_names);
    cases.arena = making.arena;
    return cases;
}

void cases_free(struct cases *cases)
{
    arena_free(&cases->arena);
    *cases = (struct cases){0};
}
