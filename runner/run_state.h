/* Private to the supervisor's files: what it knows of the run that it leads.
 *
 *     supervisor.c        starts and ends workers; the loop
 *     supervisor_asks.c   what workers ask, and when they are answered
 *     supervisor_stop.c   when a run ends before its tasks do */
#ifndef NIGHTJAR_RUNNER_RUN_STATE_H
#define NIGHTJAR_RUNNER_RUN_STATE_H

#include "runner/gate.h"
#include "runner/guard.h"
#include "runner/link.h"
#include "runner/pins.h"
#include "runner/run_journal.h"
#include "runner/supervisor.h"
#include "runner/worker_table.h"

/* What a worker may take beyond an attempt's time: to land its work and to
 * put away its checkout. */
#define WORKER_GRACE_MS 300000

struct run {
    struct supervision *supervision;
    struct guard guard;
    struct sandbox_filter filter; /* shared by all sandboxes */
    int events;                   /* epoll */
    int signals;
    int64_t began;
    struct worker *workers; /* `jobs` places; task is NULL in a free one */
    size_t jobs;
    size_t running;
    size_t *order;        /* of the tasks, as they are started */
    size_t next;          /* place in it of the task to start */
    size_t pilot;         /* that go first, alone; 0 once they are done */
    size_t done;          /* tasks with a verdict */
    size_t failed;        /* of them: failed or error; … */
    size_t failed_before; /* … before the run was gone on with */
    bool keep;            /* something is left to go on with */
    enum link_stop stop;
    int signal;    /* the first that came */
    bool stop_now; /* the second one */
    struct run_journal journal;
    struct gate gate;
    struct pins pins;
};

/* ---- supervisor_asks.c ---- */

/* Handles a worker's question (worker_table.h). */
int run_take_ask(void *context, struct worker *worker, const cJSON *ask,
                 struct error *err);

/* Answers every question that can be answered now. */
int run_answer_asks(struct run *run, struct error *err);

/* ---- supervisor_stop.c ---- */

/* Starts nothing more; running tasks finish their turn. */
void run_ask_to_stop(struct run *run, enum link_stop stop);

/* Ends every worker. */
void run_kill_all(struct run *run);

/* Stops a run that has reached one of its limits. */
void run_check_limits(struct run *run);

/* Reads a signal that came: the first asks to stop, the second ends all. */
int run_take_signal(struct run *run, struct error *err);

#endif
