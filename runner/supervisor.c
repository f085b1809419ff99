#include "runner/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "runner/ending.h"
#include "runner/order.h"
#include "runner/pilot.h"
#include "runner/run_state.h"
#include "runner/worker.h"
#include "tasks/event.h"
#include "tasks/outcome.h"

#define REST_TIMEOUT_MS 5000 /* for what a dead worker had sent */
#define WORKERS_MAX 1024
#define STARTS_MAX 16 /* before anything else is looked at */
#define EVENTS_MAX 256

/* What is watched: of place i, i * WATCHES and one of the two. */
enum { WATCH_SOCKET, WATCH_END, WATCHES };
#define WATCH_SIGNALS UINT64_MAX
/* Descriptors of a worker's place: socket, pidfd, transcript, a file; those of
 * one that is being started; and those of the run. */
#define PLACE_FILES 4
#define RUN_FILES 64

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

/* ---- workers ----------------------------------------------------------- */

static int on_event(void *context, struct worker *worker, const cJSON *event,
                    struct span line, struct error *err)
{
    struct run *run = context;
    const char *type = json_get_text(event, "type", "");

    if (!strcmp(type, "attempt_started") || !strcmp(type, "attempt_resumed") ||
        !strcmp(type, "repository_ready"))
        worker->kill_at =
            clock_deadline(worker->task->timeout_ms + WORKER_GRACE_MS);
    if (!strcmp(type, "repository_ready"))
        pins_found(&run->pins, (size_t)(worker - run->workers), worker->commit);
    return run_journal_accept(&run->journal, event, line, err);
}

static int receive_some(struct run *run, struct worker *worker,
                        struct error *err)
{
    const struct worker_handler handler = {on_event, run_take_ask, run};

    return worker_receive(worker, run->supervision->directory, &handler, err);
}

static int watch_file(struct run *run, int fd, uint64_t what, struct error *err)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = what};

    if (epoll_ctl(run->events, EPOLL_CTL_ADD, fd, &event))
        return error_set_errno(err, ERROR_IO, errno, "epoll_ctl");
    return 0;
}

static int watch(struct run *run, const struct worker *worker,
                 struct error *err)
{
    uint64_t place = (uint64_t)(worker - run->workers) * WATCHES;

    return watch_file(run, worker->socket, place + WATCH_SOCKET, err) ||
                   watch_file(run, worker->pidfd, place + WATCH_END, err)
               ? -1
               : 0;
}

/* Nothing is done twice without saying so. */
static int note_again(struct run *run, const struct task *task,
                      const struct resume_task *resume, struct error *err)
{
    struct json event =
        run_journal_begin(&run->journal, "task_again", task->id);

    json_member_string(&event, "why", resume->again);
    json_member_bool(&event, "anew", !resume->begun);
    json_member_int(&event, "attempts_before", resume->attempts_before);
    return run_journal_write(&run->journal, &event, err);
}

static int start_worker(struct run *run, struct worker *worker,
                        const struct task *task, struct error *err)
{
    const struct supervision *supervision = run->supervision;
    size_t index = (size_t)(task - supervision->plan->tasks);
    CLEANUP(mem_free)
    char *scratch = mem_format("%s/%zu", run->guard.scratch, index);
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
        .passage = run->guard.scratch,
        .cache = supervision->cache,
        .progress = supervision->directory->progress,
        .filter = &run->filter,
        .run = &supervision->plan->run,
        .tape = supervision->tape,
        .index = task->number,
        .transcript = resume && resume->begun ? transcript : NULL,
        .attempt = resume ? resume->attempt : 1,
        .attempts_before = resume ? resume->attempts_before : 0,
        .verify_rounds = resume ? resume->verify_rounds : 0,
        .supervisor = getpid()};

    struct json event;

    if (resume)
        job.totals = resume->totals;
    if (worker_start(worker, &job, supervision->directory, run->guard.pipe,
                     err) ||
        watch(run, worker, err))
        return -1;
    run->running++;
    if (resume && resume->again && note_again(run, task, resume, err))
        return -1;
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

    for (; resume && run->next < plan->count; run->next++) {
        size_t index = run->order[run->next];
        const struct outcome_attempt *last = resume[index].last;
        struct ending ending;

        if (resume[index].state == RESUME_WORK)
            return 0;
        if (resume[index].state == RESUME_DONE) {
            run->done++;
            run->failed += resume[index].failed;
            run->failed_before += resume[index].failed;
            run->supervision->progress.done++;
            continue;
        }
        ending = (struct ending){last->verdict, last->reason, last->message,
                                 NULL, false};
        if (write_task_end(run, &plan->tasks[index], &ending, NULL, err))
            return -1;
    }
    return 0;
}

