/* The projection of a journal. */
#include <signal.h>

#include "base/memory.h"
#include "tasks/outcome.h"
#include "tests/tap.h"
#include "tests/unit/journal.h"

static struct error err;

/* Reads a journal that must be readable. */
static struct run_outcome read_text(struct span text)
{
    struct run_outcome outcome = {0};

    if (outcome_read(text, &outcome, &err))
        tap_ok(false, "the journal is read: %s", err.text);
    return outcome;
}

static struct run_outcome read_journal(const struct journal *journal)
{
    return read_text(buffer_span(&journal->text));
}

static void add_note(struct json *event, const char *path, const char *rule)
{
    json_object(event);
    json_member_string(event, "path", path);
    json_member_string(event, "rule", rule);
    json_member_string(event, "message", "must not change");
    json_end(event);
}

static void add_patch(struct journal *journal)
{
    struct json *event = journal_event(journal, "patch_made", "fix");

    json_member_int(event, "attempt", 1);
    json_member_int(event, "files", 3);
    json_member_int(event, "insertions", 10);
    json_member_int(event, "deletions", 4);
    json_member_int(event, "bytes", 999);
    json_key(event, "violations");
    json_array(event);
    add_note(event, "ci.yml", "protect");
    add_note(event, "", "max_files");
    json_end(event);
    json_key(event, "findings");
    json_array(event);
    add_note(event, "a.c", "secret");
    json_end(event);
    journal_end(journal);
}

static void add_tools(struct journal *journal)
{
    struct json *event = journal_event(journal, "tool_finished", "fix");

    json_member_int(event, "attempt", 1);
    json_member_int(event, "turn", 1);
    json_member_string(event, "tool", "exec");
    json_member_string(event, "decision", "allow");
    json_member_string(event, "summary", "ls");
    journal_end(journal);
    event = journal_event(journal, "tool_finished", "fix");
    json_member_int(event, "attempt", 1);
    json_member_int(event, "turn", 2);
    json_member_string(event, "tool", "exec");
    json_member_string(event, "decision", "deny");
    json_member_string(event, "rule", "nightly.yaml:14");
    json_member_string(event, "summary", "curl host");
    journal_end(journal);
}

static void add_preparation(struct journal *journal)
{
    struct json *event = journal_event(journal, "task_started", "fix");

    json_member_int(event, "attempts", 3);
    journal_end(journal);
    journal_attempt(journal, "fix", 1);
    event = journal_event(journal, "repository_ready", "fix");
    json_member_int(event, "attempt", 1);
    json_member_string(event, "commit", "abc123");
    json_member_int(event, "duration_ms", 77);
    journal_end(journal);
    event = journal_event(journal, "sandbox_ready", "fix");
    json_member_int(event, "attempt", 1);
    json_member_string(event, "purpose", "agent");
    json_key(event, "layers");
    json_array(event);
    json_string(event, "namespaces");
    json_string(event, "seccomp");
    json_end(event);
    journal_end(journal);
}

static void add_endings(struct journal *journal)
{
    struct json *event = journal_event(journal, "request_retried", "fix");

    json_member_int(event, "attempt", 1);
    json_member_string(event, "kind", "overloaded");
    json_member_string(event, "message", "status 529");
    journal_end(journal);
    event = journal_event(journal, "verify_finished", "fix");
    json_member_int(event, "attempt", 1);
    json_member_string(event, "failed_step", "test");
    journal_end(journal);
    event = journal_event(journal, "attempt_finished", "fix");
    json_member_int(event, "attempt", 1);
    json_member_string(event, "verdict", "failed");
    json_member_string(event, "reason", "verify");
    json_member_string(event, "message", "step 'test' failed");
    journal_end(journal);
    event = journal_event(journal, "artifact_written", "fix");
    json_member_string(event, "name", "patch");
    json_member_string(event, "path", "tasks/fix/patch.diff");
    json_member_int(event, "bytes", 999);
    journal_end(journal);
    event = journal_event(journal, "task_finished", "fix");
    json_member_string(event, "verdict", "failed");
    json_member_string(event, "reason", "verify");
    json_member_string(event, "message", "step 'test' failed");
    json_member_string(event, "hint", "look at the output");
    json_member_bool(event, "retryable", true);
    json_member_int(event, "attempts", 1);
    json_member_string(event, "commit", "abc123");
    json_member_int(event, "duration_ms", 4000);
    journal_end(journal);
    event = journal_event(journal, "run_finished", NULL);
    json_member_int(event, "exit_status", 3);
    json_member_string(event, "exit_name", "incomplete");
    json_member_bool(event, "retryable", true);
    json_member_int(event, "duration_ms", 5000);
    journal_end(journal);
}

