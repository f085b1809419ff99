#include "runner/agent/record.h"

#include "base/memory.h"
#include "runner/agent/calls.h"

#define LINE_MAX_BYTES LINK_TRANSCRIPT_MAX

/* ---- writing ----------------------------------------------------------- */

static struct json begin(struct buffer *out, const char *type, int64_t attempt)
{
    struct json json;

    buffer_init(out, LINE_MAX_BYTES);
    json = json_to(out);
    json_object(&json);
    json_member_string(&json, "type", type);
    json_member_int(&json, "attempt", attempt);
    return json;
}

static void finish(struct link *link, struct json *json)
{
    json_end(json);
    link_record(link, buffer_span(json->out));
}

void record_begun(struct link *link, int64_t attempt, struct object_id base,
                  struct object_id after_setup, const char *key,
                  struct span head)
{
    CLEANUP(buffer_free) struct buffer line = {0};
    struct json json = begin(&line, "nightjar.begun", attempt);

    json_member_string(&json, "base", base.hex);
    json_member_string(&json, "after_setup", after_setup.hex);
    json_member_string(&json, "key", key);
    json_key(&json, "body");
    json_raw(&json, head);
    buffer_add_string(&line, "]}"); /* closes the list and the head */
    json_end(&json);
    link_transcript(link, buffer_span(&line));
}

void record_prefix(const struct agent *agent)
{
    CLEANUP(buffer_free) struct buffer line = {0};
    struct json json = begin(&line, "nightjar.prefix", agent->attempt);

    /* On disk with the first response: before it, nothing is paid for. */
    json_end(&json);
    link_transcript(agent->link, buffer_span(&line));
}

void record_resumed(struct link *link, int64_t attempt)
{
    CLEANUP(buffer_free) struct buffer line = {0};
    struct json json = begin(&line, "nightjar.resumed", attempt);

    finish(link, &json);
}

static void put_state(struct json *json, const struct agent *agent)
{
    const struct agent_totals *totals = &agent->budget.totals;

    json_member_int(json, "turn", agent->turn);
    json_member_int(json, "compactions", agent->compactions);
    json_member_int(json, "context_tokens", agent->context_tokens);
    json_member_int(json, "told", agent->budget.told);
    json_key(json, "totals");
    json_object(json);
    json_member_int(json, "turns", totals->turns);
    json_member_int(json, "input_tokens", totals->input_tokens);
    json_member_int(json, "output_tokens", totals->output_tokens);
    json_member_int(json, "cost_microusd", totals->cost_microusd);
    json_end(json);
}

void record_response(const struct agent *agent)
{
    CLEANUP(buffer_free) struct buffer line = {0};
    struct json json = begin(&line, "nightjar.response", agent->attempt);

    put_state(&json, agent);
    finish(agent->link, &json);
}

void record_compacted(const struct agent *agent)
{
    static const char *const origins[] = {
        [ORIGIN_PREFIX] = "prefix",
        [ORIGIN_MODEL] = "model",
        [ORIGIN_OUTPUT] = "output",
        [ORIGIN_TOLD] = "told",
    };
    const struct conversation *conversation = agent->conversation;
    CLEANUP(buffer_free) struct buffer line = {0};
    struct json json = begin(&line, "nightjar.compacted", agent->attempt);

    put_state(&json, agent);
    json_key(&json, "origins");
    json_array(&json);
    for (size_t i = conversation->prefix_items; i < conversation->items; i++)
        json_string(&json, origins[conversation->list[i].origin]);
    json_end(&json);
    json_key(&json, "items");
    json_array(&json);
    for (size_t i = conversation->prefix_items; i < conversation->items; i++)
        json_raw(&json, conversation_item(conversation, i));
    json_end(&json);
    finish(agent->link, &json);
}

/* ---- reading ----------------------------------------------------------- */

/* Where reading is. Items count once the line that makes them whole has
 * come; until then they wait. */
struct reading {
    struct record *record;
    struct link *link;
    bool in_prefix;     /* its items come */
    struct span *items; /* a response's, that wait */
    size_t count;
    size_t number; /* of the line */
};

