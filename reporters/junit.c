/* JUnit XML: flat suites, every count present and right; see cases.h for what
 * is a case. Two dialects, which differ in what they may say:
 *
 *   junit         what readers show most of: counts on the root, properties
 *                 and output of each case, the place of a failure (`file`,
 *                 `line`), patches as attachments by path
 *   junit-strict  valid by the schemas of Ant (windyroad/JUnit-Schema) and of
 *                 Jenkins (xunit-plugin, junit-10.xsd), which allow none of
 *                 these
 *
 * Some readers show the text of a failure and others its message, so the
 * message is the first line of the text too. Readers have limits for a file
 * (GitLab: 30 MB), so of many failures each has less text. */
#include <inttypes.h>

#include "base/memory.h"
#include "reporters/cases.h"
#include "reporters/clean.h"
#include "reporters/diff.h"
#include "reporters/findings.h"
#include "reporters/xml.h"

#define TEXT_MAX_BYTES ((size_t)8 << 20) /* before it is cut */
#define TEXTS_BYTES ((size_t)12 << 20)   /* of all cases together */
#define TEXT_LEAST_BYTES                                 \
    ((size_t)1 << 10) /* of each, however many there are \
                       */
#define PATCH_BYTES_MAX ((size_t)64 << 20)

struct writing {
    struct xml xml;
    const struct run_outcome *outcome;
    const struct report_options *options;
    struct cases cases;
    size_t text_bytes; /* of each text */
    bool strict;
};

static void write_time(struct xml *xml, int64_t time_ms)
{
    char text[32];

    snprintf(text, sizeof(text), "%" PRId64 ".%03d", time_ms / 1000,
             (int)(time_ms % 1000));
    xml_attribute(xml, "time", text);
}

static void write_property(struct xml *xml, const char *name, const char *value)
{
    xml_start(xml, "property");
    xml_attribute(xml, "name", name);
    xml_attribute(xml, "value", value);
    xml_end(xml);
}

static void write_number(struct xml *xml, const char *name, int64_t value)
{
    char text[32];

    snprintf(text, sizeof(text), "%" PRId64, value);
    write_property(xml, name, text);
}

/* ---- a case ------------------------------------------------------------ */

static void write_problem(struct writing *writing, const struct test_case *test)
{
    struct xml *xml = &writing->xml;
    CLEANUP(buffer_free) struct buffer text = {0};
    CLEANUP(mem_free) char *shown = NULL;

    buffer_init(&text, TEXT_MAX_BYTES);
    case_text(&writing->cases.arena, &text, test);
    shown = writing->text_bytes < XML_TEXT_MAX
                ? clean_text(text.data, writing->text_bytes)
                : buffer_steal(&text);
    xml_start(xml, test->result == CASE_FAILED ? "failure" : "error");
    xml_attribute(xml, "type",
                  test->is_step ? outcome_result_name(test->step->result)
                                : test->task->reason);
    xml_attribute(xml, "message", case_message(&writing->cases.arena, test));
    xml_text(xml, shown, strlen(shown));
    xml_end(xml);
}

static void write_skipped(struct writing *writing, const struct test_case *test)
{
    struct xml *xml = &writing->xml;

    xml_start(xml, "skipped");
    if (!writing->strict)
        xml_attribute(xml, "message", test->why);
    xml_text(xml, test->why, strlen(test->why));
    xml_end(xml);
}

static void add_cost(struct buffer *text, const struct outcome_usage *usage)
{
    if (usage->cost_known)
        buffer_addf(text, "$%" PRId64 ".%06d", usage->cost_microusd / 1000000,
                    (int)(usage->cost_microusd % 1000000));
    else
        buffer_add_string(text, "unknown");
}

