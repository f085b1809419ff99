#include "runner/show.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/printable.h"
#include "base/utf8.h"
#include "reporters/figures.h"
#include "runner/reports.h"

#define TEXT_BYTES_MAX ((size_t)1 << 30)
#define TRANSCRIPT_BYTES_MAX ((size_t)1 << 30)
#define LINES_SHOWN 30  /* of an output, without --verbose */
#define COLUMN_MAX 2000 /* bytes of a line, likewise */

extern char **environ;

struct show {
    const struct options *options;
    const struct outcome_task *task;
    struct buffer out;
    bool color;
};

static void put(struct show *show, const char *text)
{
    buffer_add_string(&show->out, text);
}

static void title(struct show *show, const char *color, const char *text)
{
    if (show->color)
        put(show, color);
    put(show, text);
    if (show->color)
        put(show, "\x1b[0m");
}

static void plain(struct show *show, const char *text)
{
    printable_add(&show->out, text, strlen(text), false);
}

/* Lines of others, each behind a bar; of many the first and the last. */
static void block(struct show *show, const char *text)
{
    size_t lines = 0;
    size_t at = 0;
    bool all = show->options->verbosity == PROGRESS_VERBOSE;

    for (const char *line = text; *line; line++)
        lines += *line == '\n';
    lines += *text && text[strlen(text) - 1] != '\n';
    for (; *text; at++) {
        size_t length = strcspn(text, "\n");
        bool shown = all || lines <= LINES_SHOWN || at < LINES_SHOWN / 2 ||
                     at >= lines - LINES_SHOWN / 2;
        size_t kept = all || length < COLUMN_MAX
                          ? length
                          : utf8_floor(text, length, COLUMN_MAX);

        if (shown) {
            put(show, "  | ");
            printable_add(&show->out, text, kept, false);
            put(show, kept < length ? " ...\n" : "\n");
        } else if (at == LINES_SHOWN / 2) {
            buffer_addf(&show->out,
                        "  | [... %zu lines; --verbose shows them]\n",
                        lines - LINES_SHOWN);
        }
        text += length + (text[length] == '\n');
    }
}

/* ---- items of the conversation ----------------------------------------- */

/* The texts of a message or an output, joined. */
static void gather(struct buffer *text, const cJSON *content)
{
    const cJSON *part;

    if (cJSON_IsString(content)) {
        buffer_add_string(text, content->valuestring);
        return;
    }
    cJSON_ArrayForEach(part, content)
    {
        const char *words = json_get_string(part, "text");

        buffer_add_string(text, words ? words : "[no text]");
        buffer_add_byte(text, '\n');
    }
}

static void show_message(struct show *show, const cJSON *item)
{
    const char *role = json_get_text(item, "role", "");
    bool agent = !strcmp(role, "assistant");
    CLEANUP(buffer_free) struct buffer text = {0};

    /* What every task is told is in `nightjar prompt`. */
    if (!strcmp(role, "developer") &&
        show->options->verbosity != PROGRESS_VERBOSE)
        return;
    buffer_init(&text, TRANSCRIPT_BYTES_MAX);
    gather(&text, json_get(item, "content"));
    if (!strncmp(text.data, "<environment_context>", 21) &&
        show->options->verbosity != PROGRESS_VERBOSE)
        return;
    title(show, agent ? "\x1b[1;36m" : "\x1b[1;33m",
          agent                        ? "agent"
          : !strcmp(role, "user")      ? "user"
          : !strcmp(role, "developer") ? "developer"
                                       : "message");
    put(show, "\n");
    block(show, text.data);
    put(show, "\n");
}

static void show_call(struct show *show, const cJSON *item)
{
    const char *name = json_get_text(item, "name", "");
    const char *input =
        json_get_text(item, "arguments", json_get_text(item, "input", ""));
    struct error ignored;
    CLEANUP(json_free)
    cJSON *arguments = json_parse(input, strlen(input), &ignored);
    const char *command = json_get_string(arguments, "cmd");

    title(show, "\x1b[1;32m", command ? "$ " : "");
    if (command) {
        plain(show, command);
        put(show, "\n");
        return;
    }
    if (show->color)
        put(show, "\x1b[1;32m");
    plain(show, name);
    if (show->color)
        put(show, "\x1b[0m");
    put(show, "\n");
    block(show, input);
}

static void show_output(struct show *show, const cJSON *item)
{
    CLEANUP(buffer_free) struct buffer text = {0};

    buffer_init(&text, TRANSCRIPT_BYTES_MAX);
    gather(&text, json_get(item, "output"));
    block(show, text.data);
    put(show, "\n");
}

