#include "reporters/findings.h"

#include <inttypes.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/names.h"
#include "base/sha256.h"
#include "reporters/diff.h"

#define PATCH_BYTES_MAX ((size_t)64 << 20)
#define RULE_MAX 100

struct gathering {
    struct findings found;
    const struct report_options *options;
    const struct outcome_task *task;
    size_t room;
};

const char *finding_path(const char *path)
{
    while (!strncmp(path, "./", 2))
        path += 2;
    if (*path == '/' || strchr(path, '\n'))
        return "";
    for (const char *at = path; *at;) {
        size_t length = strcspn(at, "/");

        if (length == 2 && !strncmp(at, "..", 2))
            return "";
        at += length;
        at += *at == '/';
    }
    return path;
}

bool finding_has_place(const struct report_options *options,
                       const struct outcome_task *task)
{
    return !options->repository || !strcmp(options->repository, task->repo);
}

static void add(struct gathering *gathering, struct finding finding)
{
    struct findings *found = &gathering->found;

    if (found->count == FINDINGS_MAX) {
        found->dropped++;
        return;
    }
    if (found->count == gathering->room) {
        struct finding *larger;

        gathering->room = gathering->room ? 2 * gathering->room : 16;
        larger = arena_array(&found->arena, gathering->room, sizeof(*larger));
        if (found->count)
            memcpy(larger, found->items, found->count * sizeof(*larger));
        found->items = larger;
    }
    finding.task = gathering->task;
    finding.path = finding_path(finding.path);
    if (!finding_has_place(gathering->options, finding.task))
        finding.path = "";
    if (!*finding.path)
        finding.line = finding.end_line = 0;
    found->items[found->count++] = finding;
}

/* ---- of a patch -------------------------------------------------------- */

static void add_notes(struct gathering *gathering, const char *source,
                      enum finding_level level,
                      const struct outcome_notes *notes,
                      const struct diff *diff)
{
    struct arena *arena = &gathering->found.arena;

    for (size_t i = 0; i < notes->count; i++) {
        const struct outcome_note *note = &notes->items[i];
        const struct diff_file *file = diff_find(diff, note->path);

        add(gathering,
            (struct finding){
                .path = note->path,
                .line = file && !file->removed ? file->first_line : 0,
                .end_line = file && !file->removed ? file->last_line : 0,
                .rule = arena_format(arena, "%s/%s", source,
                                     *note->rule ? note->rule : "rule"),
                .message = *note->message ? note->message : note->rule,
                .level = level});
    }
}

static void add_patch(struct gathering *gathering)
{
    const struct outcome_patch *patch = gathering->task->patch;
    CLEANUP(buffer_free) struct buffer text = {0};
    struct diff diff;

    if (!patch || (!patch->violations.count && !patch->findings.count))
        return;
    buffer_init(&text, PATCH_BYTES_MAX);
    if (report_read(gathering->options, gathering->task, "patch.diff", &text))
        buffer_clear(&text);
    diff = diff_read(buffer_span(&text));
    add_notes(gathering, "policy", FINDING_ERROR, &patch->violations, &diff);
    add_notes(gathering, "patch", FINDING_WARNING, &patch->findings, &diff);
    diff_free(&diff);
}

/* ---- of an output ------------------------------------------------------ */

static const char *first_text(const cJSON *object, const char *key,
                              const char *other)
{
    const char *text = json_get_string(object, key);

    return text ? text : json_get_text(object, other, "");
}

static enum finding_level level_of(const char *word)
{
    static const char *const notes[] = {"info", "note", "low", "none"};
    static const char *const errors[] = {"error", "major", "high", "critical",
                                         "blocker"};

    for (size_t i = 0; i < ARRAY_LENGTH(notes); i++) {
        if (!strcasecmp(notes[i], word))
            return FINDING_NOTE;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(errors); i++) {
        if (!strcasecmp(errors[i], word))
            return FINDING_ERROR;
    }
    return FINDING_WARNING;
}

static int64_t line_of(const cJSON *object, const char *key)
{
    int64_t line = json_get_int64(object, key, 0);

    return line > 0 && line <= DIFF_LINE_MAX ? line : 0;
}

/* Letters, digits and -._: readers group by it and use it in addresses. */
static const char *rule_of(struct arena *arena, const char *text)
{
    char *rule = arena_format(arena, "output/%.*s", RULE_MAX, text);

    for (char *at = rule + sizeof("output/") - 1; *at; at++) {
        bool fine = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
                    (*at >= '0' && *at <= '9') || strchr("-._", *at);

        if (!fine)
            *at = '-';
    }
    return rule;
}

static void add_output(struct gathering *gathering)
{
    CLEANUP(buffer_free) struct buffer text = {0};
    CLEANUP(json_free) cJSON *output = NULL;
    struct arena *arena = &gathering->found.arena;
    const cJSON *item;
    struct error ignored;

    buffer_init(&text, FINDINGS_OUTPUT_MAX);
    if (report_read(gathering->options, gathering->task, "output.json", &text))
        return;
    output = json_parse(text.data, text.length, &ignored);
    cJSON_ArrayForEach(item, json_get_array(output, "findings"))
    {
        const char *message = json_get_text(item, "message", "");
        const char *rule = first_text(item, "rule", "id");
        int64_t line = line_of(item, "line");
        int64_t end = line_of(item, "end_line");

        if (!*message)
            continue;
        add(gathering,
            (struct finding){
                .path = arena_string(arena, first_text(item, "path", "file")),
                .line = line,
                .end_line = line && end >= line ? end : line,
                .rule = rule_of(arena, *rule ? rule : "finding"),
                .message = arena_string(arena, message),
                .level = level_of(first_text(item, "severity", "level"))});
    }
}

struct findings findings_of(const struct run_outcome *outcome,
                            const struct report_options *options)
{
    struct gathering gathering = {.options = options};

    for (size_t i = 0; i < outcome->task_count; i++) {
        gathering.task = outcome->tasks[i];
        add_patch(&gathering);
        add_output(&gathering);
    }
    return gathering.found;
}

void findings_free(struct findings *findings)
{
    arena_free(&findings->arena);
    *findings = (struct findings){0};
}

/* ---- names for them ---------------------------------------------------- */

/* Not the line: it moves when something is added in front of it. */
void finding_fingerprint(const struct finding *finding, size_t twin,
                         char out[static 33])
{
    CLEANUP(mem_free)
    char *text =
        mem_format("%s\n%s\n%s\n%s\n%zu", finding->task->repo, finding->path,
                   finding->rule, finding->message, twin);

    sha256_hex((struct span){text, strlen(text)}, 32, out);
}

size_t *findings_twins(const struct findings *findings)
{
    size_t *twins = mem_array(findings->count, sizeof(*twins));
    struct names seen = {0};

    for (size_t i = 0; i < findings->count; i++) {
        char key[33];

        finding_fingerprint(&findings->items[i], 0, key);
        twins[i] = names_count(&seen, key);
    }
    names_free(&seen);
    return twins;
}
