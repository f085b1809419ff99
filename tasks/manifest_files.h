/* The files that a manifest names: each is read once, however many tasks name
 * it. */
#ifndef NIGHTJAR_TASKS_MANIFEST_FILES_H
#define NIGHTJAR_TASKS_MANIFEST_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

struct named_file {
    const char *path;
    const char *text;       /* NULL: it cannot be used */
    const char *fault;      /* why; else NULL */
    const char *json_fault; /* why it is no JSON object; else NULL */
    bool json_checked;
};

/* Zeroed at first. */
struct named_files {
    void *tree;   /* of <search.h> */
    size_t bytes; /* of all texts */
};

/* The file at `path`, from `directory` if it is relative. Its text is UTF-8
 * of at most MANIFEST_TEXT_MAX bytes without control characters and without a
 * byte order mark, with '\n' at the ends of lines. Never NULL; the arena holds
 * it. Faults name no path: "no such file", so that they read the same on every
 * machine. */
struct named_file *named_file_read(struct named_files *files,
                                   struct arena *arena, const char *directory,
                                   const char *path);

/* Checks once whether the text is a JSON object; sets json_fault. */
void named_file_check_json(struct named_file *file, struct arena *arena);

/* `path` from `directory`, unless it is absolute; without "." and doubled
 * slashes. In the arena. */
char *path_join(struct arena *arena, const char *directory, const char *path);

/* The folder at or above an absolute one that holds .git; "" if there is
 * none. In the arena, or constant. */
const char *work_tree_of(struct arena *arena, const char *directory);

void named_files_free(struct named_files *files);

#endif
