/* Mirrors: a task's repository, fetched once into a bare repository of ours
 * that no sandbox reaches. Everything that is trusted about the repository
 * (the pinned commit, its tree, the patch against it) comes from here.
 *
 *     repositories_start(&err);            // once, in the first process
 *     mirror_fetch(&request, &mirror, &err);
 *     ... workspace.h, snapshot.h, patch.h ...
 *     mirror_close(mirror);                // the folder stays; its owner
 *                                          // removes the scratch folder
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

struct mirror_request {
    const char *url;       /* as in the manifest */
    const char *ref;       /* branch, tag, "refs/…" or commit; NULL: HEAD */
    const char *directory; /* to create, on the host */
    int64_t depth;         /* commits; 0: all. Needs libgit2 1.7, else all */
    int64_t deadline;      /* base/clock.h; watched while data flows */
};

/* Initialises libgit2: no configuration of the host, certificates from
 * SSL_CERT_FILE and SSL_CERT_DIR or the system's usual place. */
int repositories_start(struct error *err);

/* "1.5.1" */
const char *repositories_version(void);

/* Fetches and pins. Errors are ERROR_REPOSITORY (ERROR_AUTHENTICATION when
 * the server wants credentials, ERROR_TIMEOUT) naming host, ref and cause.
 * Credentials: the SSH agent; for https a token from the environment, and
 * only for the host that it belongs to: GH_TOKEN or GITHUB_TOKEN for
 * github.com and GITHUB_SERVER_URL's host, GITLAB_TOKEN or CI_JOB_TOKEN for
 * gitlab.com and CI_SERVER_HOST, NIGHTJAR_GIT_TOKEN for the host (and port)
 * in NIGHTJAR_GIT_TOKEN_HOST. */
int mirror_fetch(const struct mirror_request *request, struct mirror **mirror,
                 struct error *err);

/* Opens a mirror that was fetched before, pinned to `commit`, which it must
 * have (ERROR_REPOSITORY). */
int mirror_open(const char *directory, struct object_id commit,
                struct mirror **mirror, struct error *err);

/* The commit that the task is pinned to. */
struct object_id mirror_commit(const struct mirror *mirror);

void mirror_close(struct mirror *mirror);
void mirror_cleanup(struct mirror **mirror); /* for CLEANUP */

#endif
