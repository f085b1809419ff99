#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/memory.h"
#include "runner/tools/patch_apply.h"
#include "runner/tools/patch_match.h"
#include "runner/tools/patch_path.h"
#include "tests/tap.h"

#define SCENARIOS "tests/data/apply-patch/scenarios"

/* ---- a workspace ------------------------------------------------------- */

static char top[256]; /* the test's directory: workspace, outside */
static int top_fd = -1;
static int root = -1;
static struct error last; /* of the last apply */
static char *summary;

/* An empty workspace beside a directory "outside" with one file. */
static void fresh(void)
{
    struct error err;

    fd_reset(&root);
    file_remove_tree(top_fd, "work", &err);
    file_remove_tree(top_fd, "outside", &err);
    if (mkdirat(top_fd, "work", 0755) || mkdirat(top_fd, "outside", 0755))
        exit(2);
    root = openat(top_fd, "work", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0 ||
        file_replace(top_fd, "outside/secret", SPAN("secret\n"), &err))
        exit(2);
}

static void put_bytes(const char *path, const void *data, size_t length)
{
    struct error err = {0};
    CLEANUP(mem_free) char *parent = mem_string(path);
    char *slash = strrchr(parent, '/');

    if (slash) {
        *slash = '\0';
        file_make_directories(root, parent, &err);
    }
    if (file_replace(root, path, (struct span){data, length}, &err)) {
        tap_note("%s", err.text);
        exit(2);
    }
}

static void put(const char *path, const char *text)
{
    put_bytes(path, text, strlen(text));
}

/* A file's bytes; NULL if it is not there. */
static char *get_bytes(const char *path, size_t *length)
{
    struct error err;
    struct buffer content;

    buffer_init(&content, (size_t)1 << 28);
    if (file_read(root, path, &content, &err)) {
        buffer_free(&content);
        return NULL;
    }
    *length = content.length;
    return buffer_steal(&content);
}

static bool exists(const char *path)
{
    struct stat info;

    return !fstatat(root, path, &info, AT_SYMLINK_NOFOLLOW);
}

static void is_file(const char *path, const char *want, const char *name)
{
    size_t length = 0;
    CLEANUP(mem_free) char *got = get_bytes(path, &length);

    if (!want)
        tap_ok(!exists(path), "%s: %s is not there", name, path);
    else if (!got)
        tap_ok(false, "%s: %s is there", name, path);
    else
        tap_bytes(got, length, want, strlen(want), "%s: %s", name, path);
}

/* Names that a writer left behind, anywhere in the workspace. */
static int leftovers;

static int count_leftover(const char *path, const struct stat *info, int type,
                          struct FTW *position)
{
    (void)info;
    (void)type;
    leftovers += !strncmp(path + position->base, ".patch-", 7);
    return 0;
}

static void nothing_left(const char *name)
{
    CLEANUP(mem_free) char *path = mem_format("%s/work", top);

    leftovers = 0;
    nftw(path, count_leftover, 16, FTW_PHYS);
    tap_int(leftovers, 0, "%s: no temporary file is left", name);
}

static int apply_bytes(const char *directory, const void *data, size_t length)
{
    struct patch patch;
    struct buffer out;
    int failed;

    mem_free(&summary);
    last = (struct error){0};
    if (patch_parse((struct span){data, length}, &patch, &last))
        return -1;
    buffer_init(&out, 1 << 16);
    failed = patch_apply(root, directory, &patch, &out, &last);
    summary = buffer_steal(&out);
    patch_free(&patch);
    return failed;
}

/* Applies a body between the two markers. */
static int apply_in(const char *directory, const char *body)
{
    CLEANUP(mem_free)
    char *text = mem_format("*** Begin Patch\n%s*** End Patch\n", body);

    return apply_bytes(directory, text, strlen(text));
}

static int apply_body(const char *body)
{
    return apply_in(".", body);
}

/* ---- one file before and after ----------------------------------------- */

