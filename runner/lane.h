/* A lane: how fast one server is asked, by all workers of a run together. Pure
 * state, no I/O.
 *
 * Three things hold a request back: how many may be in flight, the rates a
 * minute that were set, and what the server said. A server that says "too
 * fast" closes the lane for as long as it asked for, so that no worker finds
 * out by itself; then the requests come back one after another over a second
 * (no stampede), half as many at once as before, and with each that succeeds
 * one more, quickly up to where it went wrong and slowly beyond.
 *
 *     if (lane_opens(&lane, now, tokens) <= now)
 *         lane_enter(&lane, now, tokens);
 *     …
 *     lane_leave(&lane, tokens, real);             // it was answered
 *     lane_throttled(&lane, sent, now, wait_ms);   // and that was the answer
 */
#ifndef NIGHTJAR_RUNNER_LANE_H
#define NIGHTJAR_RUNNER_LANE_H

#include <stdbool.h>
#include <stdint.h>

/* Requests that waited together come back over so long. */
#define LANE_SPREAD_MS 1000
/* The longest that one answer closes a lane for: what wants more ends tasks,
 * each by its own deadline, and is not waited for in silence. */
#define LANE_CLOSED_MS_MAX 60000
/* What may be saved up of a rate: so much of a minute. */
#define LANE_BURST_DIVISOR 6

/* Tokens or requests that are there to be used, refilled all the time. */
struct lane_bucket {
    int64_t per_minute; /* -1: no limit */
    int64_t level;      /* thousandths; below 0: taken in advance */
    int64_t rest;       /* of a thousandth, in sixty-thousandths of it */
    int64_t filled;     /* when, base/clock.h */
};

struct lane_limits {
    int64_t in_flight;           /* -1: no limit */
    int64_t requests_per_minute; /* -1: no limit */
    int64_t tokens_per_minute;   /* -1: no limit */
};

struct lane {
    int64_t limit;     /* in flight; -1: none */
    int64_t in_flight; /* now */
    int64_t window;    /* in flight, after the server said too fast; 0: none */
    int64_t ceiling;   /* in flight when it did */
    int64_t succeeded; /* since the window grew, above the ceiling */
    int64_t closed_until;
    int64_t next;   /* while requests come back one by one */
    int64_t gap_ms; /* between two of them, until … */
    int64_t spread_until;
    int64_t cut_at; /* when the window was last cut */
    struct lane_bucket requests;
    struct lane_bucket tokens;
};

void lane_init(struct lane *lane, const struct lane_limits *limits,
               int64_t now);

/* When a request of about so many tokens may go, as far as is known: now or
 * before; later; or CLOCK_NEVER: once another one has left. */
int64_t lane_opens(struct lane *lane, int64_t now, int64_t tokens);

/* It goes. */
void lane_enter(struct lane *lane, int64_t now, int64_t tokens);

/* It is over, well or not, and took `real` tokens of those it was let in for.
 */
void lane_leave(struct lane *lane, int64_t tokens, int64_t real);

/* One that succeeded leaves. */
void lane_succeeded(struct lane *lane);

/* The server said too fast to a request that was sent at `sent`: nobody goes
 * for so long. Answers to requests from before the last cut close the lane,
 * and cut nothing more. */
void lane_throttled(struct lane *lane, int64_t sent, int64_t now,
                    int64_t wait_ms);

#endif
