#include "runner/model/model.h"

#include <poll.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/memory.h"
#include "runner/model/http.h"
#include "runner/model/responses.h"
#include "runner/model/script.h"

struct model {
    const struct model_settings *settings;
    struct http *http; /* one of the two */
    struct script *script;
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
    char *url = mem_format("%s/responses", model->settings->base_url);
    CLEANUP(mem_free)
    char *authorization =
        key ? mem_format("Authorization: Bearer %s", key) : NULL;

    model->http = http_open(url, authorization, err);
    if (authorization)
        explicit_bzero(authorization, strlen(authorization));
    return model->http ? 0 : -1;
}

struct model *model_open(const struct model_settings *settings, const char *key,
                         const char *task_id, struct error *err)
{
    CLEANUP(model_cleanup) struct model *model = mem_alloc(sizeof(*model));

    model->settings = settings;
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
    free(model);
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

static int consume(void *context, const char *data, size_t length,
                   struct error *err)
{
    return responses_feed(context, data, length, err);
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

static int try_http(struct model *model, const struct model_request *request,
                    struct model_reply *reply, struct failure *failure,
                    int *status, struct error *err)
{
    const struct model_settings *settings = model->settings;
    CLEANUP(responses_free) struct responses responses;
    struct http_answer answer;
    struct http_request post = {
        .body = request->body,
        .deadline = clock_earlier(request->deadline,
                                  clock_deadline(settings->request_timeout_ms)),
        .idle_timeout_ms = settings->idle_timeout_ms,
        .consume = consume,
        .context = &responses,
    };
    int result;

    responses_init(&responses, reply);
    result = http_post(model->http, &post, &answer, err);
    *status = answer.status;
    if (result)
        *failure = responses.failure;
    else if (!responses.completed)
        result = judge(&answer, &responses, failure, err);
    buffer_free(&answer.error_body);
    return result;
}

static int try_script(struct model *model, const struct model_request *request,
                      struct model_reply *reply, struct failure *failure,
                      struct error *err)
{
    CLEANUP(responses_free) struct responses responses;
    CLEANUP(buffer_free) struct buffer stream = {0};
    int fed;

    buffer_init(&stream, MODEL_REPLY_BYTES_MAX);
    responses_init(&responses, reply);
    *failure = (struct failure){.retry = false};
    if (script_answer(model->script, request->body, &stream, err))
        return -1;
    fed = responses_feed(&responses, stream.data, stream.length, err);
    if (fed < 0)
        return -1;
    return fed ? 0 : error_set(err, ERROR_INTERNAL, "script: no end");
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
                           const struct model_request *request,
                           const struct failure *failure, int retry, int status,
                           const struct error *err)
{
    struct model_retry told = {.error = err, .status = status};

    if (!failure->retry || retry > model->settings->max_retries)
        return false;
    told.wait_ms =
        failure_wait_ms(failure, err->kind, retry, random_fraction());
    /* Waiting past the deadline would only hide why. */
    if (clock_deadline(told.wait_ms) > request->deadline)
        return false;
    if (request->on_retry)
        request->on_retry(request->context, &told);
    return wait_undisturbed(request->wake, told.wait_ms);
}

int model_respond(struct model *model, const struct model_request *request,
                  struct model_reply *reply, struct error *err)
{
    for (int retry = 1;; retry++) {
        struct failure failure = {.retry = false};
        int status = 0;
        int result =
            model->script
                ? try_script(model, request, reply, &failure, err)
                : try_http(model, request, reply, &failure, &status, err);

        if (!result)
            return 0;
        model_reply_free(reply);
        if (err->kind == ERROR_TIMEOUT && clock_now_ms() > request->deadline)
            return -1;
        if (!wait_for_retry(model, request, &failure, retry, status, err)) {
            if (retry > 1)
                error_context(err, "after %d tries", retry);
            return -1;
        }
    }
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
