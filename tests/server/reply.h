/* Replies: a step of a scenario as bytes for the wire, faults included.
 *
 *     reply_init(&reply);
 *     reply.chunked = ...;                     // what the request allows
 *     reply_build(&reply, step, model, number);        // or reply_error
 *     while (reply_read(&reply, &out)) ...     // one write at each call
 *     // then do what reply.end says
 *     reply_free(&reply); */
#ifndef NIGHTJAR_TESTS_SERVER_REPLY_H
#define NIGHTJAR_TESTS_SERVER_REPLY_H

#include "tests/server/stream.h"

#define REPLY_WRITE_BYTES ((size_t)64 << 10)
#define REPLY_BODY_MAX ((int64_t)1 << 30) /* endless ones included */
#define REPLY_TORN_BYTES 16

enum reply_end {
    REPLY_KEEP,  /* the next request may follow */
    REPLY_CLOSE, /* an orderly end of the connection */
    REPLY_RESET, /* RST */
    REPLY_STALL, /* silence */
};

struct reply {
    struct buffer head; /* what is left of it */
    struct rope body;
    struct buffer ready; /* read from the rope, not framed yet, from … */
    size_t ready_at;     /* … here on */
    bool chunked;
    bool is_last_sent;   /* no last chunk is due */
    bool is_torn;        /* the next chunk lies about its length */
    bool says_close;     /* Connection: close */
    int64_t left;        /* of the body may be sent */
    int64_t piece;       /* bytes of one chunk and write; 0: as many as fit */
    int64_t interval_ms; /* between pieces */
    enum reply_end end;
};

static void reply_init(struct reply *reply)
{
    *reply = (struct reply){.left = REPLY_BODY_MAX};
    buffer_init(&reply->head, (size_t)REPLY_BODY_MAX * 2);
    buffer_init(&reply->ready, 4 * ROPE_READ_BYTES);
    rope_init(&reply->body);
}

static void reply_free(struct reply *reply)
{
    buffer_free(&reply->head);
    buffer_free(&reply->ready);
    rope_free(&reply->body);
    reply_init(reply);
}

static const char *reason(int64_t status)
{
    switch (status) {
    case 200:
        return "OK";
    case 307:
        return "Temporary Redirect";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 404:
        return "Not Found";
    case 429:
        return "Too Many Requests";
    case 500:
        return "Internal Server Error";
    case 503:
        return "Service Unavailable";
    default:
        return "Scripted";
    }
}

static void add_header_flood(struct buffer *head, int64_t bytes)
{
    char line[1025];

    for (int64_t k = 0; bytes > 0; k++) {
        int length = snprintf(line, sizeof(line), "X-Flood-%" PRId64 ": ", k);

        memset(line + length, 'a', sizeof(line) - 1 - (size_t)length);
        line[sizeof(line) - 3] = '\r';
        line[sizeof(line) - 2] = '\n';
        buffer_add(head, line, sizeof(line) - 1);
        bytes -= (int64_t)sizeof(line) - 1;
    }
}

/* `length` < 0 means chunks, or for HTTP/1.0 the end of the connection. */
static void reply_head(struct reply *reply, const cJSON *step, int64_t number,
                       int64_t status, const char *type, int64_t length)
{
    struct buffer *head = &reply->head;
    const cJSON *header;

    buffer_addf(head, "HTTP/1.1 %" PRId64 " %s\r\n", status, reason(status));
    buffer_addf(head, "Content-Type: %s\r\n",
                json_get_text(step, "content_type", type));
    buffer_addf(head, "X-Request-Id: req_%06" PRId64 "\r\n", number);
    if (json_get(step, "redirect"))
        buffer_addf(head, "Location: %s\r\n",
                    json_get_string(step, "redirect"));
    cJSON_ArrayForEach(header, json_get_object(step, "headers"))
    {
        if (cJSON_IsString(header))
            buffer_addf(head, "%s: %s\r\n", header->string,
                        header->valuestring);
    }
    add_header_flood(head, json_get_int64(step, "header_flood", 0));
    if (length >= 0)
        buffer_addf(head, "Content-Length: %" PRId64 "\r\n", length);
    else if (reply->chunked)
        buffer_add_string(head, "Transfer-Encoding: chunked\r\n");
    if (reply->says_close)
        buffer_add_string(head, "Connection: close\r\n");
    buffer_add_string(head, "\r\n");
}

/* {"error":{…}} as the provider sends it. */
static void error_body(struct buffer *out, int64_t status, const char *message)
{
    struct json json = json_to(out);

    json_object(&json);
    json_key(&json, "error");
    json_object(&json);
    json_member_string(&json, "message", message);
    json_member_string(&json, "type",
                       status < 500 ? "invalid_request_error" : "server_error");
    json_key(&json, "param");
    json_null(&json);
    json_key(&json, "code");
    json_null(&json);
    json_end(&json);
    json_end(&json);
}

/* A refusal with a message in place of a scripted reply. */
static void reply_error(struct reply *reply, int64_t number, int64_t status,
                        const char *message)
{
    error_body(&reply->body.bytes, status, message);
    reply->chunked = false;
    reply_head(reply, NULL, number, status, "application/json",
               (int64_t)reply->body.bytes.length);
}