static const struct {
    const char *name;
    const char *before; /* of f; NULL: not there */
    const char *body;
    const char *after; /* NULL: the patch fails and f stays as it is */
    const char *error; /* a part of it */
} updates[] = {
    /* The table of what was measured. */
    {"a plain update", "a\nb\nc\n", "*** Update File: f\n@@\n a\n-b\n+B\n c\n",
     "a\nB\nc\n", NULL},
    {"add a file", NULL, "*** Add File: f\n+one\n+\n+two\n", "one\n\ntwo\n",
     NULL},
    {"add without lines", NULL, "*** Add File: f\n", "", NULL},
    {"add over a file", "old\n", "*** Add File: f\n+new\n", "new\n", NULL},
    {"blank line in an added file", NULL, "*** Add File: f\n+one\n\n+two\n",
     NULL, "starts with '+'"},
    {"blank line in a chunk is empty context", "a\n\nb\n",
     "*** Update File: f\n@@\n a\n\n-b\n+B\n", "a\n\nB\n", NULL},
    {"update without chunks", "a\n", "*** Update File: f\n", NULL, "is empty"},
    {"move without chunks", "a\n", "*** Update File: f\n*** Move to: g\n", NULL,
     "is empty"},
    {"the first chunk without @@", "a\nb\n", "*** Update File: f\n a\n-b\n+B\n",
     "a\nB\n", NULL},
    {"a second chunk without @@", "a\nb\n",
     "*** Update File: f\n-a\n+A\n*** End of File\n-b\n+B\n", NULL,
     "a section or '@@'"},
    {"@@ text moves the position", "x\nv\ny\nv\n",
     "*** Update File: f\n@@ y\n-v\n+V\n", "x\nv\ny\nV\n", NULL},
    {"@@ text is matched without its blanks", "x\nv\n  y  \nv\n",
     "*** Update File: f\n@@ y\n-v\n+V\n", "x\nv\n  y  \nV\n", NULL},
    {"@@ text is a whole line", "x\ndef f(a):\nv\n",
     "*** Update File: f\n@@ def f\n-v\n+V\n", NULL, "context of '@@'"},
    {"two stacked @@ lines", "class A\n f\n  v\nclass B\n f\n  v\n",
     "*** Update File: f\n@@ class B\n@@  f\n-  v\n+  V\n",
     "class A\n f\n  v\nclass B\n f\n  V\n", NULL},
    {"stacked @@ in the wrong order", "a\nb\nc\n",
     "*** Update File: f\n@@ b\n@@ a\n-c\n+C\n", NULL, "stand at line 1"},
    {"a unified header is a bare @@", "a\nb\n",
     "*** Update File: f\n@@ -1,2 +1,2 @@\n a\n-b\n+B\n", "a\nB\n", NULL},
    {"a unified header with a function", "a\nb\n",
     "*** Update File: f\n@@ -1 +1,2 @@ int main(void)\n a\n-b\n+B\n", "a\nB\n",
     NULL},
    {"chunks out of order", "a\nb\nc\n",
     "*** Update File: f\n@@\n-c\n+C\n@@\n-a\n+A\n", NULL,
     "they stand at line 1, but the search began at line 4"},
    {"a context line used twice", "a\nb\nc\n",
     "*** Update File: f\n@@\n-a\n+A\n b\n@@\n b\n-c\n+C\n", NULL,
     "they stand at line 2, but the search began at line 3"},
    {"the first of equal places", "v\nx\nv\n",
     "*** Update File: f\n@@\n-v\n+V\n", "V\nx\nv\n", NULL},
    {"the next of equal places", "v\nx\nv\nv\n",
     "*** Update File: f\n@@\n-v\n+1\n@@\n-v\n+2\n", "1\nx\n2\nv\n", NULL},
    {"end of file picks the tail", "v\nx\nv\n",
     "*** Update File: f\n@@\n-v\n+V\n*** End of File\n", "v\nx\nV\n", NULL},
    {"end of file has no other place", "v\nx\n",
     "*** Update File: f\n@@\n-v\n+V\n*** End of File\n", NULL,
     "they stand at line 1, but not at the end"},
    {"only additions go to the end", "a\nb\n",
     "*** Update File: f\n@@\n+c\n+d\n", "a\nb\nc\nd\n", NULL},
    {"only additions behind their context", "a\nb\nc\n",
     "*** Update File: f\n@@ a\n+x\n+y\n", "a\nx\ny\nb\nc\n", NULL},
    {"additions at the end of file despite context", "a\nb\n",
     "*** Update File: f\n@@ a\n+x\n*** End of File\n", "a\nb\nx\n", NULL},
    {"additions for the end before other chunks", "a\nb\n",
     "*** Update File: f\n@@\n+z\n@@\n-a\n+A\n@@ b\n+c\n", "A\nb\nc\nz\n",
     NULL},
    {"additions to an empty file", "", "*** Update File: f\n@@\n+a\n", "a\n",
     NULL},
    {"additions with an empty line behind them", "a\n\nb\n",
     "*** Update File: f\n@@\n+c\n\n", "a\n\nb\nc\n", NULL},
    {"a file without last newline gets one", "a\nb",
     "*** Update File: f\n@@\n-a\n+A\n", "A\nb\n", NULL},
    {"its last line is replaced", "a\nb",
     "*** Update File: f\n@@\n a\n-b\n+B\n", "a\nB\n", NULL},
    {"lines only removed", "a\nb\nc\n", "*** Update File: f\n@@\n a\n-b\n c\n",
     "a\nc\n", NULL},
    {"all lines removed", "a\n", "*** Update File: f\n@@\n-a\n", "", NULL},
    {"only context changes nothing", "a\nb\n",
     "*** Update File: f\n@@\n a\n b\n", "a\nb\n", NULL},
    {"a block longer than the file", "a\n",
     "*** Update File: f\n@@\n a\n-b\n+c\n", NULL, "the file has only 1 line;"},
    {"a block that goes beyond the end", "a\nb\n",
     "*** Update File: f\n@@\n a\n b\n-c\n+d\n", NULL,
     "closest place is line 1, but the file ends at line 2"},
    {"two updates of one file", "a\nb\n",
     "*** Update File: f\n-a\n+A\n*** Update File: f\n A\n-b\n+B\n", "A\nB\n",
     NULL},
    {"delete, then add", "a\n", "*** Delete File: f\n*** Add File: f\n+b\n",
     "b\n", NULL},
    {"add, then update", NULL,
     "*** Add File: f\n+a\n*** Update File: f\n-a\n"
     "+b\n",
     "b\n", NULL},
    {"delete, then update", "a\n",
     "*** Delete File: f\n*** Update File: f\n-a\n+b\n", NULL, "no such file"},
    {"delete twice", "a\n", "*** Delete File: f\n*** Delete File: f\n", NULL,
     "no such file"},
    {"move to the same path keeps the file", "a\n",
     "*** Update File: f\n*** Move to: ./f\n-a\n+b\n", "b\n", NULL},
    {"update of what is not there", NULL, "*** Update File: f\n-a\n+b\n", NULL,
     "failed to read file to update 'f'"},

    /* White space and typography. */
    {"blanks at the end of a line", "a  \nb\n",
     "*** Update File: f\n a\n-b\n+B\n", "a  \nB\n", NULL},
    {"context keeps its bytes", "\ta \nb\n", "*** Update File: f\n a\n-b\n+B\n",
     "\ta \nB\n", NULL},
    {"typographic characters",
     "say \xE2\x80\x9Chi\xE2\x80\x9D \xE2\x80\x94 "
     "it\xE2\x80\x99s\xC2\xA0it\nb\n",
     "*** Update File: f\n say \"hi\" - it's it\n-b\n+B\n",
     "say \xE2\x80\x9Chi\xE2\x80\x9D \xE2\x80\x94 it\xE2\x80\x99s\xC2\xA0it\n"
     "B\n",
     NULL},
    {"an ellipsis is not three dots", "a\xE2\x80\xA6\n",
     "*** Update File: f\n-a...\n+b\n", NULL, "failed to find"},
    {"an exact match further down wins", "  v\nv\n",
     "*** Update File: f\n-v\n+V\n", "  v\nV\n", NULL},
    {"an empty line too much at the end", "a\nb\n",
     "*** Update File: f\n-b\n+B\n\n", "a\nB\n", NULL},
    {"an empty line replaced though not there", "a\n",
     "*** Update File: f\n-a\n-\n+b\n+\n", "b\n", NULL},
    {"only an empty line that is not there", "a\n",
     "*** Update File: f\n-\n+b\n", NULL, "failed to find"},

    /* Indentation. */
    {"added lines get the file's indentation",
     "def f():\n        if x:\n            y()\n",
     "*** Update File: f\n if x:\n-    y()\n+    z()\n+    if w:\n+        v()"
     "\n+\n",
     "def f():\n        if x:\n            z()\n            if w:\n"
     "                v()\n\n",
     NULL},
    {"the patch is indented deeper", "a:\n  b\n",
     "*** Update File: f\n     a:\n-      b\n+      c\n+        d\n",
     "a:\n  c\n    d\n", NULL},
    {"tabs in front", "\tif x:\n\t\ty\n",
     "*** Update File: f\n if x:\n-\ty\n+\tz\n", "\tif x:\n\t\tz\n", NULL},
    {"different differences: as it stands", "  a\n   b\n",
     "*** Update File: f\n a\n-b\n+c\n", "  a\nc\n", NULL},
    {"an added line without the common part: as it stands", "a\nb\n",
     "*** Update File: f\n   a\n-  b\n+ c\n", "a\n c\n", NULL},
    {"an exact match shifts nothing", "  a\n b\n",
     "*** Update File: f\n   a\n- b\n+c\n", "  a\nc\n", NULL},

    /* Line ends, marks. */
    {"CR LF stays", "a\r\nb\r\nc\r\n",
     "*** Update File: f\n a\n-b\n+B\n+x\n c\n", "a\r\nB\r\nx\r\nc\r\n", NULL},
    {"a mixed file stays mixed", "a\r\nb\nc\r\nd\n",
     "*** Update File: f\n-a\n-b\n-c\n+A\n+B\n+C\n", "A\r\nB\nC\r\nd\n", NULL},
    {"an insertion ends as the line before", "a\nb\r\nc\n",
     "*** Update File: f\n a\n b\n+x\n c\n", "a\nb\r\nx\r\nc\n", NULL},
    {"an insertion before all ends as the first", "a\r\nb\n",
     "*** Update File: f\n+x\n a\n", "x\r\na\r\nb\n", NULL},
    {"more lines than were removed", "a\r\nb\n",
     "*** Update File: f\n-a\n+1\n+2\n", "1\r\n2\r\nb\n", NULL},
    {"CR LF without last newline", "a\r\nb", "*** Update File: f\n a\n-b\n+B\n",
     "a\r\nB\r\n", NULL},
    {"additions to the end of a CR LF file", "a\r\nb",
     "*** Update File: f\n@@\n+c\n", "a\r\nb\r\nc\r\n", NULL},
    {"a byte order mark stays", "\xEF\xBB\xBFone\ntwo\n",
     "*** Update File: f\n-one\n+1\n two\n",
     "\xEF\xBB\xBF"
     "1\ntwo\n",
     NULL},
    {"a byte order mark that the patch has too", "\xEF\xBB\xBFone\ntwo\n",
     "*** Update File: f\n-\xEF\xBB\xBFone\n+\xEF\xBB\xBF"
     "1\n",
     "\xEF\xBB\xBF"
     "1\ntwo\n",
     NULL},
    {"bytes that are no UTF-8", "a\xFF\n\x80\xC3\nc\n",
     "*** Update File: f\n a\xFF\n-\x80\xC3\n+b\xFE\n", "a\xFF\nb\xFE\nc\n",
     NULL},
    {"such bytes are not folded into each other", "a\xFF\n",
     "*** Update File: f\n-a\xFE\n+b\n", NULL, "failed to find"},

    /* What the model is told. */
    {"the closest line: white space", "int  x;\ny\n",
     "*** Update File: f\n-int x;\n+int z;\n", NULL,
     "closest place is line 1, where line 1 of the file is\nint  x;\nand the "
     "patch has\nint x;\n(they differ in the white space inside the line)"},
    {"the closest line: case", "a\nFoo bar\n",
     "*** Update File: f\n-foo bar\n+x\n", NULL,
     "line 2 of the file is\nFoo bar\nand the patch has\nfoo bar\n(they differ "
     "in upper and lower case)"},
    {"the closest block", "one\ntwo 2\nthree\none\n",
     "*** Update File: f\n one\n-two\n+x\n three\n", NULL,
     "closest place is line 1, where line 2 of the file is\ntwo 2\nand the "
     "patch has\ntwo\n(they differ)"},
    {"the lines are quoted", "a\n",
     "*** Update File: f\n quite\n-different\n+x\n", NULL,
     "'f': line 3 of the patch: failed to find the expected lines in the file"},
    {"an @@ text that is a part of a line", "a\ndef run(self):\nv\n",
     "*** Update File: f\n@@ def run\n-v\n+V\n", NULL,
     "line 2 of the file is\ndef run(self):"},
    {"nothing alike", "zzz\n", "*** Update File: f\n-abc\n+x\n", NULL,
     "in the file; looked for\nabc"},

    /* Sections. */
    {"empty lines between sections", "a\n",
     "\n*** Delete File: f\n\n*** Add File: f\n+b\n", "b\n", NULL},
    {"blanks around headers", "a\n", "  *** Update File:   f  \n@@  \n-a\n+b\n",
     "b\n", NULL},
    {"an unknown header", "a\n", "*** Frobnicate File: f\n", NULL,
     "expected '*** Add File: PATH'"},
    {"a header without a path", "a\n", "*** Delete File: \n", NULL,
     "path is missing"},
    {"a line of a chunk without its sign", "a\n", "*** Update File: f\n-a\nb\n",
     NULL, "line 4: a line of a chunk starts with ' '"},
    {"a chunk of one @@ alone", "a\n", "*** Update File: f\n@@ a\n", NULL,
     "chunk is empty"},
    {"content that looks like a header", "*** Add File: x\n",
     "*** Update File: f\n-*** Add File: x\n+*** End Patch\n",
     "*** End Patch\n", NULL},
    {"context that looks like a header", "*** Add File: x\nb\n",
     "*** Update File: f\n *** Add File: x\n-b\n+c\n", "*** Add File: x\nc\n",
     NULL},
};

