/* A conversation: the request's bytes, to which items are only ever added.
 *
 * The whole body of a request is kept as one text: a head that never changes
 * (model, tools, settings) and the list of items. Each item is serialised
 * once; the input of request N is byte for byte the start of that of N+1. */
#ifndef NIGHTJAR_RUNNER_AGENT_CONVERSATION_H
#define NIGHTJAR_RUNNER_AGENT_CONVERSATION_H

#include "runner/link.h"

#define CONVERSATION_BYTES_MAX ((size_t)256 << 20)

struct conversation {
    struct buffer body;
    size_t items;
    bool full;         /* an item did not fit: the conversation is over */
    struct link *link; /* gets each item for the transcript; may be NULL */
};

/* Starts with `head`: a JSON object up to and with `"input":[`. */
void conversation_init(struct conversation *conversation, struct span head,
                       struct link *link);
void conversation_free(struct conversation *conversation);

/* Adds an item that is JSON already. */
void conversation_add(struct conversation *conversation, struct span item);

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

/* The body as it is sent; valid until the next addition. */
struct span conversation_request(struct conversation *conversation);

#endif
