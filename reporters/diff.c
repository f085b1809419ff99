#include "reporters/diff.h"

#include <ctype.h>

#include "base/memory.h"
#include "base/number.h"

struct reading {
    struct diff diff;
    struct diff_file *file; /* NULL before the first */
    size_t room;
    int64_t old_left; /* lines of the open hunk */
    int64_t new_left;
    int64_t line; /* in the new file */
};

static bool has_prefix(struct span line, const char *prefix)
{
    size_t length = strlen(prefix);

    return line.length >= length && !memcmp(line.data, prefix, length);
}

/* The character of an escape in a quoted name; advances *at. */
static char unescape(struct span text, size_t *at)
{
    static const char letters[] = "abfnrtv";
    static const char values[] = "\a\b\f\n\r\t\v";
    const char *found;
    int value = 0;

    if (*at >= text.length)
        return '\\';
    found = memchr(letters, text.data[*at], sizeof(letters) - 1);
    if (found) {
        (*at)++;
        return values[found - letters];
    }
    if (text.data[*at] < '0' || text.data[*at] > '7')
        return text.data[(*at)++];
    for (int i = 0; i < 3 && *at < text.length && text.data[*at] >= '0' &&
                    text.data[*at] <= '7';
         i++)
        value = value * 8 + (text.data[(*at)++] - '0');
    return (char)value;
}

/* A name as it stands behind "+++ " and the like, without its "b/". */
static const char *read_path(struct arena *arena, struct span text, bool prefix)
{
    CLEANUP(buffer_free) struct buffer path = {0};
    bool quoted = text.length && text.data[0] == '"';

    buffer_init(&path, text.length + 1);
    for (size_t at = quoted; at < text.length;) {
        char byte = text.data[at++];

        if (quoted && byte == '"')
            break;
        if (byte == '\t' && !quoted)
            break;
        buffer_add_byte(&path,
                        quoted && byte == '\\' ? unescape(text, &at) : byte);
    }
    if (prefix && path.length > 1 && path.data[1] == '/')
        buffer_consume(&path, 2);
    return arena_bytes(arena, path.data, strlen(path.data));
}

/* "diff --git a/X b/X": of equal halves, the name is known from here. */
static void begin_file(struct reading *reading, struct span line)
{
    struct diff *diff = &reading->diff;
    struct span names = {line.data + 11, line.length - 11};
    size_t half = names.length / 2;

    reading->old_left = reading->new_left = 0;
    reading->file = NULL;
    if (diff->count == DIFF_FILES_MAX)
        return;
    if (diff->count == reading->room) {
        struct diff_file *larger;

        reading->room = reading->room ? 2 * reading->room : 16;
        larger = arena_array(&diff->arena, reading->room, sizeof(*larger));
        if (diff->count)
            memcpy(larger, diff->files, diff->count * sizeof(*larger));
        diff->files = larger;
    }
    reading->file = &diff->files[diff->count++];
    reading->file->path =
        names.length % 2 && names.data[half] == ' '
            ? read_path(&diff->arena,
                        (struct span){names.data + half + 1, half}, true)
            : "";
}

static int64_t number_at(const char **at, const char *end)
{
    int64_t value = 0;

    for (; *at < end && isdigit((unsigned char)**at); (*at)++) {
        if (value < INT64_C(1) << 40)
            value = value * 10 + (**at - '0');
    }
    return value;
}

/* "@@ -1,2 +3,4 @@" */
static void begin_hunk(struct reading *reading, struct span line)
{
    const char *at = line.data + 4;
    const char *end = line.data + line.length;

    number_at(&at, end);
    reading->old_left = 1;
    reading->new_left = 1;
    if (at < end && *at == ',') {
        at++;
        reading->old_left = number_at(&at, end);
    }
    if (end - at < 2 || at[0] != ' ' || at[1] != '+') {
        reading->old_left = reading->new_left = 0;
        return;
    }
    at += 2;
    reading->line = number_at(&at, end);
    if (at < end && *at == ',') {
        at++;
        reading->new_left = number_at(&at, end);
    }
}

static void mark(struct diff_file *file, int64_t line)
{
    /* No reader of places knows larger ones. */
    if (line > DIFF_LINE_MAX)
        return;
    if (line < 1)
        line = 1;
    if (!file->first_line)
        file->first_line = file->last_line = line;
    else if (line == file->last_line + 1)
        file->last_line = line;
}

static void take_hunk_line(struct reading *reading, struct span line)
{
    struct diff_file *file = reading->file;
    char sign = line.length ? line.data[0] : ' ';

    if (sign == '\\')
        return;
    if (sign == '+') {
        file->insertions++;
        mark(file, reading->line++);
        reading->new_left--;
    } else if (sign == '-') {
        file->deletions++;
        if (!file->first_line)
            mark(file, reading->line);
        reading->old_left--;
    } else {
        reading->line++;
        reading->old_left--;
        reading->new_left--;
    }
}

static void take_header(struct reading *reading, struct span line)
{
    struct diff_file *file = reading->file;
    struct arena *arena = &reading->diff.arena;

    if (has_prefix(line, "+++ /dev/null"))
        file->removed = true;
    else if (has_prefix(line, "+++ "))
        file->path = read_path(
            arena, (struct span){line.data + 4, line.length - 4}, true);
    else if (has_prefix(line, "rename to "))
        file->path = read_path(
            arena, (struct span){line.data + 10, line.length - 10}, false);
    else if (has_prefix(line, "--- ") && !*file->path)
        file->path = read_path(
            arena, (struct span){line.data + 4, line.length - 4}, true);
    else if (has_prefix(line, "deleted file"))
        file->removed = true;
    else if (has_prefix(line, "GIT binary patch") ||
             has_prefix(line, "Binary files "))
        file->binary = true;
    else if (has_prefix(line, "@@ -"))
        begin_hunk(reading, line);
}

static void take_line(struct reading *reading, struct span line)
{
    if (reading->file && (reading->old_left > 0 || reading->new_left > 0))
        take_hunk_line(reading, line);
    else if (has_prefix(line, "diff --git "))
        begin_file(reading, line);
    else if (reading->file)
        take_header(reading, line);
}

struct diff diff_read(struct span text)
{
    struct reading reading = {0};

    while (text.length) {
        const char *end = memchr(text.data, '\n', text.length);
        size_t length = end ? (size_t)(end - text.data) : text.length;

        take_line(&reading, (struct span){text.data, length});
        length += end != NULL;
        text.data += length;
        text.length -= length;
    }
    return reading.diff;
}

void diff_free(struct diff *diff)
{
    arena_free(&diff->arena);
    *diff = (struct diff){0};
}

const struct diff_file *diff_find(const struct diff *diff, const char *path)
{
    for (size_t i = 0; i < diff->count; i++) {
        if (!strcmp(diff->files[i].path, path))
            return &diff->files[i];
    }
    return NULL;
}
