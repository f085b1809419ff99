#include "runner/options_table.h"

#include "base/memory.h"
#include "base/number.h"

/* ---- applying ---------------------------------------------------------- */

static int add(struct option_list *list, const char *value, const char *name,
               struct error *err)
{
    if (list->count == OPTIONS_LIST_MAX)
        return error_set(err, ERROR_USAGE, "%s: at most %d times", name,
                         OPTIONS_LIST_MAX);
    list->items[list->count++] = value;
    return 0;
}

static int apply_jobs(struct options *options, const char *value,
                      struct error *err)
{
    if (number_int64(value, &options->jobs) || options->jobs < 1 ||
        options->jobs > 1024)
        return error_set(err, ERROR_USAGE,
                         "--jobs: expected 1 to 1024, got '%s'", value);
    return 0;
}

static int apply_out(struct options *options, const char *value,
                     struct error *err)
{
    if (!*value)
        return error_set(err, ERROR_USAGE, "--out: expected a folder");
    options->out = value;
    return 0;
}

static int apply_filter(struct options *options, const char *value,
                        struct error *err)
{
    return add(&options->filters, value, "--filter", err);
}

static int apply_param(struct options *options, const char *value,
                       struct error *err)
{
    if (!strchr(value, '=') || *value == '=')
        return error_set(err, ERROR_USAGE,
                         "--param: expected NAME=VALUE, got '%s'", value);
    return add(&options->params, value, "--param", err);
}

static int apply_report(struct options *options, const char *value,
                        struct error *err)
{
    return add(&options->reports, value, "--report", err);
}

static int apply_model_url(struct options *options, const char *value,
                           struct error *err)
{
    if (strncmp(value, "http://", 7) != 0 && strncmp(value, "https://", 8) != 0)
        return error_set(err, ERROR_USAGE,
                         "--model-url: expected an http or https URL, got '%s'",
                         value);
    options->model_url = value;
    return 0;
}

static int apply_resume(struct options *options, const char *value,
                        struct error *err)
{
    if (!*value)
        return error_set(err, ERROR_USAGE, "--resume: expected a folder");
    options->resume = value;
    return 0;
}

static int apply_record(struct options *options, const char *value,
                        struct error *err)
{
    if (!*value)
        return error_set(err, ERROR_USAGE, "--record: expected a folder");
    options->record = value;
    return 0;
}

static int apply_replay(struct options *options, const char *value,
                        struct error *err)
{
    if (!*value)
        return error_set(err, ERROR_USAGE, "--replay: expected a folder");
    options->replay = value;
    return 0;
}

static int apply_task(struct options *options, const char *value,
                      struct error *err)
{
    (void)err;
    options->task = value;
    return 0;
}

static int apply_dry_run(struct options *options, const char *value,
                         struct error *err)
{
    (void)value;
    (void)err;
    options->dry_run = true;
    return 0;
}

static int apply_quiet(struct options *options, const char *value,
                       struct error *err)
{
    (void)value;
    (void)err;
    options->verbosity = PROGRESS_QUIET;
    return 0;
}

static int apply_verbose(struct options *options, const char *value,
                         struct error *err)
{
    (void)value;
    (void)err;
    options->verbosity = PROGRESS_VERBOSE;
    return 0;
}

static int apply_color(struct options *options, const char *value,
                       struct error *err)
{
    static const char *const words[] = {"auto", "always", "never"};

    for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
        if (!strcmp(words[i], value)) {
            options->color = (enum color_mode)i;
            return 0;
        }
    }
    return error_set(err, ERROR_USAGE,
                     "--color: expected auto, always or never, got '%s'",
                     value);
}

static int apply_man(struct options *options, const char *value,
                     struct error *err)
{
    (void)value;
    (void)err;
    options->format = HELP_MAN;
    return 0;
}

static int apply_markdown(struct options *options, const char *value,
                          struct error *err)
{
    (void)value;
    (void)err;
    options->format = HELP_MARKDOWN;
    return 0;
}