/* "status", "body" or "redirect": a reply that is no stream. */
static void reply_plain(struct reply *reply, const cJSON *step, int64_t number)
{
    const cJSON *body = json_get(step, "body");
    bool redirect = json_get(step, "redirect");
    int64_t status = json_get_int64(step, "status", redirect ? 307 : 200);
    struct buffer *out = &reply->body.bytes;
    struct json json = json_to(out);

    if (cJSON_IsString(body))
        buffer_add_string(out, body->valuestring);
    else if (body)
        json_value(&json, body);
    else if (!redirect)
        error_body(out, status, "scripted error");
    reply->chunked = false;
    reply_head(reply, step, number, status,
               cJSON_IsString(body) ? "text/plain" : "application/json",
               (int64_t)out->length);
}

static void reply_stream(struct reply *reply, const cJSON *step,
                         const char *model, int64_t number)
{
    int64_t garbage = json_get_int64(step, "garbage", 0);
    struct stream stream = {
        .rope = &reply->body,
        .out = &reply->body.bytes,
        .newline = json_get_text(step, "sse_newline", "\n"),
        .model = model,
        .number = number,
        .events_left =
            json_get_int64(step, "cut_after_event",
                           json_get_int64(step, "stall_after_event", -1)),
    };

    if (garbage)
        rope_insert(&reply->body, INSERT_NOISE, garbage);
    else
        stream_render(&stream, step, REPLY_BODY_MAX);
    reply_head(reply, step, number, 200, "text/event-stream; charset=utf-8",
               -1);
}

/* How the reply ends and in which pieces it goes out. */
static void reply_faults(struct reply *reply, const cJSON *step)
{
    const cJSON *drip = json_get(step, "drip");
    int64_t bytes = json_get_int64(step, "cut_after_bytes", REPLY_BODY_MAX);
    bool cut = json_get(step, "cut_after_event") ||
               json_get(step, "cut_after_bytes") || json_get(step, "endless");

    reply->is_torn = json_get_true(step, "truncated_chunk");
    if (json_get_true(step, "close"))
        reply->says_close = true;
    if (json_get(step, "stall_after_event"))
        reply->end = REPLY_STALL;
    else if (json_get_true(step, "reset"))
        reply->end = REPLY_RESET;
    else if (cut || reply->is_torn || reply->says_close)
        reply->end = REPLY_CLOSE;
    if (cut || reply->end >= REPLY_RESET || reply->is_torn)
        reply->is_last_sent = true; /* a cut reply has no last chunk */
    reply->left = reply->end == REPLY_RESET && !cut ? 0 : bytes;
    reply->piece = json_get_int64(step, "fragment", 0);
    if (drip) {
        reply->piece = json_get_int64(drip, "bytes", 1);
        if (reply->piece < 1)
            reply->piece = 1;
        reply->interval_ms = json_get_int64(drip, "interval_ms", 1);
    }
}

/* Renders the step with all that it asks for. */
static void reply_build(struct reply *reply, const cJSON *step,
                        const char *model, int64_t number)
{
    reply_faults(reply, step);
    if (json_get(step, "status") || json_get(step, "body") ||
        json_get(step, "redirect"))
        reply_plain(reply, step, number);
    else
        reply_stream(reply, step, model, number);
    if (reply->end == REPLY_RESET && !reply->left)
        buffer_clear(&reply->head);
}

/* The next bytes of the body, at most `room`, as a chunk. Returns their
 * number without the framing. */
static size_t reply_chunk(struct reply *reply, struct buffer *out, size_t room)
{
    size_t length;

    if (reply->ready_at == reply->ready.length) {
        buffer_clear(&reply->ready);
        reply->ready_at = 0;
        if (reply->left)
            rope_read(&reply->body, &reply->ready);
    }
    length = reply->ready.length - reply->ready_at;
    if (length > room)
        length = room;
    if ((int64_t)length > reply->left)
        length = (size_t)reply->left;
    if (!length)
        return 0;
    if (reply->chunked)
        buffer_addf(out, "%zx\r\n",
                    reply->is_torn ? length + REPLY_TORN_BYTES : length);
    buffer_add(out, reply->ready.data + reply->ready_at, length);
    if (reply->chunked && !reply->is_torn)
        buffer_add_string(out, "\r\n");
    reply->ready_at += length;
    reply->left = reply->is_torn ? 0 : reply->left - (int64_t)length;
    return length;
}

/* Adds what one write should carry to `out`. Returns whether that is
 * anything. */
static bool reply_read(struct reply *reply, struct buffer *out)
{
    size_t start = out->length;
    size_t room = reply->piece ? (size_t)reply->piece : REPLY_WRITE_BYTES;

    buffer_add_span(out, buffer_span(&reply->head));
    buffer_clear(&reply->head);
    while (out->length - start < REPLY_WRITE_BYTES) {
        if (!reply_chunk(reply, out, room)) {
            if (reply->chunked && !reply->is_last_sent)
                buffer_add_string(out, "0\r\n\r\n");
            reply->is_last_sent = true;
            break;
        }
        if (reply->piece)
            break;
    }
    return out->length > start;
}

#endif
