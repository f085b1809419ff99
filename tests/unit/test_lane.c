/* runner/lane: how fast a server is asked. */
#include "runner/lane.h"

#include "base/clock.h"
#include "tests/tap.h"

static struct lane lane;

static void open_lane(int64_t in_flight, int64_t requests, int64_t tokens)
{
    const struct lane_limits limits = {in_flight, requests, tokens};

    lane_init(&lane, &limits, 0);
}

static void test_free(void)
{
    open_lane(-1, -1, -1);
    for (int i = 0; i < 10000; i++) {
        if (lane_opens(&lane, 5, 1000000) != 5)
            break;
        lane_enter(&lane, 5, 1000000);
    }
    tap_int(lane.in_flight, 10000, "without limits nobody waits");
}

static void test_in_flight(void)
{
    open_lane(1, -1, -1);
    lane_enter(&lane, 0, 0);
    tap_int(lane_opens(&lane, 9, 0), CLOCK_NEVER, "one at once");
    lane_leave(&lane, 0, 0);
    tap_int(lane_opens(&lane, 9, 0), 9, "then the next");
}

/* How many may go in so many milliseconds. */
static int64_t passed(int64_t from, int64_t until, int64_t tokens)
{
    int64_t count = 0;

    for (int64_t now = from; now < until; now++) {
        while (lane_opens(&lane, now, tokens) <= now) {
            lane_enter(&lane, now, tokens);
            lane_leave(&lane, tokens, tokens);
            count++;
        }
    }
    return count;
}

static void test_rates(void)
{
    int64_t first;

    open_lane(-1, 600, -1);
    first = passed(0, 1, 0);
    tap_int(first, 100, "a sixth of a minute's requests at once");
    tap_int(passed(1, 60001, 0), 600, "then so many a minute");
    open_lane(-1, 5, -1);
    first = passed(0, 1, 0);
    tap_int(first, 1, "a slow rate");
    tap_int(passed(1, 60001, 0), 5, "is no slower for being looked at often");
    open_lane(-1, -1, 60000);
    first = passed(0, 1, 1000);
    tap_int(first, 10, "a sixth of a minute's tokens");
    tap_int(passed(1, 60001, 1000), 60, "then so many a minute");
    open_lane(-1, -1, 60);
    tap_int(lane_opens(&lane, 0, 1000000), 0,
            "what is larger than all goes when it is full");
    lane_enter(&lane, 0, 1000000);
    tap_ok(lane_opens(&lane, 0, 1) > 50000, "and is paid for");
    lane_leave(&lane, 1000000, 0);
    tap_int(lane_opens(&lane, 0, 1), 0, "what it did not take comes back");
}

static void test_too_fast(void)
{
    open_lane(-1, -1, -1);
    for (int i = 0; i < 100; i++)
        lane_enter(&lane, 10, 0);
    for (int i = 0; i < 100; i++) {
        /* All that were in flight are refused. */
        lane_throttled(&lane, 10, 20, 3000);
        lane_leave(&lane, 0, 0);
    }
    tap_int(lane.window, 50, "half as many, once");
    tap_int(lane_opens(&lane, 20, 0), 3020, "closed for as long as was said");
    tap_int(passed(3020, 3021, 0), 1, "they come back one by one");
    tap_int(passed(3021, 3120, 0), 4, "spread over a second");
    for (int i = 0; i < 50; i++)
        lane_succeeded(&lane);
    tap_int(lane.window, 100, "up to where it went wrong, quickly");
    for (int i = 0; i < 100; i++)
        lane_succeeded(&lane);
    tap_int(lane.window, 101, "beyond it, slowly");
    lane_enter(&lane, 5000, 0);
    lane_throttled(&lane, 5000, 5100, 10);
    tap_ok(lane.window >= 1, "there is always room for one");
    lane_leave(&lane, 0, 0);
    tap_int(passed(5110, 5111, 0), 1, "which goes");
}

int main(void)
{
    test_free();
    test_in_flight();
    test_rates();
    test_too_fast();
    return tap_done();
}
