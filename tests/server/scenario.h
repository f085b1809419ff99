/* Scenarios: what a scripted model answers. The format stands at the head of
 * model_server.c.
 *
 *     scenario_load(&scenario, path, &err);      // 0, or -1: refused
 *     step = scenario_step(&scenario, body);     // NULL: the list is used up
 *     scenario_free(&scenario);
 *
 * Unknown members are refused: a fault with a misspelt name would be a test
 * that tests nothing. */
#ifndef NIGHTJAR_TESTS_SERVER_SCENARIO_H
#define NIGHTJAR_TESTS_SERVER_SCENARIO_H

#include <fcntl.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"

#define SCRIPTS_MAX 4096
#define SCENARIO_MAX ((size_t)64 << 20)
#define SCENARIO_NUMBER_MAX ((double)(1 << 30))

struct script {
    char *text; /* occurs in the body, as JSON escapes it; NULL: always */
    const cJSON *steps;
    int64_t next;
};

struct scenario {
    cJSON *json, *echo_call, *echo_end;
    struct script scripts[SCRIPTS_MAX];
    size_t script_count;
    char *match;
    int64_t echoed; /* requests, for faults */
};

/* What a member may be. */
enum member_type {
    MEMBER_ANY,
    MEMBER_NUMBER, /* 0 to SCENARIO_NUMBER_MAX */
    MEMBER_BOOL,
    MEMBER_STRING,
    MEMBER_OBJECT,
    MEMBER_TEXTS, /* an object of strings */
    MEMBER_ARRAY,
    MEMBER_DRIP,    /* {"bytes", "interval_ms"} */
    MEMBER_ENDLESS, /* true or "comments" */
    MEMBER_NEWLINE,
    MEMBER_REPEAT,
};

struct member {
    const char *name;
    enum member_type type;
};

static const struct member scenario_members[] = {
    {"responses", MEMBER_ARRAY},   {"repeat", MEMBER_REPEAT},
    {"by_prompt", MEMBER_OBJECT},  {"match", MEMBER_STRING},
    {"echo_turns", MEMBER_NUMBER}, {"latency_ms", MEMBER_NUMBER},
    {"cmd", MEMBER_STRING},        {"model", MEMBER_STRING},
    {"faults", MEMBER_ARRAY},      {"fault_every", MEMBER_NUMBER},
};

static const struct member step_members[] = {
    {"items", MEMBER_ARRAY},
    {"usage", MEMBER_ANY},
    {"status", MEMBER_NUMBER},
    {"headers", MEMBER_TEXTS},
    {"body", MEMBER_ANY},
    {"redirect", MEMBER_STRING},
    {"content_type", MEMBER_STRING},
    {"cut_after_event", MEMBER_NUMBER},
    {"cut_after_bytes", MEMBER_NUMBER},
    {"stall_after_event", MEMBER_NUMBER},
    {"reset", MEMBER_BOOL},
    {"truncated_chunk", MEMBER_BOOL},
    {"garbage", MEMBER_NUMBER},
    {"endless", MEMBER_ENDLESS},
    {"huge_text", MEMBER_NUMBER},
    {"huge_line", MEMBER_NUMBER},
    {"error_event", MEMBER_OBJECT},
    {"failed", MEMBER_OBJECT},
    {"no_completed", MEMBER_BOOL},
    {"incomplete", MEMBER_STRING},
    {"duplicate_done", MEMBER_BOOL},
    {"sse_newline", MEMBER_NEWLINE},
    {"header_flood", MEMBER_NUMBER},
    {"fragment", MEMBER_NUMBER},
    {"drip", MEMBER_DRIP},
    {"close", MEMBER_BOOL},
    {"latency_ms", MEMBER_NUMBER},
};

static const char *const item_kinds[] = {"message", "reasoning", "call",
                                         "custom", "raw"};

static bool is_number(const cJSON *value)
{
    return cJSON_IsNumber(value) && value->valuedouble >= 0 &&
           value->valuedouble <= SCENARIO_NUMBER_MAX &&
           value->valuedouble == (double)(int64_t)value->valuedouble;
}

