#include <inttypes.h>
#include <math.h>

#include "base/json.h"
#include "base/memory.h"
#include "reporters/figures.h"
#include "runner/compare.h"
#include "runner/load.h"
#include "runner/pilot.h"
#include "runner/reports.h"

#define TEXT_BYTES_MAX ((size_t)64 << 10)

/* One figure of tasks: what those that are known had, and, for the others, the
 * mean and spread of all that were looked at. */
struct figure {
    double known; /* sum over the plan's tasks that the run had */
    double sum;   /* over all tasks that the run worked on */
    double squares;
};

struct estimate {
    size_t tasks;
    size_t known;  /* of them in the run, with the same id */
    size_t looked; /* tasks of the run that were worked on */
    bool cost_known;
    struct figure cost;
    struct figure input;
    struct figure cached;
    struct figure output;
    struct figure time;
};

struct range {
    double middle;
    double low; /* negative: not known, as is high */
    double high;
};

static void look(struct figure *figure, int64_t value)
{
    figure->sum += (double)value;
    figure->squares += (double)value * (double)value;
}

static bool was_worked_on(const struct outcome_task *task)
{
    return task->usage.turns && task->verdict != VERDICT_UNFINISHED &&
           task->verdict != VERDICT_SKIPPED;
}

/* A task that is known is taken to cost again what it cost, give or take what
 * such tasks differ by; each of the others the mean. */
static struct range range_of(const struct estimate *estimate,
                             const struct figure *figure)
{
    double n = (double)estimate->looked;
    double all = (double)estimate->tasks;
    double unknown = all - (double)estimate->known;
    double mean = figure->sum / n;
    double variance =
        n > 1 ? fmax(0, (figure->squares - figure->sum * mean) / (n - 1)) : 0;
    struct range range = {.middle = figure->known + mean * unknown};
    /* Of the unknown ones their own spread and that of the mean; of the known
     * ones that of another try, for which one run is no measure: the same. */
    double half =
        n > 1 ? pilot_student_95((int64_t)n - 1) *
                    sqrt(variance * all + variance / n * unknown * unknown)
              : 0;

    /* One task says nothing about how much they differ. */
    range.low = n > 1 ? fmax(0, range.middle - half) : -1;
    range.high = n > 1 ? range.middle + half : -1;
    return range;
}

static void take_known(struct estimate *estimate,
                       const struct outcome_task *task)
{
    estimate->known++;
    estimate->cost.known += (double)task->usage.cost_microusd;
    estimate->input.known += (double)task->usage.input_tokens;
    estimate->cached.known += (double)task->usage.cached_tokens;
    estimate->output.known += (double)task->usage.output_tokens;
    estimate->time.known += (double)task->duration_ms;
}

static int by_id(const void *a, const void *b)
{
    return strcmp((*(const struct outcome_task *const *)a)->id,
                  (*(const struct outcome_task *const *)b)->id);
}

static struct estimate make_estimate(const struct plan *plan,
                                     const struct run_outcome *outcome)
{
    CLEANUP(mem_free)
    const struct outcome_task **tasks =
        mem_array(outcome->task_count, sizeof(struct outcome_task *));
    struct estimate estimate = {.tasks = plan->count, .cost_known = true};

    for (size_t i = 0; i < outcome->task_count; i++) {
        const struct outcome_task *task = outcome->tasks[i];

        if (!was_worked_on(task))
            continue;
        tasks[estimate.looked++] = task;
        estimate.cost_known &= task->usage.cost_known;
        look(&estimate.cost, task->usage.cost_microusd);
        look(&estimate.input, task->usage.input_tokens);
        look(&estimate.cached, task->usage.cached_tokens);
        look(&estimate.output, task->usage.output_tokens);
        look(&estimate.time, task->duration_ms);
    }
    qsort(tasks, estimate.looked, sizeof(*tasks), by_id);
    for (size_t i = 0; i < plan->count; i++) {
        const struct outcome_task wanted = {.id = plan->tasks[i].id};
        const struct outcome_task *key = &wanted;
        const struct outcome_task **found =
            bsearch(&key, tasks, estimate.looked, sizeof(*tasks), by_id);

        if (found)
            take_known(&estimate, *found);
    }
    return estimate;
}

/* ---- telling ----------------------------------------------------------- */

static int64_t whole(double value)
{
    return value < (double)JSON_INTEGER_MAX ? (int64_t)llround(value)
                                            : JSON_INTEGER_MAX;
}

static void add_line(struct buffer *out, const char *name, struct range range,
                     void (*text)(char *, size_t, int64_t))
{
    char middle[FIGURE_BYTES];
    char low[FIGURE_BYTES];
    char high[FIGURE_BYTES];

    text(middle, sizeof(middle), whole(range.middle));
    text(low, sizeof(low), whole(range.low));
    text(high, sizeof(high), whole(range.high));
    if (range.low < 0)
        buffer_addf(out, "%-14s %9s\n", name, middle);
    else
        buffer_addf(out, "%-14s %9s  (%s to %s)\n", name, middle, low, high);
}

