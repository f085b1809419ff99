#include "base/memory.h"
#include "tasks/suggest.h"
#include "tasks/yaml.h"
#include "tests/tap.h"

static const struct yaml_limits wide = {64, 100000, 1000000};

static struct yaml_tree read_text(const char *text,
                                  const struct yaml_limits *limits)
{
    struct yaml_tree tree;

    yaml_read(&tree, (struct span){text, strlen(text)}, limits);
    return tree;
}

static const struct yaml_node *at(const struct yaml_node *node, size_t index)
{
    return node && index < node->count ? node->items[index] : NULL;
}

static void check_node(const struct yaml_node *node, const char *text,
                       size_t line, size_t column, bool quoted)
{
    if (!tap_ok(node && node->kind == YAML_SCALAR, "a scalar at %zu:%zu", line,
                column))
        return;
    tap_string(node->text, text, "its text");
    tap_int((int64_t)node->line, (int64_t)line, "its line");
    tap_int((int64_t)node->column, (int64_t)column, "its column");
    tap_int(node->quoted, quoted, quoted ? "it is quoted" : "it is plain");
}

static void test_tree(void)
{
    const struct yaml_node *nul;
    const struct yaml_node *list;
    CLEANUP(yaml_free)
    struct yaml_tree tree = read_text("\xEF\xBB\xBF"
                                      "a: [x, 'y', \"z\\0t\"]\r\n"
                                      "é: {b: , c: 'é', d: w}\n"
                                      "\n"
                                      "d: &n\n"
                                      "  - plain text # comment\n"
                                      "  -\n"
                                      "e: |\n"
                                      "  two\n"
                                      "  lines\n"
                                      "f: *n\n",
                                      &wide);
    if (!tap_ok(tree.root && !tree.fault_count, "a good text"))
        return;
    tap_int((int64_t)tree.root->count, 5, "keys");
    tap_string(tree.root->keys[1]->text, "é", "a key");
    check_node(at(yaml_get(tree.root, "a"), 0), "x", 1, 5, false);
    check_node(at(yaml_get(tree.root, "a"), 1), "y", 1, 8, true);
    check_node(at(yaml_get(tree.root, "a"), 2), "z", 1, 13, true);
    nul = at(yaml_get(tree.root, "a"), 2);
    tap_ok(nul && nul->length == 3 && !memcmp(nul->text, "z\0t", 3),
           "a NUL by escape is kept");
    check_node(yaml_get(yaml_get(tree.root, "é"), "c"), "é", 2, 13, true);
    check_node(yaml_get(yaml_get(tree.root, "é"), "d"), "w", 2, 21, false);
    check_node(at(yaml_get(tree.root, "d"), 0), "plain text", 5, 5, false);
    check_node(at(yaml_get(tree.root, "d"), 1), "", 6, 4, false);
    check_node(yaml_get(tree.root, "e"), "two\nlines\n", 7, 4, true);
    tap_ok(yaml_get(tree.root, "f") == yaml_get(tree.root, "d"),
           "an alias is the same node");
    list = yaml_get(tree.root, "d");
    tap_ok(list && list->all_nodes == 3, "nodes of a list");
    tap_int((int64_t)tree.root->height, 3, "height");
    tap_ok(!yaml_get(tree.root, "g") && !yaml_get(NULL, "a") &&
               !yaml_get(yaml_get(tree.root, "a"), "a"),
           "no such key");
}

static void check_fault(const char *text, const struct yaml_limits *limits,
                        const char *path, const char *fault)
{
    CLEANUP(yaml_free) struct yaml_tree tree = read_text(text, limits);

    if (!tap_ok(tree.fault_count > 0, "a fault: %s", fault))
        return;
    tap_contains(tree.faults[0].text, fault, "its text");
    tap_string(tree.faults[0].path, path, "its path: %s", fault);
}

static void check_good(const char *text, const struct yaml_limits *limits,
                       const char *name)
{
    CLEANUP(yaml_free) struct yaml_tree tree = read_text(text, limits);

    tap_ok(tree.root && !tree.fault_count, "%s", name);
}

static void test_limits(void)
{
    static const struct yaml_limits depth = {3, 100, 100};
    static const struct yaml_limits nodes = {10, 7, 100};
    static const struct yaml_limits bytes = {10, 100, 6};

    check_good("a: [x]", &depth, "three levels");
    check_fault("a: [[x]]", &depth, "a[0][0]", "deeper than 3 levels");
    check_good("[&a [x], *a]", &depth, "an alias, as deep");
    check_fault("[&a [x], [*a]]", &depth, "[1][0]", "deeper than 3 levels");
    check_good("[&a [x, y], *a]", &nodes, "seven values with an alias");
    check_fault("[&a [x, y], *a, z]", &nodes, "[2]", "more than 7 values");
    check_fault("[&a [x, y], *a, *a]", &nodes, "[2]", "more than 7 values");
    check_good("[&a xyz, *a]", &bytes, "six bytes with an alias");
    check_fault("[&a xyz, *a, z]", &bytes, "[2]", "more than 6 bytes");
}

