#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "tasks/manifest_fields.h"
#include "tests/unit/manifest.h"

#define BAD "tests/data/manifests/bad"
#define BAD_MIN 70

static void check_problem(const char *text, const char *problem,
                          const char *name)
{
    CLEANUP(loaded_free) struct loaded loaded = parse(text);

    tap_int(loaded.status, -1, "refused: %s", name);
    tap_string(loaded.text.data, problem, "%s", name);
}

/* ---- bad manifests ----------------------------------------------------- */

static int is_yaml(const struct dirent *entry)
{
    const char *ending = strrchr(entry->d_name, '.');

    return ending && !strcmp(ending, ".yaml");
}

static void check_bad(const char *name)
{
    CLEANUP(mem_free) char *path = mem_format(BAD "/%s", name);
    CLEANUP(mem_free)
    char *expected = mem_format("%.*s.expected", (int)(strlen(path) - 5), path);
    CLEANUP(loaded_free) struct loaded loaded = load(path, NULL);
    struct buffer want;
    struct error err;

    buffer_init(&want, 1 << 20);
    if (tap_ok(!file_read(AT_FDCWD, expected, &want, &err) && want.length,
               "%s says what to expect", expected)) {
        tap_bytes(loaded.text.data, loaded.text.length, want.data, want.length,
                  "problems of %s", name);
        tap_int(loaded.status, -1, "%s is refused", name);
        tap_ok(!strstr(loaded.text.data, "ghp_"), "%s: no credential is shown",
               name);
    }
    buffer_free(&want);
}

