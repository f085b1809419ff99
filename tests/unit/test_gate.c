/* runner/gate: who may send a request, and when. */
#include "runner/gate.h"

#include "base/clock.h"
#include "tests/tap.h"

static struct gate gate;

static void start(size_t slots, int64_t tokens, int64_t cost)
{
    gate_init(&gate, slots, (struct gate_amount){tokens, cost});
}

/* The next answer is this one. */
static void answers(int64_t now, size_t slot, bool yes, const char *name)
{
    struct gate_answer answer;

    if (tap_ok(gate_next(&gate, now, &answer), "%s: an answer", name)) {
        tap_int((int64_t)answer.slot, (int64_t)slot, "%s: for slot %zu", name,
                slot);
        tap_ok(answer.yes == yes, "%s: %s", name, yes ? "yes" : "no");
    }
}

static void silent(int64_t now, const char *name)
{
    struct gate_answer answer;

    tap_ok(!gate_next(&gate, now, &answer), "%s: no answer yet", name);
}

static void test_lease(void)
{
    struct gate_answer answer;

    start(4, -1, -1);
    for (size_t i = 0; i < 4; i++)
        gate_lease(&gate, i, i < 3 ? "shared" : "other", 1000);
    tap_ok(gate_next(&gate, 1000, &answer) && answer.leader &&
               !answer.position && answer.slot == 0,
           "the first leads");
    tap_ok(gate_next(&gate, 1000, &answer) && answer.leader && answer.slot == 3,
           "so does the first of another prefix");
    silent(1000, "the others wait");
    tap_int(gate_deadline(&gate, 1000), 1000 + GATE_LEASE_MS, "so long");
    gate_began(&gate, 0, 1500);
    tap_ok(gate_next(&gate, 1500, &answer) && !answer.leader &&
               answer.position == 1 && answer.waited_ms == 500,
           "then they go");
    answers(1500, 2, true, "all of them");
    silent(1500, "that was all");
    gate_free(&gate);
}

static void test_leader_lost(void)
{
    struct gate_answer answer;

    start(3, -1, -1);
    gate_lease(&gate, 0, "k", 0);
    gate_lease(&gate, 1, "k", 0);
    answers(0, 0, true, "it leads");
    silent(0, "the other waits");
    gate_leave(&gate, 0);
    tap_ok(gate_next(&gate, 1, &answer) && answer.leader && answer.slot == 1,
           "when the leader is gone the next one leads");
    gate_lease(&gate, 2, "k", 1);
    silent(GATE_LEASE_MS, "a leader without a response holds the others");
    answers(GATE_LEASE_MS + 1, 2, true, "but not for ever");
    gate_free(&gate);
}

static void test_cold_again(void)
{
    struct gate_answer answer;

    start(2, -1, -1);
    gate_lease(&gate, 0, "k", 0);
    answers(0, 0, true, "it leads");
    gate_began(&gate, 0, 10);
    gate_lease(&gate, 1, "k", GATE_WARM_MS + 11);
    tap_ok(gate_next(&gate, GATE_WARM_MS + 11, &answer) && answer.leader,
           "what nobody used for long is filled again");
    gate_free(&gate);
}

static int ask(size_t slot, int64_t tokens, int64_t cost, bool last)
{
    const struct gate_request request = {.amount = {tokens, cost},
                                         .last = last};

    return gate_reserve(&gate, slot, &request, 0);
}

static void reserve(size_t slot, int64_t tokens, bool last)
{
    tap_int(ask(slot, tokens, 0, last), 0, "slot %zu asks for %lld", slot,
            (long long)tokens);
}

static void settle(size_t slot, int64_t tokens, int64_t cost)
{
    const struct gate_result result = {{tokens, cost}, true, -1};

    gate_settle(&gate, slot, &result, 0);
}

static void test_money(void)
{
    start(3, 100, -1);
    reserve(0, 60, true);
    answers(0, 0, true, "it fits");
    reserve(1, 60, false);
    answers(0, 1, false, "with the reserved it does not: ask for less");
    reserve(1, 40, true);
    answers(0, 1, true, "which fits");
    reserve(2, 1, true);
    silent(0, "no room: wait for who has reserved");
    settle(0, 59, 0);
    answers(0, 2, true, "it took less");
    tap_int(gate.spent.tokens, 59, "what was spent");
    settle(2, 1, 0);
    gate_leave(&gate, 1);
    tap_int(gate.spent.tokens, 100,
            "what a lost worker had reserved counts as spent");
    reserve(0, 1, true);
    answers(0, 0, false, "nothing left, nobody to wait for");
    gate_free(&gate);
}