static void write_case_properties(struct xml *xml,
                                  const struct outcome_task *task)
{
    CLEANUP(buffer_free) struct buffer cost = {0};

    buffer_init(&cost, 64);
    add_cost(&cost, &task->usage);
    xml_start(xml, "properties");
    write_property(xml, "nightjar.reason", task->reason);
    write_property(xml, "nightjar.repo", task->repo);
    if (task->commit)
        write_property(xml, "nightjar.commit", task->commit);
    write_property(xml, "nightjar.cost", cost.data);
    write_number(xml, "nightjar.attempts", (int64_t)task->attempt_count);
    write_number(xml, "nightjar.turns", task->usage.turns);
    write_number(xml, "nightjar.input_tokens", task->usage.input_tokens);
    write_number(xml, "nightjar.cached_tokens", task->usage.cached_tokens);
    write_number(xml, "nightjar.output_tokens", task->usage.output_tokens);
    xml_end(xml);
}

static void write_task_output(struct writing *writing,
                              const struct outcome_task *task)
{
    const struct outcome_usage *usage = &task->usage;
    CLEANUP(buffer_free) struct buffer text = {0};
    struct xml *xml = &writing->xml;

    buffer_init(&text, TEXT_MAX_BYTES);
    buffer_addf(&text, "reason: %s\n", task->reason);
    buffer_addf(&text, "attempts: %zu\n", task->attempt_count);
    buffer_addf(&text, "turns: %" PRId64 "\n", usage->turns);
    buffer_addf(
        &text, "tokens: %" PRId64 " in (%" PRId64 " cached), %" PRId64 " out\n",
        usage->input_tokens, usage->cached_tokens, usage->output_tokens);
    buffer_add_string(&text, "cost: ");
    add_cost(&text, usage);
    buffer_add_byte(&text, '\n');
    for (size_t i = 0; i < task->artifact_count; i++)
        buffer_addf(&text, "%s: %s\n", task->artifacts[i].name,
                    task->artifacts[i].path);
    xml_start(xml, "system-out");
    xml_text(xml, text.data, text.length);
    for (size_t i = 0; writing->options->directory && i < task->artifact_count;
         i++) {
        if (task->artifacts[i].bytes)
            xml_attachment(xml, writing->options->directory,
                           task->artifacts[i].path);
    }
    xml_end(xml);
}

/* Where the task changed something, for readers that annotate. */
static void write_place(struct writing *writing,
                        const struct outcome_task *task)
{
    const struct outcome_patch *patch = task->patch;
    const char *wanted =
        patch && patch->violations.count ? patch->violations.items[0].path : "";
    const struct diff_file *file;
    CLEANUP(buffer_free) struct buffer text = {0};
    struct diff diff;

    if (!patch || !finding_has_place(writing->options, task))
        return;
    buffer_init(&text, PATCH_BYTES_MAX);
    if (report_read(writing->options, task, "patch.diff", &text))
        return;
    diff = diff_read(buffer_span(&text));
    file = diff_find(&diff, wanted);
    if (!file && diff.count)
        file = &diff.files[0];
    if (file && *finding_path(file->path)) {
        xml_attribute(&writing->xml, "file", finding_path(file->path));
        xml_attribute_int(&writing->xml, "line",
                          file->first_line ? file->first_line : 1);
    }
    diff_free(&diff);
}

static void write_case(struct writing *writing, const struct test_case *test)
{
    struct xml *xml = &writing->xml;
    bool is_problem = test->result == CASE_FAILED || test->result == CASE_ERROR;

    xml_start(xml, "testcase");
    xml_attribute(xml, "classname", test->classname);
    xml_attribute(xml, "name", test->name);
    write_time(xml, test->time_ms);
    if (!writing->strict && is_problem && !test->is_step)
        write_place(writing, test->task);
    if (!writing->strict && !test->is_step)
        write_case_properties(xml, test->task);
    if (is_problem)
        write_problem(writing, test);
    else if (test->result == CASE_SKIPPED)
        write_skipped(writing, test);
    if (!writing->strict && !test->is_step)
        write_task_output(writing, test->task);
    xml_end(xml);
}

