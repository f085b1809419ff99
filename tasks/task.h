/* A task: one repository at one ref, a prompt, and everything that decides
 * how it is worked on and judged. Immutable once the plan is made.
 *
 * All strings are UTF-8 without NUL and live in the plan's arena. A pointer
 * that may be NULL says so; counts go with the array before them. -1 means
 * "not set" for limits where MANIFEST says nothing is the default. */
#ifndef NIGHTJAR_TASKS_TASK_H
#define NIGHTJAR_TASKS_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TASK_ID_MAX 100 /* bytes; [A-Za-z0-9._-] */

struct strings {
    const char **items;
    size_t count;
};

struct environment_variable {
    const char *name;
    const char *value;
};

struct environment {
    struct environment_variable *items;
    size_t count;
};

enum model_provider {
    MODEL_OPENAI,
    MODEL_COMPATIBLE, /* another server that speaks the Responses API */
    MODEL_SCRIPTED,   /* plays turns from a file: demos and tests */
};

enum model_compaction {
    COMPACTION_AUTO,     /* the provider's where it has one */
    COMPACTION_ENDPOINT, /* POST /responses/compact */
    COMPACTION_TRIGGER,  /* a compaction_trigger item at the end of the input */
    COMPACTION_SUMMARY,  /* the model writes a summary */
};

/* US dollars per million tokens, in millionths of a dollar; -1: unknown. */
struct model_price {
    int64_t input;
    int64_t cached_input; /* unknown: as input */
    int64_t cache_write;  /* unknown: as input */
    int64_t output;
};

struct model_settings {
    enum model_provider provider;
    const char *name;             /* "gpt-5.5" */
    const char *base_url;         /* without a '/' at the end */
    const char *key_env;          /* variable that holds the key; may be NULL */
    const char *reasoning_effort; /* may be NULL: not sent */
    struct model_price price;
    int64_t request_timeout_ms; /* of a whole response */
    int64_t idle_timeout_ms;    /* between two bytes of a stream */
    int64_t max_retries;        /* of one request */
    int64_t max_output_tokens;  /* of one response; -1: the provider's */
    int64_t context_window;     /* tokens of input and output together */
    int64_t compact_percent;    /* of it: from where on to compact */
    enum model_compaction compaction;
    const char *compaction_model; /* that writes summaries; NULL: the same */
    struct model_price compaction_price; /* of that one */
    int64_t cache_key_rate; /* requests a minute that one cache key takes */
    int64_t requests;       /* to its server at once; -1: no limit */
    int64_t requests_per_minute; /* -1: no limit */
    int64_t tokens_per_minute;   /* input + output; -1: no limit */
    const char *script;          /* scripted only: path as found; may be NULL */
};

struct run_settings {
    int64_t jobs;                 /* tasks at once; 0: as many as processors */
    int64_t budget_cost_microusd; /* of the run; -1: none */
    int64_t budget_tokens;        /* input + output; -1: none */
    int64_t budget_time_ms;       /* -1: none */
    int64_t failures_percent;     /* stop at that share; -1: never */
    bool fail_fast;
    int64_t pilot;           /* tasks that go first; 0: none */
    int64_t clones_per_host; /* at once */
};

enum network_mode { NETWORK_UNSET, NETWORK_NONE, NETWORK_OPEN, NETWORK_LIST };

/* What commands can reach; entries of a list as in base/hosts.h. */
struct network_setting {
    enum network_mode mode;
    struct strings hosts;
};

/* A setup or verify command; run by `sh -c` in the task's directory. */
struct task_step {
    const char *name; /* one line, unique in its list */
    const char *run;
    int64_t timeout_ms; /* its own, or the sandbox's command_timeout */
    struct network_setting network; /* NETWORK_UNSET: the sandbox's */
};

struct task_steps {
    struct task_step *items;
    size_t count;
};

enum verify_expect {
    VERIFY_PASS,
    VERIFY_FAIL_THEN_PASS, /* must fail on the base first */
};

enum changes_rule { CHANGES_REQUIRED, CHANGES_NONE, CHANGES_ANY };

enum task_tool { /* bits of task.tools */
                 TOOL_EXEC = 1,
                 TOOL_PATCH = 2,
                 TOOL_IMAGE = 4,
                 TOOL_PLAN = 8,
                 TOOL_READ = 16,
                 TOOL_ALL = 15, /* by default: what exec does is enough */
};

struct task_budget { /* -1: none */
    int64_t turns;
    int64_t input_tokens;
    int64_t output_tokens;
    int64_t cost_microusd;
};

