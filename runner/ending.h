/* How a task ended, by what its worker said and how it died. */
#ifndef NIGHTJAR_RUNNER_ENDING_H
#define NIGHTJAR_RUNNER_ENDING_H

#include "runner/worker_table.h"

struct ending {
    const char *verdict;
    const char *reason;
    const char *message;
    const char *hint; /* may be NULL */
    bool retryable;
};

/* Of a worker that has ended with that wait status. `text` holds a message
 * that is not the worker's own. */
struct ending ending_of(const struct worker *worker, int status, char *text,
                        size_t size);

/* Whether such a task may be gone on with. */
bool ending_is_open(const struct ending *ending);

#endif
