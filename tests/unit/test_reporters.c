/* Reports: report.json and the table, what hostile text may not do to any of
 * them, and what holds for all. */
#include "base/schema.h"
#include "base/utf8.h"
#include "tests/unit/reports.h"

#define LONG_BYTES ((size_t)20000)
#define SCHEMA_PATH "docs/report.schema.json"

/* ---- the schema of report.json ----------------------------------------- */

/* Forbids members that the schema does not describe. */
static void close_objects(cJSON *schema)
{
    cJSON *child;

    if (cJSON_IsObject(cJSON_GetObjectItemCaseSensitive(schema, "properties")))
        cJSON_AddFalseToObject(schema, "additionalProperties");
    cJSON_ArrayForEach(child, schema) close_objects(child);
}

static struct schema *read_schema(void)
{
    CLEANUP(buffer_free) struct buffer text;
    CLEANUP(json_free) cJSON *value = NULL;
    CLEANUP(mem_free) char *closed = NULL;
    struct schema *schema;

    buffer_init(&text, (size_t)1 << 20);
    if (file_read(AT_FDCWD, SCHEMA_PATH, &text, &err) ||
        !(value = json_parse(text.data, text.length, &err))) {
        tap_ok(false, "%s is read: %s", SCHEMA_PATH, err.text);
        return NULL;
    }
    close_objects(value);
    closed = cJSON_PrintUnformatted(value);
    schema = schema_compile((struct span){closed, strlen(closed)}, &err);
    tap_ok(schema, "the schema is one: %s", schema ? "yes" : err.text);
    return schema;
}

/* ---- hostile text in every field --------------------------------------- */

static const char *const hostile[] = {
    "]]>",
    "<a b=\"c\">'&amp;&#27;&lt;",
    "<!DOCTYPE x [<!ENTITY e \"x\">]>&e;",
    "\x1b[31mred\x1b[0m \x1b]8;;http://h\x07link\x1b]8;;\x1b\\ "
    "\x1b(B\x1bPq#0\x1b\\",
    "\x1b]unterminated",
    "\xE2\x80\xAEgnp.exe\xE2\x81\xA6",
    "\xF3\xA0\x81\xA1\xF3\xA0\x80\xA1",
    "::error file=a::b\n::add-mask::c",
    "##[error]x ##vso[a]b ##teamcity[c]",
    "[[ATTACHMENT|/etc/passwd]]",
    "\xEF\xBF\xBE\xEF\xBF\xBF\xEF\xB7\x90\xF4\x8F\xBF\xBF",
    "\xC2\x9B"
    "31m\xC2\x85",
    "line\r\nline\rline\n\n\tx",
    "\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA9",
    "a\xCC\x81\xCC\x81\xCC\x81 \xE4\xB8\xAD\xE6\x96\x87",
    "%s%n%p\\",
    " ",
    ""};

/* Every C0 byte (NUL as the writer has it), DEL, and long text. */
static char *all_controls(void)
{
    char text[40] = "c";

    for (int c = 1; c < 32; c++)
        text[c] = (char)c;
    text[32] = 0x7F;
    return mem_string(text);
}

static char *long_text(void)
{
    char *text = mem_alloc(LONG_BYTES + 1);

    for (size_t i = 0; i < LONG_BYTES; i++)
        text[i] = "a\xC3\xA9<\x1b"[i % 5];
    return text;
}

static void evil_list(struct json *event, const char *key, const char *text)
{
    json_key(event, key);
    json_array(event);
    json_string(event, text);
    json_bytes(event, "n\0l", 3);
    json_end(event);
}

static void evil_attempt(struct journal *journal, const char *id,
                         const char *text)
{
    static const char *const types[] = {"attempt_started", "repository_ready",
                                        "sandbox_ready",   "turn_finished",
                                        "request_retried", "tool_finished",
                                        "verify_finished", "attempt_finished"};
    static const char *const members[] = {
        "commit",      "ref",      "purpose", "kind",    "message",
        "tool",        "decision", "rule",    "summary", "call_id",
        "failed_step", "verdict",  "reason"};

    for (size_t i = 0; i < ARRAY_LENGTH(types); i++) {
        struct json *event = journal_event(journal, types[i], id);

        json_member_int(event, "attempt", 1);
        for (size_t j = 0; j < ARRAY_LENGTH(members); j++)
            json_member_string(event, members[j], text);
        evil_list(event, "layers", text);
        if (journal_end(journal))
            tap_ok(false, "%s fits into a line", types[i]);
    }
    add_patch(journal, id, text, text, text);
    journal_step(journal, id, 1, 1, text, "failed", text);
    journal_step(journal, id, 1, 1, text, text, text);
}

