/* A conversation: the request's bytes, to which items are only ever added.
 *
 * The whole body of a request is kept as one text: a head that never changes
 * (model, tools, settings) and the list of items. Each item is serialised
 * once; the input of request N is byte for byte the start of that of N+1,
 * until a compaction, which keeps the prefix that prompt.h made and begins
 * anew behind it. What may differ from request to request stands behind the
 * input. */
#ifndef NIGHTJAR_RUNNER_AGENT_CONVERSATION_H
#define NIGHTJAR_RUNNER_AGENT_CONVERSATION_H

#include "runner/link.h"

#define CONVERSATION_BYTES_MAX ((size_t)256 << 20)

/* Where an item came from: what a compaction keeps depends on it. */
enum item_origin {
    ORIGIN_PREFIX, /* before the turns */
    ORIGIN_MODEL,
    ORIGIN_OUTPUT, /* of a call */
    ORIGIN_TOLD,   /* a message of ours behind the prefix */
};

struct conversation_item {
    size_t at; /* in the body, without the comma before it */
    size_t length;
    enum item_origin origin;
};

struct conversation {
    struct buffer body;
    struct conversation_item *list;
    size_t items;
    size_t prefix_items; /* of them: the prefix, once it is closed */
    bool full;           /* an item did not fit: the conversation is over */
    struct link *link;   /* gets each item for the transcript; may be NULL */
};

/* Starts with `head`: a JSON object up to and with `"input":[`. */
void conversation_init(struct conversation *conversation, struct span head,
                       struct link *link);
void conversation_free(struct conversation *conversation);

/* Adds an item of the prefix, of ours: secrets are masked. */
void conversation_add_prefix(struct conversation *conversation,
                             struct span item);

/* What is there now is the prefix: it outlives compactions. */
void conversation_close_prefix(struct conversation *conversation);

/* Takes everything behind the prefix out again. */
void conversation_rewind(struct conversation *conversation);

/* Adds an item that is JSON already, as the model sent it. */
void conversation_add(struct conversation *conversation, struct span item);

/* The same, with its origin, and without the transcript: for items that stand
 * in it already. */
void conversation_restore(struct conversation *conversation, struct span item,
                          enum item_origin origin);

/* Writes a message of `role` with one text: any bytes. */
void conversation_write_message(struct json *json, const char *role,
                                struct span text);

/* Adds a message of `role` ("developer", "user") with one text. */
void conversation_add_message(struct conversation *conversation,
                              const char *role, struct span text);

/* Adds the output of a call: a text made valid UTF-8, or JSON content parts
 * (an image). */
void conversation_add_output(struct conversation *conversation,
                             const char *call_id, bool custom,
                             struct span text);
void conversation_add_output_parts(struct conversation *conversation,
                                   const char *call_id, bool custom,
                                   struct span parts);

/* An item's bytes, valid until the next addition. */
struct span conversation_item(const struct conversation *conversation,
                              size_t index);

/* The body as it is sent, perhaps with `max_output_tokens` (0: without);
 * valid until the next addition. */
struct span conversation_request(struct conversation *conversation,
                                 int64_t max_output_tokens);

#endif
