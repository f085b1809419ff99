#include "tasks/outcome_members.h"

#include <ctype.h>
#include <time.h>

const char *member_text_or_null(struct arena *arena, const cJSON *event,
                                const char *key)
{
    const char *text = json_get_string(event, key);

    return text ? arena_string(arena, text) : NULL;
}

const char *member_text(struct arena *arena, const cJSON *event,
                        const char *key)
{
    const char *text = member_text_or_null(arena, event, key);

    return text ? text : "";
}

int64_t member_amount(const cJSON *event, const char *key)
{
    int64_t value = json_get_int64(event, key, 0);

    return value > 0 ? value : 0;
}

/* "2026-11-21T00:30:00.123Z", with or without the fraction. */
static bool is_time(const char *text)
{
    static const char shape[] = "0000-00-00T00:00:00";

    for (const char *at = shape; *at; at++, text++) {
        if (*at == '0' ? !isdigit((unsigned char)*text) : *text != *at)
            return false;
    }
    if (*text == '.') {
        size_t digits = strspn(text + 1, "0123456789");

        if (!digits || digits > 9)
            return false;
        text += 1 + digits;
    }
    return !strcmp(text, "Z");
}

static int digits(const char *text, int count)
{
    int value = 0;

    while (count--)
        value = value * 10 + (*text++ - '0');
    return value;
}

int64_t member_ms(const cJSON *event)
{
    const char *text = json_get_string(event, "time");
    struct tm when = {0};
    int64_t ms = 0;

    if (!text || !is_time(text))
        return -1;
    when.tm_year = digits(text, 4) - 1900;
    when.tm_mon = digits(text + 5, 2) - 1;
    when.tm_mday = digits(text + 8, 2);
    when.tm_hour = digits(text + 11, 2);
    when.tm_min = digits(text + 14, 2);
    when.tm_sec = digits(text + 17, 2);
    if (text[19] == '.' && strlen(text) >= sizeof("2026-11-21T00:30:00.123"))
        ms = digits(text + 20, 3);
    return when.tm_year < 70 ? -1 : timegm(&when) * INT64_C(1000) + ms;
}

const char *member_time(struct arena *arena, const cJSON *event)
{
    const char *text = json_get_string(event, "time");

    return text && is_time(text) ? arena_string(arena, text) : NULL;
}

struct strings member_strings(struct arena *arena, const cJSON *event,
                              const char *key)
{
    const cJSON *array = json_get_array(event, key);
    struct strings list = {0};
    const cJSON *item;
    size_t length = array ? (size_t)cJSON_GetArraySize(array) : 0;

    if (length > OUTCOME_NAMES_MAX)
        length = OUTCOME_NAMES_MAX;
    list.items = arena_array(arena, length, sizeof(*list.items));
    cJSON_ArrayForEach(item, array)
    {
        if (list.count < length && cJSON_IsString(item))
            list.items[list.count++] = arena_string(arena, item->valuestring);
    }
    return list;
}
