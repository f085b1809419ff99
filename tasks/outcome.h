/* The outcome of a run: what its journal says, as plain data.
 *
 *     struct run_outcome outcome;
 *     if (outcome_read(journal, &outcome, &err)) ...
 *     struct exit_status exit = outcome_exit(&outcome);
 *     outcome_free(&outcome);
 *
 * A pure projection of the events of tasks/event.h: the same bytes give the
 * same outcome. All memory is in one arena. Strings are UTF-8 without NUL,
 * never NULL unless said, "" when the journal has none, and as untrusted as
 * whatever they came from: each reporter makes them safe for its format.
 * Numbers are clamped to 0 … 2^53. Times are RFC 3339 in UTC.
 *
 * A task that is planned twice keeps its place; of several task_finished the
 * last counts; task_started takes an earlier verdict back. A second
 * run_started (a run that is gone on with) takes back how the run ended. */
#ifndef NIGHTJAR_TASKS_OUTCOME_H
#define NIGHTJAR_TASKS_OUTCOME_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"
#include "tasks/task.h"

#define OUTCOME_ATTEMPTS_MAX                                              \
    1000                       /* of one task; higher numbers are ignored \
                                */
#define OUTCOME_NAMES_MAX 1000 /* steps of one list */
#define OUTCOME_LIST_MAX 1000  /* kept of calls, violations, findings… */

enum verdict {
    VERDICT_PASSED,
    VERDICT_FAILED,
    VERDICT_ERROR,
    VERDICT_SKIPPED,
    VERDICT_UNFINISHED, /* no task_finished; in reports an error */
    VERDICTS
};

/* Sums; those of a task are over its attempts, those of a run over its
 * tasks. */
struct outcome_usage {
    int64_t turns;
    int64_t input_tokens;
    int64_t cached_tokens; /* of the input tokens */
    int64_t output_tokens;
    int64_t reasoning_tokens; /* of the output tokens */
    int64_t cost_microusd;    /* of the turns whose cost is known */
    bool cost_known;          /* of every turn */
    int64_t retries;          /* requests sent again */
    int64_t estimated_tokens; /* of responses that broke off; among the input
                                 and output tokens */
    int64_t compactions;      /* their tokens and cost are among the others', */
    int64_t compaction_tokens;
    int64_t compaction_microusd;
    int64_t compaction_ms;
    int64_t reviews; /* and those of reviews too */
    int64_t review_microusd;
    int64_t tool_calls;
    int64_t denied_calls; /* of the tool calls */
};

enum outcome_phase { PHASE_SETUP, PHASE_BASE, PHASE_VERIFY, PHASES };
enum outcome_result {
    RESULT_PASSED,
    RESULT_FAILED,
    RESULT_TIMEOUT,
    RESULT_KILLED,
    RESULTS
};

struct outcome_step {
    int64_t ended_ms; /* since 1970; -1: not known */
    enum outcome_phase phase;
    int64_t round; /* from 1 */
    const char *name;
    enum outcome_result result;
    int64_t exit_status; /* -1: none */
    int64_t signal;      /* 0: none */
    int64_t duration_ms;
    const char *output;   /* head and tail */
    int64_t output_bytes; /* before cutting */
};

struct outcome_turn {
    int64_t ended_ms; /* since 1970; -1: not known */
    int64_t number;
    int64_t duration_ms;
    int64_t input_tokens;
    int64_t cached_tokens;
    int64_t output_tokens;
    int64_t cost_microusd; /* -1: not known */
    int64_t calls;
};

struct outcome_call { /* a tool call */
    int64_t ended_ms; /* since 1970; -1: not known */
    int64_t turn;
    const char *id; /* that the model gave it */
    const char *tool;
    const char *call; /* the command or the arguments, cut */
    bool allowed;
    bool reviewed;
    bool ok;
    const char *rule;   /* "file:line"; may be NULL */
    const char *reason; /* of the decision */
    const char *summary;
    int64_t duration_ms;
};

struct outcome_plan_step {
    const char *step;
    const char *status; /* pending, in_progress, completed */
};

struct outcome_sandbox {
    const char *purpose; /* agent, verify, base */
    struct strings layers;
    struct strings missing; /* "landlock: why it is not there" */
};

struct outcome_attempt {
    int64_t number;     /* from 1 */
    int64_t started_ms; /* since 1970; -1: not known */
    int64_t ended_ms;   /* -1 until finished */
    bool finished;
    const char *verdict; /* a word; "" until finished */
    const char *reason;
    const char *message;
    const char *commit; /* that was checked out; may be NULL */
    int64_t repository_ms;
    struct outcome_usage usage;
    const char *last_retry; /* message of the last retry; may be NULL */
    struct outcome_sandbox *sandboxes;
    size_t sandbox_count;
    struct outcome_step *steps; /* in the order they ended */
    size_t step_count;
    size_t last_round; /* index of the first step of the last verify round */
    int64_t rounds;    /* of verify_finished */
    const char *failed_step; /* of the last round; may be NULL */
    /* At most OUTCOME_LIST_MAX of each; what is over it is in usage. */
    struct outcome_turn *turns;
    size_t turn_count;
    struct outcome_call *calls;
    size_t call_count;
    struct outcome_call *denied; /* by the policy, also among the calls */
    size_t denied_count;
};

