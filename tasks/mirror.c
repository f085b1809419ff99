#include "tasks/mirror.h"

#include <ctype.h>
#include <errno.h>
#include <git2/sys/odb_backend.h>
#include <git2/sys/repository.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "base/certificates.h"
#include "base/clock.h"
#include "base/memory.h"
#include "tasks/credential.h"
#include "tasks/git.h"

#define OWN_PRIORITY 100 /* before all others */
#define HAVE_SHALLOW          \
    (LIBGIT2_VER_MAJOR > 1 || \
     (LIBGIT2_VER_MAJOR == 1 && LIBGIT2_VER_MINOR >= 7))

int repositories_start(struct error *err)
{
    static const git_config_level_t levels[] = {
        GIT_CONFIG_LEVEL_PROGRAMDATA, GIT_CONFIG_LEVEL_SYSTEM,
        GIT_CONFIG_LEVEL_XDG, GIT_CONFIG_LEVEL_GLOBAL};
    struct certificates trusted = certificates_find();

    if (git_libgit2_init() < 0)
        return git_fail(err, "libgit2");
    for (size_t i = 0; i < ARRAY_LENGTH(levels); i++)
        git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, levels[i], "");
    /* Nothing of a repository is executed here, so whose it is does not
     * matter; CI checkouts often belong to another user. */
    git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
    git_libgit2_opts(GIT_OPT_SET_USER_AGENT, "nightjar " NIGHTJAR_VERSION);
    if ((trusted.file || trusted.folder) &&
        git_libgit2_opts(GIT_OPT_SET_SSL_CERT_LOCATIONS, trusted.file,
                         trusted.folder))
        return git_fail(err, "certificates in '%s'",
                        trusted.file ? trusted.file : trusted.folder);
    return 0;
}

const char *repositories_version(void)
{
    static char text[32];
    int major;
    int minor;
    int revision;

    git_libgit2_version(&major, &minor, &revision);
    snprintf(text, sizeof(text), "%d.%d.%d", major, minor, revision);
    return text;
}

/* ---- callbacks --------------------------------------------------------- */

struct fetching {
    const struct mirror_request *request;
    int credentials_asked;
    bool no_credentials;
    bool late;
    bool connected;
    bool ours; /* the mirror's own files are at fault */
};

static int give_credentials(git_credential **out, const char *url,
                            const char *user, unsigned allowed, void *payload)
{
    struct fetching *fetching = payload;
    const char *name = user ? user : "git";

    /* The library asks again when the first answer was refused. */
    if (fetching->credentials_asked++ > 1) {
        git_error_set_str(GIT_ERROR_NET, "the credentials were refused");
        return GIT_EAUTH;
    }
    if (allowed & GIT_CREDENTIAL_USERNAME)
        return git_credential_username_new(out, name);
    if (allowed & GIT_CREDENTIAL_SSH_KEY && getenv("SSH_AUTH_SOCK"))
        return git_credential_ssh_key_from_agent(out, name);
    if (allowed & GIT_CREDENTIAL_USERPASS_PLAINTEXT) {
        struct credential credential = credential_for_url(url);

        if (credential.token)
            return git_credential_userpass_plaintext_new(out, credential.user,
                                                         credential.token);
    }
    fetching->no_credentials = true;
    git_error_set_str(GIT_ERROR_NET, "authentication is required");
    return GIT_EAUTH;
}

static int watch_deadline(struct fetching *fetching)
{
    if (clock_now_ms() < fetching->request->deadline)
        return 0;
    fetching->late = true;
    git_error_set_str(GIT_ERROR_NET, "not finished before the deadline");
    return GIT_EUSER;
}

static int on_transfer(const git_indexer_progress *progress, void *payload)
{
    (void)progress;
    return watch_deadline(payload);
}

static int on_sideband(const char *text, int length, void *payload)
{
    (void)text;
    (void)length;
    return watch_deadline(payload);
}

/* Whether a failure of a fetch from a remote that had answered is one of the
 * mirror's files. Not those of the operating system: a full disk, a connection
 * that is gone. */
