#include "base/json.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>

#include "base/memory.h"
#include "base/utf8.h"

/* ---- in ---------------------------------------------------------------- */

static size_t count_digits(struct span text, size_t at)
{
    size_t start = at;

    while (at < text.length && isdigit((unsigned char)text.data[at]))
        at++;
    return at - start;
}

/* How long the number at the start of `text` is; 0 if it is none. */
static size_t number_length(struct span text)
{
    size_t at = text.data[0] == '-';
    size_t digits = count_digits(text, at);

    if (!digits || (digits > 1 && text.data[at] == '0'))
        return 0;
    at += digits;
    if (at < text.length && text.data[at] == '.') {
        digits = count_digits(text, ++at);
        if (!digits)
            return 0;
        at += digits;
    }
    if (at < text.length && (text.data[at] | 0x20) == 'e') {
        at++;
        at +=
            at < text.length && (text.data[at] == '+' || text.data[at] == '-');
        digits = count_digits(text, at);
        return digits ? at + digits : 0;
    }
    return at;
}

/* What is wrong with a character outside of strings; NULL if nothing. A
 * number is passed over. */
static const char *trap_outside(struct span text, size_t *at, int *depth)
{
    char c = text.data[*at];

    if ((unsigned char)c < 0x20 && !strchr("\t\r\n", c))
        return "control character";
    if ((c == '{' || c == '[') && ++*depth > JSON_DEPTH_MAX)
        return "nesting is too deep";
    if (c == '}' || c == ']')
        --*depth;
    if (c == '-' || isdigit((unsigned char)c)) {
        size_t number =
            number_length((struct span){text.data + *at, text.length - *at});

        if (!number)
            return "malformed number";
        *at += number - 1;
    }
    return NULL;
}

/* Position of what cJSON would misread, or -1. Strings are followed only as
 * far as needed to tell brackets from text. */
static ptrdiff_t find_trap(const char *data, size_t length, const char **what)
{
    bool in_string = false;
    int depth = 0;

    *what = "byte order mark";
    if (length >= 3 && !memcmp(data, "\xEF\xBB\xBF", 3))
        return 0;
    for (size_t i = 0; i < length; i++) {
        char c = data[i];

        if (!c || (in_string && (unsigned char)c < 0x20)) {
            *what = "control character";
            return (ptrdiff_t)i;
        }
        if (in_string && c == '\\') {
            if (length - i >= 6 && !memcmp(data + i + 1, "u0000", 5)) {
                *what = "\\u0000 in a string";
                return (ptrdiff_t)i;
            }
            i++;
        } else if (c == '"') {
            in_string = !in_string;
        } else if (!in_string) {
            *what = trap_outside((struct span){data, length}, &i, &depth);
            if (*what)
                return (ptrdiff_t)i;
        }
    }
    return -1;
}

static bool all_finite(const cJSON *value)
{
    if (cJSON_IsNumber(value))
        return isfinite(value->valuedouble);
    for (const cJSON *child = value->child; child; child = child->next) {
        if (!all_finite(child))
            return false;
    }
    return true;
}

cJSON *json_parse(const char *data, size_t length, struct error *err)
{
    const char *end = data;
    const char *what = NULL;
    ptrdiff_t trap;
    cJSON *value;

    if (!utf8_valid(data, length)) {
        error_set(err, ERROR_PROTOCOL, "JSON: invalid UTF-8");
        return NULL;
    }
    trap = find_trap(data, length, &what);
    if (trap >= 0) {
        error_set(err, ERROR_PROTOCOL, "JSON: %s at byte %td", what, trap);
        return NULL;
    }
    value = cJSON_ParseWithLengthOpts(data, length, &end, false);
    if (!value) {
        error_set(err, ERROR_PROTOCOL, "JSON: syntax error at byte %td",
                  end ? end - data : 0);
        return NULL;
    }
    while (end < data + length && strchr(" \t\r\n", *end))
        end++;
    if (end != data + length) {
        error_set(err, ERROR_PROTOCOL,
                  "JSON: text behind the value at byte %td", end - data);
        cJSON_Delete(value);
        return NULL;
    }
    if (!all_finite(value)) {
        error_set(err, ERROR_PROTOCOL, "JSON: a number is out of range");
        cJSON_Delete(value);
        return NULL;
    }
    return value;
}

void json_free(cJSON **value)
{
    cJSON_Delete(*value);
    *value = NULL;
}

const cJSON *json_get(const cJSON *object, const char *key)
{
    return cJSON_IsObject(object)
               ? cJSON_GetObjectItemCaseSensitive(object, key)
               : NULL;
}

