#include "runner/gate.h"

#include "base/clock.h"
#include "base/memory.h"

void gate_init(struct gate *gate, size_t slots, struct gate_amount limit)
{
    *gate = (struct gate){.limit = limit, .count = slots};
    gate->slots = mem_array(slots, sizeof(*gate->slots));
}

void gate_free(struct gate *gate)
{
    for (size_t i = 0; i < gate->group_count; i++)
        free(gate->groups[i]);
    free(gate->groups);
    free(gate->slots);
    memset(gate, 0, sizeof(*gate));
}

/* ---- leases ------------------------------------------------------------ */

static struct gate_group *find_group(struct gate *gate, const char *key)
{
    size_t count = gate->group_count;
    struct gate_group *group;

    for (size_t i = 0; i < count; i++) {
        if (!strcmp(gate->groups[i]->key, key))
            return gate->groups[i];
    }
    if (count == GATE_KEYS_MAX)
        return NULL;
    if (!(count & (count - 1)))
        gate->groups = mem_resize(gate->groups, count ? 2 * count : 1,
                                  sizeof(struct gate_group *));
    group = mem_alloc(sizeof(*group));
    snprintf(group->key, sizeof(group->key), "%s", key);
    gate->groups[gate->group_count++] = group;
    return group;
}

int gate_lease(struct gate *gate, size_t index, const char *key, int64_t now)
{
    struct gate_slot *slot = &gate->slots[index];
    struct gate_group *group =
        strlen(key) <= GATE_KEY_MAX ? find_group(gate, key) : NULL;

    if (slot->wants != SLOT_GOES || !group)
        return -1;
    slot->wants = SLOT_WANTS_LEASE;
    slot->group = group;
    slot->since = now;
    return 0;
}

void gate_began(struct gate *gate, size_t index, int64_t now)
{
    struct gate_group *group = gate->slots[index].group;

    if (!group)
        return;
    group->state = GROUP_WARM;
    group->used = now;
}

static void leave_group(struct gate *gate, size_t index)
{
    struct gate_group *group = gate->slots[index].group;

    if (group && group->state == GROUP_LEADING && group->leader == index)
        group->state = GROUP_COLD;
    gate->slots[index].group = NULL;
}

static bool try_lease(struct gate *gate, size_t index, int64_t now,
                      struct gate_answer *answer)
{
    struct gate_group *group = gate->slots[index].group;

    if (group->state == GROUP_LEADING && now >= group->until) {
        group->state = GROUP_WARM;
        group->used = now;
    }
    if (group->state == GROUP_WARM && now - group->used > GATE_WARM_MS)
        group->state = GROUP_COLD;
    if (group->state == GROUP_LEADING)
        return false;
    answer->leader = group->state == GROUP_COLD;
    if (answer->leader) {
        group->state = GROUP_LEADING;
        group->leader = index;
        group->until = now + GATE_LEASE_MS;
    }
    answer->lease = true;
    answer->yes = true;
    answer->position = group->passed++;
    return true;
}

/* ---- money ------------------------------------------------------------- */

int gate_reserve(struct gate *gate, size_t index, struct gate_amount amount,
                 bool last, int64_t now)
{
    struct gate_slot *slot = &gate->slots[index];

    if (slot->wants != SLOT_GOES || amount.tokens < 0 ||
        amount.cost_microusd < 0)
        return -1;
    slot->wants = SLOT_WANTS_MONEY;
    slot->asked = amount;
    slot->last = last;
    slot->since = now;
    return 0;
}

static void add(int64_t *sum, int64_t value)
{
    if (value > 0 && __builtin_add_overflow(*sum, value, sum))
        *sum = INT64_MAX;
}

static void spend(struct gate *gate, struct gate_amount amount)
{
    add(&gate->spent.tokens, amount.tokens);
    add(&gate->spent.cost_microusd, amount.cost_microusd);
}

static void release(struct gate *gate, struct gate_slot *slot)
{
    gate->reserved.tokens -= slot->reserved.tokens;
    gate->reserved.cost_microusd -= slot->reserved.cost_microusd;
    slot->reserved = (struct gate_amount){0};
}

void gate_settle(struct gate *gate, size_t index, struct gate_amount amount)
{
    release(gate, &gate->slots[index]);
    spend(gate, amount);
    if (gate->slots[index].group)
        gate->slots[index].group->used = clock_now_ms();
}

void gate_leave(struct gate *gate, size_t index)
{
    struct gate_slot *slot = &gate->slots[index];

    spend(gate, slot->reserved);
    release(gate, slot);
    leave_group(gate, index);
    slot->wants = SLOT_GOES;
}

static bool fits(int64_t limit, int64_t spent, int64_t reserved, int64_t asked)
{
    int64_t sum = spent;

    if (limit < 0)
        return true;
    add(&sum, reserved);
    add(&sum, asked);
    return sum <= limit;
}

/* What does not fit now may fit once others have settled for less; with
 * nobody to wait for, it never will. */
static bool try_money(struct gate *gate, struct gate_slot *slot,
                      struct gate_answer *answer)
{
    bool others = gate->reserved.tokens > 0 || gate->reserved.cost_microusd > 0;
    const struct gate_amount *asked = &slot->asked;

    answer->yes = fits(gate->limit.tokens, gate->spent.tokens,
                       gate->reserved.tokens, asked->tokens) &&
                  fits(gate->limit.cost_microusd, gate->spent.cost_microusd,
                       gate->reserved.cost_microusd, asked->cost_microusd);
    answer->last = slot->last;
    /* Who can do with less asks again at once; who cannot waits. */
    if (!answer->yes && others && slot->last)
        return false;
    if (answer->yes) {
        slot->reserved = *asked;
        add(&gate->reserved.tokens, asked->tokens);
        add(&gate->reserved.cost_microusd, asked->cost_microusd);
    }
    return true;
}

/* ---- answers ----------------------------------------------------------- */

/* Answers one slot if there is an answer. */
static bool try_slot(struct gate *gate, size_t index, int64_t now,
                     struct gate_answer *answer)
{
    struct gate_slot *slot = &gate->slots[index];
    bool given;

    *answer = (struct gate_answer){.slot = index};
    given = slot->wants == SLOT_WANTS_LEASE
                ? try_lease(gate, index, now, answer)
                : try_money(gate, slot, answer);
    if (!given)
        return false;
    answer->waited_ms = now - slot->since;
    slot->wants = SLOT_GOES;
    return true;
}

bool gate_next(struct gate *gate, int64_t now, struct gate_answer *answer)
{
    for (size_t i = 0; i < gate->count; i++) {
        if (gate->slots[i].wants != SLOT_GOES && try_slot(gate, i, now, answer))
            return true;
    }
    return false;
}

int64_t gate_deadline(const struct gate *gate)
{
    int64_t next = CLOCK_NEVER;

    for (size_t i = 0; i < gate->count; i++) {
        const struct gate_slot *slot = &gate->slots[i];

        if (slot->wants == SLOT_WANTS_LEASE &&
            slot->group->state == GROUP_LEADING)
            next = clock_earlier(next, slot->group->until);
    }
    return next;
}
