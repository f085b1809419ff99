#include "base/error.h"

#include <stdarg.h>

#include "base/memory.h"

struct kind {
    const char *name;
    bool retryable;
};

static const struct kind kinds[ERROR_KINDS] = {
    [ERROR_NONE] = {"none", false},
    [ERROR_USAGE] = {"usage", false},
    [ERROR_MANIFEST] = {"manifest", false},
    [ERROR_IO] = {"io", true},
    [ERROR_REPOSITORY] = {"repository", true},
    [ERROR_SANDBOX] = {"sandbox", false},
    [ERROR_SETUP] = {"setup", true},
    [ERROR_AUTHENTICATION] = {"authentication", false},
    [ERROR_QUOTA] = {"quota", false},
    [ERROR_RATE_LIMIT] = {"rate_limit", true},
    [ERROR_CONTEXT_LENGTH] = {"context_length", false},
    [ERROR_BUDGET] = {"budget", false},
    [ERROR_DRIFT] = {"drift", false},
    [ERROR_CONTENT] = {"content", false},
    [ERROR_OVERLOADED] = {"overloaded", true},
    [ERROR_NETWORK] = {"network", true},
    [ERROR_REQUEST] = {"request", false},
    [ERROR_PROTOCOL] = {"protocol", true},
    [ERROR_TIMEOUT] = {"timeout", true},
    [ERROR_INTERRUPTED] = {"interrupted", true},
    [ERROR_CRASH] = {"crash", true},
    [ERROR_INTERNAL] = {"internal", false},
};

int error_set(struct error *err, enum error_kind kind, const char *format, ...)
{
    va_list arguments;

    err->kind = kind;
    err->hint[0] = '\0';
    va_start(arguments, format);
    vsnprintf(err->text, sizeof(err->text), format, arguments);
    va_end(arguments);
    return -1;
}

int error_set_errno(struct error *err, enum error_kind kind, int errnum,
                    const char *format, ...)
{
    va_list arguments;
    int used;

    err->kind = kind;
    err->hint[0] = '\0';
    va_start(arguments, format);
    used = vsnprintf(err->text, sizeof(err->text), format, arguments);
    va_end(arguments);
    if (used >= 0 && (size_t)used < sizeof(err->text))
        snprintf(err->text + used, sizeof(err->text) - (size_t)used, ": %s",
                 strerrordesc_np(errnum) ? strerrordesc_np(errnum)
                                         : "unknown error");
    return -1;
}

int error_context(struct error *err, const char *format, ...)
{
    CLEANUP(mem_free) char *context = NULL;
    CLEANUP(mem_free) char *text = mem_string(err->text);
    va_list arguments;

    va_start(arguments, format);
    context = mem_vformat(format, arguments);
    va_end(arguments);
    snprintf(err->text, sizeof(err->text), "%s: %s", context, text);
    return -1;
}

int error_hint(struct error *err, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(err->hint, sizeof(err->hint), format, arguments);
    va_end(arguments);
    return -1;
}

const char *error_kind_name(enum error_kind kind)
{
    if ((unsigned)kind >= ERROR_KINDS)
        kind = ERROR_INTERNAL;
    return kinds[kind].name;
}

enum error_kind error_kind_from_name(const char *name)
{
    for (int kind = 0; kind < ERROR_KINDS; kind++) {
        if (!strcmp(kinds[kind].name, name))
            return (enum error_kind)kind;
    }
    return ERROR_INTERNAL;
}

bool error_kind_retryable(enum error_kind kind)
{
    return (unsigned)kind < ERROR_KINDS && kinds[kind].retryable;
}
