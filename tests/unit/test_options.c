/* runner/options: what the command line means, and every message about one
 * that is wrong. */
#include "runner/options.h"

#include "base/memory.h"
#include "runner/options_table.h"
#include "tests/tap.h"

static struct error err;

/* Splits at blanks; "''" stands for an empty word. Words are kept until the
 * next call. */
static int parse(const char *line, struct options *options)
{
    static char text[4096];
    static char *words[300];
    int count = 0;
    char *at = text;

    snprintf(text, sizeof(text), "%s", line);
    words[count++] = (char[]){"nightjar"};
    while (*at) {
        size_t length = strcspn(at, " ");

        words[count] = at;
        if (at[length])
            at[length++] = '\0';
        if (!strcmp(words[count], "''"))
            words[count][0] = '\0';
        count++;
        at += length;
    }
    words[count] = NULL;
    err = (struct error){.kind = ERROR_NONE};
    return options_parse(count, words, options, &err);
}

static void is_wrong(const char *line, const char *message, const char *hint)
{
    struct options options;

    tap_int(parse(line, &options), -1, "wrong: %.60s", line);
    tap_string(err.text, message, "the message");
    tap_string(err.hint, hint, "the hint");
    tap_int(err.kind, ERROR_USAGE, "the kind");
}

static void is_right(const char *line, struct options *options)
{
    tap_int(parse(line, options), 0, "right: %.60s %s", line, err.text);
}

static void test_commands(void)
{
    static const struct {
        const char *line;
        enum command command;
    } lines[] = {{"", COMMAND_HELP},           {"--help", COMMAND_HELP},
                 {"-h", COMMAND_HELP},         {"help", COMMAND_HELP},
                 {"help run", COMMAND_HELP},   {"--version", COMMAND_VERSION},
                 {"-V", COMMAND_VERSION},      {"version", COMMAND_VERSION},
                 {"run a.yaml", COMMAND_RUN},  {"check a b", COMMAND_CHECK},
                 {"report d", COMMAND_REPORT}, {"schema", COMMAND_SCHEMA}};
    struct options options;

    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++) {
        is_right(lines[i].line, &options);
        tap_int(options.command, lines[i].command, "the command");
    }
    for (int command = 0; command < COMMANDS; command++)
        tap_int(options_find_command(command_texts[command].name), command,
                "found by its name");
    tap_int(options_find_command("runs"), COMMANDS, "there is none");
    tap_int(options_find_command(""), COMMANDS, "nor one without a name");
}

static void test_wrong_commands(void)
{
    is_wrong("rum", "unknown command 'rum'", "did you mean 'run'?");
    is_wrong("Check x", "unknown command 'Check'", "did you mean 'check'?");
    is_wrong("reprot x", "unknown command 'reprot'", "did you mean 'report'?");
    is_wrong("destroy", "unknown command 'destroy'",
             "'nightjar help' lists the commands");
    is_wrong("--jobs 4 run", "unknown command '--jobs'",
             "'nightjar help' lists the commands");
    is_wrong("''", "unknown command ''", "'nightjar help' lists the commands");
}

static void test_defaults(void)
{
    struct options options;

    is_right("run a.yaml", &options);
    tap_int(options.jobs, -1, "jobs as the manifest says");
    tap_ok(!options.out && !options.model_url && !options.dry_run &&
               !options.help,
           "nothing is set");
    tap_int(options.verbosity, PROGRESS_NORMAL, "verbosity");
    tap_int(options.color, COLOR_AUTO, "colour");
    tap_int((int64_t)options.arguments.count, 1, "one argument");
    tap_string(options.arguments.items[0], "a.yaml", "this one");
}

static void test_forms(void)
{
    static const char *const lines[] = {"run a --jobs 4 b", "run --jobs=4 a b",
                                        "run a -j 4 b", "run -j4 a b",
                                        "run a b --jobs 2 --jobs 4"};
    struct options options;

    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++) {
        is_right(lines[i], &options);
        tap_int(options.jobs, 4, "the value");
        tap_int((int64_t)options.arguments.count, 2, "both arguments");
        tap_string(options.arguments.items[1], "b", "in order");
    }
    is_right("run -- --jobs -x", &options);
    tap_int((int64_t)options.arguments.count, 2, "behind -- all are arguments");
    is_right("run -", &options);
    tap_string(options.arguments.items[0], "-", "a dash is one");
    is_right("run --out=a=b m", &options);
    tap_string(options.out, "a=b", "a value with a sign");
    is_right("run --out -x m", &options);
    tap_string(options.out, "-x", "a value that looks like an option");
}

