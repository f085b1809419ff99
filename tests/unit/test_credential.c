/* tasks/credential: tokens go to their host and nowhere else; tasks/event. */
#include "base/memory.h"
#include "tasks/credential.h"
#include "tasks/event.h"
#include "tests/tap.h"

static const char *const variables[] = {
    "NIGHTJAR_GIT_TOKEN", "NIGHTJAR_GIT_TOKEN_HOST", "GH_TOKEN",
    "GITHUB_TOKEN",       "GITHUB_SERVER_URL",       "GITLAB_TOKEN",
    "CI_JOB_TOKEN",       "CI_SERVER_HOST"};

static void forget(void)
{
    for (size_t i = 0; i < ARRAY_LENGTH(variables); i++)
        unsetenv(variables[i]);
}

static void has(const char *url, const char *user, const char *token)
{
    struct credential credential = credential_for_url(url);

    tap_string(credential.token, token, "the token for %s", url);
    tap_string(credential.user, user, "its user");
}

static void has_none(const char *url)
{
    has(url, NULL, NULL);
}

static void test_nothing_set(void)
{
    forget();
    has_none("https://github.com/a/b");
    setenv("GITHUB_TOKEN", "", 1);
    has_none("https://github.com/a/b");
}

static void test_github(void)
{
    forget();
    setenv("GITHUB_TOKEN", "hub", 1);
    has("https://github.com/a/b", "x-access-token", "hub");
    has("https://github.com/a/b.git", "x-access-token", "hub");
    has("https://GitHub.COM/a/b", "x-access-token", "hub");
    has("https://someone@github.com/a/b", "x-access-token", "hub");
    has("https://a:b@github.com/a/b", "x-access-token", "hub");
    has("https://github.com", "x-access-token", "hub");
    has("https://github.com?x", "x-access-token", "hub");
    setenv("GH_TOKEN", "first", 1);
    has("https://github.com/a/b", "x-access-token", "first");
}

/* Hosts that look like it, and places where its name may also stand. */
static void test_look_alikes(void)
{
    static const char *const urls[] = {"https://github.com.evil.org/a/b",
                                       "https://evilgithub.com/a/b",
                                       "https://github.com@evil.org/a/b",
                                       "https://github.com:x@evil.org/a/b",
                                       "https://evil.org/github.com",
                                       "https://evil.org/@github.com/a",
                                       "https://evil.org/a://github.com/b",
                                       "https://evil.org?@github.com",
                                       "https://evil.org#@github.com",
                                       "https://evil.org?://github.com",
                                       "https://evil.org\\@github.com/a",
                                       "https://evil.org\\.github.com/a",
                                       "https://evil.org/\\@github.com/a",
                                       "https://github.com\\.evil.org/a",
                                       "https://github.com:8443/a/b",
                                       "https://github.com:/a/b",
                                       "https://github.com./a/b",
                                       "https://sub.github.com/a/b",
                                       "https://github.co/a/b",
                                       "https://github.com%2eevil.org/a",
                                       "https://github.com evil.org/a",
                                       "https:///github.com/a",
                                       "https://",
                                       "https://@/a",
                                       "http://github.com/a/b",
                                       "ftp://github.com/a/b",
                                       "git://github.com/a/b",
                                       "ssh://git@github.com/a/b",
                                       "git@github.com:a/b",
                                       "/github.com/a/b",
                                       "github.com/a/b",
                                       "",
                                       "https:/github.com/a/b",
                                       "file://github.com/a/b"};

    forget();
    setenv("GITHUB_TOKEN", "hub", 1);
    for (size_t i = 0; i < ARRAY_LENGTH(urls); i++)
        has_none(urls[i]);
}

static void test_other_forges(void)
{
    forget();
    setenv("GITLAB_TOKEN", "lab", 1);
    setenv("CI_JOB_TOKEN", "job", 1);
    has("https://gitlab.com/a/b", "oauth2", "lab");
    has_none("https://git.example.org/a");
    setenv("CI_SERVER_HOST", "git.example.org", 1);
    has("https://git.example.org/a", "oauth2", "lab");
    unsetenv("GITLAB_TOKEN");
    has("https://git.example.org/a", "gitlab-ci-token", "job");
    has_none("https://gitlab.com/a/b");
    has_none("https://github.com/a/b");
    setenv("CI_SERVER_HOST", "", 1);
    has_none("https:///a");
}

static void test_own_host(void)
{
    forget();
    setenv("NIGHTJAR_GIT_TOKEN", "own", 1);
    has_none("https://github.com/a/b");
    has_none("https://git.example.org/a");
    setenv("NIGHTJAR_GIT_TOKEN_HOST", "git.example.org:8443", 1);
    has("https://git.example.org:8443/a", "x-access-token", "own");
    has_none("https://git.example.org/a");
    has_none("https://git.example.org:8444/a");
    setenv("NIGHTJAR_GIT_TOKEN_HOST", "https://git.example.org/", 1);
    has("https://git.example.org/a", "x-access-token", "own");
    setenv("NIGHTJAR_GIT_TOKEN_HOST", "github.com", 1);
    setenv("GITHUB_TOKEN", "hub", 1);
    has("https://github.com/a", "x-access-token", "own");
}

