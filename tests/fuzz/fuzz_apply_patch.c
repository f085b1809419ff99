/* Any bytes as a file and a patch for it: the patch is refused with a text,
 * or each of its updates gives a file that keeps what patch_match.h promises
 * or an error. What stands before the first SEPARATOR is the file. No disk. */
#include <stddef.h>
#include <stdint.h>

#include "runner/tools/patch_apply.h"
#include "runner/tools/patch_match.h"
#include "runner/tools/patch_text.h"

#define SEPARATOR "\n====\n"
#define WORK ((uint64_t)200000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void split(struct span input, struct span *file, struct span *text)
{
    size_t length = strlen(SEPARATOR);
    const char *end = memmem(input.data, input.length, SEPARATOR, length);

    *file = (struct span){input.data, 0};
    *text = input;
    if (!end)
        return;
    /* The line end in front of the separator belongs to the file. */
    file->length = (size_t)(end - input.data) + 1;
    text->data = end + length;
    text->length = input.length - (size_t)(text->data - input.data);
}

static bool only_context(const struct patch_operation *operation)
{
    for (size_t i = 0; i < operation->chunk_count; i++) {
        const struct patch_chunk *chunk = &operation->chunks[i];

        for (size_t j = 0; j < chunk->line_count; j++) {
            if (chunk->lines[j].kind != ' ')
                return false;
        }
    }
    return true;
}

static size_t added_lines(const struct patch_operation *operation)
{
    size_t count = 0;

    for (size_t i = 0; i < operation->chunk_count; i++) {
        /* An empty context line that the file lacks may be added, too. */
        for (size_t j = 0; j < operation->chunks[i].line_count; j++)
            count += operation->chunks[i].lines[j].kind != '-';
    }
    return count;
}

static void check_result(struct span file, struct span result,
                         const struct patch_operation *operation)
{
    struct patch_source before;
    struct patch_source after;

    patch_source_init(&before, file);
    patch_source_init(&after, result);
    require(!result.length || after.bytes.length == 0 ||
            result.data[result.length - 1] == '\n');
    require(span_equal(before.mark, after.mark) || before.mark.length == 0);
    require(after.count <= before.count + added_lines(operation));
    if (only_context(operation))
        require(result.length - file.length <= 2 &&
                !memcmp(result.data, file.data, file.length));
    patch_source_free(&before);
    patch_source_free(&after);
}

static void check_operation(struct span file,
                            const struct patch_operation *operation,
                            uint64_t *work)
{
    struct buffer result;
    struct error err = {0};

    require(*operation->path != '\0');
    if (operation->action != PATCH_UPDATE)
        return;
    require(operation->chunk_count > 0);
    buffer_init(&result, (size_t)16 << 20);
    if (patch_match(file, operation, work, &result, &err))
        require(err.kind != ERROR_NONE && *err.text != '\0');
    else
        check_result(file, buffer_span(&result), operation);
    buffer_free(&result);
}

static void check_paths(const struct patch *patch)
{
    struct patch_paths paths;
    struct error err;

    if (patch_paths(-1, "sub", patch, &paths, &err))
        return;
    for (size_t i = 0; i < paths.count; i++)
        require(*paths.paths[i] != '/' && *paths.paths[i] != '\0' &&
                strncmp(paths.paths[i], "../", 3) != 0 &&
                !strstr(paths.paths[i], "/../"));
    patch_paths_free(&paths);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err = {0};
    struct span file;
    struct span text;
    struct patch patch;
    uint64_t work = WORK;

    split((struct span){(const char *)data, size}, &file, &text);
    if (patch_parse(text, &patch, &err)) {
        require(err.kind == ERROR_PROTOCOL && *err.text != '\0');
        return 0;
    }
    require(patch.count > 0);
    for (size_t i = 0; i < patch.count; i++)
        check_operation(file, &patch.operations[i], &work);
    check_paths(&patch);
    patch_free(&patch);
    return 0;
}
