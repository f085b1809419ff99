/* One attempt at a task: checkout, sandbox, setup, agent, patch, policy,
 * verification in a clean checkout, verdict. */
#ifndef NIGHTJAR_RUNNER_ATTEMPT_H
#define NIGHTJAR_RUNNER_ATTEMPT_H

#include "runner/agent/loop.h"
#include "runner/agent/record.h"
#include "runner/link.h"
#include "tasks/mirror.h"

struct attempt_verdict {
    const char *verdict; /* passed, failed, error, skipped */
    const char *reason;  /* see tasks/event.h */
    char message[1024];
    char hint[512];
};

struct attempt_request {
    const struct task *task;
    struct link *link;
    struct mirror *mirror;               /* in the cache */
    const struct mirror_request *remote; /* it is of */
    const char *scratch;                 /* a folder that exists */
    const char *key;                     /* of the model; may be NULL */
    const char *passage;                 /* place.h */
    const struct sandbox_filter *filter;
    const struct run_settings *run;
    struct tape_settings tape;
    size_t index;   /* of the task in its plan */
    int64_t number; /* from 1 */
    int64_t deadline;
    struct agent_totals totals; /* of the attempts before */
    struct record *record;      /* to go on from; NULL: a new attempt */
    int64_t verify_rounds;      /* that were before */
};

/* Tries once. Always gives a verdict; totals are brought forward. The
 * workspace stays in the scratch folder. */
void attempt_run(struct attempt_request *request,
                 struct attempt_verdict *verdict);

/* Whether the task's checks fail on the pinned commit, as verify_expect:
 * fail_then_pass wants. Returns 0 when they do; else -1 and the verdict. */
int attempt_check_base(const struct attempt_request *request,
                       struct attempt_verdict *verdict);

void verdict_set(struct attempt_verdict *verdict, const char *word,
                 const char *reason, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The verdict `error` of a failure. */
void verdict_from_error(struct attempt_verdict *verdict,
                        const struct error *err);

#endif
