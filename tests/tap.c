#include "tests/tap.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>

static int count;
static int failures;

static void report(bool held, const char *format, va_list arguments)
{
    count++;
    failures += !held;
    printf("%s %d - ", held ? "ok" : "not ok", count);
    vprintf(format, arguments);
    putchar('\n');
}

static void show(const char *label, const char *data, size_t length)
{
    printf("#   %s: ", label);
    for (size_t i = 0; data && i < length && i < 2000; i++) {
        unsigned char c = (unsigned char)data[i];

        if (c == '\n')
            printf("\\n");
        else if (isprint(c))
            putchar(c);
        else
            printf("\\x%02x", c);
    }
    printf("%s\n", data ? "" : "(null)");
}

bool tap_check(bool held, const char *file, int line, const char *condition,
               const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    report(held, format, arguments);
    va_end(arguments);
    if (!held)
        printf("#   %s:%d: %s\n", file, line, condition);
    fflush(stdout);
    return held;
}

bool tap_int(int64_t got, int64_t want, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    report(got == want, format, arguments);
    va_end(arguments);
    if (got != want)
        printf("#   got: %" PRId64 "\n#   want: %" PRId64 "\n", got, want);
    fflush(stdout);
    return got == want;
}

bool tap_bytes(const char *got, size_t got_length, const char *want,
               size_t want_length, const char *format, ...)
{
    bool held = got_length == want_length &&
                (!want_length || !memcmp(got, want, want_length));
    va_list arguments;

    va_start(arguments, format);
    report(held, format, arguments);
    va_end(arguments);
    if (!held) {
        show("got", got, got_length);
        show("want", want, want_length);
    }
    fflush(stdout);
    return held;
}

bool tap_string(const char *got, const char *want, const char *format, ...)
{
    bool held = got && want ? !strcmp(got, want) : got == want;
    va_list arguments;

    va_start(arguments, format);
    report(held, format, arguments);
    va_end(arguments);
    if (!held) {
        show("got", got, got ? strlen(got) : 0);
        show("want", want, want ? strlen(want) : 0);
    }
    fflush(stdout);
    return held;
}

bool tap_contains(const char *text, const char *part, const char *format, ...)
{
    bool held = text && strstr(text, part);
    va_list arguments;

    va_start(arguments, format);
    report(held, format, arguments);
    va_end(arguments);
    if (!held) {
        show("text", text, text ? strlen(text) : 0);
        show("lacks", part, strlen(part));
    }
    fflush(stdout);
    return held;
}

void tap_skip(const char *format, ...)
{
    va_list arguments;

    printf("ok %d # SKIP ", ++count);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    fflush(stdout);
}

void tap_note(const char *format, ...)
{
    va_list arguments;

    printf("# ");
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

int tap_done(void)
{
    printf("1..%d\n", count);
    fflush(stdout);
    return failures ? 1 : 0;
}