static int apply_help(struct options *options, const char *value,
                      struct error *err)
{
    (void)value;
    (void)err;
    options->help = true;
    return 0;
}

/* Commands that choose among the tasks of manifests. */
#define CHOOSES (FOR(COMMAND_RUN) | FOR(COMMAND_CHECK))

/* ---- tables ------------------------------------------------------------ */

const struct command_text command_texts[COMMANDS] = {
    [COMMAND_RUN] =
        {"run", "MANIFEST...", 0, OPTIONS_LIST_MAX,
         "work on every task of the manifests",
         "Takes every task from its repository to a verified patch: clones "
         "it, lets the model work on it in a sandbox, applies the patch to a "
         "clean checkout and runs the task's checks there.\n\n"
         "What happened goes to a run directory: journal.jsonl, tasks/ID/ "
         "with patch.diff, final.md and transcript.jsonl, and reports/ with "
         "report.json and junit.xml. Progress goes to standard error, the "
         "final table to standard output. Standard input is never read.\n\n"
         "The first SIGINT, SIGTERM or SIGHUP lets running tasks finish their "
         "turn and starts nothing more; the second ends them. Reports are "
         "written in both cases.",
         "nightjar run tasks.yaml  # all tasks\n"
         "nightjar run tasks.yaml --filter 'fix-*' --jobs 4  # some of them\n"
         "nightjar run tasks.yaml --dry-run  # show what would be done\n"
         "nightjar run tasks.yaml --sample 20  # a few, to see how it goes\n"
         "nightjar run tasks.yaml --shard 2/4  # a part, on one of 4 machines\n"
         "nightjar run --resume .nightjar/runs/ID  # go on with one that was "
         "cut off\n"
         "nightjar run --resume .nightjar/runs/ID --retry failed  # once more"},
    [COMMAND_CHECK] =
        {"check", "MANIFEST...", 1, OPTIONS_LIST_MAX,
         "check manifests and list their tasks",
         "Reads and expands the manifests, prints every problem in them, and "
         "otherwise the ids of their tasks. Nothing is cloned or run.",
         "nightjar check tasks.yaml  # is it right, and what is in it"},
    [COMMAND_REPORT] =
        {"report", "RUN_DIRECTORY", 1, 1, "write reports of a run again",
         "Reads the journal of a run directory and writes reports from it; "
         "the same journal always gives the same bytes. Without --report it "
         "prints the table.",
         "nightjar report .nightjar/runs/ID --report junit  # to standard "
         "output\n"
         "nightjar report out --report json=report.json  # to a file"},
    [COMMAND_PLAN] =
        {"plan", "MANIFEST...", 1, OPTIONS_LIST_MAX,
         "tell how the tasks can be divided between machines",
         "Prints how many tasks each part has, for --shard of run. With "
         "--matrix github, prints the matrix of a job that runs one part on "
         "each machine, as one line of JSON.",
         "nightjar plan tasks.yaml --shards 4  # what is in each of 4 parts\n"
         "nightjar plan tasks.yaml --matrix github  # for fromJSON() in a "
         "workflow"},
    [COMMAND_MERGE] =
        {"merge", "RUN_DIRECTORY...", 1, OPTIONS_LIST_MAX,
         "make one run of several",
         "Puts the runs of all parts into one run directory, with the same "
         "reports as if one machine had run all of it. Of a task that is in "
         "several, the one that ended last counts, and it is told. The exit "
         "status is that of the whole.",
         "nightjar merge part-*/ --out all  # what the machines brought back"},
    [COMMAND_STATUS] =
        {"status", "RUN_DIRECTORY", 1, 1,
         "tell how far a run is, from another shell",
         "Prints what is done and what goes on, from the run's journal, which "
         "is only read: running tasks with their turn, tokens, cost and "
         "command, totals, and when it may be done.",
         "nightjar status .nightjar/runs/ID  # once\n"
         "watch nightjar status .nightjar/runs/ID  # again and again"},
    [COMMAND_LOGS] =
        {"logs", "RUN_DIRECTORY TASK", 2, 2, "print what happened in a task",
         "Prints a line for each event of a task: turns, commands with their "
         "outcome, checks with their output, verdicts.",
         "nightjar logs .nightjar/runs/ID fix-login  # until now\n"
         "nightjar logs .nightjar/runs/ID fix-login --follow  # and on"},
    [COMMAND_PROMPT] =
        {"prompt", "MANIFEST...", 1, OPTIONS_LIST_MAX,
         "print what the model is sent first",
         "Fetches the repository and prints, for each part of a task's first "
         "request, what it is, about how many tokens it has, and its text as "
         "the model gets it. With --json, prints the request's body, byte for "
         "byte as it would be sent. Needs no key, and sends nothing.",
         "nightjar prompt tasks.yaml --task fix-login  # of one task\n"
         "nightjar prompt tasks.yaml --json | jq .tools  # a part of it"},
    [COMMAND_WHY] =
        {"why", "RUN_DIRECTORY TASK", 2, 2,
         "tell what was decided about a task's tool calls",
         "Prints each tool call of a task with the decision about it, the rule "
         "that made it and the reason, as its events have it. Rules are named "
         "by file and line; default:LINE is a line of what 'nightjar policy' "
         "prints.",
         "nightjar why .nightjar/runs/ID fix-login  # all calls of a task"},
    [COMMAND_POLICY] =
        {"policy", "", 0, 0, "print the rules that every policy ends with",
         "Prints the default rules about tool calls, as the part of a manifest "
         "that would say the same. They follow after a manifest's own.",
         "nightjar policy  # what is denied when nothing else is said"},
    [COMMAND_SANDBOX] =
        {"sandbox", "-- COMMAND...", 1, OPTIONS_WORDS,
         "run a command in the sandbox that tasks have",
         "Runs a command as the commands of a task run: it sees the system's "
         "programs, an empty home and temporary folder of its own, and the "
         "workspace, which is changed in place; of the network, of other "
         "processes and of the environment nothing that is not named.\n\n"
         "Standard input, output and errors are passed through; on a terminal "
         "the command gets one of its own. The exit status is the command's, "
         "128 and its number for a signal; 127 or 126 when the command cannot "
         "be started, 125 when the sandbox cannot be made. What ended it at a "
         "limit is told on standard error.\n\n"
         "The workspace is untrusted afterwards: nothing in it should be run "
         "outside. Of its own repository, hooks and configuration are put "
         "back as they were: what the command made of them is kept beside "
         "them with the ending .nightjar-refused. Input is read ahead: give "
         "</dev/null in a loop that reads a list.",
         "nightjar sandbox -- make -j4 test  # does the build work in it\n"
         "nightjar sandbox -n registry.npmjs.org -- npm ci  # one host\n"
         "nightjar sandbox -m 512M -t 1m --json -- ./run.sh  # with limits"},
    [COMMAND_DOCTOR] =
        {"doctor", "", 0, 0, "probe what the host gives sandboxes",
         "Tries every layer of the sandbox by using it and tells, for each, "
         "whether it works, why not, and what to do about it. The exit status "
         "is 0 when commands can be confined, and 3 when they cannot.",
         "nightjar doctor  # is this machine fit, and what is missing\n"
         "nightjar doctor --json  # the same for programs"},
    [COMMAND_SCHEMA] =
        {"schema", "", 0, 0, "print the JSON Schema of manifests",
         "For editors: name it in the manifest's first line, '# "
         "yaml-language-server: $schema=nightjar.schema.json'. With "
         "--markdown, prints the reference of all keys instead.",
         "nightjar schema > nightjar.schema.json  # for an editor"},
    [COMMAND_HELP] = {"help", "[COMMAND]", 0, 1, "explain a command",
                      "Prints what the program or one of its commands does, as "
                      "text or as a manual page. With --markdown, prints the "
                      "reference of all commands; with --completion, what a "
                      "shell needs to complete command lines.",
                      "nightjar help run  # of one command\n"
                      "nightjar help --man run | man -l -  # as a man page\n"
                      "source <(nightjar help --completion bash)  # in bash"},
    [COMMAND_VERSION] = {"version", "", 0, 0,
                         "print the version and those of the libraries",
                         "Also as 'nightjar --version'.",
                         "nightjar version  # for a report of a fault"},
};

