/* From tasks as written to tasks as run: matrix, templates, files, ids. */
#ifndef NIGHTJAR_TASKS_MANIFEST_EXPAND_H
#define NIGHTJAR_TASKS_MANIFEST_EXPAND_H

#include "tasks/manifest_fields.h"
#include "tasks/manifest_files.h"
#include "tasks/manifest_problems.h"

/* Where a task of the plan was written. */
struct task_origin {
    const struct yaml_node *node; /* its id, or the task; NULL: no good id */
    size_t number;                /* in the manifest's list */
};

/* What all tasks of one manifest share while they are expanded. */
struct expansion {
    struct reader *reader;
    struct plan *plan;
    const char *directory; /* the manifest's, absolute */
    const char *suite;
    const struct environment *params; /* after -p */
    const struct model_settings *model;
    const struct task_source *defaults;
    size_t written; /* tasks in the manifest's list */

    struct named_files files;
    size_t bytes;                /* used of PLAN_BYTES_MAX */
    const char *current_repo;    /* "" : none; NULL: not looked for */
    size_t first;                /* index in the plan of the first of ours */
    struct task_origin *origins; /* of the tasks from `first` on */
    size_t origin_capacity;
};

/* Adds the tasks that one item of `tasks` stands for. What is wrong becomes
 * problems. Returns -1 when a limit of the whole plan is reached and there is
 * no use in going on. */
int expand_task(struct expansion *expansion, const struct task_source *source,
                const struct yaml_node *node, size_t number);

/* Reports ids that stand twice, among the plan's older tasks too. */
void expand_check_ids(struct expansion *expansion);

/* Releases what the expansion itself holds. */
void expansion_free(struct expansion *expansion);

#endif
