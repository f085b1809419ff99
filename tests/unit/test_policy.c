/* runner/agent/policy: rules against calls, in a real folder. */
#include "runner/agent/policy.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "tests/tap.h"

#define WORDS(...)                                                      \
    {                                                                   \
        .items = (const char *[]){__VA_ARGS__},                         \
        .count = sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *) \
    }

#define DENY(...)                                           \
    {                                                       \
        .tool = RULE_TOOL_EXEC, .argv = WORDS(__VA_ARGS__), \
        .decision = RULE_DENY                               \
    }
#define ALLOW(...)                                          \
    {                                                       \
        .tool = RULE_TOOL_EXEC, .argv = WORDS(__VA_ARGS__), \
        .decision = RULE_ALLOW                              \
    }

static int workspace = -1;

/* Decides with the rules; the index of the one that decided, -1 for none. */
static struct decision decide(struct approve_rule *rules, size_t count,
                              const char *tool, const char *arguments,
                              const struct call_patch *patch)
{
    struct task task = {.policy = {.approve = rules, .approve_count = count},
                        .tools = TOOL_ALL,
                        .directory = "."};
    const struct call_patch none = {{NULL, 0}, NULL};
    struct tool_context context = {.task = &task, .workspace = workspace};
    struct error err;
    struct tool_call call = {
        .name = tool,
        .arguments = arguments,
        .json = json_parse(arguments, strlen(arguments), &err)};
    struct decision decision = policy_decide(
        &context, tool_find(tool, TOOL_ALL), &call, patch ? patch : &none);

    cJSON_Delete(call.json);
    return decision;
}

static char *command_json(const char *key, const char *script)
{
    struct buffer text;
    struct json json;

    buffer_init(&text, (size_t)16 << 20);
    json = json_to(&text);
    json_object(&json);
    json_member_string(&json, key, script);
    json_end(&json);
    return buffer_steal(&text);
}

static void runs(struct approve_rule *rules, size_t count, const char *script,
                 bool allowed, int rule)
{
    CLEANUP(mem_free) char *arguments = command_json("cmd", script);
    struct decision decision =
        decide(rules, count, "exec_command", arguments, NULL);

    tap_int(decision.verdict == DECISION_ALLOW, allowed, "%s: %.*s",
            allowed ? "allowed" : "denied", (int)strcspn(script, "\n"), script);
    tap_int(decision.rule ? (int)(decision.rule - rules) : -1, rule,
            "by rule %d", rule);
}

static void test_no_rules(void)
{
    runs(NULL, 0, "rm -rf /", true, -1);
    runs(NULL, 0, "", true, -1);
    tap_ok(decide(NULL, 0, "exec_command", "{}", NULL).verdict ==
               DECISION_ALLOW,
           "no command");
    tap_ok(decide(NULL, 0, "exec_command", "[]", NULL).verdict ==
               DECISION_ALLOW,
           "no object");
    tap_ok(decide(NULL, 0, "update_plan", "{}", NULL).verdict == DECISION_ALLOW,
           "another tool");
}

/* One rule, and all the ways to say what it denies. */
static void test_denied_everywhere(void)
{
    struct approve_rule rules[] = {DENY("git", "push", "*")};
    static const char *const denied[] = {
        "git push",
        "git -C x push",
        "git --no-pager -c a=b --git-dir=y push origin",
        "git push origin main",
        "  git\tpush  ",
        "'git' \"push\"",
        "g\"it\" pu'sh'",
        "\\git push",
        "/usr/bin/git push",
        "./git push",
        "ls; git push",
        "ls && git push || true",
        "ls | git push",
        "true & git push",
        "ls\ngit push",
        "(git push)",
        "{ git push; }",
        "if true; then git push; fi",
        "for x in 1; do git push; done",
        "! git push",
        "echo $(git push)",
        "echo \"$(git push)\"",
        "echo `git push`",
        "echo \"$(date)\"; git push; echo \"x\"",
        "x=$(git push)",
        "cat <(git push)",
        "sh -c 'git push'",
        "bash -lc \"git push\"",
        "sh -c \"sh -c 'git push'\"",
        "/bin/sh -c 'git push'",
        "A=1 git push",
        "env A=1 git push",
        "/usr/bin/env git push",
        "sudo git push",
        "sudo -u root git push",
        "timeout 60 git push",
        "nice -n 5 git push",
        "echo x | xargs -n 1 git push",
        "time git push",
        "git push 2>&1 | tee log",
        "git push >log",
        ">log git push",
        "git push # comment",
        "git push#x",
        "# don't\ngit push",
        "cat <<'E'\nit's\nE\ngit push",
        "sh <<E\ngit push\nE",
        "case x in x) git push;; esac",
        "f() { git push; }; f",
        "exec git push",
        "git \\\npush",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(denied); i++) {
        /* "push#x" is one word and another command. */
        bool other = strstr(denied[i], "push#x") != NULL;

        runs(rules, 1, denied[i], other, other ? -1 : 0);
    }
}

