/* One HTTP connection to a model's API, by libcurl: requests one after the
 * other over the same connection, responses as they arrive.
 *
 * TLS is verified; redirects are not followed, so a key is never carried to
 * another host; http(s) only. Standard variables for proxies and
 * certificates hold (HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE…). */
#ifndef NIGHTJAR_RUNNER_MODEL_HTTP_H
#define NIGHTJAR_RUNNER_MODEL_HTTP_H

#include "runner/model/failure.h"

/* Called with each piece of a 2xx body. Returns 0 to go on, 1 when all that
 * matters has come (the rest is read for a moment, so that the connection
 * can be used again), -1 with err set to end the exchange. */
typedef int http_consumer(void *context, const char *data, size_t length,
                          struct error *err);

struct http_request {
    const char *url;
    struct span body;
    int64_t deadline;        /* base/clock.h */
    int64_t idle_timeout_ms; /* between two bytes, also before the first */
    http_consumer *consume;
    void *context;
};

struct http_answer {
    int status; /* 0: none came */
    char content_type[128];
    struct failure_headers headers;
    struct buffer error_body; /* the start of a body that is not 2xx */
};

struct http;

/* `authorization` is a whole header line or NULL; it is copied into memory
 * that forked processes do not see. */
struct http *http_open(const char *authorization, struct error *err);

/* Sends a POST. Returns 0 when an answer came whole (any status), or when the
 * consumer said that it has all; -1 with ERROR_NETWORK, ERROR_TIMEOUT or the
 * consumer's error. The caller frees answer->error_body in both cases. */
int http_post(struct http *http, const struct http_request *request,
              struct http_answer *answer, struct error *err);

void http_close(struct http *http);

/* For a handle of libcurl (CURL *) of others: the authorities that every
 * connection of ours trusts (base/certificates.h). Returns 0, or what libcurl
 * said. */
int http_set_certificates(void *handle);

/* Once in the first process. */
int http_start(struct error *err);

/* "7.88.1" and "OpenSSL/3.0.19" */
const char *http_library_version(void);
const char *http_tls_version(void);

#endif
