/* Reports that are folders of files: patches as mail, bundles of commits. */
#ifndef NIGHTJAR_RUNNER_REPORT_FOLDERS_H
#define NIGHTJAR_RUNNER_REPORT_FOLDERS_H

#include "reporters/reporter.h"
#include "tasks/cache.h"

struct report_folder {
    const char *name; /* on the command line */
    const char *description;
    int (*write)(const struct run_outcome *outcome,
                 const struct report_options *options,
                 const struct cache *cache, int folder, struct error *err);
};

/* NULL for an unknown name. */
const struct report_folder *report_folder_find(const char *name);

/* NULL behind the last. */
const struct report_folder *report_folder_at(size_t index);

/* Whether a report can be a folder there: it is empty or not there yet.
 * Errors: ERROR_USAGE. */
int report_folder_check(const char *path, struct error *err);

/* Makes the folder `path` (relative to dirfd) and writes the report into it.
 * Errors: ERROR_USAGE when there is something in it, ERROR_IO, and those of
 * bundle_make. */
int report_folder_write(const struct report_folder *report, int dirfd,
                        const char *path, const struct run_outcome *outcome,
                        const struct report_options *options,
                        const struct cache *cache, struct error *err);

#endif
