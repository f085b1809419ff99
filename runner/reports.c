#include "runner/reports.h"

#include <fcntl.h>
#include <sys/ioctl.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/printable.h"
#include "reporters/reporter.h"
#include "runner/run.h"

#define TEXT_BYTES_MAX ((size_t)1 << 30)
#define STATUS_USAGE 2
#define STATUS_INCOMPLETE 3
#define STATUS_INTERNAL 70

void print_error(const struct error *err)
{
    CLEANUP(buffer_free) struct buffer text = {0};

    buffer_init(&text, (ERROR_TEXT_MAX + ERROR_HINT_MAX) * 8);
    buffer_add_string(&text, "nightjar: ");
    printable_add(&text, err->text, strlen(err->text), false);
    if (*err->hint) {
        buffer_add_string(&text, "\n  hint: ");
        printable_add(&text, err->hint, strlen(err->hint), false);
    }
    fprintf(stderr, "%s\n", text.data);
}

static int status_of(const struct error *err)
{
    if (err->kind == ERROR_USAGE || err->kind == ERROR_MANIFEST)
        return STATUS_USAGE;
    return err->kind == ERROR_INTERNAL ? STATUS_INTERNAL : STATUS_INCOMPLETE;
}

int report_failure(const struct error *err)
{
    print_error(err);
    return status_of(err);
}

/* ---- reports ----------------------------------------------------------- */

static struct report_options report_options(const struct options *options)
{
    struct report_options result = {.columns = 0};
    struct winsize size;

    if (isatty(STDOUT_FILENO) && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size))
        result.columns = size.ws_col;
    result.color = options->color == COLOR_ALWAYS ||
                   (options->color == COLOR_AUTO && isatty(STDOUT_FILENO) &&
                    !getenv("NO_COLOR"));
    return result;
}

static int render(const struct run_outcome *outcome, const char *format,
                  const struct report_options *options, struct buffer *out,
                  struct error *err)
{
    const struct reporter *reporter = reporter_find(format);

    if (!reporter) {
        error_set(err, ERROR_USAGE, "--report: unknown format '%s'", format);
        return error_hint(err, "known are json, junit and table");
    }
    return reporter->write(outcome, options, out, err);
}

/* "FORMAT=PATH": the path; NULL for "FORMAT". *format is the caller's. */
static const char *split_report(const char *text, char **format)
{
    const char *equals = strchr(text, '=');

    *format =
        equals ? mem_bytes(text, (size_t)(equals - text)) : mem_string(text);
    return equals ? equals + 1 : NULL;
}

int reports_check(const struct options *options, struct error *err)
{
    for (size_t i = 0; i < options->reports.count; i++) {
        CLEANUP(mem_free) char *format = NULL;
        const char *path = split_report(options->reports.items[i], &format);

        if (!reporter_find(format)) {
            error_set(err, ERROR_USAGE, "--report: unknown format '%s'",
                      format);
            return error_hint(err, "known are json, junit and table");
        }
        if (path && !*path)
            return error_set(err, ERROR_USAGE, "--report: '%s=' names no file",
                             format);
    }
    return 0;
}

int reports_read(const char *path, struct run_outcome *outcome,
                 struct error *err)
{
    CLEANUP(buffer_free) struct buffer journal = {0};

    buffer_init(&journal, JOURNAL_BYTES_MAX);
    if (run_directory_read_journal(path, &journal, err))
        return -1;
    return outcome_read(buffer_span(&journal), outcome, err);
}

int reports_put(struct span text, struct error *err)
{
    if (file_write_fd(STDOUT_FILENO, text.data, text.length, err))
        return error_context(err, "standard output");
    return 0;
}

/* Into the run directory, or where the user said. */
static int write_report(const struct run_directory *directory,
                        const struct run_outcome *outcome, const char *format,
                        const char *path, struct error *err)
{
    const struct report_options plain = {.color = false};
    CLEANUP(buffer_free) struct buffer text = {0};
    CLEANUP(mem_free) char *name = NULL;

    buffer_init(&text, TEXT_BYTES_MAX);
    if (render(outcome, format, &plain, &text, err))
        return -1;
    if (path)
        return file_replace(AT_FDCWD, path, buffer_span(&text), err);
    name = mem_format("reports/%s", reporter_find(format)->file);
    return run_directory_write(directory, name, buffer_span(&text), err);
}

static int write_reports(const struct options *options,
                         const struct run_directory *directory,
                         const struct run_outcome *outcome, struct error *err)
{
    if (write_report(directory, outcome, "json", NULL, err) ||
        write_report(directory, outcome, "junit", NULL, err))
        return error_context(err, "report");
    for (size_t i = 0; i < options->reports.count; i++) {
        CLEANUP(mem_free) char *format = NULL;
        const char *path = split_report(options->reports.items[i], &format);

        if (write_report(directory, outcome, format, path, err))
            return error_context(err, "report");
    }
    return 0;
}

static int print_table(const struct options *options,
                       const struct run_directory *directory,
                       const struct run_outcome *outcome, struct error *err)
{
    struct report_options how = report_options(options);
    struct exit_status status = outcome_exit(outcome);
    CLEANUP(buffer_free) struct buffer text = {0};

    if (options->verbosity == PROGRESS_QUIET)
        return 0;
    buffer_init(&text, TEXT_BYTES_MAX);
    if (report_table(outcome, &how, &text, err))
        return -1;
    buffer_addf(&text, "\nrun directory: %s\nexit status:   %d (%s)\n",
                directory->path, status.status, status.name);
    return reports_put(buffer_span(&text), err);
}

int report_command(const struct options *options)
{
    struct report_options how = report_options(options);
    struct run_outcome outcome;
    struct error err;
    int status = 0;

    if (reports_check(options, &err) ||
        reports_read(options->arguments.items[0], &outcome, &err))
        return report_failure(&err);
    for (size_t i = 0; i < options->reports.count || !i; i++) {
        CLEANUP(buffer_free) struct buffer text = {0};
        CLEANUP(mem_free) char *format = NULL;
        const char *path = split_report(
            options->reports.count ? options->reports.items[i] : "table",
            &format);

        buffer_init(&text, TEXT_BYTES_MAX);
        status = render(&outcome, format, &how, &text, &err);
        if (!status && path)
            status = file_replace(AT_FDCWD, path, buffer_span(&text), &err);
        else if (!status)
            status = reports_put(buffer_span(&text), &err);
        if (status)
            break;
    }
    outcome_free(&outcome);
    return status ? report_failure(&err) : 0;
}

int reports_finish(const struct options *options,
                   const struct run_directory *directory, struct error *err)
{
    struct run_outcome outcome;
    int status;

    if (reports_read(directory->path, &outcome, err))
        return report_failure(err);
    if (write_reports(options, directory, &outcome, err) ||
        print_table(options, directory, &outcome, err))
        status = report_failure(err);
    else
        status = outcome_exit(&outcome).status;
    outcome_free(&outcome);
    return status;
}
