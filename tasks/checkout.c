#include "tasks/checkout.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/file.h"
#include "base/memory.h"
#include "tasks/git.h"
#include "tasks/lease.h"

/* ---- sharing ------------------------------------------------------------- */

/* The index remembers each file's owner as it is here; inside it is another,
 * and git would read every file again. */
static int set_index_owner(const char *directory, uid_t inside,
                           struct error *err)
{
    CLEANUP(mem_free) char *path = mem_format("%s/.git/index", directory);
    CLEANUP(git_index_cleanup) git_index *index = NULL;

    /* By itself: its repository's objects are elsewhere, here. */
    if (git_index_open(&index, path) || git_index_read(index, true))
        return git_fail(err, "index of the checkout");
    for (size_t i = 0; i < git_index_entrycount(index); i++) {
        git_index_entry entry = *git_index_get_byindex(index, i);

        entry.uid = entry.gid = inside;
        if (git_index_add(index, &entry))
            return git_fail(err, "index of the checkout");
    }
    if (git_index_write(index))
        return git_fail(err, "index of the checkout");
    return 0;
}

/* Under a name of its own: an owner of the lease that was late may still be at
 * it, too. */
static int make(const struct checkout_request *request, const char *path,
                struct error *err)
{
    CLEANUP(mem_free)
    char *unfinished = mem_format("%s.%d.new", path, (int)getpid());
    struct workspace_request workspace = {
        .mirror = request->mirror,
        .tree = mirror_commit(request->mirror),
        .directory = unfinished,
        .branch = request->branch,
        .borrowed = request->borrowed,
        .owner = geteuid(),
        .group = getegid(),
    };
    CLEANUP(fd_close) int folder = -1;

    if (file_remove_tree(AT_FDCWD, unfinished, err) ||
        workspace_create(&workspace, err) ||
        (request->submodules &&
         workspace_add_submodules(&workspace, request->url, request->scratch,
                                  request->deadline, err)) ||
        set_index_owner(unfinished, request->inside, err))
        return -1;
    /* What is there under its name is whole, whatever happens to the machine.
     */
    folder = open(unfinished, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0 || syncfs(folder) || rename(unfinished, path)) {
        if (!access(path, F_OK)) /* somebody else's, as good */
            return file_remove_tree(AT_FDCWD, unfinished, err);
        return error_set_errno(err, ERROR_IO, errno, "rename %s", unfinished);
    }
    return 0;
}

/* Whether each file is as it was written, by the index: its size and time.
 * What changed them without a trace would be found by nobody. */
static bool is_whole(const char *path)
{
    CLEANUP(mem_free) char *file = mem_format("%s/.git/index", path);
    CLEANUP(git_index_cleanup) git_index *index = NULL;
    CLEANUP(fd_close)
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (folder < 0 || git_index_open(&index, file) ||
        git_index_read(index, true))
        return false;
    for (size_t i = 0; i < git_index_entrycount(index); i++) {
        const git_index_entry *entry = git_index_get_byindex(index, i);
        struct stat info;

        if (entry->mode == GIT_FILEMODE_COMMIT)
            continue;
        if (fstatat(folder, entry->path, &info, AT_SYMLINK_NOFOLLOW) ||
            (uint32_t)info.st_size != entry->file_size ||
            (int32_t)info.st_mtime != entry->mtime.seconds)
            return false;
    }
    return true;
}

/* Those who have it as their lower files keep it. */
static int set_aside(const char *path, struct error *err)
{
    CLEANUP(mem_free)
    char *aside = mem_format("%s.%d.removed", path, (int)getpid());

    if (rename(path, aside) && errno != ENOENT)
        return error_set_errno(err, ERROR_IO, errno, "rename %s", path);
    return 0;
}

/* Looked at once in a run: the note's time is when it was. */
static bool is_checked(const char *path, int64_t since)
{
    CLEANUP(mem_free) char *note = mem_format("%s.checked", path);
    struct stat info;

    return !stat(note, &info) && (int64_t)info.st_mtim.tv_sec * 1000 +
                                         info.st_mtim.tv_nsec / 1000000 >=
                                     since;
}

