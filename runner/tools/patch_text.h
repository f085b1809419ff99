/* Lines: how a file is cut into them, how two of them compare, how one is
 * shown in a message.
 *
 * A line ends with LF or CR LF; its span leaves the line end out. Bytes that
 * are no UTF-8 are ordinary: they equal only themselves. */
#ifndef NIGHTJAR_RUNNER_TOOLS_PATCH_TEXT_H
#define NIGHTJAR_RUNNER_TOOLS_PATCH_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

/* How much two lines may differ, from strict to lenient. */
enum patch_degree {
    PATCH_EXACT,
    PATCH_TRAILING, /* white space at the end is ignored */
    PATCH_TRIMMED,  /* white space at both ends is ignored */
    PATCH_FOLDED,   /* and typographic dashes, quotes, blanks are plain ones */
    PATCH_DEGREES
};

/* The line index of a file of less than 4 GiB. */
struct patch_source {
    struct span bytes; /* without the byte order mark */
    struct span mark;  /* the UTF-8 byte order mark, or empty */
    uint32_t *starts;  /* count + 1 offsets into bytes */
    size_t count;
};

/* Indexes bytes, which must outlive *source. */
void patch_source_init(struct patch_source *source, struct span bytes);
void patch_source_free(struct patch_source *source);

/* Line `index` (from 0) without, and all its bytes with, its line end. */
struct span patch_source_line(const struct patch_source *source, size_t index);
struct span patch_source_whole(const struct patch_source *source, size_t index);

/* The line end that a new line beside line `index` should have: that line's
 * own; where the last line has none, that of the line before it; LF in a file
 * without any. `index` may be any number. */
struct span patch_source_eol(const struct patch_source *source, size_t index);

bool patch_lines_equal(struct span a, struct span b, enum patch_degree degree);

/* Without Unicode white space at both ends. */
struct span patch_trim(struct span line);

/* The blanks and tabs at the start of a line. */
struct span patch_indent(struct span line);

/* Without a byte order mark at the start. */
struct span patch_unmarked(struct span line);

bool patch_starts_with(struct span line, const char *prefix);

/* At most about `maximum` bytes of the text as valid UTF-8 without NUL, with
 * "…" where it was cut. Owned by the caller. */
char *patch_quote(struct span text, size_t maximum);

#endif
