/* The line from a worker to its supervisor: frames over a stream socket.
 *
 * A frame is a head (kind, length) and that many bytes. The supervisor
 * distrusts all of it: each kind has a greatest length and a place where it
 * may come; anything else ends the worker. In the other direction single
 * bytes answer, one for each question, and ask the worker to stop, at any
 * time.
 *
 * Everything that a worker sends has passed secrets_mask. */
#ifndef NIGHTJAR_RUNNER_LINK_H
#define NIGHTJAR_RUNNER_LINK_H

#include <stdint.h>

#include "base/json.h"
#include "base/secret.h"

enum link_kind {
    LINK_EVENT,      /* one event of tasks/event.h, without time of arrival */
    LINK_TRANSCRIPT, /* one JSON line for the attempt's transcript */
    LINK_RECORD,     /* the same, answered once it is written */
    LINK_ASK,        /* a question to the run (gate.h), perhaps answered */
    LINK_ARTIFACT,   /* starts a file: its name */
    LINK_CONTENT,    /* more bytes of that file */
    LINK_END,        /* that file is whole */
    LINK_KINDS
};

#define LINK_TRANSCRIPT_MAX ((size_t)64 << 20)
#define LINK_CONTENT_MAX ((size_t)256 << 10)
#define LINK_NAME_MAX 64
#define LINK_ASK_MAX 4096
#define LINK_COMMIT_LENGTH 40

struct link_head {
    uint32_t kind;
    uint32_t length;
};

/* What the supervisor may ask, as a byte. */
enum link_stop {
    LINK_GO_ON = 0,
    LINK_STOP_INTERRUPTED = 'i',
    LINK_STOP_BUDGET = 'b',
    LINK_STOP_FAIL_FAST = 'f',
    LINK_STOP_FAILURES = 'p',
};

/* What it answers. */
#define LINK_YES 'y' /* to "pin" with the commit behind it, or zeros */
#define LINK_NO 'n'

/* The reason of a verdict `skipped` for such a stop. */
const char *link_stop_reason(enum link_stop stop);

/* Files that the supervisor writes and each worker brings to the disk by
 * itself, so that a slow disk keeps waiting only who has a reason to wait.
 * The journal is brought there by one for all that wait together: LINK_TURN is
 * locked by who does it. */
enum link_file { LINK_JOURNAL, LINK_TURN, LINK_LINES, LINK_FOLDER, LINK_FILES };

/* Shared by the supervisor and all workers: bytes of the journal. */
struct link_progress {
    _Atomic int64_t written;
    _Atomic int64_t synced;
};

#define LINK_ARTIFACTS_MAX 8

/* The worker's end. */
struct link {
    int fd;
    int files[LINK_FILES];          /* open for reading; -1: none */
    struct link_progress *progress; /* NULL: the journal is synced each time */
    char artifacts[LINK_ARTIFACTS_MAX][LINK_NAME_MAX + 1]; /* not synced yet */
    size_t artifact_count;
    const char *task;
    const struct secrets *secrets;
    struct buffer event; /* for building events: link_begin, link_send */
    enum link_stop stop; /* that came while an answer was waited for */
};

/* `files` of LINK_FILES descriptors, the link's from now on; NULL: none. */
void link_init(struct link *link, int fd, const int *files, const char *task,
               const struct secrets *secrets);
void link_free(struct link *link);

/* Starts an event of this task; add members, then link_send. */
struct json link_begin(struct link *link, const char *type);

/* Ends and sends it. A supervisor that is gone ends this process: nobody is
 * left to work for. */
void link_send(struct link *link, struct json *event);

/* Sends one line of the transcript (without newline). */
void link_transcript(struct link *link, struct span line);

/* The same, and waits until it and all lines before it are on disk. */
void link_record(struct link *link, struct span line);

/* Starts a question or a notice to the run; add members, then link_tell, or
 * link_ask, which waits: true for yes. */
struct json link_ask_begin(struct link *link, const char *what);
void link_tell(struct link *link, struct json *ask);
bool link_ask(struct link *link, struct json *ask);

/* Asks which commit the task's ref is in this run: "" when this worker is to
 * look. False when nothing is to be begun any more. */
bool link_pin(struct link *link, char commit[static LINK_COMMIT_LENGTH + 1]);

/* Waits until all that was sent is on disk. A disk that does not take it ends
 * the run, and this process. */
void link_sync(struct link *link);

/* The same for files of the task's folder alone: before an event says of them
 * that they are there. */
void link_sync_artifacts(struct link *link);

/* Sends a file of the task's folder: "patch.diff", "final.md". */
void link_artifact(struct link *link, const char *name, struct span content);

/* Whether the supervisor has asked to stop, and why. */
enum link_stop link_asked(struct link *link);

/* The greatest length of a kind's frame. */
size_t link_length_max(enum link_kind kind);

#endif
