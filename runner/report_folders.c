#include "runner/report_folders.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/names.h"
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

/* "https://host/team/app.git" gives "app". */
static char *repository_stem(const char *repo)
{
    size_t length = strlen(repo);
    CLEANUP(mem_free) char *last = NULL;
    const char *slash;

    while (length && repo[length - 1] == '/')
        length--;
    last = mem_bytes(repo, length);
    slash = strrchr(last, '/');
    if (length > 4 && !strcmp(last + length - 4, ".git"))
        last[length - 4] = '\0';
    slash = slash ? slash + 1 : last;
    return file_name(*slash ? slash : "repository", "");
}

/* ---- names of repositories ------------------------------------------------
 */

/* For each task the name of its repository, its last part and a number when
 * another repository has the same; NULL for tasks without a patch to send. The
 * caller frees the array; the names are in `given`. */
static const char **name_repositories(const struct run_outcome *outcome,
                                      struct names *given)
{
    const char **names = mem_array(outcome->task_count, sizeof(*names));
    struct names repositories = {0};

    for (size_t i = 0; i < outcome->task_count; i++) {
        const char *repo = outcome->tasks[i]->repo;
        const char **slot;

        if (!mail_is_patch(outcome->tasks[i]))
            continue;
        slot = (const char **)names_slot(&repositories, repo);
        if (!*slot) {
            CLEANUP(mem_free) char *stem = repository_stem(repo);

            *slot = names_unique(given, "", stem, "-", "");
        }
        names[i] = *slot;
    }
    names_free(&repositories);
    return names;
}

/* ---- patches ----------------------------------------------------------- */

static int write_patch(const struct run_outcome *outcome,
                       const struct report_options *options, size_t at,
                       const char *repository, int folder, struct error *err)
{
    const struct outcome_task *task = outcome->tasks[at];
    CLEANUP(buffer_free) struct buffer text = {0};
    /* The number keeps them in order, and apart. */
    CLEANUP(mem_free)
    char *stem = mem_format("%04zu-%.*s", at + 1, NAME_MAX_BYTES / 2, task->id);
    CLEANUP(mem_free) char *name = file_name(stem, ".patch");
    CLEANUP(fd_close) int inner = -1;

    buffer_init(&text, MAIL_BYTES_MAX);
    if (file_make_directories(folder, repository, err))
        return -1;
    inner = openat(folder, repository, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (inner < 0)
        return error_set_errno(err, ERROR_IO, errno, "%s", repository);
    if (mail_add(outcome, options, task, &text, err))
        return -1;
    return file_replace(inner, name, buffer_span(&text), err);
}

/* A folder for each repository, so that `git am` takes what is in one. */
static int write_patches(const struct run_outcome *outcome,
                         const struct report_options *options,
                         const struct cache *cache, int folder,
                         struct error *err)
{
    struct names given = {0};
    CLEANUP(mem_free)
    const char **names = name_repositories(outcome, &given);
    int status = 0;

    (void)cache;
    for (size_t i = 0; !status && i < outcome->task_count; i++) {
        if (names[i])
            status = write_patch(outcome, options, i, names[i], folder, err);
    }
    names_free(&given);
    return status;
}

/* ---- bundles ----------------------------------------------------------- */

struct bundling {
    const struct run_outcome *outcome;
    const struct report_options *options;
    const struct cache *cache;
    struct arena arena;
    bool fetch;
    struct bundle_change *changes;
    size_t count;
    struct error first; /* of what was left out; ERROR_NONE: nothing */
};

/* What cannot be had is told at the end; the others are written. */
static void leave_out(struct bundling *bundling, const struct error *err)
{
    if (bundling->first.kind == ERROR_NONE)
        bundling->first = *err;
}

static int add_change(struct bundling *bundling,
                      const struct outcome_task *task, struct error *err)
{
    struct bundle_change *change = &bundling->changes[bundling->count];
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
        .tree = task->patch->tree,
        .patch = {arena_bytes(&bundling->arena, patch.data, patch.length),
                  patch.length},
        .message = arena_string(&bundling->arena, message.data),
        .author = mail_author(bundling->options),
        .time = task->ended_ms > 0 ? task->ended_ms / 1000 : 0};
    bundling->count++;
    return 0;
}