static void test_bad(void)
{
    struct dirent **entries;
    int count = scandir(BAD, &entries, is_yaml, alphasort);

    tap_ok(count >= BAD_MIN, "at least %d bad manifests", BAD_MIN);
    for (int i = 0; i < count; i++) {
        check_bad(entries[i]->d_name);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

static void test_missing_file(void)
{
    CLEANUP(loaded_free) struct loaded absent = load("absent.yaml", NULL);
    CLEANUP(loaded_free) struct loaded folder = load("tests", NULL);

    tap_string(absent.text.data, "absent.yaml: No such file or directory\n",
               "a missing manifest");
    tap_string(folder.text.data, "tests: not a regular file\n",
               "a folder as manifest");
}

/* Sorted as in the file, and no more than are kept. */
static void test_many_problems(void)
{
    struct buffer text;

    buffer_init(&text, 1 << 20);
    for (int i = 0; i < PROBLEMS_MAX + 10; i++)
        buffer_addf(&text, "key%d: 1\n", i);
    buffer_add_string(&text, "version: 1\ntasks: []\n");
    CLEANUP(loaded_free) struct loaded loaded = parse(text.data);
    tap_int((int64_t)loaded.problems.count, PROBLEMS_MAX, "problems kept");
    tap_int((int64_t)loaded.problems.dropped, 11, "problems dropped");
    tap_int((int64_t)loaded.problems.items[PROBLEMS_MAX - 1].line, PROBLEMS_MAX,
            "the last line");
    buffer_free(&text);
}

/* ---- parameters -------------------------------------------------------- */

static struct loaded load_with(const char *name, const char *value)
{
    const char *names[] = {name};
    const char *values[] = {value};
    struct params params = {names, values, 1};

    return load(GOOD "full.yaml", &params);
}

static void check_param(const char *name, const char *value,
                        const char *problem)
{
    CLEANUP(loaded_free) struct loaded loaded = load_with(name, value);

    tap_int(loaded.status, -1, "-p is refused");
    tap_string(loaded.text.data, problem, "the problem");
}

static void test_params(void)
{
    CLEANUP(loaded_free)
    struct loaded loaded = load_with("target", "{{ matrix.repo }}");

    if (is_good(&loaded, 4, "full.yaml with -p"))
        tap_contains(loaded.plan.tasks[0].prompt,
                     "foo by {{ matrix.repo }} in api",
                     "what is inserted is not expanded again");
    check_param("tagret", "x",
                GOOD "full.yaml: params.tagret: -p: the manifest has no such "
                     "parameter\n  hint: did you mean \"target\"?\n");
    check_param("target", "a\x01",
                GOOD "full.yaml: params.target: -p: control character, or no "
                     "UTF-8\n");
    check_param("target", "ghp_ExampleExampleExampleExampleExample0",
                GOOD "full.yaml: params.target: -p: looks like a GitHub "
                     "token: name a variable instead\n");
}

/* ---- files and folders ------------------------------------------------- */

/* A fresh folder under TMPDIR; the caller frees the path. */
static char *make_folder(void)
{
    const char *parent = getenv("TMPDIR");
    CLEANUP(mem_free)
    char *path = mem_format("%s/manifest-XXXXXX", parent ? parent : "/tmp");
    char *real = mkdtemp(path) ? realpath(path, NULL) : NULL;

    tap_ok(real != NULL, "a folder to work in");
    return real;
}

static void write_file(const char *folder, const char *name,
                       struct span content)
{
    CLEANUP(mem_free) char *path = mem_format("%s/%s", folder, name);
    struct error err;

    tap_ok(!file_replace(AT_FDCWD, path, content, &err), "write %s", name);
}

static struct loaded load_in(const char *folder, const char *name)
{
    CLEANUP(mem_free) char *path = mem_format("%s/%s", folder, name);

    return load(path, NULL);
}

static void remove_folder(char *folder)
{
    struct error err;

    tap_ok(!file_remove_tree(AT_FDCWD, folder, &err), "the folder is removed");
    free(folder);
}

static void test_current_repo(void)
{
    char *folder = make_folder();
    CLEANUP(mem_free) char *inner = mem_format("%s/a/b", folder);
    CLEANUP(mem_free) char *want = mem_format("%s/a", folder);
    CLEANUP(mem_free) char *git = mem_format("%s/a/.git", folder);
    CLEANUP(mem_free)
    char *problem = mem_format("%s/t.yaml:2:10: tasks[0].repo: the manifest is "
                               "in no git work tree\n  hint: name a repository "
                               "with \"repo\"\n",
                               inner);
    struct error err;

    tap_ok(!file_make_directories(AT_FDCWD, inner, &err), "folders");
    write_file(inner, "t.yaml",
               SPAN("version: 1\ntasks: [ {prompt: p}, {prompt: q}]\n"));
    {
        CLEANUP(loaded_free) struct loaded loaded = load_in(inner, "t.yaml");

        tap_contains(loaded.text.data, problem, "no work tree");
        tap_int((int64_t)loaded.problems.count, 2, "told of both tasks");
    }
    write_file(want, ".git", SPAN("gitdir: elsewhere\n"));
    for (int folder_git = 0; folder_git < 2; folder_git++) {
        CLEANUP(loaded_free) struct loaded loaded = load_in(inner, "t.yaml");

        if (is_good(&loaded, 2, "a manifest in a work tree"))
            tap_string(loaded.plan.tasks[0].repo, want, "its repository");
        tap_ok(folder_git || (!unlink(git) && !mkdir(git, 0777)),
               ".git as a folder");
    }
    remove_folder(folder);
}

static void test_file_limits(void)
{
    char *folder = make_folder();
    CLEANUP(mem_free) char *large = mem_alloc(MANIFEST_TEXT_MAX + 1);

    memset(large, 'x', MANIFEST_TEXT_MAX + 1);
    write_file(folder, "p.md", (struct span){large, MANIFEST_TEXT_MAX});
    write_file(folder, "q.md", (struct span){large, MANIFEST_TEXT_MAX + 1});
    write_file(folder, "t.yaml",
               SPAN("version: 1\ndefaults: {repo: /r}\ntasks:\n"
                    "  - {id: a, prompt_file: p.md}\n"
                    "  - {id: b, prompt_file: ./p.md}\n"));
    write_file(folder, "u.yaml",
               SPAN("version: 1\ntasks: [{repo: /r, prompt_file: q.md}]\n"));
    {
        CLEANUP(loaded_free) struct loaded loaded = load_in(folder, "t.yaml");
        CLEANUP(loaded_free) struct loaded over = load_in(folder, "u.yaml");

        if (is_good(&loaded, 2, "a prompt of one mebibyte"))
            tap_ok(loaded.plan.tasks[0].prompt == loaded.plan.tasks[1].prompt,
                   "a file is read once");
        tap_contains(over.text.data, "larger than 1048576 bytes",
                     "one byte more");
    }
    remove_folder(folder);
}

/* ---- many tasks -------------------------------------------------------- */

static void add_axis(struct buffer *text, const char *key, int count)
{
    buffer_addf(text, "      %s: [", key);
    for (int i = 0; i < count; i++)
        buffer_addf(text, "%s%d", i ? ", " : "", i);
    buffer_add_string(text, "]\n");
}

static void test_ten_thousand(void)
{
    struct buffer text;

    buffer_init(&text, 1 << 20);
    buffer_add_string(&text, "version: 1\n"
                             "tasks:\n"
                             "  - id: t-{{ matrix.a }}-{{ matrix.b }}\n"
                             "    repo: /srv/{{ matrix.a }}\n"
                             "    prompt: Shared.\n"
                             "    verify: [make]\n"
                             "    matrix:\n");
    add_axis(&text, "a", 100);
    add_axis(&text, "b", 100);
    CLEANUP(loaded_free) struct loaded loaded = parse(text.data);
    const struct task *tasks = loaded.plan.tasks;

    if (is_good(&loaded, 10000, "100 x 100")) {
        tap_string(tasks[0].id, "t-0-0", "the first");
        tap_string(tasks[101].id, "t-1-1", "the first key changes slowest");
        tap_string(tasks[9999].id, "t-99-99", "the last");
        tap_string(tasks[9999].repo, "/srv/99", "its repo");
        tap_string(tasks[9999].matrix_cell, "99, 99", "its cell");
        tap_ok(tasks[0].prompt == tasks[9999].prompt &&
                   tasks[0].verify.items == tasks[9999].verify.items,
               "texts are shared");
    }
    buffer_free(&text);
}

static void test_plan_limits(void)
{
    struct buffer text;

    buffer_init(&text, 4 << 20);
    buffer_add_string(&text, "version: 1\n"
                             "defaults: {repo: /r, prompt: p}\n"
                             "tasks:\n"
                             "  - id: a-{{ matrix.a }}-{{ matrix.b }}-"
                             "{{ matrix.c }}\n"
                             "    matrix:\n");
    add_axis(&text, "a", 250);
    add_axis(&text, "b", 200);
    buffer_add_string(&text, "      c: [0, 1]\n");
    {
        CLEANUP(loaded_free) struct loaded loaded = parse(text.data);

        is_good(&loaded, PLAN_TASKS_MAX, "as many tasks as there may be");
    }
    buffer_add_string(&text, "  - id: more\n");
    check_problem(text.data, "t.yaml:9:5: tasks[1]: more than 100000 tasks\n",
                  "one task more");
    buffer_clear(&text);
    buffer_add_string(&text, "version: 1\ntasks:\n"
                             "  - id: a-{{ matrix.a }}-{{ matrix.b }}\n"
                             "    repo: /r\n    matrix:\n");
    add_axis(&text, "a", 250);
    add_axis(&text, "b", 2);
    buffer_add_string(&text, "    prompt: '{{ task.id }} ");
    for (int i = 0; i < 1 << 14; i++)
        buffer_add_string(&text, "0123456789abcdef0123456789abcdef0123456");
    buffer_add_string(&text, "'\n");
    check_problem(text.data,
                  "t.yaml:3:5: tasks[0]: the tasks need more than 268435456 "
                  "bytes\n  hint: share texts: put what is the same for all "
                  "into \"instructions\" or the repository\n",
                  "texts that are too much together");
    buffer_free(&text);
}

static void test_size_limits(void)
{
    static const char start[] = "version: 1\ntasks: [{repo: /r, prompt: p}]\n#";
    CLEANUP(mem_free) char *text = mem_alloc(MANIFEST_BYTES_MAX + 1);

    memset(text, 'x', MANIFEST_BYTES_MAX + 1);
    memcpy(text, start, sizeof(start) - 1);
    CLEANUP(loaded_free)
    struct loaded fits =
        parse_bytes("t.yaml", (struct span){text, MANIFEST_BYTES_MAX});
    CLEANUP(loaded_free)
    struct loaded over =
        parse_bytes("t.yaml", (struct span){text, MANIFEST_BYTES_MAX + 1});
    is_good(&fits, 1, "four mebibytes");
    tap_string(over.text.data, "t.yaml: larger than 4194304 bytes\n",
               "one byte more");
}

/* ---- hostile bytes ----------------------------------------------------- */

/* A problem for each refusal, none without one. */
static bool is_consistent(const struct loaded *loaded)
{
    if (loaded->status)
        return loaded->problems.count > 0;
    return !loaded->problems.count && loaded->plan.count;
}

static void test_broken_bytes(void)
{
    static const char replacements[] = {'\0', '\xFF', '{'};
    struct buffer text;
    struct error err;
    size_t odd = 0;

    buffer_init(&text, 1 << 20);
    if (!tap_ok(!file_read(AT_FDCWD, GOOD "full.yaml", &text, &err) &&
                    text.length > 2000,
                "a good manifest"))
        return;
    for (size_t length = 0; length < text.length; length++) {
        CLEANUP(loaded_free)
        struct loaded loaded =
            parse_bytes(GOOD "full.yaml", (struct span){text.data, length});

        odd += !is_consistent(&loaded);
    }
    tap_int((int64_t)odd, 0, "cut at each byte");
    for (size_t i = 0; i < text.length * ARRAY_LENGTH(replacements); i++) {
        char *at = &text.data[i / ARRAY_LENGTH(replacements)];
        char byte = replacements[i % ARRAY_LENGTH(replacements)];
        char saved = *at;

        *at = byte;
        CLEANUP(loaded_free)
        struct loaded loaded =
            parse_bytes(GOOD "full.yaml", buffer_span(&text));
        odd += !is_consistent(&loaded);
        odd += (byte == '\0' || byte == '\xFF') && !loaded.status;
        *at = saved;
    }
    tap_int((int64_t)odd, 0, "each byte replaced");
    buffer_free(&text);
}

int main(void)
{
    test_bad();
    test_missing_file();
    test_many_problems();
    test_params();
    test_current_repo();
    test_file_limits();
    test_ten_thousand();
    test_plan_limits();
    test_size_limits();
    test_broken_bytes();
    return tap_done();
}
