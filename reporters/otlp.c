#include "reporters/otlp.h"

#include <inttypes.h>

#include "base/memory.h"
#include "reporters/clean.h"

#define VALUE_MAX 4096
#define TIME_MAX_MS (INT64_MAX / 1000000) /* in 64 bits of nanoseconds */
#define RESOURCE_MAX 64 /* attributes that a variable may add */

static void begin_attribute(struct json *json, const char *key)
{
    json_object(json);
    json_member_string(json, "key", key);
    json_key(json, "value");
    json_object(json);
}

static void end_attribute(struct json *json)
{
    json_end(json);
    json_end(json);
}

void otlp_text(struct json *json, const char *key, const char *value)
{
    begin_attribute(json, key);
    clean_member(json, "stringValue", value, VALUE_MAX);
    end_attribute(json);
}

void otlp_int(struct json *json, const char *key, int64_t value)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRId64, value);
    begin_attribute(json, key);
    json_member_string(json, "intValue", text);
    end_attribute(json);
}

void otlp_double_micro(struct json *json, const char *key, int64_t micro)
{
    begin_attribute(json, key);
    json_key(json, "doubleValue");
    json_micro(json, micro);
    end_attribute(json);
}

void otlp_time(struct json *json, const char *key, int64_t ms)
{
    char text[32];

    if (ms > TIME_MAX_MS)
        ms = TIME_MAX_MS;
    snprintf(text, sizeof(text), "%" PRId64 "%s", ms > 0 ? ms : 0,
             ms > 0 ? "000000" : "");
    json_member_string(json, key, text);
}

static int hex(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    digit |= 0x20;
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* %41 becomes A, in place. */
static void decode(char *text)
{
    char *to = text;

    while (*text) {
        if (*text == '%' && hex(text[1]) >= 0 && hex(text[2]) >= 0 &&
            (hex(text[1]) || hex(text[2]))) {
            *to++ = (char)(hex(text[1]) << 4 | hex(text[2]));
            text += 3;
        } else {
            *to++ = *text++;
        }
    }
    *to = '\0';
}

struct pair {
    char *key; /* the caller frees it */
    char *value;
};

/* The next of "key=value,key=value"; false at the end. */
static bool next_pair(const char **list, struct pair *pair)
{
    while (**list) {
        size_t length = strcspn(*list, ",");
        CLEANUP(mem_free) char *text = mem_bytes(*list, length);
        char *equals = strchr(text, '=');

        *list += length + ((*list)[length] == ',');
        if (!equals || equals == text)
            continue;
        *equals = '\0';
        pair->key = mem_string(text);
        pair->value = mem_string(equals + 1);
        decode(pair->key);
        decode(pair->value);
        return true;
    }
    return false;
}

static bool has_key(const char *list, const char *key)
{
    struct pair pair;
    bool found = false;

    while (!found && next_pair(&list, &pair)) {
        found = !strcmp(pair.key, key);
        free(pair.key);
        free(pair.value);
    }
    return found;
}

/* OTEL_RESOURCE_ATTRIBUTES; a key stands once, the last one counts. */
static void add_resource(struct json *json, const char *list,
                         const char *without)
{
    struct pair pair;

    for (int i = 0; i < RESOURCE_MAX && next_pair(&list, &pair); i++) {
        if ((!without || strcmp(pair.key, without) != 0) &&
            !has_key(list, pair.key))
            otlp_text(json, pair.key, pair.value);
        free(pair.key);
        free(pair.value);
    }
}

/* One of ours, unless the user's list has it. */
static void add_own(struct json *json, const char *list, const char *key,
                    const char *value)
{
    if (!has_key(list, key))
        otlp_text(json, key, value);
}

void otlp_resource(struct json *json, const struct run_outcome *outcome,
                   const struct report_options *options)
{
    const char *list = options->resource ? options->resource : "";

    json_key(json, "resource");
    json_object(json);
    json_key(json, "attributes");
    json_array(json);
    /* OTEL_SERVICE_NAME goes before the list, the list before ours. */
    if (options->service)
        otlp_text(json, "service.name", options->service);
    else
        add_own(json, list, "service.name", "nightjar");
    add_own(json, list, "service.version", outcome->version);
    add_own(json, list, "service.instance.id", outcome->id);
    add_resource(json, list, options->service ? "service.name" : NULL);
    json_end(json);
    json_end(json);
}

void otlp_scope(struct json *json, const struct run_outcome *outcome)
{
    json_key(json, "scope");
    json_object(json);
    json_member_string(json, "name", "nightjar");
    clean_member(json, "version", outcome->version, VALUE_MAX);
    json_end(json);
}
