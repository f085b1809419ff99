/* `for`: the records that one item of `tasks` stands for. */
#ifndef NIGHTJAR_TASKS_MANIFEST_FOR_H
#define NIGHTJAR_TASKS_MANIFEST_FOR_H

#include "tasks/expand_work.h"

/* Reads work->source's `for` into work->records; without one there is nothing
 * to do. Returns -1 after a problem. */
int for_read(struct work *work);

/* What names the record at hand in ids: the first of its fields id, slug, name,
 * key, number, file, repo that it has, else a hash of all; short, in the arena.
 */
const char *for_identity(const struct work *work);

#endif
