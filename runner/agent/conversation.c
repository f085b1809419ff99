#include "runner/agent/conversation.h"

#include "base/memory.h"

static const char tail[] = "]}";

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
}

void conversation_add(struct conversation *conversation, struct span item)
{
    struct buffer *body = &conversation->body;
    size_t before = body->length;

    if ((conversation->items && buffer_add_byte(body, ',')) ||
        buffer_add_span(body, item) || !buffer_reserve(body, sizeof(tail))) {
        buffer_truncate(body, before);
        conversation->full = true;
        return;
    }
    conversation->items++;
    if (conversation->link)
        link_transcript(conversation->link, item);
}

/* Items of ours may hold output of commands: known secrets are masked before
 * the model sees them. What the model sent goes back as it came. */
static void add_own(struct conversation *conversation, struct json *json)
{
    struct buffer *item = json->out;

    if (json->full) {
        conversation->full = true;
        return;
    }
    if (conversation->link)
        secrets_mask(conversation->link->secrets, item->data, item->length);
    conversation_add(conversation, buffer_span(item));
}

void conversation_add_message(struct conversation *conversation,
                              const char *role, struct span text)
{
    CLEANUP(buffer_free) struct buffer item = {0};
    struct json json;

    buffer_init(&item, conversation->body.maximum);
    json = json_to(&item);
    json_object(&json);
    json_member_string(&json, "type", "message");
    json_member_string(&json, "role", role);
    json_key(&json, "content");
    json_array(&json);
    json_object(&json);
    json_member_string(&json, "type", "input_text");
    json_key(&json, "text");
    json_bytes(&json, text.data, text.length);
    json_end(&json);
    json_end(&json);
    json_end(&json);
    add_own(conversation, &json);
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
    add_own(conversation, &json);
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

struct span conversation_request(struct conversation *conversation)
{
    struct buffer *body = &conversation->body;
    size_t length = body->length;
    /* The tail is written behind the content and not counted in it, so that
     * the next item goes where it stood. */
    char *room = buffer_reserve(body, sizeof(tail));

    if (!room)
        return (struct span){NULL, 0};
    memcpy(room, tail, sizeof(tail));
    return (struct span){body->data, length + sizeof(tail) - 1};
}
