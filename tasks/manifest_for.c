#include "tasks/manifest_for.h"

#include <fcntl.h>

#include "base/file.h"
#include "base/glob.h"
#include "base/memory.h"
#include "tasks/manifest_rules.h"
#include "tasks/manifest_template.h"
#include "tasks/suggest.h"
#include "tasks/tracked_files.h"

#define IDENTITY_MAX 60

static const struct yaml_place tasks_place = {NULL, "tasks", 0};

static void problem(struct work *work, const char *key, const char *hint,
                    const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void problem(struct work *work, const char *key, const char *hint,
                    const char *format, ...)
{
    struct yaml_place task = {&tasks_place, NULL, work->number};
    struct yaml_place place = {&task, "for", 0};
    struct yaml_place inner = {&place, key, 0};
    const struct yaml_node *node = yaml_get(work->node, "for");
    const struct yaml_node *at = yaml_get(node, key);
    CLEANUP(mem_free) char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    text = mem_vformat(format, arguments);
    va_end(arguments);
    reader_problem(work->reader, at ? at : node, &inner, hint, "%s", text);
}

/* ---- files of records -------------------------------------------------- */

static int read_file(struct work *work, const char *key, const char *path,
                     enum records_format format)
{
    const char *whole =
        path_join(work->reader->arena, work->expansion->directory, path);
    CLEANUP(buffer_free) struct buffer text = {0};
    struct records_fault fault = {.line = 0};
    struct error err;

    buffer_init(&text, RECORDS_BYTES_MAX);
    if (file_read(AT_FDCWD, whole, &text, &err)) {
        size_t length = strlen(whole);
        bool named = !strncmp(err.text, whole, length);

        problem(work, key, NULL, "cannot use the file \"%s\"%s%s", path,
                named ? "" : ": ", err.text + (named ? length : 0));
        return -1;
    }
    if (!records_read(&work->records, format, buffer_span(&text), &fault))
        return 0;
    problem(work, key, NULL, "%s:%zu: %s", path, fault.line, fault.text);
    return -1;
}

static int read_items(struct work *work, const struct yaml_node *items)
{
    struct records_fault fault = {.line = 0};
    int format;

    if (items->kind == YAML_LIST) {
        if (!records_add_nodes(&work->records, items, &fault))
            return 0;
        problem(work, "items", NULL, "%s", fault.text);
        return -1;
    }
    format = items->kind == YAML_SCALAR ? records_format_of(items->text) : -1;
    if (format >= 0)
        return read_file(work, "items", items->text,
                         (enum records_format)format);
    problem(work, "items", NULL,
            "expected a list of records or a file whose name ends in .csv, "
            ".tsv, .jsonl, .ndjson, .yaml or .yml");
    return -1;
}

/* ---- files of a repository --------------------------------------------- */

/* The bytes of a path's folder. */
static size_t folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? (size_t)(slash - path) : 0;
}

static bool same_folder(const char *a, const char *b)
{
    size_t length = folder_length(a);

    return length == folder_length(b) && !strncmp(a, b, length);
}

/* How many files from `at` on are one record. */
static size_t group_length(const struct for_source *each,
                           const struct strings *files, size_t at)
{
    size_t length = 1;

    while (at + length < files->count && length < (size_t)each->group &&
           (!each->by_folder ||
            same_folder(files->items[at], files->items[at + length])))
        length++;
    return length;
}

static int add_group(struct work *work, const struct strings *files, size_t at,
                     size_t length, struct records_fault *fault)
{
    const char *first = files->items[at];
    size_t folder = folder_length(first);
    CLEANUP(mem_free) char *count = mem_format("%zu", length);
    CLEANUP(buffer_free) struct buffer list = {0};

    buffer_init(&list, RECORDS_VALUE_MAX);
    for (size_t i = 0; i < length; i++)
        buffer_addf(&list, "%s%s", i ? "\n" : "", files->items[at + i]);
    if (list.dropped || records_add_row(&work->records, 1, fault) ||
        records_set(&work->records, "file", (struct span){first, strlen(first)},
                    fault) ||
        records_set(&work->records, "folder",
                    folder ? (struct span){first, folder} : SPAN("."), fault) ||
        records_set(&work->records, "files", buffer_span(&list), fault))
        return -1;
    return records_set(&work->records, "count",
                       (struct span){count, strlen(count)}, fault);
}

