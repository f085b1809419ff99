#include "base/glob.h"

#include <fnmatch.h>

#include "base/memory.h"

struct segments {
    char *text; /* the path, cut at its slashes */
    char **names;
    size_t count;
};

static void segments_free(struct segments *segments)
{
    free(segments->text);
    free(segments->names);
}

static struct segments split(const char *path)
{
    struct segments segments = {.text = mem_string(path)};
    char *at = segments.text;

    segments.names = mem_array(strlen(path) + 2, sizeof(char *));
    for (;;) {
        char *slash = strchr(at, '/');

        segments.names[segments.count++] = at;
        if (!slash)
            return segments;
        *slash = '\0';
        at = slash + 1;
    }
}

/* reach[i]: the pattern's segments so far can have taken the path's first i.
 * One pass for each segment of the pattern, so no pattern is slow. */
static bool match(const struct segments *pattern, const struct segments *path)
{
    CLEANUP(mem_free) bool *reach = mem_array(path->count + 1, sizeof(bool));

    reach[0] = true;
    for (size_t p = 0; p < pattern->count; p++) {
        bool any = !strcmp(pattern->names[p], "**");

        if (any) {
            for (size_t i = 1; i <= path->count; i++)
                reach[i] |= reach[i - 1];
            /* At the end "**" stands for what is inside, not the place. */
            if (p + 1 == pattern->count && p)
                reach[path->count] = path->count && reach[path->count - 1];
            continue;
        }
        for (size_t i = path->count; i > 0; i--)
            reach[i] = reach[i - 1] &&
                       !fnmatch(pattern->names[p], path->names[i - 1], 0);
        reach[0] = false;
    }
    return reach[path->count];
}

bool glob_match(const char *pattern, const char *path)
{
    size_t length = strlen(pattern);
    bool below = length && pattern[length - 1] == '/';
    CLEANUP(mem_free)
    char *whole = mem_format("%s%s", pattern, below ? "**" : "");
    CLEANUP(segments_free) struct segments left = split(whole);
    CLEANUP(segments_free) struct segments right = split(path);

    return match(&left, &right);
}

bool glob_match_word(const char *pattern, const char *word)
{
    return !fnmatch(pattern, word, 0);
}

bool glob_match_any(const char *const *patterns, size_t count, const char *path)
{
    for (size_t i = 0; i < count; i++) {
        if (glob_match(patterns[i], path))
            return true;
    }
    return false;
}
