/* runner/tools/output: head and tail of any bytes in a bound. */
#include "runner/tools/output.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "tests/tap.h"

#define ELLIPSIS "\xE2\x80\xA6"
#define EURO "\xE2\x82\xAC"
#define FFFD "\xEF\xBF\xBD"

/* What is shown of `text`, kept in `kept` bytes and shown in `shown`, when it
 * comes in pieces of `piece`. */
static void render(struct span text, size_t kept, size_t piece, size_t shown,
                   struct buffer *out)
{
    struct output output;

    output_init(&output, kept);
    for (size_t at = 0; at < text.length; at += piece)
        output_add(&output, text.data + at,
                   text.length - at < piece ? text.length - at : piece);
    buffer_init(out, (size_t)16 << 20);
    output_render(&output, shown, out);
    output_free(&output);
}

static void shows(struct span text, size_t kept, size_t shown, struct span want)
{
    struct buffer out;

    render(text, kept, text.length ? text.length : 1, shown, &out);
    tap_bytes(out.data, out.length, want.data, want.length,
              "%zu bytes, kept %zu, shown %zu", text.length, kept, shown);
    buffer_free(&out);
}

static void test_bounds(void)
{
    shows(SPAN(""), 10, 10, SPAN(""));
    shows(SPAN("abcdefghij"), 10, 10, SPAN("abcdefghij"));
    shows(SPAN("abcdefghijk"), 10, 10,
          SPAN("abcde\n" ELLIPSIS " 1 bytes omitted " ELLIPSIS "\nghijk"));
    shows(SPAN("abcdefghijklmnopqrstuvwxyz"), 10, 10,
          SPAN("abcde\n" ELLIPSIS " 16 bytes omitted " ELLIPSIS "\nvwxyz"));
    shows(SPAN("abcdefghij"), 100, 4,
          SPAN("ab\n" ELLIPSIS " 6 bytes omitted " ELLIPSIS "\nij"));
    shows(SPAN("abcdefghijklmnopqrstuvwxyz"), 10, 4,
          SPAN("ab\n" ELLIPSIS " 22 bytes omitted " ELLIPSIS "\nyz"));
    shows(SPAN("abcdefghijklmnopqrstuvwxyz"), 10, 1000,
          SPAN("abcde\n" ELLIPSIS " 16 bytes omitted " ELLIPSIS "\nvwxyz"));
    shows(SPAN("abcde"), 2, 2,
          SPAN("a\n" ELLIPSIS " 3 bytes omitted " ELLIPSIS "\ne"));
    shows(SPAN("abcde"), 10, 0,
          SPAN("\n" ELLIPSIS " 5 bytes omitted " ELLIPSIS "\n"));
}

static void test_characters(void)
{
    /* The cuts fall into characters: what is half there is omitted. */
    shows(SPAN("xx" EURO "zzzzzzzz" EURO "yy"), 100, 6,
          SPAN("xx\n" ELLIPSIS " 14 bytes omitted " ELLIPSIS "\nyy"));
    shows(SPAN("xx" EURO "zzzzzzzz" EURO "yy"), 6, 6,
          SPAN("xx\n" ELLIPSIS " 14 bytes omitted " ELLIPSIS "\nyy"));
    shows(SPAN("xx" EURO "zzzzzzzzzzyyy"), 6, 6,
          SPAN("xx\n" ELLIPSIS " 13 bytes omitted " ELLIPSIS "\nyyy"));
    shows(SPAN("xxxzzzzzzzzzz" EURO "yy"), 6, 6,
          SPAN("xxx\n" ELLIPSIS " 13 bytes omitted " ELLIPSIS "\nyy"));
    shows(SPAN(EURO EURO EURO EURO EURO), 6, 6,
          SPAN(EURO "\n" ELLIPSIS " 9 bytes omitted " ELLIPSIS "\n" EURO));
    shows(SPAN(EURO EURO EURO), 10, 10, SPAN(EURO EURO EURO));
    shows(SPAN(EURO EURO), 6, 6, SPAN(EURO EURO));
    /* Both halves of a character, with nothing between them. */
    shows(SPAN("a" EURO "b"), 5, 100,
          SPAN("a\n" ELLIPSIS " 3 bytes omitted " ELLIPSIS "\nb"));
    shows(SPAN("ab" EURO "b"), 6, 100, SPAN("ab" EURO "b"));
}

static void test_invalid(void)
{
    shows(SPAN("a\xFF\0b"), 10, 10, SPAN("a" FFFD "\0b"));
    shows(SPAN("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80"), 8, 8,
          SPAN(FFFD FFFD FFFD FFFD "\n" ELLIPSIS " 2 bytes omitted " ELLIPSIS
                                   "\n" FFFD FFFD FFFD FFFD));
    shows(SPAN("a\xFF"
               "bcdef\xFF"),
          4, 4, SPAN("a\n" ELLIPSIS " 5 bytes omitted " ELLIPSIS "\nf" FFFD));
}

static void test_shorten(void)
{
    struct buffer out;

    buffer_init(&out, 1000);
    output_shorten(SPAN("abcdefghij"), 10, &out);
    tap_string(out.data, "abcdefghij", "what fits stays");
    buffer_clear(&out);
    output_shorten(SPAN("abcdefghijk"), 10, &out);
    tap_string(out.data,
               "abcde\n" ELLIPSIS " 1 bytes omitted " ELLIPSIS "\nghijk",
               "what does not is cut in the middle");
    buffer_clear(&out);
    output_shorten(SPAN("xx" EURO EURO "yy"), 6, &out);
    tap_string(out.data, "xx\n" ELLIPSIS " 6 bytes omitted " ELLIPSIS "\nyy",
               "at characters");
    buffer_clear(&out);
    output_shorten(SPAN(""), 0, &out);
    tap_string(out.data, "", "nothing");
    buffer_free(&out);
}

