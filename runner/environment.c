#include "runner/environment.h"

#include "base/memory.h"

#define VARIABLES_MAX 2048

static const struct {
    const char *name;
    const char *value;
} standard[] = {
    {"PATH", SANDBOX_PATH},
    {"USER", "agent"},
    {"LOGNAME", "agent"},
    {"SHELL", "/bin/sh"},
    {"LANG", "C.UTF-8"},
    {"LC_ALL", "C.UTF-8"},
    {"TERM", "dumb"},
    {"NO_COLOR", "1"},
    {"PAGER", "cat"},
    {"GIT_PAGER", "cat"},
    {"GIT_TERMINAL_PROMPT", "0"},
    {"NIGHTJAR", "1"},
};

void environment_set(struct command_environment *environment, const char *name,
                     const char *value)
{
    size_t length = strlen(name);
    size_t at = 0;

    while (at < environment->count &&
           (strncmp(environment->items[at], name, length) != 0 ||
            environment->items[at][length] != '='))
        at++;
    if (at == VARIABLES_MAX)
        return;
    if (at == environment->count)
        environment->count++;
    else
        free(environment->items[at]);
    environment->items[at] = mem_format("%s=%s", name, value);
}

/* What is asked for directly: the sandbox's own loopback, but for those of its
 * names that the list means the host's by. */
static char *direct_hosts(const char *const *hosts, size_t count)
{
    static const char *const own[] = {"localhost", "127.0.0.1", "::1"};
    CLEANUP(buffer_free) struct buffer text = {0};

    buffer_init(&text, 256);
    for (size_t i = 0; i < ARRAY_LENGTH(own); i++) {
        bool listed = false;

        for (size_t j = 0; j < count && !listed; j++)
            listed = strstr(hosts[j], own[i]) != NULL;
        if (!listed)
            buffer_addf(&text, "%s%s", text.length ? "," : "", own[i]);
    }
    return buffer_steal(&text);
}

/* Both spellings: curl reads http_proxy in lower case alone, others the
 * other. */
static void set_proxy(struct command_environment *environment, int port,
                      const char *direct_list)
{
    static const char *const names[] = {"HTTP_PROXY", "HTTPS_PROXY",
                                        "http_proxy", "https_proxy"};
    static const char *const direct[] = {"NO_PROXY", "no_proxy"};
    CLEANUP(mem_free) char *url = mem_format("http://127.0.0.1:%d", port);

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        environment_set(environment, names[i], url);
    for (size_t i = 0; i < ARRAY_LENGTH(direct); i++)
        environment_set(environment, direct[i], direct_list);
}

void environment_init(struct command_environment *environment,
                      const struct sandbox *sandbox, const char *const *hosts,
                      size_t host_count)
{
    CLEANUP(mem_free) char *direct = direct_hosts(hosts, host_count);

    environment->items = mem_array(VARIABLES_MAX + 1, sizeof(char *));
    environment->count = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(standard); i++)
        environment_set(environment, standard[i].name, standard[i].value);
    environment_set(environment, "HOME", sandbox_home(sandbox));
    environment_set(environment, "TMPDIR", sandbox_temporary(sandbox));
    if (sandbox_proxy_port(sandbox))
        set_proxy(environment, sandbox_proxy_port(sandbox), direct);
}

void environment_free(struct command_environment *environment)
{
    for (size_t i = 0; i < environment->count; i++)
        free(environment->items[i]);
    mem_free(&environment->items);
    environment->count = 0;
}
