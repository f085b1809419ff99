#include "runner/tools/patch_path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"

#define COMPONENTS_MAX 128
#define LINKS_MAX 40
#define STEPS_MAX 1000 /* of one walk, links included */

static int leaves(const char *path, struct error *err)
{
    return error_set(err, ERROR_REPOSITORY,
                     "patch rejected: '%s': writing outside of the workspace",
                     path);
}

/* ---- normal paths ------------------------------------------------------ */

/* Below the workspace: the rest of an absolute path behind it. NULL if the
 * path leads elsewhere. */
static const char *below_workspace(const char *path)
{
    size_t length = strlen(PATCH_WORKSPACE);

    if (*path != '/')
        return path;
    while (path[1] == '/')
        path++;
    if (strncmp(path, PATCH_WORKSPACE, length) ||
        (path[length] && path[length] != '/'))
        return NULL;
    return path + length;
}

/* Takes the next component off *rest; empty at the end. */
static struct span next_component(const char **rest)
{
    struct span component;

    while (**rest == '/')
        (*rest)++;
    component = (struct span){*rest, strcspn(*rest, "/")};
    *rest += component.length;
    return component;
}

static bool is_git(struct span component)
{
    return component.length == 4 && !strncasecmp(component.data, ".git", 4);
}

static void remove_last(struct buffer *path)
{
    const char *slash = strrchr(path->data, '/');

    buffer_truncate(path, slash ? (size_t)(slash - path->data) : 0);
}

/* Adds one component; false if the path becomes too long. */
static bool append(struct buffer *path, struct span component)
{
    return !(path->length && buffer_add_byte(path, '/')) &&
           !buffer_add_span(path, component);
}

/* `whole` is what messages name. */
static int add_components(struct buffer *out, const char *path,
                          const char *whole, struct error *err)
{
    struct span component;
    size_t count = 0;

    while ((component = next_component(&path)).length) {
        if (span_is(component, "."))
            continue;
        if (is_git(component))
            return leaves(whole, err);
        if (span_is(component, "..")) {
            if (!out->length)
                return leaves(whole, err);
            remove_last(out);
        } else if (!append(out, component) || ++count > COMPONENTS_MAX) {
            return error_set(err, ERROR_REPOSITORY, "'%.200s…': path too long",
                             whole);
        }
    }
    return 0;
}

char *patch_path_normal(const char *directory, const char *path,
                        struct error *err)
{
    CLEANUP(buffer_free) struct buffer out = {0};
    const char *below = below_workspace(path);
    const char *from = *path == '/' ? "" : below_workspace(directory);
    size_t length = strlen(path);

    buffer_init(&out, PATH_MAX - 1);
    if (!below || !from) {
        leaves(path, err);
        return NULL;
    }
    if (add_components(&out, from, path, err) ||
        add_components(&out, below, path, err))
        return NULL;
    if (!out.length || path[length - 1] == '/') {
        error_set(err, ERROR_REPOSITORY, "'%s' names a directory, not a file",
                  path);
        return NULL;
    }
    return buffer_steal(&out);
}

const char *patch_path_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* ---- real paths -------------------------------------------------------- */

