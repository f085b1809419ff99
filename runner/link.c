#include "runner/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/memory.h"
#include "tasks/event.h"

void link_init(struct link *link, int fd, const int *files, const char *task,
               const struct secrets *secrets)
{
    *link = (struct link){.fd = fd, .task = task, .secrets = secrets};
    for (int i = 0; i < LINK_FILES; i++)
        link->files[i] = files ? files[i] : -1;
    buffer_init(&link->event, EVENT_BYTES_MAX);
}

void link_free(struct link *link)
{
    buffer_free(&link->event);
    fd_reset(&link->fd);
    for (int i = 0; i < LINK_FILES; i++)
        fd_reset(&link->files[i]);
}

size_t link_length_max(enum link_kind kind)
{
    static const size_t lengths[LINK_KINDS] = {
        [LINK_EVENT] = EVENT_BYTES_MAX,
        [LINK_TRANSCRIPT] = LINK_TRANSCRIPT_MAX,
        [LINK_RECORD] = LINK_TRANSCRIPT_MAX,
        [LINK_ASK] = LINK_ASK_MAX,
        [LINK_ARTIFACT] = LINK_NAME_MAX,
        [LINK_CONTENT] = LINK_CONTENT_MAX,
        [LINK_END] = 0,
    };

    return kind < LINK_KINDS ? lengths[kind] : 0;
}

