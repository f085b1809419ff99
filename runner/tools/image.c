/* view_image: an image of the workspace as a part of the conversation. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/base64.h"
#include "base/file.h"
#include "base/memory.h"
#include "runner/tools/tool.h"

#define IMAGE_BYTES_MAX ((size_t)7 << 20) /* 10 MiB as base64, with room */

struct format {
    const char *mime;
    size_t offset;
    struct span magic;
};

static const struct format formats[] = {
    {"image/png", 0, {"\x89PNG\r\n\x1a\n", 8}},
    {"image/jpeg", 0, {"\xff\xd8\xff", 3}},
    {"image/gif", 0, {"GIF8", 4}},
    {"image/webp", 8, {"WEBP", 4}},
};

static const char *image_type(struct span content)
{
    for (size_t i = 0; i < ARRAY_LENGTH(formats); i++) {
        const struct format *format = &formats[i];

        if (content.length > format->offset + format->magic.length &&
            !memcmp(content.data + format->offset, format->magic.data,
                    format->magic.length))
            return format->mime;
    }
    return NULL;
}

static int read_image(const struct tool_context *context, const char *path,
                      struct buffer *content, struct error *err)
{
    CLEANUP(mem_free)
    char *relative = tool_workspace_path(context, path);
    CLEANUP(fd_close) int fd = -1;
    struct stat info;

    if (!relative)
        return error_set(err, ERROR_IO, "'%s' is not in the workspace", path);
    fd = file_open_beneath(context->workspace, relative,
                           O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
    if (fd < 0 && errno == EXDEV)
        return error_set(err, ERROR_IO, "'%s' leads out of the workspace",
                         path);
    if (fd < 0)
        return error_set_errno(err, ERROR_IO, errno, "'%s'", path);
    if (fstat(fd, &info) || !S_ISREG(info.st_mode))
        return error_set(err, ERROR_IO, "'%s' is not a file", path);
    if (file_read_fd(fd, content, err))
        return error_context(err, "'%s'", path);
    return 0;
}

int view_image_run(struct tool_context *context, const struct tool_call *call,
                   struct tool_result *result, struct error *err)
{
    const char *path = json_get_string(call->json, "path");
    CLEANUP(buffer_free) struct buffer content = {0};
    CLEANUP(buffer_free) struct buffer url = {0};
    const char *type;
    struct json json = json_to(&result->parts);

    buffer_init(&content, IMAGE_BYTES_MAX);
    buffer_init(&url, IMAGE_BYTES_MAX * 2);
    if (!path) {
        tool_refuse(result, "view_image needs 'path', a string");
        return 0;
    }
    if (read_image(context, path, &content, err)) {
        tool_refuse(result, "view_image: %s", err->text);
        return 0;
    }
    type = image_type(buffer_span(&content));
    if (!type) {
        tool_refuse(result,
                    "view_image: '%s' is no PNG, JPEG, GIF or WebP image",
                    path);
        return 0;
    }
    buffer_addf(&url, "data:%s;base64,", type);
    base64_add(&url, buffer_span(&content));
    json_array(&json);
    json_object(&json);
    json_member_string(&json, "type", "input_image");
    json_member_string(&json, "image_url", url.data);
    json_member_string(&json, "detail", "auto");
    json_end(&json);
    json_end(&json);
    snprintf(result->summary, sizeof(result->summary), "%s, %zu bytes", type,
             content.length);
    result->ok = true;
    return 0;
}
