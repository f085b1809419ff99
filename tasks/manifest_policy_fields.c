/* The part of the field table that is about policies: rules about calls,
 * reviews, and what a patch may do. */
#include "base/memory.h"
#include "tasks/manifest_fields.h"
#include "tasks/manifest_rules.h"

#define SIZE_UNIT_M ((int64_t)1 << 20)
#define LINE_BYTES_MAX 1000
#define LIST_MAX 1000

#define RULE(name) offsetof(struct approve_rule, name)
#define PATCH(name) offsetof(struct patch_policy, name)
#define POLICY(name) offsetof(struct policy, name)

static const char *const rule_tools[] = {"exec", "patch", "image",
                                         "plan", "*",     NULL};
static const char *const decisions[] = {"allow", "deny", "review", NULL};
static const char *const secrets_rules[] = {"fail", "report", NULL};

static const struct field rule_fields[] = {
    {.key = "tool",
     .type = FIELD_ENUM,
     .flags = FIELD_REQUIRED,
     .offset = RULE(tool),
     .names = rule_tools,
     .meaning = "the tool that is called; `*` for every one"},
    {.key = "argv",
     .type = FIELD_TEXTS,
     .offset = RULE(argv),
     .minimum = 1,
     .maximum = LINE_BYTES_MAX,
     .minimum_items = 1,
     .maximum_items = 100,
     .otherwise = "every command",
     .meaning = "`exec` only: a pattern for each of the command's words, and "
                "all must match; a last `*` stands for any number of words, "
                "also none. The program matches without its folder, and "
                "options of `git` before its command are passed over"},
    {.key = "hosts",
     .type = FIELD_TEXTS,
     .offset = RULE(hosts),
     .rule = rule_host,
     .minimum = 1,
     .maximum = 300,
     .minimum_items = 1,
     .maximum_items = LIST_MAX,
     .otherwise = "whatever its words",
     .meaning = "`exec` only: a command of which some word names such a host, "
                "as a URL, `user@host:path` or alone; `*.example.org` for "
                "those below one"},
    {.key = "paths",
     .type = FIELD_TEXTS,
     .offset = RULE(paths),
     .minimum = 1,
     .maximum = LINE_BYTES_MAX,
     .minimum_items = 1,
     .maximum_items = LIST_MAX,
     .rule = rule_glob,
     .otherwise = "every path",
     .meaning = "`patch` only: patterns for the files it touches"},
    {.key = "decision",
     .type = FIELD_ENUM,
     .flags = FIELD_REQUIRED,
     .offset = RULE(decision),
     .names = decisions,
     .meaning = "what becomes of the call; `review`: a second model decides, "
                "and without `policy.review` it is denied"},
    {.key = "because",
     .type = FIELD_TEXT,
     .offset = RULE(because),
     .minimum = 1,
     .maximum = LINE_BYTES_MAX,
     .otherwise = "nothing",
     .meaning = "what the model is told"},
};

static const struct block rule_block = {
    .name = "rule",
    .meaning = "A rule about calls of tools.",
    BLOCK_FIELDS(rule_fields),
};

static const struct field patch_fields[] = {
    {.key = "protect",
     .type = FIELD_TEXTS,
     .offset = PATCH(protect),
     .minimum = 1,
     .maximum = LINE_BYTES_MAX,
     .maximum_items = LIST_MAX,
     .rule = rule_glob,
     .fallback = "[\".github/**\", \"**/CODEOWNERS\"]",
     .meaning = "paths that no patch may touch"},
    {.key = "allow",
     .type = FIELD_TEXTS,
     .offset = PATCH(allow),
     .minimum = 1,
     .maximum = LINE_BYTES_MAX,
     .minimum_items = 1,
     .maximum_items = LIST_MAX,
     .rule = rule_glob,
     .otherwise = "every path",
     .meaning = "the only paths to touch"},
    {.key = "max_files",
     .type = FIELD_INTEGER,
     .offset = PATCH(max_files),
     .minimum = 1,
     .maximum = 1000000,
     .otherwise = "no limit",
     .meaning = "files that are touched"},
    {.key = "max_lines",
     .type = FIELD_INTEGER,
     .offset = PATCH(max_lines),
     .minimum = 1,
     .maximum = 1000000000,
     .otherwise = "no limit",
     .meaning = "lines that are added and removed"},
    {.key = "max_file_size",
     .type = FIELD_SIZE,
     .offset = PATCH(max_file_size_bytes),
     .minimum = 1,
     .maximum = 1024 * SIZE_UNIT_M,
     .fallback = "1M",
     .meaning = "of a file after the patch"},
    {.key = "binary",
     .type = FIELD_BOOLEAN,
     .offset = PATCH(binary),
     .fallback = "false",
     .meaning = "whether binary files may change"},
    {.key = "secrets",
     .type = FIELD_ENUM,
     .offset = PATCH(secrets),
     .names = secrets_rules,
     .fallback = "fail",
     .meaning = "what a credential in the patch does"},
};

static const struct block patch_block = {
    .name = "patch",
    .meaning = "What a patch may do; one that does more fails the task.",
    BLOCK_FIELDS(patch_fields),
};

#define REVIEW(name) offsetof(struct review_settings, name)

static const struct field review_budget_fields[] = {
    {.key = "cost_usd",
     .type = FIELD_MONEY,
     .offset = REVIEW(cost_microusd),
     .minimum = 1,
     .maximum = FIELD_COST_MAX,
     .otherwise = "no limit but the task's",
     .meaning = "US dollars for all reviews of a task"},
};

static const struct block review_budget_block = {
    .name = "review_budget",
    .meaning = "Limits of the reviews of one task.",
    BLOCK_FIELDS(review_budget_fields),
};

static const struct field review_fields[] = {
    {.key = "model",
     .type = FIELD_TEXT,
     .flags = FIELD_REQUIRED,
     .offset = REVIEW(model),
     .minimum = 1,
     .maximum = 200,
     .meaning = "the model that reviews, on the same server"},
    {.key = "price",
     .type = FIELD_BLOCK,
     .offset = REVIEW(price),
     .block = &price_block,
     .meaning = "US dollars for a million of its tokens"},
    {.key = "budget",
     .type = FIELD_BLOCK,
     .offset = 0,
     .block = &review_budget_block,
     .meaning = "what reviews may cost"},
};

static const struct block review_block = {
    .name = "review",
    .meaning = "The model that decides about calls whose rule says `review`. "
               "It sees the call, the rules and the last of the conversation; "
               "what it does not clearly allow is denied.",
    BLOCK_FIELDS(review_fields),
};

static const struct field policy_fields[] = {
    {.key = "approve",
     .type = FIELD_RULES,
     .offset = 0,
     .block = &rule_block,
     .maximum = LIST_MAX,
     .fallback = "[]",
     .meaning = "the first rule that matches a call decides; without one, "
                "what the sandbox confines is allowed"},
    {.key = "default_rules",
     .type = FIELD_BOOLEAN,
     .offset = POLICY(default_rules),
     .fallback = "true",
     .meaning = "whether the rules that `nightjar policy` prints follow "
                "after these"},
    {.key = "review",
     .type = FIELD_BLOCK,
     .offset = POLICY(review),
     .block = &review_block,
     .meaning = "who decides about calls whose rule says `review`"},
    {.key = "patch",
     .type = FIELD_BLOCK,
     .offset = POLICY(patch),
     .block = &patch_block,
     .meaning = "limits of the patch"},
};

const struct block policy_block = {
    .name = "policy",
    .meaning = "What the agent may do, decided without a person.",
    BLOCK_FIELDS(policy_fields),
};
