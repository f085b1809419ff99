/* Numbers as people read them, the same in every report. */
#ifndef NIGHTJAR_REPORTERS_FIGURES_H
#define NIGHTJAR_REPORTERS_FIGURES_H

#include "tasks/outcome.h"

#define FIGURE_BYTES 32 /* room for any of them */

/* "950", "12.3k", "4.5M": at most 6 characters below 10^15. */
void figure_count(char *out, size_t size, int64_t count);

/* "59.9s", "59m59s", "100h00m"; "-" for a negative one: not known. */
void figure_duration(char *out, size_t size, int64_t duration_ms);

/* "$12.34", below ten cents "$0.0123"; "?" for a negative one: not known. */
void figure_cost(char *out, size_t size, int64_t microusd);

/* How many of a hundred input tokens the provider had cached. */
int figure_cached_percent(const struct outcome_usage *usage);

#endif