struct outcome_note { /* a violation or finding in a patch */
    const char *path; /* "" for the whole patch */
    const char *rule;
    const char *message;
};

struct outcome_notes {
    struct outcome_note *items;
    size_t count;
    size_t dropped; /* over OUTCOME_LIST_MAX */
};

struct outcome_patch {
    int64_t files;
    int64_t insertions;
    int64_t deletions;
    int64_t bytes;
    const char *tree; /* that it gives; "" if it is not told */
    struct outcome_notes violations;
    struct outcome_notes findings;
};

struct outcome_artifact {
    const char *name;
    const char *path; /* in the run directory */
    int64_t bytes;
};

struct outcome_task {
    const char *id; /* unique, not empty */
    const char *suite;
    const char *cell; /* "" if none */
    const char *repo;
    const char *ref; /* may be NULL */
    int64_t prompt_bytes;
    struct strings setup; /* names of the steps, as planned */
    struct strings verify;
    const char
        *definition; /* hash of model, repository, prompt, setup and checks;
                        "" if none */
    bool started;
    int64_t started_ms; /* since 1970, the first time; -1: not known */
    int64_t ended_ms;   /* when it got its verdict; -1: not known */
    int64_t attempts_allowed;
    enum verdict verdict;
    const char *reason; /* "unfinished" if it is that */
    const char *message;
    const char *hint; /* may be NULL */
    bool retryable;
    const char *commit;      /* may be NULL */
    const char *finished_at; /* when it got its verdict; may be NULL */
    int64_t number;          /* in the whole plan, of all parts */
    int64_t duration_ms;
    const char *prefix; /* the cache key of its first request; "" if none */
    int64_t position;   /* how many of that prefix went before */
    int64_t waited_ms;  /* for the first of them */
    int64_t first_input_tokens; /* of its first turn */
    int64_t first_cached_tokens;
    int64_t attempts_made;   /* as task_finished says */
    int64_t attempts_before; /* of tries before it was begun anew */
    struct outcome_attempt *attempts;
    size_t attempt_count;
    struct outcome_usage usage;
    const struct outcome_plan_step *plan; /* the agent's last one */
    size_t plan_count;
    const struct outcome_patch *patch; /* the last one; may be NULL */
    struct outcome_artifact *artifacts;
    size_t artifact_count;
    struct outcome_task *next; /* of the same suite; NULL for the last */
};

struct outcome_suite {
    const char *name;
    struct outcome_task *first;
    struct outcome_task *last;
    size_t count;
};

struct exit_status {
    int status;
    const char *name;
    bool retryable; /* trying the same again may end otherwise */
};

struct run_outcome {
    struct arena arena;
    const char *id;
    const char *name;
    const char *version; /* of nightjar */
    const char *model;
    const char *provider;
    const char *started_at; /* NULL: no run_started */
    int64_t started_ms;     /* the same since 1970; -1: not known */
    int64_t ended_ms;       /* -1 until finished */
    int64_t jobs;
    int64_t tasks_announced; /* by run_started */
    int64_t shard;           /* which part it is, from 1; 0: all */
    int64_t shards;
    int64_t whole;           /* tasks of all parts */
    int64_t signal;          /* that interrupted the run; 0: none */
    bool finished;           /* these four by run_finished */
    const char *finished_at; /* may be NULL */
    int64_t duration_ms;
    struct exit_status recorded;
    struct outcome_task **tasks; /* in planned order */
    size_t task_count;
    struct outcome_suite **suites; /* in the order of their first tasks */
    size_t suite_count;
    size_t counts[VERDICTS];
    int64_t lost_tokens; /* the most that requests took whose workers died */
    int64_t lost_microusd;
    struct outcome_usage usage;
    size_t events;     /* whole lines */
    size_t ignored;    /* of them: unknown type, unknown task, no use */
    size_t torn_bytes; /* of a last line without its newline */
};

/* Reads a whole journal. Errors, with nothing to free, are ERROR_PROTOCOL and
 * name the line: a line that is no event, one longer than EVENT_BYTES_MAX, a
 * format that this version does not know. A torn last line is no error. */
int outcome_read(struct span journal, struct run_outcome *outcome,
                 struct error *err);

void outcome_free(struct run_outcome *outcome);

/* How the program ends after such a run. The first row that holds:
 *
 *   holds when                                 status  name         retryable
 *   a signal interrupted the run               130     interrupted  yes
 *     (SIGINT; any other signal)               143     terminated   yes
 *   a task was skipped by a limit of the run   4       limit        yes
 *     (fail_fast, failures, run_budget)
 *   a task ended in error or not at all, or    3       incomplete   some task
 *     fewer were planned than announced                             says so
 *   a task failed                              1       failed       no
 *   else                                       0       passed       no
 *
 * An unfinished task, one that was not planned, and one that was skipped as
 * interrupted without a signal in the journal count as retryable errors. 2
 * (usage) and 70 (internal) are for callers that have no outcome. */
struct exit_status outcome_exit(const struct run_outcome *outcome);

/* The words of reports; never NULL. */
const char *verdict_name(enum verdict verdict);
const char *outcome_phase_name(enum outcome_phase phase);
const char *outcome_result_name(enum outcome_result result);

#endif