static void test_all_options(void)
{
    struct options options;

    is_right("run m -o dir --filter a --filter b* -p x=1 --param y= --report "
             "json --report junit=out.xml --dry-run --model-url http://h -v "
             "--color always",
             &options);
    tap_string(options.out, "dir", "--out");
    tap_int((int64_t)options.filters.count, 2, "--filter");
    tap_string(options.filters.items[1], "b*", "the second");
    tap_int((int64_t)options.params.count, 2, "--param");
    tap_string(options.params.items[1], "y=", "an empty value");
    tap_int((int64_t)options.reports.count, 2, "--report");
    tap_string(options.reports.items[1], "junit=out.xml", "with a path");
    tap_ok(options.dry_run, "--dry-run");
    tap_string(options.model_url, "http://h", "--model-url");
    tap_int(options.verbosity, PROGRESS_VERBOSE, "-v");
    tap_int(options.color, COLOR_ALWAYS, "--color");
    is_right("run m --quiet --color=never", &options);
    tap_int(options.verbosity, PROGRESS_QUIET, "--quiet");
    tap_int(options.color, COLOR_NEVER, "never");
    is_right("help --man", &options);
    tap_int(options.format, HELP_MAN, "--man");
    is_right("schema --markdown", &options);
    tap_int(options.format, HELP_MARKDOWN, "--markdown");
    for (int command = 0; command < COMMANDS; command++) {
        CLEANUP(mem_free)
        char *line = mem_format("%s --help", command_texts[command].name);

        is_right(line, &options);
        tap_ok(options.help, "--help, without arguments");
    }
}

static void test_wrong_options(void)
{
    is_wrong("run m --job 4", "run: unknown option '--job'",
             "did you mean '--jobs'?");
    is_wrong("run m --job=4", "run: unknown option '--job'",
             "did you mean '--jobs'?");
    is_wrong("run m --colour=always", "run: unknown option '--colour'",
             "did you mean '--color'?");
    is_wrong("run m --frobnicate", "run: unknown option '--frobnicate'",
             "'nightjar help run' lists its options");
    is_wrong("check m --jobs 4", "check: unknown option '--jobs'",
             "'nightjar help check' lists its options");
    is_wrong("run m -x", "run: unknown option '-x'",
             "'nightjar help run' lists its options");
    is_wrong("run m -xj4", "run: unknown option '-xj4'",
             "'nightjar help run' lists its options");
}

static void test_missing_values(void)
{
    is_wrong("run m --jobs", "--jobs needs N", "");
    is_wrong("run m -j", "--jobs needs N", "");
    is_wrong("run m --out", "--out needs DIR", "");
    is_wrong("run m --filter", "--filter needs GLOB", "");
    is_wrong("run m --param", "--param needs NAME=VALUE", "");
    is_wrong("run m --report", "--report needs FORMAT[=PATH]", "");
    is_wrong("run m --model-url", "--model-url needs URL", "");
    is_wrong("run m --color", "--color needs WHEN", "");
    is_wrong("run m --dry-run=yes", "--dry-run takes no value", "");
    is_wrong("run m --dry-run=", "--dry-run takes no value", "");
    is_wrong("run m -qv", "--quiet takes no value", "");
    is_wrong("run m --help=x", "--help takes no value", "");
}

