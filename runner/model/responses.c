#include "runner/model/responses.h"

#include "base/json.h"
#include "base/memory.h"

/* Of one reply: more than any model has, and few enough to be added up. */
#define TOKENS_MAX ((int64_t)1000000000000)

/* Providers write at most 64. */
#define CALL_ID_MAX 256

static sse_handler on_event;

void responses_init(struct responses *responses, struct model_reply *reply)
{
    memset(responses, 0, sizeof(*responses));
    memset(reply, 0, sizeof(*reply));
    sse_init(&responses->sse, on_event, responses);
    responses->reply = reply;
    responses->failure =
        (struct failure){.retry = true, .wait_ms = FAILURE_WAIT_UNKNOWN};
}

void responses_free(struct responses *responses)
{
    sse_free(&responses->sse);
}

static int no_retry(struct responses *responses, int status)
{
    responses->failure.retry = false;
    return status;
}

/* ---- items ------------------------------------------------------------- */

static enum model_item_type type_of(const char *type)
{
    static const struct {
        const char *name;
        enum model_item_type type;
    } types[] = {{"message", ITEM_MESSAGE},
                 {"reasoning", ITEM_REASONING},
                 {"function_call", ITEM_FUNCTION_CALL},
                 {"custom_tool_call", ITEM_CUSTOM_CALL}};

    for (size_t i = 0; i < ARRAY_LENGTH(types); i++) {
        if (!strcmp(types[i].name, type))
            return types[i].type;
    }
    return ITEM_OTHER;
}

static void read_message(struct model_reply *reply, struct model_item *item,
                         const cJSON *json)
{
    const cJSON *part;
    CLEANUP(buffer_free) struct buffer text = {0};

    buffer_init(&text, SSE_EVENT_BYTES_MAX);
    cJSON_ArrayForEach(part, json_get_array(json, "content"))
    {
        const char *type = json_get_text(part, "type", "");

        if (!strcmp(type, "output_text"))
            buffer_add_string(&text, json_get_text(part, "text", ""));
        if (!strcmp(type, "refusal"))
            item->refusal = arena_string(
                &reply->arena, json_get_text(part, "refusal", "refused"));
    }
    item->text = arena_bytes(&reply->arena, text.data, text.length);
    item->commentary = !strcmp(json_get_text(json, "phase", ""), "commentary");
}

static int read_call(struct arena *arena, struct model_item *item,
                     const cJSON *json, struct error *err)
{
    const char *call_id = json_get_string(json, "call_id");
    const char *key = item->type == ITEM_CUSTOM_CALL ? "input" : "arguments";
    const cJSON *arguments = json_get(json, key);

    if (!call_id || !*call_id || !json_get_string(json, "name"))
        return error_set(err, ERROR_PROTOCOL,
                         "model: a tool call has no call_id or no name");
    if (strlen(call_id) > CALL_ID_MAX)
        return error_set(err, ERROR_PROTOCOL,
                         "model: a call_id of more than %d bytes", CALL_ID_MAX);
    item->call_id = arena_string(arena, call_id);
    item->name = arena_string(arena, json_get_string(json, "name"));
    if (cJSON_IsObject(arguments)) {
        /* Some servers send the object itself. */
        CLEANUP(buffer_free) struct buffer text = {0};
        struct json writer;

        buffer_init(&text, SSE_EVENT_BYTES_MAX);
        writer = json_to(&text);
        json_value(&writer, arguments);
        item->arguments = arena_bytes(arena, text.data, text.length);
        return 0;
    }
    item->arguments = arena_string(arena, json_get_text(json, key, ""));
    return 0;
}

/* The item's place: again the same when the server repeats an output_index,
 * so that nothing that came twice counts twice. */
