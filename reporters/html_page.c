/* HTML: everything for people, as one file that loads nothing.
 *
 * The page has a summary, charts and all tasks as a table, which need no
 * script. What a task did is JSON in an element of its own (html_detail.c),
 * which the script reads when somebody opens the task: 2,000 tasks are 2,000
 * rows and nothing more until then.
 *
 * Nothing of others becomes markup, script or style: text is escaped, JSON in
 * a script element has no "<", and the policy in the page allows the one
 * script and the one style sheet by their hashes, no connection, no frame, no
 * form. Formats: HTML Living Standard, Content Security Policy Level 3. */
#include "reporters/html.h"

#include <inttypes.h>

#include "base/base64.h"
#include "base/memory.h"
#include "base/sha256.h"
#include "reporters/figures.h"
#include "reporters/html_parts.h"

#define ID_MAX 300
#define MESSAGE_MAX 400
#define DETAILS_BYTES ((size_t)24 << 20) /* of all tasks together */
#define DETAIL_LEAST ((size_t)4 << 10)
#define DETAIL_MOST ((size_t)512 << 10)

/* The files beside this one, as they are. */
#define EMBED(name, file)                     \
    __asm__(".pushsection .rodata\n"          \
            ".global " #name "\n" #name ":\n" \
            ".incbin \"" file "\"\n"          \
            ".byte 0\n"                       \
            ".popsection\n");                 \
    extern const char name[]

EMBED(html_script, "reporters/html.js");
EMBED(html_style, "reporters/html.css");

/* 'sha256-…' of an element's text. */
static void put_hash(struct html *html, const char *text)
{
    unsigned char digest[SHA256_BYTES];

    sha256((struct span){text, strlen(text)}, digest);
    html_put(html, "'sha256-");
    html->full = base64_add(html->out, (struct span){(const char *)digest,
                                                     sizeof(digest)}) ||
                 html->full;
    html_put(html, "'");
}

/* ---- the page ---------------------------------------------------------- */

static void put_head(struct html *html, const struct run_outcome *outcome)
{
    html_put(html, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
                   "<meta charset=\"utf-8\">\n"
                   "<meta http-equiv=\"Content-Security-Policy\" "
                   "content=\"default-src 'none'; script-src ");
    put_hash(html, html_script);
    html_put(html, "; style-src ");
    put_hash(html, html_style);
    html_put(html, "; base-uri 'none'; form-action 'none'\">\n"
                   "<meta name=\"referrer\" content=\"no-referrer\">\n"
                   "<meta name=\"viewport\" content=\"width=device-width, "
                   "initial-scale=1\">\n<title>");
    html_text(html, outcome->name, ID_MAX);
    html_put(html, " – nightjar</title>\n<style>");
    html_put(html, html_style);
    html_put(html, "</style>\n</head>\n<body>\n"
                   "<a class=\"skip\" href=\"#tasks\">to the tasks</a>\n");
}

static void put_figures(struct html *html, const struct run_outcome *outcome)
{
    const struct outcome_usage *usage = &outcome->usage;
    char tokens[FIGURE_BYTES];
    char cost[FIGURE_BYTES];
    char time[FIGURE_BYTES];

    figure_count(tokens, sizeof(tokens),
                 usage->input_tokens + usage->output_tokens);
    figure_cost(cost, sizeof(cost),
                usage->cost_known ? usage->cost_microusd : -1);
    figure_duration(time, sizeof(time),
                    outcome->finished ? outcome->duration_ms : -1);
    html_put(html, "<ul class=\"counts\">\n");
    for (int i = 0; i < VERDICTS; i++) {
        const char *name = verdict_name((enum verdict)i);

        if (outcome->counts[i])
            html_putf(html, "<li class=\"%s\"><strong>%zu</strong> %s</li>\n",
                      name, outcome->counts[i], name);
    }
    html_putf(html,
              "<li><strong>%s</strong> tokens, %d%% of the input cached</li>\n"
              "<li><strong>%s</strong></li>\n"
              "<li><strong>%s</strong></li>\n</ul>\n",
              tokens, figure_cached_percent(usage), cost, time);
}

static void put_summary(struct html *html, const struct run_outcome *outcome)
{
    struct exit_status status = outcome_exit(outcome);

    html_put(html, "<header>\n<h1>");
    html_text(html, outcome->name, ID_MAX);
    html_put(html, "</h1>\n<p class=\"muted\">run ");
    html_text(html, outcome->id, ID_MAX);
    html_put(html, " · model ");
    html_text(html, outcome->model, ID_MAX);
    if (outcome->started_at) {
        html_put(html, " · began ");
        html_text(html, outcome->started_at, ID_MAX);
    }
    html_putf(html, " · exit status %d (%s%s) · nightjar ", status.status,
              status.name, status.retryable ? ", may be tried again" : "");
    html_text(html, outcome->version, ID_MAX);
    html_put(html, "</p>\n");
    put_figures(html, outcome);
    html_put(html, "</header>\n");
}

static void put_controls(struct html *html)
{
    html_put(html, "<div class=\"controls\" role=\"search\" hidden>\n"
                   "<label>Find in tasks, messages, repositories ( / )"
                   "<input type=\"search\" id=\"search\" autocomplete=\"off\">"
                   "</label>\n<label>Verdict<select id=\"verdict\">"
                   "<option value=\"\">all</option>");
    for (int i = 0; i < VERDICTS; i++)
        html_putf(html, "<option>%s</option>", verdict_name((enum verdict)i));
    html_put(html, "</select></label>\n<p id=\"shown\" role=\"status\" "
                   "class=\"muted\"></p>\n</div>\n"
                   "<noscript><p class=\"muted\">Without scripts the table has "
                   "no details; they are in the run directory.</p>"
                   "</noscript>\n");
}