/* One run with every type of event. */
static void make_full(struct journal *journal)
{
    journal_init(journal);
    journal_run(journal, 2);
    journal_planned(journal, "fix", "nightly", "[\"lint\",\"test\"]");
    journal_planned(journal, "later", "other", "[]");
    add_preparation(journal);
    journal_turn(journal, "fix", 1, 1, 1500);
    journal_turn(journal, "fix", 1, 2, 500);
    add_tools(journal);
    add_patch(journal);
    journal_step(journal, "fix", 1, 1, "lint", "passed", "");
    journal_step(journal, "fix", 1, 1, "test", "failed", "1 of 2 failed");
    add_endings(journal);
}

static void test_run(const struct run_outcome *run)
{
    tap_string(run->id, "20261121-1", "run: id");
    tap_string(run->name, "nightly", "run: name");
    tap_string(run->version, "1.2.3", "run: version");
    tap_string(run->model, "gpt-test", "run: model");
    tap_string(run->provider, "scripted", "run: provider");
    tap_int(run->jobs, 4, "run: jobs");
    tap_ok(run->started_at && strlen(run->started_at) == 24, "run: started");
    tap_ok(run->finished && run->finished_at, "run: finished");
    tap_int(run->duration_ms, 5000, "run: duration");
    tap_int(run->recorded.status, 3, "run: recorded status");
    tap_string(run->recorded.name, "incomplete", "run: recorded name");
    tap_ok(run->recorded.retryable, "run: recorded retryable");
    tap_int((int64_t)run->task_count, 2, "run: tasks");
    tap_int((int64_t)run->counts[VERDICT_FAILED], 1, "run: failed");
    tap_int((int64_t)run->counts[VERDICT_UNFINISHED], 1, "run: unfinished");
    tap_int((int64_t)run->suite_count, 2, "run: suites");
    tap_string(run->suites[1]->name, "other", "run: suites in order");
    tap_ok(run->suites[1]->first == run->tasks[1], "run: suite has its task");
    tap_int((int64_t)run->ignored, 0, "run: nothing is ignored");
    tap_int((int64_t)run->torn_bytes, 0, "run: nothing is torn");
    tap_int(run->usage.input_tokens, 2000, "run: sums of the tasks");
}

static void test_task(const struct outcome_task *task)
{
    tap_string(task->id, "fix", "task: id");
    tap_string(task->suite, "nightly", "task: suite");
    tap_string(task->repo, "https://host/a.git", "task: repo");
    tap_ok(!task->ref, "task: no ref");
    tap_int(task->prompt_bytes, 12, "task: prompt");
    tap_int((int64_t)task->verify.count, 2, "task: verify names");
    tap_string(task->verify.items[1], "test", "task: verify in order");
    tap_int(task->verdict, VERDICT_FAILED, "task: verdict");
    tap_string(task->reason, "verify", "task: reason");
    tap_string(task->message, "step 'test' failed", "task: message");
    tap_string(task->hint, "look at the output", "task: hint");
    tap_ok(task->retryable, "task: retryable");
    tap_string(task->commit, "abc123", "task: commit");
    tap_int(task->duration_ms, 4000, "task: duration");
    tap_int(task->attempts_allowed, 3, "task: attempts allowed");
    tap_int(task->attempts_made, 1, "task: attempts made");
    tap_int((int64_t)task->attempt_count, 1, "task: attempts");
    tap_string(task->artifacts[0].path, "tasks/fix/patch.diff",
               "task: artifact");
    tap_int(task->patch->insertions, 10, "task: patch");
    tap_int((int64_t)task->patch->violations.count, 2, "task: violations");
    tap_string(task->patch->violations.items[0].path, "ci.yml",
               "task: violation's path");
    tap_string(task->patch->findings.items[0].rule, "secret",
               "task: finding's rule");
}