static struct range divided(struct range range, double by)
{
    return (struct range){range.middle / by, range.low / by, range.high / by};
}

static size_t jobs_of(const struct options *options, const struct plan *plan,
                      const struct run_outcome *outcome)
{
    size_t jobs = options->jobs > 0   ? (size_t)options->jobs
                  : outcome->jobs > 0 ? (size_t)outcome->jobs
                                      : 1;

    return jobs > plan->count && plan->count ? plan->count : jobs;
}

static void add_text(struct buffer *out, const struct estimate *estimate,
                     size_t jobs)
{
    buffer_addf(out,
                "%zu tasks, %zu of them in the run, by %zu tasks that were "
                "worked on; %s:\n",
                estimate->tasks, estimate->known, estimate->looked,
                estimate->looked > 1
                    ? "in brackets, where 95 of 100 such runs would be"
                    : "one is too few to say how far it may be off");
    if (estimate->cost_known)
        add_line(out, "cost", range_of(estimate, &estimate->cost), figure_cost);
    else
        buffer_addf(out, "%-14s %9s  (the run had no model.price)\n", "cost",
                    "?");
    add_line(out, "input tokens", range_of(estimate, &estimate->input),
             figure_count);
    add_line(out, "  of them cached", range_of(estimate, &estimate->cached),
             figure_count);
    add_line(out, "output tokens", range_of(estimate, &estimate->output),
             figure_count);
    buffer_addf(out, "with %zu at once:\n", jobs);
    add_line(out, "time, at least",
             divided(range_of(estimate, &estimate->time), (double)jobs),
             figure_duration);
}

static void add_range(struct json *json, const char *key, struct range range,
                      bool is_money)
{
    const struct {
        const char *name;
        double value;
    } ends[] = {
        {"middle", range.middle}, {"low", range.low}, {"high", range.high}};

    json_key(json, key);
    json_object(json);
    for (size_t i = 0; i < ARRAY_LENGTH(ends); i++) {
        json_key(json, ends[i].name);
        if (ends[i].value < 0)
            json_null(json);
        else if (is_money)
            json_micro(json, whole(ends[i].value));
        else
            json_int(json, whole(ends[i].value));
    }
    json_end(json);
}

static void add_json(struct buffer *out, const struct estimate *estimate,
                     size_t jobs)
{
    struct json json = json_to(out);

    json_object(&json);
    json_member_int(&json, "tasks", (int64_t)estimate->tasks);
    json_member_int(&json, "known", (int64_t)estimate->known);
    json_member_int(&json, "jobs", (int64_t)jobs);
    if (estimate->cost_known) {
        add_range(&json, "cost_usd", range_of(estimate, &estimate->cost), true);
    } else {
        json_key(&json, "cost_usd");
        json_null(&json);
    }
    add_range(&json, "input_tokens", range_of(estimate, &estimate->input),
              false);
    add_range(&json, "cached_tokens", range_of(estimate, &estimate->cached),
              false);
    add_range(&json, "output_tokens", range_of(estimate, &estimate->output),
              false);
    add_range(&json, "duration_ms",
              divided(range_of(estimate, &estimate->time), (double)jobs),
              false);
    json_end(&json);
    buffer_add_byte(out, '\n');
}

static int tell(const struct options *options, const struct plan *plan,
                struct error *err)
{
    CLEANUP(outcome_free) struct run_outcome outcome = {.task_count = 0};
    CLEANUP(buffer_free) struct buffer text = {0};
    struct estimate estimate;
    size_t jobs;

    if (!options->from) {
        error_set(err, ERROR_USAGE, "estimate needs --from RUN_DIRECTORY");
        return error_hint(err, "run a few tasks first: nightjar run … --sample "
                               "10");
    }
    if (reports_read(options->from, &outcome, err))
        return error_context(err, "--from");
    estimate = make_estimate(plan, &outcome);
    jobs = jobs_of(options, plan, &outcome);
    if (!estimate.looked)
        return error_set(err, ERROR_USAGE,
                         "--from: no task of that run was worked on");
    buffer_init(&text, TEXT_BYTES_MAX);
    if (options->json)
        add_json(&text, &estimate, jobs);
    else
        add_text(&text, &estimate, jobs);
    return reports_put(buffer_span(&text), err);
}

int estimate_command(const struct options *options)
{
    CLEANUP(plan_free) struct plan plan = {.count = 0};
    struct error err;

    if (load_plan(options, &plan))
        return 2;
    return tell(options, &plan, &err) ? report_failure(&err) : 0;
}
