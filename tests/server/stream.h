/* The body of a scripted reply: a Responses event stream that is complete and
 * true to the schema, or broken in exactly one way.
 *
 *     struct stream stream = {.rope = &rope, .out = &rope.bytes, ...};
 *     stream_render(&stream, step, limit);       // a STEP, see model_server.c
 *
 * Events and their order: "Responses" in the provider's published OpenAPI
 * description. */
#ifndef NIGHTJAR_TESTS_SERVER_STREAM_H
#define NIGHTJAR_TESTS_SERVER_STREAM_H

#include "tests/server/rope.h"

#define DELTAS_MAX 64 /* about so many for a text of ordinary length */
#define DELTA_BYTES_MIN 24

/* How far an item has come when it is written. */
enum item_phase { ITEM_ADDED, ITEM_DONE, ITEM_INCOMPLETE };

/* ---- items ------------------------------------------------------------- */

/* The long text of a step stands behind its items as one without a spec. */
struct item {
    const cJSON *spec;   /* an ITEM, or NULL */
    int64_t long_length; /* bytes of text if there is no spec */
    int64_t index;
};

static const char *phase_status(enum item_phase phase)
{
    static const char *const names[] = {"in_progress", "completed",
                                        "incomplete"};

    return names[phase];
}

/* The arguments of a call as text; an object becomes compact JSON. */
static char *call_arguments(const cJSON *call)
{
    const cJSON *arguments = json_get(call, "arguments");
    struct buffer text;
    struct json json;

    if (cJSON_IsString(arguments))
        return mem_string(arguments->valuestring);
    buffer_init(&text, ROPE_BYTES_MAX);
    json = json_to(&text);
    json_value(&json, arguments);
    return buffer_steal(&text);
}

static void item_head(struct stream *stream, struct json *json,
                      const struct item *item, const char *type,
                      const char *prefix)
{
    CLEANUP(mem_free)
    char *id = mem_format("%s_%06" PRId64 "_%" PRId64, prefix, stream->number,
                          item->index);

    json_object(json);
    json_member_string(json, "id", id);
    json_member_string(json, "type", type);
}

/* {"type":"output_text",…} with the item's text, or none yet. */
static void text_part(struct stream *stream, struct json *json,
                      const struct item *item, enum item_phase phase)
{
    json_object(json);
    json_member_string(json, "type", "output_text");
    json_key(json, "annotations");
    json_array(json);
    json_end(json);
    json_key(json, "logprobs");
    json_array(json);
    json_end(json);
    json_key(json, "text");
    if (phase == ITEM_ADDED) {
        json_string(json, "");
    } else if (item->spec) {
        json_string(json, json_get_text(item->spec, "message", ""));
    } else {
        json_raw(json, SPAN("\""));
        rope_insert(stream->rope, INSERT_FILL, item->long_length);
        buffer_add_byte(stream->out, '"');
    }
    json_end(json);
}

static void message_write(struct stream *stream, struct json *json,
                          const struct item *item, enum item_phase phase)
{
    item_head(stream, json, item, "message", "msg");
    json_member_string(json, "status", phase_status(phase));
    json_member_string(json, "role", "assistant");
    json_member_text(json, "phase", json_get_string(item->spec, "phase"));
    json_key(json, "content");
    json_array(json);
    if (phase != ITEM_ADDED)
        text_part(stream, json, item, phase);
    json_end(json);
    json_end(json);
}

/* A function_call or a custom_tool_call. */
static void call_write(struct stream *stream, struct json *json,
                       const struct item *item, enum item_phase phase)
{
    const cJSON *call = json_get(item->spec, "call");
    const cJSON *custom = json_get(item->spec, "custom");
    const cJSON *spec = call ? call : custom;
    const char *id = json_get_string(spec, "call_id");
    CLEANUP(mem_free)
    char *own =
        mem_format("call_%06" PRId64 "_%" PRId64, stream->number, item->index);
    CLEANUP(mem_free)
    char *text = call ? call_arguments(call)
                      : mem_string(json_get_text(custom, "input", ""));

    item_head(stream, json, item, call ? "function_call" : "custom_tool_call",
              call ? "fc" : "ctc");
    json_member_string(json, "status", phase_status(phase));
    json_member_string(json, call ? "arguments" : "input",
                       phase == ITEM_ADDED ? "" : text);
    json_member_string(json, "call_id", id ? id : own);
    json_member_string(json, "name", json_get_text(spec, "name", ""));
    json_member_text(json, "namespace", json_get_string(spec, "namespace"));
    json_end(json);
}

