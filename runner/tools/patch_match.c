#include "runner/tools/patch_match.h"

#include "base/memory.h"
#include "runner/tools/patch_explain.h"
#include "runner/tools/patch_text.h"

#define NOWHERE ((size_t)-1)
#define BYTES_PER_WORK 8

/* How a chunk changes the indentation of the lines that it adds. */
enum shift { SHIFT_NONE, SHIFT_DEEPER, SHIFT_SHALLOWER };

/* Where a chunk goes and how. */
struct place {
    size_t start;       /* line of the file; NOWHERE: behind the last */
    size_t dropped_old; /* lines of the chunk that do not count, or NOWHERE */
    size_t dropped_new;
    enum shift shift;
    struct span indent;
};

struct matcher {
    struct patch_source source;
    uint64_t *work_left;
    size_t cursor;
    struct buffer *out;
    struct error *err;
};

/* The lines of one chunk that the file must have. */
struct block {
    const struct patch_chunk *chunk;
    struct span *lines;
    size_t *indexes; /* of each in the chunk */
    size_t count;
};

static void block_free(struct block *block)
{
    mem_free(&block->lines);
    mem_free(&block->indexes);
}

/* ---- searching --------------------------------------------------------- */

/* A byte order mark that the model copied along is no part of the line. */
static struct span text_of(const struct matcher *matcher,
                           const struct patch_line *line)
{
    struct span text = {line->text, line->length};

    return matcher->source.mark.length ? patch_unmarked(text) : text;
}

static void spend(struct matcher *matcher, uint64_t amount)
{
    *matcher->work_left -=
        amount < *matcher->work_left ? amount : *matcher->work_left;
}

static bool stands_at(struct matcher *matcher, const struct block *block,
                      size_t start, enum patch_degree degree)
{
    for (size_t i = 0; i < block->count; i++) {
        struct span line = patch_source_line(&matcher->source, start + i);

        /* Lines of different length are told apart at once. */
        spend(matcher,
              degree == PATCH_EXACT && line.length != block->lines[i].length
                  ? 1
                  : 1 + (line.length + block->lines[i].length) /
                            BYTES_PER_WORK);
        if (!patch_lines_equal(line, block->lines[i], degree))
            return false;
    }
    return true;
}

/* The line of the file where the block stands, or NOWHERE. */
static size_t find(struct matcher *matcher, const struct block *block,
                   bool at_end, enum patch_degree *degree)
{
    size_t last;

    if (block->count > matcher->source.count)
        return NOWHERE;
    last = matcher->source.count - block->count;
    for (int pass = 0; pass < PATCH_DEGREES; pass++) {
        size_t start =
            at_end && last > matcher->cursor ? last : matcher->cursor;

        for (; start <= last && *matcher->work_left; start++) {
            if (stands_at(matcher, block, start, (enum patch_degree)pass)) {
                *degree = (enum patch_degree)pass;
                return start;
            }
        }
    }
    return NOWHERE;
}

static int not_found(struct matcher *matcher, const struct block *block,
                     bool anchor, size_t number)
{
    struct patch_wanted wanted = {
        .source = &matcher->source,
        .lines = block->lines,
        .count = block->count,
        .cursor = matcher->cursor,
        .at_end = block->chunk->at_end && !anchor,
        .anchor = anchor,
        .number = number,
    };

    if (!*matcher->work_left)
        return error_set(matcher->err, ERROR_REPOSITORY,
                         "line %zu of the patch: the search for its place "
                         "takes too long; use fewer and more specific chunks",
                         number);
    return patch_explain(&wanted, matcher->err);
}

/* Moves the cursor behind the lines that "@@" names. */
static int follow_anchors(struct matcher *matcher,
                          const struct patch_chunk *chunk, bool *anchored)
{
    enum patch_degree degree;

    for (size_t i = 0; i < chunk->anchor_count; i++) {
        struct span line = text_of(matcher, &chunk->anchors[i]);
        struct block block = {.chunk = chunk, .lines = &line, .count = 1};
        size_t found;

        if (!line.length)
            continue;
        found = find(matcher, &block, false, &degree);
        if (found == NOWHERE)
            return not_found(matcher, &block, true, chunk->number + i);
        matcher->cursor = found + 1;
        *anchored = true;
    }
    return 0;
}

/* ---- the place of a chunk ---------------------------------------------- */

