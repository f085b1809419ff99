#include "tasks/bundle.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/memory.h"
#include "tasks/git.h"
#include "tasks/patch.h"

#define FETCH_MS ((int64_t)10 * 60 * 1000)
#define NAME_MAX_BYTES 200

struct making {
    const struct cache *cache;
    const char *url;
    const char *folder;
    struct mirror *mirror; /* of the last change; the cache keeps one for all */
    git_oid *bases;
    git_oid *commits;
};

static void packbuilder_cleanup(git_packbuilder **pointer)
{
    git_packbuilder_free(*pointer);
}

static void revwalk_cleanup(git_revwalk **pointer)
{
    git_revwalk_free(*pointer);
}

static void commit_cleanup(git_commit **pointer)
{
    git_commit_free(*pointer);
}

static void signature_cleanup(git_signature **pointer)
{
    git_signature_free(*pointer);
}

/* ---- a commit ---------------------------------------------------------- */

static int take_mirror(struct making *making, const char *commit,
                       struct error *err)
{
    struct mirror_request request = {.url = making->url,
                                     .ref = commit,
                                     .cache = making->cache,
                                     .fetch_ms = FETCH_MS,
                                     .deadline = clock_deadline(FETCH_MS)};
    bool fetched;

    mirror_close(making->mirror);
    making->mirror = NULL;
    if (mirror_take(&request, &making->mirror, &fetched, err))
        return -1;
    return mirror_write_to(making->mirror, making->folder, err);
}

/* "Name <mail>"; anything else is the name. */
static int make_signature(git_signature **signature,
                          const struct bundle_change *change, struct error *err)
{
    const char *mail = strrchr(change->author, '<');
    CLEANUP(mem_free)
    char *name =
        mem_bytes(change->author, mail ? (size_t)(mail - change->author)
                                       : strlen(change->author));
    CLEANUP(mem_free)
    char *address =
        mem_bytes(mail ? mail + 1 : "", mail ? strcspn(mail + 1, ">") : 0);

    if (git_signature_new(signature, *name ? name : "nightjar",
                          *address ? address : "nightjar@localhost",
                          (git_time_t)change->time, 0))
        return git_fail(err, "author '%s'", change->author);
    return 0;
}

static int make_commit(struct making *making,
                       const struct bundle_change *change, size_t at,
                       struct error *err)
{
    CLEANUP(signature_cleanup) git_signature *author = NULL;
    CLEANUP(git_tree_cleanup) git_tree *tree = NULL;
    CLEANUP(commit_cleanup) git_commit *parent = NULL;
    git_repository *repository;
    struct object_id base;
    struct object_id id;

    if (take_mirror(making, change->commit, err))
        return -1;
    repository = making->mirror->repository;
    base = mirror_commit(making->mirror);
    if (patch_apply_text(making->mirror, base, change->patch, &id, err) ||
        git_find_tree(repository, id, &tree, err) ||
        object_id_parse(base, &making->bases[at], err) ||
        make_signature(&author, change, err))
        return -1;
    if (git_commit_lookup(&parent, repository, &making->bases[at]) ||
        git_commit_create_v(&making->commits[at], repository, NULL, author,
                            author, "UTF-8", change->message, tree, 1, parent))
        return git_fail(err, "make a commit of '%s'", change->name);
    return 0;
}

/* ---- the file ---------------------------------------------------------- */

/* What git-check-ref-format(1) allows, and no more than that. */
static void add_name(struct buffer *out, const char *name)
{
    bool dot = true; /* none at the start, nor two in a row */

    for (size_t i = 0; name[i] && i < NAME_MAX_BYTES; i++) {
        bool plain = (name[i] >= 'a' && name[i] <= 'z') ||
                     (name[i] >= 'A' && name[i] <= 'Z') ||
                     (name[i] >= '0' && name[i] <= '9') || name[i] == '_';
        bool fine = plain || (name[i] == '.' && !dot && name[i + 1]);

        buffer_add_byte(out, fine ? name[i] : '-');
        dot = name[i] == '.';
    }
}

