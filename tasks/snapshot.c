#include "tasks/snapshot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/glob.h"
#include "base/memory.h"
#include "tasks/git.h"

#define IGNORE_FILE_BYTES_MAX ((size_t)1 << 20)
#define LINK_BYTES_MAX 4096

struct walk {
    const struct snapshot_request *request;
    git_repository *mirror;
    git_repository *rules; /* holds only the workspace's ignore files */
    int rules_fd;          /* its folder */
    git_odb *odb;
    git_index *base;
    git_index *found;
    struct snapshot *snapshot;
};

static bool is_git_name(const char *name)
{
    return !strcasecmp(name, ".git") || !strcasecmp(name, "git~1");
}

/* ---- ignore rules ------------------------------------------------------ */

/* libgit2 reads ignore files by path and follows links, so they are copied
 * to a folder of ours: regular files only, bounded. */
static int copy_ignore_file(struct walk *walk, int folder, const char *path,
                            struct error *err)
{
    CLEANUP(buffer_free) struct buffer text = {0};
    CLEANUP(fd_close)
    int fd = openat(folder, ".gitignore",
                    O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    CLEANUP(mem_free)
    char *target = mem_format("%s%s.gitignore", path, *path ? "/" : "");
    struct error ignored;
    struct stat info;

    buffer_init(&text, IGNORE_FILE_BYTES_MAX);
    if (fd < 0 || fstat(fd, &info) || !S_ISREG(info.st_mode) ||
        file_read_fd(fd, &text, &ignored))
        return 0;
    if (*path && file_make_directories(walk->rules_fd, path, err))
        return -1;
    return file_replace(walk->rules_fd, target, buffer_span(&text), err);
}

static int is_ignored(struct walk *walk, const char *path, bool folder,
                      bool *ignored, struct error *err)
{
    CLEANUP(mem_free) char *name = mem_format("%s%s", path, folder ? "/" : "");
    int answer;

    /* The library looks whether the path is a folder. */
    if (folder && file_make_directories(walk->rules_fd, path, err))
        return -1;
    if (git_ignore_path_is_ignored(&answer, walk->rules, name))
        return git_fail(err, "ignore rules for '%s'", path);
    *ignored = answer;
    return 0;
}

/* Opens an entry for reading without following it. One whose mode shuts out
 * even its owner is opened all the same: to hide a file must not be that
 * easy. */
static int open_entry(int folder, const char *name, int flags)
{
    CLEANUP(fd_close) int place = -1;
    CLEANUP(mem_free) char *path = NULL;
    struct stat info;
    int fd = openat(folder, name, flags | O_NOFOLLOW | O_CLOEXEC);

    if (fd >= 0 || errno != EACCES)
        return fd;
    place = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (place < 0 || fstat(place, &info) || info.st_uid != geteuid() ||
        S_ISLNK(info.st_mode)) {
        errno = EACCES;
        return -1;
    }
    path = mem_format("/proc/self/fd/%d", place);
    if (chmod(path, (info.st_mode & 07777) |
                        (S_ISDIR(info.st_mode) ? S_IRWXU : S_IRUSR)))
        return -1;
    fd = openat(folder, name, flags | O_NOFOLLOW | O_CLOEXEC);
    /* A folder's entries must be reachable as long as it is read; the mode of
     * a file tells whether it can be executed. */
    if (!S_ISDIR(info.st_mode) && chmod(path, info.st_mode & 07777))
        fd_reset(&fd);
    return fd;
}

/* ---- entries ----------------------------------------------------------- */

static int add_entry(struct walk *walk, const char *path, const git_oid *oid,
                     uint32_t mode, struct error *err)
{
    git_index_entry entry = {.path = path, .id = *oid, .mode = mode};

    if (++walk->snapshot->files > SNAPSHOT_FILES_MAX)
        return error_set(err, ERROR_REPOSITORY,
                         "the workspace has more than %d files",
                         SNAPSHOT_FILES_MAX);
    /* Names that a tree may not hold are refused here. */
    if (git_index_add(walk->found, &entry)) {
        walk->snapshot->files--;
        walk->snapshot->left_out++;
    }
    return 0;
}

static int store(struct walk *walk, const struct buffer *content,
                 const git_index_entry *tracked, git_oid *oid,
                 struct error *err)
{
    if (git_odb_hash(oid, content->data, content->length, GIT_OBJECT_BLOB))
        return git_fail(err, "hash");
    if (tracked && git_oid_equal(oid, &tracked->id))
        return 0;
    if (git_odb_write(oid, walk->odb, content->data, content->length,
                      GIT_OBJECT_BLOB))
        return git_fail(err, "store");
    return 0;
}

static int add_file(struct walk *walk, int folder, const char *name,
                    const char *path, const git_index_entry *tracked,
                    struct error *err)
{
    CLEANUP(buffer_free) struct buffer content = {0};
    CLEANUP(fd_close)
    int fd = open_entry(folder, name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    struct stat info;
    git_oid oid;

    buffer_init(&content, SNAPSHOT_FILE_BYTES_MAX);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0 || fstat(fd, &info))
        return error_set_errno(err, ERROR_REPOSITORY, errno, "read '%s'", path);
    if (!S_ISREG(info.st_mode)) {
        walk->snapshot->left_out++;
        return 0;
    }
    if (file_read_fd(fd, &content, err)) {
        err->kind = ERROR_REPOSITORY;
        return error_context(err, "file '%s'", path);
    }
    if (store(walk, &content, tracked, &oid, err))
        return error_context(err, "file '%s'", path);
    return add_entry(walk, path, &oid,
                     info.st_mode & S_IXUSR ? GIT_FILEMODE_BLOB_EXECUTABLE
                                            : GIT_FILEMODE_BLOB,
                     err);
}

static int add_link(struct walk *walk, int folder, const char *name,
                    const char *path, const git_index_entry *tracked,
                    struct error *err)
{
    CLEANUP(buffer_free) struct buffer target = {0};
    ssize_t length;
    git_oid oid;

