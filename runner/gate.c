#include "runner/gate.h"

#include <search.h>

#include "base/clock.h"
#include "base/memory.h"

void gate_init(struct gate *gate, size_t slots, struct gate_amount limit)
{
    *gate = (struct gate){.limit = limit, .count = slots};
    gate->slots = mem_array(slots, sizeof(*gate->slots));
}

void gate_free(struct gate *gate)
{
    for (size_t i = 0; i < gate->lane_count; i++) {
        free(gate->lanes[i]->name);
        free(gate->lanes[i]);
    }
    free(gate->lanes);
    tdestroy(gate->groups, free);
    free(gate->slots);
    memset(gate, 0, sizeof(*gate));
}

/* ---- the queue --------------------------------------------------------- */

static void begin_wait(struct gate *gate, struct gate_slot *slot, int64_t now)
{
    slot->since = now;
    slot->before = gate->last;
    slot->after = NULL;
    if (gate->last)
        gate->last->after = slot;
    else
        gate->first = slot;
    gate->last = slot;
}

static void end_wait(struct gate *gate, struct gate_slot *slot)
{
    if (slot->wants == SLOT_GOES)
        return;
    if (slot->before)
        slot->before->after = slot->after;
    else
        gate->first = slot->after;
    if (slot->after)
        slot->after->before = slot->before;
    else
        gate->last = slot->before;
    slot->wants = SLOT_GOES;
}

/* ---- lanes ------------------------------------------------------------- */

struct gate_lane *gate_lane(struct gate *gate, const char *name,
                            const struct lane_limits *limits, int64_t now)
{
    size_t count = gate->lane_count;
    struct gate_lane *lane;

    for (size_t i = 0; i < count; i++) {
        if (!strcmp(gate->lanes[i]->name, name))
            return gate->lanes[i];
    }
    if (count == GATE_KEYS_MAX)
        return NULL;
    if (!(count & (count - 1)))
        gate->lanes = mem_resize(gate->lanes, count ? 2 * count : 1,
                                 sizeof(struct gate_lane *));
    lane = mem_alloc(sizeof(*lane));
    lane->name = mem_string(name);
    lane_init(&lane->lane, limits, now);
    gate->lanes[gate->lane_count++] = lane;
    return lane;
}

int gate_enter(struct gate *gate, size_t index, struct gate_lane *lane,
               int64_t now)
{
    struct gate_slot *slot = &gate->slots[index];

    if (slot->wants != SLOT_GOES || slot->in_lane || !lane)
        return -1;
    slot->wants = SLOT_WANTS_LANE;
    slot->lane = lane;
    slot->likely = 0;
    begin_wait(gate, slot, now);
    return 0;
}

/* Whether the slot's lane lets it in; then it is in it. */
static bool try_lane(struct gate_slot *slot, int64_t now)
{
    if (!slot->lane)
        return true;
    if (lane_opens(&slot->lane->lane, now, slot->likely) > now)
        return false;
    lane_enter(&slot->lane->lane, now, slot->likely);
    slot->in_lane = true;
    slot->entered = now;
    return true;
}

static void leave_lane(struct gate_slot *slot, int64_t tokens)
{
    if (slot->in_lane)
        lane_leave(&slot->lane->lane, slot->likely, tokens);
    slot->in_lane = false;
}

void gate_exit(struct gate *gate, size_t index)
{
    leave_lane(&gate->slots[index], 0);
}

/* ---- leases ------------------------------------------------------------ */

static int compare_groups(const void *a, const void *b)
{
    return strcmp(((const struct gate_group *)a)->key,
                  ((const struct gate_group *)b)->key);
}

static struct gate_group *find_group(struct gate *gate, const char *key)
{
    struct gate_group *group = mem_alloc(sizeof(*group));
    struct gate_group *const *found;

