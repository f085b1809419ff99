#include "runner/tools/patch_apply.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/memory.h"
#include "runner/tools/patch_commit.h"
#include "runner/tools/patch_match.h"
#include "runner/tools/patch_path.h"

/* A path, its symlink's target, and the same of the place it moves to. */
#define CHANGES_PER_OPERATION 4
/* Of each of the two: as written, and real with and without following. */
#define PATHS_PER_OPERATION 6

struct plan {
    int root;
    const char *directory;
    struct patch_change *changes; /* room for all: pointers stay valid */
    size_t count;
    size_t bytes; /* of all contents */
    uint64_t work_left;
    struct error *err;
};

static void plan_free(struct plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        mem_free(&plan->changes[i].path);
        mem_free(&plan->changes[i].written);
        mem_free(&plan->changes[i].aside);
        buffer_free(&plan->changes[i].content);
    }
    mem_free(&plan->changes);
}

/* ---- places ------------------------------------------------------------ */

static struct patch_change *find_change(const struct plan *plan,
                                        const char *path)
{
    size_t length = strlen(path);

    for (size_t i = 0; i < plan->count; i++) {
        if (plan->changes[i].path_length == length &&
            !memcmp(plan->changes[i].path, path, length))
            return &plan->changes[i];
    }
    return NULL;
}

static bool was_removed(const void *context, const char *path)
{
    const struct patch_change *change = find_change(context, path);

    return change && change->changed && !change->is_there;
}

/* What the disk has at a real path. */
static int look_at(struct plan *plan, struct patch_change *change)
{
    CLEANUP(fd_close) int parent = patch_path_parent(plan->root, change->path);
    struct stat info;

    if (parent < 0 || fstatat(parent, patch_path_name(change->path), &info,
                              AT_SYMLINK_NOFOLLOW)) {
        /* ENOTDIR: an earlier operation removes the file in the way. */
        if (errno == ENOENT || errno == ENOTDIR)
            return 0;
        return error_set_errno(plan->err, ERROR_IO, errno, "'%s'",
                               change->path);
    }
    change->was_there = true;
    change->is_there = true;
    change->type = info.st_mode & S_IFMT;
    change->has_permissions = S_ISREG(info.st_mode);
    change->permissions = info.st_mode & 0777;
    return 0;
}

/* The change for a real path, which is taken over. */
static struct patch_change *change_at(struct plan *plan, char *real)
{
    CLEANUP(mem_free) char *path = real;
    struct patch_change *change = find_change(plan, path);

    if (change)
        return change;
    change = &plan->changes[plan->count++];
    buffer_init(&change->content, PATCH_FILE_MAX);
    change->path_length = strlen(path);
    change->path = STEAL(path);
    return look_at(plan, change) ? NULL : change;
}

/* The place of a normal path. A symlink at its end is the place itself, or is
 * followed. */
static struct patch_change *place_of(struct plan *plan, const char *normal,
                                     bool follow)
{
    const struct patch_removed removed = {was_removed, plan};
    char *real =
        patch_path_real(plan->root, normal, follow, &removed, plan->err);

    return real ? change_at(plan, real) : NULL;
}

/* What a path of the patch names: *name with a symlink at the end as it is,
 * *target behind it; target may be NULL to leave that alone. */
static int locate(struct plan *plan, const char *path,
                  struct patch_change **name, struct patch_change **target)
{
    CLEANUP(mem_free)
    char *normal = patch_path_normal(plan->directory, path, plan->err);

    *name = normal ? place_of(plan, normal, false) : NULL;
    if (!*name)
        return -1;
    if (!target)
        return 0;
    *target = *name;
    if ((*name)->is_there && S_ISLNK((*name)->type))
        *target = place_of(plan, normal, true);
    return *target ? 0 : -1;
}

/* ---- contents ---------------------------------------------------------- */

static int no_regular_file(struct plan *plan, const char *path, mode_t type)
{
    return error_set(plan->err, ERROR_REPOSITORY, "'%s' is %s", path,
                     S_ISDIR(type) ? "a directory" : "no regular file");
}

static int count_bytes(struct plan *plan, const struct patch_change *change)
{
    plan->bytes += change->content.length;
    if (plan->bytes <= PATCH_TOTAL_MAX)
        return 0;
    return error_set(plan->err, ERROR_REPOSITORY,
                     "the files of the patch have more than %zu bytes",
                     PATCH_TOTAL_MAX);
}

