#include "runner/report_run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/memory.h"
#include "reporters/reporter.h"
#include "runner/ci.h"
#include "runner/report_folders.h"
#include "runner/reports.h"
#include "runner/run.h"
#include "runner/telemetry.h"

#define TEXT_BYTES_MAX ((size_t)1 << 30)
#define STATUS_INCOMPLETE 3

/* ---- what reports may know ----------------------------------------------- */

struct reporting {
    const struct options *options;
    const struct run_outcome *outcome;
    const struct cache *cache; /* NULL: opened when it is needed */
    struct report_options how;
    char *repository; /* whose checkout a CI job has; NULL: it tells none */
    int folder;       /* the run directory */
};

static int read_artifact(void *context, const char *path, struct buffer *out)
{
    const struct reporting *reporting = context;
    CLEANUP(fd_close)
    int file = file_open_beneath(reporting->folder, path,
                                 O_RDONLY | O_NONBLOCK | O_NOFOLLOW, 0);
    struct error ignored;
    struct stat about;

    return file < 0 || fstat(file, &about) || !S_ISREG(about.st_mode)
               ? -1
               : file_read_fd(file, out, &ignored);
}

static bool wants_color(const struct options *options)
{
    return options->color == COLOR_ALWAYS ||
           (options->color == COLOR_AUTO && isatty(STDOUT_FILENO) &&
            !getenv("NO_COLOR"));
}

static bool is_set(const char *name)
{
    const char *value = getenv(name);

    return value && *value;
}

static int reporting_begin(struct reporting *reporting,
                           const struct options *options, const char *directory,
                           const struct run_outcome *outcome, struct error *err)
{
    const char *content = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT";

    *reporting = (struct reporting){.options = options, .outcome = outcome};
    reporting->folder = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (reporting->folder < 0)
        return error_set_errno(err, ERROR_IO, errno, "%s", directory);
    reporting->repository = ci_repository(outcome);
    reporting->how = (struct report_options){
        .read = read_artifact,
        .context = reporting,
        .directory = directory,
        .author = options->author,
        /* A run has fetched them already; a run directory may say anything. */
        .fetch = options->fetch || options->command == COMMAND_RUN,
        .service =
            is_set("OTEL_SERVICE_NAME") ? getenv("OTEL_SERVICE_NAME") : NULL,
        .resource = getenv("OTEL_RESOURCE_ATTRIBUTES"),
        .traceparent = getenv("TRACEPARENT"),
        .content = is_set(content) && !strcasecmp(getenv(content), "true")};
    return 0;
}

static void reporting_end(struct reporting *reporting)
{
    fd_reset(&reporting->folder);
    free(reporting->repository);
}

/* For standard output, which may be a terminal. */
static struct report_options for_people(const struct reporting *reporting)
{
    struct report_options how = reporting->how;
    struct winsize size;

    if (isatty(STDOUT_FILENO) && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size))
        how.columns = size.ws_col;
    how.color = wants_color(reporting->options);
    return how;
}

/* ---- one report -------------------------------------------------------- */

static int unknown_format(const char *format, struct error *err)
{
    CLEANUP(buffer_free) struct buffer names = {0};

    buffer_init(&names, ERROR_HINT_MAX);
    for (size_t i = 0; reporter_at(i); i++)
        buffer_addf(&names, "%s%s", i ? ", " : "", reporter_at(i)->name);
    for (size_t i = 0; report_folder_at(i); i++)
        buffer_addf(&names, ", %s", report_folder_at(i)->name);
    error_set(err, ERROR_USAGE, "--report: unknown format '%s'", format);
    return error_hint(err, "known are %s", names.data);
}

/* "FORMAT=PATH": the path; NULL for "FORMAT". *format is the caller's. */
static const char *split_report(const char *text, char **format)
{
    const char *equals = strchr(text, '=');

    *format =
        equals ? mem_bytes(text, (size_t)(equals - text)) : mem_string(text);
    return equals ? equals + 1 : NULL;
}

/* A run is not to find out at its end that a report has no place. */
static int check_place(const char *path, struct error *err)
{
    const char *slash = strrchr(path, '/');
    CLEANUP(mem_free)
    char *folder =
        slash ? mem_bytes(path, (size_t)(slash - path) + 1) : mem_string(".");

    if (access(folder, W_OK | X_OK))
        return error_set_errno(err, ERROR_USAGE, errno, "--report: %s", folder);
    return 0;
}

