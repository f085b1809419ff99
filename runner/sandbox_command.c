#include "runner/sandbox_command.h"

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/hosts.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/printable.h"
#include "runner/environment.h"
#include "runner/git_guard.h"
#include "runner/guard.h"
#include "runner/relay.h"
#include "runner/run.h"

#define STATUS_NOT_EXECUTABLE 126
#define STATUS_NOT_FOUND 127
#define REPORT_BYTES ((size_t)1 << 20)

struct call {
    const struct options *options;
    struct sandbox_spec spec;
    char *workspace;
    char *inside; /* NULL: the usual place */
    char *hosts_text;
    const char *hosts[HOSTS_MAX];
    size_t host_count;
    struct guard guard;
    struct git_guard *git;
    struct sandbox *sandbox;
    struct sandbox_process process;
    enum relay_end end;
    struct buffer report; /* of --json, without its end */
    struct json json;
};

/* ---- what is asked for -------------------------------------------------- */

static bool is_clean_path(const char *path)
{
    const char *part = path;

    if (*path != '/' || !path[1])
        return false;
    while (*part) {
        size_t length = strcspn(part, "/");

        if ((length == 1 && *part == '.') ||
            (length == 2 && part[0] == '.' && part[1] == '.'))
            return false;
        part += length;
        part += strspn(part, "/");
    }
    return true;
}

/* "DIR", "DIR:INSIDE"; a folder whose own name has a colon wins. */
static int set_workspace(struct call *call, struct error *err)
{
    const char *given = call->options->sandbox.workspace;
    CLEANUP(mem_free) char *folder = mem_string(given ? given : ".");
    char *colon = strrchr(folder, ':');
    struct stat info;

    if (colon && colon[1] == '/' && stat(folder, &info)) {
        *colon = '\0';
        call->inside = mem_string(colon + 1);
        if (!is_clean_path(call->inside))
            return error_set(err, ERROR_USAGE,
                             "--workspace: '%s' is no place inside: expected "
                             "an absolute path without '.' and '..'",
                             call->inside);
    }
    call->workspace = realpath(folder, NULL);
    if (!call->workspace)
        return error_set_errno(err, ERROR_USAGE, errno, "--workspace %s",
                               folder);
    if (stat(call->workspace, &info) || !S_ISDIR(info.st_mode))
        return error_set(err, ERROR_USAGE, "--workspace %s: not a folder",
                         folder);
    if (!strcmp(call->workspace, "/"))
        return error_set(err, ERROR_USAGE,
                         "--workspace /: the whole host cannot be a workspace");
    return 0;
}

static int set_network(struct call *call, struct error *err)
{
    const char *given = call->options->sandbox.network;
    char *rest;

    call->spec.network = SANDBOX_NETWORK_NONE;
    if (!given || !strcmp(given, "none"))
        return 0;
    if (!strcmp(given, "open")) {
        call->spec.network = SANDBOX_NETWORK_OPEN;
        return 0;
    }
    call->spec.network = SANDBOX_NETWORK_PROXY;
    call->hosts_text = mem_string(given);
    for (char *host = strtok_r(call->hosts_text, ", ", &rest); host;
         host = strtok_r(NULL, ", ", &rest)) {
        struct host_entry ignored;

        if (call->host_count == HOSTS_MAX)
            return error_set(err, ERROR_USAGE, "--network: more than %d hosts",
                             HOSTS_MAX);
        if (host_parse(host, &ignored, err)) {
            err->kind = ERROR_USAGE;
            return error_context(err, "--network");
        }
        call->hosts[call->host_count++] = host;
    }
    return 0;
}

static int prepare(struct call *call, struct error *err)
{
    const struct sandbox_options *asked = &call->options->sandbox;

    if (set_workspace(call, err) || set_network(call, err))
        return -1;
    call->spec.workspace = call->workspace;
    call->spec.inside = call->inside;
    call->spec.read = asked->read.items;
    call->spec.read_count = asked->read.count;
    call->spec.write = asked->write.items;
    call->spec.write_count = asked->write.count;
    call->spec.identity = sandbox_identity();
    call->spec.limits = asked->limits;
    call->spec.protect_git = true;
    call->spec.without = asked->without;
    call->spec.require =
        asked->require_given
            ? asked->require
            : (SANDBOX_NAMESPACES | SANDBOX_SECCOMP) & ~asked->without;
    return 0;
}

