/* `nightjar status`: how far a run is. */
#include "base/clock.h"
#include "base/memory.h"
#include "runner/activity.h"
#include "runner/options.h"
#include "runner/reports.h"
#include "runner/run_directory.h"

#define TEXT_BYTES_MAX ((size_t)16 << 20)

static void read_journal(struct span journal, struct activity *activity)
{
    const char *end = journal.data + journal.length;

    for (const char *at = journal.data; at < end;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        CLEANUP(json_free) cJSON *event = NULL;
        struct error ignored;

        if (!newline)
            return; /* it is just being written */
        event = json_parse(at, (size_t)(newline - at), &ignored);
        if (event)
            activity_event(activity, event);
        at = newline + 1;
    }
}

int status_command(const struct options *options)
{
    const struct activity_style style = {.columns = 0};
    const char *directory = options->arguments.items[0];
    CLEANUP(mem_free) struct activity *activity = mem_alloc(sizeof(*activity));
    CLEANUP(buffer_free) struct buffer journal = {0};
    CLEANUP(buffer_free) struct buffer text = {0};
    struct error err;
    bool at_work;

    activity_init(activity);
    buffer_init(&journal, JOURNAL_BYTES_MAX);
    buffer_init(&text, TEXT_BYTES_MAX);
    at_work = run_directory_is_at_work(directory);
    if (run_directory_read_journal(directory, &journal, &err))
        return report_failure(&err);
    read_journal(buffer_span(&journal), activity);
    if (!at_work && !activity->finished) {
        buffer_add_string(&text, "cut off: nobody works on it; go on with "
                                 "'nightjar run --resume'\n");
        activity->running_count = 0;
    }
    if (activity->finished && activity->done[VERDICT_SKIPPED])
        buffer_add_string(&text, "stopped before its end: go on with "
                                 "'nightjar run --resume'\n");
    activity_draw(activity, at_work ? clock_utc_ms() : activity->last, &style,
                  &text);
    activity_free(activity);
    return reports_put(buffer_span(&text), &err) ? report_failure(&err) : 0;
}
