/* Events, and ropes to carry them: bytes with large made-up parts between
 * them. Those are made when they are read, so a gigabyte of text costs no
 * memory.
 *
 *     rope_init(&rope);
 *     json = event_begin(&stream, "response.created");   // stream.rope
 *     ...
 *     event_end(&stream, &json);
 *     rope_insert(&rope, INSERT_FILL, 1 << 30);
 *     while (rope_read(&rope, &out)) ...        // some bytes at each call
 *     rope_free(&rope); */
#ifndef NIGHTJAR_TESTS_SERVER_ROPE_H
#define NIGHTJAR_TESTS_SERVER_ROPE_H

#include <inttypes.h>

#include "base/buffer.h"
#include "base/json.h"
#include "base/memory.h"

#define ROPE_INSERTS_MAX 16
#define ROPE_READ_BYTES ((size_t)32 << 10)
#define ROPE_BYTES_MAX ((size_t)512 << 20)

#define DELTA_BYTES 4096 /* of text in one event of a long message */

#define ROPE_COMMENT ": keep-alive"

enum insert_kind {
    INSERT_FILL,     /* the letter x */
    INSERT_NOISE,    /* pseudo-random bytes, the same each time */
    INSERT_DELTAS,   /* text delta events with `count` bytes of x in all */
    INSERT_COMMENTS, /* comment lines, `count` of them */
};

struct insert {
    enum insert_kind kind;
    size_t offset; /* in rope.bytes: comes before that byte */
    int64_t count;
    /* of INSERT_DELTAS and INSERT_COMMENTS */
    const char *newline;
    int64_t sequence, number, index;
};

struct rope {
    struct buffer bytes;
    struct insert inserts[ROPE_INSERTS_MAX];
    size_t insert_count;
    /* how far it has been read */
    size_t at, insert_at;
    int64_t taken; /* of inserts[insert_at].count */
};

struct stream {
    struct rope *rope;
    struct buffer *out;  /* &rope->bytes while rendering */
    const char *newline; /* of the event stream's lines */
    const char *model;
    int64_t number;      /* of the request: part of every id */
    int64_t sequence;    /* sequence_number of the next event */
    int64_t index;       /* output_index of the next item */
    int64_t events_left; /* the stream is cut after so many; -1: never */
    bool is_cut;         /* that has happened, at these places: */
    size_t cut_bytes, cut_inserts;
};

/* ---- events ------------------------------------------------------------ */

static struct json event_begin(struct stream *stream, const char *type)
{
    struct json json;

    buffer_addf(stream->out, "event: %s%sdata: ", type, stream->newline);
    json = json_to(stream->out);
    json_object(&json);
    json_member_string(&json, "type", type);
    json_member_int(&json, "sequence_number", stream->sequence++);
    return json;
}

/* Notes the place where the stream is to end. */
static void stream_cut_here(struct stream *stream)
{
    stream->is_cut = true;
    stream->cut_bytes = stream->rope->bytes.length;
    stream->cut_inserts = stream->rope->insert_count;
}

static void event_end(struct stream *stream, struct json *json)
{
    json_end(json);
    buffer_addf(stream->out, "%s%s", stream->newline, stream->newline);
    if (stream->events_left > 0 && !--stream->events_left)
        stream_cut_here(stream);
}

/* An event about an item; the id is made of a short prefix and numbers. */
static struct json item_event_begin(struct stream *stream, const char *type,
                                    const char *prefix)
{
    struct json json = event_begin(stream, type);
    CLEANUP(mem_free)
    char *id = mem_format("%s_%06" PRId64 "_%" PRId64, prefix, stream->number,
                          stream->index);

    json_member_string(&json, "item_id", id);
    json_member_int(&json, "output_index", stream->index);
    return json;
}

static void text_delta_event(struct stream *stream, const char *text,
                             size_t length)
{
    struct json json =
        item_event_begin(stream, "response.output_text.delta", "msg");

    json_member_int(&json, "content_index", 0);
    json_key(&json, "delta");
    json_bytes(&json, text, length);
    json_key(&json, "logprobs");
    json_array(&json);
    json_end(&json);
    event_end(stream, &json);
}

/* ---- ropes ------------------------------------------------------------- */

static void rope_init(struct rope *rope)
{
    *rope = (struct rope){0};
    buffer_init(&rope->bytes, ROPE_BYTES_MAX);
}

static void rope_free(struct rope *rope)
{
    buffer_free(&rope->bytes);
    rope_init(rope);
}

static struct insert *rope_insert(struct rope *rope, enum insert_kind kind,
                                  int64_t count)
{
    struct insert *insert = &rope->inserts[rope->insert_count];

    if (rope->insert_count == ROPE_INSERTS_MAX)
        abort(); /* a step cannot ask for so many */
    rope->insert_count++;
    *insert = (struct insert){
        .kind = kind, .offset = rope->bytes.length, .count = count};
    return insert;
}

/* The byte at a position of an endless sequence that looks random. Mixing
 * function: SplitMix64. */
static char noise_byte(uint64_t position)
{
    uint64_t x = (position + 1) * UINT64_C(0x9E3779B97F4A7C15);

    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    return (char)(x >> 56);
}

/* Adds a part of an insert to `out`; returns by how much its count goes
 * down. */
static int64_t insert_read(const struct insert *insert, int64_t taken,
                           struct buffer *out)
{
    char text[DELTA_BYTES];
    size_t length = sizeof(text);
    struct stream stream = {.out = out,
                            .newline = insert->newline,
                            .number = insert->number,
                            .index = insert->index,
                            .sequence = insert->sequence + taken / DELTA_BYTES};

    if ((int64_t)length > insert->count - taken)
        length = (size_t)(insert->count - taken);
    if (insert->kind == INSERT_COMMENTS) {
        buffer_addf(out, ROPE_COMMENT "%s%s", insert->newline, insert->newline);
        return 1;
    }
    for (size_t i = 0; i < length; i++)
        text[i] = insert->kind == INSERT_NOISE ? noise_byte((uint64_t)taken + i)
                                               : 'x';
    if (insert->kind == INSERT_DELTAS)
        text_delta_event(&stream, text, length);
    else
        buffer_add(out, text, length);
    return (int64_t)length;
}

/* Adds the next bytes, at most about ROPE_READ_BYTES, to `out`. Returns
 * whether there were any. */
static bool rope_read(struct rope *rope, struct buffer *out)
{
    size_t start = out->length;

    while (out->length - start < ROPE_READ_BYTES) {
        const struct insert *insert = rope->insert_at < rope->insert_count
                                          ? &rope->inserts[rope->insert_at]
                                          : NULL;
        size_t end = insert ? insert->offset : rope->bytes.length;
        size_t length = end - rope->at;

        if (length > ROPE_READ_BYTES)
            length = ROPE_READ_BYTES;
        buffer_add(out, rope->bytes.data + rope->at, length);
        rope->at += length;
        if (rope->at < end)
            continue;
        if (!insert)
            break;
        if (rope->taken < insert->count)
            rope->taken += insert_read(insert, rope->taken, out);
        if (rope->taken >= insert->count) {
            rope->insert_at++;
            rope->taken = 0;
        }
    }
    return out->length > start;
}

#endif
