/* Metrics of a run, in the form of OTLP/JSON: how many tasks ended how, what
 * they cost and took, and the two histograms of OpenTelemetry's conventions
 * for generative AI, with the boundaries that these ask for. */
#include <inttypes.h>

#include "base/memory.h"
#include "reporters/otlp.h"

#define CUMULATIVE 2
#define BOUNDS 14

struct histogram {
    double bounds[BOUNDS];
    int64_t counts[BOUNDS + 1];
    int64_t count;
    double sum;
};

struct metrics {
    struct json json;
    const struct run_outcome *outcome;
};

static const double token_bounds[BOUNDS] = {
    1,     4,     16,     64,      256,     1024,     4096,
    16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864};
static const double second_bounds[BOUNDS] = {0.01,  0.02,  0.04,  0.08, 0.16,
                                             0.32,  0.64,  1.28,  2.56, 5.12,
                                             10.24, 20.48, 40.96, 81.92};
static const double task_bounds[BOUNDS] = {
    1, 5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800};

static void take(struct histogram *histogram, double value)
{
    size_t i = 0;

    while (i < BOUNDS && value > histogram->bounds[i])
        i++;
    histogram->counts[i]++;
    histogram->count++;
    histogram->sum += value;
}

static struct histogram histogram_of(const double *bounds)
{
    struct histogram histogram = {0};

    memcpy(histogram.bounds, bounds, sizeof(histogram.bounds));
    return histogram;
}

static void begin_metric(struct metrics *metrics, const char *name,
                         const char *unit, const char *kind)
{
    struct json *json = &metrics->json;

    json_object(json);
    json_member_string(json, "name", name);
    json_member_string(json, "unit", unit);
    json_key(json, kind);
    json_object(json);
    json_member_int(json, "aggregationTemporality", CUMULATIVE);
    if (!strcmp(kind, "sum"))
        json_member_bool(json, "isMonotonic", true);
    json_key(json, "dataPoints");
    json_array(json);
}

static void end_metric(struct metrics *metrics)
{
    json_end(&metrics->json);
    json_end(&metrics->json);
    json_end(&metrics->json);
}

/* Opens a point and its attributes. */
static void begin_point(struct metrics *metrics)
{
    const struct run_outcome *outcome = metrics->outcome;

    json_object(&metrics->json);
    otlp_time(&metrics->json, "startTimeUnixNano", outcome->started_ms);
    otlp_time(&metrics->json, "timeUnixNano",
              outcome->ended_ms < 0 ? outcome->started_ms : outcome->ended_ms);
    json_key(&metrics->json, "attributes");
    json_array(&metrics->json);
}

static void put_number(struct json *json, double value)
{
    char text[40];

    snprintf(text, sizeof(text), "%.17g", value);
    json_raw(json, (struct span){text, strlen(text)});
}

/* Closes the attributes and the point. */
static void put_histogram(struct metrics *metrics,
                          const struct histogram *histogram)
{
    struct json *json = &metrics->json;
    char text[24];

    json_end(json);
    snprintf(text, sizeof(text), "%" PRId64, histogram->count);
    json_member_string(json, "count", text);
    json_key(json, "sum");
    put_number(json, histogram->sum);
    json_key(json, "bucketCounts");
    json_array(json);
    for (size_t i = 0; i <= BOUNDS; i++) {
        snprintf(text, sizeof(text), "%" PRId64, histogram->counts[i]);
        json_string(json, text);
    }
    json_end(json);
    json_key(json, "explicitBounds");
    json_array(json);
    for (size_t i = 0; i < BOUNDS; i++)
        put_number(json, histogram->bounds[i]);
    json_end(json);
    json_end(json);
}

static void put_count(struct metrics *metrics, int64_t value)
{
    char text[24];

    json_end(&metrics->json);
    snprintf(text, sizeof(text), "%" PRId64, value);
    json_member_string(&metrics->json, "asInt", text);
    json_end(&metrics->json);
}

static void put_model(struct metrics *metrics)
{
    otlp_text(&metrics->json, "gen_ai.operation.name", "chat");
    otlp_text(&metrics->json, "gen_ai.provider.name",
              metrics->outcome->provider);
    otlp_text(&metrics->json, "gen_ai.request.model", metrics->outcome->model);
}

