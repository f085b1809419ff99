/* runner/model/sse against recorded and written streams, in every fragment. */
#include "runner/model/sse.h"

#include "tests/unit/data.h"

/* Events as "name\0data\0", one behind the other. */
struct log {
    struct buffer text;
    size_t count;
    size_t stop_at; /* the event at which the handler fails; 0: never */
};

static int note(void *context, struct span name, struct span data,
                struct error *err)
{
    struct log *log = context;

    if (++log->count == log->stop_at)
        return error_set(err, ERROR_INTERNAL, "stopped");
    buffer_add_span(&log->text, name);
    buffer_add_byte(&log->text, '\0');
    buffer_add_span(&log->text, data);
    buffer_add_byte(&log->text, '\0');
    return 0;
}

/* Feeds a piece from memory that ends where it ends, so that a read behind it
 * is found. */
static int feed(struct sse *sse, const char *data, size_t length)
{
    char *copy = malloc(length ? length : 1);
    struct error err;
    int status;

    memcpy(copy, data, length);
    status = sse_feed(sse, copy, length, &err);
    free(copy);
    return status;
}

static void start(struct sse *sse, struct log *log)
{
    *log = (struct log){.count = 0};
    buffer_init(&log->text, DATA_BYTES_MAX * 2);
    sse_init(sse, note, log);
}

static void end(struct sse *sse, struct log *log)
{
    sse_free(sse);
    buffer_free(&log->text);
}

/* Whether the stream, cut at two places, gives the events. */
static bool cut_gives(struct span in, size_t first, size_t second,
                      struct span want)
{
    struct sse sse;
    struct log log;
    bool same;

    start(&sse, &log);
    feed(&sse, in.data, first);
    feed(&sse, in.data + first, second - first);
    feed(&sse, in.data + second, in.length - second);
    same = span_equal(buffer_span(&log.text), want);
    end(&sse, &log);
    return same;
}

static bool bytes_give(struct span in, struct span want)
{
    struct sse sse;
    struct log log;
    bool same;

    start(&sse, &log);
    for (size_t i = 0; i < in.length; i++) {
        feed(&sse, in.data + i, 1);
        feed(&sse, in.data + i, 0);
    }
    same = span_equal(buffer_span(&log.text), want);
    end(&sse, &log);
    return same;
}

static void check(const char *name, struct span in, struct span want)
{
    struct sse sse;
    struct log log;
    size_t wrong = 0;

    start(&sse, &log);
    tap_int(feed(&sse, in.data, in.length), 0, "%s: fed whole", name);
    tap_bytes(log.text.data, log.text.length, want.data, want.length,
              "%s: its events", name);
    end(&sse, &log);
    for (size_t at = 0; at <= in.length; at++)
        wrong += !cut_gives(in, at, at, want);
    tap_int((int64_t)wrong, 0, "%s: cut at each byte", name);
    if (in.length <= 100) {
        wrong = 0;
        for (size_t at = 0; at <= in.length; at++) {
            for (size_t to = at; to <= in.length; to++)
                wrong += !cut_gives(in, at, to, want);
        }
        tap_int((int64_t)wrong, 0, "%s: cut at each two bytes", name);
    }
    tap_ok(bytes_give(in, want), "%s: byte by byte", name);
}

static void test_recorded(void)
{
    struct buffer file = data_read("tests/data/sse/cases.jsonl");
    struct span rest = buffer_span(&file);
    size_t count = 0;
    cJSON *one;

    while ((one = data_next(&rest))) {
        struct buffer in;
        struct buffer want;
        const cJSON *event;

        buffer_init(&in, DATA_BYTES_MAX);
        buffer_init(&want, DATA_BYTES_MAX);
        data_base64(&in, json_get_string(one, "input_b64"));
        cJSON_ArrayForEach(event, json_get_array(one, "events"))
        {
            buffer_add_string(&want, json_get_string(event, "type"));
            buffer_add_byte(&want, '\0');
            data_base64(&want, json_get_string(event, "data_b64"));
            buffer_add_byte(&want, '\0');
        }
        check(json_get_string(one, "name"), buffer_span(&in),
              buffer_span(&want));
        buffer_free(&in);
        buffer_free(&want);
        cJSON_Delete(one);
        count++;
    }
    tap_int((int64_t)count, 16, "all cases");
    buffer_free(&file);
}

