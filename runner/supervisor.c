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
#include "runner/guard.h"
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
    enum link_stop stop;
    int signal;    /* the first that came */
    bool stop_now; /* the second one */
    int64_t tokens;
    int64_t cost_microusd;
    struct buffer line; /* for events of the supervisor */
};

/* ---- journal ----------------------------------------------------------- */

/* What may not be lost once it is told: paid turns and verdicts. The rest is
 * written at once too, and reaches the disk with the next of these. */
static bool is_durable(const char *type)
{
    static const char *const types[] = {"turn_finished", "attempt_finished",
                                        "task_finished", "run_interrupted",
                                        "run_finished"};

    for (size_t i = 0; i < ARRAY_LENGTH(types); i++) {
        if (!strcmp(types[i], type))
            return true;
    }
    return false;
}

static int write_event(struct run *run, struct json *event, struct error *err)
{
    CLEANUP(json_free) cJSON *json = NULL;

    if (event_end(event))
        return error_set(err, ERROR_INTERNAL, "event is too long");
    secrets_mask(run->supervision->secrets, run->line.data, run->line.length);
    json = json_parse(run->line.data, run->line.length, err);
    if (!json)
        return error_context(err, "own event");
    progress_event(&run->supervision->progress, json);
    return run_directory_append(
        run->supervision->directory, buffer_span(&run->line),
        is_durable(json_get_text(json, "type", "")), err);
}

static struct json begin_event(struct run *run, const char *type,
                               const char *task)
{
    return event_begin(&run->line, type, task);
}

static void put_names(struct json *event, const char *key,
                      const struct task_steps *steps)
{
    json_key(event, key);
    json_array(event);
    for (size_t i = 0; i < steps->count; i++)
        json_string(event, steps->items[i].name);
    json_end(event);
}

static void put_optional(struct json *event, const char *key, const char *text)
{
    json_key(event, key);
    if (text)
        json_string(event, text);
    else
        json_null(event);
}

static int write_start(struct run *run, struct error *err)
{
    const struct plan *plan = run->supervision->plan;
    const struct model_settings *model =
        plan->count ? plan->tasks[0].model : NULL;
    static const char *const providers[] = {"openai", "compatible", "scripted"};
    struct json event = begin_event(run, "run_started", NULL);

    json_member_int(&event, "format", 1);
    json_member_string(&event, "run_id", run->supervision->directory->run_id);
    json_member_string(&event, "name", plan->name);
    json_member_string(&event, "version", NIGHTJAR_VERSION);
    json_member_string(&event, "model", model ? model->name : "");
    json_member_string(&event, "provider",
                       model ? providers[model->provider] : "");
    json_member_int(&event, "jobs", (int64_t)run->jobs);
    json_member_int(&event, "tasks", (int64_t)plan->count);
    if (write_event(run, &event, err))
        return -1;
    for (size_t i = 0; i < plan->count; i++) {
        const struct task *task = &plan->tasks[i];

        event = begin_event(run, "task_planned", task->id);
        json_member_string(&event, "suite", task->suite);
        json_member_string(&event, "cell", task->matrix_cell);
        json_member_string(&event, "repo", task->repo);
        put_optional(&event, "ref", task->ref);
        json_member_int(&event, "prompt_bytes", (int64_t)strlen(task->prompt));
        put_names(&event, "verify", &task->verify);
        put_names(&event, "setup", &task->setup);
        if (write_event(run, &event, err))
            return -1;
    }
    return run_directory_sync(run->supervision->directory, err);
}

struct ending {
    const char *verdict;
    const char *reason;
    const char *message;
    const char *hint; /* may be NULL */
    bool retryable;
};

