/* Workspaces: a working copy of a mirror's commit on the host's disk, with a
 * `.git` of its own (no remote), trusted by nobody afterwards. Its objects are
 * the mirror's, borrowed, or copies.
 *
 * Contents are byte for byte those of the commit: no line-ending conversion,
 * no filter. Symlinks are made as they are; nothing is ever followed. */
#ifndef NIGHTJAR_TASKS_WORKSPACE_H
#define NIGHTJAR_TASKS_WORKSPACE_H

#include <sys/types.h>

#include "tasks/mirror.h"

struct workspace_request {
    const struct mirror *mirror;
    struct object_id tree; /* a commit or tree: what the files are */
    const char *directory; /* to create, on the host, absolute */
    const char *branch;    /* name for HEAD; it points to the pinned commit */
    const char *borrowed;  /* where commands find the mirror's objects; NULL:
                              they are copied */
    uid_t owner;           /* who the sandbox's user is on the host */
    gid_t group;
};

/* Creates. On failure what was made stays for the owner of the scratch
 * folder to remove. */
int workspace_create(const struct workspace_request *request,
                     struct error *err);

/* Fetches the submodules of `tree` (recursively, at most 5 deep and 100 in
 * all) and checks them out in the workspace. Their URLs come from the
 * repository, so only http(s), ssh and URLs relative to `url` are followed,
 * and file paths only when `url` is one itself. `scratch` is a folder on the
 * host for their mirrors. */
int workspace_add_submodules(const struct workspace_request *request,
                             const char *url, const char *scratch,
                             int64_t deadline, struct error *err);

/* Gives a whole tree to a user, links themselves included; nothing is
 * followed. Nothing to do when it is the user of this process. */
int workspace_give(const char *directory, uid_t owner, gid_t group,
                   struct error *err);

#endif