static bool is_one_of(const cJSON *value, const char *a, const char *b,
                      const char *c)
{
    const char *text = cJSON_GetStringValue(value);

    return text && (!strcmp(text, a) || !strcmp(text, b) || !strcmp(text, c));
}

static bool are_strings(const cJSON *object)
{
    const cJSON *member;

    cJSON_ArrayForEach(member, object)
    {
        if (!cJSON_IsString(member))
            return false;
    }
    return cJSON_IsObject(object);
}

static bool has_type(const cJSON *value, enum member_type type)
{
    switch (type) {
    case MEMBER_NUMBER:
        return is_number(value);
    case MEMBER_BOOL:
        return cJSON_IsBool(value);
    case MEMBER_STRING:
        return cJSON_IsString(value);
    case MEMBER_OBJECT:
        return cJSON_IsObject(value);
    case MEMBER_TEXTS:
        return are_strings(value);
    case MEMBER_ARRAY:
        return cJSON_IsArray(value);
    case MEMBER_DRIP:
        return is_number(json_get(value, "bytes")) &&
               is_number(json_get(value, "interval_ms"));
    case MEMBER_ENDLESS:
        return cJSON_IsTrue(value) ||
               is_one_of(value, "comments", "comments", "comments");
    case MEMBER_NEWLINE:
        return is_one_of(value, "\n", "\r\n", "\r");
    case MEMBER_REPEAT:
        return is_one_of(value, "none", "last", "cycle");
    case MEMBER_ANY:
        break;
    }
    return true;
}

static int check_members(const cJSON *object, const struct member *members,
                         size_t count, struct error *err)
{
    if (!cJSON_IsObject(object))
        return error_set(err, ERROR_USAGE, "not an object");
    for (const cJSON *at = object->child; at; at = at->next) {
        size_t i = 0;

        while (i < count && strcmp(members[i].name, at->string))
            i++;
        if (i == count)
            return error_set(err, ERROR_USAGE, "unknown member \"%s\"",
                             at->string);
        if (!has_type(at, members[i].type))
            return error_set(err, ERROR_USAGE, "wrong type or range of \"%s\"",
                             at->string);
    }
    return 0;
}

static int check_steps(const cJSON *steps, struct error *err)
{
    const cJSON *step, *item;

    if (!cJSON_IsArray(steps))
        return error_set(err, ERROR_USAGE, "not a list of steps");
    cJSON_ArrayForEach(step, steps)
    {
        if (check_members(step, step_members, ARRAY_LENGTH(step_members), err))
            return -1;
        cJSON_ArrayForEach(item, json_get(step, "items"))
        {
            size_t kinds = 0;

            for (size_t i = 0; i < ARRAY_LENGTH(item_kinds); i++)
                kinds += json_get(item, item_kinds[i]) != NULL;
            if (kinds != 1)
                return error_set(err, ERROR_USAGE,
                                 "an item must have one of message, "
                                 "reasoning, call, custom, raw");
        }
    }
    return 0;
}

/* The text as it stands inside a JSON string. */
static char *escaped(const char *text)
{
    struct buffer out;
    struct json json;

    buffer_init(&out, SCENARIO_MAX * 6);
    json = json_to(&out);
    json_string(&json, text);
    buffer_consume(&out, 1);
    buffer_truncate(&out, out.length - 1);
    return buffer_steal(&out);
}

static int add_script(struct scenario *scenario, const char *text,
                      const cJSON *steps, struct error *err)
{
    if (check_steps(steps, err))
        return error_context(err, "%s", text ? text : "responses");
    if (scenario->script_count == SCRIPTS_MAX)
        return error_set(err, ERROR_USAGE, "too many lists of steps");
    scenario->scripts[scenario->script_count++] =
        (struct script){text ? escaped(text) : NULL, steps, 0};
    return 0;
}

