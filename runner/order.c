#include "runner/order.h"

#include "base/memory.h"

static int compare(const void *a, const void *b, void *context)
{
    const struct plan *plan = context;
    size_t x = *(const size_t *)a;
    size_t y = *(const size_t *)b;
    int64_t difference = plan->tasks[y].priority - plan->tasks[x].priority;

    if (difference)
        return difference < 0 ? -1 : 1;
    return x < y ? -1 : 1;
}

static void sort(const struct plan *plan, size_t *order, size_t count)
{
    qsort_r(order, count, sizeof(*order), compare, (void *)(uintptr_t)plan);
}

size_t *order_make(const struct plan *plan, size_t pilot)
{
    size_t *order = mem_array(plan->count, sizeof(*order));
    CLEANUP(mem_free) bool *taken = mem_array(plan->count, sizeof(*taken));
    size_t count = 0;

    if (pilot > plan->count)
        pilot = plan->count;
    for (; count < pilot; count++) {
        size_t index = (size_t)((unsigned __int128)count * plan->count / pilot);

        order[count] = index;
        taken[index] = true;
    }
    for (size_t i = 0; i < plan->count; i++) {
        if (!taken[i])
            order[count++] = i;
    }
    sort(plan, order, pilot);
    sort(plan, order + pilot, count - pilot);
    return order;
}
