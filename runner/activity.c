#include "runner/activity.h"

#include <inttypes.h>
#include <search.h>
#include <time.h>

#include "base/memory.h"
#include "base/number.h"
#include "base/printable.h"
#include "base/utf8.h"

#define LINE_BYTES_MAX 4096

void activity_init(struct activity *activity)
{
    memset(activity, 0, sizeof(*activity));
    activity->cost_known = true;
}

/* ---- events ------------------------------------------------------------ */

/* "2026-11-21T00:30:00.123Z" in milliseconds since 1970; 0 for another text. */
static int64_t time_of(const cJSON *event)
{
    const char *text = json_get_text(event, "time", "");
    struct tm parts = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &parts);
    int64_t ms = 0;

    if (!rest || *rest != '.')
        return 0;
    for (int i = 1; i <= 3 && rest[i] >= '0' && rest[i] <= '9'; i++)
        ms = ms * 10 + (rest[i] - '0');
    return (int64_t)timegm(&parts) * 1000 + ms;
}

static struct activity_task *find(struct activity *activity, const char *id)
{
    for (size_t i = 0; i < activity->running_count; i++) {
        if (!strcmp(activity->running[i].id, id))
            return &activity->running[i];
    }
    return NULL;
}

static void set_doing(struct activity_task *task, const char *text)
{
    size_t length = strlen(text);

    length = utf8_floor(text, length, ACTIVITY_DOING_MAX - 1);
    memcpy(task->doing, text, length);
    task->doing[length] = '\0';
}

/* A task that is done, and its verdict. */
struct ended {
    char id[TASK_ID_MAX + 1];
    size_t verdict;
};

static int compare_ended(const void *a, const void *b)
{
    return strcmp(((const struct ended *)a)->id, ((const struct ended *)b)->id);
}

/* A task that is worked on again is not done any more. */
static void forget(struct activity *activity, const char *id)
{
    struct ended key;
    struct ended *const *found;
    struct ended *ended;

    snprintf(key.id, sizeof(key.id), "%s", id);
    found = tfind(&key, &activity->ended, compare_ended);
    if (!found)
        return;
    ended = *found;
    activity->done[ended->verdict]--;
    tdelete(&key, &activity->ended, compare_ended);
    free(ended);
}

static void remember(struct activity *activity, const char *id, size_t verdict)
{
    struct ended *ended = mem_alloc(sizeof(*ended));

    forget(activity, id);
    snprintf(ended->id, sizeof(ended->id), "%s", id);
    ended->verdict = verdict;
    if (!tsearch(ended, &activity->ended, compare_ended)) {
        free(ended);
        return;
    }
    activity->done[verdict]++;
}

void activity_free(struct activity *activity)
{
    tdestroy(activity->ended, free);
    activity->ended = NULL;
}

static void start(struct activity *activity, const char *id, int64_t now)
{
    struct activity_task *task = find(activity, id);

    forget(activity, id);
    if (!task && activity->running_count < ACTIVITY_RUNNING_MAX)
        task = &activity->running[activity->running_count++];
    if (!task)
        return;
    *task = (struct activity_task){.began = now};
    snprintf(task->id, sizeof(task->id), "%s", id);
    set_doing(task, "starting");
}

static void finish(struct activity *activity, const char *id,
                   const cJSON *event)
{
    const char *verdict = json_get_text(event, "verdict", "");
    struct activity_task *task = find(activity, id);
    size_t which = VERDICT_PASSED;

    while (which < VERDICT_UNFINISHED &&
           strcmp(verdict_name((enum verdict)which), verdict) != 0)
        which++;
    remember(activity, id, which);
    if (json_get_int64(event, "attempts", 0) > 0) {
        activity->worked++;
        activity->busy_ms += json_get_int64(event, "duration_ms", 0);
    }
    if (!task)
        return;
    activity->running_count--;
    memmove(task, task + 1,
            (size_t)(&activity->running[activity->running_count] - task) *
                sizeof(*task));
}

