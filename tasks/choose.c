#include "tasks/choose.h"

#include "base/memory.h"

/* FNV-1a, and a last stir so that all bits depend on all bytes. */
static uint64_t hash(const char *seed, const char *id)
{
    uint64_t value = 14695981039346656037U;

    for (; *seed; seed++)
        value = (value ^ (unsigned char)*seed) * 1099511628211U;
    value = (value ^ 0xFF) * 1099511628211U;
    for (; *id; id++)
        value = (value ^ (unsigned char)*id) * 1099511628211U;
    value ^= value >> 33;
    value *= 0xFF51AFD7ED558CCDU;
    value ^= value >> 33;
    value *= 0xC4CEB9FE1A85EC53U;
    return value ^ value >> 33;
}

static void keep(struct plan *plan, const bool *kept)
{
    size_t count = 0;

    for (size_t i = 0; i < plan->count; i++) {
        if (kept[i])
            plan->tasks[count++] = plan->tasks[i];
    }
    plan->count = count;
}

void plan_limit(struct plan *plan, size_t count)
{
    if (plan->count > count)
        plan->count = count;
}

/* ---- samples ----------------------------------------------------------- */

struct drawn {
    uint64_t hash;
    const char *id;
    size_t index;
};

static int by_hash(const void *a, const void *b)
{
    const struct drawn *x = a;
    const struct drawn *y = b;

    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return strcmp(x->id, y->id);
}

void plan_sample(struct plan *plan, size_t count, const char *seed)
{
    CLEANUP(mem_free)
    struct drawn *all = mem_array(plan->count + 1, sizeof(*all));
    CLEANUP(mem_free) bool *kept = mem_array(plan->count + 1, sizeof(bool));

    for (size_t i = 0; i < plan->count; i++)
        all[i] =
            (struct drawn){hash(seed, plan->tasks[i].id), plan->tasks[i].id, i};
    qsort(all, plan->count, sizeof(*all), by_hash);
    for (size_t i = 0; i < plan->count && i < count; i++)
        kept[all[i].index] = true;
    keep(plan, kept);
}

/* ---- ids --------------------------------------------------------------- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void plan_keep(struct plan *plan, const char *const *ids, size_t count)
{
    CLEANUP(mem_free) bool *kept = mem_array(plan->count + 1, sizeof(bool));

    for (size_t i = 0; i < plan->count; i++)
        kept[i] = bsearch(&plan->tasks[i].id, ids, count, sizeof(*ids),
                          by_text) != NULL;
    keep(plan, kept);
}

/* ---- shards ------------------------------------------------------------ */

struct weighed {
    int64_t duration_ms; /* -1: not known */
    const char *id;
    size_t index;
};

static int by_weight(const void *a, const void *b)
{
    const struct weighed *x = a;
    const struct weighed *y = b;

    if (x->duration_ms != y->duration_ms)
        return x->duration_ms > y->duration_ms ? -1 : 1;
    return strcmp(x->id, y->id);
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct past_duration *)a)->id,
                  ((const struct past_duration *)b)->id);
}

/* Heaviest first; those that are not known become the median. Returns whether
 * any is known. */
static bool weigh(const struct plan *plan, const struct past_duration *past,
                  size_t past_count, struct weighed *all)
{
    size_t known = 0;
    int64_t median;

    for (size_t i = 0; i < plan->count; i++) {
        const struct past_duration key = {plan->tasks[i].id, 0};
        const struct past_duration *found =
            past_count ? bsearch(&key, past, past_count, sizeof(key), by_id)
                       : NULL;

        all[i] = (struct weighed){found ? found->duration_ms : -1,
                                  plan->tasks[i].id, i};
        known += found != NULL;
    }
    qsort(all, plan->count, sizeof(*all), by_weight);
    if (!known)
        return false;
    median = all[known / 2].duration_ms;
    for (size_t i = known; i < plan->count; i++)
        all[i].duration_ms = median;
    qsort(all, plan->count, sizeof(*all), by_weight);
    return true;
}

static size_t lightest(const int64_t *loads, size_t count)
{
    size_t least = 0;

    for (size_t i = 1; i < count; i++) {
        if (loads[i] < loads[least])
            least = i;
    }
    return least;
}

void plan_shard(struct plan *plan, const struct shard *shard,
                const struct past_duration *past, size_t past_count)
{
    CLEANUP(mem_free)
    struct weighed *all = mem_array(plan->count + 1, sizeof(*all));
    CLEANUP(mem_free)
    int64_t *loads = mem_array(shard->count + 1, sizeof(*loads));
    CLEANUP(mem_free) bool *kept = mem_array(plan->count + 1, sizeof(bool));
    bool balanced;

    if (!shard->count)
        return;
    balanced = weigh(plan, past, past_count, all);
    for (size_t i = 0; i < plan->count; i++) {
        size_t to = balanced ? lightest(loads, shard->count)
                             : hash("", all[i].id) % shard->count;

        /* What takes no time still takes a place. */
        loads[to] += all[i].duration_ms > 0 ? all[i].duration_ms : 1;
        kept[all[i].index] = to + 1 == shard->number;
    }
    keep(plan, kept);
}
