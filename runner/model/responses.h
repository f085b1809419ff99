/* The Responses wire dialect: a stream of events to one reply.
 *
 * Source: the provider's published OpenAPI description of POST /responses;
 * what real servers send beyond it is noted in docs/model.md. The item of an
 * `response.output_item.done` event is the only truth about that item; deltas
 * are passed over. */
#ifndef NIGHTJAR_RUNNER_MODEL_RESPONSES_H
#define NIGHTJAR_RUNNER_MODEL_RESPONSES_H

#include "runner/model/failure.h"
#include "runner/model/model.h"
#include "runner/model/sse.h"

struct responses {
    struct sse sse;
    struct model_reply *reply;
    int64_t places[MODEL_ITEMS_MAX]; /* output_index of each item */
    size_t bytes;
    bool completed;
    void (*on_item)(void *context, const struct model_item *item);
    void *context;
    struct failure failure; /* when feeding ended in an error of the stream */
};

/* Starts a stream into an empty reply. */
void responses_init(struct responses *responses, struct model_reply *reply);

/* Feeds bytes of the stream. Returns 1 when the reply is complete, 0 to go
 * on, -1 on an error (responses->failure says whether to try again). Bytes
 * after the end are ignored. */
int responses_feed(struct responses *responses, const char *data, size_t length,
                   struct error *err);

void responses_free(struct responses *responses);

/* Reads a response that is no stream: an object with `output` and `usage`, as
 * POST /responses/compact answers. */
int responses_read(struct responses *responses, struct span body,
                   struct error *err);

/* Adds one item, as JSON, to the reply. */
int responses_add(struct model_reply *reply, struct span item,
                  struct error *err);

#endif