static int open_sandbox(struct call *call, struct error *err)
{
    sandbox_prepare_groups();
    if (git_guard_begin(call->workspace, &call->git, err) ||
        guard_start(&call->guard, NULL, err))
        return -1;
    call->spec.scratch = call->guard.scratch;
    call->spec.passage = call->guard.scratch;
    call->sandbox = sandbox_open(&call->spec, err);
    if (!call->sandbox)
        return -1;
    return call->host_count ? sandbox_set_hosts(call->sandbox, call->hosts,
                                                call->host_count, err)
                            : 0;
}

/* ---- the report --------------------------------------------------------- */

static void report_layers(struct json *json, const struct sandbox_state *state)
{
    json_key(json, "layers");
    json_array(json);
    for (unsigned i = 0; sandbox_layer_name(i); i++) {
        if (state->layers & 1U << i)
            json_string(json, sandbox_layer_name(i));
    }
    json_end(json);
    json_key(json, "missing");
    json_object(json);
    for (unsigned i = 0; sandbox_layer_name(i); i++) {
        if (!(state->layers & 1U << i))
            json_member_string(json, sandbox_layer_name(i), state->missing[i]);
    }
    json_end(json);
    json_member_int(json, "landlock_abi", state->landlock_abi);
    json_key(json, "limited_by");
    json_object(json);
    json_member_string(json, "memory", state->memory_by);
    json_member_string(json, "pids", state->pids_by);
    json_member_string(json, "cpu", state->cpu_by);
    json_member_string(json, "disk", state->disk_by);
    json_end(json);
}

static void report_hosts(struct json *json, const struct sandbox_notice *notice)
{
    json_object(json);
    json_member_string(json, "host", notice->text);
    json_member_int(json, "port", notice->port);
    json_member_int(json, "connections", notice->connections);
    json_member_int(json, "refusals", notice->refusals);
    json_member_int(json, "bytes_sent", notice->bytes_sent);
    json_member_int(json, "bytes_received", notice->bytes_received);
    if (notice->refusals)
        json_member_string(json, "reason", notice->reason);
    json_end(json);
}

/* Two lists from one stream of notices. */
static void report_notices(struct json *json, struct sandbox *sandbox)
{
    struct sandbox_notice notice;
    bool hosts = false;

    json_key(json, "refused_calls");
    json_array(json);
    while (sandbox_next_notice(sandbox, &notice)) {
        if (notice.type == SANDBOX_CALL_REFUSED)
            json_string(json, notice.text);
        if (notice.type == SANDBOX_HOST) {
            hosts = true;
            break; /* those come last */
        }
    }
    json_end(json);
    json_key(json, "hosts");
    json_array(json);
    while (hosts) {
        report_hosts(json, &notice);
        hosts = sandbox_next_notice(sandbox, &notice);
    }
    json_end(json);
}

static void begin_report(struct call *call, int status, const char *reason,
                         int64_t duration_ms)
{
    struct json *json = &call->json;
    struct error ignored;

    buffer_init(&call->report, REPORT_BYTES);
    *json = json_to(&call->report);
    json_object(json);
    json_member_int(json, "status", status);
    json_key(json, "ended_by");
    if (reason)
        json_string(json, reason);
    else
        json_null(json);
    json_member_int(json, "duration_ms", duration_ms);
    report_layers(json, sandbox_state(call->sandbox));
    /* Then all of it is counted; a sandbox that is gone has told all. */
    sandbox_end_commands(call->sandbox, &ignored);
    report_notices(json, call->sandbox);
}

/* Once nothing of the command runs: what it changed that git would obey. */
static int put_back(struct call *call, struct buffer *changed)
{
    const char *path;
    struct error err;
    int status = git_guard_end(call->git, changed, &err);

    if (status)
        print_error(&err);
    for (path = changed->data; path < changed->data + changed->length;
         path += strlen(path) + 1) {
        CLEANUP(buffer_free) struct buffer shown = {0};

        buffer_init(&shown, REPORT_BYTES);
        printable_add(&shown, path, strlen(path), false);
        fprintf(stderr,
                "nightjar: %s is as it was before the command; what that made "
                "of it is beside it, as *" GIT_GUARD_SUFFIX "\n",
                shown.data);
    }
    return status;
}

