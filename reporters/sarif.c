/* SARIF 2.1.0: policy violations and findings, a run for each repository.
 *
 * Limits of GitHub's reader: 20 runs a file, 25,000 results a run. Results
 * carry partialFingerprints, so that an alert follows a line that moves, and
 * each run its automationDetails, so that uploads of one repository do not
 * replace another's. Format: OASIS SARIF 2.1.0. */
#include "base/json.h"
#include "base/memory.h"
#include "reporters/clean.h"
#include "reporters/findings.h"

#define RUNS_MAX 20
#define MESSAGE_MAX 4000
#define RULES_MAX 1000

struct sarif {
    struct json json;
    const struct run_outcome *outcome;
    struct findings findings;
    size_t *twins;
    const char *rules[RULES_MAX]; /* of the run that is written */
    size_t rule_count;
};

static const char *const levels[] = {[FINDING_NOTE] = "note",
                                     [FINDING_WARNING] = "warning",
                                     [FINDING_ERROR] = "error"};

static void write_text(struct json *json, const char *key, const char *text)
{
    json_key(json, key);
    json_object(json);
    clean_member(json, "text", text, MESSAGE_MAX);
    json_end(json);
}

/* The place of the rule among the run's; RULES_MAX if it has no room. */
static size_t rule_index(struct sarif *sarif, const char *rule)
{
    for (size_t i = 0; i < sarif->rule_count; i++) {
        if (!strcmp(sarif->rules[i], rule))
            return i;
    }
    if (sarif->rule_count == RULES_MAX)
        return RULES_MAX;
    sarif->rules[sarif->rule_count] = rule;
    return sarif->rule_count++;
}

static void write_rules(struct sarif *sarif)
{
    struct json *json = &sarif->json;

    json_key(json, "rules");
    json_array(json);
    for (size_t i = 0; i < sarif->rule_count; i++) {
        const char *rule = sarif->rules[i];
        const char *help = "A finding that a task returned.";

        if (!strncmp(rule, "policy/", 7))
            help = "A change that the task's policy does not allow.";
        else if (!strncmp(rule, "patch/", 6))
            help = "Something that the task's policy reports in a patch.";
        json_object(json);
        clean_member(json, "id", rule, MESSAGE_MAX);
        clean_member(json, "name", rule, MESSAGE_MAX);
        write_text(json, "shortDescription", help);
        write_text(json, "help", help);
        json_end(json);
    }
    json_end(json);
}

static void write_location(struct json *json, const struct finding *finding)
{
    CLEANUP(mem_free) char *uri = clean_uri(finding->path);

    json_key(json, "locations");
    json_array(json);
    json_object(json);
    json_key(json, "physicalLocation");
    json_object(json);
    json_key(json, "artifactLocation");
    json_object(json);
    json_member_string(json, "uri", uri);
    json_end(json);
    json_key(json, "region");
    json_object(json);
    json_member_int(json, "startLine", finding->line ? finding->line : 1);
    if (finding->end_line > finding->line)
        json_member_int(json, "endLine", finding->end_line);
    json_end(json);
    json_end(json);
    json_end(json);
    json_end(json);
}

static void write_result(struct sarif *sarif, size_t at)
{
    const struct finding *finding = &sarif->findings.items[at];
    size_t rule = rule_index(sarif, finding->rule);
    struct json *json = &sarif->json;
    char fingerprint[33];

    finding_fingerprint(finding, sarif->twins[at], fingerprint);
    json_object(json);
    clean_member(json, "ruleId", finding->rule, MESSAGE_MAX);
    if (rule < RULES_MAX)
        json_member_int(json, "ruleIndex", (int64_t)rule);
    json_member_string(json, "level", levels[finding->level]);
    write_text(json, "message", finding->message);
    if (*finding->path)
        write_location(json, finding);
    json_key(json, "partialFingerprints");
    json_object(json);
    json_member_string(json, "primaryLocationLineHash", fingerprint);
    json_end(json);
    json_key(json, "properties");
    json_object(json);
    clean_member(json, "task", finding->task->id, MESSAGE_MAX);
    json_end(json);
    json_end(json);
}

