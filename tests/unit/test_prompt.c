/* runner/agent/prompt: what the model is told first, which tasks share. */
#include "runner/agent/prompt.h"

#include "base/memory.h"
#include "tests/tap.h"
#include "tests/unit/manifest.h"

#define MANIFEST(model, rest)                                              \
    "version: 1\nname: shared\nmodel: " model "\ntasks:\n"                 \
    "  - id: one\n    repo: /srv/host-path-one\n    prompt: First.\n" rest \
    "  - id: two\n    repo: /srv/host-path-two\n    prompt: Second.\n" rest

#define OPENAI "{provider: openai, name: m-1}"
#define COMPATIBLE \
    "{provider: compatible, name: m-1, base_url: 'http://127.0.0.1:9/v1'}"

static const struct prompt_place place = {"/workspace", "/home/agent", "/tmp",
                                          "/bin/bash"};

/* The first request of a task. */
static char *request_of(const struct task *task)
{
    static const struct documents none;
    const struct prompt_request wanted = {
        .task = task, .documents = &none, .place = &place};
    struct conversation conversation;
    struct prompt prompt;
    struct span request;
    char *copy;

    prompt_make(&wanted, &prompt);
    prompt_begin(&prompt, &conversation, NULL);
    prompt_free(&prompt);
    request = conversation_request(&conversation, 0);
    copy = mem_bytes(request.data, request.length);
    conversation_free(&conversation);
    return copy;
}

static cJSON *parse_request(const char *text)
{
    struct error err = {0};
    cJSON *json = json_parse(text, strlen(text), &err);

    tap_ok(json != NULL, "the request is JSON %s", err.text);
    return json;
}

/* Two tasks of a manifest share all bytes up to the task's own prompt. */
static void test_shared(const char *manifest, const char *name)
{
    struct loaded loaded = parse(manifest);

    if (is_good(&loaded, 2, name)) {
        CLEANUP(mem_free) char *one = request_of(&loaded.plan.tasks[0]);
        CLEANUP(mem_free) char *again = request_of(&loaded.plan.tasks[0]);
        CLEANUP(mem_free) char *two = request_of(&loaded.plan.tasks[1]);
        const char *prompt = strstr(one, "First.");

        tap_string(one, again, "%s: the same each time", name);
        if (tap_ok(prompt != NULL, "%s: has the prompt", name)) {
            size_t shared = (size_t)(prompt - one);

            tap_ok(!strncmp(one, two, shared), "%s: shared up to the prompt",
                   name);
            tap_string(prompt + strlen("First."),
                       two + shared + strlen("Second."),
                       "%s: which stands at the end", name);
        }
        tap_ok(!strstr(one, "host-path") && !strstr(one, "/srv"),
               "%s: no path of the host", name);
        tap_ok(!strstr(one, "t.yaml") && !strstr(one, "\"one\""),
               "%s: neither the manifest's name nor the task's", name);
    }
    loaded_free(&loaded);
}

static const char *text_of(const cJSON *input, int index)
{
    const cJSON *content =
        json_get_array(cJSON_GetArrayItem(input, index), "content");

    return json_get_text(cJSON_GetArrayItem(content, 0), "text", "");
}

static void test_items(void)
{
    struct loaded loaded = parse(MANIFEST(
        OPENAI, "    directory: sub\n    instructions: Be kind.\n"
                "    changes: none\n"
                "    policy:\n"
                "      approve:\n"
                "        - {tool: exec, argv: [git, push, '*'],"
                " decision: deny, because: not yours}\n"
                "      patch: {protect: [secret/**], allow: [src/**]}\n"));

    if (is_good(&loaded, 2, "items")) {
        CLEANUP(mem_free) char *text = request_of(&loaded.plan.tasks[0]);
        CLEANUP(json_free) cJSON *json = parse_request(text);
        const cJSON *input = json_get_array(json, "input");

        tap_int(cJSON_GetArraySize(input), 5, "five items");
        tap_contains(text_of(input, 0), "You are nightjar", "instructions");
        tap_contains(text_of(input, 1), "git push * (not yours)", "rules");
        tap_contains(text_of(input, 1), "Must not be changed: secret/**",
                     "what is protected");
        tap_contains(text_of(input, 1), "Only these may be changed: src/**",
                     "what is allowed");
        tap_contains(text_of(input, 1), "must not be changed", "no changes");
        tap_string(text_of(input, 2), "Be kind.", "the task's instructions");
        tap_contains(text_of(input, 3), "<cwd>/workspace/sub</cwd>", "place");
        tap_contains(text_of(input, 3), "<shell>bash</shell>", "the shell");
        tap_string(text_of(input, 4), "First.", "the prompt");
        tap_ok(!json_get_true(json, "store"), "nothing is stored");
        tap_ok(json_get_true(json, "stream"), "it is a stream");
        tap_string(json_get_string(json, "model"), "m-1", "the model");
        tap_ok(json_get_string(json, "prompt_cache_key") != NULL, "a key");
    }
    loaded_free(&loaded);
}