static void item_write(struct stream *stream, struct json *json,
                       const struct item *item, enum item_phase phase)
{
    const char *encrypted = json_get_string(item->spec, "reasoning");
    const cJSON *raw = json_get(item->spec, "raw");

    if (raw) {
        json_value(json, raw);
    } else if (encrypted) {
        item_head(stream, json, item, "reasoning", "rs");
        json_key(json, "summary");
        json_array(json);
        json_end(json);
        json_member_string(json, "encrypted_content", encrypted);
        json_end(json);
    } else if (json_get(item->spec, "call") || json_get(item->spec, "custom")) {
        call_write(stream, json, item, phase);
    } else {
        message_write(stream, json, item, phase);
    }
}

/* The end of a delta that starts at `start`: whole characters. */
static size_t delta_end(const char *text, size_t length, size_t start)
{
    size_t size = length / DELTAS_MAX;
    size_t end = start + (size > DELTA_BYTES_MIN ? size : DELTA_BYTES_MIN);

    if (end >= length)
        return length;
    while (((unsigned char)text[end] & 0xC0) == 0x80)
        end++;
    return end;
}

static void message_events(struct stream *stream, const struct item *item)
{
    const char *text = json_get_text(item->spec, "message", "");
    size_t length = strlen(text);
    struct json json =
        item_event_begin(stream, "response.content_part.added", "msg");

    json_member_int(&json, "content_index", 0);
    json_key(&json, "part");
    text_part(stream, &json, item, ITEM_ADDED);
    event_end(stream, &json);
    if (!item->spec)
        return;
    for (size_t at = 0, end; at < length; at = end) {
        end = delta_end(text, length, at);
        text_delta_event(stream, text + at, end - at);
    }
}

/* The deltas of a long text: made when they are read, counted here. */
static void long_text_events(struct stream *stream, const struct item *item)
{
    int64_t events = (item->long_length + DELTA_BYTES - 1) / DELTA_BYTES;
    struct insert *insert =
        rope_insert(stream->rope, INSERT_DELTAS, item->long_length);

    insert->newline = stream->newline;
    insert->sequence = stream->sequence;
    insert->number = stream->number;
    insert->index = item->index;
    stream->sequence += events;
    if (stream->events_left > 0 && events >= stream->events_left) {
        if (events > stream->events_left)
            insert->count = stream->events_left * DELTA_BYTES;
        stream->events_left = 0;
        stream_cut_here(stream);
    } else if (stream->events_left > 0) {
        stream->events_left -= events;
    }
}

static void message_done_events(struct stream *stream, const struct item *item)
{
    struct json json =
        item_event_begin(stream, "response.output_text.done", "msg");

    json_member_int(&json, "content_index", 0);
    json_key(&json, "logprobs");
    json_array(&json);
    json_end(&json);
    json_key(&json, "text");
    if (item->spec) {
        json_string(&json, json_get_text(item->spec, "message", ""));
    } else {
        json_raw(&json, SPAN("\""));
        rope_insert(stream->rope, INSERT_FILL, item->long_length);
        buffer_add_byte(stream->out, '"');
    }
    event_end(stream, &json);
    json = item_event_begin(stream, "response.content_part.done", "msg");
    json_member_int(&json, "content_index", 0);
    json_key(&json, "part");
    text_part(stream, &json, item, ITEM_DONE);
    event_end(stream, &json);
}

/* Deltas and the whole of a call's arguments or a custom call's input. */
static void call_events(struct stream *stream, const struct item *item)
{
    const cJSON *call = json_get(item->spec, "call");
    const char *prefix = call ? "fc" : "ctc";
    CLEANUP(mem_free)
    char *text = call ? call_arguments(call)
                      : mem_string(json_get_text(json_get(item->spec, "custom"),
                                                 "input", ""));
    size_t length = strlen(text);
    struct json json;

    for (size_t at = 0, end; at < length; at = end) {
        end = delta_end(text, length, at);
        json = item_event_begin(stream,
                                call ? "response.function_call_arguments.delta"
                                     : "response.custom_tool_call_input.delta",
                                prefix);
        json_key(&json, "delta");
        json_bytes(&json, text + at, end - at);
        event_end(stream, &json);
    }
    json = item_event_begin(stream,
                            call ? "response.function_call_arguments.done"
                                 : "response.custom_tool_call_input.done",
                            prefix);
    json_member_string(&json, call ? "arguments" : "input", text);
    event_end(stream, &json);
}

