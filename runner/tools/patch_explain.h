/* Why the lines of a chunk were not found, so that the next try succeeds. */
#ifndef NIGHTJAR_RUNNER_TOOLS_PATCH_EXPLAIN_H
#define NIGHTJAR_RUNNER_TOOLS_PATCH_EXPLAIN_H

#include <stddef.h>

#include "base/error.h"
#include "runner/tools/patch_parse.h"
#include "runner/tools/patch_text.h"

/* Lines that were looked for. */
struct patch_wanted {
    const struct patch_source *source;
    const struct span *lines; /* at least one */
    size_t count;
    size_t cursor; /* the search began at this line of the file, from 0 */
    bool at_end;   /* they had to end the file */
    bool anchor;   /* it is the text of an "@@" line */
    size_t number; /* the line of the patch, from 1 */
};

/* Sets the error. Returns -1. Costs a bounded number of comparisons. */
int patch_explain(const struct patch_wanted *wanted, struct error *err);

#endif
