#include "base/schema.h"

#include "base/memory.h"
#include "base/schema_pattern.h"
#include "tests/tap.h"

static struct schema *compile(const char *text, struct error *err)
{
    return schema_compile((struct span){text, strlen(text)}, err);
}

static void schema_cleanup(struct schema **schema)
{
    schema_free(*schema);
}

/* The text of the error, "" if the value is valid; owned by the caller. */
static char *violation(const char *schema_text, const char *value_text)
{
    struct error err = {0};
    CLEANUP(schema_cleanup) struct schema *schema = compile(schema_text, &err);
    CLEANUP(json_free) cJSON *value = NULL;

    if (!schema)
        return mem_format("compile: %s", err.text);
    value = json_parse(value_text, strlen(value_text), &err);
    if (!value)
        return mem_format("value: %s", err.text);
    if (!schema_check(schema, value, &err))
        return mem_string("");
    return mem_format("%s%s", err.kind == ERROR_PROTOCOL ? "" : "KIND ",
                      err.text);
}

/* ---- values ------------------------------------------------------------ */

static const struct {
    const char *schema;
    const char *value;
    const char *want; /* the whole error; "" if it is valid */
} checks[] = {
    {"true", "1", ""},
    {"false", "1", "$: expected nothing here; got 1"},
    {"{}", "[{\"a\":null}]", ""},
    {"{\"type\":\"string\"}", "\"x\"", ""},
    {"{\"type\":\"string\"}", "1", "$: expected string; got 1"},
    {"{\"type\":\"integer\"}", "3.0", ""},
    {"{\"type\":\"integer\"}", "3.5", "$: expected integer; got 3.5"},
    {"{\"type\":\"number\"}", "3.5", ""},
    {"{\"type\":\"boolean\"}", "false", ""},
    {"{\"type\":\"boolean\"}", "0", "$: expected boolean; got 0"},
    {"{\"type\":\"null\"}", "null", ""},
    {"{\"type\":\"null\"}", "false", "$: expected null; got false"},
    {"{\"type\":[\"string\",\"null\"]}", "null", ""},
    {"{\"type\":[\"string\",\"null\"]}", "[1]",
     "$: expected string or null; got a list"},
    {"{\"type\":\"object\"}", "[]", "$: expected object; got an empty list"},
    {"{\"type\":\"array\"}", "{\"a\":1}", "$: expected array; got an object"},

    {"{\"properties\":{\"labels\":{\"items\":{\"enum\":[\"bug\","
     "\"feature\"]}}}}",
     "{\"labels\":[\"bug\",\"feature\",\"x\"]}",
     "$.labels[2]: expected one of \"bug\", \"feature\"; got \"x\""},
    {"{\"enum\":[1,\"1\",null,[1,{\"a\":2}]]}", "[1,{\"a\":2}]", ""},
    {"{\"enum\":[1]}", "1.0", ""},
    {"{\"enum\":[1,true]}", "\"1\"", "$: expected one of 1, true; got \"1\""},
    {"{\"enum\":[0]}", "false", "$: expected one of 0; got false"},
    {"{\"const\":{\"a\":1,\"b\":2}}", "{\"b\":2,\"a\":1}", ""},
    {"{\"const\":{\"a\":1}}", "{\"a\":1,\"b\":2}",
     "$: expected an object; got an object"},
    {"{\"const\":[1,2]}", "[1]", "$: expected a list; got a list"},
    {"{\"const\":0.1}", "0.1", ""},
    {"{\"const\":9007199254740992}", "9007199254740991",
     "$: expected 9007199254740992; got 9007199254740991"},

    {"{\"required\":[\"a\",\"b\"]}", "{\"a\":1}", "$: missing property \"b\""},
    {"{\"required\":[\"a\"]}", "\"not an object\"", ""},
    {"{\"properties\":{\"a\":{\"type\":\"string\"}}}", "{\"b\":1}", ""},
    {"{\"properties\":{\"a b\":{\"type\":\"string\"}}}", "{\"a b\":1}",
     "$[\"a b\"]: expected string; got 1"},
    {"{\"properties\":{\"a\":{}},\"additionalProperties\":false}",
     "{\"a\":1,\"b\":2}", "$: unknown property \"b\""},
    {"{\"additionalProperties\":{\"type\":\"integer\"}}",
     "{\"x\":1,\"y\":\"2\"}", "$.y: expected integer; got \"2\""},
    {"{\"properties\":{\"x\":true},"
     "\"additionalProperties\":{\"type\":\"integer\"}}",
     "{\"x\":\"anything\",\"y\":2}", ""},
    {"{\"properties\":{\"x\":false}}", "{\"x\":1}",
     "$.x: expected nothing here; got 1"},
    {"{\"minProperties\":1}", "{}", "$: expected at least 1 properties; got 0"},
    {"{\"maxProperties\":1}", "{\"a\":1,\"b\":1}",
     "$: expected at most 1 properties; got 2"},

    {"{\"items\":{\"type\":\"integer\"}}", "[1,2,\"x\"]",
     "$[2]: expected integer; got \"x\""},
    {"{\"items\":{\"type\":\"integer\"}}", "{\"a\":\"x\"}", ""},
    {"{\"prefixItems\":[{\"type\":\"string\"},{\"type\":\"integer\"}]}",
     "[\"a\",\"b\"]", "$[1]: expected integer; got \"b\""},
    {"{\"prefixItems\":[{\"type\":\"string\"}]}", "[]", ""},
    {"{\"prefixItems\":[{\"type\":\"string\"}],\"items\":false}", "[\"a\",1]",
     "$[1]: expected nothing here; got 1"},
    {"{\"prefixItems\":[{\"type\":\"string\"}],\"items\":false}", "[\"a\"]",
     ""},
    {"{\"minItems\":2}", "[1]", "$: expected at least 2 items; got 1"},
    {"{\"maxItems\":1}", "[1,2]", "$: expected at most 1 items; got 2"},
    {"{\"uniqueItems\":true}", "[1,\"1\",true,[1],{\"a\":1}]", ""},
    {"{\"uniqueItems\":true}", "[{\"a\":1,\"b\":2},3,{\"b\":2,\"a\":1}]",
     "$: expected different items; [0] and [2] are the same"},
    {"{\"uniqueItems\":false}", "[1,1]", ""},

    {"{\"minimum\":2}", "2", ""},
    {"{\"minimum\":2}", "1.5", "$: expected at least 2; got 1.5"},
    {"{\"maximum\":2}", "3", "$: expected at most 2; got 3"},
    {"{\"exclusiveMinimum\":2}", "2", "$: expected more than 2; got 2"},
    {"{\"exclusiveMaximum\":2}", "2", "$: expected less than 2; got 2"},
    {"{\"minimum\":2}", "\"1\"", ""},
    {"{\"multipleOf\":0.01}", "0.07", ""},
    {"{\"multipleOf\":0.01}", "19.99", ""},
    {"{\"multipleOf\":0.01}", "0.075",
     "$: expected a multiple of 0.01; got 0.075"},
    {"{\"multipleOf\":3}", "7", "$: expected a multiple of 3; got 7"},
    {"{\"multipleOf\":3}", "1000000000000001",
     "$: expected a multiple of 3; got 1000000000000001"},

    {"{\"minLength\":3,\"maxLength\":3}", "\"äö€\"", ""},
    {"{\"maxLength\":2}", "\"äö€\"", "$: expected at most 2 characters; got 3"},
    {"{\"minLength\":2}", "\"😀\"", "$: expected at least 2 characters; got 1"},
    {"{\"minLength\":2}", "1", ""},

    {"{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]}", "null", ""},
    {"{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]}", "1",
     "$: none of the 2 alternatives of anyOf matches; the first: $: expected "
     "string; got 1"},
    {"{\"oneOf\":[{\"minimum\":2},{\"maximum\":4}]}", "5", ""},
    {"{\"oneOf\":[{\"minimum\":2},{\"maximum\":4}]}", "3",
     "$: expected a match of exactly one alternative of oneOf, not of "
     "several; got 3"},
    {"{\"oneOf\":[{\"const\":1},{\"const\":2}]}", "3",
     "$: none of the 2 alternatives of oneOf matches; the first: $: expected "
     "1; got 3"},
    {"{\"allOf\":[{\"minimum\":2},{\"maximum\":4}]}", "3", ""},
    {"{\"allOf\":[{\"minimum\":2},{\"maximum\":4}]}", "5",
     "$: expected at most 4; got 5"},
    {"{\"not\":{\"type\":\"string\"}}", "1", ""},
    {"{\"not\":{\"type\":\"string\"}}", "\"s\"",
     "$: expected no match of what 'not' excludes; got \"s\""},

    {"{\"$defs\":{\"n\":{\"type\":\"integer\"}},"
     "\"items\":{\"$ref\":\"#/$defs/n\"}}",
     "[1,\"2\"]", "$[1]: expected integer; got \"2\""},
    {"{\"definitions\":{\"n\":{\"type\":\"integer\"}},"
     "\"$ref\":\"#/definitions/n\"}",
     "1", ""},
    {"{\"$defs\":{\"a/b~c\":{\"type\":\"integer\"}},"
     "\"$ref\":\"#/$defs/a~1b~0c\"}",
     "\"x\"", "$: expected integer; got \"x\""},
    {"{\"$defs\":{\"n\":{\"type\":\"integer\"}},\"$ref\":\"#/$defs/n\","
     "\"minimum\":3}",
     "2", "$: expected at least 3; got 2"},
    {"{\"properties\":{\"next\":{\"$ref\":\"#\"},\"v\":{\"type\":"
     "\"integer\"}},\"additionalProperties\":false}",
     "{\"next\":{\"next\":{\"v\":\"x\"}}}",
     "$.next.next.v: expected integer; got \"x\""},

    {"{\"title\":\"t\",\"description\":\"d\",\"default\":1,\"examples\":[1],"
     "\"format\":\"email\",\"deprecated\":true,\"$comment\":\"c\","
     "\"$schema\":\"https://json-schema.org/draft/2020-12/schema\","
     "\"$id\":\"https://host/x\"}",
     "\"no mail\"", ""},
    {"{\"properties\":{\"type\":{\"const\":1},\"$ref\":{\"const\":2}}}",
     "{\"type\":1,\"$ref\":2}", ""},
};

