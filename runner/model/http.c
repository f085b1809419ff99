#include "runner/model/http.h"

#include <ctype.h>
#include <curl/curl.h>
#include <sys/mman.h>

#include "base/certificates.h"
#include "base/clock.h"
#include "base/memory.h"

#define CONNECT_TIMEOUT_MS 30000L
#define ERROR_BODY_MAX ((size_t)64 << 10)
#define REST_TIMEOUT_MS 2000 /* for the end of a response that is complete */
#define SECRET_BYTES 16384
#define RECEIVE_BYTES 65536L

struct http {
    CURL *curl;
    struct curl_slist *headers;
    char *secret; /* a page of its own: the authorization header */
    char text[CURL_ERROR_SIZE];
};

struct exchange {
    const struct http_request *request;
    struct http_answer *answer;
    struct error *err;
    int64_t last_byte;
    bool complete; /* the consumer has all */
    bool failed;   /* err is set */
};

int http_start(struct error *err)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT))
        return error_set(err, ERROR_INTERNAL, "libcurl cannot start");
    return 0;
}

const char *http_library_version(void)
{
    /* Not curl_version: that one starts libldap and its plugins. */
    return curl_version_info(CURLVERSION_NOW)->version;
}

const char *http_tls_version(void)
{
    const char *version = curl_version_info(CURLVERSION_NOW)->ssl_version;

    return version ? version : "no TLS";
}

/* ---- callbacks --------------------------------------------------------- */

static void keep_header(char *out, size_t size, const char *value,
                        size_t length)
{
    snprintf(out, size, "%.*s", (int)(length < 255 ? length : 255), value);
}

static size_t on_header(char *data, size_t size, size_t count, void *context)
{
    struct exchange *exchange = context;
    struct http_answer *answer = exchange->answer;
    size_t length = size * count;
    const char *colon = memchr(data, ':', length);
    const struct {
        const char *name;
        char *out;
        size_t size;
    } wanted[] = {
        {"content-type", answer->content_type, sizeof(answer->content_type)},
        {"x-should-retry", answer->headers.should_retry,
         sizeof(answer->headers.should_retry)},
        {"retry-after", answer->headers.retry_after,
         sizeof(answer->headers.retry_after)},
        {"retry-after-ms", answer->headers.retry_after_ms,
         sizeof(answer->headers.retry_after_ms)},
        {"x-ratelimit-reset-requests", answer->headers.reset_requests,
         sizeof(answer->headers.reset_requests)},
        {"x-ratelimit-reset-tokens", answer->headers.reset_tokens,
         sizeof(answer->headers.reset_tokens)},
        {"x-ratelimit-remaining-requests", answer->headers.remaining_requests,
         sizeof(answer->headers.remaining_requests)},
        {"x-ratelimit-remaining-tokens", answer->headers.remaining_tokens,
         sizeof(answer->headers.remaining_tokens)},
    };

    exchange->last_byte = clock_now_ms();
    for (size_t i = 0; colon && i < ARRAY_LENGTH(wanted); i++) {
        const char *value = colon + 1;
        size_t left = length - (size_t)(value - data);

        if (strlen(wanted[i].name) != (size_t)(colon - data) ||
            strncasecmp(data, wanted[i].name, (size_t)(colon - data)) != 0)
            continue;
        while (left && isspace((unsigned char)*value)) {
            value++;
            left--;
        }
        while (left && isspace((unsigned char)value[left - 1]))
            left--;
        keep_header(wanted[i].out, wanted[i].size, value, left);
    }
    return length;
}

static size_t on_body(char *data, size_t size, size_t count, void *context)
{
    struct exchange *exchange = context;
    size_t length = size * count;
    struct buffer *error_body = &exchange->answer->error_body;
    size_t room = error_body->maximum - error_body->length;
    int done;

    exchange->last_byte = clock_now_ms();
    if (exchange->complete)
        return length; /* read and thrown away */
    if (exchange->answer->status / 100 != 2) {
        buffer_add(error_body, data, length < room ? length : room);
        return length;
    }
    done = exchange->request->consume(exchange->request->context, data, length,
                                      exchange->err);
    exchange->complete = done > 0;
    exchange->failed = done < 0;
    return done < 0 ? CURL_WRITEFUNC_ERROR : length;
}

/* Called at least once a second: the deadlines. */
static int on_progress(void *context, curl_off_t download_total,
                       curl_off_t downloaded, curl_off_t upload_total,
                       curl_off_t uploaded)
{
    struct exchange *exchange = context;
    const struct http_request *request = exchange->request;
    int64_t now = clock_now_ms();

    (void)download_total;
    (void)downloaded;
    (void)upload_total;
    (void)uploaded;
    if (exchange->complete)
        return now - exchange->last_byte > REST_TIMEOUT_MS;
    if (now > request->deadline) {
        error_set(exchange->err, ERROR_TIMEOUT,
                  "model: the response was not complete in time");
        exchange->failed = true;
    } else if (now - exchange->last_byte > request->idle_timeout_ms) {
        error_set(exchange->err, ERROR_NETWORK,
                  "model: nothing came for %lld s",
                  (long long)request->idle_timeout_ms / 1000);
        exchange->failed = true;
    }
    return exchange->failed;
}

/* The status line of each response (a proxy's and a 100 come first). */
static size_t on_header_line(char *data, size_t size, size_t count,
                             void *context)
{
    struct exchange *exchange = context;

    if (size * count > 9 && !strncmp(data, "HTTP/", 5)) {
        const char *blank = memchr(data, ' ', size * count);

        memset(&exchange->answer->headers, 0,
               sizeof(exchange->answer->headers));
        exchange->answer->content_type[0] = '\0';
        exchange->answer->status = blank ? (int)strtol(blank + 1, NULL, 10) : 0;
    }
    return on_header(data, size, count, context);
}