/* Those of the repository of task `first`, which is its first. */
static int write_bundle(struct bundling *bundling, const char *const *names,
                        size_t first, int folder, const char *objects,
                        struct error *err)
{
    const struct run_outcome *outcome = bundling->outcome;
    const char *repo = outcome->tasks[first]->repo;
    CLEANUP(mem_free) char *name = mem_format("%s.bundle", names[first]);
    CLEANUP(buffer_free) struct buffer out = {0};
    const struct bundle_request request = {.cache = bundling->cache,
                                           .url = repo,
                                           .folder = objects,
                                           .fetch = bundling->fetch};

    bundling->count = 0;
    for (size_t i = first; i < outcome->task_count; i++) {
        if (names[i] == names[first] &&
            add_change(bundling, outcome->tasks[i], err))
            leave_out(bundling, err);
    }
    if (!bundling->count)
        return 0;
    buffer_init(&out, MAIL_BYTES_MAX);
    if (bundle_make(&request, bundling->changes, &bundling->count, &out, err)) {
        error_context(err, "report 'bundles': %s", repo);
        leave_out(bundling, err);
    }
    return bundling->count ? file_replace(folder, name, buffer_span(&out), err)
                           : 0;
}

static int write_all(struct bundling *bundling, int folder, const char *objects,
                     struct error *err)
{
    const struct run_outcome *outcome = bundling->outcome;
    struct names given = {0};
    struct names done = {0};
    CLEANUP(mem_free)
    const char **names = name_repositories(outcome, &given);
    int status = 0;

    for (size_t i = 0; !status && i < outcome->task_count; i++) {
        if (!names[i] || names_count(&done, names[i]))
            continue;
        status = write_bundle(bundling, names, i, folder, objects, err);
        arena_free(&bundling->arena);
    }
    names_free(&done);
    names_free(&given);
    return status;
}

static int write_bundles(const struct run_outcome *outcome,
                         const struct report_options *options,
                         const struct cache *cache, int folder,
                         struct error *err)
{
    CLEANUP(mem_free) char *objects = NULL;
    CLEANUP(mem_free)
    struct bundle_change *changes =
        mem_array(outcome->task_count, sizeof(*changes));
    struct bundling bundling = {.outcome = outcome,
                                .options = options,
                                .cache = cache,
                                .fetch = options->fetch,
                                .changes = changes};
    struct error ignored;
    int status;

    if (!cache || !cache->folder)
        return error_set(err, ERROR_USAGE,
                         "report 'bundles' needs the cache of repositories");
    objects = file_temporary_folder("nightjar-bundles", err);
    if (!objects)
        return -1;
    status = write_all(&bundling, folder, objects, err);
    file_remove_tree(AT_FDCWD, objects, &ignored);
    if (status || bundling.first.kind == ERROR_NONE)
        return status;
    *err = bundling.first;
    return err->kind == ERROR_USAGE && !*err->hint
               ? error_hint(err, "--fetch fetches what the run directory names "
                                 "as its repositories")
               : -1;
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

static bool is_empty(int folder)
{
    int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = copy < 0 ? NULL : fdopendir(copy);
    const struct dirent *entry;
    bool empty = true;

    if (!stream) {
        fd_reset(&copy);
        return false;
    }
    while (empty && (entry = readdir(stream)))
        empty = !strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..");
    closedir(stream);
    return empty;
}

static int refuse_full(const char *path, struct error *err)
{
    error_set(err, ERROR_USAGE, "--report: %s is not empty", path);
    return error_hint(err, "files of an earlier report would be taken for this "
                           "one's: name a new folder");
}

int report_folder_check(const char *path, struct error *err)
{
    CLEANUP(fd_close)
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (folder < 0)
        return errno == ENOENT ? 0
                               : error_set_errno(err, ERROR_USAGE, errno,
                                                 "--report: %s", path);
    if (!is_empty(folder))
        return refuse_full(path, err);
    return access(path, W_OK | X_OK)
               ? error_set_errno(err, ERROR_USAGE, errno, "--report: %s", path)
               : 0;
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
    if (!is_empty(folder))
        return refuse_full(path, err);
    return report->write(outcome, options, cache, folder, err);
}
