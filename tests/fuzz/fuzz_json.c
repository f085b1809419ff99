/* Fuzz target: the way into JSON. What is accepted must come out as JSON that
 * is accepted again and means the same. */
#include <assert.h>
#include <stdint.h>

#include "base/json.h"
#include "base/memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct error err;
    CLEANUP(json_free) cJSON *value = json_parse(text, size, &err);
    CLEANUP(json_free) cJSON *again = NULL;
    struct buffer out;
    struct json json;

    if (!value)
        return 0;
    buffer_init(&out, size * 6 + 64);
    json = json_to(&out);
    json_value(&json, value);
    assert(!json.full);
    again = json_parse(out.data, out.length, &err);
    assert(again && cJSON_Compare(value, again, true));
    if (cJSON_IsObject(value) && value->child) {
        struct span member = json_member_bytes(
            (struct span){out.data, out.length}, value->child->string);

        /* A key with escapes is not found by its plain text; no bytes. */
        if (member.data) {
            CLEANUP(json_free)
            cJSON *part = json_parse(member.data, member.length, &err);

            assert(part);
        }
    }
    buffer_free(&out);
    return 0;
}
