#include "runner/telemetry.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/number.h"
#include "reporters/otlp.h"
#include "runner/model/http.h"

#define REQUEST_BYTES ((size_t)2 << 20) /* of spans, about */
#define REPORT_BYTES_MAX ((size_t)256 << 20)
#define ANSWER_BYTES_MAX ((size_t)64 << 10)
#define TIMEOUT_MS 10000
#define TRIES 4
#define WAIT_MS 500 /* doubled after each try */
#define HEADERS_MAX 64

struct signal_kind {
    const char *name;     /* in variables */
    const char *path;     /* behind the common endpoint */
    const char *exporter; /* the variable that turns it off */
};

static const struct signal_kind traces = {"TRACES", "/v1/traces",
                                          "OTEL_TRACES_EXPORTER"};
static const struct signal_kind metrics = {"METRICS", "/v1/metrics",
                                           "OTEL_METRICS_EXPORTER"};

/* The variable of the signal, else the common one; NULL if neither is set. */
static const char *setting(const struct signal_kind *kind, const char *name)
{
    CLEANUP(mem_free)
    char *own = mem_format("OTEL_EXPORTER_OTLP_%s_%s", kind->name, name);
    CLEANUP(mem_free) char *common = mem_format("OTEL_EXPORTER_OTLP_%s", name);
    const char *value = getenv(own);

    if (value && *value)
        return value;
    value = getenv(common);
    return value && *value ? value : NULL;
}

/* The whole address; NULL when there is none. The caller frees it. */
static char *address_of(const struct signal_kind *kind)
{
    CLEANUP(mem_free)
    char *name = mem_format("OTEL_EXPORTER_OTLP_%s_ENDPOINT", kind->name);
    const char *own = getenv(name);
    const char *common = getenv("OTEL_EXPORTER_OTLP_ENDPOINT");
    size_t length;

    if (own && *own)
        return mem_string(own);
    if (!common || !*common)
        return NULL;
    length = strlen(common);
    while (length && common[length - 1] == '/')
        length--;
    return mem_format("%.*s%s", (int)length, common, kind->path);
}

/* Whether a list such as "console,otlp" has the word. */
static bool has_word(const char *list, const char *word)
{
    size_t length = strlen(word);

    while (*list) {
        size_t item = strcspn(list, ",");

        if (item == length && !strncasecmp(list, word, length))
            return true;
        list += item + (list[item] == ',');
    }
    return false;
}

static bool is_wanted(const struct signal_kind *kind)
{
    const char *disabled = getenv("OTEL_SDK_DISABLED");
    const char *exporter = getenv(kind->exporter);

    return !(disabled && !strcasecmp(disabled, "true")) &&
           (!exporter || !*exporter || has_word(exporter, "otlp"));
}

/* ---- a request ----------------------------------------------------------- */

struct exchange {
    CURL *curl;
    struct curl_slist *headers;
    struct buffer answer;
    char text[CURL_ERROR_SIZE];
};

static size_t on_body(char *data, size_t size, size_t count, void *context)
{
    struct exchange *exchange = context;

    /* More than that is no collector's answer: curl ends the transfer. */
    return buffer_add(&exchange->answer, data, size * count) ? 0 : size * count;
}

static int header(struct exchange *exchange, const char *line)
{
    struct curl_slist *more = curl_slist_append(exchange->headers, line);

    if (!more)
        return -1;
    exchange->headers = more;
    return 0;
}

/* "key=value,key=value", percent-encoded values. */
static int add_headers(struct exchange *exchange, const char *list)
{
    for (int i = 0; list && *list && i < HEADERS_MAX; i++) {
        size_t length = strcspn(list, ",");
        CLEANUP(mem_free) char *pair = mem_bytes(list, length);
        char *equals = strchr(pair, '=');
        CLEANUP(mem_free) char *line = NULL;
        char *value;

        list += length + (list[length] == ',');
        if (!equals)
            continue;
        *equals = '\0';
        value = curl_easy_unescape(exchange->curl, equals + 1, 0, NULL);
        if (!value)
            return -1;
        line = mem_format("%s: %s", pair + strspn(pair, " "), value);
        explicit_bzero(value, strlen(value));
        curl_free(value);
        if (!strpbrk(line, "\r\n") && header(exchange, line))
            return -1;
    }
    return 0;
}

static void exchange_cleanup(struct exchange *exchange)
{
    curl_slist_free_all(exchange->headers);
    curl_easy_cleanup(exchange->curl);
    buffer_free(&exchange->answer);
}

