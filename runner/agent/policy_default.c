#include "runner/agent/policy_default.h"

#include <ctype.h>

#include "base/memory.h"

#define HEAD_LINES 5 /* of the written file, before its first rule */

#define WORDS(...)                                                      \
    {                                                                   \
        .items = (const char *[]){__VA_ARGS__},                         \
        .count = sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *) \
    }

#define DENY(number, text, ...)                             \
    {                                                       \
        .tool = RULE_TOOL_EXEC, .argv = WORDS(__VA_ARGS__), \
        .decision = RULE_DENY, .because = (text),           \
        .line = HEAD_LINES + (number)                       \
    }

static const char by_patch[] = "work leaves by the patch, not by a push";
static const char by_people[] = "publishing is not part of a task";

static const struct approve_rule rules[] = {
    DENY(1, by_patch, "git", "push", "*"),
    DENY(2, by_patch, "git", "send-email", "*"),
    DENY(3, by_patch, "gh", "pr", "*"),
    DENY(4, by_patch, "glab", "mr", "*"),
    DENY(5, by_people, "gh", "release", "*"),
    DENY(6, by_people, "npm", "publish", "*"),
    DENY(7, by_people, "pnpm", "publish", "*"),
    DENY(8, by_people, "yarn", "publish", "*"),
    DENY(9, by_people, "cargo", "publish", "*"),
    DENY(10, by_people, "gem", "push", "*"),
    DENY(11, by_people, "twine", "upload", "*"),
    DENY(12, by_people, "docker", "push", "*"),
    DENY(13, by_people, "podman", "push", "*"),
};

const struct approve_rule *policy_default_rules(size_t *count)
{
    *count = ARRAY_LENGTH(rules);
    return rules;
}

void policy_default_write(struct buffer *out)
{
    buffer_add_string(
        out, "# The rules that follow after those of every manifest; in events "
             "and in `nightjar\n# why` they are called default:LINE. A "
             "manifest's own rule for the same command comes\n# first, and "
             "`policy: {default_rules: false}` does without them.\n"
             "policy:\n  approve:\n");
    for (size_t i = 0; i < ARRAY_LENGTH(rules); i++) {
        buffer_add_string(out, "    - {tool: exec, argv: [");
        for (size_t w = 0; w < rules[i].argv.count; w++)
            buffer_addf(out, w ? ", %s%s%s" : "%s%s%s",
                        *rules[i].argv.items[w] == '*' ? "\"" : "",
                        rules[i].argv.items[w],
                        *rules[i].argv.items[w] == '*' ? "\"" : "");
        buffer_addf(out, "], decision: deny, because: \"%s\"}\n",
                    rules[i].because);
    }
}

/* ---- hosts ------------------------------------------------------------- */

static bool is_host(const char *text, size_t length)
{
    bool dot = false;

    for (size_t i = 0; i < length; i++) {
        if (!isalnum((unsigned char)text[i]) && !strchr(".-_", text[i]))
            return false;
        dot |= text[i] == '.';
    }
    return length && length < 254 && dot;
}

char *policy_word_host(const char *word)
{
    const char *scheme = strstr(word, "://");
    const char *start = scheme ? scheme + 3 : word;
    size_t authority = strcspn(start, "/?#");
    const char *at = memrchr(start, '@', authority);
    size_t length;
    char *host;

    if (at) {
        authority -= (size_t)(at + 1 - start);
        start = at + 1;
    }
    length = strcspn(start, ":/?#");
    if (length > authority)
        length = authority;
    /* A name without a dot is a host in a URL or behind an '@' only. */
    if (!length || (!scheme && !at && !is_host(start, length)))
        return NULL;
    host = mem_bytes(start, length);
    for (size_t i = 0; i < length; i++)
        host[i] = (char)tolower((unsigned char)host[i]);
    return host;
}
