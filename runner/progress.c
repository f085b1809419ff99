#include "runner/progress.h"

#include <inttypes.h>
#include <stdarg.h>

#include "base/memory.h"
#include "base/printable.h"

#define LINE_BYTES_MAX 4096

/* A line on standard error: everything that is not from us went through
 * add_untrusted before. */
static void put_line(struct buffer *line)
{
    struct error ignored;

    (void)ignored;
    buffer_add_byte(line, '\n');
    /* A terminal that is gone is no reason to stop the run. */
    if (write(STDERR_FILENO, line->data, line->length) < 0)
        return;
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
    put_line(&line);
    if (*hint) {
        buffer_clear(&line);
        buffer_add_string(&line, "    hint: ");
        add_untrusted(&line, hint);
        put_line(&line);
    }
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
    put_line(&line);
}

static void request_retried(struct progress *progress, const cJSON *event)
{
    CLEANUP(buffer_free) struct buffer line = {0};

    (void)progress;
    if (!json_get_true(event, "again"))
        return; /* the task's verdict says it */
    start_line(&line, event);
    add_untrusted(&line, json_get_text(event, "message", ""));
    buffer_addf(&line, "; trying again in %.1f s",
                (double)json_get_int64(event, "wait_ms", 0) / 1000);
    put_line(&line);
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
    put_line(&line);
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
    put_line(&line);
}

static void task_started(struct progress *progress, const cJSON *event)
{
    CLEANUP(buffer_free) struct buffer line = {0};

    (void)progress;
    start_line(&line, event);
    buffer_add_string(&line, "started");
    put_line(&line);
}

static void run_interrupted(struct progress *progress, const cJSON *event)
{
    CLEANUP(buffer_free) struct buffer line = {0};
    bool stop = !strcmp(json_get_text(event, "action", ""), "stop");

    (void)progress;
    buffer_init(&line, LINE_BYTES_MAX);
    buffer_add_string(&line,
                      stop ? "interrupted again: ending now"
                           : "interrupted: running tasks finish their turn; "
                             "again to end now");
    put_line(&line);
}

static void pilot_finished(struct progress *progress, const cJSON *event)
{
    CLEANUP(buffer_free) struct buffer line = {0};

    (void)progress;
    buffer_init(&line, LINE_BYTES_MAX);
    add_untrusted(&line, json_get_text(event, "message", ""));
    put_line(&line);
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
    for (size_t i = 0; i < ARRAY_LENGTH(tellers); i++) {
        if (!strcmp(tellers[i].type, type))
            tellers[i].tell(progress, event);
    }
}
