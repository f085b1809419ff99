#include <float.h>

#include "base/json.h"
#include "base/memory.h"
#include "tests/tap.h"

/* For names of checks, which are one line. */
static int line(const char *text)
{
    return (int)strcspn(text, "\r\n");
}

static cJSON *parse_text(const char *text, struct error *err)
{
    return json_parse(text, strlen(text), err);
}

static void refused(struct span text, const char *message)
{
    struct error err = {0};
    cJSON *value = json_parse(text.data, text.length, &err);

    tap_ok(!value, "refused: %.*s", line(text.data), text.data);
    tap_string(value ? "" : err.text, message, "the message");
    tap_int(err.kind, ERROR_PROTOCOL, "the kind");
    cJSON_Delete(value);
}

/* Refused; the exact place is the library's. */
static void refused_somehow(const char *text)
{
    struct error err = {0};
    cJSON *value = parse_text(text, &err);

    tap_ok(!value, "refused: %.*s", line(text), text);
    tap_contains(err.text, "JSON: ", "with a message: %s", err.text);
    cJSON_Delete(value);
}

static void accepted(const char *text)
{
    struct error err = {0};
    cJSON *value = parse_text(text, &err);

    tap_ok(value != NULL, "accepted: %.*s %s", line(text), text, err.text);
    cJSON_Delete(value);
}

static void test_traps(void)
{
    refused(SPAN("\"a\0b\""), "JSON: control character at byte 2");
    refused(SPAN("\0"), "JSON: control character at byte 0");
    refused(SPAN("{\"a\":1}\0"), "JSON: control character at byte 7");
    refused(SPAN("\"a\\u0000b\""), "JSON: \\u0000 in a string at byte 2");
    refused(SPAN("{\"\\u0000\":1}"), "JSON: \\u0000 in a string at byte 2");
    refused(SPAN("\"\\ud800\\u0000\""), "JSON: \\u0000 in a string at byte 7");
    refused(SPAN("\"a\nb\""), "JSON: control character at byte 2");
    refused(SPAN("[\x01]"), "JSON: control character at byte 1");
    refused(SPAN("\v1"), "JSON: control character at byte 0");
    refused(SPAN("1\f"), "JSON: control character at byte 1");
    refused(SPAN("\"\xFF\""), "JSON: invalid UTF-8");
    refused(SPAN("\"\xC3\""), "JSON: invalid UTF-8");
    refused(SPAN("\"\xED\xA0\x80\""), "JSON: invalid UTF-8");
    refused(SPAN("{} x"), "JSON: text behind the value at byte 3");
    refused(SPAN("1 2"), "JSON: text behind the value at byte 2");
    refused(SPAN("1e999"), "JSON: a number is out of range");
    refused(SPAN("[0,{\"a\":-1e999}]"), "JSON: a number is out of range");
    accepted("\"a\\\\u0000b\"");
    accepted("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\"");
    accepted(" \t\r\n{ \"a\" : [ 1 , 2 ] } \n");
    accepted("\"\x7F\"");
}

static void test_syntax(void)
{
    static const char *const wrong[] = {"",
                                        " ",
                                        "{",
                                        "[",
                                        "\"",
                                        "{\"a\"}",
                                        "{\"a\":}",
                                        "{a:1}",
                                        "{\"a\":1,}",
                                        "[1,]",
                                        "[,1]",
                                        "[1 2]",
                                        "nul",
                                        "True",
                                        "'a'",
                                        "-",
                                        "+1",
                                        ".5",
                                        "--1",
                                        "1-2",
                                        "01",
                                        "-01",
                                        "1.",
                                        "1.e5",
                                        "-.5",
                                        "1e",
                                        "1e+",
                                        "0x10",
                                        "NaN",
                                        "Infinity",
                                        "\"\\x\"",
                                        "\"\\u12\"",
                                        "\"\\ud800\"",
                                        "\"\\udc00\"",
                                        "\"\\ud800x\"",
                                        "\xEF\xBB\xBF{}",
                                        "{\"a\":1}}",
                                        "[1]]",
                                        "]",
                                        "}",
                                        "/* */1",
                                        "{\"a\":1 \"b\":2}",
                                        "{1:2}",
                                        "[1;2]"};
    static const char *const right[] = {"0",
                                        "-0",
                                        "1.5",
                                        "1e5",
                                        "1E+5",
                                        "-1.5e-3",
                                        "null",
                                        "true",
                                        "\"\"",
                                        "[]",
                                        "{}",
                                        "[[]]",
                                        "{\"\":{}}",
                                        "10",
                                        "0.5",
                                        "0e1",
                                        "\"\\ud83d\\ude42\"",
                                        "[0,-1,0.0]"};

    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++)
        refused_somehow(wrong[i]);
    for (size_t i = 0; i < ARRAY_LENGTH(right); i++)
        accepted(right[i]);
}

