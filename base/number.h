/* Numbers and quantities as people write them, with nothing left over.
 *
 * Each takes the whole string: no leading blanks, no trailing text, no
 * overflow. Returns 0 and sets *out, or -1 and leaves *out alone. */
#ifndef NIGHTJAR_BASE_NUMBER_H
#define NIGHTJAR_BASE_NUMBER_H

#include <stdint.h>

/* Decimal digits with an optional sign. */
int number_int64(const char *text, int64_t *out);

/* "12", "2.50": digits with an optional fraction, in millionths (at most six
 * places); no sign, no exponent. */
int number_micro(const char *text, int64_t *out);

/* Durations: "1500ms" "90s" "10m" "2h", also combined ("1h30m"); in
 * milliseconds. A bare number is refused. */
int number_duration_ms(const char *text, int64_t *out);

/* Sizes: "512" bytes, "64K" "512M" "2G" (powers of 1024). */
int number_size_bytes(const char *text, int64_t *out);

/* Counts: "4000", "200k", "2M", "1.5M" (powers of 1000). */
int number_count(const char *text, int64_t *out);

/* "25%" gives 25; 0 to 100. */
int number_percent(const char *text, int64_t *out);

/* The duration of rate-limit headers: "6m0s", "1h2m3.5s", "12ms"; a bare
 * number is seconds. In milliseconds, rounded up. Grammar: Go's
 * time.ParseDuration without signs. */
int number_go_duration_ms(const char *text, int64_t *out);

#endif
