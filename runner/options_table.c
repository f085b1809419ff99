#include "runner/options_table.h"

#include "base/memory.h"
#include "base/number.h"

/* ---- applying ---------------------------------------------------------- */

int option_add(struct option_list *list, const char *value, const char *name,
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
    return option_add(&options->filters, value, "--filter", err);
}

static int apply_param(struct options *options, const char *value,
                       struct error *err)
{
    if (!strchr(value, '=') || *value == '=')
        return error_set(err, ERROR_USAGE,
                         "--param: expected NAME=VALUE, got '%s'", value);
    return option_add(&options->params, value, "--param", err);
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
#define CHOOSES (FOR(COMMAND_RUN) | FOR(COMMAND_CHECK) | FOR(COMMAND_ESTIMATE))

/* ---- tables ------------------------------------------------------------ */

const struct option_text option_texts[] = {
    {"--jobs", "-j", "N", FOR(COMMAND_RUN) | FOR(COMMAND_ESTIMATE),
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
    {"--task", NULL, "ID", FOR(COMMAND_PROMPT) | FOR(COMMAND_INIT),
     "The task; default: the first.", apply_task},
    {"--dry-run", NULL, NULL, FOR(COMMAND_RUN),
     "Prints each task with its resolved policy and the operations that build "
     "its sandbox, and runs nothing.",
     apply_dry_run},
    {"--model-url", NULL, "URL", FOR(COMMAND_RUN) | FOR(COMMAND_INIT),
     "Uses this base URL instead of model.base_url: a proxy or a test server.",
     apply_model_url},
    {"--cache", NULL, "DIR",
     FOR(COMMAND_RUN) | FOR(COMMAND_PROMPT) | FOR(COMMAND_REPORT),
     "Where repositories are kept between runs; default: NIGHTJAR_CACHE, else "
     "nightjar in XDG_CACHE_HOME or ~/.cache.",
     apply_cache},
    {"--cache-size", NULL, "SIZE", FOR(COMMAND_RUN),
     "What is kept of repositories that nobody uses; default 10G.",
     apply_cache_size},
    {"--report", NULL, "FORMAT[=PATH]",
     FOR(COMMAND_RUN) | FOR(COMMAND_REPORT) | FOR(COMMAND_MERGE),
     "Writes a report in that format ('nightjar help report' lists them) to "
     "PATH, or else into reports/ of the run directory (run) or to standard "
     "output (report). May be given several times. A run always writes json, "
     "junit, markdown and html.",
     apply_report},
    {"--ci", NULL, "github",
     FOR(COMMAND_RUN) | FOR(COMMAND_REPORT) | FOR(COMMAND_MERGE),
     "Tells GitHub Actions about the run: annotations on standard output, the "
     "summary and outputs in the files that GITHUB_STEP_SUMMARY and "
     "GITHUB_OUTPUT name.",
     apply_ci},
    {"--author", NULL, "AUTHOR",
     FOR(COMMAND_RUN) | FOR(COMMAND_REPORT) | FOR(COMMAND_MERGE),
     "Who made the patches, as in 'Name <mail>', in the reports mail, patches "
     "and bundles; default: nightjar <nightjar@localhost>.",
     apply_author},
    {"--fetch", NULL, NULL, FOR(COMMAND_REPORT) | FOR(COMMAND_MERGE),
     "For the report bundles: fetches what the cache of repositories does not "
     "have, from where the run directory says. Only for run directories that "
     "you trust.",
     apply_fetch},
    {"--otlp", NULL, NULL, FOR(COMMAND_REPORT),
     "Sends spans and metrics to where the OTEL_ variables say. A run does so "
     "at its end by itself.",
     apply_otlp},
    {"--from", NULL, "DIR", FOR(COMMAND_ESTIMATE),
     "The run to go by: of the same tasks, or of some of them.", apply_from},
    {"--no-pager", NULL, NULL, FOR(COMMAND_SHOW),
     "Prints to the terminal itself.", apply_no_pager},
    {"--prompt", NULL, "TEXT", FOR(COMMAND_INIT), "What is to be done.",
     apply_prompt},
    {"--repo", NULL, "URL", FOR(COMMAND_INIT),
     "The repository; default: the one of the current directory.", apply_repo},
    {"--verify", NULL, "COMMAND", FOR(COMMAND_INIT),
     "A check that proves it; may be given several times.", apply_verify},
    {"--setup", NULL, "COMMAND", FOR(COMMAND_INIT),
     "What has to run first; may be given several times.", apply_setup},
    {"--model", NULL, "NAME", FOR(COMMAND_INIT), "The model; default: gpt-5.5.",
     apply_model},
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
    {"--verbose", "-v", NULL, FOR(COMMAND_RUN) | FOR(COMMAND_SHOW),
     "Also tells about turns, tool calls and steps that passed (run); shows "
     "all of every output and what every task is told (show).",
     apply_verbose},
    {"--color", NULL, "WHEN",
     FOR(COMMAND_RUN) | FOR(COMMAND_REPORT) | FOR(COMMAND_MERGE) |
         FOR(COMMAND_SHOW),
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
     FOR(COMMAND_SANDBOX) | FOR(COMMAND_DOCTOR) | FOR(COMMAND_PROMPT) |
         FOR(COMMAND_DIFF) | FOR(COMMAND_ESTIMATE),
     "As JSON: the report of doctor on standard output, that of sandbox as the "
     "last line on standard error; the body of prompt's request; what diff and "
     "estimate say.",
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
    {"OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS, "
     "OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES and the like",
     "where spans and metrics of a run are sent; nowhere unless set"},
    {"GITHUB_OUTPUT, GITHUB_STEP_SUMMARY, GITHUB_WORKSPACE, GITHUB_REPOSITORY, "
     "CI_PROJECT_DIR, CI_PROJECT_URL",
     "the CI job: files for --ci, and whose files reports may point at"},
    {"PAGER", "for 'nightjar show' on a terminal; default less"},
    {"SSL_CERT_FILE, SSL_CERT_DIR", "certificates of authorities to trust"},
    {"NIGHTJAR_CACHE, XDG_CACHE_HOME",
     "where repositories are kept, unless --cache says it"},
    {"TMPDIR", "for temporary folders of sandbox and doctor; default /tmp"},
    {"NO_COLOR", "no colour unless --color=always"},
};

const size_t variable_count = ARRAY_LENGTH(variable_texts);
