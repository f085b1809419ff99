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
    tap_int(gate_deadline(&gate), 1000 + GATE_LEASE_MS, "so long");
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

static void reserve(size_t slot, int64_t tokens, bool last)
{
    tap_int(gate_reserve(&gate, slot, (struct gate_amount){tokens, 0}, last, 0),
            0, "slot %zu asks for %lld", slot, (long long)tokens);
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
    gate_settle(&gate, 0, (struct gate_amount){59, 0});
    answers(0, 2, true, "it took less");
    tap_int(gate.spent.tokens, 59, "what was spent");
    gate_settle(&gate, 2, (struct gate_amount){1, 0});
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
    tap_int(gate_reserve(&gate, 0, (struct gate_amount){-1, 0}, true, 0), -1,
            "less than nothing");
    tap_int(gate_reserve(&gate, 0, (struct gate_amount){INT64_MAX, INT64_MAX},
                         true, 0),
            0, "more than there can be");
    tap_int(gate_reserve(&gate, 0, (struct gate_amount){1, 1}, true, 0), -1,
            "a question before the answer");
    answers(0, 0, false, "does not fit");
    gate_settle(&gate, 0, (struct gate_amount){INT64_MAX, -5});
    gate_settle(&gate, 0, (struct gate_amount){INT64_MAX, INT64_MAX});
    tap_ok(gate.spent.tokens == INT64_MAX && gate.spent.cost_microusd > 0,
           "sums stay within their type");
    gate_free(&gate);
}

int main(void)
{
    test_lease();
    test_leader_lost();
    test_cold_again();
    test_money();
    test_wrong();
    return tap_done();
}
