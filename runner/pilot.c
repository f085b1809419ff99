#include "runner/pilot.h"

#include <inttypes.h>
#include <math.h>

#include "base/memory.h"

#define THOUSAND 1000
#define NORMAL_95 1.959964 /* two-sided 95 % */

/* Two-sided 95 % quantiles of Student's t for 1, 2, … degrees of freedom. */
static const double student_95[] = {
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201,  2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080,  2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042};

static void project_share(struct projection *projection)
{
    double n = (double)projection->tasks;
    double p = (double)projection->passed / n;
    double z = NORMAL_95;
    double middle = (p + z * z / (2 * n)) / (1 + z * z / n);
    double half =
        z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n);

    projection->share = (int64_t)lround(p * THOUSAND);
    projection->share_low = (int64_t)lround(fmax(0, middle - half) * THOUSAND);
    projection->share_high = (int64_t)lround(fmin(1, middle + half) * THOUSAND);
}

double pilot_student_95(int64_t freedom)
{
    size_t known = ARRAY_LENGTH(student_95);

    return (size_t)freedom <= known ? student_95[freedom - 1] : NORMAL_95;
}

/* What is spent is spent; only the rest is uncertain. */
static void project_cost(struct projection *projection, double sum,
                         double squares, size_t all)
{
    double n = (double)projection->tasks;
    double rest = (double)all - n;
    double mean = sum / n;
    double half;

    projection->cost = (int64_t)llround(sum + mean * rest);
    projection->cost_low = (int64_t)llround(sum);
    projection->cost_high = rest > 0 ? -1 : projection->cost;
    if (projection->tasks < 2)
        return;
    half = pilot_student_95(projection->tasks - 1) *
           sqrt(fmax(0, squares - sum * mean) / (n - 1) / n) * rest;
    projection->cost_low =
        (int64_t)llround(fmax(sum, sum + mean * rest - half));
    projection->cost_high = (int64_t)llround(sum + mean * rest + half);
}

struct projection pilot_project(const struct run_outcome *outcome, size_t all)
{
    struct projection projection = {.cost_known = true};
    double sum = 0;
    double squares = 0;

    for (size_t i = 0; i < outcome->task_count; i++) {
        const struct outcome_task *task = outcome->tasks[i];
        double cost = (double)task->usage.cost_microusd;

        if (task->verdict == VERDICT_UNFINISHED ||
            task->verdict == VERDICT_SKIPPED)
            continue;
        projection.tasks++;
        projection.passed += task->verdict == VERDICT_PASSED;
        projection.cost_known &= task->usage.cost_known;
        sum += cost;
        squares += cost * cost;
    }
    if (!projection.tasks)
        return (struct projection){.cost_high = -1};
    project_share(&projection);
    project_cost(&projection, sum, squares, all);
    return projection;
}

static void add_dollars(struct buffer *out, int64_t microusd)
{
    buffer_addf(out, "$%.2f", (double)microusd / 1e6);
}

void pilot_tell(const struct projection *projection, size_t all,
                struct buffer *out)
{
    buffer_addf(out,
                "pilot: %" PRId64 " of %" PRId64
                " tasks passed; of all %zu expect %" PRId64 " %% to %" PRId64
                " %%",
                projection->passed, projection->tasks, all,
                projection->share_low / 10, (projection->share_high + 9) / 10);
    if (!projection->cost_known) {
        buffer_add_string(out, "; the cost is not known (no price is set)");
        return;
    }
    buffer_add_string(out, " and a cost of about ");
    add_dollars(out, projection->cost);
    if (projection->cost_high < 0)
        return;
    buffer_add_string(out, " (");
    add_dollars(out, projection->cost_low);
    buffer_add_string(out, " to ");
    add_dollars(out, projection->cost_high);
    buffer_add_byte(out, ')');
}
