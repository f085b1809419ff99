/* Fuzz target: the way into JSON. What is accepted must come out as JSON that
 * is accepted again and comes out the same, and the bytes of each member of an
 * object must be what json_get finds. */
#include <assert.h>
#include <stdint.h>

#include "base/json.h"
#include "base/memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The longest that a value can get: each byte of text as six. */
static size_t written_max(size_t size)
{
    return size * 6 + 64;
}

static void write_value(struct buffer *out, size_t maximum, const cJSON *value)
{
    struct json json;

    buffer_init(out, maximum);
    json = json_to(out);
    json_value(&json, value);
    assert(!json.full);
}

static void check_again(const struct buffer *written)
{
    struct error err;
    struct buffer again;
    cJSON *value = json_parse(written->data, written->length, &err);

    assert(value);
    write_value(&again, written_max(written->length), value);
    assert(span_equal(buffer_span(written), buffer_span(&again)));
    buffer_free(&again);
    cJSON_Delete(value);
}

static void check_member(struct span text, const cJSON *object, const char *key)
{
    struct span bytes = json_member_bytes(text, key);
    struct error err;
    struct buffer want;
    struct buffer got;
    cJSON *value;

    assert(bytes.data && bytes.data >= text.data &&
           bytes.data + bytes.length <= text.data + text.length);
    value = json_parse(bytes.data, bytes.length, &err);
    assert(value);
    write_value(&want, written_max(text.length), json_get(object, key));
    write_value(&got, written_max(text.length), value);
    assert(span_equal(buffer_span(&want), buffer_span(&got)));
    buffer_free(&want);
    buffer_free(&got);
    cJSON_Delete(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = {(const char *)data, size};
    struct error err;
    CLEANUP(json_free) cJSON *value = json_parse(text.data, size, &err);
    struct buffer written;
    int members = 0;

    if (!value) {
        assert(err.kind == ERROR_PROTOCOL);
        return 0;
    }
    write_value(&written, written_max(size), value);
    check_again(&written);
    buffer_free(&written);
    if (!cJSON_IsObject(value))
        return 0;
    for (const cJSON *child = value->child; child && members < 8;
         child = child->next, members++)
        check_member(text, value, child->string);
    return 0;
}
