/* The tools of older clients: models that were trained on them still call
 * them, whatever is declared. */
#include "base/memory.h"
#include "runner/tools/tool.h"

#define TIMEOUT_DEFAULT_MS 10000
#define TIMEOUT_MAX_MS 3600000
#define SCRIPT_BYTES_MAX ((size_t)1 << 20)
#define LIMIT_DEFAULT 100
#define LIMIT_MAX 2000

static void add_quoted(struct buffer *script, const char *word)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "abcdefghijklmnopqrstuvwxyz0123456789_-./=:,+@";

    if (*word && strspn(word, plain) == strlen(word)) {
        buffer_add_string(script, word);
        return;
    }
    buffer_add_byte(script, '\'');
    for (; *word; word++) {
        if (*word == '\'')
            buffer_add_string(script, "'\\''");
        else
            buffer_add_byte(script, *word);
    }
    buffer_add_byte(script, '\'');
}

static void add_words(struct buffer *script, const cJSON *list)
{
    const cJSON *word;

    cJSON_ArrayForEach(word, list)
    {
        if (script->length)
            buffer_add_byte(script, ' ');
        add_quoted(script, cJSON_IsString(word) ? word->valuestring : "");
    }
}

static bool word_is(const cJSON *list, int at, const char *const *words)
{
    const cJSON *word = cJSON_GetArrayItem(list, at);

    for (; cJSON_IsString(word) && *words; words++) {
        if (!strcmp(*words, word->valuestring))
            return true;
    }
    return false;
}

/* ["bash", "-lc", SCRIPT] is that script; other words are one command. */
static void add_command(struct buffer *script, const cJSON *command)
{
    static const char *const shells[] = {"bash", "sh", "/bin/bash", "/bin/sh",
                                         NULL};
    static const char *const flags[] = {"-c", "-lc", NULL};

    if (cJSON_IsString(command))
        buffer_add_string(script, command->valuestring);
    else if (cJSON_GetArraySize(command) == 3 && word_is(command, 0, shells) &&
             word_is(command, 1, flags) &&
             cJSON_IsString(cJSON_GetArrayItem(command, 2)))
        buffer_add_string(script, cJSON_GetArrayItem(command, 2)->valuestring);
    else
        add_words(script, command);
}

static void add_grep(struct buffer *script, const cJSON *json)
{
    const char *include = json_get_string(json, "include");
    int64_t limit = json_get_int64(json, "limit", LIMIT_DEFAULT);

    if (limit < 1 || limit > LIMIT_MAX)
        limit = LIMIT_MAX;
    buffer_add_string(script, "grep -rlIE --exclude-dir=.git ");
    if (include) {
        buffer_add_string(script, "--include=");
        add_quoted(script, include);
        buffer_add_byte(script, ' ');
    }
    buffer_add_string(script, "-e ");
    add_quoted(script, json_get_text(json, "pattern", ""));
    buffer_add_string(script, " -- ");
    add_quoted(script, json_get_text(json, "path", "."));
    buffer_addf(script, " | head -n %lld", (long long)limit);
}

char *tool_script(const struct tool_call *call)
{
    static const struct {
        const char *tool;
        const char *member;
        enum { PLAIN, COMMAND, PATH, GREP } kind;
    } forms[] = {
        {"exec_command", "cmd", PLAIN},
        {"write_stdin", "chars", PLAIN},
        {"shell", "command", COMMAND},
        {"shell_command", "command", COMMAND},
        {"container.exec", "command", COMMAND},
        {"read_file", "file_path", PATH},
        {"list_dir", "dir_path", PATH},
        {"grep_files", "pattern", GREP},
    };
    CLEANUP(buffer_free) struct buffer script = {0};

    /* By the tool, never by which members there are: what is decided about
     * must be what runs. */
    buffer_init(&script, SCRIPT_BYTES_MAX);
    for (size_t i = 0; i < ARRAY_LENGTH(forms); i++) {
        const char *text = json_get_text(call->json, forms[i].member, "");

        if (strcmp(forms[i].tool, call->name) != 0)
            continue;
        if (forms[i].kind == GREP)
            add_grep(&script, call->json);
        if (forms[i].kind == COMMAND)
            add_command(&script, json_get(call->json, forms[i].member));
        if (forms[i].kind == PLAIN)
            buffer_add_string(&script, text);
        if (forms[i].kind == PATH) {
            buffer_addf(&script, "%s ", call->name);
            add_quoted(&script, text);
        }
    }
    return buffer_steal(&script);
}

static int64_t timeout_of(const cJSON *json)
{
    int64_t timeout =
        json_get_int64(json, "timeout_ms",
                       json_get_int64(json, "timeout", TIMEOUT_DEFAULT_MS));

    return timeout < 1 || timeout > TIMEOUT_MAX_MS ? TIMEOUT_MAX_MS : timeout;
}

int shell_run(struct tool_context *context, const struct tool_call *call,
              struct tool_result *result, struct error *err)
{
    CLEANUP(mem_free) char *script = tool_script(call);

    if (!*script) {
        tool_refuse(result, "%s needs 'command'", call->name);
        return 0;
    }
    return exec_to_end(context, script, json_get_string(call->json, "workdir"),
                       timeout_of(call->json), result, err);
}

int grep_files_run(struct tool_context *context, const struct tool_call *call,
                   struct tool_result *result, struct error *err)
{
    CLEANUP(mem_free) char *script = tool_script(call);

    if (!json_get_string(call->json, "pattern")) {
        tool_refuse(result, "grep_files needs 'pattern', a string");
        return 0;
    }
    return exec_to_end(context, script, NULL, TIMEOUT_DEFAULT_MS, result, err);
}
