#include "tasks/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "tasks/credential.h"
#include "tasks/git.h"
#include "tasks/lease.h"

#define REFS_BYTES_MAX ((size_t)4 << 20)
#define REFS_MAX 1000 /* remembered of one remote */
#define ENTRY_TRIES 100
#define REFS_DEPTH 10

/* ---- the folder -------------------------------------------------------- */

static char *usual_folder(struct error *err)
{
    const char *own = getenv("NIGHTJAR_CACHE");
    const char *cache = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");

    if (own && *own)
        return mem_string(own);
    if (cache && *cache == '/')
        return mem_format("%s/nightjar", cache);
    if (home && *home == '/')
        return mem_format("%s/.cache/nightjar", home);
    error_set(err, ERROR_USAGE, "there is no folder for the cache");
    error_hint(err, "set HOME or XDG_CACHE_HOME, or name one with --cache");
    return NULL;
}

/* Whatever the umask is: what is in it is taken for the remote's word. */
static int make_private(const char *path, struct error *err)
{
    mode_t mask = umask(0077);
    int status = file_make_directories(AT_FDCWD, path, err);

    umask(mask);
    return status;
}

int cache_open(struct cache *cache, const char *folder, int64_t bytes_max,
               struct error *err)
{
    CLEANUP(mem_free)
    char *path = folder ? mem_string(folder) : usual_folder(err);
    struct stat info;

    *cache =
        (struct cache){.bytes_max = bytes_max, .fresh_since = clock_utc_ms()};
    if (!path || make_private(path, err))
        return -1;
    cache->folder = realpath(path, NULL);
    if (!cache->folder || stat(cache->folder, &info))
        return error_set_errno(err, ERROR_IO, errno, "%s", path);
    if (info.st_uid == geteuid() && !(info.st_mode & 0022))
        return 0;
    error_set(err, ERROR_USAGE, "the cache %s can be written to by other users",
              cache->folder);
    return error_hint(err, "name a folder of your own with --cache, or "
                           "chmod go-w it");
}

void cache_close(struct cache *cache)
{
    mem_free(&cache->folder);
}

/* The name of a remote's entry: nobody can choose two remotes that share
 * one. */
static char *entry_key(const struct mirror_request *request)
{
    CLEANUP(mem_free)
    char *text = mem_format("%s\n%" PRId64, request->url, request->depth);
    git_oid oid;

    if (git_odb_hash(&oid, text, strlen(text), GIT_OBJECT_BLOB))
        return NULL;
    return mem_string(object_id_from(&oid).hex);
}

/* The entry's folder, in use by us from now on. */
static int open_entry(struct mirror *mirror,
                      const struct mirror_request *request, struct error *err)
{
    CLEANUP(mem_free) char *key = entry_key(request);
    CLEANUP(mem_free) char *use = NULL;

    if (!key)
        return git_fail(err, "hash the URL");
    mirror->entry = mem_format("%s/%s", request->cache->folder, key);
    use = mem_format("%s/use", mirror->entry);
    /* It may be removed before it is in use. */
    for (int i = 0; i < ENTRY_TRIES && mirror->use < 0; i++) {
        if (mkdir(mirror->entry, 0755) && errno != EEXIST)
            return error_set_errno(err, ERROR_IO, errno, "mkdir %s",
                                   mirror->entry);
        mirror->use = lease_use(use, err);
    }
    if (mirror->use < 0)
        return -1;
    /* When it was used last. */
    futimens(mirror->use, NULL);
    return 0;
}

/* ---- what was fetched -------------------------------------------------- */

struct known {
    struct object_id commit;
    int64_t fetched; /* milliseconds since 1970 */
};

static const char *ref_name(const struct mirror_request *request)
{
    return request->ref ? request->ref : "HEAD";
}

static cJSON *read_refs(const struct mirror *mirror)
{
    CLEANUP(mem_free) char *path = mem_format("%s/refs.json", mirror->entry);
    CLEANUP(buffer_free) struct buffer text = {0};
    struct error ignored;

    buffer_init(&text, REFS_BYTES_MAX);
    if (file_read(AT_FDCWD, path, &text, &ignored))
        return NULL;
    return json_parse(text.data, text.length, &ignored);
}

/* Whether the ref was fetched, and what it was then. */
static bool find_ref(const struct mirror *mirror,
                     const struct mirror_request *request, struct known *known)
{
    CLEANUP(json_free) cJSON *refs = read_refs(mirror);
    const cJSON *ref = refs ? json_get(refs, ref_name(request)) : NULL;
    const char *commit = ref ? json_get_text(ref, "commit", "") : "";

    if (strlen(commit) != sizeof(known->commit.hex) - 1)
        return false;
    snprintf(known->commit.hex, sizeof(known->commit.hex), "%s", commit);
    known->fetched = json_get_int64(ref, "fetched", 0);
    return true;
}

