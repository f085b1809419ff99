/* YAML as a tree that knows where everything stands.
 *
 * libyaml turns the bytes into events; this turns the events into nodes with
 * line and column, within limits, so that whoever reads the tree can name the
 * place of what it dislikes. It reads YAML 1.1's syntax and none of its types:
 * a scalar is its text, and whether it was quoted. What a text means (number,
 * boolean, nothing) is up to the reader.
 *
 *     struct yaml_tree tree;
 *     if (yaml_read(&tree, text, &limits)) for each tree.faults: print
 *     else look at tree.root
 *     yaml_free(&tree);
 *
 * Refused, because they are traps: several documents, tags (`!!binary`),
 * merge keys (`<<`), a key twice in a map, keys that are lists or maps or hold
 * control characters, aliases into themselves, bytes that are no UTF-8, and
 * control characters. Aliases (`*name`) work: both places share one node,
 * whose line and column are the anchor's, and count in full each time. */
#ifndef NIGHTJAR_TASKS_YAML_H
#define NIGHTJAR_TASKS_YAML_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buffer.h"

#define YAML_DEPTH_MAX 64     /* the most that yaml_limits.depth may be */
#define YAML_ANCHORS_MAX 1000 /* in one text */
#define YAML_FAULTS_MAX 200   /* that are kept */

enum yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml_node {
    enum yaml_kind kind;
    size_t line;   /* from 1 */
    size_t column; /* from 1, in characters */

    /* YAML_SCALAR: UTF-8 with a NUL behind. A double-quoted scalar may hold
     * a NUL ("\0"): then strlen(text) < length. */
    const char *text;
    size_t length;
    bool quoted; /* '…', "…", | or >; plain otherwise */

    /* YAML_LIST: items. YAML_MAP: items, and at the same index their keys,
     * which are scalars without control characters, as in the text. */
    struct yaml_node **items;
    struct yaml_node **keys;
    size_t count;

    size_t number; /* among the tree's nodes, from 0: to mark what was seen */
    size_t all_nodes; /* this one and all below, aliases expanded */
    size_t all_bytes; /* of their scalars */
    size_t height;    /* 1 for a scalar */
};

/* All counted with aliases expanded. */
struct yaml_limits {
    size_t depth; /* nested nodes, at most YAML_DEPTH_MAX */
    size_t nodes;
    size_t bytes; /* of all scalars */
};

struct yaml_fault {
    size_t line;
    size_t column;
    const char *path; /* as yaml_place_add writes it; "" for the document */
    const char *text;
    const char *hint; /* may be NULL */
};

struct yaml_tree {
    struct arena arena; /* holds all that follows */
    struct yaml_node *root;
    size_t node_count; /* shared ones once, so that all numbers are below */
    struct yaml_fault *faults;
    size_t fault_count;
};

/* Reads one document. Returns 0, or -1 with at least one fault. root is then
 * NULL if there is no tree (no YAML, a limit), else it is the whole tree, so
 * that its other mistakes can be told in the same go. The tree owns copies of
 * everything; release it with yaml_free in both cases. */
int yaml_read(struct yaml_tree *tree, struct span text,
              const struct yaml_limits *limits);

/* libyaml exports a function of this name too. The linker must not see two,
 * or libyaml would call ours. */
#define yaml_free nightjar_yaml_free

void yaml_free(struct yaml_tree *tree);

/* The value of a key in a map; NULL if there is none, the node is no map, or
 * the node is NULL. */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);

/* Where one is in a tree, as a list from the inside out that lives on the
 * stack of whoever walks it. The document is NULL. */
struct yaml_place {
    const struct yaml_place *parent;
    const char *key; /* in a map; NULL: in a list */
    size_t index;    /* in a list */
};

/* Adds "tasks[0].verify[1].timeout". Keys that are no plain words are shown
 * as yaml_show does. */
void yaml_place_add(struct buffer *out, const struct yaml_place *place);

/* Adds a value for people to read: in quotes, escaped, cut after some 60
 * bytes. What looks like a credential is named and not shown. */
void yaml_show(struct buffer *out, const char *text, size_t length);

#endif
