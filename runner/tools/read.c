/* read_file and list_dir: looking at the workspace without a command. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "runner/tools/output.h"
#include "runner/tools/tool.h"

#define FILE_BYTES_MAX ((size_t)16 << 20)
#define LINES_DEFAULT 2000
#define LINE_BYTES 2000
#define OUTPUT_BYTES 40000
#define ENTRIES_DEFAULT 200
#define ENTRIES_MAX 5000
#define DEPTH_DEFAULT 2
#define DEPTH_MAX 8
#define LOOKED_AT_MAX 50000
#define LISTING_MS 2000

/* A descriptor of what a path of the workspace names; -1 and a refusal. */
static int open_path(const struct tool_context *context, const char *path,
                     int flags, struct tool_result *result)
{
    CLEANUP(mem_free) char *relative = tool_workspace_path(context, path);
    int fd;

    if (!relative) {
        tool_refuse(result, "'%s' is not in the workspace", path);
        return -1;
    }
    fd = file_open_beneath(context->workspace, relative,
                           O_RDONLY | O_NONBLOCK | O_NOCTTY | flags, 0);
    if (fd < 0)
        tool_refuse(result, "'%s': %s", path,
                    errno == EXDEV ? "leads out of the workspace"
                                   : strerror(errno));
    return fd;
}

static int64_t bounded(const cJSON *json, const char *key, int64_t otherwise,
                       int64_t high)
{
    int64_t value = json_get_int64(json, key, otherwise);

    return value < 1 ? 1 : value > high ? high : value;
}

static void add_lines(struct span content, int64_t offset, int64_t limit,
                      struct tool_result *result)
{
    const char *at = content.data;
    const char *end = content.data + content.length;
    struct buffer *out = &result->text;
    int64_t line = 1;

    for (; at < end; line++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((newline ? newline : end) - at);

        if (line >= offset && line < offset + limit) {
            if (out->length > OUTPUT_BYTES)
                break;
            buffer_addf(out, "L%lld: ", (long long)line);
            output_shorten((struct span){at, length}, LINE_BYTES, out);
            buffer_add_byte(out, '\n');
        }
        at = newline ? newline + 1 : end;
    }
    if (at < end)
        buffer_addf(out, "(more from line %lld on)\n", (long long)line);
    snprintf(result->summary, sizeof(result->summary), "%zu bytes",
             out->length);
    result->ok = true;
    if (!out->length)
        tool_refuse(result, "the file has only %lld lines",
                    (long long)line - 1);
}

int read_file_run(struct tool_context *context, const struct tool_call *call,
                  struct tool_result *result, struct error *err)
{
    const char *path = json_get_string(call->json, "file_path");
    CLEANUP(buffer_free) struct buffer content = {0};
    CLEANUP(fd_close) int fd = -1;
    struct error problem;
    struct stat info;

    (void)err;
    if (!path) {
        tool_refuse(result, "read_file needs 'file_path', a string");
        return 0;
    }
    fd = open_path(context, path, 0, result);
    if (fd < 0)
        return 0;
    buffer_init(&content, FILE_BYTES_MAX);
    if (fstat(fd, &info) || !S_ISREG(info.st_mode)) {
        tool_refuse(result, "'%s' is not a file", path);
    } else if (file_read_fd(fd, &content, &problem)) {
        tool_refuse(result, "'%s': %s", path, problem.text);
    } else if (!content.length) {
        result->ok = true;
        snprintf(result->summary, sizeof(result->summary), "empty");
    } else {
        add_lines(
            buffer_span(&content), bounded(call->json, "offset", 1, INT32_MAX),
            bounded(call->json, "limit", LINES_DEFAULT, LINES_DEFAULT), result);
    }
    return 0;
}

/* ---- directories ------------------------------------------------------- */

struct listing {
    struct buffer *out;
    int64_t skip;
    int64_t left;
    int64_t depth_max;
    int64_t looked_at;
    int64_t deadline;
};

/* Looking is not free: it happens while the model waits. */
static bool is_over(const struct listing *listing)
{
    return listing->left <= 0 || listing->looked_at > LOOKED_AT_MAX ||
           clock_now_ms() > listing->deadline;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names of a directory in order; takes the descriptor. The caller frees. */
static char **read_names(int fd, size_t *count)
{
    DIR *directory = fdopendir(fd);
    struct dirent *entry;
    char **names = mem_array(1, sizeof(char *));

    *count = 0;
    if (!directory)
        close(fd);
    while (directory && *count < ENTRIES_MAX && (entry = readdir(directory))) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") ||
            !strcmp(entry->d_name, ".git"))
            continue;
        names = mem_resize(names, *count + 1, sizeof(char *));
        names[(*count)++] = mem_string(entry->d_name);
    }
    if (directory)
        closedir(directory);
    qsort(names, *count, sizeof(*names), by_name);
    return names;
}

static void add_entry(struct listing *listing, const char *name, mode_t mode,
                      int64_t depth)
{
    if (listing->skip-- > 0 || listing->left-- <= 0)
        return;
    for (int64_t i = 0; i < depth; i++)
        buffer_add_string(listing->out, "  ");
    output_shorten((struct span){name, strlen(name)}, LINE_BYTES, listing->out);
    buffer_add_string(listing->out, S_ISDIR(mode)   ? "/\n"
                                    : S_ISLNK(mode) ? "@\n"
                                                    : "\n");
}

/* Takes the descriptor. */
static void list_into(struct listing *listing, int fd, int64_t depth)
{
    CLEANUP(fd_close) int folder = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    size_t count;
    char **names = read_names(fd, &count);

    for (size_t i = 0; i < count && !is_over(listing); i++) {
        struct stat info;
        int inner;

        listing->looked_at++;
        if (fstatat(folder, names[i], &info, AT_SYMLINK_NOFOLLOW))
            continue;
        add_entry(listing, names[i], info.st_mode, depth);
        if (!S_ISDIR(info.st_mode) || depth + 1 >= listing->depth_max)
            continue;
        inner = openat(folder, names[i],
                       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (inner >= 0)
            list_into(listing, inner, depth + 1);
    }
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

int list_dir_run(struct tool_context *context, const struct tool_call *call,
                 struct tool_result *result, struct error *err)
{
    const char *path = json_get_text(call->json, "dir_path", ".");
    struct listing listing = {
        .out = &result->text,
        .skip = bounded(call->json, "offset", 1, INT32_MAX) - 1,
        .left = bounded(call->json, "limit", ENTRIES_DEFAULT, ENTRIES_MAX),
        .depth_max = bounded(call->json, "depth", DEPTH_DEFAULT, DEPTH_MAX),
        .deadline = clock_deadline(LISTING_MS)};
    int fd = open_path(context, path, O_DIRECTORY, result);

    (void)err;
    if (fd < 0)
        return 0;
    list_into(&listing, fd, 0);
    if (is_over(&listing))
        buffer_add_string(&result->text, "(and more)\n");
    result->ok = true;
    snprintf(result->summary, sizeof(result->summary), "%zu bytes",
             result->text.length);
    return 0;
}
