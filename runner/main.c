/* nightjar: runs coding-agent tasks with nobody watching. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <yaml.h>

#include "base/memory.h"
#include "runner/activity.h"
#include "runner/agent/policy_default.h"
#include "runner/compare.h"
#include "runner/doctor.h"
#include "runner/init.h"
#include "runner/logs.h"
#include "runner/merge.h"
#include "runner/model/model.h"
#include "runner/options.h"
#include "runner/plan_command.h"
#include "runner/prompt_command.h"
#include "runner/run.h"
#include "runner/sandbox_command.h"
#include "runner/show.h"
#include "runner/why.h"
#include "tasks/mirror.h"

#define HELP_BYTES_MAX ((size_t)4 << 20)
#define STATUS_USAGE 2
#define STATUS_INTERNAL 70

/* Standard input is read by one command alone, and descriptors 0 to 2 are
 * always open, so that no file of ours ever becomes one of them. */
static int prepare_descriptors(bool keep_input)
{
    int fd = open("/dev/null", O_RDWR);

    while (fd >= 0 && fd <= 2)
        fd = open("/dev/null", O_RDWR);
    if (fd < 0 || (!keep_input && dup2(fd, STDIN_FILENO) < 0))
        return -1;
    close(fd);
    return 0;
}

static int print(const struct buffer *text)
{
    if (fwrite(text->data, 1, text->length, stdout) != text->length ||
        fflush(stdout)) {
        fprintf(stderr, "nightjar: standard output: %s\n", strerror(errno));
        return STATUS_INTERNAL;
    }
    return 0;
}

static int print_help(enum command command, enum help_format format)
{
    CLEANUP(buffer_free) struct buffer text = {0};

    buffer_init(&text, HELP_BYTES_MAX);
    options_help(command, format, &text);
    return print(&text);
}

static int help(const struct options *options)
{
    enum command command = COMMANDS;
    struct error err;

    if (options->arguments.count) {
        command = options_find_command(options->arguments.items[0]);
        if (command == COMMANDS) {
            error_set(&err, ERROR_USAGE, "unknown command '%s'",
                      options->arguments.items[0]);
            error_hint(&err, "'nightjar help' lists the commands");
            print_error(&err);
            return STATUS_USAGE;
        }
    }
    return print_help(command, options->format);
}

static const char manifest_preface[] =
    "# The manifest\n\n<!-- Made by `make docs` from the field table. -->\n\n"
    "One YAML file, at most 4 MiB. It reads as a sentence: for these, do this "
    "task, within these limits. `nightjar check FILE` prints every problem in "
    "it with file, line and column; `nightjar schema` prints its JSON Schema "
    "for editors.\n\n"
    "Templates: `{{ matrix.KEY }}`, `{{ param.NAME }}` and `{{ task.id }}` in "
    "`id`, `repo`, `ref`, `directory`, `prompt` and `instructions`. In "
    "commands a template is an error: there the same values are environment "
    "variables (`NIGHTJAR_MATRIX_KEY`, `NIGHTJAR_PARAM_NAME`, "
    "`NIGHTJAR_TASK_ID`), so nothing foreign is ever part of a shell line.\n\n"
    "Secrets are named, never written: a value that looks like a key is an "
    "error. Commands get only the environment that `sandbox.env` and "
    "`sandbox.pass_env` give them.\n\n"
    "`setup` runs before the agent starts and again in each clean checkout "
    "before `verify`; what it changes is not part of the patch. `verify` runs "
    "in a clean checkout with only the patch applied, in a fresh sandbox. With "
    "`verify_expect: fail_then_pass` the checks must fail on the pinned commit "
    "first; paths that match `verify_pin` are as in that commit while "
    "verifying.\n\n";

static int schema(const struct options *options)
{
    CLEANUP(buffer_free) struct buffer text = {0};

    buffer_init(&text, HELP_BYTES_MAX);
    if (options->format == HELP_MARKDOWN) {
        buffer_add_string(&text, manifest_preface);
        manifest_write_reference(&text);
    } else {
        manifest_write_schema(&text);
    }
    return print(&text);
}

static int version(void)
{
    const struct scmp_version *seccomp = seccomp_version();

    printf("nightjar %s\n", NIGHTJAR_VERSION);
    printf("libcurl: %s (%s)\n", model_library_version(), model_tls_version());
    printf("libgit2: %s\n", repositories_version());
    printf("libseccomp: %u.%u.%u\n", seccomp->major, seccomp->minor,
           seccomp->micro);
    printf("libyaml: %s\n", yaml_get_version_string());
    printf("cJSON: %s\n", cJSON_Version());
    return fflush(stdout) ? STATUS_INTERNAL : 0;
}

static int print_policy(void)
{
    CLEANUP(buffer_free) struct buffer text = {0};

    buffer_init(&text, HELP_BYTES_MAX);
    policy_default_write(&text);
    return print(&text);
}

static int dispatch(const struct options *options)
{
    if (options->help)
        return print_help(options->command, HELP_TEXT);
    switch (options->command) {
    case COMMAND_RUN:
        return run_command(options);
    case COMMAND_CHECK:
        return check_command(options);
    case COMMAND_PLAN:
        return plan_command(options);
    case COMMAND_MERGE:
        return merge_command(options);
    case COMMAND_STATUS:
        return status_command(options);
    case COMMAND_LOGS:
        return logs_command(options);
    case COMMAND_REPORT:
        return report_command(options);
    case COMMAND_SHOW:
        return show_command(options);
    case COMMAND_DIFF:
        return diff_command(options);
    case COMMAND_ESTIMATE:
        return estimate_command(options);
    case COMMAND_INIT:
        return init_command(options);
    case COMMAND_PROMPT:
        return prompt_command(options);
    case COMMAND_WHY:
        return why_command(options);
    case COMMAND_POLICY:
        return print_policy();
    case COMMAND_SANDBOX:
        return sandbox_command(options);
    case COMMAND_DOCTOR:
        return doctor_command(options);
    case COMMAND_SCHEMA:
        return schema(options);
    case COMMAND_VERSION:
        return version();
    default:
        return help(options);
    }
}

int main(int argc, char **argv)
{
    struct options options;
    struct error err;

    bool sandbox = argc > 1 && !strcmp(argv[1], "sandbox");

    if (prepare_descriptors(sandbox))
        return STATUS_INTERNAL;
    if (options_parse(argc, argv, &options, &err)) {
        print_error(&err);
        /* Of a command that is run for its own status, 2 may be that. */
        return sandbox ? SANDBOX_STATUS_FAILED : STATUS_USAGE;
    }
    return dispatch(&options);
}