static void test_enterprise(void)
{
    forget();
    setenv("GH_TOKEN", "hub", 1);
    setenv("GITHUB_SERVER_URL", "https://github.example.org", 1);
    has("https://github.example.org/a", "x-access-token", "hub");
    has_none("https://github.example.org.evil.org/a");
    has_none("http://github.example.org/a");
}

static void test_loopback(void)
{
    forget();
    setenv("NIGHTJAR_GIT_TOKEN", "own", 1);
    setenv("NIGHTJAR_GIT_TOKEN_HOST", "127.0.0.1:80", 1);
    has("http://127.0.0.1:80/a", "x-access-token", "own");
    has("https://127.0.0.1:80/a", "x-access-token", "own");
    setenv("NIGHTJAR_GIT_TOKEN_HOST", "localhost", 1);
    has("http://localhost/a", "x-access-token", "own");
    setenv("NIGHTJAR_GIT_TOKEN_HOST", "[::1]:80", 1);
    has("http://[::1]:80/a", "x-access-token", "own");
    setenv("NIGHTJAR_GIT_TOKEN_HOST", "127.0.0.1.evil.org", 1);
    has_none("http://127.0.0.1.evil.org/a");
    setenv("NIGHTJAR_GIT_TOKEN_HOST", "localhost.evil.org", 1);
    has_none("http://localhost.evil.org/a");
    setenv("NIGHTJAR_GIT_TOKEN_HOST", "evil.org", 1);
    has_none("http://127.0.0.1:80@evil.org/a");
    has_none("http://127.0.0.1\\@evil.org/a");
}

/* ---- events ------------------------------------------------------------- */

static void test_event(void)
{
    struct buffer line;
    struct error err;
    struct json event;
    cJSON *json;

    buffer_init(&line, EVENT_BYTES_MAX);
    buffer_add_string(&line, "left over");
    event = event_begin(&line, "patch_made", "a\"b");
    json_member_int(&event, "files", 3);
    tap_int(event_end(&event), 0, "an event");
    tap_int(line.data[line.length - 1], '\n', "is a line");
    tap_ok(!memchr(line.data, '\n', line.length - 1), "and one only");
    json = json_parse(line.data, line.length, &err);
    tap_string(json_get_string(json, "type"), "patch_made", "its type");
    tap_string(json_get_string(json, "task"), "a\"b", "its task");
    tap_int((int64_t)strlen(json_get_text(json, "time", "")),
            (int64_t)strlen("2026-11-21T00:30:00.123Z"), "its time");
    tap_int(json_get_int64(json, "files", 0), 3, "its member");
    cJSON_Delete(json);
    event = event_begin(&line, "run_started", NULL);
    tap_int(event_end(&event), 0, "without a task");
    tap_ok(!strstr(line.data, "task"), "there is none");
    buffer_free(&line);
}

static void test_event_limit(void)
{
    CLEANUP(mem_free) char *text = mem_alloc(1001);

    memset(text, 'x', 1000);
    for (size_t maximum = 900; maximum < 1200; maximum++) {
        struct buffer line;
        struct json event;
        int status;

        buffer_init(&line, maximum);
        event = event_begin(&line, "t", NULL);
        json_member_string(&event, "x", text);
        status = event_end(&event);
        if (status == 0)
            tap_int((int64_t)(line.length - maximum), 0,
                    "one that just fits in %zu", maximum);
        buffer_free(&line);
        if (status == 0)
            return;
    }
    tap_ok(false, "some limit is large enough");
}

static void test_worker_events(void)
{
    static const char *const yes[] = {
        "attempt_started", "repository_ready", "sandbox_ready", "step_finished",
        "turn_finished",   "request_retried",  "tool_finished", "patch_made",
        "verify_finished", "attempt_finished"};
    static const char *const no[] = {"run_started",     "task_planned",
                                     "task_started",    "artifact_written",
                                     "task_finished",   "run_interrupted",
                                     "run_finished",    "",
                                     "Attempt_started", "event_too_long",
                                     "attempt_started "};

    for (size_t i = 0; i < ARRAY_LENGTH(yes); i++)
        tap_ok(event_from_worker(yes[i]), "a worker may send %s", yes[i]);
    for (size_t i = 0; i < ARRAY_LENGTH(no); i++)
        tap_ok(!event_from_worker(no[i]), "but not '%s'", no[i]);
}

int main(void)
{
    test_nothing_set();
    test_github();
    test_look_alikes();
    test_other_forges();
    test_own_host();
    test_enterprise();
    test_loopback();
    forget();
    test_event();
    test_event_limit();
    test_worker_events();
    return tap_done();
}
