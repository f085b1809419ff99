#include "base/memory.h"

#include <stdint.h>

static _Noreturn void out_of_memory(void)
{
    static const char text[] = "nightjar: out of memory\n";

    if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
        _exit(MEMORY_EXIT_STATUS);
    _exit(MEMORY_EXIT_STATUS);
}

void *mem_alloc(size_t size)
{
    void *memory = calloc(1, size ? size : 1);

    if (!memory)
        out_of_memory();
    return memory;
}

void *mem_array(size_t count, size_t size)
{
    if (size && count > SIZE_MAX / size)
        out_of_memory();
    return mem_alloc(count * size);
}

void *mem_resize(void *memory, size_t count, size_t size)
{
    void *resized;

    if (size && count > SIZE_MAX / size)
        out_of_memory();
    size *= count;
    resized = realloc(memory, size ? size : 1);
    if (!resized)
        out_of_memory();
    return resized;
}

char *mem_string(const char *text)
{
    return mem_bytes(text, strlen(text));
}

char *mem_bytes(const void *data, size_t length)
{
    char *copy;

    if (length == SIZE_MAX)
        out_of_memory();
    copy = mem_alloc(length + 1);
    if (length)
        memcpy(copy, data, length);
    return copy;
}

char *mem_vformat(const char *format, va_list arguments)
{
    char *text = NULL;

    if (vasprintf(&text, format, arguments) < 0)
        out_of_memory();
    return text;
}

char *mem_format(const char *format, ...)
{
    va_list arguments;
    char *text;

    va_start(arguments, format);
    text = mem_vformat(format, arguments);
    va_end(arguments);
    return text;
}

void mem_free(void *pointer)
{
    void **memory = pointer;

    free(*memory);
    *memory = NULL;
}

void fd_close(int *fd)
{
    fd_reset(fd);
}

void fd_reset(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}