static void put_ref(struct json *json, const char *name, const char *commit,
                    int64_t fetched)
{
    json_key(json, name);
    json_object(json);
    json_member_string(json, "commit", commit);
    json_member_int(json, "fetched", fetched);
    json_end(json);
}

/* Once it is written, others rely on it: objects come first. `asked`: when the
 * remote was, for what it had then. */
static int note_ref(const struct mirror *mirror,
                    const struct mirror_request *request, int64_t asked,
                    struct error *err)
{
    CLEANUP(json_free) cJSON *refs = read_refs(mirror);
    CLEANUP(mem_free) char *path = mem_format("%s/refs.json", mirror->entry);
    CLEANUP(buffer_free) struct buffer text = {0};
    const cJSON *ref;
    struct json json;
    int count = 1;

    buffer_init(&text, REFS_BYTES_MAX);
    json = json_to(&text);
    json_object(&json);
    put_ref(&json, ref_name(request), mirror->commit.hex, asked);
    cJSON_ArrayForEach(ref, refs)
    {
        if (count < REFS_MAX && strcmp(ref->string, ref_name(request)) != 0) {
            put_ref(&json, ref->string, json_get_text(ref, "commit", ""),
                    json_get_int64(ref, "fetched", 0));
            count++;
        }
    }
    json_end(&json);
    return file_replace(AT_FDCWD, path, buffer_span(&text), err);
}

static bool is_whole_commit(const char *ref)
{
    return ref && strlen(ref) == sizeof(((struct object_id *)0)->hex) - 1 &&
           strspn(ref, "0123456789abcdefABCDEF") == strlen(ref);
}

/* A clock that was set back makes what is there look new: then it is not. */
static bool is_fresh(const struct mirror_request *request, int64_t fetched)
{
    int64_t now = clock_utc_ms();
    int64_t least = request->age_ms > 0 ? now - request->age_ms : now;

    if (request->cache->fresh_since < least)
        least = request->cache->fresh_since;
    return fetched >= least && fetched <= now + 1000;
}

/* Whether what is wanted is there already; then it is pinned. */
static bool pin_known(struct mirror *mirror,
                      const struct mirror_request *request)
{
    CLEANUP(git_tree_cleanup) git_tree *tree = NULL;
    struct known known;
    struct error ignored;

    if (is_whole_commit(request->ref)) {
        if (mirror_pin(mirror, request->ref, &ignored))
            return false;
    } else if (!find_ref(mirror, request, &known) ||
               !is_fresh(request, known.fetched) ||
               mirror_pin(mirror, known.commit.hex, &ignored)) {
        return false;
    }
    return !git_find_tree(mirror->repository, mirror->commit, &tree, &ignored);
}

/* ---- fetching ---------------------------------------------------------- */

static char *repository_path(const struct mirror *mirror)
{
    return mem_format("%s/repository", mirror->entry);
}

/* Opens what is there. */
static int attach_if_there(struct mirror *mirror)
{
    CLEANUP(mem_free) char *path = repository_path(mirror);
    struct error ignored;

    return access(path, F_OK) ? -1
                              : mirror_attach(mirror, path, false, &ignored);
}

/* What a fetch left that was killed; whoever has the lease is the only one who
 * writes here. */
static void remove_locks(const char *folder, int depth)
{
    DIR *opened = opendir(folder);
    struct dirent *entry;

    while (opened && (entry = readdir(opened))) {
        size_t length = strlen(entry->d_name);

        if (length > 5 && !strcmp(entry->d_name + length - 5, ".lock"))
            unlinkat(dirfd(opened), entry->d_name, 0);
        else if (depth && entry->d_name[0] != '.' && entry->d_type == DT_DIR) {
            CLEANUP(mem_free)
            char *below = mem_format("%s/%s", folder, entry->d_name);

            remove_locks(below, depth - 1);
        }
    }
    if (opened)
        closedir(opened);
}

/* A new repository in the place of one that cannot be read, which is kept for
 * those who still read what can be read of it. Only when all is there: a
 * remote that cannot be reached takes nothing away. */
static int replace(struct mirror *mirror, const struct mirror_request *request,
                   struct error *err)
{
    CLEANUP(mem_free) char *path = repository_path(mirror);
    CLEANUP(mem_free)
    char *fresh = mem_format("%s/fresh-%d", mirror->entry, (int)getpid());
    CLEANUP(mem_free)
    char *aside = mem_format("%s/damaged-%d-%" PRId64, mirror->entry,
                             (int)getpid(), clock_utc_ms());
    int64_t asked = clock_utc_ms();
    struct error ignored;
    bool ours;

