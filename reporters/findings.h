/* What a run found at places of files, in one list for every report that has
 * places: SARIF, code quality, annotations.
 *
 *     struct findings findings = findings_of(&outcome, &options);
 *     ...
 *     findings_free(&findings);
 *
 * Three sources: what the policy did not allow in a patch, what it only
 * reports, and the `findings` that a task returns in its output.json: an array
 * of objects with `message` and, optionally, `path` (or `file`), `line`,
 * `end_line`, `rule` (or `id`) and `severity` (or `level`): info, note, low;
 * warning, minor, medium; error, major, high, critical, blocker. */
#ifndef NIGHTJAR_REPORTERS_FINDINGS_H
#define NIGHTJAR_REPORTERS_FINDINGS_H

#include "base/arena.h"
#include "reporters/reporter.h"

#define FINDINGS_MAX 25000 /* of a run: as many as readers of SARIF take */
#define FINDINGS_OUTPUT_MAX ((size_t)4 << 20) /* of one output.json */

enum finding_level { FINDING_NOTE, FINDING_WARNING, FINDING_ERROR };

struct finding {
    const struct outcome_task *task;
    const char *path;    /* relative, without ".." ; "" if it has no place */
    int64_t line;        /* from 1; 0: none */
    int64_t end_line;    /* 0 or at least line */
    const char *rule;    /* "policy/protected", "output/unused" */
    const char *message; /* one or more lines, not empty; untrusted */
    enum finding_level level;
};

struct findings {
    struct arena arena;
    struct finding *items; /* in the order of the tasks */
    size_t count;
    size_t dropped; /* over FINDINGS_MAX */
};

struct findings findings_of(const struct run_outcome *outcome,
                            const struct report_options *options);
void findings_free(struct findings *findings);

/* The path if it may be shown as one of a repository, else "". */
const char *finding_path(const char *path);

/* Whether files of the task's repository may be pointed at. */
bool finding_has_place(const struct report_options *options,
                       const struct outcome_task *task);

/* A name for the finding that stays the same from run to run: 32 hexadecimal
 * digits of its repository, path, rule and message, and of `twin`, how many of
 * the same stood before it. */
void finding_fingerprint(const struct finding *finding, size_t twin,
                         char out[static 33]);

/* For each finding how many of the same stand before it; owned by the
 * caller. */
size_t *findings_twins(const struct findings *findings);

#endif
