/* Writing HTML, for the parts of the report. All text goes through
 * html_text, which cleans (clean.h) and escapes it; tags are constants. */
#ifndef NIGHTJAR_REPORTERS_HTML_H
#define NIGHTJAR_REPORTERS_HTML_H

#include <stdbool.h>

#include "base/buffer.h"

struct html {
    struct buffer *out;
    bool full; /* the buffer refused something: the text is no page */
};

/* Our own markup, as it is. */
void html_put(struct html *html, const char *markup);
void html_putf(struct html *html, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Text of others: one line of at most `most` bytes, escaped for elements and
 * for attributes in double quotes. */
void html_text(struct html *html, const char *text, size_t most);

#endif
