#include "runner/progress.h"

#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/printable.h"
#include "runner/activity.h"

#define LINE_BYTES_MAX 4096
#define PICTURE_BYTES_MAX ((size_t)1 << 20)
#define GROUP_BYTES_MAX ((size_t)64 << 10)
/* A picture that has changed is drawn again after so long, any other one for
 * its clocks. */
#define CHANGED_MS 200
#define STILL_MS 1000

/* One write: what others print comes before or after it. */
static void put_text(struct span text)
{
    /* A terminal that is gone is no reason to stop the run. */
    if (write(STDERR_FILENO, text.data, text.length) < 0)
        return;
}

/* ---- the picture ------------------------------------------------------- */

/* Back to its first line, and nothing below. */
static void add_erasure(struct progress *progress, struct buffer *out)
{
    if (progress->drawn)
        buffer_addf(out, "\x1b[%zuF\x1b[J", progress->drawn);
    progress->drawn = 0;
}

static struct activity_style style_of_terminal(void)
{
    struct activity_style style = {80, 12};
    struct winsize size;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) || !size.ws_col)
        return style;
    /* The last column is left free: some terminals wrap behind it. */
    style.columns = size.ws_col > 1 ? size.ws_col - 1U : 1;
    style.rows = size.ws_row > 4 ? size.ws_row / 2U : 1;
    return style;
}

static void add_picture(struct progress *progress, struct buffer *out)
{
    struct activity_style style = style_of_terminal();

    progress->drawn =
        activity_draw(progress->activity, clock_utc_ms(), &style, out);
    progress->drawn_at = clock_now_ms();
    progress->changed = false;
}

/* Lines above the picture, which stay. */
static void put_above(struct progress *progress, struct span text)
{
    CLEANUP(buffer_free) struct buffer out = {0};

    buffer_init(&out, PICTURE_BYTES_MAX);
    add_erasure(progress, &out);
    buffer_add_span(&out, text);
    add_picture(progress, &out);
    put_text(buffer_span(&out));
}

void progress_tick(struct progress *progress)
{
    CLEANUP(buffer_free) struct buffer out = {0};
    struct pollfd room = {STDERR_FILENO, POLLOUT, 0};

    if (progress->form != PROGRESS_LIVE ||
        clock_now_ms() < progress_deadline(progress) || poll(&room, 1, 0) != 1)
        return;
    buffer_init(&out, PICTURE_BYTES_MAX);
    add_erasure(progress, &out);
    add_picture(progress, &out);
    put_text(buffer_span(&out));
}

int64_t progress_deadline(const struct progress *progress)
{
    if (progress->form != PROGRESS_LIVE)
        return CLOCK_NEVER;
    return progress->drawn_at + (progress->changed ? CHANGED_MS : STILL_MS);
}

/* ---- groups ------------------------------------------------------------ */

/* Lines of a task that has not ended. */
struct progress_group {
    char *task;
    struct buffer lines;
};

static struct progress_group *group_of(struct progress *progress,
                                       const char *task)
{
    size_t count = progress->group_count;

    for (size_t i = 0; i < count; i++) {
        if (!strcmp(progress->groups[i].task, task))
            return &progress->groups[i];
    }
    if (!(count & (count - 1)))
        progress->groups = mem_resize(progress->groups, count ? 2 * count : 1,
                                      sizeof(*progress->groups));
    progress->groups[count].task = mem_string(task);
    buffer_init(&progress->groups[count].lines, GROUP_BYTES_MAX);
    progress->group_count++;
    return &progress->groups[count];
}

static void group_end(struct progress *progress, struct progress_group *group)
{
    free(group->task);
    buffer_free(&group->lines);
    *group = progress->groups[--progress->group_count];
}

/* The task's last line heads what it had before, folded away. */
static void put_group(struct progress *progress, const char *task,
                      struct span head)
{
    struct progress_group *group = group_of(progress, task);
    CLEANUP(buffer_free) struct buffer out = {0};
    bool github = progress->form == PROGRESS_GITHUB;
    long long seconds = clock_utc_ms() / 1000;

    buffer_init(&out, 2 * GROUP_BYTES_MAX);
    if (!group->lines.length)
        buffer_add_span(&out, head);
    else if (github)
        buffer_addf(&out, "::group::%.*s%s::endgroup::\n", (int)head.length,
                    head.data, group->lines.data);
    else
        buffer_addf(&out,
                    "\x1b[0Ksection_start:%lld:task_%zu[collapsed=true]\r"
                    "\x1b[0K%.*s%s\x1b[0Ksection_end:%lld:task_%zu\r\x1b[0K\n",
                    seconds, progress->done, (int)head.length, head.data,
                    group->lines.data, seconds, progress->done);
    put_text(buffer_span(&out));
    group_end(progress, group);
}

