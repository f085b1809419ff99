#include "runner/logs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sys/inotify.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/printable.h"
#include "runner/reports.h"
#include "runner/run_directory.h"
#include "tasks/event.h"

#define STATUS_USAGE 2
#define READ_BYTES ((size_t)1 << 16)
#define LOOK_MS 1000 /* whether the run is still there */

struct logs {
    const char *task;
    struct buffer pending; /* the start of a line */
    struct buffer out;
    bool known; /* the run has the task */
    bool ended; /* and it is done */
};

/* ---- lines ------------------------------------------------------------- */

static void add_text(struct buffer *out, const char *before, const char *text)
{
    if (!*text)
        return;
    buffer_add_string(out, before);
    printable_add(out, text, strlen(text), false);
}

/* Indented, line by line. */
static void add_output(struct buffer *out, const char *text)
{
    while (*text) {
        size_t length = strcspn(text, "\n");

        buffer_add_string(out, "\n    | ");
        printable_add(out, text, length, false);
        text += length + (text[length] == '\n');
    }
}

static void tell_turn(struct buffer *out, const cJSON *event)
{
    buffer_addf(out,
                "turn %" PRId64 ": %" PRId64 " tokens in (%" PRId64
                " cached), %" PRId64 " out, %" PRId64 " calls",
                json_get_int64(event, "turn", 0),
                json_get_int64(event, "input_tokens", 0),
                json_get_int64(event, "cached_tokens", 0),
                json_get_int64(event, "output_tokens", 0),
                json_get_int64(event, "calls", 0));
}

static void tell_tool(struct buffer *out, const cJSON *event)
{
    add_text(out, "", json_get_text(event, "tool", ""));
    add_text(out, ": ", json_get_text(event, "call", ""));
    add_text(out, "\n    -> ", json_get_text(event, "summary", ""));
}

static void tell_step(struct buffer *out, const cJSON *event)
{
    add_text(out, "", json_get_text(event, "phase", ""));
    add_text(out, " step '", json_get_text(event, "name", ""));
    add_text(out, "' ", json_get_text(event, "result", ""));
    add_output(out, json_get_text(event, "output", ""));
}

static void tell_patch(struct buffer *out, const cJSON *event)
{
    const cJSON *violation;

    buffer_addf(out, "patch: %" PRId64 " files, +%" PRId64 " -%" PRId64,
                json_get_int64(event, "files", 0),
                json_get_int64(event, "insertions", 0),
                json_get_int64(event, "deletions", 0));
    cJSON_ArrayForEach(violation, json_get_array(event, "violations"))
    {
        add_text(out,
                 "\n    not allowed: ", json_get_text(violation, "path", ""));
        add_text(out, ": ", json_get_text(violation, "message", ""));
    }
}

static void tell_verdict(struct buffer *out, const cJSON *event)
{
    add_text(out, "", json_get_text(event, "verdict", ""));
    add_text(out, " (", json_get_text(event, "reason", ""));
    buffer_add_byte(out, ')');
    add_text(out, ": ", json_get_text(event, "message", ""));
    add_text(out, "\n    hint: ", json_get_text(event, "hint", ""));
}

static void tell_attempt(struct buffer *out, const cJSON *event)
{
    buffer_addf(out, "attempt %" PRId64, json_get_int64(event, "attempt", 0));
}

static void tell_resumed(struct buffer *out, const cJSON *event)
{
    buffer_addf(out, "attempt %" PRId64 " goes on behind turn %" PRId64,
                json_get_int64(event, "attempt", 0),
                json_get_int64(event, "turn", 0));
}

static void tell_attempt_end(struct buffer *out, const cJSON *event)
{
    buffer_addf(out, "attempt %" PRId64 ": ",
                json_get_int64(event, "attempt", 0));
    tell_verdict(out, event);
}

static void tell_repository(struct buffer *out, const cJSON *event)
{
    add_text(out, "commit ", json_get_text(event, "commit", ""));
}

static void tell_message(struct buffer *out, const cJSON *event)
{
    add_text(out, "", json_get_text(event, "message", ""));
}

static void tell_artifact(struct buffer *out, const cJSON *event)
{
    add_text(out, "wrote ", json_get_text(event, "path", ""));
}

static void tell_again(struct buffer *out, const cJSON *event)
{
    add_text(out, "once more: ", json_get_text(event, "why", ""));
}

