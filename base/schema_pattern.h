/* Regular expressions of JSON Schema, by way of the C library.
 *
 * A pattern is in ECMAScript syntax and matches anywhere in the text. It is
 * translated to a POSIX extended expression, for UTF-8 text. Known: literals,
 * ".", "[…]", "(…)", "(?:…)", "|", "^", "$", "*", "+", "?", "{m,n}", lazy
 * quantifiers, \d \D \w \W \s \S, \t \n \r \f \v, \xHH, \uHHHH, and escaped
 * punctuation. Refused, not approximated: look-around, named groups, back
 * references, \b \B \p{…} \c…, \D \W \S within "[…]", ranges of more than 2000
 * characters, and whatever would take too much memory. */
#ifndef NIGHTJAR_BASE_SCHEMA_PATTERN_H
#define NIGHTJAR_BASE_SCHEMA_PATTERN_H

#include <stdbool.h>

#include "base/error.h"

#define SCHEMA_PATTERN_MAX 1000       /* bytes of a pattern */
#define SCHEMA_PATTERN_SIZE_MAX 2000  /* characters with {m,n} written out */
#define SCHEMA_PATTERN_TEXT_MAX 32768 /* bytes of a text that is matched */

struct schema_pattern;

/* Compiles a pattern. NULL and an error (ERROR_MANIFEST) without context. */
struct schema_pattern *schema_pattern_compile(const char *pattern,
                                              struct error *err);

/* Whether it matches somewhere in valid UTF-8 text of at most
 * SCHEMA_PATTERN_TEXT_MAX bytes; false for a longer one. */
bool schema_pattern_matches(const struct schema_pattern *pattern,
                            const char *text);

/* Accepts NULL. */
void schema_pattern_free(struct schema_pattern *pattern);

#endif
