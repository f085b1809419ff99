#include "runner/worker_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/file.h"
#include "base/memory.h"
#include "tasks/event.h"

/* The files that a worker may leave in its task's folder. */
static const char *const artifact_names[] = {"patch.diff", "final.md",
                                             "output.json", "drift.diff"};

struct receiving {
    struct worker *worker;
    struct run_directory *directory;
    const struct worker_handler *handler;
};

static int fault(struct worker *worker, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The first broken rule counts. Returns 0: it is the worker's fault. */
static int fault(struct worker *worker, const char *format, ...)
{
    va_list arguments;

    if (*worker->fault)
        return 0;
    va_start(arguments, format);
    vsnprintf(worker->fault, sizeof(worker->fault), format, arguments);
    va_end(arguments);
    return 0;
}

void worker_fault(struct worker *worker, const char *format, ...)
{
    va_list arguments;
    char text[sizeof(worker->fault)];

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    fault(worker, "%s", text);
}

/* ---- events ------------------------------------------------------------ */

/* What the supervisor itself must know of a task. */
static void learn(struct worker *worker, const cJSON *event)
{
    const char *type = json_get_text(event, "type", "");

    if (!strcmp(type, "attempt_started") || !strcmp(type, "attempt_resumed"))
        worker->attempts = json_get_int64(event, "attempt", 0);
    if (!strcmp(type, "repository_ready"))
        snprintf(worker->commit, sizeof(worker->commit), "%s",
                 json_get_text(event, "commit", ""));
    if (!strcmp(type, "attempt_finished")) {
        cJSON_Delete(worker->verdict);
        worker->verdict = cJSON_Duplicate(event, true);
    }
}

static int take_event(struct receiving *receiving, struct span line,
                      struct error *err)
{
    struct worker *worker = receiving->worker;
    struct error parse;
    CLEANUP(json_free) cJSON *event = NULL;

    if (!line.length || line.data[line.length - 1] != '\n' ||
        memchr(line.data, '\n', line.length - 1))
        return fault(worker, "sent an event that is not one line");
    event = json_parse(line.data, line.length, &parse);
    if (!event)
        return fault(worker, "sent an event that is no JSON: %.100s",
                     parse.text);
    if (!event_from_worker(json_get_text(event, "type", "")))
        return fault(worker, "sent an event of type '%.40s'",
                     json_get_text(event, "type", ""));
    if (strcmp(json_get_text(event, "task", ""), worker->task->id) != 0)
        return fault(worker, "sent an event of another task");
    learn(worker, event);
    return receiving->handler->event(receiving->handler->context, worker, event,
                                     line, err);
}

static int take_ask(struct receiving *receiving, struct span content,
                    struct error *err)
{
    struct worker *worker = receiving->worker;
    struct error parse;
    CLEANUP(json_free)
    cJSON *ask = json_parse(content.data, content.length, &parse);

    if (!ask)
        return fault(worker, "asked something that is no JSON: %.100s",
                     parse.text);
    return receiving->handler->ask(receiving->handler->context, worker, ask,
                                   err);
}

void worker_answer(const struct worker *worker, bool yes)
{
    char byte = yes ? LINK_YES : LINK_NO;

    /* A worker that does not read is a dead one: its pidfd says so. */
    if (send(worker->socket, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        return;
}

void worker_answer_pin(const struct worker *worker, const char *commit)
{
    char bytes[1 + LINK_COMMIT_LENGTH];

    memset(bytes, '0', sizeof(bytes));
    bytes[0] = LINK_YES;
    if (strlen(commit) == LINK_COMMIT_LENGTH)
        memcpy(bytes + 1, commit, LINK_COMMIT_LENGTH);
    if (send(worker->socket, bytes, sizeof(bytes),
             MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        return;
}

/* ---- files ------------------------------------------------------------- */

static int take_transcript(struct receiving *receiving, struct span line,
                           struct error *err)
{
    struct worker *worker = receiving->worker;
    struct iovec parts[2] = {{(void *)(uintptr_t)line.data, line.length},
                             {(void *)(uintptr_t) "\n", 1}};

    if (memchr(line.data, '\n', line.length))
        return fault(worker, "sent a transcript of several lines");
    ssize_t written = writev(worker->transcript, parts, 2);
    if (written == (ssize_t)line.length + 1)
        return 0;
    /* A short write sets no errno; it is the end of the disk. */
    return error_set_errno(err, ERROR_IO, written < 0 ? errno : ENOSPC,
                           "transcript.jsonl");
}

/* The worker brings it to the disk before it goes on. */
static int take_record(struct receiving *receiving, struct span line,
                       struct error *err)
{
    if (take_transcript(receiving, line, err))
        return -1;
    worker_answer(receiving->worker, true);
    return 0;
}

static int start_artifact(struct receiving *receiving, struct span name,
                          struct error *err)
{
    struct worker *worker = receiving->worker;
    CLEANUP(fd_close) int folder = -1;
    CLEANUP(mem_free) char *part = NULL;

    for (size_t i = 0; i < ARRAY_LENGTH(artifact_names); i++) {
        if (span_is(name, artifact_names[i]))
            snprintf(worker->artifact, sizeof(worker->artifact), "%s",
                     artifact_names[i]);
    }
    if (!*worker->artifact)
        return fault(worker, "sent a file of an unknown name");
    folder = run_directory_task(receiving->directory, worker->task->id, err);
    if (folder < 0)
        return -1;
    part = mem_format("%s.part", worker->artifact);
    worker->artifact_bytes = 0;
    worker->artifact_fd =
        openat(folder, part,
               O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (worker->artifact_fd < 0)
        return error_set_errno(err, ERROR_IO, errno, "%s", part);
    return 0;
}

static int take_content(struct receiving *receiving, struct span content,
                        struct error *err)
{
    struct worker *worker = receiving->worker;

    worker->artifact_bytes += content.length;
    worker->artifacts_total += content.length;
    if (worker->artifacts_total > WORKER_ARTIFACT_BYTES_MAX)
        return fault(worker, "sent files of more than %zu bytes",
                     WORKER_ARTIFACT_BYTES_MAX);
    if (file_write_fd(worker->artifact_fd, content.data, content.length, err))
        return error_context(err, "%s", worker->artifact);
    return 0;
}

static int note_artifact(struct receiving *receiving, struct error *err)
{
    struct worker *worker = receiving->worker;
    CLEANUP(mem_free)
    char *path = mem_format("tasks/%s/%s", worker->task->id, worker->artifact);
    CLEANUP(buffer_free) struct buffer line = {0};
    struct json event;

    buffer_init(&line, EVENT_BYTES_MAX);
    event = event_begin(&line, "artifact_written", worker->task->id);
    json_member_string(&event, "name", worker->artifact);
    json_member_string(&event, "path", path);
    json_member_int(&event, "bytes", (int64_t)worker->artifact_bytes);
    if (event_end(&event))
        return error_set(err, ERROR_INTERNAL, "event is too long");
    return run_directory_append(receiving->directory, buffer_span(&line), err);
}

static int end_artifact(struct receiving *receiving, struct error *err)
{
    struct worker *worker = receiving->worker;
    CLEANUP(mem_free) char *part = mem_format("%s.part", worker->artifact);
    CLEANUP(fd_close)
    int folder =
        run_directory_task(receiving->directory, worker->task->id, err);

    if (folder < 0)
        return -1;
    if (renameat(folder, part, folder, worker->artifact))
        return error_set_errno(err, ERROR_IO, errno, "%s", worker->artifact);
    fd_reset(&worker->artifact_fd);
    if (note_artifact(receiving, err))
        return -1;
    worker->artifact[0] = '\0';
    return 0;
}

/* ---- frames ------------------------------------------------------------ */

/* A file's frames come together: start, content, end. */
static bool allowed_now(const struct worker *worker, uint32_t kind)
{
    bool in_file = *worker->artifact;

    if (kind == LINK_CONTENT || kind == LINK_END)
        return in_file;
    return kind < LINK_KINDS && !in_file;
}

static int take_frame(struct receiving *receiving, enum link_kind kind,
                      struct span content, struct error *err)
{
    switch (kind) {
    case LINK_EVENT:
        return take_event(receiving, content, err);
    case LINK_TRANSCRIPT:
        return take_transcript(receiving, content, err);
    case LINK_RECORD:
        return take_record(receiving, content, err);
    case LINK_ASK:
        return take_ask(receiving, content, err);
    case LINK_ARTIFACT:
        return start_artifact(receiving, content, err);
    case LINK_CONTENT:
        return take_content(receiving, content, err);
    default:
        return end_artifact(receiving, err);
    }
}

/* Every whole frame in the buffer. */
static int take_frames(struct receiving *receiving, struct error *err)
{
    struct worker *worker = receiving->worker;
    size_t at = 0;

    while (!*worker->fault) {
        size_t left = worker->received.length - at;
        const char *data = worker->received.data + at;
        struct link_head head;

        if (left < sizeof(head))
            break;
        memcpy(&head, data, sizeof(head));
        if (!allowed_now(worker, head.kind) ||
            head.length > link_length_max(head.kind)) {
            fault(worker,
                  "sent a frame that is not allowed (kind %u, %u "
                  "bytes)",
                  head.kind, head.length);
            break;
        }
        if (left - sizeof(head) < head.length)
            break;
        at += sizeof(head) + head.length;
        if (take_frame(receiving, head.kind,
                       (struct span){data + sizeof(head), head.length}, err))
            return -1;
    }
    buffer_consume(&worker->received, at);
    return 0;
}

int worker_receive(struct worker *worker, struct run_directory *directory,
                   const struct worker_handler *handler, struct error *err)
{
    struct receiving receiving = {worker, directory, handler};
    /* One piece a turn of the loop, so that no worker keeps the others
     * waiting. */
    char *room = buffer_reserve(&worker->received, WORKER_RECEIVE_BYTES);
    ssize_t got;

    if (!room) {
        fault(worker, "sent too much at once");
        return 0;
    }
    got = recv(worker->socket, room, WORKER_RECEIVE_BYTES, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (got <= 0) {
        worker->ended = true;
        return 0;
    }
    buffer_commit(&worker->received, (size_t)got);
    return take_frames(&receiving, err);
}

void worker_free(struct worker *worker)
{
    fd_reset(&worker->pidfd);
    fd_reset(&worker->socket);
    fd_reset(&worker->artifact_fd);
    fd_reset(&worker->transcript);
    buffer_free(&worker->received);
    cJSON_Delete(worker->verdict);
    free(worker->scratch);
    memset(worker, 0, sizeof(*worker));
}
