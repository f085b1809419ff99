#include "runner/tools/patch_explain.h"

#include <ctype.h>

#include "base/memory.h"

#define LINES_SHOWN_BYTES 900
#define LINE_SHOWN_BYTES 160
#define LOOKED_AT_LINES 40       /* of the chunk */
#define WORK_BYTES_MAX 200000000 /* about a second */
#define BYTES_COMPARED 400       /* of one line */
#define SIMILAR 55               /* percent: less is no resemblance */
#define PART_BYTES 4             /* a shorter one stands in any line */
#define NOWHERE ((size_t)-1)

/* ---- how much two lines resemble each other, in percent ---------------- */

static bool blank_at(struct span line, size_t index)
{
    return line.data[index] == ' ' || line.data[index] == '\t';
}

/* Equal if blanks (and letter case, if `fold`) are left out. */
static bool equal_without_blanks(struct span a, struct span b, bool fold)
{
    size_t i = 0;
    size_t j = 0;

    for (;;) {
        unsigned char c;
        unsigned char d;

        while (i < a.length && blank_at(a, i))
            i++;
        while (j < b.length && blank_at(b, j))
            j++;
        if (i == a.length || j == b.length)
            return i == a.length && j == b.length;
        c = (unsigned char)a.data[i++];
        d = (unsigned char)b.data[j++];
        if (c != d && (!fold || tolower(c) != tolower(d)))
            return false;
    }
}

static unsigned common_percent(struct span a, struct span b)
{
    size_t longer = a.length > b.length ? a.length : b.length;
    size_t shorter = a.length + b.length - longer;
    size_t start = 0;
    size_t end = 0;

    while (start < shorter && a.data[start] == b.data[start])
        start++;
    while (end < shorter - start &&
           a.data[a.length - 1 - end] == b.data[b.length - 1 - end])
        end++;
    return longer ? (unsigned)((start + end) * 100 / longer) : 100;
}

static struct span shortened(struct span line)
{
    if (line.length > 2 * BYTES_COMPARED)
        line.length = 2 * BYTES_COMPARED;
    line = patch_trim(line);
    if (line.length > BYTES_COMPARED)
        line.length = BYTES_COMPARED;
    return line;
}

static unsigned resemblance(struct span file, struct span patch)
{
    struct span a = shortened(file);
    struct span b = shortened(patch);
    unsigned percent;

    if (patch_lines_equal(a, b, PATCH_FOLDED))
        return 100;
    if (!a.length || !b.length)
        return 0;
    if (equal_without_blanks(a, b, true))
        return 95;
    percent = common_percent(a, b);
    if (percent < SIMILAR && b.length >= PART_BYTES &&
        memmem(a.data, a.length, b.data, b.length))
        return SIMILAR;
    return percent < SIMILAR ? 0 : percent < 90 ? percent : 90;
}

/* ---- the closest place ------------------------------------------------- */

static size_t lines_looked_at(const struct patch_wanted *wanted)
{
    return wanted->count < LOOKED_AT_LINES ? wanted->count : LOOKED_AT_LINES;
}

static unsigned score_at(const struct patch_wanted *wanted, size_t start,
                         size_t *work)
{
    const struct patch_source *source = wanted->source;
    unsigned score = 0;

    for (size_t i = 0; i < lines_looked_at(wanted); i++) {
        struct span line;

        if (start + i >= source->count)
            break;
        line = patch_source_line(source, start + i);
        score += resemblance(line, wanted->lines[i]);
        *work += 50 + (line.length < BYTES_COMPARED ? line.length
                                                    : 2 * BYTES_COMPARED);
    }
    return score;
}

static size_t closest_place(const struct patch_wanted *wanted)
{
    size_t best = NOWHERE;
    size_t looked = lines_looked_at(wanted);
    unsigned best_score = (unsigned)(SIMILAR * looked) - 1;
    size_t work = 0;

    for (size_t i = 0; i < wanted->source->count && work < WORK_BYTES_MAX;
         i++) {
        unsigned score = score_at(wanted, i, &work);

        if (score > best_score) {
            best_score = score;
            best = i;
        }
    }
    return best;
}

/* The first place from line `start` on where all lines stand. */
static size_t same_lines(const struct patch_wanted *wanted, size_t start)
{
    const struct patch_source *source = wanted->source;
    size_t work = 0;

    for (size_t i = start;
         wanted->count <= source->count && i <= source->count - wanted->count &&
         work < WORK_BYTES_MAX;
         i++) {
        size_t same = 0;

        while (same < wanted->count &&
               patch_lines_equal(patch_source_line(source, i + same),
                                 wanted->lines[same], PATCH_FOLDED))
            work += 50 + wanted->lines[same++].length;
        if (same == wanted->count)
            return i;
        work += 50 + patch_source_whole(source, i + same).length;
    }
    return NOWHERE;
}

