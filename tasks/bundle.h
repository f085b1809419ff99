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
    struct span patch;   /* for `git apply` */
    const char *message; /* of the commit, UTF-8 */
    const char *author;  /* "Name <mail>" */
    int64_t time;        /* seconds since 1970 */
};

/* Adds the bundle of `count` (at least one) changes to the repository at `url`
 * as the cache has it; a commit that is not there is fetched. New objects go
 * to `folder`, which the caller removes. Errors: as mirror_take, and
 * ERROR_REPOSITORY when a patch does not apply. */
int bundle_make(const struct cache *cache, const char *url,
                const struct bundle_change *changes, size_t count,
                const char *folder, struct buffer *out, struct error *err);

#endif
