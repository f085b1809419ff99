/* The part of the field table that is about tasks: steps, limits, sandbox,
 * policy, and the task itself. */
#include "base/hosts.h"
#include "base/memory.h"
#include "tasks/manifest_fields.h"
#include "tasks/manifest_rules.h"

#define SIZE_UNIT_K ((int64_t)1 << 10)
#define SIZE_UNIT_M ((int64_t)1 << 20)
#define LINE_BYTES_MAX 1000
#define LIST_MAX 1000
/* Linux passes no longer argument to `sh -c` (MAX_ARG_STRLEN). */
#define COMMAND_MAX 131071

/* ---- steps ------------------------------------------------------------- */

#define STEP(name) offsetof(struct task_step, name)

/* Of FIELD_NETWORK: the entries. */
#define NETWORK_RANGE                                         \
    .minimum = 1, .maximum = 300, .maximum_items = HOSTS_MAX, \
    .rule = rule_host, .pattern = "^(\\*\\.)?[A-Za-z0-9._:\\[\\]/*-]+$"

static const struct field step_fields[] = {
    {.key = "name",
     .type = FIELD_TEXT,
     .offset = STEP(name),
     .minimum = 1,
     .maximum = 200,
     .otherwise = "the start of `run`",
     .meaning = "what reports call it; unique in its list"},
    {.key = "run",
     .type = FIELD_TEXT,
     .flags = FIELD_REQUIRED | FIELD_LINES,
     .offset = STEP(run),
     .minimum = 1,
     .maximum = COMMAND_MAX,
     .meaning = "shell command, run in the task's directory. Templates are an "
                "error here: the same values are variables, such as "
                "`$NIGHTJAR_MATRIX_KEY`"},
    {.key = "timeout",
     .type = FIELD_DURATION,
     .offset = STEP(timeout_ms),
     .minimum = 1,
     .maximum = FIELD_MS_MAX,
     .otherwise = "`command_timeout`",
     .meaning = "how long it may take"},
    {.key = "network",
     .type = FIELD_NETWORK,
     .offset = STEP(network),
     NETWORK_RANGE,
     .otherwise = "`sandbox.network`",
     .meaning = "what this command can reach; once a task has a list "
                "anywhere, `open` elsewhere in it is every host, through the "
                "proxy"},
};

const struct block step_block = {
    .name = "step",
    .meaning = "A command of `setup` or `verify`. A text alone is a step of "
               "that `run`.",
    BLOCK_FIELDS(step_fields),
};

/* ---- task limits ------------------------------------------------------- */

#define BUDGET(name) offsetof(struct task_budget, name)

static const struct field budget_fields[] = {
    {.key = "turns",
     .type = FIELD_COUNT,
     .offset = BUDGET(turns),
     .minimum = 1,
     .maximum = 1000000,
     .fallback = "60",
     .meaning = "responses of the model"},
    {.key = "input_tokens",
     .type = FIELD_COUNT,
     .offset = BUDGET(input_tokens),
     .minimum = 1,
     .maximum = FIELD_TOKENS_MAX,
     .otherwise = "no limit",
     .meaning = "tokens sent, cached ones included"},
    {.key = "output_tokens",
     .type = FIELD_COUNT,
     .offset = BUDGET(output_tokens),
     .minimum = 1,
     .maximum = FIELD_TOKENS_MAX,
     .otherwise = "no limit",
     .meaning = "tokens received, reasoning included"},
    {.key = "cost_usd",
     .type = FIELD_MONEY,
     .offset = BUDGET(cost_microusd),
     .minimum = 1,
     .maximum = FIELD_COST_MAX,
     .otherwise = "no limit",
     .meaning = "US dollars"},
};

static const struct block budget_block = {
    .name = "budget",
    .meaning = "Limits of one task.",
    BLOCK_FIELDS(budget_fields),
};

/* ---- sandbox ----------------------------------------------------------- */

#define SANDBOX(name) offsetof(struct sandbox_settings, name)

static const char *const layers[] = {"namespaces", "landlock", "seccomp",
                                     "cgroup", NULL};

