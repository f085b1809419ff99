/* "Did you mean …?": the known word that is nearest to a mistyped one. */
#ifndef NIGHTJAR_TASKS_SUGGEST_H
#define NIGHTJAR_TASKS_SUGGEST_H

#include <stddef.h>

/* Longer words are no typing mistakes; they get no suggestion. */
#define SUGGEST_WORD_MAX 64

/* The word of `known` with the fewest letters added, left out, changed or
 * swapped against `word`, whatever their case; the first of several. NULL
 * when none is near: more than a third of the letters (at least one, at most
 * three) would have to change. */
const char *suggest(const char *word, const char *const *known, size_t count);

#endif