static bool is_ours(int status)
{
    static const int classes[] = {GIT_ERROR_REFERENCE,  GIT_ERROR_ZLIB,
                                  GIT_ERROR_REPOSITORY, GIT_ERROR_CONFIG,
                                  GIT_ERROR_ODB,        GIT_ERROR_INDEX,
                                  GIT_ERROR_OBJECT,     GIT_ERROR_TREE};
    const git_error *last = git_error_last();

    if (status == GIT_ELOCKED)
        return true;
    for (size_t i = 0; last && i < ARRAY_LENGTH(classes); i++) {
        if (last->klass == classes[i])
            return true;
    }
    return false;
}

static int fetch_failed(struct fetching *fetching, int status, const char *what,
                        struct error *err)
{
    const struct mirror_request *request = fetching->request;

    if (request->url[0] == '/' && access(request->url, F_OK))
        return error_set_errno(err, ERROR_REPOSITORY, errno, "%s",
                               request->url);
    if (request->url[0] == '/' && !fetching->connected) {
        error_set(err, ERROR_REPOSITORY, "%s: is no git repository",
                  request->url);
        return error_hint(err, "'repo' names one, or 'git init' and 'git "
                               "commit' make one of it");
    }
    fetching->ours = fetching->connected && is_ours(status);
    git_fail(err, "%s %s%s%s", what, request->url, request->ref ? " " : "",
             request->ref ? request->ref : "");
    if (fetching->late) {
        err->kind = ERROR_TIMEOUT;
    } else if (status == GIT_EAUTH || fetching->no_credentials ||
               strstr(err->text, "status code: 401") ||
               strstr(err->text, "status code: 403")) {
        err->kind = ERROR_AUTHENTICATION;
        error_hint(err, "give a token in the environment (GH_TOKEN, "
                        "GITLAB_TOKEN, or NIGHTJAR_GIT_TOKEN with "
                        "NIGHTJAR_GIT_TOKEN_HOST), or an SSH agent");
    } else if (status == GIT_ECERTIFICATE) {
        error_hint(err, "for https set SSL_CERT_FILE to the authority's "
                        "certificate; for ssh put the host's key into "
                        "~/.ssh/known_hosts");
    }
    return -1;
}

/* ---- which ref --------------------------------------------------------- */

static bool is_commit_name(const char *ref)
{
    size_t length = ref ? strspn(ref, "0123456789abcdefABCDEF") : 0;

    return ref && !ref[length] && length >= 7 && length <= 40;
}

/* The full name that the remote has for the request's ref, or NULL. HEAD for
 * no ref. */
static const char *advertised(git_remote *remote, const char *ref)
{
    static const char *const prefixes[] = {"refs/heads/", "refs/tags/", ""};
    const git_remote_head **heads;
    size_t count;

    if (git_remote_ls(&heads, &count, remote))
        return NULL;
    for (size_t p = 0; p < ARRAY_LENGTH(prefixes); p++) {
        size_t length = strlen(prefixes[p]);

        for (size_t i = 0; i < count; i++) {
            if (!strncmp(heads[i]->name, prefixes[p], length) &&
                !strcmp(heads[i]->name + length, ref ? ref : "HEAD"))
                return heads[i]->name;
        }
    }
    return NULL;
}

static int fetch_refs(struct fetching *fetching, git_remote *remote,
                      const git_remote_callbacks *callbacks, char **specs,
                      size_t count, struct error *err)
{
    git_fetch_options options = GIT_FETCH_OPTIONS_INIT;
    git_strarray refspecs = {specs, count};
    int status;

    options.callbacks = *callbacks;
    options.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE;
    options.update_fetchhead = 0;
    options.proxy_opts.type = GIT_PROXY_AUTO;
#if HAVE_SHALLOW
    options.depth = (int)fetching->request->depth;
#endif
    status = git_remote_fetch(remote, &refspecs, &options, NULL);
    return status ? fetch_failed(fetching, status, "fetch", err) : 0;
}

int mirror_pin(struct mirror *mirror, const char *name, struct error *err)
{
    CLEANUP(git_object_cleanup) git_object *object = NULL;
    CLEANUP(git_object_cleanup) git_object *commit = NULL;

    if (git_revparse_single(&object, mirror->repository, name) ||
        git_object_peel(&commit, object, GIT_OBJECT_COMMIT))
        return git_fail(err, "find commit '%s'", name);
    mirror->commit = object_id_from(git_object_id(commit));
    return 0;
}