/* ---- the text ---------------------------------------------------------- */

static const char *difference(struct span file, struct span patch)
{
    file = patch_trim(file);
    patch = patch_trim(patch);
    if (equal_without_blanks(file, patch, false))
        return "they differ in the white space inside the line";
    if (equal_without_blanks(file, patch, true))
        return "they differ in upper and lower case";
    return "they differ";
}

/* Shows line `index` of the wanted ones beside what the file has there. */
static void show_both(const struct patch_wanted *wanted, size_t place,
                      size_t index, struct buffer *text)
{
    struct span file = patch_source_line(wanted->source, place + index);
    struct span patch = wanted->lines[index];
    CLEANUP(mem_free) char *has = patch_quote(file, LINE_SHOWN_BYTES);
    CLEANUP(mem_free) char *wants = patch_quote(patch, LINE_SHOWN_BYTES);

    buffer_addf(text,
                "; the closest place is line %zu, where line %zu of the file "
                "is\n%s\nand the patch has\n%s\n(%s)",
                place + 1, place + index + 1, has, wants,
                difference(file, patch));
}

static void tell_difference(const struct patch_wanted *wanted, size_t place,
                            struct buffer *text)
{
    const struct patch_source *source = wanted->source;
    size_t i = 0;

    while (i < wanted->count && place + i < source->count &&
           patch_lines_equal(patch_source_line(source, place + i),
                             wanted->lines[i], PATCH_FOLDED))
        i++;
    if (i == wanted->count)
        return;
    if (place + i < source->count)
        show_both(wanted, place, i, text);
    else
        buffer_addf(text,
                    "; the closest place is line %zu, but the file ends at "
                    "line %zu",
                    place + 1, source->count);
}

/* Where the same lines stand, though not where they were looked for. */
static bool tell_other_place(const struct patch_wanted *wanted,
                             struct buffer *text)
{
    size_t place = same_lines(wanted, wanted->at_end ? wanted->cursor : 0);

    if (place == NOWHERE)
        place = same_lines(wanted, 0);
    if (place == NOWHERE)
        return false;
    if (wanted->at_end && place >= wanted->cursor)
        buffer_addf(text,
                    "; they stand at line %zu, but not at the end of the file "
                    "as '*** End of File' asks for",
                    place + 1);
    else
        buffer_addf(text,
                    "; they stand at line %zu, but the search began at line "
                    "%zu, behind what earlier chunks and '@@' lines matched: "
                    "chunks are in the order of the file and do not overlap",
                    place + 1, wanted->cursor + 1);
    return true;
}

static void add_lines(const struct patch_wanted *wanted, struct buffer *text)
{
    CLEANUP(buffer_free) struct buffer joined = {0};
    CLEANUP(mem_free) char *shown = NULL;

    /* One byte over what is shown, so that the cut is seen. */
    buffer_init(&joined, LINES_SHOWN_BYTES * 2);
    for (size_t i = 0; i < wanted->count; i++) {
        struct span line = wanted->lines[i];

        if (line.length > LINES_SHOWN_BYTES)
            line.length = LINES_SHOWN_BYTES;
        if (joined.length > LINES_SHOWN_BYTES || buffer_add_span(&joined, line))
            break;
        if (i + 1 < wanted->count)
            buffer_add_byte(&joined, '\n');
    }
    shown = patch_quote(buffer_span(&joined), LINES_SHOWN_BYTES);
    buffer_add_string(text, shown);
}

int patch_explain(const struct patch_wanted *wanted, struct error *err)
{
    CLEANUP(buffer_free) struct buffer text = {0};
    size_t place;

    buffer_init(&text, ERROR_TEXT_MAX * 4);
    buffer_addf(&text, "line %zu of the patch: failed to find %s in the file",
                wanted->number,
                wanted->anchor ? "the context of '@@'" : "the expected lines");
    if (!tell_other_place(wanted, &text)) {
        place = closest_place(wanted);
        if (place != NOWHERE)
            tell_difference(wanted, place, &text);
        else if (wanted->source->count < wanted->count)
            buffer_addf(&text, "; the file has only %zu line%s",
                        wanted->source->count,
                        wanted->source->count == 1 ? "" : "s");
    }
    buffer_add_string(&text, wanted->anchor ? "; looked for the whole line\n"
                                            : "; looked for\n");
    add_lines(wanted, &text);
    return error_set(err, ERROR_REPOSITORY, "%s", text.data);
}
