/* CTRF: the cases of JUnit as JSON, with what a task cost in `extra`.
 * Format: the Common Test Report Format's schema, ctrf-io/ctrf. */
#include "base/json.h"
#include "base/memory.h"
#include "reporters/cases.h"
#include "reporters/clean.h"

#define TEXT_BYTES_MAX ((size_t)8 << 20)
#define TRACE_MAX 16384
#define MESSAGE_MAX 2000

struct ctrf {
    struct json json;
    struct cases cases;
};

static void write_summary(struct ctrf *ctrf, const struct run_outcome *outcome)
{
    const struct case_suite *total = &ctrf->cases.total;
    struct json *json = &ctrf->json;
    int64_t start = -1;
    int64_t stop = -1;

    for (size_t i = 0; i < outcome->task_count; i++) {
        const struct outcome_task *task = outcome->tasks[i];

        if (task->started_ms >= 0 && (start < 0 || task->started_ms < start))
            start = task->started_ms;
        if (task->ended_ms > stop)
            stop = task->ended_ms;
    }
    json_key(json, "summary");
    json_object(json);
    json_member_int(json, "tests", (int64_t)total->count);
    json_member_int(json, "passed", (int64_t)total->results[CASE_PASSED]);
    json_member_int(json, "failed", (int64_t)total->results[CASE_FAILED]);
    json_member_int(json, "pending", 0);
    json_member_int(json, "skipped", (int64_t)total->results[CASE_SKIPPED]);
    json_member_int(json, "other", (int64_t)total->results[CASE_ERROR]);
    json_member_int(json, "suites", (int64_t)ctrf->cases.count);
    json_member_int(json, "start", start < 0 ? 0 : start);
    json_member_int(json, "stop",
                    stop < start ? (start < 0 ? 0 : start) : stop);
    json_end(json);
}

static void write_extra(struct json *json, const struct outcome_task *task)
{
    json_key(json, "extra");
    json_object(json);
    clean_member(json, "repo", task->repo, MESSAGE_MAX);
    clean_member(json, "commit", task->commit ? task->commit : "", MESSAGE_MAX);
    clean_member(json, "reason", task->reason, MESSAGE_MAX);
    json_member_int(json, "turns", task->usage.turns);
    json_member_int(json, "input_tokens", task->usage.input_tokens);
    json_member_int(json, "cached_tokens", task->usage.cached_tokens);
    json_member_int(json, "output_tokens", task->usage.output_tokens);
    json_key(json, "cost_usd");
    if (task->usage.cost_known)
        json_micro(json, task->usage.cost_microusd);
    else
        json_null(json);
    json_end(json);
}

static const char *type_of(const char *name)
{
    const char *dot = strrchr(name, '.');

    if (dot && !strcmp(dot, ".json"))
        return "application/json";
    if (dot && !strcmp(dot, ".jsonl"))
        return "application/jsonl";
    if (dot && !strcmp(dot, ".md"))
        return "text/markdown";
    return dot && !strcmp(dot, ".diff") ? "text/x-diff"
                                        : "application/octet-stream";
}

static void write_attachments(struct json *json,
                              const struct outcome_task *task)
{
    json_key(json, "attachments");
    json_array(json);
    for (size_t i = 0; i < task->artifact_count; i++) {
        json_object(json);
        clean_member(json, "name", task->artifacts[i].name, MESSAGE_MAX);
        json_member_string(json, "contentType",
                           type_of(task->artifacts[i].name));
        clean_member(json, "path", task->artifacts[i].path, MESSAGE_MAX);
        json_end(json);
    }
    json_end(json);
}

static void write_test(struct ctrf *ctrf, const struct test_case *test)
{
    static const char *const statuses[CASE_RESULTS] = {[CASE_PASSED] = "passed",
                                                       [CASE_FAILED] = "failed",
                                                       [CASE_ERROR] = "other",
                                                       [CASE_SKIPPED] =
                                                           "skipped"};
    struct json *json = &ctrf->json;

    json_object(json);
    json_member_string(json, "name", test->name);
    json_member_string(json, "status", statuses[test->result]);
    json_member_int(json, "duration", test->time_ms);
    json_key(json, "suite");
    json_array(json);
    json_string(json, test->classname);
    json_end(json);
    clean_member(json, "rawStatus",
                 test->is_step
                     ? outcome_result_name(test->step ? test->step->result
                                                      : RESULT_FAILED)
                     : test->task->reason,
                 MESSAGE_MAX);
    if (test->result == CASE_FAILED || test->result == CASE_ERROR) {
        CLEANUP(buffer_free) struct buffer text = {0};

        buffer_init(&text, TEXT_BYTES_MAX);
        case_text(&ctrf->cases.arena, &text, test);
        json_member_string(json, "message",
                           case_message(&ctrf->cases.arena, test));
        clean_member(json, "trace", text.data, TRACE_MAX);
    } else if (test->result == CASE_SKIPPED) {
        json_member_string(json, "message", test->why);
    }
    if (!test->is_step) {
        json_member_int(json, "retries",
                        test->task->attempt_count
                            ? (int64_t)test->task->attempt_count - 1
                            : 0);
        json_member_bool(json, "flaky",
                         test->result == CASE_PASSED &&
                             test->task->attempt_count > 1);
        write_attachments(json, test->task);
        write_extra(json, test->task);
    }
    json_end(json);
}

int report_ctrf(const struct run_outcome *outcome,
                const struct report_options *options, struct buffer *out,
                struct error *err)
{
    struct ctrf ctrf = {.json = json_to(out), .cases = cases_of(outcome)};
    struct json *json = &ctrf.json;
    bool full;

    (void)options;
    json_object(json);
    json_member_string(json, "reportFormat", "CTRF");
    json_member_string(json, "specVersion", "0.0.0");
    json_key(json, "results");
    json_object(json);
    json_key(json, "tool");
    json_object(json);
    json_member_string(json, "name", "nightjar");
    clean_member(json, "version", outcome->version, MESSAGE_MAX);
    json_end(json);
    write_summary(&ctrf, outcome);
    json_key(json, "tests");
    json_array(json);
    for (size_t i = 0; i < ctrf.cases.count; i++) {
        for (size_t j = 0; j < ctrf.cases.suites[i].count; j++)
            write_test(&ctrf, &ctrf.cases.suites[i].cases[j]);
    }
    json_end(json);
    json_end(json);
    json_end(json);
    full = buffer_add_byte(out, '\n');
    cases_free(&ctrf.cases);
    return report_done(full || json->full, "ctrf", out, err);
}
