/* Fuzz target: an event stream, fed in pieces whose size is the first byte's,
 * into the reader of responses. Whole and in pieces must agree, and an item's
 * bytes must be JSON that stands in the stream. */
#include <assert.h>
#include <stdint.h>

#include "base/json.h"
#include "base/memory.h"
#include "runner/model/responses.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int feed(struct span text, size_t piece, struct model_reply *reply)
{
    struct responses responses;
    struct error err = {.kind = ERROR_NONE};
    int status = 0;

    responses_init(&responses, reply);
    for (size_t at = 0; at < text.length && !status; at += piece) {
        size_t left = text.length - at;

        status = responses_feed(&responses, text.data + at,
                                left < piece ? left : piece, &err);
    }
    assert((status < 0) == (err.kind != ERROR_NONE));
    responses_free(&responses);
    return status;
}

/* A line end within an item is joined again by a newline, so that its bytes
 * may not be those of the stream; then only their meaning is checked. */
static void check_item(struct span text, const struct model_item *item)
{
    struct error err;
    cJSON *value = json_parse(item->raw.data, item->raw.length, &err);

    assert(cJSON_IsObject(value));
    assert(memchr(item->raw.data, '\n', item->raw.length) ||
           memmem(text.data, text.length, item->raw.data, item->raw.length));
    if (item->type == ITEM_FUNCTION_CALL || item->type == ITEM_CUSTOM_CALL)
        assert(*item->call_id && item->name && item->arguments);
    if (item->type == ITEM_MESSAGE)
        assert(item->text);
    cJSON_Delete(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct model_reply whole;
    struct model_reply pieces;
    struct span text;
    int status;

    if (!size)
        return 0;
    text = (struct span){(const char *)data + 1, size - 1};
    status = feed(text, size, &whole);
    assert(status == feed(text, 1 + data[0] % 31, &pieces));
    for (size_t i = 0; status > 0 && i < whole.count; i++) {
        assert(whole.count == pieces.count);
        assert(span_equal(whole.items[i].raw, pieces.items[i].raw));
        check_item(text, &whole.items[i]);
    }
    model_reply_free(&whole);
    model_reply_free(&pieces);
    return 0;
}
