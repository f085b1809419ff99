/* Server-sent events, fed in any fragments.
 *
 * Format: WHATWG HTML, "Server-sent events", parsing an event stream: one
 * leading BOM is skipped, lines end in LF, CR or CRLF, `data` lines are
 * joined by LF, an empty line dispatches, an event cut off by the end of the
 * stream is discarded. `id` and `retry` mean nothing here and are ignored. */
#ifndef NIGHTJAR_RUNNER_MODEL_SSE_H
#define NIGHTJAR_RUNNER_MODEL_SSE_H

#include "base/buffer.h"
#include "base/error.h"

#define SSE_EVENT_BYTES_MAX                           \
    ((size_t)32 << 20) /* a line, and an event's data \
                        */

/* Called for each event, with its name ("message" if it has none) and data;
 * both are valid during the call only. A return of -1 (with err set) ends the
 * parsing. */
typedef int sse_handler(void *context, struct span name, struct span data,
                        struct error *err);

struct sse {
    sse_handler *handler;
    void *context;
    struct buffer line;
    struct buffer name;
    struct buffer data;
    bool has_data;
    bool after_cr;   /* a LF now belongs to the CR before */
    size_t position; /* bytes seen of the BOM: 0 to 3; 3: past it */
};

void sse_init(struct sse *sse, sse_handler *handler, void *context);

/* Parses more bytes. Returns -1 when the handler did, or with ERROR_PROTOCOL
 * when an event is larger than SSE_EVENT_BYTES_MAX. */
int sse_feed(struct sse *sse, const char *bytes, size_t length,
             struct error *err);

/* Forgets what is half parsed, for another stream. */
void sse_reset(struct sse *sse);
void sse_free(struct sse *sse);

#endif
