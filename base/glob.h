/* Path patterns as in the ignore and owner lists of forges.
 *
 *   *   any run of characters but '/'     ?      one character but '/'
 *   **  as a whole segment: any number    [a-z]  one of a set ([!…] not)
 *       of segments, none included
 *
 * A pattern matches the whole path; one that ends in '/' matches all below.
 * Paths are bytes; a leading dot is an ordinary character. */
#ifndef NIGHTJAR_BASE_GLOB_H
#define NIGHTJAR_BASE_GLOB_H

#include <stdbool.h>
#include <stddef.h>

bool glob_match(const char *pattern, const char *path);

/* Plain words: '*' matches any characters, '/' included. For task ids and
 * words of commands. */
bool glob_match_word(const char *pattern, const char *word);

/* Whether any of `count` patterns matches the path. */
bool glob_match_any(const char *const *patterns, size_t count,
                    const char *path);

#endif