static void test_attempt(const struct outcome_attempt *attempt)
{
    const struct outcome_usage *usage = &attempt->usage;

    tap_int(usage->turns, 2, "attempt: turns");
    tap_int(usage->input_tokens, 2000, "attempt: input tokens");
    tap_int(usage->cached_tokens, 1200, "attempt: cached tokens");
    tap_int(usage->output_tokens, 100, "attempt: output tokens");
    tap_int(usage->reasoning_tokens, 40, "attempt: reasoning tokens");
    tap_ok(usage->cost_known, "attempt: cost known");
    tap_int(usage->cost_microusd, 2000, "attempt: cost");
    tap_int(usage->retries, 1, "attempt: retries");
    tap_string(attempt->last_retry, "status 529", "attempt: last retry");
    tap_int(usage->tool_calls, 2, "attempt: tool calls");
    tap_int(usage->denied_calls, 1, "attempt: denied");
    tap_string(attempt->denied[0].rule, "nightly.yaml:14", "attempt: rule");
    tap_string(attempt->denied[0].summary, "curl host", "attempt: summary");
    tap_int(attempt->denied[0].turn, 2, "attempt: turn of the call");
    tap_string(attempt->commit, "abc123", "attempt: commit");
    tap_int(attempt->repository_ms, 77, "attempt: checkout");
    tap_string(attempt->sandboxes[0].purpose, "agent", "attempt: sandbox");
    tap_string(attempt->sandboxes[0].layers.items[1], "seccomp",
               "attempt: layers");
    tap_int((int64_t)attempt->step_count, 2, "attempt: steps");
    tap_int(attempt->steps[1].result, RESULT_FAILED, "attempt: step result");
    tap_int(attempt->steps[1].exit_status, 2, "attempt: step status");
    tap_string(attempt->steps[1].output, "1 of 2 failed", "attempt: output");
    tap_int(attempt->rounds, 1, "attempt: rounds");
    tap_string(attempt->failed_step, "test", "attempt: failed step");
    tap_ok(attempt->finished, "attempt: finished");
    tap_string(attempt->verdict, "failed", "attempt: verdict");
    tap_string(attempt->reason, "verify", "attempt: reason");
    tap_string(attempt->message, "step 'test' failed", "attempt: message");
}

static void test_full(void)
{
    struct run_outcome run;
    struct journal journal;

    make_full(&journal);
    run = read_journal(&journal);
    test_run(&run);
    test_task(run.tasks[0]);
    test_attempt(&run.tasks[0]->attempts[0]);
    tap_int(run.tasks[1]->verdict, VERDICT_UNFINISHED, "no result yet");
    tap_string(run.tasks[1]->reason, "unfinished", "it is called unfinished");
    tap_int(outcome_exit(&run).status, 3, "an unfinished task: incomplete");
    outcome_free(&run);
    outcome_free(&run);
    journal_free(&journal);
}

/* A kill may come at any byte. */
static void test_torn(void)
{
    struct journal journal;
    size_t wrong_torn = 0;
    size_t failed = 0;

    make_full(&journal);
    for (size_t length = 0; length <= journal.text.length; length++) {
        /* An exact copy: a read behind the end is seen by the sanitizer. */
        CLEANUP(mem_free) char *copy = malloc(length ? length : 1);
        struct run_outcome run = {0};
        const char *last;
        size_t torn;

        memcpy(copy, journal.text.data, length);
        last = length ? memrchr(copy, '\n', length) : NULL;
        torn = last ? length - (size_t)(last - copy) - 1 : length;
        if (outcome_read((struct span){copy, length}, &run, &err)) {
            failed++;
            continue;
        }
        wrong_torn += run.torn_bytes != torn;
        outcome_free(&run);
    }
    tap_int((int64_t)failed, 0, "cut at any byte, a journal is read");
    tap_int((int64_t)wrong_torn, 0, "the torn bytes are counted");
    journal_free(&journal);
}

static void expect_refusal(struct span text, const char *where,
                           const char *name)
{
    struct run_outcome run = {.jobs = 42};

    tap_int(outcome_read(text, &run, &err), -1, "refused: %s", name);
    tap_contains(err.text, where, "%s: the line is named", name);
    tap_int(run.jobs, 42, "%s: the result is not touched", name);
}

