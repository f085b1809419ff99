/* Shared checkouts: the files of one commit, made once and then only read, as
 * the lower part of overlay workspaces. */
#ifndef NIGHTJAR_TASKS_CHECKOUT_H
#define NIGHTJAR_TASKS_CHECKOUT_H

#include "tasks/mirror.h"
#include "tasks/workspace.h"

struct checkout_request {
    const struct mirror *mirror; /* in the cache */
    const char *branch;          /* name for HEAD */
    const char *borrowed;        /* where commands find the mirror's objects */
    bool submodules;             /* whether they are wanted, … */
    const char *url;             /* … relative to this repository, … */
    const char *scratch; /* … with mirrors in this folder of the host */
    uid_t inside;        /* user and group id as commands see them */
    int64_t since; /* milliseconds since 1970: one that was looked at since then
                      is not looked at again */
    int64_t deadline; /* base/clock.h */
};

/* A checkout in the cache that stays there while we have it. */
struct checkout {
    char *path; /* NULL: none */
    int use;    /* the lock that says that we read it */
};

/* The checkout of the mirror's commit; whoever comes first makes it, others
 * wait. On 0 the caller closes it. ERROR_REPOSITORY when objects cannot be
 * read: mirror_renew may help. */
int checkout_share(const struct checkout_request *request,
                   struct checkout *checkout, struct error *err);
void checkout_close(struct checkout *checkout);

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
