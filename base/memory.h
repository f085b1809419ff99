/* Allocation that cannot fail, and release at the end of a scope.
 *
 * Out of memory ends the process with MEMORY_EXIT_STATUS after one line on
 * standard error: in a worker that is one task's `error`, told by the
 * supervisor. Nothing here returns NULL.
 *
 *     CLEANUP(mem_free) char *name = mem_format("%s.new", path);
 *     ...
 *     return STEAL(name);      // the scope no longer frees it
 */
#ifndef NIGHTJAR_BASE_MEMORY_H
#define NIGHTJAR_BASE_MEMORY_H

#include <stdarg.h>
#include <stddef.h>

#define MEMORY_EXIT_STATUS 71

/* Calls fn(&variable) when the variable's scope ends. */
#define CLEANUP(fn) __attribute__((cleanup(fn)))

/* The pointer's value; the variable becomes NULL, so CLEANUP frees nothing. */
#define STEAL(pointer)                           \
    ({                                           \
        __typeof__(pointer) stolen_ = (pointer); \
        (pointer) = NULL;                        \
        stolen_;                                 \
    })

#define NEVER_NULL __attribute__((returns_nonnull))

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* `size` zeroed bytes (at least one), owned by the caller. */
NEVER_NULL void *mem_alloc(size_t size);

/* `count` zeroed elements of `size` bytes; ends the process on overflow. */
NEVER_NULL void *mem_array(size_t count, size_t size);

/* Resizes to count * size bytes; new bytes are not zeroed. */
NEVER_NULL void *mem_resize(void *memory, size_t count, size_t size);

/* Copies of a string, of `length` bytes with a NUL behind, of a format. */
NEVER_NULL char *mem_string(const char *text);
NEVER_NULL char *mem_bytes(const void *data, size_t length);
NEVER_NULL char *mem_format(const char *format, ...)
    __attribute__((format(printf, 1, 2)));
NEVER_NULL char *mem_vformat(const char *format, va_list arguments)
    __attribute__((format(printf, 1, 0)));

/* CLEANUP function for any pointer from malloc: frees *pointer. */
void mem_free(void *pointer);

/* CLEANUP function for a file descriptor: closes *fd unless negative. */
void fd_close(int *fd);

/* Closes *fd and sets it to -1; nothing if it is negative already. */
void fd_reset(int *fd);

#endif
