/* runner/model/script: what it plays, and what it says of bad files. */
#include "runner/model/script.h"

#include "runner/model/responses.h"
#include "tests/unit/data.h"

#define FILE_NAME "s.yaml"

static struct error err;

static void put(struct span text)
{
    if (file_replace(AT_FDCWD, FILE_NAME, text, &err)) {
        printf("Bail out! %s\n", err.text);
        exit(1);
    }
}

static struct script *load(const char *text, const char *task)
{
    put((struct span){text, strlen(text)});
    err = (struct error){.kind = ERROR_NONE};
    return script_open(FILE_NAME, task, &err);
}

/* ---- bad files ---------------------------------------------------------- */

static void bad(const char *text, const char *message)
{
    struct script *script = load(text, "t");

    tap_ok(!script, "refused: %s", message);
    tap_string(err.text, message, "the message");
    tap_int(err.kind, ERROR_MANIFEST, "the kind");
    script_close(script);
}

#define TURNS "version: 1\ntasks:\n  - task: t\n    turns:\n      "

static void test_bad(void)
{
    bad("[]", FILE_NAME ":1:1: expected a map");
    bad("version: 2\ntasks: []", FILE_NAME ":1:10: expected 'version: 1'");
    bad("tasks: []", FILE_NAME ":1:1: expected 'version: 1'");
    bad("version: [1]\ntasks: []", FILE_NAME ":1:10: expected 'version: 1'");
    bad("version: 1", FILE_NAME ":1:1: expected a list of 'tasks'");
    bad("version: 1\ntasks: {}", FILE_NAME ":2:8: expected a list of 'tasks'");
    bad("version: 1\ntasks: []\nmore: 1", FILE_NAME ":3:1: unknown key");
    bad("version: 1\ntasks: [1]", FILE_NAME ":2:9: expected a map");
    bad("version: 1\ntasks:\n  - {task: t}",
        FILE_NAME ":1:1: expected a list of 'turns'");
    bad("version: 1\ntasks:\n  - {task: t, turns: 1}",
        FILE_NAME ":3:22: expected a list of 'turns'");
    bad("version: 1\ntasks:\n  - {turns: []}",
        FILE_NAME ":3:5: expected 'task: GLOB'");
    bad("version: 1\ntasks:\n  - {task: [], turns: []}",
        FILE_NAME ":3:5: expected 'task: GLOB'");
    bad("version: 1\ntasks:\n  - {task: t, turns: [], x: 1}",
        FILE_NAME ":3:26: unknown key");
    bad("version: 1\ntasks: []", FILE_NAME ": no entry matches the task 't'");
    bad("version: 1\ntasks:\n  - {task: u, turns: []}",
        FILE_NAME ": no entry matches the task 't'");
    bad(TURNS "- 1", FILE_NAME ":5:9: expected a map");
    bad(TURNS "- {}", FILE_NAME ":5:9: a turn has either 'calls' or 'final'");
    bad(TURNS "- {say: x}",
        FILE_NAME ":5:9: a turn has either 'calls' or 'final'");
    bad(TURNS "- {final: x, calls: []}",
        FILE_NAME ":5:9: a turn has either 'calls' or 'final'");
    bad(TURNS "- {final: [x]}", FILE_NAME ":5:9: 'say' and 'final' are texts");
    bad(TURNS "- {say: [x], final: y}",
        FILE_NAME ":5:9: 'say' and 'final' are texts");
    bad(TURNS "- {final: x, finally: y}", FILE_NAME ":5:20: unknown key");
    bad(TURNS "- {calls: x}", FILE_NAME ":5:17: expected a list of calls");
    bad(TURNS "- {calls: [x]}",
        FILE_NAME ":5:18: expected one tool's name and its arguments");
    bad(TURNS "- {calls: [{a: {}, b: {}}]}",
        FILE_NAME ":5:18: expected one tool's name and its arguments");
    bad(TURNS "- {calls: [{}]}",
        FILE_NAME ":5:18: expected one tool's name and its arguments");
}

