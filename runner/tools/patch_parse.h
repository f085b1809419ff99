/* The text of an apply_patch call, read into a list of file operations.
 *
 *     struct patch patch;
 *     if (patch_parse(text, &patch, err))
 *         return -1;               // nothing to free
 *     ...                          // patch.operations[0 .. patch.count - 1]
 *     patch_free(&patch);
 *
 * The format, line by line:
 *
 *     patch    = "*** Begin Patch", section…, "*** End Patch"
 *     section  = "*** Add File: PATH", ("+" text)…
 *              | "*** Delete File: PATH"
 *              | "*** Update File: PATH", ["*** Move to: PATH"], chunk…
 *     chunk    = ("@@" [" " text])…, ((" " | "-" | "+") text)…,
 *                ["*** End of File"]
 *
 * There are no line numbers: patch_match.h tells how a chunk finds its place.
 * The first chunk of a section may lack its "@@"; several "@@" lines narrow
 * the place one after the other. An empty line in a chunk is an empty context
 * line.
 *
 * Models write this by heart, so more is accepted: blanks around markers and
 * headers, empty lines around the patch and between sections (not inside an
 * added file, where they may be content), a shell here-document around the
 * patch (<<EOF, <<'EOF', <<"EOF"), CR LF line ends, a line
 * "*** Environment ID: x" behind the first, and line numbers in the style of
 * unified diffs ("@@ -1,2 +1,2 @@"), which count as a bare "@@".
 *
 * Nothing here looks at a file or decides whether a path is allowed. */
#ifndef NIGHTJAR_RUNNER_TOOLS_PATCH_PARSE_H
#define NIGHTJAR_RUNNER_TOOLS_PATCH_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"

#define PATCH_TEXT_MAX ((size_t)8 << 20) /* bytes of one patch */
#define PATCH_LINES_MAX 1000000
#define PATCH_FILES_MAX 1000
#define PATCH_CHUNKS_MAX 10000

enum patch_action { PATCH_ADD, PATCH_UPDATE, PATCH_DELETE };

/* A line without its first character and its line end. Any bytes. */
struct patch_line {
    const char *text;
    uint32_t length;
    char kind; /* ' ' context, '-' removed, '+' added, '@' position */
};

struct patch_chunk {
    /* What stands behind each "@@"; length 0 for a bare one. */
    const struct patch_line *anchors;
    size_t anchor_count;
    const struct patch_line *lines; /* at least one */
    size_t line_count;
    bool at_end;   /* "*** End of File" */
    size_t number; /* line of the patch text where it starts, from 1 */
};

struct patch_operation {
    enum patch_action action;
    const char *path;    /* as written, never empty */
    const char *move_to; /* as written; NULL unless an update that moves */
    const struct patch_line *lines; /* PATCH_ADD: the content, maybe none */
    size_t line_count;
    const struct patch_chunk *chunks; /* PATCH_UPDATE: at least one */
    size_t chunk_count;
    size_t number; /* line of the patch text, from 1 */
};

/* At least one operation, in the order of the text. */
struct patch {
    struct patch_operation *operations;
    size_t count;
    struct arena arena; /* holds all of it, a copy of the text included */
};

/* Reads a patch; `text` is not needed afterwards. On failure *patch needs no
 * release. Errors (ERROR_PROTOCOL) name the line and what was expected there;
 * a patch inside JSON or a code fence is recognised as such. */
int patch_parse(struct span text, struct patch *patch, struct error *err);

/* Releases everything; accepts a zeroed one. */
void patch_free(struct patch *patch);

#endif
