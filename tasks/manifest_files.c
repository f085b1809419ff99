#include "tasks/manifest_files.h"

#include <fcntl.h>
#include <inttypes.h>
#include <search.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/secret.h"
#include "tasks/manifest_fields.h"
#include "tasks/manifest_values.h"

static int by_path(const void *left, const void *right)
{
    const struct named_file *a = left;
    const struct named_file *b = right;

    return strcmp(a->path, b->path);
}

char *path_join(struct arena *arena, const char *directory, const char *path)
{
    struct buffer out;
    char *copy;

    buffer_init(&out, strlen(directory) + strlen(path) + 2);
    if (*path != '/')
        buffer_add_string(&out, directory);
    while (out.length && out.data[out.length - 1] == '/')
        buffer_truncate(&out, out.length - 1);
    while (*path) {
        size_t length = strcspn(path, "/");

        if (length && !(length == 1 && *path == '.')) {
            buffer_add_byte(&out, '/');
            buffer_add(&out, path, length);
        }
        path += length + (path[length] == '/');
    }
    copy = arena_string(arena, out.length ? out.data : "/");
    buffer_free(&out);
    return copy;
}

const char *work_tree_of(struct arena *arena, const char *directory)
{
    char *path = arena_string(arena, directory);

    for (;;) {
        CLEANUP(mem_free) char *git = mem_format("%s/.git", path);
        struct stat info;
        char *slash = strrchr(path, '/');

        if (!lstat(git, &info))
            return *path ? path : "/";
        if (!slash)
            return "";
        *slash = '\0';
    }
}

/* As an editor would show it: no byte order mark, '\n' for "\r\n". */
static void make_plain(struct buffer *text)
{
    size_t to = 0;

    if (text->length >= 3 && !memcmp(text->data, "\xEF\xBB\xBF", 3))
        buffer_consume(text, 3);
    for (size_t from = 0; from < text->length; from++) {
        if (text->data[from] == '\r' && text->data[from + 1] == '\n')
            continue;
        text->data[to++] = text->data[from];
    }
    buffer_truncate(text, to);
}

/* Why the text cannot be used; NULL: it can. */
static const char *find_fault(struct arena *arena, struct span text)
{
    uint32_t control = text_find_control(text.data, text.length);
    const char *kind;

    if (control == UINT32_MAX)
        return "no UTF-8";
    if (control != TEXT_IS_CLEAN)
        return arena_format(arena, "control character U+%04" PRIX32, control);
    if (secret_find(text, &kind).data)
        return arena_format(arena, "it holds what looks like a %s", kind);
    return NULL;
}

/* The error's text without the path that file_read puts before it. */
static const char *reason(const struct error *err, const char *path)
{
    size_t length = strlen(path);

    if (!strncmp(err->text, path, length) &&
        !strncmp(err->text + length, ": ", 2))
        return err->text + length + 2;
    return err->text;
}

static void read_text(struct named_file *file, struct arena *arena)
{
    struct buffer text;
    struct error err;

    buffer_init(&text, MANIFEST_TEXT_MAX);
    if (file_read(AT_FDCWD, file->path, &text, &err)) {
        file->fault = arena_string(arena, reason(&err, file->path));
    } else {
        make_plain(&text);
        file->fault = find_fault(arena, buffer_span(&text));
        if (!file->fault)
            file->text = arena_bytes(arena, text.data, text.length);
    }
    buffer_free(&text);
}

struct named_file *named_file_read(struct named_files *files,
                                   struct arena *arena, const char *directory,
                                   const char *path)
{
    struct named_file key = {.path = path_join(arena, directory, path)};
    void *known = tfind(&key, &files->tree, by_path);
    struct named_file *file;

    if (known)
        return *(struct named_file **)known;
    file = arena_alloc(arena, sizeof(*file));
    *file = key;
    read_text(file, arena);
    if (file->text)
        files->bytes += strlen(file->text);
    if (!tsearch(file, &files->tree, by_path))
        file->fault = "not enough memory";
    return file;
}

void named_file_check_json(struct named_file *file, struct arena *arena)
{
    CLEANUP(json_free) cJSON *value = NULL;
    struct error err;

    if (file->json_checked || !file->text)
        return;
    file->json_checked = true;
    value = json_parse(file->text, strlen(file->text), &err);
    if (!value)
        file->json_fault = arena_string(arena, err.text);
    else if (!cJSON_IsObject(value))
        file->json_fault = "the JSON value is no object";
}

static void keep(void *file)
{
    (void)file; /* the arena's */
}

void named_files_free(struct named_files *files)
{
    tdestroy(files->tree, keep);
    *files = (struct named_files){0};
}