static void test_corrupt(void)
{
    CLEANUP(buffer_free) struct buffer long_line;

    expect_refusal(SPAN("{\"type\":\"x\"}\n{\"type\":\n{\"type\":\"x\"}\n"),
                   "journal: line 2: JSON", "a broken line");
    expect_refusal(SPAN("{\"type\":\"x\"}\n\n"), "journal: line 2",
                   "an empty line");
    expect_refusal(SPAN("[1]\n"), "journal: line 1: expected an object",
                   "an array");
    expect_refusal(SPAN("{\"type\":1}\n"), "journal: line 1: expected",
                   "a type that is no text");
    expect_refusal(SPAN("{\"type\":\"a\\u0000\"}\n"), "journal: line 1",
                   "NUL in a text");
    expect_refusal(SPAN("{\"type\":\"\xff\"}\n"), "journal: line 1",
                   "bytes that are no UTF-8");
    expect_refusal(SPAN("{\"type\":\"run_started\",\"format\":2}\n"),
                   "another format", "a later format");

    buffer_init(&long_line, (size_t)16 << 20);
    buffer_add_string(&long_line, "{\"type\":\"");
    while (long_line.length < (size_t)10 << 20)
        buffer_add_string(&long_line, "0123456789abcdef");
    expect_refusal(buffer_span(&long_line), "journal: line 1: longer",
                   "10 MB without a newline");
    buffer_add_string(&long_line, "\"}\n");
    expect_refusal(buffer_span(&long_line), "journal: line 1: longer",
                   "a line of 10 MB");
}

static void test_line_limit(void)
{
    CLEANUP(buffer_free) struct buffer line;
    struct run_outcome run;

    buffer_init(&line, EVENT_BYTES_MAX + 1);
    buffer_add_string(&line, "{\"type\":\"");
    while (line.length < EVENT_BYTES_MAX - 3)
        buffer_add_byte(&line, 'a');
    buffer_add_string(&line, "\"}\n");
    tap_int((int64_t)line.length, (int64_t)EVENT_BYTES_MAX, "a full line");
    run = read_text(buffer_span(&line));
    tap_int((int64_t)run.events, 1, "a line of EVENT_BYTES_MAX is read");
    outcome_free(&run);
    buffer_truncate(&line, line.length - 3);
    buffer_add_string(&line, "a\"}\n");
    expect_refusal(buffer_span(&line), "line 1: longer", "one byte more");
}

static void test_ignored(void)
{
    struct run_outcome run;
    struct journal journal;

    journal_init(&journal);
    journal_run(&journal, 1);
    journal_planned(&journal, "a", "s", "[]");
    journal_planned(&journal, "a", "other", "[]");             /* twice */
    journal_planned(&journal, "", "s", "[]");                  /* no id */
    journal_finished(&journal, "b", "passed", "verified", ""); /* no such */
    journal_attempt(&journal, "a", 0);
    journal_attempt(&journal, "a", OUTCOME_ATTEMPTS_MAX + 1);
    journal_event(&journal, "of_the_future", "a");
    journal_end(&journal);
    run = read_journal(&journal);
    tap_int((int64_t)run.events, 8, "all lines are counted");
    tap_int((int64_t)run.ignored, 6, "lines of no use are counted");
    tap_int((int64_t)run.task_count, 1, "one task is planned");
    tap_string(run.tasks[0]->suite, "s", "the first plan counts");
    tap_int((int64_t)run.tasks[0]->attempt_count, 0, "no attempt was made");
    outcome_free(&run);
    journal_free(&journal);
}

