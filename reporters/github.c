/* Workflow commands: annotations for GitHub's runner.
 *
 * GitHub shows 10 errors, 10 warnings and 10 notices of a step, so the most
 * important come first and the last says how many more there are: what the
 * policy refused, then failed checks, then errors of the world, then findings,
 * then what passed tasks changed. Places are given for the repository that the
 * options name, whose checkout the workflow has.
 *
 * Format: "::error file=F,line=N,endLine=N,title=T::message" with %, CR and LF
 * escaped, in properties also ":" and ","; GitHub's documentation of workflow
 * commands. All text is cleaned before, so nothing else on a line is obeyed. */
#include <inttypes.h>

#include "base/memory.h"
#include "reporters/clean.h"
#include "reporters/diff.h"
#include "reporters/findings.h"

#define SHOWN_MAX 10 /* of each kind */
#define TITLE_MAX 200
#define MESSAGE_MAX 2000
#define PATCH_BYTES_MAX ((size_t)64 << 20)

struct github {
    struct buffer *out;
    const struct report_options *options;
    size_t counts[FINDING_ERROR + 1];
    bool full;
};

static const char *const commands[] = {[FINDING_NOTE] = "notice",
                                       [FINDING_WARNING] = "warning",
                                       [FINDING_ERROR] = "error"};

struct place {
    const char *path; /* "" or NULL: none */
    int64_t line;
    int64_t end_line;
};

static void put(struct github *github, const char *text)
{
    github->full = buffer_add_string(github->out, text) || github->full;
}

static void put_escaped(struct github *github, const char *text, bool property)
{
    for (; *text; text++) {
        char piece[] = {*text, '\0'};

        if (*text == '%' || *text == '\r' || *text == '\n' ||
            (property && strchr(":,", *text)))
            github->full =
                buffer_addf(github->out, "%%%02X", (unsigned char)*text) ||
                github->full;
        else
            put(github, piece);
    }
}

/* One annotation, unless there are as many of its kind as are shown. */
static void annotate(struct github *github, enum finding_level level,
                     struct place place, const char *title, const char *message)
{
    CLEANUP(mem_free) char *shown_title = NULL;
    CLEANUP(mem_free) char *shown = NULL;

    if (github->counts[level]++ >= SHOWN_MAX)
        return;
    shown_title = clean_line(title, TITLE_MAX);
    shown = clean_text(message, MESSAGE_MAX);
    put(github, "::");
    put(github, commands[level]);
    put(github, " ");
    if (place.path && *place.path) {
        CLEANUP(mem_free) char *path = clean_line(place.path, TITLE_MAX);

        put(github, "file=");
        put_escaped(github, path, true);
        if (place.line)
            github->full =
                buffer_addf(github->out, ",line=%" PRId64 ",endLine=%" PRId64,
                            place.line,
                            place.end_line ? place.end_line : place.line) ||
                github->full;
        put(github, ",");
    }
    put(github, "title=");
    put_escaped(github, shown_title, true);
    put(github, "::");
    put_escaped(github, *shown ? shown : "no message", false);
    put(github, "\n");
}

static struct place place_of(const struct finding *finding,
                             const struct report_options *options)
{
    if (!finding_has_place(options, finding->task))
        return (struct place){0};
    return (struct place){finding->path, finding->line, finding->end_line};
}

static void annotate_findings(struct github *github,
                              const struct findings *findings, bool policy)
{
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->items[i];
        bool is_policy = !strncmp(finding->rule, "policy/", 7);
        CLEANUP(mem_free)
        char *title = mem_format("%s: %s", finding->task->id, finding->rule);

        if (is_policy == policy)
            annotate(github, finding->level, place_of(finding, github->options),
                     title, finding->message);
    }
}

/* The first block of changed lines. */
static struct place changed_place(struct github *github,
                                  const struct outcome_task *task,
                                  struct diff *diff)
{
    CLEANUP(buffer_free) struct buffer text = {0};