static int fetch_every(struct fetching *fetching, git_remote *remote,
                       const git_remote_callbacks *callbacks, struct error *err)
{
    char heads[] = "+refs/heads/*:refs/nightjar/refs/heads/*";
    char tags[] = "+refs/tags/*:refs/nightjar/refs/tags/*";
    char *every[] = {heads, tags};

    return fetch_refs(fetching, remote, callbacks, every, ARRAY_LENGTH(every),
                      err);
}

/* A commit that no ref names: everything is fetched, to look for it. */
static int fetch_commit(struct mirror *mirror, struct fetching *fetching,
                        git_remote *remote,
                        const git_remote_callbacks *callbacks,
                        struct error *err)
{
    const struct mirror_request *request = fetching->request;

    if (!is_commit_name(request->ref)) {
        error_set(err, ERROR_REPOSITORY, "%s: ref '%s' not found", request->url,
                  request->ref ? request->ref : "HEAD");
        return request->ref
                   ? error_hint(err, "name a branch, a tag or a commit that "
                                     "the repository has")
                   : error_hint(err, "it has no commit yet: 'git commit' "
                                     "first");
    }
    if (fetch_every(fetching, remote, callbacks, err))
        return -1;
    if (mirror_pin(mirror, request->ref, err))
        return error_set(err, ERROR_REPOSITORY,
                         "%s: commit '%s' is on no branch and no tag",
                         request->url, request->ref);
    return 0;
}

static int connect_to(struct mirror *mirror, struct fetching *fetching,
                      git_remote_callbacks *callbacks, git_remote **remote,
                      struct error *err)
{
    const struct mirror_request *request = fetching->request;
    git_proxy_options proxy = GIT_PROXY_OPTIONS_INIT;
    int status;

    callbacks->credentials = give_credentials;
    callbacks->transfer_progress = on_transfer;
    callbacks->sideband_progress = on_sideband;
    callbacks->payload = fetching;
    proxy.type = GIT_PROXY_AUTO;
    if (git_remote_create_anonymous(remote, mirror->repository, request->url))
        return git_fail(err, "repository '%s'", request->url);
    status = git_remote_connect(*remote, GIT_DIRECTION_FETCH, callbacks, &proxy,
                                NULL);
    if (status)
        return fetch_failed(fetching, status, "connect to", err);
    fetching->connected = true;
    return 0;
}

static int fetch_all(struct mirror *mirror, struct fetching *fetching,
                     struct error *err)
{
    const struct mirror_request *request = fetching->request;
    CLEANUP(git_remote_cleanup) git_remote *remote = NULL;
    git_remote_callbacks callbacks = GIT_REMOTE_CALLBACKS_INIT;
    CLEANUP(mem_free) char *own = NULL;
    CLEANUP(mem_free) char *spec = NULL;
    const char *found;

    if (connect_to(mirror, fetching, &callbacks, &remote, err))
        return -1;
    found = advertised(remote, request->ref);
    if (!found)
        return fetch_commit(mirror, fetching, remote, &callbacks, err);
    own = mem_format("refs/nightjar/%s", found);
    spec = mem_format("+%s:%s", found, own);
    if (fetch_refs(fetching, remote, &callbacks, &spec, 1, err))
        return -1;
    if (!mirror_pin(mirror, own, err))
        return 0;
    fetching->ours = true;
    return -1;
}

int mirror_fetch_ref(struct mirror *mirror,
                     const struct mirror_request *request, bool *ours,
                     struct error *err)
{
    struct fetching fetching = {.request = request};
    /* Users of sandboxes are others, and read the objects. */
    mode_t mask = umask(0022);
    int status = fetch_all(mirror, &fetching, err);

    umask(mask);
    *ours = fetching.ours;
    return status;
}

int mirror_fetch_everything(struct mirror *mirror,
                            const struct mirror_request *request,
                            struct error *err)
{
    struct fetching fetching = {.request = request};
    CLEANUP(git_remote_cleanup) git_remote *remote = NULL;
    git_remote_callbacks callbacks = GIT_REMOTE_CALLBACKS_INIT;
    mode_t mask = umask(0022);
    int status = connect_to(mirror, &fetching, &callbacks, &remote, err) ||
                 fetch_every(&fetching, remote, &callbacks, err);

    umask(mask);
    return status ? -1 : 0;
}

/* ---- damage ------------------------------------------------------------ */