/* ---- a suite ----------------------------------------------------------- */

static void write_counts(struct xml *xml, const struct case_suite *suite)
{
    xml_attribute_int(xml, "tests", (int64_t)suite->count);
    xml_attribute_int(xml, "failures", (int64_t)suite->results[CASE_FAILED]);
    xml_attribute_int(xml, "errors", (int64_t)suite->results[CASE_ERROR]);
    xml_attribute_int(xml, "skipped", (int64_t)suite->results[CASE_SKIPPED]);
    write_time(xml, suite->time_ms);
}

/* Readers want the time of the run without a zone and a fraction. */
static void write_timestamp(struct writing *writing)
{
    const char *started = writing->outcome->started_at;
    char text[sizeof("2026-11-21T00:30:00")];

    if (!started && !writing->strict)
        return;
    snprintf(text, sizeof(text), "%s",
             started ? started : "1970-01-01T00:00:00");
    xml_attribute(&writing->xml, "timestamp", text);
}

static void write_suite_properties(struct writing *writing)
{
    const struct run_outcome *outcome = writing->outcome;
    struct xml *xml = &writing->xml;

    xml_start(xml, "properties");
    write_property(xml, "nightjar.version", outcome->version);
    write_property(xml, "nightjar.model", outcome->model);
    xml_end(xml);
}

static void write_suite(struct writing *writing, size_t number)
{
    const struct case_suite *suite = &writing->cases.suites[number];
    struct xml *xml = &writing->xml;

    xml_start(xml, "testsuite");
    xml_attribute(xml, "name", suite->name);
    if (writing->strict) {
        xml_attribute(xml, "package", suite->name);
        xml_attribute_int(xml, "id", (int64_t)number);
    }
    write_counts(xml, suite);
    write_timestamp(writing);
    xml_attribute(xml, "hostname", "nightjar");
    write_suite_properties(writing);
    for (size_t i = 0; i < suite->count; i++)
        write_case(writing, &suite->cases[i]);
    if (writing->strict) {
        xml_start(xml, "system-out");
        xml_end(xml);
        xml_start(xml, "system-err");
        xml_end(xml);
    }
    xml_end(xml);
}

static size_t bytes_of_each(const struct case_suite *total)
{
    size_t problems = total->results[CASE_FAILED] + total->results[CASE_ERROR];
    size_t each = TEXTS_BYTES / (problems ? problems : 1);

    if (each > XML_TEXT_MAX)
        return XML_TEXT_MAX;
    return each < TEXT_LEAST_BYTES ? TEXT_LEAST_BYTES : each;
}

static int report(const struct run_outcome *outcome,
                  const struct report_options *options, bool strict,
                  struct buffer *out, struct error *err)
{
    struct writing writing = {.xml = xml_to(out),
                              .outcome = outcome,
                              .options = options,
                              .cases = cases_of(outcome),
                              .strict = strict};
    struct xml *xml = &writing.xml;

    writing.text_bytes = bytes_of_each(&writing.cases.total);
    xml_start(xml, "testsuites");
    if (!strict) {
        xml_attribute(xml, "name", writing.cases.total.name);
        write_counts(xml, &writing.cases.total);
    }
    for (size_t i = 0; i < writing.cases.count; i++)
        write_suite(&writing, i);
    xml_end(xml);
    cases_free(&writing.cases);
    return report_done(xml->full, strict ? "junit-strict" : "junit", out, err);
}

int report_junit(const struct run_outcome *outcome,
                 const struct report_options *options, struct buffer *out,
                 struct error *err)
{
    return report(outcome, options, false, out, err);
}

int report_junit_strict(const struct run_outcome *outcome,
                        const struct report_options *options,
                        struct buffer *out, struct error *err)
{
    return report(outcome, options, true, out, err);
}