static void test_anchors(void)
{
    struct buffer text;

    buffer_init(&text, 1 << 20);
    for (int i = 0; i < YAML_ANCHORS_MAX; i++)
        buffer_addf(&text, "- &a%d x\n", i);
    check_good(text.data, &wide, "as many anchors as there may be");
    buffer_add_string(&text, "- &more x\n");
    check_fault(text.data, &wide, "[1000]", "more than 1000 anchors");
    buffer_free(&text);
    check_good("[&a x, &a y, *a]", &wide, "an anchor may be set again");
}

/* Every mistake is told, and the tree is there all the same. */
static void test_faults(void)
{
    CLEANUP(yaml_free)
    struct yaml_tree tree = read_text("a: 1\n"
                                      "b:\n"
                                      "  - {c: 1, d: 2, c: 3, <<: {e: 4}}\n"
                                      "a: 2\n"
                                      "\"<<\": 5\n",
                                      &wide);
    const struct yaml_node *inner;

    tap_int((int64_t)tree.fault_count, 3, "three faults");
    if (!tap_ok(tree.root && tree.fault_count == 3, "and a tree"))
        return;
    tap_string(tree.faults[0].path, "b[0][\"<<\"]", "a merge key");
    tap_string(tree.faults[1].path, "b[0].c", "a key twice");
    tap_int((int64_t)tree.faults[1].column, 18, "its column");
    tap_string(tree.faults[2].text, "key stands twice, first on line 1",
               "the outer key");
    inner = at(yaml_get(tree.root, "b"), 0);
    tap_ok(!yaml_get(inner, "<<"), "the merge key is left out");
    check_node(yaml_get(inner, "c"), "1", 3, 9, false);
    check_node(yaml_get(tree.root, "<<"), "5", 5, 7, false);
}

static void check_shown(const char *text, size_t length, const char *want)
{
    struct buffer out;

    buffer_init(&out, 1000);
    yaml_show(&out, text, length);
    tap_string(out.data, want, "shown: %s", want);
    buffer_free(&out);
}

static void test_show(void)
{
    check_shown("a \"b\"\\", 6, "\"a \\\"b\\\"\\\\\"");
    check_shown("\x1b[31m\0x\n\t", 9, "\"\\u001B[31m\\u0000x\\n\\u0009\"");
    check_shown("\xe2\x80\xaetxt\xc2\x9b", 8, "\"\\u202Etxt\\u009B\"");
    check_shown("\xff", 1, "\"\\xFF\"");
    check_shown("\xc3\xa9", 2, "\"é\"");
    check_shown("123456789012345678901234567890123456789012345678901234567890",
                60,
                "\"1234567890123456789012345678901234567890123456789012345678"
                "90\"");
    check_shown("12345678901234567890123456789012345678901234567890123456789é",
                61,
                "\"12345678901234567890123456789012345678901234567890123456789"
                "...\"");
    check_shown("x ghp_ExampleExampleExampleExampleExample0", 42,
                "<GitHub token>");
    check_shown("https://a:b@h/", 14, "<address with credentials>");
    check_shown("https://h/@b", 12, "\"https://h/@b\"");
}

static void test_place(void)
{
    struct yaml_place tasks = {NULL, "tasks", 0};
    struct yaml_place item = {&tasks, NULL, 12};
    struct yaml_place odd = {&item, "a.b", 0};
    struct yaml_place last = {&odd, "c-d", 0};
    struct buffer out;

    buffer_init(&out, 1000);
    yaml_place_add(&out, &last);
    tap_string(out.data, "tasks[12][\"a.b\"].c-d", "a place");
    buffer_free(&out);
}

static void test_suggest(void)
{
    static const char *const known[] = {"timeout", "tools",     "ref",
                                        "repo",    "fail_fast", "id"};
    static const struct {
        const char *word;
        const char *want;
    } cases[] = {
        {"timeout", "timeout"},
        {"timeuot", "timeout"},
        {"timeot", "timeout"},
        {"time_out", "timeout"},
        {"tmieuot", "timeout"},
        {"tmeut", NULL},
        {"Tool", "tools"},
        {"rep", "ref"},
        {"repos", "repo"},
        {"fail-fast", "fail_fast"},
        {"failfast", "fail_fast"},
        {"ID", "id"},
        {"x", NULL},
        {"", NULL},
        {"model", NULL},
        {"re", "ref"},
    };
    char longer[SUGGEST_WORD_MAX + 2] = {0};
    const char *self = longer;

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        tap_string(suggest(cases[i].word, known, ARRAY_LENGTH(known)),
                   cases[i].want, "near \"%s\"", cases[i].word);
    memset(longer, 'a', SUGGEST_WORD_MAX);
    tap_ok(suggest(longer, &self, 1) == self, "the longest word");
    longer[SUGGEST_WORD_MAX] = 'a';
    tap_ok(!suggest(longer, &self, 1), "one letter longer");
    tap_ok(!suggest("aaa", &self, 1), "a long known word");
    tap_ok(!suggest("a", NULL, 0), "nothing is known");
}

int main(void)
{
    test_tree();
    test_limits();
    test_anchors();
    test_faults();
    test_show();
    test_place();
    test_suggest();
    return tap_done();
}