static int note_checked(const char *path, struct error *err)
{
    CLEANUP(mem_free) char *note = mem_format("%s.checked", path);

    return file_replace(AT_FDCWD, note, (struct span){"", 0}, err);
}

/* Makes it if it is still not there, with the lease held. */
static int make_leased(const struct checkout_request *request, const char *path,
                       struct error *err)
{
    CLEANUP(mem_free) char *lock = mem_format("%s.lease", path);
    CLEANUP(fd_close) int lease = lease_take(lock, request->deadline, err);

    if (lease < 0)
        return error_context(err, "wait for another checkout of the commit");
    if (!access(path, F_OK) && !is_checked(path, request->since) &&
        !is_whole(path) && set_aside(path, err))
        return -1;
    if (access(path, F_OK) && make(request, path, err))
        return -1;
    return note_checked(path, err);
}

static void move(struct checkout *from, struct checkout *to)
{
    *to = *from;
    *from = (struct checkout){NULL, -1};
}

int checkout_share(const struct checkout_request *request,
                   struct checkout *checkout, struct error *err)
{
    CLEANUP(mem_free)
    char *folder = mem_format("%s/checkouts", request->mirror->entry);
    CLEANUP(checkout_close)
    struct checkout made = {
        mem_format("%s/%s%s", folder, mirror_commit(request->mirror).hex,
                   request->submodules ? "-submodules" : ""),
        -1};
    CLEANUP(mem_free) char *use = mem_format("%s.lock", made.path);

    if (mkdir(folder, 0755) && errno != EEXIST)
        return error_set_errno(err, ERROR_IO, errno, "mkdir %s", folder);
    /* In use before it is looked for: it cannot be removed any more. */
    made.use = lease_use(use, err);
    if (made.use < 0 ||
        ((access(made.path, F_OK) || !is_checked(made.path, request->since)) &&
         make_leased(request, made.path, err)))
        return -1;
    futimens(made.use, NULL);
    move(&made, checkout);
    return 0;
}

void checkout_close(struct checkout *checkout)
{
    fd_reset(&checkout->use);
    mem_free(&checkout->path);
}

/* ---- changing ---------------------------------------------------------------
 */

static int open_below(int root, const char *path, int flags, mode_t mode)
{
    struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC),
                           .mode = mode,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};

    return (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
}

/* The folder that holds the path, made if need be; the last part of the path
 * goes to *name. */
static int open_parent(int root, const char *path, bool create,
                       const char **name)
{
    CLEANUP(mem_free) char *folder = mem_string(path);
    char *slash = strrchr(folder, '/');

    *name = slash ? path + (slash - folder) + 1 : path;
    if (!slash)
        return open_below(root, ".", O_RDONLY | O_DIRECTORY, 0);
    *slash = '\0';
    for (char *at = folder; create && at; at = strchr(at + 1, '/')) {
        CLEANUP(mem_free)
        char *part = mem_bytes(folder, at == folder ? strcspn(folder, "/")
                                                    : (size_t)(at - folder));

        /* Each is made within one that was opened without a link. */
        if (mkdirat(root, part, 0777) && errno != EEXIST)
            return -1;
    }
    if (create && mkdirat(root, folder, 0777) && errno != EEXIST)
        return -1;
    return open_below(root, folder, O_RDONLY | O_DIRECTORY, 0);
}

/* Takes a file away, and the folders that are empty then. */
static int remove_path(int root, const char *path, struct error *err)
{
    CLEANUP(mem_free) char *rest = mem_string(path);
    char *slash;

    for (bool folder = false;; folder = true) {
        const char *name;
        CLEANUP(fd_close) int parent = open_parent(root, rest, false, &name);

        if (parent < 0 && !folder)
            return error_set_errno(err, ERROR_IO, errno, "remove '%s'", path);
        if (parent < 0 || unlinkat(parent, name, folder ? AT_REMOVEDIR : 0)) {
            if (folder || errno == ENOENT)
                return 0;
            return error_set_errno(err, ERROR_IO, errno, "remove '%s'", path);
        }
        slash = strrchr(rest, '/');
        if (!slash)
            return 0;
        *slash = '\0';
    }
}

