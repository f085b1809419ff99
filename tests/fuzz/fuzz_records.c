/* Any bytes as records of any format, which the first one chooses: they are
 * refused with a line, or become rows whose values can be read. */
#include <stddef.h>
#include <stdint.h>

#include "tasks/records.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check(const struct records *records)
{
    require(records->name_count <= RECORDS_FIELDS_MAX);
    for (size_t n = 0; n < records->name_count; n++)
        require(*records->names[n] &&
                strlen(records->names[n]) <= RECORDS_NAME_MAX);
    for (size_t row = 0; row < records->count; row++) {
        require(records->lines[row] > 0);
        for (size_t n = 0; n < records->name_count; n++) {
            const char *value = records_cell(records, row, n);

            require(!value || strlen(value) <= RECORDS_VALUE_MAX);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct records_fault fault = {.line = 0};
    struct arena arena = {NULL};
    struct records records;

    if (!size)
        return 0;
    records_init(&records, &arena);
    if (records_read(&records, (enum records_format)(data[0] % 5),
                     (struct span){(const char *)data + 1, size - 1}, &fault))
        require(fault.line > 0 && *fault.text);
    else
        check(&records);
    records_free(&records);
    arena_free(&arena);
    return 0;
}
