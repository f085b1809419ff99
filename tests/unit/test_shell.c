/* runner/agent/shell: which commands a script may run, and
 * apply_patch_in_command: which are nothing but a patch. */
#include "runner/agent/shell.h"

#include "base/memory.h"
#include "runner/tools/tool.h"
#include "tests/tap.h"

/* The commands as "[a|b] [c]". */
static void describe(const struct shell_commands *commands, struct buffer *out)
{
    buffer_init(out, (size_t)16 << 20);
    for (size_t i = 0; i < commands->count; i++) {
        const struct shell_command *command = &commands->items[i];

        buffer_add_string(out, i ? " [" : "[");
        for (size_t w = 0; w < command->count; w++)
            buffer_addf(out, "%s%s", w ? "|" : "", command->words[w]);
        buffer_add_byte(out, ']');
    }
}

static void splits(const char *script, const char *want)
{
    struct arena arena = {0};
    CLEANUP(mem_free) char *copy = mem_string(script);
    struct shell_commands commands = shell_split(&arena, copy);
    struct buffer out;

    describe(&commands, &out);
    tap_string(out.data, want, "%.*s", (int)strcspn(script, "\n"), script);
    tap_ok(commands.complete, "complete");
    buffer_free(&out);
    arena_free(&arena);
}

static void test_words(void)
{
    splits("", "");
    splits("  \n\t ", "");
    splits("ls", "[ls]");
    splits("git  push\torigin", "[git|push|origin]");
    splits("echo 'a b' \"c d\" e\\ f", "[echo|a b|c d|e f]");
    splits("a'b'\"c\"d", "[abcd]");
    splits("echo '' \"\"", "[echo||]");
    splits("echo \"a\\\"b\\$c\\\\d\\n\"", "[echo|a\"b$c\\d\\n]");
    splits("echo 'a\\b' a\\\nb", "[echo|a\\b|ab]");
    splits("echo $HOME ${x:-y z} *.c", "[echo|$HOME|${x:-y|z}|*.c]");
    splits("$'it\\'s' $\"b c\"", "[it's|b c]");
    splits("echo \"un ended", "[echo|un ended]");
    splits("echo 'un ended", "[echo|un ended]");
    splits("echo \\", "[echo|\\]");
    splits("r\"m\" x; 'r'm y", "[rm|x] [rm|y]");
}

static void test_lists(void)
{
    splits("a; b", "[a] [b]");
    splits("a && b || c", "[a] [b] [c]");
    splits("a | b |& c", "[a] [b] [c]");
    splits("a & b", "[a] [b]");
    splits("a\nb\r\nc", "[a] [b] [c]");
    splits("a;;b", "[a] [b]");
    splits("(a; b) && { c; d; }", "[a] [b] [c] [d]");
    splits("a \\\n && b", "[a] [b]");
    splits("if a; then b; elif c; then d; else e; fi", "[a] [b] [c] [d] [e]");
    splits("while ! a; do b; done; until c; do d; done", "[a] [b] [c] [d]");
    splits("for x in 1 2; do rm $x; done", "[rm|$x]");
    splits("case $x in a|b) rm y ;; *) ls ;; esac", "[rm|y] [ls]");
    splits("f() { rm x; }; f", "[f] [rm|x] [f]");
    splits("A=1 B=\"x y\" rm z", "[rm|z]");
    splits("A=1", "");
    splits("a#b # rm x\nc", "[a#b] [c]");
    splits("# rm x", "");
    splits("# don't\nrm x", "[rm|x]");
}

