#include "reporters/xml.h"

#include <inttypes.h>

#include "base/memory.h"
#include "base/printable.h"
#include "base/utf8.h"

#define ESC 0x1B
#define BEL 0x07
#define CAN 0x18
#define SUB 0x1A
#define STRING_END 0x9C /* ST as a single C1 control */

/* What remains of cleaned text must be room for the longest marker. */
#define MARKER_MAX 64

/* ---- terminal sequences ------------------------------------------------ */

/* Each takes the text and a place in it and returns the place behind what is
 * to be dropped. Bytes are compared, C1 controls are two of them (C2 xx). */

static size_t skip_range(struct span text, size_t at, unsigned char first,
                         unsigned char last)
{
    while (at < text.length && (unsigned char)text.data[at] >= first &&
           (unsigned char)text.data[at] <= last)
        at++;
    return at;
}

/* Parameters, intermediates and the final byte of a CSI sequence. */
static size_t skip_csi(struct span text, size_t at)
{
    at = skip_range(text, at, 0x30, 0x3F);
    at = skip_range(text, at, 0x20, 0x2F);
    if (at < text.length && text.data[at] >= 0x40 && text.data[at] <= 0x7E)
        at++;
    return at;
}

/* The string of OSC, DCS, APC, PM or SOS. Any other control sequence ends the
 * search, which also keeps the whole linear. */
static size_t skip_control_string(struct span text, size_t at)
{
    size_t start = at;
    uint32_t code;

    while (at < text.length) {
        size_t taken = utf8_decode(text.data + at, text.length - at, &code);

        at += taken;
        if (code == BEL || code == STRING_END)
            return at;
        if (code == ESC && at < text.length && text.data[at] == '\\')
            return at + 1;
        if (code == ESC || code == CAN || code == SUB ||
            (code >= 0x80 && code <= 0x9F))
            return start;
    }
    return start;
}

/* Behind the ESC. */
static size_t skip_escape(struct span text, size_t at)
{
    char kind = at < text.length ? text.data[at] : '\0';
    size_t final;

    if (kind == '[')
        return skip_csi(text, at + 1);
    if (kind && strchr("]P_^X", kind))
        return skip_control_string(text, at + 1);
    final = skip_range(text, at, 0x20, 0x2F);
    if (final < text.length && text.data[final] >= 0x30 &&
        text.data[final] <= 0x7E)
        return final + 1;
    return at;
}

/* Behind the control character `code`. */
static size_t skip_sequence(struct span text, size_t at, uint32_t code)
{
    switch (code) {
    case ESC:
        return skip_escape(text, at);
    case 0x9B:
        return skip_csi(text, at);
    case 0x90:
    case 0x98:
    case 0x9D:
    case 0x9E:
    case 0x9F:
        return skip_control_string(text, at);
    default:
        return at;
    }
}

/* ---- cleaning ---------------------------------------------------------- */

static bool is_dropped(uint32_t code)
{
    if (code == '\t' || code == '\n' || code == '\r')
        return false;
    return code < 0x20 || (code >= 0x7F && code <= 0x9F) ||
           (code >= 0xFDD0 && code <= 0xFDEF) || (code & 0xFFFE) == 0xFFFE;
}

/* What CI systems obey wherever it stands in what a job prints or reports. */
static const char *const directives[] = {
    "[[ATTACHMENT|", "[[PROPERTY|",    "##[",         "##vso[",
    "##teamcity[",   "section_start:", "section_end:"};

struct cleaning {
    struct buffer *out;
    size_t start;    /* of what is cleaned, in `out` */
    bool line_start; /* only blanks so far */
    bool colon;      /* and one colon */
};

/* The directive that `out` ends in: it may have come in pieces. 0: none. */
static size_t directive_length(const struct cleaning *cleaning)
{
    const struct buffer *out = cleaning->out;

    for (size_t i = 0; i < ARRAY_LENGTH(directives); i++) {
        size_t length = strlen(directives[i]);

        if (out->length - cleaning->start >= length &&
            !strncasecmp(out->data + out->length - length, directives[i],
                         length))
            return length;
    }
    return 0;
}

/* Puts a blank `back` bytes in front of the end. */
static int put_blank(struct buffer *out, size_t back)
{
    size_t at = out->length - back;

    if (buffer_add_byte(out, ' '))
        return -1;
    memmove(out->data + at + 1, out->data + at, back);
    out->data[at] = ' ';
    return 0;
}

/* "::" at the start of a line begins a workflow command. */
static int watch_colons(struct cleaning *cleaning, uint32_t code)
{
    bool second = code == ':' && cleaning->colon;

    cleaning->colon = code == ':' && cleaning->line_start;
    cleaning->line_start = code == '\n' || code == '\r' ||
                           (cleaning->line_start && printable_blank(code));
    return second ? put_blank(cleaning->out, 1) : 0;
}

static int clean_code(struct cleaning *cleaning, uint32_t code,
                      struct span bytes)
{
    struct buffer *out = cleaning->out;

    if (code == UINT32_MAX)
        return watch_colons(cleaning, 'x') ||
               buffer_add_string(out, "\xEF\xBF\xBD");
    if (is_dropped(code))
        return 0;
    if (printable_hidden(code))
        return watch_colons(cleaning, 'x') ||
               buffer_addf(out, "<U+%04X>", (unsigned)code);
    if (buffer_add_span(out, bytes) || watch_colons(cleaning, code))
        return -1;
    if ((code == '|' || code == '[' || code == ':') &&
        directive_length(cleaning))
        return put_blank(out, directive_length(cleaning) - 1);
    return 0;
}

