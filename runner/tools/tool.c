#include "runner/tools/tool.h"

#include <stdarg.h>

#include "base/memory.h"

static const char patch_grammar[] =
    "start: begin section+ end\n"
    "begin: \"*** Begin Patch\" LF\n"
    "end: \"*** End Patch\" LF?\n"
    "section: add | remove | update\n"
    "add: \"*** Add File: \" path LF added+\n"
    "remove: \"*** Delete File: \" path LF\n"
    "update: \"*** Update File: \" path LF move? body?\n"
    "move: \"*** Move to: \" path LF\n"
    "added: \"+\" /(.*)/ LF\n"
    "body: (place | change)+ last?\n"
    "place: (\"@@\" | \"@@ \" /(.+)/) LF\n"
    "change: (\"+\" | \"-\" | \" \") /(.*)/ LF\n"
    "last: \"*** End of File\" LF\n"
    "path: /(.+)/\n"
    "%import common.LF\n";

static const struct tool tools[] = {
    {.name = "exec_command",
     .kind = TOOL_EXEC,
     .declared = TOOL_EXEC,
     .description =
         "Runs a shell command in the sandbox and returns its output. A "
         "command that is still running after yield_time_ms keeps running; "
         "its session_id is for write_stdin.",
     .parameters =
         "{\"type\":\"object\",\"properties\":{"
         "\"cmd\":{\"type\":\"string\",\"description\":\"Shell command.\"},"
         "\"workdir\":{\"type\":\"string\",\"description\":\"Directory to run "
         "it in; default: the task's.\"},"
         "\"tty\":{\"type\":\"boolean\",\"description\":\"Give it a terminal; "
         "default false.\"},"
         "\"yield_time_ms\":{\"type\":\"number\",\"description\":\"How long to "
         "wait for it: 250 to 30000, default 10000.\"},"
         "\"max_output_tokens\":{\"type\":\"number\",\"description\":\"How "
         "much output to return; default 10000.\"}},"
         "\"required\":[\"cmd\"],\"additionalProperties\":false}",
     .run = exec_command_run},
    {.name = "write_stdin",
     .kind = TOOL_EXEC,
     .declared = TOOL_EXEC,
     .description =
         "Writes to a running command and returns what it printed since. "
         "Empty chars only waits. \\u0003 interrupts it, \\u0004 ends its "
         "input.",
     .parameters =
         "{\"type\":\"object\",\"properties\":{"
         "\"session_id\":{\"type\":\"number\",\"description\":\"From "
         "exec_command.\"},"
         "\"chars\":{\"type\":\"string\",\"description\":\"What to write; "
         "default nothing.\"},"
         "\"yield_time_ms\":{\"type\":\"number\",\"description\":\"How long to "
         "wait: 250 to 30000 after writing, 5000 to 300000 when only "
         "waiting.\"},"
         "\"max_output_tokens\":{\"type\":\"number\",\"description\":\"How "
         "much output to return; default 10000.\"}},"
         "\"required\":[\"session_id\"],\"additionalProperties\":false}",
     .run = write_stdin_run},
    {.name = "apply_patch",
     .kind = TOOL_PATCH,
     .declared = TOOL_PATCH,
     .freeform = true,
     .description =
         "Edits files: adds, updates, moves and deletes them, all or none. "
         "The text starts with '*** Begin Patch' and ends with '*** End "
         "Patch'; between them '*** Add File: PATH' with '+' lines, '*** "
         "Delete File: PATH', or '*** Update File: PATH' (perhaps '*** Move "
         "to: PATH') with hunks: '@@' and perhaps a line to look for, then "
         "lines that start with ' ', '-' or '+'. Three lines of context "
         "around a change are enough. No line numbers.",
     .parameters =
         "{\"type\":\"object\",\"properties\":{\"input\":{\"type\":\"string\","
         "\"description\":\"The whole patch text.\"}},"
         "\"required\":[\"input\"],\"additionalProperties\":false}",
     .grammar = patch_grammar,
     .run = apply_patch_run},
    {.name = "view_image",
     .kind = TOOL_IMAGE,
     .declared = TOOL_IMAGE,
     .description = "Shows you an image file of the workspace (PNG, JPEG, GIF "
                    "or WebP).",
     .parameters =
         "{\"type\":\"object\",\"properties\":{\"path\":{\"type\":\"string\","
         "\"description\":\"Path of the file.\"}},"
         "\"required\":[\"path\"],\"additionalProperties\":false}",
     .looks_only = true,
     .run = view_image_run},
    {.name = "update_plan",
     .kind = TOOL_PLAN,
     .declared = TOOL_PLAN,
     .description = "Notes the plan of the work and how far it is. At most one "
                    "step is in_progress.",
     .parameters =
         "{\"type\":\"object\",\"properties\":{"
         "\"explanation\":{\"type\":\"string\"},"
         "\"plan\":{\"type\":\"array\",\"items\":{\"type\":\"object\","
         "\"properties\":{\"step\":{\"type\":\"string\"},\"status\":{\"type\":"
         "\"string\",\"enum\":[\"pending\",\"in_progress\",\"completed\"]}},"
         "\"required\":[\"step\",\"status\"],\"additionalProperties\":false}}},"
         "\"required\":[\"plan\"],\"additionalProperties\":false}",
     .run = update_plan_run},
    {.name = "read_file",
     .kind = TOOL_EXEC | TOOL_READ,
     .declared = TOOL_READ,
     .looks_only = true,
     .description = "Returns lines of a file of the workspace, numbered.",
     .parameters =
         "{\"type\":\"object\",\"properties\":{"
         "\"file_path\":{\"type\":\"string\"},"
         "\"offset\":{\"type\":\"number\",\"description\":\"First line, "
         "from 1.\"},"
         "\"limit\":{\"type\":\"number\",\"description\":\"Lines; default "
         "2000.\"}},"
         "\"required\":[\"file_path\"],\"additionalProperties\":false}",
     .run = read_file_run},
    {.name = "list_dir",
     .kind = TOOL_EXEC | TOOL_READ,
     .declared = TOOL_READ,
     .looks_only = true,
     .description = "Lists a directory of the workspace, and those in it.",
     .parameters =
         "{\"type\":\"object\",\"properties\":{"
         "\"dir_path\":{\"type\":\"string\"},"
         "\"offset\":{\"type\":\"number\"},\"limit\":{\"type\":\"number\"},"
         "\"depth\":{\"type\":\"number\",\"description\":\"1 to 8, default "
         "2.\"}},"
         "\"required\":[\"dir_path\"],\"additionalProperties\":false}",
     .run = list_dir_run},
    {.name = "grep_files",
     .kind = TOOL_EXEC | TOOL_READ,
     .declared = TOOL_READ,
     .description = "Names the files of the workspace that have a line which "
                    "matches an extended regular expression.",
     .parameters =
         "{\"type\":\"object\",\"properties\":{"
         "\"pattern\":{\"type\":\"string\"},"
         "\"include\":{\"type\":\"string\",\"description\":\"Glob of file "
         "names.\"},"
         "\"path\":{\"type\":\"string\"},\"limit\":{\"type\":\"number\"}},"
         "\"required\":[\"pattern\"],\"additionalProperties\":false}",
     .run = grep_files_run},
    {.name = "shell", .kind = TOOL_EXEC, .run = shell_run},
    {.name = "shell_command", .kind = TOOL_EXEC, .run = shell_run},
    {.name = "container.exec", .kind = TOOL_EXEC, .run = shell_run},
};