static void end_report(struct call *call, const struct buffer *changed)
{
    struct json *json = &call->json;
    const char *path;

    if (!call->options->json || !call->report.length)
        return;
    json_key(json, "put_back");
    json_array(json);
    for (path = changed->data; path < changed->data + changed->length;
         path += strlen(path) + 1)
        json_string(json, path);
    json_end(json);
    json_end(json);
    fprintf(stderr, "%.*s\n", (int)call->report.length, call->report.data);
}

/* ---- the command -------------------------------------------------------- */

static int start(struct call *call, struct error *err)
{
    const struct sandbox_options *asked = &call->options->sandbox;
    struct command_environment environment;
    struct sandbox_command command = {.argv = call->options->words,
                                      .directory =
                                          sandbox_directory(call->sandbox),
                                      .terminal = relay_on_terminal(),
                                      .input = true,
                                      .errors = true};
    const char *terminal = getenv("TERM");
    int status;

    environment_init(&environment, call->sandbox, call->hosts,
                     call->host_count);
    if (command.terminal)
        relay_set_size(&command);
    if (command.terminal && terminal)
        environment_set(&environment, "TERM", terminal);
    for (size_t i = 0; i < asked->env.count; i++) {
        const char *pair = asked->env.items[i];
        size_t length = strcspn(pair, "=");
        CLEANUP(mem_free) char *name = mem_bytes(pair, length);

        environment_set(&environment, name, pair + length + 1);
    }
    if (command.terminal || relay_one_output())
        command.errors = false;
    command.environment = (const char *const *)environment.items;
    status = sandbox_start(call->sandbox, &command, &call->process, err);
    environment_free(&environment);
    return status;
}

/* The command's own end as a shell tells it. */
static int exit_status(const struct call *call)
{
    int status = call->process.status;

    if (call->end == RELAY_TIMEOUT)
        return 128 + SIGKILL;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int finish(struct call *call, int64_t began)
{
    int status = exit_status(call);
    const char *reason = sandbox_limit_name(call->process.limit);

    if (call->end == RELAY_TIMEOUT) {
        reason = "timeout";
        fprintf(stderr, "nightjar: the command was ended: it took longer than "
                        "--timeout allows\n");
    } else if (reason) {
        CLEANUP(mem_free)
        char *text =
            sandbox_limit_text(&call->spec.limits, call->process.limit);

        fprintf(stderr, "nightjar: the command was ended: %s\n", text);
    }
    begin_report(call, status, reason, clock_now_ms() - began);
    return status;
}

static int run(struct call *call)
{
    int64_t began = clock_now_ms();
    struct error err;

    if (prepare(call, &err) || open_sandbox(call, &err)) {
        print_error(&err);
        return SANDBOX_STATUS_FAILED;
    }
    if (start(call, &err)) {
        print_error(&err);
        return err.kind == ERROR_IO ? (strstr(err.text, strerror(ENOENT))
                                           ? STATUS_NOT_FOUND
                                           : STATUS_NOT_EXECUTABLE)
                                    : SANDBOX_STATUS_FAILED;
    }
    if (relay_run(call->sandbox, &call->process,
                  clock_deadline(call->options->sandbox.timeout_ms), &call->end,
                  &err)) {
        print_error(&err);
        return SANDBOX_STATUS_FAILED;
    }
    return finish(call, began);
}

int sandbox_command(const struct options *options)
{
    CLEANUP(buffer_free) struct buffer changed = {0};
    struct call call = {.options = options,
                        .guard = {.lock = -1, .pipe = -1},
                        .process = {.input = -1, .output = -1, .errors = -1}};
    int status;

    buffer_init(&changed, REPORT_BYTES);
    relay_block_signals();
    status = run(&call);
    sandbox_process_close(&call.process);
    sandbox_close(call.sandbox);
    if (put_back(&call, &changed))
        status = SANDBOX_STATUS_FAILED;
    end_report(&call, &changed);
    git_guard_free(call.git);
    guard_end(&call.guard);
    buffer_free(&call.report);
    free(call.workspace);
    free(call.inside);
    free(call.hosts_text);
    return status;
}
