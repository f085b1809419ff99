#include "runner/ci.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/printable.h"
#include "reporters/mail.h"
#include "runner/reports.h"

#define TEXT_BYTES_MAX ((size_t)64 << 20)
#define OUTPUT_BYTES_MAX ((size_t)900 << 10) /* GitHub takes 1 MiB of a job */
#define SUMMARY_FILE_MAX \
    ((int64_t)1 << 20) /* of a step; more and all is lost */

/* ---- whose files the job has --------------------------------------------- */

static const char *variable(const char *name)
{
    const char *value = getenv(name);

    return value ? value : "";
}

/* Whether `repo` is that address, however it ends. */
static bool is_address(const char *repo, const char *address)
{
    size_t length = strlen(address);
    size_t slashes = 0;

    while (length && address[length - 1] == '/')
        length--;
    if (!length || strncmp(repo, address, length) != 0)
        return false;
    repo += length;
    if (!strncmp(repo, ".git", 4))
        repo += 4;
    while (repo[slashes] == '/')
        slashes++;
    return !repo[slashes];
}

char *ci_repository(const struct run_outcome *outcome)
{
    CLEANUP(mem_free)
    char *github = mem_format("%s/%s", variable("GITHUB_SERVER_URL"),
                              variable("GITHUB_REPOSITORY"));
    const char *addresses[] = {variable("GITHUB_WORKSPACE"),
                               *variable("GITHUB_REPOSITORY") ? github : "",
                               variable("CI_PROJECT_DIR"),
                               variable("CI_PROJECT_URL")};
    bool known = false;

    for (size_t i = 0; i < ARRAY_LENGTH(addresses); i++) {
        known = known || *addresses[i];
        for (size_t j = 0; j < outcome->task_count; j++) {
            if (is_address(outcome->tasks[j]->repo, addresses[i]))
                return mem_string(outcome->tasks[j]->repo);
        }
    }
    return known ? mem_string("") : NULL;
}

/* ---- files of the job ---------------------------------------------------- */

/* Opened as the runner made it: a regular file that is added to. */
static int open_file(const char *path, int64_t *bytes, struct error *err)
{
    int file = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY);
    struct stat about;

    if (file < 0 || fstat(file, &about)) {
        error_set_errno(err, ERROR_IO, errno, "%s", path);
        fd_reset(&file);
        return -1;
    }
    *bytes = about.st_size;
    return file;
}

static int add_summary(const struct run_outcome *outcome,
                       const struct report_options *options, const char *path,
                       struct error *err)
{
    CLEANUP(buffer_free) struct buffer text = {0};
    CLEANUP(fd_close) int file = -1;
    int64_t bytes;

    buffer_init(&text, TEXT_BYTES_MAX);
    if (report_markdown(outcome, options, &text, err))
        return -1;
    file = open_file(path, &bytes, err);
    if (file < 0)
        return error_context(err, "GITHUB_STEP_SUMMARY");
    if (bytes + (int64_t)text.length > SUMMARY_FILE_MAX) {
        /* All of it would be dropped, also what is there already. */
        fprintf(stderr, "nightjar: the step's summary is full: this run's is "
                        "in reports/summary.md\n");
        return 0;
    }
    return file_write_fd(file, text.data, text.length, err);
}

/* ---- outputs ------------------------------------------------------------- */

/* 128 random bits, so that no value can hold the line that ends it. */
static int draw_delimiter(char out[static 43], const char *value,
                          struct error *err)
{
    unsigned char bits[16];

    do {
        if (getrandom(bits, sizeof(bits), 0) != (ssize_t)sizeof(bits))
            return error_set_errno(err, ERROR_IO, errno, "random bits");
        memcpy(out, "nightjar-", 10);
        for (size_t i = 0; i < sizeof(bits); i++)
            snprintf(out + 9 + 2 * i, 3, "%02x", bits[i]);
    } while (strstr(value, out));
    return 0;
}

static int add_output(struct buffer *out, const char *name, const char *value,
                      struct error *err)
{
    CLEANUP(buffer_free) struct buffer shown = {0};
    char delimiter[43];