/* The repository, where it is an address that others can reach. */
static void write_provenance(struct json *json, const struct outcome_task *task)
{
    CLEANUP(mem_free) char *uri = clean_address(task->repo);

    if (strncmp(task->repo, "https://", 8) != 0 || strchr(task->repo, '@'))
        return;
    json_key(json, "versionControlProvenance");
    json_array(json);
    json_object(json);
    json_member_string(json, "repositoryUri", uri);
    if (task->commit)
        clean_member(json, "revisionId", task->commit, MESSAGE_MAX);
    json_end(json);
    json_end(json);
}

static void write_driver(struct sarif *sarif)
{
    struct json *json = &sarif->json;

    json_key(json, "tool");
    json_object(json);
    json_key(json, "driver");
    json_object(json);
    json_member_string(json, "name", "nightjar");
    if (*sarif->outcome->version)
        clean_member(json, "version", sarif->outcome->version, MESSAGE_MAX);
    write_rules(sarif);
    json_end(json);
    json_end(json);
}

/* The findings of a repository; a NULL task: a run without any. Returns how
 * many there were. */
static size_t write_run(struct sarif *sarif, const struct outcome_task *task)
{
    const struct run_outcome *outcome = sarif->outcome;
    struct json *json = &sarif->json;
    CLEANUP(mem_free)
    char *category = mem_format("nightjar/%s/%s/", outcome->name,
                                task ? task->repo : "none");

    size_t results = 0;

    sarif->rule_count = 0;
    json_object(json);
    json_key(json, "results");
    json_array(json);
    for (size_t i = 0; task && i < sarif->findings.count; i++) {
        if (strcmp(sarif->findings.items[i].task->repo, task->repo) != 0)
            continue;
        write_result(sarif, i);
        results++;
    }
    json_end(json);
    write_driver(sarif);
    json_key(json, "automationDetails");
    json_object(json);
    clean_member(json, "id", category, MESSAGE_MAX);
    json_end(json);
    json_member_string(json, "columnKind", "utf16CodeUnits");
    if (task)
        write_provenance(json, task);
    json_end(json);
    return results;
}

/* Whether no earlier finding is of the same repository. */
static bool is_first_of_repository(const struct findings *findings, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (!strcmp(findings->items[i].task->repo,
                    findings->items[at].task->repo))
            return false;
    }
    return true;
}

/* Returns how many findings have found no room. */
static size_t write_runs(struct sarif *sarif)
{
    size_t runs = 0;
    size_t results = 0;

    for (size_t i = 0; i < sarif->findings.count && runs < RUNS_MAX; i++) {
        if (!is_first_of_repository(&sarif->findings, i))
            continue;
        results += write_run(sarif, sarif->findings.items[i].task);
        runs++;
    }
    if (!runs)
        write_run(sarif, NULL);
    return sarif->findings.count - results + sarif->findings.dropped;
}

int report_sarif(const struct run_outcome *outcome,
                 const struct report_options *options, struct buffer *out,
                 struct error *err)
{
    struct sarif sarif = {.json = json_to(out),
                          .outcome = outcome,
                          .findings = findings_of(outcome, options)};
    struct json *json = &sarif.json;
    size_t dropped;
    bool full;

    sarif.twins = findings_twins(&sarif.findings);
    json_object(json);
    json_member_string(json, "$schema",
                       "https://json.schemastore.org/sarif-2.1.0.json");
    json_member_string(json, "version", "2.1.0");
    json_key(json, "runs");
    json_array(json);
    dropped = write_runs(&sarif);
    json_end(json);
    if (dropped) {
        json_key(json, "properties");
        json_object(json);
        json_member_int(json, "nightjar.dropped", (int64_t)dropped);
        json_end(json);
    }
    json_end(json);
    full = buffer_add_byte(out, '\n');
    free(sarif.twins);
    findings_free(&sarif.findings);
    return report_done(full || json->full, "sarif", out, err);
}
