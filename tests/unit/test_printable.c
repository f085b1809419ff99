/* Text of others made safe to print. */
#include "base/memory.h"
#include "base/printable.h"
#include "base/utf8.h"
#include "tests/tap.h"

static void expect(struct span text, bool keep_newlines, struct span want,
                   const char *name)
{
    CLEANUP(buffer_free) struct buffer out;

    buffer_init(&out, 4096);
    tap_int(printable_add(&out, text.data, text.length, keep_newlines), 0,
            "%s: fits", name);
    tap_bytes(out.data, out.length, want.data, want.length, "%s", name);
}

static void test_controls(void)
{
    expect(SPAN("plain \xC3\xA9 \xE2\x9C\x93"), false,
           SPAN("plain \xC3\xA9 \xE2\x9C\x93"), "ordinary text stays");
    expect(SPAN(""), true, SPAN(""), "no text");
    expect(SPAN("\x1b[31mred\x1b]0;t\x07"), false,
           SPAN("\\x1b[31mred\\x1b]0;t\\x07"), "terminal sequences");
    expect(SPAN("a\0b\x7f"), false, SPAN("a\\x00b\\x7f"), "NUL and DEL");
    expect(SPAN("\xC2\x9B"
                "31m"),
           false, SPAN("<U+009B>31m"), "C1");
    expect(SPAN("\x9b"
                "31m \xff \xed\xa0\x80"),
           false,
           SPAN("\xEF\xBF\xBD"
                "31m \xEF\xBF\xBD "
                "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"),
           "no UTF-8");
    expect(SPAN("a\r\nb\tc\rd\n"), true, SPAN("a\nb\tc\\rd\n"), "lines kept");
    expect(SPAN("a\r\nb\tc\rd\n"), false, SPAN("a\\r\\nb\\tc\\rd\\n"),
           "one line");
}

static void test_hidden(void)
{
    expect(SPAN("a\xE2\x80\xAE"
                "b"),
           false, SPAN("a<U+202E>b"), "override");
    expect(SPAN("\xE2\x81\xA6\xE2\x81\xA9\xE2\x80\x8E\xE2\x80\x8F\xD8\x9C"),
           false, SPAN("<U+2066><U+2069><U+200E><U+200F><U+061C>"),
           "isolates and marks");
    expect(SPAN("\xF3\xA0\x81\xA1\xF3\xA0\x84\x80"), false,
           SPAN("<U+E0061><U+E0100>"), "tags, supplementary selectors");
    expect(SPAN("\xEF\xBB\xBF\xE2\x80\x8B\xC2\xAD\xE2\x80\xA8\xEF\xBF\xBF"),
           false, SPAN("<U+FEFF><U+200B><U+00AD><U+2028><U+FFFF>"),
           "zero width, separators, non-characters");
    expect(SPAN("\xE2\x9A\xA0\xEF\xB8\x8F"), false,
           SPAN("\xE2\x9A\xA0\xEF\xB8\x8F"), "the selector of an emoji stays");
    expect(SPAN("a\xEF\xB8\x8F"), false, SPAN("a<U+FE0F>"),
           "that of a letter is shown");
}

