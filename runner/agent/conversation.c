#include "runner/agent/conversation.h"

#include <inttypes.h>

#include "base/memory.h"

#define TAIL_MAX 64

void conversation_init(struct conversation *conversation, struct span head,
                       struct link *link)
{
    *conversation = (struct conversation){.link = link};
    buffer_init(&conversation->body, CONVERSATION_BYTES_MAX);
    buffer_add_span(&conversation->body, head);
}

void conversation_free(struct conversation *conversation)
{
    buffer_free(&conversation->body);
    free(conversation->list);
    conversation->list = NULL;
    conversation->items = 0;
}

void conversation_close_prefix(struct conversation *conversation)
{
    conversation->prefix_items = conversation->items;
}

void conversation_rewind(struct conversation *conversation)
{
    size_t kept = conversation->prefix_items;

    if (kept < conversation->items)
        buffer_truncate(&conversation->body,
                        conversation->list[kept].at - (kept ? 1 : 0));
    conversation->items = kept;
    conversation->full = false;
}

static struct conversation_item *next_item(struct conversation *conversation)
{
    size_t count = conversation->items;

    /* Doubled at each power of two, also after a rewind. */
    if (!(count & (count - 1)))
        conversation->list =
            mem_resize(conversation->list, count ? 2 * count : 1,
                       sizeof(*conversation->list));
    return &conversation->list[conversation->items++];
}

void conversation_restore(struct conversation *conversation, struct span item,
                          enum item_origin origin)
{
    struct buffer *body = &conversation->body;
    size_t before = body->length;

    if ((conversation->items && buffer_add_byte(body, ',')) ||
        buffer_add_span(body, item) || !buffer_reserve(body, TAIL_MAX)) {
        buffer_truncate(body, before);
        conversation->full = true;
        return;
    }
    *next_item(conversation) = (struct conversation_item){
        body->length - item.length, item.length, origin};
}

static void add(struct conversation *conversation, struct span item,
                enum item_origin origin)
{
    conversation_restore(conversation, item, origin);
    if (conversation->link && !conversation->full)
        link_transcript(conversation->link, item);
}

void conversation_add(struct conversation *conversation, struct span item)
{
    add(conversation, item, ORIGIN_MODEL);
}

struct span conversation_item(const struct conversation *conversation,
                              size_t index)
{
    const struct conversation_item *item = &conversation->list[index];

    return (struct span){conversation->body.data + item->at, item->length};
}

/* Items of ours may hold output of commands: known secrets are masked before
 * the model sees them. What the model sent goes back as it came. */
static void add_own(struct conversation *conversation, struct json *json,
                    enum item_origin origin)
{
    struct buffer *item = json->out;

    if (json->full) {
        conversation->full = true;
        return;
    }
    if (conversation->link)
        secrets_mask(conversation->link->secrets, item->data, item->length);
    add(conversation, buffer_span(item), origin);
}

void conversation_add_prefix(struct conversation *conversation,
                             struct span item)
{
    CLEANUP(mem_free) char *copy = mem_bytes(item.data, item.length);

    if (conversation->link)
        secrets_mask(conversation->link->secrets, copy, item.length);
    add(conversation, (struct span){copy, item.length}, ORIGIN_PREFIX);
}

void conversation_write_message(struct json *json, const char *role,
                                struct span text)
{
    json_object(json);
    json_member_string(json, "type", "message");
    json_member_string(json, "role", role);
    json_key(json, "content");
    json_array(json);
    json_object(json);
    json_member_string(json, "type", "input_text");
    json_key(json, "text");
    json_bytes(json, text.data, text.length);
    json_end(json);
    json_end(json);
    json_end(json);
}

void conversation_add_message(struct conversation *conversation,
                              const char *role, struct span text)
{
    CLEANUP(buffer_free) struct buffer item = {0};
    struct json json;

    buffer_init(&item, conversation->body.maximum);
    json = json_to(&item);
    conversation_write_message(&json, role, text);
    add_own(conversation, &json, ORIGIN_TOLD);
}

static void add_output(struct conversation *conversation, const char *call_id,
                       bool custom, struct span content, bool is_json)
{
    CLEANUP(buffer_free) struct buffer item = {0};
    struct json json;

    buffer_init(&item, conversation->body.maximum);
    json = json_to(&item);
    json_object(&json);
    json_member_string(&json, "type",
                       custom ? "custom_tool_call_output"
                              : "function_call_output");
    json_member_string(&json, "call_id", call_id);
    json_key(&json, "output");
    if (is_json)
        json_raw(&json, content);
    else
        json_bytes(&json, content.data, content.length);
    json_end(&json);
    add_own(conversation, &json, ORIGIN_OUTPUT);
}

void conversation_add_output(struct conversation *conversation,
                             const char *call_id, bool custom, struct span text)
{
    add_output(conversation, call_id, custom, text, false);
}

void conversation_add_output_parts(struct conversation *conversation,
                                   const char *call_id, bool custom,
                                   struct span parts)
{
    add_output(conversation, call_id, custom, parts, true);
}

struct span conversation_request(struct conversation *conversation,
                                 int64_t max_output_tokens)
{
    struct buffer *body = &conversation->body;
    size_t length = body->length;
    /* The tail is written behind the content and not counted in it, so that
     * the next item goes where it stood. */
    char *room = buffer_reserve(body, TAIL_MAX);
    int tail;

    if (!room)
        return (struct span){NULL, 0};
    if (max_output_tokens > 0)
        tail = snprintf(room, TAIL_MAX, "],\"max_output_tokens\":%" PRId64 "}",
                        max_output_tokens);
    else
        tail = snprintf(room, TAIL_MAX, "]}");
    return (struct span){body->data, length + (size_t)tail};
}