static void spend(struct activity *activity, struct activity_task *task,
                  const cJSON *event)
{
    int64_t tokens = json_get_int64(event, "input_tokens", 0) +
                     json_get_int64(event, "output_tokens", 0);
    int64_t cost = json_get_int64(event, "cost_microusd", -1);

    activity->tokens += tokens;
    activity->cost_known &= cost >= 0;
    activity->cost_microusd += cost > 0 ? cost : 0;
    if (!task)
        return;
    task->tokens += tokens;
    task->cost_microusd += cost > 0 ? cost : 0;
}

/* What an event says that the task does from now on. */
static void change(struct activity *activity, struct activity_task *task,
                   const char *type, const cJSON *event)
{
    const char *purpose = json_get_text(event, "purpose", "");

    if (!strcmp(type, "attempt_started") || !strcmp(type, "attempt_resumed")) {
        task->attempt = json_get_int64(event, "attempt", 0);
        task->turn = json_get_int64(event, "turn", 0);
        set_doing(task, "repository");
    } else if (!strcmp(type, "repository_ready")) {
        set_doing(task, "workspace");
    } else if (!strcmp(type, "sandbox_ready")) {
        set_doing(task, strcmp(purpose, "agent") ? "verify" : "setup");
    } else if (!strcmp(type, "prompt_made") || !strcmp(type, "tool_finished") ||
               !strcmp(type, "prefix_leased")) {
        set_doing(task, "model");
    } else if (!strcmp(type, "turn_finished")) {
        task->turn = json_get_int64(event, "turn", 0);
        spend(activity, task, event);
    } else if (!strcmp(type, "tool_started")) {
        CLEANUP(mem_free)
        char *text = mem_format("$ %s", json_get_text(event, "call", ""));

        set_doing(task, text);
    } else if (!strcmp(type, "request_retried")) {
        set_doing(task, "waits to try again");
    } else if (!strcmp(type, "call_reviewed") || !strcmp(type, "compacted")) {
        spend(activity, task, event);
    } else if (!strcmp(type, "patch_made")) {
        set_doing(task, "patch");
    }
}

void activity_event(struct activity *activity, const cJSON *event)
{
    const char *type = json_get_text(event, "type", "");
    const char *id = json_get_text(event, "task", "");
    struct activity_task *task = *id ? find(activity, id) : NULL;
    int64_t now = time_of(event);

    if (now > activity->last)
        activity->last = now;
    if (!strcmp(type, "run_started")) {
        activity->planned = json_get_int64(event, "tasks", 0);
        activity->jobs = json_get_int64(event, "jobs", 1);
        activity->began = now;
        activity->finished = false;
        activity->running_count = 0;
    } else if (!strcmp(type, "run_finished")) {
        activity->finished = true;
    } else if (!strcmp(type, "task_started")) {
        start(activity, id, now);
    } else if (!strcmp(type, "task_finished")) {
        finish(activity, id, event);
    } else if (task) {
        change(activity, task, type, event);
    }
}

/* ---- figures ----------------------------------------------------------- */

size_t activity_done(const struct activity *activity)
{
    size_t done = 0;

    for (size_t i = 0; i < VERDICTS; i++)
        done += activity->done[i];
    return done;
}

int64_t activity_left_ms(const struct activity *activity, int64_t now_ms)
{
    int64_t left = activity->planned - (int64_t)activity_done(activity);
    int64_t jobs = activity->jobs > 0 ? activity->jobs : 1;
    int64_t mean;
    __int128 work;

    if (left <= 0)
        return 0;
    if (!activity->worked)
        return -1;
    mean = activity->busy_ms / activity->worked;
    work = (__int128)mean * left;
    for (size_t i = 0; i < activity->running_count; i++) {
        int64_t passed = now_ms - activity->running[i].began;

        work -= passed < mean ? passed : mean;
    }
    work = work > 0 ? work / (jobs < left ? jobs : left) : 0;
    return work < INT64_MAX ? (int64_t)work : INT64_MAX;
}

/* ---- drawing ----------------------------------------------------------- */

static void add_time(struct buffer *out, int64_t ms)
{
    int64_t seconds = ms > 0 ? ms / 1000 : 0;

    if (seconds >= 3600)
        buffer_addf(out, "%" PRId64 "h%02" PRId64 "m", seconds / 3600,
                    seconds / 60 % 60);
    else if (seconds >= 60)
        buffer_addf(out, "%" PRId64 "m%02" PRId64 "s", seconds / 60,
                    seconds % 60);
    else
        buffer_addf(out, "%" PRId64 "s", seconds);
}

