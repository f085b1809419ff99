/* Fuzz target: an event stream, fed in pieces whose sizes come from the input,
 * into the reader of responses. Whole and in pieces must agree. */
#include <assert.h>
#include <stdint.h>

#include "base/memory.h"
#include "runner/model/responses.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int feed(struct span text, size_t piece, struct model_reply *reply)
{
    struct responses responses;
    struct error err;
    int status = 0;

    responses_init(&responses, reply);
    for (size_t at = 0; at < text.length && !status; at += piece) {
        size_t left = text.length - at;

        status = responses_feed(&responses, text.data + at,
                                left < piece ? left : piece, &err);
    }
    responses_free(&responses);
    return status;
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
    if (status > 0) {
        assert(whole.count == pieces.count);
        for (size_t i = 0; i < whole.count; i++)
            assert(span_equal(whole.items[i].raw, pieces.items[i].raw));
    }
    model_reply_free(&whole);
    model_reply_free(&pieces);
    return 0;
}
