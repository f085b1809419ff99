/* Models: a request's bytes in, one complete reply or a typed error out.
 *
 *     struct model *model = model_open(settings, key, task_id, &err);
 *     model_respond(model, &request, &reply, &err);
 *     ... reply.items ...
 *     model_reply_free(&reply);
 *     model_close(model);
 *
 * A reply is whole or not there: items of a stream that broke are dropped
 * and the request is sent again, so nothing appears twice and no call of a
 * broken reply is ever run. One connection is kept for all requests. */
#ifndef NIGHTJAR_RUNNER_MODEL_MODEL_H
#define NIGHTJAR_RUNNER_MODEL_MODEL_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"
#include "runner/model/tape.h"
#include "tasks/task.h"

#define MODEL_ITEMS_MAX 1024                      /* of one reply */
#define MODEL_REPLY_BYTES_MAX ((size_t)256 << 20) /* of one stream */

enum model_item_type {
    ITEM_MESSAGE,
    ITEM_REASONING,
    ITEM_FUNCTION_CALL,
    ITEM_CUSTOM_CALL,
    ITEM_OTHER, /* kept and sent back as it is */
};

struct model_item {
    enum model_item_type type;
    struct span raw;       /* the item's JSON, byte for byte as received */
    const char *call_id;   /* calls; never NULL there */
    const char *name;      /* calls: the tool */
    const char *arguments; /* calls: JSON text, or a custom tool's input */
    const char *text;      /* messages: all output text; "" if none */
    const char *refusal;   /* messages: NULL if none */
    bool commentary;       /* messages of the phase "commentary" */
};

struct model_usage {
    int64_t input_tokens; /* cached and written ones included */
    int64_t cached_tokens;
    int64_t cache_write_tokens;
    int64_t output_tokens; /* reasoning included */
    int64_t reasoning_tokens;
};

struct model_reply {
    struct arena arena;
    struct model_item *items;
    size_t count;
    struct model_usage usage;
    bool has_usage; /* the server told it */
    bool cut_short; /* the output limit was reached */
    bool go_on;     /* the provider asks for another request */
};

/* One failed try. */
struct model_failed {
    const struct error *error;
    int status;      /* HTTP, 0 if there was no answer */
    size_t received; /* bytes of a response that had begun: may be billed */
    bool again;      /* it is going to be tried again, … */
    int64_t wait_ms; /* … after so long */
};

struct model_request {
    struct span body;
    bool compact;     /* to the endpoint that compacts, not streamed */
    int64_t deadline; /* base/clock.h: of everything, retries included */
    int wake;         /* no waiting and no retry once it is readable; or -1 */
    /* After each failed try. False: there is to be no other one. */
    bool (*on_failed)(void *context, const struct model_failed *failed);
    /* Before another one, when the time for it has come; it may wait longer,
     * and change the body. False: there is to be none. May be NULL. */
    bool (*on_retry)(void *context);
    /* The response has begun; once for each try. May be NULL. */
    void (*on_begin)(void *context);
    /* An item is whole, the response is not: what is done with it must be
     * harmless, for a try that breaks off is forgotten. May be NULL. */
    void (*on_item)(void *context, const struct model_item *item);
    void *context;
};

struct model;

/* `key` may be NULL (none is sent); it is copied into memory that forked
 * processes do not see. `task_id` chooses a script's turns. Errors:
 * ERROR_MANIFEST (script), ERROR_INTERNAL. */
struct model *model_open(const struct model_settings *settings, const char *key,
                         const char *task_id, struct error *err);

/* From now on exchanges go to the tape, which the model owns then, or come
 * from it: then nothing else is asked, and `key` and network are not used. */
void model_set_tape(struct model *model, struct tape *tape);

/* The model has answered so many turns of this attempt before: a script goes
 * on behind them. */
void model_skip_turns(struct model *model, int64_t turns);

/* What differed between a request that was played and the recorded one, since
 * the last call: a diff, "" if nothing did. The caller frees it. */
char *model_take_drift(struct model *model);

/* Sends the request until a whole reply was received, at most max_retries
 * times more. On 0 the caller frees the reply. Errors keep their kind. */
int model_respond(struct model *model, const struct model_request *request,
                  struct model_reply *reply, struct error *err);
void model_reply_free(struct model_reply *reply);

/* Adds an item that was received before, as its JSON. Errors: ERROR_PROTOCOL
 * when it is none. */
int model_reply_restore(struct model_reply *reply, struct span item,
                        struct error *err);
void model_close(struct model *model);
void model_cleanup(struct model **model); /* for CLEANUP */

/* What a reply cost in millionths of a dollar; -1 when a price that is needed
 * is unknown. */
int64_t model_cost_microusd(const struct model_price *price,
                            const struct model_usage *usage);

/* libcurl's version and that of its TLS library. */
const char *model_library_version(void);
const char *model_tls_version(void);

/* Once in the first process, before any fork. */
int models_start(struct error *err);

#endif
