#include "runner/model/failure.h"

#include <ctype.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/utf8.h"

#define WAIT_MAX_MS ((int64_t)3600 * 1000)
#define MESSAGE_MAX 600

/* Codes and types as providers send them, first match counts. They decide
 * before the status does: a quota that is used up also comes as 429. */
struct code {
    const char *name;
    enum error_kind kind;
    bool retry;
};

static const struct code codes[] = {
    {"context_length_exceeded", ERROR_CONTEXT_LENGTH, false},
    {"model_context_window_exceeded", ERROR_CONTEXT_LENGTH, false},
    {"string_above_max_length", ERROR_CONTEXT_LENGTH, false},
    {"insufficient_quota", ERROR_QUOTA, false},
    {"credit_balance_exhausted", ERROR_QUOTA, false},
    {"organization_spend_limit_exceeded", ERROR_QUOTA, false},
    {"project_spend_limit_exceeded", ERROR_QUOTA, false},
    {"organization_usage_limit_exceeded", ERROR_QUOTA, false},
    {"enforced_spend_limit_reached", ERROR_QUOTA, false},
    {"usage_limit_reached", ERROR_QUOTA, false},
    {"usage_not_included", ERROR_QUOTA, false},
    {"billing_hard_limit_reached", ERROR_QUOTA, false},
    {"billing_error", ERROR_QUOTA, false},
    {"invalid_api_key", ERROR_AUTHENTICATION, false},
    {"authentication_error", ERROR_AUTHENTICATION, false},
    {"permission_error", ERROR_AUTHENTICATION, false},
    {"invalid_prompt", ERROR_CONTENT, false},
    {"content_filter", ERROR_CONTENT, false},
    {"content_policy_violation", ERROR_CONTENT, false},
    {"bio_policy", ERROR_CONTENT, false},
    {"cyber_policy", ERROR_CONTENT, false},
    {"misalignment_policy_violation", ERROR_CONTENT, false},
    {"data_residency_mismatch", ERROR_REQUEST, false},
    {"model_not_found", ERROR_REQUEST, false},
    {"invalid_request_error", ERROR_REQUEST, false},
    {"not_found_error", ERROR_REQUEST, false},
    {"unsupported_value", ERROR_REQUEST, false},
    {"rate_limit_exceeded", ERROR_RATE_LIMIT, true},
    {"rate_limit_error", ERROR_RATE_LIMIT, true},
    {"too_many_requests", ERROR_RATE_LIMIT, true},
    {"slow_down", ERROR_RATE_LIMIT, true},
    {"server_is_overloaded", ERROR_OVERLOADED, true},
    {"overloaded_error", ERROR_OVERLOADED, true},
    {"service_unavailable_error", ERROR_OVERLOADED, true},
    {"server_error", ERROR_OVERLOADED, true},
    {"api_error", ERROR_OVERLOADED, true},
    {"internal_error", ERROR_OVERLOADED, true},
    {"vector_store_timeout", ERROR_OVERLOADED, true},
    {"timeout_error", ERROR_OVERLOADED, true},
};

static const struct code *find_code(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(codes); i++) {
        if (!strcmp(codes[i].name, name))
            return &codes[i];
    }
    return NULL;
}

static struct code by_status(int status)
{
    switch (status) {
    case 401:
    case 403:
        return (struct code){"", ERROR_AUTHENTICATION, false};
    case 402:
        return (struct code){"", ERROR_QUOTA, false};
    case 408:
    case 409:
    case 425:
        return (struct code){"", ERROR_OVERLOADED, true};
    case 429:
        return (struct code){"", ERROR_RATE_LIMIT, true};
    default:
        if (status >= 500)
            return (struct code){"", ERROR_OVERLOADED, true};
        return (struct code){"", ERROR_REQUEST, false};
    }
}

/* ---- when -------------------------------------------------------------- */

int64_t failure_http_date_ms(const char *text)
{
    struct tm parts = {0};
    const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    time_t seconds;

    if (!end || *end)
        return -1;
    seconds = timegm(&parts);
    return seconds < 0 ? -1 : (int64_t)seconds * 1000;
}

