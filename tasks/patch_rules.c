/* What the policy says of a patch: pure, from its summary. */
#include <inttypes.h>
#include <stdarg.h>

#include "base/glob.h"
#include "base/memory.h"
#include "tasks/patch.h"

struct checking {
    struct patch_summary *summary;
    const struct patch_policy *policy;
    const char *directory;
    struct violations *violations;
    struct violations *findings;
};

static void add(struct checking *checking, struct violations *to,
                const char *path, const char *rule, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

static void add(struct checking *checking, struct violations *to,
                const char *path, const char *rule, const char *format, ...)
{
    CLEANUP(mem_free) char *message = NULL;
    va_list arguments;

    va_start(arguments, format);
    message = mem_vformat(format, arguments);
    va_end(arguments);
    to->items[to->count++] = (struct violation){
        path, rule, arena_string(&checking->summary->arena, message)};
}

static bool in_directory(const char *directory, const char *path)
{
    size_t length = strlen(directory);

    if (!strcmp(directory, "."))
        return true;
    return !strncmp(path, directory, length) && path[length] == '/';
}

/* Globs ignore case: some file systems do, and a forge may run there. */
static bool matches(const struct strings *globs, const char *path)
{
    CLEANUP(mem_free) char *folded = mem_string(path);

    for (char *at = folded; *at; at++) {
        if (*at >= 'A' && *at <= 'Z')
            *at = (char)(*at - 'A' + 'a');
    }
    for (size_t i = 0; i < globs->count; i++) {
        CLEANUP(mem_free) char *glob = mem_string(globs->items[i]);

        for (char *at = glob; *at; at++) {
            if (*at >= 'A' && *at <= 'Z')
                *at = (char)(*at - 'A' + 'a');
        }
        if (glob_match(glob, folded))
            return true;
    }
    return false;
}

static void check_path(struct checking *checking, const char *path)
{
    const struct patch_policy *policy = checking->policy;

    if (matches(&policy->protect, path))
        add(checking, checking->violations, path, "protect",
            "'%s' is protected: it must not be changed", path);
    else if (policy->allow.count &&
             !glob_match_any(policy->allow.items, policy->allow.count, path))
        add(checking, checking->violations, path, "allow",
            "'%s' is not among the paths that may be changed", path);
    else if (!in_directory(checking->directory, path))
        add(checking, checking->violations, path, "directory",
            "'%s' is outside of the task's directory '%s'", path,
            checking->directory);
}

static void check_file(struct checking *checking, const struct patch_file *file)
{
    const struct patch_policy *policy = checking->policy;

    check_path(checking, file->path);
    if (strcmp(file->path, file->old_path) != 0)
        check_path(checking, file->old_path);
    if (file->binary && !policy->binary)
        add(checking, checking->violations, file->path, "binary",
            "'%s' is binary", file->path);
    if (file->submodule)
        add(checking, checking->violations, file->path, "submodule",
            "'%s': a submodule must not be changed", file->path);
    if (file->bytes > policy->max_file_size_bytes)
        add(checking, checking->violations, file->path, "max_file_size",
            "'%s' has %" PRId64 " bytes; at most %" PRId64 " are allowed",
            file->path, file->bytes, policy->max_file_size_bytes);
    if (file->secret)
        add(checking,
            policy->secrets == SECRETS_FAIL ? checking->violations
                                            : checking->findings,
            file->path, "secrets",
            "'%s' line %zu: looks like a credential (%s)", file->path,
            file->secret_line, file->secret);
}

void patch_check(struct patch_summary *summary,
                 const struct patch_policy *policy, const char *directory,
                 struct violations *violations, struct violations *findings)
{
    struct checking checking = {summary, policy, directory, violations,
                                findings};
    size_t most = summary->count * 6 + 2; /* of one file, and of the whole */

    *violations = (struct violations){
        arena_array(&summary->arena, most, sizeof(struct violation)), 0};
    *findings = (struct violations){
        arena_array(&summary->arena, most, sizeof(struct violation)), 0};
    for (size_t i = 0; i < summary->count; i++)
        check_file(&checking, &summary->files[i]);
    if (policy->max_files >= 0 && (int64_t)summary->count > policy->max_files)
        add(&checking, violations, "", "max_files",
            "%zu files are changed; at most %" PRId64 " are allowed",
            summary->count, policy->max_files);
    if (policy->max_lines >= 0 &&
        summary->added + summary->removed > policy->max_lines)
        add(&checking, violations, "", "max_lines",
            "%" PRId64 " lines are changed; at most %" PRId64 " are allowed",
            summary->added + summary->removed, policy->max_lines);
}
