/* Private to the files of tasks/ that use libgit2. Others see mirror.h,
 * workspace.h, snapshot.h and patch.h, and no type of the library. */
#ifndef NIGHTJAR_TASKS_GIT_H
#define NIGHTJAR_TASKS_GIT_H

#include <git2.h>
#include <sys/types.h>

#include "base/error.h"
#include "tasks/mirror.h"

struct mirror {
    git_repository *repository;
    char *path;    /* of the bare repository */
    char *objects; /* in it */
    char *entry;   /* in the cache; NULL: of its own */
    char *own;     /* where what we make is written; NULL: in it */
    int use;       /* the lock that says that we read it; -1: none */
    ino_t inode;   /* of `objects`: another one is another mirror */
    struct object_id commit;
};

/* The parts that mirror.c and cache.c share. */

/* The repository at `directory`; made, if `create`, when it is not there: by
 * one process at a time. */
int mirror_attach(struct mirror *mirror, const char *directory, bool create,
                  struct error *err);

/* Fetches the request's ref into the mirror and pins it. *ours: the failure is
 * none of the remote's, but of what is on disk here. */
int mirror_fetch_ref(struct mirror *mirror,
                     const struct mirror_request *request, bool *ours,
                     struct error *err);

/* Fetches every branch and tag. */
int mirror_fetch_everything(struct mirror *mirror,
                            const struct mirror_request *request,
                            struct error *err);

/* Whether every object of the pinned commit's files can be read. */
bool mirror_is_sound(struct mirror *mirror);

/* Pins what is in the mirror already: a revision. -1 if it is not. */
int mirror_pin(struct mirror *mirror, const char *revision, struct error *err);

struct mirror *mirror_new(void);

/* Sets ERROR_REPOSITORY from the library's last error. Returns -1. */
int git_fail(struct error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

struct object_id object_id_from(const git_oid *oid);
int object_id_parse(struct object_id id, git_oid *oid, struct error *err);

/* The tree of a commit or tree. The caller frees it. */
int git_find_tree(git_repository *repository, struct object_id id,
                  git_tree **tree, struct error *err);

/* A repository's data in memory of its own path: opened without looking at
 * parent folders. */
int git_open(const char *path, git_repository **repository, struct error *err);

/* CLEANUP functions. */
void git_repository_cleanup(git_repository **pointer);
void git_remote_cleanup(git_remote **pointer);
void git_object_cleanup(git_object **pointer);
void git_tree_cleanup(git_tree **pointer);
void git_tree_entry_cleanup(git_tree_entry **pointer);
void git_blob_cleanup(git_blob **pointer);
void git_index_cleanup(git_index **pointer);
void git_diff_cleanup(git_diff **pointer);
void git_patch_cleanup(git_patch **pointer);
void git_config_cleanup(git_config **pointer);
void git_config_iterator_cleanup(git_config_iterator **pointer);
void git_odb_cleanup(git_odb **pointer);
void git_reference_cleanup(git_reference **pointer);

#endif