const struct tool *tool_find(const char *name, unsigned allowed)
{
    for (size_t i = 0; i < ARRAY_LENGTH(tools); i++) {
        if (!strcmp(tools[i].name, name))
            return tools[i].kind & allowed ? &tools[i] : NULL;
    }
    return NULL;
}

static void declare_custom(struct json *json, const struct tool *tool)
{
    json_member_string(json, "type", "custom");
    json_member_string(json, "name", tool->name);
    json_member_string(json, "description", tool->description);
    json_key(json, "format");
    json_object(json);
    json_member_string(json, "type", "grammar");
    json_member_string(json, "syntax", "lark");
    json_member_string(json, "definition", tool->grammar);
    json_end(json);
}

static void declare_function(struct json *json, const struct tool *tool)
{
    json_member_string(json, "type", "function");
    json_member_string(json, "name", tool->name);
    json_member_string(json, "description", tool->description);
    json_key(json, "parameters");
    json_raw(json, (struct span){tool->parameters, strlen(tool->parameters)});
    json_member_bool(json, "strict", false);
}

void tools_declare(struct json *json, unsigned allowed, bool custom)
{
    json_array(json);
    for (size_t i = 0; i < ARRAY_LENGTH(tools); i++) {
        if (!(tools[i].declared & allowed))
            continue;
        json_object(json);
        if (tools[i].freeform && custom)
            declare_custom(json, &tools[i]);
        else
            declare_function(json, &tools[i]);
        json_end(json);
    }
    json_end(json);
}

void tool_result_init(struct tool_result *result)
{
    memset(result, 0, sizeof(*result));
    buffer_init(&result->text, TOOL_TEXT_MAX);
    buffer_init(&result->parts, TOOL_TEXT_MAX * 2);
}

void tool_result_free(struct tool_result *result)
{
    buffer_free(&result->text);
    buffer_free(&result->parts);
}

void tool_refuse(struct tool_result *result, const char *format, ...)
{
    CLEANUP(mem_free) char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    text = mem_vformat(format, arguments);
    va_end(arguments);
    buffer_clear(&result->text);
    buffer_add_string(&result->text, text);
    result->ok = false;
    snprintf(result->summary, sizeof(result->summary), "%s", text);
}

char *tool_workspace_path(const struct tool_context *context, const char *path)
{
    const struct task *task = context->task;
    const char *root = sandbox_directory(context->sandbox);
    size_t length = strlen(root);

    if (!strncmp(path, root, length) &&
        (!path[length] || path[length] == '/')) {
        path += length;
        path += strspn(path, "/");
        return mem_string(*path ? path : ".");
    }
    if (*path == '/')
        return NULL;
    if (!strcmp(task->directory, "."))
        return mem_string(path);
    return mem_format("%s/%s", task->directory, path);
}
