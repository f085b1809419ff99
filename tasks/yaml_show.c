#include <inttypes.h>

#include "base/printable.h"
#include "base/secret.h"
#include "base/utf8.h"
#include "tasks/yaml.h"

#define SHOWN_BYTES_MAX 60
/* Enough for a credential that starts within what is shown. */
#define SECRET_SCAN_BYTES 1000

/* Characters that a terminal or reader would not show as they are. */
static bool invisible(uint32_t code)
{
    return code < 0x20 || (code >= 0x7F && code <= 0x9F) ||
           printable_hidden(code);
}

/* `https://user:password@host`, or a user part alone: it may be a token. */
static bool has_user_part(const char *text, size_t length)
{
    const char *start = memmem(text, length, "://", 3);
    const char *end = text + length;

    if (!start)
        return false;
    for (const char *at = start + 3; at < end && *at != '/'; at++) {
        if (*at == '@')
            return true;
    }
    return false;
}

static void add_escaped(struct buffer *out, const char *text, size_t length)
{
    for (size_t i = 0; i < length;) {
        uint32_t code;
        size_t size = utf8_decode(text + i, length - i, &code);

        if (code == '"' || code == '\\')
            buffer_addf(out, "\\%c", (char)code);
        else if (code == '\n')
            buffer_add_string(out, "\\n");
        else if (code == UINT32_MAX)
            buffer_addf(out, "\\x%02X", (unsigned char)text[i]);
        else if (invisible(code))
            buffer_addf(out, "\\u%04" PRIX32, code);
        else
            buffer_add(out, text + i, size);
        i += size;
    }
}

void yaml_show(struct buffer *out, const char *text, size_t length)
{
    const char *kind;
    size_t shown = length;

    struct span start = {text, length < SECRET_SCAN_BYTES ? length
                                                          : SECRET_SCAN_BYTES};

    if (secret_find(start, &kind).data) {
        buffer_addf(out, "<%s>", kind);
        return;
    }
    if (has_user_part(text, length)) {
        buffer_add_string(out, "<address with credentials>");
        return;
    }
    if (length > SHOWN_BYTES_MAX)
        shown = utf8_floor(text, length, SHOWN_BYTES_MAX);
    buffer_add_string(out, "\"");
    add_escaped(out, text, shown);
    buffer_add_string(out, shown < length ? "...\"" : "\"");
}

static bool plain_word(const char *key)
{
    const char *kind;

    for (const char *at = key; *at; at++) {
        if (!strchr("-_", *at) && !(*at >= '0' && *at <= '9') &&
            !(*at >= 'A' && *at <= 'Z') && !(*at >= 'a' && *at <= 'z'))
            return false;
    }
    return *key && strlen(key) <= SHOWN_BYTES_MAX &&
           !secret_find((struct span){key, strlen(key)}, &kind).data;
}

void yaml_place_add(struct buffer *out, const struct yaml_place *place)
{
    if (!place)
        return;
    yaml_place_add(out, place->parent);
    if (!place->key) {
        buffer_addf(out, "[%zu]", place->index);
    } else if (plain_word(place->key)) {
        buffer_addf(out, "%s%s", place->parent ? "." : "", place->key);
    } else {
        buffer_add_string(out, "[");
        yaml_show(out, place->key, strlen(place->key));
        buffer_add_string(out, "]");
    }
}
