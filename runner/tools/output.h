/* What a command prints, kept within a bound: the head and the tail, with the
 * number of bytes that were dropped between them. */
#ifndef NIGHTJAR_RUNNER_TOOLS_OUTPUT_H
#define NIGHTJAR_RUNNER_TOOLS_OUTPUT_H

#include "base/buffer.h"

#define OUTPUT_TOKEN_BYTES 4 /* how bytes are counted as tokens */

struct output {
    struct buffer head;
    struct buffer tail; /* grows to twice its half, then its front goes */
    size_t half;        /* bytes kept at each end */
    size_t total;       /* bytes that came */
};

/* Keeps at most `maximum` bytes (at least 2). */
void output_init(struct output *output, size_t maximum);
void output_add(struct output *output, const char *data, size_t length);

/* Takes in all that a non-blocking descriptor has now. *ended becomes true at
 * its end (a terminal's end is an error of the read). */
void output_read(struct output *output, int fd, bool *ended);

/* Forgets what came, for the next piece of a session. */
void output_clear(struct output *output);
void output_free(struct output *output);

/* Adds the text for a reader: valid UTF-8, at most about `maximum` bytes,
 * and where something was dropped the line
 *     … 12345 bytes omitted …
 * between head and tail, each cut at a character. */
void output_render(const struct output *output, size_t maximum,
                   struct buffer *out);

/* The same for a text that is there already. */
void output_shorten(struct span text, size_t maximum, struct buffer *out);

#endif
