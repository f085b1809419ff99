#include "runner/model/model.h"

#include <poll.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/memory.h"
#include "runner/model/http.h"
#include "runner/model/responses.h"
#include "runner/model/script.h"

#define DRIFT_BYTES_MAX ((size_t)1 << 20)

struct model {
    const struct model_settings *settings;
    struct http *http; /* one of the two */
    struct script *script;
    char *url; /* of responses */
    char *compact_url;
    struct tape *tape;
    struct buffer drift;
};

int models_start(struct error *err)
{
    return http_start(err);
}

const char *model_library_version(void)
{
    return http_library_version();
}

const char *model_tls_version(void)
{
    return http_tls_version();
}

static int open_http(struct model *model, const char *key, struct error *err)
{
    CLEANUP(mem_free)
    char *authorization =
        key ? mem_format("Authorization: Bearer %s", key) : NULL;

    model->url = mem_format("%s/responses", model->settings->base_url);
    model->compact_url = mem_format("%s/compact", model->url);
    model->http = http_open(authorization, err);
    if (authorization)
        explicit_bzero(authorization, strlen(authorization));
    return model->http ? 0 : -1;
}

struct model *model_open(const struct model_settings *settings, const char *key,
                         const char *task_id, struct error *err)
{
    CLEANUP(model_cleanup) struct model *model = mem_alloc(sizeof(*model));

    model->settings = settings;
    buffer_init(&model->drift, DRIFT_BYTES_MAX);
    if (settings->provider == MODEL_SCRIPTED)
        model->script = script_open(settings->script, task_id, err);
    else if (open_http(model, key, err))
        return NULL;
    return model->script || model->http ? STEAL(model) : NULL;
}

void model_close(struct model *model)
{
    if (!model)
        return;
    http_close(model->http);
    script_close(model->script);
    tape_close(model->tape);
    buffer_free(&model->drift);
    free(model->url);
    free(model->compact_url);
    free(model);
}

void model_set_tape(struct model *model, struct tape *tape)
{
    model->tape = tape;
}

void model_skip_turns(struct model *model, int64_t turns)
{
    if (model->script)
        script_skip(model->script, turns);
}

char *model_take_drift(struct model *model)
{
    return buffer_steal(&model->drift);
}

void model_cleanup(struct model **model)
{
    model_close(*model);
    *model = NULL;
}

void model_reply_free(struct model_reply *reply)
{
    arena_free(&reply->arena);
    memset(reply, 0, sizeof(*reply));
}

/* ---- one try ----------------------------------------------------------- */

/* One try of a request. */
struct try_state {
    const struct model_request *request;
    struct responses responses;
    struct buffer whole; /* of a response that is no stream */
    struct buffer taped; /* the bytes as they came, for a recording */
    bool taping;
    size_t received;
    int status;
    struct failure failure;
};

int model_reply_restore(struct model_reply *reply, struct span item,
                        struct error *err)
{
    return responses_add(reply, item, err);
}

static int consume(void *context, const char *data, size_t length,
                   struct error *err)
{
    struct try_state *state = context;
    const struct model_request *request = state->request;

    if (!state->received && request->on_begin)
        request->on_begin(request->context);
    state->received += length;
    if (state->taping)
        buffer_add(&state->taped, data, length);
    if (!request->compact)
        return responses_feed(&state->responses, data, length, err);
    if (buffer_add(&state->whole, data, length))
        return error_set(err, ERROR_PROTOCOL,
                         "model: the response is larger than %zu bytes",
                         state->whole.maximum);
    return 0;
}

static bool is_event_stream(const char *content_type)
{
    return !strncasecmp(content_type, "text/event-stream", 17);
}

/* What an exchange that gave no complete reply was. */
static int judge(const struct http_answer *answer, struct responses *responses,
                 struct failure *failure, struct error *err)
{
    if (answer->status / 100 != 2) {
        *failure =
            failure_of_status(answer->status, buffer_span(&answer->error_body),
                              &answer->headers, clock_utc_ms(), err);
        return -1;
    }
    *failure = responses->failure;
    if (!is_event_stream(answer->content_type))
        return error_set(
            err, ERROR_PROTOCOL, "model: expected an event stream, got '%s'",
            *answer->content_type ? answer->content_type : "no content type");
    return error_set(err, ERROR_NETWORK,
                     "model: the stream ended before the response did");
}

static int finish(struct try_state *state, const struct http_answer *answer,
                  struct error *err)
{
    struct responses *responses = &state->responses;

    if (responses->completed)
        return 0;
    if (state->request->compact && answer->status / 100 == 2) {
        state->failure = responses->failure;
        return responses_read(responses, buffer_span(&state->whole), err);
    }
    return judge(answer, responses, &state->failure, err);
}

static int try_http(struct model *model, struct try_state *state,
                    struct error *err)
{
    const struct model_settings *settings = model->settings;
    const struct model_request *request = state->request;
    struct http_answer answer;
    struct http_request post = {
        .url = request->compact ? model->compact_url : model->url,
        .body = request->body,
        .deadline = clock_earlier(request->deadline,
                                  clock_deadline(settings->request_timeout_ms)),
        .idle_timeout_ms = settings->idle_timeout_ms,
        .consume = consume,
        .context = state,
    };
    int result = http_post(model->http, &post, &answer, err);

    state->status = answer.status;
    if (result)
        state->failure = state->responses.failure;
    else
        result = finish(state, &answer, err);
    buffer_free(&answer.error_body);
    return result;
}

static int try_script(struct model *model, struct try_state *state,
                      struct error *err)
{
    CLEANUP(buffer_free) struct buffer stream = {0};
    int fed;

