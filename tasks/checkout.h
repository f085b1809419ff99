/* Shared checkouts: the files of one commit, made once and then only read, as
 * the lower part of overlay workspaces. */
#ifndef NIGHTJAR_TASKS_CHECKOUT_H
#define NIGHTJAR_TASKS_CHECKOUT_H

#include "tasks/mirror.h"
#include "tasks/workspace.h"

struct checkout_request {
    const struct mirror *mirror;
    const char *folder;  /* of all shared checkouts; made if need be */
    const char *branch;  /* name for HEAD */
    bool submodules;     /* whether they are wanted, … */
    const char *url;     /* … relative to this repository, … */
    const char *scratch; /* … with mirrors in this folder of the host */
    uid_t inside;        /* user and group id as commands see them */
    int64_t deadline;    /* base/clock.h */
};

/* The checkout of the mirror's commit; whoever comes first makes it, others
 * wait. Returns its path, owned by the caller; NULL on failure. */
char *checkout_share(const struct checkout_request *request, struct error *err);

struct checkout_change {
    const struct mirror *mirror;
    struct object_id from; /* tree or commit: what the files are */
    struct object_id to;   /* what they become */
    int root;              /* their directory */
    uid_t owner;           /* as whom they are removed and written */
    gid_t group;
};

/* Makes the files of one tree those of another. No link is followed. */
int checkout_change(const struct checkout_change *change, struct error *err);

#endif
