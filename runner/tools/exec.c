/* exec_command and write_stdin: commands in the sandbox, also such that go on
 * running between turns. */
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/memory.h"
#include "runner/tools/output.h"
#include "runner/tools/tool.h"

#define YIELD_DEFAULT_MS 10000
#define YIELD_MIN_MS 250
#define YIELD_MAX_MS 30000
#define POLL_MIN_MS 5000
#define POLL_MAX_MS 300000
#define OUTPUT_TOKENS_DEFAULT 10000
#define WRITE_TIMEOUT_MS 5000
#define LISTED_BYTES 1000 /* of a command, and of its output */

struct session {
    int64_t id; /* 0: free */
    char *command;
    struct sandbox_process process;
    struct output output;
    int64_t kill_at; /* base/clock.h */
    bool terminal;
    bool ended; /* end of output was read */
    bool late;  /* killed for its time */
};

struct sessions {
    struct session items[TOOL_SESSIONS_MAX];
    int64_t last_id;
    unsigned chunks;
};

struct sessions *sessions_open(void)
{
    return mem_alloc(sizeof(struct sessions));
}

static void session_close(struct session *session)
{
    if (!session->id)
        return;
    sandbox_process_close(&session->process);
    output_free(&session->output);
    mem_free(&session->command);
    session->id = 0;
}

void sessions_clear(struct sessions *sessions)
{
    for (size_t i = 0; i < TOOL_SESSIONS_MAX; i++)
        session_close(&sessions->items[i]);
}

void sessions_close(struct sessions *sessions)
{
    if (sessions)
        sessions_clear(sessions);
    free(sessions);
}

size_t sessions_list(struct sessions *sessions, struct json *json)
{
    size_t count = 0;

    json_array(json);
    for (size_t i = 0; i < TOOL_SESSIONS_MAX; i++) {
        struct session *session = &sessions->items[i];
        CLEANUP(buffer_free) struct buffer text = {0};

        if (!session->id || session->process.exited)
            continue;
        buffer_init(&text, (size_t)LISTED_BYTES * 4);
        output_read(&session->output, session->process.output, &session->ended);
        output_render(&session->output, LISTED_BYTES, &text);
        json_object(json);
        json_member_int(json, "session", session->id);
        json_key(json, "command");
        json_bytes(json, session->command, strlen(session->command));
        json_key(json, "output");
        json_bytes(json, text.data, text.length);
        json_end(json);
        count++;
    }
    json_end(json);
    return count;
}

static struct session *session_find(struct sessions *sessions, int64_t id)
{
    for (size_t i = 0; i < TOOL_SESSIONS_MAX; i++) {
        if (sessions->items[i].id == id)
            return &sessions->items[i];
    }
    return NULL;
}

/* ---- arguments --------------------------------------------------------- */

/* A number of the call within bounds; models send integers and floats. */
static int64_t number_argument(const cJSON *json, const char *key,
                               int64_t otherwise, int64_t low, int64_t high)
{
    const cJSON *value = json_get(json, key);
    double number;

    if (!cJSON_IsNumber(value))
        return otherwise;
    number = floor(value->valuedouble);
    if (number < (double)low)
        return low;
    return number > (double)high ? high : (int64_t)number;
}

static size_t output_bytes(const struct tool_context *context,
                           const cJSON *json)
{
    int64_t tokens =
        number_argument(json, "max_output_tokens", OUTPUT_TOKENS_DEFAULT, 16,
                        OUTPUT_TOKENS_DEFAULT);
    int64_t bytes = tokens * OUTPUT_TOKEN_BYTES;

    return (size_t)(bytes < context->task->sandbox.output_bytes
                        ? bytes
                        : context->task->sandbox.output_bytes);
}

/* The directory inside; NULL (and a refusal) when it leads nowhere. */
static char *work_directory(const struct tool_context *context,
                            const char *workdir)
{
    if (!workdir || !*workdir)
        workdir = ".";
    if (*workdir == '/')
        return mem_string(workdir);
    if (!strcmp(context->task->directory, "."))
        return mem_format("%s/%s", sandbox_directory(context->sandbox),
                          workdir);
    return mem_format("%s/%s/%s", sandbox_directory(context->sandbox),
                      context->task->directory, workdir);
}

/* ---- running ----------------------------------------------------------- */

static void read_output(struct session *session)
{
    output_read(&session->output, session->process.output, &session->ended);
}

static int kill_late(struct tool_context *context, struct session *session,
                     struct error *err)
{
    session->late = true;
    session->kill_at = CLOCK_NEVER;
    return sandbox_signal(context->sandbox, &session->process, SIGKILL, err);
}

/* Waits until the command has exited or `until`, taking in its output. A
 * process that it left behind may hold the pipe: that is not waited for. */
