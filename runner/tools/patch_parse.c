#include "runner/tools/patch_parse.h"

#include "base/memory.h"
#include "runner/tools/patch_text.h"

#define BEGIN "*** Begin Patch"
#define END "*** End Patch"
#define END_OF_FILE "*** End of File"
#define ENVIRONMENT "*** Environment ID:"
#define ADD "*** Add File:"
#define DELETE "*** Delete File:"
#define UPDATE "*** Update File:"
#define MOVE "*** Move to:"
#define QUOTE_MAX 120

struct parser {
    struct patch *patch;
    struct patch_line *lines; /* all lines of the text */
    size_t count;
    size_t at;
    size_t end;
    struct patch_chunk *chunks;
    size_t chunk_count;
    struct error *err;
};

/* ---- lines ------------------------------------------------------------- */

static struct span line_at(const struct parser *parser, size_t index)
{
    return (struct span){parser->lines[index].text,
                         parser->lines[index].length};
}

static struct span trimmed(const struct parser *parser, size_t index)
{
    return patch_trim(line_at(parser, index));
}

static bool is_blank(const struct parser *parser, size_t index)
{
    return !trimmed(parser, index).length;
}

static bool starts_with(const struct parser *parser, const char *prefix)
{
    return parser->at < parser->end &&
           patch_starts_with(line_at(parser, parser->at), prefix);
}

/* Whether the current line is the marker with blanks around it; *rest is what
 * stands behind it. */
static bool is_marker(const struct parser *parser, const char *marker,
                      struct span *rest)
{
    struct span line;
    size_t length = strlen(marker);

    if (parser->at >= parser->end)
        return false;
    line = trimmed(parser, parser->at);
    if (!patch_starts_with(line, marker))
        return false;
    *rest = patch_trim((struct span){line.data + length, line.length - length});
    return true;
}

/* Says what is wrong with a line: `what` and the line itself. */
static int wrong_line(struct parser *parser, size_t index, const char *what)
{
    CLEANUP(mem_free)
    char *shown = patch_quote(line_at(parser, index), QUOTE_MAX);

    return error_set(parser->err, ERROR_PROTOCOL,
                     "invalid patch, line %zu: %s; got '%s'", index + 1, what,
                     shown);
}

static int split_lines(struct parser *parser, struct span text)
{
    size_t count = 1;

    for (size_t i = 0; i < text.length; i++)
        count += text.data[i] == '\n';
    if (count > PATCH_LINES_MAX)
        return error_set(parser->err, ERROR_PROTOCOL,
                         "invalid patch: more than %d lines", PATCH_LINES_MAX);
    parser->count = count;
    parser->lines =
        arena_array(&parser->patch->arena, count, sizeof(*parser->lines));
    for (size_t i = 0, start = 0; i < count; i++) {
        const char *line = text.data + start;
        const char *newline = memchr(line, '\n', text.length - start);
        size_t length =
            newline ? (size_t)(newline - line) : text.length - start;

        start += length + 1;
        if (length && line[length - 1] == '\r')
            length--;
        parser->lines[i].text = line;
        parser->lines[i].length = (uint32_t)length;
    }
    return 0;
}

/* ---- around the patch -------------------------------------------------- */

static void skip_blank_ends(struct parser *parser)
{
    while (parser->at < parser->end && is_blank(parser, parser->at))
        parser->at++;
    while (parser->at < parser->end && is_blank(parser, parser->end - 1))
        parser->end--;
}

/* The word of "<<WORD", "<<-WORD", "<<'WORD'"; empty if it is none. */
static struct span here_document_word(struct span line)
{
    struct span word = {line.data + 2, line.length - 2};

    if (word.length && word.data[0] == '-') {
        word.data++;
        word.length--;
    }
    if (word.length > 2 && (word.data[0] == '\'' || word.data[0] == '"') &&
        word.data[word.length - 1] == word.data[0]) {
        word.data++;
        word.length -= 2;
    }
    return word;
}

static void unwrap_here_document(struct parser *parser)
{
    struct span first;
    struct span word;

    if (parser->end - parser->at < 2)
        return;
    first = trimmed(parser, parser->at);
    if (!patch_starts_with(first, "<<"))
        return;
    word = here_document_word(first);
    if (!word.length || !span_equal(word, trimmed(parser, parser->end - 1)))
        return;
    parser->at++;
    parser->end--;
    skip_blank_ends(parser);
}

static bool contains(struct span text, const char *part)
{
    return memmem(text.data, text.length, part, strlen(part)) != NULL;
}

static int wrong_first_line(struct parser *parser, struct span text)
{
    struct span first = trimmed(parser, parser->at);

    if (memchr("{[\"", first.data[0], 3) && contains(text, BEGIN))
        return error_set(parser->err, ERROR_PROTOCOL,
                         "invalid patch: it is wrapped in JSON; send the bare "
                         "text of the patch from '" BEGIN "' to '" END "'");
    if (patch_starts_with(first, "```") && contains(text, BEGIN))
        return error_set(parser->err, ERROR_PROTOCOL,
                         "invalid patch: it is wrapped in a code fence; send "
                         "the bare text from '" BEGIN "' to '" END "'");
    return wrong_line(parser, parser->at,
                      "the first line of a patch is '" BEGIN "'");
}