static void test_updates(void)
{
    for (size_t i = 0; i < ARRAY_LENGTH(updates); i++) {
        const char *name = updates[i].name;
        int failed;

        fresh();
        if (updates[i].before)
            put("f", updates[i].before);
        failed = apply_body(updates[i].body);
        tap_int(failed, updates[i].after ? 0 : -1, "%s", name);
        if (failed && updates[i].after)
            tap_note("%s", last.text);
        is_file("f", updates[i].after ? updates[i].after : updates[i].before,
                name);
        if (updates[i].error)
            tap_contains(last.text, updates[i].error, "%s: the text", name);
        tap_ok(!strstr(last.text, top), "%s: no host path in it", name);
        nothing_left(name);
    }
}

/* ---- around the patch -------------------------------------------------- */

#define CHANGE "*** Update File: f\n@@\n-a\n+b\n"

static const struct {
    const char *name;
    const char *text;
    const char *error; /* NULL: it is accepted */
} wrappings[] = {
    {"plain", "*** Begin Patch\n" CHANGE "*** End Patch", NULL},
    {"blanks around the markers",
     "\n  *** Begin Patch \n" CHANGE " *** End Patch  \n\n", NULL},
    {"a here-document",
     "<<'EOF'\n*** Begin Patch\n" CHANGE "*** End Patch\nEOF\n", NULL},
    {"one without quotes",
     "<<EOF\n*** Begin Patch\n" CHANGE "*** End Patch\nEOF", NULL},
    {"one with double quotes",
     "<<\"PATCH\"\n*** Begin Patch\n" CHANGE "*** End Patch\nPATCH\n", NULL},
    {"one that does not end",
     "<<'EOF'\n*** Begin Patch\n" CHANGE "*** End Patch\n", "first line"},
    {"CR LF",
     "*** Begin Patch\r\n*** Update File: f\r\n@@\r\n-a\r\n+b\r\n"
     "*** End Patch\r\n",
     NULL},
    {"an environment",
     "*** Begin Patch\n*** Environment ID: local\n" CHANGE "*** End Patch\n",
     NULL},
    {"no first marker", CHANGE "*** End Patch\n",
     "line 1: the first line of a patch is '*** Begin Patch'; got '*** Update"},
    {"no last marker", "*** Begin Patch\n" CHANGE,
     "line 5: the last line of a patch is '*** End Patch'; got '+b'"},
    {"text behind the patch",
     "*** Begin Patch\n" CHANGE "*** End Patch\nDone!\n",
     "the last line of a patch"},
    {"text before the patch",
     "Here:\n*** Begin Patch\n" CHANGE "*** End Patch\n", "got 'Here:'"},
    {"JSON around it", "{\"input\":\"*** Begin Patch\\n*** End Patch\"}",
     "wrapped in JSON"},
    {"a JSON string", "\"*** Begin Patch\\n*** End Patch\"", "wrapped in JSON"},
    {"a code fence", "```\n*** Begin Patch\n*** End Patch\n```",
     "wrapped in a code fence"},
    {"nothing", "", "it is empty"},
    {"blanks only", " \n \n", "it is empty"},
    {"one marker", "*** Begin Patch", "the last line"},
    {"no section", "*** Begin Patch\n*** End Patch\n",
     "no files were modified"},
};

