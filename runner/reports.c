#include "runner/reports.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/printable.h"
#include "runner/run.h"
#include "runner/run_directory.h"

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