static void test_depth(void)
{
    char text[2 * (JSON_DEPTH_MAX + 1) + 1] = "";

    for (size_t depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
        struct error err;
        cJSON *value;

        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        value = json_parse(text, depth * 2, &err);
        tap_int(value != NULL, depth == JSON_DEPTH_MAX, "depth %zu", depth);
        cJSON_Delete(value);
    }
    tap_ok(!parse_text("\"[[[\"x", &(struct error){0}), "text behind");
    memset(text, '[', sizeof(text) - 1);
    text[0] = '"';
    text[sizeof(text) - 2] = '"';
    accepted(text);
}

/* A million brackets must not exhaust the stack. */
static void test_bomb(void)
{
    size_t size = 1000000;
    CLEANUP(mem_free) char *text = mem_alloc(size + 1);
    struct error err;

    memset(text, '[', size);
    tap_ok(!json_parse(text, size, &err), "a million brackets");
    tap_contains(err.text, "nesting is too deep at byte 128", "too deep");
    for (size_t i = 0; i < size; i += 5)
        memcpy(text + i, "{\"a\":", 5);
    tap_ok(!json_parse(text, size, &err), "200000 braces");
}

/* Each truncation is refused, and none reads behind its end: the copy has
 * exactly the bytes. */
static void test_truncation(void)
{
    static const char whole[] =
        "{\"a\":[1,-2.5e3,true,false,null,\"x\\u00e4\\\"\\\\\"],\"b\":{}}";
    size_t wrong = 0;

    for (size_t cut = 0; cut < sizeof(whole) - 1; cut++) {
        char *copy = malloc(cut ? cut : 1);
        struct error err;
        cJSON *value;

        memcpy(copy, whole, cut);
        value = json_parse(copy, cut, &err);
        wrong += value != NULL;
        cJSON_Delete(value);
        free(copy);
    }
    tap_int((int64_t)wrong, 0, "every truncation is refused");
    accepted(whole);
}

static void test_members(void)
{
    struct error err;
    CLEANUP(json_free)
    cJSON *value = parse_text(
        "{\"s\":\"x\",\"n\":5,\"o\":{},\"a\":[],\"t\":true,\"f\":false,"
        "\"n\":6,\"N\":7,\"half\":0.5,\"null\":null}",
        &err);

    tap_string(json_get_string(value, "s"), "x", "a string");
    tap_ok(!json_get_string(value, "n"), "a number is no string");
    tap_ok(!json_get_string(value, "S"), "case counts");
    tap_string(json_get_text(value, "n", "?"), "?", "otherwise");
    tap_ok(json_get_object(value, "o") && !json_get_object(value, "a"),
           "an object");
    tap_ok(json_get_array(value, "a") && !json_get_array(value, "o"),
           "an array");
    tap_ok(json_get_true(value, "t") && !json_get_true(value, "f") &&
               !json_get_true(value, "n") && !json_get_true(value, "x"),
           "only true is true");
    tap_int(json_get_int64(value, "n", -1), 5, "the first of two counts");
    tap_int(json_get_int64(value, "N", -1), 7, "another name");
    tap_int(json_get_int64(value, "half", -1), -1, "a half is no integer");
    tap_int(json_get_int64(value, "s", -1), -1, "a string is no integer");
    tap_ok(!json_get(NULL, "s") && !json_get_array(NULL, "a"), "of NULL");
    tap_ok(!json_get(json_get(value, "a"), "s"), "of an array");
    tap_ok(json_get(value, "null") != NULL, "null is there");
}

