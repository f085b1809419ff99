#include "base/memory.h"
#include "base/utf8.h"
#include "tests/tap.h"

#define FFFD "\xEF\xBF\xBD"

/* Encodes as UTF-8 without asking whether that is allowed. */
static size_t encode(uint32_t code, char out[static 4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xC0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xE0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3F));
        out[2] = (char)(0x80 | (code & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3F));
    out[2] = (char)(0x80 | (code >> 6 & 0x3F));
    out[3] = (char)(0x80 | (code & 0x3F));
    return 4;
}

static void test_every_character(void)
{
    size_t wrong = 0;

    for (uint32_t code = 0; code < 0x1FFFFF; code++) {
        char bytes[4];
        size_t length = encode(code, bytes);
        bool allowed = code <= 0x10FFFF && !(code >= 0xD800 && code <= 0xDFFF);
        uint32_t got;
        size_t taken = utf8_decode(bytes, length, &got);

        if (allowed ? taken != length || got != code : got != UINT32_MAX)
            wrong++;
        if (utf8_valid(bytes, length) != allowed)
            wrong++;
    }
    tap_int((int64_t)wrong, 0, "every code up to 0x1FFFFF");
}

static void test_cut_characters(void)
{
    static const uint32_t codes[] = {0x80,    0x7FF,  0x800,   0xFFFF,
                                     0x10000, 0xE000, 0x10FFFF};

    for (size_t i = 0; i < ARRAY_LENGTH(codes); i++) {
        char bytes[4];
        size_t length = encode(codes[i], bytes);

        for (size_t cut = 1; cut < length; cut++) {
            uint32_t got;

            tap_int((int64_t)utf8_decode(bytes, cut, &got), (int64_t)cut,
                    "U+%04X cut after %zu is one ill-formed part",
                    (unsigned)codes[i], cut);
            tap_ok(got == UINT32_MAX, "U+%04X cut after %zu is no character",
                   (unsigned)codes[i], cut);
        }
    }
}

static void repairs(struct span in, struct span out, const char *name)
{
    struct buffer buffer;

    buffer_init(&buffer, 1000);
    tap_int(utf8_repair(&buffer, in.data, in.length), 0, "%s: fits", name);
    tap_bytes(buffer.data, buffer.length, out.data, out.length, "%s", name);
    tap_ok(utf8_valid(buffer.data, buffer.length), "%s: is valid", name);
    buffer_free(&buffer);
}

/* The examples of the Unicode standard, chapter 3, tables 3-8 to 3-11. */
static void test_repair(void)
{
    repairs(SPAN(""), SPAN(""), "nothing");
    repairs(SPAN("a\0b"), SPAN("a\0b"), "NUL is a character");
    repairs(SPAN("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"),
            SPAN(FFFD FFFD FFFD FFFD FFFD FFFD FFFD FFFD "A"), "overlong");
    repairs(SPAN("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41"),
            SPAN(FFFD FFFD FFFD FFFD FFFD FFFD FFFD FFFD "A"), "surrogates");
    repairs(SPAN("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42"),
            SPAN(FFFD FFFD FFFD FFFD FFFD "A" FFFD FFFD "B"), "too high");
    repairs(SPAN("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"),
            SPAN(FFFD FFFD FFFD FFFD "A"), "cut sequences");
    repairs(SPAN("x\xFFy\xFE"), SPAN("x" FFFD "y" FFFD), "between text");
    repairs(SPAN("\xC3\xA4\xC3"), SPAN("\xC3\xA4" FFFD), "cut at the end");
}

static void test_repair_is_idempotent(void)
{
    uint32_t state = 1;
    size_t wrong = 0;

    for (int round = 0; round < 2000; round++) {
        char bytes[24];
        struct buffer once;
        struct buffer twice;

        for (size_t i = 0; i < sizeof(bytes); i++) {
            state = state * 1664525 + 1013904223;
            bytes[i] = (char)(state >> 24 | (state >> 20 & 0x80));
        }
        buffer_init(&once, sizeof(bytes) * 3);
        buffer_init(&twice, sizeof(bytes) * 3);
        wrong += utf8_repair(&once, bytes, sizeof(bytes)) != 0;
        wrong += !utf8_valid(once.data, once.length);
        wrong += utf8_repair(&twice, once.data, once.length) != 0;
        wrong += !span_equal(buffer_span(&once), buffer_span(&twice));
        buffer_free(&once);
        buffer_free(&twice);
    }
    tap_int((int64_t)wrong, 0,
            "2000 random texts: valid, at most three times "
            "as long, unchanged by a second repair");
}

static void test_repair_full(void)
{
    struct buffer buffer;

    buffer_init(&buffer, 5);
    tap_int(utf8_repair(&buffer, "\xFF\xFF", 2), -1, "six bytes in five");
    buffer_free(&buffer);
    buffer_init(&buffer, 6);
    tap_int(utf8_repair(&buffer, "\xFF\xFF", 2), 0, "six bytes in six");
    buffer_free(&buffer);
}

static void test_cuts(void)
{
    static const char text[] = "a\xC3\xA4\xE2\x82\xAC\xF0\x9F\x99\x82z";
    static const size_t starts[] = {0, 1, 3, 6, 10, 11};
    const size_t length = sizeof(text) - 1;

    for (size_t limit = 0; limit <= length + 2; limit++) {
        size_t below = 0;
        size_t above = length;

        for (size_t i = 0; i < ARRAY_LENGTH(starts); i++) {
            if (starts[i] <= limit)
                below = starts[i];
        }
        for (size_t i = ARRAY_LENGTH(starts); i-- > 0;) {
            if (starts[i] >= limit)
                above = starts[i];
        }
        tap_int((int64_t)utf8_floor(text, length, limit), (int64_t)below,
                "floor of %zu", limit);
        tap_int((int64_t)utf8_ceiling(text, length, limit), (int64_t)above,
                "ceiling of %zu", limit);
    }
}

int main(void)
{
    test_every_character();
    test_cut_characters();
    test_repair();
    test_repair_is_idempotent();
    test_repair_full();
    test_cuts();
    return tap_done();
}
