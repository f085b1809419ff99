/* Reports of test journals, and a strict XML reader to check them with. */
#ifndef NIGHTJAR_TESTS_UNIT_REPORTS_H
#define NIGHTJAR_TESTS_UNIT_REPORTS_H

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/memory.h"
#include "reporters/reporter.h"
#include "tests/tap.h"
#include "tests/unit/journal.h"

#define REPORT_BYTES_MAX ((size_t)256 << 20)

extern char **environ;

static struct error err __attribute__((unused));
static const struct report_options plain = {0};

static inline struct run_outcome read_journal(const struct journal *journal)
{
    struct run_outcome outcome = {0};

    if (outcome_read(buffer_span(&journal->text), &outcome, &err))
        tap_ok(false, "the journal is read: %s", err.text);
    return outcome;
}

/* The report of an outcome; the caller frees it. */
static inline struct buffer write_report(const char *name,
                                         const struct run_outcome *outcome)
{
    struct buffer out;

    buffer_init(&out, REPORT_BYTES_MAX);
    if (reporter_find(name)->write(outcome, &plain, &out, &err))
        tap_ok(false, "%s is written: %s", name, err.text);
    return out;
}

static inline struct buffer report_of(const char *name,
                                      const struct journal *journal)
{
    struct run_outcome outcome = read_journal(journal);
    struct buffer out = write_report(name, &outcome);

    outcome_free(&outcome);
    return out;
}

/* ---- other readers ----------------------------------------------------- */

/* Runs xmllint with the text as standard input, to check it (argument "") or
 * for what an XPath expression gives; returns its exit status. */
static inline int xmllint(struct span text, const char *argument,
                          struct buffer *out)
{
    CLEANUP(mem_free) char *path = mem_string(argument);
    char program[] = "xmllint";
    char xpath[] = "--xpath";
    char check[] = "--noout";
    char here[] = "-";
    char *const reading[] = {program, check, here, NULL};
    char *const asking[] = {program, xpath, path, here, NULL};
    CLEANUP(fd_close) int input = file_memory("report", text, &err);
    CLEANUP(fd_close) int output = -1;
    posix_spawn_file_actions_t actions;
    int pipes[2];
    int status = -1;
    pid_t pid;

    if (input < 0 || pipe2(pipes, O_CLOEXEC))
        return -1;
    output = pipes[0];
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, pipes[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, pipes[1], STDERR_FILENO);
    if (posix_spawnp(&pid, program, &actions, NULL,
                     *argument ? asking : reading, environ))
        pid = -1;
    posix_spawn_file_actions_destroy(&actions);
    close(pipes[1]);
    file_read_fd(output, out, &err);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static inline void expect_well_formed(struct span text, const char *name)
{
    CLEANUP(buffer_free) struct buffer out;
    int status;

    buffer_init(&out, (size_t)1 << 20);
    status = xmllint(text, "", &out);
    if (!tap_int(status, 0, "%s: xmllint takes it", name))
        tap_note("%.300s", out.data);
}

/* What an XPath expression gives, as xmllint prints it. */
static inline void expect_xpath(struct span text, const char *path,
                                const char *want)
{
    CLEANUP(buffer_free) struct buffer out;

    buffer_init(&out, (size_t)1 << 20);
    xmllint(text, path, &out);
    while (out.length && out.data[out.length - 1] == '\n')
        buffer_truncate(&out, out.length - 1);
    tap_string(out.data, want, "%s", path);
}

/* ---- a run with each verdict ------------------------------------------- */

static inline void add_artifact(struct journal *journal, const char *task,
                                const char *name, const char *path)
{
    struct json *event = journal_event(journal, "artifact_written", task);

    json_member_string(event, "name", name);
    json_member_string(event, "path", path);
    json_member_int(event, "bytes", 5);
    journal_end(journal);
}

static inline void add_patch(struct journal *journal, const char *task,
                             const char *path, const char *rule,
                             const char *message)
{
    struct json *event = journal_event(journal, "patch_made", task);

    json_member_int(event, "attempt", 1);
    json_member_int(event, "files", 1);
    for (int i = 0; i < 2; i++) {
        json_key(event, i ? "findings" : "violations");
        json_array(event);
        json_object(event);
        json_member_string(event, "path", path);
        json_member_string(event, "rule", rule);
        json_member_string(event, "message", message);
        json_end(event);
        json_end(event);
    }
    journal_end(journal);
}

static inline void make_mixed(struct journal *journal)
{
    journal_init(journal);
    journal_run(journal, 6);
    journal_planned(journal, "good", "nightly", "[\"lint\",\"test\"]");
    journal_planned(journal, "bad", "nightly", "[\"lint\",\"test\",\"docs\"]");
    journal_planned(journal, "cut", "nightly", "[\"test\"]");
    journal_planned(journal, "broken", "other", "[]");
    journal_planned(journal, "left", "other", "[\"test\"]");
    journal_planned(journal, "ruled", "other", "[]");

    journal_attempt(journal, "good", 1);
    journal_turn(journal, "good", 1, 1, 1250000);
    journal_step(journal, "good", 1, 1, "lint", "failed", "old round");
    journal_step(journal, "good", 1, 2, "lint", "passed", "");
    journal_step(journal, "good", 1, 2, "test", "passed", "");
    add_artifact(journal, "good", "patch", "tasks/good/patch.diff");
    add_artifact(journal, "good", "final", "tasks/good/final.md");
    journal_finished(journal, "good", "passed", "verified", "all steps passed");

    journal_attempt(journal, "bad", 1);
    journal_turn(journal, "bad", 1, 1, -1);
    journal_step(journal, "bad", 1, 1, "lint", "passed", "");
    journal_step(journal, "bad", 1, 1, "test", "failed", "1 < 2 & \"3\"\nend");
    journal_finished(journal, "bad", "failed", "verify", "step 'test' failed");

    journal_finished(journal, "cut", "skipped", "fail_fast",
                     "a task before it failed");
    journal_finished(journal, "broken", "error", "network", "no route to host");
    add_patch(journal, "ruled", "ci.yml", "protect", "must not change");
    journal_finished(journal, "ruled", "failed", "policy", "");
}

#endif
