/* runner/model/failure: what failed requests mean, against recorded ones. */
#include "runner/model/failure.h"

#include "tests/unit/data.h"

#define NOW INT64_C(1795221000000) /* 2026-11-21T00:30:00Z */

static struct error err;

static struct failure status_of(int status, const char *body,
                                const struct failure_headers *headers)
{
    static const struct failure_headers none;

    return failure_of_status(status, (struct span){body, strlen(body)},
                             headers ? headers : &none, NOW, &err);
}

/* ---- recorded ----------------------------------------------------------- */

/* Verdicts that differ, because the samples are of dialects that this program
 * does not speak: a 409 there is a conflict of its own kind and not the lock
 * that it is here, and a code there may be a number. */
static bool differs(const cJSON *sample)
{
    const cJSON *error = json_get_object(json_get(sample, "body"), "error");
    const char *provider = json_get_string(sample, "provider");
    const char *type = json_get_text(error, "type", "");

    return (!strcmp(provider, "api.anthropic.com") &&
            !strcmp(type, "conflict_error")) ||
           (!strcmp(provider, "openrouter.ai") &&
            !strcmp(json_get_string(sample, "where"), "stream") &&
            cJSON_IsNumber(json_get(error, "code")));
}

static struct failure judge(const cJSON *sample)
{
    const cJSON *body = json_get(sample, "body");
    const cJSON *response = json_get_object(body, "response");
    const cJSON *error = json_get_object(response ? response : body, "error");
    struct failure failure;
    struct buffer text;
    struct json json;

    if (!strcmp(json_get_string(sample, "where"), "stream"))
        return failure_of_stream(json_get_text(error, "code", ""),
                                 json_get_text(error, "type", ""),
                                 json_get_text(error, "message", ""), &err);
    buffer_init(&text, DATA_BYTES_MAX);
    json = json_to(&text);
    json_value(&json, body);
    failure =
        status_of((int)json_get_int64(sample, "status", 0), text.data, NULL);
    buffer_free(&text);
    return failure;
}

static void test_recorded(void)
{
    struct buffer file = data_read("tests/data/errors/errors.jsonl");
    struct span rest = buffer_span(&file);
    size_t exceptions = 0;
    size_t count = 0;
    cJSON *sample;

    while ((sample = data_next(&rest))) {
        bool want = json_get_true(sample, "retry") != differs(sample);
        struct failure failure;

        err = (struct error){.kind = ERROR_NONE};
        failure = judge(sample);
        tap_int(failure.retry, want, "%s, %d: %.100s",
                json_get_string(sample, "provider"),
                (int)json_get_int64(sample, "status", 0), err.text);
        tap_int(error_kind_retryable(err.kind), want, "kind %s agrees",
                error_kind_name(err.kind));
        tap_ok(!strncmp(err.text, "model: ", 7), "the message says where");
        exceptions += differs(sample);
        cJSON_Delete(sample);
        count++;
    }
    tap_int((int64_t)count, 48, "all samples");
    tap_int((int64_t)exceptions, 2, "two of them differ");
    buffer_free(&file);
}

/* ---- kinds -------------------------------------------------------------- */

static void is(int status, const char *body, enum error_kind kind, bool retry,
               const char *message)
{
    struct failure failure = status_of(status, body, NULL);

    tap_string(error_kind_name(err.kind), error_kind_name(kind), "%d %.*s",
               status, (int)strcspn(body, "\n"), body);
    tap_int(failure.retry, retry, "whether to try again");
    tap_string(err.text, message, "the message");
}

static void test_statuses(void)
{
    is(400, "", ERROR_REQUEST, false, "model: HTTP 400: no text");
    is(401, "", ERROR_AUTHENTICATION, false, "model: HTTP 401: no text");
    is(402, "", ERROR_QUOTA, false, "model: HTTP 402: no text");
    is(403, "", ERROR_AUTHENTICATION, false, "model: HTTP 403: no text");
    is(404, "", ERROR_REQUEST, false, "model: HTTP 404: no text");
    is(408, "", ERROR_OVERLOADED, true, "model: HTTP 408: no text");
    is(409, "", ERROR_OVERLOADED, true, "model: HTTP 409: no text");
    is(413, "", ERROR_REQUEST, false, "model: HTTP 413: no text");
    is(429, "", ERROR_RATE_LIMIT, true, "model: HTTP 429: no text");
    is(500, "", ERROR_OVERLOADED, true, "model: HTTP 500: no text");
    is(529, "", ERROR_OVERLOADED, true, "model: HTTP 529: no text");
    is(599, "", ERROR_OVERLOADED, true, "model: HTTP 599: no text");
    is(301, "", ERROR_REQUEST, false, "model: HTTP 301: no text");
}