static void test_substitutions(void)
{
    splits("echo $(rm x) y", "[rm|x] [echo|$(rm x)|y]");
    splits("echo `rm x` y", "[rm|x] [echo|`rm x`|y]");
    splits("echo \"a $(rm x) b\"", "[rm|x] [echo|a $(rm x) b]");
    splits("echo \"a `rm x` b\"", "[rm|x] [echo|a `rm x` b]");
    splits("echo \"$(date)\"; rm x; echo \"done\"",
           "[date] [echo|$(date)] [rm|x] [echo|done]");
    splits("echo \"$(echo \"$(rm x)\")\"",
           "[rm|x] [echo|$(rm x)] [echo|$(echo \"$(rm x)\")]");
    splits("x=$(rm y)", "[rm|y]");
    splits("echo '$(rm x)' \\$\\(x", "[echo|$(rm x)|$(x]");
    splits("echo \"\\$(rm x)\"", "[echo|$(rm x)]");
    splits("diff <(rm x) >(tee y)", "[rm|x] [tee|y] [diff|<(rm x)|>(tee y)]");
    splits("echo ${x:-$(rm y)}", "[rm|y] [echo|${x:-$(rm y)}]");
    splits("echo $( (a) b ) c", "[a] [b] [echo|$( (a) b )|c]");
    splits("echo `echo \"x` ; rm y", "[echo|x] [echo|`echo \"x`] [rm|y]");
    splits("$(which rm) x", "[which|rm] [$(which rm)|x]");
    splits("echo $(rm x", "[rm|x] [echo|$(rm x]");
    splits("echo \"$(cat <<'E'\nit's\nE\n)\"; rm x",
           "[cat] [its\n] [echo|$(cat <<'E'\nit's\nE\n)] [rm|x]");
}

static void test_inner_scripts(void)
{
    splits("sh -c 'rm x; ls'", "[sh|-c|rm x; ls] [rm|x] [ls]");
    splits("bash -lc \"rm x\"", "[bash|-lc|rm x] [rm|x]");
    splits("/usr/bin/bash -o pipefail -c 'rm x'",
           "[/usr/bin/bash|-o|pipefail|-c|rm x] [rm|x]");
    splits("bash -c -- 'rm x'", "[bash|-c|--|rm x] [rm|x]");
    splits("sh -c 'sh -c \"rm x\"'",
           "[sh|-c|sh -c \"rm x\"] [sh|-c|rm x] [rm|x]");
    splits("su root -c 'rm x'", "[su|root|-c|rm x] [rm|x]");
    splits("sh script.sh", "[sh|script.sh]");
    splits("sh -c", "[sh|-c]");
    splits("notsh -c 'rm x'", "[notsh|-c|rm x]");
    splits("env A=1 sh -ec 'rm x'",
           "[env|A=1|sh|-ec|rm x] [sh|-ec|rm x] [rm|x]");
    splits("bash <<< 'rm x'", "[rm|x] [bash]");
}

static void test_wrappers(void)
{
    splits("sudo rm x", "[sudo|rm|x] [rm|x]");
    splits("/usr/bin/sudo rm x", "[/usr/bin/sudo|rm|x] [rm|x]");
    splits("sudo -n -u root -- rm -rf x",
           "[sudo|-n|-u|root|--|rm|-rf|x] [rm|-rf|x]");
    splits("sudo -nu root rm x", "[sudo|-nu|root|rm|x] [rm|x]");
    splits("sudo -uroot rm x", "[sudo|-uroot|rm|x] [rm|x]");
    splits("sudo --user root rm x", "[sudo|--user|root|rm|x] [rm|x]");
    splits("sudo --user=root rm x", "[sudo|--user=root|rm|x] [rm|x]");
    splits("env -i A=1 B=2 rm x", "[env|-i|A=1|B=2|rm|x] [rm|x]");
    splits("timeout 60 rm x", "[timeout|60|rm|x] [rm|x]");
    splits("timeout -k 5 -s KILL 60 rm x",
           "[timeout|-k|5|-s|KILL|60|rm|x] [rm|x]");
    splits("nice -n 10 rm x", "[nice|-n|10|rm|x] [rm|x]");
    splits("ls | xargs -0 -n 1 rm", "[ls] [xargs|-0|-n|1|rm] [rm]");
    splits("xargs -0 grep rm", "[xargs|-0|grep|rm] [grep|rm]");
    splits("sudo timeout 5 env A=1 rm x",
           "[sudo|timeout|5|env|A=1|rm|x] [timeout|5|env|A=1|rm|x] "
           "[env|A=1|rm|x] [rm|x]");
    splits("exec rm x", "[exec|rm|x] [rm|x]");
    splits("A=1 nohup rm x &", "[nohup|rm|x] [rm|x]");
    splits("sudo", "[sudo]");
    splits("timeout", "[timeout]");
    splits("sudo -u", "[sudo|-u]");
    splits("echo sudo rm", "[echo|sudo|rm]");
}