const struct option_text option_texts[] = {
    {"--jobs", "-j", "N", FOR(COMMAND_RUN),
     "Work on N tasks at once (1 to 1024); default: run.jobs of the manifest, "
     "else the number of processors.",
     apply_jobs},
    {"--out", "-o", "DIR", FOR(COMMAND_RUN) | FOR(COMMAND_MERGE),
     "The run directory, new or empty; default: .nightjar/runs/RUN_ID.",
     apply_out},
    {"--filter", NULL, "GLOB", CHOOSES | FOR(COMMAND_PLAN),
     "Only tasks whose id matches; may be given several times.", apply_filter},
    {"--sample", NULL, "N", CHOOSES | FOR(COMMAND_PLAN),
     "Only N of those tasks, drawn by --seed and their ids alone.",
     apply_sample},
    {"--seed", NULL, "TEXT", CHOOSES | FOR(COMMAND_PLAN),
     "What --sample draws by: the same one draws the same tasks.", apply_seed},
    {"--limit", NULL, "N", CHOOSES | FOR(COMMAND_PLAN),
     "Only the first N of those.", apply_limit},
    {"--shard", NULL, "I/N", CHOOSES,
     "Of those, only the I-th of N parts (from 1). Which part a task is in "
     "depends on its id alone, or on --durations; 'nightjar merge' puts the "
     "runs of all parts together.",
     apply_shard},
    {"--durations", NULL, "DIR", CHOOSES | FOR(COMMAND_PLAN),
     "Makes parts that take as long as each other, by how long the tasks took "
     "in the run of that directory. Every part must be told the same.",
     apply_durations},
    {"--param", "-p", "NAME=VALUE",
     CHOOSES | FOR(COMMAND_PLAN) | FOR(COMMAND_PROMPT),
     "Sets a parameter of the manifest; may be given several times.",
     apply_param},
    {"--resume", NULL, "DIR", FOR(COMMAND_RUN),
     "Goes on with the run of that directory, in place of manifests: tasks "
     "without a result from their last response on, which is not paid for "
     "again; those that ended in an error again as well.",
     apply_resume},
    {"--retry", NULL, "WHAT", FOR(COMMAND_RUN),
     "With --resume, which finished tasks to work on again: failed, "
     "failed:REASON (a fresh attempt each), error or error:KIND (from where "
     "they were); may be given several times; default: error.",
     apply_retry},
    {"--rerun", NULL, "ID", FOR(COMMAND_RUN),
     "With --resume, begins that task anew, whatever became of it, and leaves "
     "errors alone unless --retry names them; a glob names several; may be "
     "given several times.",
     apply_rerun},
    {"--record", NULL, "DIR", FOR(COMMAND_RUN),
     "Keeps every exchange with the model in that folder, new or empty.",
     apply_record},
    {"--replay", NULL, "DIR", FOR(COMMAND_RUN),
     "Takes every response from such a folder: no key, no network, and the "
     "same reports each time. A request that differs from the recorded one "
     "ends its task, and is shown.",
     apply_replay},
    {"--task", NULL, "ID", FOR(COMMAND_PROMPT), "The task; default: the first.",
     apply_task},
    {"--dry-run", NULL, NULL, FOR(COMMAND_RUN),
     "Prints each task with its resolved policy and the operations that build "
     "its sandbox, and runs nothing.",
     apply_dry_run},
    {"--model-url", NULL, "URL", FOR(COMMAND_RUN),
     "Uses this base URL instead of model.base_url: a proxy or a test server.",
     apply_model_url},
    {"--cache", NULL, "DIR", FOR(COMMAND_RUN) | FOR(COMMAND_PROMPT),
     "Where repositories are kept between runs; default: NIGHTJAR_CACHE, else "
     "nightjar in XDG_CACHE_HOME or ~/.cache.",
     apply_cache},
    {"--cache-size", NULL, "SIZE", FOR(COMMAND_RUN),
     "What is kept of repositories that nobody uses; default 10G.",
     apply_cache_size},
    {"--report", NULL, "FORMAT[=PATH]",
     FOR(COMMAND_RUN) | FOR(COMMAND_REPORT) | FOR(COMMAND_MERGE),
     "Writes a report: json, junit or table; to PATH, or else into reports/ of "
     "the run directory (run) or to standard output (report). May be given "
     "several times.",
     apply_report},
    {"--matrix", NULL, "github", FOR(COMMAND_PLAN),
     "As the matrix of a GitHub Actions job, one part each.", apply_matrix},
    {"--shards", NULL, "N", FOR(COMMAND_PLAN),
     "How many parts; default: one for 25 tasks, at most 256.", apply_shards},
    {"--follow", "-f", NULL, FOR(COMMAND_LOGS),
     "Goes on until the task has ended.", apply_follow},
    {"--progress", NULL, "FORM", FOR(COMMAND_RUN),
     "live (a picture that is drawn again, on terminals), plain (a line for "
     "each change), github or gitlab (lines of a task folded together); auto "
     "chooses.",
     apply_progress},
    {"--quiet", "-q", NULL, FOR(COMMAND_RUN),
     "No progress and no table; errors only.", apply_quiet},
    {"--verbose", "-v", NULL, FOR(COMMAND_RUN),
     "Also tells about turns, tool calls and steps that passed.",
     apply_verbose},
    {"--color", NULL, "WHEN",
     FOR(COMMAND_RUN) | FOR(COMMAND_REPORT) | FOR(COMMAND_MERGE),
     "auto, always or never; auto is colour on a terminal unless NO_COLOR is "
     "set.",
     apply_color},
    {"--workspace", "-w", "DIR[:INSIDE]", FOR(COMMAND_SANDBOX),
     "The folder to work in, and where it is inside; default: the current "
     "directory, at /workspace.",
     apply_workspace},
    {"--network", "-n", "WHAT", FOR(COMMAND_SANDBOX),
     "none (the default), open, or hosts separated by commas, which are "
     "reached through a proxy: example.org, example.org:8443, "
     "*.example.org, 10.0.0.7, 10.0.0.0/8, localhost:8080.",
     apply_network},
    {"--read", NULL, "PATH", FOR(COMMAND_SANDBOX),
     "A path of the host that can be read inside; may be given several times.",
     apply_read},
    {"--write", NULL, "PATH", FOR(COMMAND_SANDBOX),
     "A path of the host that can be written to; may be given several times.",
     apply_write},
    {"--env", "-e", "NAME=VALUE", FOR(COMMAND_SANDBOX),
     "A variable of the command; may be given several times.", apply_env},
    {"--memory", "-m", "SIZE", FOR(COMMAND_SANDBOX),
     "Memory of all processes together; default 2G, 0 for no limit.",
     apply_memory},
    {"--pids", NULL, "N", FOR(COMMAND_SANDBOX),
     "Processes and threads at once; default 512.", apply_pids},
    {"--cpu", NULL, "N", FOR(COMMAND_SANDBOX),
     "Processors, such as 2 or 0.5; default: all.", apply_cpu},
    {"--cpu-time", NULL, "TIME", FOR(COMMAND_SANDBOX),
     "Processor time of all processes together; default: no limit.",
     apply_cpu_time},
    {"--disk", NULL, "SIZE", FOR(COMMAND_SANDBOX),
     "What may be added to the workspace and temporary files together; "
     "default: no limit.",
     apply_disk},
    {"--file-size", NULL, "SIZE", FOR(COMMAND_SANDBOX),
     "The size of each file; default: no limit.", apply_file_size},
    {"--timeout", "-t", "TIME", FOR(COMMAND_SANDBOX),
     "Ends the command after that time; default: never.", apply_timeout},
    {"--require", NULL, "LAYERS", FOR(COMMAND_SANDBOX),
     "Layers without which nothing is run, separated by commas: namespaces, "
     "landlock, seccomp, cgroup; default: namespaces,seccomp.",
     apply_require},
    {"--without", NULL, "LAYERS", FOR(COMMAND_SANDBOX),
     "Does as if the host lacked these layers, to see what is left.",
     apply_without},
    {"--json", NULL, NULL,
     FOR(COMMAND_SANDBOX) | FOR(COMMAND_DOCTOR) | FOR(COMMAND_PROMPT),
     "As JSON: the report of doctor on standard output, that of sandbox as the "
     "last line on standard error; the body of prompt's request.",
     apply_json},
    {"--man", NULL, NULL, FOR(COMMAND_HELP),
     "The manual page of the program, or of COMMAND.", apply_man},
    {"--completion", NULL, "SHELL", FOR(COMMAND_HELP),
     "The completion script of that shell: bash, zsh or fish.",
     apply_completion},
    {"--markdown", NULL, NULL,
     FOR(COMMAND_HELP) | FOR(COMMAND_SCHEMA) | FOR(COMMAND_DOCTOR),
     "As Markdown: the manual, the reference of manifest keys, or, of doctor, "
     "the system calls that sandboxes answer.",
     apply_markdown},
    {"--help", "-h", NULL, ~0U, "Explains the command.", apply_help},
};