static void test_checks(void)
{
    for (size_t i = 0; i < ARRAY_LENGTH(checks); i++) {
        CLEANUP(mem_free)
        char *got = violation(checks[i].schema, checks[i].value);

        tap_string(got, checks[i].want, "%s on %s", checks[i].schema,
                   checks[i].value);
    }
}

/* ---- schemas that are refused ------------------------------------------ */

static const struct {
    const char *schema;
    const char *want; /* part of the error */
} refusals[] = {
    {"", "schema: JSON"},
    {"[]", "schema $: expected a schema"},
    {"{\"type\":\"strin\"}", "schema $.type: expected null, boolean"},
    {"{\"type\":[]}", "an empty list"},
    {"{\"type\":[1]}", "schema $.type: expected null"},
    {"{\"requird\":[\"a\"]}", "schema $.requird: this keyword is not"},
    {"{\"properties\":{\"a\":{\"contains\":{}}}}",
     "schema $.properties.a.contains: this keyword is not supported"},
    {"{\"patternProperties\":{}}", "not supported"},
    {"{\"if\":{}}", "not supported"},
    {"{\"dependentRequired\":{}}", "not supported"},
    {"{\"unevaluatedProperties\":false}", "not supported"},
    {"{\"nullable\":true}", "not supported"},
    {"{\"$dynamicRef\":\"#x\"}", "not supported"},
    {"{\"enum\":[]}", "not empty"},
    {"{\"enum\":1}", "schema $.enum: expected a list"},
    {"{\"required\":[1]}", "a list of names"},
    {"{\"required\":true}", "a list of names"},
    {"{\"properties\":[]}", "an object of schemas"},
    {"{\"properties\":{\"a\":1}}", "schema $.properties.a: expected a schema"},
    {"{\"items\":[{}]}", "schema $.items: expected a schema"},
    {"{\"anyOf\":[]}", "a list of schemas, not empty"},
    {"{\"anyOf\":[{},1]}", "schema $.anyOf[1]: expected a schema"},
    {"{\"minItems\":-1}", "not negative"},
    {"{\"minLength\":1.5}", "a whole number"},
    {"{\"minimum\":\"1\"}", "expected a number"},
    {"{\"exclusiveMinimum\":true}", "expected a number"},
    {"{\"multipleOf\":0}", "over 0"},
    {"{\"uniqueItems\":1}", "true or false"},
    {"{\"$ref\":\"#/$defs/none\"}", "schema $.$ref: expected"},
    {"{\"$ref\":\"https://host/x\"}", "schema $.$ref: expected"},
    {"{\"$ref\":\"#/$defs/a/items\",\"$defs\":{\"a\":{\"items\":{}}}}",
     "schema $.$ref: expected"},
    {"{\"$ref\":1}", "schema $.$ref: expected"},
    {"{\"items\":{\"$id\":\"x\"}}", "at the root only"},
    {"{\"type\":\"string\",\"type\":\"null\"}", "there twice"},
    {"{\"properties\":{\"a\":{},\"a\":{}}}", "there twice"},
    {"{\"pattern\":1}", "expected a regular expression"},
    {"{\"pattern\":\"(?=a)\"}", "schema $.pattern: look-around"},
    {"{\"pattern\":\"(a\"}", "schema $.pattern: a '(' without ')'"},
};

