/* Any bytes as a transcript: what is read of it can be sent. */
#include "runner/agent/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool held)
{
    if (!held)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct record record;
    struct error err;
    struct span request;
    struct span head;

    if (record_read((struct span){(const char *)data, size}, NULL, &record,
                    &err) != 1)
        return 0;
    record_answer_interrupted(&record);
    check(!record.has_last || !record.conversation.full);
    head = buffer_span(&record.head);
    request = conversation_request(&record.conversation, 0);
    check(request.length >= head.length + 2 &&
          !memcmp(request.data, head.data, head.length) &&
          !memcmp(request.data + request.length - 2, "]}", 2));
    for (size_t i = 0; i < record.conversation.items; i++) {
        struct span item = conversation_item(&record.conversation, i);

        check(item.data >= request.data + head.length &&
              item.data + item.length <= request.data + request.length - 2);
    }
    record_free(&record);
    return 0;
}