/* Wrong types and amounts; none of them may look like success. */
static void test_odd_values(void)
{
    struct run_outcome run = read_text(SPAN(
        "{\"type\":\"run_started\",\"time\":\"yesterday\",\"jobs\":-3,"
        "\"run_id\":7,\"tasks\":\"many\"}\n"
        "{\"type\":\"task_planned\",\"task\":\"a\",\"verify\":[1,\"x\",null],"
        "\"suite\":{}}\n"
        "{\"type\":\"turn_finished\",\"task\":\"a\",\"attempt\":1,"
        "\"input_tokens\":9007199254740992,\"output_tokens\":-5}\n"
        "{\"type\":\"turn_finished\",\"task\":\"a\",\"attempt\":1,"
        "\"input_tokens\":9007199254740992,\"cost_microusd\":1.5}\n"
        "{\"type\":\"tool_finished\",\"task\":\"a\",\"attempt\":1,"
        "\"decision\":\"perhaps\"}\n"
        "{\"type\":\"step_finished\",\"task\":\"a\",\"attempt\":1,"
        "\"phase\":\"verify\",\"result\":\"fine\"}\n"
        "{\"type\":\"patch_made\",\"task\":\"a\",\"attempt\":1,"
        "\"violations\":[3,{}],\"findings\":{}}\n"
        "{\"type\":\"task_finished\",\"task\":\"a\",\"verdict\":\"great\","
        "\"retryable\":\"yes\",\"hint\":[]}\n"
        "{\"type\":\"run_interrupted\",\"signal\":-9}\n"
        "{\"type\":\"run_finished\",\"exit_status\":1e15}\n"));
    const struct outcome_task *task = run.tasks[0];

    tap_ok(!run.started_at, "a time that is none is left out");
    tap_int(run.jobs, 0, "a negative amount is 0");
    tap_string(run.id, "", "a number is no id");
    tap_int((int64_t)task->verify.count, 1, "only texts are names");
    tap_int(task->usage.input_tokens, JSON_INTEGER_MAX, "sums stop at 2^53");
    tap_ok(!task->usage.cost_known, "a cost that is none is unknown");
    tap_int(task->usage.denied_calls, 1, "what was not allowed was denied");
    tap_int(task->attempts[0].steps[0].result, RESULT_FAILED,
            "an unknown result has not passed");
    tap_int(task->verdict, VERDICT_ERROR, "an unknown verdict is an error");
    tap_ok(!task->retryable && !task->hint, "wrong types are as missing");
    tap_int((int64_t)task->patch->violations.count, 2,
            "a violation without members is one all the same");
    tap_int(run.signal, SIGTERM, "an impossible signal is SIGTERM");
    tap_int(run.recorded.status, 255, "an impossible status is 255");
    outcome_free(&run);
}

static void test_cost(void)
{
    struct run_outcome run;
    struct journal journal;

    journal_init(&journal);
    journal_planned(&journal, "a", "s", "[]");
    journal_planned(&journal, "b", "s", "[]");
    journal_turn(&journal, "a", 1, 1, 100);
    journal_turn(&journal, "b", 1, 1, 100);
    journal_turn(&journal, "b", 2, 1, -1);
    run = read_journal(&journal);
    tap_ok(run.tasks[0]->usage.cost_known, "every turn has a cost");
    tap_ok(!run.tasks[1]->usage.cost_known, "one turn has none");
    tap_ok(run.tasks[1]->attempts[0].usage.cost_known,
           "the other attempt's cost is known");
    tap_ok(!run.usage.cost_known, "nor is the run's cost known then");
    tap_int(run.usage.cost_microusd, 200, "what is known is summed up");
    tap_int(run.tasks[1]->usage.turns, 2, "turns of both attempts");
    tap_ok(run.suites[0]->first->next == run.tasks[1], "tasks of a suite");
    outcome_free(&run);
    journal_free(&journal);
}

/* The last round is what reports show. */
static void test_rounds(void)
{
    const struct outcome_attempt *attempt;
    struct run_outcome run;
    struct journal journal;

    journal_init(&journal);
    journal_planned(&journal, "a", "s", "[\"x\",\"y\"]");
    journal_attempt(&journal, "a", 1);
    journal_step(&journal, "a", 1, 1, "x", "failed", "");
    journal_step(&journal, "a", 1, 2, "x", "passed", "");
    journal_step(&journal, "a", 1, 2, "y", "passed", "");
    run = read_journal(&journal);
    attempt = &run.tasks[0]->attempts[0];
    tap_int((int64_t)attempt->last_round, 1, "the second round begins");
    outcome_free(&run);

    journal_attempt(&journal, "a", 1);
    run = read_journal(&journal);
    attempt = &run.tasks[0]->attempts[0];
    tap_int((int64_t)attempt->last_round, 3, "begun anew: no round yet");
    outcome_free(&run);

    journal_step(&journal, "a", 1, 2, "x", "failed", "");
    run = read_journal(&journal);
    attempt = &run.tasks[0]->attempts[0];
    tap_int((int64_t)attempt->last_round, 3, "its rounds are its own");
    tap_int((int64_t)run.tasks[0]->attempt_count, 1, "it is one attempt");
    outcome_free(&run);
    journal_free(&journal);
}