static void test_not_denied(void)
{
    struct approve_rule rules[] = {DENY("git", "push", "*")};
    static const char *const allowed[] = {"",
                                          "git",
                                          "git pull",
                                          "echo git push",
                                          "# git push",
                                          "'git push'",
                                          "echo 'x; git push'",
                                          "gitt push",
                                          "git -C push",
                                          "GIT push",
                                          "echo \\; git push",
                                          "grep -r 'git push'"};

    for (size_t i = 0; i < ARRAY_LENGTH(allowed); i++)
        runs(rules, 1, allowed[i], true, -1);
}

static void test_words(void)
{
    struct approve_rule exact[] = {DENY("git", "push")};
    struct approve_rule globs[] = {DENY("npm", "pub*")};
    struct approve_rule middle[] = {DENY("git", "*", "main")};
    struct approve_rule program[] = {DENY("/opt/*/tool", "*")};

    runs(exact, 1, "git push", false, 0);
    runs(exact, 1, "git push > log 2>&1", false, 0);
    runs(exact, 1, "git push origin", true, -1);
    runs(exact, 1, "git", true, -1);
    runs(globs, 1, "npm publish", false, 0);
    runs(globs, 1, "npm public", false, 0);
    runs(globs, 1, "npm publish x", true, -1);
    runs(middle, 1, "git push main", false, 0);
    runs(middle, 1, "git main", true, -1);
    runs(middle, 1, "git push x main", true, -1);
    runs(program, 1, "/opt/a/b/tool x", false, 0);
    runs(program, 1, "tool x", true, -1);
}

static void test_first_match(void)
{
    struct approve_rule rules[] = {ALLOW("git", "push", "--dry-run", "*"),
                                   DENY("git", "push", "*"), ALLOW("git", "*"),
                                   DENY("*")};

    runs(rules, 4, "git push --dry-run x", true, 0);
    runs(rules, 4, "git push x", false, 1);
    runs(rules, 4, "git status", true, 2);
    runs(rules, 4, "ls", false, 3);
    runs(rules, 4, "git status; ls", false, 3);
    runs(rules, 4, "git status && git push x", false, 1);
    runs(rules, 4, "git push x; ls", false, 1);
}

/* Where all else is denied, what is allowed works in ordinary scripts. */
static void test_allow_list(void)
{
    struct approve_rule rules[] = {
        ALLOW("make", "*"),
        ALLOW("cat", "*"),
        {.tool = RULE_TOOL_EXEC, .decision = RULE_DENY}};

    runs(rules, 3, "make test", true, 0);
    runs(rules, 3, "make test 2>&1 | cat >log", true, 1);
    runs(rules, 3, "A=1 make test", true, 0);
    runs(rules, 3, "if make; then cat log; else make clean; fi", true, 0);
    runs(rules, 3, "for x in a b; do make $x; done", true, 0);
    runs(rules, 3, "{ make; } && (cat x)", true, 1);
    runs(rules, 3, "while make; do cat x; done", true, 1);
    runs(rules, 3, "case $x in a) make ;; esac", true, 0);
    runs(rules, 3, "", true, -1);
    runs(rules, 3, "make; ls", false, 2);
    runs(rules, 3, "make $(ls)", false, 2);
    runs(rules, 3, "> file", false, 2);
    runs(rules, 3, "sudo make", false, 2);
}

static void test_too_long(void)
{
    struct approve_rule deny[] = {ALLOW("true"), DENY("git", "push")};
    struct approve_rule allow[] = {ALLOW("true")};
    struct approve_rule patch[] = {
        {.tool = RULE_TOOL_PATCH, .decision = RULE_DENY}};
    struct buffer script;

    buffer_init(&script, 100000);
    for (int i = 0; i < 600; i++)
        buffer_add_string(&script, "true;");
    runs(deny, 2, script.data, false, 1);
    runs(allow, 1, script.data, true, 0);
    runs(patch, 1, script.data, true, -1);
    buffer_free(&script);
}

static void test_typed(void)
{
    struct approve_rule rules[] = {DENY("git", "push", "*")};
    CLEANUP(mem_free) char *push = command_json("chars", "git push\n");
    CLEANUP(mem_free) char *other = command_json("chars", "ls\n");

    tap_ok(decide(rules, 1, "write_stdin", push, NULL).verdict !=
               DECISION_ALLOW,
           "typed into a session: denied as well");
    tap_ok(decide(rules, 1, "write_stdin", other, NULL).verdict ==
               DECISION_ALLOW,
           "others not");
    tap_ok(decide(rules, 1, "write_stdin", "{}", NULL).verdict ==
               DECISION_ALLOW,
           "nothing");
}

