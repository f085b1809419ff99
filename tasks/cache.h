/* The cache of repositories: for each remote one bare repository that tasks,
 * runs and processes share, and for each commit that was worked on one
 * checkout, which is only read.
 *
 *     cache_open(&cache, NULL, CACHE_BYTES, &err);
 *     mirror_take(&request, &mirror, &err);    // mirror.h: fetches if need be
 *     checkout_share(&…, &err);                // checkout.h
 *     mirror_close(mirror);
 *
 * On disk, below the cache's folder:
 *
 *     KEY/                 by the remote's URL and depth
 *       use                locked by everybody who reads below KEY
 *       lock               the lease of who fetches (lease.h)
 *       refs.json          what was fetched, when
 *       repository/        bare; objects are added and never changed
 *       checkouts/COMMIT/  with COMMIT.lock, locked by its readers
 *
 * Nothing of it can be written from a sandbox. What is damaged is noticed when
 * it is read and fetched again; what is not in use is removed when there is
 * too much, what was used longest ago first. */
#ifndef NIGHTJAR_TASKS_CACHE_H
#define NIGHTJAR_TASKS_CACHE_H

#include "base/error.h"
#include "tasks/mirror.h"

#define CACHE_BYTES ((int64_t)10 << 30) /* kept, unless one says otherwise */

struct cache {
    char *folder;        /* absolute */
    int64_t bytes_max;   /* kept of what nobody uses */
    int64_t fresh_since; /* milliseconds since 1970: a branch that was fetched
                            since then need not be fetched again */
};

/* Makes the folder, or takes the one that is there: `folder`, or
 * NIGHTJAR_CACHE, or "nightjar" in XDG_CACHE_HOME or ~/.cache. Errors:
 * ERROR_USAGE when others can write to it, ERROR_IO. Release with cache_close.
 */
int cache_open(struct cache *cache, const char *folder, int64_t bytes_max,
               struct error *err);
void cache_close(struct cache *cache);

/* Removes what nobody uses until no more than bytes_max are left, and what
 * processes that were killed left half made. */
void cache_trim(const struct cache *cache);

#endif
