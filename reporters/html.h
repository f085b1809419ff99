/* Writing HTML: shared by the parts of the report. All text goes through
 * html_text, which cleans (clean.h) and escapes it; tags are constants. */
#ifndef NIGHTJAR_REPORTERS_HTML_H
#define NIGHTJAR_REPORTERS_HTML_H

#include "reporters/reporter.h"

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

/* Figures of the tasks as pictures: verdicts, tokens, and how cost, durations
 * and turns are spread. Each has its numbers as text, too. */
void html_charts(struct html *html, const struct run_outcome *outcome);

/* What a task did, as an element <script type="application/json" id="dN">
 * whose text is at most about `most` bytes: patches and outputs are cut. */
void html_detail(struct html *html, const struct outcome_task *task,
                 const struct report_options *options, size_t number,
                 size_t most);

#endif
