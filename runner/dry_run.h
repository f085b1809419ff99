/* What would be done, for `nightjar run --dry-run`: nothing is cloned, sent
 * or run. */
#ifndef NIGHTJAR_RUNNER_DRY_RUN_H
#define NIGHTJAR_RUNNER_DRY_RUN_H

#include "base/error.h"
#include "tasks/manifest.h"

int dry_run_print(const struct plan *plan, struct buffer *out,
                  struct error *err);

#endif