const size_t option_count = ARRAY_LENGTH(option_texts);

const struct exit_text exit_texts[] = {
    {0, "passed", "every task passed"},
    {1, "failed", "the run is complete and some task failed"},
    {2, "usage", "the command line or a manifest is wrong; nothing was run"},
    {3, "incomplete",
     "some task ended in an error, the world's fault: trying again may help"},
    {4, "limit",
     "a limit of the run stopped it (run.budget, run.failures, "
     "run.fail_fast)"},
    {70, "internal", "a fault of nightjar itself"},
    {130, "interrupted", "ended by SIGINT; the journal is complete"},
    {143, "terminated", "ended by SIGTERM or SIGHUP; the journal is complete"},
};

const size_t exit_count = ARRAY_LENGTH(exit_texts);

const struct variable_text variable_texts[] = {
    {"OPENAI_API_KEY", "the model's key, unless model.key_env names another "
                       "variable; never given to a command"},
    {"GH_TOKEN, GITHUB_TOKEN",
     "for https clones from github.com and the host of GITHUB_SERVER_URL"},
    {"GITLAB_TOKEN, CI_JOB_TOKEN",
     "for https clones from gitlab.com (GITLAB_TOKEN) and CI_SERVER_HOST"},
    {"NIGHTJAR_GIT_TOKEN",
     "for https clones from the host in NIGHTJAR_GIT_TOKEN_HOST"},
    {"SSH_AUTH_SOCK", "the SSH agent, for ssh clones"},
    {"HTTPS_PROXY, HTTP_PROXY, NO_PROXY", "proxies for models and clones"},
    {"SSL_CERT_FILE, SSL_CERT_DIR", "certificates of authorities to trust"},
    {"NIGHTJAR_CACHE, XDG_CACHE_HOME",
     "where repositories are kept, unless --cache says it"},
    {"TMPDIR", "for temporary folders of sandbox and doctor; default /tmp"},
    {"NO_COLOR", "no colour unless --color=always"},
};

const size_t variable_count = ARRAY_LENGTH(variable_texts);