/* Reading an object compares it with its name. */
static int read_entry(const char *root, const git_tree_entry *entry,
                      void *payload)
{
    git_odb_object *object = NULL;
    int status;

    (void)root;
    if (git_tree_entry_type(entry) != GIT_OBJECT_BLOB)
        return 0; /* trees are read by the walk */
    status = git_odb_read(&object, payload, git_tree_entry_id(entry));
    git_odb_object_free(object);
    return status;
}

bool mirror_is_sound(struct mirror *mirror)
{
    CLEANUP(git_tree_cleanup) git_tree *tree = NULL;
    CLEANUP(git_odb_cleanup) git_odb *odb = NULL;
    struct error ignored;

    return mirror->repository &&
           !git_find_tree(mirror->repository, mirror->commit, &tree,
                          &ignored) &&
           !git_repository_odb(&odb, mirror->repository) &&
           !git_tree_walk(tree, GIT_TREEWALK_PRE, read_entry, odb);
}

/* ---- whole ------------------------------------------------------------- */

struct mirror *mirror_new(void)
{
    struct mirror *mirror = mem_alloc(sizeof(*mirror));

    mirror->use = -1;
    return mirror;
}

/* The mirror's objects, and ours, where new ones go. */
static int use_own(struct mirror *mirror, struct error *err)
{
    CLEANUP(git_odb_cleanup) git_odb *odb = NULL;
    git_odb_backend *loose = NULL;

    if (git_odb_new(&odb) ||
        git_odb_backend_loose(&loose, mirror->own, -1, false, 0, 0) ||
        git_odb_add_backend(odb, loose, OWN_PRIORITY) ||
        git_odb_add_disk_alternate(odb, mirror->objects) ||
        git_repository_set_odb(mirror->repository, odb))
        return git_fail(err, "objects of the task");
    return 0;
}

int mirror_attach(struct mirror *mirror, const char *directory, bool create,
                  struct error *err)
{
    mode_t mask = umask(0022);
    struct stat info;
    int status = 0;

    git_repository_free(mirror->repository);
    mirror->repository = NULL;
    status = git_repository_open_bare(&mirror->repository, directory);
    if (status && create)
        status = git_repository_init(&mirror->repository, directory, true);
    umask(mask);
    if (status)
        return git_fail(err, "open mirror");
    free(mirror->path);
    free(mirror->objects);
    mirror->path = mem_string(directory);
    mirror->objects = mem_format("%s/objects", directory);
    mirror->inode = stat(mirror->objects, &info) ? 0 : info.st_ino;
    return mirror->own ? use_own(mirror, err) : 0;
}

int mirror_fetch(const struct mirror_request *request, struct mirror **mirror,
                 struct error *err)
{
    CLEANUP(mirror_cleanup) struct mirror *made = mirror_new();
    bool ours;

    if (mirror_attach(made, request->directory, true, err) ||
        mirror_fetch_ref(made, request, &ours, err))
        return -1;
    *mirror = STEAL(made);
    return 0;
}

int mirror_write_to(struct mirror *mirror, const char *folder,
                    struct error *err)
{
    if (mkdir(folder, 0700) && errno != EEXIST)
        return error_set_errno(err, ERROR_IO, errno, "mkdir %s", folder);
    free(mirror->own);
    mirror->own = mem_string(folder);
    return use_own(mirror, err);
}

const char *mirror_objects(const struct mirror *mirror)
{
    return mirror->objects;
}

struct object_id mirror_commit(const struct mirror *mirror)
{
    return mirror->commit;
}

int mirror_tree(const struct mirror *mirror, struct object_id *tree,
                struct error *err)
{
    CLEANUP(git_tree_cleanup) git_tree *found = NULL;

    if (git_find_tree(mirror->repository, mirror->commit, &found, err))
        return -1;
    *tree = object_id_from(git_tree_id(found));
    return 0;
}

void mirror_close(struct mirror *mirror)
{
    if (!mirror)
        return;
    git_repository_free(mirror->repository);
    fd_reset(&mirror->use);
    free(mirror->path);
    free(mirror->objects);
    free(mirror->entry);
    free(mirror->own);
    free(mirror);
}

void mirror_cleanup(struct mirror **mirror)
{
    mirror_close(*mirror);
    *mirror = NULL;
}