static void test_wrappings(void)
{
    for (size_t i = 0; i < ARRAY_LENGTH(wrappings); i++) {
        const char *error = wrappings[i].error;

        fresh();
        put("f", "a\n");
        tap_int(apply_bytes(".", wrappings[i].text, strlen(wrappings[i].text)),
                error ? -1 : 0, "around: %s", wrappings[i].name);
        is_file("f", error ? "a\n" : "b\n", wrappings[i].name);
        if (error)
            tap_contains(last.text, error, "around: %s: the text",
                         wrappings[i].name);
    }
}

/* A patch cut at any byte is refused whole, or is whole. */
static void test_truncation(void)
{
    static const char text[] = "*** Begin Patch\n*** Update File: f\n@@ a\n"
                               "-b\n+c\n*** Add File: g\n+x\n*** End Patch\n";
    bool untouched = true;

    fresh();
    put("f", "a\nb\n");
    for (size_t length = 0; length < sizeof(text) - 2; length++) {
        size_t size = 0;
        CLEANUP(mem_free) char *got = NULL;

        untouched &= apply_bytes(".", text, length) == -1 && *last.text;
        got = get_bytes("f", &size);
        untouched &= got && !strcmp(got, "a\nb\n") && !exists("g");
    }
    tap_ok(untouched, "each truncated patch is refused and changes nothing");
    tap_int(apply_bytes(".", text, sizeof(text) - 2), 0, "the whole is not");
}

/* ---- scenarios --------------------------------------------------------- */

/* Both trees as text: one line for each entry, with the content of files. */
static void describe(int dirfd, const char *prefix, struct buffer *out)
{
    struct dirent **entries = NULL;
    int count = scandirat(dirfd, ".", &entries, NULL, alphasort);

    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        CLEANUP(mem_free) char *path = mem_format("%s%s", prefix, name);
        CLEANUP(fd_close) int fd = -1;
        struct error err;
        struct stat info;

        if (strcmp(name, ".") && strcmp(name, "..") &&
            !fstatat(dirfd, name, &info, AT_SYMLINK_NOFOLLOW)) {
            if (S_ISDIR(info.st_mode)) {
                CLEANUP(mem_free) char *inner = mem_format("%s/", path);

                fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                describe(fd, inner, out);
            } else {
                buffer_addf(out, "%s:\n", path);
                file_read(dirfd, name, out, &err);
            }
        }
        free(entries[i]);
    }
    free(entries);
}

static void copy_tree(int from, const char *prefix)
{
    struct dirent **entries = NULL;
    int count = scandirat(from, ".", &entries, NULL, alphasort);

    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        CLEANUP(mem_free) char *path = mem_format("%s%s", prefix, name);
        CLEANUP(mem_free) char *inner = mem_format("%s/", path);
        CLEANUP(fd_close) int fd = -1;
        struct buffer content;
        struct error err;

        buffer_init(&content, 1 << 20);
        if (strcmp(name, ".") && strcmp(name, "..")) {
            fd = openat(from, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            if (fd >= 0)
                copy_tree(fd, inner);
            else if (!file_read(from, name, &content, &err))
                put_bytes(path, content.data, content.length);
        }
        buffer_free(&content);
        free(entries[i]);
    }
    free(entries);
}

