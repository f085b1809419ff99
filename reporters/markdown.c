/* Markdown: a summary for a job's page or a pull request.
 *
 * GitHub drops a step summary over 1 MiB whole, so the text is made again with
 * less until it fits: outputs shorter, then none, then only tasks that did not
 * pass, then fewer of those, each time told. It is never cut in the middle.
 *
 * Everything that is not ours stands in code, where nothing is obeyed: spans
 * between more backticks than it has, fenced blocks with a longer fence. So no
 * HTML, link, image, mention, issue reference, heading or quick action of a
 * forge can be made from it. Format: GitHub Flavored Markdown. */
#include <inttypes.h>

#include "base/memory.h"
#include "reporters/clean.h"
#include "reporters/figures.h"
#include "reporters/findings.h"
#include "reporters/reporter.h"

#define SUMMARY_BYTES_MAX ((size_t)1000000)
#define NAME_MAX_BYTES 200
#define MESSAGE_MAX_BYTES 300
#define NOTES_MAX 20 /* findings of a task */

/* From all that there is to the least. */
struct detail {
    size_t output_bytes; /* of a failed step */
    bool details;        /* a section for each task that did not pass */
    bool passed;         /* lines of those that did */
    size_t rows;         /* of the table */
};

static const struct detail details[] = {
    {16384, true, true, SIZE_MAX}, {2048, true, true, SIZE_MAX},
    {0, true, true, SIZE_MAX},     {0, false, true, SIZE_MAX},
    {0, false, false, SIZE_MAX},   {0, false, false, 1000},
    {0, false, false, 50},
};

struct markdown {
    struct buffer *out;
    const struct run_outcome *outcome;
    const struct detail *detail;
    bool in_table;
    bool full;
};

static const char *const marks[VERDICTS] = {
    [VERDICT_PASSED] = "✅",     [VERDICT_FAILED] = "❌",
    [VERDICT_ERROR] = "💥",      [VERDICT_SKIPPED] = "⏭️",
    [VERDICT_UNFINISHED] = "❔",
};

static void put(struct markdown *markdown, const char *text)
{
    markdown->full = buffer_add_string(markdown->out, text) || markdown->full;
}

static size_t longest_run(const char *text, char byte)
{
    size_t longest = 0;

    while (*text) {
        size_t length = 0;

        while (text[length] == byte)
            length++;
        if (length > longest)
            longest = length;
        text += length ? length : 1;
    }
    return longest;
}

static void repeat(struct markdown *markdown, const char *text, size_t times)
{
    while (times--)
        put(markdown, text);
}

/* A code span of one line. In a table a bar would end the cell, in code too; a
 * backslash in front of it is taken away again there, and only there. */
static void put_code(struct markdown *markdown, const char *text, size_t most)
{
    CLEANUP(mem_free) char *line = clean_line(text, most);
    size_t ticks = longest_run(line, '`') + 1;
    size_t length = strlen(line);
    /* One blank at each end belongs to the ticks, if both are there. */
    bool padded =
        strchr(" `", line[0]) || strchr(" `", line[length - !!length]);

    if (strspn(line, " ") == strlen(line)) {
        put(markdown, "–");
        return;
    }
    repeat(markdown, "`", ticks);
    put(markdown, padded ? " " : "");
    for (const char *at = line; *at; at++) {
        char piece[] = {*at, '\0'};

        /* "\\|" is an escaped backslash to some readers, and the bar ends the
         * cell: a blank keeps the two apart. */
        if (*at == '\\' && at[1] == '|' && markdown->in_table)
            put(markdown, "\\ ");
        else
            put(markdown, *at == '|' && markdown->in_table ? "\\|" : piece);
    }
    put(markdown, padded ? " " : "");
    repeat(markdown, "`", ticks);
}

static void put_block(struct markdown *markdown, const char *text, size_t most)
{
    CLEANUP(mem_free) char *shown = clean_text(text, most);
    size_t ticks = longest_run(shown, '`') + 1;

    ticks = ticks < 3 ? 3 : ticks;
    repeat(markdown, "`", ticks);
    put(markdown, "text\n");
    put(markdown, shown);
    if (*shown && shown[strlen(shown) - 1] != '\n')
        put(markdown, "\n");
    repeat(markdown, "`", ticks);
    put(markdown, "\n\n");
}

/* ---- the run ----------------------------------------------------------- */