static void show_reasoning(struct show *show, const cJSON *item)
{
    CLEANUP(buffer_free) struct buffer text = {0};

    buffer_init(&text, TRANSCRIPT_BYTES_MAX);
    gather(&text, json_get(item, "summary"));
    if (!text.length)
        return;
    title(show, "\x1b[2m", "thinking\n");
    block(show, text.data);
    put(show, "\n");
}

static void show_begun(struct show *show, const cJSON *item)
{
    char text[64];

    snprintf(text, sizeof(text), "=== attempt %" PRId64 "\n\n",
             json_get_int64(item, "attempt", 1));
    title(show, "\x1b[1m", text);
}

static void show_item(struct show *show, const cJSON *item)
{
    static const struct {
        const char *type;
        void (*show)(struct show *show, const cJSON *item);
    } kinds[] = {
        {"message", show_message},
        {"function_call", show_call},
        {"custom_tool_call", show_call},
        {"function_call_output", show_output},
        {"custom_tool_call_output", show_output},
        {"reasoning", show_reasoning},
        {"nightjar.begun", show_begun},
    };
    const char *type = json_get_text(item, "type", "");

    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        if (!strcmp(kinds[i].type, type))
            kinds[i].show(show, item);
    }
}

static void show_transcript(struct show *show, struct span text)
{
    while (text.length) {
        const char *end = memchr(text.data, '\n', text.length);
        size_t length = end ? (size_t)(end - text.data) : text.length;
        struct error ignored;
        CLEANUP(json_free)
        cJSON *item = json_parse(text.data, length, &ignored);

        if (item)
            show_item(show, item);
        length += end != NULL;
        text.data += length;
        text.length -= length;
    }
}

/* ---- what is known besides --------------------------------------------- */

static void fact(struct show *show, const char *name, const char *value)
{
    if (!value || !*value)
        return;
    buffer_addf(&show->out, "%-8s ", name);
    plain(show, value);
    put(show, "\n");
}

static void show_head(struct show *show)
{
    const struct outcome_task *task = show->task;
    char cost[FIGURE_BYTES];
    char time[FIGURE_BYTES];
    char tokens[FIGURE_BYTES];

    fact(show, "task", task->id);
    fact(show, "repo", task->repo);
    fact(show, "commit", task->commit);
    figure_cost(cost, sizeof(cost),
                task->usage.cost_known ? task->usage.cost_microusd : -1);
    figure_duration(time, sizeof(time), task->duration_ms);
    figure_count(tokens, sizeof(tokens),
                 task->usage.input_tokens + task->usage.output_tokens);
    buffer_addf(&show->out,
                "%-8s %" PRId64 " turns, %s tokens (%d%% cached), %s, %s\n\n",
                "took", task->usage.turns, tokens,
                figure_cached_percent(&task->usage), cost, time);
}

static void show_steps(struct show *show)
{
    const struct outcome_task *task = show->task;

    for (size_t i = 0; i < task->attempt_count; i++) {
        const struct outcome_attempt *attempt = &task->attempts[i];

        for (size_t j = 0; j < attempt->step_count; j++) {
            const struct outcome_step *step = &attempt->steps[j];

            buffer_addf(&show->out, "%s step '",
                        outcome_phase_name(step->phase));
            plain(show, step->name);
            buffer_addf(&show->out, "': %s\n",
                        outcome_result_name(step->result));
            if (step->result != RESULT_PASSED)
                block(show, step->output);
        }
    }
}

static void show_end(struct show *show)
{
    static const char *const colors[VERDICTS] = {
        [VERDICT_PASSED] = "\x1b[1;32m",
        [VERDICT_FAILED] = "\x1b[1;31m",
        [VERDICT_ERROR] = "\x1b[1;35m",
        [VERDICT_SKIPPED] = "\x1b[1;33m",
        [VERDICT_UNFINISHED] = "\x1b[1;35m"};
    const struct outcome_task *task = show->task;

    title(show, "\x1b[1m", "=== the end\n\n");
    show_steps(show);
    if (task->patch)
        buffer_addf(&show->out,
                    "patch: %" PRId64 " files, +%" PRId64 " -%" PRId64 "\n",
                    task->patch->files, task->patch->insertions,
                    task->patch->deletions);
    title(show, colors[task->verdict], verdict_name(task->verdict));
    put(show, " (");
    plain(show, task->reason);
    put(show, "): ");
    plain(show, task->message);
    put(show, "\n");
    fact(show, "hint:", task->hint);
}

