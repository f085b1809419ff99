/* Growing bytes with a limit that is part of the object.
 *
 *     struct buffer out;
 *     buffer_init(&out, MESSAGE_MAX);
 *     buffer_add(&out, data, length);      // 0, or -1 and nothing added
 *     buffer_free(&out);
 *
 * An addition that does not fit is refused whole and counted in `dropped`;
 * the buffer stays usable. data is followed by a NUL that is not counted, so
 * that text can be handed to C functions; data is never NULL. */
#ifndef NIGHTJAR_BASE_BUFFER_H
#define NIGHTJAR_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

struct buffer {
    char *data;
    size_t length;
    size_t capacity; /* bytes allocated, the NUL included; 0 at first */
    size_t maximum;  /* of length */
    size_t dropped;  /* bytes refused so far */
};

/* Bytes that somebody else owns. */
struct span {
    const char *data;
    size_t length;
};

#define SPAN(literal) ((struct span){(literal), sizeof(literal) - 1})

/* An empty buffer; allocates nothing. */
void buffer_init(struct buffer *buffer, size_t maximum);

/* Releases the bytes; the buffer is as after buffer_init. */
void buffer_free(struct buffer *buffer);

/* Forgets the bytes and keeps the memory; `dropped` becomes 0. */
void buffer_clear(struct buffer *buffer);

/* Adds bytes. Returns 0, or -1 when they do not fit (nothing was added). */
int buffer_add(struct buffer *buffer, const void *data, size_t length);
int buffer_add_string(struct buffer *buffer, const char *text);
int buffer_add_span(struct buffer *buffer, struct span span);
int buffer_add_byte(struct buffer *buffer, char byte);
int buffer_addf(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Room for `length` more bytes: a pointer to write to, then buffer_commit
 * what was written. NULL when it does not fit. */
char *buffer_reserve(struct buffer *buffer, size_t length);
void buffer_commit(struct buffer *buffer, size_t length);

/* Removes `length` bytes (at most all) at the front. */
void buffer_consume(struct buffer *buffer, size_t length);

/* Shortens to `length` bytes; nothing if it is shorter already. */
void buffer_truncate(struct buffer *buffer, size_t length);

/* The content as a string owned by the caller; the buffer is empty then. */
char *buffer_steal(struct buffer *buffer);

/* A view of the content, valid until the next change. */
struct span buffer_span(const struct buffer *buffer);

bool span_equal(struct span a, struct span b);
bool span_is(struct span span, const char *text);

#endif
