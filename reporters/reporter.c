#include "reporters/reporter.h"

#include "base/memory.h"

static const struct reporter reporters[] = {
    {"json", "report.json", "everything, for programs", report_json},
    {"junit", "junit.xml", "test cases, for CI systems", report_junit},
    {"table", "table.txt", "one line a task, for people", report_table},
};

const struct reporter *reporter_at(size_t index)
{
    return index < ARRAY_LENGTH(reporters) ? &reporters[index] : NULL;
}

const struct reporter *reporter_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(reporters); i++) {
        if (!strcmp(reporters[i].name, name))
            return &reporters[i];
    }
    return NULL;
}

int report_done(bool full, const char *name, const struct buffer *out,
                struct error *err)
{
    if (full)
        return error_set(err, ERROR_IO, "report '%s': larger than %zu bytes",
                         name, out->maximum);
    return 0;
}
