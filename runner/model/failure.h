/* What a failed request means: its kind, whether to try again, and when.
 * Pure. The rules and their evidence: docs/model.md, "Errors and retries". */
#ifndef NIGHTJAR_RUNNER_MODEL_FAILURE_H
#define NIGHTJAR_RUNNER_MODEL_FAILURE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"

#define FAILURE_WAIT_UNKNOWN (-1)

struct failure {
    bool retry;
    int64_t wait_ms; /* what the server asked for, or FAILURE_WAIT_UNKNOWN */
};

/* The response headers that say when to come back; values as received, ""
 * when missing. */
struct failure_headers {
    char should_retry[16]; /* x-should-retry */
    char retry_after[64];  /* seconds or an HTTP date */
    char retry_after_ms[32];
    char reset_requests[64]; /* x-ratelimit-reset-* */
    char reset_tokens[64];
    char remaining_requests[32];
    char remaining_tokens[32];
};

/* Classifies an HTTP answer that is not 2xx; body is the start of what came
 * with it. Sets err. */
struct failure failure_of_status(int status, struct span body,
                                 const struct failure_headers *headers,
                                 int64_t utc_now_ms, struct error *err);

/* Classifies an error inside a stream (`error` or `response.failed`) by its
 * code, type and message; each may be "". Sets err. */
struct failure failure_of_stream(const char *code, const char *type,
                                 const char *message, struct error *err);

/* How long to wait before try `retry` (from 1): what the server asked for,
 * else 0.5 s doubled each time up to 8 s (60 s for rate limits), less up to
 * a quarter by `random` (0 to 1) so that tasks do not come back together. */
int64_t failure_wait_ms(const struct failure *failure, enum error_kind kind,
                        int retry, double random);

/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7) in milliseconds since
 * 1970; -1 if it is none. */
int64_t failure_http_date_ms(const char *text);

#endif