/* Files that are no YAML: the reader's own words, at the right place. */
static void test_no_yaml(void)
{
    static const char *const texts[] = {
        "",           "\t",        "a: [",         "{",
        "a: 1\na: 2", "- &a [*a]", "--- 1\n--- 2", "\"x"};

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        struct script *script = load(texts[i], "t");

        tap_ok(!script, "text %zu is refused", i);
        tap_ok(!strncmp(err.text, FILE_NAME ":", strlen(FILE_NAME) + 1),
               "at a place: %.*s", (int)strcspn(err.text, "\n"), err.text);
        tap_int(err.kind, ERROR_MANIFEST, "the kind");
        script_close(script);
    }
    put(SPAN("version: 1\n\xFF"));
    tap_ok(!script_open(FILE_NAME, "t", &err), "bytes that are no UTF-8");
    tap_ok(!script_open("missing.yaml", "t", &err), "a file that is not there");
    tap_string(err.text, "script: missing.yaml: No such file or directory",
               "the message");
    script_close(NULL);
}

static void test_too_large(void)
{
    CLEANUP(mem_free) char *text = mem_alloc(SCRIPT_BYTES_MAX + 2);

    memset(text, '#', SCRIPT_BYTES_MAX + 1);
    put((struct span){text, SCRIPT_BYTES_MAX + 1});
    tap_ok(!script_open(FILE_NAME, "t", &err), "larger than the limit");
    tap_string(err.text, "script: " FILE_NAME ": larger than 4194304 bytes",
               "the message");
}

/* ---- playing ------------------------------------------------------------ */

struct played {
    struct responses responses;
    struct model_reply reply;
};

/* A script that is right. */
static struct script *load_good(const char *text, const char *task)
{
    struct script *script = load(text, task);

    if (!script) {
        printf("Bail out! %s\n", err.text);
        exit(1);
    }
    return script;
}

/* One turn, read by the parser of a real server's stream. */
static int play(struct script *script, const char *request,
                struct played *played)
{
    struct buffer stream;
    int status;

    buffer_init(&stream, MODEL_REPLY_BYTES_MAX);
    responses_init(&played->responses, &played->reply);
    status = script_answer(script, (struct span){request, strlen(request)},
                           &stream, &err);
    if (!status)
        status = responses_feed(&played->responses, stream.data, stream.length,
                                &err);
    buffer_free(&stream);
    return status;
}

static void played_free(struct played *played)
{
    responses_free(&played->responses);
    model_reply_free(&played->reply);
}

static void test_final(void)
{
    struct script *script =
        load_good(TURNS "- {say: 'one', final: \"two\\n\\\"\\u00e4\"}", "t");
    struct played played;

    tap_int(play(script, "{}", &played), 1, "a turn with both texts");
    tap_int((int64_t)played.reply.count, 2, "is two messages");
    tap_string(played.reply.items[0].text, "one", "the first");
    tap_ok(played.reply.items[0].commentary, "is commentary");
    tap_string(played.reply.items[1].text, "two\n\"\xC3\xA4", "the second");
    tap_ok(!played.reply.items[1].commentary, "is not");
    played_free(&played);
    tap_int(play(script, "{}", &played), -1, "no turn is left");
    tap_string(err.text,
               FILE_NAME ":5:7: the script has no turn left for this task",
               "the message");
    tap_int(err.kind, ERROR_MANIFEST, "the kind");
    played_free(&played);
    script_close(script);
}

