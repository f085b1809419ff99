/* Tapes: exchanges with a model, kept and played again.
 *
 * A recording is a folder with recording.json and, for each task, a folder
 * with a file for each exchange, ATTEMPT-NUMBER.json: the request as it was
 * sent, and the response's bytes or the error that it ended in. Tries that
 * were repeated are not kept, only what came of them.
 *
 * While playing, each request must be the recorded one. What may differ is
 * what commands printed: how long something took is left out of the
 * comparison, and another output of a call is told and goes on. */
#ifndef NIGHTJAR_RUNNER_MODEL_TAPE_H
#define NIGHTJAR_RUNNER_MODEL_TAPE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/secret.h"

struct tape_settings {
    const char *folder; /* NULL: neither is done */
    bool replay;        /* else record */
};

struct tape;

/* Makes the folder of a recording, which must be new or empty, or reads that
 * of one that is played: *started_ms is when it was made. Once, in the first
 * process. Errors: ERROR_USAGE, ERROR_IO. */
int tape_prepare(const struct tape_settings *settings, int64_t *started_ms,
                 struct error *err);

/* The tape of one attempt at a task. */
struct tape *tape_open(const struct tape_settings *settings, const char *task,
                       int64_t attempt, const struct secrets *secrets,
                       struct error *err);
void tape_close(struct tape *tape);

bool tape_plays(const struct tape *tape);

/* Keeps an exchange: the response's bytes, or, with `failed`, the error. */
int tape_record(struct tape *tape, struct span request, struct span response,
                const struct error *failed, struct error *err);

/* Plays the next one into `response`. *drift gets a diff of what differs in
 * outputs alone ("" if nothing does). Errors: the recorded one; ERROR_DRIFT
 * when the request is another, with the diff in *drift, or when there is no
 * further exchange. */
int tape_play(struct tape *tape, struct span request, struct buffer *response,
              struct buffer *drift, struct error *err);

#endif