#define CHECK(name, in, want) check(name, SPAN(in), SPAN(want))

static void test_own(void)
{
    CHECK("no colon", "data\n\n", "message\0\0");
    CHECK("empty", "data:\n\n", "message\0\0");
    CHECK("one blank goes", "data:  x\n\n", "message\0 x\0");
    CHECK("a tab stays", "data:\tx\n\n", "message\0\tx\0");
    CHECK("a colon in the value", "data:a:b\n\n", "message\0a:b\0");
    CHECK("case counts", "Data:x\nDATA:y\n\n", "");
    CHECK("a longer name", "datax:x\ndata :y\n data:z\n\n", "");
    CHECK("a name without data", "event:x\n\ndata:y\n\n", "message\0y\0");
    CHECK("the last name", "event:x\nevent:y\ndata:1\n\n", "y\0001\0");
    CHECK("an empty name", "event:x\nevent\ndata:1\n\n", "message\0001\0");
    CHECK("the name behind", "data:1\nevent:x\n\n", "x\0001\0");
    CHECK("NUL", "data:a\0b\n\n", "message\0a\0b\0");
    CHECK("invalid UTF-8", "data:\xFF\xC3\n\n", "message\0\xFF\xC3\0");
    CHECK("many empty lines", "\n\r\n\r\rdata:1\n\n\n\n", "message\0001\0");
    CHECK("CR LF", "data:1\r\ndata:2\r\n\r\n", "message\0001\n2\0");
    CHECK("CR", "data:1\rdata:2\r\r", "message\0001\n2\0");
    CHECK("mixed", "data:1\r\ndata:2\ndata:3\r\r\n", "message\0001\n2\n3\0");
    CHECK("CR then LF CR", "data:1\r\n\rdata:2\n\r",
          "message\0001\0message\0002\0");
    CHECK("cut in data", "data:1\n\ndata:2\n", "message\0001\0");
    CHECK("cut in the empty line", "data:1\r\n\r", "message\0001\0");
    CHECK("a part of a BOM",
          "\xEF\xBB"
          "data:1\n\n",
          "");
    CHECK("a part of a BOM, then data", "\xEF\xBB\ndata:1\n\n",
          "message\0001\0");
    CHECK("a BOM alone", "\xEF\xBB\xBF", "");
    CHECK("two BOMs",
          "\xEF\xBB\xBF\xEF\xBB\xBF"
          "data:1\n\ndata:2\n\n",
          "message\0002\0");
    CHECK("a BOM and a newline", "\xEF\xBB\xBF\n\ndata:1\n\n",
          "message\0001\0");
    CHECK("only newlines", "\n\n\n", "");
    CHECK("comments between", "data:1\n:x\ndata:2\n\n", "message\0001\n2\0");
}

static void test_handler_fails(void)
{
    struct sse sse;
    struct log log;

    start(&sse, &log);
    log.stop_at = 2;
    tap_int(feed(&sse, "data:1\n\ndata:2\n\ndata:3\n\n", 24), -1,
            "what the handler returns");
    tap_int((int64_t)log.count, 2, "ends the parsing there");
    end(&sse, &log);
}