static void test_bodies(void)
{
    is(502, "<html>\n<b>Bad\tGateway</b>", ERROR_OVERLOADED, true,
       "model: HTTP 502: <html> <b>Bad Gateway</b>");
    is(400, "{\"error\":\"plain\"}", ERROR_REQUEST, false,
       "model: HTTP 400: plain");
    is(400, "{\"message\":\"flat\"}", ERROR_REQUEST, false,
       "model: HTTP 400: flat");
    is(429, "{\"error\":{\"code\":\"insufficient_quota\",\"message\":\"m\"}}",
       ERROR_QUOTA, false, "model: HTTP 429: insufficient_quota: m");
    is(429, "{\"error\":{\"type\":\"insufficient_quota\"}}", ERROR_QUOTA, false,
       "model: HTTP 429: {\"error\":{\"type\":\"insufficient_quota\"}}");
    is(400, "{\"error\":{\"message\":\"Prompt is too long: 9\"}}",
       ERROR_CONTEXT_LENGTH, false, "model: HTTP 400: Prompt is too long: 9");
    is(500, "{\"error\":{\"message\":\"the context window broke\"}}",
       ERROR_OVERLOADED, true, "model: HTTP 500: the context window broke");
    is(401, "{\"error\":{\"type\":\"server_error\",\"message\":\"m\"}}",
       ERROR_AUTHENTICATION, false, "model: HTTP 401: m");
    is(500,
       "{\"error\":{\"type\":\"invalid_request_error\",\"message\":\"m\"}}",
       ERROR_OVERLOADED, true, "model: HTTP 500: m");
    is(400, "{\"error\":{\"code\":7,\"type\":[],\"message\":null}}",
       ERROR_REQUEST, false,
       "model: HTTP 400: "
       "{\"error\":{\"code\":7,\"type\":[],\"message\":null}}");
    is(503, "[[[[", ERROR_OVERLOADED, true, "model: HTTP 503: [[[[");
    is(503, "\xFF\x01", ERROR_OVERLOADED, true,
       "model: HTTP 503: \xEF\xBF\xBD ");
}

static void test_hints(void)
{
    status_of(401, "", NULL);
    tap_contains(err.hint, "model.key_env", "a hint about the key");
    status_of(402, "", NULL);
    tap_contains(err.hint, "credit", "a hint about the credit");
    status_of(500, "", NULL);
    tap_string(err.hint, "", "none otherwise");
}

static void test_long_message(void)
{
    CLEANUP(mem_free) char *body = mem_alloc(100000);

    memset(body, 'x', 99999);
    memcpy(body + 599, "\xE2\x82\xAC", 3);
    status_of(500, body, NULL);
    tap_int((int64_t)strlen(err.text),
            (int64_t)strlen("model: HTTP 500: ") + 599,
            "600 bytes of it, cut at a character");
    memset(body, '\x80', 99999);
    status_of(500, body, NULL);
    tap_ok(strlen(err.text) < ERROR_TEXT_MAX, "bytes that are no text");
}

/* ---- waiting ------------------------------------------------------------ */

static void waits(struct failure_headers headers, int64_t want,
                  const char *name)
{
    struct failure failure = status_of(429, "", &headers);

    tap_int(failure.wait_ms, want, "%s", name);
}

static void retry_after(const char *value, int64_t want)
{
    struct failure_headers headers = {.reset_tokens = ""};

    snprintf(headers.retry_after, sizeof(headers.retry_after), "%s", value);
    waits(headers, want, value);
}

static void test_retry_after(void)
{
    retry_after("", FAILURE_WAIT_UNKNOWN);
    retry_after("0", 0);
    retry_after("7", 7000);
    retry_after("1.5", 1500);
    retry_after("0.0001", 1);
    retry_after("86400", 86400000);
    retry_after("Sat, 21 Nov 2026 00:30:05 GMT", 5000);
    retry_after("Sat, 21 Nov 2026 00:29:00 GMT", 0);
    retry_after("Sun, 06 Nov 1994 08:49:37 GMT", 0);
    retry_after("-5", FAILURE_WAIT_UNKNOWN);
    retry_after("soon", FAILURE_WAIT_UNKNOWN);
    retry_after("5 apples", FAILURE_WAIT_UNKNOWN);
    retry_after("99999999999999999999999", FAILURE_WAIT_UNKNOWN);
    retry_after("1e9", FAILURE_WAIT_UNKNOWN);
    retry_after("Sat, 21 Nov 2026 00:30:05", FAILURE_WAIT_UNKNOWN);
    retry_after("Sat, 99 Nov 2026 00:30:05 GMT", FAILURE_WAIT_UNKNOWN);
}