    buffer_init(&shown, TEXT_BYTES_MAX);
    printable_add(&shown, value, strlen(value), true);
    if (draw_delimiter(delimiter, shown.data, err))
        return -1;
    buffer_addf(out, "%s<<%s\n%s\n%s\n", name, delimiter, shown.data,
                delimiter);
    return 0;
}

static int add_number(struct buffer *out, const char *name, int64_t value,
                      struct error *err)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRId64, value);
    return add_output(out, name, text, err);
}

static int add_path(struct buffer *out, const char *name, const char *directory,
                    const char *file, struct error *err)
{
    CLEANUP(mem_free) char *path = mem_format("%s/reports/%s", directory, file);

    return add_output(out, name, access(path, F_OK) ? "" : path, err);
}

/* A path a line; of too many the first. */
static int add_patches(struct buffer *out, const struct run_outcome *outcome,
                       const char *directory, struct error *err)
{
    CLEANUP(buffer_free) struct buffer paths = {0};

    buffer_init(&paths, OUTPUT_BYTES_MAX);
    for (size_t i = 0; i < outcome->task_count; i++) {
        const struct outcome_task *task = outcome->tasks[i];

        for (size_t j = 0; mail_is_patch(task) && j < task->artifact_count;
             j++) {
            if (!strcmp(task->artifacts[j].name, "patch.diff") &&
                !strchr(task->artifacts[j].path, '\n'))
                buffer_addf(&paths, "%s%s/%s", paths.length ? "\n" : "",
                            directory, task->artifacts[j].path);
        }
    }
    return add_output(out, "patches", paths.data, err);
}

static int add_cost(struct buffer *out, const struct outcome_usage *usage,
                    struct error *err)
{
    char text[48] = "";

    if (usage->cost_known)
        snprintf(text, sizeof(text), "%" PRId64 ".%06d",
                 usage->cost_microusd / 1000000,
                 (int)(usage->cost_microusd % 1000000));
    return add_output(out, "cost_usd", text, err);
}

static int add_outputs(const struct run_outcome *outcome, const char *directory,
                       struct buffer *out, struct error *err)
{
    struct exit_status status = outcome_exit(outcome);

    if (add_output(out, "status", status.name, err) ||
        add_number(out, "exit_status", status.status, err) ||
        add_output(out, "retryable", status.retryable ? "true" : "false",
                   err) ||
        add_number(out, "tasks", (int64_t)outcome->task_count, err))
        return -1;
    for (int i = 0; i < VERDICTS; i++) {
        if (add_number(out, verdict_name((enum verdict)i),
                       (int64_t)outcome->counts[i], err))
            return -1;
    }
    if (add_cost(out, &outcome->usage, err) ||
        add_output(out, "run_directory", directory, err) ||
        add_path(out, "junit", directory, "junit.xml", err) ||
        add_path(out, "html", directory, "report.html", err) ||
        add_path(out, "json", directory, "report.json", err) ||
        add_path(out, "summary", directory, "summary.md", err))
        return -1;
    return add_patches(out, outcome, directory, err);
}

static int write_outputs(const struct run_outcome *outcome,
                         const char *directory, const char *path,
                         struct error *err)
{
    CLEANUP(buffer_free) struct buffer text = {0};
    CLEANUP(fd_close) int file = -1;
    int64_t bytes;

    buffer_init(&text, TEXT_BYTES_MAX);
    if (add_outputs(outcome, directory, &text, err))
        return -1;
    file = open_file(path, &bytes, err);
    if (file < 0)
        return error_context(err, "GITHUB_OUTPUT");
    return file_write_fd(file, text.data, text.length, err);
}

int ci_github(const struct run_outcome *outcome,
              const struct report_options *options, const char *directory,
              struct error *err)
{
    CLEANUP(buffer_free) struct buffer text = {0};

    buffer_init(&text, TEXT_BYTES_MAX);
    if (report_github(outcome, options, &text, err) ||
        reports_put(buffer_span(&text), err))
        return -1;
    if (*variable("GITHUB_STEP_SUMMARY") &&
        add_summary(outcome, options, variable("GITHUB_STEP_SUMMARY"), err))
        return -1;
    if (*variable("GITHUB_OUTPUT"))
        return write_outputs(outcome, directory, variable("GITHUB_OUTPUT"),
                             err);
    return 0;
}
