/* Reading patches for reports, hashes, and what is shown of texts. */
#include "base/memory.h"
#include "base/sha256.h"
#include "reporters/clean.h"
#include "reporters/diff.h"
#include "reporters/figures.h"
#include "reporters/findings.h"
#include "reporters/xml.h"
#include "tests/tap.h"

static struct diff read_text(const char *text)
{
    return diff_read((struct span){text, strlen(text)});
}

static void is_file(const char *text, const char *path, int64_t first,
                    int64_t last, const char *name)
{
    struct diff diff = read_text(text);

    tap_int((int64_t)diff.count, 1, "%s: one file", name);
    if (diff.count) {
        tap_string(diff.files[0].path, path, "%s: its path", name);
        tap_int(diff.files[0].first_line, first, "%s: first line", name);
        tap_int(diff.files[0].last_line, last, "%s: last line", name);
    }
    diff_free(&diff);
}

static void test_places(void)
{
    is_file("diff --git a/x.c b/x.c\n--- a/x.c\n+++ b/x.c\n"
            "@@ -9,4 +9,5 @@ f\n a\n-b\n+c\n+d\n e\n f\n",
            "x.c", 10, 11, "a change");
    is_file("diff --git a/x.c b/x.c\n--- a/x.c\n+++ b/x.c\n@@ -1 +1,0 @@\n-a\n",
            "x.c", 1, 1, "a removed line");
    is_file(
        "diff --git \"a/a b\" \"b/a b\"\nnew file mode 100644\n--- /dev/null\n"
        "+++ \"b/a b\"\n@@ -0,0 +1,2 @@\n+x\n+y\n",
        "a b", 1, 2, "a new file, quoted");
    is_file("diff --git \"a/\\303\\274\\n\\\"\" \"b/\\303\\274\\n\\\"\"\n"
            "--- \"a/x\"\n+++ \"b/\\303\\274\\n\\\"\"\n@@ -1 +1 @@\n-a\n+b\n",
            "\xC3\xBC\n\"", 1, 1, "escapes");
    is_file("diff --git a/a b/b\nsimilarity index 100%\nrename from a\n"
            "rename to b\n",
            "b", 0, 0, "a rename");
    is_file("diff --git a/m b/m\nold mode 100644\nnew mode 100755\n", "m", 0, 0,
            "a mode");
    /* Lines of a hunk look like anything. */
    is_file("diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n"
            "--- a/y\n+++ b/y\n diff --git a/z b/z\n-q\n+r\n",
            "x", 1, 1, "headers in a hunk");
}

static void test_numbers(void)
{
    struct diff diff =
        read_text("diff --git a/x b/x\n--- a/x\n+++ b/x\n"
                  "@@ -1,2 +1,3 @@\n a\n-b\n+c\n+d\n"
                  "\\ No newline at end of file\n"
                  "diff --git a/y b/y\ndeleted file mode 100644\n"
                  "--- a/y\n+++ /dev/null\n@@ -1 +0,0 @@\n-z\n"
                  "diff --git a/i b/i\nindex 1..2\n"
                  "GIT binary patch\nliteral 3\nKcmZ\n\n");

    tap_int((int64_t)diff.count, 3, "three files");
    tap_int(diff.files[0].insertions, 2, "insertions");
    tap_int(diff.files[0].deletions, 1, "deletions");
    tap_ok(diff.files[1].removed && !strcmp(diff.files[1].path, "y"),
           "a removed one keeps its name");
    tap_ok(diff.files[2].binary, "a binary one");
    tap_ok(diff_find(&diff, "y") == &diff.files[1], "found by name");
    tap_ok(!diff_find(&diff, "none"), "or not");
    diff_free(&diff);
}

static void test_hostile(void)
{
    static const char *const texts[] = {
        "",
        "\n",
        "diff --git ",
        "diff --git a",
        "diff --git \"",
        "@@ -1 +1 @@\n+x",
        "diff --git a/x b/x\n@@ -99999999999999999999,1 +99999999999999999999 "
        "@@\n+\n",
        "diff --git a/x b/x\n@@ -1,9223372036854775807 +1,1 @@\n-\n-\n",
        "diff --git a/x b/x\n+++ \"b/\\",
        "diff --git a/x b/x\n@@ ",
        "+++ b/x\n"};

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        struct diff diff = read_text(texts[i]);

        tap_ok(diff.count <= 1, "text %zu is read", i);
        diff_free(&diff);
    }
}

