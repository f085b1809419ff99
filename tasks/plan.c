#include "base/glob.h"
#include "base/memory.h"
#include "tasks/manifest.h"

#define FIRST_CAPACITY 16

void plan_init(struct plan *plan)
{
    *plan = (struct plan){0};
}

void plan_free(struct plan *plan)
{
    free(plan->tasks);
    arena_free(&plan->arena);
    plan_init(plan);
}

struct task *plan_add(struct plan *plan)
{
    struct task *task;

    if (plan->count == PLAN_TASKS_MAX)
        return NULL;
    if (plan->count == plan->capacity) {
        plan->capacity = plan->capacity ? plan->capacity * 2 : FIRST_CAPACITY;
        plan->tasks =
            mem_resize(plan->tasks, plan->capacity, sizeof(*plan->tasks));
    }
    task = &plan->tasks[plan->count++];
    *task = (struct task){0};
    return task;
}

static bool is_wanted(const struct task *task, const struct strings *globs)
{
    for (size_t i = 0; i < globs->count; i++) {
        if (glob_match_word(globs->items[i], task->id))
            return true;
    }
    return false;
}

void plan_filter(struct plan *plan, const struct strings *globs)
{
    size_t kept = 0;

    for (size_t i = 0; i < plan->count; i++) {
        if (is_wanted(&plan->tasks[i], globs))
            plan->tasks[kept++] = plan->tasks[i];
    }
    plan->count = kept;
}