static int write_entry(int parent, const char *name, const git_blob *blob,
                       uint32_t mode)
{
    const char *content = git_blob_rawcontent(blob);
    size_t length = (size_t)git_blob_rawsize(blob);
    CLEANUP(fd_close) int fd = -1;
    struct error ignored;

    if (mode == GIT_FILEMODE_LINK) {
        CLEANUP(mem_free) char *target = mem_bytes(content, length);

        return symlinkat(target, parent, name);
    }
    fd = openat(parent, name,
                O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                mode == GIT_FILEMODE_BLOB_EXECUTABLE ? 0777 : 0666);
    return fd < 0 || file_write_fd(fd, content, length, &ignored) ? -1 : 0;
}

/* Rights of that user alone, for files alone; back with this process's. */
static void files_as(uid_t owner, gid_t group)
{
    bool up = owner == geteuid();

    if (up)
        setfsuid(owner); /* the right to change the group comes with it */
    setfsgid(group);
    if (!up)
        setfsuid(owner);
}

static int add_path(const struct checkout_change *change,
                    const git_diff_file *file, struct error *err)
{
    CLEANUP(git_blob_cleanup) git_blob *blob = NULL;
    const char *name;
    CLEANUP(fd_close) int parent = -1;
    int number;
    int status;

    if (file->mode == GIT_FILEMODE_COMMIT)
        return 0; /* a submodule: its files are not ours */
    if (git_blob_lookup(&blob, change->mirror->repository, &file->id))
        return git_fail(err, "'%s'", file->path);
    files_as(change->owner, change->group);
    parent = open_parent(change->root, file->path, true, &name);
    status = parent < 0 ? -1 : write_entry(parent, name, blob, file->mode);
    number = errno;
    files_as(geteuid(), getegid());
    if (status)
        return error_set_errno(err, ERROR_IO, number, "write '%s'", file->path);
    return 0;
}

/* Removals first: a folder may become a file, and the other way round. */
static int apply(const struct checkout_change *change, const git_diff *diff,
                 struct error *err)
{
    size_t count = git_diff_num_deltas(diff);
    int status = 0;

    files_as(change->owner, change->group);
    for (size_t i = 0; i < count && !status; i++) {
        const git_diff_delta *delta = git_diff_get_delta(diff, i);

        if (delta->status != GIT_DELTA_ADDED &&
            delta->old_file.mode != GIT_FILEMODE_COMMIT)
            status = remove_path(change->root, delta->old_file.path, err);
    }
    files_as(geteuid(), getegid());
    for (size_t i = 0; i < count && !status; i++) {
        const git_diff_delta *delta = git_diff_get_delta(diff, i);

        if (delta->status != GIT_DELTA_DELETED)
            status = add_path(change, &delta->new_file, err);
    }
    return status;
}

int checkout_change(const struct checkout_change *change, struct error *err)
{
    git_repository *repository = change->mirror->repository;
    CLEANUP(git_tree_cleanup) git_tree *old = NULL;
    CLEANUP(git_tree_cleanup) git_tree *new = NULL;
    git_diff_options options = GIT_DIFF_OPTIONS_INIT;
    git_diff *diff = NULL;
    int status;

    options.flags = GIT_DIFF_INCLUDE_TYPECHANGE;
    if (git_find_tree(repository, change->from, &old, err) ||
        git_find_tree(repository, change->to, &new, err))
        return -1;
    if (git_diff_tree_to_tree(&diff, repository, old, new, &options))
        return git_fail(err, "compare trees");
    status = apply(change, diff, err);
    git_diff_free(diff);
    return status;
}