/* Opens the directories of a path, none of them a link. */
static int open_directory(int root, const char *path)
{
    int fd = file_open_beneath(root, ".", O_PATH | O_DIRECTORY, 0);
    struct span component;

    while (fd >= 0 && (component = next_component(&path)).length) {
        CLEANUP(mem_free)
        char *name = mem_bytes(component.data, component.length);
        int next =
            file_open_beneath(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
        int saved = errno;

        fd_reset(&fd);
        errno = saved;
        fd = next;
    }
    return fd;
}

int patch_path_parent(int root, const char *real)
{
    const char *name = patch_path_name(real);
    CLEANUP(mem_free)
    char *directory = mem_bytes(real, (size_t)(name - real));

    return open_directory(root, directory);
}

struct walk {
    int root;
    int fd;             /* of the directory `done`; -1 if there is none */
    struct buffer done; /* the real path so far */
    char *todo;         /* what is still to be walked, owned */
    const char *rest;   /* into todo */
    const char *whole;  /* what messages name */
    int links;
    const struct patch_removed *removed;
    struct error *err;
};

static void walk_free(struct walk *walk)
{
    fd_reset(&walk->fd);
    buffer_free(&walk->done);
    mem_free(&walk->todo);
}

static int walk_up(struct walk *walk)
{
    if (!walk->done.length)
        return leaves(walk->whole, walk->err);
    remove_last(&walk->done);
    fd_reset(&walk->fd);
    walk->fd = open_directory(walk->root, walk->done.data);
    return 0;
}

/* Puts the link's target in front of what is still to be walked. */
static int walk_link(struct walk *walk, int link)
{
    char target[PATH_MAX];
    ssize_t length = readlinkat(link, "", target, sizeof(target) - 1);
    const char *below;
    char *todo;

    if (length < 0)
        return error_set_errno(walk->err, ERROR_IO, errno, "read link '%s'",
                               walk->whole);
    if (++walk->links > LINKS_MAX)
        return error_set(walk->err, ERROR_REPOSITORY, "'%s': too many symlinks",
                         walk->whole);
    target[length] = '\0';
    below = below_workspace(target);
    if (!below) {
        error_set(walk->err, ERROR_REPOSITORY,
                  "patch rejected: '%s' leads through a symlink to '%s': "
                  "writing outside of the workspace",
                  walk->whole, target);
        return -1;
    }
    todo = mem_format("%s/%s", below, walk->rest);
    mem_free(&walk->todo);
    walk->todo = todo;
    walk->rest = todo;
    if (*target == '/') {
        buffer_clear(&walk->done);
        fd_reset(&walk->fd);
        walk->fd = open_directory(walk->root, "");
    }
    return 0;
}

/* Whether any component is left. */
static bool is_last(const struct walk *walk)
{
    return !walk->rest[strspn(walk->rest, "/")];
}

static int walk_into(struct walk *walk, struct span component, bool follow)
{
    CLEANUP(mem_free) char *name = mem_bytes(component.data, component.length);
    CLEANUP(fd_close) int next = -1;
    size_t before = walk->done.length;
    struct stat info;

    if (!append(&walk->done, component))
        return error_set(walk->err, ERROR_REPOSITORY,
                         "'%.200s…': path too long", walk->whole);
    if (walk->removed &&
        walk->removed->ask(walk->removed->context, walk->done.data))
        fd_reset(&walk->fd);
    if (walk->fd < 0)
        return 0; /* nothing is there: what follows is taken as it stands */
    next = file_open_beneath(walk->fd, name, O_PATH | O_NOFOLLOW, 0);
    if (next < 0 && errno == ENOENT) {
        fd_reset(&walk->fd);
        return 0;
    }
    if (next < 0 || fstat(next, &info))
        return error_set_errno(walk->err, ERROR_IO, errno, "'%s'", walk->whole);
    if (S_ISLNK(info.st_mode) && (follow || !is_last(walk))) {
        buffer_truncate(&walk->done, before);
        return walk_link(walk, next);
    }
    if (!S_ISDIR(info.st_mode) && !is_last(walk))
        return error_set(walk->err, ERROR_REPOSITORY,
                         "'%s': '%s' is not a directory", walk->whole,
                         walk->done.data);
    fd_reset(&walk->fd);
    walk->fd = next;
    next = -1; /* NOLINT: its cleanup reads it */
    return 0;
}

static int walk_all(struct walk *walk, bool follow)
{
    struct span component;
    int steps = 0;

    while ((component = next_component(&walk->rest)).length) {
        if (++steps > STEPS_MAX)
            return error_set(walk->err, ERROR_REPOSITORY,
                             "'%.200s…': path too long", walk->whole);
        if (span_is(component, "."))
            continue;
        if (is_git(component))
            return leaves(walk->whole, walk->err);
        if (span_is(component, "..") ? walk_up(walk)
                                     : walk_into(walk, component, follow))
            return -1;
    }
    if (!walk->done.length)
        return error_set(walk->err, ERROR_REPOSITORY,
                         "'%s' names a directory, not a file", walk->whole);
    return 0;
}

char *patch_path_real(int root, const char *path, bool follow,
                      const struct patch_removed *removed, struct error *err)
{
    CLEANUP(walk_free)
    struct walk walk = {.root = root,
                        .fd = open_directory(root, ""),
                        .todo = mem_string(path),
                        .whole = path,
                        .removed = removed,
                        .err = err};

    buffer_init(&walk.done, PATH_MAX - 1);
    walk.rest = walk.todo;
    if (walk.fd < 0) {
        error_set_errno(err, ERROR_IO, errno, "open the workspace");
        return NULL;
    }
    if (walk_all(&walk, follow))
        return NULL;
    return buffer_steal(&walk.done);
}
