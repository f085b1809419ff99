/* The transcript as a record: what an attempt needs to go on after whatever
 * ended it.
 *
 * Lines, in this order. Items are as they stand in requests; lines of ours
 * have a type that starts with "nightjar.".
 *
 *     nightjar.begun      attempt, base, after_setup (object ids), key, body:
 *                         a request without items
 *     ITEM…               the prefix
 *     nightjar.prefix     attempt: it is whole
 *     ITEM…               a response's items
 *     nightjar.response   attempt, turn, totals, …: it is whole, and paid for
 *     ITEM…               outputs, in the order of the calls; messages of ours
 *     nightjar.resumed    attempt: gone on with; items that wait for their
 *                         response's line never get one
 *     nightjar.compacted  attempt, turn, totals, items: what stands behind the
 *                         prefix from here on
 *
 * The lines of ours but the first are on disk before the worker goes on. What
 * follows behind the last of them, up to a torn line, is kept as far as it is
 * whole; items of a response without its line were never acted on. */
#ifndef NIGHTJAR_RUNNER_AGENT_RECORD_H
#define NIGHTJAR_RUNNER_AGENT_RECORD_H

#include "runner/agent/loop.h"
#include "tasks/mirror.h"

/* Writes "begun" before the prefix' items, and "prefix" behind them. */
void record_begun(struct link *link, int64_t attempt, struct object_id base,
                  struct object_id after_setup, const char *key,
                  struct span head);
void record_prefix(const struct agent *agent);

/* That the attempt is gone on with. */
void record_resumed(struct link *link, int64_t attempt);

void record_response(const struct agent *agent);

/* The items behind the prefix are the new ones already. */
void record_compacted(const struct agent *agent);

/* An attempt as its transcript has it. */
struct record {
    int64_t attempt; /* 0: none was begun */
    struct object_id base;
    struct object_id after_setup;
    char *key;
    char *plan; /* the last update_plan, as text; may be NULL */
    struct buffer head;
    struct conversation conversation;
    struct model_reply last; /* when its calls are not all answered, or it has
                                none and nothing was said to it yet */
    bool has_last;
    size_t answered; /* of its calls: the first so many */
    int64_t turn;
    struct agent_totals totals;
    unsigned told;
    int64_t context_tokens;
    size_t context_bytes;
    int64_t compactions;
    int64_t since_compaction;
};

/* Reads the last attempt of a transcript; `link` gets what is added later.
 * Returns 1, 0 when there is nothing to go on from (no attempt whose prefix is
 * whole), -1 with ERROR_PROTOCOL naming the line. A torn end is none. */
int record_read(struct span transcript, struct link *link,
                struct record *record, struct error *err);
void record_free(struct record *record);

/* Each call of the last response that has no answer gets one: it may have
 * run, in part or whole, and is not run again. Then has_last is false unless
 * the response had no calls. */
void record_answer_interrupted(struct record *record);

#endif