static void test_refusals(void)
{
    for (size_t i = 0; i < ARRAY_LENGTH(refusals); i++) {
        struct error err = {0};
        CLEANUP(schema_cleanup)
        struct schema *schema = compile(refusals[i].schema, &err);

        tap_ok(!schema && err.kind == ERROR_MANIFEST, "%s is refused",
               refusals[i].schema);
        tap_contains(err.text, refusals[i].want, "%s: the text",
                     refusals[i].schema);
    }
}

/* ---- patterns ---------------------------------------------------------- */

static const struct {
    const char *pattern;
    const char *yes; /* a text that matches */
    const char *no;  /* one that does not, or NULL */
} patterns[] = {
    {"b", "abc", "acd"},
    {"^b$", "b", "abc"},
    {"^\\d{4}-\\d{2}$", "2026-11", "2026-1"},
    {"^[\\w.-]+@\\w+$", "a.b-c@host", "a b@host"},
    {"^\\s$", "\xC2\xA0", "x"},
    {"^\\D\\W\\S$", "a!b", "1!b"},
    {"^.$", "ä", "\n"},
    {"^[äö]{2}$", "öä", "oa"},
    {"^[à-ü]$", "é", "e"},
    {"^[^à-ü]$", "e", "é"},
    {"^[a-ü]$", "é", "A"},
    {"^\\S\\s[\\s]$", "é \xE2\x80\x83", "e  x"},
    {"^(?:ab|cd)+?$", "abcdab", "abc"},
    {"^a\\.b\\/c\\-d$", "a.b/c-d", "axb/c-d"},
    {"^[\\]\\[\\^\\-\\\\]+$", "]^-[\\", "a"},
    {"^[^\\]]$", "a", "]"},
    {"^[\\^]$", "^", "-"},
    {"^[\\^-]+$", "-^", "a"},
    {"^[^^]$", "a", "^"},
    {"^[a-]$", "-", "b"},
    {"^[\\x41-\\x43]\\u00e4$", "Bä", "Dä"},
    {"^[\\x00-\\x1f]$", "\x01", " "},
    {"^\\t\\n$", "\t\n", "tn"},
    {"^a{2,}b{0,1}c{3}$", "aaccc", "abccc"},
    {"^a{0}b$", "b", "ab"},
    {"a|^$", "", "b"},
    {"^()$", "", "x"},
    {"^\\$\\{x\\}$", "${x}", "x"},
    {"^]}$", "]}", "]"},
};

