/* The command line: one table of commands and options.
 *
 * It parses, and its texts are `nightjar help`, the manual page and docs/
 * cli.md; a test fails when a committed copy differs. */
#ifndef NIGHTJAR_RUNNER_OPTIONS_H
#define NIGHTJAR_RUNNER_OPTIONS_H

#include "base/buffer.h"
#include "base/error.h"
#include "runner/progress.h"
#include "sandbox/sandbox.h"
#include "tasks/choose.h"
#include "tasks/manifest.h"

#define OPTIONS_LIST_MAX 256 /* how often a repeatable option may be given */

enum command {
    COMMAND_RUN,
    COMMAND_CHECK,
    COMMAND_REPORT,
    COMMAND_SHOW,
    COMMAND_DIFF,
    COMMAND_ESTIMATE,
    COMMAND_INIT,
    COMMAND_PLAN,
    COMMAND_MERGE,
    COMMAND_STATUS,
    COMMAND_LOGS,
    COMMAND_PROMPT,
    COMMAND_WHY,
    COMMAND_POLICY,
    COMMAND_SANDBOX,
    COMMAND_DOCTOR,
    COMMAND_SCHEMA,
    COMMAND_HELP,
    COMMAND_VERSION,
    COMMANDS
};

enum color_mode { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

enum help_format {
    HELP_TEXT,
    HELP_MAN,
    HELP_MARKDOWN,
    HELP_BASH, /* completion by these shells */
    HELP_ZSH,
    HELP_FISH
};

struct option_list {
    const char *items[OPTIONS_LIST_MAX];
    size_t count;
};

/* Of `nightjar sandbox`. */
struct sandbox_options {
    const char *workspace; /* DIR or DIR:INSIDE; NULL: the current directory */
    const char *network;   /* none, open or a list; NULL: none */
    struct option_list read;
    struct option_list write;
    struct option_list env; /* NAME=VALUE */
    struct sandbox_limits limits;
    int64_t timeout_ms; /* -1: none */
    unsigned require;   /* bits of enum sandbox_layer */
    bool require_given;
    unsigned without;
};

struct options {
    enum command command;
    struct option_list arguments; /* manifests, a run directory, a command */
    const char *const *words;     /* a command to run, NULL at the end */
    struct sandbox_options sandbox;
    bool json;
    struct option_list filters;
    struct option_list reports; /* FORMAT or FORMAT=PATH */
    struct option_list params;  /* NAME=VALUE */
    int64_t jobs;               /* -1: as the manifest says */
    const char *out;
    const char *model_url;
    const char *resume; /* a run directory to go on with */
    const char *record; /* a folder for exchanges */
    const char *replay;
    const char *task;    /* the id of one */
    const char *cache;   /* of repositories; NULL: the usual folder */
    int64_t cache_bytes; /* -1: as usual */
    int64_t limit;       /* of tasks; -1: none */
    int64_t sample;      /* likewise */
    const char *seed;    /* of the sample */
    struct shard shard;
    const char *durations;    /* a run directory, to balance shards by */
    struct option_list retry; /* of finished tasks: failed, error:KIND */
    struct option_list rerun; /* ids or globs */
    size_t whole;             /* tasks of all parts of a resumed run */
    struct strings only;      /* ids that a resumed run has; sorted */
    int64_t shards;           /* of `plan`; -1: as many as fit */
    const char *matrix;       /* of `plan`: the dialect; NULL: none */
    bool follow;              /* of `logs` */
    const char *from;         /* of `estimate`: a run directory */
    const char *author;       /* of patches: "Name <mail>" */
    bool ci;                  /* tell GitHub Actions */
    bool fetch;               /* repositories that a journal names */
    bool otlp;                /* send spans and metrics */
    bool no_pager;
    const char *prompt; /* these of `init` */
    const char *repo;
    const char *model;
    struct option_list setup;
    struct option_list verify;
    bool dry_run;
    enum verbosity verbosity;
    enum progress_form progress;
    enum color_mode color;
    enum help_format format;
    bool help; /* --help of the command */
};

/* Parses argv. Errors are ERROR_USAGE with a hint that names the nearest
 * known option or command. Strings point into argv. */
int options_parse(int argc, char **argv, struct options *options,
                  struct error *err);

/* The text of `nightjar help` (command COMMANDS: the overview) in a format.
 * HELP_MAN is the page of the program or of one command; HELP_MARKDOWN and
 * the completions are always the whole. */
void options_help(enum command command, enum help_format format,
                  struct buffer *out);

/* The command of that name; COMMANDS if there is none. */
enum command options_find_command(const char *name);

#endif
