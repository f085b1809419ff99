#include "runner/doctor.h"

#include "base/json.h"
#include "base/memory.h"
#include "runner/guard.h"
#include "runner/run.h"
#include "sandbox/filter.h"
#include "sandbox/probe.h"

#define STATUS_UNFIT 3
#define TEXT_BYTES ((size_t)1 << 20)

static const char *const states[] = {
    [PROBE_WORKS] = "works",
    [PROBE_MISSING] = "missing",
    [PROBE_FATAL] = "fatal",
};

static const char *verdict(const struct probes *probes)
{
    if (probes->full)
        return "This host gives all that the sandbox needs.";
    if (probes->confined)
        return "This host gives no namespaces. With 'sandbox.require: "
               "[landlock, seccomp]' commands are confined by Landlock and "
               "seccomp alone.";
    return "Commands cannot be confined on this host: nothing will be run.";
}

static void write_text(const struct probes *probes, struct buffer *out)
{
    for (size_t i = 0; i < probes->count; i++) {
        const struct probe *probe = &probes->items[i];

        buffer_addf(out, "%-8s %-27s %s\n", states[probe->state], probe->name,
                    probe->found);
        if (probe->state != PROBE_WORKS && *probe->advice)
            buffer_addf(out, "%-8s %-27s hint: %s\n", "", "", probe->advice);
    }
    buffer_addf(out, "\n%s\n", verdict(probes));
}

static void write_json(const struct probes *probes, struct buffer *out)
{
    struct json json = json_to(out);

    json_object(&json);
    json_member_bool(&json, "sandbox", probes->full);
    json_member_bool(&json, "sandbox_without_namespaces", probes->confined);
    json_key(&json, "probes");
    json_array(&json);
    for (size_t i = 0; i < probes->count; i++) {
        const struct probe *probe = &probes->items[i];

        json_object(&json);
        json_member_string(&json, "name", probe->name);
        json_member_string(&json, "state", states[probe->state]);
        json_member_string(&json, "found", probe->found);
        json_member_string(&json, "advice", probe->advice);
        json_end(&json);
    }
    json_end(&json);
    json_end(&json);
    buffer_add_byte(out, '\n');
}

/* docs/system-calls.md. */
static int print_calls(void)
{
    CLEANUP(buffer_free) struct buffer text = {0};

    buffer_init(&text, TEXT_BYTES);
    buffer_add_string(
        &text,
        "# System calls\n\n"
        "What the system-call filter of a [sandbox](sandbox.md) answers. Names "
        "that an architecture does not have are passed\nover. This page is "
        "what `nightjar doctor --markdown` prints.\n\n");
    filter_describe(&text);
    return fwrite(text.data, 1, text.length, stdout) == text.length &&
                   !fflush(stdout)
               ? 0
               : STATUS_UNFIT;
}

int doctor_command(const struct options *options)
{
    CLEANUP(mem_free)
    struct probes *probes = mem_alloc(sizeof(*probes));
    CLEANUP(buffer_free) struct buffer text = {0};
    CLEANUP(guard_end) struct guard guard = {.lock = -1, .pipe = -1};
    struct error err;

    if (options->format == HELP_MARKDOWN)
        return print_calls();
    sandbox_prepare_groups();
    if (guard_start(&guard, NULL, &err)) {
        print_error(&err);
        return STATUS_UNFIT;
    }
    probe_host(guard.scratch, probes);
    buffer_init(&text, TEXT_BYTES);
    if (options->json)
        write_json(probes, &text);
    else
        write_text(probes, &text);
    if (fwrite(text.data, 1, text.length, stdout) != text.length ||
        fflush(stdout))
        return STATUS_UNFIT;
    return probes->full || probes->confined ? 0 : STATUS_UNFIT;
}
