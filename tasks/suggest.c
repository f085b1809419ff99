#include "tasks/suggest.h"

#include <ctype.h>
#include <stdbool.h>

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static bool same(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Optimal string alignment: Levenshtein's distance and swaps of neighbours.
 * Three rows of the table are enough. */
static size_t distance(const char *a, const char *b)
{
    size_t rows[3][SUGGEST_WORD_MAX + 1];
    size_t a_length = strlen(a);
    size_t b_length = strlen(b);

    for (size_t j = 0; j <= b_length; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i - 1) % 3];
        const size_t *two_above = rows[(i + 1) % 3];

        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            bool equal = same(a[i - 1], b[j - 1]);

            row[j] =
                least(least(row[j - 1], above[j]) + 1, above[j - 1] + !equal);
            if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) &&
                same(a[i - 2], b[j - 1]))
                row[j] = least(row[j], two_above[j - 2] + 1);
        }
    }
    return rows[a_length % 3][b_length];
}

const char *suggest(const char *word, const char *const *known, size_t count)
{
    size_t length = strlen(word);
    size_t allowed = least(length / 3 ? length / 3 : 1, 3);
    const char *nearest = NULL;

    if (!length || length > SUGGEST_WORD_MAX)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        size_t far;

        if (strlen(known[i]) > SUGGEST_WORD_MAX)
            continue;
        far = distance(word, known[i]);
        /* Not a single letter in common is no likeness. */
        if (far > allowed || far >= length)
            continue;
        nearest = known[i];
        if (!far)
            return nearest;
        allowed = far - 1;
    }
    return nearest;
}
