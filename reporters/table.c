/* The table: one line a task and a line of totals, for a terminal or a log.
 *
 * No line is wider than the options say (at least COLUMNS_MIN): the task's
 * column takes what its longest id needs up to a share, the message takes the
 * rest; both are cut with "...". Widths are cells by printable_width, so wide
 * and combining characters keep the columns where they are up to the rare
 * character that is not in its ranges. Text goes through printable_add. */
#include "base/memory.h"
#include "base/printable.h"
#include "base/utf8.h"
#include "reporters/figures.h"
#include "reporters/reporter.h"

#define COLUMNS_MIN 72
#define COLUMNS_MAX 1000
#define TASK_MIN 8
#define MESSAGE_MIN 12
#define TEXT_BYTES_MAX 4096 /* of an untrusted text that is looked at */
#define SIGN_WIDTH 12       /* mark and word */
#define TURNS_WIDTH 5
#define TOKENS_WIDTH 11
#define COST_WIDTH 8
#define TIME_WIDTH 7
#define GAP 2
#define FIXED_WIDTH                                                      \
    (SIGN_WIDTH + TURNS_WIDTH + TOKENS_WIDTH + COST_WIDTH + TIME_WIDTH + \
     6 * GAP)

struct sign {
    const char *mark; /* one cell */
    const char *color;
};

static const struct sign signs[VERDICTS] = {
    [VERDICT_PASSED] = {"\xE2\x9C\x93", "\x1b[32m"},
    [VERDICT_FAILED] = {"\xE2\x9C\x97", "\x1b[31m"},
    [VERDICT_ERROR] = {"!", "\x1b[35m"},
    [VERDICT_SKIPPED] = {"-", "\x1b[33m"},
    [VERDICT_UNFINISHED] = {"?", "\x1b[35m"},
};

struct table {
    struct buffer *out;
    size_t task_width;
    size_t message_width;
    bool color;
    bool full;
};

static void put(struct table *table, const char *text)
{
    if (buffer_add_string(table->out, text))
        table->full = true;
}

static void pad(struct table *table, size_t count)
{
    while (count--)
        put(table, " ");
}

/* ---- cells ------------------------------------------------------------- */

/* One printable line of the head of an untrusted text. */
static void printable_text(struct buffer *out, const char *text)
{
    size_t length = strnlen(text, TEXT_BYTES_MAX);

    printable_add(out, text, utf8_floor(text, strlen(text), length), false);
}

/* Cells that the text takes; *cut is where the first `width` cells end. A
 * place in front of a combining mark is none: it belongs to what it marks. */
static size_t text_width(struct span text, size_t width, size_t *cut)
{
    size_t total = 0;
    uint32_t code;

    *cut = 0;
    for (size_t at = 0; at < text.length;) {
        at += utf8_decode(text.data + at, text.length - at, &code);
        total += printable_width(code);
        if (total <= width)
            *cut = at;
    }
    return total;
}

/* A cell of exactly `width`: cut with dots, filled with blanks. */
static void put_cell(struct table *table, const char *text, size_t width)
{
    CLEANUP(buffer_free) struct buffer shown = {0};
    size_t cut;
    size_t used;

    buffer_init(&shown, TEXT_BYTES_MAX * 10);
    printable_text(&shown, text);
    used = text_width(buffer_span(&shown), width, &cut);
    if (used > width) {
        size_t room = width > 3 ? width - 3 : 0;

        text_width(buffer_span(&shown), room, &cut);
        buffer_truncate(&shown, cut);
        used = text_width(buffer_span(&shown), width, &cut) + 3;
        buffer_add_string(&shown, "...");
    }
    put(table, shown.data);
    pad(table, used < width ? width - used : 0);
}

static void put_left(struct table *table, const char *text, size_t width)
{
    put_cell(table, text, width);
    pad(table, GAP);
}

/* Our own short ASCII texts; one that is too wide is not cut. */
static void put_right(struct table *table, const char *text, size_t width)
{
    size_t length = strlen(text);

    pad(table, GAP + (length < width ? width - length : 0));
    put(table, text);
}