static void test_redirections(void)
{
    splits("git push > log", "[git|push]");
    splits("git push 2>&1 | tee log", "[git|push] [tee|log]");
    splits("git push >>log 2>/dev/null", "[git|push]");
    splits("git push &>log origin", "[git|push|origin]");
    splits("git>log push", "[git|push]");
    splits("<in git push 3<&- 4<>x", "[git|push]");
    splits("echo 2 >x", "[echo|2]");
    splits("echo a2>x", "[echo|a2]");
    splits("echo 2\\>x", "[echo|2>x]");
    splits("> file", "[]");
    splits("> file; ls", "[] [ls]");
    splits("git push > $(rm x)", "[rm|x] [git|push]");
    splits("a >| b", "[a]");
    splits("a > b c", "[a|c]");
}

static void test_here_documents(void)
{
    splits("cat <<EOF\nrm x\nEOF\nls", "[cat] [rm|x] [ls]");
    splits("cat <<'EOF' > f\nit's\nEOF\nrm x", "[cat] [its\n] [rm|x]");
    splits("cat <<-EOF\n\tdon't\n\tEOF\nrm x", "[cat] [dont\n] [rm|x]");
    splits("cat <<A <<B\n'\nA\n\"\nB\nrm x", "[cat] [\n] [\n] [rm|x]");
    splits("cat <<EOF && rm y\nz\nEOF", "[cat] [rm|y] [z]");
    splits("sh <<EOF\nrm x\nEOF", "[sh] [rm|x]");
    splits("cat <<EOF\n$(rm x)\nEOF", "[cat] [rm|x] [$(rm x)]");
    splits("cat <<EOF\nnever ended\nrm x", "[cat] [never|ended] [rm|x]");
    splits("cat <<EOF", "[cat]");
    splits("cat <<\"E F\"\n'\nE F\nrm x", "[cat] [\n] [rm|x]");
    splits("cat <<EOF # '\n'\nEOF\nrm x", "[cat] [\n] [rm|x]");
}

/* ---- limits ------------------------------------------------------------- */

/* `count` times `part`, and whether all of it was read. */
static void repeats(const char *part, size_t count, const char *name,
                    bool complete)
{
    struct arena arena = {0};
    struct shell_commands commands;
    struct buffer script;

    buffer_init(&script, (size_t)64 << 20);
    for (size_t i = 0; i < count; i++)
        buffer_add_string(&script, part);
    commands = shell_split(&arena, script.data);
    tap_int(commands.complete, complete, "%s", name);
    tap_ok(commands.count <= SHELL_COMMANDS_MAX, "within the limit");
    buffer_free(&script);
    arena_free(&arena);
}

static void test_limits(void)
{
    repeats("a;", SHELL_COMMANDS_MAX, "as many commands as may be", true);
    repeats("a;", SHELL_COMMANDS_MAX + 1, "one more", false);
    repeats("a ", SHELL_WORDS_MAX, "as many words as may be", true);
    repeats("a ", SHELL_WORDS_MAX + 1, "one more", false);
    repeats("$(", SHELL_DEPTH_MAX, "as deep as may be", true);
    repeats("$(", SHELL_DEPTH_MAX + 1, "one more", false);
    repeats("\"$(", 500000, "substitutions in each other", false);
    repeats("`", 500001, "an odd number of backticks", true);
    repeats("(", 1000000, "a million groups", true);
    repeats("a", (1 << 20) + 1, "a word that is too long", false);
    repeats("sudo ", 4000, "a wrapper of wrappers", false);
    repeats("cat <<A\n", 100000, "documents in each other", false);
    repeats("sh -c x;", 300000, "many shells", false);
    repeats("$(x)", 300000, "many substitutions", false);
    repeats("\"", 3000001, "quotes", true);
}

/* Each level is read as a substitution and as an argument: twice the work at
 * each, 2^30 in all, were it not for the limit. */
static void test_doubling(void)
{
    struct arena arena = {0};
    struct shell_commands commands;
    struct buffer script;

    buffer_init(&script, 1000);
    for (int i = 0; i < 30; i++)
        buffer_add_string(&script, "sh -c \"$(");
    buffer_add_string(&script, "rm x");
    for (int i = 0; i < 30; i++)
        buffer_add_string(&script, ")\"");
    commands = shell_split(&arena, script.data);
    tap_ok(!commands.complete, "doubling at each level is stopped");
    buffer_free(&script);
    arena_free(&arena);
}

