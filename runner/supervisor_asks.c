#include "base/clock.h"
#include "base/memory.h"
#include "runner/run_state.h"

/* ---- questions --------------------------------------------------------- */

static struct gate_amount amount_of(const cJSON *ask)
{
    return (struct gate_amount){json_get_int64(ask, "tokens", -1),
                                json_get_int64(ask, "cost_microusd", -1)};
}

/* Of the server that the task's model is reached at. */
static struct gate_lane *model_lane(struct run *run, const struct task *task,
                                    int64_t now)
{
    const struct model_settings *model = task->model;
    const struct lane_limits limits = {
        model->requests, model->requests_per_minute, model->tokens_per_minute};

    return gate_lane(&run->gate, model->base_url ? model->base_url : "",
                     &limits, now);
}

static int reserve(struct run *run, const struct worker *worker, size_t slot,
                   const cJSON *ask, int64_t now)
{
    const struct gate_request request = {
        .lane = model_lane(run, worker->task, now),
        .amount = amount_of(ask),
        .likely = json_get_int64(ask, "likely", 0),
        .last = json_get_true(ask, "last")};

    return gate_reserve(&run->gate, slot, &request, now);
}

static void settle(struct run *run, size_t slot, const cJSON *ask, int64_t now)
{
    const struct gate_result result = {
        .amount = amount_of(ask),
        .succeeded = json_get_true(ask, "succeeded"),
        .throttled_ms = json_get_int64(ask, "throttled_ms", -1)};

    gate_settle(&run->gate, slot, &result, now);
}

/* A host of repositories. No time of the attempt passes while it waits. */
static int enter(struct run *run, struct worker *worker, size_t slot,
                 const cJSON *ask, int64_t now)
{
    const struct lane_limits limits = {
        run->supervision->plan->run.clones_per_host, -1, -1};
    CLEANUP(mem_free)
    char *name = mem_format("clones of %s", json_get_text(ask, "host", ""));

    worker->kill_at = CLOCK_NEVER;
    return gate_enter(&run->gate, slot,
                      gate_lane(&run->gate, name, &limits, now), now);
}

static int pin(struct run *run, struct worker *worker, size_t slot)
{
    worker->kill_at = CLOCK_NEVER;
    return pins_ask(&run->pins, slot, worker->task);
}

int run_take_ask(void *context, struct worker *worker, const cJSON *ask,
                 struct error *err)
{
    struct run *run = context;
    size_t slot = (size_t)(worker - run->workers);
    const char *what = json_get_text(ask, "ask", "");
    int64_t now = clock_now_ms();
    int wrong = 0;

    if (!strcmp(what, "written"))
        worker_answer(worker, true); /* what came before it is */
    else if (!strcmp(what, "unsynced"))
        return error_set_errno(err, ERROR_IO,
                               (int)json_get_int64(ask, "errno", 0),
                               "tasks/%s: sync", worker->task->id);
    else if (!strcmp(what, "lease"))
        wrong =
            gate_lease(&run->gate, slot, json_get_text(ask, "key", ""), now);
    else if (!strcmp(what, "reserve"))
        wrong = reserve(run, worker, slot, ask, now);
    else if (!strcmp(what, "began"))
        gate_began(&run->gate, slot, now);
    else if (!strcmp(what, "settle"))
        settle(run, slot, ask, now);
    else if (!strcmp(what, "enter"))
        wrong = enter(run, worker, slot, ask, now);
    else if (!strcmp(what, "pin"))
        wrong = pin(run, worker, slot);
    else if (!strcmp(what, "exit"))
        gate_exit(&run->gate, slot);
    else
        wrong = -1;
    if (wrong)
        worker_fault(worker, "asked what it may not: %.40s", what);
    return 0;
}

/* ---- answers ----------------------------------------------------------- */

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

/* A run that is to stop lets nobody wait for what he will not do. */
static bool next_answer(struct run *run, struct gate_answer *answer)
{
    int64_t now = clock_now_ms();

    return run->stop ? gate_refuse(&run->gate, now, answer)
                     : gate_next(&run->gate, now, answer);
}

/* The time of who waited for his turn begins. */
static void begin_time(struct worker *worker)
{
    if (worker->kill_at == CLOCK_NEVER && !worker->late)
        worker->kill_at =
            clock_deadline(worker->task->timeout_ms + WORKER_GRACE_MS);
}

static void answer_pins(struct run *run)
{
    const char *commit;
    size_t slot;

    while (run->stop && pins_refuse(&run->pins, &slot)) {
        begin_time(&run->workers[slot]);
        worker_answer(&run->workers[slot], false);
    }
    while (pins_next(&run->pins, &slot, &commit)) {
        begin_time(&run->workers[slot]);
        worker_answer_pin(&run->workers[slot], commit);
    }
}

int run_answer_asks(struct run *run, struct error *err)
{
    struct gate_answer answer;

    while (next_answer(run, &answer)) {
        struct worker *worker = &run->workers[answer.slot];

        if (answer.money && !answer.yes && answer.last)
            run_ask_to_stop(run, LINK_STOP_BUDGET);
        if (answer.lease && note_lease(run, &answer, err))
            return -1;
        begin_time(worker);
        worker_answer(worker, answer.yes);
    }
    answer_pins(run);
    return 0;
}
