#include "reporters/clean.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "reporters/xml.h"

#define GROWTH 8 /* of a byte, at most, when it is cleaned */

static void clean(struct buffer *out, const char *text)
{
    size_t length = strlen(text);

    buffer_init(out, length * GROWTH + 1);
    xml_clean(out, text, length);
}

char *clean_line(const char *text, size_t most)
{
    CLEANUP(buffer_free) struct buffer line = {0};
    size_t cut;

    clean(&line, text);
    for (size_t i = 0; i < line.length; i++) {
        if (strchr("\t\r\n", line.data[i]))
            line.data[i] = ' ';
    }
    cut = utf8_floor(line.data, line.length, most);
    if (cut == line.length)
        return buffer_steal(&line);
    buffer_truncate(&line, cut);
    return mem_format("%s...", line.data);
}

char *clean_text(const char *text, size_t most)
{
    CLEANUP(buffer_free) struct buffer whole = {0};
    size_t head;
    size_t tail;

    clean(&whole, text);
    if (whole.length <= most)
        return buffer_steal(&whole);
    head = utf8_floor(whole.data, whole.length, most / 2);
    tail = utf8_ceiling(whole.data, whole.length, whole.length - most / 2);
    return mem_format("%.*s\n[... %zu bytes left out ...]\n%s", (int)head,
                      whole.data, tail - head, whole.data + tail);
}

void clean_member(struct json *json, const char *key, const char *text,
                  size_t most)
{
    CLEANUP(mem_free) char *shown = clean_text(text, most);

    json_member_string(json, key, shown);
}

#define URI_PLAIN                \
    "abcdefghijklmnopqrstuvwxyz" \
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/"

static char *encode(const char *text, const char *plain)
{
    CLEANUP(buffer_free) struct buffer uri = {0};

    buffer_init(&uri, strlen(text) * 3 + 1);
    for (; *text; text++) {
        if (strchr(plain, *text))
            buffer_add_byte(&uri, *text);
        else
            buffer_addf(&uri, "%%%02X", (unsigned char)*text);
    }
    return buffer_steal(&uri);
}

char *clean_uri(const char *path)
{
    return encode(path, URI_PLAIN);
}

char *clean_address(const char *address)
{
    return encode(address, URI_PLAIN "%:?#[]@!$&'()*+,;=");
}