int xml_clean(struct buffer *out, const char *text, size_t length)
{
    struct span all = {text, length};
    struct cleaning cleaning = {
        .out = out, .start = out->length, .line_start = true};
    uint32_t code;

    for (size_t at = 0; at < length;) {
        size_t taken = utf8_decode(text + at, length - at, &code);

        if (clean_code(&cleaning, code, (struct span){text + at, taken}))
            return -1;
        at = skip_sequence(all, at + taken, code);
    }
    return 0;
}

/* ---- writing ----------------------------------------------------------- */

static void put(struct xml *xml, const char *data, size_t length)
{
    if (buffer_add(xml->out, data, length))
        xml->full = true;
}

static void put_string(struct xml *xml, const char *text)
{
    put(xml, text, strlen(text));
}

static const char *reference(char c, bool attribute)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\r':
        return "&#13;";
    case '\n':
        return attribute ? "&#10;" : NULL;
    case '\t':
        return attribute ? "&#9;" : NULL;
    default:
        return NULL;
    }
}

static void put_escaped(struct xml *xml, struct span text, bool attribute)
{
    size_t start = 0;

    for (size_t i = 0; i < text.length; i++) {
        const char *escaped = reference(text.data[i], attribute);

        if (!escaped)
            continue;
        put(xml, text.data + start, i - start);
        put_string(xml, escaped);
        start = i + 1;
    }
    put(xml, text.data + start, text.length - start);
}

/* What is inside an element begins: no more attributes. */
static void close_tag(struct xml *xml)
{
    if (xml->tag_open)
        put_string(xml, ">");
    xml->tag_open = false;
}

struct xml xml_to(struct buffer *out)
{
    struct xml xml = {.out = out};

    put_string(&xml, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    return xml;
}

static void indent(struct xml *xml)
{
    for (size_t i = 0; i < xml->depth; i++)
        put_string(xml, "  ");
}

void xml_start(struct xml *xml, const char *name)
{
    close_tag(xml);
    if (xml->depth)
        put_string(xml, "\n");
    indent(xml);
    put_string(xml, "<");
    put_string(xml, name);
    if (xml->depth == XML_DEPTH_MAX) {
        xml->full = true;
        return;
    }
    xml->open[xml->depth++] = name;
    xml->tag_open = true;
    xml->has_text = false;
}

void xml_attribute(struct xml *xml, const char *name, const char *value)
{
    CLEANUP(buffer_free) struct buffer clean = {0};

    buffer_init(&clean, strlen(value) * 8);
    if (xml_clean(&clean, value, strlen(value)))
        xml->full = true;
    put_string(xml, " ");
    put_string(xml, name);
    put_string(xml, "=\"");
    put_escaped(xml, buffer_span(&clean), true);
    put_string(xml, "\"");
}

void xml_attribute_int(struct xml *xml, const char *name, int64_t value)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRId64, value);
    xml_attribute(xml, name, text);
}

void xml_text(struct xml *xml, const char *text, size_t length)
{
    CLEANUP(buffer_free) struct buffer clean = {0};
    size_t half = (XML_TEXT_MAX - MARKER_MAX) / 2;
    char marker[MARKER_MAX];
    size_t head;
    size_t tail;

    buffer_init(&clean, length > SIZE_MAX / 8 ? SIZE_MAX : length * 8);
    if (xml_clean(&clean, text, length))
        xml->full = true;
    close_tag(xml);
    xml->has_text = true;
    if (clean.length <= XML_TEXT_MAX) {
        put_escaped(xml, buffer_span(&clean), false);
        return;
    }
    head = utf8_floor(clean.data, clean.length, half);
    tail = utf8_ceiling(clean.data, clean.length, clean.length - half);
    snprintf(marker, sizeof(marker), "\n[... %zu bytes dropped ...]\n",
             tail - head);
    put_escaped(xml, (struct span){clean.data, head}, false);
    put_string(xml, marker);
    put_escaped(xml, (struct span){clean.data + tail, clean.length - tail},
                false);
}

static bool is_plain_path(const char *path)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._+@=,/";

    return *path && path[strspn(path, plain)] == '\0';
}

void xml_attachment(struct xml *xml, const char *directory, const char *path)
{
    if (!is_plain_path(directory) || !is_plain_path(path) ||
        *directory == '/' || *path == '/' || strstr(path, ".."))
        return;
    put_string(xml, "\n[[ATTACHMENT|");
    put_string(xml, directory);
    put_string(xml, "/");
    put_string(xml, path);
    put_string(xml, "]]");
}

void xml_end(struct xml *xml)
{
    const char *name;

    if (!xml->depth)
        return;
    name = xml->open[--xml->depth];
    if (xml->tag_open) {
        put_string(xml, "/>");
    } else {
        if (!xml->has_text) {
            put_string(xml, "\n");
            indent(xml);
        }
        put_string(xml, "</");
        put_string(xml, name);
        put_string(xml, ">");
    }
    xml->tag_open = false;
    xml->has_text = false;
    if (!xml->depth)
        put_string(xml, "\n");
}