/* The pilot's tasks have ended: what they say of the rest. */
static int end_pilot(struct run *run, struct error *err)
{
    size_t all = run->supervision->plan->count;
    CLEANUP(buffer_free) struct buffer journal = {0};
    CLEANUP(buffer_free) struct buffer text = {0};
    struct run_outcome outcome;
    struct projection told;
    struct json event;

    run->pilot = 0;
    buffer_init(&journal, JOURNAL_BYTES_MAX);
    buffer_init(&text, EVENT_BYTES_MAX / 8);
    if (run_directory_read_journal(run->supervision->directory->path, &journal,
                                   err) ||
        outcome_read(buffer_span(&journal), &outcome, err))
        return -1;
    told = pilot_project(&outcome, all);
    outcome_free(&outcome);
    pilot_tell(&told, all, &text);
    event = run_journal_begin(&run->journal, "pilot_finished", NULL);
    json_member_int(&event, "tasks", told.tasks);
    json_member_int(&event, "passed", told.passed);
    json_member_int(&event, "share_low", told.share_low);
    json_member_int(&event, "share_high", told.share_high);
    if (told.cost_known) {
        json_member_int(&event, "cost_microusd", told.cost);
        json_member_int(&event, "cost_low_microusd", told.cost_low);
        json_member_int(&event, "cost_high_microusd", told.cost_high);
    }
    json_member_string(&event, "message", text.data);
    return run_journal_write(&run->journal, &event, err);
}

/* How far in the order tasks may be started now. */
static size_t start_end(const struct run *run)
{
    return run->pilot ? run->pilot : run->supervision->plan->count;
}

static bool can_start(const struct run *run)
{
    return !run->stop && run->running < run->jobs && run->next < start_end(run);
}

