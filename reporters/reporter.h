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

/* What a report may know besides the outcome; all zero is right for each. */
struct report_options {
    bool color;     /* terminal escapes for colour (table) */
    size_t columns; /* of the terminal; 0: REPORT_COLUMNS (table) */

    /* Adds a file of the run directory to `out`: a patch, a final message.
     * Returns -1 when it is not there or does not fit. NULL: there are no
     * files, and reports tell what the journal alone has. */
    int (*read)(void *context, const char *path, struct buffer *out);
    void *context;

    const char *directory; /* the run directory as it was named; may be NULL */
    const char *author;    /* of patches: "Name <mail>"; may be NULL */
    /* Of spans and metrics; all may be NULL. */
    const char *service;     /* service.name; default "nightjar" */
    const char *resource;    /* "KEY=VALUE,…", percent-encoded */
    const char *traceparent; /* of what started the run: W3C Trace Context */
    bool fetch;   /* repositories that the cache does not have (bundles) */
    bool content; /* also what calls and messages said */

    const char *repository; /* the only one whose files may be pointed at, for
                               readers that know no other; NULL: all */
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

/* Adds an artifact of a task by its name ("patch.diff"). Returns -1 when the
 * journal or the options have none. */
int report_read(const struct report_options *options,
                const struct outcome_task *task, const char *name,
                struct buffer *out);

/* The formats. */
int report_json(const struct run_outcome *outcome,
                const struct report_options *options, struct buffer *out,
                struct error *err);
int report_junit(const struct run_outcome *outcome,
                 const struct report_options *options, struct buffer *out,
                 struct error *err);
int report_table(const struct run_outcome *outcome,
                 const struct report_options *options, struct buffer *out,
                 struct error *err);
int report_junit_strict(const struct run_outcome *outcome,
                        const struct report_options *options,
                        struct buffer *out, struct error *err);
int report_tap(const struct run_outcome *outcome,
               const struct report_options *options, struct buffer *out,
               struct error *err);
int report_ctrf(const struct run_outcome *outcome,
                const struct report_options *options, struct buffer *out,
                struct error *err);
int report_sarif(const struct run_outcome *outcome,
                 const struct report_options *options, struct buffer *out,
                 struct error *err);
int report_codequality(const struct run_outcome *outcome,
                       const struct report_options *options, struct buffer *out,
                       struct error *err);
int report_markdown(const struct run_outcome *outcome,
                    const struct report_options *options, struct buffer *out,
                    struct error *err);
int report_github(const struct run_outcome *outcome,
                  const struct report_options *options, struct buffer *out,
                  struct error *err);
int report_html(const struct run_outcome *outcome,
                const struct report_options *options, struct buffer *out,
                struct error *err);
int report_mail(const struct run_outcome *outcome,
                const struct report_options *options, struct buffer *out,
                struct error *err);
int report_traces(const struct run_outcome *outcome,
                  const struct report_options *options, struct buffer *out,
                  struct error *err);
int report_metrics(const struct run_outcome *outcome,
                   const struct report_options *options, struct buffer *out,
                   struct error *err);

#endif