static void test_patterns(void)
{
    for (size_t i = 0; i < ARRAY_LENGTH(patterns); i++) {
        struct error err = {0};
        struct schema_pattern *pattern =
            schema_pattern_compile(patterns[i].pattern, &err);

        if (!tap_ok(pattern != NULL, "pattern %zu compiles", i)) {
            tap_note("%s", err.text);
            continue;
        }
        tap_ok(schema_pattern_matches(pattern, patterns[i].yes),
               "pattern %zu matches", i);
        tap_ok(!schema_pattern_matches(pattern, patterns[i].no),
               "pattern %zu does not match", i);
        schema_pattern_free(pattern);
    }
}

static void test_refused_patterns(void)
{
    static const char *const texts[] = {
        "(?=a)",
        "(?!a)",
        "(?<=a)",
        "(?<name>a)",
        "(a)\\1",
        "\\bword",
        "\\p{L}",
        "\\cA",
        "a**",
        "*a",
        "(+a)",
        "^*",
        "a{1001}",
        "a{2,1}",
        "a{,2}",
        "{x",
        "a{1",
        "(a",
        "a)",
        "[a",
        "[]",
        "[^]",
        "[z-a]",
        "[\\D]",
        "[a-\\d]",
        "[+--]",
        "\\",
        "\\u12",
        "\\xZ1",
        "\\ud800",
        "\\0",
        "(((((((((((((((((((((((((((((((((a)))))))))))))))))))"
        "))))))))))))))",
        "[\\u4e00-\\u9fff]",
        "[\xC3-\xFF]",
        "((a{100}){100}){100}",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        struct error err = {0};
        struct schema_pattern *pattern = schema_pattern_compile(texts[i], &err);

        tap_ok(!pattern && err.kind == ERROR_MANIFEST && *err.text,
               "pattern '%s' is refused", texts[i]);
        schema_pattern_free(pattern);
    }
}

