#include "runner/model/script.h"

#include <fcntl.h>

#include "base/file.h"
#include "base/glob.h"
#include "base/json.h"
#include "base/memory.h"
#include "tasks/yaml.h"

#define BYTES_PER_TOKEN 4
#define CACHE_STEP 128 /* tokens; how providers round what they cached */
#define NODES_MAX 100000

struct script {
    char *path;
    struct yaml_tree tree;
    const struct yaml_node *turns;
    size_t next;
    size_t calls; /* so far: for ids */
    int64_t cached_tokens;
};

static int fault(const struct script *script, const struct yaml_node *node,
                 struct error *err, const char *text)
{
    return error_set(err, ERROR_MANIFEST, "%s:%zu:%zu: %s", script->path,
                     node ? node->line : 1, node ? node->column : 1, text);
}

/* ---- reading ----------------------------------------------------------- */

static int read_tree(struct script *script, struct error *err)
{
    const struct yaml_limits limits = {YAML_DEPTH_MAX, NODES_MAX,
                                       SCRIPT_BYTES_MAX};
    CLEANUP(buffer_free) struct buffer text = {0};

    buffer_init(&text, SCRIPT_BYTES_MAX);
    if (file_read(AT_FDCWD, script->path, &text, err))
        return error_context(err, "script");
    if (!yaml_read(&script->tree, buffer_span(&text), &limits))
        return 0;
    return error_set(err, ERROR_MANIFEST, "%s:%zu:%zu: %s", script->path,
                     script->tree.faults[0].line, script->tree.faults[0].column,
                     script->tree.faults[0].text);
}

static bool known_key(const char *key, const char *const *known)
{
    for (; *known; known++) {
        if (!strcmp(*known, key))
            return true;
    }
    return false;
}

static int check_keys(const struct script *script, const struct yaml_node *map,
                      const char *const *known, struct error *err)
{
    for (size_t i = 0; map->kind == YAML_MAP && i < map->count; i++) {
        if (!known_key(map->keys[i]->text, known))
            return fault(script, map->keys[i], err, "unknown key");
    }
    return map->kind == YAML_MAP ? 0
                                 : fault(script, map, err, "expected a map");
}

static int check_calls(const struct script *script,
                       const struct yaml_node *calls, struct error *err)
{
    if (calls->kind != YAML_LIST)
        return fault(script, calls, err, "expected a list of calls");
    for (size_t i = 0; i < calls->count; i++) {
        const struct yaml_node *call = calls->items[i];

        if (call->kind != YAML_MAP || call->count != 1)
            return fault(script, call, err,
                         "expected one tool's name and its arguments");
    }
    return 0;
}

static int check_turn(const struct script *script, const struct yaml_node *turn,
                      struct error *err)
{
    static const char *const known[] = {"say", "calls", "final", "expect",
                                        NULL};
    const struct yaml_node *calls = yaml_get(turn, "calls");
    const struct yaml_node *final = yaml_get(turn, "final");

    if (check_keys(script, turn, known, err))
        return -1;
    if ((final && final->kind != YAML_SCALAR) ||
        (yaml_get(turn, "say") && yaml_get(turn, "say")->kind != YAML_SCALAR))
        return fault(script, turn, err, "'say' and 'final' are texts");
    if (!calls == !final)
        return fault(script, turn, err, "a turn has either 'calls' or 'final'");
    return calls ? check_calls(script, calls, err) : 0;
}

static int check_turns(const struct script *script,
                       const struct yaml_node *turns, struct error *err)
{
    if (!turns || turns->kind != YAML_LIST)
        return fault(script, turns, err, "expected a list of 'turns'");
    for (size_t i = 0; i < turns->count; i++) {
        if (check_turn(script, turns->items[i], err))
            return -1;
    }
    return 0;
}

static int find_turns(struct script *script, const char *task_id,
                      struct error *err)
{
    static const char *const top[] = {"version", "tasks", NULL};
    static const char *const keys[] = {"task", "turns", NULL};
    const struct yaml_node *root = script->tree.root;
    const struct yaml_node *version = yaml_get(root, "version");
    const struct yaml_node *tasks = yaml_get(root, "tasks");

