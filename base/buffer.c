#include "base/buffer.h"

#include <stdarg.h>
#include <stdint.h>

#include "base/memory.h"

#define FIRST_CAPACITY 256

static char nothing[1];

void buffer_init(struct buffer *buffer, size_t maximum)
{
    *buffer = (struct buffer){.data = nothing, .maximum = maximum};
    if (buffer->maximum > SIZE_MAX / 4)
        buffer->maximum = SIZE_MAX / 4;
}

void buffer_free(struct buffer *buffer)
{
    if (buffer->capacity)
        free(buffer->data);
    buffer_init(buffer, buffer->maximum);
}

void buffer_clear(struct buffer *buffer)
{
    buffer->length = 0;
    buffer->dropped = 0;
    buffer->data[0] = '\0';
}

char *buffer_reserve(struct buffer *buffer, size_t length)
{
    size_t capacity = buffer->capacity ? buffer->capacity : FIRST_CAPACITY;

    if (length > buffer->maximum - buffer->length)
        return NULL;
    while (capacity - 1 < buffer->length + length)
        capacity *= 2;
    if (capacity > buffer->maximum + 1)
        capacity = buffer->maximum + 1;
    if (capacity > buffer->capacity) {
        buffer->data =
            mem_resize(buffer->capacity ? buffer->data : NULL, capacity, 1);
        buffer->capacity = capacity;
        buffer->data[buffer->length] = '\0';
    }
    return buffer->data + buffer->length;
}

void buffer_commit(struct buffer *buffer, size_t length)
{
    buffer->length += length;
    if (buffer->capacity)
        buffer->data[buffer->length] = '\0';
}

int buffer_add(struct buffer *buffer, const void *data, size_t length)
{
    char *room;

    if (!length)
        return 0;
    room = buffer_reserve(buffer, length);
    if (!room) {
        buffer->dropped += length;
        return -1;
    }
    memcpy(room, data, length);
    buffer_commit(buffer, length);
    return 0;
}

int buffer_add_string(struct buffer *buffer, const char *text)
{
    return buffer_add(buffer, text, strlen(text));
}

int buffer_add_span(struct buffer *buffer, struct span span)
{
    return buffer_add(buffer, span.data, span.length);
}

int buffer_add_byte(struct buffer *buffer, char byte)
{
    return buffer_add(buffer, &byte, 1);
}

int buffer_addf(struct buffer *buffer, const char *format, ...)
{
    CLEANUP(mem_free) char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    text = mem_vformat(format, arguments);
    va_end(arguments);
    return buffer_add_string(buffer, text);
}

void buffer_consume(struct buffer *buffer, size_t length)
{
    if (length > buffer->length)
        length = buffer->length;
    if (!length)
        return;
    memmove(buffer->data, buffer->data + length, buffer->length - length);
    buffer_truncate(buffer, buffer->length - length);
}

void buffer_truncate(struct buffer *buffer, size_t length)
{
    if (length >= buffer->length)
        return;
    buffer->length = length;
    buffer->data[length] = '\0';
}

char *buffer_steal(struct buffer *buffer)
{
    char *data = buffer->capacity ? buffer->data : mem_string("");

    buffer_init(buffer, buffer->maximum);
    return data;
}

struct span buffer_span(const struct buffer *buffer)
{
    return (struct span){buffer->data, buffer->length};
}

bool span_equal(struct span a, struct span b)
{
    return a.length == b.length &&
           (!a.length || !memcmp(a.data, b.data, a.length));
}

bool span_is(struct span span, const char *text)
{
    return span_equal(span, (struct span){text, strlen(text)});
}
