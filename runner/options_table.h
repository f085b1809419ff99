/* Private to options*.c: the table itself. */
#ifndef NIGHTJAR_RUNNER_OPTIONS_TABLE_H
#define NIGHTJAR_RUNNER_OPTIONS_TABLE_H

#include "runner/options.h"

#define FOR(command) (1U << (command))

#define OPTIONS_WORDS SIZE_MAX

/* In options_sandbox.c. */
int apply_workspace(struct options *, const char *, struct error *);
int apply_network(struct options *, const char *, struct error *);
int apply_read(struct options *, const char *, struct error *);
int apply_write(struct options *, const char *, struct error *);
int apply_env(struct options *, const char *, struct error *);
int apply_memory(struct options *, const char *, struct error *);
int apply_pids(struct options *, const char *, struct error *);
int apply_cpu(struct options *, const char *, struct error *);
int apply_cpu_time(struct options *, const char *, struct error *);
int apply_disk(struct options *, const char *, struct error *);
int apply_file_size(struct options *, const char *, struct error *);
int apply_timeout(struct options *, const char *, struct error *);
int apply_require(struct options *, const char *, struct error *);
int apply_without(struct options *, const char *, struct error *);
int apply_json(struct options *, const char *, struct error *);

/* In options_report.c. */
int apply_report(struct options *, const char *, struct error *);
int apply_from(struct options *, const char *, struct error *);
int apply_author(struct options *, const char *, struct error *);
int apply_ci(struct options *, const char *, struct error *);
int apply_fetch(struct options *, const char *, struct error *);
int apply_otlp(struct options *, const char *, struct error *);
int apply_no_pager(struct options *, const char *, struct error *);
int apply_prompt(struct options *, const char *, struct error *);
int apply_repo(struct options *, const char *, struct error *);
int apply_model(struct options *, const char *, struct error *);
int apply_setup(struct options *, const char *, struct error *);
int apply_verify(struct options *, const char *, struct error *);

/* In options_run.c. */
int apply_cache(struct options *, const char *, struct error *);
int apply_cache_size(struct options *, const char *, struct error *);
int apply_limit(struct options *, const char *, struct error *);
int apply_sample(struct options *, const char *, struct error *);
int apply_seed(struct options *, const char *, struct error *);
int apply_shard(struct options *, const char *, struct error *);
int apply_durations(struct options *, const char *, struct error *);
int apply_retry(struct options *, const char *, struct error *);
int apply_rerun(struct options *, const char *, struct error *);
int apply_shards(struct options *, const char *, struct error *);
int apply_matrix(struct options *, const char *, struct error *);
int apply_follow(struct options *, const char *, struct error *);
int apply_progress(struct options *, const char *, struct error *);

/* Adds to a list that may be given OPTIONS_LIST_MAX times. */
int option_add(struct option_list *list, const char *value, const char *name,
               struct error *err);
/* In options_completion.c. */
int apply_completion(struct options *, const char *, struct error *);

/* The completion script of a shell: HELP_BASH, HELP_ZSH or HELP_FISH. */
void options_completion(enum help_format shell, struct buffer *out);

struct command_text {
    const char *name;
    const char *arguments; /* "MANIFEST…"; "" if none */
    size_t least;          /* arguments */
    size_t most;           /* OPTIONS_WORDS: the rest is a command to run */
    const char *summary;   /* one line */
    const char *text;      /* paragraphs, separated by an empty line */
    const char *examples;  /* lines "command  # what"; may be NULL */
};

struct option_text {
    const char *name;     /* with its dashes: "--jobs" */
    const char *letter;   /* "-j"; NULL if none */
    const char *argument; /* "N"; NULL for a switch */
    unsigned commands;    /* bits by FOR() */
    const char *text;     /* one sentence or two */
    int (*apply)(struct options *options, const char *value, struct error *err);
};

extern const struct command_text command_texts[COMMANDS];
extern const struct option_text option_texts[];
extern const size_t option_count;

struct exit_text {
    int status;
    const char *name;
    const char *text;
};

extern const struct exit_text exit_texts[];
extern const size_t exit_count;

struct variable_text {
    const char *name;
    const char *text;
};

extern const struct variable_text variable_texts[];
extern const size_t variable_count;

#endif