static int prepare(struct exchange *exchange, const struct signal_kind *kind,
                   const char *address, struct error *err)
{
    const char *text = setting(kind, "TIMEOUT");
    int64_t timeout = TIMEOUT_MS;
    int status = 0;
    CURL *curl = curl_easy_init();

    exchange->curl = curl;
    if (text &&
        (number_int64(text, &timeout) || timeout < 1 || timeout > 600000))
        return error_set(err, ERROR_USAGE,
                         "OTEL_EXPORTER_OTLP_TIMEOUT: expected milliseconds, "
                         "got '%s'",
                         text);
    buffer_init(&exchange->answer, ANSWER_BYTES_MAX);
    if (!curl || header(exchange, "Content-Type: application/json") ||
        header(exchange, "Expect:") || http_set_certificates(curl) ||
        add_headers(exchange, setting(kind, "HEADERS")))
        return error_set(err, ERROR_NETWORK, "telemetry: no request");
    status |= curl_easy_setopt(curl, CURLOPT_URL, address);
    status |= curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    status |= curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    status |= curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    status |= curl_easy_setopt(curl, CURLOPT_POST, 1L);
    status |= curl_easy_setopt(curl, CURLOPT_HTTPHEADER, exchange->headers);
    status |= curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)timeout);
    status |= curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, exchange->text);
    status |= curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    status |= curl_easy_setopt(curl, CURLOPT_WRITEDATA, exchange);
    if (status)
        return error_set(err, ERROR_USAGE, "telemetry: '%s' is no address",
                         address);
    return 0;
}

static bool may_try_again(long status)
{
    return status == 0 || status == 429 || (status >= 502 && status <= 504);
}

static int post(struct exchange *exchange, struct span body, struct error *err)
{
    CURL *curl = exchange->curl;
    long status = 0;

    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.data);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                     (curl_off_t)body.length);
    for (int attempt = 0; attempt < TRIES; attempt++) {
        CURLcode result;

        if (attempt)
            usleep((WAIT_MS * 1000U) << (attempt - 1));
        status = 0;
        buffer_clear(&exchange->answer);
        result = curl_easy_perform(curl);
        /* An answer that was too long is one all the same. */
        if (!result || result == CURLE_WRITE_ERROR)
            curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        if (result == CURLE_URL_MALFORMAT ||
            result == CURLE_UNSUPPORTED_PROTOCOL)
            return error_set(err, ERROR_USAGE,
                             "OTEL_EXPORTER_OTLP_ENDPOINT: %s",
                             curl_easy_strerror(result));
        if (status >= 200 && status < 300)
            return 0;
        if (!may_try_again(status))
            return error_set(err, ERROR_REQUEST,
                             "telemetry: the collector answered %ld: %.200s",
                             status, exchange->answer.data);
    }
    if (status)
        return error_set(err, ERROR_NETWORK,
                         "telemetry: the collector answered %ld, %d times",
                         status, TRIES);
    return error_set(err, ERROR_NETWORK, "telemetry: %s", exchange->text);
}

/* ---- both ---------------------------------------------------------------- */

static int send_traces(struct exchange *exchange,
                       const struct run_outcome *outcome,
                       const struct report_options *options, struct error *err)
{
    size_t at = 0;

    do {
        CLEANUP(buffer_free) struct buffer body = {0};

        buffer_init(&body, REPORT_BYTES_MAX);
        if (traces_add(outcome, options, &at, REQUEST_BYTES, &body, err) ||
            post(exchange, buffer_span(&body), err))
            return -1;
    } while (at < outcome->task_count);
    return 0;
}

static int send_metrics(struct exchange *exchange,
                        const struct run_outcome *outcome,
                        const struct report_options *options, struct error *err)
{
    CLEANUP(buffer_free) struct buffer body = {0};

    buffer_init(&body, REPORT_BYTES_MAX);
    if (report_metrics(outcome, options, &body, err))
        return -1;
    return post(exchange, buffer_span(&body), err);
}

static int
export_kind(const struct signal_kind *kind,
            int (*send)(struct exchange *, const struct run_outcome *,
                        const struct report_options *, struct error *),
            const struct run_outcome *outcome,
            const struct report_options *options, struct error *err)
{
    CLEANUP(mem_free) char *address = address_of(kind);
    CLEANUP(exchange_cleanup) struct exchange exchange = {.curl = NULL};
    const char *protocol = setting(kind, "PROTOCOL");

    if (!address || !is_wanted(kind))
        return 0;
    if (protocol && strcmp(protocol, "http/json") != 0 &&
        strcmp(protocol, "http/protobuf") != 0) {
        error_set(err, ERROR_USAGE,
                  "OTEL_EXPORTER_OTLP_PROTOCOL: '%s' is not spoken here",
                  protocol);
        return error_hint(err, "http/json is, at the collector's port 4318");
    }
    if (prepare(&exchange, kind, address, err))
        return -1;
    return send(&exchange, outcome, options, err);
}

int telemetry_export(const struct run_outcome *outcome,
                     const struct report_options *options, struct error *err)
{
    if (export_kind(&traces, send_traces, outcome, options, err))
        return -1;
    return export_kind(&metrics, send_metrics, outcome, options, err);
}