    buffer_init(&stream, MODEL_REPLY_BYTES_MAX);
    if (state->request->compact)
        return error_set(err, ERROR_REQUEST, "script: has no compaction");
    if (script_answer(model->script, state->request->body, &stream, err))
        return -1;
    fed = consume(state, stream.data, stream.length, err);
    if (fed < 0)
        return -1;
    return fed ? 0 : error_set(err, ERROR_INTERNAL, "script: no end");
}

/* A response from the tape, as if it had just come. */
static int try_tape(struct model *model, struct try_state *state,
                    struct error *err)
{
    CLEANUP(buffer_free) struct buffer body = {0};
    int fed;

    buffer_init(&body, MODEL_REPLY_BYTES_MAX);
    if (tape_play(model->tape, state->request->body, &body, &model->drift, err))
        return -1;
    fed = consume(state, body.data, body.length, err);
    if (!fed && state->request->compact)
        return responses_read(&state->responses, buffer_span(&body), err);
    if (!fed)
        error_set(err, ERROR_DRIFT, "a recorded response has no end");
    return fed > 0 ? 0 : -1;
}

static int try_once(struct model *model, struct try_state *state,
                    struct model_reply *reply, struct error *err)
{
    const struct model_request *request = state->request;
    int result;

    state->received = 0;
    state->status = 0;
    state->failure = (struct failure){.retry = false};
    buffer_init(&state->whole, MODEL_REPLY_BYTES_MAX);
    responses_init(&state->responses, reply);
    state->responses.on_item = request->on_item;
    state->responses.context = request->context;
    state->taping = model->tape && !tape_plays(model->tape);
    buffer_clear(&state->taped);
    if (tape_plays(model->tape))
        result = try_tape(model, state, err);
    else
        result = model->script ? try_script(model, state, err)
                               : try_http(model, state, err);
    responses_free(&state->responses);
    buffer_free(&state->whole);
    return result;
}

/* ---- tries ------------------------------------------------------------- */

static double random_fraction(void)
{
    uint32_t bits = 0;

    /* Without randomness the waits are only less spread. */
    if (getrandom(&bits, sizeof(bits), GRND_NONBLOCK) < 0)
        bits = (uint32_t)clock_now_ms() * 2654435761U;
    return (double)bits / 4294967296.0;
}

/* Waits so long. False when it was woken: there is no time for retries. */
static bool wait_undisturbed(int wake, int64_t milliseconds)
{
    int64_t until = clock_deadline(milliseconds);
    struct pollfd woken = {wake, POLLIN, 0};

    for (;;) {
        int ready = poll(&woken, 1, clock_left_ms(until));

        if (ready > 0)
            return false;
        if (!ready && clock_now_ms() >= until)
            return true;
    }
}

/* Waits before the next try. False when there is to be none: the error
 * stands. */
static bool wait_for_retry(const struct model *model,
                           const struct try_state *state, int retry,
                           const struct error *err)
{
    const struct model_request *request = state->request;
    struct model_failed failed = {
        .error = err, .status = state->status, .received = state->received};
    bool go_on = true;

    failed.wait_ms =
        failure_wait_ms(&state->failure, err->kind, retry, random_fraction());
    /* Waiting past the deadline would only hide why. */
    failed.again = state->failure.retry &&
                   retry <= model->settings->max_retries &&
                   clock_deadline(failed.wait_ms) <= request->deadline;
    if (request->on_failed)
        go_on = request->on_failed(request->context, &failed);
    return go_on && failed.again &&
           wait_undisturbed(request->wake, failed.wait_ms) &&
           (!request->on_retry || request->on_retry(request->context));
}

static int try_often(struct model *model, struct try_state *state,
                     struct model_reply *reply, struct error *err)
{
    for (int retry = 1;; retry++) {
        if (!try_once(model, state, reply, err))
            return 0;
        model_reply_free(reply);
        if (!wait_for_retry(model, state, retry, err)) {
            if (retry > 1)
                error_context(err, "after %d tries", retry);
            return -1;
        }
    }
}

int model_respond(struct model *model, const struct model_request *request,
                  struct model_reply *reply, struct error *err)
{
    struct try_state state = {.request = request};
    struct error failed;
    int status;

    buffer_init(&state.taped, MODEL_REPLY_BYTES_MAX);
    status = try_often(model, &state, reply, err);
    if (state.taping) {
        if (status)
            failed = *err;
        if (tape_record(model->tape, request->body, buffer_span(&state.taped),
                        status ? &failed : NULL, err))
            status = -1;
        else if (status)
            *err = failed;
    }
    buffer_free(&state.taped);
    return status;
}

/* ---- cost -------------------------------------------------------------- */

static __int128 part(int64_t count, int64_t price, int64_t otherwise)
{
    return (__int128)count * (price >= 0 ? price : otherwise);
}

int64_t model_cost_microusd(const struct model_price *price,
                            const struct model_usage *usage)
{
    int64_t plain =
        usage->input_tokens - usage->cached_tokens - usage->cache_write_tokens;
    __int128 total;

    if (price->input < 0 || price->output < 0)
        return -1;
    if (plain < 0)
        plain = 0;
    total = part(plain, price->input, 0) +
            part(usage->cached_tokens, price->cached_input, price->input) +
            part(usage->cache_write_tokens, price->cache_write, price->input) +
            part(usage->output_tokens, price->output, 0);
    /* Prices are for a million; a started millionth counts. */
    total = (total + 999999) / 1000000;
    return total > INT64_MAX ? INT64_MAX : (int64_t)total;
}