static void item_event(struct stream *stream, const char *type,
                       const struct item *item, enum item_phase phase)
{
    struct json json = event_begin(stream, type);

    json_member_int(&json, "output_index", item->index);
    json_key(&json, "item");
    item_write(stream, &json, item, phase);
    event_end(stream, &json);
}

static void item_events(struct stream *stream, const struct item *item,
                        enum item_phase last, bool twice)
{
    bool call = json_get(item->spec, "call") || json_get(item->spec, "custom");
    bool message = !item->spec || json_get(item->spec, "message");

    stream->index = item->index;
    item_event(stream, "response.output_item.added", item, ITEM_ADDED);
    if (message)
        message_events(stream, item);
    if (!item->spec)
        long_text_events(stream, item);
    if (message)
        message_done_events(stream, item);
    if (call)
        call_events(stream, item);
    item_event(stream, "response.output_item.done", item, last);
    if (twice)
        item_event(stream, "response.output_item.done", item, last);
}

/* ---- responses --------------------------------------------------------- */

static void code_and_message(struct json *json, const cJSON *error)
{
    json_member_string(json, "code",
                       json_get_text(error, "code", "server_error"));
    json_member_string(json, "message",
                       json_get_text(error, "message", "scripted error"));
}

/* The members that no test varies, as the provider sends them. */
static void response_constants(struct json *json)
{
    static const char text[] =
        "\"instructions\":null,\"max_output_tokens\":null,"
        "\"max_tool_calls\":null,\"parallel_tool_calls\":true,"
        "\"previous_response_id\":null,\"prompt_cache_key\":null,"
        "\"reasoning\":{\"effort\":\"medium\",\"summary\":null},"
        "\"safety_identifier\":null,\"service_tier\":\"default\","
        "\"store\":false,\"temperature\":1,"
        "\"text\":{\"format\":{\"type\":\"text\"},\"verbosity\":\"medium\"},"
        "\"tool_choice\":\"auto\",\"tools\":[],\"top_logprobs\":0,"
        "\"top_p\":1,\"truncation\":\"disabled\",\"user\":null,"
        "\"metadata\":{}";

    json_raw(json, SPAN(text));
}

static void usage_write(struct json *json, const cJSON *step)
{
    const cJSON *usage = json_get(step, "usage");
    int64_t input = json_get_int64(usage, "input_tokens", 100);
    int64_t output = json_get_int64(usage, "output_tokens", 10);
    int64_t written = json_get_int64(usage, "cache_write_tokens", -1);

    json_key(json, "usage");
    if (cJSON_IsNull(usage)) {
        json_null(json);
        return;
    }
    json_object(json);
    json_member_int(json, "input_tokens", input);
    json_key(json, "input_tokens_details");
    json_object(json);
    json_member_int(json, "cached_tokens",
                    json_get_int64(usage, "cached_tokens", 0));
    if (written >= 0)
        json_member_int(json, "cache_write_tokens", written);
    json_end(json);
    json_member_int(json, "output_tokens", output);
    json_key(json, "output_tokens_details");
    json_object(json);
    json_member_int(json, "reasoning_tokens",
                    json_get_int64(usage, "reasoning_tokens", 0));
    json_end(json);
    json_member_int(json, "total_tokens", input + output);
    json_end(json);
}

/* The items of a step in their order; the index of the last item is one less
 * than what this returns. */
static int64_t step_item(const cJSON *step, int64_t index, struct item *item)
{
    const cJSON *items = json_get_array(step, "items");
    int64_t count = cJSON_GetArraySize(items);
    int64_t length = json_get_int64(step, "huge_text", 0);

    *item = (struct item){
        .spec = index < count ? cJSON_GetArrayItem(items, (int)index) : NULL,
        .long_length = length,
        .index = index,
    };
    return count + (length > 0);
}

static void response_output(struct stream *stream, struct json *json,
                            const cJSON *step, enum item_phase last)
{
    struct item item;
    int64_t count = step_item(step, 0, &item);

    for (int64_t i = 0; i < count; i++) {
        step_item(step, i, &item);
        item_write(stream, json, &item, i + 1 < count ? ITEM_DONE : last);
    }
}

/* response.created and .in_progress (status "in_progress"), or the last
 * event of the stream. */
