/* Finding the place of each chunk in a file and making the new content.
 * Pure: bytes in, bytes or an error out.
 *
 * A cursor walks through the file, forward only. For each chunk:
 *   1. each "@@ text" is looked for as a whole line at or behind the cursor,
 *      which then stands behind that line;
 *   2. the chunk's context and removed lines are looked for as one block at or
 *      behind the cursor, which then stands behind the block. The first place
 *      counts. With "*** End of File" the block must end the file.
 * The file is searched four times, each time more lenient (patch_text.h). If
 * the block ends with an empty line and is not found, it is tried without it.
 *
 * A chunk that only adds is inserted at the cursor if it has an "@@ text", and
 * put at the end of the file otherwise.
 *
 * What is kept: context lines byte for byte, whatever way they matched; the
 * line ends, a mixed file stays mixed (a new line ends as the line that it
 * replaces or, where it replaces none, as the one before it); a byte order
 * mark; bytes that are no UTF-8. A last line without line end gets one.
 *
 * If the block matched only without its indentation, the added lines are
 * indented like the file: by the difference between patch and file, where all
 * lines of the chunk have the same one; otherwise as they stand. */
#ifndef NIGHTJAR_RUNNER_TOOLS_PATCH_MATCH_H
#define NIGHTJAR_RUNNER_TOOLS_PATCH_MATCH_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "runner/tools/patch_parse.h"

/* What one patch may cost: one for each comparison of two lines and for each
 * eight bytes of them; a few seconds at most. No honest patch comes near. */
#define PATCH_WORK_MAX ((uint64_t)200000000)

/* Adds to `out` the content `old` (at most UINT32_MAX bytes) with the chunks
 * of an update carried out. *work_left starts as PATCH_WORK_MAX and is
 * shared by all calls for one patch. On failure `out` may hold a part.
 *
 * Errors (ERROR_REPOSITORY) are for the model: which lines were not found,
 * what the closest place in the file is and how it differs; also: the result
 * does not fit `out`, the work is used up. They do not name the file. */
int patch_match(struct span old, const struct patch_operation *operation,
                uint64_t *work_left, struct buffer *out, struct error *err);

#endif