static void put_head(struct markdown *markdown)
{
    const struct run_outcome *outcome = markdown->outcome;
    struct exit_status status = outcome_exit(outcome);
    char tokens[FIGURE_BYTES];
    char cost[FIGURE_BYTES];
    char time[FIGURE_BYTES];
    bool first = true;

    figure_count(tokens, sizeof(tokens),
                 outcome->usage.input_tokens + outcome->usage.output_tokens);
    figure_cost(cost, sizeof(cost),
                outcome->usage.cost_known ? outcome->usage.cost_microusd : -1);
    figure_duration(time, sizeof(time),
                    outcome->finished ? outcome->duration_ms : -1);
    put(markdown, "## nightjar: ");
    put_code(markdown, outcome->name, NAME_MAX_BYTES);
    put(markdown, "\n\n");
    for (int i = 0; i < VERDICTS; i++) {
        if (!outcome->counts[i])
            continue;
        markdown->full =
            buffer_addf(markdown->out, "%s%s **%zu %s**", first ? "" : " · ",
                        marks[i], outcome->counts[i],
                        verdict_name((enum verdict)i)) ||
            markdown->full;
        first = false;
    }
    if (first)
        put(markdown, "no tasks");
    markdown->full =
        buffer_addf(markdown->out,
                    " · %s tokens, %d%% cached · %s · %s · exit status %d "
                    "(%s%s)\n\n",
                    tokens, figure_cached_percent(&outcome->usage), cost, time,
                    status.status, status.name,
                    status.retryable ? ", may be tried again" : "") ||
        markdown->full;
}

static bool is_shown(const struct markdown *markdown,
                     const struct outcome_task *task)
{
    return markdown->detail->passed || task->verdict != VERDICT_PASSED;
}

static void put_row(struct markdown *markdown, const struct outcome_task *task)
{
    char tokens[FIGURE_BYTES];
    char cost[FIGURE_BYTES];
    char time[FIGURE_BYTES];

    figure_count(tokens, sizeof(tokens),
                 task->usage.input_tokens + task->usage.output_tokens);
    figure_cost(cost, sizeof(cost),
                task->usage.cost_known ? task->usage.cost_microusd : -1);
    figure_duration(time, sizeof(time), task->duration_ms);
    put(markdown, "| ");
    put(markdown, marks[task->verdict]);
    put(markdown, " ");
    put(markdown, verdict_name(task->verdict));
    put(markdown, " | ");
    put_code(markdown, task->id, NAME_MAX_BYTES);
    put(markdown, " | ");
    put_code(markdown, *task->message ? task->message : task->reason,
             MESSAGE_MAX_BYTES);
    if (task->patch)
        markdown->full =
            buffer_addf(markdown->out,
                        " | %" PRId64 " file%s +%" PRId64 " −%" PRId64,
                        task->patch->files, task->patch->files == 1 ? "" : "s",
                        task->patch->insertions, task->patch->deletions) ||
            markdown->full;
    else
        put(markdown, " | –");
    markdown->full =
        buffer_addf(markdown->out, " | %" PRId64 " | %s | %d%% | %s | %s |\n",
                    task->usage.turns, tokens,
                    figure_cached_percent(&task->usage), cost, time) ||
        markdown->full;
}

static void put_table(struct markdown *markdown)
{
    const struct run_outcome *outcome = markdown->outcome;
    size_t shown = 0;
    size_t left_out = 0;

    for (size_t i = 0; i < outcome->task_count; i++) {
        const struct outcome_task *task = outcome->tasks[i];

        if (!is_shown(markdown, task) || shown == markdown->detail->rows) {
            left_out++;
            continue;
        }
        if (!shown++)
            put(markdown,
                "| verdict | task | message | changes | turns | tokens | "
                "cached | cost | time |\n"
                "| --- | --- | --- | --- | ---: | ---: | ---: | ---: | ---: "
                "|\n");
        markdown->in_table = true;
        put_row(markdown, task);
        markdown->in_table = false;
    }
    if (left_out)
        markdown->full =
            buffer_addf(markdown->out,
                        "%sand %zu more tasks%s: the whole does not fit here; "
                        "see report.html.\n",
                        shown ? "\n" : "", left_out,
                        shown == markdown->detail->rows ? ""
                                                        : " that passed") ||
            markdown->full;
    put(markdown, "\n");
}

/* ---- a task ------------------------------------------------------------ */

