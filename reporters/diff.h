/* Patches, read for reports: which files they change and where.
 *
 *     struct diff diff = diff_read(buffer_span(&text));
 *     for (size_t i = 0; i < diff.count; i++) ... diff.files[i].path ...
 *     diff_free(&diff);
 *
 * Text that is no patch gives no files; nothing in it is trusted. Format: the
 * extended form of `git diff`, documented in git-diff-format. */
#ifndef NIGHTJAR_REPORTERS_DIFF_H
#define NIGHTJAR_REPORTERS_DIFF_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"

#define DIFF_FILES_MAX 100000
#define DIFF_LINE_MAX 100000000 /* places behind it are left out */

struct diff_file {
    const char *path;   /* after the change; unquoted, "" if it has none */
    int64_t first_line; /* changed, in the new file, from 1; 0: none */
    int64_t last_line;  /* of the first block of changed lines */
    int64_t insertions;
    int64_t deletions;
    bool binary;
    bool removed;
};

struct diff {
    struct arena arena;
    struct diff_file *files;
    size_t count;
};

struct diff diff_read(struct span text);
void diff_free(struct diff *diff);

/* The file of that path; NULL if there is none. */
const struct diff_file *diff_find(const struct diff *diff, const char *path);

#endif
