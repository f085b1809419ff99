#include "tasks/patch.h"

#include "base/memory.h"
#include "base/secret.h"
#include "tasks/git.h"

#define RENAMES_MAX 1000
#define ID_DIGITS 40

/* ---- making ------------------------------------------------------------ */

static bool has_nul(git_repository *repository, const git_diff_file *file)
{
    CLEANUP(git_blob_cleanup) git_blob *blob = NULL;

    /* A file that is not there has a zero id; a submodule is no blob. */
    if (git_oid_is_zero(&file->id) || file->mode == GIT_FILEMODE_COMMIT ||
        git_blob_lookup(&blob, repository, &file->id))
        return false;
    return memchr(git_blob_rawcontent(blob), '\0',
                  (size_t)git_blob_rawsize(blob));
}

/* The library looks for a NUL only at the start of a file. One that comes
 * later would be in the text of the patch, which neither the library's reader
 * nor mail can carry: such files are binary, too. */
static void mark_binary(git_repository *repository, git_diff *diff)
{
    for (size_t i = 0; i < git_diff_num_deltas(diff); i++) {
        /* The library has no call for this; the flags are what it would set
         * itself on such a file. */
        git_diff_delta *delta =
            (git_diff_delta *)(uintptr_t)git_diff_get_delta(diff, i);

        if (has_nul(repository, &delta->old_file) ||
            has_nul(repository, &delta->new_file)) {
            delta->old_file.flags |= GIT_DIFF_FLAG_BINARY;
            delta->new_file.flags |= GIT_DIFF_FLAG_BINARY;
        }
    }
}

static int make_diff(const struct mirror *mirror, struct object_id base,
                     struct object_id tree, git_diff **diff, struct error *err)
{
    CLEANUP(git_tree_cleanup) git_tree *before = NULL;
    CLEANUP(git_tree_cleanup) git_tree *after = NULL;
    git_diff_options options = GIT_DIFF_OPTIONS_INIT;
    git_diff_find_options find = GIT_DIFF_FIND_OPTIONS_INIT;

    if (git_find_tree(mirror->repository, base, &before, err) ||
        git_find_tree(mirror->repository, tree, &after, err))
        return -1;
    /* A file that becomes a link is a removal and an addition, as in git. */
    options.flags = GIT_DIFF_SHOW_BINARY;
    options.id_abbrev = ID_DIGITS;
    options.context_lines = 3;
    find.flags = GIT_DIFF_FIND_RENAMES;
    find.rename_limit = RENAMES_MAX;
    if (git_diff_tree_to_tree(diff, mirror->repository, before, after,
                              &options) ||
        git_diff_find_similar(*diff, &find))
        return git_fail(err, "compare trees");
    mark_binary(mirror->repository, *diff);
    return 0;
}

/* Adds a line of a header with the name that it ends in quoted. False: it is
 * another line. */
static bool quote_line(struct buffer *text, struct span line,
                       const char *before, const char *prefix, const char *path)
{
    CLEANUP(mem_free)
    char *plain = mem_format("%s%s%s\n", before, prefix, path);

    if (!span_is(line, plain))
        return false;
    buffer_addf(text, "%s\"%s%s\"\n", before, prefix, path);
    return true;
}

static void add_header_line(struct buffer *text, const git_diff_delta *delta,
                            struct span line)
{
    const char *old_path = delta->old_file.path;
    const char *new_path = delta->new_file.path;
    CLEANUP(mem_free)
    char *both = mem_format("diff --git a/%s b/%s\n", old_path, new_path);

    if (span_is(line, both))
        buffer_addf(text, "diff --git \"a/%s\" \"b/%s\"\n", old_path, new_path);
    else if (!quote_line(text, line, "--- ", "a/", old_path) &&
             !quote_line(text, line, "+++ ", "b/", new_path) &&
             !quote_line(text, line, "rename from ", "", old_path) &&
             !quote_line(text, line, "rename to ", "", new_path))
        buffer_add_span(text, line);
}

/* The library quotes names as git does, and does not read back those with a
 * blank that need no quotes in git; with quotes both take them. Names with
 * other characters that ask for quotes have them already. */
static void add_header(struct buffer *text, const git_diff_delta *delta,
                       struct span header)
{
    while (header.length) {
        const char *end = memchr(header.data, '\n', header.length);
        size_t length = end ? (size_t)(end - header.data) + 1 : header.length;

        add_header_line(text, delta, (struct span){header.data, length});
        header.data += length;
        header.length -= length;
    }
}

static bool has_blank(const git_diff_delta *delta)
{
    return strchr(delta->old_file.path, ' ') ||
           strchr(delta->new_file.path, ' ');
}

static int add_line(const git_diff_delta *delta, const git_diff_hunk *hunk,
                    const git_diff_line *line, void *payload)
{
    struct buffer *text = payload;
    char origin = line->origin;

    (void)hunk;
    /* "Binary files differ" of one that only has another name or mode: git
     * takes it for a change whose content is missing. */
    if (origin == GIT_DIFF_LINE_BINARY &&
        git_oid_equal(&delta->old_file.id, &delta->new_file.id))
        return 0;
    if (origin == GIT_DIFF_LINE_FILE_HDR && has_blank(delta)) {
        size_t dropped = text->dropped;

        add_header(text, delta,
                   (struct span){line->content, line->content_len});
        return text->dropped > dropped ? GIT_EUSER : 0;
    }
    if ((origin == GIT_DIFF_LINE_CONTEXT || origin == GIT_DIFF_LINE_ADDITION ||
         origin == GIT_DIFF_LINE_DELETION) &&
        buffer_add_byte(text, origin))
        return GIT_EUSER;
    return buffer_add(text, line->content, line->content_len) ? GIT_EUSER : 0;
}

