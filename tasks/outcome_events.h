/* One function for each type of event: what it changes in the outcome. For
 * tasks/outcome.c alone, which finds the task and the attempt that an event
 * is about. */
#ifndef NIGHTJAR_TASKS_OUTCOME_EVENTS_H
#define NIGHTJAR_TASKS_OUTCOME_EVENTS_H

#include "base/json.h"
#include "tasks/outcome.h"

enum event_scope { SCOPE_RUN, SCOPE_TASK, SCOPE_ATTEMPT };

/* What an event is about; task and attempt only where its type has them. */
struct event_subject {
    struct run_outcome *run;
    struct outcome_task *task;
    struct outcome_attempt *attempt;
    struct arena *arena;
};

struct event_handler {
    const char *type;
    enum event_scope scope;
    void (*apply)(struct event_subject *subject, const cJSON *event);
};

/* The handler of a type; NULL for task_planned, which makes its own task, and
 * for types that are not known. */
const struct event_handler *event_handler_find(const char *type);

/* A new task from task_planned, in the arena, without a result. */
struct outcome_task *event_task(struct arena *arena, const cJSON *event);

/* The task's attempt of the event's number, made if there is none yet; NULL
 * for a number that no attempt has. */
struct outcome_attempt *event_attempt(struct event_subject *subject,
                                      const cJSON *event);

/* The array with room for one more zeroed element: the same one, or a copy
 * twice as large when `count` is a power of two. */
void *event_room(struct arena *arena, void *items, size_t count, size_t size);

/* Sums that stay within 2^53; both values are 0 or more. */
void event_add(int64_t *sum, int64_t value);

#endif
