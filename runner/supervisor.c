#include "runner/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "runner/ending.h"
#include "runner/gate.h"
#include "runner/guard.h"
#include "runner/run_journal.h"
#include "runner/worker.h"
#include "runner/worker_table.h"
#include "tasks/event.h"
#include "tasks/outcome.h"

/* What a worker may take beyond an attempt's time: to land its work and to
 * put away its checkout. */
#define WORKER_GRACE_MS 300000
#define REST_TIMEOUT_MS 5000 /* for what a dead worker had sent */
#define WORKERS_MAX 1024

struct run {
    struct supervision *supervision;
    struct guard guard;
    struct sandbox_filter filter; /* shared by all sandboxes */
    int signals;
    int64_t began;
    struct worker *workers; /* `jobs` places; task is NULL in a free one */
    size_t jobs;
    size_t running;
    size_t next;   /* task to start */
    size_t done;   /* tasks with a verdict */
    size_t failed; /* of them: failed or error */
    bool keep;     /* something is left to go on with */
    enum link_stop stop;
    int signal;    /* the first that came */
    bool stop_now; /* the second one */
    struct run_journal journal;
    struct gate gate;
};

static int write_task_end(struct run *run, const struct task *task,
                          const struct ending *ending,
                          const struct worker *worker, struct error *err)
{
    struct json event =
        run_journal_begin(&run->journal, "task_finished", task->id);

    json_member_string(&event, "verdict", ending->verdict);
    json_member_string(&event, "reason", ending->reason);
    json_member_string(&event, "message", ending->message);
    run_journal_optional(&event, "hint", ending->hint);
    json_member_bool(&event, "retryable", ending->retryable);
    json_member_int(&event, "attempts", worker ? worker->attempts : 0);
    run_journal_optional(&event, "commit",
                         worker && *worker->commit ? worker->commit : NULL);
    json_member_int(&event, "duration_ms",
                    worker ? clock_elapsed_ms(worker->began) : 0);
    run->done++;
    run->failed +=
        !strcmp(ending->verdict, "failed") || !strcmp(ending->verdict, "error");
    return run_journal_write(&run->journal, &event, err);
}

/* ---- stopping ---------------------------------------------------------- */

