/* apply_patch: as a custom tool, as a function, and within a shell command. */
#include "base/memory.h"
#include "runner/tools/patch_apply.h"
#include "runner/tools/tool.h"

void apply_patch_text(struct tool_context *context, const char *directory,
                      struct span text, struct tool_result *result)
{
    struct sandbox_identity own;
    struct error err;
    struct patch patch;
    int status;

    if (patch_parse(text, &patch, &err)) {
        tool_refuse(result, "apply_patch verification failed: %s", err.text);
        return;
    }
    buffer_add_string(&result->text,
                      "Exit code: 0\nWall time: 0.0 seconds\nOutput:\n");
    /* As a command would: no further, and with the same owner. */
    own = sandbox_files_as(context->identity);
    status =
        patch_apply(context->workspace, directory, &patch, &result->text, &err);
    sandbox_files_as(own);
    if (status) {
        tool_refuse(result, "apply_patch verification failed: %s", err.text);
    } else {
        result->ok = true;
        snprintf(result->summary, sizeof(result->summary), "%zu file%s",
                 patch.count, patch.count == 1 ? "" : "s");
    }
    patch_free(&patch);
}

int apply_patch_run(struct tool_context *context, const struct tool_call *call,
                    struct tool_result *result, struct error *err)
{
    const char *text =
        call->custom ? call->arguments : json_get_string(call->json, "input");

    (void)err;
    if (!text) {
        tool_refuse(result, "apply_patch needs 'input', the patch text");
        return 0;
    }
    apply_patch_text(context, context->task->directory,
                     (struct span){text, strlen(text)}, result);
    return 0;
}

/* ---- within a shell command -------------------------------------------- */

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, " \t\r\n");
}

/* A word without anything that a shell would expand; quotes around it are
 * taken off. NULL if it is none. */
static char *plain_word(const char **at)
{
    char quote = **at == '\'' || **at == '"' ? **at : '\0';
    const char *start = *at + (quote != '\0');
    const char *end = start;
    const char closing[] = {quote, '\0'};

    end += strcspn(start, quote ? closing : " \t\r\n;&|<>()$`\\\"'*?[");
    if (end == start || (quote && *end != quote))
        return NULL;
    *at = end + (quote != '\0');
    return mem_bytes(start, (size_t)(end - start));
}

/* Whether `text`, from "<<", is one here-document and nothing behind it. */
static bool is_here_document(const char *text)
{
    const char *at = text + 2;
    const char *line;
    CLEANUP(mem_free) char *word = NULL;

    at += *at == '-';
    at += strspn(at, " \t");
    word = plain_word(&at);
    line = word ? strchr(at, '\n') : NULL;
    if (!line || *skip_blanks(at) != '*')
        return false;
    while (line) {
        const char *start = line + 1;
        const char *end = strchr(start, '\n');
        size_t length = end ? (size_t)(end - start) : strlen(start);

        if (length == strlen(word) && !strncmp(start, word, length))
            return !*skip_blanks(start + length);
        line = end;
    }
    return false;
}

/* A quoted argument and nothing behind it. */
static bool is_quoted_argument(const char *text, struct span *inside)
{
    const char *end = *text == '\'' ? strchr(text + 1, '\'') : NULL;

    if (!end || *skip_blanks(end + 1))
        return false;
    *inside = (struct span){text + 1, (size_t)(end - text - 1)};
    return true;
}

bool apply_patch_in_command(const char *command, struct span *text,
                            char **directory)
{
    static const char name[] = "apply_patch";
    const char *at = skip_blanks(command);
    CLEANUP(mem_free) char *folder = NULL;

    if (!strncmp(at, "cd ", 3)) {
        at = skip_blanks(at + 3);
        folder = plain_word(&at);
        at = skip_blanks(at);
        if (!folder || strncmp(at, "&&", 2) != 0)
            return false;
        at = skip_blanks(at + 2);
    }
    if (strncmp(at, name, strlen(name)) != 0)
        return false;
    at += strlen(name);
    at += strspn(at, " \t");
    if (!strncmp(at, "<<", 2) && is_here_document(at))
        *text = (struct span){at, strlen(at)};
    else if (!is_quoted_argument(at, text))
        return false;
    *directory = folder ? STEAL(folder) : mem_string("");
    return true;
}
