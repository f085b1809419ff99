/* The tools that a model may call.
 *
 * One table (tool.c) in the order in which they are declared to the model,
 * which never changes within a version: it is part of the cached prefix. A
 * call always gets an answer, also when it is malformed; no tool error ends
 * an attempt, except the loss of the sandbox. */
#ifndef NIGHTJAR_RUNNER_TOOLS_TOOL_H
#define NIGHTJAR_RUNNER_TOOLS_TOOL_H

#include "base/buffer.h"
#include "base/error.h"
#include "base/json.h"
#include "sandbox/sandbox.h"
#include "tasks/task.h"

#define TOOL_SESSIONS_MAX 16
#define TOOL_TEXT_MAX ((size_t)16 << 20)
#define TOOL_SUMMARY_MAX 240

struct sessions;

/* What tools work with; one for each attempt. */
struct tool_context {
    const struct task *task;
    struct sandbox *sandbox;
    int workspace; /* descriptor of its root */
    struct sandbox_identity identity;
    const char *shell;              /* inside: "/bin/bash" or "/bin/sh" */
    const char *const *environment; /* of commands */
    int64_t deadline;               /* of the attempt */
    struct sessions *sessions;
};

struct tool_result {
    struct buffer text;  /* for the model; any bytes */
    struct buffer parts; /* JSON content parts instead of text, if not empty */
    bool ok;
    char summary[TOOL_SUMMARY_MAX]; /* for people: "exit 0", "2 files" */
};

/* A call as the policy and the tools see it. */
struct tool_call {
    const char *name;
    const char *call_id;
    bool custom;
    const char *arguments; /* as the model sent them */
    cJSON *json;           /* parsed, of a function call; NULL if custom */
};

struct tool {
    const char *name;
    unsigned kind;     /* bits of enum task_tool: any of them allows it; */
    unsigned declared; /* any of these offers it too. The rest, models call
                          by heart */
    bool freeform;     /* custom tool where the provider has them */
    bool looks_only;   /* changes nothing: may run before its turn */
    const char *description;
    const char *parameters; /* JSON Schema of the arguments */
    const char *grammar;    /* Lark, of a custom tool's input */
    /* Runs. -1 only when the attempt cannot go on (the sandbox is gone). */
    int (*run)(struct tool_context *context, const struct tool_call *call,
               struct tool_result *result, struct error *err);
};

/* The tool of that name among those that the task allows; NULL if none. */
const struct tool *tool_find(const char *name, unsigned allowed);

/* The declarations as a JSON array. `custom` tells whether the provider has
 * custom tools with grammars; without, they are functions. */
void tools_declare(struct json *json, unsigned allowed, bool custom);

void tool_result_init(struct tool_result *result);
void tool_result_free(struct tool_result *result);

/* An answer that says what was wrong with the call. */
void tool_refuse(struct tool_result *result, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The shell script of a call of an exec tool, also of those that models call
 * by heart; a call of one that only looks as if it were a command. Owned by
 * the caller; never NULL. */
char *tool_script(const struct tool_call *call);

/* shell.c: names and layouts of older clients, which models still know */
int shell_run(struct tool_context *context, const struct tool_call *call,
              struct tool_result *result, struct error *err);
int grep_files_run(struct tool_context *context, const struct tool_call *call,
                   struct tool_result *result, struct error *err);

/* read.c */
int read_file_run(struct tool_context *context, const struct tool_call *call,
                  struct tool_result *result, struct error *err);
int list_dir_run(struct tool_context *context, const struct tool_call *call,
                 struct tool_result *result, struct error *err);

/* Runs a script to its end or for at most so long, and answers in the layout
 * of older clients. */
int exec_to_end(struct tool_context *context, const char *script,
                const char *workdir, int64_t timeout_ms,
                struct tool_result *result, struct error *err);

/* exec.c: command sessions */
struct sessions *sessions_open(void);
void sessions_close(struct sessions *sessions);

/* Forgets all sessions, whose commands have been ended. */
void sessions_clear(struct sessions *sessions);

/* Commands that still run, as a JSON array of {session, command, output}: the
 * end of what they printed since the model last saw it. Returns how many. */
size_t sessions_list(struct sessions *sessions, struct json *json);
int exec_command_run(struct tool_context *context, const struct tool_call *call,
                     struct tool_result *result, struct error *err);
int write_stdin_run(struct tool_context *context, const struct tool_call *call,
                    struct tool_result *result, struct error *err);

/* apply_patch.c */
int apply_patch_run(struct tool_context *context, const struct tool_call *call,
                    struct tool_result *result, struct error *err);

/* Applies a patch text in a directory of the workspace (relative to it). */
void apply_patch_text(struct tool_context *context, const char *directory,
                      struct span text, struct tool_result *result);

/* If a shell command is nothing but an apply_patch call (with a here-document
 * or a quoted argument, perhaps behind `cd DIR &&`), the patch text within the
 * command and the directory (owned by the caller); else false. */
bool apply_patch_in_command(const char *command, struct span *text,
                            char **directory);

/* image.c, plan.c */
int view_image_run(struct tool_context *context, const struct tool_call *call,
                   struct tool_result *result, struct error *err);
int update_plan_run(struct tool_context *context, const struct tool_call *call,
                    struct tool_result *result, struct error *err);

/* A path of the model as one relative to the workspace: "/workspace/x" and
 * "x" (relative to the task's directory) are the same place. NULL when it is
 * absolute and elsewhere. Owned by the caller. Says nothing about symlinks:
 * file_open_beneath does. */
char *tool_workspace_path(const struct tool_context *context, const char *path);

#endif
