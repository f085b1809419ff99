/* base/buffer, base/arena, base/memory, base/error. */
#include <stdint.h>
#include <sys/wait.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "tests/tap.h"

static void test_empty_buffer(void)
{
    struct buffer buffer;
    char *stolen;

    buffer_init(&buffer, 10);
    tap_bytes(buffer.data, buffer.length + 1, "", 1, "a new buffer is \"\"");
    tap_int((int64_t)buffer.capacity, 0, "a new buffer has no memory");
    tap_int(buffer_add(&buffer, NULL, 0), 0, "adding nothing from NULL");
    buffer_clear(&buffer);
    buffer_consume(&buffer, 5);
    buffer_truncate(&buffer, 0);
    tap_int((int64_t)buffer.length, 0, "an empty buffer stays empty");
    stolen = buffer_steal(&buffer);
    tap_string(stolen, "", "stealing from an empty buffer gives \"\"");
    free(stolen);
    buffer_free(&buffer);
    buffer_free(&buffer);
    tap_string(buffer.data, "", "freed twice, it is \"\"");
}

/* A buffer of `maximum` bytes takes exactly so many, in one go and one by
 * one. */
static void test_limit(size_t maximum)
{
    CLEANUP(mem_free) char *bytes = mem_alloc(maximum + 2);
    struct buffer buffer;
    size_t taken = 0;

    memset(bytes, 'x', maximum + 1);
    buffer_init(&buffer, maximum);
    tap_int(buffer_add(&buffer, bytes, maximum + 1), -1,
            "limit %zu: one byte more is refused", maximum);
    tap_int((int64_t)buffer.dropped, (int64_t)maximum + 1,
            "limit %zu: and counted", maximum);
    tap_int((int64_t)buffer.length, 0, "limit %zu: nothing of it is added",
            maximum);
    tap_int(buffer_add(&buffer, bytes, maximum), 0, "limit %zu: fits", maximum);
    tap_int(buffer.data[maximum], '\0', "limit %zu: a NUL behind", maximum);
    tap_int(buffer_add_byte(&buffer, 'y'), -1, "limit %zu: full", maximum);
    buffer_clear(&buffer);
    tap_int((int64_t)buffer.dropped, 0, "limit %zu: cleared", maximum);
    while (!buffer_add_byte(&buffer, 'z'))
        taken++;
    tap_int((int64_t)taken, (int64_t)maximum, "limit %zu: byte by byte",
            maximum);
    tap_ok(!buffer_reserve(&buffer, 1), "limit %zu: no room to reserve",
           maximum);
    tap_ok(buffer_reserve(&buffer, 0) != NULL, "limit %zu: none is needed",
           maximum);
    buffer_free(&buffer);
}

static void test_huge_limit(void)
{
    struct buffer buffer;

    buffer_init(&buffer, SIZE_MAX);
    tap_ok(buffer.maximum < SIZE_MAX / 2, "the largest limit cannot overflow");
    tap_ok(!buffer_reserve(&buffer, SIZE_MAX), "SIZE_MAX bytes do not fit");
    tap_int(buffer_add_string(&buffer, "abc"), 0, "it works all the same");
    buffer_free(&buffer);
}

static void test_changes(void)
{
    struct buffer buffer;
    char *room;
    char *stolen;

    buffer_init(&buffer, 100);
    buffer_addf(&buffer, "%d-%s", 12, "ab");
    buffer_add_span(&buffer, SPAN("\0z"));
    tap_bytes(buffer.data, buffer.length, "12-ab\0z", 7, "additions in order");
    buffer_consume(&buffer, 3);
    tap_bytes(buffer.data, buffer.length + 1, "ab\0z", 5, "consumed in front");
    buffer_truncate(&buffer, 9);
    tap_int((int64_t)buffer.length, 4, "truncating never lengthens");
    buffer_truncate(&buffer, 1);
    tap_bytes(buffer.data, buffer.length + 1, "a", 2, "truncated");
    room = buffer_reserve(&buffer, 50);
    memcpy(room, "bcd", 3);
    buffer_commit(&buffer, 3);
    tap_string(buffer.data, "abcd", "reserved and committed");
    tap_int(buffer_addf(&buffer, "%0100d", 1), -1, "a format that is too long");
    tap_string(buffer.data, "abcd", "leaves what was there");
    buffer_consume(&buffer, 99);
    tap_string(buffer.data, "", "consuming more than there is");
    buffer_add_string(&buffer, "mine");
    stolen = buffer_steal(&buffer);
    tap_string(stolen, "mine", "stolen");
    tap_int((int64_t)buffer.maximum, 100, "the limit stays after stealing");
    tap_int(buffer_add_string(&buffer, "new"), 0, "and the buffer can be used");
    tap_string(stolen, "mine", "without touching what was stolen");
    free(stolen);
    buffer_free(&buffer);
}

static void test_spans(void)
{
    tap_ok(span_equal(SPAN("a\0b"), SPAN("a\0b")), "equal with a NUL");
    tap_ok(!span_equal(SPAN("a\0b"), SPAN("a\0c")), "not equal behind a NUL");
    tap_ok(span_equal((struct span){NULL, 0}, SPAN("")), "NULL of length 0");
    tap_ok(span_is(SPAN("abc"), "abc"), "is a text");
    tap_ok(!span_is(SPAN("abc"), "ab") && !span_is(SPAN("ab"), "abc"),
           "is not its start, nor longer");
}