static const struct field sandbox_fields[] = {
    {.key = "require",
     .type = FIELD_FLAGS,
     .offset = SANDBOX(require),
     .names = layers,
     .fallback = "[namespaces, seccomp]",
     .meaning = "layers without which nothing is run: the task is an `error`. "
                "Without `namespaces` in it, a host that gives none gets the "
                "mode of Landlock and seccomp alone"},
    {.key = "overlay",
     .type = FIELD_BOOLEAN,
     .offset = SANDBOX(overlay),
     .fallback = "true",
     .meaning = "whether the workspace lies over a checkout that all tasks of "
                "the commit share; a folder of the checkout then cannot be "
                "renamed in one step (EXDEV), as across file systems"},
    {.key = "network",
     .type = FIELD_NETWORK,
     .offset = SANDBOX(network),
     NETWORK_RANGE,
     .fallback = "none",
     .meaning = "what commands can reach: nothing, the host's network, or "
                "hosts through the proxy: `example.org` (ports 80 and 443), "
                "`example.org:8443`, `*.example.org`, `10.0.0.7`, "
                "`10.0.0.0/8`. Names lead to public addresses only, unless "
                "the address is listed too"},
    {.key = "read",
     .type = FIELD_TEXTS,
     .offset = SANDBOX(read),
     .minimum = 1,
     .maximum = 4000,
     .maximum_items = LIST_MAX,
     .rule = rule_host_path,
     .pattern = "^/",
     .fallback = "[]",
     .meaning = "host paths that commands may read, besides the system's"},
    {.key = "write",
     .type = FIELD_TEXTS,
     .offset = SANDBOX(write),
     .minimum = 1,
     .maximum = 4000,
     .maximum_items = LIST_MAX,
     .rule = rule_host_path,
     .pattern = "^/",
     .fallback = "[]",
     .meaning = "host paths that commands may write to"},
    {.key = "env",
     .type = FIELD_PAIRS,
     .flags = FIELD_LINES,
     .offset = SANDBOX(env),
     .maximum = MANIFEST_VALUE_MAX,
     .maximum_items = MANIFEST_NAMES_MAX,
     .name_rule = rule_own_variable,
     .pattern = FIELD_VARIABLE_PATTERN,
     .fallback = "{}",
     .meaning = "variables of every command"},
    {.key = "pass_env",
     .type = FIELD_TEXTS,
     .offset = SANDBOX(pass_env),
     .minimum = 1,
     .maximum = 200,
     .maximum_items = LIST_MAX,
     .rule = rule_passed_variable,
     .pattern = FIELD_VARIABLE_PATTERN,
     .fallback = "[]",
     .meaning = "names of variables that commands get from the runner; one "
                "that is named like a secret is refused"},
    {.key = "memory",
     .type = FIELD_SIZE,
     .offset = SANDBOX(memory_bytes),
     .minimum = 16 * SIZE_UNIT_M,
     .maximum = INT64_MAX,
     .fallback = "2G",
     .meaning = "of all processes together"},
    {.key = "pids",
     .type = FIELD_INTEGER,
     .offset = SANDBOX(pids),
     .minimum = 1,
     .maximum = 100000,
     .fallback = "512",
     .meaning = "processes and threads at once"},
    {.key = "cpu",
     .type = FIELD_CORES,
     .offset = SANDBOX(cpu_micro),
     .minimum = 10000,
     .maximum = (int64_t)1024 * 1000000,
     .otherwise = "all",
     .meaning = "processors; parts of one need a control group"},
    {.key = "cpu_time",
     .type = FIELD_DURATION,
     .offset = SANDBOX(cpu_time_ms),
     .minimum = 1,
     .maximum = FIELD_MS_MAX,
     .otherwise = "no limit",
     .meaning = "processor time of all commands of one checkout"},
    {.key = "disk",
     .type = FIELD_SIZE,
     .offset = SANDBOX(disk_bytes),
     .minimum = SIZE_UNIT_M,
     .maximum = INT64_MAX,
     .fallback = "4G",
     .meaning = "what may be added to the workspace and temporary files "
                "together"},
    {.key = "file_size",
     .type = FIELD_SIZE,
     .offset = SANDBOX(file_bytes),
     .minimum = SIZE_UNIT_K,
     .maximum = INT64_MAX,
     .otherwise = "`disk`",
     .meaning = "of each file"},
    {.key = "output",
     .type = FIELD_SIZE,
     .offset = SANDBOX(output_bytes),
     .minimum = SIZE_UNIT_K,
     .maximum = 64 * SIZE_UNIT_M,
     .fallback = "1M",
     .meaning = "what is kept of one command's output"},
    {.key = "command_timeout",
     .type = FIELD_DURATION,
     .offset = SANDBOX(command_timeout_ms),
     .minimum = 1,
     .maximum = FIELD_MS_MAX,
     .fallback = "10m",
     .meaning = "of a command that has no timeout of its own"},
};