static void make_echo(struct scenario *scenario)
{
    cJSON *call = cJSON_CreateObject(), *item = cJSON_CreateObject();
    cJSON *arguments, *items;

    cJSON_AddStringToObject(call, "name", "exec_command");
    arguments = cJSON_AddObjectToObject(call, "arguments");
    cJSON_AddStringToObject(arguments, "cmd",
                            json_get_text(scenario->json, "cmd", "true"));
    cJSON_AddItemToObject(item, "call", call);
    scenario->echo_call = cJSON_CreateObject();
    items = cJSON_AddArrayToObject(scenario->echo_call, "items");
    cJSON_AddItemToArray(items, item);
    scenario->echo_end = cJSON_Parse("{\"items\":[{\"message\":\"done\"}]}");
}

static int scenario_load(struct scenario *scenario, const char *path,
                         struct error *err)
{
    CLEANUP(buffer_free) struct buffer text;
    const cJSON *list;

    buffer_init(&text, SCENARIO_MAX);
    if (file_read(AT_FDCWD, path, &text, err))
        return -1;
    scenario->json = json_parse(text.data, text.length, err);
    if (!scenario->json || check_members(scenario->json, scenario_members,
                                         ARRAY_LENGTH(scenario_members), err))
        return error_context(err, "%s", path);
    if (json_get(scenario->json, "match"))
        scenario->match = escaped(json_get_string(scenario->json, "match"));
    if (json_get(scenario->json, "echo_turns")) {
        make_echo(scenario);
        list = json_get(scenario->json, "faults");
        return list ? check_steps(list, err) : 0;
    }
    cJSON_ArrayForEach(list, json_get(scenario->json, "by_prompt"))
    {
        if (add_script(scenario, list->string, list, err))
            return error_context(err, "%s", path);
    }
    list = json_get(scenario->json, "responses");
    if (list && add_script(scenario, NULL, list, err))
        return error_context(err, "%s", path);
    if (!scenario->script_count)
        return error_set(err, ERROR_USAGE, "%s: no responses", path);
    return 0;
}

static void scenario_free(struct scenario *scenario)
{
    for (size_t i = 0; i < scenario->script_count; i++)
        mem_free(&scenario->scripts[i].text);
    mem_free(&scenario->match);
    cJSON_Delete(scenario->json);
    cJSON_Delete(scenario->echo_call);
    cJSON_Delete(scenario->echo_end);
}

static bool occurs(struct span body, const char *text)
{
    return memmem(body.data, body.length, text, strlen(text)) != NULL;
}

/* Inside a JSON string the quotes would have backslashes, so this counts
 * types of items only. */
static int64_t count_outputs(struct span body)
{
    static const char type[] = "\"function_call_output\"";
    const char *at = body.data, *end = body.data + body.length;
    int64_t count = 0;

    while ((at = memmem(at, (size_t)(end - at), type, sizeof(type) - 1))) {
        at += sizeof(type) - 1;
        count++;
    }
    return count;
}

/* The step for a request; NULL when the script has no more. */
static const cJSON *scenario_step(struct scenario *scenario, struct span body)
{
    const char *repeat = json_get_text(scenario->json, "repeat", "none");
    struct script *script = scenario->scripts;
    struct script *end = script + scenario->script_count;
    int64_t count, index;

    if (scenario->echo_call) {
        const cJSON *faults = json_get(scenario->json, "faults");
        int64_t every = json_get_int64(scenario->json, "fault_every", 0);

        scenario->echoed++;
        if (faults && every && scenario->echoed % every == 0)
            return cJSON_GetArrayItem(
                faults,
                (int)(scenario->echoed / every % cJSON_GetArraySize(faults)));
        return count_outputs(body) <
                       json_get_int64(scenario->json, "echo_turns", 0)
                   ? scenario->echo_call
                   : scenario->echo_end;
    }
    while (script < end && script->text && !occurs(body, script->text))
        script++;
    if (script == end)
        return NULL;
    count = cJSON_GetArraySize(script->steps);
    index = script->next++;
    if (count && !strcmp(repeat, "cycle"))
        index %= count;
    if (count && !strcmp(repeat, "last") && index >= count)
        index = count - 1;
    return index < count ? cJSON_GetArrayItem(script->steps, (int)index) : NULL;
}

#endif
