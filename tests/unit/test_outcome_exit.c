/* The exit status that follows from the outcome of a run. */
#include <signal.h>

#include "base/memory.h"
#include "tasks/outcome.h"
#include "tests/tap.h"
#include "tests/unit/journal.h"

/* Each row: what the tasks came to ("verdict:reason", "-" for no result). */
static const struct exit_row {
    const char *tasks[4];
    int announced;
    int signal;
    int status;
    const char *name;
    bool retryable;
} exit_rows[] = {
    {{NULL}, 0, 0, 0, "passed", false},
    {{"passed:verified"}, 1, 0, 0, "passed", false},
    {{"passed:verified", "skipped:of_the_future"}, 2, 0, 0, "passed", false},
    {{"passed:verified", "failed:verify"}, 2, 0, 1, "failed", false},
    {{"failed:verify", "error:sandbox"}, 2, 0, 3, "incomplete", false},
    {{"failed:verify", "-"}, 2, 0, 3, "incomplete", true},
    {{"passed:verified"}, 2, 0, 3, "incomplete", true},
    {{"skipped:interrupted"}, 1, 0, 3, "incomplete", true},
    {{"failed:verify", "skipped:fail_fast"}, 2, 0, 4, "limit", true},
    {{"error:network", "skipped:failures"}, 2, 0, 4, "limit", true},
    {{"passed:verified", "skipped:run_budget"}, 2, 0, 4, "limit", true},
    {{"skipped:fail_fast", "error:network"},
     2,
     SIGINT,
     130,
     "interrupted",
     true},
    {{"passed:verified"}, 1, SIGTERM, 143, "terminated", true},
    {{"failed:verify"}, 1, SIGHUP, 143, "terminated", true},
};

static void test_exit_row(const struct exit_row *row, size_t number)
{
    struct run_outcome run = {0};
    struct error err;
    struct exit_status status;
    struct journal journal;

    journal_init(&journal);
    journal_run(&journal, row->announced);
    for (int i = 0; i < 4 && row->tasks[i]; i++) {
        const char *reason = strchr(row->tasks[i], ':');
        char id[2] = {(char)('a' + i)};
        char verdict[16];

        journal_planned(&journal, id, "s", "[]");
        if (!reason)
            continue;
        snprintf(verdict, sizeof(verdict), "%.*s",
                 (int)(reason - row->tasks[i]), row->tasks[i]);
        journal_finished(&journal, id, verdict, reason + 1, "");
    }
    if (row->signal)
        journal_signal(&journal, row->signal);
    if (outcome_read(buffer_span(&journal.text), &run, &err))
        tap_ok(false, "the journal is read: %s", err.text);
    status = outcome_exit(&run);
    tap_int(status.status, row->status, "exit row %zu: status", number);
    tap_string(status.name, row->name, "exit row %zu: name", number);
    tap_int(status.retryable, row->retryable, "exit row %zu: retry", number);
    outcome_free(&run);
    journal_free(&journal);
}

int main(void)
{
    for (size_t i = 0; i < ARRAY_LENGTH(exit_rows); i++)
        test_exit_row(&exit_rows[i], i);
    return tap_done();
}
