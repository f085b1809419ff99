#include "runner/git_guard.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/memory.h"

#define FILES_MAX 4096
#define FILE_BYTES_MAX ((size_t)1 << 20)
#define DEPTH_MAX 16

struct kept {
    char *path;   /* from the workspace */
    char *target; /* of a symbolic link; else NULL */
    struct buffer content;
    mode_t mode;
    uid_t owner;
    gid_t group;
    bool found; /* as it was */
    bool told;
};

struct git_guard {
    char *path;    /* of the workspace */
    int workspace; /* open folder */
    int git;       /* .git, when it is a folder; or -1 */
    struct kept *items;
    size_t count;
    /* while looking again */
    struct buffer *changed;
    bool failed;
};

/* ---- which files -------------------------------------------------------- */

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text);
    size_t end_length = strlen(end);

    return length >= end_length && !strcmp(text + length - end_length, end);
}

/* gitrepository-layout(5): what runs programs, or leads to what does. */
static bool is_trusted(const char *path)
{
    static const char *const names[] = {"/config", "/config.worktree",
                                        "/commondir"};
    const char *name = strrchr(path, '/');

    if (!name || ends_with(path, GIT_GUARD_SUFFIX))
        return false;
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        if (!strcmp(name, names[i]))
            return true;
    }
    return name - path >= 6 && !strncmp(name - 6, "/hooks", 6) &&
           !ends_with(path, ".sample");
}

/* Folders of data, which are large and which git runs nothing of. */
static bool is_data(const char *path)
{
    static const char *const names[] = {"/objects", "/refs", "/logs", "/lfs"};

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        if (ends_with(path, names[i]))
            return true;
    }
    return false;
}

/* ---- walking ------------------------------------------------------------ */

typedef int (*visit_function)(struct git_guard *guard, const char *path,
                              const struct stat *info, struct error *err);