static void response_event(struct stream *stream, const cJSON *step,
                           const char *type, const char *status)
{
    bool running = !strcmp(status, "in_progress");
    bool cut_short = !strcmp(status, "incomplete");
    struct json json = event_begin(stream, type);
    CLEANUP(mem_free) char *id = mem_format("resp_%06" PRId64, stream->number);

    json_key(&json, "response");
    json_object(&json);
    json_member_string(&json, "id", id);
    json_member_string(&json, "object", "response");
    json_member_int(&json, "created_at", 1764180467);
    json_member_string(&json, "status", status);
    json_member_bool(&json, "background", false);
    json_key(&json, "error");
    if (!strcmp(status, "failed")) {
        json_object(&json);
        code_and_message(&json, json_get(step, "failed"));
        json_end(&json);
    } else {
        json_null(&json);
    }
    json_key(&json, "incomplete_details");
    if (cut_short) {
        json_object(&json);
        json_member_text(&json, "reason", json_get_string(step, "incomplete"));
        json_end(&json);
    } else {
        json_null(&json);
    }
    json_member_string(&json, "model", stream->model);
    json_key(&json, "output");
    json_array(&json);
    if (!running)
        response_output(stream, &json, step,
                        cut_short ? ITEM_INCOMPLETE : ITEM_DONE);
    json_end(&json);
    response_constants(&json);
    if (running) {
        json_key(&json, "usage");
        json_null(&json);
    } else {
        usage_write(&json, step);
    }
    json_end(&json);
    event_end(stream, &json);
}

/* An event of no known type in one data line of `length` bytes. */
static void long_line_event(struct stream *stream, int64_t length)
{
    struct json json = event_begin(stream, "response.padding");
    const char *data = strstr(stream->out->data, "event: response.padding");
    int64_t rest;

    json_key(&json, "padding");
    json_raw(&json, SPAN("\""));
    data = strstr(data, "data: ");
    rest = stream->out->data + stream->out->length - data + 2;
    rope_insert(stream->rope, INSERT_FILL, length > rest ? length - rest : 0);
    buffer_add_byte(stream->out, '"');
    event_end(stream, &json);
}

/* What stands between the first two events and the last one. */
static void step_events(struct stream *stream, const cJSON *step)
{
    int64_t line = json_get_int64(step, "huge_line", 0);
    bool cut_short = json_get(step, "incomplete");
    struct item item;
    int64_t count = step_item(step, 0, &item);

    if (line)
        long_line_event(stream, line);
    for (int64_t i = 0; i < count; i++) {
        step_item(step, i, &item);
        item_events(stream, &item,
                    cut_short && i + 1 == count ? ITEM_INCOMPLETE : ITEM_DONE,
                    json_get_true(step, "duplicate_done"));
    }
}

/* "endless": an item without end, or comments. */
static void endless_events(struct stream *stream, const cJSON *step,
                           int64_t limit)
{
    struct item item;
    int64_t count = step_item(step, 0, &item);

    if (!json_get_true(step, "endless")) {
        rope_insert(stream->rope, INSERT_COMMENTS, limit)->newline =
            stream->newline;
        return;
    }
    item = (struct item){.long_length = limit, .index = count};
    stream->index = count;
    item_event(stream, "response.output_item.added", &item, ITEM_ADDED);
    message_events(stream, &item);
    long_text_events(stream, &item);
}

static void error_event(struct stream *stream, const cJSON *error)
{
    struct json json = event_begin(stream, "error");

    json_key(&json, "error");
    json_object(&json);
    json_member_string(&json, "type",
                       json_get_text(error, "code", "server_error"));
    code_and_message(&json, error);
    json_key(&json, "param");
    json_null(&json);
    json_end(&json);
    event_end(stream, &json);
}

static void last_event(struct stream *stream, const cJSON *step)
{
    const cJSON *error = json_get(step, "error_event");

    if (error)
        error_event(stream, error);
    if (json_get(step, "failed"))
        response_event(stream, step, "response.failed", "failed");
    else if (json_get(step, "incomplete"))
        response_event(stream, step, "response.incomplete", "incomplete");
    else if (!error && !json_get_true(step, "no_completed"))
        response_event(stream, step, "response.completed", "completed");
}

/* Renders a step's whole stream. `limit` bounds an endless one. */
static void stream_render(struct stream *stream, const cJSON *step,
                          int64_t limit)
{
    if (!stream->events_left)
        stream_cut_here(stream);
    response_event(stream, step, "response.created", "in_progress");
    response_event(stream, step, "response.in_progress", "in_progress");
    step_events(stream, step);
    if (json_get(step, "endless"))
        endless_events(stream, step, limit);
    else
        last_event(stream, step);
    if (stream->is_cut) {
        buffer_truncate(&stream->rope->bytes, stream->cut_bytes);
        stream->rope->insert_count = stream->cut_inserts;
    }
}

#endif
