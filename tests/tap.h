/* TAP for unit tests: each check prints one line, tap_done the plan.
 *
 *     int main(void)
 *     {
 *         tap_int(add(1, 2), 3, "adds");
 *         return tap_done();
 *     }
 *
 * Protocol: Test Anything Protocol 12, the plan last. A test that crashes
 * before tap_done has no plan and so fails under prove. */
#ifndef NIGHTJAR_TESTS_TAP_H
#define NIGHTJAR_TESTS_TAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Each returns whether the check held; the name is a printf format. */
#define tap_ok(condition, ...) \
    tap_check((condition), __FILE__, __LINE__, #condition, __VA_ARGS__)

bool tap_check(bool held, const char *file, int line, const char *condition,
               const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Compare and show both on failure. NULL strings are compared as such. */
bool tap_int(int64_t got, int64_t want, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool tap_string(const char *got, const char *want, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool tap_bytes(const char *got, size_t got_length, const char *want,
               size_t want_length, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* `part` stands somewhere in `text`. */
bool tap_contains(const char *text, const char *part, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Counts one check as skipped, with the reason. */
void tap_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A line for people. */
void tap_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Prints the plan. Returns the exit status: 1 if a check failed. */
int tap_done(void);

#endif
