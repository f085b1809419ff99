#include "base/printable.h"

#include "base/memory.h"
#include "base/utf8.h"

struct range {
    uint32_t first;
    uint32_t last;
};

static const struct range hidden[] = {
    {0x00AD, 0x00AD},   /* soft hyphen */
    {0x034F, 0x034F},   /* combining grapheme joiner */
    {0x061C, 0x061C},   /* Arabic letter mark */
    {0x115F, 0x1160},   /* Hangul fillers */
    {0x17B4, 0x17B5},   /* Khmer inherent vowels */
    {0x180B, 0x180F},   /* Mongolian selectors and separator */
    {0x200B, 0x200F},   /* zero-width space and joiners, direction marks */
    {0x2028, 0x202E},   /* line and paragraph separators, embeddings */
    {0x2060, 0x206F},   /* invisible operators, isolates */
    {0x3164, 0x3164},   /* Hangul filler */
    {0xFDD0, 0xFDEF},   /* non-characters */
    {0xFEFF, 0xFEFF},   /* byte order mark */
    {0xFFA0, 0xFFA0},   /* halfwidth Hangul filler */
    {0xFFF0, 0xFFFB},   /* unassigned ignorables, annotations */
    {0x1BCA0, 0x1BCA3}, /* shorthand controls */
    {0x1D173, 0x1D17A}, /* musical controls */
    {0xE0000, 0xE0FFF}, /* tags, supplementary variation selectors */
};

static const struct range narrow[] = {
    {0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD}, {0x064B, 0x065F},
    {0x0E31, 0x0E31}, {0x0E34, 0x0E3A}, {0x0E47, 0x0E4E}, {0x1AB0, 0x1AFF},
    {0x1DC0, 0x1DFF}, {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F},
};

static const struct range wide[] = {
    {0x1100, 0x115F},   {0x231A, 0x231B},   {0x23E9, 0x23EC},
    {0x2E80, 0x303E},   {0x3041, 0xA4CF},   {0xA960, 0xA97F},
    {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},
    {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},   {0x1F300, 0x1F64F},
    {0x1F680, 0x1F6FF}, {0x1F900, 0x1F9FF}, {0x1FA70, 0x1FAFF},
    {0x20000, 0x3FFFD},
};

/* What a runner may skip before a command: white space as Unicode has it, and
 * variation selectors, which comparisons by culture ignore. */
static const struct range blanks[] = {
    {0x09, 0x0D},     {0x20, 0x20},     {0x85, 0x85},     {0xA0, 0xA0},
    {0x1680, 0x1680}, {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F},
    {0x205F, 0x205F}, {0x3000, 0x3000}, {0xFE00, 0xFE0F},
};

static bool in_ranges(uint32_t code, const struct range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (code >= ranges[i].first && code <= ranges[i].last)
            return true;
    }
    return false;
}

bool printable_hidden(uint32_t code)
{
    /* The last two of each plane are non-characters. */
    return (code & 0xFFFE) == 0xFFFE ||
           in_ranges(code, hidden, ARRAY_LENGTH(hidden));
}

bool printable_blank(uint32_t code)
{
    return in_ranges(code, blanks, ARRAY_LENGTH(blanks));
}

size_t printable_width(uint32_t code)
{
    if (code < 0x300)
        return 1;
    if (in_ranges(code, narrow, ARRAY_LENGTH(narrow)))
        return 0;
    return in_ranges(code, wide, ARRAY_LENGTH(wide)) ? 2 : 1;
}

static bool is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7F && code <= 0x9F);
}

/* A variation selector may also be hidden between two characters of a
 * command; only behind other than ASCII it has a use. */
static bool is_shown_as_code(uint32_t code, uint32_t previous)
{
    if (code >= 0xFE00 && code <= 0xFE0F)
        return previous < 0x80;
    return is_control(code) || printable_hidden(code);
}

static int add_code(struct buffer *out, uint32_t code)
{
    switch (code) {
    case '\t':
        return buffer_add_string(out, "\\t");
    case '\n':
        return buffer_add_string(out, "\\n");
    case '\r':
        return buffer_add_string(out, "\\r");
    }
    return buffer_addf(out, code < 0x80 ? "\\x%02x" : "<U+%04X>",
                       (unsigned)code);
}

static bool starts_with(struct span text, const char *word)
{
    size_t length = strlen(word);

    return text.length >= length && !strncasecmp(text.data, word, length);
}

/* Whether `rest`, which follows the character `code`, would go on with a
 * command, so that a blank has to come between. */
static bool begins_command(uint32_t code, uint32_t previous, bool line_start,
                           struct span rest)
{
    if (code == ':')
        return line_start && starts_with(rest, ":");
    if (code == 's' || code == 'S')
        return starts_with(rest, "ection_start:") ||
               starts_with(rest, "ection_end:");
    if (code == '-' || code == '+' || code == '~' || code == '^')
        return line_start && rest.length >= 2 &&
               (unsigned char)rest.data[0] == code &&
               (unsigned char)rest.data[1] == code;
    if (code != '#' || previous != '#')
        return false;
    return starts_with(rest, "[") || starts_with(rest, "vso[") ||
           starts_with(rest, "teamcity[");
}

static bool is_line_end(struct span rest, bool keep_newlines)
{
    return keep_newlines &&
           (starts_with(rest, "\n") || starts_with(rest, "\r\n"));
}

int printable_add(struct buffer *out, const char *data, size_t length,
                  bool keep_newlines)
{
    bool line_start = true; /* only blanks so far */
    uint32_t previous = 0;
    uint32_t code;

    for (size_t i = 0; i < length; previous = code) {
        const char *at = data + i;
        size_t taken = utf8_decode(at, length - i, &code);
        int status;

        if (is_line_end((struct span){at, length - i}, keep_newlines)) {
            i += code == '\r' ? 2 : 1;
            code = '\n';
            line_start = true;
            if (buffer_add_byte(out, '\n'))
                return -1;
            continue;
        }
        i += taken;
        if (code == UINT32_MAX)
            status = buffer_add_string(out, "\xEF\xBF\xBD");
        else if (!(code == '\t' && keep_newlines) &&
                 is_shown_as_code(code, previous))
            status = add_code(out, code);
        else
            status = buffer_add(out, at, taken);
        if (status)
            return -1;
        if (begins_command(code, previous, line_start,
                           (struct span){data + i, length - i}) &&
            buffer_add_byte(out, ' '))
            return -1;
        line_start = line_start && printable_blank(code);
    }
    return 0;
}
