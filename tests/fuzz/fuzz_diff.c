/* Any bytes as a patch: places are lines of files that it names. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "reporters/diff.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct diff diff = diff_read((struct span){(const char *)data, size});

    require(diff.count <= size / 10);
    for (size_t i = 0; i < diff.count; i++) {
        const struct diff_file *file = &diff.files[i];

        require(file->path && strlen(file->path) <= size);
        require(file->first_line >= 0 && file->last_line >= file->first_line);
        require(file->insertions + file->deletions <= (int64_t)size);
        require(diff_find(&diff, file->path));
    }
    diff_free(&diff);
    return 0;
}