void record_free(struct record *record)
{
    conversation_free(&record->conversation);
    buffer_free(&record->head);
    model_reply_free(&record->last);
    free(record->key);
    free(record->plan);
    memset(record, 0, sizeof(*record));
}

static int wrong(const struct reading *reading, struct error *err,
                 const char *what)
{
    return error_set(err, ERROR_PROTOCOL, "transcript.jsonl:%zu: %s",
                     reading->number, what);
}

static void read_id(const cJSON *json, const char *key, struct object_id *id)
{
    snprintf(id->hex, sizeof(id->hex), "%s", json_get_text(json, key, ""));
}

static int read_begun(struct reading *reading, struct span line,
                      const cJSON *json, struct error *err)
{
    struct record *record = reading->record;
    struct span body = json_member_bytes(line, "body");

    record_free(record);
    if (body.length < 2 || memcmp(body.data + body.length - 2, "]}", 2) != 0)
        return wrong(reading, err, "no body");
    record->attempt = json_get_int64(json, "attempt", 0);
    record->key = mem_string(json_get_text(json, "key", ""));
    read_id(json, "base", &record->base);
    read_id(json, "after_setup", &record->after_setup);
    buffer_init(&record->head, LINE_MAX_BYTES);
    buffer_add(&record->head, body.data, body.length - 2);
    conversation_init(&record->conversation, buffer_span(&record->head),
                      reading->link);
    reading->in_prefix = true;
    reading->count = 0;
    return 0;
}

static void read_state(struct reading *reading, const cJSON *json)
{
    struct record *record = reading->record;
    const cJSON *totals = json_get_object(json, "totals");

    record->turn = json_get_int64(json, "turn", 0);
    record->compactions = json_get_int64(json, "compactions", 0);
    record->context_tokens = json_get_int64(json, "context_tokens", 0);
    record->told = (unsigned)json_get_int64(json, "told", 0);
    record->totals = (struct agent_totals){
        .turns = json_get_int64(totals, "turns", 0),
        .input_tokens = json_get_int64(totals, "input_tokens", 0),
        .output_tokens = json_get_int64(totals, "output_tokens", 0),
        .cost_microusd = json_get_int64(totals, "cost_microusd", -1),
    };
    record->context_bytes = record->conversation.body.length;
}

static void forget_last(struct record *record)
{
    model_reply_free(&record->last);
    record->has_last = false;
    record->answered = 0;
}

static void keep_plan(struct record *record)
{
    const struct model_item *item = &record->last.items[record->last.count - 1];

    if (item->type != ITEM_FUNCTION_CALL ||
        strcmp(item->name, "update_plan") != 0)
        return;
    free(record->plan);
    record->plan = mem_string(item->arguments);
}

static int read_response(struct reading *reading, const cJSON *json,
                         struct error *err)
{
    struct record *record = reading->record;

    forget_last(record);
    for (size_t i = 0; i < reading->count; i++) {
        conversation_restore(&record->conversation, reading->items[i],
                             ORIGIN_MODEL);
        if (model_reply_restore(&record->last, reading->items[i], err))
            return wrong(reading, err, "an item that is none");
        keep_plan(record);
    }
    reading->count = 0;
    record->has_last = true;
    record->since_compaction++;
    read_state(reading, json);
    return 0;
}

static enum item_origin origin_named(const char *name)
{
    if (!strcmp(name, "told"))
        return ORIGIN_TOLD;
    return strcmp(name, "output") ? ORIGIN_MODEL : ORIGIN_OUTPUT;
}

static int read_compacted(struct reading *reading, const cJSON *json,
                          struct error *err)
{
    struct record *record = reading->record;
    const cJSON *origin = json_get_array(json, "origins");
    const cJSON *item;

    forget_last(record);
    reading->count = 0;
    conversation_rewind(&record->conversation);
    origin = origin ? origin->child : NULL;
    cJSON_ArrayForEach(item, json_get_array(json, "items"))
    {
        CLEANUP(buffer_free) struct buffer text = {0};
        struct json writer;

        buffer_init(&text, LINE_MAX_BYTES);
        writer = json_to(&text);
        json_value(&writer, item);
        if (writer.full || !origin || !cJSON_IsString(origin))
            return wrong(reading, err, "an item that is none");
        conversation_restore(&record->conversation, buffer_span(&text),
                             origin_named(origin->valuestring));
        origin = origin->next;
    }
    read_state(reading, json);
    record->since_compaction = 0;
    return 0;
}

