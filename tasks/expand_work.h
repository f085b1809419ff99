/* Private to manifest_expand.c and manifest_slots.c: one item of `tasks` while
 * it is expanded. */
#ifndef NIGHTJAR_TASKS_EXPAND_WORK_H
#define NIGHTJAR_TASKS_EXPAND_WORK_H

#include "tasks/manifest_expand.h"
#include "tasks/manifest_matrix.h"
#include "tasks/records.h"

struct work;

/* A text of a task that may hold templates. */
struct slot {
    const char *key;
    struct source_text source; /* as written, or a file's text */
    bool inherited;            /* written under `defaults` */
    bool failed;               /* told once: not again for each cell */
    const char *shared;        /* the result, when all cells have the same */
    size_t maximum;            /* bytes of the result */
    const char *(*rule)(const char *text);
    const char *(*finish)(struct work *work, const char *text);
};

enum {
    SLOT_REPO,
    SLOT_REF,
    SLOT_DIRECTORY,
    SLOT_PROMPT,
    SLOT_INSTRUCTIONS,
    SLOT_ID,
    SLOT_OUTPUT_SCHEMA,
    SLOTS
};

/* One item of `tasks`. */
struct work {
    struct expansion *expansion;
    struct reader *reader;
    const struct task_source *source;
    const struct yaml_node *node;
    size_t number;
    struct matrix matrix;
    struct records records; /* of `for`; none: one task for each cell */
    bool each;              /* there is a `for` */
    size_t row;             /* the record at hand */
    struct slot slots[SLOTS];
    /* Matrix keys, fields of records, params, task.id: names in templates,
     * variables (NULL: none), values of the cell at hand. */
    const char **names;
    const char **variables;
    const char **values;
    const char **shown; /* the same, as a prompt has them */
    size_t name_count;
    const char *cell; /* the cell's name */
};

/* ---- manifest_slots.c ---- */

/* Where the slots' texts come from. */
void slots_set(struct work *work);
void slot_set(struct work *work, int index, struct slot slot);

/* The slot's text for the cell at hand, in the arena; NULL: not set, or after
 * a problem. */
const char *slot_resolve(struct work *work, struct slot *slot);

/* A task without `repo` is about the work tree that its manifest is in. */
const char *slot_current_repo(struct work *work, struct slot *slot);

/* A file's text in the place of its name; NULL after a problem. */
struct named_file *slot_read_named(struct work *work, struct slot *slot);

/* At the slot's node, or at the task if nothing was written. */
void slot_problem(struct work *work, struct slot *slot, const char *hint,
                  const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
