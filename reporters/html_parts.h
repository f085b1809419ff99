/* The parts of the HTML report that html_page.c puts together. */
#ifndef NIGHTJAR_REPORTERS_HTML_PARTS_H
#define NIGHTJAR_REPORTERS_HTML_PARTS_H

#include "reporters/html.h"
#include "reporters/reporter.h"

/* Figures of the tasks as pictures: verdicts, tokens, and how cost, durations
 * and turns are spread. Each has its numbers as text, too. */
void html_charts(struct html *html, const struct run_outcome *outcome);

/* What a task did, as an element <script type="application/json" id="dN">
 * whose text is at most about `most` bytes: patches and outputs are cut. */
void html_detail(struct html *html, const struct outcome_task *task,
                 const struct report_options *options, size_t number,
                 size_t most);

#endif
