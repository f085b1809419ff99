/* The gate: which worker may send a request now. Pure state, no I/O.
 *
 * Three things hold a worker back. A lease: of the tasks that share a prefix,
 * the first one's first request goes alone, until its response has begun, so
 * that the others find that prefix in the provider's cache. Money: each
 * request's worst case is reserved against the run's limits before it is
 * sent, and settled when its usage is known, so that no limit is passed
 * however many tasks run. And a lane: how fast its server is asked (lane.h).
 *
 *     worker     lease KEY → yes   … request … began     (once an attempt)
 *                reserve T, C → yes/no  … request … settle T, C
 *                enter LANE → yes  … clone … leave
 *
 * A worker that is refused asks for less, until its last word. Who has waited
 * longest is answered first.
 */
#ifndef NIGHTJAR_RUNNER_GATE_H
#define NIGHTJAR_RUNNER_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runner/lane.h"

#define GATE_KEY_MAX 64
#define GATE_KEYS_MAX 100000
/* A leader that gets no response for so long holds nobody back any more. */
#define GATE_LEASE_MS 60000
/* Providers forget a prefix that nobody has used for so long. */
#define GATE_WARM_MS 300000

struct gate_amount {
    int64_t tokens;
    int64_t cost_microusd;
};

/* A prefix that tasks share. */
struct gate_group {
    char key[GATE_KEY_MAX + 1];
    enum { GROUP_COLD, GROUP_LEADING, GROUP_WARM } state;
    size_t leader;  /* slot, while leading */
    int64_t until;  /* while leading: for how long */
    int64_t used;   /* warm: when last */
    int64_t passed; /* leases that were given */
};

/* A lane and what it is of: the URL of a model's server, a host of clones. */
struct gate_lane {
    char *name;
    struct lane lane;
};

struct gate_slot {
    enum {
        SLOT_GOES,
        SLOT_WANTS_LEASE,
        SLOT_WANTS_MONEY, /* and its lane */
        SLOT_WANTS_LANE,
    } wants;
    struct gate_slot *before; /* of those that wait, in the order they came */
    struct gate_slot *after;
    struct gate_group *group; /* NULL: none yet */
    struct gate_amount asked;
    int64_t likely; /* tokens, not the worst case: for rates */
    bool last;      /* it will not ask for less */
    struct gate_amount reserved;
    struct gate_lane *lane; /* that it wants or is in; NULL: none */
    bool in_lane;
    int64_t entered; /* when, base/clock.h */
    int64_t since;   /* of the wish */
};

struct gate {
    struct gate_amount limit; /* of the run; -1: none */
    struct gate_amount spent;
    struct gate_amount reserved; /* by all slots */
    struct gate_slot *slots;
    size_t count;
    struct gate_slot *first; /* of those that wait */
    struct gate_slot *last;
    void *groups; /* of struct gate_group, for tsearch */
    size_t group_count;
    struct gate_lane **lanes;
    size_t lane_count;
};

void gate_init(struct gate *gate, size_t slots, struct gate_amount limit);
void gate_free(struct gate *gate);

/* The lane of that name; made if it is new, with these limits then. At most
 * GATE_KEYS_MAX, NULL beyond. */
struct gate_lane *gate_lane(struct gate *gate, const char *name,
                            const struct lane_limits *limits, int64_t now);

/* A request that is to be sent. */
struct gate_request {
    struct gate_lane *lane;    /* NULL: none holds it back */
    struct gate_amount amount; /* the most that it can take */
    int64_t likely;            /* tokens that it will rather take */
    bool last;                 /* it cannot be made smaller */
};

/* A worker asks. The answer comes from gate_next. Returns -1 when a slot asks
 * again before it was answered, while it is in a lane, or for too many keys:
 * the worker's fault. */
int gate_lease(struct gate *gate, size_t slot, const char *key, int64_t now);
int gate_reserve(struct gate *gate, size_t slot,
                 const struct gate_request *request, int64_t now);
int gate_enter(struct gate *gate, size_t slot, struct gate_lane *lane,
               int64_t now);

/* The response to a slot's request has begun. */
void gate_began(struct gate *gate, size_t slot, int64_t now);

/* How a request ended. */
struct gate_result {
    struct gate_amount amount; /* what it really took */
    bool succeeded;
    int64_t throttled_ms; /* the server said too fast: come back then; -1 */
};

/* Its reservation is over, and it leaves its lane. */
void gate_settle(struct gate *gate, size_t slot,
                 const struct gate_result *result, int64_t now);

/* It leaves the lane that it had entered. */
void gate_exit(struct gate *gate, size_t slot);

/* The slot's worker is gone. What it had reserved counts as spent: the
 * request may have been sent. */
void gate_leave(struct gate *gate, size_t slot);

struct gate_answer {
    size_t slot;
    bool yes;
    bool lease;       /* else money */
    bool money;       /* it was about money, … */
    bool last;        /* … and had asked for the least that it can use */
    bool leader;      /* of a lease: it goes first */
    int64_t position; /* of a lease: how many of its key went before */
    int64_t waited_ms;
};

/* The next answer that can be given now. Returns false when there is none. */
bool gate_next(struct gate *gate, int64_t now, struct gate_answer *answer);

/* The same when nothing may go any more: all are refused, one a call. */
bool gate_refuse(struct gate *gate, int64_t now, struct gate_answer *answer);

/* When gate_next may have something to say without anything happening. */
int64_t gate_deadline(const struct gate *gate, int64_t now);

#endif