/* Leaves the lines between the two markers. */
static int find_markers(struct parser *parser, struct span text)
{
    struct span rest;

    parser->end = parser->count;
    skip_blank_ends(parser);
    unwrap_here_document(parser);
    if (parser->at == parser->end)
        return error_set(parser->err, ERROR_PROTOCOL,
                         "invalid patch: it is empty; its first line is "
                         "'" BEGIN "'");
    if (!span_is(trimmed(parser, parser->at), BEGIN))
        return wrong_first_line(parser, text);
    if (!span_is(trimmed(parser, parser->end - 1), END))
        return wrong_line(parser, parser->end - 1,
                          "the last line of a patch is '" END "'");
    parser->at++;
    parser->end--;
    if (is_marker(parser, ENVIRONMENT, &rest))
        parser->at++;
    return 0;
}

/* ---- chunks ------------------------------------------------------------ */

static bool skip_digits(struct span *text)
{
    size_t count = 0;

    while (count < text->length && text->data[count] >= '0' &&
           text->data[count] <= '9')
        count++;
    text->data += count;
    text->length -= count;
    return count > 0;
}

static bool skip(struct span *text, const char *word)
{
    if (!patch_starts_with(*text, word))
        return false;
    text->data += strlen(word);
    text->length -= strlen(word);
    return true;
}

static bool skip_range(struct span *text, const char *sign)
{
    return skip(text, sign) && skip_digits(text) &&
           (!skip(text, ",") || skip_digits(text));
}

/* Line numbers of a unified diff: they say nothing about this file. */
static bool is_unified_header(struct span text)
{
    return skip_range(&text, "-") && skip(&text, " ") &&
           skip_range(&text, "+") && skip(&text, " @@");
}

/* The text behind "@@": without the one blank and without blanks at its end;
 * its indentation is part of the line it names. */
static void take_anchor(struct patch_line *line)
{
    struct span text = {line->text + 2, line->length - 2};
    struct span core = patch_trim(text);

    skip(&text, " ");
    if (!core.length || is_unified_header(core))
        text.length = 0;
    else
        text.length = (size_t)(core.data + core.length - text.data);
    line->kind = '@';
    line->text = text.data;
    line->length = (uint32_t)text.length;
}

static bool take_body_line(struct patch_line *line)
{
    if (!line->length) {
        line->kind = ' ';
        return true;
    }
    if (!memchr(" +-", line->text[0], 3))
        return false;
    line->kind = line->text[0];
    line->text++;
    line->length--;
    return true;
}

/* Empty lines at the end of a chunk that only adds are spacing before the
 * next section; as context they would tie it to an empty line somewhere. */
static void take_body(struct parser *parser, struct patch_chunk *chunk)
{
    size_t start = parser->at;
    size_t written = start; /* behind the last line that is not empty */
    bool only_adds = true;

    while (parser->at < parser->end) {
        bool empty = !parser->lines[parser->at].length;

        if (!take_body_line(&parser->lines[parser->at]))
            break;
        if (!empty) {
            for (; written <= parser->at; written++)
                only_adds &= parser->lines[written].kind == '+';
        }
        parser->at++;
    }
    chunk->lines = parser->lines + start;
    chunk->line_count = (only_adds ? written : parser->at) - start;
}

static int parse_chunk(struct parser *parser)
{
    struct patch_chunk *chunk = &parser->chunks[parser->chunk_count];

    if (parser->chunk_count == PATCH_CHUNKS_MAX)
        return error_set(parser->err, ERROR_PROTOCOL,
                         "invalid patch: more than %d chunks",
                         PATCH_CHUNKS_MAX);
    parser->chunk_count++;
    chunk->number = parser->at + 1;
    chunk->anchors = parser->lines + parser->at;
    while (starts_with(parser, "@@")) {
        take_anchor(&parser->lines[parser->at++]);
        chunk->anchor_count++;
    }
    take_body(parser, chunk);
    if (!chunk->line_count && parser->at < parser->end &&
        !starts_with(parser, "***"))
        return wrong_line(parser, parser->at,
                          "a line of a chunk starts with ' ' (context), '-' "
                          "(removed) or '+' (added)");
    if (!chunk->line_count)
        return error_set(parser->err, ERROR_PROTOCOL,
                         "invalid patch, line %zu: the chunk is empty",
                         chunk->number);
    if (starts_with(parser, END_OF_FILE) &&
        span_is(trimmed(parser, parser->at), END_OF_FILE)) {
        chunk->at_end = true;
        parser->at++;
    }
    return 0;
}

/* Skips empty lines that are followed by a marker, a "@@" or the end. */
static void skip_spacing(struct parser *parser)
{
    size_t start = parser->at;

    while (parser->at < parser->end && !parser->lines[parser->at].length)
        parser->at++;
    if (parser->at < parser->end && !starts_with(parser, "@@") &&
        !starts_with(parser, "***"))
        parser->at = start;
}