static void put_notes(struct markdown *markdown, const char *title,
                      const struct outcome_notes *notes)
{
    for (size_t i = 0; i < notes->count; i++) {
        if (i == NOTES_MAX) {
            markdown->full =
                buffer_addf(markdown->out, "- %s: and %zu more\n", title,
                            notes->count + notes->dropped - i) ||
                markdown->full;
            break;
        }
        put(markdown, "- ");
        put(markdown, title);
        put(markdown, ": ");
        put_code(markdown, notes->items[i].path, NAME_MAX_BYTES);
        put(markdown, " ");
        put_code(markdown, notes->items[i].message, MESSAGE_MAX_BYTES);
        put(markdown, "\n");
    }
    if (notes->count)
        put(markdown, "\n");
}

static void put_step(struct markdown *markdown, const struct outcome_step *step)
{
    put(markdown, outcome_phase_name(step->phase));
    put(markdown, " step ");
    put_code(markdown, step->name, NAME_MAX_BYTES);
    put(markdown, " ");
    put(markdown, outcome_result_name(step->result));
    if (step->exit_status >= 0)
        markdown->full =
            buffer_addf(markdown->out, " (exit status %" PRId64 ")",
                        step->exit_status) ||
            markdown->full;
    put(markdown, "\n\n");
    if (markdown->detail->output_bytes && *step->output)
        put_block(markdown, step->output, markdown->detail->output_bytes);
}

/* The steps of the last attempt that did not pass in its last round. */
static void put_steps(struct markdown *markdown,
                      const struct outcome_task *task)
{
    const struct outcome_attempt *attempt =
        task->attempt_count ? &task->attempts[task->attempt_count - 1] : NULL;

    for (size_t i = attempt ? attempt->last_round : 0;
         attempt && i < attempt->step_count; i++) {
        if (attempt->steps[i].result != RESULT_PASSED &&
            attempt->steps[i].phase != PHASE_BASE)
            put_step(markdown, &attempt->steps[i]);
    }
}

static void put_details(struct markdown *markdown,
                        const struct outcome_task *task)
{
    put(markdown, "### ");
    put_code(markdown, task->id, NAME_MAX_BYTES);
    put(markdown, "\n\n");
    put(markdown, verdict_name(task->verdict));
    put(markdown, " (");
    put_code(markdown, task->reason, NAME_MAX_BYTES);
    put(markdown, ") ");
    put_code(markdown, task->message, 4 * MESSAGE_MAX_BYTES);
    put(markdown, "\n\n");
    if (task->hint) {
        put(markdown, "Hint: ");
        put_code(markdown, task->hint, 4 * MESSAGE_MAX_BYTES);
        put(markdown, "\n\n");
    }
    if (task->patch) {
        put_notes(markdown, "not allowed", &task->patch->violations);
        put_notes(markdown, "finding", &task->patch->findings);
    }
    put_steps(markdown, task);
}

static void put_all(struct markdown *markdown)
{
    const struct run_outcome *outcome = markdown->outcome;

    put_head(markdown);
    put_table(markdown);
    for (size_t i = 0; markdown->detail->details && i < outcome->task_count;
         i++) {
        const struct outcome_task *task = outcome->tasks[i];

        if (task->verdict != VERDICT_PASSED && task->verdict != VERDICT_SKIPPED)
            put_details(markdown, task);
    }
    markdown->full = buffer_addf(markdown->out, "<sub>run ") || markdown->full;
    put_code(markdown, outcome->id, NAME_MAX_BYTES);
    put(markdown, ", model ");
    put_code(markdown, outcome->model, NAME_MAX_BYTES);
    put(markdown, ", nightjar ");
    put_code(markdown, outcome->version, NAME_MAX_BYTES);
    put(markdown, "</sub>\n");
}

int report_markdown(const struct run_outcome *outcome,
                    const struct report_options *options, struct buffer *out,
                    struct error *err)
{
    size_t start = out->length;

    (void)options;
    for (size_t i = 0; i < ARRAY_LENGTH(details); i++) {
        struct markdown markdown = {
            .out = out, .outcome = outcome, .detail = &details[i]};

        buffer_truncate(out, start);
        put_all(&markdown);
        if (!markdown.full && out->length - start <= SUMMARY_BYTES_MAX)
            return 0;
    }
    return report_done(true, "markdown", out, err);
}