static void put_cell(struct html *html, int64_t key, const char *kind,
                     const char *text)
{
    html_putf(html,
              "<td role=\"cell\" class=\"%s\" data-k=\"%" PRId64 "\">%s</td>",
              kind, key, text);
}

static void put_numbers(struct html *html, const struct outcome_task *task)
{
    const struct outcome_usage *usage = &task->usage;
    int64_t tokens = usage->input_tokens + usage->output_tokens;
    int64_t cost = usage->cost_known ? usage->cost_microusd : -1;
    char text[2 * FIGURE_BYTES];

    if (task->patch)
        snprintf(text, sizeof(text), "+%" PRId64 " −%" PRId64,
                 task->patch->insertions, task->patch->deletions);
    else
        snprintf(text, sizeof(text), "–");
    put_cell(html,
             task->patch ? task->patch->insertions + task->patch->deletions
                         : -1,
             "n h", text);
    snprintf(text, sizeof(text), "%" PRId64, usage->turns);
    put_cell(html, usage->turns, "n h", text);
    figure_count(text, sizeof(text), tokens);
    put_cell(html, tokens, "n h", text);
    snprintf(text, sizeof(text), "%d%%", figure_cached_percent(usage));
    put_cell(html, figure_cached_percent(usage), "n h", text);
    figure_cost(text, sizeof(text), cost);
    put_cell(html, cost, "n", text);
    figure_duration(text, sizeof(text), task->duration_ms);
    put_cell(html, task->duration_ms, "n", text);
}

static void put_row(struct html *html, const struct outcome_task *task,
                    size_t number)
{
    static const char *const marks[VERDICTS] = {[VERDICT_PASSED] = "✓",
                                                [VERDICT_FAILED] = "✗",
                                                [VERDICT_ERROR] = "!",
                                                [VERDICT_SKIPPED] = "–",
                                                [VERDICT_UNFINISHED] = "?"};
    const char *verdict = verdict_name(task->verdict);

    html_putf(html, "<tr role=\"row\" data-i=\"%zu\" data-v=\"%s\" data-t=\"",
              number, verdict);
    html_text(html, task->id, ID_MAX);
    html_put(html, "\" data-s=\"");
    html_text(html, task->repo, ID_MAX);
    html_put(html, " ");
    html_text(html, task->reason, ID_MAX);
    html_putf(html,
              "\"><td role=\"cell\" class=\"v %s\">%s %s</td>"
              "<th scope=\"row\" role=\"rowheader\">"
              "<button type=\"button\" aria-expanded=\"false\">",
              verdict, marks[task->verdict], verdict);
    html_text(html, task->id, ID_MAX);
    html_put(html, "</button></th><td role=\"cell\" class=\"m\">");
    html_text(html, *task->message ? task->message : task->reason, MESSAGE_MAX);
    html_put(html, "</td>");
    put_numbers(html, task);
    html_put(html, "</tr>\n");
}

static void put_table(struct html *html, const struct run_outcome *outcome)
{
    static const struct {
        const char *title;
        const char *kind;
    } columns[] = {{"verdict", ""},    {"task", ""},     {"message", ""},
                   {"changes", "n h"}, {"turns", "n h"}, {"tokens", "n h"},
                   {"cached", "n h"},  {"cost", "n"},    {"time", "n"}};

    html_put(html,
             "<div class=\"scroll\">\n<table id=\"tasks\" role=\"table\">\n"
             "<thead role=\"rowgroup\"><tr role=\"row\">");
    for (size_t i = 0; i < ARRAY_LENGTH(columns); i++)
        html_putf(html,
                  "<th scope=\"col\" role=\"columnheader\" class=\"%s\">"
                  "<button type=\"button\">%s"
                  "</button></th>",
                  columns[i].kind, columns[i].title);
    html_put(html, "</tr></thead>\n<tbody role=\"rowgroup\">\n");
    for (size_t i = 0; i < outcome->task_count; i++)
        put_row(html, outcome->tasks[i], i);
    html_put(html, "</tbody>\n</table>\n</div>\n");
}

static void put_details(struct html *html, const struct run_outcome *outcome,
                        const struct report_options *options)
{
    size_t each =
        DETAILS_BYTES / (outcome->task_count ? outcome->task_count : 1);

    each = each < DETAIL_LEAST ? DETAIL_LEAST : each;
    each = each > DETAIL_MOST ? DETAIL_MOST : each;
    for (size_t i = 0; i < outcome->task_count; i++)
        html_detail(html, outcome->tasks[i], options, i, each);
}

int report_html(const struct run_outcome *outcome,
                const struct report_options *options, struct buffer *out,
                struct error *err)
{
    struct html html = {.out = out};

    put_head(&html, outcome);
    put_summary(&html, outcome);
    html_put(&html, "<main>\n<h2>Figures</h2>\n");
    html_charts(&html, outcome);
    html_put(&html, "<h2>Tasks</h2>\n");
    put_controls(&html);
    put_table(&html, outcome);
    html_put(&html, "</main>\n");
    put_details(&html, outcome, options);
    html_put(&html, "<script>");
    html_put(&html, html_script);
    html_put(&html, "</script>\n</body>\n</html>\n");
    return report_done(html.full, "html", out, err);
}