static void evil_task(struct journal *journal, const char *id, const char *text,
                      const char *verdict)
{
    struct json *event = journal_event(journal, "task_planned", id);

    json_member_string(event, "suite", text);
    json_member_string(event, "cell", text);
    json_member_string(event, "repo", text);
    json_member_string(event, "ref", text);
    evil_list(event, "verify", text);
    evil_list(event, "setup", text);
    journal_end(journal);
    evil_attempt(journal, id, text);
    add_artifact(journal, id, text, text);
    event = journal_event(journal, "task_finished", id);
    json_member_string(event, "verdict", verdict);
    json_member_string(event, "reason", text);
    json_member_string(event, "message", text);
    json_member_string(event, "hint", text);
    json_member_string(event, "commit", text);
    journal_end(journal);
}

static void evil_run(struct journal *journal, const char *text)
{
    static const char *const members[] = {"run_id", "name", "version", "model",
                                          "provider"};
    static const char *const verdicts[] = {"passed", "failed", "error",
                                           "skipped"};
    struct json *event = journal_event(journal, "run_started", NULL);

    for (size_t i = 0; i < ARRAY_LENGTH(members); i++)
        json_member_string(event, members[i], text);
    journal_end(journal);
    for (size_t i = 0; i < ARRAY_LENGTH(verdicts); i++) {
        CLEANUP(mem_free) char *id = mem_format("%s%zu", text, i);

        evil_task(journal, id, text, verdicts[i]);
    }
    event = journal_event(journal, "run_finished", NULL);
    json_member_string(event, "exit_name", text);
    json_member_int(event, "exit_status", 3);
    journal_end(journal);
}

/* Bytes that may not be in a report of text. */
static bool is_disarmed(struct span text)
{
    uint32_t code;

    for (size_t i = 0; i < text.length;) {
        i += utf8_decode(text.data + i, text.length - i, &code);
        if ((code < 0x20 && code != '\n') || (code >= 0x7F && code < 0xA0) ||
            code == UINT32_MAX || (code >= 0x202A && code <= 0x202E) ||
            (code >= 0x2066 && code <= 0x2069) || code >= 0xE0000)
            return false;
    }
    return !memmem(text.data, text.length, "\n::", 3) &&
           !memmem(text.data, text.length, "##[", 3) &&
           !memmem(text.data, text.length, "##vso[", 6) &&
           !memmem(text.data, text.length, "##teamcity[", 11);
}

static void expect_schema(const struct schema *schema, struct span text,
                          const char *name)
{
    CLEANUP(json_free) cJSON *value = json_parse(text.data, text.length, &err);

    if (!tap_ok(value, "%s: report.json is JSON", name))
        return;
    tap_ok(!schema_check(schema, value, &err), "%s: as the schema says", name);
    if (schema_check(schema, value, &err))
        tap_note("%s", err.text);
}

static void test_hostile_text(const struct schema *schema, const char *text,
                              const char *name)
{
    CLEANUP(buffer_free) struct buffer xml = {0};
    CLEANUP(buffer_free) struct buffer json = {0};
    CLEANUP(buffer_free) struct buffer table = {0};
    struct journal journal;

    journal_init(&journal);
    evil_run(&journal, text);
    xml = report_of("junit", &journal);
    expect_well_formed(buffer_span(&xml), name);
    tap_ok(!strchr(xml.data, 0x1B) && !strstr(xml.data, "[[ATTACHMENT|") &&
               !strstr(xml.data, "\xE2\x80\xAE"),
           "%s: JUnit is disarmed", name);
    expect_xpath(buffer_span(&xml), "count(//testcase)", "12");
    expect_xpath(buffer_span(&xml), "count(//testcase[@classname=''])", "0");
    expect_xpath(buffer_span(&xml), "count(//testcase[@name=''])", "0");
    json = report_of("json", &journal);
    expect_schema(schema, buffer_span(&json), name);
    table = report_of("table", &journal);
    tap_ok(is_disarmed(buffer_span(&table)), "%s: the table is disarmed", name);
    journal_free(&journal);
}