/* A run that was interrupted and gone on with. */
static void test_resumed(void)
{
    struct run_outcome run;
    struct journal journal;

    journal_init(&journal);
    journal_run(&journal, 1);
    journal_planned(&journal, "a", "s", "[]");
    journal_finished(&journal, "a", "error", "network", "cut");
    journal_signal(&journal, SIGINT);
    journal_signal(&journal, SIGTERM);
    run = read_journal(&journal);
    tap_int(run.signal, SIGINT, "the first signal counts");
    outcome_free(&run);

    journal_run(&journal, 1);
    journal_event(&journal, "task_started", "a");
    journal_end(&journal);
    run = read_journal(&journal);
    tap_int(run.signal, 0, "gone on with: no longer interrupted");
    tap_int(run.tasks[0]->verdict, VERDICT_UNFINISHED, "started again");
    outcome_free(&run);

    journal_finished(&journal, "a", "passed", "verified", "");
    run = read_journal(&journal);
    tap_int(run.tasks[0]->verdict, VERDICT_PASSED, "the last result counts");
    tap_int(outcome_exit(&run).status, 0, "and decides");
    outcome_free(&run);
    journal_free(&journal);
}

/* Ids in order, the worst case of a tree that does not balance itself. */
static void test_many(void)
{
    struct run_outcome run;
    struct journal journal;
    size_t wrong = 0;

    journal_init(&journal);
    for (int i = 0; i < 20000; i++) {
        CLEANUP(mem_free) char *id = mem_format("task-%06d", i);
        CLEANUP(mem_free) char *suite = mem_format("suite-%06d", i / 2);

        journal_planned(&journal, id, suite, "[]");
        journal_finished(&journal, id, "passed", "verified", "");
    }
    run = read_journal(&journal);
    tap_int((int64_t)run.task_count, 20000, "20000 tasks");
    tap_int((int64_t)run.suite_count, 10000, "10000 suites");
    for (size_t i = 0; i < run.task_count; i++) {
        CLEANUP(mem_free) char *id = mem_format("task-%06zu", i);

        wrong += strcmp(run.tasks[i]->id, id) != 0 ||
                 run.tasks[i]->verdict != VERDICT_PASSED;
    }
    tap_int((int64_t)wrong, 0, "in planned order, each with its result");
    outcome_free(&run);
    journal_free(&journal);
}

static void test_lists(void)
{
    struct run_outcome run;
    struct arena arena = {0};
    struct journal journal;
    struct json *event;

    journal_init(&journal);
    journal_planned(&journal, "a", "s", "[]");
    event = journal_event(&journal, "patch_made", "a");
    json_member_int(event, "attempt", 1);
    json_key(event, "violations");
    json_array(event);
    for (int i = 0; i < OUTCOME_LIST_MAX + 7; i++)
        add_note(event, "p", "r");
    json_end(event);
    journal_end(&journal);
    for (int i = 0; i < OUTCOME_LIST_MAX + 1; i++) {
        event = journal_event(&journal, "tool_finished", "a");
        json_member_int(event, "attempt", 1);
        json_member_string(event, "decision", "deny");
        journal_end(&journal);
        event = journal_event(&journal, "artifact_written", "a");
        json_member_string(event, "path", arena_format(&arena, "%d", i));
        journal_end(&journal);
        journal_event(&journal, "artifact_written", "a");
        json_member_string(event, "path", "written again");
        journal_end(&journal);
    }
    arena_free(&arena);
    run = read_journal(&journal);
    tap_int((int64_t)run.tasks[0]->patch->violations.count, OUTCOME_LIST_MAX,
            "a list has a limit");
    tap_int((int64_t)run.tasks[0]->patch->violations.dropped, 7,
            "and says what it left out");
    tap_int((int64_t)run.tasks[0]->attempts[0].denied_count, OUTCOME_LIST_MAX,
            "denied calls that are kept");
    tap_int(run.usage.denied_calls, OUTCOME_LIST_MAX + 1, "and all of them");
    tap_int((int64_t)run.tasks[0]->artifact_count, OUTCOME_LIST_MAX,
            "artifacts that are kept");
    outcome_free(&run);
    journal_free(&journal);
}

int main(void)
{
    test_full();
    test_torn();
    test_corrupt();
    test_line_limit();
    test_ignored();
    test_odd_values();
    test_cost();
    test_rounds();
    test_resumed();
    test_many();
    test_lists();
    return tap_done();
}
