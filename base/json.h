/* JSON: one strict way in, one byte-stable way out.
 *
 * In: json_parse refuses what cJSON would let through: invalid UTF-8, NUL
 * (also as \u0000), other control characters, a byte order mark, bytes behind
 * the value, depth over JSON_DEPTH_MAX, and numbers that are malformed or not
 * finite. Release with cJSON_Delete (json_free in a
 * CLEANUP). Duplicate keys: the first counts. Format: RFC 8259.
 *
 * Out: struct json writes to a buffer with no white space, keys in the order
 * of the calls and escapes always the same, so equal calls give equal bytes.
 *
 *     struct json json = json_to(&buffer);
 *     json_object(&json);
 *     json_key(&json, "id");      json_string(&json, "x");
 *     json_end(&json);
 */
#ifndef NIGHTJAR_BASE_JSON_H
#define NIGHTJAR_BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "base/buffer.h"
#include "base/error.h"

#define JSON_DEPTH_MAX 128
#define JSON_INTEGER_MAX ((int64_t)1 << 53)

/* Parses one value. Errors are ERROR_PROTOCOL with the byte's position. */
cJSON *json_parse(const char *data, size_t length, struct error *err);

/* CLEANUP function: cJSON_Delete(*value). */
void json_free(cJSON **value);

/* Members of an object; on any other type, as if the member were missing. */
const cJSON *json_get(const cJSON *object, const char *key);
const cJSON *json_get_object(const cJSON *object, const char *key);
const cJSON *json_get_array(const cJSON *object, const char *key);

/* A string member, NULL if it is missing or no string. The pointer lives as
 * long as the object. */
const char *json_get_string(const cJSON *object, const char *key);

/* A string member, or `otherwise`. */
const char *json_get_text(const cJSON *object, const char *key,
                          const char *otherwise);

/* A whole number within +-2^53. Returns false and leaves *out alone when the
 * member is missing or is none. */
bool json_get_integer(const cJSON *object, const char *key, int64_t *out);

/* The integer member, or `otherwise`. */
int64_t json_get_int64(const cJSON *object, const char *key, int64_t otherwise);

/* true only for the literal true. */
bool json_get_true(const cJSON *object, const char *key);

/* The exact bytes of a member's value in the text of an object that
 * json_parse has accepted; {NULL, 0} if there is none. Only the top level is
 * looked at. */
struct span json_member_bytes(struct span object, const char *key);

struct json {
    struct buffer *out;
    uint64_t has_member[JSON_DEPTH_MAX / 64]; /* a bit for each open level */
    uint64_t is_array[JSON_DEPTH_MAX / 64];
    int depth;
    bool after_key;
    bool full; /* the buffer refused something: the text is no JSON */
};

/* A writer at the end of a buffer, which must outlive it. */
struct json json_to(struct buffer *out);

void json_object(struct json *json);
void json_array(struct json *json);

/* Ends the innermost object or array. */
void json_end(struct json *json);

void json_key(struct json *json, const char *key);
void json_string(struct json *json, const char *text);

/* Any bytes: what is no UTF-8 becomes U+FFFD; NUL becomes U+FFFD too. */
void json_bytes(struct json *json, const char *data, size_t length);
void json_int(struct json *json, int64_t value);

/* Millionths as a decimal number with as many places as it needs. */
void json_micro(struct json *json, int64_t micro);
void json_bool(struct json *json, bool value);
void json_null(struct json *json);

/* A value that is JSON already. */
void json_raw(struct json *json, struct span value);

/* A parsed value; numbers as short as they can be told apart. */
void json_value(struct json *json, const cJSON *value);

/* Key and value in one call; json_member_text leaves out a NULL text. */
void json_member_string(struct json *json, const char *key, const char *text);
void json_member_text(struct json *json, const char *key, const char *text);
void json_member_int(struct json *json, const char *key, int64_t value);
void json_member_bool(struct json *json, const char *key, bool value);

#endif
