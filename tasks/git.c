#include "tasks/git.h"

#include <stdarg.h>

#include "base/memory.h"

int git_fail(struct error *err, const char *format, ...)
{
    const git_error *last = git_error_last();
    CLEANUP(mem_free) char *what = NULL;
    va_list arguments;

    va_start(arguments, format);
    what = mem_vformat(format, arguments);
    va_end(arguments);
    return error_set(err, ERROR_REPOSITORY, "%s: %s", what,
                     last && last->message ? last->message : "unknown error");
}

struct object_id object_id_from(const git_oid *oid)
{
    struct object_id id;

    git_oid_tostr(id.hex, sizeof(id.hex), oid);
    return id;
}

int object_id_parse(struct object_id id, git_oid *oid, struct error *err)
{
    if (git_oid_fromstr(oid, id.hex))
        return git_fail(err, "object id '%s'", id.hex);
    return 0;
}

int git_find_tree(git_repository *repository, struct object_id id,
                  git_tree **tree, struct error *err)
{
    CLEANUP(git_object_cleanup) git_object *object = NULL;
    git_object *peeled = NULL;
    git_oid oid;

    if (object_id_parse(id, &oid, err))
        return -1;
    if (git_object_lookup(&object, repository, &oid, GIT_OBJECT_ANY) ||
        git_object_peel(&peeled, object, GIT_OBJECT_TREE))
        return git_fail(err, "tree of %s", id.hex);
    *tree = (git_tree *)peeled;
    return 0;
}

int git_open(const char *path, git_repository **repository, struct error *err)
{
    if (git_repository_open_ext(repository, path, GIT_REPOSITORY_OPEN_NO_SEARCH,
                                NULL))
        return git_fail(err, "open repository");
    return 0;
}

#define DEFINE_CLEANUP(type, release)   \
    void type##_cleanup(type **pointer) \
    {                                   \
        release(*pointer);              \
        *pointer = NULL;                \
    }

DEFINE_CLEANUP(git_repository, git_repository_free)
DEFINE_CLEANUP(git_remote, git_remote_free)
DEFINE_CLEANUP(git_object, git_object_free)
DEFINE_CLEANUP(git_tree, git_tree_free)
DEFINE_CLEANUP(git_tree_entry, git_tree_entry_free)
DEFINE_CLEANUP(git_blob, git_blob_free)
DEFINE_CLEANUP(git_index, git_index_free)
DEFINE_CLEANUP(git_diff, git_diff_free)
DEFINE_CLEANUP(git_patch, git_patch_free)
DEFINE_CLEANUP(git_config, git_config_free)
DEFINE_CLEANUP(git_config_iterator, git_config_iterator_free)
DEFINE_CLEANUP(git_odb, git_odb_free)
DEFINE_CLEANUP(git_reference, git_reference_free)