int reports_check(const struct options *options, struct error *err)
{
    for (size_t i = 0; i < options->reports.count; i++) {
        CLEANUP(mem_free) char *format = NULL;
        const char *path = split_report(options->reports.items[i], &format);
        bool folder = report_folder_find(format);

        if (!folder && !reporter_find(format))
            return unknown_format(format, err);
        if (path && !*path)
            return error_set(err, ERROR_USAGE, "--report: '%s=' names no file",
                             format);
        if (path &&
            (folder ? report_folder_check(path, err) : check_place(path, err)))
            return -1;
        if (!path && folder && options->command == COMMAND_REPORT)
            return error_set(err, ERROR_USAGE,
                             "--report: '%s' is a folder: %s=FOLDER", format,
                             format);
    }
    return 0;
}

/* Places are given for the files that the reader of the report has: those of
 * one checkout. SARIF tells repositories apart by itself. */
static int render(const struct reporting *reporting, const char *format,
                  const struct report_options *how, struct buffer *out,
                  struct error *err)
{
    struct report_options options = *how;

    if (strcmp(format, "sarif") != 0)
        options.repository = reporting->repository;
    return reporter_find(format)->write(reporting->outcome, &options, out, err);
}

static int write_folder(const struct reporting *reporting, const char *format,
                        int dirfd, const char *path, struct error *err)
{
    CLEANUP(cache_close) struct cache own = {.folder = NULL};
    const struct cache *cache = reporting->cache;

    if (!cache) {
        if (repositories_start(err) ||
            cache_open(&own, reporting->options->cache, CACHE_BYTES, err))
            return -1;
        cache = &own;
    }
    return report_folder_write(report_folder_find(format), dirfd, path,
                               reporting->outcome, &reporting->how, cache, err);
}

static int remove_folder(const struct run_directory *directory,
                         const char *format, struct error *err)
{
    CLEANUP(fd_close)
    int reports = openat(directory->fd, "reports",
                         O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    return reports < 0 ? 0 : file_remove_tree(reports, format, err);
}

/* To `path`, or into the run directory when that is NULL. */
static int write_report(const struct reporting *reporting,
                        const struct run_directory *directory,
                        const char *format, const char *path, struct error *err)
{
    CLEANUP(buffer_free) struct buffer text = {0};
    CLEANUP(mem_free) char *name = NULL;

    if (report_folder_find(format)) {
        name = mem_format("reports/%s", format);
        /* Its own one is made anew; another's is the user's. */
        if (!path && remove_folder(directory, format, err))
            return -1;
        return write_folder(reporting, format, path ? AT_FDCWD : directory->fd,
                            path ? path : name, err);
    }
    buffer_init(&text, TEXT_BYTES_MAX);
    if (render(reporting, format, &reporting->how, &text, err))
        return -1;
    if (path)
        return file_replace(AT_FDCWD, path, buffer_span(&text), err);
    name = mem_format("reports/%s", reporter_find(format)->file);
    return run_directory_write(directory, name, buffer_span(&text), err);
}

/* ---- of a run that is over ----------------------------------------------- */

/* One that cannot be written is told, and keeps no other from being. */
static bool write_or_tell(const struct reporting *reporting,
                          const struct run_directory *directory,
                          const char *format, const char *path)
{
    struct error err;

    if (!write_report(reporting, directory, format, path, &err))
        return false;
    error_context(&err, "report '%s'", format);
    print_error(&err);
    return true;
}

/* Those that are files, or those that are folders. Whether one failed. */
static bool write_reports(const struct reporting *reporting,
                          const struct run_directory *directory, bool folders)
{
    static const char *const always[] = {"json", "junit", "markdown", "html"};
    const struct option_list *reports = &reporting->options->reports;

    bool failed = false;

    for (size_t i = 0; !folders && i < ARRAY_LENGTH(always); i++)
        failed |= write_or_tell(reporting, directory, always[i], NULL);
    for (size_t i = 0; i < reports->count; i++) {
        CLEANUP(mem_free) char *format = NULL;
        const char *path = split_report(reports->items[i], &format);

        if (!report_folder_find(format) == !folders)
            failed |= write_or_tell(reporting, directory, format, path);
    }
    return failed;
}

static int print_table(const struct reporting *reporting,
                       const struct run_directory *directory, struct error *err)
{
    struct report_options how = for_people(reporting);
    CLEANUP(buffer_free) struct buffer text = {0};

    if (reporting->options->verbosity == PROGRESS_QUIET)
        return 0;
    buffer_init(&text, TEXT_BYTES_MAX);
    if (report_table(reporting->outcome, &how, &text, err))
        return -1;
    buffer_addf(&text, "\nrun directory: %s\n", directory->path);
    return reports_put(buffer_span(&text), err);
}

/* What leaves the machine or the job; a failure of it is told and changes
 * nothing else. */
static void send_telemetry(const struct reporting *reporting)
{
    struct error err;

    if (telemetry_export(reporting->outcome, &reporting->how, &err))
        print_error(&err);
}

static int tell_ci(const struct reporting *reporting, const char *directory,
                   struct error *err)
{
    struct report_options how = reporting->how;

    how.repository = reporting->repository ? reporting->repository : "";
    return reporting->options->ci
               ? ci_github(reporting->outcome, &how, directory, err)
               : 0;
}

/* A run has blocked them; of those that it has heard already none counts
 * again. */
static void allow_signals(void)
{
    const struct timespec now = {0};
    sigset_t mask;

    sigemptyset(&mask);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGHUP);
    while (sigtimedwait(&mask, NULL, &now) > 0)
        continue;
    sigprocmask(SIG_UNBLOCK, &mask, NULL);
}

