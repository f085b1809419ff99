#include "base/glob.h"
#include "base/memory.h"
#include "tests/tap.h"

static void yes(const char *pattern, const char *path)
{
    tap_ok(glob_match(pattern, path), "'%s' matches '%s'", pattern, path);
}

static void no(const char *pattern, const char *path)
{
    tap_ok(!glob_match(pattern, path), "'%s' does not match '%s'", pattern,
           path);
}

static void test_segments(void)
{
    yes("a", "a");
    no("a", "b");
    no("a", "a/b");
    no("b", "a/b");
    no("a", "A");
    yes("*", "a");
    yes("*", ".hidden");
    no("*", "a/b");
    yes("*/*", "a/b");
    yes("*.c", "x.c");
    no("*.c", "dir/x.c");
    no("*.c", "x.cc");
    yes("?", "a");
    no("?", "ab");
    no("a?b", "a/b");
    yes("[a-c]x", "bx");
    no("[!a-c]x", "bx");
    yes("[!a-c]x", "dx");
    yes("a\\*", "a*");
    no("a\\*", "ab");
    yes("src/*/x.c", "src/a/x.c");
    no("src/*/x.c", "src/a/b/x.c");
    no("src/*/x.c", "src/x.c");
    yes("x*y*z", "x1y2z");
    yes("\xC3\xA4*", "\xC3\xA4\xFF");
}

static void test_any_depth(void)
{
    yes("**", "a");
    yes("**", "a/b/c");
    yes("**/x", "x");
    yes("**/x", "a/b/x");
    no("**/x", "a/bx");
    yes("a/**/b", "a/b");
    yes("a/**/b", "a/x/y/b");
    no("a/**/b", "a/x/y/bb");
    yes("a/**", "a/b");
    yes("a/**", "a/b/c");
    no("a/**", "a");
    no("a/**", "ab/c");
    yes("**/a/**", "x/a/y");
    yes("**/a/**", "a/y");
    no("**/a/**", "a");
    yes("**/**/x", "x");
    yes("a**", "abc");
    no("a**", "a/b");
    yes("**/*.test.*", "deep/er/x.test.js");
    yes(".github/**", ".github/workflows/ci.yml");
    no(".github/**", "x/.github/workflows/ci.yml");
}

static void test_below(void)
{
    yes("dir/", "dir/a");
    yes("dir/", "dir/a/b");
    no("dir/", "dir");
    no("dir/", "dirx/a");
    yes("**/dir/", "x/dir/a");
}

static void test_edges(void)
{
    no("", "a");
    yes("", "");
    no("a", "");
    no("[", "a");
    yes("[", "[");
    no("a/b", "a//b");
    yes("***", "a");
    no("/a", "a");
}

static void test_words(void)
{
    tap_ok(glob_match_word("*", "a/b"), "'*' takes a slash in a word");
    tap_ok(glob_match_word("git*", "git/x y"), "and blanks");
    tap_ok(glob_match_word("fix-*", "fix-login.api"), "an id");
    tap_ok(!glob_match_word("fix-*", "Fix-login"), "case counts");
    tap_ok(glob_match_word("*", ""), "'*' takes nothing");
    tap_ok(glob_match_word("*", ".x"), "and a leading dot");
    tap_ok(!glob_match_word("", "a"), "nothing is only nothing");
}

static void test_any(void)
{
    static const char *const patterns[] = {"a", "b/**"};

    tap_ok(glob_match_any(patterns, 2, "b/x"), "the second of two");
    tap_ok(!glob_match_any(patterns, 1, "b/x"), "not among the first");
    tap_ok(!glob_match_any(patterns, 2, "c"), "none of two");
    tap_ok(!glob_match_any(NULL, 0, "a"), "none of none");
}

/* Patterns that make a naive matcher try every combination. They end at
 * once or the test does not end at all. */
static void test_hostile(void)
{
    CLEANUP(mem_free) char *path = mem_alloc(20001);
    CLEANUP(mem_free) char *pattern = mem_alloc(901);

    for (size_t i = 0; i < 20000; i += 2)
        memcpy(path + i, "a/", 2);
    for (size_t i = 0; i < 900; i += 3)
        memcpy(pattern + i, "**/", 3);
    pattern[899] = 'b';
    no(pattern, path);
    memset(path, 'a', 20000);
    tap_ok(!glob_match_word("*a*a*a*a*a*a*a*a*a*a*a*a*b", path),
           "many stars against a long word");
}

int main(void)
{
    test_segments();
    test_any_depth();
    test_below();
    test_edges();
    test_words();
    test_any();
    test_hostile();
    return tap_done();
}