const cJSON *json_get_object(const cJSON *object, const char *key)
{
    const cJSON *value = json_get(object, key);

    return cJSON_IsObject(value) ? value : NULL;
}

const cJSON *json_get_array(const cJSON *object, const char *key)
{
    const cJSON *value = json_get(object, key);

    return cJSON_IsArray(value) ? value : NULL;
}

const char *json_get_string(const cJSON *object, const char *key)
{
    return cJSON_GetStringValue(json_get(object, key));
}

const char *json_get_text(const cJSON *object, const char *key,
                          const char *otherwise)
{
    const char *text = json_get_string(object, key);

    return text ? text : otherwise;
}

bool json_get_integer(const cJSON *object, const char *key, int64_t *out)
{
    const cJSON *value = json_get(object, key);
    double number;

    if (!cJSON_IsNumber(value))
        return false;
    number = value->valuedouble;
    if (number != floor(number) || fabs(number) > (double)JSON_INTEGER_MAX)
        return false;
    *out = (int64_t)number;
    return true;
}

int64_t json_get_int64(const cJSON *object, const char *key, int64_t otherwise)
{
    json_get_integer(object, key, &otherwise);
    return otherwise;
}

bool json_get_true(const cJSON *object, const char *key)
{
    return cJSON_IsTrue(json_get(object, key));
}

/* ---- bytes of a member ------------------------------------------------- */

static size_t skip_blank(struct span text, size_t at)
{
    while (at < text.length && strchr(" \t\r\n", text.data[at]))
        at++;
    return at;
}

/* Behind the string that starts at the quote `at`. */
static size_t skip_string(struct span text, size_t at)
{
    for (at++; at < text.length && text.data[at] != '"'; at++) {
        if (text.data[at] == '\\')
            at++;
    }
    return at < text.length ? at + 1 : text.length;
}

static size_t skip_value(struct span text, size_t at)
{
    int depth = 0;

    while (at < text.length) {
        char c = text.data[at];

        if (c == '"') {
            at = skip_string(text, at);
            if (!depth)
                return at;
            continue;
        }
        if (!depth && strchr(",}] \t\r\n", c))
            return at;
        if (c == '{' || c == '[')
            depth++;
        else if (c == '}' || c == ']')
            depth--;
        at++;
        if (!depth && (c == '}' || c == ']'))
            return at;
    }
    return at;
}

/* Whether a name, its quotes included, is that key: as json_get sees it, so
 * with its escapes resolved. */
static bool name_is(struct span name, const char *key)
{
    CLEANUP(json_free) cJSON *text = NULL;

    if (!memchr(name.data, '\\', name.length))
        return span_is((struct span){name.data + 1, name.length - 2}, key);
    text = cJSON_ParseWithLength(name.data, name.length);
    return cJSON_IsString(text) && !strcmp(text->valuestring, key);
}

struct span json_member_bytes(struct span object, const char *key)
{
    size_t at = skip_blank(object, 0);

    if (at >= object.length || object.data[at] != '{')
        return (struct span){NULL, 0};
    at = skip_blank(object, at + 1);
    while (at < object.length && object.data[at] == '"') {
        struct span name = {object.data + at, skip_string(object, at) - at};
        size_t value = skip_blank(object, at + name.length);
        size_t end;

        value = skip_blank(object, value + 1); /* behind the colon */
        end = skip_value(object, value);
        if (name_is(name, key))
            return (struct span){object.data + value, end - value};
        at = skip_blank(object, end);
        if (at >= object.length || object.data[at] != ',')
            break;
        at = skip_blank(object, at + 1);
    }
    return (struct span){NULL, 0};
}

/* ---- out --------------------------------------------------------------- */

struct json json_to(struct buffer *out)
{
    return (struct json){.out = out};
}

static void put(struct json *json, const char *data, size_t length)
{
    if (buffer_add(json->out, data, length))
        json->full = true;
}

static bool bit(const uint64_t *bits, int index)
{
    return bits[index / 64] >> (index % 64) & 1;
}

static void set_bit(uint64_t *bits, int index, bool value)
{
    uint64_t mask = (uint64_t)1 << (index % 64);

    bits[index / 64] =
        value ? bits[index / 64] | mask : bits[index / 64] & ~mask;
}

/* The comma before a value or key, where one is due. */
static void separate(struct json *json)
{
    if (json->after_key) {
        json->after_key = false;
        return;
    }
    if (!json->depth)
        return;
    if (bit(json->has_member, json->depth - 1))
        put(json, ",", 1);
    set_bit(json->has_member, json->depth - 1, true);
}

static void open_level(struct json *json, bool array)
{
    separate(json);
    put(json, array ? "[" : "{", 1);
    if (json->depth == JSON_DEPTH_MAX) {
        json->full = true;
        return;
    }
    set_bit(json->has_member, json->depth, false);
    set_bit(json->is_array, json->depth, array);
    json->depth++;
}

