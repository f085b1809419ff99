/* The gate: which worker may send a request now. Pure state, no I/O.
 *
 * Two things hold a worker back. A lease: of the tasks that share a prefix,
 * the first one's first request goes alone, until its response has begun, so
 * that the others find that prefix in the provider's cache. And money: each
 * request's worst case is reserved against the run's limits before it is
 * sent, and settled when its usage is known, so that no limit is passed
 * however many tasks run.
 *
 *     worker     lease KEY → yes   … request … began     (once an attempt)
 *                reserve T, C → yes/no  … request … settle T, C
 *
 * A worker that is refused asks for less, until its last word.
 */
#ifndef NIGHTJAR_RUNNER_GATE_H
#define NIGHTJAR_RUNNER_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

struct gate_slot {
    enum { SLOT_GOES, SLOT_WANTS_LEASE, SLOT_WANTS_MONEY } wants;
    struct gate_group *group; /* NULL: none yet */
    struct gate_amount asked;
    bool last; /* it will not ask for less */
    struct gate_amount reserved;
    int64_t since; /* base/clock.h: of the wish */
};

struct gate {
    struct gate_amount limit; /* of the run; -1: none */
    struct gate_amount spent;
    struct gate_amount reserved; /* by all slots */
    struct gate_slot *slots;
    size_t count;
    struct gate_group **groups;
    size_t group_count;
};

void gate_init(struct gate *gate, size_t slots, struct gate_amount limit);
void gate_free(struct gate *gate);

/* A worker asks. The answer comes from gate_next. Returns -1 when a slot asks
 * again before it was answered, or for too many keys: the worker's fault. */
int gate_lease(struct gate *gate, size_t slot, const char *key, int64_t now);
int gate_reserve(struct gate *gate, size_t slot, struct gate_amount amount,
                 bool last, int64_t now);

/* The response to a slot's request has begun. */
void gate_began(struct gate *gate, size_t slot, int64_t now);

/* What a request really took; its reservation is over. */
void gate_settle(struct gate *gate, size_t slot, struct gate_amount amount);

/* The slot's worker is gone. What it had reserved counts as spent: the
 * request may have been sent. */
void gate_leave(struct gate *gate, size_t slot);

struct gate_answer {
    size_t slot;
    bool yes;
    bool lease;       /* else money */
    bool last;        /* of money: it had asked for the least that it can use */
    bool leader;      /* of a lease: it goes first */
    int64_t position; /* of a lease: how many of its key went before */
    int64_t waited_ms;
};

/* The next answer that can be given now. Returns false when there is none. */
bool gate_next(struct gate *gate, int64_t now, struct gate_answer *answer);

/* When gate_next may have something to say without anything happening. */
int64_t gate_deadline(const struct gate *gate);

#endif
