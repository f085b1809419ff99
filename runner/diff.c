#include <inttypes.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/printable.h"
#include "reporters/figures.h"
#include "runner/compare.h"
#include "runner/reports.h"

#define TEXT_BYTES_MAX ((size_t)64 << 20)
#define STATUS_WORSE 1

/* In the order in which they are told. */
enum change {
    CHANGE_BROKEN, /* passed, and does not pass now */
    CHANGE_FIXED,
    CHANGE_FLAKY, /* ended otherwise with nothing changed, or passed only at a
                     later attempt */
    CHANGE_FAILING,
    CHANGE_NEW,
    CHANGE_GONE,
    CHANGE_PASSING,
    CHANGES
};

static const struct {
    const char *name;
    const char *title;
} changes[CHANGES] = {
    [CHANGE_BROKEN] = {"broken", "passed before, not now"},
    [CHANGE_FIXED] = {"fixed", "pass now, not before"},
    [CHANGE_FLAKY] = {"flaky", "by chance: same task, commit and checks"},
    [CHANGE_FAILING] = {"failing", "still do not pass"},
    [CHANGE_NEW] = {"new", "new"},
    [CHANGE_GONE] = {"gone", "not in the second run"},
    [CHANGE_PASSING] = {"passing", "pass as before"},
};

struct pair {
    const char *id;
    const struct outcome_task *before; /* NULL: not in the first run */
    const struct outcome_task *after;
    enum change change;
};

struct comparison {
    struct run_outcome before;
    struct run_outcome after;
    struct pair *pairs;
    size_t count;
    size_t counts[CHANGES];
};

/* ---- comparing --------------------------------------------------------- */

static int by_id(const void *a, const void *b)
{
    return strcmp((*(struct outcome_task *const *)a)->id,
                  (*(struct outcome_task *const *)b)->id);
}

static struct outcome_task **sorted(const struct run_outcome *outcome)
{
    struct outcome_task **tasks =
        mem_array(outcome->task_count, sizeof(struct outcome_task *));

    if (outcome->task_count)
        memcpy(tasks, outcome->tasks, outcome->task_count * sizeof(*tasks));
    qsort(tasks, outcome->task_count, sizeof(*tasks), by_id);
    return tasks;
}

/* By its checks: what a limit or the policy ended has another cause. */
static bool is_judged(const struct outcome_task *task)
{
    return task->verdict == VERDICT_PASSED ||
           (task->verdict == VERDICT_FAILED && !strcmp(task->reason, "verify"));
}

/* Whether chance alone made the difference. */
static bool is_same_work(const struct outcome_task *before,
                         const struct outcome_task *after)
{
    return is_judged(before) && is_judged(after) && *before->definition &&
           !strcmp(before->definition, after->definition) && before->commit &&
           after->commit && !strcmp(before->commit, after->commit);
}

static enum change change_of(const struct pair *pair)
{
    bool passed = pair->before && pair->before->verdict == VERDICT_PASSED;
    bool passes = pair->after && pair->after->verdict == VERDICT_PASSED;

    if (!pair->after)
        return CHANGE_GONE;
    if (!pair->before)
        return CHANGE_NEW;
    if (passed != passes && is_same_work(pair->before, pair->after))
        return CHANGE_FLAKY;
    if (passes)
        return !passed                          ? CHANGE_FIXED
               : pair->after->attempt_count > 1 ? CHANGE_FLAKY
                                                : CHANGE_PASSING;
    return passed ? CHANGE_BROKEN : CHANGE_FAILING;
}

static void compare(struct comparison *comparison)
{
    const struct run_outcome *one = &comparison->before;
    const struct run_outcome *other = &comparison->after;
    CLEANUP(mem_free) struct outcome_task **before = sorted(one);
    CLEANUP(mem_free) struct outcome_task **after = sorted(other);
    size_t i = 0;
    size_t j = 0;

    comparison->pairs =
        mem_array(one->task_count + other->task_count, sizeof(struct pair));
    while (i < one->task_count || j < other->task_count) {
        struct pair *pair = &comparison->pairs[comparison->count++];
        int order = i == one->task_count     ? 1
                    : j == other->task_count ? -1
                                             : by_id(&before[i], &after[j]);

        pair->id = order <= 0 ? before[i]->id : after[j]->id;
        pair->before = order <= 0 ? before[i++] : NULL;
        pair->after = order >= 0 ? after[j++] : NULL;
        pair->change = change_of(pair);
        comparison->counts[pair->change]++;
    }
}

/* ---- text -------------------------------------------------------------- */

static void add_verdict(struct buffer *out, const struct outcome_task *task)
{
    buffer_add_string(out, verdict_name(task->verdict));
    if (task->verdict != VERDICT_PASSED) {
        buffer_add_string(out, " (");
        printable_add(out, task->reason, strlen(task->reason), false);
        buffer_add_byte(out, ')');
    }
}

static void add_pair(struct buffer *out, const struct pair *pair)
{
    const struct outcome_task *after = pair->after;

    buffer_add_string(out, "  ");
    printable_add(out, pair->id, strlen(pair->id), false);
    buffer_add_string(out, ": ");
    if (pair->before)
        add_verdict(out, pair->before);
    if (pair->before && after)
        buffer_add_string(out, " -> ");
    if (after)
        add_verdict(out, after);
    if (after && after->attempt_count > 1)
        buffer_addf(out, ", at attempt %zu", after->attempt_count);
    if (after && after->verdict != VERDICT_PASSED && *after->message) {
        buffer_add_string(out, ": ");
        printable_add(out, after->message, strlen(after->message), false);
    }
    buffer_add_byte(out, '\n');
}

