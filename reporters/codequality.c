/* GitLab's code quality report: the findings that have a place, as an array.
 * Format: GitLab's documentation of "code quality report format"; paths are
 * relative and without "./", fingerprints unique. */
#include "base/json.h"
#include "base/memory.h"
#include "reporters/clean.h"
#include "reporters/findings.h"

#define DESCRIPTION_MAX 2000

static const char *const severities[] = {[FINDING_NOTE] = "info",
                                         [FINDING_WARNING] = "minor",
                                         [FINDING_ERROR] = "major"};

static void write_finding(struct json *json, const struct finding *finding,
                          size_t twin)
{
    char fingerprint[33];

    finding_fingerprint(finding, twin, fingerprint);
    json_object(json);
    clean_member(json, "description", finding->message, DESCRIPTION_MAX);
    clean_member(json, "check_name", finding->rule, DESCRIPTION_MAX);
    json_member_string(json, "fingerprint", fingerprint);
    json_member_string(json, "severity", severities[finding->level]);
    json_key(json, "location");
    json_object(json);
    clean_member(json, "path", finding->path, DESCRIPTION_MAX);
    json_key(json, "lines");
    json_object(json);
    json_member_int(json, "begin", finding->line ? finding->line : 1);
    if (finding->end_line > finding->line)
        json_member_int(json, "end", finding->end_line);
    json_end(json);
    json_end(json);
    json_end(json);
}

int report_codequality(const struct run_outcome *outcome,
                       const struct report_options *options, struct buffer *out,
                       struct error *err)
{
    struct findings findings = findings_of(outcome, options);
    CLEANUP(mem_free) size_t *twins = findings_twins(&findings);
    struct json json = json_to(out);
    bool full;

    json_array(&json);
    for (size_t i = 0; i < findings.count; i++) {
        if (*findings.items[i].path)
            write_finding(&json, &findings.items[i], twins[i]);
    }
    json_end(&json);
    full = buffer_add_byte(out, '\n');
    findings_free(&findings);
    return report_done(full || json.full, "codequality", out, err);
}
