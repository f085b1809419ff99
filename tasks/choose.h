/* Choosing tasks of a plan. Pure; the order of what is left stays. */
#ifndef NIGHTJAR_TASKS_CHOOSE_H
#define NIGHTJAR_TASKS_CHOOSE_H

#include "tasks/manifest.h"

#define SHARDS_MAX 10000

/* Keeps `count` tasks, drawn by `seed` and their ids alone: the same seed draws
 * the same ones, and most of them stay when tasks come and go. */
void plan_sample(struct plan *plan, size_t count, const char *seed);

/* Keeps the first ones. */
void plan_limit(struct plan *plan, size_t count);

/* Keeps those of the ids, which are sorted as by strcmp. */
void plan_keep(struct plan *plan, const char *const *ids, size_t count);

/* How long a task took before. */
struct past_duration {
    const char *id;
    int64_t duration_ms;
};

struct shard {
    size_t number; /* from 1 */
    size_t count;  /* of shards; 0: the plan is not divided */
};

/* Keeps the tasks of one shard. Without past durations a task's shard depends
 * on its id alone. With them (sorted by id) the longest task goes to the
 * shard that has least, and so on; those without one count as the median. In
 * both ways every task is in one shard, whichever machine asks. */
void plan_shard(struct plan *plan, const struct shard *shard,
                const struct past_duration *past, size_t past_count);

#endif