static int parse_chunks(struct parser *parser,
                        struct patch_operation *operation)
{
    size_t first = parser->chunk_count;

    for (;;) {
        skip_spacing(parser);
        if (parser->at == parser->end || starts_with(parser, "***"))
            break;
        if (parser->chunk_count > first && !starts_with(parser, "@@"))
            return wrong_line(
                parser, parser->at,
                parser->chunks[parser->chunk_count - 1].at_end
                    ? "behind '" END_OF_FILE "' comes a section or '@@'"
                    : "a line of a chunk starts with ' ' (context), '-' "
                      "(removed) or '+' (added)");
        if (parse_chunk(parser))
            return -1;
    }
    operation->chunks = parser->chunks + first;
    operation->chunk_count = parser->chunk_count - first;
    if (!operation->chunk_count)
        return error_set(parser->err, ERROR_PROTOCOL,
                         "invalid patch, line %zu: the update of '%s' is "
                         "empty: it has no chunk with lines",
                         operation->number, operation->path);
    return 0;
}

/* ---- sections ---------------------------------------------------------- */

static const char *take_path(struct parser *parser, struct span path)
{
    size_t index = parser->at++;

    if (!path.length || memchr(path.data, '\0', path.length)) {
        wrong_line(parser, index,
                   path.length ? "a path has no NUL" : "the path is missing");
        return NULL;
    }
    return arena_bytes(&parser->patch->arena, path.data, path.length);
}

static int parse_added(struct parser *parser, struct patch_operation *operation)
{
    struct span rest;
    size_t start = parser->at;

    while (starts_with(parser, "+"))
        take_body_line(&parser->lines[parser->at++]);
    operation->lines = parser->lines + start;
    operation->line_count = parser->at - start;
    if (parser->at < parser->end && !is_marker(parser, "***", &rest))
        return wrong_line(parser, parser->at,
                          "each line of an added file starts with '+', an "
                          "empty one too");
    return 0;
}

static int parse_update(struct parser *parser,
                        struct patch_operation *operation)
{
    struct span path;

    if (is_marker(parser, MOVE, &path)) {
        operation->move_to = take_path(parser, path);
        if (!operation->move_to)
            return -1;
    }
    return parse_chunks(parser, operation);
}

static int parse_section(struct parser *parser,
                         struct patch_operation *operation)
{
    struct span path;

    operation->number = parser->at + 1;
    if (is_marker(parser, ADD, &path))
        operation->action = PATCH_ADD;
    else if (is_marker(parser, DELETE, &path))
        operation->action = PATCH_DELETE;
    else if (is_marker(parser, UPDATE, &path))
        operation->action = PATCH_UPDATE;
    else
        return wrong_line(parser, parser->at,
                          "no file header; expected '" ADD " PATH', '" UPDATE
                          " PATH' or '" DELETE " PATH'");
    operation->path = take_path(parser, path);
    if (!operation->path)
        return -1;
    if (operation->action == PATCH_ADD)
        return parse_added(parser, operation);
    if (operation->action == PATCH_UPDATE)
        return parse_update(parser, operation);
    return 0;
}

static int parse_sections(struct parser *parser)
{
    struct patch *patch = parser->patch;

    for (;;) {
        while (parser->at < parser->end && is_blank(parser, parser->at))
            parser->at++;
        if (parser->at == parser->end)
            break;
        if (patch->count == PATCH_FILES_MAX)
            return error_set(parser->err, ERROR_PROTOCOL,
                             "invalid patch: more than %d files",
                             PATCH_FILES_MAX);
        if (parse_section(parser, &patch->operations[patch->count]))
            return -1;
        patch->count++;
    }
    if (!patch->count)
        return error_set(parser->err, ERROR_PROTOCOL,
                         "no files were modified: the patch has no section");
    return 0;
}

int patch_parse(struct span text, struct patch *patch, struct error *err)
{
    struct parser parser = {.patch = patch, .err = err};

    *patch = (struct patch){0};
    if (text.length > PATCH_TEXT_MAX)
        return error_set(err, ERROR_PROTOCOL,
                         "invalid patch: longer than %zu bytes",
                         PATCH_TEXT_MAX);
    text.data = arena_bytes(&patch->arena, text.data, text.length);
    /* Room for all that is allowed: what is not used is never touched. */
    patch->operations =
        arena_array(&patch->arena, PATCH_FILES_MAX, sizeof(*patch->operations));
    parser.chunks =
        arena_array(&patch->arena, PATCH_CHUNKS_MAX, sizeof(*parser.chunks));
    if (split_lines(&parser, text) || find_markers(&parser, text) ||
        parse_sections(&parser)) {
        patch_free(patch);
        return -1;
    }
    return 0;
}

void patch_free(struct patch *patch)
{
    arena_free(&patch->arena);
    *patch = (struct patch){0};
}
