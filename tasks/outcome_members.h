/* Members of an event as the outcome keeps them. Texts are in the arena. For
 * tasks/outcome_events.c. */
#ifndef NIGHTJAR_TASKS_OUTCOME_MEMBERS_H
#define NIGHTJAR_TASKS_OUTCOME_MEMBERS_H

#include "base/json.h"
#include "tasks/outcome.h"

const char *member_text_or_null(struct arena *arena, const cJSON *event,
                                const char *key);

/* "" for one that is missing. */
const char *member_text(struct arena *arena, const cJSON *event,
                        const char *key);

/* A missing or negative one is 0. */
int64_t member_amount(const cJSON *event, const char *key);

/* When it happened, as RFC 3339; NULL for anything else. */
const char *member_time(struct arena *arena, const cJSON *event);

/* The same in milliseconds since 1970; -1 where member_time gives NULL. */
int64_t member_ms(const cJSON *event);

/* At most OUTCOME_NAMES_MAX of them. */
struct strings member_strings(struct arena *arena, const cJSON *event,
                              const char *key);

#endif
