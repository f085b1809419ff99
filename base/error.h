/* One error: what kind it is, what happened, what the user can do.
 *
 * It is set once, where the cause is known, and context is put in front on
 * the way up, so the text reads from the outside in:
 *
 *     task fix-login: clone https://host/x.git: certificate expired
 *
 * Texts are lower case without a full stop; a hint is a sentence that starts
 * behind "hint: ". Functions that can fail take `struct error *err` last and
 * return 0 or -1; on -1 err has been set. err is never NULL. */
#ifndef NIGHTJAR_BASE_ERROR_H
#define NIGHTJAR_BASE_ERROR_H

#include <stdbool.h>

#define ERROR_TEXT_MAX 2048
#define ERROR_HINT_MAX 512

/* The order is free; the names in error.c are a public interface: they stand
 * in journals and reports. */
enum error_kind {
    ERROR_NONE,
    ERROR_USAGE,          /* command line */
    ERROR_MANIFEST,       /* manifest, script or schema file */
    ERROR_IO,             /* files, pipes, processes of the host */
    ERROR_REPOSITORY,     /* clone, checkout, patch */
    ERROR_SANDBOX,        /* a layer that is required is not to be had */
    ERROR_SETUP,          /* a setup command failed */
    ERROR_AUTHENTICATION, /* 401, 403 */
    ERROR_QUOTA,          /* paid-for amount is used up: waiting is no help */
    ERROR_RATE_LIMIT,     /* too fast: waiting helps */
    ERROR_CONTEXT_LENGTH, /* the conversation is longer than the window */
    ERROR_BUDGET,         /* a limit of the task or the run is reached */
    ERROR_DRIFT,          /* a replay: not the request that was recorded */
    ERROR_CONTENT,        /* the provider's filter refused */
    ERROR_OVERLOADED,     /* the provider is down or full: 5xx, 529 */
    ERROR_NETWORK,        /* no connection, cut, idle */
    ERROR_REQUEST,        /* 400, 404, 413, 422: the request is wrong */
    ERROR_PROTOCOL,       /* the peer does not speak what it should */
    ERROR_TIMEOUT,        /* a deadline of ours passed */
    ERROR_INTERRUPTED,    /* a signal asked to stop */
    ERROR_CRASH,          /* a worker died */
    ERROR_INTERNAL,       /* a fault of ours */
    ERROR_KINDS
};

struct error {
    enum error_kind kind;
    char text[ERROR_TEXT_MAX];
    char hint[ERROR_HINT_MAX];
};

/* Sets kind and text and clears the hint. Returns -1, so that a function can
 * end with `return error_set(...)`. Text over the limit is cut. */
int error_set(struct error *err, enum error_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Like error_set, followed by ": " and the text of `errnum`. */
int error_set_errno(struct error *err, enum error_kind kind, int errnum,
                    const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Puts "context: " in front of the text. Returns -1. */
int error_context(struct error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Sets what the user can do about it. Returns -1. */
int error_hint(struct error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The kind's name in journals and reports ("rate_limit"); never NULL. */
const char *error_kind_name(enum error_kind kind);

/* The kind of that name; ERROR_INTERNAL for an unknown one. */
enum error_kind error_kind_from_name(const char *name);

/* Whether the same run, tried again later, may end otherwise. */
bool error_kind_retryable(enum error_kind kind);

#endif