/* The key of the cache is that of what is shared. */
static void test_key(void)
{
    struct loaded plain = parse(MANIFEST(OPENAI, ""));
    struct loaded told = parse(MANIFEST(OPENAI, "    instructions: x\n"));

    if (is_good(&plain, 2, "plain") && is_good(&told, 2, "told")) {
        CLEANUP(mem_free) char *one = request_of(&plain.plan.tasks[0]);
        CLEANUP(mem_free) char *two = request_of(&plain.plan.tasks[1]);
        CLEANUP(mem_free) char *three = request_of(&told.plan.tasks[0]);
        CLEANUP(json_free) cJSON *first = parse_request(one);
        CLEANUP(json_free) cJSON *second = parse_request(two);
        CLEANUP(json_free) cJSON *third = parse_request(three);
        const char *key = json_get_text(first, "prompt_cache_key", "");

        tap_string(json_get_string(second, "prompt_cache_key"), key,
                   "two tasks have one key");
        tap_ok(strcmp(json_get_text(third, "prompt_cache_key", key), key) != 0,
               "other instructions another");
    }
    loaded_free(&plain);
    loaded_free(&told);
}

/* The types and names of the tools, "function exec_command …". */
static void tools_are(const char *manifest, const char *want, const char *name)
{
    struct loaded loaded = parse(manifest);

    if (is_good(&loaded, 2, name)) {
        CLEANUP(mem_free) char *text = request_of(&loaded.plan.tasks[0]);
        CLEANUP(json_free) cJSON *json = parse_request(text);
        const cJSON *tool;
        struct buffer got;

        buffer_init(&got, 1000);
        cJSON_ArrayForEach(tool, json_get_array(json, "tools")) buffer_addf(
            &got, "%s%s %s", got.length ? ", " : "",
            json_get_text(tool, "type", "?"), json_get_text(tool, "name", "?"));
        tap_string(got.data, want, "%s", name);
        buffer_free(&got);
    }
    loaded_free(&loaded);
}

static void test_tools(void)
{
    tools_are(MANIFEST(OPENAI, ""),
              "function exec_command, function write_stdin, custom "
              "apply_patch, function view_image, function update_plan",
              "all tools");
    tools_are(MANIFEST(COMPATIBLE, ""),
              "function exec_command, function write_stdin, function "
              "apply_patch, function view_image, function update_plan",
              "another server has functions only");
    tools_are(MANIFEST(OPENAI, "    tools: [patch]\n"), "custom apply_patch",
              "those that the task names");
}

/* The schema as one of the files beside the good manifests. */
static void test_schema(void)
{
    struct loaded loaded = parse(MANIFEST(OPENAI, ""));
    struct task task;

    if (is_good(&loaded, 2, "schema")) {
        CLEANUP(json_free) cJSON *json = NULL;
        CLEANUP(mem_free) char *text = NULL;
        const cJSON *format;

        task = loaded.plan.tasks[0];
        task.output_schema =
            "{ \"type\": \"object\", \"properties\": {\"a\": {\"type\": "
            "\"string\"}}, \"required\": [\"a\"], "
            "\"additionalProperties\": false }";
        text = request_of(&task);
        json = parse_request(text);
        format = json_get_object(json_get_object(json, "text"), "format");
        tap_string(json_get_string(format, "type"), "json_schema", "a schema");
        tap_ok(json_get_true(format, "strict"), "that is strict");
        tap_ok(json_get_object(json_get_object(format, "schema"),
                               "properties") != NULL,
               "is there whole");
        task.output_schema = "{\"type\":\"object\"}";
        free(text);
        cJSON_Delete(json);
        text = request_of(&task);
        json = parse_request(text);
        format = json_get_object(json_get_object(json, "text"), "format");
        tap_ok(format && !json_get_true(format, "strict"),
               "one that is not strict is not called so");
    }
    loaded_free(&loaded);
}

static void test_effort(void)
{
    struct loaded loaded = parse(
        MANIFEST("{provider: openai, name: m-1, reasoning_effort: high}", ""));

    if (is_good(&loaded, 2, "effort")) {
        CLEANUP(mem_free) char *text = request_of(&loaded.plan.tasks[0]);
        CLEANUP(json_free) cJSON *json = parse_request(text);

        tap_string(
            json_get_string(json_get_object(json, "reasoning"), "effort"),
            "high", "the effort is sent");
        tap_ok(!json_get(json, "text"), "no format without a schema");
    }
    loaded_free(&loaded);
}

int main(void)
{
    test_shared(MANIFEST(OPENAI, ""), "plain");
    test_shared(MANIFEST(COMPATIBLE, ""), "another server");
    test_shared(MANIFEST(OPENAI, "    instructions: Be kind.\n"
                                 "    directory: a\n    timeout: 5m\n"),
                "with instructions");
    test_items();
    test_key();
    test_tools();
    test_schema();
    test_effort();
    return tap_done();
}
