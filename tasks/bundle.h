/* Bundles: patches of one repository as commits, in one file that git fetches
 * from.
 *
 *     git fetch repository.bundle refs/heads/nightjar/fix-login
 *
 * Each change is a branch nightjar/NAME with one commit on the commit that it
 * was made for, which the receiver must have. Format: gitformat-bundle(5),
 * version 2. */
#ifndef NIGHTJAR_TASKS_BUNDLE_H
#define NIGHTJAR_TASKS_BUNDLE_H

#include "base/buffer.h"
#include "tasks/cache.h"

struct bundle_change {
    const char *name;    /* of the branch; what a name may not hold becomes - */
    const char *commit;  /* that the patch is for, in hexadecimal */
    const char *tree;    /* that it must give; "": not known */
    struct span patch;   /* for `git apply` */
    const char *message; /* of the commit, UTF-8 */
    const char *author;  /* "Name <mail>" */
    int64_t time;        /* seconds since 1970 */
};

struct bundle_request {
    const struct cache *cache;
    const char *url;    /* of the repository */
    const char *folder; /* for new objects; the caller removes it */
    bool fetch;         /* a commit that the cache does not have */
};

/* Adds the bundle of `*count` (at least one) changes. What cannot be made a
 * commit is left out: *count is how many were, in front of `changes`, and the
 * result is -1 with the first one's error although there is a bundle unless
 * *count is 0. Errors: as mirror_take, and ERROR_REPOSITORY when a patch does
 * not apply or gives another tree. */
int bundle_make(const struct bundle_request *request,
                struct bundle_change *changes, size_t *count,
                struct buffer *out, struct error *err);

#endif
