/* The scripted model: plays turns from a file, for demos and tests.
 *
 * It answers through the same bytes as a real one: each turn is rendered as
 * the event stream that a server would send, and read by the same parser.
 * Format of the file: docs/script.md. */
#ifndef NIGHTJAR_RUNNER_MODEL_SCRIPT_H
#define NIGHTJAR_RUNNER_MODEL_SCRIPT_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdint.h>

#define SCRIPT_BYTES_MAX ((size_t)4 << 20)

struct script;

/* Reads the file and picks the turns of the first entry whose `task` glob
 * matches. Errors (ERROR_MANIFEST) say file:line:column. */
struct script *script_open(const char *path, const char *task_id,
                           struct error *err);

/* Adds the stream that answers `request`. A script that has no turns left is
 * ERROR_MANIFEST: the task went on further than it was written for. */
int script_answer(struct script *script, struct span request,
                  struct buffer *stream, struct error *err);

/* Goes on behind so many turns, as if they had been played. */
void script_skip(struct script *script, int64_t turns);

void script_close(struct script *script);

#endif
