/* Repositories on this machine, looked at before anything is paid for: a task
 * works on a commit, so what is not committed is not there for it. */
#ifndef NIGHTJAR_TASKS_LOCAL_REPOSITORY_H
#define NIGHTJAR_TASKS_LOCAL_REPOSITORY_H

enum local_state {
    LOCAL_GOOD,    /* or not to be told, or not on this machine */
    LOCAL_NONE,    /* the path is no repository */
    LOCAL_EMPTY,   /* it has no commit */
    LOCAL_CHANGED, /* its work tree has changes that are in no commit */
};

/* `repo` as tasks have it: only absolute paths are looked at. Nothing is
 * changed, and no program of its configuration is run. After
 * repositories_start. */
enum local_state local_repository_look(const char *repo);

#endif
