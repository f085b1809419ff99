/* The run directory: journal, what tasks leave, reports. Only the supervisor
 * writes to it.
 *
 * The journal is appended to, and synced by whoever must not lose what is in
 * it; every other file is written beside, synced and renamed. */
#ifndef NIGHTJAR_RUNNER_RUN_DIRECTORY_H
#define NIGHTJAR_RUNNER_RUN_DIRECTORY_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/error.h"

struct link_progress;

#define JOURNAL_BYTES_MAX ((size_t)4 << 30)

struct run_directory {
    char *path;   /* as it is shown to people */
    char *run_id; /* "20261121T003000Z-1a2b3c" */
    int fd;
    int journal;
    struct link_progress *progress; /* of the journal; NULL: nobody asks */
};

/* Creates it: `out`, or .nightjar/runs/<run id> here when NULL. A folder that
 * holds a run already is refused (ERROR_USAGE). */
int run_directory_create(struct run_directory *directory, const char *out,
                         struct error *err);
/* Opens one that is there, to go on with it. A torn last line of its journal
 * is cut off. Errors: ERROR_USAGE when there is none, or while a run is at
 * work in it. */
int run_directory_open(struct run_directory *directory, const char *path,
                       struct error *err);

/* Cuts off what stands behind the last newline of an open file. */
int run_directory_cut_torn(int file, struct error *err);
void run_directory_close(struct run_directory *directory);

/* Appends one line, newline included. */
int run_directory_append(struct run_directory *directory, struct span line,
                         struct error *err);

/* Brings what was appended to the disk. Workers do so themselves for what they
 * must not lose (link.h). */
int run_directory_sync(struct run_directory *directory, struct error *err);

/* The folder of a task, made when it is not there; the caller closes the
 * descriptor. */
int run_directory_task(const struct run_directory *directory, const char *task,
                       struct error *err);

/* Writes a whole file, "run.json" or "reports/junit.xml". */
int run_directory_write(const struct run_directory *directory, const char *name,
                        struct span content, struct error *err);

/* Whether a run is at work in it: it holds the journal's lock. */
bool run_directory_is_at_work(const char *path);

/* Adds the journal of any run directory. */
int run_directory_read_journal(const char *path, struct buffer *out,
                               struct error *err);

#endif