static void test_hostile(const struct schema *schema)
{
    CLEANUP(mem_free) char *controls = all_controls();
    CLEANUP(mem_free) char *text = long_text();

    for (size_t i = 0; i < ARRAY_LENGTH(hostile); i++) {
        CLEANUP(mem_free) char *name = mem_format("hostile text %zu", i);

        test_hostile_text(schema, hostile[i], name);
    }
    test_hostile_text(schema, controls, "control characters");
    test_hostile_text(schema, text, "long text");
}

/* ---- json -------------------------------------------------------------- */

static void test_json(const struct schema *schema)
{
    CLEANUP(buffer_free) struct buffer out = {0};
    CLEANUP(json_free) cJSON *report = NULL;
    const cJSON *tasks;
    const cJSON *bad;
    struct journal journal;

    make_mixed(&journal);
    journal_signal(&journal, 2);
    buffer_add_string(&journal.text, "{\"type\"");
    out = report_of("json", &journal);
    expect_schema(schema, buffer_span(&out), "mixed");
    report = json_parse(out.data, out.length, &err);
    tap_string(json_get_string(report, "format"), "nightjar-report", "format");
    tap_int(json_get_int64(report, "version", 0), 1, "version");
    tap_int(json_get_int64(json_get(report, "exit"), "status", 0), 130,
            "exit status");
    tap_string(json_get_string(json_get(report, "exit"), "name"), "interrupted",
               "exit name");
    tap_ok(json_get_true(json_get(report, "exit"), "retryable"), "retryable");
    tap_int(json_get_int64(json_get(report, "counts"), "failed", 0), 2,
            "counts: failed");
    tap_int(json_get_int64(json_get(report, "counts"), "unfinished", 0), 1,
            "counts: unfinished");
    tap_int(json_get_int64(json_get(report, "journal"), "torn_bytes", 0), 7,
            "torn bytes");
    tap_ok(cJSON_IsNull(json_get(json_get(report, "usage"), "cost_usd")),
           "the cost of the run is not known");
    tasks = json_get_array(report, "tasks");
    tap_int(cJSON_GetArraySize(tasks), 6, "tasks");
    tap_ok(json_get(json_get(cJSON_GetArrayItem(tasks, 0), "usage"), "cost_usd")
                   ->valuedouble == 1.25,
           "the cost of a task in dollars");
    bad = json_get_array(cJSON_GetArrayItem(tasks, 1), "attempts")->child;
    tap_string(
        json_get_string(json_get_array(bad, "steps")->child->next, "output"),
        "1 < 2 & \"3\"\nend", "output as it was");
    tap_contains(out.data, "\n,{\"id\":\"bad\",", "a line for each task");
    journal_free(&journal);
}

/* The schema is not one that allows everything. */
static void test_schema_refuses(const struct schema *schema)
{
    CLEANUP(buffer_free) struct buffer out = {0};
    CLEANUP(json_free) cJSON *report = NULL;
    cJSON *task;
    struct journal journal;

    make_mixed(&journal);
    out = report_of("json", &journal);
    report = json_parse(out.data, out.length, &err);
    task = cJSON_GetObjectItemCaseSensitive(report, "tasks")->child;
    cJSON_AddNullToObject(task, "extra");
    tap_int(schema_check(schema, report, &err), -1,
            "a member without description is found");
    cJSON_DeleteItemFromObjectCaseSensitive(task, "extra");
    tap_int(schema_check(schema, report, &err), 0, "without it all is well");
    cJSON_DeleteItemFromObjectCaseSensitive(task, "hint");
    tap_int(schema_check(schema, report, &err), -1, "a lack is found");
    journal_free(&journal);
}

/* ---- table ------------------------------------------------------------- */

static size_t count_cells(const char *line, size_t length)
{
    size_t cells = 0;

    for (size_t i = 0; i < length; i++)
        cells += ((unsigned char)line[i] & 0xC0) != 0x80;
    return cells;
}

/* The first `lines` lines all have that many characters. */
static void expect_columns(const char *text, int lines, size_t columns)
{
    size_t wrong = 0;

    for (int i = 0; i < lines; i++) {
        size_t length = strcspn(text, "\n");

        wrong += count_cells(text, length) != columns;
        text += length + (text[length] == '\n');
    }
    tap_int((int64_t)wrong, 0, "each line of the table has %zu columns",
            columns);
}