/* Only of a repository on this machine: reading a manifest fetches nothing. */
static int read_files(struct work *work, const struct for_source *each)
{
    struct slot *repo = &work->slots[SLOT_REPO];
    struct slot *ref = &work->slots[SLOT_REF];
    struct strings files = {NULL, 0};
    struct records_fault fault = {.line = 0};
    const char *path;
    struct error err;

    if ((repo->source.text && template_has(repo->source.text)) ||
        (ref->source.text && template_has(ref->source.text))) {
        problem(work, "files", NULL,
                "needs a \"repo\" and a \"ref\" without templates");
        return -1;
    }
    path = repo->source.node ? slot_resolve(work, repo)
                             : slot_current_repo(work, repo);
    if (!path)
        return -1;
    if (!repo_is_path(path)) {
        problem(work, "files", "clone it, and name the folder in \"repo\"",
                "needs a repository on this machine");
        return -1;
    }
    if (tracked_files(path, slot_resolve(work, ref), &each->files,
                      work->reader->arena, &files, &err)) {
        problem(work, "files", NULL, "%s", err.text);
        return -1;
    }
    for (size_t at = 0; at < files.count;) {
        size_t length = group_length(each, &files, at);

        if (add_group(work, &files, at, length, &fault)) {
            problem(work, "files", NULL, "%s", fault.text);
            return -1;
        }
        at += length;
    }
    return 0;
}

/* ---- exclude, include -------------------------------------------------- */

/* Whether a record has a value that matches each of the entry's. */
static bool fits(const struct records *records, size_t row,
                 const struct yaml_node *entry)
{
    for (size_t i = 0; i < entry->count; i++) {
        const char *value = records_value(records, row, entry->keys[i]->text);

        if (!value || !glob_match_word(entry->items[i]->text, value))
            return false;
    }
    return entry->count > 0;
}

static int check_entries(struct work *work, const struct yaml_node *entries)
{
    bool good = entries->kind == YAML_LIST;

    for (size_t i = 0; good && i < entries->count; i++) {
        const struct yaml_node *entry = entries->items[i];

        good = entry->kind == YAML_MAP && entry->count;
        for (size_t k = 0; good && k < entry->count; k++)
            good = entry->items[k]->kind == YAML_SCALAR;
    }
    if (!good)
        problem(work, "exclude", NULL, "expected a list of maps of patterns");
    return good ? 0 : -1;
}

/* What no record has excludes nothing: a slip of the pen. */
static int check_fields(struct work *work, const struct yaml_node *entries)
{
    const struct records *records = &work->records;
    int status = 0;

    for (size_t i = 0; i < entries->count; i++) {
        const struct yaml_node *entry = entries->items[i];

        for (size_t k = 0; k < entry->count; k++) {
            const char *name = entry->keys[k]->text;
            const char *near;
            size_t n = 0;

            while (n < records->name_count &&
                   strcmp(records->names[n], name) != 0)
                n++;
            if (n < records->name_count)
                continue;
            near = suggest(name, records->names, records->name_count);
            problem(work, "exclude", did_you_mean(work->reader->arena, near),
                    "no record has a field \"%s\"", name);
            status = -1;
        }
    }
    return status;
}

static int exclude(struct work *work, const struct yaml_node *entries)
{
    struct records *records = &work->records;
    CLEANUP(mem_free) bool *gone = mem_array(records->count + 1, sizeof(bool));

    if (check_entries(work, entries) || check_fields(work, entries))
        return -1;
    for (size_t row = 0; row < records->count; row++) {
        for (size_t i = 0; i < entries->count && !gone[row]; i++)
            gone[row] = fits(records, row, entries->items[i]);
    }
    records_remove(records, gone);
    return 0;
}