/* ---- patches ------------------------------------------------------------ */

#define PATCH "*** Begin Patch\n*** End Patch\n"

static void is_patch(const char *command, const char *want_directory,
                     const char *want_text)
{
    struct span text = {NULL, 0};
    CLEANUP(mem_free) char *directory = NULL;

    tap_ok(apply_patch_in_command(command, &text, &directory), "a patch: %.*s",
           (int)strcspn(command, "\n"), command);
    tap_string(directory, want_directory, "its directory");
    tap_bytes(text.data, text.length, want_text, strlen(want_text), "its text");
}

static void is_none(const char *command)
{
    struct span text = {NULL, 0};
    CLEANUP(mem_free) char *directory = NULL;

    tap_ok(!apply_patch_in_command(command, &text, &directory),
           "no patch: %.*s", (int)strcspn(command, "\n"), command);
    tap_ok(!directory, "and no directory");
}

static void test_patches(void)
{
    is_patch("apply_patch <<'EOF'\n" PATCH "EOF\n", "",
             "<<'EOF'\n" PATCH "EOF\n");
    is_patch("apply_patch <<EOF\n" PATCH "EOF", "", "<<EOF\n" PATCH "EOF");
    is_patch("apply_patch << \"EOF\"\n" PATCH "EOF\n\n", "",
             "<< \"EOF\"\n" PATCH "EOF\n\n");
    is_patch("\n  apply_patch <<'EOF'\n" PATCH "EOF\n", "",
             "<<'EOF'\n" PATCH "EOF\n");
    is_patch("apply_patch '" PATCH "'", "", PATCH);
    is_patch("apply_patch '" PATCH "' \n", "", PATCH);
    is_patch("cd src && apply_patch <<'EOF'\n" PATCH "EOF\n", "src",
             "<<'EOF'\n" PATCH "EOF\n");
    is_patch("cd 'a b' && apply_patch '" PATCH "'", "a b", PATCH);
    is_patch("cd \"a b\"&&apply_patch '" PATCH "'", "a b", PATCH);
    is_patch("cd /workspace/x && apply_patch '" PATCH "'", "/workspace/x",
             PATCH);
}

static void test_no_patches(void)
{
    is_none("");
    is_none("apply_patch");
    is_none("apply_patch file");
    is_none("apply_patch < file");
    is_none("apply_patch \"" PATCH "\"");
    is_none("apply_patchx '" PATCH "'");
    is_none("echo apply_patch '" PATCH "'");
    is_none("apply_patch '" PATCH "' && rm x");
    is_none("apply_patch '" PATCH "' '" PATCH "'");
    is_none("apply_patch '" PATCH);
    is_none("apply_patch <<'EOF'\n" PATCH "EOF\nrm x");
    is_none("apply_patch <<'EOF'\n" PATCH "EOF && rm x");
    is_none("apply_patch <<'EOF'\n" PATCH);
    is_none("apply_patch <<'EOF' && rm x\n" PATCH "EOF\n");
    is_none("apply_patch <<'EOF'; rm x\n" PATCH "EOF\n");
    is_none("apply_patch <<'EOF' > out\n" PATCH "EOF\n");
    is_none("apply_patch <<EOF");
    is_none("apply_patch <<\n" PATCH "EOF\n");
    is_none("cd src; apply_patch '" PATCH "'");
    is_none("cd src || apply_patch '" PATCH "'");
    is_none("cd && apply_patch '" PATCH "'");
    is_none("cd $HOME && apply_patch '" PATCH "'");
    is_none("cd `rm x` && apply_patch '" PATCH "'");
    is_none("cd a b && apply_patch '" PATCH "'");
    is_none("cd 'a && apply_patch '" PATCH "'");
    is_none("cd a && rm x && apply_patch '" PATCH "'");
    is_none("cdx && apply_patch '" PATCH "'");
    is_none("A=1 apply_patch '" PATCH "'");
    is_none("(apply_patch '" PATCH "')");
}

int main(void)
{
    test_words();
    test_lists();
    test_substitutions();
    test_inner_scripts();
    test_wrappers();
    test_redirections();
    test_here_documents();
    test_limits();
    test_doubling();
    test_patches();
    test_no_patches();
    return tap_done();
}