static void test_commands(void)
{
    expect(SPAN("::error::x"), false, SPAN(": :error::x"), "first line");
    expect(SPAN("a\n  ::set-output name=a::b"), true,
           SPAN("a\n  : :set-output name=a::b"), "behind blanks");
    expect(SPAN("\xC2\xA0\xE3\x80\x80\t::debug::"), true,
           SPAN("\xC2\xA0\xE3\x80\x80\t: :debug::"), "behind other blanks");
    expect(SPAN("\xE3\x80\x80\xEF\xB8\x8F::debug::"), true,
           SPAN("\xE3\x80\x80\xEF\xB8\x8F: :debug::"),
           "behind what comparisons ignore");
    expect(SPAN(":\xEF\xB8\x8F:error::"), false, SPAN(":<U+FE0F>:error::"),
           "with what comparisons ignore inside");
    expect(SPAN(":\xE2\x80\x8D:error::"), false, SPAN(":<U+200D>:error::"),
           "with a joiner inside");
    expect(SPAN(":::"), false, SPAN(": ::"), "three colons");
    expect(SPAN("std::vector"), false, SPAN("std::vector"),
           "C++ is no command");
    expect(SPAN("a\r\n::x"), true, SPAN("a\n: :x"), "behind CR LF");
    expect(SPAN("x ##[group]a"), false, SPAN("x ## [group]a"), "old form");
    expect(SPAN("###[x"), false, SPAN("### [x"), "three signs");
    expect(SPAN("x##VSO[task.setvariable]a"), false,
           SPAN("x## VSO[task.setvariable]a"), "pipelines, any case");
    expect(SPAN("##teamcity[a]"), false, SPAN("## teamcity[a]"), "services");
    expect(SPAN("## title [x]"), false, SPAN("## title [x]"), "a heading");
    expect(SPAN("##"), false, SPAN("##"), "the end behind the signs");
    expect(SPAN("#\xE2\x80\x8B#[x"), false, SPAN("#<U+200B>#[x"),
           "a hidden character between");
}

/* Whatever goes in: what comes out obeys the rules. */
static void check_result(const char *text, size_t length, bool keep,
                         size_t *wrong)
{
    CLEANUP(buffer_free) struct buffer out;
    uint32_t code;

    buffer_init(&out, length * 10 + 100);
    *wrong += printable_add(&out, text, length, keep) != 0;
    *wrong += !utf8_valid(out.data, out.length);
    *wrong += strstr(out.data, "##[") || strstr(out.data, "\n::");
    *wrong += out.length >= 2 && !memcmp(out.data, "::", 2);
    for (size_t i = 0; i < out.length;) {
        i += utf8_decode(out.data + i, out.length - i, &code);
        if (keep && (code == '\n' || code == '\t'))
            continue;
        *wrong += code < 0x20 || (code >= 0x7F && code < 0xA0) ||
                  printable_hidden(code);
    }
}

static void test_any_bytes(void)
{
    static const char parts[] =
        "::\n##[ \r\x1b\xE2\x80\xAE\xFF\x80\xEF\xB8\x8F";
    size_t wrong = 0;
    char text[64];
    uint32_t seed = 1;

    for (int byte = 0; byte < 256; byte++) {
        text[0] = (char)byte;
        check_result(text, 1, true, &wrong);
        check_result(text, 1, false, &wrong);
    }
    for (int round = 0; round < 20000; round++) {
        size_t length = (size_t)round % sizeof(text);

        for (size_t i = 0; i < length; i++) {
            seed = seed * 1103515245 + 12345;
            text[i] = parts[(seed >> 16) % (sizeof(parts) - 1)];
        }
        check_result(text, length, round % 2, &wrong);
    }
    tap_int((int64_t)wrong, 0, "nothing harmful comes out of any bytes");
}

static void test_limits(void)
{
    CLEANUP(buffer_free) struct buffer out;

    for (size_t maximum = 0; maximum < 8; maximum++) {
        buffer_init(&out, maximum);
        tap_int(printable_add(&out, "ab\x1b::", 5, false), -1,
                "a buffer of %zu bytes is full", maximum);
        buffer_free(&out);
    }
    buffer_init(&out, 8);
    tap_int(printable_add(&out, "ab\x1b::", 5, false), 0, "one of 8 is not");
}

static void test_width(void)
{
    tap_int((int64_t)printable_width('a'), 1, "a letter");
    tap_int((int64_t)printable_width(0xE9), 1, "an accented letter");
    tap_int((int64_t)printable_width(0x301), 0, "a combining accent");
    tap_int((int64_t)printable_width(0x4E2D), 2, "a CJK character");
    tap_int((int64_t)printable_width(0x1F600), 2, "an emoji");
    tap_int((int64_t)printable_width(0xFFFD), 1, "the replacement character");
}

int main(void)
{
    test_controls();
    test_hidden();
    test_commands();
    test_any_bytes();
    test_limits();
    test_width();
    return tap_done();
}