static void test_wrong(void)
{
    char key[GATE_KEY_MAX + 2];

    start(1, 10, 10);
    memset(key, 'k', sizeof(key) - 1);
    key[sizeof(key) - 1] = '\0';
    tap_int(gate_lease(&gate, 0, key, 0), -1, "a key that is too long");
    tap_int(ask(0, -1, 0, true), -1, "less than nothing");
    tap_int(ask(0, INT64_MAX, INT64_MAX, true), 0, "more than there can be");
    tap_int(ask(0, 1, 1, true), -1, "a question before the answer");
    answers(0, 0, false, "does not fit");
    settle(0, INT64_MAX, -5);
    settle(0, INT64_MAX, INT64_MAX);
    tap_ok(gate.spent.tokens == INT64_MAX && gate.spent.cost_microusd > 0,
           "sums stay within their type");
    gate_free(&gate);
}

/* ---- lanes ------------------------------------------------------------- */

static int ask_lane(size_t slot, struct gate_lane *lane, int64_t likely,
                    int64_t now)
{
    const struct gate_request request = {
        .lane = lane, .amount = {1, 1}, .likely = likely, .last = true};

    return gate_reserve(&gate, slot, &request, now);
}

static void test_lanes(void)
{
    const struct lane_limits two = {2, -1, -1};
    const struct gate_result too_fast = {{0, 0}, false, 500};
    const struct gate_result good = {{1, 1}, true, -1};
    struct gate_lane *lane;
    struct gate_answer answer;

    start(4, -1, -1);
    lane = gate_lane(&gate, "server", &two, 0);
    tap_ok(lane == gate_lane(&gate, "server", &two, 0), "one of a name");
    for (size_t i = 4; i-- > 0;)
        tap_int(ask_lane(i, lane, 10, 0), 0, "slot %zu asks", i);
    answers(0, 3, true, "who came first");
    answers(0, 2, true, "and next");
    silent(0, "two at once");
    tap_int(gate_deadline(&gate, 0), CLOCK_NEVER, "time is no help");
    tap_int(ask_lane(3, lane, 10, 0), -1, "who is in it cannot ask again");
    gate_settle(&gate, 3, &too_fast, 100);
    silent(599, "too fast for one is too fast for all");
    tap_int(gate_deadline(&gate, 100), CLOCK_NEVER, "one is still in flight");
    gate_settle(&gate, 2, &good, 300);
    tap_int(gate_deadline(&gate, 300), 600, "until then");
    answers(600, 1, true, "then the next");
    silent(600, "not all at once");
    gate_leave(&gate, 1);
    silent(600, "one after another");
    answers(gate_deadline(&gate, 600), 0, true, "in turn");
    tap_int(gate_enter(&gate, 2, lane, 2000), 0, "a clone");
    answers(2000, 2, true, "goes the same way");
    tap_int(ask_lane(3, lane, 10, 2000), 0, "one more");
    silent(2000, "the lane is full");
    tap_ok(gate_refuse(&gate, 2000, &answer) && answer.slot == 3 && !answer.yes,
           "a run that stops lets nobody wait");
    tap_ok(!gate_refuse(&gate, 2000, &answer), "that was all");
    gate_free(&gate);
}

/* ---- the ledger --------------------------------------------------------- */

static uint64_t state;

static uint64_t next(uint64_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % below;
}

#define SLOTS 64
#define CAP 100000

/* One run: tasks that ask for as much as they may need, take some of it, ask
 * for less, or are killed. */
static bool never_above(uint64_t seed)
{
    int64_t taken = 0; /* what servers would bill */
    int64_t held[SLOTS] = {0};
    bool asked[SLOTS] = {false};
    bool good = true;

    state = seed * 2654435761U + 1;
    start(SLOTS, CAP, CAP);
    for (int i = 0; i < 4000 && good; i++) {
        size_t slot = next(SLOTS);
        struct gate_answer answer;

        if (held[slot] && next(10) == 0) {
            taken += held[slot]; /* it was killed: all may have been billed */
            held[slot] = 0;
            gate_leave(&gate, slot);
        } else if (held[slot]) {
            int64_t used = (int64_t)next((uint64_t)held[slot] + 1);

            taken += used;
            held[slot] = 0;
            settle(slot, used, used);
        } else if (!asked[slot]) {
            int64_t amount = 1 + (int64_t)next(CAP / 20);

            gate.slots[slot].asked.tokens = 0;
            asked[slot] = !ask(slot, amount, amount, next(2));
        } else if (next(20) == 0) {
            asked[slot] = false;
            gate_leave(&gate, slot);
        }
        while (gate_next(&gate, i, &answer)) {
            asked[answer.slot] = false;
            if (answer.yes)
                held[answer.slot] = gate.slots[answer.slot].reserved.tokens;
        }
        good = taken <= CAP && gate.spent.tokens <= CAP &&
               gate.spent.tokens + gate.reserved.tokens <= CAP &&
               gate.spent.tokens >= taken;
    }
    gate_free(&gate);
    return good && taken > 0;
}

static void test_ledger(void)
{
    int good = 0;

    for (uint64_t trial = 1; trial <= 1000; trial++)
        good += never_above(trial);
    tap_int(good, 1000, "never above the cap, in 1,000 runs of 64 tasks");
}

int main(void)
{
    test_lanes();
    test_ledger();
    test_lease();
    test_leader_lost();
    test_cold_again();
    test_money();
    test_wrong();
    return tap_done();
}
