/* TAP 14: a test for each task, in it a subtest with its verify steps.
 *
 * The same cases as in JUnit (cases.h), the last line of a subtest being the
 * task's own. Descriptions are one line, with \ and # escaped; what is wrong
 * stands in a YAML block whose values are JSON strings, which YAML 1.2 takes
 * as they are. Format: TAP 14 specification, testanything.org. */
#include "base/json.h"
#include "base/memory.h"
#include "reporters/cases.h"
#include "reporters/clean.h"

#define DESCRIPTION_MAX 300
#define TEXT_BYTES_MAX ((size_t)8 << 20)
#define OUTPUT_MAX 16384

struct tap {
    struct buffer *out;
    struct cases cases;
    bool full;
};

static void put(struct tap *tap, const char *text)
{
    tap->full = buffer_add_string(tap->out, text) || tap->full;
}

static void put_description(struct tap *tap, const char *text)
{
    CLEANUP(mem_free) char *line = clean_line(text, DESCRIPTION_MAX);

    for (const char *at = line; *at; at++) {
        char piece[] = {'\\', *at, '\0'};

        put(tap, *at == '\\' || *at == '#' ? piece : piece + 1);
    }
}

static void put_member(struct tap *tap, const char *indent, const char *key,
                       const char *value)
{
    CLEANUP(mem_free) char *shown = clean_text(value, OUTPUT_MAX);
    struct json json = json_to(tap->out);

    put(tap, indent);
    put(tap, "  ");
    put(tap, key);
    put(tap, ": ");
    json_string(&json, shown);
    tap->full = tap->full || json.full;
    put(tap, "\n");
}

static void put_diagnosis(struct tap *tap, const char *indent,
                          const struct test_case *test)
{
    CLEANUP(buffer_free) struct buffer text = {0};

    buffer_init(&text, TEXT_BYTES_MAX);
    case_text(&tap->cases.arena, &text, test);
    put(tap, indent);
    put(tap, "  ---\n");
    put_member(tap, indent, "message", case_message(&tap->cases.arena, test));
    put_member(tap, indent, "severity",
               test->result == CASE_ERROR ? "error" : "fail");
    put_member(tap, indent, "reason",
               test->is_step ? outcome_result_name(test->step->result)
                             : test->task->reason);
    tap->full = buffer_addf(tap->out, "%s  duration_ms: %lld\n", indent,
                            (long long)test->time_ms) ||
                tap->full;
    put_member(tap, indent, "output", text.data);
    put(tap, indent);
    put(tap, "  ...\n");
}

static void put_point(struct tap *tap, const char *indent, size_t number,
                      const struct test_case *test)
{
    bool is_problem = test->result == CASE_FAILED || test->result == CASE_ERROR;

    tap->full = buffer_addf(tap->out, "%s%sok %zu - ", indent,
                            is_problem ? "not " : "", number) ||
                tap->full;
    put_description(tap, test->name);
    if (test->result == CASE_SKIPPED) {
        put(tap, " # SKIP ");
        put_description(tap, test->why);
    }
    put(tap, "\n");
    if (is_problem)
        put_diagnosis(tap, indent, test);
}

/* The task's case and those of its steps, which follow it. Returns how many
 * cases that were. */
static size_t put_task(struct tap *tap, size_t number,
                       const struct test_case *cases, size_t left)
{
    size_t steps = 0;

    while (1 + steps < left && cases[1 + steps].is_step)
        steps++;
    if (steps) {
        put(tap, "# Subtest: ");
        put_description(tap, cases->name);
        put(tap, "\n");
        for (size_t i = 0; i < steps; i++)
            put_point(tap, "    ", i + 1, &cases[1 + i]);
        tap->full = buffer_addf(tap->out, "    1..%zu\n", steps) || tap->full;
    }
    put_point(tap, "", number, cases);
    return 1 + steps;
}

int report_tap(const struct run_outcome *outcome,
               const struct report_options *options, struct buffer *out,
               struct error *err)
{
    struct tap tap = {.out = out, .cases = cases_of(outcome)};
    size_t number = 0;

    (void)options;
    put(&tap, "TAP version 14\n");
    tap.full = buffer_addf(out, "1..%zu%s\n", outcome->task_count,
                           outcome->task_count ? "" : " # SKIP no tasks") ||
               tap.full;
    for (size_t i = 0; i < tap.cases.count; i++) {
        const struct case_suite *suite = &tap.cases.suites[i];

        for (size_t at = 0; at < suite->count;)
            at +=
                put_task(&tap, ++number, suite->cases + at, suite->count - at);
    }
    cases_free(&tap.cases);
    return report_done(tap.full, "tap", out, err);
}
