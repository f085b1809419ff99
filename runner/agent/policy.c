#include "runner/agent/policy.h"

#include "base/glob.h"
#include "base/memory.h"
#include "runner/agent/shell.h"
#include "runner/tools/patch_apply.h"

static const struct decision by_default = {true, NULL};

static bool covers(const struct approve_rule *rule, enum rule_tool tool)
{
    return rule->tool == RULE_TOOL_ANY || rule->tool == tool;
}

/* A program may be named with its path. */
static bool program_matches(const char *glob, const char *word)
{
    const char *slash = strrchr(word, '/');

    return glob_match_word(glob, word) ||
           (slash && glob_match_word(glob, slash + 1));
}

/* Each glob matches one word; a last "*" any number of words. */
static bool argv_matches(const struct strings *argv,
                         const struct shell_command *command)
{
    size_t fixed = argv->count;

    if (fixed && !strcmp(argv->items[fixed - 1], "*"))
        fixed--;
    if (command->count < fixed ||
        (fixed == argv->count && command->count != fixed))
        return false;
    for (size_t i = 0; i < fixed; i++) {
        if (i ? !glob_match_word(argv->items[i], command->words[i])
              : !program_matches(argv->items[i], command->words[i]))
            return false;
    }
    return true;
}

static struct decision decided(const struct approve_rule *rule)
{
    return (struct decision){rule->decision == RULE_ALLOW, rule};
}

static struct decision decide_command(const struct policy *policy,
                                      const struct shell_command *command)
{
    for (size_t i = 0; i < policy->approve_count; i++) {
        const struct approve_rule *rule = &policy->approve[i];

        if (covers(rule, RULE_TOOL_EXEC) &&
            (!rule->argv.count || argv_matches(&rule->argv, command)))
            return decided(rule);
    }
    return by_default;
}

static struct decision first_denial(const struct policy *policy)
{
    for (size_t i = 0; i < policy->approve_count; i++) {
        if (covers(&policy->approve[i], RULE_TOOL_EXEC) &&
            policy->approve[i].decision == RULE_DENY)
            return decided(&policy->approve[i]);
    }
    return by_default;
}

static struct decision decide_script(const struct policy *policy,
                                     const char *script)
{
    struct arena arena = {0};
    struct shell_commands commands;
    struct decision decision = by_default;

    if (!policy->approve_count)
        return by_default;
    commands = shell_split(&arena, script);
    if (!commands.complete)
        decision = first_denial(policy);
    for (size_t i = 0; i < commands.count && decision.allowed; i++) {
        struct decision one = decide_command(policy, &commands.items[i]);

        if (one.rule)
            decision = one;
    }
    arena_free(&arena);
    return decision;
}

static struct decision decide_path(const struct policy *policy,
                                   const char *path)
{
    for (size_t i = 0; i < policy->approve_count; i++) {
        const struct approve_rule *rule = &policy->approve[i];

        if (covers(rule, RULE_TOOL_PATCH) &&
            (!rule->paths.count ||
             glob_match_any(rule->paths.items, rule->paths.count, path)))
            return decided(rule);
    }
    return by_default;
}

/* A patch that cannot be read touches nothing: the tool will say why. */
static struct decision decide_patch(const struct tool_context *context,
                                    const struct call_patch *call)
{
    const struct policy *policy = &context->task->policy;
    struct decision decision = by_default;
    struct patch_paths paths;
    struct patch patch;
    struct error ignored;

    if (!policy->approve_count || patch_parse(call->text, &patch, &ignored))
        return by_default;
    if (!patch_paths(context->workspace, call->directory, &patch, &paths,
                     &ignored)) {
        for (size_t i = 0; i < paths.count && decision.allowed; i++) {
            struct decision one = decide_path(policy, paths.paths[i]);

            if (one.rule)
                decision = one;
        }
        patch_paths_free(&paths);
    }
    patch_free(&patch);
    return decision;
}

static struct decision decide_plainly(const struct policy *policy,
                                      enum rule_tool tool)
{
    for (size_t i = 0; i < policy->approve_count; i++) {
        if (covers(&policy->approve[i], tool))
            return decided(&policy->approve[i]);
    }
    return by_default;
}

struct decision policy_decide(const struct tool_context *context,
                              const struct tool *tool,
                              const struct tool_call *call,
                              const struct call_patch *patch)
{
    const struct policy *policy = &context->task->policy;
    const char *script = json_get_string(call->json, "cmd");

    if (patch->text.data)
        return decide_patch(context, patch);
    if (!script)
        script = json_get_string(call->json, "chars");
    if (tool->kind == TOOL_EXEC)
        return decide_script(policy, script ? script : "");
    if (tool->kind == TOOL_IMAGE)
        return decide_plainly(policy, RULE_TOOL_IMAGE);
    return decide_plainly(policy, RULE_TOOL_PLAN);
}