static void is_integer(const char *number, bool is, int64_t want)
{
    CLEANUP(mem_free) char *text = mem_format("{\"n\":%s}", number);
    struct error err;
    CLEANUP(json_free) cJSON *value = parse_text(text, &err);
    int64_t got = 77;

    tap_int(json_get_integer(value, "n", &got), is, "%s: an integer", number);
    tap_int(got, is ? want : 77, "%s: its value", number);
}

static void test_integers(void)
{
    is_integer("0", true, 0);
    is_integer("-0", true, 0);
    is_integer("1e3", true, 1000);
    is_integer("5.0", true, 5);
    is_integer("9007199254740992", true, JSON_INTEGER_MAX);
    is_integer("-9007199254740992", true, -JSON_INTEGER_MAX);
    is_integer("9007199254740994", false, 0);
    is_integer("9223372036854775807", false, 0);
    is_integer("1e300", false, 0);
    is_integer("-1e300", false, 0);
    is_integer("1.5", false, 0);
    is_integer("\"1\"", false, 0);
    is_integer("null", false, 0);
    is_integer("true", false, 0);
}

static void member(const char *object, const char *key, const char *want)
{
    struct span got =
        json_member_bytes((struct span){object, strlen(object)}, key);

    if (!want)
        tap_ok(!got.data && !got.length, "%s has no %s", object, key);
    else
        tap_bytes(got.data, got.length, want, strlen(want), "%s of %.*s", key,
                  line(object), object);
}

static void test_member_bytes(void)
{
    member("{\"a\":1}", "a", "1");
    member("{\"a\":1}", "b", NULL);
    member("{}", "a", NULL);
    member("[\"a\",1]", "a", NULL);
    member("\"a\"", "a", NULL);
    member("", "a", NULL);
    member(" { \"a\" : 1 , \"b\" : [ 1 , { \"c\" : 2 } ] } ", "b",
           "[ 1 , { \"c\" : 2 } ]");
    member("{\"a\":{\"b\":1},\"b\":2}", "b", "2");
    member("{\"x\":\"\\\"b\\\":1,}]\",\"b\":null}", "b", "null");
    member("{\"x\":\"\\\\\",\"b\":-1.5e3}", "b", "-1.5e3");
    member("{\"x\":[\"]\",\"}\"],\"b\":\"y\"}", "b", "\"y\"");
    member("{\"b\":\"}\"}", "b", "\"}\"");
    member("{\"b\":1,\"b\":2}", "b", "1");
    member("{\"\":1}", "", "1");
    member("{\"\":1}", "a", NULL);
    member("{\"ab\":1,\"a\":2,\"abc\":3}", "a", "2");
    member("{\"a\":\ttrue\n}", "a", "true");
    member("{\"a\":[[[]]],\"b\":{\"c\":{}}}", "b", "{\"c\":{}}");
}

/* The same member as json_get finds, however its name is written. */
static void test_member_bytes_agree(void)
{
    member("{\"\\u0069tem\":1,\"item\":2}", "item", "1");
    member("{\"it\\u0065m\":[1]}", "item", "[1]");
    member("{\"a\\/b\":3}", "a/b", "3");
    member("{\"\\\"\":4}", "\"", "4");
    member("{\"\\\\\":5}", "\\", "5");
    member("{\"\\u00e4\":6}", "\xC3\xA4", "6");
}

static struct json start(struct buffer *out)
{
    buffer_init(out, 4096);
    return json_to(out);
}