static struct model_item *place_for(struct responses *responses,
                                    const cJSON *event, const cJSON *json)
{
    struct model_reply *reply = responses->reply;
    int64_t place = json_get_int64(event, "output_index", -1);
    const char *call_id = json_get_text(json, "call_id", "");

    for (size_t i = 0; i < reply->count; i++) {
        const char *other = reply->items[i].call_id;

        if ((place >= 0 && responses->places[i] == place) ||
            (*call_id && other && !strcmp(other, call_id)))
            return &reply->items[i];
    }
    if (reply->count == MODEL_ITEMS_MAX)
        return NULL;
    if (!reply->items)
        reply->items =
            arena_array(&reply->arena, MODEL_ITEMS_MAX, sizeof(*reply->items));
    responses->places[reply->count] = place;
    return &reply->items[reply->count++];
}

static int read_item(struct model_reply *reply, struct model_item *item,
                     struct span raw, const cJSON *json, struct error *err)
{
    *item =
        (struct model_item){.type = type_of(json_get_text(json, "type", ""))};
    item->raw = (struct span){arena_bytes(&reply->arena, raw.data, raw.length),
                              raw.length};
    if (item->type == ITEM_MESSAGE)
        read_message(reply, item, json);
    if (item->type == ITEM_FUNCTION_CALL || item->type == ITEM_CUSTOM_CALL)
        return read_call(&reply->arena, item, json, err);
    return 0;
}

static int add_item(struct responses *responses, struct span data,
                    const cJSON *event, struct error *err)
{
    struct model_reply *reply = responses->reply;
    const cJSON *json = json_get_object(event, "item");
    struct span raw = json_member_bytes(data, "item");
    struct model_item *item;

    if (!json || !raw.data)
        return error_set(err, ERROR_PROTOCOL, "model: an item is no object");
    item = place_for(responses, event, json);
    if (!item)
        return error_set(err, ERROR_PROTOCOL,
                         "model: more than %d items in a response",
                         MODEL_ITEMS_MAX);
    if (read_item(reply, item, raw, json, err))
        return -1;
    if (responses->on_item)
        responses->on_item(responses->context, item);
    return 0;
}

int responses_add(struct model_reply *reply, struct span item,
                  struct error *err)
{
    CLEANUP(json_free) cJSON *json = json_parse(item.data, item.length, err);

    if (!json)
        return -1;
    if (!cJSON_IsObject(json) || reply->count == MODEL_ITEMS_MAX)
        return error_set(err, ERROR_PROTOCOL, "model: not an item");
    if (!reply->items)
        reply->items =
            arena_array(&reply->arena, MODEL_ITEMS_MAX, sizeof(*reply->items));
    return read_item(reply, &reply->items[reply->count++], item, json, err);
}

/* ---- the end ----------------------------------------------------------- */

static int64_t tokens(const cJSON *object, const char *key)
{
    int64_t count = json_get_int64(object, key, 0);

    if (count > TOKENS_MAX)
        return TOKENS_MAX;
    return count < 0 ? 0 : count;
}

static void read_usage(struct model_reply *reply, const cJSON *response)
{
    const cJSON *usage = json_get_object(response, "usage");
    const cJSON *input = json_get_object(usage, "input_tokens_details");
    const cJSON *output = json_get_object(usage, "output_tokens_details");

    reply->has_usage = usage != NULL;
    reply->usage = (struct model_usage){
        .input_tokens = tokens(usage, "input_tokens"),
        .cached_tokens = tokens(input, "cached_tokens"),
        .cache_write_tokens = tokens(input, "cache_write_tokens"),
        .output_tokens = tokens(usage, "output_tokens"),
        .reasoning_tokens = tokens(output, "reasoning_tokens"),
    };
}

static int complete(struct responses *responses, const cJSON *event)
{
    const cJSON *response = json_get_object(event, "response");
    const cJSON *end_turn = json_get(response, "end_turn");

    read_usage(responses->reply, response);
    responses->reply->go_on = cJSON_IsFalse(end_turn);
    responses->completed = true;
    return 0;
}

static int incomplete(struct responses *responses, const cJSON *event,
                      struct error *err)
{
    const cJSON *response = json_get_object(event, "response");
    const char *reason = json_get_text(
        json_get_object(response, "incomplete_details"), "reason", "unknown");