/* Milliseconds as "1500" or "1500.5". */
static bool parse_ms(const char *text, int64_t *ms)
{
    int64_t micro;

    if (number_micro(text, &micro))
        return false;
    *ms = (micro + 999999) / 1000000;
    return true;
}

static bool parse_retry_after(const char *text, int64_t now, int64_t *ms)
{
    int64_t date;

    if (!number_go_duration_ms(text, ms))
        return true;
    date = failure_http_date_ms(text);
    if (date < 0)
        return false;
    *ms = date > now ? date - now : 0;
    return true;
}

static int64_t wait_of(const struct failure_headers *headers, int64_t now)
{
    int64_t wait = FAILURE_WAIT_UNKNOWN;
    int64_t other;

    if (parse_ms(headers->retry_after_ms, &wait) && wait > 0)
        return wait;
    wait = FAILURE_WAIT_UNKNOWN;
    if (*headers->retry_after &&
        parse_retry_after(headers->retry_after, now, &wait))
        return wait;
    /* The window that is used up is the one to wait for. */
    if (!strcmp(headers->remaining_requests, "0") &&
        !number_go_duration_ms(headers->reset_requests, &other))
        wait = other;
    if (!strcmp(headers->remaining_tokens, "0") &&
        !number_go_duration_ms(headers->reset_tokens, &other) && other > wait)
        wait = other;
    return wait;
}

/* The unit that a word of a message means; seconds if it is none. */
static const char *unit_of(const char *word)
{
    word += strspn(word, " ");
    if (!strncmp(word, "ms", 2) || !strncmp(word, "mil", 3))
        return "ms";
    return *word == 'm' ? "m" : *word == 'h' ? "h" : "s";
}

/* "... Please try again in 11.054s ...", "7m12s", "35 seconds" */
static int64_t wait_in_text(const char *message)
{
    static const char words[] = "try again in ";
    const char *at = strcasestr(message, words);
    char amount[32];
    size_t length;
    int64_t wait;

    if (!at)
        return FAILURE_WAIT_UNKNOWN;
    at += strlen(words);
    length = strspn(at, "0123456789.hms");
    while (length && at[length - 1] == '.')
        length--;
    if (!length || length > sizeof(amount) - 4)
        return FAILURE_WAIT_UNKNOWN;
    memcpy(amount, at, length);
    amount[length] = '\0';
    if (isdigit((unsigned char)amount[length - 1]))
        snprintf(amount + length, sizeof(amount) - length, "%s",
                 unit_of(at + length));
    if (number_go_duration_ms(amount, &wait))
        return FAILURE_WAIT_UNKNOWN;
    return wait;
}

int64_t failure_wait_ms(const struct failure *failure, enum error_kind kind,
                        int retry, double random)
{
    int64_t cap = kind == ERROR_RATE_LIMIT ? 60000 : 8000;
    int64_t wait = 500;

    /* The server's word counts; a little more spreads those who got it. */
    if (failure->wait_ms >= 0) {
        wait = failure->wait_ms < WAIT_MAX_MS ? failure->wait_ms : WAIT_MAX_MS;
        return wait + (int64_t)(((double)wait / 10 + 50) * random);
    }
    for (int i = 1; i < retry && wait < cap; i++)
        wait *= 2;
    if (wait > cap)
        wait = cap;
    return wait - (int64_t)((double)wait * 0.25 * random);
}

/* ---- what -------------------------------------------------------------- */

struct body {
    char *code;
    char *type;
    char *message;
};

static void body_free(struct body *body)
{
    free(body->code);
    free(body->type);
    free(body->message);
}

static char *text_of(const cJSON *object, const char *key)
{
    return mem_string(json_get_text(object, key, ""));
}

/* The forms of an error body: {"error":{…}}, {"error":"text"}, {"message"},
 * or text that is no JSON. */
