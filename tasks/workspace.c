#include "tasks/workspace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/memory.h"
#include "tasks/git.h"

/* ---- objects ----------------------------------------------------------- */

static int copy_file(int from, int to, const char *name, struct error *err)
{
    CLEANUP(fd_close) int in = openat(from, name, O_RDONLY | O_CLOEXEC);
    CLEANUP(fd_close)
    int out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);

    if (in < 0 || out < 0)
        return error_set_errno(err, ERROR_IO, errno, "copy %s", name);
    return file_copy_fd(in, out, err) ? error_context(err, "%s", name) : 0;
}

static void directory_close(DIR **directory)
{
    if (*directory)
        closedir(*directory);
}

static DIR *directory_at(int parent, const char *name)
{
    int fd =
        openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);

    if (!directory)
        fd_reset(&fd);
    return directory;
}

/* Copies the files of an objects folder: two levels, "pack/x" and "ab/cd". */
static int copy_objects(int from, int to, int level, struct error *err)
{
    CLEANUP(directory_close) DIR *directory = directory_at(from, ".");
    struct dirent *entry;

    if (!directory)
        return error_set_errno(err, ERROR_IO, errno, "read objects");
    while ((entry = readdir(directory))) {
        const char *name = entry->d_name;
        CLEANUP(fd_close) int below = -1;
        CLEANUP(fd_close) int target = -1;

        /* What another process is just writing has another name yet. */
        if (name[0] == '.' || !strncmp(name, "tmp_", 4) ||
            !strncmp(name, "pack_", 5))
            continue;
        below = openat(from, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (below < 0) {
            if (copy_file(from, to, name, err))
                return -1;
            continue;
        }
        if (level)
            continue;
        if (mkdirat(to, name, 0777) && errno != EEXIST)
            return error_set_errno(err, ERROR_IO, errno, "mkdir %s", name);
        target = openat(to, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (target < 0)
            return error_set_errno(err, ERROR_IO, errno, "open %s", name);
        if (copy_objects(below, target, level + 1, err))
            return -1;
    }
    return 0;
}

static int copy_all_objects(const char *source, const char *workspace,
                            struct error *err)
{
    CLEANUP(mem_free) char *target = mem_format("%s/.git/objects", workspace);
    CLEANUP(fd_close) int from = open(source, O_RDONLY | O_CLOEXEC);
    CLEANUP(fd_close) int to = open(target, O_RDONLY | O_CLOEXEC);

    if (from < 0 || to < 0)
        return error_set_errno(err, ERROR_IO, errno, "open objects");
    return copy_objects(from, to, 0, err);
}

static int borrow_objects(const char *workspace, const char *from,
                          struct error *err)
{
    CLEANUP(mem_free)
    char *path = mem_format("%s/.git/objects/info/alternates", workspace);
    CLEANUP(mem_free) char *line = mem_format("%s\n", from);

    return file_replace(AT_FDCWD, path, (struct span){line, strlen(line)}, err);
}

/* Where they are borrowed, this process finds them elsewhere than commands
 * do. */
static int provide_objects(const struct workspace_request *request,
                           const char *directory, git_repository *repository,
                           struct error *err)
{
    const struct mirror *mirror = request->mirror;
    CLEANUP(git_odb_cleanup) git_odb *odb = NULL;

    if (!request->borrowed)
        return copy_all_objects(mirror->objects, directory, err) ||
                       (mirror->own &&
                        copy_all_objects(mirror->own, directory, err))
                   ? -1
                   : 0;
    if (git_repository_odb(&odb, repository) ||
        git_odb_add_disk_alternate(odb, mirror->objects))
        return git_fail(err, "borrow objects");
    return borrow_objects(directory, request->borrowed, err);
}

/* A shallow mirror's list of where history ends, without which its copy
 * would look broken. */
static int copy_shallow(const char *mirror, const char *workspace,
                        struct error *err)
{
    CLEANUP(mem_free) char *git = mem_format("%s/.git", workspace);
    CLEANUP(fd_close) int from = open(mirror, O_RDONLY | O_CLOEXEC);
    CLEANUP(fd_close) int to = open(git, O_RDONLY | O_CLOEXEC);

    if (from < 0 || to < 0)
        return error_set_errno(err, ERROR_IO, errno, "open mirror");
    if (faccessat(from, "shallow", F_OK, 0))
        return 0;
    return copy_file(from, to, "shallow", err);
}

/* ---- checkout ---------------------------------------------------------- */

static int set_head(git_repository *repository, const char *branch,
                    struct object_id commit, struct error *err)
{
    CLEANUP(git_reference_cleanup) git_reference *reference = NULL;
    CLEANUP(mem_free) char *name = mem_format("refs/heads/%s", branch);
    git_oid oid;

    if (object_id_parse(commit, &oid, err))
        return -1;
    if (git_reference_create(&reference, repository, name, &oid, 1, NULL) ||
        git_repository_set_head(repository, name))
        return git_fail(err, "branch '%s'", branch);
    return 0;
}

/* So that the agent can commit; its commits are not part of the patch, but
 * many tools want to make some. */
static int set_configuration(git_repository *repository, struct error *err)
{
    CLEANUP(git_config_cleanup) git_config *config = NULL;

    if (git_repository_config(&config, repository) ||
        git_config_set_string(config, "user.name", "nightjar") ||
        git_config_set_string(config, "user.email", "nightjar@localhost") ||
        git_config_set_bool(config, "core.autocrlf", 0) ||
        git_config_set_int32(config, "gc.auto", 0))
        return git_fail(err, "configure workspace");
    return 0;
}

static int check_out(git_repository *repository, struct object_id id,
                     struct error *err)
{
    CLEANUP(git_object_cleanup) git_object *object = NULL;
    git_checkout_options options = GIT_CHECKOUT_OPTIONS_INIT;
    git_tree *tree = NULL;

    if (git_find_tree(repository, id, &tree, err))
        return -1;
    object = (git_object *)tree;
    options.checkout_strategy = GIT_CHECKOUT_FORCE;
    options.disable_filters = 1;
    if (git_checkout_tree(repository, object, &options))
        return git_fail(err, "check out %s", id.hex);
    return 0;
}

static int make_repository(const struct workspace_request *request,
                           const char *directory, struct error *err)
{
    git_repository_init_options options = GIT_REPOSITORY_INIT_OPTIONS_INIT;
    CLEANUP(git_repository_cleanup) git_repository *repository = NULL;

    options.flags = GIT_REPOSITORY_INIT_MKDIR | GIT_REPOSITORY_INIT_NO_REINIT;
    if (git_repository_init_ext(&repository, directory, &options))
        return git_fail(err, "create workspace");
    if (provide_objects(request, directory, repository, err) ||
        copy_shallow(request->mirror->path, directory, err) ||
        set_head(repository, request->branch, request->mirror->commit, err) ||
        set_configuration(repository, err))
        return -1;
    return check_out(repository, request->tree, err);
}

int workspace_create(const struct workspace_request *request, struct error *err)
{
    if (make_repository(request, request->directory, err))
        return error_context(err, "workspace");
    return workspace_give(request->directory, request->owner, request->group,
                          err);
}

/* ---- ownership --------------------------------------------------------- */

static int give_entries(int fd, uid_t owner, gid_t group, int depth,
                        struct error *err)
{
    CLEANUP(directory_close) DIR *directory = directory_at(fd, ".");
    struct dirent *entry;

    if (!directory || depth > 2000)
        return error_set_errno(err, ERROR_IO, directory ? ELOOP : errno,
                               "give the workspace to its user");
    while ((entry = readdir(directory))) {
        const char *name = entry->d_name;
        CLEANUP(fd_close) int below = -1;

        if (!strcmp(name, ".") || !strcmp(name, ".."))
            continue;
        if (fchownat(fd, name, owner, group, AT_SYMLINK_NOFOLLOW))
            return error_set_errno(err, ERROR_IO, errno, "chown %s", name);
        if (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN)
            continue;
        below =
            openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (below >= 0 && give_entries(below, owner, group, depth + 1, err))
            return -1;
    }
    return 0;
}

int workspace_give(const char *directory, uid_t owner, gid_t group,
                   struct error *err)
{
    CLEANUP(fd_close) int fd = -1;

    if (owner == geteuid())
        return 0;
    fd = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fchown(fd, owner, group))
        return error_set_errno(err, ERROR_IO, errno, "give the workspace");
    return give_entries(fd, owner, group, 0, err);
}

/* ---- submodules -------------------------------------------------------- */

#define SUBMODULES_MAX 100
#define SUBMODULE_DEPTH_MAX 5

struct submodules {
    const struct workspace_request *request;
    const char *scratch;
    int64_t deadline;
    int count;
};

static bool is_local(const char *url)
{
    return url[0] == '/' || !strncmp(url, "file://", 7);
}

static bool is_remote(const char *url)
{
    return !strncmp(url, "https://", 8) || !strncmp(url, "http://", 7) ||
           !strncmp(url, "ssh://", 6) ||
           (strchr(url, ':') && !strstr(url, "::") && !strstr(url, "://") &&
            url[0] != '-' && url[0] != '/');
}

/* A submodule's URL as the repository at `base` means it; NULL if it must not
 * be followed. */
static char *submodule_url(const char *base, const char *url)
{
    CLEANUP(mem_free) char *at = mem_string(base);

    if (is_remote(url) || (is_local(url) && is_local(base)))
        return mem_string(url);
    if (url[0] != '.')
        return NULL;
    while (strlen(at) && at[strlen(at) - 1] == '/')
        at[strlen(at) - 1] = '\0';
    while (!strncmp(url, "../", 3) || !strncmp(url, "./", 2)) {
        bool up = url[1] == '.';
        char *slash = strrchr(at, '/');

        if (up && (!slash || slash == at || slash[-1] == '/'))
            return NULL;
        if (up)
            *slash = '\0';
        url += up ? 3 : 2;
    }
    return mem_format("%s/%s", at, url);
}

static int add_tree(struct submodules *all, git_repository *repository,
                    struct object_id tree, const char *prefix, const char *url,
                    int depth, struct error *err);

static int add_one(struct submodules *all, const char *url, const char *path,
                   const git_oid *commit, int depth, struct error *err)
{
    CLEANUP(mirror_cleanup) struct mirror *mirror = NULL;
    CLEANUP(git_repository_cleanup) git_repository *repository = NULL;
    CLEANUP(git_object_cleanup) git_object *tree = NULL;
    CLEANUP(fd_close) int folder = -1;
    CLEANUP(fd_close) int root = -1;
    struct object_id id = object_id_from(commit);
    CLEANUP(mem_free)
    char *directory = mem_format("%s/submodule-%d", all->scratch, ++all->count);
    CLEANUP(mem_free) char *target = NULL;
    struct mirror_request request = {.url = url,
                                     .ref = id.hex,
                                     .directory = directory,
                                     .deadline = all->deadline};
    git_checkout_options options = GIT_CHECKOUT_OPTIONS_INIT;

    if (all->count > SUBMODULES_MAX)
        return error_set(err, ERROR_REPOSITORY, "more than %d submodules",
                         SUBMODULES_MAX);
    if (mirror_fetch(&request, &mirror, err))
        return error_context(err, "submodule %s", path);
    root = open(all->request->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    folder = file_open_beneath(root, path, O_RDONLY | O_DIRECTORY, 0);
    if (folder < 0)
        return error_set_errno(err, ERROR_REPOSITORY, errno, "submodule %s",
                               path);
    if (git_object_lookup(&tree, mirror->repository, commit, GIT_OBJECT_COMMIT))
        return git_fail(err, "submodule %s", path);
    target = mem_format("/proc/self/fd/%d", folder);
    options.checkout_strategy =
        GIT_CHECKOUT_FORCE | GIT_CHECKOUT_DONT_UPDATE_INDEX;
    options.disable_filters = 1;
    options.target_directory = target;
    if (git_checkout_tree(mirror->repository, tree, &options))
        return git_fail(err, "submodule %s: check out", path);
    return add_tree(all, mirror->repository, id, path, url, depth + 1, err);
}

static int find_url(const git_config *config, const char *path, char **url,
                    struct error *err)
{
    CLEANUP(git_config_iterator_cleanup) git_config_iterator *all = NULL;
    git_config_entry *entry;

    if (git_config_iterator_glob_new(&all, config, "^submodule\\..*\\.path$"))
        return git_fail(err, ".gitmodules");
    while (!git_config_next(&entry, all)) {
        CLEANUP(mem_free)
        char *key =
            mem_format("%.*surl", (int)strlen(entry->name) - 4, entry->name);
        CLEANUP(git_config_cleanup) git_config *snapshot = NULL;
        const char *value;

        if (strcmp(entry->value, path) != 0)
            continue;
        /* A snapshot keeps the string alive while we copy it. */
        if (git_config_snapshot(&snapshot, (git_config *)(uintptr_t)config) ||
            git_config_get_string(&value, snapshot, key))
            return git_fail(err, ".gitmodules: url of '%s'", path);
        *url = mem_string(value);
        return 0;
    }
    return error_set(err, ERROR_REPOSITORY, ".gitmodules: no entry for '%s'",
                     path);
}

struct walk {
    struct submodules *all;
    const git_config *config;
    const char *prefix;
    const char *url;
    int depth;
    struct error *err;
};

static int on_entry(const char *root, const git_tree_entry *entry,
                    void *payload)
{
    struct walk *walk = payload;
    CLEANUP(mem_free)
    char *path = mem_format("%s%s", root, git_tree_entry_name(entry));
    CLEANUP(mem_free) char *whole = NULL;
    CLEANUP(mem_free) char *listed = NULL;
    CLEANUP(mem_free) char *url = NULL;

    if (git_tree_entry_filemode(entry) != GIT_FILEMODE_COMMIT)
        return 0;
    if (find_url(walk->config, path, &listed, walk->err) || !listed)
        return -1;
    url = submodule_url(walk->url, listed);
    whole = mem_format("%s%s%s", walk->prefix, *walk->prefix ? "/" : "", path);
    if (!url) {
        error_set(walk->err, ERROR_REPOSITORY,
                  "submodule %s: its URL '%s' is not followed", whole, listed);
        return -1;
    }
    return add_one(walk->all, url, whole, git_tree_entry_id(entry), walk->depth,
                   walk->err);
}

/* .gitmodules of a tree as a configuration; NULL when it has none. */
static int load_modules(struct submodules *all, git_repository *repository,
                        git_tree *tree, git_config **config, struct error *err)
{
    CLEANUP(git_blob_cleanup) git_blob *blob = NULL;
    CLEANUP(mem_free)
    char *file = mem_format("%s/gitmodules-%d", all->scratch, all->count);
    const git_tree_entry *entry = git_tree_entry_byname(tree, ".gitmodules");

    *config = NULL;
    if (!entry || git_tree_entry_type(entry) != GIT_OBJECT_BLOB)
        return 0;
    if (git_blob_lookup(&blob, repository, git_tree_entry_id(entry)))
        return git_fail(err, ".gitmodules");
    if (file_replace(AT_FDCWD, file,
                     (struct span){git_blob_rawcontent(blob),
                                   (size_t)git_blob_rawsize(blob)},
                     err))
        return -1;
    if (git_config_open_ondisk(config, file))
        return git_fail(err, ".gitmodules");
    return 0;
}

static int add_tree(struct submodules *all, git_repository *repository,
                    struct object_id id, const char *prefix, const char *url,
                    int depth, struct error *err)
{
    CLEANUP(git_tree_cleanup) git_tree *tree = NULL;
    CLEANUP(git_config_cleanup) git_config *config = NULL;
    struct walk walk = {all, NULL, prefix, url, depth, err};

    if (depth > SUBMODULE_DEPTH_MAX)
        return error_set(err, ERROR_REPOSITORY,
                         "submodules are nested more than %d deep",
                         SUBMODULE_DEPTH_MAX);
    if (git_find_tree(repository, id, &tree, err) ||
        load_modules(all, repository, tree, &config, err))
        return -1;
    if (!config)
        return 0;
    walk.config = config;
    err->kind = ERROR_NONE;
    if (!git_tree_walk(tree, GIT_TREEWALK_PRE, on_entry, &walk))
        return 0;
    return err->kind == ERROR_NONE ? git_fail(err, "read tree") : -1;
}

int workspace_add_submodules(const struct workspace_request *request,
                             const char *url, const char *scratch,
                             int64_t deadline, struct error *err)
{
    struct submodules all = {
        .request = request, .scratch = scratch, .deadline = deadline};

    if (add_tree(&all, request->mirror->repository, request->tree, "", url, 0,
                 err))
        return -1;
    return workspace_give(request->directory, request->owner, request->group,
                          err);
}