    if (check_keys(script, root, top, err))
        return -1;
    if (!version || version->kind != YAML_SCALAR || strcmp(version->text, "1"))
        return fault(script, version, err, "expected 'version: 1'");
    if (!tasks || tasks->kind != YAML_LIST)
        return fault(script, tasks, err, "expected a list of 'tasks'");
    for (size_t i = 0; i < tasks->count; i++) {
        const struct yaml_node *entry = tasks->items[i];
        const struct yaml_node *task = yaml_get(entry, "task");

        if (check_keys(script, entry, keys, err) ||
            check_turns(script, yaml_get(entry, "turns"), err))
            return -1;
        if (!task || task->kind != YAML_SCALAR)
            return fault(script, entry, err, "expected 'task: GLOB'");
        if (!script->turns && glob_match_word(task->text, task_id))
            script->turns = yaml_get(entry, "turns");
    }
    return script->turns ? 0
                         : error_set(err, ERROR_MANIFEST,
                                     "%s: no entry matches the task '%s'",
                                     script->path, task_id);
}

struct script *script_open(const char *path, const char *task_id,
                           struct error *err)
{
    struct script *script = mem_alloc(sizeof(*script));

    script->path = mem_string(path);
    if (!read_tree(script, err) && !find_turns(script, task_id, err))
        return script;
    script_close(script);
    return NULL;
}

void script_close(struct script *script)
{
    if (!script)
        return;
    yaml_free(&script->tree);
    free(script->path);
    free(script);
}

/* ---- playing ----------------------------------------------------------- */

/* Plain scalars that JSON has a type for keep it. */
static void put_scalar(struct json *json, const struct yaml_node *node)
{
    struct error ignored;
    CLEANUP(json_free) cJSON *value = NULL;

    if (!node->quoted)
        value = json_parse(node->text, node->length, &ignored);
    if (value && !cJSON_IsString(value) && !cJSON_IsObject(value) &&
        !cJSON_IsArray(value))
        json_value(json, value);
    else
        json_bytes(json, node->text, node->length);
}

static void put_node(struct json *json, const struct yaml_node *node)
{
    if (node->kind == YAML_SCALAR) {
        put_scalar(json, node);
        return;
    }
    if (node->kind == YAML_MAP)
        json_object(json);
    else
        json_array(json);
    for (size_t i = 0; i < node->count; i++) {
        if (node->kind == YAML_MAP)
            json_key(json, node->keys[i]->text);
        put_node(json, node->items[i]);
    }
    json_end(json);
}

static struct json begin_event(struct buffer *event, const char *type)
{
    struct json json;

    buffer_clear(event);
    json = json_to(event);
    json_object(&json);
    json_member_string(&json, "type", type);
    return json;
}

static int end_event(struct buffer *stream, struct json *json)
{
    json_end(json);
    return json->full || buffer_add_string(stream, "data: ") ||
                   buffer_add_span(stream, buffer_span(json->out)) ||
                   buffer_add_string(stream, "\n\n")
               ? -1
               : 0;
}

static int put_message(struct buffer *stream, size_t place, const char *id,
                       const struct yaml_node *text, const char *phase)
{
    CLEANUP(buffer_free) struct buffer event = {0};
    struct json json;

    buffer_init(&event, SCRIPT_BYTES_MAX);
    json = begin_event(&event, "response.output_item.done");
    json_member_int(&json, "output_index", (int64_t)place);
    json_key(&json, "item");
    json_object(&json);
    json_member_string(&json, "type", "message");
    json_member_string(&json, "id", id);
    json_member_string(&json, "role", "assistant");
    json_member_string(&json, "status", "completed");
    json_member_string(&json, "phase", phase);
    json_key(&json, "content");
    json_array(&json);
    json_object(&json);
    json_member_string(&json, "type", "output_text");
    json_key(&json, "text");
    json_bytes(&json, text->text, text->length);
    json_key(&json, "annotations");
    json_array(&json);
    json_end(&json);
    json_end(&json);
    json_end(&json);
    json_end(&json);
    return end_event(stream, &json);
}

