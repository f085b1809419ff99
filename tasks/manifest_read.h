/* Filling structs from a located tree, as the field table says. */
#ifndef NIGHTJAR_TASKS_MANIFEST_READ_H
#define NIGHTJAR_TASKS_MANIFEST_READ_H

#include "tasks/manifest_fields.h"
#include "tasks/manifest_problems.h"

/* Gives every field of the block (and of the blocks inside) its default:
 * numbers without one are -1, texts NULL, lists empty. */
void read_fallbacks(struct reader *reader, const struct block *block,
                    void *base);

/* Puts the map's values over what is in the struct: maps are merged, lists and
 * single values replaced. What is wrong becomes a problem and leaves the
 * target alone. `in_defaults`: keys that only a task has are unknown. */
void read_block(struct reader *reader, const struct block *block,
                const struct yaml_node *node, const struct yaml_place *place,
                bool in_defaults, void *base);

/* Reports every scalar of the tree (which has a root), keys included, that
 * looks like a credential. */
void read_secrets(struct reader *reader, const struct yaml_tree *tree);

#endif