void json_object(struct json *json)
{
    open_level(json, false);
}

void json_array(struct json *json)
{
    open_level(json, true);
}

void json_end(struct json *json)
{
    if (!json->depth)
        return;
    json->depth--;
    put(json, bit(json->is_array, json->depth) ? "]" : "}", 1);
}

static void put_escaped(struct json *json, unsigned char c)
{
    static const char short_forms[] = "\bb\tt\nn\ff\rr\"\"\\\\";
    char text[8] = {'\\'};

    for (const char *at = short_forms; *at; at += 2) {
        if ((unsigned char)*at == c) {
            text[1] = at[1];
            put(json, text, 2);
            return;
        }
    }
    snprintf(text, sizeof(text), "\\u%04x", c);
    put(json, text, 6);
}

/* data is valid UTF-8. */
static void put_string(struct json *json, const char *data, size_t length)
{
    size_t start = 0;

    put(json, "\"", 1);
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)data[i];

        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7F)
            continue;
        put(json, data + start, i - start);
        if (c)
            put_escaped(json, c);
        else
            put(json, "\xEF\xBF\xBD", 3);
        start = i + 1;
    }
    put(json, data + start, length - start);
    put(json, "\"", 1);
}

void json_bytes(struct json *json, const char *data, size_t length)
{
    struct buffer repaired;

    separate(json);
    if (!length)
        data = ""; /* it may be NULL */
    if (utf8_valid(data, length)) {
        put_string(json, data, length);
        return;
    }
    buffer_init(&repaired, length * 3);
    if (utf8_repair(&repaired, data, length))
        json->full = true;
    put_string(json, repaired.data, repaired.length);
    buffer_free(&repaired);
}

void json_string(struct json *json, const char *text)
{
    json_bytes(json, text, strlen(text));
}

void json_key(struct json *json, const char *key)
{
    json_string(json, key);
    put(json, ":", 1);
    json->after_key = true;
}

void json_int(struct json *json, int64_t value)
{
    char text[24];

    separate(json);
    snprintf(text, sizeof(text), "%" PRId64, value);
    put(json, text, strlen(text));
}

void json_micro(struct json *json, int64_t micro)
{
    /* Not by llabs: the smallest has no opposite. */
    uint64_t size = micro < 0 ? -(uint64_t)micro : (uint64_t)micro;
    char text[32];
    size_t length;

    separate(json);
    snprintf(text, sizeof(text), "%s%" PRIu64 ".%06" PRIu64,
             micro < 0 ? "-" : "", size / 1000000, size % 1000000);
    length = strlen(text);
    while (text[length - 1] == '0')
        length--;
    if (text[length - 1] == '.')
        length--;
    put(json, text, length);
}

void json_bool(struct json *json, bool value)
{
    separate(json);
    put(json, value ? "true" : "false", value ? 4 : 5);
}

void json_null(struct json *json)
{
    separate(json);
    put(json, "null", 4);
}

void json_raw(struct json *json, struct span value)
{
    separate(json);
    put(json, value.data, value.length);
}

static void put_number(struct json *json, double number)
{
    char text[40];

    if (number == floor(number) && fabs(number) < 1e15) {
        json_int(json, (int64_t)number);
        return;
    }
    separate(json);
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, number);
        if (strtod(text, NULL) == number)
            break;
    }
    put(json, text, strlen(text));
}

void json_value(struct json *json, const cJSON *value)
{
    if (cJSON_IsObject(value) || cJSON_IsArray(value)) {
        open_level(json, cJSON_IsArray(value));
        for (const cJSON *child = value->child; child; child = child->next) {
            if (cJSON_IsObject(value))
                json_key(json, child->string);
            json_value(json, child);
        }
        json_end(json);
    } else if (cJSON_IsString(value)) {
        json_string(json, value->valuestring);
    } else if (cJSON_IsNumber(value)) {
        put_number(json, value->valuedouble);
    } else if (cJSON_IsBool(value)) {
        json_bool(json, cJSON_IsTrue(value));
    } else {
        json_null(json);
    }
}

void json_member_string(struct json *json, const char *key, const char *text)
{
    json_key(json, key);
    json_string(json, text);
}

void json_member_text(struct json *json, const char *key, const char *text)
{
    if (text)
        json_member_string(json, key, text);
}

void json_member_int(struct json *json, const char *key, int64_t value)
{
    json_key(json, key);
    json_int(json, value);
}

void json_member_bool(struct json *json, const char *key, bool value)
{
    json_key(json, key);
    json_bool(json, value);
}
