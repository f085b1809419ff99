#include "runner/report_folders.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/memory.h"
#include "reporters/mail.h"
#include "tasks/bundle.h"
#include "tasks/patch.h"

#define MAIL_BYTES_MAX ((size_t)1 << 30)
#define MESSAGE_BYTES_MAX ((size_t)16 << 20)
#define NAME_MAX_BYTES 200

/* A file name from text of others: letters, digits and -._ and never hidden. */
static char *file_name(const char *text, const char *ending)
{
    char *name = mem_format("%.*s%s", NAME_MAX_BYTES, text, ending);

    for (char *at = name; *at; at++) {
        bool fine = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
                    (*at >= '0' && *at <= '9') ||
                    (strchr("-._", *at) && at != name);

        if (!fine)
            *at = '-';
    }
    return name;
}

/* ---- patches ----------------------------------------------------------- */

static int write_patches(const struct run_outcome *outcome,
                         const struct report_options *options,
                         const struct cache *cache, int folder,
                         struct error *err)
{
    (void)cache;
    for (size_t i = 0; i < outcome->task_count; i++) {
        const struct outcome_task *task = outcome->tasks[i];
        CLEANUP(buffer_free) struct buffer text = {0};
        CLEANUP(mem_free) char *stem = NULL;
        CLEANUP(mem_free) char *name = NULL;

        if (!mail_is_patch(task))
            continue;
        /* The number keeps them in order, and apart. */
        stem = mem_format("%04zu-%.*s", i + 1, NAME_MAX_BYTES / 2, task->id);
        name = file_name(stem, ".patch");
        buffer_init(&text, MAIL_BYTES_MAX);
        if (mail_add(outcome, options, task, &text, err) ||
            file_replace(folder, name, buffer_span(&text), err))
            return -1;
    }
    return 0;
}

/* ---- bundles ----------------------------------------------------------- */

struct bundling {
    const struct run_outcome *outcome;
    const struct report_options *options;
    const struct cache *cache;
    struct arena arena;
    struct bundle_change *changes;
    size_t count;
};

static int add_change(struct bundling *bundling,
                      const struct outcome_task *task, struct error *err)
{
    struct bundle_change *change = &bundling->changes[bundling->count++];
    CLEANUP(buffer_free) struct buffer patch = {0};
    CLEANUP(buffer_free) struct buffer message = {0};

    buffer_init(&patch, PATCH_BYTES_MAX);
    buffer_init(&message, MESSAGE_BYTES_MAX);
    if (!task->commit ||
        report_read(bundling->options, task, "patch.diff", &patch))
        return error_set(err, ERROR_IO,
                         "report 'bundles': %s: its patch or commit is not in "
                         "the run directory",
                         task->id);
    mail_commit_message(bundling->outcome, bundling->options, task, &message);
    *change = (struct bundle_change){
        .name = task->id,
        .commit = task->commit,
        .patch = {arena_bytes(&bundling->arena, patch.data, patch.length),
                  patch.length},
        .message = arena_string(&bundling->arena, message.data),
        .author = mail_author(bundling->options),
        .time = task->ended_ms > 0 ? task->ended_ms / 1000 : 0};
    return 0;
}

/* "https://host/team/app.git" becomes "app", with a number to be unique. */
static char *bundle_name(const char *repo, size_t number)
{
    const char *slash = strrchr(repo, '/');
    CLEANUP(mem_free) char *last = mem_string(slash ? slash + 1 : repo);
    CLEANUP(mem_free) char *stem = NULL;
    size_t length = strlen(last);

    if (length > 4 && !strcmp(last + length - 4, ".git"))
        last[length - 4] = '\0';
    stem = mem_format("%04zu-%.*s", number, NAME_MAX_BYTES / 2, last);
    return file_name(stem, ".bundle");
}

/* Those of the repository of task `first`, which is its first. */
static int write_bundle(struct bundling *bundling, size_t first, size_t number,
                        int folder, const char *objects, struct error *err)
{
    const struct run_outcome *outcome = bundling->outcome;
    const char *repo = outcome->tasks[first]->repo;
    CLEANUP(mem_free) char *name = bundle_name(repo, number);
    CLEANUP(buffer_free) struct buffer out = {0};

    bundling->count = 0;
    for (size_t i = first; i < outcome->task_count; i++) {
        if (mail_is_patch(outcome->tasks[i]) &&
            !strcmp(outcome->tasks[i]->repo, repo) &&
            add_change(bundling, outcome->tasks[i], err))
            return -1;
    }
    buffer_init(&out, MAIL_BYTES_MAX);
    if (bundle_make(bundling->cache, repo, bundling->changes, bundling->count,
                    objects, &out, err))
        return error_context(err, "%s", repo);
    return file_replace(folder, name, buffer_span(&out), err);
}

static bool is_first(const struct run_outcome *outcome, size_t at)
{
    if (!mail_is_patch(outcome->tasks[at]))
        return false;
    for (size_t i = 0; i < at; i++) {
        if (mail_is_patch(outcome->tasks[i]) &&
            !strcmp(outcome->tasks[i]->repo, outcome->tasks[at]->repo))
            return false;
    }
    return true;
}

static int write_all(struct bundling *bundling, int folder, const char *objects,
                     struct error *err)
{
    size_t number = 0;
    int status = 0;

    for (size_t i = 0; !status && i < bundling->outcome->task_count; i++) {
        if (!is_first(bundling->outcome, i))
            continue;
        status = write_bundle(bundling, i, ++number, folder, objects, err);
        arena_free(&bundling->arena);
    }
    return status;
}

static int write_bundles(const struct run_outcome *outcome,
                         const struct report_options *options,
                         const struct cache *cache, int folder,
                         struct error *err)
{
    const char *base = getenv("TMPDIR");
    CLEANUP(mem_free)
    char *objects =
        mem_format("%s/nightjar-bundles.XXXXXX", base && *base ? base : "/tmp");
    CLEANUP(mem_free)
    struct bundle_change *changes =
        mem_array(outcome->task_count, sizeof(*changes));
    struct bundling bundling = {.outcome = outcome,
                                .options = options,
                                .cache = cache,
                                .changes = changes};
    struct error ignored;
    int status;

    if (!cache || !cache->folder)
        return error_set(err, ERROR_USAGE,
                         "report 'bundles' needs the cache of repositories");
    if (!mkdtemp(objects))
        return error_set_errno(err, ERROR_IO, errno, "%s", objects);
    status = write_all(&bundling, folder, objects, err);
    file_remove_tree(AT_FDCWD, objects, &ignored);
    return status;
}

/* ---- both -------------------------------------------------------------- */

static const struct report_folder folders[] = {
    {"patches", "a folder: each patch of a passed task as mail, for git am",
     write_patches},
    {"bundles",
     "a folder: for each repository the patches as commits, for "
     "git fetch",
     write_bundles},
};

const struct report_folder *report_folder_at(size_t index)
{
    return index < ARRAY_LENGTH(folders) ? &folders[index] : NULL;
}

const struct report_folder *report_folder_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(folders); i++) {
        if (!strcmp(folders[i].name, name))
            return &folders[i];
    }
    return NULL;
}

int report_folder_write(const struct report_folder *report, int dirfd,
                        const char *path, const struct run_outcome *outcome,
                        const struct report_options *options,
                        const struct cache *cache, struct error *err)
{
    CLEANUP(fd_close) int folder = -1;

    if (file_make_directories(dirfd, path, err))
        return -1;
    folder = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return error_set_errno(err, ERROR_IO, errno, "%s", path);
    return report->write(outcome, options, cache, folder, err);
}