static void test_writer(void)
{
    struct buffer out;
    struct json json = start(&out);

    json_object(&json);
    json_member_string(&json, "s", "a\"\\\b\t\n\f\r\x01\x1f\x7f/\xC3\xA4");
    json_member_text(&json, "none", NULL);
    json_member_int(&json, "min", INT64_MIN);
    json_member_bool(&json, "b", false);
    json_key(&json, "list");
    json_array(&json);
    json_null(&json);
    json_array(&json);
    json_end(&json);
    json_object(&json);
    json_end(&json);
    json_raw(&json, SPAN("{\"raw\":1}"));
    json_bytes(&json, "\0\xFF", 2);
    json_bytes(&json, NULL, 0);
    json_end(&json);
    json_end(&json);
    tap_string(out.data,
               "{\"s\":\"a\\\"\\\\\\b\\t\\n\\f\\r\\u0001\\u001f\\u007f/"
               "\xC3\xA4\",\"min\":-9223372036854775808,\"b\":false,"
               "\"list\":[null,[],{},{\"raw\":1},"
               "\"\xEF\xBF\xBD\xEF\xBF\xBD\",\"\"]}",
               "everything at once");
    tap_ok(!json.full, "not full");
    json_end(&json);
    tap_string(out.data + out.length - 2, "]}", "one end too many is nothing");
    buffer_free(&out);
}

static void test_writer_limits(void)
{
    struct buffer out;
    struct json json;

    buffer_init(&out, 5);
    json = json_to(&out);
    json_string(&json, "abc");
    tap_ok(!json.full, "five bytes in five");
    json_int(&json, 1);
    tap_ok(json.full, "a sixth is told");
    buffer_free(&out);

    json = start(&out);
    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        json_array(&json);
    tap_ok(!json.full, "the greatest depth");
    json_array(&json);
    tap_ok(json.full, "one more is told");
    buffer_free(&out);
}

static void micro(int64_t value, const char *want)
{
    struct buffer out;
    struct json json = start(&out);

    json_micro(&json, value);
    tap_string(out.data, want, "micro %s", want);
    buffer_free(&out);
}

static void test_micro(void)
{
    micro(0, "0");
    micro(1, "0.000001");
    micro(-1, "-0.000001");
    micro(1000000, "1");
    micro(10000000, "10");
    micro(1500000, "1.5");
    micro(-2345678, "-2.345678");
    micro(INT64_MAX, "9223372036854.775807");
    micro(INT64_MIN, "-9223372036854.775808");
}

static void number(const char *text, const char *want)
{
    struct error err;
    struct buffer out;
    struct json json = start(&out);
    CLEANUP(json_free) cJSON *value = parse_text(text, &err);

    json_value(&json, value);
    tap_string(out.data, want, "number %s", text);
    buffer_free(&out);
}

static void test_numbers(void)
{
    number("0", "0");
    number("-5", "-5");
    number("1.0", "1");
    number("0.1", "0.1");
    number("1e2", "100");
    number("999999999999999", "999999999999999");
    number("1e15", "1e+15");
    number("3.141592653589793", "3.141592653589793");
    number("0.30000000000000004", "0.30000000000000004");
    number("1.7976931348623157e308", "1.7976931348623157e+308");
    number("5e-324", "4.94065645841247e-324");
    number("1e-999", "0");
}

static void test_round_trip(void)
{
    static const char text[] =
        "{\"a\":[1,2.5,\"\\u0001\\\"\",true,false,null,{}],\"\":[],"
        "\"deep\":[[[[\"x\"]]]],\"\xE2\x82\xAC\":\"\xF0\x9F\x99\x82\"}";
    struct error err;
    struct buffer out;
    struct json json = start(&out);
    CLEANUP(json_free) cJSON *value = parse_text(text, &err);

    json_value(&json, value);
    tap_string(out.data, text, "written as it was read");
    buffer_free(&out);
}

int main(void)
{
    test_traps();
    test_syntax();
    test_depth();
    test_bomb();
    test_truncation();
    test_members();
    test_integers();
    test_member_bytes();
    test_member_bytes_agree();
    test_writer();
    test_writer_limits();
    test_micro();
    test_numbers();
    test_round_trip();
    return tap_done();
}
