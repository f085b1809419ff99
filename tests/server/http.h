/* Reading HTTP/1.1 requests, as far as a test server on loopback needs it.
 *
 *     struct http_request request;
 *     http_request_init(&request);
 *     status = http_read(&request, &received);   // as often as bytes come
 *     ...                                        // when it is HTTP_DONE
 *     http_request_free(&request);
 *
 * Bytes that were understood leave the buffer; what follows the request stays
 * in it, so a connection can carry many. Strict where a client could be
 * wrong unseen (two lengths, a bare LF, white space before a colon): these
 * are errors. Format: RFC 9112. */
#ifndef NIGHTJAR_TESTS_SERVER_HTTP_H
#define NIGHTJAR_TESTS_SERVER_HTTP_H

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/number.h"

#define HTTP_HEAD_MAX ((size_t)256 << 10)
#define HTTP_BODY_MAX ((size_t)64 << 20)
#define HTTP_HEADERS_MAX 200

/* What http_read returns besides the status code of an error. */
#define HTTP_MORE 0
#define HTTP_DONE 1

enum http_part {
    HTTP_HEAD,
    HTTP_LENGTH,      /* the rest of a body of known length */
    HTTP_CHUNK_SIZE,  /* the line before a chunk */
    HTTP_CHUNK_BYTES, /* the rest of a chunk */
    HTTP_CHUNK_END,   /* the empty line behind it */
    HTTP_TRAILER,
    HTTP_COMPLETE,
};

struct http_header {
    char *name; /* lower case */
    char *value;
};

struct http_request {
    enum http_part part;
    char *method, *path;
    struct http_header headers[HTTP_HEADERS_MAX];
    size_t header_count;
    bool old;        /* HTTP/1.0: no chunks, no second request */
    bool keep_alive; /* the client does not ask for an end */
    bool expects;    /* waits for "100 Continue"; the caller clears it */
    int64_t left;    /* bytes of the body or the chunk still to come */
    struct buffer body;
    struct arena arena;
};

static void http_request_init(struct http_request *request)
{
    *request = (struct http_request){0};
    buffer_init(&request->body, HTTP_BODY_MAX);
}

static void http_request_free(struct http_request *request)
{
    buffer_free(&request->body);
    arena_free(&request->arena);
    http_request_init(request);
}

/* The value of a header by its lower-case name, or NULL. */
static const char *http_header(const struct http_request *request,
                               const char *name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (!strcmp(request->headers[i].name, name))
            return request->headers[i].value;
    }
    return NULL;
}

/* The line at `at` without its CRLF; *next is where the following one
 * starts. False when no complete line is there. */
static bool http_line(struct span text, size_t at, struct span *line,
                      size_t *next)
{
    const char *end = memmem(text.data + at, text.length - at, "\r\n", 2);

    if (!end)
        return false;
    *line = (struct span){text.data + at, (size_t)(end - text.data) - at};
    *next = at + line->length + 2;
    return true;
}

/* "POST /path HTTP/1.1": 0, or the status code of the error. */
static int http_request_line(struct http_request *request, struct span line)
{
    char *text = arena_bytes(&request->arena, line.data, line.length);
    char *path = strchr(text, ' ');
    char *version = path ? strchr(path + 1, ' ') : NULL;

    if (strlen(text) != line.length || !version)
        return 400;
    *path++ = '\0';
    *version++ = '\0';
    if (path[0] != '/' || !*text)
        return 400;
    if (strcmp(version, "HTTP/1.1") && strcmp(version, "HTTP/1.0"))
        return 505;
    request->method = text;
    request->path = path;
    request->old = !strcmp(version, "HTTP/1.0");
    return 0;
}

static int http_header_line(struct http_request *request, struct span line)
{
    char *text = arena_bytes(&request->arena, line.data, line.length);
    char *value = strchr(text, ':');
    char *end = text + line.length;

    if (request->header_count == HTTP_HEADERS_MAX)
        return 431;
    if (strlen(text) != line.length || !value || value == text ||
        strchr(text, '\r') || strchr(text, '\n'))
        return 400;
    *value++ = '\0';
    if (strpbrk(text, " \t"))
        return 400;
    for (char *at = text; *at; at++)
        *at = (char)tolower((unsigned char)*at);
    value += strspn(value, " \t");
    while (end > value && strchr(" \t", end[-1]))
        *--end = '\0';
    /* These decide where a message ends: twice is an attack or a fault. */
    if (http_header(request, text) &&
        (!strcmp(text, "content-length") || !strcmp(text, "transfer-encoding")))
        return 400;
    request->headers[request->header_count++] =
        (struct http_header){text, value};
    return 0;
}