enum task_layer { /* bits of sandbox_settings.require, in this order */
                  TASK_LAYER_NAMESPACES = 1,
                  TASK_LAYER_LANDLOCK = 2,
                  TASK_LAYER_SECCOMP = 4,
                  TASK_LAYER_CGROUP = 8,
};

struct sandbox_settings {
    unsigned require; /* bits of enum task_layer */
    bool overlay;     /* workspaces are overlays where the host can */
    struct network_setting network;
    struct strings read;  /* absolute host paths, read-only */
    struct strings write; /* absolute host paths, writable */
    struct environment env;
    struct strings pass_env;
    int64_t memory_bytes;       /* of all processes together, … */
    int64_t pids;               /* processes and threads */
    int64_t cpu_micro;          /* millionths of a processor; -1: all */
    int64_t cpu_time_ms;        /* -1: no limit */
    int64_t disk_bytes;         /* added to workspace and temporary files */
    int64_t file_bytes;         /* of each file; -1: no limit */
    int64_t output_bytes;       /* kept of one command's output */
    int64_t command_timeout_ms; /* when a step or call gives none */
};

enum rule_decision { RULE_ALLOW, RULE_DENY, RULE_REVIEW };

enum rule_tool { /* what a rule's `tool` names */
                 RULE_TOOL_EXEC,
                 RULE_TOOL_PATCH,
                 RULE_TOOL_IMAGE,
                 RULE_TOOL_PLAN,
                 RULE_TOOL_ANY, /* `tool: "*"` */
};

struct approve_rule {
    enum rule_tool tool;
    struct strings argv;  /* exec only; none: every command */
    struct strings hosts; /* exec only; with a word that names one of them */
    struct strings paths; /* patch only; none: every path */
    enum rule_decision decision;
    const char *because; /* told to the model; may be NULL */
    size_t line;         /* in the manifest, to name the rule */
};

/* Who decides about calls whose rule says `review`. */
struct review_settings {
    const char *model; /* NULL: nobody, and such calls are denied */
    struct model_price price;
    int64_t cost_microusd; /* of all reviews of a task; -1: no limit */
};

enum secrets_rule { SECRETS_FAIL, SECRETS_REPORT };

struct patch_policy {
    struct strings protect; /* globs; touching one fails the task */
    struct strings allow;   /* globs; none: everything */
    int64_t max_files;      /* -1: none */
    int64_t max_lines;      /* added + removed; -1: none */
    int64_t max_file_size_bytes;
    bool binary;
    enum secrets_rule secrets;
};

struct policy {
    struct approve_rule *approve; /* first match decides */
    size_t approve_count;
    bool default_rules; /* those of runner/agent/policy_default.h, after them */
    struct review_settings review;
    struct patch_policy patch;
};

struct task {
    const char *id;
    size_t number;           /* in the whole plan, from 0 */
    const char *suite;       /* the manifest's name */
    const char *file;        /* the manifest, as it was named */
    size_t line;             /* of the task in it */
    const char *matrix_cell; /* "api, main" for names in reports; "" if none */
    const char *repo;        /* URL, scp form or absolute path */
    const char *ref;         /* may be NULL: the remote's HEAD */
    const char *directory;   /* "." or relative, without ".." */
    int64_t depth;           /* 0: whole history */
    int64_t fetch_age_ms;    /* of what was fetched before, to do; 0: none */
    bool submodules;
    const char *prompt;
    const char *instructions;       /* may be NULL */
    bool agents_md;                 /* whether AGENTS.md files are read */
    struct strings agents_fallback; /* names instead of it */
    struct strings skills;          /* folders of the repository */
    unsigned tools;                 /* bits of enum task_tool */
    struct task_steps setup;
    struct task_steps verify;
    enum verify_expect verify_expect;
    struct strings verify_pin; /* globs */
    int64_t fix_attempts;
    int64_t attempts;
    enum changes_rule changes;
    const char *output_schema; /* text of the schema file; may be NULL */
    int64_t timeout_ms;        /* of one attempt */
    int64_t priority;          /* higher ones start first */
    struct task_budget budget;
    struct sandbox_settings sandbox;
    struct policy policy;
    /* NIGHTJAR_MATRIX_*, NIGHTJAR_PARAM_*, NIGHTJAR_TASK_ID for commands */
    struct environment variables;
    /* What `for` gave it: fields and values; text from elsewhere, which may
     * hold line breaks and control characters. */
    struct environment record;
    const struct model_settings *model;
};

#endif
