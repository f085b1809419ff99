#include "base/number.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>

#include "base/memory.h"

struct unit {
    const char *name;
    int64_t factor;
};

int number_int64(const char *text, int64_t *out)
{
    char *end;
    long long value;

    if (!isdigit((unsigned char)text[text[0] == '-' || text[0] == '+']))
        return -1;
    errno = 0;
    value = strtoll(text, &end, 10);
    if (errno || *end)
        return -1;
    *out = value;
    return 0;
}

/* Digits at *text as a number; moves *text behind them. */
static int read_digits(const char **text, int64_t *out)
{
    const char *at = *text;
    int64_t value = 0;

    if (!isdigit((unsigned char)*at))
        return -1;
    for (; isdigit((unsigned char)*at); at++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *at - '0', &value))
            return -1;
    }
    *text = at;
    *out = value;
    return 0;
}

/* Reads "12" or "2.5" at *text in millionths and moves *text behind it.
 * *beyond tells whether there was more behind the sixth place. */
static int read_micro(const char **text, int64_t *out, bool *beyond)
{
    const char *at = *text;
    int64_t value;
    int64_t scale = 1000000;

    *beyond = false;
    if (read_digits(&at, &value) ||
        __builtin_mul_overflow(value, scale, &value))
        return -1;
    if (*at == '.') {
        if (!isdigit((unsigned char)*++at))
            return -1;
        for (; isdigit((unsigned char)*at); at++) {
            scale /= 10;
            *beyond |= !scale && *at != '0';
            if (__builtin_add_overflow(value, (*at - '0') * scale, &value))
                return -1;
        }
    }
    *text = at;
    *out = value;
    return 0;
}

/* The same, with at most six places. */
static int read_exact_micro(const char **text, int64_t *out)
{
    bool beyond;

    return read_micro(text, out, &beyond) || beyond ? -1 : 0;
}

int number_micro(const char *text, int64_t *out)
{
    int64_t value;

    if (read_exact_micro(&text, &value) || *text)
        return -1;
    *out = value;
    return 0;
}

/* The longest unit whose name starts `text`; units are longest first. */
static const struct unit *find_unit(const struct unit *units, size_t count,
                                    const char *text)
{
    for (size_t i = 0; i < count; i++) {
        if (!strncmp(text, units[i].name, strlen(units[i].name)))
            return &units[i];
    }
    return NULL;
}

/* value is in millionths of `factor`. */
static int scale_micro(int64_t value, int64_t factor, int64_t *out)
{
    __int128 product = (__int128)value * factor;

    if (product > INT64_MAX)
        return -1;
    *out = (int64_t)product;
    return 0;
}

/* number + unit; the result in whole units of factor 1. */
static int quantity(const char *text, const struct unit *units, size_t count,
                    int64_t *out)
{
    const struct unit *unit;
    int64_t value;

    if (read_exact_micro(&text, &value))
        return -1;
    unit = find_unit(units, count, text);
    if (!unit || text[strlen(unit->name)])
        return -1;
    if (scale_micro(value, unit->factor, &value) || value % 1000000)
        return -1;
    *out = value / 1000000;
    return 0;
}

int number_duration_ms(const char *text, int64_t *out)
{
    static const struct unit units[] = {
        {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    int64_t total = 0;

    do {
        const struct unit *unit;
        int64_t value;

        if (read_exact_micro(&text, &value))
            return -1;
        unit = find_unit(units, ARRAY_LENGTH(units), text);
        if (!unit || scale_micro(value, unit->factor, &value) ||
            __builtin_add_overflow(total, value, &total))
            return -1;
        text += strlen(unit->name);
    } while (*text);
    *out = total / 1000000 + (total % 1000000 != 0);
    return 0;
}

int number_size_bytes(const char *text, int64_t *out)
{
    static const struct unit units[] = {
        {"K", 1024}, {"M", 1048576}, {"G", 1073741824}, {"", 1}};

    return quantity(text, units, ARRAY_LENGTH(units), out);
}

int number_count(const char *text, int64_t *out)
{
    static const struct unit units[] = {
        {"k", 1000}, {"K", 1000}, {"M", 1000000}, {"", 1}};

    return quantity(text, units, ARRAY_LENGTH(units), out);
}

int number_percent(const char *text, int64_t *out)
{
    static const struct unit units[] = {{"%", 1}};
    int64_t value;

    if (quantity(text, units, ARRAY_LENGTH(units), &value) || value > 100)
        return -1;
    *out = value;
    return 0;
}

int number_go_duration_ms(const char *text, int64_t *out)
{
    /* In nanoseconds, so that small units do not vanish. */
    static const struct unit units[] = {
        {"ms", 1000000},   {"us", 1000},       {"\xC2\xB5s", 1000}, {"ns", 1},
        {"s", 1000000000}, {"m", 60000000000}, {"h", 3600000000000}};
    const char *start = text;
    __int128 total = 0;

    do {
        bool first = text == start;
        const struct unit *unit;
        bool beyond;
        int64_t value;

        if (read_micro(&text, &value, &beyond) || value == INT64_MAX)
            return -1;
        unit = find_unit(units, ARRAY_LENGTH(units), text);
        if (!unit && (*text || !first))
            return -1;
        total +=
            (__int128)(value + beyond) * (unit ? unit->factor : 1000000000);
        text += unit ? strlen(unit->name) : 0;
        if (total > (__int128)INT64_MAX * 1000000)
            return -1;
    } while (*text);
    *out = (int64_t)((total + 999999999999) / 1000000000000);
    return 0;
}