static void test_table(void)
{
    CLEANUP(buffer_free) struct buffer out = {0};
    struct run_outcome outcome;
    struct journal journal;

    make_mixed(&journal);
    outcome = read_journal(&journal);
    out = write_report("table", &outcome);
    expect_columns(out.data, 8, REPORT_COLUMNS);
    tap_contains(out.data, "\xE2\x9C\x93 passed      good ", "passed");
    tap_contains(out.data, "\xE2\x9C\x97 failed      bad ", "failed");
    tap_contains(out.data, "! error       broken    no route to host", "error");
    tap_contains(out.data, "- skipped     cut ", "skipped");
    tap_contains(out.data, "? unfinished  left ", "unfinished");
    tap_contains(out.data, "ruled     policy ", "without a message: reason");
    tap_contains(out.data, "    1    1.0k  60%     $1.25     1.7s\n",
                 "numbers");
    tap_contains(out.data, "       ?     1.7s\n", "a cost that is not known");
    tap_contains(out.data,
                 "1 passed, 2 failed, 1 error, 1 skipped, 1 unfinished",
                 "totals");
    tap_contains(out.data, "exit 4 (limit, may be tried again)\n", "exit");
    tap_ok(!strchr(out.data, 0x1B), "no colour unless asked for");
    for (size_t columns = 60; columns < 300; columns += 80) {
        struct report_options options = {.columns = columns};

        buffer_clear(&out);
        reporter_find("table")->write(&outcome, &options, &out, &err);
        expect_columns(out.data, 8, columns < 72 ? 72 : columns);
    }
    buffer_clear(&out);
    reporter_find("table")->write(
        &outcome, &(struct report_options){.color = true}, &out, &err);
    tap_contains(out.data, "\x1b[32m\xE2\x9C\x93 passed\x1b[0m      good",
                 "colour when asked for");
    outcome_free(&outcome);
    journal_free(&journal);
}

static void test_table_wide(void)
{
    CLEANUP(buffer_free) struct buffer out = {0};
    struct report_options options = {.columns = 80};
    struct run_outcome outcome;
    struct journal journal;

    journal_init(&journal);
    journal_planned(&journal, "wide", "s", "[]");
    journal_finished(&journal, "wide", "passed", "verified",
                     "\xE4\xB8\xAD\xE6\x96\x87\xE4\xB8\xAD\xE6\x96\x87"
                     "\xE4\xB8\xAD\xE6\x96\x87\xE4\xB8\xAD\xE6\x96\x87"
                     "\xE4\xB8\xAD\xE6\x96\x87");
    journal_planned(&journal, "marks", "s", "[]");
    journal_finished(&journal, "marks", "passed", "verified", "e\xCC\x81x");
    outcome = read_journal(&journal);
    buffer_init(&out, REPORT_BYTES_MAX);
    reporter_find("table")->write(&outcome, &options, &out, &err);
    tap_contains(out.data,
                 "wide      \xE4\xB8\xAD\xE6\x96\x87\xE4\xB8\xAD\xE6\x96\x87"
                 "\xE4\xB8\xAD\xE6\x96\x87\xE4\xB8\xAD...",
                 "wide characters count as two cells");
    tap_contains(out.data, "marks     e\xCC\x81x            ",
                 "combining marks count as none");
    outcome_free(&outcome);
    journal_free(&journal);
}

/* ---- all of them ------------------------------------------------------- */

static void test_list(void)
{
    size_t count = 0;

    for (const struct reporter *at; (at = reporter_at(count)); count++) {
        tap_ok(reporter_find(at->name) == at, "%s is found", at->name);
        tap_ok(*at->file && *at->description, "%s is described", at->name);
    }
    tap_int((int64_t)count, 14, "all formats");
    tap_string(reporter_find("junit")->file, "junit.xml", "JUnit's file");
    tap_string(reporter_find("json")->file, "report.json", "JSON's file");
    tap_ok(!reporter_find("junit.xml"), "an unknown name is not found");
}

