#include "runner/why.h"

#include "base/json.h"
#include "base/memory.h"
#include "base/printable.h"
#include "runner/run.h"
#include "runner/run_directory.h"

#define TEXT_BYTES ((size_t)1 << 30)
#define STATUS_USAGE 2
#define STATUS_INCOMPLETE 3

static void add_field(struct buffer *out, const char *before, const char *text)
{
    if (!*text)
        return;
    buffer_add_string(out, before);
    printable_add(out, text, strlen(text), false);
}

/* "turn 3  exec_command  deny  by default:6: …" */
static void add_call(struct buffer *out, const cJSON *event)
{
    const char *rule = json_get_text(event, "rule", "");

    buffer_addf(out, "attempt %lld turn %lld",
                (long long)json_get_int64(event, "attempt", 0),
                (long long)json_get_int64(event, "turn", 0));
    add_field(out, "  ", json_get_text(event, "tool", ""));
    add_field(out, "  ", json_get_text(event, "decision", ""));
    add_field(
        out, json_get_true(event, "reviewed") ? " after a review, by " : " by ",
        *rule ? rule : "no rule: the sandbox confines it");
    add_field(out, ": ", json_get_text(event, "reason", ""));
    add_field(out, "\n    ", json_get_text(event, "call", ""));
    if (!strcmp(json_get_text(event, "decision", ""), "allow"))
        add_field(out, "\n    -> ", json_get_text(event, "summary", ""));
    buffer_add_byte(out, '\n');
}

static void add_review(struct buffer *out, const cJSON *event)
{
    buffer_addf(out, "attempt %lld turn %lld",
                (long long)json_get_int64(event, "attempt", 0),
                (long long)json_get_int64(event, "turn", 0));
    add_field(out, "  reviewed by ", json_get_text(event, "model", ""));
    add_field(out, ": ", json_get_text(event, "decision", ""));
    add_field(out, ": ", json_get_text(event, "reason", ""));
    buffer_add_byte(out, '\n');
}

/* Returns how many events of the task there were. */
static size_t tell(struct span journal, const char *task, struct buffer *out)
{
    const char *end = journal.data + journal.length;
    size_t found = 0;

    for (const char *at = journal.data; at < end;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        struct error ignored;
        CLEANUP(json_free) cJSON *event = NULL;
        const char *type;

        if (!newline)
            break;
        event = json_parse(at, (size_t)(newline - at), &ignored);
        at = newline + 1;
        type = json_get_text(event, "type", "");
        if (strcmp(json_get_text(event, "task", ""), task) != 0)
            continue;
        found++;
        if (!strcmp(type, "tool_finished"))
            add_call(out, event);
        if (!strcmp(type, "call_reviewed"))
            add_review(out, event);
    }
    return found;
}

int why_command(const struct options *options)
{
    CLEANUP(buffer_free) struct buffer journal = {0};
    CLEANUP(buffer_free) struct buffer text = {0};
    const char *task = options->arguments.items[1];
    struct error err;

    buffer_init(&journal, JOURNAL_BYTES_MAX);
    buffer_init(&text, TEXT_BYTES);
    if (run_directory_read_journal(options->arguments.items[0], &journal,
                                   &err)) {
        print_error(&err);
        return STATUS_USAGE;
    }
    if (!tell(buffer_span(&journal), task, &text)) {
        error_set(&err, ERROR_USAGE, "the run has no task '%s'", task);
        error_hint(&err, "'nightjar report %s' lists its tasks",
                   options->arguments.items[0]);
        print_error(&err);
        return STATUS_USAGE;
    }
    if (!text.length)
        buffer_add_string(&text, "no tool was called\n");
    return fwrite(text.data, 1, text.length, stdout) == text.length &&
                   !fflush(stdout)
               ? 0
               : STATUS_INCOMPLETE;
}