/* A map of arguments is a function call; a text is a custom tool's input. */
static int put_call(struct buffer *stream, size_t place, size_t number,
                    const struct yaml_node *call)
{
    CLEANUP(buffer_free) struct buffer event = {0};
    CLEANUP(buffer_free) struct buffer arguments = {0};
    CLEANUP(mem_free) char *call_id = mem_format("call_script_%zu", number);
    const struct yaml_node *value = call->items[0];
    bool custom = value->kind == YAML_SCALAR;
    struct json json;

    buffer_init(&event, SCRIPT_BYTES_MAX);
    buffer_init(&arguments, SCRIPT_BYTES_MAX);
    if (custom) {
        buffer_add(&arguments, value->text, value->length);
    } else {
        json = json_to(&arguments);
        put_node(&json, value);
    }
    json = begin_event(&event, "response.output_item.done");
    json_member_int(&json, "output_index", (int64_t)place);
    json_key(&json, "item");
    json_object(&json);
    json_member_string(&json, "type",
                       custom ? "custom_tool_call" : "function_call");
    json_member_string(&json, "call_id", call_id);
    json_member_string(&json, "name", call->keys[0]->text);
    json_key(&json, custom ? "input" : "arguments");
    json_bytes(&json, arguments.data, arguments.length);
    json_end(&json);
    return end_event(stream, &json);
}

static int put_items(struct script *script, const struct yaml_node *turn,
                     struct buffer *stream)
{
    const struct yaml_node *say = yaml_get(turn, "say");
    const struct yaml_node *final = yaml_get(turn, "final");
    const struct yaml_node *calls = yaml_get(turn, "calls");
    CLEANUP(mem_free) char *id = mem_format("msg_script_%zu", script->next);
    size_t place = 0;

    if (say && put_message(stream, place++, id, say, "commentary"))
        return -1;
    for (size_t i = 0; calls && i < calls->count; i++) {
        if (put_call(stream, place++, ++script->calls, calls->items[i]))
            return -1;
    }
    return final ? put_message(stream, place, id, final, "final_answer") : 0;
}

/* Usage as a provider would count it, by bytes: what a request shares with
 * the one before counts as cached. */
static int put_end(struct script *script, struct span request,
                   struct buffer *stream, size_t output_bytes)
{
    int64_t input = (int64_t)(request.length / BYTES_PER_TOKEN);
    int64_t output = (int64_t)(output_bytes / BYTES_PER_TOKEN);
    CLEANUP(buffer_free) struct buffer event = {0};
    struct json json;

    buffer_init(&event, SCRIPT_BYTES_MAX);
    json = begin_event(&event, "response.completed");
    json_key(&json, "response");
    json_object(&json);
    json_member_string(&json, "status", "completed");
    json_key(&json, "usage");
    json_object(&json);
    json_member_int(&json, "input_tokens", input);
    json_key(&json, "input_tokens_details");
    json_object(&json);
    json_member_int(&json, "cached_tokens", script->cached_tokens);
    json_end(&json);
    json_member_int(&json, "output_tokens", output);
    json_member_int(&json, "total_tokens", input + output);
    json_end(&json);
    json_end(&json);
    script->cached_tokens = input / CACHE_STEP * CACHE_STEP;
    return end_event(stream, &json);
}

/* The text as it stands in a request: escaped as JSON. */
static bool request_has(struct span request, const struct yaml_node *text)
{
    CLEANUP(buffer_free) struct buffer escaped = {0};
    struct json json;

    buffer_init(&escaped, SCRIPT_BYTES_MAX);
    json = json_to(&escaped);
    json_bytes(&json, text->text, text->length);
    return memmem(request.data, request.length, escaped.data + 1,
                  escaped.length - 2) != NULL;
}

void script_skip(struct script *script, int64_t turns)
{
    for (; turns > 0 && script->next < script->turns->count; turns--) {
        const struct yaml_node *turn = script->turns->items[script->next++];
        const struct yaml_node *calls = yaml_get(turn, "calls");

        script->calls += calls ? calls->count : 0;
    }
}

int script_answer(struct script *script, struct span request,
                  struct buffer *stream, struct error *err)
{
    const struct yaml_node *turn;
    const struct yaml_node *expect;

    if (script->next == script->turns->count)
        return fault(script, script->turns, err,
                     "the script has no turn left for this task");
    turn = script->turns->items[script->next++];
    expect = yaml_get(turn, "expect");
    if (expect &&
        (expect->kind != YAML_SCALAR || !request_has(request, expect)))
        return fault(script, expect, err,
                     "the request does not have the expected text");
    if (put_items(script, turn, stream) ||
        put_end(script, request, stream, stream->length))
        return fault(script, turn, err, "the turn is too large");
    return 0;
}