static const struct block sandbox_block = {
    .name = "sandbox",
    .meaning = "What commands can see and use.",
    BLOCK_FIELDS(sandbox_fields),
};

/* ---- task -------------------------------------------------------------- */

#define SOURCE(name) offsetof(struct task_source, name)
#define TASK(name) offsetof(struct task_source, task.name)

static const char *const tools[] = {"exec", "patch", "image",
                                    "plan", "read",  NULL};
static const char *const expectations[] = {"pass", "fail_then_pass", NULL};
static const char *const changes_rules[] = {"required", "none", "any", NULL};

#define FOR(name) offsetof(struct for_source, name)

static const struct field for_fields[] = {
    {.key = "items",
     .type = FIELD_ITEMS,
     .offset = FOR(items),
     .otherwise = "this, `repos` or `files`",
     .meaning = "records: a list of maps, or the name of a file of them "
                "(.csv with a header, .tsv, .jsonl, .yaml), relative to the "
                "manifest; at most 64M and 100000 records"},
    {.key = "repos",
     .type = FIELD_TEXT,
     .offset = FOR(repos),
     .minimum = 1,
     .maximum = LINE_BYTES_MAX,
     .otherwise = "this, `items` or `files`",
     .meaning = "the name of a file with a repository a line, \"URL [REF]\": "
                "records with `repo`, `ref`, `name` and `slug`; the first two "
                "are the task's "
                "`repo` and `ref` unless it says otherwise"},
    {.key = "files",
     .type = FIELD_TEXTS,
     .offset = FOR(files),
     .minimum = 1,
     .maximum = LINE_BYTES_MAX,
     .maximum_items = LIST_MAX,
     .rule = rule_glob,
     .otherwise = "this, `items` or `repos`",
     .meaning = "patterns of files in the task's repository, which must be on "
                "this machine: records with `file` (the first), `files` (a "
                "line each), `folder` and `count`"},
    {.key = "group",
     .type = FIELD_INTEGER,
     .offset = FOR(group),
     .minimum = 1,
     .maximum = 10000,
     .fallback = "1",
     .meaning = "how many of the files are one record"},
    {.key = "by_folder",
     .type = FIELD_BOOLEAN,
     .offset = FOR(by_folder),
     .fallback = "false",
     .meaning = "only files of one folder are one record"},
    {.key = "exclude",
     .type = FIELD_ENTRIES,
     .offset = FOR(exclude),
     .otherwise = "all are taken",
     .meaning = "records to leave out: each map is of fields and patterns "
                "that they match, such as `{lang: go*}`"},
    {.key = "include",
     .type = FIELD_ENTRIES,
     .offset = FOR(include),
     .otherwise = "none",
     .meaning = "more records"},
};

static const struct block for_block = {
    .name = "for",
    .meaning = "One task for each record (and each cell of `matrix`). "
               "Templates call a field `item.NAME`. Commands have short values "
               "in NIGHTJAR_ITEM_NAME, long ones in the file that "
               "NIGHTJAR_ITEM_NAME_FILE names, and all of them as JSON in the "
               "file that NIGHTJAR_ITEM names. The model is shown the record "
               "as data, apart from the prompt.",
    BLOCK_FIELDS(for_fields),
};

