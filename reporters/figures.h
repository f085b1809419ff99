/* Numbers as people read them, the same in every report. */
#ifndef NIGHTJAR_REPORTERS_FIGURES_H
#define NIGHTJAR_REPORTERS_FIGURES_H

#include "tasks/outcome.h"

#define FIGURE_BYTES 32 /* room for any of them but the verdicts */
#define FIGURE_VERDICTS_BYTES 200

/* "950", "12.3k", "4.5M": at most 6 characters below 10^15. */
void figure_count(char *out, size_t size, int64_t count);

/* "59.9s", "59m59s", "100h00m"; "-" for a negative one: not known. */
void figure_duration(char *out, size_t size, int64_t duration_ms);

/* "$12.34", below ten cents "$0.0123"; "?" for a negative one: not known. */
void figure_cost(char *out, size_t size, int64_t microusd);

/* "5 passed, 1 failed": of a run; "no tasks". */
void figure_verdicts(char *out, size_t size, const struct run_outcome *outcome);

/* How many of a hundred input tokens the provider had cached. */
int figure_cached_percent(const struct outcome_usage *usage);

#endif
