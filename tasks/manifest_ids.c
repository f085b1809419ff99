#include "base/memory.h"
#include "tasks/manifest_expand.h"

static const struct yaml_place tasks_place = {NULL, "tasks", 0};

static int by_id(const void *left, const void *right)
{
    const struct task *a = *(struct task *const *)left;
    const struct task *b = *(struct task *const *)right;
    int order = strcmp(a->id, b->id);

    return order ? order : (a > b) - (a < b);
}

/* The number in the manifest's list; SIZE_MAX for another manifest's task. */
static size_t number_of(const struct expansion *expansion,
                        const struct task *task)
{
    size_t index = (size_t)(task - expansion->plan->tasks);

    return index < expansion->first
               ? SIZE_MAX
               : expansion->origins[index - expansion->first].number;
}

static void report_twice(struct expansion *expansion,
                         const struct task *earlier, const struct task *task)
{
    size_t index = (size_t)(task - expansion->plan->tasks) - expansion->first;
    const struct task_origin *origin = &expansion->origins[index];
    struct yaml_place place = {&tasks_place, NULL, origin->number};
    struct yaml_place id = {&place, "id", 0};

    if (number_of(expansion, earlier) == origin->number)
        reader_problem(expansion->reader, origin->node, &id,
                       task->record.count
                           ? "put what differs into the id: {{ item.FIELD }}, "
                             "{{ matrix.KEY }}"
                           : "put the matrix keys that differ into the id: "
                             "{{ matrix.KEY }}",
                       "the id \"%s\" stands for the cells \"%s\" and \"%s\"",
                       task->id, earlier->matrix_cell, task->matrix_cell);
    else
        reader_problem(expansion->reader, origin->node, &id, NULL,
                       "the id \"%s\" is taken by the task at %s:%zu", task->id,
                       earlier->file, earlier->line);
}

void expand_check_ids(struct expansion *expansion)
{
    struct plan *plan = expansion->plan;
    CLEANUP(mem_free)
    struct task **sorted = mem_array(plan->count, sizeof(*sorted));
    size_t count = 0;

    for (size_t i = 0; i < plan->count; i++) {
        if (plan->tasks[i].id)
            sorted[count++] = &plan->tasks[i];
    }
    qsort(sorted, count, sizeof(*sorted), by_id);
    for (size_t i = 1, first = 0; i < count; i++) {
        size_t number = number_of(expansion, sorted[i]);

        if (strcmp(sorted[i]->id, sorted[first]->id))
            first = i;
        else if (number != SIZE_MAX &&
                 (i == first + 1 ||
                  number != number_of(expansion, sorted[i - 1])))
            /* Of one task's cells, the first two are enough. */
            report_twice(expansion, sorted[first], sorted[i]);
    }
}
