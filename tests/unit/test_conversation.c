/* runner/agent/conversation: a request's bytes, which only ever grow. */
#include "runner/agent/conversation.h"

#include "base/memory.h"
#include "tests/tap.h"

#define HEAD "{\"model\":\"m\",\"input\":["

static void start(struct conversation *conversation)
{
    conversation_init(conversation, SPAN(HEAD), NULL);
}

/* A copy of the request, and a check that it is JSON. */
static char *request_of(struct conversation *conversation, const char *name)
{
    struct span request = conversation_request(conversation, 0);
    struct error err = {0};
    cJSON *json =
        request.data ? json_parse(request.data, request.length, &err) : NULL;

    tap_ok(json != NULL, "%s: the request is JSON %s", name, err.text);
    tap_int(cJSON_GetArraySize(json_get_array(json, "input")),
            (int64_t)conversation->items, "%s: with all items", name);
    cJSON_Delete(json);
    return mem_bytes(request.data ? request.data : "", request.length);
}

static void add_some(struct conversation *conversation, int round)
{
    CLEANUP(mem_free) char *id = mem_format("call_%d", round);

    conversation_add(conversation, SPAN("{\"type\":\"reasoning\", \"x\" : 1}"));
    conversation_add_message(conversation, "user",
                             SPAN("a \"b\"\n\xC3\xA4\x01\\"));
    conversation_add_output(conversation, id, round % 2, SPAN("out\0\xFFput"));
    conversation_add_output_parts(conversation, id, round % 2,
                                  SPAN("[{\"type\":\"input_image\"}]"));
}

static void test_prefix(void)
{
    struct conversation conversation;
    CLEANUP(mem_free) char *before = NULL;

    start(&conversation);
    before = request_of(&conversation, "no items");
    tap_string(before, HEAD "]}", "no items");
    for (int round = 0; round < 20; round++) {
        size_t shared = strlen(before) - strlen("]}");
        char *after;

        add_some(&conversation, round);
        free(request_of(&conversation, "asked once"));
        after = request_of(&conversation, "asked again");
        tap_ok(strlen(after) > strlen(before) && !memcmp(before, after, shared),
               "request %d begins with the input of the one before", round + 2);
        free(before);
        before = after;
    }
    conversation_free(&conversation);
    conversation_free(&conversation);
}

static void is_item(struct conversation *conversation, const char *want,
                    const char *name)
{
    CLEANUP(mem_free) char *request = request_of(conversation, name);
    CLEANUP(mem_free) char *whole = mem_format(HEAD "%s]}", want);

    tap_string(request, whole, "%s", name);
    conversation_free(conversation);
}

static void test_items(void)
{
    struct conversation conversation;

    start(&conversation);
    conversation_add(&conversation, SPAN("{ \"a\" :\t1 }"));
    conversation_add(&conversation, SPAN("{}"));
    is_item(&conversation, "{ \"a\" :\t1 },{}", "items as they are");
    start(&conversation);
    conversation_add_message(&conversation, "developer", SPAN("x\ny"));
    is_item(&conversation,
            "{\"type\":\"message\",\"role\":\"developer\",\"content\":["
            "{\"type\":\"input_text\",\"text\":\"x\\ny\"}]}",
            "a message");
    start(&conversation);
    conversation_add_output(&conversation, "c", false, SPAN(""));
    is_item(&conversation,
            "{\"type\":\"function_call_output\",\"call_id\":\"c\","
            "\"output\":\"\"}",
            "an output");
    start(&conversation);
    conversation_add_output(&conversation, "c\"", true, SPAN("a\0\xC3"));
    is_item(&conversation,
            "{\"type\":\"custom_tool_call_output\",\"call_id\":\"c\\\"\","
            "\"output\":\"a\xEF\xBF\xBD\xEF\xBF\xBD\"}",
            "NUL and bytes that are no UTF-8");
    start(&conversation);
    conversation_add_output_parts(&conversation, "c", false, SPAN("[1]"));
    is_item(&conversation,
            "{\"type\":\"function_call_output\",\"call_id\":\"c\","
            "\"output\":[1]}",
            "parts");
}

/* The limit is lowered, so that the test need not fill 256 MiB. */
static void test_full(void)
{
    static const char item[] = "{\"n\":1}";
    /* With room for what may stand behind the input. */
    const size_t tail = 64;
    const size_t items = strlen(HEAD) + 2 * strlen(item) + 1;

    for (size_t less = 0; less < 4; less++) {
        struct conversation conversation;
        struct span request;

        start(&conversation);
        conversation.body.maximum = items + tail - less;
        conversation_add(&conversation, SPAN(item));
        conversation_add(&conversation, SPAN(item));
        tap_int(conversation.full, less > 0, "%zu bytes less than needed: full",
                less);
        tap_int((int64_t)conversation.items, less ? 1 : 2, "its items");
        request = conversation_request(&conversation, 0);
        tap_ok(request.data != NULL, "what it has can be sent");
        tap_bytes(request.data ? request.data : "", request.length,
                  less ? HEAD "{\"n\":1}]}" : HEAD "{\"n\":1},{\"n\":1}]}",
                  items + strlen("]}") - (less ? strlen(item) + 1 : 0),
                  "and is whole");
        conversation_free(&conversation);
    }
}

/* A text that does not fit is not lost in silence. */
static void test_large_text(void)
{
    struct conversation conversation;
    CLEANUP(mem_free) char *text = mem_alloc(2001);

    memset(text, 'x', 2000);
    for (size_t length = 1000; length <= 2000; length += 1000) {
        start(&conversation);
        conversation.body.maximum = 1500;
        conversation_add_message(&conversation, "user",
                                 (struct span){text, length});
        tap_int(conversation.full, length == 2000, "a message of %zu", length);
        conversation_free(&conversation);
        start(&conversation);
        conversation.body.maximum = 1500;
        conversation_add_output(&conversation, "c", false,
                                (struct span){text, length});
        tap_int(conversation.full, length == 2000, "an output of %zu", length);
        tap_int((int64_t)conversation.items, length == 1000, "its items");
        conversation_free(&conversation);
    }
}

int main(void)
{
    test_prefix();
    test_items();
    test_full();
    test_large_text();
    return tap_done();
}
