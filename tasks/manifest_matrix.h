/* A task's matrix: the product of lists of values, as GitHub Actions defines
 * it in "Running variations of jobs in a workflow".
 *
 * 1. All combinations of the keys' values, the first key changing slowest.
 * 2. `exclude`: a combination that has all values of an entry is dropped.
 * 3. `include`: an entry's values are added to every combination that they
 *    overwrite no original value of; values added by an earlier entry may be
 *    overwritten. An entry that fits none becomes a combination of its own;
 *    later entries are not added to it.
 *
 * Values are compared as their texts. */
#ifndef NIGHTJAR_TASKS_MANIFEST_MATRIX_H
#define NIGHTJAR_TASKS_MANIFEST_MATRIX_H

#include "tasks/manifest_problems.h"

/* Bytes that the table of a matrix may take. */
#define MATRIX_BYTES_MAX ((size_t)256 << 20)

struct matrix {
    const char **keys; /* the lists' keys, then those that `include` adds */
    size_t key_count;
    size_t own_count; /* of the lists */
    /* cells[c * key_count + k]: the value, NULL where the cell has none. */
    const char **cells;
    size_t count;
};

/* Reads and expands; without a matrix (NULL) there is one cell without keys.
 * Returns 0, or -1 after a problem; release with matrix_free in both cases.
 * The texts are in the reader's arena. */
int matrix_read(struct reader *reader, const struct yaml_node *node,
                const struct yaml_place *place, struct matrix *matrix);

void matrix_free(struct matrix *matrix);

/* The values of a cell in the order of the keys, joined by ", ", each in one
 * line and cut after 100 bytes; in the arena. */
const char *matrix_cell(const struct matrix *matrix, size_t cell,
                        struct arena *arena);

#endif