/* ---- lines ------------------------------------------------------------- */

/* Everything in it that is not from us went through add_untrusted before.
 * `task` may be NULL. */
static void put_line(struct progress *progress, const char *task,
                     struct buffer *line)
{
    buffer_add_byte(line, '\n');
    if (progress->form == PROGRESS_LIVE)
        put_above(progress, buffer_span(line));
    else if (task && progress->form > PROGRESS_LIVE)
        buffer_add_span(&group_of(progress, task)->lines, buffer_span(line));
    else
        put_text(buffer_span(line));
}

/* The last lines of a task. */
static void put_end(struct progress *progress, const char *task,
                    struct buffer *line)
{
    buffer_add_byte(line, '\n');
    if (progress->form == PROGRESS_LIVE)
        put_above(progress, buffer_span(line));
    else if (progress->form > PROGRESS_LIVE)
        put_group(progress, task, buffer_span(line));
    else
        put_text(buffer_span(line));
}

static void add_untrusted(struct buffer *line, const char *text)
{
    printable_add(line, text, strlen(text), false);
}

static const char *color_of(const char *verdict)
{
    if (!strcmp(verdict, "passed"))
        return "\x1b[32m";
    if (!strcmp(verdict, "skipped"))
        return "\x1b[33m";
    return "\x1b[31m";
}

static void start_line(struct buffer *line, const cJSON *event)
{
    buffer_init(line, LINE_BYTES_MAX);
    add_untrusted(line, json_get_text(event, "task", ""));
    buffer_add_string(line, ": ");
}

static void task_finished(struct progress *progress, const cJSON *event)
{
    CLEANUP(buffer_free) struct buffer line = {0};
    const char *verdict = json_get_text(event, "verdict", "");
    const char *message = json_get_text(event, "message", "");
    const char *hint = json_get_text(event, "hint", "");

    progress->done++;
    buffer_init(&line, LINE_BYTES_MAX);
    buffer_addf(&line, "[%zu/%zu] ", progress->done, progress->total);
    add_untrusted(&line, json_get_text(event, "task", ""));
    buffer_add_string(&line, ": ");
    if (progress->color)
        buffer_add_string(&line, color_of(verdict));
    add_untrusted(&line, verdict);
    if (progress->color)
        buffer_add_string(&line, "\x1b[0m");
    buffer_add_string(&line, " (");
    add_untrusted(&line, json_get_text(event, "reason", ""));
    buffer_add_string(&line, ")");
    if (*message) {
        buffer_add_string(&line, ": ");
        add_untrusted(&line, message);
    }
    if (*hint) {
        buffer_add_string(&line, "\n    hint: ");
        add_untrusted(&line, hint);
    }
    put_end(progress, json_get_text(event, "task", ""), &line);
}

static void step_finished(struct progress *progress, const cJSON *event)
{
    CLEANUP(buffer_free) struct buffer line = {0};
    const char *result = json_get_text(event, "result", "");

    /* On the base a failure is what is wanted. */
    if (progress->verbosity < PROGRESS_VERBOSE &&
        (!strcmp(result, "passed") ||
         !strcmp(json_get_text(event, "phase", ""), "base")))
        return;
    start_line(&line, event);
    add_untrusted(&line, json_get_text(event, "phase", ""));
    buffer_add_string(&line, " step '");
    add_untrusted(&line, json_get_text(event, "name", ""));
    buffer_add_string(&line, "' ");
    add_untrusted(&line, result);
    put_line(progress, json_get_string(event, "task"), &line);
}

static void request_retried(struct progress *progress, const cJSON *event)
{
    CLEANUP(buffer_free) struct buffer line = {0};

    if (!json_get_true(event, "again"))
        return; /* the task's verdict says it */
    start_line(&line, event);
    add_untrusted(&line, json_get_text(event, "message", ""));
    buffer_addf(&line, "; trying again in %.1f s",
                (double)json_get_int64(event, "wait_ms", 0) / 1000);
    put_line(progress, json_get_string(event, "task"), &line);
}

