#include "runner/agent/policy.h"

#include "base/glob.h"
#include "base/memory.h"
#include "runner/agent/policy_default.h"
#include "runner/agent/shell.h"
#include "runner/tools/patch_apply.h"

#define WORDS_MAX 256 /* of a git command that is looked at twice */

static const struct decision by_default = {.verdict = DECISION_ALLOW};

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

/* `git -C DIR push` is `git push`: options of git itself stand before its
 * command, some with a value. Returns whether there were any. */
static bool without_git_options(const struct shell_command *command,
                                const char **words, struct shell_command *out)
{
    static const char *const valued[] = {
        "-C", "-c", "--git-dir", "--work-tree", "--namespace", "--exec-path"};
    size_t at = 1;

    if (command->count < 2 || command->count > WORDS_MAX ||
        !program_matches("git", command->words[0]))
        return false;
    while (at < command->count && command->words[at][0] == '-') {
        size_t before = at++;

        for (size_t i = 0; i < ARRAY_LENGTH(valued); i++) {
            if (!strcmp(command->words[before], valued[i]))
                at++;
        }
    }
    if (at == 1 || at >= command->count)
        return false;
    words[0] = command->words[0];
    memcpy(words + 1, command->words + at,
           (command->count - at) * sizeof(*words));
    *out = (struct shell_command){words, command->count - at + 1};
    return true;
}

static bool command_matches(const struct strings *argv,
                            const struct shell_command *command)
{
    const char *words[WORDS_MAX];
    struct shell_command plain;

    return argv_matches(argv, command) ||
           (without_git_options(command, words, &plain) &&
            argv_matches(argv, &plain));
}

static struct decision decided(const struct approve_rule *rule)
{
    static const enum decision_verdict verdicts[] = {
        [RULE_ALLOW] = DECISION_ALLOW,
        [RULE_DENY] = DECISION_DENY,
        [RULE_REVIEW] = DECISION_REVIEW};
    struct decision decision = {.verdict = verdicts[rule->decision],
                                .rule = rule};

    snprintf(decision.reason, sizeof(decision.reason), "%s",
             rule->because ? rule->because : "");
    return decision;
}

/* ---- rules in their order ---------------------------------------------- */

/* The manifest's, then, unless it does without, ours. */
static const struct approve_rule *rule_at(const struct policy *policy, size_t i)
{
    size_t count;
    const struct approve_rule *defaults = policy_default_rules(&count);

    if (i < policy->approve_count)
        return &policy->approve[i];
    i -= policy->approve_count;
    return policy->default_rules && i < count ? &defaults[i] : NULL;
}

static bool host_is_named(const struct strings *hosts,
                          const struct shell_command *command)
{
    for (size_t w = 0; w < command->count; w++) {
        CLEANUP(mem_free) char *host = policy_word_host(command->words[w]);

        for (size_t i = 0; host && i < hosts->count; i++) {
            if (glob_match_word(hosts->items[i], host))
                return true;
        }
    }
    return false;
}

static struct decision decide_command(const struct policy *policy,
                                      const struct shell_command *command)
{
    const struct approve_rule *rule;

    for (size_t i = 0; (rule = rule_at(policy, i)); i++) {
        if (covers(rule, RULE_TOOL_EXEC) &&
            (!rule->argv.count || command_matches(&rule->argv, command)) &&
            (!rule->hosts.count || host_is_named(&rule->hosts, command)))
            return decided(rule);
    }
    return by_default;
}

/* Of several decisions about one call: deny before review before allow; among
 * equals the last rule is the one that is named. */
static void join(struct decision *whole, struct decision one)
{
    static const int strictness[] = {
        [DECISION_ALLOW] = 0, [DECISION_REVIEW] = 1, [DECISION_DENY] = 2};

    if (!one.rule || strictness[one.verdict] < strictness[whole->verdict] ||
        (one.verdict == whole->verdict && one.verdict != DECISION_ALLOW))
        return;
    *whole = one;
}

/* The strictest rule of the list: for what cannot be read whole. */
static struct decision strictest_rule(const struct policy *policy)
{
    struct decision found = by_default;
    const struct approve_rule *rule;

    for (size_t i = 0; (rule = rule_at(policy, i)); i++) {
        if (covers(rule, RULE_TOOL_EXEC))
            join(&found, decided(rule));
    }
    return found;
}

static struct decision decide_script(const struct policy *policy,
                                     const char *script)
{
    struct arena arena = {0};
    struct shell_commands commands;
    struct decision decision = by_default;

    if (!rule_at(policy, 0))
        return by_default;
    commands = shell_split(&arena, script);
    if (!commands.complete) {
        struct decision strictest = strictest_rule(policy);

        if (strictest.verdict != DECISION_ALLOW)
            decision = strictest;
    }
    for (size_t i = 0; i < commands.count && decision.verdict != DECISION_DENY;
         i++)
        join(&decision, decide_command(policy, &commands.items[i]));
    arena_free(&arena);
    return decision;
}

static struct decision decide_path(const struct policy *policy,
                                   const char *path)
{
    const struct approve_rule *rule;

    for (size_t i = 0; (rule = rule_at(policy, i)); i++) {
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

    if (!rule_at(policy, 0) || patch_parse(call->text, &patch, &ignored))
        return by_default;
    if (!patch_paths(context->workspace, call->directory, &patch, &paths,
                     &ignored)) {
        for (size_t i = 0; i < paths.count && decision.verdict != DECISION_DENY;
             i++)
            join(&decision, decide_path(policy, paths.paths[i]));
        patch_paths_free(&paths);
    }
    patch_free(&patch);
    return decision;
}

static struct decision decide_plainly(const struct policy *policy,
                                      enum rule_tool tool)
{
    const struct approve_rule *rule;

    for (size_t i = 0; (rule = rule_at(policy, i)); i++) {
        if (covers(rule, tool))
            return decided(rule);
    }
    return by_default;
}

struct decision policy_decide(const struct tool_context *context,
                              const struct tool *tool,
                              const struct tool_call *call,
                              const struct call_patch *patch)
{
    const struct policy *policy = &context->task->policy;
    CLEANUP(mem_free) char *script = NULL;

    if (patch->text.data)
        return decide_patch(context, patch);
    if (tool->kind & TOOL_EXEC) {
        script = tool_script(call);
        return decide_script(policy, script);
    }
    if (tool->kind == TOOL_IMAGE)
        return decide_plainly(policy, RULE_TOOL_IMAGE);
    return decide_plainly(policy, RULE_TOOL_PLAN);
}

char *policy_rule_name(const struct task *task, const struct decision *decision)
{
    size_t count;
    const struct approve_rule *defaults = policy_default_rules(&count);
    const struct approve_rule *rule = decision->rule;

    if (!rule)
        return NULL;
    if (rule >= defaults && rule < defaults + count)
        return mem_format("default:%zu", rule->line);
    return mem_format("%s:%zu", task->file, rule->line);
}
