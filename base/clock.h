/* Time: a monotonic clock to measure with, UTC to print, deadlines. */
#ifndef NIGHTJAR_BASE_CLOCK_H
#define NIGHTJAR_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* A deadline that never comes. */
#define CLOCK_NEVER INT64_MAX

/* "2026-11-21T00:30:00.123Z" and its NUL. */
#define CLOCK_RFC3339_BYTES 25

/* Milliseconds of CLOCK_MONOTONIC. */
int64_t clock_now_ms(void);

/* Milliseconds since 1970 by the wall clock. */
int64_t clock_utc_ms(void);

/* Milliseconds since `began`, to be told; 0 while the clock is frozen. */
int64_t clock_elapsed_ms(int64_t began);

/* From now on, in this process and its children, the wall clock stands still
 * and nothing takes time, as far as is told: so that what is played again
 * reads the same each time. Deadlines go on. */
void clock_freeze(int64_t utc_ms);
bool clock_is_frozen(void);

/* now + timeout without overflow; a negative timeout is CLOCK_NEVER. */
int64_t clock_deadline(int64_t timeout_ms);

/* Milliseconds left until the deadline, never negative, for poll(): -1 for
 * CLOCK_NEVER, at most INT_MAX. */
int clock_left_ms(int64_t deadline);

/* The earlier of two deadlines. */
int64_t clock_earlier(int64_t a, int64_t b);

/* Prints a UTC time as RFC 3339 with milliseconds. */
void clock_rfc3339(int64_t utc_ms, char out[static CLOCK_RFC3339_BYTES]);

#endif