/* Starts nothing more; running tasks finish their turn. */
static void ask_to_stop(struct run *run, enum link_stop stop)
{
    char byte = (char)stop;

    if (run->stop)
        return;
    run->stop = stop;
    for (size_t i = 0; i < run->jobs; i++) {
        struct worker *worker = &run->workers[i];

        /* A worker that is gone already is noticed by its pidfd. */
        if (worker->task &&
            send(worker->socket, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
            continue;
    }
}

static void kill_all(struct run *run)
{
    for (size_t i = 0; i < run->jobs; i++) {
        if (!run->workers[i].task)
            continue;
        run->workers[i].stopped = true;
        kill(run->workers[i].pid, SIGKILL);
    }
}

static void check_limits(struct run *run)
{
    const struct run_settings *limits = &run->supervision->plan->run;
    size_t total = run->supervision->plan->count;

    if (limits->fail_fast && run->failed)
        ask_to_stop(run, LINK_STOP_FAIL_FAST);
    if (limits->failures_percent >= 0 &&
        (int64_t)(run->failed * 100) >
            limits->failures_percent * (int64_t)total)
        ask_to_stop(run, LINK_STOP_FAILURES);
    if ((limits->budget_tokens >= 0 &&
         run->gate.spent.tokens >= limits->budget_tokens) ||
        (limits->budget_cost_microusd >= 0 &&
         run->gate.spent.cost_microusd >= limits->budget_cost_microusd) ||
        (limits->budget_time_ms >= 0 &&
         clock_now_ms() - run->began >= limits->budget_time_ms))
        ask_to_stop(run, LINK_STOP_BUDGET);
}

static int take_signal(struct run *run, struct error *err)
{
    struct signalfd_siginfo info;
    struct json event;

    if (read(run->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return 0;
    run->stop_now = run->signal != 0;
    if (!run->signal)
        run->signal = (int)info.ssi_signo;
    event = run_journal_begin(&run->journal, "run_interrupted", NULL);
    json_member_int(&event, "signal", run->signal);
    json_member_string(&event, "action", run->stop_now ? "stop" : "finish");
    if (run_journal_write(&run->journal, &event, err))
        return -1;
    ask_to_stop(run, LINK_STOP_INTERRUPTED);
    if (run->stop_now)
        kill_all(run);
    return 0;
}

/* ---- workers ----------------------------------------------------------- */

static int on_event(void *context, struct worker *worker, const cJSON *event,
                    struct span line, struct error *err)
{
    struct run *run = context;
    const char *type = json_get_text(event, "type", "");

    if (!strcmp(type, "attempt_started") || !strcmp(type, "attempt_resumed"))
        worker->kill_at =
            clock_deadline(worker->task->timeout_ms + WORKER_GRACE_MS);
    return run_journal_accept(&run->journal, event, line, err);
}

/* ---- who may send a request -------------------------------------------- */

static struct gate_amount amount_of(const cJSON *ask)
{
    return (struct gate_amount){json_get_int64(ask, "tokens", -1),
                                json_get_int64(ask, "cost_microusd", -1)};
}

static int on_ask(void *context, struct worker *worker, const cJSON *ask,
                  struct error *err)
{
    struct run *run = context;
    size_t slot = (size_t)(worker - run->workers);
    const char *what = json_get_text(ask, "ask", "");
    struct gate_amount amount = amount_of(ask);
    int64_t now = clock_now_ms();
    int wrong = 0;

    if (!strcmp(what, "sync")) {
        if (run_directory_sync(run->supervision->directory, err))
            return -1;
        worker_answer(worker, true);
    } else if (!strcmp(what, "lease")) {
        wrong =
            gate_lease(&run->gate, slot, json_get_text(ask, "key", ""), now);
    } else if (!strcmp(what, "reserve")) {
        wrong = gate_reserve(&run->gate, slot, amount,
                             json_get_true(ask, "last"), now);
    } else if (!strcmp(what, "began")) {
        gate_began(&run->gate, slot, now);
    } else if (!strcmp(what, "settle")) {
        gate_settle(&run->gate, slot, amount);
    } else {
        wrong = -1;
    }
    if (wrong)
        worker_fault(worker, "asked what it may not: %.40s", what);
    return 0;
}

static int note_lease(struct run *run, const struct gate_answer *answer,
                      struct error *err)
{
    const struct worker *worker = &run->workers[answer->slot];
    struct json event =
        run_journal_begin(&run->journal, "prefix_leased", worker->task->id);

    json_member_string(&event, "prefix",
                       run->gate.slots[answer->slot].group->key);
    json_member_int(&event, "position", answer->position);
    json_member_bool(&event, "leader", answer->leader);
    json_member_int(&event, "waited_ms", answer->waited_ms);
    return run_journal_write(&run->journal, &event, err);
}

static int answer_asks(struct run *run, struct error *err)
{
    struct gate_answer answer;

    while (gate_next(&run->gate, clock_now_ms(), &answer)) {
        struct worker *worker = &run->workers[answer.slot];

        if (!answer.yes && answer.last)
            ask_to_stop(run, LINK_STOP_BUDGET);
        if (answer.lease && note_lease(run, &answer, err))
            return -1;
        worker_answer(worker, answer.yes);
    }
    return 0;
}

static int receive_some(struct run *run, struct worker *worker,
                        struct error *err)
{
    const struct worker_handler handler = {on_event, on_ask, run};

    return worker_receive(worker, run->supervision->directory, &handler, err);
}

static int start_worker(struct run *run, struct worker *worker,
                        const struct task *task, struct error *err)
{
    const struct supervision *supervision = run->supervision;
    size_t index = (size_t)(task - supervision->plan->tasks);
    CLEANUP(mem_free)
    char *scratch = mem_format("%s/%zu", run->guard.scratch, index);
    CLEANUP(mem_free)
    char *checkouts = mem_format("%s/checkouts", run->guard.scratch);
    CLEANUP(mem_free)
    char *transcript = mem_format("%s/tasks/%s/transcript.jsonl",
                                  supervision->directory->path, task->id);
    const struct resume_task *resume =
        supervision->resume ? &supervision->resume[index] : NULL;
    struct worker_job job = {
        .task = task,
        .secrets = supervision->secrets,
        .key = supervision->keys[index],
        .scratch = scratch,
        .checkouts = checkouts,
        .filter = &run->filter,
        .run = &supervision->plan->run,
        .tape = supervision->tape,
        .index = index,
        .transcript = resume && resume->begun ? transcript : NULL,
        .attempt = resume ? resume->attempt : 1,
        .verify_rounds = resume ? resume->verify_rounds : 0,
        .supervisor = getpid()};

    if (resume)
        job.totals = resume->totals;
    struct json event;

    if (worker_start(worker, &job, run->guard.pipe, err))
        return -1;
    run->running++;
    event = run_journal_begin(&run->journal, "task_started", task->id);
    json_member_int(&event, "attempts", task->attempts);
    return run_journal_write(&run->journal, &event, err);
}

/* Of a run that is gone on with: what is done already, and what only lacks
 * its last word. */
static int pass_over(struct run *run, struct error *err)
{
    const struct plan *plan = run->supervision->plan;
    const struct resume_task *resume = run->supervision->resume;

    for (; resume && run->next < plan->count &&
           resume[run->next].state != RESUME_WORK;
         run->next++) {
        const struct outcome_attempt *last = resume[run->next].last;
        struct ending ending;

        if (resume[run->next].state == RESUME_DONE) {
            run->done++;
            continue;
        }
        ending = (struct ending){last->verdict, last->reason, last->message,
                                 NULL, false};
        if (write_task_end(run, &plan->tasks[run->next], &ending, NULL, err))
            return -1;
    }
    return 0;
}

static int start_workers(struct run *run, struct error *err)
{
    const struct plan *plan = run->supervision->plan;

    for (size_t i = 0; i < run->jobs; i++) {
        if (pass_over(run, err))
            return -1;
        if (run->stop || run->next == plan->count)
            return 0;
        if (!run->workers[i].task &&
            start_worker(run, &run->workers[i], &plan->tasks[run->next++], err))
            return -1;
    }
    return 0;
}

static int settle(struct run *run, struct worker *worker, int status,
                  struct error *err)
{
    char text[512];
    struct ending ending = ending_of(worker, status, text, sizeof(text));

    worker->resumable = ending_is_open(&ending);
    return write_task_end(run, worker->task, &ending, worker, err);
}

/* A worker that has ended: what it still sent, its verdict, its folder. */
static int end_worker(struct run *run, struct worker *worker, struct error *err)
{
    struct pollfd rest = {worker->socket, POLLIN, 0};
    struct error ignored;
    int status = 0;
    int result = 0;

    /* Its sandbox may hold the other end for a moment longer. */
    while (!worker->ended && !*worker->fault && !result &&
           poll(&rest, 1, REST_TIMEOUT_MS) != 0)
        result = receive_some(run, worker, err);
    while (waitpid(worker->pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!result)
        result = settle(run, worker, status, err);
    /* What cannot be removed now goes with the whole folder. */
    if (worker->resumable)
        run->keep = true;
    else
        file_remove_tree(AT_FDCWD, worker->scratch, &ignored);
    worker_free(worker);
    gate_leave(&run->gate, (size_t)(worker - run->workers));
    run->running--;
    check_limits(run);
    return result;
}

/* ---- loop -------------------------------------------------------------- */

static int64_t next_deadline(const struct run *run)
{
    const struct run_settings *limits = &run->supervision->plan->run;
    int64_t next = gate_deadline(&run->gate);

    if (limits->budget_time_ms >= 0 && !run->stop)
        next = clock_earlier(next, run->began + limits->budget_time_ms);
    for (size_t i = 0; i < run->jobs; i++) {
        if (run->workers[i].task)
            next = clock_earlier(next, run->workers[i].kill_at);
    }
    return next;
}

static void kill_late(struct run *run)
{
    int64_t now = clock_now_ms();

    for (size_t i = 0; i < run->jobs; i++) {
        struct worker *worker = &run->workers[i];

        if (!worker->task || now < worker->kill_at)
            continue;
        worker->late = true;
        worker->kill_at = CLOCK_NEVER;
        kill(worker->pid, SIGKILL);
    }
}

static int receive(struct run *run, struct worker *worker, struct error *err)
{
    if (receive_some(run, worker, err))
        return -1;
    if (*worker->fault)
        kill(worker->pid, SIGKILL);
    check_limits(run);
    return 0;
}

/* waits: the signals, then socket and pidfd of each place. */
static int dispatch(struct run *run, const struct pollfd *waits,
                    struct error *err)
{
    if (waits[0].revents && take_signal(run, err))
        return -1;
    for (size_t i = 0; i < run->jobs; i++) {
        struct worker *worker = &run->workers[i];
        const struct pollfd *socket = &waits[1 + 2 * i];

        if (!worker->task)
            continue;
        if (socket[1].revents) {
            if (end_worker(run, worker, err))
                return -1;
        } else if (socket[0].revents && receive(run, worker, err)) {
            return -1;
        }
    }
    return 0;
}

static int turn(struct run *run, struct pollfd *waits, struct error *err)
{
    waits[0] = (struct pollfd){run->signals, POLLIN, 0};
    for (size_t i = 0; i < run->jobs; i++) {
        const struct worker *worker = &run->workers[i];
        bool listens = worker->task && !worker->ended && !*worker->fault;

        waits[1 + 2 * i] =
            (struct pollfd){listens ? worker->socket : -1, POLLIN, 0};
        waits[2 + 2 * i] =
            (struct pollfd){worker->task ? worker->pidfd : -1, POLLIN, 0};
    }
    if (poll(waits, 1 + 2 * run->jobs, clock_left_ms(next_deadline(run))) < 0 &&
        errno != EINTR)
        return error_set_errno(err, ERROR_IO, errno, "poll");
    kill_late(run);
    check_limits(run);
    if (dispatch(run, waits, err) || answer_asks(run, err))
        return -1;
    return run_directory_sync(run->supervision->directory, err);
}

static int skip_rest(struct run *run, struct error *err)
{
    const struct plan *plan = run->supervision->plan;
    struct ending ending = {"skipped", link_stop_reason(run->stop),
                            "not started", NULL, true};

    for (;;) {
        if (pass_over(run, err))
            return -1;
        if (run->next == plan->count)
            return 0;
        run->keep |= run->supervision->resume &&
                     run->supervision->resume[run->next].begun;
        if (write_task_end(run, &plan->tasks[run->next++], &ending, NULL, err))
            return -1;
    }
}

static int write_end(struct run *run, struct error *err)
{
    CLEANUP(buffer_free) struct buffer journal = {0};
    struct run_outcome outcome;
    struct exit_status status;
    struct json event;

    buffer_init(&journal, JOURNAL_BYTES_MAX);
    if (run_directory_read_journal(run->supervision->directory->path, &journal,
                                   err) ||
        outcome_read(buffer_span(&journal), &outcome, err))
        return -1;
    status = outcome_exit(&outcome);
    outcome_free(&outcome);
    event = run_journal_begin(&run->journal, "run_finished", NULL);
    json_member_int(&event, "exit_status", status.status);
    json_member_string(&event, "exit_name", status.name);
    json_member_bool(&event, "retryable", status.retryable);
    json_member_int(&event, "duration_ms", clock_elapsed_ms(run->began));
    if (run_journal_write(&run->journal, &event, err))
        return -1;
    return run_directory_sync(run->supervision->directory, err);
}

static int run_all(struct run *run, struct error *err)
{
    CLEANUP(mem_free)
    struct pollfd *waits = mem_array(1 + 2 * run->jobs, sizeof(struct pollfd));
    size_t count = run->supervision->plan->count;

    if (run_journal_plan(&run->journal, run->supervision->plan, run->jobs, err))
        return -1;
    while (run->done < count) {
        if (start_workers(run, err))
            return -1;
        if (!run->running && (run->stop || run->next == count))
            break;
        if (turn(run, waits, err))
            return -1;
    }
    return skip_rest(run, err) || write_end(run, err) ? -1 : 0;
}

/* After a fault of the host: nothing may go on. */
static void abandon(struct run *run)
{
    kill_all(run);
    for (size_t i = 0; i < run->jobs; i++) {
        if (!run->workers[i].task)
            continue;
        while (waitpid(run->workers[i].pid, NULL, 0) < 0 && errno == EINTR)
            ;
        worker_free(&run->workers[i]);
    }
}

static int watch_signals(struct run *run, struct error *err)
{
    sigset_t mask;

    sigemptyset(&mask);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGHUP);
    run->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    if (run->signals < 0)
        return error_set_errno(err, ERROR_IO, errno, "signalfd");
    return 0;
}

static size_t count_jobs(const struct plan *plan)
{
    int64_t jobs = plan->run.jobs;

    if (jobs <= 0)
        jobs = sysconf(_SC_NPROCESSORS_ONLN);
    if (jobs < 1)
        jobs = 1;
    if (jobs > WORKERS_MAX)
        jobs = WORKERS_MAX;
    return (size_t)jobs < plan->count || !plan->count ? (size_t)jobs
                                                      : plan->count;
}

int supervise(struct supervision *supervision, struct error *err)
{
    struct run run = {.supervision = supervision,
                      .signals = -1,
                      .began = clock_now_ms(),
                      .jobs = count_jobs(supervision->plan)};
    const struct run_settings *limits = &supervision->plan->run;
    int status;

    run_journal_init(&run.journal, supervision->directory, supervision->secrets,
                     &supervision->progress);
    gate_init(&run.gate, run.jobs,
              (struct gate_amount){limits->budget_tokens,
                                   limits->budget_cost_microusd});
    run.workers = mem_array(run.jobs, sizeof(*run.workers));
    supervision->progress.total = supervision->plan->count;
    sandbox_prepare_groups();
    run.gate.spent = supervision->spent;
    status = guard_start(&run.guard, supervision->directory->path, err);
    if (!status)
        status = sandbox_filter_make(&run.filter, err);
    if (!status)
        status = watch_signals(&run, err);
    if (!status)
        status = run_all(&run, err);
    abandon(&run);
    if (status || run.keep)
        guard_leave(&run.guard);
    else
        guard_end(&run.guard);
    fd_reset(&run.signals);
    free(run.workers);
    sandbox_filter_free(&run.filter);
    gate_free(&run.gate);
    run_journal_free(&run.journal);
    return status;
}