    if (file_remove_tree(AT_FDCWD, fresh, err) ||
        mirror_attach(mirror, fresh, true, err))
        return -1;
    if (mirror_fetch_everything(mirror, request, err) ||
        mirror_fetch_ref(mirror, request, &ours, err)) {
        file_remove_tree(AT_FDCWD, fresh, &ignored);
        return -1;
    }
    if ((rename(path, aside) && errno != ENOENT) || rename(fresh, path))
        return error_set_errno(err, ERROR_IO, errno, "rename %s", fresh);
    if (mirror_attach(mirror, path, false, err))
        return -1;
    return note_ref(mirror, request, asked, err);
}

/* Fetches, with the lease held. What is damaged is not repaired but made
 * again. */
static int fetch_leased(struct mirror *mirror,
                        const struct mirror_request *request, struct error *err)
{
    CLEANUP(mem_free) char *path = repository_path(mirror);
    CLEANUP(mem_free) char *refs = mem_format("%s/refs", path);
    bool was_there = !access(path, F_OK);
    int64_t asked = clock_utc_ms();
    bool ours = true;

    if (was_there) {
        remove_locks(path, 0);
        remove_locks(refs, REFS_DEPTH);
    }
    if (!mirror_attach(mirror, path, true, err) &&
        !mirror_fetch_ref(mirror, request, &ours, err))
        return note_ref(mirror, request, asked, err);
    return was_there && ours ? replace(mirror, request, err) : -1;
}

/* Until it is its turn, no time of the fetch passes. */
static int in_turn(struct mirror *mirror, const struct mirror_request *request,
                   int (*fetch)(struct mirror *mirror,
                                const struct mirror_request *request,
                                struct error *err),
                   struct error *err)
{
    const struct mirror_turns *turns = request->turns;
    CLEANUP(mem_free) char *host = credential_host(request->url);
    struct mirror_request timed = *request;
    int status;

    if (!turns || !host)
        return fetch(mirror, request, err);
    if (turns->begin(turns->context, host, err))
        return -1;
    if (request->fetch_ms > 0)
        timed.deadline = clock_deadline(request->fetch_ms);
    status = fetch(mirror, &timed, err);
    turns->end(turns->context);
    return status;
}

int mirror_take(const struct mirror_request *request, struct mirror **mirror,
                bool *fetched, struct error *err)
{
    CLEANUP(mirror_cleanup) struct mirror *taken = mirror_new();
    CLEANUP(mem_free) char *lock = NULL;
    CLEANUP(fd_close) int lease = -1;

    *fetched = false;
    if (open_entry(taken, request, err))
        return -1;
    if (attach_if_there(taken) || !pin_known(taken, request)) {
        if (request->only_kept)
            return error_set(err, ERROR_USAGE,
                             "%s: commit %s is not in the cache of "
                             "repositories",
                             request->url, request->ref);
        lock = mem_format("%s/lock", taken->entry);
        lease = lease_take(lock, request->deadline, err);
        if (lease < 0)
            return error_context(err, "wait for another fetch of %s",
                                 request->url);
        /* While we waited, it may have been fetched. */
        *fetched = attach_if_there(taken) || !pin_known(taken, request);
        if (*fetched && in_turn(taken, request, fetch_leased, err))
            return -1;
    }
    *mirror = STEAL(taken);
    return 0;
}

int mirror_renew(struct mirror *mirror, const struct mirror_request *request,
                 struct error *err)
{
    struct object_id commit = mirror->commit;
    CLEANUP(mem_free) char *lock = mem_format("%s/lock", mirror->entry);
    CLEANUP(mem_free) char *path = repository_path(mirror);
    CLEANUP(fd_close) int lease = -1;
    /* Packs go to the mirror itself. */
    CLEANUP(mem_free) char *own = STEAL(mirror->own);
    ino_t inode = mirror->inode;
    struct error ignored;
    int status = 0;

    if (mirror_is_sound(mirror)) {
        mirror->own = STEAL(own);
        return error_set(err, ERROR_REPOSITORY, "the mirror is sound");
    }
    lease = lease_take(lock, request->deadline, err);
    if (lease < 0)
        return -1;
    /* Unless there is another one already than the one that we could not
     * read. */
    if (mirror_attach(mirror, path, false, &ignored) ||
        mirror->inode == inode || mirror_pin(mirror, commit.hex, &ignored))
        status = in_turn(mirror, request, replace, err);
    if (status || mirror_pin(mirror, commit.hex, err))
        return -1;
    return own ? mirror_write_to(mirror, own, err) : 0;
}