    buffer_init(&text, PATCH_BYTES_MAX);
    *diff = (struct diff){0};
    if (!task->patch || !finding_has_place(github->options, task) ||
        report_read(github->options, task, "patch.diff", &text))
        return (struct place){0};
    *diff = diff_read(buffer_span(&text));
    for (size_t i = 0; i < diff->count; i++) {
        if (diff->files[i].first_line && !diff->files[i].removed)
            return (struct place){finding_path(diff->files[i].path),
                                  diff->files[i].first_line,
                                  diff->files[i].last_line};
    }
    return (struct place){0};
}

static const struct outcome_step *failed_step(const struct outcome_task *task)
{
    const struct outcome_attempt *attempt =
        task->attempt_count ? &task->attempts[task->attempt_count - 1] : NULL;

    for (size_t i = attempt ? attempt->step_count : 0; i; i--) {
        if (attempt->steps[i - 1].result != RESULT_PASSED &&
            attempt->steps[i - 1].phase == PHASE_VERIFY)
            return &attempt->steps[i - 1];
    }
    return NULL;
}

static void annotate_task(struct github *github,
                          const struct outcome_task *task)
{
    static const enum finding_level levels[VERDICTS] = {
        [VERDICT_PASSED] = FINDING_NOTE,
        [VERDICT_FAILED] = FINDING_ERROR,
        [VERDICT_ERROR] = FINDING_ERROR,
        [VERDICT_SKIPPED] = FINDING_WARNING,
        [VERDICT_UNFINISHED] = FINDING_ERROR};
    const struct outcome_step *step =
        task->verdict == VERDICT_FAILED ? failed_step(task) : NULL;
    enum finding_level level = levels[task->verdict];
    struct diff diff = {0};
    struct place place = {0};
    CLEANUP(mem_free)
    char *title = mem_format("%s: %s (%s)", task->id,
                             verdict_name(task->verdict), task->reason);
    CLEANUP(mem_free)
    char *message =
        task->verdict == VERDICT_PASSED
            ? mem_format("changed: %" PRId64 " lines added, %" PRId64
                         " removed, in all files: %" PRId64,
                         task->patch->insertions, task->patch->deletions,
                         task->patch->files)
            : mem_format("%s%s%s", task->message, step ? "\n\n" : "",
                         step ? step->output : "");

    if (github->counts[level] < SHOWN_MAX)
        place = changed_place(github, task, &diff);
    annotate(github, level, place, title, message);
    diff_free(&diff);
}

static bool is_refused(const struct outcome_task *task)
{
    return task->patch && task->patch->violations.count;
}

static void annotate_tasks(struct github *github,
                           const struct run_outcome *outcome,
                           enum verdict verdict)
{
    for (size_t i = 0; i < outcome->task_count; i++) {
        const struct outcome_task *task = outcome->tasks[i];

        /* What the policy refused was told by its rules; a task that changed
         * nothing has no lines to show. */
        if (task->verdict == verdict && !is_refused(task) &&
            (verdict != VERDICT_PASSED || (task->patch && task->patch->files)))
            annotate_task(github, task);
    }
}

static void put_rest(struct github *github)
{
    for (int level = FINDING_ERROR; level >= FINDING_NOTE; level--) {
        if (github->counts[level] > SHOWN_MAX)
            github->full =
                buffer_addf(github->out,
                            "nightjar: and %zu more of the kind '%s'; the "
                            "summary has all\n",
                            github->counts[level] - SHOWN_MAX,
                            commands[level]) ||
                github->full;
    }
}

int report_github(const struct run_outcome *outcome,
                  const struct report_options *options, struct buffer *out,
                  struct error *err)
{
    struct github github = {.out = out, .options = options};
    struct findings findings = findings_of(outcome, options);

    annotate_findings(&github, &findings, true);
    annotate_tasks(&github, outcome, VERDICT_FAILED);
    annotate_tasks(&github, outcome, VERDICT_ERROR);
    annotate_tasks(&github, outcome, VERDICT_UNFINISHED);
    annotate_findings(&github, &findings, false);
    annotate_tasks(&github, outcome, VERDICT_SKIPPED);
    annotate_tasks(&github, outcome, VERDICT_PASSED);
    put_rest(&github);
    findings_free(&findings);
    return report_done(github.full, "github", out, err);
}