static const struct field task_fields[] = {
    {.key = "id",
     .type = FIELD_SOURCE,
     .flags = FIELD_TEMPLATES | FIELD_TASK_ONLY,
     .offset = SOURCE(id),
     .minimum = 1,
     .maximum = LINE_BYTES_MAX,
     .pattern = "^([A-Za-z0-9._-]|\\{\\{[^{}]*\\}\\})+$",
     .otherwise = "the manifest's name, the task's number if there are "
                  "several, the matrix values",
     .meaning = "unique after expansion; keep it stable from run to run"},
    {.key = "matrix",
     .type = FIELD_MATRIX,
     .flags = FIELD_TASK_ONLY,
     .offset = SOURCE(matrix),
     .otherwise = "one task",
     .meaning = "one task for each combination of values; `include` and "
                "`exclude` as in GitHub Actions"},
    {.key = "for",
     .type = FIELD_BLOCK,
     .flags = FIELD_TASK_ONLY,
     .offset = SOURCE(each),
     .block = &for_block,
     .meaning = "one task for each of many things"},
    {.key = "repo",
     .type = FIELD_SOURCE,
     .flags = FIELD_TEMPLATES,
     .offset = SOURCE(repo),
     .minimum = 1,
     .maximum = 4000,
     .otherwise = "the git work tree that holds the manifest",
     .meaning = "URL, `user@host:path`, or a path relative to the manifest; "
                "never with a password or token"},
    {.key = "ref",
     .type = FIELD_SOURCE,
     .flags = FIELD_TEMPLATES,
     .offset = SOURCE(ref),
     .minimum = 1,
     .maximum = LINE_BYTES_MAX,
     .otherwise = "the repository's HEAD",
     .meaning = "branch, tag or commit to start from"},
    {.key = "directory",
     .type = FIELD_SOURCE,
     .flags = FIELD_TEMPLATES,
     .offset = SOURCE(directory),
     .minimum = 1,
     .maximum = 4000,
     .fallback = "\".\"",
     .meaning = "where commands start, and what the patch is confined to"},
    {.key = "depth",
     .type = FIELD_INTEGER,
     .offset = TASK(depth),
     .maximum = 1000000,
     .fallback = "0",
     .meaning = "commits of history to fetch; 0 for all"},
    {.key = "fetch_age",
     .type = FIELD_DURATION,
     .offset = TASK(fetch_age_ms),
     .maximum = FIELD_MS_MAX,
     .fallback = "0s",
     .meaning = "how old a fetch of the same branch or tag may be to be used "
                "again; within a run there is one fetch for all tasks"},
    {.key = "submodules",
     .type = FIELD_BOOLEAN,
     .offset = TASK(submodules),
     .fallback = "false",
     .meaning = "whether to fetch submodules"},
    {.key = "prompt",
     .type = FIELD_SOURCE,
     .flags = FIELD_TEMPLATES | FIELD_LINES,
     .offset = SOURCE(prompt),
     .minimum = 1,
     .maximum = MANIFEST_TEXT_MAX,
     .otherwise = "this or `prompt_file` is required",
     .meaning = "what is to be done"},
    {.key = "prompt_file",
     .type = FIELD_SOURCE,
     .offset = SOURCE(prompt_file),
     .minimum = 1,
     .maximum = 4000,
     .otherwise = "this or `prompt` is required",
     .meaning = "the file that holds the prompt, relative to the manifest; at "
                "most 1M"},
    {.key = "instructions",
     .type = FIELD_SOURCE,
     .flags = FIELD_TEMPLATES | FIELD_LINES,
     .offset = SOURCE(instructions),
     .minimum = 1,
     .maximum = MANIFEST_TEXT_MAX,
     .otherwise = "none",
     .meaning = "instructions that are added to the product's own"},
    {.key = "agents_md",
     .type = FIELD_BOOLEAN,
     .offset = TASK(agents_md),
     .fallback = "true",
     .meaning = "whether the model is shown the repository's AGENTS.md files, "
                "from the root down to `directory`, at most 32 KiB together: "
                "as text of the repository, which whoever can commit wrote"},
    {.key = "agents_fallback",
     .type = FIELD_TEXTS,
     .offset = TASK(agents_fallback),
     .minimum = 1,
     .maximum = 255,
     .maximum_items = 20,
     .rule = rule_file_name,
     .fallback = "[]",
     .meaning = "names of files to take in a folder without an AGENTS.md, "
                "such as CLAUDE.md"},
    {.key = "skills",
     .type = FIELD_TEXTS,
     .offset = TASK(skills),
     .minimum = 1,
     .maximum = LINE_BYTES_MAX,
     .maximum_items = 20,
     .rule = rule_directory,
     .fallback = "[.agents/skills]",
     .meaning = "folders of the repository with skills in them: the model is "
                "told their names and descriptions, and all of one that the "
                "prompt names as `$name`"},
    {.key = "tools",
     .type = FIELD_FLAGS,
     .offset = TASK(tools),
     .names = tools,
     .fallback = "[exec, patch, image, plan]",
     .meaning = "what the model may call; `[]` for an answer only. `read` "
                "looks at files without a command: for tasks without `exec`"},
    {.key = "setup",
     .type = FIELD_STEPS,
     .offset = TASK(setup),
     .maximum = 100,
     .block = &step_block,
     .fallback = "[]",
     .meaning = "commands before the agent starts; a failure is an error"},
    {.key = "verify",
     .type = FIELD_STEPS,
     .offset = TASK(verify),
     .maximum = 100,
     .block = &step_block,
     .fallback = "[]",
     .meaning = "commands that must pass in a clean checkout with the patch"},
    {.key = "verify_expect",
     .type = FIELD_ENUM,
     .offset = TASK(verify_expect),
     .names = expectations,
     .fallback = "pass",
     .meaning = "`fail_then_pass`: they must fail before the patch"},
    {.key = "verify_pin",
     .type = FIELD_TEXTS,
     .offset = TASK(verify_pin),
     .minimum = 1,
     .maximum = LINE_BYTES_MAX,
     .maximum_items = LIST_MAX,
     .rule = rule_glob,
     .fallback = "[]",
     .meaning = "paths that are put back as they were before `verify`, so "
                "that a test cannot be edited into passing"},
    {.key = "fix_attempts",
     .type = FIELD_INTEGER,
     .offset = TASK(fix_attempts),
     .maximum = 20,
     .fallback = "2",
     .meaning = "how often the agent may answer a failed `verify`"},
    {.key = "attempts",
     .type = FIELD_INTEGER,
     .offset = TASK(attempts),
     .minimum = 1,
     .maximum = 10,
     .fallback = "1",
     .meaning = "independent tries from a fresh checkout, until one passes"},
    {.key = "changes",
     .type = FIELD_ENUM,
     .offset = TASK(changes),
     .names = changes_rules,
     .fallback = "required",
     .meaning = "whether there must be a patch"},
    {.key = "output_schema",
     .type = FIELD_SOURCE,
     .offset = SOURCE(output_schema),
     .minimum = 1,
     .maximum = 4000,
     .otherwise = "free text",
     .meaning = "the file with the JSON Schema of the final answer, relative "
                "to the manifest; at most 1M"},
    {.key = "timeout",
     .type = FIELD_DURATION,
     .offset = TASK(timeout_ms),
     .minimum = 1,
     .maximum = FIELD_MS_MAX,
     .fallback = "30m",
     .meaning = "of one attempt"},
    {.key = "priority",
     .type = FIELD_INTEGER,
     .offset = TASK(priority),
     .maximum = 1000,
     .fallback = "0",
     .meaning = "tasks of a higher one are started first"},
    {.key = "budget",
     .type = FIELD_BLOCK,
     .offset = TASK(budget),
     .block = &budget_block,
     .meaning = "limits of the task"},
    {.key = "sandbox",
     .type = FIELD_BLOCK,
     .offset = TASK(sandbox),
     .block = &sandbox_block,
     .meaning = "what commands can see and use"},
    {.key = "policy",
     .type = FIELD_BLOCK,
     .offset = TASK(policy),
     .block = &policy_block,
     .meaning = "what the agent may do"},
};

const struct block task_block = {
    .name = "task",
    .meaning = "One task, or with `matrix` several. Every key but `id` and "
               "`matrix` may also stand under `defaults`: maps are merged key "
               "by key, lists and single values of the task replace.",
    BLOCK_FIELDS(task_fields),
    .exclusive = {"prompt", "prompt_file"},
};
