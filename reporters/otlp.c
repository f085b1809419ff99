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

void otlp_bool(struct json *json, const char *key, bool value)
{
    begin_attribute(json, key);
    json_member_bool(json, "boolValue", value);
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

/* OTEL_RESOURCE_ATTRIBUTES: "key=value,key=value". */
static void add_resource(struct json *json, const char *list)
{
    for (int i = 0; list && *list && i < RESOURCE_MAX; i++) {
        size_t length = strcspn(list, ",");
        CLEANUP(mem_free) char *pair = mem_bytes(list, length);
        char *equals = strchr(pair, '=');

        list += length + (list[length] == ',');
        if (!equals || equals == pair)
            continue;
        *equals = '\0';
        decode(pair);
        decode(equals + 1);
        if (strcmp(pair, "service.name") != 0)
            otlp_text(json, pair, equals + 1);
    }
}

void otlp_resource(struct json *json, const struct run_outcome *outcome,
                   const struct report_options *options)
{
    json_key(json, "resource");
    json_object(json);
    json_key(json, "attributes");
    json_array(json);
    otlp_text(json, "service.name",
              options->service ? options->service : "nightjar");
    otlp_text(json, "service.version", outcome->version);
    otlp_text(json, "service.instance.id", outcome->id);
    add_resource(json, options->resource);
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