int reports_finish(const struct options *options,
                   const struct run_directory *directory,
                   const struct cache *cache, struct error *err)
{
    struct reporting reporting = {.folder = -1};
    struct run_outcome outcome;
    bool failed;
    int status;

    if (reports_read(directory->path, &outcome, err))
        return report_failure(err);
    if (reporting_begin(&reporting, options, directory->path, &outcome, err)) {
        outcome_free(&outcome);
        return report_failure(err);
    }
    reporting.cache = cache;
    status = outcome_exit(&outcome).status;
    /* Whatever becomes of a report, the table says what the run did. */
    failed = write_reports(&reporting, directory, false);
    if (print_table(&reporting, directory, err) ||
        tell_ci(&reporting, directory->path, err)) {
        print_error(err);
        failed = true;
    }
    /* What may take long can be stopped: all that matters is on the disk. */
    allow_signals();
    failed = write_reports(&reporting, directory, true) || failed;
    /* The parts of a merged run have sent theirs. */
    if (options->command == COMMAND_RUN)
        send_telemetry(&reporting);
    reporting_end(&reporting);
    outcome_free(&outcome);
    return failed && (status == 0 || status == 1) ? STATUS_INCOMPLETE : status;
}

/* ---- again ------------------------------------------------------------- */

static int print_report(const struct reporting *reporting, const char *format,
                        struct error *err)
{
    struct report_options how = for_people(reporting);
    CLEANUP(buffer_free) struct buffer text = {0};

    buffer_init(&text, TEXT_BYTES_MAX);
    if (render(reporting, format, &how, &text, err))
        return -1;
    return reports_put(buffer_span(&text), err);
}

static int report_again(const struct reporting *reporting,
                        const char *directory, struct error *err)
{
    const struct option_list *reports = &reporting->options->reports;

    for (size_t i = 0; i < reports->count; i++) {
        CLEANUP(mem_free) char *format = NULL;
        const char *path = split_report(reports->items[i], &format);

        if (path ? write_report(reporting, NULL, format, path, err)
                 : print_report(reporting, format, err))
            return -1;
    }
    if (tell_ci(reporting, directory, err))
        return -1;
    if (reporting->options->otlp &&
        telemetry_export(reporting->outcome, &reporting->how, err))
        return -1;
    return reports->count || reporting->options->ci || reporting->options->otlp
               ? 0
               : print_report(reporting, "table", err);
}

int report_directory(const struct options *options, const char *path,
                     struct error *err)
{
    struct reporting reporting = {.folder = -1};
    struct run_outcome outcome;
    int status;

    if (reports_read(path, &outcome, err))
        return -1;
    status = reporting_begin(&reporting, options, path, &outcome, err);
    if (!status)
        status = report_again(&reporting, path, err);
    reporting_end(&reporting);
    outcome_free(&outcome);
    return status;
}