static void add_count(struct buffer *out, int64_t count)
{
    if (count >= 10000000)
        buffer_addf(out, "%.1fM", (double)count / 1e6);
    else if (count >= 10000)
        buffer_addf(out, "%.1fk", (double)count / 1e3);
    else
        buffer_addf(out, "%" PRId64, count);
}

static void add_cost(struct buffer *out, int64_t microusd)
{
    buffer_addf(out, "$%.2f", (double)microusd / 1e6);
}

/* The line as it fits: a terminal that wraps would scramble what is redrawn.
 * The text is printable already. */
static void put_line(struct buffer *out, struct span text, size_t columns)
{
    size_t width = 0;
    size_t at = 0;

    while (at < text.length) {
        uint32_t code;
        size_t length = utf8_decode(text.data + at, text.length - at, &code);

        if (!length)
            break;
        width += printable_width(code);
        if (columns && width > columns)
            break;
        at += length;
    }
    buffer_add(out, text.data, at);
    buffer_add_byte(out, '\n');
}

static void add_totals(const struct activity *activity, int64_t now,
                       struct buffer *line)
{
    static const enum verdict told[] = {VERDICT_PASSED, VERDICT_FAILED,
                                        VERDICT_ERROR, VERDICT_SKIPPED};
    int64_t end = activity->finished ? activity->last : now;
    int64_t passed = end - activity->began;
    int64_t left = activity_left_ms(activity, now);

    buffer_addf(line, "%zu of %" PRId64 " done", activity_done(activity),
                activity->planned);
    for (size_t i = 0; i < ARRAY_LENGTH(told); i++) {
        if (activity->done[told[i]])
            buffer_addf(line, ", %zu %s", activity->done[told[i]],
                        verdict_name(told[i]));
    }
    buffer_addf(line, " | %zu running | ", activity->running_count);
    add_count(line, activity->tokens);
    buffer_add_string(line, " tokens");
    if (activity->cost_known && activity->tokens) {
        buffer_add_string(line, ", ");
        add_cost(line, activity->cost_microusd);
    }
    buffer_add_string(line, " | ");
    add_time(line, passed);
    if (passed >= 1000 && activity->worked)
        buffer_addf(line, ", %.1f tasks/min",
                    (double)activity->worked * 60000 / (double)passed);
    if (!activity->finished && left > 0) {
        buffer_add_string(line, ", about ");
        add_time(line, left);
        buffer_add_string(line, " left");
    }
}

static void add_task(const struct activity_task *task, int64_t now,
                     struct buffer *line)
{
    buffer_add_string(line, "  ");
    printable_add(line, task->id, strlen(task->id), false);
    buffer_addf(line, "  turn %" PRId64 "  ", task->turn);
    add_count(line, task->tokens);
    if (task->cost_microusd) {
        buffer_add_string(line, "  ");
        add_cost(line, task->cost_microusd);
    }
    buffer_add_string(line, "  ");
    add_time(line, now - task->began);
    buffer_add_string(line, "  ");
    printable_add(line, task->doing, strlen(task->doing), false);
}

size_t activity_draw(const struct activity *activity, int64_t now_ms,
                     const struct activity_style *style, struct buffer *out)
{
    CLEANUP(buffer_free) struct buffer line = {0};
    size_t shown = activity->running_count;
    size_t lines = 1;

    buffer_init(&line, LINE_BYTES_MAX);
    add_totals(activity, now_ms, &line);
    put_line(out, buffer_span(&line), style->columns);
    if (style->rows && shown > style->rows - 1)
        shown = style->rows > 2 ? style->rows - 2 : 0;
    for (size_t i = 0; i < shown; i++, lines++) {
        buffer_clear(&line);
        add_task(&activity->running[i], now_ms, &line);
        put_line(out, buffer_span(&line), style->columns);
    }
    if (shown < activity->running_count && style->rows > 1) {
        buffer_clear(&line);
        buffer_addf(&line, "  and %zu more", activity->running_count - shown);
        put_line(out, buffer_span(&line), style->columns);
        lines++;
    }
    return lines;
}
