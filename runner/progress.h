/* What a person or a CI log sees while a run goes on: one line for each
 * change, on standard error. Untrusted text is made printable. */
#ifndef NIGHTJAR_RUNNER_PROGRESS_H
#define NIGHTJAR_RUNNER_PROGRESS_H

#include "base/json.h"

enum verbosity { PROGRESS_QUIET, PROGRESS_NORMAL, PROGRESS_VERBOSE };

struct progress {
    enum verbosity verbosity;
    bool color;
    size_t done;
    size_t total;
};

/* Tells about one event of the journal. */
void progress_event(struct progress *progress, const cJSON *event);

#endif
