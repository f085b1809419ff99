#include "runner/tools/patch_text.h"

#include <assert.h>

#include "base/memory.h"
#include "base/utf8.h"

#define BYTE_ORDER_MARK "\xEF\xBB\xBF"
#define ELLIPSIS "\xE2\x80\xA6"

/* ---- the line index ---------------------------------------------------- */

static size_t count_lines(struct span bytes)
{
    size_t count = 0;

    for (size_t at = 0; at < bytes.length; count++) {
        const char *end = memchr(bytes.data + at, '\n', bytes.length - at);

        at = end ? (size_t)(end - bytes.data) + 1 : bytes.length;
    }
    return count;
}

void patch_source_init(struct patch_source *source, struct span bytes)
{
    struct span text = patch_unmarked(bytes);
    size_t at = 0;

    assert(bytes.length <= UINT32_MAX);
    *source = (struct patch_source){
        .bytes = text,
        .mark = {bytes.data, bytes.length - text.length},
        .count = count_lines(text),
    };
    source->starts = mem_array(source->count + 1, sizeof(*source->starts));
    for (size_t i = 1; i <= source->count; i++) {
        const char *end = memchr(text.data + at, '\n', text.length - at);

        at = end ? (size_t)(end - text.data) + 1 : text.length;
        source->starts[i] = (uint32_t)at;
    }
}

void patch_source_free(struct patch_source *source)
{
    mem_free(&source->starts);
    source->count = 0;
}

struct span patch_source_whole(const struct patch_source *source, size_t index)
{
    uint32_t start = source->starts[index];

    return (struct span){source->bytes.data + start,
                         source->starts[index + 1] - start};
}

static struct span end_of(struct span line)
{
    size_t length = 0;

    if (line.length && line.data[line.length - 1] == '\n') {
        length = 1;
        if (line.length > 1 && line.data[line.length - 2] == '\r')
            length = 2;
    }
    return (struct span){line.data + line.length - length, length};
}

struct span patch_source_line(const struct patch_source *source, size_t index)
{
    struct span line = patch_source_whole(source, index);

    line.length -= end_of(line).length;
    return line;
}

struct span patch_source_eol(const struct patch_source *source, size_t index)
{
    struct span eol = {NULL, 0};

    if (index >= source->count)
        index = source->count - 1;
    if (source->count)
        eol = end_of(patch_source_whole(source, index));
    /* Only the last line can lack its end, so one step back suffices. */
    if (!eol.length && source->count > 1)
        eol = end_of(patch_source_whole(source, index - 1));
    return eol.length ? eol : SPAN("\n");
}

/* ---- comparing --------------------------------------------------------- */

/* Unicode's White_Space property. */
static bool is_space(uint32_t code)
{
    return code == ' ' || (code >= '\t' && code <= '\r') || code == 0x85 ||
           code == 0xA0 || code == 0x1680 ||
           (code >= 0x2000 && code <= 0x200A) || code == 0x2028 ||
           code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000;
}

static struct span trim_start(struct span line)
{
    while (line.length) {
        uint32_t code;
        size_t taken = utf8_decode(line.data, line.length, &code);

        if (!is_space(code))
            break;
        line.data += taken;
        line.length -= taken;
    }
    return line;
}

/* The last character of a line that is not empty, and its length. */
static size_t last_character(struct span line, uint32_t *code)
{
    size_t start = line.length - 1;

    while (start && line.length - start < 4 &&
           ((unsigned char)line.data[start] & 0xC0) == 0x80)
        start--;
    if (utf8_decode(line.data + start, line.length - start, code) ==
        line.length - start)
        return line.length - start;
    *code = UINT32_MAX;
    return 1;
}

static struct span trim_end(struct span line)
{
    while (line.length) {
        uint32_t code;
        size_t taken = last_character(line, &code);

        if (!is_space(code))
            break;
        line.length -= taken;
    }
    return line;
}

struct span patch_trim(struct span line)
{
    return trim_start(trim_end(line));
}

static uint32_t fold(uint32_t code)
{
    if ((code >= 0x2010 && code <= 0x2015) || code == 0x2212)
        return '-';
    if (code >= 0x2018 && code <= 0x201B)
        return '\'';
    if (code >= 0x201C && code <= 0x201F)
        return '"';
    if (code == 0xA0 || (code >= 0x2002 && code <= 0x200A) || code == 0x202F ||
        code == 0x205F || code == 0x3000)
        return ' ';
    return code;
}

/* Takes one folded character off the front; a byte that is no UTF-8 gives a
 * value that no character has. */
static uint32_t take_folded(struct span *line)
{
    uint32_t code;
    size_t taken = utf8_decode(line->data, line->length, &code);

    if (code == UINT32_MAX) {
        code = 0x80000000u | (unsigned char)line->data[0];
        taken = 1;
    }
    line->data += taken;
    line->length -= taken;
    return fold(code);
}

static bool equal_folded(struct span a, struct span b)
{
    while (a.length && b.length) {
        if (take_folded(&a) != take_folded(&b))
            return false;
    }
    return !a.length && !b.length;
}

bool patch_lines_equal(struct span a, struct span b, enum patch_degree degree)
{
    switch (degree) {
    case PATCH_EXACT:
        return span_equal(a, b);
    case PATCH_TRAILING:
        return span_equal(trim_end(a), trim_end(b));
    case PATCH_TRIMMED:
        return span_equal(patch_trim(a), patch_trim(b));
    default:
        return equal_folded(patch_trim(a), patch_trim(b));
    }
}

struct span patch_indent(struct span line)
{
    size_t length = 0;

    while (length < line.length &&
           (line.data[length] == ' ' || line.data[length] == '\t'))
        length++;
    return (struct span){line.data, length};
}

struct span patch_unmarked(struct span line)
{
    if (patch_starts_with(line, BYTE_ORDER_MARK)) {
        line.data += sizeof(BYTE_ORDER_MARK) - 1;
        line.length -= sizeof(BYTE_ORDER_MARK) - 1;
    }
    return line;
}

bool patch_starts_with(struct span line, const char *prefix)
{
    size_t length = strlen(prefix);

    return line.length >= length && !memcmp(line.data, prefix, length);
}

/* ---- showing ----------------------------------------------------------- */

static void hide_nul(struct buffer *out, const char *data, size_t length)
{
    const char *nul;

    while ((nul = memchr(data, '\0', length))) {
        buffer_add(out, data, (size_t)(nul - data));
        buffer_add_string(out, "\xEF\xBF\xBD");
        length -= (size_t)(nul - data) + 1;
        data = nul + 1;
    }
    buffer_add(out, data, length);
}

char *patch_quote(struct span text, size_t maximum)
{
    CLEANUP(buffer_free) struct buffer valid = {0};
    CLEANUP(buffer_free) struct buffer shown = {0};
    size_t length = text.length < maximum ? text.length : maximum;

    length = utf8_floor(text.data, text.length, length);
    buffer_init(&valid, length * 3);
    buffer_init(&shown, length * 9 + sizeof(ELLIPSIS));
    utf8_repair(&valid, text.data, length);
    hide_nul(&shown, valid.data, valid.length);
    if (length < text.length)
        buffer_add_string(&shown, ELLIPSIS);
    return buffer_steal(&shown);
}