static void test_pattern_keyword(void)
{
    CLEANUP(mem_free)
    char *got = violation("{\"pattern\":\"^a+$\"}", "\"ab\"");
    CLEANUP(mem_free) char *number = violation("{\"pattern\":\"^a\"}", "1");
    CLEANUP(mem_free) char *longer = mem_alloc(SCHEMA_PATTERN_TEXT_MAX + 4);
    CLEANUP(mem_free) char *text = NULL;

    tap_string(got, "$: expected a match of the pattern '^a+$'; got \"ab\"",
               "a pattern that does not match");
    tap_string(number, "", "a pattern is for strings only");
    memset(longer, 'a', SCHEMA_PATTERN_TEXT_MAX + 3);
    longer[0] = longer[SCHEMA_PATTERN_TEXT_MAX + 2] = '"';
    text = violation("{\"pattern\":\"^a\"}", longer);
    tap_contains(text, "too long for its pattern",
                 "a text over the limit is refused, not passed");
    longer[SCHEMA_PATTERN_TEXT_MAX + 1] = '"';
    longer[SCHEMA_PATTERN_TEXT_MAX + 2] = '\0';
    mem_free(&text);
    text = violation("{\"pattern\":\"^a\"}", longer);
    tap_string(text, "", "a text at the limit is matched");
}

/* ---- bounds ------------------------------------------------------------ */

static char *repeated(const char *open, const char *middle, const char *close,
                      size_t count)
{
    struct buffer text;

    buffer_init(&text, (size_t)1 << 24);
    for (size_t i = 0; i < count; i++)
        buffer_add_string(&text, open);
    buffer_add_string(&text, middle);
    for (size_t i = 0; i < count; i++)
        buffer_add_string(&text, close);
    return buffer_steal(&text);
}

static void test_depth(void)
{
    struct error err = {0};
    CLEANUP(mem_free)
    char *deep = repeated("{\"not\":", "{}", "}", SCHEMA_DEPTH_MAX - 1);
    CLEANUP(mem_free)
    char *deeper = repeated("{\"not\":", "{}", "}", SCHEMA_DEPTH_MAX);
    struct schema *schema = compile(deep, &err);

    tap_ok(schema != NULL, "a schema of the greatest depth");
    schema_free(schema);
    schema = compile(deeper, &err);
    tap_ok(!schema, "one level more is refused");
    tap_contains(err.text, "too deep", "and says why");
    schema_free(schema);
}

