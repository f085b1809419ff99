#include "runner/plan_command.h"

#include "base/json.h"
#include "base/memory.h"
#include "runner/load.h"
#include "runner/reports.h"

#define STATUS_USAGE 2
#define TASKS_A_PART 25
#define PARTS_MAX 256 /* jobs of one matrix, as GitHub Actions takes them */
#define TEXT_BYTES_MAX ((size_t)16 << 20)

static size_t count_parts(const struct options *options,
                          const struct plan *plan)
{
    size_t parts = (plan->count + TASKS_A_PART - 1) / TASKS_A_PART;

    if (options->shards > 0)
        return (size_t)options->shards;
    return parts < PARTS_MAX ? parts : PARTS_MAX;
}

/* How many tasks a part has, by the way that `run --shard` takes. */
static size_t count_tasks(const struct plan *plan, const struct shard *shard,
                          const struct past_duration *past, size_t past_count)
{
    struct plan part = {.count = plan->count};
    size_t count;

    part.tasks = mem_array(plan->count, sizeof(*part.tasks));
    memcpy(part.tasks, plan->tasks, plan->count * sizeof(*part.tasks));
    plan_shard(&part, shard, past, past_count);
    count = part.count;
    free(part.tasks);
    return count;
}

/* {"include":[{"shard":"1/2","tasks":25},…]}: what fromJSON() of a workflow
 * takes as a job's strategy.matrix. */
static void put_github(const size_t *counts, size_t parts, struct buffer *out)
{
    struct json json = json_to(out);

    json_object(&json);
    json_key(&json, "include");
    json_array(&json);
    for (size_t i = 0; i < parts; i++) {
        if (!counts[i])
            continue; /* no machine for nothing */
        CLEANUP(mem_free) char *shard = mem_format("%zu/%zu", i + 1, parts);

        json_object(&json);
        json_member_string(&json, "shard", shard);
        json_member_int(&json, "part", (int64_t)i + 1);
        json_member_int(&json, "tasks", (int64_t)counts[i]);
        json_end(&json);
    }
    json_end(&json);
    json_end(&json);
    buffer_add_byte(out, '\n');
}

static void put_list(const size_t *counts, size_t parts, struct buffer *out)
{
    for (size_t i = 0; i < parts; i++)
        buffer_addf(out, "--shard %zu/%zu  %zu task%s\n", i + 1, parts,
                    counts[i], counts[i] == 1 ? "" : "s");
}

static int print_parts(const struct options *options, const struct plan *plan)
{
    CLEANUP(outcome_free) struct run_outcome outcome = {.task_count = 0};
    CLEANUP(mem_free) struct past_duration *past = NULL;
    CLEANUP(buffer_free) struct buffer text = {0};
    size_t parts = count_parts(options, plan);
    CLEANUP(mem_free) size_t *counts = mem_array(parts, sizeof(*counts));
    size_t past_count = 0;
    struct error err;

    if (options->matrix && parts > PARTS_MAX) {
        error_set(&err, ERROR_USAGE,
                  "--shards: a matrix of GitHub Actions has at most %d jobs",
                  PARTS_MAX);
        return report_failure(&err);
    }
    if (options->durations && load_durations(options->durations, &outcome,
                                             &past, &past_count, &err)) {
        error_context(&err, "--durations");
        return report_failure(&err);
    }
    for (size_t i = 0; i < parts; i++) {
        const struct shard shard = {i + 1, parts};

        counts[i] = count_tasks(plan, &shard, past, past_count);
    }
    buffer_init(&text, TEXT_BYTES_MAX);
    if (options->matrix)
        put_github(counts, parts, &text);
    else
        put_list(counts, parts, &text);
    return reports_put(buffer_span(&text), &err) ? report_failure(&err) : 0;
}

int plan_command(const struct options *options)
{
    struct plan plan;
    int status =
        load_plan(options, &plan) ? STATUS_USAGE : print_parts(options, &plan);

    plan_free(&plan);
    return status;
}