static void test_retry_after_ms(void)
{
    waits((struct failure_headers){.retry_after_ms = "250"}, 250, "250 ms");
    waits((struct failure_headers){.retry_after_ms = "250.4"}, 251, "250.4 ms");
    waits((struct failure_headers){.retry_after_ms = "250", .retry_after = "9"},
          250, "milliseconds before seconds");
    waits((struct failure_headers){.retry_after_ms = "0", .retry_after = "9"},
          9000, "no milliseconds: seconds");
    waits((struct failure_headers){.retry_after_ms = "-1", .retry_after = "9"},
          9000, "negative milliseconds: seconds");
    waits((struct failure_headers){.retry_after_ms = "x"}, FAILURE_WAIT_UNKNOWN,
          "garbage");
}

static void test_reset_headers(void)
{
    waits((struct failure_headers){.reset_requests = "6m0s"},
          FAILURE_WAIT_UNKNOWN, "a window that is not used up");
    waits((struct failure_headers){.remaining_requests = "0",
                                   .reset_requests = "6m0s"},
          360000, "requests are used up");
    waits((struct failure_headers){.remaining_tokens = "0",
                                   .reset_tokens = "1.2s"},
          1200, "tokens are used up");
    waits((struct failure_headers){.remaining_requests = "0",
                                   .reset_requests = "10ms",
                                   .remaining_tokens = "0",
                                   .reset_tokens = "1.2s"},
          1200, "both: the later");
    waits((struct failure_headers){.remaining_requests = "0",
                                   .reset_requests = "3s",
                                   .remaining_tokens = "0",
                                   .reset_tokens = "1.2s"},
          3000, "in any order");
    waits((struct failure_headers){.remaining_tokens = "0",
                                   .reset_tokens = "garbage"},
          FAILURE_WAIT_UNKNOWN, "garbage");
    waits((struct failure_headers){.remaining_tokens = "0",
                                   .reset_tokens = "1.2s",
                                   .retry_after = "9"},
          9000, "Retry-After comes first");
}

static void test_should_retry(void)
{
    struct failure_headers no = {.should_retry = "false"};
    struct failure_headers yes = {.should_retry = "true"};
    struct failure_headers odd = {.should_retry = "maybe"};

    tap_ok(!status_of(500, "", &no).retry, "500 but x-should-retry false");
    tap_ok(status_of(500, "", &odd).retry, "500 and garbage");
    tap_ok(status_of(400, "", &yes).retry, "400 but x-should-retry true");
    tap_ok(!status_of(400, "", &odd).retry, "400 and garbage");
    tap_ok(
        !status_of(429, "{\"error\":{\"code\":\"insufficient_quota\"}}", &yes)
             .retry,
        "waiting fills no account, whatever the header says");
}

static void says(const char *message, int64_t want)
{
    CLEANUP(mem_free)
    char *body = mem_format("{\"error\":{\"message\":\"%s\"}}", message);

    tap_int(status_of(429, body, NULL).wait_ms, want, "%s", message);
    tap_int(failure_of_stream("rate_limit_exceeded", "", message, &err).wait_ms,
            want, "in a stream");
}

static void test_wait_in_text(void)
{
    says("Please try again in 11.054s.", 11054);
    says("Please try again in 28ms. Visit us", 28);
    says("Try again in 35 seconds", 35000);
    says("try again in 1 second.", 1000);
    says("try again in 5 ms", 5);
    says("try again in 5 milliseconds", 5);
    says("try again in 7m12s. Visit us", 432000);
    says("try again in 1h2m3.5s", 3723500);
    says("try again in 6m0s.", 360000);
    says("try again in 20s", 20000);
    says("try again in 2 minutes", 120000);
    says("try again in 2min", 120000);
    says("try again in 1 hour", 3600000);
    says("try again in a while", FAILURE_WAIT_UNKNOWN);
    says("try again in ", FAILURE_WAIT_UNKNOWN);
    says("try again in .", FAILURE_WAIT_UNKNOWN);
    says("try again in ...5", FAILURE_WAIT_UNKNOWN);
    says("try again in -5s", FAILURE_WAIT_UNKNOWN);
    says("try again in 99999999999999999999999999999999999999s",
         FAILURE_WAIT_UNKNOWN);
    says("try again later", FAILURE_WAIT_UNKNOWN);
    tap_int(failure_of_stream("insufficient_quota", "", "try again in 5s", &err)
                .wait_ms,
            FAILURE_WAIT_UNKNOWN, "not when there is no other try");
}

