#include "runner/dry_run.h"

#include <inttypes.h>

#include "base/memory.h"
#include "base/printable.h"
#include "runner/place.h"

static void line(struct buffer *out, const char *name, const char *text)
{
    buffer_addf(out, "  %-13s ", name);
    printable_add(out, text, strlen(text), false);
    buffer_add_byte(out, '\n');
}

static void list(struct buffer *out, const char *name,
                 const struct strings *strings)
{
    CLEANUP(buffer_free) struct buffer text = {0};

    if (!strings->count)
        return;
    buffer_init(&text, (size_t)1 << 20);
    for (size_t i = 0; i < strings->count; i++)
        buffer_addf(&text, "%s%s", i ? ", " : "", strings->items[i]);
    line(out, name, text.data);
}

static void steps(struct buffer *out, const char *name,
                  const struct task_steps *list)
{
    for (size_t i = 0; i < list->count; i++) {
        CLEANUP(mem_free)
        char *text =
            mem_format("%s: %s", list->items[i].name, list->items[i].run);

        line(out, name, text);
    }
}

static void rules(struct buffer *out, const struct policy *policy)
{
    static const char *const tools[] = {"exec", "patch", "image", "plan", "*"};

    for (size_t i = 0; i < policy->approve_count; i++) {
        static const char *const decisions[] = {"allow", "deny", "review"};
        const struct approve_rule *rule = &policy->approve[i];
        CLEANUP(buffer_free) struct buffer text = {0};

        buffer_init(&text, (size_t)1 << 20);
        buffer_addf(&text, "%s %s", decisions[rule->decision],
                    tools[rule->tool]);
        for (size_t w = 0; w < rule->argv.count; w++)
            buffer_addf(&text, " %s", rule->argv.items[w]);
        for (size_t h = 0; h < rule->hosts.count; h++)
            buffer_addf(&text, "%s %s", h ? "," : " host",
                        rule->hosts.items[h]);
        for (size_t p = 0; p < rule->paths.count; p++)
            buffer_addf(&text, " %s", rule->paths.items[p]);
        line(out, "rule", text.data);
    }
    line(out, "rule", "allow what the sandbox confines (default)");
}

static void number(struct buffer *out, const char *name, int64_t value,
                   const char *unit)
{
    CLEANUP(mem_free)
    char *text = value < 0 ? mem_string("no limit")
                           : mem_format("%" PRId64 " %s", value, unit);

    line(out, name, text);
}

static void limits(struct buffer *out, const struct task *task)
{
    number(out, "timeout", task->timeout_ms / 1000, "seconds");
    number(out, "turns", task->budget.turns, "");
    number(out, "input", task->budget.input_tokens, "tokens");
    number(out, "output", task->budget.output_tokens, "tokens");
    number(out, "cost", task->budget.cost_microusd, "millionths of a dollar");
}

static void patch_policy(struct buffer *out, const struct patch_policy *patch)
{
    list(out, "protected", &patch->protect);
    list(out, "only", &patch->allow);
    number(out, "patch files", patch->max_files, "");
    number(out, "patch lines", patch->max_lines, "");
    number(out, "file size", patch->max_file_size_bytes, "bytes");
    line(out, "binary files", patch->binary ? "allowed" : "refused");
    line(out, "credentials",
         patch->secrets == SECRETS_FAIL ? "fail the task" : "are reported");
}

static int print_task(const struct task *task, struct buffer *out,
                      struct error *err)
{
    CLEANUP(buffer_free) struct buffer sandbox = {0};

    buffer_addf(out, "task %s\n", task->id);
    line(out, "repository", task->repo);
    line(out, "ref", task->ref ? task->ref : "HEAD");
    line(out, "directory", task->directory);
    line(out, "model", task->model->name);
    steps(out, "setup", &task->setup);
    steps(out, "verify", &task->verify);
    limits(out, task);
    rules(out, &task->policy);
    patch_policy(out, &task->policy.patch);
    buffer_init(&sandbox, (size_t)1 << 20);
    if (place_describe(task, &sandbox, err))
        return error_context(err, "task %s", task->id);
    buffer_add_string(out, "  sandbox\n");
    for (char *at = sandbox.data; *at;) {
        size_t length = strcspn(at, "\n");

        buffer_addf(out, "    %.*s\n", (int)length, at);
        at += length + (at[length] == '\n');
    }
    return buffer_add_byte(out, '\n');
}

int dry_run_print(const struct plan *plan, struct buffer *out,
                  struct error *err)
{
    for (size_t i = 0; i < plan->count; i++) {
        if (print_task(&plan->tasks[i], out, err))
            return -1;
    }
    return out->dropped
               ? error_set(err, ERROR_USAGE, "too much to print: use --filter")
               : 0;
}