static bool is_output(const char *type)
{
    size_t length = strlen(type);

    return length > 12 && !strcmp(type + length - 12, "_call_output");
}

static int read_item(struct reading *reading, struct span line,
                     const cJSON *json, struct error *err)
{
    struct record *record = reading->record;
    const char *type = json_get_text(json, "type", "");
    bool output = is_output(type);
    bool told = !strcmp(type, "message") &&
                strcmp(json_get_text(json, "role", ""), "assistant") != 0;

    if (reading->in_prefix) {
        conversation_restore(&record->conversation, line, ORIGIN_PREFIX);
        return 0;
    }
    if (!output && !told) {
        if (reading->count == MODEL_ITEMS_MAX)
            return wrong(reading, err, "too many items in a response");
        reading->items[reading->count++] = line;
        return 0;
    }
    /* Whatever waited belongs to a response that was never whole. */
    reading->count = 0;
    conversation_restore(&record->conversation, line,
                         output ? ORIGIN_OUTPUT : ORIGIN_TOLD);
    record->answered += output;
    if (told)
        forget_last(record);
    return 0;
}

static int read_line(struct reading *reading, struct span line,
                     struct error *err)
{
    struct record *record = reading->record;
    CLEANUP(json_free) cJSON *json = json_parse(line.data, line.length, err);
    const char *type = json_get_text(json, "type", "");

    if (!json)
        return error_context(err, "transcript.jsonl:%zu", reading->number);
    if (!strcmp(type, "nightjar.begun"))
        return read_begun(reading, line, json, err);
    if (!record->attempt)
        return wrong(reading, err, "expected the start of an attempt");
    if (!strcmp(type, "nightjar.prefix")) {
        conversation_close_prefix(&record->conversation);
        reading->in_prefix = false;
        return 0;
    }
    if (!strcmp(type, "nightjar.resumed")) {
        reading->count = 0;
        return 0;
    }
    if (!strcmp(type, "nightjar.response"))
        return read_response(reading, json, err);
    if (!strcmp(type, "nightjar.compacted"))
        return read_compacted(reading, json, err);
    if (!strncmp(type, "nightjar.", 9))
        return wrong(reading, err, "a line that this version does not know");
    return read_item(reading, line, json, err);
}

static int read_lines(struct reading *reading, struct span text,
                      struct error *err)
{
    const char *end = text.data + text.length;

    for (const char *at = text.data; at < end;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));

        if (!newline)
            return 0; /* torn: it was never acted on */
        reading->number++;
        if (read_line(reading, (struct span){at, (size_t)(newline - at)}, err))
            return -1;
        at = newline + 1;
    }
    return 0;
}

int record_read(struct span transcript, struct link *link,
                struct record *record, struct error *err)
{
    CLEANUP(mem_free)
    struct span *items = mem_array(MODEL_ITEMS_MAX, sizeof(*items));
    struct reading reading = {.record = record, .link = link, .items = items};

    memset(record, 0, sizeof(*record));
    if (read_lines(&reading, transcript, err) || record->conversation.full) {
        if (record->conversation.full)
            wrong(&reading, err, "more than a conversation can be");
        record_free(record);
        return -1;
    }
    if (!record->attempt || reading.in_prefix) {
        record_free(record);
        return 0;
    }
    return 1;
}

void record_answer_interrupted(struct record *record)
{
    static const char text[] =
        "interrupted: the run was cut off before this call was answered. It "
        "may have run, wholly, in part or not at all, and is not run again; "
        "commands that were running are gone. Look at what is there before "
        "you repeat it.";
    size_t place = 0;
    size_t calls = calls_count(&record->last);

    if (!record->has_last || !calls)
        return;
    for (size_t i = 0; i < record->last.count; i++) {
        const struct model_item *item = &record->last.items[i];

        if (!calls_is_call(item) || place++ < record->answered)
            continue;
        conversation_add_output(&record->conversation, item->call_id,
                                item->type == ITEM_CUSTOM_CALL, SPAN(text));
    }
    forget_last(record);
}