static void run_scenario(int scenario, const char *name)
{
    CLEANUP(fd_close)
    int input = openat(scenario, "input", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLEANUP(fd_close)
    int expected =
        openat(scenario, "expected", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLEANUP(buffer_free) struct buffer text;
    CLEANUP(buffer_free) struct buffer got;
    CLEANUP(buffer_free) struct buffer want;
    struct error err;

    buffer_init(&text, 1 << 20);
    buffer_init(&got, 1 << 20);
    buffer_init(&want, 1 << 20);
    fresh();
    if (input >= 0)
        copy_tree(input, "");
    if (file_read(scenario, "patch.txt", &text, &err)) {
        tap_ok(false, "%s: %s", name, err.text);
        return;
    }
    apply_bytes(".", text.data, text.length);
    describe(root, "", &got);
    describe(expected, "", &want);
    tap_string(got.data, want.data, "scenario %s", name);
}

static void test_scenarios(void)
{
    struct dirent **entries = NULL;
    int count = scandir(SCENARIOS, &entries, NULL, alphasort);
    int run = 0;

    for (int i = 0; i < count; i++) {
        CLEANUP(mem_free)
        char *path = mem_format(SCENARIOS "/%s", entries[i]->d_name);
        CLEANUP(fd_close)
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (entries[i]->d_name[0] != '.' && fd >= 0) {
            run_scenario(fd, entries[i]->d_name);
            run++;
        }
        free(entries[i]);
    }
    free(entries);
    tap_ok(run >= 11, "all scenarios are there");
}

/* ---- several files ----------------------------------------------------- */

static void test_summary(void)
{
    fresh();
    put("gone", "x\n");
    put("changed", "a\n");
    put("old", "a\n");
    tap_int(apply_body("*** Delete File: gone\n*** Update File: changed\n"
                       "-a\n+b\n*** Update File: old\n*** Move to: dir/new\n"
                       "-a\n+b\n*** Add File: deep/er/added\n+x\n"),
            0, "a patch of every kind");
    tap_string(summary,
               "Success. Updated the following files:\nA deep/er/added\n"
               "M changed\nM dir/new\nD gone\n",
               "the summary");
    is_file("dir/new", "b\n", "moved");
    is_file("old", NULL, "moved");
    is_file("gone", NULL, "deleted");
    is_file("deep/er/added", "x\n", "added with its directories");
    nothing_left("a patch of every kind");
}

static void test_last_fails(void)
{
    fresh();
    put("a", "a\n");
    put("b", "b\n");
    put("c", "c\n");
    tap_int(apply_body("*** Update File: a\n-a\n+A\n*** Delete File: b\n"
                       "*** Add File: new/x\n+x\n*** Update File: c\n"
                       "-nowhere\n+x\n"),
            -1, "the last of four operations fails");
    is_file("a", "a\n", "nothing changed");
    is_file("b", "b\n", "nothing changed");
    is_file("c", "c\n", "nothing changed");
    tap_ok(!exists("new"), "no directory was made");
    tap_contains(last.text, "'c': line", "the file is named");
}

/* The same when writing fails: a file grows over the limit of the process. */
static void test_write_fails(void)
{
    struct rlimit before;
    struct rlimit small = {0, 0};
    struct buffer body;

    fresh();
    put("a", "a\n");
    put("b", "b\n");
    chmod(top, 0755);
    buffer_init(&body, 1 << 20);
    buffer_add_string(&body, "*** Update File: a\n-a\n+A\n"
                             "*** Delete File: b\n*** Add File: n/m/x\n+x\n"
                             "*** Add File: n/large\n");
    for (int i = 0; i < 5000; i++)
        buffer_add_string(&body, "+0123456789\n");
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    small.rlim_cur = 4096;
    small.rlim_max = before.rlim_max;
    fflush(stdout);
    setrlimit(RLIMIT_FSIZE, &small);
    int failed = apply_body(body.data);
    setrlimit(RLIMIT_FSIZE, &before);
    buffer_free(&body);
    tap_int(failed, -1, "a write fails");
    tap_contains(last.text,
                 "failed to write file 'n/large': write: ", "the text");
    is_file("a", "a\n", "after a failed write");
    is_file("b", "b\n", "after a failed write");
    tap_ok(!exists("n"), "after a failed write: no directory is left");
    nothing_left("after a failed write");
}

/* And when the last step fails, after others were already in place: a file
 * and a directory of the same name. */
static void test_rename_fails(void)
{
    fresh();
    put("a", "a\n");
    put("b", "b\n");
    tap_int(apply_body("*** Update File: a\n-a\n+A\n*** Delete File: b\n"
                       "*** Add File: c\n+c\n*** Add File: x\n+x\n"
                       "*** Add File: x/y\n+y\n"),
            -1, "a rename fails");
    tap_contains(last.text, "failed to write file 'x'", "the text");
    is_file("a", "a\n", "after a failed rename");
    is_file("b", "b\n", "after a failed rename");
    is_file("c", NULL, "after a failed rename");
    tap_ok(!exists("x"), "after a failed rename: no directory is left");
    nothing_left("after a failed rename");
}

static void test_sequences(void)
{
    fresh();
    put("a", "1\n");
    put("b", "2\n");
    tap_int(apply_body("*** Update File: a\n*** Move to: b\n-1\n+one\n"
                       "*** Update File: b\n-one\n+two\n"
                       "*** Add File: a\n+again\n"),
            0, "move over a file, update it, add the old name");
    is_file("a", "again\n", "a sequence");
    is_file("b", "two\n", "a sequence");
    fresh();
    put("dir", "a file\n");
    tap_int(apply_body("*** Delete File: dir\n*** Add File: dir/x\n+x\n"), 0,
            "a file gives way to a directory");
    is_file("dir/x", "x\n", "a file gives way to a directory");
    nothing_left("a file gives way to a directory");
    fresh();
    tap_int(apply_body("*** Add File: x\n+x\n*** Delete File: x\n"), 0,
            "add, then delete");
    tap_ok(!exists("x"), "add, then delete: nothing is there");
    fresh();
    put("f", "a\n");
    tap_int(apply_body("*** Update File: f\n*** Move to: g\n-a\n+b\n"
                       "*** Update File: g\n*** Move to: f\n-b\n+c\n"),
            0, "there and back");
    is_file("f", "c\n", "there and back");
    is_file("g", NULL, "there and back");
}

static void test_directories(void)
{
    fresh();
    put("dir/f", "a\n");
    put("f", "a\n");
    tap_int(apply_body("*** Delete File: dir\n"), -1, "delete a directory");
    tap_contains(last.text, "failed to delete file 'dir': it is a directory",
                 "the text");
    tap_int(apply_body("*** Delete File: none\n"), -1, "delete what is not");
    tap_contains(last.text, "failed to delete file 'none': no such file",
                 "the text");
    tap_int(apply_body("*** Add File: dir\n+x\n"), -1, "add over a directory");
    tap_contains(last.text, "is a directory", "the text");
    tap_int(apply_body("*** Update File: f\n*** Move to: dir\n-a\n+b\n"), -1,
            "move onto a directory");
    tap_contains(last.text, "is a directory", "the text");
    tap_int(apply_body("*** Update File: dir\n-a\n+b\n"), -1,
            "update a directory");
    tap_int(apply_body("*** Add File: f/x\n+b\n"), -1, "add below a file");
    tap_contains(last.text, "not a directory", "the text");
    is_file("dir/f", "a\n", "directories");
    is_file("f", "a\n", "directories");
    mkfifoat(root, "fifo", 0600);
    tap_int(apply_body("*** Update File: fifo\n-a\n+b\n"), -1,
            "a FIFO is not waited for");
    tap_contains(last.text, "no regular file", "the text");
}

/* ---- places ------------------------------------------------------------ */

static void test_places(void)
{
    fresh();
    put("sub/dir/f", "a\n");
    tap_int(apply_in("sub", "*** Update File: dir/f\n-a\n+b\n"
                            "*** Add File: ../top\n+x\n"),
            0, "paths from a directory");
    is_file("sub/dir/f", "b\n", "relative to the directory");
    is_file("top", "x\n", "\"..\" within the workspace");
    tap_int(apply_body("*** Update File: /workspace/sub/./dir//f\n-b\n+c\n"), 0,
            "an absolute path under /workspace");
    is_file("sub/dir/f", "c\n", "an absolute path under /workspace");
    tap_int(apply_in("/workspace/sub", "*** Delete File: dir/f\n"), 0,
            "a directory under /workspace");
    is_file("sub/dir/f", NULL, "a directory under /workspace");
}

static void test_escapes(void)
{
    static const char *const paths[] = {
        "../outside/x",   "..",
        "sub/../../x",    "/etc/x",
        "/workspacex/x",  "/workspace/../x",
        "/x/workspace/x", "//etc/x",
        ".git/hooks/x",   ".GIT/config",
        ".Git",           "sub/.git/x",
        "sub/.gIt",       "/workspace/.git/x",
        "out/x",          /* a link to a directory outside */
        "absolute/x",     /* the same, absolute */
        "secret",         /* a link to a file outside */
        "up/outside/x",   /* a link to ".." */
        "chain/x",        /* a link to a link that leaves */
        "dotgit/hooks/x", /* a link to .git */
        "hostabs/x",      /* a link to the real workspace by its host path */
    };
    CLEANUP(mem_free) char *host = mem_format("%s/work/sub", top);

    fresh();
    put("sub/f", "a\n");
    put(".git/config", "c\n");
    symlinkat("../outside", root, "out");
    symlinkat("/etc", root, "absolute");
    symlinkat("../outside/secret", root, "secret");
    symlinkat("..", root, "up");
    symlinkat("out", root, "chain");
    symlinkat(".git", root, "dotgit");
    symlinkat(host, root, "hostabs");
    for (size_t i = 0; i < ARRAY_LENGTH(paths); i++) {
        CLEANUP(mem_free)
        char *add = mem_format("*** Add File: sub/new\n+x\n"
                               "*** Add File: %s\n+x\n",
                               paths[i]);
        CLEANUP(mem_free)
        char *update =
            mem_format("*** Update File: %s\n-secret\n+x\n", paths[i]);
        CLEANUP(mem_free)
        char *move = mem_format("*** Update File: sub/f\n*** Move to: %s\n"
                                "-a\n+x\n",
                                paths[i]);

        tap_int(apply_body(add), -1, "add '%s'", paths[i]);
        tap_contains(last.text, "writing outside of the workspace",
                     "add '%s': the text", paths[i]);
        tap_int(apply_body(update), -1, "update '%s'", paths[i]);
        tap_contains(last.text, "writing outside of the workspace",
                     "update '%s': the text", paths[i]);
        tap_int(apply_body(move), -1, "move to '%s'", paths[i]);
        is_file("sub/f", "a\n", "an escape changes nothing");
        tap_ok(!exists("sub/new"), "nor does the rest of the patch");
    }
    is_file("../outside/secret", "secret\n", "outside");
    is_file("../outside/x", NULL, "outside");
    is_file(".git/config", "c\n", ".git");
    is_file(".git/hooks/x", NULL, ".git");
    tap_int(apply_body("*** Add File: .github/x\n+x\n*** Add File: a.git\n+x\n"
                       "*** Add File: ..x\n+x\n"),
            0, "names that only look alike");
}

static void test_names(void)
{
    CLEANUP(mem_free) char *long_name = mem_alloc(300);
    CLEANUP(mem_free) char *body = NULL;
    static const char nul[] = "*** Begin Patch\n*** Add File: a\0b\n+x\n"
                              "*** End Patch\n";

    fresh();
    memset(long_name, 'n', 299);
    body = mem_format("*** Add File: %s\n+x\n", long_name);
    tap_int(apply_body(body), -1, "a name that is too long");
    tap_contains(last.text, "too long", "the text");
    tap_int(apply_bytes(".", nul, sizeof(nul) - 1), -1, "a path with NUL");
    tap_contains(last.text, "NUL", "the text");
    tap_int(apply_body("*** Add File: x/\n+x\n"), -1, "a path that ends in /");
    tap_int(apply_body("*** Add File: .\n+x\n"), -1, "the workspace itself");
    tap_int(apply_body("*** Add File: sp ace \xFF\n+x\n"), 0,
            "blanks and other bytes");
    is_file("sp ace \xFF", "x\n", "blanks and other bytes");
    memset(long_name, '/', 299);
    for (int i = 0; i < 299; i += 2)
        long_name[i] = 'd';
    mem_free(&body);
    body = mem_format("*** Add File: %s\n+x\n", long_name);
    tap_int(apply_body(body), -1, "too many directories");
    tap_contains(last.text, "path too long", "the text");
}

static bool is_link(const char *path, const char *target)
{
    char text[256];
    ssize_t length = readlinkat(root, path, text, sizeof(text));

    return length == (ssize_t)strlen(target) &&
           !memcmp(text, target, (size_t)length);
}

static void test_links_inside(void)
{
    fresh();
    put("real/f", "a\n");
    symlinkat("real/f", root, "link");
    symlinkat("real", root, "dir");
    symlinkat("/workspace/real/f", root, "abs");
    symlinkat("loop", root, "loop");
    tap_int(apply_body("*** Update File: link\n-a\n+b\n"), 0,
            "update through a link");
    is_file("real/f", "b\n", "the target is edited");
    tap_ok(is_link("link", "real/f"), "the link stays");
    tap_int(apply_body("*** Update File: dir/f\n-b\n+c\n"
                       "*** Update File: real/f\n-c\n+d\n"
                       "*** Update File: abs\n-d\n+e\n"),
            0, "one file by three ways");
    is_file("real/f", "e\n", "one file by three ways");
    tap_int(apply_body("*** Update File: link\n*** Move to: real/f\n-e\n"
                       "+f\n"),
            0, "move a link onto its target");
    is_file("real/f", "f\n", "move a link onto its target");
    tap_ok(!exists("link"), "the link is gone");
    symlinkat("real/f", root, "link");
    tap_int(apply_body("*** Update File: real/f\n*** Move to: link\n-f\n"
                       "+g\n"),
            0, "move a file onto a link to it");
    is_file("real/f", "g\n", "the file stays");
    tap_int(apply_body("*** Update File: link\n*** Move to: moved\n-g\n+h\n"),
            0, "move a link");
    is_file("moved", "h\n", "the new place is a file");
    is_file("real/f", "g\n", "its target stays");
    tap_ok(!exists("link") && !is_link("moved", "real/f"), "as a file");
    tap_int(apply_body("*** Add File: dir/n\n+n\n"), 0, "add through a link");
    is_file("real/n", "n\n", "add through a link");
    tap_int(apply_body("*** Update File: loop\n-a\n+b\n"), -1, "a loop");
    tap_contains(last.text, "too many symlinks", "the text");
    tap_int(apply_body("*** Add File: loop/x\n+b\n"), -1, "below a loop");
}

static void test_delete_links(void)
{
    fresh();
    put("real/f", "a\n");
    symlinkat("../outside/secret", root, "out");
    symlinkat("real", root, "dir");
    symlinkat("real/f", root, "link");
    symlinkat("nowhere", root, "dangling");
    tap_int(apply_body("*** Delete File: out\n*** Delete File: dir\n"
                       "*** Delete File: dangling\n"),
            0, "links are deleted, whatever they lead to");
    tap_ok(!exists("out") && !exists("dir") && !exists("dangling"),
           "they are gone");
    is_file("../outside/secret", "secret\n", "the target outside stays");
    is_file("real/f", "a\n", "the target inside stays");
    tap_int(apply_body("*** Delete File: link\n*** Add File: link\n+x\n"), 0,
            "a link gives way to a file");
    is_file("link", "x\n", "a link gives way to a file");
    is_file("real/f", "a\n", "its target stays");
    symlinkat("real", root, "dir");
    tap_int(apply_body("*** Delete File: dir\n*** Add File: dir/x\n+x\n"), 0,
            "a link gives way to a directory");
    is_file("dir/x", "x\n", "a link gives way to a directory");
    tap_ok(!exists("real/x"), "the link was not followed");
    symlinkat("real/made", root, "dangling");
    tap_int(apply_body("*** Add File: dangling\n+x\n"), 0,
            "add through a dangling link");
    is_file("real/made", "x\n", "its target is made");
    symlinkat("../outside/made", root, "dangling-out");
    tap_int(apply_body("*** Add File: dangling-out\n+x\n"), -1,
            "not if it leads out");
    is_file("../outside/made", NULL, "not if it leads out");
}

/* ---- modes ------------------------------------------------------------- */

static int mode_of(const char *path)
{
    struct stat info;

    return fstatat(root, path, &info, AT_SYMLINK_NOFOLLOW)
               ? -1
               : (int)(info.st_mode & 07777);
}

static void put_mode(const char *path, mode_t mode)
{
    put(path, "a\n");
    if (fchmodat(root, path, mode, 0))
        exit(2);
}

static void test_modes(void)
{
    mode_t mask = umask(022);

    fresh();
    put_mode("run", 0755);
    put_mode("private", 0600);
    put_mode("set", 06755);
    put_mode("over", 0755);
    put_mode("from", 0750);
    put_mode("to", 0600);
    put_mode("again", 0755);
    put_mode("readonly", 0444);
    tap_int(apply_body("*** Update File: run\n-a\n+b\n"
                       "*** Update File: private\n-a\n+b\n"
                       "*** Update File: set\n-a\n+b\n"
                       "*** Add File: over\n+b\n"
                       "*** Update File: from\n*** Move to: to\n-a\n+b\n"
                       "*** Delete File: again\n*** Add File: again\n+b\n"
                       "*** Update File: readonly\n-a\n+b\n"
                       "*** Add File: new\n+b\n"),
            0, "a patch over files of all modes");
    tap_int(mode_of("run"), 0755, "the executable bit stays");
    tap_int(mode_of("private"), 0600, "a private file stays private");
    tap_int(mode_of("set"), 0755, "setuid and setgid do not");
    tap_int(mode_of("over"), 0755, "a file that is replaced");
    tap_int(mode_of("to"), 0750, "a move keeps the mode");
    tap_int(mode_of("again"), 0755, "deleted and added again");
    tap_int(mode_of("readonly"), 0444, "a read-only file");
    tap_int(mode_of("new"), 0644, "a new file has the usual mode");
    is_file("readonly", "b\n", "a read-only file is replaced");
    umask(mask);
}

/* ---- bytes and limits -------------------------------------------------- */

static void test_bytes(void)
{
    static const char before[] = "a\0b\n\xFF\xFE\n\0\n\r\nend";
    static const char patch[] = "*** Begin Patch\n*** Update File: f\n@@ a\0b\n"
                                "-\xFF\xFE\n+\xFE\0\n \0\n*** End Patch\n";
    static const char absent[] = "*** Begin Patch\n*** Update File: f\n-\xFF\0x"
                                 "\n+y\n*** End Patch\n";
    static const char after[] = "a\0b\n\xFE\0\n\0\n\r\nend\r\n";
    size_t length = 0;
    CLEANUP(mem_free) char *got = NULL;

    fresh();
    put_bytes("f", before, sizeof(before) - 1);
    tap_int(apply_bytes(".", patch, sizeof(patch) - 1), 0,
            "NUL and 0xFF are ordinary");
    got = get_bytes("f", &length);
    tap_bytes(got, length, after, sizeof(after) - 1, "NUL and 0xFF: the file");
    tap_int(apply_bytes(".", absent, sizeof(absent) - 1), -1,
            "a block with them that is not there");
    tap_contains(last.text, "\xEF\xBF\xBD\xEF\xBF\xBDx",
                 "is shown as text, whole");
}

static char *many(const char *before, const char *format, int count)
{
    struct buffer text;

    buffer_init(&text, (size_t)1 << 26);
    buffer_add_string(&text, before);
    for (int i = 0; i < count; i++) {
        CLEANUP(mem_free) char *number = mem_format("%d", i);
        const char *mark = strchr(format, '#');

        buffer_add(&text, format, (size_t)(mark - format));
        buffer_add_string(&text, number);
        buffer_add_string(&text, mark + 1);
    }
    return buffer_steal(&text);
}

static int parse_body(const char *body)
{
    CLEANUP(mem_free)
    char *text = mem_format("*** Begin Patch\n%s*** End Patch\n", body);
    struct patch patch;
    int failed = patch_parse((struct span){text, strlen(text)}, &patch, &last);

    if (!failed)
        patch_free(&patch);
    return failed;
}

static void test_limits(void)
{
    CLEANUP(mem_free)
    char *files = many("", "*** Delete File: f#\n", PATCH_FILES_MAX);
    CLEANUP(mem_free)
    char *more_files = many("", "*** Delete File: f#\n", PATCH_FILES_MAX + 1);
    CLEANUP(mem_free)
    char *chunks = many("*** Update File: f\n", "@@\n+#\n", PATCH_CHUNKS_MAX);
    CLEANUP(mem_free)
    char *more_chunks =
        many("*** Update File: f\n", "@@\n+#\n", PATCH_CHUNKS_MAX + 1);
    CLEANUP(mem_free) char *lines = mem_alloc(PATCH_LINES_MAX + 1);
    CLEANUP(mem_free) char *large = mem_alloc(PATCH_TEXT_MAX + 1);
    struct patch patch;

    tap_int(parse_body(files), 0, "as many files as allowed");
    tap_int(parse_body(more_files), -1, "one more is refused");
    tap_contains(last.text, "more than 1000 files", "the text");
    tap_int(parse_body(chunks), 0, "as many chunks as allowed");
    tap_int(parse_body(more_chunks), -1, "one more is refused");
    tap_contains(last.text, "more than 10000 chunks", "the text");
    memset(lines, '\n', PATCH_LINES_MAX);
    tap_int(parse_body(lines), -1, "too many lines are refused");
    tap_contains(last.text, "more than 1000000 lines", "the text");
    memset(large, ' ', PATCH_TEXT_MAX + 1);
    tap_int(
        patch_parse((struct span){large, PATCH_TEXT_MAX + 1}, &patch, &last),
        -1, "a text over the limit");
    tap_contains(last.text, "longer than 8388608 bytes", "the text");
    patch_parse((struct span){large, PATCH_TEXT_MAX}, &patch, &last);
    tap_contains(last.text, "it is empty", "a text at the limit is looked at");
    fresh();
    put("f", "");
    tap_int(apply_body(chunks), 0, "many chunks are applied");
}

static void test_large_files(void)
{
    CLEANUP(mem_free) char *large = mem_alloc(PATCH_FILE_MAX + 1);

    fresh();
    memset(large, 'x', PATCH_FILE_MAX + 1);
    memcpy(large, "a\n", 2);
    large[PATCH_FILE_MAX] = '\n';
    put_bytes("f", large, PATCH_FILE_MAX + 1);
    tap_int(apply_body("*** Update File: f\n-a\n+b\n"), -1,
            "a file over the limit");
    tap_contains(last.text, "'f': larger than 67108864 bytes", "the text");
    large[PATCH_FILE_MAX - 1] = '\n';
    put_bytes("f", large, PATCH_FILE_MAX);
    tap_int(apply_body("*** Update File: f\n-a\n+b\n"), 0,
            "a file at the limit");
    tap_int(apply_body("*** Update File: f\n-b\n+bc\n"), -1,
            "a result over the limit");
    tap_contains(last.text, "result is larger than", "the text");
    for (int i = 0; i < 5; i++) {
        CLEANUP(mem_free) char *name = mem_format("f%d", i);

        linkat(root, "f", root, name, 0);
    }
    tap_int(apply_body("*** Update File: f0\n-b\n+c\n*** Update File: f1\n-b\n"
                       "+c\n*** Update File: f2\n-b\n+c\n*** Update File: f3\n"
                       "-b\n+c\n*** Update File: f4\n-b\n+c\n"),
            -1, "files over the common limit");
    tap_contains(last.text, "more than 268435456 bytes", "the text");
    fresh();
}

/* Each chunk looks through the whole file in vain. */
static void test_work(void)
{
    struct buffer file;
    struct buffer body;
    struct patch patch;
    struct buffer out;
    uint64_t work = 1000;

    buffer_init(&file, (size_t)1 << 26);
    buffer_init(&body, (size_t)1 << 20);
    for (int i = 0; i < 400000; i++)
        buffer_add_string(&file, "a\n");
    buffer_add_string(&body, "*** Begin Patch\n*** Update File: f\n");
    for (int i = 0; i < 2000; i++)
        buffer_add_string(&body, " a\n");
    buffer_add_string(&body, "-b\n+c\n*** End Patch\n");
    fresh();
    put_bytes("f", file.data, file.length);
    tap_int(apply_bytes(".", body.data, body.length), -1,
            "a search that takes too long is given up");
    tap_contains(last.text, "takes too long", "the text");
    buffer_clear(&body);
    buffer_add_string(&body, "*** Begin Patch\n*** Update File: f\n-b\n+c\n"
                             "*** End Patch\n");
    buffer_init(&out, 100);
    tap_int(patch_parse(buffer_span(&body), &patch, &last), 0, "a small patch");
    tap_int(patch_match(buffer_span(&file), &patch.operations[0], &work, &out,
                        &last),
            -1, "work that an earlier file has used");
    tap_int((int64_t)work, 0, "is not there for the next");
    patch_free(&patch);
    patch_free(&patch);
    buffer_free(&file);
    buffer_free(&body);
    buffer_free(&out);
}

/* ---- the list of places ------------------------------------------------ */

static int list(int where, const char *directory, const char *body,
                struct buffer *out)
{
    CLEANUP(mem_free)
    char *text = mem_format("*** Begin Patch\n%s*** End Patch\n", body);
    struct patch patch;
    struct patch_paths paths;
    int failed;

    buffer_clear(out);
    if (patch_parse((struct span){text, strlen(text)}, &patch, &last))
        return -1;
    failed = patch_paths(where, directory, &patch, &paths, &last);
    patch_free(&patch);
    if (failed)
        return -1;
    for (size_t i = 0; i < paths.count; i++)
        buffer_addf(out, "%s\n", paths.paths[i]);
    patch_paths_free(&paths);
    return 0;
}

static void test_paths(void)
{
    struct buffer out;

    buffer_init(&out, 4096);
    fresh();
    put("real/f", "a\n");
    symlinkat("real", root, "dir");
    symlinkat("real/f", root, "link");
    symlinkat("../outside", root, "out");
    tap_int(list(-1, "sub",
                 "*** Add File: ./a//b\n*** Update File: ../c\n"
                 "*** Move to: /workspace/d\n+x\n*** Delete File: ../sub/e\n"
                 "*** Delete File: a/b\n",
                 &out),
            0, "the places without the disk");
    tap_string(out.data, "sub/a/b\nc\nd\nsub/e\n", "normal, each once");
    tap_int(list(root, ".",
                 "*** Update File: dir/f\n+x\n*** Update File: link\n+x\n"
                 "*** Delete File: link\n*** Add File: dir/new/n\n",
                 &out),
            0, "the places with the disk");
    tap_string(out.data, "dir/f\nreal/f\nlink\ndir/new/n\nreal/new/n\n",
               "links and what is behind them");
    tap_int(list(-1, ".", "*** Add File: ../x\n", &out), -1, "an escape");
    tap_contains(last.text, "writing outside of the workspace", "the text");
    tap_int(list(root, ".", "*** Add File: ok\n*** Add File: out/x\n", &out),
            -1, "an escape through a link");
    tap_int(list(-1, "..", "*** Add File: x\n", &out), -1,
            "a directory outside");
    tap_int(list(-1, "/etc", "*** Add File: x\n", &out), -1,
            "an absolute directory outside");
    tap_int(list(-1, ".git", "*** Add File: x\n", &out), -1,
            "a directory in .git");
    buffer_free(&out);
}

int main(void)
{
    const char *temporary = getenv("TMPDIR");
    struct error err;

    snprintf(top, sizeof(top), "%s/test-apply-patch-XXXXXX",
             temporary && *temporary ? temporary : "/tmp");
    if (!mkdtemp(top))
        return 2;
    top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    test_updates();
    test_wrappings();
    test_truncation();
    test_scenarios();
    test_summary();
    test_last_fails();
    test_write_fails();
    test_rename_fails();
    test_sequences();
    test_directories();
    test_places();
    test_escapes();
    test_names();
    test_links_inside();
    test_delete_links();
    test_modes();
    test_bytes();
    test_limits();
    test_large_files();
    test_work();
    test_paths();
    mem_free(&summary);
    fd_reset(&root);
    fd_reset(&top_fd);
    file_remove_tree(AT_FDCWD, top, &err);
    return tap_done();
}