/* A $ref that consumes nothing, alone and under keywords that swallow the
 * failure of what they try. */
static void test_cycles(void)
{
    static const char *const schemas[] = {
        "{\"$ref\":\"#\"}",
        "{\"$defs\":{\"a\":{\"$ref\":\"#/$defs/b\"},\"b\":{\"$ref\":"
        "\"#/$defs/a\"}},\"$ref\":\"#/$defs/a\"}",
        "{\"not\":{\"$ref\":\"#\"}}",
        "{\"anyOf\":[{\"$ref\":\"#\"},{\"$ref\":\"#\"},{\"$ref\":\"#\"}]}",
        "{\"oneOf\":[{\"$ref\":\"#\"},true]}",
        "{\"allOf\":[{\"$ref\":\"#\"},{\"$ref\":\"#\"}]}",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(schemas); i++) {
        CLEANUP(mem_free) char *got = violation(schemas[i], "1");

        tap_contains(got, "nested too deep or takes too long", "%s ends",
                     schemas[i]);
    }
}

/* Each level tries two ways that both go to the bottom before they fail. */
static void test_exponential(void)
{
    CLEANUP(mem_free)
    char *schema = repeated("{\"anyOf\":[{\"items\":{\"$ref\":\"#\"},"
                            "\"minItems\":1},{\"items\":{\"$ref\":\"#\"},"
                            "\"minItems\":1}]}",
                            "", "", 1);
    CLEANUP(mem_free) char *value = repeated("[", "1,[]", "]", 60);
    CLEANUP(mem_free) char *got = violation(schema, value);

    tap_contains(got, "takes too long",
                 "alternatives without end are given up");
}

static void test_unique_limit(void)
{
    struct buffer text;
    CLEANUP(mem_free) char *few = NULL;
    CLEANUP(mem_free) char *many = NULL;

    buffer_init(&text, (size_t)1 << 22);
    buffer_add_string(&text, "[0");
    for (int i = 1; i < 5000; i++)
        buffer_addf(&text, ",%d", i);
    buffer_add_byte(&text, ']');
    few = violation("{\"uniqueItems\":true}", text.data);
    tap_string(few, "", "5000 different items are compared");
    buffer_truncate(&text, text.length - 1);
    for (int i = 5000; i < 20000; i++)
        buffer_addf(&text, ",%d", i);
    buffer_add_byte(&text, ']');
    many = violation("{\"uniqueItems\":true}", text.data);
    tap_contains(many, "takes too long", "20000 are not");
    buffer_free(&text);
}

static void test_long_texts(void)
{
    CLEANUP(mem_free) char *value = repeated("", "\"", "ä", 300);
    CLEANUP(mem_free) char *whole = mem_format("%s\"", value);
    CLEANUP(mem_free) char *got = violation("{\"type\":\"null\"}", whole);
    CLEANUP(mem_free) char *open = repeated("{\"member\":", "1", "}", 100);
    CLEANUP(mem_free)
    char *path = violation("{\"properties\":{\"member\":{\"$ref\":\"#\"}},"
                           "\"type\":\"object\"}",
                           open);
    CLEANUP(mem_free) char *big = mem_alloc(SCHEMA_TEXT_MAX + 2);
    struct error err = {0};

    tap_contains(got, "ää\"…", "a long value is cut between characters");
    tap_contains(path, "$.member.member.", "a long path is cut");
    tap_contains(path, "expected object; got 1", "the message is not");
    memset(big, ' ', SCHEMA_TEXT_MAX + 1);
    tap_ok(!compile(big, &err), "a schema over the size limit is refused");
    tap_contains(err.text, "larger than", "and says why");
    memcpy(big, "true", 4);
    big[SCHEMA_TEXT_MAX] = '\0';
    struct schema *schema = compile(big, &err);
    tap_ok(schema != NULL, "one of the greatest size is read");
    schema_free(schema);
    schema_free(NULL);
}

