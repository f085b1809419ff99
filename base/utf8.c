#include "base/utf8.h"

/* The range of the second byte by the first (table 3-7). */
static size_t sequence(unsigned char lead, unsigned char *low,
                       unsigned char *high)
{
    *low = 0x80;
    *high = 0xBF;
    if (lead >= 0xC2 && lead <= 0xDF)
        return 2;
    if (lead >= 0xE0 && lead <= 0xEF) {
        if (lead == 0xE0)
            *low = 0xA0;
        if (lead == 0xED)
            *high = 0x9F;
        return 3;
    }
    if (lead >= 0xF0 && lead <= 0xF4) {
        if (lead == 0xF0)
            *low = 0x90;
        if (lead == 0xF4)
            *high = 0x8F;
        return 4;
    }
    return 0;
}

size_t utf8_decode(const char *data, size_t length, uint32_t *code)
{
    const unsigned char *bytes = (const unsigned char *)data;
    unsigned char low;
    unsigned char high;
    size_t need;
    uint32_t value;

    if (bytes[0] < 0x80) {
        *code = bytes[0];
        return 1;
    }
    *code = UINT32_MAX;
    need = sequence(bytes[0], &low, &high);
    if (!need)
        return 1;
    value = bytes[0] & (0xFFu >> (need + 1));
    for (size_t i = 1; i < need; i++) {
        if (i >= length || bytes[i] < low || bytes[i] > high)
            return i;
        value = value << 6 | (bytes[i] & 0x3Fu);
        low = 0x80;
        high = 0xBF;
    }
    *code = value;
    return need;
}

bool utf8_valid(const char *data, size_t length)
{
    uint32_t code;

    for (size_t i = 0; i < length;) {
        i += utf8_decode(data + i, length - i, &code);
        if (code == UINT32_MAX)
            return false;
    }
    return true;
}

int utf8_repair(struct buffer *out, const char *data, size_t length)
{
    size_t start = 0;
    size_t i = 0;
    uint32_t code;

    while (i < length) {
        size_t taken = utf8_decode(data + i, length - i, &code);

        if (code == UINT32_MAX) {
            if (buffer_add(out, data + start, i - start) ||
                buffer_add_string(out, "\xEF\xBF\xBD"))
                return -1;
            start = i + taken;
        }
        i += taken;
    }
    return buffer_add(out, data + start, length - start);
}

static bool continues(char byte)
{
    return ((unsigned char)byte & 0xC0) == 0x80;
}

size_t utf8_floor(const char *data, size_t length, size_t limit)
{
    if (limit >= length)
        return length;
    while (limit && continues(data[limit]))
        limit--;
    return limit;
}

size_t utf8_ceiling(const char *data, size_t length, size_t limit)
{
    while (limit < length && continues(data[limit]))
        limit++;
    return limit < length ? limit : length;
}