static void test_same_bytes(void)
{
    struct journal journal;

    make_mixed(&journal);
    for (size_t i = 0; reporter_at(i); i++) {
        CLEANUP(buffer_free)
        struct buffer one = report_of(reporter_at(i)->name, &journal);
        CLEANUP(buffer_free)
        struct buffer two = report_of(reporter_at(i)->name, &journal);

        /* Nothing passed with a patch, so there is no mail. */
        tap_ok((one.length > 100 || !strcmp(reporter_at(i)->name, "mail")) &&
                   span_equal(buffer_span(&one), buffer_span(&two)),
               "%s: same journal, same bytes", reporter_at(i)->name);
    }
    journal_free(&journal);
}

static void test_full_buffer(void)
{
    struct run_outcome outcome;
    struct journal journal;

    make_mixed(&journal);
    outcome = read_journal(&journal);
    for (size_t i = 0; reporter_at(i); i++) {
        CLEANUP(buffer_free)
        struct buffer all = write_report(reporter_at(i)->name, &outcome);
        size_t unseen = 0;

        for (size_t left = 1; left <= all.length; left += 1 + left / 64) {
            CLEANUP(buffer_free) struct buffer out;

            buffer_init(&out, all.length - left);
            if (reporter_at(i)->write(&outcome, &plain, &out, &err))
                continue;
            /* Markdown leaves out detail until it fits, down to its end. */
            unseen += strcmp(reporter_at(i)->name, "markdown") != 0 ||
                      !strstr(out.data, "</sub>\n");
        }
        tap_int((int64_t)unseen, 0, "%s: a buffer that is full is an error",
                reporter_at(i)->name);
        if (all.length)
            tap_contains(err.text, reporter_at(i)->name,
                         "and names the report");
    }
    outcome_free(&outcome);
    journal_free(&journal);
}

/* Whether all reports of the first `length` bytes are whole. */
static bool reports_are_whole(const struct schema *schema,
                              const struct journal *journal, size_t length)
{
    CLEANUP(buffer_free) struct buffer json = {0};
    CLEANUP(buffer_free) struct buffer xml = {0};
    CLEANUP(buffer_free) struct buffer table = {0};
    CLEANUP(json_free) cJSON *report = NULL;
    struct run_outcome outcome;

    if (outcome_read((struct span){journal->text.data, length}, &outcome, &err))
        return false;
    json = write_report("json", &outcome);
    xml = write_report("junit", &outcome);
    table = write_report("table", &outcome);
    report = json_parse(json.data, json.length, &err);
    outcome_free(&outcome);
    return report && !schema_check(schema, report, &err) &&
           strstr(xml.data, "testsuites") && strstr(table.data, "\nexit ");
}

/* A report can be asked for at any moment of a run. Within a line only the
 * number of torn bytes differs, so a few places of each are enough here; that
 * reading stands a cut at every byte is shown in test_outcome.c. */
static void test_every_line(const struct schema *schema)
{
    struct journal journal;
    size_t failed = 0;
    size_t cuts = 0;

    make_mixed(&journal);
    for (size_t length = 0; length <= journal.text.length; length++) {
        bool at_line = !length || journal.text.data[length - 1] == '\n';
        bool before_end = journal.text.data[length] == '\n';

        if (!at_line && !before_end && length % 64)
            continue;
        failed += !reports_are_whole(schema, &journal, length);
        cuts++;
    }
    tap_int((int64_t)failed, 0, "reports of a journal that is cut");
    tap_ok(cuts > 60, "it was cut in %zu places", cuts);
    journal_free(&journal);
}

static void test_empty(const struct schema *schema)
{
    CLEANUP(buffer_free) struct buffer out = {0};
    CLEANUP(buffer_free) struct buffer json = {0};
    CLEANUP(buffer_free) struct buffer table = {0};
    struct journal journal;

    journal_init(&journal);
    out = report_of("junit", &journal);
    expect_well_formed(buffer_span(&out), "an empty journal");
    expect_xpath(buffer_span(&out), "string(/testsuites/@tests)", "0");
    json = report_of("json", &journal);
    expect_schema(schema, buffer_span(&json), "an empty journal");
    table = report_of("table", &journal);
    tap_contains(table.data, "no tasks", "an empty table");
    journal_free(&journal);
}

int main(void)
{
    struct schema *schema = read_schema();

    if (!schema)
        return 1;
    test_list();
    test_json(schema);
    test_schema_refuses(schema);
    test_table();
    test_table_wide();
    test_hostile(schema);
    test_same_bytes();
    test_full_buffer();
    test_every_line(schema);
    test_empty(schema);
    schema_free(schema);
    return tap_done();
}
