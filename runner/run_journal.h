/* The journal of a run as its supervisor writes it: events of its own, and
 * those of workers that were accepted. */
#ifndef NIGHTJAR_RUNNER_RUN_JOURNAL_H
#define NIGHTJAR_RUNNER_RUN_JOURNAL_H

#include "base/secret.h"
#include "runner/progress.h"
#include "runner/run_directory.h"
#include "tasks/choose.h"
#include "tasks/manifest.h"

struct run_journal {
    struct run_directory *directory;
    const struct secrets *secrets;
    struct progress *progress;
    struct buffer line; /* for events of the supervisor */
};

void run_journal_init(struct run_journal *journal,
                      struct run_directory *directory,
                      const struct secrets *secrets, struct progress *progress);
void run_journal_free(struct run_journal *journal);

/* Starts an event; add members, then run_journal_write. `task` may be NULL. */
struct json run_journal_begin(struct run_journal *journal, const char *type,
                              const char *task);
int run_journal_write(struct run_journal *journal, struct json *event,
                      struct error *err);

/* Writes down an event of a worker. */
int run_journal_accept(struct run_journal *journal, const cJSON *event,
                       struct span line, struct error *err);

/* What is going to be done: run_started and each task_planned. */
int run_journal_plan(struct run_journal *journal, const struct plan *plan,
                     const struct shard *shard, size_t jobs, struct error *err);

/* A member that may be missing: null then. */
void run_journal_optional(struct json *event, const char *key,
                          const char *text);

#endif
