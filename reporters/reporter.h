/* Reporters: the outcome of a run in the formats that people and CI systems
 * read.
 *
 *     const struct reporter *junit = reporter_find("junit");
 *     if (junit->write(&outcome, &options, &out, &err)) ...
 *
 * Pure functions: no file is opened and no clock is read, so that the same
 * journal gives the same bytes at any time. Nothing in an outcome is trusted;
 * each format makes it safe in its own way. The caller writes the bytes down
 * (file_replace) and chooses the buffer's maximum. */
#ifndef NIGHTJAR_REPORTERS_REPORTER_H
#define NIGHTJAR_REPORTERS_REPORTER_H

#include "base/buffer.h"
#include "base/error.h"
#include "tasks/outcome.h"

#define REPORT_COLUMNS 100 /* when options say 0 */

struct report_options { /* for people; the other formats ignore them */
    bool color;         /* terminal escapes for colour */
    size_t columns;     /* of the terminal; 0: REPORT_COLUMNS */
};

struct reporter {
    const char *name;        /* on the command line */
    const char *file;        /* default, in reports/ of a run directory */
    const char *description; /* one line for --help */
    /* Adds the report to `out`. Errors: ERROR_IO when it does not fit; what
     * was added then is no report. */
    int (*write)(const struct run_outcome *outcome,
                 const struct report_options *options, struct buffer *out,
                 struct error *err);
};

/* NULL for an unknown name. */
const struct reporter *reporter_find(const char *name);

/* The reporters in the order of --help; NULL behind the last. */
const struct reporter *reporter_at(size_t index);

/* Ends a write function: 0, or the error for a full buffer. */
int report_done(bool full, const char *name, const struct buffer *out,
                struct error *err);

/* The three formats. */
int report_json(const struct run_outcome *outcome,
                const struct report_options *options, struct buffer *out,
                struct error *err);
int report_junit(const struct run_outcome *outcome,
                 const struct report_options *options, struct buffer *out,
                 struct error *err);
int report_table(const struct run_outcome *outcome,
                 const struct report_options *options, struct buffer *out,
                 struct error *err);

#endif
