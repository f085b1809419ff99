/* JUnit XML in the common dialect: flat suites, every count present and right.
 *
 * A suite for each manifest; in it a case for each task (classname: suite;
 * name: id and matrix cell) and one for each verify step that was planned
 * (classname: suite.id; name: step), by the last round of the task's last
 * attempt. A step that this round did not come to is skipped and says why.
 *
 * Times of cases add up to the tasks' durations: the case of a task has what
 * its verify cases leave. Some readers show the text of a failure and others
 * its message, so the message is the first line of the text too. */
#include <ctype.h>
#include <inttypes.h>
#include <search.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "reporters/reporter.h"
#include "reporters/xml.h"

#define NAME_MAX_BYTES 500               /* of a suite, class or case */
#define MESSAGE_MAX_BYTES 300            /* of the attribute */
#define TEXT_MAX_BYTES ((size_t)8 << 20) /* before it is cut */

enum result { PASSED, FAILED, ERRONEOUS, SKIPPED, RESULT_COUNT };

struct test_case {
    const char *classname; /* clean; unique together with name */
    const char *name;
    enum result result;
    int64_t time_ms;
    const struct outcome_task *task;
    bool is_step;
    const struct outcome_step *step; /* of a step that ran */
    const char *why; /* it is skipped; may be NULL if it is not */
};

struct suite {
    const char *name;
    struct test_case *cases;
    size_t count;
    size_t results[RESULT_COUNT];
    int64_t time_ms;
};

/* A name that was given out, in a tree of search.h. */
struct used_name {
    const char *key; /* classname, line feed, name; must be first */
    size_t next;     /* number to try for the next case of that name */
};

struct report {
    struct arena arena;
    void *used_names;
};

/* ---- names ------------------------------------------------------------- */

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void keep(void *node)
{
    (void)node; /* in the arena */
}

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

static struct used_name *use_name(struct report *report, const char *classname,
                                  const char *name, bool *is_new)
{
    struct used_name *made = arena_alloc(&report->arena, sizeof(*made));
    struct used_name *const *found;

    made->key = arena_format(&report->arena, "%s\n%s", classname, name);
    made->next = 2;
    found = (struct used_name *const *)tsearch(made, &report->used_names,
                                               compare_keys);
    if (!found)
        _exit(MEMORY_EXIT_STATUS); /* as base/memory.h does */
    *is_new = *found == made;
    return *found;
}