static void block_of(const struct matcher *matcher,
                     const struct patch_chunk *chunk, struct block *block)
{
    block->chunk = chunk;
    block->lines = mem_array(chunk->line_count, sizeof(*block->lines));
    block->indexes = mem_array(chunk->line_count, sizeof(*block->indexes));
    for (size_t i = 0; i < chunk->line_count; i++) {
        if (chunk->lines[i].kind == '+')
            continue;
        block->lines[block->count] = text_of(matcher, &chunk->lines[i]);
        block->indexes[block->count++] = i;
    }
}

/* Leaves out the empty line at the end of the block, and the empty one at the
 * end of what replaces it. */
static void drop_last(struct block *block, struct place *place)
{
    const struct patch_chunk *chunk = block->chunk;
    size_t last = chunk->line_count;

    place->dropped_old = block->indexes[--block->count];
    while (last && chunk->lines[last - 1].kind == '-')
        last--;
    if (last && !chunk->lines[last - 1].length)
        place->dropped_new = last - 1;
}

/* What the file's indentation has more than the patch's, or less. */
static enum shift shift_between(struct span file, struct span patch,
                                struct span *by)
{
    struct span deep = file.length > patch.length ? file : patch;
    struct span shallow = file.length > patch.length ? patch : file;
    size_t more = deep.length - shallow.length;

    if (shallow.length &&
        memcmp(deep.data + more, shallow.data, shallow.length))
        return SHIFT_NONE;
    *by = (struct span){deep.data, more};
    return file.length > patch.length ? SHIFT_DEEPER : SHIFT_SHALLOWER;
}

static bool can_shift(const struct matcher *matcher,
                      const struct patch_chunk *chunk,
                      const struct place *place)
{
    if (place->shift != SHIFT_SHALLOWER)
        return true;
    for (size_t i = 0; i < chunk->line_count; i++) {
        struct span line = text_of(matcher, &chunk->lines[i]);

        if (chunk->lines[i].kind == '+' && patch_trim(line).length &&
            (line.length < place->indent.length ||
             memcmp(line.data, place->indent.data, place->indent.length)))
            return false;
    }
    return true;
}

/* The shift that all lines of the block agree on; none otherwise. */
static void find_shift(const struct matcher *matcher, const struct block *block,
                       struct place *place)
{
    enum shift common = SHIFT_NONE;
    struct span indent = {NULL, 0};

    for (size_t i = 0; i < block->count; i++) {
        struct span file =
            patch_source_line(&matcher->source, place->start + i);
        struct span by;
        enum shift shift;

        if (!patch_trim(block->lines[i]).length)
            continue;
        shift = shift_between(patch_indent(file), patch_indent(block->lines[i]),
                              &by);
        if (shift == SHIFT_NONE)
            return;
        if (common == SHIFT_NONE) {
            common = shift;
            indent = by;
        }
        if (shift != common || !span_equal(by, indent))
            return;
    }
    place->indent = indent;
    place->shift = common;
    if (!indent.length || !can_shift(matcher, block->chunk, place))
        place->shift = SHIFT_NONE;
}

static int place_block(struct matcher *matcher, struct block *block,
                       struct place *place)
{
    const struct patch_chunk *chunk = block->chunk;
    enum patch_degree degree = PATCH_EXACT;
    size_t count = block->count;

    place->start = find(matcher, block, chunk->at_end, &degree);
    if (place->start == NOWHERE && count > 1 &&
        !block->lines[count - 1].length) {
        drop_last(block, place);
        place->start = find(matcher, block, chunk->at_end, &degree);
    }
    if (place->start == NOWHERE) {
        block->count = count;
        return not_found(matcher, block, false,
                         chunk->number + chunk->anchor_count);
    }
    matcher->cursor = place->start + block->count;
    if (degree >= PATCH_TRIMMED)
        find_shift(matcher, block, place);
    return 0;
}

static int place_chunk(struct matcher *matcher, const struct patch_chunk *chunk,
                       struct place *place)
{
    CLEANUP(block_free) struct block block = {0};
    bool anchored = false;

    *place = (struct place){NOWHERE, NOWHERE, NOWHERE, SHIFT_NONE, {NULL, 0}};
    if (follow_anchors(matcher, chunk, &anchored))
        return -1;
    block_of(matcher, chunk, &block);
    if (block.count)
        return place_block(matcher, &block, place);
    if (anchored && !chunk->at_end)
        place->start = matcher->cursor;
    return 0;
}

/* ---- writing ----------------------------------------------------------- */