static void test_calls(void)
{
    struct script *script = load_good(
        TURNS
        "- calls:\n"
        "          - exec_command: {cmd: \"echo \\\"x\\\"\", tty: true, n: 5,\n"
        "              half: 0.5, none: null, text: \"5\", word: yes,\n"
        "              list: [1, a, {b: c}], empty: }\n"
        "          - apply_patch: |\n"
        "              *** Begin Patch\n"
        "              *** End Patch\n"
        "          - plan: []\n"
        "      - calls: [{a: {}}]\n",
        "t");
    struct played played;
    const struct model_item *items;

    tap_int(play(script, "{}", &played), 1, "a turn with calls: %s", err.text);
    items = played.reply.items;
    tap_int((int64_t)played.reply.count, 3, "all three");
    tap_int(items[0].type, ITEM_FUNCTION_CALL, "a map is a function call");
    tap_string(items[0].name, "exec_command", "its name");
    tap_string(items[0].arguments,
               "{\"cmd\":\"echo \\\"x\\\"\",\"tty\":true,\"n\":5,\"half\":0.5,"
               "\"none\":null,\"text\":\"5\",\"word\":\"yes\","
               "\"list\":[1,\"a\",{\"b\":\"c\"}],\"empty\":\"\"}",
               "its arguments");
    tap_string(items[0].call_id, "call_script_1", "its id");
    tap_int(items[1].type, ITEM_CUSTOM_CALL, "a text is a custom call");
    tap_string(items[1].arguments, "*** Begin Patch\n*** End Patch\n", "input");
    tap_string(items[2].arguments, "[]", "a list of arguments");
    played_free(&played);
    play(script, "{}", &played);
    tap_string(played.reply.items[0].call_id, "call_script_4", "ids go on");
    played_free(&played);
    script_close(script);
}

static void test_usage(void)
{
    CLEANUP(mem_free) char *request = mem_alloc(2001);
    struct script *script =
        load_good(TURNS "- final: x\n      - final: x\n", "t");
    struct played played;

    memset(request, 'r', 2000);
    play(script, request, &played);
    tap_int(played.reply.usage.input_tokens, 500, "four bytes a token");
    tap_int(played.reply.usage.cached_tokens, 0, "none cached at first");
    tap_ok(played.reply.usage.output_tokens > 0, "some for the answer");
    played_free(&played);
    play(script, request, &played);
    tap_int(played.reply.usage.cached_tokens, 384, "then in steps of 128");
    played_free(&played);
    script_close(script);
}

static void test_expect(void)
{
    static const char text[] = TURNS "- {expect: 'say \"x\"', final: y}";
    struct script *script = load_good(text, "t");
    struct played played;

    tap_int(play(script, "{\"a\":\"to say \\\"x\\\"!\"}", &played), 1,
            "the expected text, as JSON has it");
    played_free(&played);
    script_close(script);
    script = load_good(text, "t");
    tap_int(play(script, "{\"a\":\"say x\"}", &played), -1, "another text");
    tap_string(err.text,
               FILE_NAME ":5:18: the request does not have the expected text",
               "the message");
    played_free(&played);
    script_close(script);
    script = load_good(TURNS "- {expect: [x], final: y}", "t");
    tap_int(play(script, "x", &played), -1, "an expectation that is no text");
    played_free(&played);
    script_close(script);
}

static void answers(const char *task, const char *want)
{
    struct script *script =
        load_good("version: 1\n"
                  "tasks:\n"
                  "  - {task: fix-a, turns: [{final: one}]}\n"
                  "  - {task: 'fix-*', turns: [{final: two}]}\n"
                  "  - {task: '*', turns: [{final: three}]}\n",
                  task);
    struct played played;

    play(script, "{}", &played);
    tap_string(played.reply.items[0].text, want, "the turns of %s", task);
    played_free(&played);
    script_close(script);
}

/* Every entry is checked, also those that are not for this task. */
static void test_entries(void)
{
    answers("fix-a", "one");
    answers("fix-b", "two");
    answers("other", "three");
    bad("version: 1\ntasks:\n  - {task: t, turns: []}\n  - {task: u, turns: "
        "[1]}",
        FILE_NAME ":4:23: expected a map");
}

int main(void)
{
    if (chdir(getenv("TMPDIR"))) {
        printf("Bail out! no TMPDIR\n");
        return 1;
    }
    test_bad();
    test_no_yaml();
    test_too_large();
    test_final();
    test_calls();
    test_usage();
    test_expect();
    test_entries();
    return tap_done();
}
