#include "runner/task_record.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"

#define FOLDER ".nightjar"
#define VALUE_MAX 4096
#define RECORD_BYTES_MAX ((size_t)512 << 20)

void task_record_json(const struct task *task, struct buffer *out)
{
    struct json json = json_to(out);

    json_object(&json);
    for (size_t i = 0; i < task->record.count; i++)
        json_member_string(&json, task->record.items[i].name,
                           task->record.items[i].value);
    json_end(&json);
}

static int write_file(int folder, const char *name, struct span content,
                      struct error *err)
{
    CLEANUP(fd_close)
    int fd = openat(folder, name,
                    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);

    if (fd < 0 || fchmod(fd, 0644))
        return error_set_errno(err, ERROR_IO, errno, "write %s", name);
    return file_write_fd(fd, content.data, content.length, err);
}

static int make_folder(int at, const char *name, struct error *err)
{
    int fd;

    if (mkdirat(at, name, 0755))
        return error_set_errno(err, ERROR_IO, errno, "mkdir %s", name);
    fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fchmod(fd, 0755)) {
        error_set_errno(err, ERROR_IO, errno, "open %s", name);
        fd_reset(&fd);
    }
    return fd;
}

int task_record_write(const struct task *task, const char *home,
                      struct error *err)
{
    CLEANUP(fd_close) int top = -1;
    CLEANUP(fd_close) int folder = -1;
    CLEANUP(fd_close) int fields = -1;
    CLEANUP(buffer_free) struct buffer text = {0};

    if (!task->record.count)
        return 0;
    top = open(home, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (top < 0)
        return error_set_errno(err, ERROR_IO, errno, "open %s", home);
    folder = make_folder(top, FOLDER, err);
    fields = folder < 0 ? -1 : make_folder(folder, "record", err);
    if (fields < 0)
        return -1;
    for (size_t i = 0; i < task->record.count; i++) {
        const struct environment_variable *field = &task->record.items[i];
        struct span value = {field->value, strlen(field->value)};

        if (write_file(fields, field->name, value, err))
            return -1;
    }
    buffer_init(&text, RECORD_BYTES_MAX);
    task_record_json(task, &text);
    return write_file(folder, "record.json", buffer_span(&text), err);
}

/* "a-b" is "NIGHTJAR_ITEM_A_B". */
static char *variable(const char *field, const char *ending)
{
    char *name = mem_format("NIGHTJAR_ITEM_%s%s", field, ending);

    for (char *at = name; *at; at++)
        *at = *at == '-' ? '_' : (char)toupper((unsigned char)*at);
    return name;
}

static bool is_short(const char *value)
{
    size_t length = strlen(value);

    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)value[i] < ' ' || value[i] == 0x7F)
            return false;
    }
    return length <= VALUE_MAX;
}

void task_record_variables(const struct task *task, const char *home,
                           struct command_environment *environment)
{
    CLEANUP(mem_free)
    char *whole = mem_format("%s/" FOLDER "/record.json", home);

    if (!task->record.count)
        return;
    environment_set(environment, "NIGHTJAR_ITEM", whole);
    for (size_t i = 0; i < task->record.count; i++) {
        const struct environment_variable *field = &task->record.items[i];
        CLEANUP(mem_free) char *name = variable(field->name, "");
        CLEANUP(mem_free) char *file_name = variable(field->name, "_FILE");
        CLEANUP(mem_free)
        char *file = mem_format("%s/" FOLDER "/record/%s", home, field->name);

        if (is_short(field->value))
            environment_set(environment, name, field->value);
        environment_set(environment, file_name, file);
    }
}
