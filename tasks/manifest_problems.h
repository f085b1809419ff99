/* Collecting what is wrong with a manifest. The list itself is public:
 * tasks/manifest.h. */
#ifndef NIGHTJAR_TASKS_MANIFEST_PROBLEMS_H
#define NIGHTJAR_TASKS_MANIFEST_PROBLEMS_H

#include <stdarg.h>

#include "tasks/manifest.h"
#include "tasks/yaml.h"

/* What every part of the reading needs. */
struct reader {
    struct arena *arena; /* the plan's */
    const char *file;    /* the manifest's name in problems */
    struct problems *problems;
    size_t found; /* problems so far, known and dropped ones included */
};

/* A problem of a node; NULL: of the whole file. The same problem at the same
 * place is kept once. `hint` may be NULL. */
void reader_problem(struct reader *reader, const struct yaml_node *at,
                    const struct yaml_place *place, const char *hint,
                    const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* "expected <expected>, got <the node>". */
void reader_expected(struct reader *reader, const struct yaml_node *node,
                     const struct yaml_place *place, const char *hint,
                     const char *expected);

/* Takes over what yaml_read found. */
void reader_faults(struct reader *reader, const struct yaml_tree *tree);

/* Sorts the problems from index `first` on by line and column. */
void problems_sort(struct problems *problems, size_t first);

/* `did you mean "…"?` in the arena; NULL for a NULL word. */
const char *did_you_mean(struct arena *arena, const char *word);

#endif