static void test_pattern_count(void)
{
    struct error err = {0};
    struct buffer text;
    struct schema *schema;

    buffer_init(&text, (size_t)1 << 20);
    buffer_add_string(&text, "{\"allOf\":[{}");
    for (int i = 0; i < SCHEMA_PATTERNS_MAX; i++)
        buffer_add_string(&text, ",{\"pattern\":\"a\"}");
    buffer_add_string(&text, "]}");
    schema = compile(text.data, &err);
    tap_ok(schema != NULL, "as many patterns as allowed");
    schema_free(schema);
    buffer_truncate(&text, text.length - 2);
    buffer_add_string(&text, ",{\"pattern\":\"a\"}]}");
    schema = compile(text.data, &err);
    tap_ok(!schema, "one pattern more is refused");
    schema_free(schema);
    buffer_free(&text);
}

/* Every prefix of a schema is refused or read, never worse. */
static void test_truncation(void)
{
    static const char text[] =
        "{\"type\":\"object\",\"properties\":{\"a\":{\"pattern\":\"^[a-z]"
        "{2}$\"}},\"required\":[\"a\"],\"additionalProperties\":false}";
    bool refused = true;

    for (size_t length = 0; length < sizeof(text) - 1; length++) {
        struct error err = {0};
        struct schema *schema =
            schema_compile((struct span){text, length}, &err);

        refused &= !schema && *err.text;
        schema_free(schema);
    }
    tap_ok(refused, "each truncated schema is refused");
}

/* ---- the strict rule --------------------------------------------------- */

#define STRICT "\"additionalProperties\":false"

static const struct {
    const char *schema;
    bool strict;
} rules[] = {
    {"{\"type\":\"object\"," STRICT "}", true},
    {"{\"type\":\"object\"}", false},
    {"{}", false},
    {"true", false},
    {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}},"
     "\"required\":[\"a\"]," STRICT "}",
     true},
    {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"},"
     "\"b\":{\"type\":\"string\"}},\"required\":[\"a\"]," STRICT "}",
     false},
    {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":[\"object\","
     "\"null\"]}},\"required\":[\"a\"]," STRICT "}",
     false},
    {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"array\","
     "\"items\":{\"type\":\"object\"}}},\"required\":[\"a\"]," STRICT "}",
     false},
    {"{\"type\":\"object\",\"properties\":{\"a\":{\"anyOf\":[{\"type\":"
     "\"null\"},{\"type\":\"object\"," STRICT
     "}]}},\"required\":[\"a\"]," STRICT "}",
     true},
    {"{\"type\":\"object\",\"properties\":{\"a\":{\"anyOf\":[{\"type\":"
     "\"null\"},{\"type\":\"object\"}]}},\"required\":[\"a\"]," STRICT "}",
     false},
    {"{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#/$defs/x\"}},"
     "\"required\":[\"a\"]," STRICT ",\"$defs\":{\"x\":{\"type\":"
     "\"object\"}}}",
     false},
    {"{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}",
     false},
    {"{\"properties\":{\"a\":{\"enum\":[1]}},\"required\":[\"a\"]," STRICT "}",
     true},
};

static void test_strict(void)
{
    for (size_t i = 0; i < ARRAY_LENGTH(rules); i++) {
        struct error err = {0};
        CLEANUP(schema_cleanup)
        struct schema *schema = compile(rules[i].schema, &err);

        tap_ok(schema && schema_is_strict(schema) == rules[i].strict,
               "%s is %sstrict", rules[i].schema,
               rules[i].strict ? "" : "not ");
    }
}

int main(void)
{
    test_checks();
    test_refusals();
    test_patterns();
    test_refused_patterns();
    test_pattern_keyword();
    test_depth();
    test_cycles();
    test_exponential();
    test_unique_limit();
    test_long_texts();
    test_pattern_count();
    test_truncation();
    test_strict();
    return tap_done();
}