struct gathering {
    struct patch_summary *summary;
    const struct mirror *mirror;
    size_t at; /* index of the file behind the current one */
};

static int gather_file(const git_diff_delta *delta, float progress,
                       void *payload)
{
    struct gathering *gathering = payload;
    struct patch_summary *summary = gathering->summary;
    struct patch_file *file = &summary->files[gathering->at++];
    bool removed = delta->status == GIT_DELTA_DELETED;
    const git_diff_file *shown = removed ? &delta->old_file : &delta->new_file;

    (void)progress;
    file->path = arena_string(&summary->arena, shown->path);
    file->old_path = arena_string(&summary->arena, delta->old_file.path);
    file->submodule = delta->old_file.mode == GIT_FILEMODE_COMMIT ||
                      delta->new_file.mode == GIT_FILEMODE_COMMIT;
    file->link = delta->new_file.mode == GIT_FILEMODE_LINK;
    if (!removed && !file->submodule) {
        CLEANUP(git_blob_cleanup) git_blob *blob = NULL;

        if (!git_blob_lookup(&blob, gathering->mirror->repository,
                             &delta->new_file.id))
            file->bytes = (int64_t)git_blob_rawsize(blob);
    }
    return 0;
}

static int gather_binary(const git_diff_delta *delta,
                         const git_diff_binary *binary, void *payload)
{
    struct gathering *gathering = payload;

    (void)delta;
    (void)binary;
    gathering->summary->files[gathering->at - 1].binary = true;
    return 0;
}

static int gather_line(const git_diff_delta *delta, const git_diff_hunk *hunk,
                       const git_diff_line *line, void *payload)
{
    struct gathering *gathering = payload;
    struct patch_file *file = &gathering->summary->files[gathering->at - 1];
    const char *kind = NULL;

    (void)delta;
    (void)hunk;
    if (line->origin == GIT_DIFF_LINE_DELETION)
        file->removed++;
    if (line->origin != GIT_DIFF_LINE_ADDITION)
        return 0;
    file->added++;
    if (!file->secret &&
        secret_find((struct span){line->content, line->content_len}, &kind)
            .data) {
        file->secret = kind;
        file->secret_line = (size_t)line->new_lineno;
    }
    return 0;
}

static int gather(const struct mirror *mirror, git_diff *diff,
                  struct patch_summary *summary, struct error *err)
{
    struct gathering gathering = {summary, mirror, 0};

    summary->count = git_diff_num_deltas(diff);
    summary->files = arena_array(&summary->arena, summary->count + 1,
                                 sizeof(*summary->files));
    if (git_diff_foreach(diff, gather_file, gather_binary, NULL, gather_line,
                         &gathering))
        return git_fail(err, "read the difference");
    for (size_t i = 0; i < summary->count; i++) {
        summary->added += summary->files[i].added;
        summary->removed += summary->files[i].removed;
    }
    return 0;
}

int patch_make(const struct mirror *mirror, struct object_id base,
               struct object_id tree, struct buffer *text,
               struct patch_summary *summary, struct error *err)
{
    CLEANUP(git_diff_cleanup) git_diff *diff = NULL;

    *summary = (struct patch_summary){.count = 0};
    if (make_diff(mirror, base, tree, &diff, err) ||
        gather(mirror, diff, summary, err))
        return -1;
    if (git_diff_print(diff, GIT_DIFF_FORMAT_PATCH, add_line, text))
        return text->dropped ? error_set(err, ERROR_REPOSITORY,
                                         "the patch is larger than %zu bytes",
                                         text->maximum)
                             : git_fail(err, "print the patch");
    return 0;
}

void patch_summary_free(struct patch_summary *summary)
{
    arena_free(&summary->arena);
    summary->count = 0;
}

int patch_apply_text(const struct mirror *mirror, struct object_id base,
                     struct span text, struct object_id *tree,
                     struct error *err)
{
    CLEANUP(git_tree_cleanup) git_tree *before = NULL;
    CLEANUP(git_diff_cleanup) git_diff *diff = NULL;
    CLEANUP(git_index_cleanup) git_index *index = NULL;
    git_oid oid;

    if (git_find_tree(mirror->repository, base, &before, err))
        return -1;
    /* The library copies lines up to a NUL and reads on behind it. */
    if (text.length && memchr(text.data, '\0', text.length))
        return error_set(err, ERROR_REPOSITORY,
                         "apply the patch: there is a NUL in it");
    if (!text.length) {
        *tree = object_id_from(git_tree_id(before));
        return 0;
    }
    if (git_diff_from_buffer(&diff, text.data, text.length) ||
        git_apply_to_tree(&index, mirror->repository, before, diff, NULL) ||
        git_index_write_tree_to(&oid, index, mirror->repository))
        return git_fail(err, "apply the patch to the pinned commit");
    *tree = object_id_from(&oid);
    return 0;
}