static void turn_finished(struct progress *progress, const cJSON *event)
{
    CLEANUP(buffer_free) struct buffer line = {0};

    if (progress->verbosity < PROGRESS_VERBOSE)
        return;
    start_line(&line, event);
    buffer_addf(&line,
                "turn %" PRId64 ": %" PRId64 " tokens in (%" PRId64
                " cached), %" PRId64 " out, %" PRId64 " calls",
                json_get_int64(event, "turn", 0),
                json_get_int64(event, "input_tokens", 0),
                json_get_int64(event, "cached_tokens", 0),
                json_get_int64(event, "output_tokens", 0),
                json_get_int64(event, "calls", 0));
    put_line(progress, json_get_string(event, "task"), &line);
}

static void tool_finished(struct progress *progress, const cJSON *event)
{
    CLEANUP(buffer_free) struct buffer line = {0};
    bool denied = !strcmp(json_get_text(event, "decision", ""), "deny");

    if (progress->verbosity < PROGRESS_VERBOSE && !denied)
        return;
    start_line(&line, event);
    add_untrusted(&line, json_get_text(event, "tool", ""));
    buffer_add_string(&line, ": ");
    add_untrusted(&line, json_get_text(event, "summary", ""));
    put_line(progress, json_get_string(event, "task"), &line);
}

static void task_started(struct progress *progress, const cJSON *event)
{
    CLEANUP(buffer_free) struct buffer line = {0};

    if (progress->form == PROGRESS_LIVE)
        return; /* the picture shows it */
    start_line(&line, event);
    buffer_add_string(&line, "started");
    put_line(progress, json_get_string(event, "task"), &line);
}

static void run_interrupted(struct progress *progress, const cJSON *event)
{
    CLEANUP(buffer_free) struct buffer line = {0};
    bool stop = !strcmp(json_get_text(event, "action", ""), "stop");

    buffer_init(&line, LINE_BYTES_MAX);
    buffer_add_string(&line,
                      stop ? "interrupted again: ending now"
                           : "interrupted: running tasks finish their turn; "
                             "again to end now");
    put_line(progress, json_get_string(event, "task"), &line);
}

static void pilot_finished(struct progress *progress, const cJSON *event)
{
    CLEANUP(buffer_free) struct buffer line = {0};

    buffer_init(&line, LINE_BYTES_MAX);
    add_untrusted(&line, json_get_text(event, "message", ""));
    put_line(progress, json_get_string(event, "task"), &line);
}

void progress_event(struct progress *progress, const cJSON *event)
{
    static const struct {
        const char *type;
        void (*tell)(struct progress *progress, const cJSON *event);
    } tellers[] = {
        {"task_started", task_started},
        {"task_finished", task_finished},
        {"step_finished", step_finished},
        {"turn_finished", turn_finished},
        {"tool_finished", tool_finished},
        {"request_retried", request_retried},
        {"run_interrupted", run_interrupted},
        {"pilot_finished", pilot_finished},
    };
    const char *type = json_get_text(event, "type", "");

    if (progress->verbosity == PROGRESS_QUIET)
        return;
    if (progress->form == PROGRESS_LIVE) {
        activity_event(progress->activity, event);
        progress->changed = true;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(tellers); i++) {
        if (!strcmp(tellers[i].type, type))
            tellers[i].tell(progress, event);
    }
}

/* ---- beginning and end ------------------------------------------------- */

static enum progress_form choose_form(void)
{
    const char *terminal = getenv("TERM");

    if (getenv("GITHUB_ACTIONS"))
        return PROGRESS_GITHUB;
    if (getenv("GITLAB_CI"))
        return PROGRESS_GITLAB;
    if (!getenv("CI") && isatty(STDERR_FILENO) && terminal &&
        strcmp(terminal, "dumb") != 0)
        return PROGRESS_LIVE;
    return PROGRESS_PLAIN;
}

void progress_start(struct progress *progress, size_t total)
{
    progress->total = total;
    if (progress->verbosity == PROGRESS_QUIET)
        progress->form = PROGRESS_PLAIN;
    else if (progress->form == PROGRESS_AUTO)
        progress->form = choose_form();
    if (progress->form != PROGRESS_LIVE)
        return;
    progress->activity = mem_alloc(sizeof(*progress->activity));
    activity_init(progress->activity);
}

void progress_end(struct progress *progress)
{
    CLEANUP(buffer_free) struct buffer out = {0};

    buffer_init(&out, PICTURE_BYTES_MAX);
    add_erasure(progress, &out);
    put_text(buffer_span(&out));
    while (progress->group_count) {
        put_text(buffer_span(&progress->groups[0].lines));
        group_end(progress, &progress->groups[0]);
    }
    free(progress->groups);
    if (progress->activity)
        activity_free(progress->activity);
    free(progress->activity);
    progress->groups = NULL;
    progress->activity = NULL;
    progress->form = PROGRESS_PLAIN;
}
