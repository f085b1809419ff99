/* UTF-8: checking, repairing and cutting. Definition: Unicode 15, chapter 3,
 * table 3-7 (no surrogates, no overlong forms, at most U+10FFFF). */
#ifndef NIGHTJAR_BASE_UTF8_H
#define NIGHTJAR_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

/* Decodes one character at data (length >= 1). Returns how many bytes it
 * takes; for bytes that are no character *code is UINT32_MAX and the result
 * is the length of the maximal ill-formed part (at least 1). */
size_t utf8_decode(const char *data, size_t length, uint32_t *code);

bool utf8_valid(const char *data, size_t length);

/* Adds data with every ill-formed part replaced by U+FFFD, as the WHATWG
 * decoder does. Returns -1 when the buffer is full. */
int utf8_repair(struct buffer *out, const char *data, size_t length);

/* The largest cut <= limit, the smallest cut >= limit, that splits no
 * character of valid text. */
size_t utf8_floor(const char *data, size_t length, size_t limit);
size_t utf8_ceiling(const char *data, size_t length, size_t limit);

#endif
