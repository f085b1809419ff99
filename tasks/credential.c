#include "tasks/credential.h"

#include <stdbool.h>

#include "base/memory.h"

/* Where a token belongs: a fixed host, or the host of a variable's value. */
struct source {
    const char *token;
    const char *user;
    const char *host;
    const char *host_variable; /* a host, host:port or URL */
};

static const struct source sources[] = {
    {"NIGHTJAR_GIT_TOKEN", "x-access-token", NULL, "NIGHTJAR_GIT_TOKEN_HOST"},
    {"GH_TOKEN", "x-access-token", "github.com", "GITHUB_SERVER_URL"},
    {"GITHUB_TOKEN", "x-access-token", "github.com", "GITHUB_SERVER_URL"},
    {"GITLAB_TOKEN", "oauth2", "gitlab.com", "CI_SERVER_HOST"},
    {"CI_JOB_TOKEN", "gitlab-ci-token", NULL, "CI_SERVER_HOST"},
};

/* The "host" or "host:port" of a URL or of a bare host. */
static char *host_of(const char *url)
{
    const char *start = strstr(url, "://");
    size_t length;
    const char *at;

    start = start ? start + 3 : url;
    length = strcspn(start, "/?#");
    at = memrchr(start, '@', length);
    if (at) {
        length -= (size_t)(at + 1 - start);
        start = at + 1;
    }
    return mem_bytes(start, length);
}

static bool same_host(const char *host, const char *of)
{
    CLEANUP(mem_free) char *other = of ? host_of(of) : NULL;

    return other && *other && !strcasecmp(host, other);
}

static bool is_loopback(const char *host)
{
    static const char *const names[] = {"127.0.0.1", "localhost", "[::1]"};

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        size_t length = strlen(names[i]);

        if (!strncmp(host, names[i], length) &&
            (!host[length] || host[length] == ':'))
            return true;
    }
    return false;
}

struct credential credential_for_url(const char *url)
{
    CLEANUP(mem_free) char *host = host_of(url);
    struct credential none = {NULL, NULL};

    /* Programs do not agree on where a host ends that holds a backslash. */
    if (strchr(url, '\\'))
        return none;
    if (strncmp(url, "https://", 8) != 0 &&
        (strncmp(url, "http://", 7) != 0 || !is_loopback(host)))
        return none;
    for (size_t i = 0; i < ARRAY_LENGTH(sources); i++) {
        const struct source *source = &sources[i];
        const char *token = getenv(source->token);

        if (token && *token &&
            (same_host(host, source->host) ||
             same_host(host, getenv(source->host_variable))))
            return (struct credential){source->user, token};
    }
    return none;
}

char *credential_host(const char *url)
{
    const char *colon = strchr(url, ':');
    CLEANUP(mem_free) char *before = NULL;

    if (*url == '/' || *url == '.' || !strncmp(url, "file:", 5))
        return NULL;
    if (strstr(url, "://"))
        return host_of(url);
    /* git@example.org:path */
    if (!colon)
        return NULL;
    before = mem_bytes(url, (size_t)(colon - url));
    return host_of(before);
}