static int attend(struct tool_context *context, struct session *session,
                  int64_t until, struct error *err)
{
    for (;;) {
        int64_t now = clock_now_ms();
        struct pollfd waits[] = {
            {session->ended ? -1 : session->process.output, POLLIN, 0},
            {sandbox_events(context->sandbox), POLLIN, 0}};
        int64_t wake = clock_earlier(until, session->kill_at);

        if (sandbox_poll(context->sandbox, &session->process, err))
            return -1;
        read_output(session);
        if (session->process.exited)
            return 0;
        if (now >= session->kill_at) {
            if (kill_late(context, session, err))
                return -1;
            /* Its end comes at once; allow for a busy machine. */
            until = clock_deadline(POLL_MAX_MS);
            continue;
        }
        if (now >= until)
            return 0;
        if (poll(waits, 2, clock_left_ms(wake)) < 0 && errno != EINTR)
            return error_set_errno(err, ERROR_SANDBOX, errno, "poll");
    }
}

static int exit_code(int status)
{
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* What the model is told, in the layout that models know. */
static void tell(struct tool_context *context, struct session *session,
                 int64_t began, size_t limit, struct tool_result *result)
{
    struct buffer *out = &result->text;
    double seconds = (double)clock_elapsed_ms(began) / 1000;
    size_t total = session->output.total;

    buffer_addf(out, "Chunk ID: %06x\nWall time: %.1f seconds\n",
                ++context->sessions->chunks, seconds);
    if (session->process.exited) {
        int code = exit_code(session->process.status);

        buffer_addf(out, "Process exited with code %d\n", code);
        snprintf(result->summary, sizeof(result->summary), "exit %d", code);
    } else {
        buffer_addf(out, "Process running with session ID %lld\n",
                    (long long)session->id);
        snprintf(result->summary, sizeof(result->summary), "running");
    }
    if (session->process.limit != SANDBOX_LIMIT_NONE) {
        CLEANUP(mem_free)
        char *text = sandbox_limit_text(sandbox_limits(context->sandbox),
                                        session->process.limit);

        buffer_addf(out, "Killed: %s\n", text);
    }
    if (session->late)
        buffer_addf(out, "Killed: it ran for longer than %lld seconds\n",
                    (long long)context->task->sandbox.command_timeout_ms /
                        1000);
    buffer_addf(out, "Original token count: %zu\nOutput:\n",
                (total + OUTPUT_TOKEN_BYTES - 1) / OUTPUT_TOKEN_BYTES);
    output_render(&session->output, limit, out);
    output_clear(&session->output);
    result->ok = true;
}

/* What both tools end with. */
static int wait_and_tell(struct tool_context *context, struct session *session,
                         const struct tool_call *call, int64_t yield_ms,
                         struct tool_result *result, struct error *err)
{
    int64_t began = clock_now_ms();
    int64_t until = clock_earlier(context->deadline, clock_deadline(yield_ms));

    if (attend(context, session, until, err))
        return -1;
    tell(context, session, began, output_bytes(context, call->json), result);
    if (session->process.exited)
        session_close(session);
    return 0;
}

static struct session *session_new(struct tool_context *context)
{
    struct session *session = session_find(context->sessions, 0);

    if (!session)
        return NULL;
    memset(session, 0, sizeof(*session));
    session->id = ++context->sessions->last_id;
    session->process = (struct sandbox_process){.input = -1, .output = -1};
    session->kill_at = clock_earlier(
        context->deadline,
        clock_deadline(context->task->sandbox.command_timeout_ms));
    output_init(&session->output, (size_t)context->task->sandbox.output_bytes);
    return session;
}

static int start(struct tool_context *context, struct session *session,
                 const char *command, const char *directory, bool terminal,
                 struct error *err)
{
    const char *const argv[] = {context->shell, "-c", command, NULL};
    struct sandbox_command request = {.argv = argv,
                                      .environment = context->environment,
                                      .directory = directory,
                                      .terminal = terminal,
                                      .input = true};

    session->terminal = terminal;
    session->command = mem_bytes(command, strnlen(command, LISTED_BYTES));
    return sandbox_start(context->sandbox, &request, &session->process, err);
}

int exec_command_run(struct tool_context *context, const struct tool_call *call,
                     struct tool_result *result, struct error *err)
{
    const char *command = json_get_string(call->json, "cmd");
    CLEANUP(mem_free)
    char *directory =
        work_directory(context, json_get_string(call->json, "workdir"));
    int64_t yield =
        number_argument(call->json, "yield_time_ms", YIELD_DEFAULT_MS,
                        YIELD_MIN_MS, YIELD_MAX_MS);
    struct session *session;

    if (!command) {
        tool_refuse(result, "exec_command needs 'cmd', a string");
        return 0;
    }
    session = session_new(context);
    if (!session) {
        tool_refuse(result,
                    "%d commands are running already: end one by write_stdin "
                    "with \\u0003",
                    TOOL_SESSIONS_MAX);
        return 0;
    }
    if (start(context, session, command, directory,
              json_get_true(call->json, "tty"), err)) {
        session_close(session);
        if (err->kind == ERROR_SANDBOX)
            return -1;
        tool_refuse(result, "%s", err->text);
        return 0;
    }
    return wait_and_tell(context, session, call, yield, result, err);
}

int exec_to_end(struct tool_context *context, const char *script,
                const char *workdir, int64_t timeout_ms,
                struct tool_result *result, struct error *err)
{
    CLEANUP(mem_free) char *directory = work_directory(context, workdir);
    struct session *session = session_new(context);
    int64_t began = clock_now_ms();
    int64_t limit = clock_deadline(timeout_ms);

    if (!session) {
        tool_refuse(result, "%d commands are running already",
                    TOOL_SESSIONS_MAX);
        return 0;
    }
    session->kill_at = clock_earlier(session->kill_at, limit);
    if (start(context, session, script, directory, false, err)) {
        session_close(session);
        if (err->kind == ERROR_SANDBOX)
            return -1;
        tool_refuse(result, "%s", err->text);
        return 0;
    }
    if (attend(context, session, CLOCK_NEVER, err))
        return -1;
    if (session->late)
        buffer_addf(&result->text,
                    "command timed out after %lld milliseconds\n",
                    (long long)clock_elapsed_ms(began));
    buffer_addf(&result->text,
                "Exit code: %d\nWall time: %.1f seconds\nOutput:\n",
                session->late ? 124 : exit_code(session->process.status),
                (double)clock_elapsed_ms(began) / 1000);
    output_render(&session->output,
                  (size_t)OUTPUT_TOKENS_DEFAULT * OUTPUT_TOKEN_BYTES,
                  &result->text);
    snprintf(result->summary, sizeof(result->summary), "exit %d",
             session->late ? 124 : exit_code(session->process.status));
    result->ok = true;
    session_close(session);
    return 0;
}

/* ---- input ------------------------------------------------------------- */

static int write_bytes(struct tool_context *context, struct session *session,
                       const char *bytes, size_t length)
{
    int64_t until =
        clock_earlier(context->deadline, clock_deadline(WRITE_TIMEOUT_MS));

    while (length) {
        ssize_t put = session->process.input < 0
                          ? -1
                          : write(session->process.input, bytes, length);
        struct pollfd waits[] = {{session->process.input, POLLOUT, 0},
                                 {session->process.output, POLLIN, 0}};

        if (session->process.input < 0)
            return -1;
        if (put > 0) {
            bytes += put;
            length -= (size_t)put;
            continue;
        }
        if (put < 0 && errno != EAGAIN && errno != EINTR)
            return -1;
        /* It may be blocked on output that nobody reads. */
        read_output(session);
        if (clock_now_ms() >= until ||
            (poll(waits, 2, clock_left_ms(until)) < 0 && errno != EINTR))
            return -1;
    }
    return 0;
}

/* A pipe has no line discipline: what the control characters would do on a
 * terminal is done here. */
static int write_to_pipe(struct tool_context *context, struct session *session,
                         const char *chars, struct error *err)
{
    while (*chars) {
        size_t plain = strcspn(chars, "\x03\x04");

        if (plain && write_bytes(context, session, chars, plain))
            return error_set(err, ERROR_IO, "its input is closed");
        chars += plain;
        if (*chars == '\x03' &&
            sandbox_signal(context->sandbox, &session->process, SIGINT, err))
            return -1;
        if (*chars == '\x04')
            fd_reset(&session->process.input);
        chars += *chars != '\0';
    }
    return 0;
}

static int feed(struct tool_context *context, struct session *session,
                const char *chars, struct error *err)
{
    if (!session->terminal)
        return write_to_pipe(context, session, chars, err);
    if (write_bytes(context, session, chars, strlen(chars)))
        return error_set(err, ERROR_IO, "its terminal does not take input");
    return 0;
}

int write_stdin_run(struct tool_context *context, const struct tool_call *call,
                    struct tool_result *result, struct error *err)
{
    const char *chars = json_get_text(call->json, "chars", "");
    int64_t id = 0;
    int64_t yield;
    struct session *session = NULL;

    if (json_get_integer(call->json, "session_id", &id) && id > 0)
        session = session_find(context->sessions, id);
    if (!session) {
        tool_refuse(result, "write_stdin failed: Unknown process id %lld",
                    (long long)id);
        return 0;
    }
    if (*chars)
        yield = number_argument(call->json, "yield_time_ms", YIELD_MIN_MS,
                                YIELD_MIN_MS, YIELD_MAX_MS);
    else
        yield = number_argument(call->json, "yield_time_ms", POLL_MIN_MS,
                                POLL_MIN_MS, POLL_MAX_MS);
    if (*chars && feed(context, session, chars, err)) {
        if (err->kind == ERROR_SANDBOX)
            return -1;
        buffer_addf(&result->text, "write_stdin: %s\n", err->text);
    }
    return wait_and_tell(context, session, call, yield, result, err);
}
