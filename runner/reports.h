/* What every command needs that reads a run and says something. */
#ifndef NIGHTJAR_RUNNER_REPORTS_H
#define NIGHTJAR_RUNNER_REPORTS_H

#include "base/buffer.h"
#include "base/error.h"
#include "tasks/outcome.h"

/* Prints the error (run.h); returns the exit status that it means. */
int report_failure(const struct error *err);

/* What the journal of a run directory says; the caller frees the outcome. */
int reports_read(const char *path, struct run_outcome *outcome,
                 struct error *err);

/* Writes to standard output. */
int reports_put(struct span text, struct error *err);

#endif