    snprintf(group->key, sizeof(group->key), "%s", key);
    found = gate->group_count < GATE_KEYS_MAX
                ? tsearch(group, &gate->groups, compare_groups)
                : tfind(group, &gate->groups, compare_groups);
    if (found && *found == group) {
        gate->group_count++;
        return group;
    }
    free(group);
    return found ? *found : NULL;
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
    begin_wait(gate, slot, now);
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

int gate_reserve(struct gate *gate, size_t index,
                 const struct gate_request *request, int64_t now)
{
    struct gate_slot *slot = &gate->slots[index];

    if (slot->wants != SLOT_GOES || slot->in_lane ||
        request->amount.tokens < 0 || request->amount.cost_microusd < 0 ||
        request->likely < 0)
        return -1;
    slot->wants = SLOT_WANTS_MONEY;
    slot->asked = request->amount;
    slot->likely = request->likely;
    slot->lane = request->lane;
    slot->last = request->last;
    begin_wait(gate, slot, now);
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

void gate_settle(struct gate *gate, size_t index,
                 const struct gate_result *result, int64_t now)
{
    struct gate_slot *slot = &gate->slots[index];

    release(gate, slot);
    spend(gate, result->amount);
    if (slot->group)
        slot->group->used = now;
    if (slot->in_lane && result->throttled_ms >= 0)
        lane_throttled(&slot->lane->lane, slot->entered, now,
                       result->throttled_ms);
    else if (slot->in_lane && result->succeeded)
        lane_succeeded(&slot->lane->lane);
    leave_lane(slot, result->amount.tokens);
}

void gate_leave(struct gate *gate, size_t index)
{
    struct gate_slot *slot = &gate->slots[index];

    spend(gate, slot->reserved);
    release(gate, slot);
    leave_group(gate, index);
    leave_lane(slot, slot->likely);
    end_wait(gate, slot);
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
static bool try_money(struct gate *gate, struct gate_slot *slot, int64_t now,
                      struct gate_answer *answer)
{
    bool others = gate->reserved.tokens > 0 || gate->reserved.cost_microusd > 0;
    const struct gate_amount *asked = &slot->asked;

    answer->yes = fits(gate->limit.tokens, gate->spent.tokens,
                       gate->reserved.tokens, asked->tokens) &&
                  fits(gate->limit.cost_microusd, gate->spent.cost_microusd,
                       gate->reserved.cost_microusd, asked->cost_microusd);
    answer->money = true;
    answer->last = slot->last;
    /* Who can do with less asks again at once; who cannot waits. */
    if (!answer->yes && others && slot->last)
        return false;
    /* What waits for its lane reserves nothing yet. */
    if (answer->yes && !try_lane(slot, now))
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
static bool try_slot(struct gate *gate, struct gate_slot *slot, int64_t now,
                     struct gate_answer *answer)
{
    size_t index = (size_t)(slot - gate->slots);
    bool given;

    *answer = (struct gate_answer){.slot = index};
    if (slot->wants == SLOT_WANTS_LEASE)
        given = try_lease(gate, index, now, answer);
    else if (slot->wants == SLOT_WANTS_MONEY)
        given = try_money(gate, slot, now, answer);
    else
        given = answer->yes = try_lane(slot, now);
    if (!given)
        return false;
    answer->waited_ms = now - slot->since;
    end_wait(gate, slot);
    return true;
}

bool gate_next(struct gate *gate, int64_t now, struct gate_answer *answer)
{
    struct gate_slot *after;

    for (struct gate_slot *slot = gate->first; slot; slot = after) {
        after = slot->after;
        if (try_slot(gate, slot, now, answer))
            return true;
    }
    return false;
}

int64_t gate_deadline(const struct gate *gate, int64_t now)
{
    int64_t next = CLOCK_NEVER;

    for (struct gate_slot *slot = gate->first; slot; slot = slot->after) {
        int64_t at = now;

        if (slot->wants == SLOT_WANTS_LEASE)
            at = slot->group->until;
        else if (slot->lane)
            at = lane_opens(&slot->lane->lane, now, slot->likely);
        /* What could go now waits for others. */
        if (at > now)
            next = clock_earlier(next, at);
    }
    return next;
}

bool gate_refuse(struct gate *gate, int64_t now, struct gate_answer *answer)
{
    struct gate_slot *slot = gate->first;

    if (!slot)
        return false;
    *answer = (struct gate_answer){.slot = (size_t)(slot - gate->slots),
                                   .waited_ms = now - slot->since};
    end_wait(gate, slot);
    return true;
}
