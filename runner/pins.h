/* Which commit each branch of a run is: the first task that looks decides, the
 * others wait for it and have the same, however the branch moves meanwhile.
 * Pure state, no I/O.
 *
 *     worker     pin → "" … repository_ready COMMIT     (the first)
 *                pin → COMMIT                           (all others)
 */
#ifndef NIGHTJAR_RUNNER_PINS_H
#define NIGHTJAR_RUNNER_PINS_H

#include <stdbool.h>
#include <stddef.h>

#include "tasks/task.h"

#define PIN_COMMIT_LENGTH 40

/* A remote's ref. */
struct pin {
    char *key;
    enum { PIN_FREE, PIN_LOOKED_AT, PIN_KNOWN } state;
    char commit[PIN_COMMIT_LENGTH + 1]; /* once known */
};

struct pins_slot {
    struct pin *waits; /* for this one; NULL: for none */
    struct pin *looks; /* at this one */
};

struct pins {
    void *all; /* of struct pin, for tsearch */
    struct pins_slot *slots;
    size_t count;
    size_t waiting;
};

void pins_init(struct pins *pins, size_t slots);
void pins_free(struct pins *pins);

/* What is known from before. */
void pins_set(struct pins *pins, const struct task *task, const char *commit);

/* A slot asks for its task. -1: it has asked already. */
int pins_ask(struct pins *pins, size_t slot, const struct task *task);

/* The next slot that can be answered, and the commit: "" when it is to look
 * itself. False: there is none. */
bool pins_next(struct pins *pins, size_t *slot, const char **commit);

/* The next slot that waits, which is not to wait any more. */
bool pins_refuse(struct pins *pins, size_t *slot);

/* What a slot that was to look has found. */
void pins_found(struct pins *pins, size_t slot, const char *commit);

/* The slot's worker is gone, or done: another one looks. */
void pins_leave(struct pins *pins, size_t slot);

#endif