/* What the headers say about the body and the connection. */
static int http_framing(struct http_request *request)
{
    const char *length = http_header(request, "content-length");
    const char *encoding = http_header(request, "transfer-encoding");
    const char *expect = http_header(request, "expect");
    const char *connection = http_header(request, "connection");

    if (length && encoding)
        return 400;
    if (encoding && strcasecmp(encoding, "chunked"))
        return 501;
    if (length && (!isdigit((unsigned char)*length) ||
                   number_int64(length, &request->left)))
        return 400;
    if (request->left > (int64_t)HTTP_BODY_MAX)
        return 413;
    if (expect && strcasecmp(expect, "100-continue"))
        return 417;
    request->expects = expect && (encoding || request->left);
    request->keep_alive =
        !request->old && !(connection && strcasestr(connection, "close"));
    request->part = encoding        ? HTTP_CHUNK_SIZE
                    : request->left ? HTTP_LENGTH
                                    : HTTP_COMPLETE;
    return 0;
}

static int http_head(struct http_request *request, struct buffer *received)
{
    struct span text = buffer_span(received), line;
    const char *end = memmem(text.data, text.length, "\r\n\r\n", 4);
    size_t at = 0;
    int status;

    if (!end)
        return text.length > HTTP_HEAD_MAX ? 431 : HTTP_MORE;
    text.length = (size_t)(end - text.data) + 2;
    if (text.length > HTTP_HEAD_MAX)
        return 431;
    if (!http_line(text, at, &line, &at))
        return 400;
    status = http_request_line(request, line);
    while (!status && http_line(text, at, &line, &at))
        status = http_header_line(request, line);
    if (!status)
        status = http_framing(request);
    buffer_consume(received, text.length + 2);
    return status;
}

static int http_body_bytes(struct http_request *request,
                           struct buffer *received)
{
    size_t length = received->length;

    if ((int64_t)length > request->left)
        length = (size_t)request->left;
    if (buffer_add(&request->body, received->data, length))
        return 413;
    buffer_consume(received, length);
    request->left -= (int64_t)length;
    if (!request->left)
        request->part =
            request->part == HTTP_LENGTH ? HTTP_COMPLETE : HTTP_CHUNK_END;
    return 0;
}

/* The lines between chunks: sizes, the empty ones, the trailer. */
static int http_chunk_line(struct http_request *request,
                           struct buffer *received)
{
    struct span line;
    size_t next;

    if (!http_line(buffer_span(received), 0, &line, &next))
        return received->length > HTTP_HEAD_MAX ? 400 : 0;
    if (request->part == HTTP_CHUNK_SIZE) {
        if (!line.length || line.length > 8 ||
            strspn(line.data, "0123456789abcdefABCDEF") != line.length)
            return 400;
        request->left = (int64_t)strtoul(line.data, NULL, 16);
        request->part = request->left ? HTTP_CHUNK_BYTES : HTTP_TRAILER;
    } else if (request->part == HTTP_CHUNK_END) {
        if (line.length)
            return 400;
        request->part = HTTP_CHUNK_SIZE;
    } else if (!line.length) {
        request->part = HTTP_COMPLETE;
    }
    buffer_consume(received, next);
    return 0;
}

/* Takes what it can from `received`. Returns HTTP_DONE when the request is
 * complete, HTTP_MORE when bytes are missing, or the status code (400 and
 * more) with which to refuse; nothing can be read after that. */
static int http_read(struct http_request *request, struct buffer *received)
{
    size_t before;
    int status = 0;

    do {
        before = received->length;
        if (request->part == HTTP_COMPLETE)
            return HTTP_DONE;
        if (request->part == HTTP_HEAD)
            status = http_head(request, received);
        else if (request->part == HTTP_LENGTH ||
                 request->part == HTTP_CHUNK_BYTES)
            status = http_body_bytes(request, received);
        else
            status = http_chunk_line(request, received);
    } while (!status && received->length < before);
    return status;
}

#endif
