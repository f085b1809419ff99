#include "runner/pins.h"

#include <assert.h>
#include <inttypes.h>
#include <search.h>

#include "base/memory.h"

void pins_init(struct pins *pins, size_t slots)
{
    *pins = (struct pins){.count = slots};
    pins->slots = mem_array(slots, sizeof(*pins->slots));
}

static void pin_free(void *item)
{
    struct pin *pin = item;

    free(pin->key);
    free(pin);
}

void pins_free(struct pins *pins)
{
    tdestroy(pins->all, pin_free);
    free(pins->slots);
    *pins = (struct pins){.count = 0};
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct pin *)a)->key, ((const struct pin *)b)->key);
}

static struct pin *find(struct pins *pins, const struct task *task)
{
    struct pin *pin = mem_alloc(sizeof(*pin));
    struct pin *const *found;

    pin->key = mem_format("%s\n%s\n%" PRId64, task->repo,
                          task->ref ? task->ref : "", task->depth);
    found = tsearch(pin, &pins->all, compare);
    assert(found);
    if (*found != pin)
        pin_free(pin);
    return *found;
}

static void set(struct pin *pin, const char *commit)
{
    if (strlen(commit) != PIN_COMMIT_LENGTH)
        return;
    memcpy(pin->commit, commit, PIN_COMMIT_LENGTH + 1);
    pin->state = PIN_KNOWN;
}

void pins_set(struct pins *pins, const struct task *task, const char *commit)
{
    set(find(pins, task), commit);
}

int pins_ask(struct pins *pins, size_t slot, const struct task *task)
{
    if (pins->slots[slot].waits || pins->slots[slot].looks)
        return -1;
    pins->slots[slot].waits = find(pins, task);
    pins->waiting++;
    return 0;
}

static void answered(struct pins *pins, size_t slot)
{
    pins->slots[slot].waits = NULL;
    pins->waiting--;
}

bool pins_next(struct pins *pins, size_t *slot, const char **commit)
{
    for (size_t i = 0; pins->waiting && i < pins->count; i++) {
        struct pin *pin = pins->slots[i].waits;

        if (!pin || pin->state == PIN_LOOKED_AT)
            continue;
        if (pin->state == PIN_FREE) {
            pin->state = PIN_LOOKED_AT;
            pins->slots[i].looks = pin;
        }
        answered(pins, i);
        *slot = i;
        *commit = pin->commit;
        return true;
    }
    return false;
}

bool pins_refuse(struct pins *pins, size_t *slot)
{
    for (size_t i = 0; pins->waiting && i < pins->count; i++) {
        if (!pins->slots[i].waits)
            continue;
        answered(pins, i);
        *slot = i;
        return true;
    }
    return false;
}

void pins_found(struct pins *pins, size_t slot, const char *commit)
{
    struct pin *pin = pins->slots[slot].looks;

    if (!pin)
        return;
    pin->state = PIN_FREE;
    set(pin, commit);
    pins->slots[slot].looks = NULL;
}

void pins_leave(struct pins *pins, size_t slot)
{
    struct pin *pin = pins->slots[slot].looks;

    if (pins->slots[slot].waits)
        answered(pins, slot);
    if (pin)
        pin->state = PIN_FREE;
    pins->slots[slot].looks = NULL;
}
