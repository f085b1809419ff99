/* Names that are given out, none of them twice, in time that grows with their
 * number alone.
 *
 *     struct names names = {0};
 *     const char *one = names_unique(&names, "", "app", "-", "");   // app
 *     const char *two = names_unique(&names, "", "app", "-", "");   // app-2
 *     names_free(&names);
 */
#ifndef NIGHTJAR_BASE_NAMES_H
#define NIGHTJAR_BASE_NAMES_H

#include "base/arena.h"

struct names {
    struct arena arena;
    void *root; /* a tree of search.h, which stays balanced whatever the keys */
};

/* How often the key was counted before. */
size_t names_count(struct names *names, const char *key);

/* `wanted`, or wanted with `before`, a number and `after` behind it when it was
 * given out in that scope already. Lives until names_free. */
const char *names_unique(struct names *names, const char *scope,
                         const char *wanted, const char *before,
                         const char *after);

/* A place for whatever belongs to the key, NULL at first; the same place each
 * time, until names_free. */
void **names_slot(struct names *names, const char *key);

void names_free(struct names *names);

#endif