/* "cost    $1.20 -> $0.90  (-25%)" */
static void add_trend(struct buffer *out, const char *name, int64_t before,
                      int64_t after, void (*text)(char *, size_t, int64_t))
{
    char one[FIGURE_BYTES];
    char other[FIGURE_BYTES];

    text(one, sizeof(one), before);
    text(other, sizeof(other), after);
    buffer_addf(out, "%-7s %9s -> %9s", name, one, other);
    if (before > 0 && after >= 0)
        buffer_addf(out, "  (%+.0f%%)",
                    ((double)after / (double)before - 1) * 100);
    buffer_add_byte(out, '\n');
}

static int64_t cost_of(const struct run_outcome *outcome)
{
    return outcome->usage.cost_known ? outcome->usage.cost_microusd : -1;
}

static int64_t tokens_of(const struct run_outcome *outcome)
{
    return outcome->usage.input_tokens + outcome->usage.output_tokens;
}

static int64_t time_of(const struct run_outcome *outcome)
{
    return outcome->finished ? outcome->duration_ms : -1;
}

static void add_text(struct buffer *out, const struct comparison *comparison)
{
    const struct run_outcome *before = &comparison->before;
    const struct run_outcome *after = &comparison->after;

    for (int change = 0; change < CHANGE_PASSING; change++) {
        if (!comparison->counts[change])
            continue;
        buffer_addf(out, "%s (%zu): %s\n", changes[change].name,
                    comparison->counts[change], changes[change].title);
        for (size_t i = 0; i < comparison->count; i++) {
            if ((int)comparison->pairs[i].change == change)
                add_pair(out, &comparison->pairs[i]);
        }
        buffer_add_byte(out, '\n');
    }
    buffer_addf(out, "%s (%zu)\n\n", changes[CHANGE_PASSING].title,
                comparison->counts[CHANGE_PASSING]);
    add_trend(out, "passed", (int64_t)before->counts[VERDICT_PASSED],
              (int64_t)after->counts[VERDICT_PASSED], figure_count);
    add_trend(out, "cost", cost_of(before), cost_of(after), figure_cost);
    add_trend(out, "tokens", tokens_of(before), tokens_of(after), figure_count);
    buffer_addf(out, "%-7s %8d%% -> %8d%%\n", "cached",
                figure_cached_percent(&before->usage),
                figure_cached_percent(&after->usage));
    add_trend(out, "time", time_of(before), time_of(after), figure_duration);
}

/* ---- JSON -------------------------------------------------------------- */

static void add_run(struct json *json, const char *key,
                    const struct run_outcome *outcome)
{
    json_key(json, key);
    json_object(json);
    json_member_string(json, "id", outcome->id);
    json_member_int(json, "tasks", (int64_t)outcome->task_count);
    json_member_int(json, "passed", (int64_t)outcome->counts[VERDICT_PASSED]);
    json_key(json, "cost_usd");
    if (outcome->usage.cost_known)
        json_micro(json, outcome->usage.cost_microusd);
    else
        json_null(json);
    json_member_int(json, "tokens", tokens_of(outcome));
    json_key(json, "duration_ms");
    if (outcome->finished)
        json_int(json, outcome->duration_ms);
    else
        json_null(json);
    json_end(json);
}

static void add_word(struct json *json, const char *key,
                     const struct outcome_task *task)
{
    json_key(json, key);
    if (task)
        json_string(json, verdict_name(task->verdict));
    else
        json_null(json);
}

static void add_json(struct buffer *out, const struct comparison *comparison)
{
    struct json json = json_to(out);

    json_object(&json);
    add_run(&json, "before", &comparison->before);
    add_run(&json, "after", &comparison->after);
    json_key(&json, "counts");
    json_object(&json);
    for (int change = 0; change < CHANGES; change++)
        json_member_int(&json, changes[change].name,
                        (int64_t)comparison->counts[change]);
    json_end(&json);
    json_key(&json, "tasks");
    json_array(&json);
    for (size_t i = 0; i < comparison->count; i++) {
        const struct pair *pair = &comparison->pairs[i];

        json_object(&json);
        json_member_string(&json, "id", pair->id);
        json_member_string(&json, "change", changes[pair->change].name);
        add_word(&json, "before", pair->before);
        add_word(&json, "after", pair->after);
        json_end(&json);
    }
    json_end(&json);
    json_end(&json);
    buffer_add_byte(out, '\n');
}

/* ---- the command ------------------------------------------------------- */

static void comparison_free(struct comparison *comparison)
{
    outcome_free(&comparison->before);
    outcome_free(&comparison->after);
    free(comparison->pairs);
}

int diff_command(const struct options *options)
{
    CLEANUP(comparison_free) struct comparison comparison = {.pairs = NULL};
    CLEANUP(buffer_free) struct buffer text = {0};
    struct error err;

    if (reports_read(options->arguments.items[0], &comparison.before, &err) ||
        reports_read(options->arguments.items[1], &comparison.after, &err))
        return report_failure(&err);
    compare(&comparison);
    buffer_init(&text, TEXT_BYTES_MAX);
    if (options->json)
        add_json(&text, &comparison);
    else
        add_text(&text, &comparison);
    if (reports_put(buffer_span(&text), &err))
        return report_failure(&err);
    return comparison.counts[CHANGE_BROKEN] ? STATUS_WORSE : 0;
}
