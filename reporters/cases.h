/* Test cases of a run, for the formats that have them, so that their numbers
 * agree.
 *
 * A suite for each manifest; in it a case for each task (classname: suite;
 * name: id and matrix cell) and one for each verify step that was planned
 * (classname: suite.id; name: step), by the last round of the task's last
 * attempt. A step that this round did not come to is skipped and says why.
 *
 * Times of cases add up to the tasks' durations: the case of a task has what
 * its verify cases leave. Names are clean, one line, not empty, and unique
 * together with the classname. */
#ifndef NIGHTJAR_REPORTERS_CASES_H
#define NIGHTJAR_REPORTERS_CASES_H

#include "base/arena.h"
#include "reporters/reporter.h"

enum case_result {
    CASE_PASSED,
    CASE_FAILED,
    CASE_ERROR,
    CASE_SKIPPED,
    CASE_RESULTS
};

struct test_case {
    const char *classname;
    const char *name;
    enum case_result result;
    int64_t time_ms;
    const struct outcome_task *task;
    bool is_step;
    const struct outcome_step *step; /* of a step that ran */
    const char *why; /* it is skipped; may be NULL if it is not */
};

struct case_suite {
    const char *name;
    struct test_case *cases;
    size_t count;
    size_t results[CASE_RESULTS];
    int64_t time_ms;
};

struct cases {
    struct arena arena;
    struct case_suite *suites;
    size_t count;
    struct case_suite total; /* named as the run; has no cases */
};

struct cases cases_of(const struct run_outcome *outcome);
void cases_free(struct cases *cases);

/* One short clean line: what is wrong; in the arena. */
const char *case_message(struct arena *arena, const struct test_case *test);

/* All that is known about it, untrusted; its first line is the message, since
 * some readers show only the text. */
void case_text(struct arena *arena, struct buffer *out,
               const struct test_case *test);

#endif