static void tell(struct logs *logs, const char *type, const cJSON *event)
{
    static const struct {
        const char *type;
        void (*tell)(struct buffer *out, const cJSON *event);
    } tellers[] = {
        {"attempt_started", tell_attempt},
        {"attempt_resumed", tell_resumed},
        {"repository_ready", tell_repository},
        {"turn_finished", tell_turn},
        {"tool_finished", tell_tool},
        {"step_finished", tell_step},
        {"request_retried", tell_message},
        {"limit_reached", tell_message},
        {"patch_made", tell_patch},
        {"artifact_written", tell_artifact},
        {"attempt_finished", tell_attempt_end},
        {"task_again", tell_again},
        {"task_finished", tell_verdict},
    };
    const char *time = json_get_text(event, "time", "");

    for (size_t i = 0; i < ARRAY_LENGTH(tellers); i++) {
        if (strcmp(tellers[i].type, type) != 0)
            continue;
        /* 2026-11-21T00:30:00.123Z: the time of day */
        if (strlen(time) > 19)
            printable_add(&logs->out, time + 11, 8, false);
        buffer_add_string(&logs->out, "  ");
        tellers[i].tell(&logs->out, event);
        buffer_add_byte(&logs->out, '\n');
    }
}

static void take_line(struct logs *logs, struct span line)
{
    struct error ignored;
    CLEANUP(json_free)
    cJSON *event = json_parse(line.data, line.length, &ignored);
    const char *type = json_get_text(event, "type", "");

    if (!event || strcmp(json_get_text(event, "task", ""), logs->task) != 0)
        return;
    logs->known = true;
    logs->ended = !strcmp(type, "task_finished");
    tell(logs, type, event);
}

/* ---- the file ---------------------------------------------------------- */

static int flush(struct logs *logs, struct error *err)
{
    int status = reports_put(buffer_span(&logs->out), err);

    buffer_clear(&logs->out);
    return status;
}

/* All that is there now. */
static int read_more(struct logs *logs, int file, struct error *err)
{
    for (;;) {
        char *room = buffer_reserve(&logs->pending, READ_BYTES);
        ssize_t got = room ? read(file, room, READ_BYTES) : -1;
        const char *end;
        size_t done = 0;

        if (got < 0)
            return error_set_errno(err, ERROR_IO, room ? errno : E2BIG,
                                   "journal");
        if (!got)
            return flush(logs, err);
        buffer_commit(&logs->pending, (size_t)got);
        while ((end = memchr(logs->pending.data + done, '\n',
                             logs->pending.length - done))) {
            size_t length = (size_t)(end - logs->pending.data) - done;

            take_line(logs, (struct span){logs->pending.data + done, length});
            done += length + 1;
            if (logs->out.length > READ_BYTES && flush(logs, err))
                return -1;
        }
        buffer_consume(&logs->pending, done);
    }
}

/* Until the task has ended, or nobody works on the run any more. The kernel
 * tells when there is more; of a run that was killed it tells nothing. */
static int follow(struct logs *logs, int file, const char *directory,
                  const char *path, struct error *err)
{
    CLEANUP(fd_close) int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

    if (watch < 0 || inotify_add_watch(watch, path, IN_MODIFY) < 0)
        return error_set_errno(err, ERROR_IO, errno, "watch %s", path);
    for (;;) {
        struct pollfd more = {watch, POLLIN, 0};
        bool at_work = run_directory_is_at_work(directory);
        char events[4096];

        if (read_more(logs, file, err))
            return -1;
        if (logs->known && !logs->ended && !at_work)
            fprintf(stderr, "nightjar: nobody works on the run any more\n");
        if (logs->ended || !logs->known || !at_work)
            return 0;
        if (poll(&more, 1, LOOK_MS) > 0 &&
            read(watch, events, sizeof(events)) < 0 && errno != EINTR &&
            errno != EAGAIN)
            return error_set_errno(err, ERROR_IO, errno, "watch %s", path);
    }
}

int logs_command(const struct options *options)
{
    const char *directory = options->arguments.items[0];
    CLEANUP(mem_free) char *path = mem_format("%s/journal.jsonl", directory);
    CLEANUP(fd_close) int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct logs logs = {.task = options->arguments.items[1]};
    struct error err;
    int status;

    if (file < 0) {
        error_set_errno(&err, ERROR_USAGE, errno, "%s", path);
        error_hint(&err, "expected the folder of a run");
        return report_failure(&err);
    }
    buffer_init(&logs.pending, EVENT_BYTES_MAX + 2 * READ_BYTES);
    buffer_init(&logs.out, (size_t)64 << 20);
    status = options->follow ? follow(&logs, file, directory, path, &err)
                             : read_more(&logs, file, &err);
    buffer_free(&logs.pending);
    buffer_free(&logs.out);
    if (status)
        return report_failure(&err);
    if (logs.known)
        return 0;
    error_set(&err, ERROR_USAGE, "the run has no task '%s'", logs.task);
    error_hint(&err, "'nightjar report %s' lists them", directory);
    return report_failure(&err);
}
