#include "base/names.h"

#include <search.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"

struct name {
    const char *key; /* must be first */
    size_t count;    /* how often it was wanted */
    void *slot;
};

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void keep(void *node)
{
    (void)node; /* in the arena */
}

/* `key` is in the arena. */
static struct name *find_or_add(struct names *names, const char *key)
{
    struct name *made = arena_alloc(&names->arena, sizeof(*made));
    struct name *const *found;

    made->key = key;
    found = (struct name *const *)tsearch(made, &names->root, compare_keys);
    if (!found)
        _exit(MEMORY_EXIT_STATUS); /* as base/memory.h does */
    return *found;
}

size_t names_count(struct names *names, const char *key)
{
    return find_or_add(names, arena_string(&names->arena, key))->count++;
}

static struct name *find_in(struct names *names, const char *scope,
                            const char *name)
{
    return find_or_add(names,
                       arena_format(&names->arena, "%s\n%s", scope, name));
}

const char *names_unique(struct names *names, const char *scope,
                         const char *wanted, const char *before,
                         const char *after)
{
    struct name *first = find_in(names, scope, wanted);
    struct name *taken = first;
    const char *name = arena_string(&names->arena, wanted);

    while (taken->count) {
        name = arena_format(&names->arena, "%s%s%zu%s", wanted, before,
                            ++first->count, after);
        taken = find_in(names, scope, name);
    }
    taken->count = 1;
    return name;
}

void **names_slot(struct names *names, const char *key)
{
    return &find_or_add(names, arena_string(&names->arena, key))->slot;
}

void names_free(struct names *names)
{
    tdestroy(names->root, keep);
    arena_free(&names->arena);
    names->root = NULL;
}
