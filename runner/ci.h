/* What a run tells the CI job that it is a step of. */
#ifndef NIGHTJAR_RUNNER_CI_H
#define NIGHTJAR_RUNNER_CI_H

#include "reporters/reporter.h"

/* The repository of the run's tasks that the job has checked out: the path of
 * GITHUB_WORKSPACE or CI_PROJECT_DIR, or the address that GITHUB_SERVER_URL
 * with GITHUB_REPOSITORY, or CI_PROJECT_URL, gives. NULL outside of such jobs;
 * "" when no task has it. The caller frees it. */
char *ci_repository(const struct run_outcome *outcome);

/* For GitHub Actions: prints annotations to standard output, adds the summary
 * to the file of GITHUB_STEP_SUMMARY and outputs to that of GITHUB_OUTPUT,
 * each where the variable is set. Outputs: status, exit_status, retryable,
 * tasks, a count for each verdict, cost_usd ("" if unknown), run_directory,
 * junit, html, json, summary (paths), patches (a path a line, of passed tasks).
 * Values stand between delimiters that are drawn anew for each. Errors:
 * ERROR_IO. */
int ci_github(const struct run_outcome *outcome,
              const struct report_options *options, const char *directory,
              struct error *err);

#endif
