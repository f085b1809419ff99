#include "tasks/tracked_files.h"

#include "base/glob.h"
#include "base/memory.h"
#include "tasks/git.h"

struct walk {
    const struct strings *globs;
    struct arena *arena;
    const char **files;
    size_t count;
};

static int on_entry(const char *root, const git_tree_entry *entry,
                    void *payload)
{
    struct walk *walk = payload;
    CLEANUP(mem_free)
    char *path = mem_format("%s%s", root, git_tree_entry_name(entry));
    git_filemode_t mode = git_tree_entry_filemode(entry);

    if ((mode != GIT_FILEMODE_BLOB && mode != GIT_FILEMODE_BLOB_EXECUTABLE) ||
        !glob_match_any(walk->globs->items, walk->globs->count, path))
        return 0;
    if (walk->count == TRACKED_FILES_MAX)
        return -1;
    if (!(walk->count & (walk->count - 1)))
        walk->files = mem_resize(walk->files, walk->count ? 2 * walk->count : 1,
                                 sizeof(*walk->files));
    walk->files[walk->count++] = arena_string(walk->arena, path);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int read_tree(const char *repository, const char *ref, struct walk *walk,
                     struct error *err)
{
    CLEANUP(git_repository_cleanup) git_repository *opened = NULL;
    CLEANUP(git_object_cleanup) git_object *object = NULL;
    CLEANUP(git_object_cleanup) git_object *tree = NULL;

    if (git_open(repository, &opened, err))
        return -1;
    if (git_revparse_single(&object, opened, ref ? ref : "HEAD") ||
        git_object_peel(&tree, object, GIT_OBJECT_TREE))
        return git_fail(err, "find '%s'", ref ? ref : "HEAD");
    if (!git_tree_walk((const git_tree *)tree, GIT_TREEWALK_PRE, on_entry,
                       walk))
        return 0;
    if (walk->count == TRACKED_FILES_MAX)
        return error_set(err, ERROR_REPOSITORY, "more than %d files",
                         TRACKED_FILES_MAX);
    return git_fail(err, "read the tree");
}

int tracked_files(const char *repository, const char *ref,
                  const struct strings *globs, struct arena *arena,
                  struct strings *files, struct error *err)
{
    struct walk walk = {.globs = globs, .arena = arena};
    int status;

    /* Manifests are read before anything else needs the library. */
    if (repositories_start(err))
        return -1;
    status = read_tree(repository, ref, &walk, err);
    if (!status) {
        files->items = arena_array(arena, walk.count, sizeof(char *));
        files->count = walk.count;
        if (walk.count) {
            qsort(walk.files, walk.count, sizeof(char *), by_name);
            memcpy(files->items, walk.files, walk.count * sizeof(char *));
        }
    }
    /* The library stays: started again after its end, it releases its settings
     * a second time (1.5). */
    free(walk.files);
    return status;
}
