#include "reporters/reporter.h"

#include "base/memory.h"

static const struct reporter reporters[] = {
    {"json", "report.json", "everything, for programs", report_json},
    {"junit", "junit.xml", "test cases, for CI systems", report_junit},
    {"junit-strict", "junit-strict.xml",
     "the same, as the published schemas want it", report_junit_strict},
    {"tap", "report.tap", "test lines: TAP 14", report_tap},
    {"ctrf", "ctrf.json", "test cases: Common Test Report Format", report_ctrf},
    {"sarif", "report.sarif", "policy violations and findings: SARIF 2.1.0",
     report_sarif},
    {"codequality", "codequality.json", "the same for GitLab",
     report_codequality},
    {"markdown", "summary.md", "a summary for a job or a pull request",
     report_markdown},
    {"github", "annotations.txt", "annotations, as GitHub's runner obeys them",
     report_github},
    {"html", "report.html", "everything, for people: one page for a browser",
     report_html},
    {"mail", "patches.mbox", "the patches of passed tasks, for git am",
     report_mail},
    {"traces", "traces.json", "spans of OpenTelemetry (OTLP/JSON)",
     report_traces},
    {"metrics", "metrics.json", "metrics of OpenTelemetry (OTLP/JSON)",
     report_metrics},
    {"table", "table.txt", "one line a task, for people", report_table},
};

const struct reporter *reporter_at(size_t index)
{
    return index < ARRAY_LENGTH(reporters) ? &reporters[index] : NULL;
}

const struct reporter *reporter_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(reporters); i++) {
        if (!strcmp(reporters[i].name, name))
            return &reporters[i];
    }
    return NULL;
}

int report_read(const struct report_options *options,
                const struct outcome_task *task, const char *name,
                struct buffer *out)
{
    /* The last of that name: a later attempt's. */
    for (size_t i = task->artifact_count; options->read && i; i--) {
        if (!strcmp(task->artifacts[i - 1].name, name))
            return options->read(options->context, task->artifacts[i - 1].path,
                                 out);
    }
    return -1;
}

int report_done(bool full, const char *name, const struct buffer *out,
                struct error *err)
{
    if (full)
        return error_set(err, ERROR_IO, "report '%s': larger than %zu bytes",
                         name, out->maximum);
    return 0;
}