static void test_tools(void)
{
    struct approve_rule image[] = {
        {.tool = RULE_TOOL_IMAGE, .decision = RULE_DENY}};
    struct approve_rule any[] = {
        {.tool = RULE_TOOL_ANY, .decision = RULE_DENY}};

    tap_ok(decide(image, 1, "view_image", "{}", NULL).verdict != DECISION_ALLOW,
           "view_image");
    tap_ok(decide(image, 1, "update_plan", "{}", NULL).verdict ==
               DECISION_ALLOW,
           "not the plan");
    tap_ok(decide(image, 1, "exec_command", "{\"cmd\":\"ls\"}", NULL).verdict ==
               DECISION_ALLOW,
           "nor commands");
    tap_ok(decide(any, 1, "view_image", "{}", NULL).verdict != DECISION_ALLOW,
           "any: image");
    tap_ok(decide(any, 1, "update_plan", "{}", NULL).verdict != DECISION_ALLOW,
           "any: plan");
    tap_ok(decide(any, 1, "exec_command", "{\"cmd\":\"ls\"}", NULL).verdict !=
               DECISION_ALLOW,
           "any: commands");
}

/* ---- patches ------------------------------------------------------------ */

#define ADD(path) "*** Add File: " path "\n+x\n"
#define DELETE(path) "*** Delete File: " path "\n"
#define PATCH(sections) "*** Begin Patch\n" sections "*** End Patch\n"

static void patches(struct approve_rule *rules, size_t count, const char *text,
                    const char *directory, bool allowed)
{
    struct call_patch patch = {{text, strlen(text)}, directory};
    const char *place = strchr(text, '\n');
    struct decision decision =
        decide(rules, count, "apply_patch", "{}", &patch);

    place = place ? place + 1 : text;
    tap_int(decision.verdict == DECISION_ALLOW, allowed, "%s in %s: %.*s",
            allowed ? "allowed" : "denied", directory,
            (int)strcspn(place, "\n"), place);
}

#define PATHS(what, ...)                                                       \
    {                                                                          \
        .tool = RULE_TOOL_PATCH, .paths = WORDS(__VA_ARGS__), .decision = what \
    }

static void test_paths(void)
{
    struct approve_rule rules[] = {PATHS(RULE_DENY, ".github/**", "*.lock")};

    patches(rules, 1, PATCH(ADD("src/x")), ".", true);
    patches(rules, 1, PATCH(ADD(".github/x")), ".", false);
    patches(rules, 1, PATCH(ADD("./.github/./x")), ".", false);
    patches(rules, 1, PATCH(ADD("src/../.github/x")), ".", false);
    patches(rules, 1, PATCH(ADD("/workspace/.github/x")), ".", false);
    patches(rules, 1, PATCH(ADD("x")), ".github", false);
    patches(rules, 1, PATCH(ADD("a") ADD("b.lock")), ".", false);
    patches(rules, 1, PATCH(DELETE("b.lock")), ".", false);
    patches(rules, 1,
            PATCH("*** Update File: a\n*** Move to: .github/a\n@@\n-x\n+y\n"),
            ".", false);
    patches(rules, 1,
            PATCH("*** Update File: .github/a\n*** Move to: a\n@@\n-x\n+y\n"),
            ".", false);
    patches(rules, 1, PATCH(ADD("link/x")), ".", false);
    patches(rules, 1, "not a patch", ".", true);
    patches(rules, 1, PATCH(ADD("../x")), ".", true); /* the tool refuses */
}

static void test_path_lists(void)
{
    struct approve_rule rules[] = {
        PATHS(RULE_ALLOW, "docs/**"),
        {.tool = RULE_TOOL_PATCH, .decision = RULE_DENY}};
    struct approve_rule commands[] = {DENY("*")};

    patches(rules, 2, PATCH(ADD("docs/x")), ".", true);
    patches(rules, 2, PATCH(ADD("docs/x") ADD("src/x")), ".", false);
    patches(rules, 2, PATCH(ADD("src/x")), ".", false);
    patches(commands, 1, PATCH(ADD("src/x")), ".", true);
    patches(NULL, 0, PATCH(ADD(".github/x")), ".", true);
}

int main(void)
{
    CLEANUP(mem_free)
    char *path = mem_format("%s/workspace", getenv("TMPDIR"));

    if (mkdir(path, 0777) ||
        (workspace = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
        mkdirat(workspace, ".github", 0777) ||
        symlinkat(".github", workspace, "link")) {
        printf("Bail out! no workspace\n");
        return 1;
    }
    test_no_rules();
    test_denied_everywhere();
    test_not_denied();
    test_words();
    test_first_match();
    test_allow_list();
    test_too_long();
    test_typed();
    test_tools();
    test_paths();
    test_path_lists();
    fd_reset(&workspace);
    return tap_done();
}