static void test_clear(void)
{
    struct output output;
    struct buffer out;

    output_init(&output, 4);
    output_add(&output, "abcdefgh", 8);
    output_clear(&output);
    output_add(&output, "xyz", 3);
    buffer_init(&out, 100);
    output_render(&output, 100, &out);
    tap_string(out.data, "xyz", "nothing is left of the piece before");
    tap_int((int64_t)output.total, 3, "nor of its count");
    buffer_free(&out);
    output_free(&output);
    output_free(&output);
}

/* Text that is a mixture of all lengths of characters and of rubbish. */
static void mix(char *text, size_t length, unsigned seed)
{
    static const char *const parts[] = {
        "a", "\n", "\xC3\xA4", EURO, "\xF0\x9F\x99\x82", "\xFF", "\x80"};
    size_t at = 0;

    while (at < length) {
        const char *part = parts[seed % ARRAY_LENGTH(parts)];
        size_t size = strlen(part);

        seed = seed * 1664525 + 1013904223;
        if (size > length - at)
            size = length - at;
        memcpy(text + at, part, size);
        at += size;
    }
}

/* The number between the ellipses; 0 if there is none. */
static size_t omitted(const struct buffer *out, const char **head_end)
{
    const char *mark = strstr(out->data, "\n" ELLIPSIS " ");

    *head_end = mark;
    return mark ? strtoul(mark + 5, NULL, 10) : 0;
}

/* Valid, within its bound, and all bytes are either shown or counted. */
static bool is_right(struct span text, size_t shown, const struct buffer *out)
{
    const char *head_end;
    size_t dropped = omitted(out, &head_end);
    struct buffer head;
    struct buffer whole;
    bool right;

    if (!utf8_valid(out->data, out->length) || out->length > shown * 3 + 60)
        return false;
    buffer_init(&whole, text.length * 3);
    utf8_repair(&whole, text.data, text.length);
    buffer_init(&head, out->length);
    if (head_end)
        buffer_add(&head, out->data, (size_t)(head_end - out->data));
    right = head_end ? dropped > 0 && dropped <= text.length &&
                           !memcmp(whole.data, head.data, head.length)
                     : span_equal(buffer_span(&whole), buffer_span(out));
    buffer_free(&head);
    buffer_free(&whole);
    return right;
}

static bool same_in_pieces(struct span text, size_t kept, size_t shown,
                           const struct buffer *want)
{
    static const size_t pieces[] = {1, 2, 3, 5, 7, 11, 16, 17, 33, 64};
    bool same = true;

    for (size_t i = 0; i < ARRAY_LENGTH(pieces); i++) {
        struct buffer out;

        render(text, kept, pieces[i], shown, &out);
        same &= span_equal(buffer_span(&out), buffer_span(want));
        buffer_free(&out);
    }
    return same;
}

static void test_fragments(void)
{
    size_t differ = 0;
    size_t wrong = 0;

    for (size_t length = 0; length < 120; length++) {
        for (size_t kept = 2; kept < 80; kept += 3) {
            char text[120];
            struct buffer out;
            size_t shown = length % 2 ? kept : kept * 2 / 3;

            mix(text, length, (unsigned)(length * 80 + kept));
            render((struct span){text, length}, kept, length ? length : 1,
                   shown, &out);
            wrong += !is_right((struct span){text, length},
                               shown < kept ? kept : shown, &out);
            differ +=
                !same_in_pieces((struct span){text, length}, kept, shown, &out);
            buffer_free(&out);
        }
    }
    tap_int((int64_t)wrong, 0, "valid, bounded, nothing lost uncounted");
    tap_int((int64_t)differ, 0, "the same however it came");
}

/* No character of valid text is cut, wherever the halves end. */
static void test_no_cut_characters(void)
{
    size_t cut = 0;

    for (size_t kept = 2; kept < 40; kept++) {
        for (size_t shift = 0; shift < 4; shift++) {
            struct buffer text;
            struct buffer out;

            buffer_init(&text, 1000);
            buffer_add(&text, "xxxx", shift);
            for (int i = 0; i < 20; i++)
                buffer_add_string(&text, i % 2 ? EURO : "\xF0\x9F\x99\x82");
            buffer_add(&text, "yyyy", kept % 4);
            render(buffer_span(&text), kept, 9, 1000, &out);
            cut += strstr(out.data, FFFD) != NULL;
            buffer_free(&out);
            buffer_free(&text);
        }
    }
    tap_int((int64_t)cut, 0, "no character of valid text is cut");
}

static void test_memory_bound(void)
{
    struct output output;
    CLEANUP(mem_free) char *piece = mem_alloc(100000);

    output_init(&output, 1000);
    for (int i = 0; i < 1000; i++)
        output_add(&output, piece, (size_t)(i * 97 % 100000));
    tap_ok(output.head.capacity <= 501 && output.tail.capacity <= 1002,
           "memory stays bounded");
    output_free(&output);
}

int main(void)
{
    test_bounds();
    test_characters();
    test_invalid();
    test_shorten();
    test_clear();
    test_fragments();
    test_no_cut_characters();
    test_memory_bound();
    return tap_done();
}