/* Sends all of two parts, in one call where the socket has room. */
static void send_parts(const struct link *link, struct iovec parts[2])
{
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

    while (parts[0].iov_len + parts[1].iov_len) {
        ssize_t sent = sendmsg(link->fd, &message, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            _exit(1);
        for (int i = 0; i < 2; i++) {
            size_t taken = (size_t)sent < parts[i].iov_len ? (size_t)sent
                                                           : parts[i].iov_len;

            parts[i].iov_base = (char *)parts[i].iov_base + taken;
            parts[i].iov_len -= taken;
            sent -= (ssize_t)taken;
        }
    }
}

static void send_frame(const struct link *link, enum link_kind kind,
                       struct span content)
{
    struct link_head head = {kind, (uint32_t)content.length};
    struct iovec parts[2] = {{&head, sizeof(head)},
                             {(void *)(uintptr_t)content.data, content.length}};

    send_parts(link, parts);
}

struct json link_begin(struct link *link, const char *type)
{
    return event_begin(&link->event, type, link->task);
}

void link_send(struct link *link, struct json *event)
{
    /* Events are bounded where they are built; one that is not is a fault of
     * ours and must not be lost in silence. */
    if (event_end(event)) {
        struct json lost = link_begin(link, "event_too_long");

        event_end(&lost);
    }
    secrets_mask(link->secrets, link->event.data, link->event.length);
    send_frame(link, LINK_EVENT, buffer_span(&link->event));
}

static void send_line(const struct link *link, enum link_kind kind,
                      struct span line)
{
    CLEANUP(mem_free) char *copy = NULL;

    if (line.length > LINK_TRANSCRIPT_MAX) {
        static const char text[] = "{\"type\":\"nightjar.left_out\"}";

        line = SPAN(text);
    }
    copy = mem_bytes(line.data, line.length);
    secrets_mask(link->secrets, copy, line.length);
    send_frame(link, kind, (struct span){copy, line.length});
}

void link_transcript(struct link *link, struct span line)
{
    send_line(link, LINK_TRANSCRIPT, line);
}

/* The supervisor answers each question, also when it is stopping the run; a
 * supervisor that is gone ends this process. */
static bool await_answer(struct link *link)
{
    for (;;) {
        char byte;
        ssize_t got = recv(link->fd, &byte, 1, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got != 1)
            _exit(1);
        if (byte == LINK_YES || byte == LINK_NO)
            return byte == LINK_YES;
        link->stop = (enum link_stop)byte;
    }
}

struct json link_ask_begin(struct link *link, const char *what)
{
    struct json ask;

    buffer_clear(&link->event);
    ask = json_to(&link->event);
    json_object(&ask);
    json_member_string(&ask, "ask", what);
    return ask;
}

void link_tell(struct link *link, struct json *ask)
{
    json_end(ask);
    send_frame(link, LINK_ASK, buffer_span(&link->event));
}

bool link_ask(struct link *link, struct json *ask)
{
    link_tell(link, ask);
    return await_answer(link);
}

bool link_pin(struct link *link, char commit[static LINK_COMMIT_LENGTH + 1])
{
    struct json ask = link_ask_begin(link, "pin");

    commit[0] = '\0';
    if (!link_ask(link, &ask))
        return false;
    /* Sent together with the answer. */
    if (recv(link->fd, commit, LINK_COMMIT_LENGTH, MSG_WAITALL) !=
        LINK_COMMIT_LENGTH)
        _exit(1);
    commit[LINK_COMMIT_LENGTH] = '\0';
    if (commit[strspn(commit, "0")] == '\0')
        commit[0] = '\0';
    return true;
}

/* The supervisor ends the run for it. */
static _Noreturn void unsynced(struct link *link)
{
    struct json lost = link_ask_begin(link, "unsynced");

    json_member_int(&lost, "errno", errno);
    link_tell(link, &lost);
    _exit(1);
}

/* Who comes first brings to the disk what all had written until then; of those
 * that waited for him, most find that theirs was among it. */
static void sync_journal(struct link *link)
{
    struct link_progress *progress = link->progress;
    int64_t wanted = progress ? progress->written : 0;
    int64_t written;

    if (progress && progress->synced >= wanted)
        return;
    while (progress && flock(link->files[LINK_TURN], LOCK_EX)) {
        if (errno != EINTR)
            unsynced(link);
    }
    written = progress ? progress->written : 0;
    if (!progress || progress->synced < wanted) {
        if (fdatasync(link->files[LINK_JOURNAL]))
            unsynced(link);
        if (progress)
            progress->synced = written;
    }
    if (progress && flock(link->files[LINK_TURN], LOCK_UN))
        unsynced(link);
}

/* What the supervisor has written. */
static void sync_files(struct link *link)
{
    if (link->files[LINK_LINES] >= 0 && fdatasync(link->files[LINK_LINES]))
        unsynced(link);
    if (link->files[LINK_JOURNAL] >= 0)
        sync_journal(link);
}

static void sync_artifacts(struct link *link)
{
    int folder = link->files[LINK_FOLDER];

    for (size_t i = 0; folder >= 0 && i < link->artifact_count; i++) {
        CLEANUP(fd_close)
        int fd = openat(folder, link->artifacts[i],
                        O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

        if (fd < 0 || fdatasync(fd))
            unsynced(link);
    }
    if (folder >= 0 && link->artifact_count && fsync(folder))
        unsynced(link);
    link->artifact_count = 0;
}

void link_record(struct link *link, struct span line)
{
    send_line(link, LINK_RECORD, line);
    await_answer(link);
    sync_files(link);
}

void link_sync(struct link *link)
{
    struct json ask = link_ask_begin(link, "written");

    link_ask(link, &ask);
    sync_artifacts(link);
    sync_files(link);
}

void link_sync_artifacts(struct link *link)
{
    struct json ask;

    if (!link->artifact_count)
        return;
    ask = link_ask_begin(link, "written");
    link_ask(link, &ask);
    sync_artifacts(link);
}

/* Several of one name are one file. */
static void note_artifact(struct link *link, const char *name)
{
    for (size_t i = 0; i < link->artifact_count; i++) {
        if (!strcmp(link->artifacts[i], name))
            return;
    }
    if (link->artifact_count == LINK_ARTIFACTS_MAX)
        link_sync_artifacts(link);
    snprintf(link->artifacts[link->artifact_count++], LINK_NAME_MAX + 1, "%s",
             name);
}

void link_artifact(struct link *link, const char *name, struct span content)
{
    CLEANUP(mem_free) char *copy = mem_bytes(content.data, content.length);
    size_t at = 0;

    secrets_mask(link->secrets, copy, content.length);
    send_frame(link, LINK_ARTIFACT, (struct span){name, strlen(name)});
    while (at < content.length) {
        size_t piece = content.length - at;

        if (piece > LINK_CONTENT_MAX)
            piece = LINK_CONTENT_MAX;
        send_frame(link, LINK_CONTENT, (struct span){copy + at, piece});
        at += piece;
    }
    send_frame(link, LINK_END, (struct span){"", 0});
    note_artifact(link, name);
}

enum link_stop link_asked(struct link *link)
{
    char byte;

    /* Kept, so that every later question has the same answer; and left to be
     * seen, so that what waits for the socket wakes up each time. */
    if (!link->stop && recv(link->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 1)
        link->stop = (enum link_stop)byte;
    return link->stop;
}

const char *link_stop_reason(enum link_stop stop)
{
    static const struct {
        enum link_stop stop;
        const char *reason;
    } reasons[] = {{LINK_STOP_BUDGET, "run_budget"},
                   {LINK_STOP_FAIL_FAST, "fail_fast"},
                   {LINK_STOP_FAILURES, "failures"}};

    for (size_t i = 0; i < ARRAY_LENGTH(reasons); i++) {
        if (reasons[i].stop == stop)
            return reasons[i].reason;
    }
    return "interrupted";
}
