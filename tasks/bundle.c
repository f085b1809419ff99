#include "tasks/bundle.h"

#include <ctype.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/names.h"
#include "tasks/git.h"
#include "tasks/patch.h"

#define FETCH_MS ((int64_t)10 * 60 * 1000)
#define NAME_MAX_BYTES 200

struct making {
    const struct cache *cache;
    const char *url;
    const char *folder;
    bool fetch;
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
                                     .only_kept = !making->fetch,
                                     .cache = making->cache,
                                     .fetch_ms = FETCH_MS,
                                     .deadline = clock_deadline(FETCH_MS)};
    bool fetched;

    CLEANUP(mirror_cleanup) struct mirror *mirror = NULL;

    /* The one before stays when this one cannot be had. */
    if (mirror_take(&request, &mirror, &fetched, err) ||
        mirror_write_to(mirror, making->folder, err))
        return -1;
    mirror_close(making->mirror);
    making->mirror = STEAL(mirror);
    return 0;
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

/* A commit is what was verified, or it is none. */
static int check_tree(const struct bundle_change *change, struct object_id tree,
                      struct error *err)
{
    if (!*change->tree || !strcmp(change->tree, tree.hex))
        return 0;
    return error_set(err, ERROR_REPOSITORY,
                     "its patch gives another tree than the one that the run "
                     "has checked");
}

/* What the binary parts of a patch unpack to, as they say themselves. */
static size_t unpacked_bytes(struct span patch)
{
    static const char *const heads[] = {"literal ", "delta "};
    size_t sum = 0;

    while (patch.length) {
        const char *end = memchr(patch.data, '\n', patch.length);
        size_t length = end ? (size_t)(end - patch.data) + 1 : patch.length;

        for (size_t i = 0; i < ARRAY_LENGTH(heads); i++) {
            size_t head = strlen(heads[i]);

            if (length <= head || memcmp(patch.data, heads[i], head) != 0)
                continue;
            for (size_t value = 0;
                 head < length && isdigit((unsigned char)patch.data[head]);
                 head++) {
                size_t before = value;

                value = value * 10 + (size_t)(patch.data[head] - '0');
                if (value > PATCH_BYTES_MAX)
                    return SIZE_MAX;
                sum += value - before;
            }
        }
        patch.data += length;
        patch.length -= length;
    }
    return sum;
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

    if (unpacked_bytes(change->patch) > PATCH_BYTES_MAX)
        return error_set(err, ERROR_REPOSITORY,
                         "the patch's binary files are larger than %zu bytes",
                         PATCH_BYTES_MAX);
    if (take_mirror(making, change->commit, err))
        return -1;
    repository = making->mirror->repository;
    base = mirror_commit(making->mirror);
    if (patch_apply_text(making->mirror, base, change->patch, &id, err) ||
        check_tree(change, id, err) ||
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
static char *branch_name(const char *name)
{
    size_t length = strnlen(name, NAME_MAX_BYTES);
    char *out = mem_bytes(name, length);

    for (size_t i = 0; i < length; i++) {
        bool plain = (out[i] >= 'a' && out[i] <= 'z') ||
                     (out[i] >= 'A' && out[i] <= 'Z') ||
                     (out[i] >= '0' && out[i] <= '9') || out[i] == '_';
        bool dot = out[i] == '.' && i && out[i - 1] != '.' && i + 1 < length;

        if (!plain && !dot)
            out[i] = '-';
    }
    if (length >= 5 && !strcmp(out + length - 5, ".lock"))
        out[length - 5] = '-';
    return out;
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
    struct names names = {0};

    buffer_add_string(out, "# v2 git bundle\n");
    for (size_t i = 0; i < count; i++) {
        if (!is_seen(making->bases, i))
            buffer_addf(out, "-%s\n", object_id_from(&making->bases[i]).hex);
    }
    for (size_t i = 0; i < count; i++) {
        CLEANUP(mem_free) char *name = branch_name(changes[i].name);

        buffer_addf(out, "%s refs/heads/nightjar/%s\n",
                    object_id_from(&making->commits[i]).hex,
                    names_unique(&names, "", name, "-", ""));
    }
    buffer_add_byte(out, '\n');
    names_free(&names);
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

int bundle_make(const struct bundle_request *request,
                struct bundle_change *changes, size_t *count,
                struct buffer *out, struct error *err)
{
    CLEANUP(mem_free) git_oid *bases = mem_array(*count, sizeof(*bases));
    CLEANUP(mem_free) git_oid *commits = mem_array(*count, sizeof(*commits));
    struct making making = {.cache = request->cache,
                            .url = request->url,
                            .folder = request->folder,
                            .fetch = request->fetch,
                            .bases = bases,
                            .commits = commits};
    size_t made = 0;
    int status = 0;

    for (size_t i = 0; i < *count; i++) {
        struct error why;

        changes[made] = changes[i];
        if (!make_commit(&making, &changes[made], made, &why)) {
            made++;
        } else if (!status) {
            error_context(&why, "%s", changes[made].name);
            *err = why;
            status = -1;
        }
    }
    *count = made;
    if (made && making.mirror) {
        struct error why;

        add_header(&making, changes, made, out);
        if (add_pack(&making, made, out, &why)) {
            *err = why;
            *count = 0;
            status = -1;
        }
    }
    mirror_close(making.mirror);
    return status;
}