/* A name for each branch, none of them twice. */
static char **branch_names(struct arena *arena,
                           const struct bundle_change *changes, size_t count)
{
    char **names = arena_array(arena, count, sizeof(*names));

    for (size_t i = 0; i < count; i++) {
        CLEANUP(buffer_free) struct buffer name = {0};

        buffer_init(&name, 2 * NAME_MAX_BYTES);
        add_name(&name, changes[i].name);
        for (size_t j = 0; j < i; j++) {
            if (strcmp(names[j], name.data) != 0)
                continue;
            buffer_add_string(&name, "-again");
            j = SIZE_MAX; /* then look at all of them once more */
        }
        names[i] = arena_string(arena, name.data);
    }
    return names;
}

static bool is_seen(const git_oid *ids, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (git_oid_equal(&ids[i], &ids[at]))
            return true;
    }
    return false;
}

static void add_header(const struct making *making,
                       const struct bundle_change *changes, size_t count,
                       struct buffer *out)
{
    struct arena arena = {0};
    char **names = branch_names(&arena, changes, count);

    buffer_add_string(out, "# v2 git bundle\n");
    for (size_t i = 0; i < count; i++) {
        if (!is_seen(making->bases, i))
            buffer_addf(out, "-%s\n", object_id_from(&making->bases[i]).hex);
    }
    for (size_t i = 0; i < count; i++)
        buffer_addf(out, "%s refs/heads/nightjar/%s\n",
                    object_id_from(&making->commits[i]).hex, names[i]);
    buffer_add_byte(out, '\n');
    arena_free(&arena);
}

/* What the commits have and their bases have not. */
static int add_pack(const struct making *making, size_t count,
                    struct buffer *out, struct error *err)
{
    git_repository *repository = making->mirror->repository;
    CLEANUP(packbuilder_cleanup) git_packbuilder *builder = NULL;
    CLEANUP(revwalk_cleanup) git_revwalk *walk = NULL;
    git_buf pack = GIT_BUF_INIT;
    int status = 0;

    if (git_packbuilder_new(&builder, repository) ||
        git_revwalk_new(&walk, repository))
        return git_fail(err, "make a pack");
    git_packbuilder_set_threads(builder, 1);
    for (size_t i = 0; i < count; i++) {
        if (git_revwalk_push(walk, &making->commits[i]) ||
            git_revwalk_hide(walk, &making->bases[i]))
            return git_fail(err, "make a pack");
    }
    if (git_packbuilder_insert_walk(builder, walk) ||
        git_packbuilder_write_buf(&pack, builder))
        status = git_fail(err, "make a pack");
    else if (buffer_add(out, pack.ptr, pack.size))
        status = error_set(err, ERROR_REPOSITORY,
                           "the bundle is larger than %zu bytes", out->maximum);
    git_buf_dispose(&pack);
    return status;
}

int bundle_make(const struct cache *cache, const char *url,
                const struct bundle_change *changes, size_t count,
                const char *folder, struct buffer *out, struct error *err)
{
    CLEANUP(mem_free) git_oid *bases = mem_array(count, sizeof(*bases));
    CLEANUP(mem_free) git_oid *commits = mem_array(count, sizeof(*commits));
    struct making making = {.cache = cache,
                            .url = url,
                            .folder = folder,
                            .bases = bases,
                            .commits = commits};
    int status = 0;

    for (size_t i = 0; !status && i < count; i++) {
        status = make_commit(&making, &changes[i], i, err);
        if (status)
            error_context(err, "bundle: %s", changes[i].name);
    }
    if (!status && making.mirror) { /* there is one: count is not 0 */
        add_header(&making, changes, count, out);
        status = add_pack(&making, count, out, err);
    }
    mirror_close(making.mirror);
    return status;
}