static int write_task_end(struct run *run, const struct task *task,
                          const struct ending *ending,
                          const struct worker *worker, struct error *err)
{
    struct json event = begin_event(run, "task_finished", task->id);

    json_member_string(&event, "verdict", ending->verdict);
    json_member_string(&event, "reason", ending->reason);
    json_member_string(&event, "message", ending->message);
    put_optional(&event, "hint", ending->hint);
    json_member_bool(&event, "retryable", ending->retryable);
    json_member_int(&event, "attempts", worker ? worker->attempts : 0);
    put_optional(&event, "commit",
                 worker && *worker->commit ? worker->commit : NULL);
    json_member_int(&event, "duration_ms",
                    worker ? clock_now_ms() - worker->began : 0);
    run->done++;
    run->failed +=
        !strcmp(ending->verdict, "failed") || !strcmp(ending->verdict, "error");
    return write_event(run, &event, err);
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
    if ((limits->budget_tokens >= 0 && run->tokens >= limits->budget_tokens) ||
        (limits->budget_cost_microusd >= 0 &&
         run->cost_microusd >= limits->budget_cost_microusd) ||
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
    event = begin_event(run, "run_interrupted", NULL);
    json_member_int(&event, "signal", run->signal);
    json_member_string(&event, "action", run->stop_now ? "stop" : "finish");
    if (write_event(run, &event, err))
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

    if (!strcmp(type, "attempt_started"))
        worker->kill_at =
            clock_deadline(worker->task->timeout_ms + WORKER_GRACE_MS);
    if (!strcmp(type, "turn_finished")) {
        run->tokens += json_get_int64(event, "input_tokens", 0) +
                       json_get_int64(event, "output_tokens", 0);
        run->cost_microusd += json_get_int64(event, "cost_microusd", 0);
    }
    progress_event(&run->supervision->progress, event);
    return run_directory_append(run->supervision->directory, line,
                                is_durable(type), err);
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
    struct worker_job job = {.task = task,
                             .secrets = supervision->secrets,
                             .key = supervision->keys[index],
                             .scratch = scratch,
                             .checkouts = checkouts,
                             .filter = &run->filter,
                             .supervisor = getpid()};
    struct json event;

    if (worker_start(worker, &job, run->guard.pipe, err))
        return -1;
    run->running++;
    event = begin_event(run, "task_started", task->id);
    json_member_int(&event, "attempts", task->attempts);
    return write_event(run, &event, err);
}

static int start_workers(struct run *run, struct error *err)
{
    const struct plan *plan = run->supervision->plan;

    for (size_t i = 0; i < run->jobs; i++) {
        if (run->stop || run->next == plan->count)
            return 0;
        if (!run->workers[i].task &&
            start_worker(run, &run->workers[i], &plan->tasks[run->next++], err))
            return -1;
    }
    return 0;
}

static struct ending ending_of_death(const struct worker *worker, int status,
                                     char *text, size_t size)
{
    struct ending ending = {"error", "crash", text, NULL, true};

    if (worker->stopped) {
        ending = (struct ending){"skipped", "interrupted",
                                 "ended by a signal to the run", NULL, true};
    } else if (*worker->fault) {
        ending.reason = "internal";
        snprintf(text, size, "its worker %s", worker->fault);
    } else if (worker->late) {
        ending.reason = "timeout";
        snprintf(text, size, "its worker did not end in time and was killed");
    } else if (WIFSIGNALED(status)) {
        snprintf(text, size, "its worker was killed by signal %d (%s)",
                 WTERMSIG(status), strsignal(WTERMSIG(status)));
    } else {
        snprintf(text, size, "its worker ended with status %d and no verdict",
                 WEXITSTATUS(status));
    }
    return ending;
}

static bool is_retryable(const char *verdict, const char *reason)
{
    if (!strcmp(verdict, "error"))
        return error_kind_retryable(error_kind_from_name(reason));
    return !strcmp(verdict, "skipped");
}

static int settle(struct run *run, struct worker *worker, int status,
                  struct error *err)
{
    const cJSON *said = worker->verdict;
    bool in_order =
        WIFEXITED(status) && !WEXITSTATUS(status) && said && !*worker->fault;
    struct ending ending;
    char text[512];

    if (in_order) {
        ending = (struct ending){json_get_text(said, "verdict", "error"),
                                 json_get_text(said, "reason", "internal"),
                                 json_get_text(said, "message", ""),
                                 json_get_string(said, "hint"), false};
        ending.retryable = is_retryable(ending.verdict, ending.reason);
    } else {
        ending = ending_of_death(worker, status, text, sizeof(text));
    }
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
        result = worker_receive(worker, run->supervision->directory, on_event,
                                run, err);
    while (waitpid(worker->pid, &status, 0) < 0 && errno == EINTR)
        ;
    /* What cannot be removed now, the guard tries again. */
    file_remove_tree(AT_FDCWD, worker->scratch, &ignored);
    if (!result)
        result = settle(run, worker, status, err);
    worker_free(worker);
    run->running--;
    check_limits(run);
    return result;
}

/* ---- loop -------------------------------------------------------------- */

static int64_t next_deadline(const struct run *run)
{
    const struct run_settings *limits = &run->supervision->plan->run;
    int64_t next = CLOCK_NEVER;

    if (limits->budget_time_ms >= 0 && !run->stop)
        next = run->began + limits->budget_time_ms;
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
    if (worker_receive(worker, run->supervision->directory, on_event, run, err))
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
    if (dispatch(run, waits, err))
        return -1;
    return run_directory_sync(run->supervision->directory, err);
}

static int skip_rest(struct run *run, struct error *err)
{
    const struct plan *plan = run->supervision->plan;
    struct ending ending = {"skipped", link_stop_reason(run->stop),
                            "not started", NULL, true};

    while (run->next < plan->count) {
        if (write_task_end(run, &plan->tasks[run->next++], &ending, NULL, err))
            return -1;
    }
    return 0;
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
    event = begin_event(run, "run_finished", NULL);
    json_member_int(&event, "exit_status", status.status);
    json_member_string(&event, "exit_name", status.name);
    json_member_bool(&event, "retryable", status.retryable);
    json_member_int(&event, "duration_ms", clock_now_ms() - run->began);
    if (write_event(run, &event, err))
        return -1;
    return run_directory_sync(run->supervision->directory, err);
}

static int run_all(struct run *run, struct error *err)
{
    CLEANUP(mem_free)
    struct pollfd *waits = mem_array(1 + 2 * run->jobs, sizeof(struct pollfd));

    if (write_start(run, err))
        return -1;
    while (run->done < run->supervision->plan->count) {
        if (start_workers(run, err))
            return -1;
        if (run->stop && !run->running)
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
    int status;

    buffer_init(&run.line, EVENT_BYTES_MAX);
    run.workers = mem_array(run.jobs, sizeof(*run.workers));
    supervision->progress.total = supervision->plan->count;
    sandbox_prepare_groups();
    status = guard_start(&run.guard, err);
    if (!status)
        status = sandbox_filter_make(&run.filter, err);
    if (!status)
        status = watch_signals(&run, err);
    if (!status)
        status = run_all(&run, err);
    abandon(&run);
    guard_end(&run.guard);
    fd_reset(&run.signals);
    free(run.workers);
    sandbox_filter_free(&run.filter);
    buffer_free(&run.line);
    return status;
}
