/* Memory that dies together: allocate at will, release once.
 *
 *     struct arena arena = {0};
 *     char *id = arena_string(&arena, "fix-login");
 *     arena_free(&arena);
 */
#ifndef NIGHTJAR_BASE_ARENA_H
#define NIGHTJAR_BASE_ARENA_H

#include <stddef.h>

struct arena {
    struct arena_block *blocks;
};

/* Zeroed, aligned for any type; never NULL. */
void *arena_alloc(struct arena *arena, size_t size);

/* `count` zeroed elements; ends the process on overflow. */
void *arena_array(struct arena *arena, size_t count, size_t size);

char *arena_string(struct arena *arena, const char *text);
char *arena_bytes(struct arena *arena, const void *data, size_t length);
char *arena_format(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Releases everything; the arena can be used again. */
void arena_free(struct arena *arena);

#endif