/* ---- opening ----------------------------------------------------------- */

static int keep_secret(struct http *http, const char *authorization,
                       struct error *err)
{
    if (strlen(authorization) >= SECRET_BYTES)
        return error_set(err, ERROR_USAGE, "the model's key is too long");
    http->secret = mmap(NULL, SECRET_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (http->secret == MAP_FAILED) {
        http->secret = NULL;
        return error_set(err, ERROR_INTERNAL, "no memory for the key");
    }
    /* A sandbox is a fork of this process: it gets zeros. */
    madvise(http->secret, SECRET_BYTES, MADV_WIPEONFORK);
    madvise(http->secret, SECRET_BYTES, MADV_DONTDUMP);
    memcpy(http->secret, authorization, strlen(authorization) + 1);
    return 0;
}

static void add_header(struct http *http, const char *line)
{
    struct curl_slist *longer = curl_slist_append(http->headers, line);

    if (!longer)
        mem_array(SIZE_MAX, 2); /* out of memory: ends the process */
    http->headers = longer;
}

int http_set_certificates(void *handle)
{
    CURL *curl = handle;
    struct certificates trusted = certificates_find();
    int status = 0;

    if (trusted.file)
        status |= curl_easy_setopt(curl, CURLOPT_CAINFO, trusted.file);
    if (trusted.folder)
        status |= curl_easy_setopt(curl, CURLOPT_CAPATH, trusted.folder);
    return status;
}

static int set_options(struct http *http)
{
    CURL *curl = http->curl;
    int status = http_set_certificates(curl);

    status |= curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    status |= curl_easy_setopt(curl, CURLOPT_POST, 1L);
    status |= curl_easy_setopt(curl, CURLOPT_HTTPHEADER, http->headers);
    status |= curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    status |= curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    status |= curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    status |= curl_easy_setopt(curl, CURLOPT_TCP_NODELAY, 1L);
    status |= curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, RECEIVE_BYTES);
    status |=
        curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    status |= curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, http->text);
    status |= curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    status |= curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header_line);
    status |= curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    status |= curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    return status;
}

struct http *http_open(const char *authorization, struct error *err)
{
    struct http *http = mem_alloc(sizeof(*http));

    http->curl = curl_easy_init();
    if (authorization && keep_secret(http, authorization, err)) {
        http_close(http);
        return NULL;
    }
    add_header(http, "Content-Type: application/json");
    add_header(http, "Accept: text/event-stream");
    add_header(http, "Expect:"); /* no waiting for a 100 before the body */
    add_header(http, "User-Agent: nightjar/" NIGHTJAR_VERSION);
    if (!http->curl || set_options(http)) {
        error_set(err, ERROR_INTERNAL, "libcurl cannot be set up");
        http_close(http);
        return NULL;
    }
    return http;
}

void http_close(struct http *http)
{
    if (!http)
        return;
    if (http->curl)
        curl_easy_cleanup(http->curl);
    curl_slist_free_all(http->headers);
    if (http->secret) {
        explicit_bzero(http->secret, SECRET_BYTES);
        munmap(http->secret, SECRET_BYTES);
    }
    free(http);
}

/* ---- exchange ---------------------------------------------------------- */

static int explain(const struct http *http, const struct exchange *exchange,
                   CURLcode code, struct error *err)
{
    const char *text = *http->text ? http->text : curl_easy_strerror(code);

    if (exchange->failed)
        return -1; /* err is set */
    if (exchange->answer->status)
        return error_set(err, ERROR_NETWORK,
                         "model: the response broke off: %s", text);
    error_set(err, ERROR_NETWORK, "model: no answer: %s", text);
    if (code == CURLE_PEER_FAILED_VERIFICATION ||
        code == CURLE_SSL_CACERT_BADFILE)
        error_hint(err, "set SSL_CERT_FILE to the certificate of the "
                        "authority that signed the server's");
    return -1;
}

int http_post(struct http *http, const struct http_request *request,
              struct http_answer *answer, struct error *err)
{
    struct exchange exchange = {.request = request,
                                .answer = answer,
                                .err = err,
                                .last_byte = clock_now_ms()};
    /* The secret's node points into the wiped page; nothing copies it but
     * the library while it sends. */
    struct curl_slist secret = {http->secret, http->headers};
    CURLcode code;

    memset(answer, 0, sizeof(*answer));
    buffer_init(&answer->error_body, ERROR_BODY_MAX);
    http->text[0] = '\0';
    if (curl_easy_setopt(http->curl, CURLOPT_URL, request->url))
        return error_set(err, ERROR_INTERNAL, "libcurl refuses '%s'",
                         request->url);
    curl_easy_setopt(http->curl, CURLOPT_HTTPHEADER,
                     http->secret ? &secret : http->headers);
    curl_easy_setopt(http->curl, CURLOPT_POSTFIELDS, request->body.data);
    curl_easy_setopt(http->curl, CURLOPT_POSTFIELDSIZE_LARGE,
                     (curl_off_t)request->body.length);
    curl_easy_setopt(http->curl, CURLOPT_WRITEDATA, &exchange);
    curl_easy_setopt(http->curl, CURLOPT_HEADERDATA, &exchange);
    curl_easy_setopt(http->curl, CURLOPT_XFERINFODATA, &exchange);
    code = curl_easy_perform(http->curl);
    curl_easy_setopt(http->curl, CURLOPT_HTTPHEADER, http->headers);
    if (code == CURLE_OK || (exchange.complete && !exchange.failed))
        return 0;
    return explain(http, &exchange, code, err);
}
