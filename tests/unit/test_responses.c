/* runner/model/responses against recorded streams and against servers that
 * break every rule, and what a reply costs. */
#include "runner/model/responses.h"

#include "tests/unit/data.h"

#define STREAMS "tests/data/streams/"

static struct error err;

struct reading {
    struct responses responses;
    struct model_reply reply;
    int status; /* of the last feed */
};

static void start(struct reading *reading)
{
    err = (struct error){.kind = ERROR_NONE};
    reading->status = 0;
    responses_init(&reading->responses, &reading->reply);
}

/* From memory that ends where the piece ends, so that a read behind it is
 * found. Nothing is fed after the end or an error, as http.c does. */
static void feed(struct reading *reading, const char *data, size_t length)
{
    char *copy;

    if (reading->status)
        return;
    copy = malloc(length ? length : 1);
    memcpy(copy, data, length);
    reading->status = responses_feed(&reading->responses, copy, length, &err);
    free(copy);
}

static void end(struct reading *reading)
{
    responses_free(&reading->responses);
    model_reply_free(&reading->reply);
}

/* ---- recorded streams --------------------------------------------------- */

static bool same_text(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

static bool same_item(const struct model_item *a, const struct model_item *b)
{
    return a->type == b->type && span_equal(a->raw, b->raw) &&
           same_text(a->call_id, b->call_id) && same_text(a->name, b->name) &&
           same_text(a->arguments, b->arguments) &&
           same_text(a->text, b->text) && same_text(a->refusal, b->refusal) &&
           a->commentary == b->commentary;
}

static bool same(const struct reading *a, const struct reading *b)
{
    if (a->status != b->status || a->reply.count != b->reply.count ||
        memcmp(&a->reply.usage, &b->reply.usage, sizeof(a->reply.usage)) != 0 ||
        a->reply.cut_short != b->reply.cut_short ||
        a->reply.go_on != b->reply.go_on ||
        a->responses.failure.retry != b->responses.failure.retry ||
        a->responses.failure.wait_ms != b->responses.failure.wait_ms)
        return false;
    for (size_t i = 0; i < a->reply.count; i++) {
        if (!same_item(&a->reply.items[i], &b->reply.items[i]))
            return false;
    }
    return true;
}

/* Cut at some 150 places, and in pieces of several sizes. */
static void check_fragments(const char *name, struct span stream,
                            const struct reading *whole)
{
    static const size_t pieces[] = {2, 3, 7, 64, 1000, 16384};
    size_t step = stream.length / 150 + 1;
    size_t wrong = 0;

    for (size_t at = 0; at < stream.length; at += step) {
        struct reading cut;

        start(&cut);
        feed(&cut, stream.data, at);
        feed(&cut, stream.data + at, stream.length - at);
        wrong += !same(&cut, whole);
        end(&cut);
    }
    tap_int((int64_t)wrong, 0, "%s: cut every %zu bytes", name, step);
    for (size_t i = 0; i < ARRAY_LENGTH(pieces); i++) {
        struct reading cut;

        start(&cut);
        for (size_t at = 0; at < stream.length; at += pieces[i])
            feed(&cut, stream.data + at,
                 stream.length - at < pieces[i] ? stream.length - at
                                                : pieces[i]);
        tap_ok(same(&cut, whole), "%s: in pieces of %zu", name, pieces[i]);
        end(&cut);
    }
}

/* Byte by byte: equal in the end, and not complete one byte before it ought
 * to be, so that no truncation passes for a whole reply. */
static void check_bytes(const char *name, struct span stream,
                        const struct reading *whole)
{
    static const char last[] = "event: response.completed";
    const char *terminal =
        memmem(stream.data, stream.length, last, strlen(last));
    const char *behind = NULL;
    struct reading slow;
    size_t at = 0;

    start(&slow);
    while (at < stream.length && !slow.status)
        feed(&slow, stream.data + at++, 1);
    tap_ok(same(&slow, whole), "%s: byte by byte", name);
    if (terminal)
        behind =
            memmem(terminal, stream.length - (size_t)(terminal - stream.data),
                   "\n\n", 2);
    if (whole->status == 1)
        tap_int((int64_t)at, behind - stream.data + 2,
                "%s: every truncation is incomplete", name);
    end(&slow);
}

static const char *type_name(const struct model_item *item)
{
    switch (item->type) {
    case ITEM_MESSAGE:
        return "message";
    case ITEM_REASONING:
        return "reasoning";
    case ITEM_FUNCTION_CALL:
        return "function_call";
    case ITEM_CUSTOM_CALL:
        return "custom_tool_call";
    default:
        return "other";
    }
}

static bool known_type(const char *type)
{
    return !strcmp(type, "message") || !strcmp(type, "reasoning") ||
           !strcmp(type, "function_call") || !strcmp(type, "custom_tool_call");
}

/* The raw bytes are those of the stream, and the same value as parsed. */
static void check_item(const char *name, struct span stream,
                       const struct model_item *item, const cJSON *want)
{
    const char *type = json_get_string(want, "type");
    CLEANUP(json_free)
    cJSON *raw = json_parse(item->raw.data, item->raw.length, &err);

    tap_string(type_name(item), known_type(type) ? type : "other",
               "%s: an item's type", name);
    tap_ok(memmem(stream.data, stream.length, item->raw.data,
                  item->raw.length) != NULL,
           "%s: its bytes are in the stream", name);
    tap_string(json_get_string(raw, "type"), type, "%s: and are this item",
               name);
    tap_string(json_get_text(raw, "id", ""), json_get_string(want, "id"),
               "%s: with its id", name);
    tap_string(item->call_id, json_get_string(want, "call_id"), "%s: call_id",
               name);
    tap_string(item->text, json_get_string(want, "text"), "%s: text", name);
}

static void check_usage(const char *name, const struct model_usage *usage,
                        const cJSON *want)
{
    tap_int(usage->input_tokens, json_get_int64(want, "input_tokens", -1),
            "%s: input tokens", name);
    tap_int(usage->cached_tokens, json_get_int64(want, "cached_tokens", -1),
            "%s: cached tokens", name);
    tap_int(usage->output_tokens, json_get_int64(want, "output_tokens", -1),
            "%s: output tokens", name);
    tap_int(usage->reasoning_tokens,
            json_get_int64(want, "reasoning_tokens", -1),
            "%s: reasoning tokens", name);
}

static void check_stream(const cJSON *want)
{
    const char *name = json_get_string(want, "file");
    CLEANUP(mem_free) char *path = mem_format(STREAMS "%s", name);
    struct buffer file = data_read(path);
    struct span stream = buffer_span(&file);
    const cJSON *items = json_get_array(want, "items");
    bool completes =
        !strcmp(json_get_string(want, "end"), "response.completed");
    struct reading whole;

    start(&whole);
    feed(&whole, stream.data, stream.length);
    tap_int(whole.status, completes ? 1 : -1, "%s: how it ends", name);
    if (tap_int((int64_t)whole.reply.count, cJSON_GetArraySize(items),
                "%s: number of items", name)) {
        for (size_t i = 0; i < whole.reply.count; i++)
            check_item(name, stream, &whole.reply.items[i],
                       cJSON_GetArrayItem(items, (int)i));
    }
    check_usage(name, &whole.reply.usage, want);
    check_fragments(name, stream, &whole);
    check_bytes(name, stream, &whole);
    end(&whole);
    buffer_free(&file);
}

static void test_recorded(void)
{
    struct buffer file = data_read(STREAMS "expected.jsonl");
    struct span rest = buffer_span(&file);
    size_t count = 0;
    cJSON *one;

    while ((one = data_next(&rest))) {
        check_stream(one);
        cJSON_Delete(one);
        count++;
    }
    tap_ok(count >= 27, "all %zu streams", count);
    buffer_free(&file);
}

/* ---- written streams ---------------------------------------------------- */

#define ITEM(index, item)                                                   \
    "data: {\"type\":\"response.output_item.done\",\"output_index\":" index \
    ",\"item\":" item "}\n\n"
#define CALL(id, name)                                                    \
    "{\"type\":\"function_call\",\"call_id\":\"" id "\",\"name\":\"" name \
    "\",\"arguments\":\"{}\"}"
#define COMPLETED(response) \
    "data: {\"type\":\"response.completed\",\"response\":" response "}\n\n"
#define DONE COMPLETED("{}")

static void play(struct reading *reading, const char *stream)
{
    start(reading);
    feed(reading, stream, strlen(stream));
}

/* A stream that must end in an error. */
static void breaks(const char *stream, const char *message,
                   enum error_kind kind, bool retry)
{
    struct reading reading;

    play(&reading, stream);
    tap_int(reading.status, -1, "an error: %.40s", message);
    tap_string(err.text, message, "its text");
    tap_string(error_kind_name(err.kind), error_kind_name(kind), "its kind");
    tap_int(reading.responses.failure.retry, retry, "whether to try again");
    end(&reading);
}

static void test_items(void)
{
    static const char phased[] = ITEM(
        "0", "{\"type\":\"message\",\"phase\":\"commentary\",\"content\":["
             "{\"type\":\"output_text\",\"text\":\"a\"},{\"type\":\"x\"},7,"
             "{\"type\":\"output_text\",\"text\":\"b\"},"
             "{\"type\":\"refusal\",\"refusal\":\"no\"}]}") DONE;
    struct reading reading;

    play(&reading, phased);
    tap_int((int64_t)reading.reply.count, 1, "a message");
    tap_string(reading.reply.items[0].text, "ab", "its parts are joined");
    tap_string(reading.reply.items[0].refusal, "no", "its refusal");
    tap_ok(reading.reply.items[0].commentary, "its phase");
    end(&reading);
    play(&reading, ITEM("0", "{\"type\":\"message\"}")
                       ITEM("1", "{\"type\":\"message\",\"content\":5}") DONE);
    tap_string(reading.reply.items[0].text, "", "a message without content");
    tap_string(reading.reply.items[1].text, "", "with content of a wrong type");
    end(&reading);
    play(&reading, ITEM("0", "{}") ITEM("1", "{\"type\":7}") DONE);
    tap_int((int64_t)reading.reply.count, 2, "items without a type are kept");
    tap_bytes(reading.reply.items[0].raw.data,
              reading.reply.items[0].raw.length, "{}", 2, "as they are");
    end(&reading);
}

static void test_raw_bytes(void)
{
    static const char item[] =
        "{ \"id\" : \"\\u0041\\/\",\t\"n\":1.0e0, \"type\":\"new\" }";
    static const char stream[] =
        "data: {\"item\" :  { \"id\" : \"\\u0041\\/\",\t\"n\":1.0e0, "
        "\"type\":\"new\" } , \"type\" : "
        "\"response.output_item.done\"}\n\n" DONE;
    struct reading reading;

    play(&reading, stream);
    tap_int((int64_t)reading.reply.count, 1, "an item, spaced and escaped");
    tap_bytes(reading.reply.items[0].raw.data,
              reading.reply.items[0].raw.length, item, strlen(item),
              "is kept byte for byte");
    tap_int(reading.reply.items[0].type, ITEM_OTHER, "of an unknown type");
    end(&reading);
}

static void test_calls(void)
{
    struct reading reading;

    play(&reading,
         ITEM("0", "{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":"
                   "\"n\",\"arguments\":{\"a\":[1,\"x\"]}}")
             ITEM("1", "{\"type\":\"custom_tool_call\",\"call_id\":\"d\","
                       "\"name\":\"p\",\"input\":\"*** text\"}")
                 ITEM("2",
                      "{\"type\":\"function_call\",\"call_id\":\"e\",\"name\":"
                      "\"n\"}") ITEM("3", "{\"type\":\"function_call\",\"call_"
                                          "id\":\"f\",\"name\":"
                                          "\"n\",\"arguments\":[1]}") DONE);
    tap_int((int64_t)reading.reply.count, 4, "four calls");
    tap_string(reading.reply.items[0].arguments, "{\"a\":[1,\"x\"]}",
               "arguments as an object");
    tap_string(reading.reply.items[1].arguments, "*** text", "custom input");
    tap_string(reading.reply.items[2].arguments, "", "no arguments");
    tap_string(reading.reply.items[3].arguments, "", "of a wrong type");
    end(&reading);
}

static void test_broken_items(void)
{
    static const char call[] = "model: a tool call has no call_id or no name";

    breaks(ITEM("0", "{\"type\":\"function_call\",\"name\":\"n\"}"), call,
           ERROR_PROTOCOL, true);
    breaks(ITEM("0", CALL("", "n")), call, ERROR_PROTOCOL, true);
    breaks(ITEM("0", "{\"type\":\"function_call\",\"call_id\":\"c\"}"), call,
           ERROR_PROTOCOL, true);
    breaks(ITEM("0", "{\"type\":\"custom_tool_call\",\"call_id\":7,"
                     "\"name\":\"n\"}"),
           call, ERROR_PROTOCOL, true);
    breaks(ITEM("0", "null"), "model: an item is no object", ERROR_PROTOCOL,
           true);
    breaks(ITEM("0", "[]"), "model: an item is no object", ERROR_PROTOCOL,
           true);
    breaks("data: {\"type\":\"response.output_item.done\"}\n\n",
           "model: an item is no object", ERROR_PROTOCOL, true);
}

static void test_duplicates(void)
{
    struct reading reading;

    play(&reading, ITEM("0", CALL("a", "one")) ITEM("0", CALL("a", "two"))
                       ITEM("1", CALL("b", "three")) DONE);
    tap_int((int64_t)reading.reply.count, 2, "an output_index again");
    tap_string(reading.reply.items[0].name, "two", "the later one counts");
    tap_string(reading.reply.items[1].name, "three", "the other stays");
    end(&reading);
    play(&reading,
         ITEM("0", CALL("a", "one")) ITEM("5", CALL("a", "two")) DONE);
    tap_int((int64_t)reading.reply.count, 1, "a call_id again");
    end(&reading);
    play(&reading, ITEM("\"x\"", CALL("a", "one")) ITEM("-1", CALL("b", "two"))
                       ITEM("1e300", CALL("c", "three"))
                           ITEM("0.5", CALL("d", "four")) DONE);
    tap_int((int64_t)reading.reply.count, 4, "places that are none");
    end(&reading);
}

static void play_many(size_t count, int want)
{
    struct reading reading;
    char event[200];

    start(&reading);
    for (size_t i = 0; i < count; i++) {
        snprintf(event, sizeof(event), ITEM("%zu", CALL("c%zu", "n")), i, i);
        feed(&reading, event, strlen(event));
    }
    feed(&reading, DONE, strlen(DONE));
    tap_int(reading.status, want, "%zu items", count);
    if (want < 0)
        tap_string(err.text, "model: more than 1024 items in a response",
                   "the message");
    else
        tap_int((int64_t)reading.reply.count, (int64_t)count, "all kept");
    end(&reading);
}

static void test_errors(void)
{
    breaks("data: {\"type\":\"error\",\"error\":{\"type\":\"tokens\",\"code\":"
           "\"rate_limit_exceeded\",\"message\":\"slow\"}}\n\n",
           "model: rate_limit_exceeded: slow", ERROR_RATE_LIMIT, true);
    breaks("data: {\"type\":\"error\",\"code\":\"insufficient_quota\","
           "\"message\":\"pay\"}\n\n",
           "model: insufficient_quota: pay", ERROR_QUOTA, false);
    breaks("data: {\"type\":\"response.failed\",\"response\":{\"error\":"
           "{\"code\":\"context_length_exceeded\",\"message\":\"long\"}}}\n\n",
           "model: context_length_exceeded: long", ERROR_CONTEXT_LENGTH, false);
    breaks("data: {\"type\":\"response.failed\",\"response\":{\"error\":"
           "null}}\n\n",
           "model: failed without a message", ERROR_OVERLOADED, true);
    breaks("data: {\"type\":\"response.failed\"}\n\n",
           "model: failed without a message", ERROR_OVERLOADED, true);
    breaks("data: {\"type\":\"error\",\"error\":{\"code\":500,\"message\":"
           "7}}\n\n",
           "model: failed without a message", ERROR_OVERLOADED, true);
    breaks("data: {\"type\":\"error\",\"error\":{\"type\":\"invalid_request_"
           "error\",\"code\":null,\"message\":\"bad\"}}\n\n",
           "model: bad", ERROR_REQUEST, false);
    breaks(ITEM("0", "{\"type\":\"message\"}") "event: error\ndata: "
                                               "{\"type\":\"error\","
                                               "\"message\":\"late\"}\n\n",
           "model: late", ERROR_OVERLOADED, true);
}

static void test_incomplete(void)
{
    struct reading reading;

    play(
        &reading,
        ITEM("0",
             "{\"type\":\"message\"}") "data: "
                                       "{\"type\":\"response.incomplete\","
                                       "\"response\":{"
                                       "\"incomplete_details\":{\"reason\":"
                                       "\"max_output_tokens\"},"
                                       "\"usage\":{\"output_tokens\":9}}}\n\n");
    tap_int(reading.status, 1, "the output limit: a reply");
    tap_ok(reading.reply.cut_short, "that was cut short");
    tap_int(reading.reply.usage.output_tokens, 9, "with its usage");
    end(&reading);
    breaks("data: {\"type\":\"response.incomplete\",\"response\":{\"incomplete_"
           "details\":{\"reason\":\"content_filter\"}}}\n\n",
           "model: the provider's content filter ended the response",
           ERROR_CONTENT, false);
    breaks("data: {\"type\":\"response.incomplete\"}\n\n",
           "model: response incomplete: unknown", ERROR_PROTOCOL, true);
}

static void test_garbage(void)
{
    static const char *const streams[] = {
        "",
        "data: [DONE]\n\n",
        "<html>502 Bad Gateway</html>\n\n",
        "{\"type\":\"response.completed\"}",
        ": keep-alive\n\n",
        "data: {\"type\":\"response.completed\"}\n",
        "data: {\"type\":\"response.output_text.delta\",broken\n\n",
        "data: {\"type\":\"response.completedx\",\"response\":{}}\n\n",
        "data: {\"Type\":\"response.completed\"}\n\n",
        "data: [{\"type\":\"response.completed\"}]\n\n",
        "data: \"response.completed\"\n\n",
        "event: response.completed\n\n",
        "event: response.completed\ndata: {}\n\n",
    };
    struct reading reading;

    for (size_t i = 0; i < ARRAY_LENGTH(streams); i++) {
        play(&reading, streams[i]);
        tap_int(reading.status, 0, "garbage %zu goes on and completes nothing",
                i);
        end(&reading);
    }
    breaks("data: nonsense\n\n", "model: event: JSON: syntax error at byte 0",
           ERROR_PROTOCOL, true);
    breaks("data:\n\n", "model: event: JSON: syntax error at byte 0",
           ERROR_PROTOCOL, true);
    breaks("data: {\"type\":\"response.completed\",\"x\":\"\xFF\"}\n\n",
           "model: event: JSON: invalid UTF-8", ERROR_PROTOCOL, true);
    breaks("data: {\"type\":\"response.completed\",\"x\":\"\\u0000\"}\n\n",
           "model: event: JSON: \\u0000 in a string at byte 34", ERROR_PROTOCOL,
           true);
}

static void test_end(void)
{
    struct reading reading;

    play(&reading, "data: [DONE]\n\n" DONE "data: [DONE]\n\n");
    tap_int(reading.status, 1, "[DONE] before and after the end");
    tap_ok(!reading.reply.go_on, "the turn is over");
    end(&reading);
    play(&reading, COMPLETED("{\"end_turn\":false}"));
    tap_ok(reading.reply.go_on, "end_turn false");
    end(&reading);
    play(&reading, COMPLETED("{\"end_turn\":true}"));
    tap_ok(!reading.reply.go_on, "end_turn true");
    end(&reading);
    play(&reading, COMPLETED("{\"end_turn\":null}"));
    tap_ok(!reading.reply.go_on, "end_turn null");
    end(&reading);
    play(&reading,
         DONE ITEM("0", "{\"type\":\"message\"}") "data: nonsense\n\n");
    tap_int(reading.status, 1, "what comes behind the end does not count");
    tap_int((int64_t)reading.reply.count, 0, "nor does an item there");
    reading.status = responses_feed(&reading.responses, "data: x\n\n", 9, &err);
    tap_int(reading.status, 1, "nor in a later piece");
    end(&reading);
}

/* Also when it could not be read at all. */
static void test_flood_behind_end(void)
{
    size_t size = SSE_EVENT_BYTES_MAX + 1000;
    CLEANUP(mem_free) char *flood = mem_alloc(size);
    struct reading reading;

    memset(flood, 'x', size);
    memcpy(flood, DONE, strlen(DONE));
    start(&reading);
    feed(&reading, flood, size);
    tap_int(reading.status, 1, "a flood in the piece of the end");
    for (int i = 0; i < 9 && reading.status == 1; i++)
        reading.status = responses_feed(&reading.responses, flood, size, &err);
    tap_int(reading.status, 1, "and in pieces behind it");
    end(&reading);
}

static void test_too_large(void)
{
    static const char comment[] = ": keep-alive\n";
    size_t size = 1 << 20;
    CLEANUP(mem_free) char *flood = mem_alloc(size);
    struct reading reading;
    size_t fed = 0;

    for (size_t i = 0; i + 13 <= size; i += 13)
        memcpy(flood + i, comment, 13);
    start(&reading);
    for (; !reading.status && fed <= MODEL_REPLY_BYTES_MAX; fed += size)
        feed(&reading, flood, size);
    tap_int(reading.status, -1, "a stream that never ends");
    tap_string(err.text, "model: the response is larger than 268435456 bytes",
               "the message");
    tap_ok(!reading.responses.failure.retry, "is not tried again");
    tap_int((int64_t)fed, (int64_t)(MODEL_REPLY_BYTES_MAX + size),
            "ends behind the limit");
    end(&reading);
}

/* ---- usage -------------------------------------------------------------- */

static void uses(const char *response, int64_t input, int64_t cached,
                 int64_t output, int64_t reasoning)
{
    CLEANUP(mem_free) char *stream = mem_format(COMPLETED("%s"), response);
    struct reading reading;
    const struct model_usage *usage = &reading.reply.usage;

    play(&reading, stream);
    tap_int(reading.status, 1, "usage of %s", response);
    tap_int(usage->input_tokens, input, "input tokens");
    tap_int(usage->cached_tokens, cached, "cached tokens");
    tap_int(usage->output_tokens, output, "output tokens");
    tap_int(usage->reasoning_tokens, reasoning, "reasoning tokens");
    end(&reading);
}

static void test_usage(void)
{
    struct reading reading;

    uses("{}", 0, 0, 0, 0);
    uses("null", 0, 0, 0, 0);
    uses("{\"usage\":null}", 0, 0, 0, 0);
    uses("{\"usage\":[]}", 0, 0, 0, 0);
    uses("{\"usage\":{\"input_tokens\":5,\"output_tokens\":7,"
         "\"input_tokens_details\":{\"cached_tokens\":3},"
         "\"output_tokens_details\":{\"reasoning_tokens\":2}}}",
         5, 3, 7, 2);
    uses("{\"usage\":{\"input_tokens\":-5,\"output_tokens\":-1e300,"
         "\"input_tokens_details\":{\"cached_tokens\":-3},"
         "\"output_tokens_details\":null}}",
         0, 0, 0, 0);
    uses("{\"usage\":{\"input_tokens\":\"5\",\"output_tokens\":1.5}}", 0, 0, 0,
         0);
    play(&reading, COMPLETED("{\"usage\":{\"input_tokens_details\":{"
                             "\"cache_write_tokens\":11}}}"));
    tap_int(reading.reply.usage.cache_write_tokens, 11, "tokens written");
    end(&reading);
}

/* A task adds up what its turns used; whatever a server says, that must not
 * overflow. */
static void test_huge_usage(void)
{
    struct reading reading;
    int64_t sum = 0;
    bool overflow = false;

    play(&reading, COMPLETED("{\"usage\":{\"input_tokens\":9007199254740992,"
                             "\"output_tokens\":9007199254740992}}"));
    for (int turn = 0; turn < 100000; turn++)
        overflow |=
            __builtin_add_overflow(sum, reading.reply.usage.input_tokens, &sum);
    tap_ok(!overflow, "100000 turns of the largest count");
    tap_ok(reading.reply.usage.input_tokens >= 1000000000, "which is large");
    end(&reading);
}

static void costs(struct model_price price, struct model_usage usage,
                  int64_t want, const char *name)
{
    tap_int(model_cost_microusd(&price, &usage), want, "cost: %s", name);
}

static void test_cost(void)
{
    /* input, cached, cache write, output; dollars per million in millionths */
    const struct model_price all = {2000000, 500000, 2500000, 8000000};
    const struct model_price plain = {2000000, -1, -1, 8000000};
    const struct model_price unknown = {-1, 500000, 2500000, 8000000};
    const struct model_price no_output = {2000000, -1, -1, -1};
    const struct model_price dear = {INT64_MAX, INT64_MAX, INT64_MAX,
                                     INT64_MAX};
    const int64_t most = JSON_INTEGER_MAX;

    costs(all, (struct model_usage){0, 0, 0, 0, 0}, 0, "nothing");
    costs(all, (struct model_usage){1000000, 0, 0, 0, 0}, 2000000, "input");
    costs(all, (struct model_usage){0, 0, 0, 1000000, 900000}, 8000000,
          "output, reasoning included");
    costs(all, (struct model_usage){1000, 400, 100, 0, 0}, 1000 + 200 + 250,
          "cached and written ones have their own price");
    costs(plain, (struct model_usage){1000, 400, 100, 10, 0}, 2000 + 80,
          "unknown prices are as input");
    costs(all, (struct model_usage){1, 0, 0, 0, 0}, 2, "a token");
    costs((struct model_price){1, 1, 1, 1}, (struct model_usage){1, 0, 0, 0, 0},
          1, "a started millionth counts");
    costs((struct model_price){0, 0, 0, 0},
          (struct model_usage){most, 0, 0, most, 0}, 0, "free");
    costs(unknown, (struct model_usage){1, 0, 0, 0, 0}, -1, "unknown input");
    costs(no_output, (struct model_usage){1, 0, 0, 0, 0}, -1, "unknown output");
    costs(all, (struct model_usage){10, 1000, 0, 0, 0}, 500,
          "more cached than there was");
    costs(dear, (struct model_usage){most, most, most, most, 0}, INT64_MAX,
          "more than can be counted");
}

int main(void)
{
    test_recorded();
    test_items();
    test_raw_bytes();
    test_calls();
    test_broken_items();
    test_duplicates();
    play_many(1024, 1);
    play_many(1025, -1);
    test_errors();
    test_incomplete();
    test_garbage();
    test_end();
    test_flood_behind_end();
    test_too_large();
    test_usage();
    test_huge_usage();
    test_cost();
    return tap_done();
}