static int include(struct work *work, const struct yaml_node *entries)
{
    struct records_fault fault = {.line = 0};

    if (!records_add_nodes(&work->records, entries, &fault))
        return 0;
    problem(work, "include", NULL, "%s", fault.text);
    return -1;
}

/* ---- all --------------------------------------------------------------- */

static int read_source(struct work *work, const struct for_source *each)
{
    const struct yaml_node *node = yaml_get(work->node, "for");
    int sources = (yaml_get(node, "items") != NULL) +
                  (yaml_get(node, "repos") != NULL) +
                  (yaml_get(node, "files") != NULL);

    if (node->kind != YAML_MAP)
        return -1; /* told already, as is a source that cannot be used */
    if (sources != 1) {
        problem(work, "items", NULL,
                "expected one of \"items\", \"repos\" and \"files\"");
        return -1;
    }
    if (!yaml_get(node, "files") &&
        (yaml_get(node, "group") || yaml_get(node, "by_folder"))) {
        problem(work, yaml_get(node, "group") ? "group" : "by_folder", NULL,
                "has a meaning with \"files\" alone");
        return -1;
    }
    if (each->items)
        return read_items(work, each->items);
    if (each->repos)
        return read_file(work, "repos", each->repos, RECORDS_REPOSITORIES);
    return each->files.count ? read_files(work, each) : -1;
}

/* Two names that are one variable would hide each other, as would "x_file" the
 * one that names the file of "x". */
static bool same_variable(const char *a, const char *b)
{
    CLEANUP(mem_free) char *file_a = mem_format("%s_file", a);
    CLEANUP(mem_free) char *file_b = mem_format("%s_file", b);

    return template_same_variable(a, b) || template_same_variable(file_a, b) ||
           template_same_variable(a, file_b);
}

static int check_names(struct work *work)
{
    const struct records *records = &work->records;

    for (size_t i = 0; i < records->name_count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (!same_variable(records->names[i], records->names[j]))
                continue;
            problem(work, "items", NULL,
                    "the fields \"%s\" and \"%s\" would be the same variable",
                    records->names[j], records->names[i]);
            return -1;
        }
    }
    return 0;
}

int for_read(struct work *work)
{
    const struct for_source *each = &work->source->each;

    work->each = yaml_get(work->node, "for") != NULL;
    records_init(&work->records, work->reader->arena);
    if (!work->each)
        return 0;
    if (read_source(work, each) ||
        (each->exclude && exclude(work, each->exclude)) ||
        (each->include && include(work, each->include)) || check_names(work))
        return -1;
    if (work->records.count)
        return 0;
    problem(work, each->files.count ? "files" : "items", NULL, "%s",
            each->exclude       ? "\"exclude\" leaves no record"
            : each->files.count ? "no file matches"
                                : "there is no record");
    return -1;
}

/* FNV-1a: to tell records apart. */
static uint64_t hash_row(const struct records *records, size_t row)
{
    uint64_t hash = 14695981039346656037U;

    for (size_t i = 0; i < records->name_count; i++) {
        const char *value = records_cell(records, row, i);

        for (const char *at = value ? value : ""; *at; at++)
            hash = (hash ^ (unsigned char)*at) * 1099511628211U;
        hash = (hash ^ 0xFF) * 1099511628211U;
    }
    return hash;
}

const char *for_identity(const struct work *work)
{
    static const char *const names[] = {"id",     "slug", "name", "key",
                                        "number", "file", "repo", "value"};
    struct arena *arena = work->reader->arena;
    uint64_t hash = hash_row(&work->records, work->row);
    const char *found = NULL;

    for (size_t i = 0; i < ARRAY_LENGTH(names) && !found; i++)
        found = records_value(&work->records, work->row, names[i]);
    if (!found)
        return arena_format(arena, "%08x", (unsigned)hash);
    if (strlen(found) <= IDENTITY_MAX)
        return found;
    return arena_format(arena, "%.*s-%08x", IDENTITY_MAX - 10, found,
                        (unsigned)hash);
}