static void test_arena(void)
{
    struct arena arena = {0};
    char *large;
    char *one;
    bool aligned = true;
    bool zeroed = true;

    tap_string(arena_string(&arena, "abc"), "abc", "a string");
    tap_bytes(arena_bytes(&arena, "a\0b", 3), 4, "a\0b", 4,
              "bytes with a NUL behind");
    tap_string(arena_bytes(&arena, NULL, 0), "", "no bytes of NULL");
    tap_string(arena_format(&arena, "%s=%d", "x", 7), "x=7", "a format");
    one = arena_alloc(&arena, 0);
    tap_ok(one != NULL, "nothing is not NULL");
    for (size_t i = 1; i < 3000; i++) {
        char *memory = arena_alloc(&arena, i % 70 + 1);

        aligned &= (uintptr_t)memory % _Alignof(max_align_t) == 0;
        for (size_t k = 0; k < i % 70 + 1; k++)
            zeroed &= !memory[k];
        memset(memory, 0xAA, i % 70 + 1);
    }
    tap_ok(aligned, "always aligned");
    tap_ok(zeroed, "always zeroed, nothing is given twice");
    large = arena_array(&arena, 100000, 3);
    memset(large, 1, 300000);
    tap_string(arena_string(&arena, "after"), "after", "after a large one");
    arena_free(&arena);
    tap_string(arena_string(&arena, "again"), "again", "used again");
    arena_free(&arena);
    arena_free(&arena);
}

/* How a process ends that does `what`. */
static int status_of(void (*what)(void))
{
    int status = 0;
    pid_t child = fork();

    if (!child) {
        close(STDERR_FILENO);
        what();
        _exit(0);
    }
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Read at run time, so that no compiler sees how large it is. */
static volatile size_t huge = SIZE_MAX;

static void overflow_array(void)
{
    mem_array(huge / 2, 3);
}

static void overflow_resize(void)
{
    mem_resize(NULL, huge / 2, 3);
}

static void overflow_arena(void)
{
    struct arena arena = {0};

    arena_array(&arena, huge / 2, 3);
}

static void overflow_arena_alloc(void)
{
    struct arena arena = {0};

    arena_alloc(&arena, huge);
}

static void overflow_bytes(void)
{
    mem_bytes("", huge);
}

static void test_memory(void)
{
    char *text = mem_format("%d", 5);
    int fd = dup(STDOUT_FILENO);
    int copy = fd;

    tap_string(text, "5", "a format");
    mem_free(&text);
    tap_ok(!text, "mem_free leaves NULL");
    fd_reset(&fd);
    tap_int(fd, -1, "fd_reset leaves -1");
    tap_int(dup2(copy, STDERR_FILENO), -1, "and has closed it");
    fd_reset(&fd);
    tap_int(status_of(overflow_array), MEMORY_EXIT_STATUS, "array overflows");
    tap_int(status_of(overflow_resize), MEMORY_EXIT_STATUS, "resize overflows");
    tap_int(status_of(overflow_bytes), MEMORY_EXIT_STATUS, "bytes overflow");
    tap_int(status_of(overflow_arena), MEMORY_EXIT_STATUS, "arena overflows");
    tap_int(status_of(overflow_arena_alloc), MEMORY_EXIT_STATUS,
            "arena refuses more than there is");
}

static void test_error_texts(void)
{
    struct error err;
    char text[ERROR_TEXT_MAX * 2];

    tap_int(error_set(&err, ERROR_IO, "open %s", "x"), -1, "set returns -1");
    error_hint(&err, "try %d", 2);
    tap_string(err.hint, "try 2", "the hint");
    tap_int(error_context(&err, "task %s", "a"), -1, "context returns -1");
    tap_string(err.text, "task a: open x", "context stands in front");
    tap_string(err.hint, "try 2", "context keeps the hint");
    tap_int(err.kind, ERROR_IO, "context keeps the kind");
    error_set_errno(&err, ERROR_NETWORK, 2, "open");
    tap_string(err.text, "open: No such file or directory", "an errno's text");
    tap_string(err.hint, "", "a new error has no hint");
    error_set_errno(&err, ERROR_IO, 99999, "x");
    tap_string(err.text, "x: unknown error", "an errno that there is not");
    memset(text, 'a', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    error_set(&err, ERROR_IO, "%s", text);
    tap_int((int64_t)strlen(err.text), ERROR_TEXT_MAX - 1, "cut at the limit");
    error_context(&err, "front");
    tap_int((int64_t)strlen(err.text), ERROR_TEXT_MAX - 1, "and stays so");
    tap_ok(!strncmp(err.text, "front: aaa", 10), "with the context in front");
    error_set_errno(&err, ERROR_IO, 2, "%s", text);
    tap_int((int64_t)strlen(err.text), ERROR_TEXT_MAX - 1, "also with errno");
}

static void test_error_kinds(void)
{
    for (int kind = 0; kind < ERROR_KINDS; kind++)
        tap_int(error_kind_from_name(error_kind_name((enum error_kind)kind)),
                kind, "kind %s and back",
                error_kind_name((enum error_kind)kind));
    tap_string(error_kind_name((enum error_kind)999), "internal",
               "a kind that there is not");
    tap_int(error_kind_from_name("nonsense"), ERROR_INTERNAL, "no name");
    tap_ok(error_kind_retryable(ERROR_RATE_LIMIT), "waiting helps");
    tap_ok(!error_kind_retryable(ERROR_QUOTA), "waiting does not help");
    tap_ok(!error_kind_retryable((enum error_kind)999), "no kind");
}

int main(void)
{
    test_empty_buffer();
    test_limit(0);
    test_limit(1);
    test_limit(255);
    test_limit(256);
    test_limit(257);
    test_limit(100000);
    test_huge_limit();
    test_changes();
    test_spans();
    test_arena();
    test_memory();
    test_error_texts();
    test_error_kinds();
    return tap_done();
}