static int start_workers(struct run *run, struct error *err)
{
    const struct plan *plan = run->supervision->plan;
    size_t started = 0;

    if (run->pilot && run->next >= run->pilot && !run->running && !run->stop &&
        end_pilot(run, err))
        return -1;
    if (pass_over(run, err))
        return -1;
    for (size_t i = 0; can_start(run) && started < STARTS_MAX; i++) {
        const struct task *task = &plan->tasks[run->order[run->next]];

        if (run->workers[i].task)
            continue;
        run->next++;
        started++;
        if (start_worker(run, &run->workers[i], task, err) ||
            pass_over(run, err))
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

/* What a request may have cost whose worker is gone: it counts against the
 * run's limits, also when the run is gone on with. */
static int note_lost(struct run *run, const struct worker *worker,
                     struct error *err)
{
    const struct gate_amount *lost =
        &run->gate.slots[worker - run->workers].reserved;
    struct json event;

    if (!lost->tokens && !lost->cost_microusd)
        return 0;
    event =
        run_journal_begin(&run->journal, "reservation_lost", worker->task->id);
    json_member_int(&event, "tokens", lost->tokens);
    json_member_int(&event, "cost_microusd", lost->cost_microusd);
    return run_journal_write(&run->journal, &event, err);
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
    /* Not by closing them: a worker that is just being started has copies. */
    epoll_ctl(run->events, EPOLL_CTL_DEL, worker->socket, NULL);
    epoll_ctl(run->events, EPOLL_CTL_DEL, worker->pidfd, NULL);
    if (!result)
        result = note_lost(run, worker, err);
    worker_free(worker);
    gate_leave(&run->gate, (size_t)(worker - run->workers));
    pins_leave(&run->pins, (size_t)(worker - run->workers));
    run->running--;
    run_check_limits(run);
    return result;
}

/* ---- loop -------------------------------------------------------------- */

static int64_t next_deadline(const struct run *run)
{
    const struct run_settings *limits = &run->supervision->plan->run;
    int64_t next =
        clock_earlier(gate_deadline(&run->gate, clock_now_ms()),
                      progress_deadline(&run->supervision->progress));

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
    /* Nothing more is read; its end is told by its pidfd. */
    if (*worker->fault || worker->ended)
        epoll_ctl(run->events, EPOLL_CTL_DEL, worker->socket, NULL);
    run_check_limits(run);
    return 0;
}

static int dispatch(struct run *run, uint64_t what, struct error *err)
{
    struct worker *worker;

    if (what == WATCH_SIGNALS)
        return run_take_signal(run, err);
    worker = &run->workers[what / WATCHES];
    if (!worker->task)
        return 0; /* it ended a moment ago */
    if (what % WATCHES == WATCH_END)
        return end_worker(run, worker, err);
    return worker->ended || *worker->fault ? 0 : receive(run, worker, err);
}

static int turn(struct run *run, struct error *err)
{
    struct epoll_event events[EVENTS_MAX];
    int timeout = can_start(run) ? 0 : clock_left_ms(next_deadline(run));
    int count = epoll_wait(run->events, events, EVENTS_MAX, timeout);

    if (count < 0 && errno != EINTR)
        return error_set_errno(err, ERROR_IO, errno, "epoll_wait");
    kill_late(run);
    run_check_limits(run);
    for (int i = 0; i < count; i++) {
        if (dispatch(run, events[i].data.u64, err))
            return -1;
    }
    progress_tick(&run->supervision->progress);
    return run_answer_asks(run, err);
}

static int skip_rest(struct run *run, struct error *err)
{
    const struct plan *plan = run->supervision->plan;
    struct ending ending = {"skipped", link_stop_reason(run->stop),
                            "not started", NULL, true};

    for (;;) {
        size_t index;

        if (pass_over(run, err))
            return -1;
        if (run->next == plan->count)
            return 0;
        index = run->order[run->next++];
        run->keep |=
            run->supervision->resume && run->supervision->resume[index].begun;
        if (write_task_end(run, &plan->tasks[index], &ending, NULL, err))
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
    size_t count = run->supervision->plan->count;

    if (run_journal_plan(&run->journal, run->supervision->plan,
                         &run->supervision->shard, run->jobs, err))
        return -1;
    while (run->done < count) {
        if (start_workers(run, err))
            return -1;
        if (!run->running && (run->stop || run->next == count))
            break;
        if (turn(run, err))
            return -1;
    }
    return skip_rest(run, err) || write_end(run, err) ? -1 : 0;
}

/* After a fault of the host: nothing may go on. */
static void abandon(struct run *run)
{
    run_kill_all(run);
    for (size_t i = 0; i < run->jobs; i++) {
        if (!run->workers[i].task)
            continue;
        while (waitpid(run->workers[i].pid, NULL, 0) < 0 && errno == EINTR)
            ;
        worker_free(&run->workers[i]);
    }
}

/* How far the journal is on the disk; workers write to it, too. */
static int share_progress(struct run *run, struct error *err)
{
    void *shared =
        mmap(NULL, sizeof(struct link_progress), PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (shared == MAP_FAILED)
        return error_set_errno(err, ERROR_IO, errno, "mmap");
    run->supervision->directory->progress = shared;
    return 0;
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
    run->events = epoll_create1(EPOLL_CLOEXEC);
    if (run->events < 0)
        return error_set_errno(err, ERROR_IO, errno, "epoll_create1");
    return watch_file(run, run->signals, WATCH_SIGNALS, err);
}

/* Room for the descriptors of all places. Where the host gives less, fewer
 * tasks are at work at once. */
static void make_room(struct run *run)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)run->jobs * PLACE_FILES + RUN_FILES;

    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) || getrlimit(RLIMIT_NOFILE, &limit) ||
        limit.rlim_cur >= wanted)
        return;
    run->jobs = limit.rlim_cur > RUN_FILES + PLACE_FILES
                    ? (size_t)(limit.rlim_cur - RUN_FILES) / PLACE_FILES
                    : 1;
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
                      .events = -1,
                      .began = clock_now_ms(),
                      .jobs = count_jobs(supervision->plan)};
    const struct run_settings *limits = &supervision->plan->run;
    int status;

    make_room(&run);
    run.pilot = (size_t)limits->pilot < supervision->plan->count
                    ? (size_t)limits->pilot
                    : 0;
    run.order = order_make(supervision->plan, run.pilot);
    run_journal_init(&run.journal, supervision->directory, supervision->secrets,
                     &supervision->progress);
    gate_init(&run.gate, run.jobs,
              (struct gate_amount){limits->budget_tokens,
                                   limits->budget_cost_microusd});
    pins_init(&run.pins, run.jobs);
    for (size_t i = 0; supervision->resume && i < supervision->plan->count; i++)
        pins_set(&run.pins, &supervision->plan->tasks[i],
                 supervision->resume[i].commit);
    run.workers = mem_array(run.jobs, sizeof(*run.workers));
    progress_start(&supervision->progress, supervision->plan->count);
    sandbox_prepare_groups();
    run.gate.spent = supervision->spent;
    status = guard_start(&run.guard, supervision->directory->path, err);
    if (!status)
        status = sandbox_filter_make(&run.filter, err);
    if (!status)
        status = share_progress(&run, err);
    if (!status)
        status = watch_signals(&run, err);
    if (!status)
        status = run_all(&run, err);
    abandon(&run);
    if (status || run.keep)
        guard_leave(&run.guard);
    else
        guard_end(&run.guard);
    if (supervision->directory->progress)
        munmap(supervision->directory->progress, sizeof(struct link_progress));
    supervision->directory->progress = NULL;
    fd_reset(&run.signals);
    fd_reset(&run.events);
    free(run.workers);
    free(run.order);
    sandbox_filter_free(&run.filter);
    gate_free(&run.gate);
    pins_free(&run.pins);
    progress_end(&supervision->progress);
    run_journal_free(&run.journal);
    return status;
}