static void test_reset(void)
{
    static const char *const cut[] = {"data:old",   "event:old\ndata:old\n",
                                      "data:old\r", "\xEF\xBB",
                                      "old",        "data:old\r\n\r"};

    for (size_t i = 0; i < ARRAY_LENGTH(cut); i++) {
        struct sse sse;
        struct log log;

        start(&sse, &log);
        feed(&sse, cut[i], strlen(cut[i]));
        buffer_clear(&log.text);
        sse_reset(&sse);
        feed(&sse, "\xEF\xBB\xBF\n\ndata:new\n\n", 15);
        tap_bytes(log.text.data, log.text.length, "message\0new\0", 12,
                  "nothing of stream %zu is left", i);
        end(&sse, &log);
    }
}

/* Feeds `count` times the same byte, in large pieces. */
static int feed_many(struct sse *sse, char byte, size_t count)
{
    static char piece[1 << 20];
    struct error err;

    memset(piece, byte, sizeof(piece));
    while (count) {
        size_t length = count < sizeof(piece) ? count : sizeof(piece);

        if (sse_feed(sse, piece, length, &err)) {
            tap_string(err.text,
                       "event stream: an event is larger than 33554432 bytes",
                       "the message");
            return -1;
        }
        count -= length;
    }
    return 0;
}

static void test_line_limit(size_t more)
{
    struct sse sse;
    struct log log;

    start(&sse, &log);
    feed(&sse, "data:", 5);
    tap_int(feed_many(&sse, 'x', SSE_EVENT_BYTES_MAX - 5 + more), more ? -1 : 0,
            "a line of the limit and %zu", more);
    if (!more) {
        tap_int(feed(&sse, "\n\n", 2), 0, "it is dispatched");
        tap_int((int64_t)log.text.length,
                (int64_t)(SSE_EVENT_BYTES_MAX - 5 + 9), "whole");
    }
    end(&sse, &log);
}

static void test_data_limit(size_t more)
{
    struct sse sse;
    struct log log;
    size_t half = SSE_EVENT_BYTES_MAX / 2;
    int status;

    start(&sse, &log);
    feed(&sse, "data:", 5);
    feed_many(&sse, 'x', half);
    feed(&sse, "\ndata:", 6);
    feed_many(&sse, 'y', half - 1 + more);
    status = feed(&sse, "\n", 1);
    tap_int(status, more ? -1 : 0, "data of the limit and %zu", more);
    if (!more) {
        feed(&sse, "\n", 1);
        tap_int((int64_t)log.text.length, (int64_t)SSE_EVENT_BYTES_MAX + 9,
                "is dispatched whole");
    }
    end(&sse, &log);
}

/* Lines that are no data count as well: a stream of one endless comment must
 * not fill the memory. */
static void test_comment_limit(void)
{
    struct sse sse;
    struct log log;

    start(&sse, &log);
    feed(&sse, ":", 1);
    tap_int(feed_many(&sse, 'x', SSE_EVENT_BYTES_MAX), -1, "a comment");
    end(&sse, &log);
}

static void test_name_limit(void)
{
    struct sse sse;
    struct log log;

    start(&sse, &log);
    feed(&sse, "event:", 6);
    feed_many(&sse, 'n', 2000);
    tap_int(feed(&sse, "\n", 1), -1, "a name of 2000 bytes");
    end(&sse, &log);
}

/* Time must not grow with the square of the length: this takes a moment, or
 * minutes. */
static void test_many_lines(char end_of_line)
{
    struct sse sse;
    struct log log;
    size_t length = 4 << 20;
    CLEANUP(mem_free) char *text = mem_alloc(length);

    memset(text, end_of_line, length);
    start(&sse, &log);
    tap_int(feed(&sse, text, length), 0, "4 million lines that end in 0x%02x",
            end_of_line);
    end(&sse, &log);
}

int main(void)
{
    test_recorded();
    test_own();
    test_handler_fails();
    test_reset();
    test_line_limit(0);
    test_line_limit(1);
    test_data_limit(0);
    test_data_limit(1);
    test_comment_limit();
    test_name_limit();
    test_many_lines('\n');
    test_many_lines('\r');
    return tap_done();
}
