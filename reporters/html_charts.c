#include "reporters/html_parts.h"

#include <inttypes.h>

#include "base/memory.h"
#include "reporters/figures.h"

#define BINS 24
#define WIDTH 240 /* of a picture, in its own units */
#define HEIGHT 60

static void begin_picture(struct html *html, const char *title,
                          const char *numbers)
{
    html_putf(html,
              "<svg viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\" "
              "role=\"img\" aria-label=\"%s: %s\">",
              WIDTH, HEIGHT, title, numbers);
}

static void begin(struct html *html, const char *title, const char *numbers)
{
    html_putf(html, "<figure><figcaption>%s: %s</figcaption>", title, numbers);
    begin_picture(html, title, numbers);
}

static void end(struct html *html)
{
    html_put(html, "</svg></figure>\n");
}

/* A part of a bar from `from` to `to` of `whole`. */
static void put_part(struct html *html, const char *kind, int64_t from,
                     int64_t to, int64_t whole)
{
    double scale = (double)WIDTH / (double)(whole > 0 ? whole : 1);

    if (to > from)
        html_putf(html,
                  "<rect class=\"%s\" x=\"%.2f\" y=\"15\" width=\"%.2f\" "
                  "height=\"30\"/>",
                  kind, (double)from * scale, (double)(to - from) * scale);
}

static void put_verdicts(struct html *html, const struct run_outcome *outcome)
{
    char text[FIGURE_VERDICTS_BYTES];
    int64_t at = 0;

    figure_verdicts(text, sizeof(text), outcome);
    begin(html, "Verdicts", text);
    for (int i = 0; i < VERDICTS; i++) {
        put_part(html, verdict_name((enum verdict)i), at,
                 at + (int64_t)outcome->counts[i],
                 (int64_t)outcome->task_count);
        at += (int64_t)outcome->counts[i];
    }
    end(html);
}

static void put_tokens(struct html *html, const struct run_outcome *outcome)
{
    const struct outcome_usage *usage = &outcome->usage;
    int64_t cached = usage->cached_tokens < usage->input_tokens
                         ? usage->cached_tokens
                         : usage->input_tokens;
    int64_t whole = usage->input_tokens + usage->output_tokens;
    static const char *const kinds[] = {"b2", "b1", "b3"};
    static const char *const names[] = {"cached input", "new input", "output"};
    char parts[3][FIGURE_BYTES];
    char text[4 * FIGURE_BYTES];

    figure_count(parts[0], FIGURE_BYTES, cached);
    figure_count(parts[1], FIGURE_BYTES, usage->input_tokens - cached);
    figure_count(parts[2], FIGURE_BYTES, usage->output_tokens);
    snprintf(text, sizeof(text), "%s cached input, %s new input, %s output",
             parts[0], parts[1], parts[2]);
    html_put(html, "<figure><figcaption>Tokens:");
    for (int i = 0; i < 3; i++)
        html_putf(html, " <span class=\"k %s\"></span> %s %s%s", kinds[i],
                  parts[i], names[i], i < 2 ? "," : "");
    html_put(html, "</figcaption>");
    begin_picture(html, "Tokens", text);
    put_part(html, "b2", 0, cached, whole);
    put_part(html, "b1", cached, usage->input_tokens, whole);
    put_part(html, "b3", usage->input_tokens, whole, whole);
    end(html);
}

/* ---- how a number is spread -------------------------------------------- */

struct spread {
    const char *title;
    int64_t (*value)(const struct outcome_task *task); /* negative: none */
    void (*text)(char *out, size_t size, int64_t value);
};

static int64_t cost_of(const struct outcome_task *task)
{
    return task->usage.cost_known && task->usage.turns
               ? task->usage.cost_microusd
               : -1;
}

static int64_t duration_of(const struct outcome_task *task)
{
    return task->started ? task->duration_ms : -1;
}

static int64_t turns_of(const struct outcome_task *task)
{
    return task->started ? task->usage.turns : -1;
}

static const struct spread spreads[] = {
    {"Cost of a task", cost_of, figure_cost},
    {"Time of a task", duration_of, figure_duration},
    {"Turns of a task", turns_of, figure_count},
};

static int compare_values(const void *a, const void *b)
{
    int64_t one = *(const int64_t *)a;
    int64_t other = *(const int64_t *)b;

    return (one > other) - (one < other);
}

static void put_bins(struct html *html, const int64_t *values, size_t count)
{
    size_t bins[BINS] = {0};
    int64_t highest = values[count - 1];
    size_t most = 1;

    for (size_t i = 0; i < count; i++) {
        double part = (double)values[i] / ((double)highest + 1);
        size_t bin = (size_t)(part * BINS);

        bin = bin < BINS ? bin : BINS - 1;
        if (++bins[bin] > most)
            most = bins[bin];
    }
    for (size_t i = 0; i < BINS; i++) {
        double height = (double)(bins[i] * HEIGHT) / (double)most;

        if (bins[i])
            html_putf(html,
                      "<rect class=\"b1\" x=\"%zu\" y=\"%.2f\" width=\"9\" "
                      "height=\"%.2f\"/>",
                      i * (WIDTH / BINS), HEIGHT - height, height);
    }
}

static void put_spread(struct html *html, const struct spread *spread,
                       const struct run_outcome *outcome)
{
    CLEANUP(mem_free)
    int64_t *values = mem_array(outcome->task_count, sizeof(*values));
    char figures[3][FIGURE_BYTES];
    char text[5 * FIGURE_BYTES] = "not known";
    size_t count = 0;

    for (size_t i = 0; i < outcome->task_count; i++) {
        int64_t value = spread->value(outcome->tasks[i]);

        if (value >= 0)
            values[count++] = value;
    }
    qsort(values, count, sizeof(*values), compare_values);
    if (count) {
        spread->text(figures[0], FIGURE_BYTES, values[count / 2]);
        spread->text(figures[1], FIGURE_BYTES, values[count * 9 / 10]);
        spread->text(figures[2], FIGURE_BYTES, values[count - 1]);
        snprintf(text, sizeof(text), "median %s, nine of ten up to %s, most %s",
                 figures[0], figures[1], figures[2]);
    }
    begin(html, spread->title, text);
    if (count)
        put_bins(html, values, count);
    end(html);
}

void html_charts(struct html *html, const struct run_outcome *outcome)
{
    html_put(html, "<div class=\"charts\">\n");
    put_verdicts(html, outcome);
    put_tokens(html, outcome);
    for (size_t i = 0; i < ARRAY_LENGTH(spreads); i++)
        put_spread(html, &spreads[i], outcome);
    html_put(html, "</div>\n");
}
