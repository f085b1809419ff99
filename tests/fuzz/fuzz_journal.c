/* Any bytes as a journal: reading it, and every report of it. */
#include "base/json.h"
#include "base/utf8.h"
#include "reporters/reporter.h"

#define REPORT_BYTES_MAX ((size_t)16 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool held)
{
    if (!held)
        abort();
}

/* What holds for every report, whatever the journal is. */
static void check_report(const char *name, const struct buffer *out)
{
    struct error err;

    check(utf8_valid(out->data, out->length));
    if (!strcmp(name, "json")) {
        cJSON *report = json_parse(out->data, out->length, &err);

        check(report != NULL);
        json_free(&report);
        return;
    }
    for (size_t i = 0; i < out->length; i++) {
        unsigned char c = (unsigned char)out->data[i];

        check(c >= 0x20 || c == '\n' || (c == '\t' && !strcmp(name, "junit")));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct report_options options = {.columns = 80};
    struct run_outcome outcome;
    struct error err;

    if (outcome_read((struct span){(const char *)data, size}, &outcome, &err))
        return 0;
    check(outcome_exit(&outcome).status >= 0);
    for (size_t i = 0; reporter_at(i); i++) {
        const struct reporter *reporter = reporter_at(i);
        struct buffer out;

        buffer_init(&out, REPORT_BYTES_MAX);
        if (!reporter->write(&outcome, &options, &out, &err))
            check_report(reporter->name, &out);
        buffer_free(&out);
    }
    outcome_free(&outcome);
    return 0;
}
