/* `nightjar report`: of one run directory, or of several. */
#include <fcntl.h>

#include "base/file.h"
#include "base/memory.h"
#include "runner/merge.h"
#include "runner/report_run.h"
#include "runner/reports.h"
#include "runner/run.h"

/* Several runs are reported as the one that 'nightjar merge' makes of them. */
static int report_merged(const struct options *options, struct error *err)
{
    CLEANUP(mem_free)
    char *folder = file_temporary_folder("nightjar-report", err);
    CLEANUP(run_directory_close)
    struct run_directory directory = {.fd = -1, .journal = -1};
    struct error ignored;
    int status;

    if (!folder)
        return -1;
    status = merge_runs(&options->arguments, folder, &directory, err);
    if (!status)
        status = report_directory(options, folder, err);
    file_remove_tree(AT_FDCWD, folder, &ignored);
    return status;
}

int report_command(const struct options *options)
{
    struct error err;

    if (reports_check(options, &err))
        return report_failure(&err);
    if (options->arguments.count > 1 && options->ci) {
        error_set(&err, ERROR_USAGE,
                  "--ci needs one run directory: its outputs are paths in it");
        error_hint(&err, "'nightjar merge … --ci github' makes one of several");
        return report_failure(&err);
    }
    if (options->arguments.count > 1
            ? report_merged(options, &err)
            : report_directory(options, options->arguments.items[0], &err))
        return report_failure(&err);
    return 0;
}