static void test_sha256(void)
{
    static const struct {
        const char *text;
        const char *hash;
    } known[] = {
        /* FIPS 180-4's examples and the empty text */
        {"",
         "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc",
         "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"}};
    char hash[65];

    for (size_t i = 0; i < ARRAY_LENGTH(known); i++) {
        sha256_hex((struct span){known[i].text, strlen(known[i].text)}, 64,
                   hash);
        tap_string(hash, known[i].hash, "SHA-256 of '%s'", known[i].text);
    }
    {
        CLEANUP(mem_free) char *million = mem_alloc(1000001);

        memset(million, 'a', 1000000);
        sha256_hex((struct span){million, 1000000}, 64, hash);
        tap_string(
            hash,
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc711"
            "2cd0",
            "of a million");
    }
}

static void test_texts(void)
{
    static const struct {
        const char *text;
        const char *line;
    } known[] = {
        {"a\nb\tc\r\nd", "a b c  d"},
        {"::error::x", ": :error::x"},
        {"a\n::x", "a : :x"},
        {"##[x] ##VSO[y]", "# #[x] # #VSO[y]"},
        {"#\x1b[1m#[x]", "# #[x]"},
        {"section_start:1", "s ection_start:1"},
        {"[[ATTACHMENT|x", "[ [ATTACHMENT|x"},
        {"\xE2\x80\xAEx", "<U+202E>x"},
        {"0123456789abcdef", "0123456789..."},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(known); i++) {
        size_t most =
            strlen(known[i].text) == 16 && i + 1 == ARRAY_LENGTH(known) ? 10
                                                                        : 100;
        CLEANUP(mem_free) char *line = clean_line(known[i].text, most);
        CLEANUP(mem_free) char *again = clean_line(line, most + 3);

        tap_string(line, known[i].line, "line %zu", i);
        tap_string(again, line, "line %zu stays as it is", i);
    }
}

static void test_places_of_others(void)
{
    static const char *const refused[] = {"/etc/passwd", "../x", "a/../b", "..",
                                          "a\nb"};
    CLEANUP(mem_free) char *uri = clean_uri("a b/\xC3\xBC#?%.c");

    for (size_t i = 0; i < ARRAY_LENGTH(refused); i++)
        tap_string(finding_path(refused[i]), "", "no path: %zu", i);
    tap_string(finding_path("./a/b"), "a/b", "a path");
    tap_string(finding_path("a..b/.c"), "a..b/.c", "dots in names");
    tap_string(uri, "a%20b/%C3%BC%23%3F%25.c", "as a URI");
}

static void test_figures(void)
{
    static const struct {
        int64_t microusd;
        const char *text;
    } costs[] = {{-1, "?"},          {0, "$0.00"},        {50, "$0.0001"},
                 {12345, "$0.0123"}, {99999, "$0.1000"},  {100000, "$0.10"},
                 {1995000, "$2.00"}, {12340000, "$12.34"}};
    char text[FIGURE_BYTES];

    for (size_t i = 0; i < ARRAY_LENGTH(costs); i++) {
        figure_cost(text, sizeof(text), costs[i].microusd);
        tap_string(text, costs[i].text, "cost %zu", i);
    }
}

static void test_attachments(void)
{
    static const struct {
        const char *directory;
        const char *path;
        bool shown;
    } known[] = {{"out", "tasks/a/patch.diff", true},
                 {"/abs", "tasks/a/patch.diff", false},
                 {"out", "/etc/passwd", false},
                 {"out", "../x", false},
                 {"out", "a]]b", false},
                 {"out", "a\nb", false},
                 {"o|t", "a", false}};

    for (size_t i = 0; i < ARRAY_LENGTH(known); i++) {
        CLEANUP(buffer_free) struct buffer out = {0};
        struct xml xml;

        buffer_init(&out, 4096);
        xml = xml_to(&out);
        xml_start(&xml, "x");
        xml_text(&xml, "t", 1);
        xml_attachment(&xml, known[i].directory, known[i].path);
        xml_end(&xml);
        tap_ok(!!strstr(out.data, "\n[[ATTACHMENT|out/tasks/a/patch.diff]]") ==
                   known[i].shown,
               "attachment %zu", i);
    }
}

int main(void)
{
    test_places();
    test_numbers();
    test_hostile();
    test_sha256();
    test_texts();
    test_places_of_others();
    test_figures();
    test_attachments();
    return tap_done();
}