static void put_tasks(struct metrics *metrics)
{
    begin_metric(metrics, "nightjar.tasks", "{task}", "sum");
    for (int i = 0; i < VERDICTS; i++) {
        begin_point(metrics);
        otlp_text(&metrics->json, "nightjar.verdict",
                  verdict_name((enum verdict)i));
        put_count(metrics, (int64_t)metrics->outcome->counts[i]);
    }
    end_metric(metrics);
}

static void put_cost(struct metrics *metrics)
{
    struct json *json = &metrics->json;

    if (!metrics->outcome->usage.cost_known)
        return;
    begin_metric(metrics, "nightjar.cost", "USD", "sum");
    begin_point(metrics);
    json_end(json);
    json_key(json, "asDouble");
    json_micro(json, metrics->outcome->usage.cost_microusd);
    json_end(json);
    end_metric(metrics);
}

static void put_task_durations(struct metrics *metrics)
{
    struct histogram histogram = histogram_of(task_bounds);

    for (size_t i = 0; i < metrics->outcome->task_count; i++) {
        if (metrics->outcome->tasks[i]->started)
            take(&histogram,
                 (double)metrics->outcome->tasks[i]->duration_ms / 1000);
    }
    begin_metric(metrics, "nightjar.task.duration", "s", "histogram");
    begin_point(metrics);
    put_histogram(metrics, &histogram);
    end_metric(metrics);
}

struct turns {
    struct histogram input;
    struct histogram output;
    struct histogram seconds;
};

static void take_turns(const struct run_outcome *outcome, struct turns *turns)
{
    for (size_t i = 0; i < outcome->task_count; i++) {
        for (size_t j = 0; j < outcome->tasks[i]->attempt_count; j++) {
            const struct outcome_attempt *attempt =
                &outcome->tasks[i]->attempts[j];

            for (size_t k = 0; k < attempt->turn_count; k++) {
                const struct outcome_turn *turn = &attempt->turns[k];

                take(&turns->input, (double)turn->input_tokens);
                take(&turns->output, (double)turn->output_tokens);
                take(&turns->seconds, (double)turn->duration_ms / 1000);
            }
        }
    }
}

static void put_turns(struct metrics *metrics)
{
    struct turns turns = {.input = histogram_of(token_bounds),
                          .output = histogram_of(token_bounds),
                          .seconds = histogram_of(second_bounds)};

    take_turns(metrics->outcome, &turns);
    begin_metric(metrics, "gen_ai.client.token.usage", "{token}", "histogram");
    begin_point(metrics);
    put_model(metrics);
    otlp_text(&metrics->json, "gen_ai.token.type", "input");
    put_histogram(metrics, &turns.input);
    begin_point(metrics);
    put_model(metrics);
    otlp_text(&metrics->json, "gen_ai.token.type", "output");
    put_histogram(metrics, &turns.output);
    end_metric(metrics);
    begin_metric(metrics, "gen_ai.client.operation.duration", "s", "histogram");
    begin_point(metrics);
    put_model(metrics);
    put_histogram(metrics, &turns.seconds);
    end_metric(metrics);
}

int report_metrics(const struct run_outcome *outcome,
                   const struct report_options *options, struct buffer *out,
                   struct error *err)
{
    struct metrics metrics = {.json = json_to(out), .outcome = outcome};
    struct json *json = &metrics.json;
    bool full;

    json_object(json);
    json_key(json, "resourceMetrics");
    json_array(json);
    json_object(json);
    otlp_resource(json, outcome, options);
    json_key(json, "scopeMetrics");
    json_array(json);
    json_object(json);
    otlp_scope(json, outcome);
    json_key(json, "metrics");
    json_array(json);
    put_tasks(&metrics);
    put_cost(&metrics);
    put_task_durations(&metrics);
    put_turns(&metrics);
    for (int i = 0; i < 6; i++)
        json_end(json);
    full = buffer_add_byte(out, '\n');
    return report_done(full || json->full, "metrics", out, err);
}