static struct body read_body(struct span text)
{
    struct error ignored;
    CLEANUP(json_free)
    cJSON *json = json_parse(text.data, text.length, &ignored);
    const cJSON *error = json_get_object(json, "error");
    struct body body;

    if (!error)
        error = json;
    body.code = text_of(error, "code");
    body.type = text_of(error, "type");
    body.message = text_of(error, "message");
    if (!*body.message && json_get_string(json, "error")) {
        free(body.message);
        body.message = text_of(json, "error");
    }
    if (!*body.code) {
        const cJSON *details = json_get_object(error, "details");

        free(body.code);
        body.code = text_of(details, "error_code");
    }
    return body;
}

/* The text's start in one line, for people. */
static char *excerpt(const char *data, size_t length)
{
    size_t cut = utf8_floor(data, length, MESSAGE_MAX);
    struct buffer text;

    buffer_init(&text, (MESSAGE_MAX + 4) * 3);
    utf8_repair(&text, data, cut);
    for (size_t i = 0; i < text.length; i++) {
        if ((unsigned char)text.data[i] < ' ')
            text.data[i] = ' ';
    }
    return buffer_steal(&text);
}

static bool too_long(const char *message)
{
    static const char *const phrases[] = {
        "context length", "context window", "maximum context",
        "prompt is too long", "exceeds the available context"};

    for (size_t i = 0; i < ARRAY_LENGTH(phrases); i++) {
        if (strcasestr(message, phrases[i]))
            return true;
    }
    return false;
}

static void add_hint(enum error_kind kind, struct error *err)
{
    if (kind == ERROR_AUTHENTICATION)
        error_hint(err, "check the key in the variable that model.key_env "
                        "names, and what it may use");
    else if (kind == ERROR_QUOTA)
        error_hint(err, "the account's credit or spending limit is used up: "
                        "raise it; waiting does not help");
}

struct failure failure_of_status(int status, struct span text,
                                 const struct failure_headers *headers,
                                 int64_t utc_now_ms, struct error *err)
{
    CLEANUP(body_free) struct body body = read_body(text);
    const struct code *named = find_code(body.code);
    struct code found = by_status(status);
    CLEANUP(mem_free) char *message = NULL;
    struct failure failure = {.wait_ms = wait_of(headers, utc_now_ms)};

    if (!named)
        named = find_code(body.type);
    /* A general type says less than the status; a code says more. */
    if (named && named->kind != ERROR_REQUEST &&
        !(found.kind == ERROR_AUTHENTICATION && named->retry))
        found = *named;
    if (found.kind == ERROR_REQUEST && too_long(body.message))
        found.kind = ERROR_CONTEXT_LENGTH;
    failure.retry = found.retry;
    if (!strcmp(headers->should_retry, "false"))
        failure.retry = false;
    if (!strcmp(headers->should_retry, "true") && !(named && !named->retry))
        failure.retry = true;
    if (failure.wait_ms < 0 && failure.retry)
        failure.wait_ms = wait_in_text(body.message);
    message = *body.message ? excerpt(body.message, strlen(body.message))
                            : excerpt(text.data, text.length);
    error_set(err, found.kind, "model: HTTP %d: %s%s%s", status,
              *body.code ? body.code : "", *body.code ? ": " : "",
              *message ? message : "no text");
    add_hint(found.kind, err);
    return failure;
}

struct failure failure_of_stream(const char *code, const char *type,
                                 const char *message, struct error *err)
{
    const struct code *named = find_code(code);
    CLEANUP(mem_free) char *text = excerpt(message, strlen(message));
    struct failure failure = {.wait_ms = FAILURE_WAIT_UNKNOWN, .retry = true};
    enum error_kind kind = ERROR_OVERLOADED;

    if (!named)
        named = find_code(type);
    if (named) {
        kind = named->kind;
        failure.retry = named->retry;
    }
    if (failure.retry)
        failure.wait_ms = wait_in_text(message);
    error_set(err, kind, "model: %s%s%s", code, *code ? ": " : "",
              *text ? text : "failed without a message");
    add_hint(kind, err);
    return failure;
}