static void test_stream(void)
{
    struct failure failure =
        failure_of_stream("", "overloaded_error", "full", &err);

    tap_ok(failure.retry && err.kind == ERROR_OVERLOADED, "by its type");
    tap_string(err.text, "model: full", "without a code");
    failure = failure_of_stream("new_code", "invalid_request_error", "m", &err);
    tap_ok(!failure.retry && err.kind == ERROR_REQUEST, "an unknown code");
    tap_string(err.text, "model: new_code: m", "is told");
    failure = failure_of_stream("new_code", "new_type", "", &err);
    tap_ok(failure.retry && err.kind == ERROR_OVERLOADED, "all unknown");
    tap_string(err.text, "model: new_code: failed without a message", "told");
}

/* ---- how long ----------------------------------------------------------- */

static void between(int64_t wait_ms, enum error_kind kind, int retry,
                    int64_t least, int64_t most)
{
    struct failure failure = {.retry = true, .wait_ms = wait_ms};
    int64_t early = failure_wait_ms(&failure, kind, retry, 0);
    int64_t late = failure_wait_ms(&failure, kind, retry, 0.999999999);

    tap_ok(early >= least && early <= most && late >= least && late <= most,
           "asked %lld ms, try %d: %lld and %lld are within %lld to %lld",
           (long long)wait_ms, retry, (long long)early, (long long)late,
           (long long)least, (long long)most);
    tap_ok(early != late, "and spread");
}

static void test_waits(void)
{
    between(-1, ERROR_OVERLOADED, 1, 375, 500);
    between(-1, ERROR_OVERLOADED, 2, 750, 1000);
    between(-1, ERROR_OVERLOADED, 5, 6000, 8000);
    between(-1, ERROR_OVERLOADED, 6, 6000, 8000);
    between(-1, ERROR_OVERLOADED, 1000000, 6000, 8000);
    between(-1, ERROR_RATE_LIMIT, 1, 375, 500);
    between(-1, ERROR_RATE_LIMIT, 7, 24000, 32000);
    between(-1, ERROR_RATE_LIMIT, 8, 45000, 60000);
    between(-1, ERROR_RATE_LIMIT, INT32_MAX, 45000, 60000);
    between(-1, ERROR_NETWORK, 0, 375, 500);
    between(-1, ERROR_NETWORK, -5, 375, 500);
    between(0, ERROR_RATE_LIMIT, 1, 0, 50);
    between(10000, ERROR_RATE_LIMIT, 1, 10000, 11050);
    between(3600000, ERROR_RATE_LIMIT, 1, 3600000, 3960050);
    between(INT64_MAX, ERROR_RATE_LIMIT, 1, 3600000, 3960050);
}

static void test_dates(void)
{
    tap_int(failure_http_date_ms("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777000,
            "the standard's example");
    tap_int(failure_http_date_ms("Thu, 01 Jan 1970 00:00:00 GMT"), 0, "zero");
    tap_int(failure_http_date_ms("Fri, 31 Dec 1999 23:59:59 GMT"), 946684799000,
            "a year's end");
    tap_int(failure_http_date_ms("Wed, 31 Dec 1969 23:59:59 GMT"), -1,
            "before 1970");
    tap_int(failure_http_date_ms("Sun, 06 Nov 1994 08:49:37 GMT "), -1,
            "text behind it");
    tap_int(failure_http_date_ms("Sun, 06 Nov 1994 08:49:37 UTC"), -1,
            "another zone");
    tap_int(failure_http_date_ms("1994-11-06T08:49:37Z"), -1, "another form");
    tap_int(failure_http_date_ms(""), -1, "nothing");
}

int main(void)
{
    test_recorded();
    test_statuses();
    test_bodies();
    test_hints();
    test_long_message();
    test_retry_after();
    test_retry_after_ms();
    test_reset_headers();
    test_should_retry();
    test_wait_in_text();
    test_stream();
    test_waits();
    test_dates();
    return tap_done();
}
