#include "runner/model/sse.h"

#include "base/memory.h"

#define NAME_BYTES_MAX 1024

static const char bom[] = "\xEF\xBB\xBF";

void sse_init(struct sse *sse, sse_handler *handler, void *context)
{
    *sse = (struct sse){.handler = handler, .context = context};
    buffer_init(&sse->line, SSE_EVENT_BYTES_MAX);
    buffer_init(&sse->name, NAME_BYTES_MAX);
    buffer_init(&sse->data, SSE_EVENT_BYTES_MAX);
}

void sse_reset(struct sse *sse)
{
    buffer_clear(&sse->line);
    buffer_clear(&sse->name);
    buffer_clear(&sse->data);
    sse->has_data = false;
    sse->after_cr = false;
    sse->position = 0;
}

void sse_free(struct sse *sse)
{
    buffer_free(&sse->line);
    buffer_free(&sse->name);
    buffer_free(&sse->data);
}

static int too_large(struct error *err)
{
    return error_set(err, ERROR_PROTOCOL,
                     "event stream: an event is larger than %zu bytes",
                     SSE_EVENT_BYTES_MAX);
}

static int dispatch(struct sse *sse, struct error *err)
{
    int status = 0;

    if (sse->has_data)
        status = sse->handler(sse->context,
                              sse->name.length ? buffer_span(&sse->name)
                                               : SPAN("message"),
                              buffer_span(&sse->data), err);
    buffer_clear(&sse->name);
    buffer_clear(&sse->data);
    sse->has_data = false;
    return status;
}

static int field(struct sse *sse, struct span name, struct span value,
                 struct error *err)
{
    if (span_is(name, "data")) {
        if ((sse->has_data && buffer_add_byte(&sse->data, '\n')) ||
            buffer_add_span(&sse->data, value))
            return too_large(err);
        sse->has_data = true;
    } else if (span_is(name, "event")) {
        buffer_clear(&sse->name);
        if (buffer_add_span(&sse->name, value))
            return too_large(err);
    }
    return 0;
}

static int end_line(struct sse *sse, struct error *err)
{
    struct span line = buffer_span(&sse->line);
    const char *colon = memchr(line.data, ':', line.length);
    struct span value = {line.data, 0};
    int status;

    if (!line.length)
        return dispatch(sse, err);
    if (colon) {
        size_t used = (size_t)(colon - line.data);
        size_t skip = used + 1;

        if (skip < line.length && line.data[skip] == ' ')
            skip++;
        value = (struct span){line.data + skip, line.length - skip};
        line.length = used;
    }
    /* A comment is a field without a name. */
    status = field(sse, line, value, err);
    buffer_clear(&sse->line);
    return status;
}

/* Skips a BOM at the start. What turns out to be none is a line's start. */
static int skip_bom(struct sse *sse, char byte, bool *taken, struct error *err)
{
    *taken = byte == bom[sse->position];
    if (*taken) {
        sse->position++;
        return 0;
    }
    if (buffer_add(&sse->line, bom, sse->position))
        return too_large(err);
    sse->position = 3;
    return 0;
}

/* The length of the text up to the next line end. */
static size_t until_line_end(const char *bytes, size_t length)
{
    size_t end = 0;

    /* Not by memchr: to look for one of them far behind the other, line by
     * line, would take time with the square of the length. */
    while (end < length && bytes[end] != '\n' && bytes[end] != '\r')
        end++;
    return end;
}

int sse_feed(struct sse *sse, const char *bytes, size_t length,
             struct error *err)
{
    size_t at = 0;

    while (at < length && sse->position < 3) {
        bool taken;

        if (skip_bom(sse, bytes[at], &taken, err))
            return -1;
        at += taken;
    }
    while (at < length) {
        size_t run;

        if (sse->after_cr && bytes[at] == '\n') {
            sse->after_cr = false;
            at++;
            continue;
        }
        sse->after_cr = false;
        run = until_line_end(bytes + at, length - at);
        if (buffer_add(&sse->line, bytes + at, run))
            return too_large(err);
        at += run;
        if (at == length)
            break;
        sse->after_cr = bytes[at++] == '\r';
        if (end_line(sse, err))
            return -1;
    }
    return 0;
}