/* Some readers keep only the first of two cases with one name. */
static const char *unique_name(struct report *report, const char *classname,
                               const char *name)
{
    bool is_new;
    struct used_name *used = use_name(report, classname, name, &is_new);
    const char *numbered = name;

    while (!is_new) {
        numbered = arena_format(&report->arena, "%s (%zu)", name, used->next++);
        use_name(report, classname, numbered, &is_new);
    }
    return numbered;
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

static enum result task_result(const struct outcome_task *task)
{
    switch (task->verdict) {
    case VERDICT_PASSED:
        return PASSED;
    case VERDICT_FAILED:
        return FAILED;
    case VERDICT_SKIPPED:
        return SKIPPED;
    default:
        return ERRONEOUS;
    }
}

static void add_step_cases(struct report *report, struct suite *suite,
                           struct test_case *task_case)
{
    const struct outcome_task *task = task_case->task;
    const char *why = why_not_run(&report->arena, task);
    const char *classname =
        clean_name(&report->arena, arena_format(&report->arena, "%s.%s",
                                                suite->name, task->id));

    for (size_t i = 0; i < task->verify.count; i++) {
        const struct outcome_step *step =
            find_step(task, task->verify.items[i]);
        enum result result = !step                           ? SKIPPED
                             : step->result == RESULT_PASSED ? PASSED
                                                             : FAILED;
        int64_t time_ms = step ? step->duration_ms : 0;

        suite->cases[suite->count++] = (struct test_case){
            .classname = classname,
            .name =
                unique_name(report, classname,
                            clean_name(&report->arena, task->verify.items[i])),
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

static void add_cases(struct report *report, struct suite *suite,
                      const struct outcome_task *task)
{
    struct test_case *task_case = &suite->cases[suite->count++];
    const char *name = *task->cell ? arena_format(&report->arena, "%s [%s]",
                                                  task->id, task->cell)
                                   : task->id;

    *task_case = (struct test_case){
        .classname = suite->name,
        .name =
            unique_name(report, suite->name, clean_name(&report->arena, name)),
        .result = task_result(task),
        .time_ms = task->duration_ms,
        .task = task,
        .why = why_skipped(&report->arena, task),
    };
    add_step_cases(report, suite, task_case);
}

static void make_suite(struct report *report, struct suite *suite,
                       const struct outcome_suite *source)
{
    size_t count = 0;

    suite->name = clean_name(&report->arena, source->name);
    for (const struct outcome_task *task = source->first; task;
         task = task->next)
        count += 1 + task->verify.count;
    suite->cases = arena_array(&report->arena, count, sizeof(*suite->cases));
    for (const struct outcome_task *task = source->first; task;
         task = task->next)
        add_cases(report, suite, task);
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

/* ---- writing ----------------------------------------------------------- */

static void write_time(struct xml *xml, int64_t time_ms)
{
    char text[32];

    snprintf(text, sizeof(text), "%" PRId64 ".%03d", time_ms / 1000,
             (int)(time_ms % 1000));
    xml_attribute(xml, "time", text);
}

static void write_problem(struct xml *xml, struct report *report,
                          const struct test_case *test)
{
    CLEANUP(buffer_free) struct buffer text = {0};
    const char *message = test->is_step
                              ? step_message(&report->arena, test->step)
                              : short_text(&report->arena, test->task->message);

    buffer_init(&text, TEXT_MAX_BYTES);
    xml_start(xml, test->result == FAILED ? "failure" : "error");
    xml_attribute(xml, "type",
                  test->is_step ? outcome_result_name(test->step->result)
                                : test->task->reason);
    xml_attribute(xml, "message", *message ? message : test->task->reason);
    if (test->is_step)
        buffer_addf(&text, "%s\n%s", message, test->step->output);
    else
        add_task_text(&text, test->task);
    xml_text(xml, text.data, text.length);
    xml_end(xml);
}

static void write_skipped(struct xml *xml, const struct test_case *test)
{
    xml_start(xml, "skipped");
    xml_attribute(xml, "message", test->why);
    xml_text(xml, test->why, strlen(test->why));
    xml_end(xml);
}

static void add_cost(struct buffer *text, const struct outcome_usage *usage)
{
    if (usage->cost_known)
        buffer_addf(text, "cost: $%" PRId64 ".%06d\n",
                    usage->cost_microusd / 1000000,
                    (int)(usage->cost_microusd % 1000000));
    else
        buffer_add_string(text, "cost: unknown\n");
}

static void write_task_output(struct xml *xml, const struct outcome_task *task)
{
    const struct outcome_usage *usage = &task->usage;
    CLEANUP(buffer_free) struct buffer text = {0};

    buffer_init(&text, TEXT_MAX_BYTES);
    buffer_addf(&text, "reason: %s\n", task->reason);
    buffer_addf(&text, "attempts: %zu\n", task->attempt_count);
    buffer_addf(&text, "turns: %" PRId64 "\n", usage->turns);
    buffer_addf(
        &text, "tokens: %" PRId64 " in (%" PRId64 " cached), %" PRId64 " out\n",
        usage->input_tokens, usage->cached_tokens, usage->output_tokens);
    add_cost(&text, usage);
    for (size_t i = 0; i < task->artifact_count; i++)
        buffer_addf(&text, "%s: %s\n", task->artifacts[i].name,
                    task->artifacts[i].path);
    xml_start(xml, "system-out");
    xml_text(xml, text.data, text.length);
    xml_end(xml);
}

static void write_case(struct xml *xml, struct report *report,
                       const struct test_case *test)
{
    xml_start(xml, "testcase");
    xml_attribute(xml, "classname", test->classname);
    xml_attribute(xml, "name", test->name);
    write_time(xml, test->time_ms);
    if (test->result == FAILED || test->result == ERRONEOUS)
        write_problem(xml, report, test);
    else if (test->result == SKIPPED)
        write_skipped(xml, test);
    if (!test->is_step)
        write_task_output(xml, test->task);
    xml_end(xml);
}

static void write_counts(struct xml *xml, const struct suite *suite)
{
    xml_attribute_int(xml, "tests", (int64_t)suite->count);
    xml_attribute_int(xml, "failures", (int64_t)suite->results[FAILED]);
    xml_attribute_int(xml, "errors", (int64_t)suite->results[ERRONEOUS]);
    xml_attribute_int(xml, "skipped", (int64_t)suite->results[SKIPPED]);
    write_time(xml, suite->time_ms);
}

/* Readers want the time of the run without a zone and a fraction. */
static void write_timestamp(struct xml *xml, const struct run_outcome *outcome)
{
    char text[sizeof("2026-11-21T00:30:00")];

    if (!outcome->started_at)
        return;
    snprintf(text, sizeof(text), "%s", outcome->started_at);
    xml_attribute(xml, "timestamp", text);
}

static void write_suite(struct xml *xml, struct report *report,
                        const struct run_outcome *outcome,
                        const struct suite *suite)
{
    xml_start(xml, "testsuite");
    xml_attribute(xml, "name", suite->name);
    write_counts(xml, suite);
    write_timestamp(xml, outcome);
    xml_attribute(xml, "hostname", "nightjar");
    for (size_t i = 0; i < suite->count; i++)
        write_case(xml, report, &suite->cases[i]);
    xml_end(xml);
}

static void add_suite(struct suite *total, const struct suite *suite)
{
    total->count += suite->count;
    for (size_t i = 0; i < RESULT_COUNT; i++)
        total->results[i] += suite->results[i];
    if (__builtin_add_overflow(total->time_ms, suite->time_ms, &total->time_ms))
        total->time_ms = INT64_MAX;
}

int report_junit(const struct run_outcome *outcome,
                 const struct report_options *options, struct buffer *out,
                 struct error *err)
{
    struct report report = {0};
    struct suite *suites =
        arena_array(&report.arena, outcome->suite_count, sizeof(*suites));
    struct suite total = {.name = clean_name(&report.arena, outcome->name)};
    struct xml xml = xml_to(out);

    (void)options;
    for (size_t i = 0; i < outcome->suite_count; i++) {
        make_suite(&report, &suites[i], outcome->suites[i]);
        add_suite(&total, &suites[i]);
    }
    xml_start(&xml, "testsuites");
    xml_attribute(&xml, "name", total.name);
    write_counts(&xml, &total);
    for (size_t i = 0; i < outcome->suite_count; i++)
        write_suite(&xml, &report, outcome, &suites[i]);
    xml_end(&xml);
    tdestroy(report.used_names, keep);
    arena_free(&report.arena);
    return report_done(xml.full, "junit", out, err);
}