static int walk(struct git_guard *guard, const char *path, int depth,
                visit_function visit, struct error *err)
{
    int fd = file_open_beneath(guard->workspace, path,
                               O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    int status = 0;

    if (!folder) {
        if (fd >= 0)
            close(fd);
        return error_set_errno(err, ERROR_IO, errno, "open '%s'", path);
    }
    while (!status && (entry = readdir(folder))) {
        CLEANUP(mem_free) char *inner = NULL;
        struct stat info;

        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        if (fstatat(fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW))
            continue;
        inner = mem_format("%s/%s", path, entry->d_name);
        if (S_ISDIR(info.st_mode) && !is_data(inner)) {
            status = depth < DEPTH_MAX
                         ? walk(guard, inner, depth + 1, visit, err)
                         : error_set(err, ERROR_IO, "'%s' is too deep", inner);
        } else if (S_ISLNK(info.st_mode) ||
                   (S_ISREG(info.st_mode) && is_trusted(inner))) {
            status = visit(guard, inner, &info, err);
        }
    }
    closedir(folder);
    return status;
}

/* Reads a file or a link. */
static int read_one(const struct git_guard *guard, const char *path,
                    const struct stat *info, struct kept *kept,
                    struct error *err)
{
    CLEANUP(fd_close) int fd = -1;

    *kept = (struct kept){
        .mode = info->st_mode, .owner = info->st_uid, .group = info->st_gid};
    buffer_init(&kept->content, FILE_BYTES_MAX);
    if (S_ISLNK(info->st_mode)) {
        char target[PATH_MAX];
        ssize_t length =
            readlinkat(guard->workspace, path, target, sizeof(target) - 1);

        if (length < 0)
            return error_set_errno(err, ERROR_IO, errno, "read link '%s'",
                                   path);
        target[length] = '\0';
        kept->target = mem_string(target);
        return 0;
    }
    fd = file_open_beneath(guard->workspace, path, O_RDONLY | O_NOFOLLOW, 0);
    if (fd < 0)
        return error_set_errno(err, ERROR_IO, errno, "open '%s'", path);
    return file_read_fd(fd, &kept->content, err)
               ? error_context(err, "'%s'", path)
               : 0;
}

static void kept_free(struct kept *kept)
{
    mem_free(&kept->path);
    mem_free(&kept->target);
    buffer_free(&kept->content);
}

static int keep(struct git_guard *guard, const char *path,
                const struct stat *info, struct error *err)
{
    if (guard->count == FILES_MAX)
        return error_set(err, ERROR_IO, "more than %d hooks and settings",
                         FILES_MAX);
    guard->items =
        mem_resize(guard->items, guard->count + 1, sizeof(*guard->items));
    if (read_one(guard, path, info, &guard->items[guard->count], err)) {
        kept_free(&guard->items[guard->count]);
        return -1;
    }
    guard->items[guard->count++].path = mem_string(path);
    return 0;
}

int git_guard_begin(const char *workspace, struct git_guard **out,
                    struct error *err)
{
    struct git_guard *guard = mem_alloc(sizeof(*guard));
    struct stat info;
    int status;

    *out = NULL;
    *guard = (struct git_guard){
        .path = mem_string(workspace), .workspace = -1, .git = -1};
    guard->workspace =
        open(workspace, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (guard->workspace < 0 ||
        fstatat(guard->workspace, ".git", &info, AT_SYMLINK_NOFOLLOW)) {
        git_guard_free(guard);
        return 0; /* a folder that is not there is the sandbox's to tell */
    }
    if (S_ISDIR(info.st_mode)) {
        guard->git = openat(guard->workspace, ".git",
                            O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        status = walk(guard, ".git", 0, keep, err);
    } else {
        status = keep(guard, ".git", &info, err);
    }
    if (status) {
        git_guard_free(guard);
        return error_context(err,
                             "keeping the repository's hooks and settings");
    }
    *out = guard;
    return 0;
}

/* ---- putting back ------------------------------------------------------- */

static void tell(struct git_guard *guard, const char *path)
{
    buffer_add(guard->changed, path, strlen(path) + 1);
}

/* Out of git's sight. */
static int move_away(struct git_guard *guard, const char *path)
{
    CLEANUP(mem_free) char *aside = mem_format("%s" GIT_GUARD_SUFFIX, path);
    struct error ignored;

    tell(guard, path);
    file_remove_tree(guard->workspace, aside, &ignored);
    return renameat(guard->workspace, path, guard->workspace, aside);
}

static bool same(const struct kept *a, const struct kept *b)
{
    if (a->target || b->target)
        return a->target && b->target && !strcmp(a->target, b->target);
    return a->mode == b->mode && a->content.length == b->content.length &&
           !memcmp(a->content.data, b->content.data, a->content.length);
}

static struct kept *find(struct git_guard *guard, const char *path)
{
    for (size_t i = 0; i < guard->count; i++) {
        if (!strcmp(guard->items[i].path, path))
            return &guard->items[i];
    }
    return NULL;
}

/* `git worktree add` writes it, and with nothing else in it. */
static bool is_worktree_link(const char *path, const struct kept *now)
{
    return !now->target && !strncmp(path, ".git/worktrees/", 15) &&
           ends_with(path, "/commondir") && now->content.length == 6 &&
           !memcmp(now->content.data, "../..\n", 6);
}

static int compare(struct git_guard *guard, const char *path,
                   const struct stat *info, struct error *err)
{
    struct kept *before = find(guard, path);
    struct kept now;
    bool readable = !read_one(guard, path, info, &now, err);

    if (readable && before && same(before, &now))
        before->found = true;
    else if (!(readable && !before && is_worktree_link(path, &now)) &&
             move_away(guard, path))
        guard->failed = true;
    if (before)
        before->told = !before->found;
    kept_free(&now);
    return 0;
}

static int put_back(const struct git_guard *guard, const struct kept *kept)
{
    CLEANUP(mem_free) char *parent = mem_string(kept->path);
    CLEANUP(fd_close) int folder = -1;
    CLEANUP(fd_close) int fd = -1;
    struct error ignored;
    char *slash = strrchr(parent, '/');
    const char *name = slash ? slash + 1 : parent;
    const char *path = slash ? parent : ".";

    if (slash)
        *slash = '\0';
    if (slash && file_make_directories(guard->workspace, parent, &ignored))
        return -1;
    folder = file_open_beneath(guard->workspace, path,
                               O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (folder < 0)
        return -1;
    if (kept->target)
        return symlinkat(kept->target, folder, name);
    fd = openat(folder, name,
                O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    if (geteuid() == 0 && fchown(fd, kept->owner, kept->group))
        return -1;
    return fchmod(fd, kept->mode & 07777) ||
                   file_write_fd(fd, kept->content.data, kept->content.length,
                                 &ignored)
               ? -1
               : 0;
}

/* The folder itself, wherever in the workspace the command moved it. */
static int find_folder(struct git_guard *guard)
{
    char path[PATH_MAX];
    char link[64];
    struct stat was;
    struct stat is;
    size_t length = strlen(guard->path);
    ssize_t got;

    if (fstat(guard->git, &was))
        return -1;
    if (!fstatat(guard->workspace, ".git", &is, AT_SYMLINK_NOFOLLOW)) {
        if (is.st_dev == was.st_dev && is.st_ino == was.st_ino)
            return 0;
        if (move_away(guard, ".git"))
            return -1;
    } else {
        tell(guard, ".git");
    }
    snprintf(link, sizeof(link), "/proc/self/fd/%d", guard->git);
    got = readlink(link, path, sizeof(path) - 1);
    if (got < 0)
        return -1;
    path[got] = '\0';
    if (!was.st_nlink || strncmp(path, guard->path, length) != 0 ||
        path[length] != '/')
        return -1; /* removed */
    return renameat(guard->workspace, path + length + 1, guard->workspace,
                    ".git");
}

int git_guard_end(struct git_guard *guard, struct buffer *changed,
                  struct error *err)
{
    struct stat info;
    struct error ignored;

    if (!guard)
        return 0;
    guard->changed = changed;
    if (guard->git >= 0) {
        if (find_folder(guard) || walk(guard, ".git", 0, compare, &ignored))
            guard->failed = true;
    } else if (!fstatat(guard->workspace, ".git", &info, AT_SYMLINK_NOFOLLOW)) {
        compare(guard, ".git", &info, &ignored);
    }
    for (size_t i = 0; i < guard->count; i++) {
        struct kept *kept = &guard->items[i];

        if (kept->found)
            continue;
        if (!kept->told)
            tell(guard, kept->path);
        if (put_back(guard, kept))
            guard->failed = true;
    }
    if (!guard->failed)
        return 0;
    error_set(err, ERROR_IO,
              "the repository's hooks and settings could not all be put back");
    return error_hint(err, "look at .git before you run git there");
}

void git_guard_free(struct git_guard *guard)
{
    if (!guard)
        return;
    for (size_t i = 0; i < guard->count; i++)
        kept_free(&guard->items[i]);
    free(guard->items);
    free(guard->path);
    fd_reset(&guard->workspace);
    fd_reset(&guard->git);
    free(guard);
}