    buffer_init(&target, LINK_BYTES_MAX);
    length = readlinkat(folder, name, buffer_reserve(&target, LINK_BYTES_MAX),
                        LINK_BYTES_MAX);
    if (length < 0)
        return error_set_errno(err, ERROR_REPOSITORY, errno, "read link '%s'",
                               path);
    buffer_commit(&target, (size_t)length);
    if (store(walk, &target, tracked, &oid, err))
        return error_context(err, "link '%s'", path);
    return add_entry(walk, path, &oid, GIT_FILEMODE_LINK, err);
}

static int visit_folder(struct walk *walk, int parent, const char *name,
                        const char *path, bool ignored, int depth,
                        struct error *err);

/* Whether the base has files below this folder. */
static bool has_tracked(const struct walk *walk, const char *path)
{
    CLEANUP(mem_free) char *prefix = mem_format("%s/", path);
    size_t at;

    return !git_index_find_prefix(&at, walk->base, prefix);
}

static int visit_directory_entry(struct walk *walk, int folder,
                                 const char *name, const char *path,
                                 const git_index_entry *tracked, bool ignored,
                                 int depth, struct error *err)
{
    /* A submodule stays what it is; what is in it has its own history. */
    if (tracked && tracked->mode == GIT_FILEMODE_COMMIT)
        return add_entry(walk, path, &tracked->id, tracked->mode, err);
    if (!ignored && is_ignored(walk, path, true, &ignored, err))
        return -1;
    if (ignored && !has_tracked(walk, path))
        return 0;
    return visit_folder(walk, folder, name, path, ignored, depth + 1, err);
}

static int visit(struct walk *walk, int folder, const char *name,
                 const char *path, bool ignored, int depth, struct error *err)
{
    const git_index_entry *tracked = git_index_get_bypath(walk->base, path, 0);
    struct stat info;

    if (is_git_name(name)) {
        walk->snapshot->left_out += depth > 0;
        return 0;
    }
    /* A background process may have removed it just now. */
    if (fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT ? 0
                               : error_set_errno(err, ERROR_REPOSITORY, errno,
                                                 "look at '%s'", path);
    if (S_ISDIR(info.st_mode))
        return visit_directory_entry(walk, folder, name, path, tracked, ignored,
                                     depth, err);
    if (!tracked && !ignored && is_ignored(walk, path, false, &ignored, err))
        return -1;
    if (!tracked && ignored)
        return 0;
    if (S_ISLNK(info.st_mode))
        return add_link(walk, folder, name, path, tracked, err);
    if (S_ISREG(info.st_mode))
        return add_file(walk, folder, name, path, tracked, err);
    walk->snapshot->left_out++;
    return 0;
}

static void directory_close(DIR **directory)
{
    if (*directory)
        closedir(*directory);
}

static int visit_folder(struct walk *walk, int parent, const char *name,
                        const char *path, bool ignored, int depth,
                        struct error *err)
{
    CLEANUP(directory_close) DIR *directory = NULL;
    struct dirent *entry;
    int fd = open_entry(parent, name, O_RDONLY | O_DIRECTORY);

    directory = fd < 0 ? NULL : fdopendir(fd);
    if (!directory) {
        error_set_errno(err, ERROR_REPOSITORY, errno, "read folder '%s'", path);
        fd_reset(&fd);
        return -1;
    }
    if (depth > SNAPSHOT_DEPTH_MAX)
        return error_set(err, ERROR_REPOSITORY,
                         "'%s': folders are nested more than %d deep", path,
                         SNAPSHOT_DEPTH_MAX);
    if (!ignored && copy_ignore_file(walk, fd, path, err))
        return -1;
    while ((entry = readdir(directory))) {
        CLEANUP(mem_free)
        char *below =
            mem_format("%s%s%s", path, *path ? "/" : "", entry->d_name);

        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        if (clock_now_ms() > walk->request->deadline)
            return error_set(err, ERROR_TIMEOUT,
                             "reading the workspace took too long");
        if (visit(walk, fd, entry->d_name, below, ignored, depth, err))
            return -1;
    }
    return 0;
}

/* ---- overlays ---------------------------------------------------------- */

/* Takes the path, and what is below it, out of what was found. */
static int forget(struct walk *walk, const char *path, struct error *err)
{
    size_t at;

    while (!git_index_find_prefix(&at, walk->found, path)) {
        const git_index_entry *entry = git_index_get_byindex(walk->found, at);
        CLEANUP(mem_free) char *name = mem_string(entry->path);

        if (git_index_remove(walk->found, name, 0))
            return git_fail(err, "remove '%s'", name);
    }
    return 0;
}

static int forget_path(struct walk *walk, const char *path, struct error *err)
{
    CLEANUP(mem_free) char *below = mem_format("%s/", path);

    if (git_index_get_bypath(walk->found, path, 0) &&
        git_index_remove(walk->found, path, 0))
        return git_fail(err, "remove '%s'", path);
    return forget(walk, below, err);
}

/* A folder that hides the one of the same name below. */
static bool is_opaque(int folder, const char *name)
{
    CLEANUP(fd_close)
    int fd = open_entry(folder, name, O_RDONLY | O_DIRECTORY);
    char value[2];

    return fd >= 0 &&
           fgetxattr(fd, "user.overlay.opaque", value, sizeof(value)) == 1 &&
           (*value == 'y' || *value == 'x');
}

static int visit_upper_folder(struct walk *walk, int parent, const char *name,
                              const char *path, bool ignored, int depth,
                              struct error *err);

static int visit_upper_directory(struct walk *walk, int folder,
                                 const char *name, const char *path,
                                 bool ignored, int depth, struct error *err)
{
    const git_index_entry *tracked = git_index_get_bypath(walk->base, path, 0);

    if (tracked && tracked->mode == GIT_FILEMODE_COMMIT)
        return 0; /* a submodule stays what it is */
    if ((tracked || is_opaque(folder, name)) && forget_path(walk, path, err))
        return -1;
    if (!ignored && is_ignored(walk, path, true, &ignored, err))
        return -1;
    if (ignored && !has_tracked(walk, path))
        return 0;
    return visit_upper_folder(walk, folder, name, path, ignored, depth + 1,
                              err);
}

/* What lies in the upper directory replaces what was there. */
static int visit_upper(struct walk *walk, int folder, const char *name,
                       const char *path, bool ignored, int depth,
                       struct error *err)
{
    struct stat info;

    if (is_git_name(name)) {
        walk->snapshot->left_out += depth > 0;
        return 0;
    }
    if (fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT ? 0
                               : error_set_errno(err, ERROR_REPOSITORY, errno,
                                                 "look at '%s'", path);
    if (S_ISDIR(info.st_mode))
        return visit_upper_directory(walk, folder, name, path, ignored, depth,
                                     err);
    if (forget_path(walk, path, err))
        return -1;
    /* A whiteout: the name is gone. */
    if (S_ISCHR(info.st_mode) && info.st_rdev == 0)
        return 0;
    return visit(walk, folder, name, path, ignored, depth, err);
}

static int visit_upper_folder(struct walk *walk, int parent, const char *name,
                              const char *path, bool ignored, int depth,
                              struct error *err)
{
    CLEANUP(directory_close) DIR *directory = NULL;
    CLEANUP(fd_close) int merged = -1;
    struct dirent *entry;
    int fd = open_entry(parent, name, O_RDONLY | O_DIRECTORY);

    directory = fd < 0 ? NULL : fdopendir(fd);
    if (!directory) {
        error_set_errno(err, ERROR_REPOSITORY, errno, "read folder '%s'", path);
        fd_reset(&fd);
        return -1;
    }
    if (depth > SNAPSHOT_DEPTH_MAX)
        return error_set(err, ERROR_REPOSITORY,
                         "'%s': folders are nested more than %d deep", path,
                         SNAPSHOT_DEPTH_MAX);
    /* Rules that nobody changed are below. */
    merged = file_open_beneath(walk->request->workspace, *path ? path : ".",
                               O_RDONLY | O_DIRECTORY, 0);
    if (!ignored && merged >= 0 && copy_ignore_file(walk, merged, path, err))
        return -1;
    while ((entry = readdir(directory))) {
        CLEANUP(mem_free)
        char *below =
            mem_format("%s%s%s", path, *path ? "/" : "", entry->d_name);

        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        if (clock_now_ms() > walk->request->deadline)
            return error_set(err, ERROR_TIMEOUT,
                             "reading the workspace took too long");
        if (visit_upper(walk, fd, entry->d_name, below, ignored, depth, err))
            return -1;
    }
    return 0;
}

/* ---- whole ------------------------------------------------------------- */

static int read_index(git_repository *repository, struct object_id id,
                      git_index **index, struct error *err)
{
    CLEANUP(git_tree_cleanup) git_tree *tree = NULL;

    if (git_find_tree(repository, id, &tree, err))
        return -1;
    if (git_index_new(index) || git_index_read_tree(*index, tree))
        return git_fail(err, "read tree %s", id.hex);
    return 0;
}

/* With an overlay all is as in the base until something else is found. */
static int read_found(struct walk *walk, struct error *err)
{
    git_index_free(walk->found);
    walk->found = NULL;
    return read_index(walk->mirror, walk->request->base, &walk->found, err);
}

static int write_tree(git_index *index, git_repository *repository,
                      struct object_id *tree, struct error *err)
{
    git_oid oid;

    if (git_index_write_tree_to(&oid, index, repository))
        return git_fail(err, "write tree");
    *tree = object_id_from(&oid);
    return 0;
}

static int open_rules(struct walk *walk, const char *scratch, struct error *err)
{
    CLEANUP(mem_free) char *path = mem_format("%s/ignore", scratch);

    if (file_remove_tree(AT_FDCWD, path, err))
        return -1;
    if (git_repository_init(&walk->rules, path, false))
        return git_fail(err, "ignore rules");
    walk->rules_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (walk->rules_fd < 0)
        return error_set_errno(err, ERROR_IO, errno, "ignore rules");
    return 0;
}

static void walk_free(struct walk *walk)
{
    git_repository_free(walk->rules);
    git_odb_free(walk->odb);
    git_index_free(walk->base);
    git_index_free(walk->found);
    fd_reset(&walk->rules_fd);
}

int snapshot_take(const struct snapshot_request *request,
                  struct snapshot *snapshot, struct error *err)
{
    CLEANUP(walk_free)
    struct walk walk = {.request = request,
                        .mirror = request->mirror->repository,
                        .rules_fd = -1,
                        .snapshot = snapshot};

    *snapshot = (struct snapshot){.files = 0};
    if (open_rules(&walk, request->scratch, err) ||
        read_index(walk.mirror, request->base, &walk.base, err))
        return -1;
    if (git_index_new(&walk.found) ||
        git_repository_odb(&walk.odb, walk.mirror))
        return git_fail(err, "snapshot");
    if (request->upper >= 0
            ? read_found(&walk, err) ||
                  visit_upper_folder(&walk, request->upper, ".", "", false, 0,
                                     err)
            : visit_folder(&walk, request->workspace, ".", "", false, 0, err))
        return error_context(err, "workspace");
    return write_tree(walk.found, walk.mirror, &snapshot->tree, err);
}

/* ---- arithmetic on trees ----------------------------------------------- */

static bool same_entry(const git_index_entry *a, const git_index_entry *b)
{
    if (!a || !b)
        return a == b;
    return a->mode == b->mode && git_oid_equal(&a->id, &b->id);
}

/* Makes the path in `index` what `entry` is: that, or not there. */
static int put(git_index *index, const char *path, const git_index_entry *entry,
               struct error *err)
{
    git_index_entry copy;

    if (!entry) {
        /* Not there is what is wanted. */
        if (git_index_get_bypath(index, path, 0) &&
            git_index_remove(index, path, 0))
            return git_fail(err, "remove '%s'", path);
        return 0;
    }
    copy =
        (git_index_entry){.path = path, .id = entry->id, .mode = entry->mode};
    if (git_index_add(index, &copy))
        return git_fail(err, "add '%s'", path);
    return 0;
}

struct indexes {
    git_index *base;
    git_index *theirs;
    git_index *mine;
};

static void indexes_free(struct indexes *indexes)
{
    git_index_free(indexes->base);
    git_index_free(indexes->theirs);
    git_index_free(indexes->mine);
}

/* Where mine and theirs agree, mine becomes base, for the paths of `paths`. */
static int give_back(struct indexes *all, git_index *paths, git_index *result,
                     struct error *err)
{
    for (size_t i = 0; i < git_index_entrycount(paths); i++) {
        const char *path = git_index_get_byindex(paths, i)->path;
        const git_index_entry *mine = git_index_get_bypath(all->mine, path, 0);

        if (same_entry(mine, git_index_get_bypath(all->theirs, path, 0)) &&
            put(result, path, git_index_get_bypath(all->base, path, 0), err))
            return -1;
    }
    return 0;
}

int snapshot_without(const struct mirror *mirror, struct object_id base,
                     struct object_id theirs, struct object_id mine,
                     struct object_id *tree, struct error *err)
{
    CLEANUP(indexes_free) struct indexes all = {NULL, NULL, NULL};
    CLEANUP(git_index_cleanup) git_index *result = NULL;

    if (read_index(mirror->repository, base, &all.base, err) ||
        read_index(mirror->repository, theirs, &all.theirs, err) ||
        read_index(mirror->repository, mine, &all.mine, err) ||
        read_index(mirror->repository, mine, &result, err) ||
        give_back(&all, all.base, result, err) ||
        give_back(&all, all.theirs, result, err))
        return -1;
    return write_tree(result, mirror->repository, tree, err);
}

static int pin_paths(git_index *paths, git_index *base, git_index *result,
                     const char *const *globs, size_t count, struct error *err)
{
    for (size_t i = 0; i < git_index_entrycount(paths); i++) {
        const char *path = git_index_get_byindex(paths, i)->path;

        if (glob_match_any(globs, count, path) &&
            put(result, path, git_index_get_bypath(base, path, 0), err))
            return -1;
    }
    return 0;
}

int snapshot_pin(const struct mirror *mirror, struct object_id tree,
                 struct object_id base, const char *const *globs, size_t count,
                 struct object_id *pinned, struct error *err)
{
    CLEANUP(git_index_cleanup) git_index *from = NULL;
    CLEANUP(git_index_cleanup) git_index *paths = NULL;
    CLEANUP(git_index_cleanup) git_index *result = NULL;

    if (read_index(mirror->repository, base, &from, err) ||
        read_index(mirror->repository, tree, &paths, err) ||
        read_index(mirror->repository, tree, &result, err) ||
        pin_paths(paths, from, result, globs, count, err) ||
        pin_paths(from, from, result, globs, count, err))
        return -1;
    return write_tree(result, mirror->repository, pinned, err);
}