static void test_wrong_values(void)
{
    static const char *const jobs[] = {
        "0", "1025", "-1", "x", "4x", "1.5", "''", "99999999999999999999"};

    for (size_t i = 0; i < ARRAY_LENGTH(jobs); i++) {
        CLEANUP(mem_free) char *line = mem_format("run m --jobs %s", jobs[i]);
        CLEANUP(mem_free)
        char *message = mem_format("--jobs: expected 1 to 1024, got '%s'",
                                   strcmp(jobs[i], "''") ? jobs[i] : "");

        is_wrong(line, message, "");
    }
    is_wrong("run m --jobs=", "--jobs: expected 1 to 1024, got ''", "");
    is_wrong("run m --out ''", "--out: expected a folder", "");
    is_wrong("run m --param x", "--param: expected NAME=VALUE, got 'x'", "");
    is_wrong("run m --param =x", "--param: expected NAME=VALUE, got '=x'", "");
    is_wrong("run m --model-url ftp://h",
             "--model-url: expected an http or https URL, got 'ftp://h'", "");
    is_wrong("run m --model-url h",
             "--model-url: expected an http or https URL, got 'h'", "");
    is_wrong("run m --color red",
             "--color: expected auto, always or never, got 'red'", "");
    is_wrong("run m --color ''",
             "--color: expected auto, always or never, got ''", "");
}

static void test_arguments(void)
{
    is_wrong("run", "run needs MANIFEST...",
             "'nightjar help run' has examples");
    is_wrong("check", "check needs MANIFEST...",
             "'nightjar help check' has examples");
    is_wrong("report", "report needs RUN_DIRECTORY...",
             "'nightjar help report' has examples");
    is_wrong("show a b c", "show: unexpected argument 'c'", "");
    is_wrong("schema x", "schema: unexpected argument 'x'", "");
    is_wrong("version x", "version: unexpected argument 'x'", "");
    is_wrong("help run check", "help: unexpected argument 'check'", "");
}

/* `count` times " part" behind "run m". */
static void repeats(const char *part, size_t count, const char *message)
{
    struct options options;
    struct buffer line;

    buffer_init(&line, 4000);
    buffer_add_string(&line, "run m");
    for (size_t i = 0; i < count; i++)
        buffer_add_string(&line, part);
    tap_int(parse(line.data, &options), message ? -1 : 0, "%zu times%s", count,
            part);
    tap_string(err.text, message ? message : "", "the message");
    buffer_free(&line);
}

static void test_limits(void)
{
    repeats(" m", 63, NULL);
    repeats(" m", 256, "more than 256 arguments");
    repeats(" --filter=a", 256, NULL);
    repeats(" --filter=a", 257, "--filter: at most 256 times");
    repeats(" --param=a=b", 257, "--param: at most 256 times");
    repeats(" --report=json", 257, "--report: at most 256 times");
}

/* Every command and option is told about in every form of the manual. */
static void test_help(void)
{
    static const enum help_format formats[] = {HELP_MAN, HELP_MARKDOWN};

    for (size_t f = 0; f < ARRAY_LENGTH(formats); f++) {
        struct buffer out;

        buffer_init(&out, 1 << 20);
        options_help(COMMANDS, formats[f], &out);
        for (int command = 0; command < COMMANDS; command++)
            tap_contains(out.data, command_texts[command].name, "form %zu: %s",
                         f, command_texts[command].name);
        for (size_t i = 0; i < exit_count; i++)
            tap_contains(out.data, exit_texts[i].text, "form %zu: status %d", f,
                         exit_texts[i].status);
        buffer_free(&out);
    }
    for (int command = 0; command <= COMMANDS; command++) {
        struct buffer out;
        size_t longest = 0;

        buffer_init(&out, 1 << 20);
        options_help((enum command)command, HELP_TEXT, &out);
        for (const char *at = out.data; *at; at += *at == '\n') {
            size_t length = strcspn(at, "\n");

            longest = length > longest ? length : longest;
            at += length;
        }
        tap_ok(longest <= 80, "command %d: lines of at most %zu", command,
               longest);
        for (size_t i = 0; command < COMMANDS && i < option_count; i++) {
            if (option_texts[i].commands & FOR(command))
                tap_contains(out.data, option_texts[i].name, "command %d: %s",
                             command, option_texts[i].name);
        }
        buffer_free(&out);
    }
}

int main(void)
{
    test_commands();
    test_wrong_commands();
    test_defaults();
    test_forms();
    test_all_options();
    test_wrong_options();
    test_missing_values();
    test_wrong_values();
    test_arguments();
    test_limits();
    test_help();
    return tap_done();
}
