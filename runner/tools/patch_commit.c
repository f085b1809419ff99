#include "runner/tools/patch_commit.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/memory.h"
#include "runner/tools/patch_path.h"

struct commit {
    int root;
    struct patch_change *changes;
    size_t count;
    char **made; /* directories, in the order of making */
    size_t made_count;
    struct error *err;
};

static void commit_free(struct commit *commit)
{
    for (size_t i = 0; i < commit->made_count; i++)
        mem_free(&commit->made[i]);
    mem_free(&commit->made);
}

static int cannot(const struct commit *commit, const char *what,
                  const struct patch_change *change)
{
    return error_set_errno(commit->err, ERROR_IO, errno, "failed to %s '%s'",
                           what, change->path);
}

/* A name that nobody can foresee: O_EXCL still guards the use. */
static char *temporary_name(const char *suffix)
{
    uint64_t number = 0;

    if (getrandom(&number, sizeof(number), 0) != sizeof(number))
        return NULL;
    return mem_format(".patch-%016" PRIx64 ".%s", number, suffix);
}

/* ---- the steps --------------------------------------------------------- */

static int set_aside(struct commit *commit, struct patch_change *change)
{
    CLEANUP(fd_close)
    int parent = patch_path_parent(commit->root, change->path);
    CLEANUP(mem_free) char *aside = temporary_name("old");

    if (parent < 0 || !aside ||
        renameat(parent, patch_path_name(change->path), parent, aside))
        return cannot(commit, "delete file", change);
    change->aside = STEAL(aside);
    return 0;
}

static void remember_directory(struct commit *commit, const char *path,
                               size_t length)
{
    commit->made =
        mem_resize(commit->made, commit->made_count + 1, sizeof(*commit->made));
    commit->made[commit->made_count++] = mem_bytes(path, length);
}

/* Opens the directory `path[0..length)` beneath its parent `fd`, made if it
 * is missing. Closes fd. */
static int enter_directory(struct commit *commit, int fd, const char *path,
                           size_t length)
{
    CLEANUP(fd_close) int parent = fd;
    CLEANUP(mem_free) char *whole = mem_bytes(path, length);
    const char *name = patch_path_name(whole);
    const int flags = O_PATH | O_DIRECTORY | O_NOFOLLOW;
    int next = file_open_beneath(parent, name, flags, 0);

    if (next >= 0 || errno != ENOENT)
        return next;
    if (!mkdirat(parent, name, 0777))
        remember_directory(commit, path, length);
    else if (errno != EEXIST)
        return -1;
    return file_open_beneath(parent, name, flags, 0);
}

static int open_parent(struct commit *commit, const char *path)
{
    int fd = file_open_beneath(commit->root, ".", O_PATH | O_DIRECTORY, 0);

    for (const char *slash = strchr(path, '/'); slash && fd >= 0;
         slash = strchr(slash + 1, '/'))
        fd = enter_directory(commit, fd, path, (size_t)(slash - path));
    return fd;
}

static int write_beside(struct commit *commit, struct patch_change *change)
{
    CLEANUP(fd_close) int parent = open_parent(commit, change->path);
    CLEANUP(fd_close) int fd = -1;
    CLEANUP(mem_free) char *name = temporary_name("new");

    if (parent < 0 || !name)
        return cannot(commit, "write file", change);
    fd = file_open_beneath(parent, name,
                           O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0666);
    if (fd < 0)
        return cannot(commit, "write file", change);
    change->written = STEAL(name);
    if (file_write_fd(fd, change->content.data, change->content.length,
                      commit->err))
        return error_context(commit->err, "failed to write file '%s'",
                             change->path);
    if (change->has_permissions && fchmod(fd, change->permissions & 0777))
        return cannot(commit, "write file", change);
    return 0;
}

/* The old file keeps a second name until all is done. Where the file system
 * has no hard links, it is missing for a moment instead. */
static int put_in_place(struct commit *commit, struct patch_change *change)
{
    CLEANUP(fd_close)
    int parent = patch_path_parent(commit->root, change->path);
    const char *name = patch_path_name(change->path);
    CLEANUP(mem_free) char *aside = temporary_name("old");

    if (parent < 0 || !aside)
        return cannot(commit, "write file", change);
    if (change->was_there) {
        if (linkat(parent, name, parent, aside, 0) &&
            renameat(parent, name, parent, aside))
            return cannot(commit, "write file", change);
        change->aside = STEAL(aside);
    }
    if (renameat(parent, change->written, parent, name))
        return cannot(commit, "write file", change);
    mem_free(&change->written);
    change->in_place = true;
    return 0;
}

/* ---- back -------------------------------------------------------------- */

static void remove_new(struct commit *commit, struct patch_change *change)
{
    CLEANUP(fd_close) int parent = -1;

    if (!change->written && !(change->in_place && !change->aside))
        return;
    parent = patch_path_parent(commit->root, change->path);
    if (parent >= 0)
        unlinkat(parent,
                 change->written ? change->written
                                 : patch_path_name(change->path),
                 0);
}

static void put_back(struct commit *commit, struct patch_change *change)
{
    CLEANUP(fd_close) int parent = -1;
    const char *name = patch_path_name(change->path);

    if (!change->aside)
        return;
    parent = patch_path_parent(commit->root, change->path);
    if (parent < 0)
        return;
    /* Two names of one file: rename does nothing then, so the second name is
     * still there and is removed. */
    renameat(parent, change->aside, parent, name);
    unlinkat(parent, change->aside, 0);
}

static void remove_directory(struct commit *commit, const char *path)
{
    CLEANUP(fd_close) int parent = patch_path_parent(commit->root, path);

    if (parent >= 0)
        unlinkat(parent, patch_path_name(path), AT_REMOVEDIR);
}

static void roll_back(struct commit *commit)
{
    for (size_t i = 0; i < commit->count; i++)
        remove_new(commit, &commit->changes[i]);
    for (size_t i = commit->made_count; i; i--)
        remove_directory(commit, commit->made[i - 1]);
    for (size_t i = 0; i < commit->count; i++)
        put_back(commit, &commit->changes[i]);
}

/* ---- all of it --------------------------------------------------------- */

static void forget_aside(struct commit *commit, struct patch_change *change)
{
    CLEANUP(fd_close) int parent = -1;

    if (!change->aside)
        return;
    parent = patch_path_parent(commit->root, change->path);
    if (parent >= 0)
        unlinkat(parent, change->aside, 0);
}

static int for_each(struct commit *commit, bool is_there,
                    int (*step)(struct commit *, struct patch_change *))
{
    for (size_t i = 0; i < commit->count; i++) {
        struct patch_change *change = &commit->changes[i];

        if (!change->changed || change->is_there != is_there ||
            (!is_there && !change->was_there))
            continue;
        if (step(commit, change))
            return -1;
    }
    return 0;
}

int patch_commit(int root, struct patch_change *changes, size_t count,
                 struct error *err)
{
    CLEANUP(commit_free)
    struct commit commit = {
        .root = root, .changes = changes, .count = count, .err = err};

    if (for_each(&commit, false, set_aside) ||
        for_each(&commit, true, write_beside) ||
        for_each(&commit, true, put_in_place)) {
        roll_back(&commit);
        return -1;
    }
    for (size_t i = 0; i < count; i++)
        forget_aside(&commit, &changes[i]);
    return 0;
}