    if (!strcmp(reason, "max_output_tokens")) {
        responses->reply->cut_short = true;
        return complete(responses, event);
    }
    if (!strcmp(reason, "content_filter")) {
        error_set(err, ERROR_CONTENT,
                  "model: the provider's content filter ended the response");
        return no_retry(responses, -1);
    }
    return error_set(err, ERROR_PROTOCOL, "model: response incomplete: %s",
                     reason);
}

/* `error` nested as on the wire or flat as in the specification, or
 * response.failed with the error in the response. */
static int failed(struct responses *responses, const cJSON *event,
                  struct error *err)
{
    const cJSON *response = json_get_object(event, "response");
    const cJSON *error = json_get_object(response ? response : event, "error");

    if (!error)
        error = event;
    responses->failure = failure_of_stream(
        json_get_text(error, "code", ""),
        error == event ? "" : json_get_text(error, "type", ""),
        json_get_text(error, "message", ""), err);
    return -1;
}

/* Most events are deltas. One whose type stands in front, as servers write
 * it, is passed over without parsing it. */
static bool passed_over(struct span data)
{
    static const char start[] = "{\"type\":\"";
    static const char *const wanted[] = {
        "response.output_item.done\"", "response.completed\"",
        "response.incomplete\"", "response.failed\"", "error\""};
    size_t length = strlen(start);

    if (data.length < length || memcmp(data.data, start, length) != 0)
        return false;
    for (size_t i = 0; i < ARRAY_LENGTH(wanted); i++) {
        size_t size = strlen(wanted[i]);

        if (data.length - length >= size &&
            !memcmp(data.data + length, wanted[i], size))
            return false;
    }
    return true;
}

static int on_event(void *context, struct span name, struct span data,
                    struct error *err)
{
    struct responses *responses = context;
    CLEANUP(json_free) cJSON *event = NULL;
    const char *type;

    (void)name; /* not all servers send it; the data's type is the same */
    if (responses->completed || span_is(data, "[DONE]") || passed_over(data))
        return 0;
    event = json_parse(data.data, data.length, err);
    if (!event)
        return error_context(err, "model: event");
    type = json_get_text(event, "type", "");
    if (!strcmp(type, "response.output_item.done"))
        return add_item(responses, data, event, err);
    if (!strcmp(type, "response.completed"))
        return complete(responses, event);
    if (!strcmp(type, "response.incomplete"))
        return incomplete(responses, event, err);
    if (!strcmp(type, "response.failed") || !strcmp(type, "error"))
        return failed(responses, event, err);
    return 0;
}

int responses_feed(struct responses *responses, const char *data, size_t length,
                   struct error *err)
{
    struct error behind;

    if (responses->completed)
        return 1;
    responses->bytes += length;
    if (responses->bytes > MODEL_REPLY_BYTES_MAX) {
        error_set(err, ERROR_PROTOCOL,
                  "model: the response is larger than %zu bytes",
                  MODEL_REPLY_BYTES_MAX);
        return no_retry(responses, -1);
    }
    /* What stands behind the end is nobody's error. */
    if (sse_feed(&responses->sse, data, length, &behind) &&
        !responses->completed) {
        *err = behind;
        return -1;
    }
    return responses->completed;
}

int responses_read(struct responses *responses, struct span body,
                   struct error *err)
{
    CLEANUP(json_free)
    cJSON *json = json_parse(body.data, body.length, err);
    const cJSON *item;

    if (!json)
        return error_context(err, "model");
    if (!json_get_array(json, "output"))
        return error_set(err, ERROR_PROTOCOL, "model: no output");
    cJSON_ArrayForEach(item, json_get_array(json, "output"))
    {
        CLEANUP(buffer_free) struct buffer text = {0};
        struct json writer;

        buffer_init(&text, SSE_EVENT_BYTES_MAX);
        writer = json_to(&text);
        json_value(&writer, item);
        if (writer.full ||
            responses_add(responses->reply, buffer_span(&text), err))
            return error_set(err, ERROR_PROTOCOL,
                             "model: an output item is "
                             "none");
    }
    read_usage(responses->reply, json);
    responses->completed = true;
    return 0;
}