static int load(struct plan *plan, struct patch_change *change)
{
    CLEANUP(fd_close) int parent = patch_path_parent(plan->root, change->path);
    CLEANUP(fd_close) int fd = -1;
    struct stat info;

    if (parent >= 0)
        fd =
            file_open_beneath(parent, patch_path_name(change->path),
                              O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
    if (fd < 0 || fstat(fd, &info))
        return error_set_errno(plan->err, ERROR_IO, errno, "read");
    /* It was one a moment ago; what was opened decides. */
    if (!S_ISREG(info.st_mode))
        return error_set(plan->err, ERROR_REPOSITORY, "not a regular file");
    if (file_read_fd(fd, &change->content, plan->err))
        return -1;
    change->loaded = true;
    return count_bytes(plan, change);
}

/* Makes `content`, which is taken over, the new content of a place. */
static int set_content(struct plan *plan, struct patch_change *change,
                       struct buffer *content)
{
    plan->bytes -= change->content.length;
    buffer_free(&change->content);
    change->content = *content;
    buffer_init(content, PATCH_FILE_MAX);
    change->is_there = true;
    change->changed = true;
    change->loaded = true;
    change->type = S_IFREG;
    return count_bytes(plan, change);
}

static void remove_place(struct plan *plan, struct patch_change *change)
{
    plan->bytes -= change->content.length;
    buffer_free(&change->content);
    change->loaded = false;
    change->is_there = false;
    change->changed = true;
}

/* ---- operations -------------------------------------------------------- */

static int plan_add(struct plan *plan, const struct patch_operation *operation)
{
    CLEANUP(buffer_free) struct buffer content = {0};
    struct patch_change *name;
    struct patch_change *target;

    buffer_init(&content, PATCH_FILE_MAX);
    if (locate(plan, operation->path, &name, &target))
        return -1;
    if (target->is_there && !S_ISREG(target->type)) {
        no_regular_file(plan, target->path, target->type);
        return error_context(plan->err, "failed to write file '%s'",
                             operation->path);
    }
    for (size_t i = 0; i < operation->line_count; i++) {
        buffer_add(&content, operation->lines[i].text,
                   operation->lines[i].length);
        buffer_add_byte(&content, '\n');
    }
    return set_content(plan, target, &content);
}

static int plan_delete(struct plan *plan,
                       const struct patch_operation *operation)
{
    struct patch_change *name;

    /* A link that leads out may be deleted, so it is not followed. */
    if (locate(plan, operation->path, &name, NULL))
        return -1;
    if (!name->is_there)
        return error_set(plan->err, ERROR_REPOSITORY,
                         "failed to delete file '%s': no such file",
                         operation->path);
    if (S_ISDIR(name->type))
        return error_set(plan->err, ERROR_REPOSITORY,
                         "failed to delete file '%s': it is a directory",
                         operation->path);
    remove_place(plan, name);
    return 0;
}

/* The new content of an update, from what the place holds by now. */
static int make_update(struct plan *plan,
                       const struct patch_operation *operation,
                       struct patch_change *source, struct buffer *content)
{
    int failed = 0;

    if (!source->is_there)
        failed = error_set(plan->err, ERROR_REPOSITORY, "no such file");
    else if (!S_ISREG(source->type))
        failed = no_regular_file(plan, source->path, source->type);
    else if (!source->loaded)
        failed = load(plan, source);
    if (failed)
        return error_context(plan->err, "failed to read file to update '%s'",
                             operation->path);
    if (patch_match(buffer_span(&source->content), operation, &plan->work_left,
                    content, plan->err))
        return error_context(plan->err, "'%s'", operation->path);
    return 0;
}

static int plan_move(struct plan *plan, const struct patch_operation *operation,
                     struct patch_change *from, struct patch_change *source,
                     struct buffer *content)
{
    struct patch_change *to;
    struct patch_change *destination;

    if (locate(plan, operation->move_to, &to, &destination))
        return -1;
    if (to == from || destination == from)
        return set_content(plan, source, content);
    if (destination->is_there && !S_ISREG(destination->type)) {
        no_regular_file(plan, destination->path, destination->type);
        return error_context(plan->err, "failed to write file '%s'",
                             operation->move_to);
    }
    destination->has_permissions = source->has_permissions;
    destination->permissions = source->permissions;
    remove_place(plan, from);
    return set_content(plan, destination, content);
}

static int plan_update(struct plan *plan,
                       const struct patch_operation *operation)
{
    CLEANUP(buffer_free) struct buffer content = {0};
    struct patch_change *name;
    struct patch_change *source;

    buffer_init(&content, PATCH_FILE_MAX);
    if (locate(plan, operation->path, &name, &source) ||
        make_update(plan, operation, source, &content))
        return -1;
    if (operation->move_to)
        return plan_move(plan, operation, name, source, &content);
    return set_content(plan, source, &content);
}

static int plan_operation(struct plan *plan,
                          const struct patch_operation *operation)
{
    switch (operation->action) {
    case PATCH_ADD:
        return plan_add(plan, operation);
    case PATCH_DELETE:
        return plan_delete(plan, operation);
    default:
        return plan_update(plan, operation);
    }
}

/* ---- the whole --------------------------------------------------------- */

static void summarise(const struct patch *patch, struct buffer *summary)
{
    static const enum patch_action order[] = {PATCH_ADD, PATCH_UPDATE,
                                              PATCH_DELETE};
    static const char letters[] = "AMD";

    buffer_add_string(summary, "Success. Updated the following files:\n");
    for (size_t group = 0; group < ARRAY_LENGTH(order); group++) {
        for (size_t i = 0; i < patch->count; i++) {
            const struct patch_operation *operation = &patch->operations[i];

            if (operation->action == order[group])
                buffer_addf(summary, "%c %s\n", letters[group],
                            operation->move_to ? operation->move_to
                                               : operation->path);
        }
    }
}

int patch_apply(int root, const char *directory, const struct patch *patch,
                struct buffer *summary, struct error *err)
{
    CLEANUP(plan_free)
    struct plan plan = {
        .root = root,
        .directory = directory,
        .changes = mem_array(patch->count * CHANGES_PER_OPERATION,
                             sizeof(*plan.changes)),
        .work_left = PATCH_WORK_MAX,
        .err = err,
    };

    for (size_t i = 0; i < patch->count; i++) {
        if (plan_operation(&plan, &patch->operations[i]))
            return -1;
    }
    if (patch_commit(root, plan.changes, plan.count, err))
        return -1;
    summarise(patch, summary);
    return 0;
}

/* ---- the list of places ------------------------------------------------ */

/* Takes the path over. */
static void list_path(struct patch_paths *paths, char *path)
{
    CLEANUP(mem_free) char *owned = path;

    for (size_t i = 0; i < paths->count; i++) {
        if (!strcmp(paths->paths[i], path))
            return;
    }
    paths->paths[paths->count++] = STEAL(owned);
}

static int list_real(int root, const char *normal, bool follow,
                     struct patch_paths *paths, struct error *err)
{
    char *real = patch_path_real(root, normal, follow, NULL, err);

    if (!real)
        return -1;
    list_path(paths, real);
    return 0;
}

static int list_places(int root, const char *normal, bool follow,
                       struct patch_paths *paths, struct error *err)
{
    if (!normal)
        return -1;
    list_path(paths, mem_string(normal));
    if (root < 0)
        return 0;
    if (list_real(root, normal, false, paths, err))
        return -1;
    return follow ? list_real(root, normal, true, paths, err) : 0;
}

static int list_operation(int root, const char *directory,
                          const struct patch_operation *operation,
                          struct patch_paths *paths, struct error *err)
{
    CLEANUP(mem_free)
    char *normal = patch_path_normal(directory, operation->path, err);
    CLEANUP(mem_free) char *moved = NULL;

    if (list_places(root, normal, operation->action != PATCH_DELETE, paths,
                    err))
        return -1;
    if (!operation->move_to)
        return 0;
    moved = patch_path_normal(directory, operation->move_to, err);
    return list_places(root, moved, true, paths, err);
}

int patch_paths(int root, const char *directory, const struct patch *patch,
                struct patch_paths *paths, struct error *err)
{
    CLEANUP(patch_paths_free)
    struct patch_paths list = {
        .paths =
            mem_array(patch->count * PATHS_PER_OPERATION, sizeof(*list.paths)),
    };

    for (size_t i = 0; i < patch->count; i++) {
        if (list_operation(root, directory, &patch->operations[i], &list, err))
            return -1;
    }
    *paths = list;
    list = (struct patch_paths){0};
    return 0;
}

void patch_paths_free(struct patch_paths *paths)
{
    for (size_t i = 0; i < paths->count; i++)
        mem_free(&paths->paths[i]);
    mem_free(&paths->paths);
    paths->count = 0;
}