/* What line `index` of the chunk means at that place: ' ', '-', '+', or 0
 * for nothing. */
static char effect(const struct patch_chunk *chunk, const struct place *place,
                   size_t index)
{
    char kind = chunk->lines[index].kind;

    if (index == place->dropped_new && kind == '+')
        return 0;
    if (index != place->dropped_old)
        return kind;
    return kind == ' ' && index != place->dropped_new ? '+' : 0;
}

/* Copies line `index` of the file, with a line end in any case. */
static void keep_line(struct matcher *matcher, size_t index)
{
    struct span line = patch_source_whole(&matcher->source, index);

    buffer_add_span(matcher->out, line);
    if (line.data[line.length - 1] != '\n')
        buffer_add_span(matcher->out,
                        patch_source_eol(&matcher->source, index));
}

static void add_line(struct matcher *matcher, const struct place *place,
                     struct span text, struct span eol)
{
    if (place->shift != SHIFT_NONE && patch_trim(text).length) {
        if (place->shift == SHIFT_DEEPER) {
            buffer_add_span(matcher->out, place->indent);
        } else {
            text.data += place->indent.length;
            text.length -= place->indent.length;
        }
    }
    buffer_add_span(matcher->out, text);
    buffer_add_span(matcher->out, eol);
}

/* Writes the removed and added lines from `from` on that stand together; the
 * first added line ends as the first removed one, and so on. Returns the
 * index behind them. */
static size_t write_run(struct matcher *matcher,
                        const struct patch_chunk *chunk,
                        const struct place *place, size_t from)
{
    size_t first = matcher->cursor;
    size_t removed = 0;
    size_t added = 0;
    size_t end = from;

    for (; end < chunk->line_count && effect(chunk, place, end) != ' '; end++)
        removed += effect(chunk, place, end) == '-';
    for (size_t i = from; i < end; i++) {
        size_t beside = first ? first - 1 : 0;

        if (effect(chunk, place, i) != '+')
            continue;
        if (removed)
            beside = first + (added < removed ? added : removed - 1);
        added++;
        add_line(matcher, place, text_of(matcher, &chunk->lines[i]),
                 patch_source_eol(&matcher->source, beside));
    }
    matcher->cursor += removed;
    return end;
}

static void write_chunk(struct matcher *matcher,
                        const struct patch_chunk *chunk,
                        const struct place *place)
{
    size_t i = 0;

    while (matcher->cursor < place->start &&
           matcher->cursor < matcher->source.count)
        keep_line(matcher, matcher->cursor++);
    while (i < chunk->line_count) {
        if (effect(chunk, place, i) == ' ') {
            keep_line(matcher, matcher->cursor++);
            i++;
        } else {
            i = write_run(matcher, chunk, place, i);
        }
    }
}

/* Placed chunks come in the order of the file; those for its end follow. */
static int write_all(struct matcher *matcher,
                     const struct patch_operation *operation,
                     const struct place *places)
{
    size_t dropped = matcher->out->dropped;

    matcher->cursor = 0;
    buffer_add_span(matcher->out, matcher->source.mark);
    for (size_t i = 0; i < operation->chunk_count; i++) {
        if (places[i].start != NOWHERE)
            write_chunk(matcher, &operation->chunks[i], &places[i]);
    }
    while (matcher->cursor < matcher->source.count)
        keep_line(matcher, matcher->cursor++);
    for (size_t i = 0; i < operation->chunk_count; i++) {
        if (places[i].start == NOWHERE)
            write_chunk(matcher, &operation->chunks[i], &places[i]);
    }
    if (matcher->out->dropped != dropped)
        return error_set(matcher->err, ERROR_REPOSITORY,
                         "the result is larger than %zu bytes",
                         matcher->out->maximum);
    return 0;
}

static void matcher_free(struct matcher *matcher)
{
    patch_source_free(&matcher->source);
}

int patch_match(struct span old, const struct patch_operation *operation,
                uint64_t *work_left, struct buffer *out, struct error *err)
{
    CLEANUP(matcher_free)
    struct matcher matcher = {.work_left = work_left, .out = out, .err = err};
    CLEANUP(mem_free)
    struct place *places = mem_array(operation->chunk_count, sizeof(*places));

    patch_source_init(&matcher.source, old);
    for (size_t i = 0; i < operation->chunk_count; i++) {
        if (place_chunk(&matcher, &operation->chunks[i], &places[i]))
            return -1;
    }
    return write_all(&matcher, operation, places);
}