static void put_numbers(struct table *table, const struct outcome_usage *usage,
                        int64_t duration_ms)
{
    char tokens[FIGURE_BYTES];
    char text[2 * FIGURE_BYTES];
    int64_t all = usage->input_tokens + usage->output_tokens;

    figure_count(text, sizeof(text), usage->turns);
    put_right(table, text, TURNS_WIDTH);
    figure_count(tokens, sizeof(tokens), all);
    snprintf(text, sizeof(text), "%s %3d%%", tokens,
             figure_cached_percent(usage));
    put_right(table, text, TOKENS_WIDTH);
    figure_cost(text, sizeof(text),
                usage->cost_known ? usage->cost_microusd : -1);
    put_right(table, text, COST_WIDTH);
    figure_duration(text, sizeof(text), duration_ms);
    put_right(table, text, TIME_WIDTH);
    put(table, "\n");
}

/* ---- lines ------------------------------------------------------------- */

static void choose_widths(struct table *table,
                          const struct run_outcome *outcome, size_t columns)
{
    size_t widest = TASK_MIN;
    size_t room;

    if (!columns)
        columns = REPORT_COLUMNS;
    if (columns < COLUMNS_MIN)
        columns = COLUMNS_MIN;
    if (columns > COLUMNS_MAX)
        columns = COLUMNS_MAX;
    room = columns - FIXED_WIDTH;
    for (size_t i = 0; i < outcome->task_count; i++) {
        CLEANUP(buffer_free) struct buffer shown = {0};
        size_t cut;
        size_t width;

        buffer_init(&shown, TEXT_BYTES_MAX * 10);
        printable_text(&shown, outcome->tasks[i]->id);
        width = text_width(buffer_span(&shown), 0, &cut);
        if (width > widest)
            widest = width;
    }
    table->task_width = widest;
    if (table->task_width > room / 2 && table->task_width + MESSAGE_MIN > room)
        table->task_width = room / 2;
    table->message_width = room - table->task_width;
}

static void put_sign(struct table *table, enum verdict verdict)
{
    const char *name = verdict_name(verdict);
    size_t used = 2 + strlen(name);

    if (table->color)
        put(table, signs[verdict].color);
    put(table, signs[verdict].mark);
    put(table, " ");
    put(table, name);
    if (table->color)
        put(table, "\x1b[0m");
    pad(table, SIGN_WIDTH + GAP - used);
}

static void put_head(struct table *table)
{
    put_left(table, "  verdict", SIGN_WIDTH);
    put_left(table, "task", table->task_width);
    put_cell(table, "message", table->message_width);
    put_right(table, "turns", TURNS_WIDTH);
    put_right(table, "tok  cached", TOKENS_WIDTH);
    put_right(table, "cost", COST_WIDTH);
    put_right(table, "time", TIME_WIDTH);
    put(table, "\n");
}

static void put_task(struct table *table, const struct outcome_task *task)
{
    put_sign(table, task->verdict);
    put_left(table, task->id, table->task_width);
    put_cell(table, *task->message ? task->message : task->reason,
             table->message_width);
    put_numbers(table, &task->usage, task->duration_ms);
}

static void put_total(struct table *table, const struct run_outcome *outcome)
{
    char text[FIGURE_VERDICTS_BYTES];

    figure_verdicts(text, sizeof(text), outcome);
    put_cell(table, text,
             SIGN_WIDTH + 2 * GAP + table->task_width + table->message_width);
    put_numbers(table, &outcome->usage,
                outcome->finished ? outcome->duration_ms : -1);
}

/* What a reader of the totals must not miss. */
static void put_remarks(struct table *table, const struct run_outcome *outcome)
{
    char text[200];
    struct exit_status status = outcome_exit(outcome);

    snprintf(text, sizeof(text), "exit %d (%s%s)\n", status.status, status.name,
             status.retryable ? ", may be tried again" : "");
    put(table, text);
    if (outcome->torn_bytes) {
        snprintf(text, sizeof(text),
                 "the journal's last line is cut off (%zu bytes)\n",
                 outcome->torn_bytes);
        put(table, text);
    }
}

int report_table(const struct run_outcome *outcome,
                 const struct report_options *options, struct buffer *out,
                 struct error *err)
{
    struct table table = {.out = out, .color = options->color};

    choose_widths(&table, outcome, options->columns);
    put_head(&table);
    for (size_t i = 0; i < outcome->task_count; i++)
        put_task(&table, outcome->tasks[i]);
    put_total(&table, outcome);
    put_remarks(&table, outcome);
    return report_done(table.full, "table", out, err);
}
