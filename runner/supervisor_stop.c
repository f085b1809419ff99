#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "runner/run_state.h"

void run_ask_to_stop(struct run *run, enum link_stop stop)
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

void run_kill_all(struct run *run)
{
    for (size_t i = 0; i < run->jobs; i++) {
        if (!run->workers[i].task)
            continue;
        run->workers[i].stopped = true;
        kill(run->workers[i].pid, SIGKILL);
    }
}

void run_check_limits(struct run *run)
{
    const struct run_settings *limits = &run->supervision->plan->run;
    size_t total = run->supervision->plan->count;

    if (limits->fail_fast && run->failed > run->failed_before)
        run_ask_to_stop(run, LINK_STOP_FAIL_FAST);
    if (limits->failures_percent >= 0 &&
        (int64_t)(run->failed * 100) >
            limits->failures_percent * (int64_t)total)
        run_ask_to_stop(run, LINK_STOP_FAILURES);
    if ((limits->budget_tokens >= 0 &&
         run->gate.spent.tokens >= limits->budget_tokens) ||
        (limits->budget_cost_microusd >= 0 &&
         run->gate.spent.cost_microusd >= limits->budget_cost_microusd) ||
        (limits->budget_time_ms >= 0 &&
         clock_now_ms() - run->began >= limits->budget_time_ms))
        run_ask_to_stop(run, LINK_STOP_BUDGET);
}

int run_take_signal(struct run *run, struct error *err)
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
    run_ask_to_stop(run, LINK_STOP_INTERRUPTED);
    if (run->stop_now)
        run_kill_all(run);
    return 0;
}