/* ---- the pager --------------------------------------------------------- */

static const char *pager(const struct options *options)
{
    const char *chosen = getenv("PAGER");

    if (options->no_pager || !isatty(STDOUT_FILENO))
        return NULL;
    if (!chosen)
        chosen = "less";
    return *chosen && strcmp(chosen, "cat") != 0 ? chosen : NULL;
}

/* Returns -1 when it cannot be started; the text is printed then. */
static int page(const char *command, struct span text)
{
    char shell[] = "/bin/sh";
    char flag[] = "-c";
    CLEANUP(mem_free) char *line = mem_format("%s", command);
    char *const argv[] = {shell, flag, line, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t terminal;
    struct error ignored;
    int pipes[2];
    int status = 0;
    pid_t pid;

    /* Colours, and no more than what fits on one screen without asking. */
    if (setenv("LESS", "FRX", 0) || pipe2(pipes, O_CLOEXEC))
        return -1;
    /* Keys that signal are the pager's while it is there. */
    sigemptyset(&terminal);
    sigaddset(&terminal, SIGINT);
    sigaddset(&terminal, SIGQUIT);
    signal(SIGINT, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigdefault(&attributes, &terminal);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipes[0], STDIN_FILENO);
    status = posix_spawn(&pid, shell, &actions, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    close(pipes[0]);
    if (!status) {
        /* One that is left early takes no more. */
        signal(SIGPIPE, SIG_IGN);
        (void)file_write_fd(pipes[1], text.data, text.length, &ignored);
    }
    close(pipes[1]);
    if (status)
        return -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    /* The shell's word for a command that it could not start. */
    return WIFEXITED(status) && WEXITSTATUS(status) >= 126 ? -1 : 0;
}

/* ---- the command ------------------------------------------------------- */

static const struct outcome_task *find_task(const struct run_outcome *outcome,
                                            const char *id)
{
    for (size_t i = 0; i < outcome->task_count; i++) {
        if (!strcmp(outcome->tasks[i]->id, id))
            return outcome->tasks[i];
    }
    return NULL;
}

static void read_transcript(const char *directory, const char *task,
                            struct buffer *out)
{
    CLEANUP(mem_free)
    char *name = mem_format("tasks/%s/transcript.jsonl", task);
    CLEANUP(fd_close)
    int folder = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLEANUP(fd_close)
    int file = folder < 0
                   ? -1
                   : file_open_beneath(folder, name, O_RDONLY | O_NONBLOCK, 0);
    struct error ignored;

    if (file >= 0 && file_read_fd(file, out, &ignored))
        buffer_clear(out);
}

static int tell(const struct options *options,
                const struct run_outcome *outcome, struct error *err)
{
    const char *directory = options->arguments.items[0];
    const char *id = options->arguments.items[1];
    CLEANUP(buffer_free) struct buffer transcript = {0};
    struct show show = {.options = options,
                        .task = find_task(outcome, id),
                        .color =
                            options->color == COLOR_ALWAYS ||
                            (options->color == COLOR_AUTO &&
                             isatty(STDOUT_FILENO) && !getenv("NO_COLOR"))};
    const char *command = pager(options);
    int status = 0;

    if (!show.task) {
        error_set(err, ERROR_USAGE, "the run has no task '%s'", id);
        return error_hint(err, "'nightjar report %s' lists its tasks",
                          directory);
    }
    buffer_init(&show.out, TEXT_BYTES_MAX);
    buffer_init(&transcript, TRANSCRIPT_BYTES_MAX);
    read_transcript(directory, id, &transcript);
    show_head(&show);
    if (!transcript.length)
        put(&show, "there is no transcript: the agent did not begin\n\n");
    show_transcript(&show, buffer_span(&transcript));
    show_end(&show);
    if (!command || page(command, buffer_span(&show.out)))
        status = reports_put(buffer_span(&show.out), err);
    if (show.out.dropped)
        status = error_set(err, ERROR_IO,
                           "the transcript is larger than can "
                           "be shown: %s/tasks/%s",
                           directory, id);
    buffer_free(&show.out);
    return status;
}

int show_command(const struct options *options)
{
    CLEANUP(outcome_free) struct run_outcome outcome = {.task_count = 0};
    struct error err;

    if (reports_read(options->arguments.items[0], &outcome, &err) ||
        tell(options, &outcome, &err))
        return report_failure(&err);
    return 0;
}
