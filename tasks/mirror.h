/* Mirrors: a task's repository, fetched once into a bare repository of ours
 * that no sandbox can write to. Everything that is trusted about the
 * repository (the pinned commit, its tree, the patch against it) comes from
 * here.
 *
 *     repositories_start(&err);            // once, in the first process
 *     mirror_take(&request, &mirror, &err);
 *     ... checkout.h, workspace.h, snapshot.h, patch.h ...
 *     mirror_close(mirror);                // it stays in the cache
 *
 * Transports: file paths, file://, http://, https://, ssh:// and the scp
 * form, all by libgit2. No hook, filter, credential helper or user
 * configuration of the host or the repository is used. */
#ifndef NIGHTJAR_TASKS_MIRROR_H
#define NIGHTJAR_TASKS_MIRROR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct mirror;

/* A SHA-1 object id in hexadecimal. */
struct object_id {
    char hex[41];
};

struct cache;

/* Asked before a remote is fetched from, and told after it: so that a host is
 * not asked by all at once. */
struct mirror_turns {
    /* Waits for it; "host" or "host:port". -1: there is to be no fetch. */
    int (*begin)(void *context, const char *host, struct error *err);
    void (*end)(void *context);
    void *context;
};

struct mirror_request {
    const char *url; /* as in the manifest */
    const char *ref; /* branch, tag, "refs/…" or commit; NULL: HEAD */
    const struct cache *cache; /* for mirror_take */
    const char *directory;     /* for mirror_fetch: to create, on the host */
    const struct mirror_turns *turns; /* for mirror_take; NULL: nobody to ask */
    bool only_kept;   /* what is not in the cache is an error (ERROR_USAGE) */
    int64_t depth;    /* commits; 0: all. Needs libgit2 1.7, else all */
    int64_t age_ms;   /* a fetch that is no older will do */
    int64_t fetch_ms; /* that a fetch may take, behind its turn; 0: until … */
    int64_t deadline; /* base/clock.h; watched while data flows */
};

/* Initialises libgit2: no configuration of the host, certificates from
 * SSL_CERT_FILE and SSL_CERT_DIR or the system's usual place. */
int repositories_start(struct error *err);

/* "1.5.1" */
const char *repositories_version(void);

/* The mirror in the cache, fetched if its ref is missing or older than allowed,
 * and pinned; *fetched: whether it was. While one process fetches, the others
 * that want the same remote wait for it. A commit that is there is never
 * fetched again. Errors as mirror_fetch, and ERROR_INTERRUPTED from turns. */
int mirror_take(const struct mirror_request *request, struct mirror **mirror,
                bool *fetched, struct error *err);

/* Of a mirror that was taken, when reading it has failed: looks whether all of
 * the pinned commit can be read, and if not fetches all of it anew, unless
 * another process has done so since. The pinned commit stays. -1 also when
 * nothing is wrong with it. */
int mirror_renew(struct mirror *mirror, const struct mirror_request *request,
                 struct error *err);

/* From now on what is made of the mirror's objects (trees of a workspace, of a
 * patch) goes to a folder of its own, made if it is missing. */
int mirror_write_to(struct mirror *mirror, const char *folder,
                    struct error *err);

/* The folder of its objects, absolute, to be lent to sandboxes. */
const char *mirror_objects(const struct mirror *mirror);

/* Fetches into a folder of its own, and pins. Errors are ERROR_REPOSITORY
 * (ERROR_AUTHENTICATION when the server wants credentials, ERROR_TIMEOUT)
 * naming host, ref and cause. Credentials: the SSH agent; for https a token
 * from the environment, and only for the host that it belongs to: GH_TOKEN or
 * GITHUB_TOKEN for github.com and GITHUB_SERVER_URL's host, GITLAB_TOKEN or
 * CI_JOB_TOKEN for gitlab.com and CI_SERVER_HOST, NIGHTJAR_GIT_TOKEN for the
 * host (and port) in NIGHTJAR_GIT_TOKEN_HOST. */
int mirror_fetch(const struct mirror_request *request, struct mirror **mirror,
                 struct error *err);

/* The commit that the task is pinned to, and its tree. */
struct object_id mirror_commit(const struct mirror *mirror);
int mirror_tree(const struct mirror *mirror, struct object_id *tree,
                struct error *err);

void mirror_close(struct mirror *mirror);
void mirror_cleanup(struct mirror **mirror); /* for CLEANUP */

#endif
