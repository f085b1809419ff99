/* What can be written in a place of the command line: fixed words are named
 * here, the rest is read off the way that the table writes an argument. */
#include "runner/options_place.h"

#include "base/memory.h"
#include "reporters/reporter.h"
#include "runner/report_folders.h"

#define WORDS_MAX ((size_t)64 << 10)

void place_free(struct place *place)
{
    buffer_free(&place->memory);
}

/* Options that take one of a few words, or also one of them. */
static const struct {
    const char *name;
    const char *words[6];
} fixed[] = {
    {"--color", {"auto", "always", "never"}},
    {"--progress", {"auto", "plain", "live", "github", "gitlab"}},
    {"--network", {"none", "open"}},
    {"--completion", {"bash", "zsh", "fish"}},
};

static void add_word(struct place *place, const char *word)
{
    if (place->count < ARRAY_LENGTH(place->words))
        place->words[place->count++] = word;
}

static void add_layers(struct place *place)
{
    place->taken = TAKEN_LIST;
    for (unsigned i = 0; sandbox_layer_name(i); i++)
        add_word(place, sandbox_layer_name(i));
}

static void add_reports(struct place *place)
{
    place->taken = TAKEN_REPORT;
    for (size_t i = 0; reporter_at(i); i++)
        add_word(place, reporter_at(i)->name);
    for (size_t i = 0; report_folder_at(i); i++)
        add_word(place, report_folder_at(i)->name);
}

/* "error:KIND" of each kind, besides what stands alone. */
static void add_retries(struct place *place)
{
    size_t starts[ERROR_KINDS] = {0};

    place->taken = TAKEN_WORD;
    add_word(place, "failed");
    add_word(place, "error");
    for (int kind = ERROR_NONE + 1; kind < ERROR_KINDS; kind++) {
        starts[kind] = place->memory.length;
        buffer_addf(&place->memory, "error:%s",
                    error_kind_name((enum error_kind)kind));
        buffer_add_byte(&place->memory, '\0');
    }
    for (int kind = ERROR_NONE + 1; kind < ERROR_KINDS; kind++)
        add_word(place, place->memory.data + starts[kind]);
}

/* By the way that the table writes an argument: "DIR[:INSIDE]". */
static void place_from_argument(struct place *place, const char *argument)
{
    if (strstr(argument, "DIR"))
        place->taken = TAKEN_FOLDER;
    else if (strstr(argument, "PATH") || strstr(argument, "FILE") ||
             strstr(argument, "MANIFEST"))
        place->taken = TAKEN_FILE;
}

void place_of_option(struct place *place, const struct option_text *option)
{
    *place = (struct place){.taken = TAKEN_NOTHING};
    buffer_init(&place->memory, WORDS_MAX);
    for (size_t i = 0; i < ARRAY_LENGTH(fixed); i++) {
        if (strcmp(option->name, fixed[i].name) != 0)
            continue;
        place->taken = TAKEN_WORD;
        for (size_t j = 0; fixed[i].words[j]; j++)
            add_word(place, fixed[i].words[j]);
        return;
    }
    if (!strcmp(option->argument, "LAYERS")) {
        add_layers(place);
    } else if (!strncmp(option->argument, "FORMAT", strlen("FORMAT"))) {
        add_reports(place);
    } else if (!strcmp(option->name, "--retry")) {
        add_retries(place);
    } else if (*option->argument >= 'a' && *option->argument <= 'z') {
        place->taken = TAKEN_WORD; /* it can be nothing else */
        add_word(place, option->argument);
    } else {
        place_from_argument(place, option->argument);
    }
}

bool place_next(struct place *place, const char **text, bool *repeated)
{
    size_t length = strcspn(*text, " ");
    CLEANUP(mem_free) char *argument = mem_bytes(*text, length);

    *place = (struct place){.taken = TAKEN_NOTHING};
    buffer_init(&place->memory, WORDS_MAX);
    if (!length)
        return false;
    *text += length + ((*text)[length] == ' ');
    *repeated = strstr(argument, "...") != NULL;
    if (!strcmp(argument, "--"))
        return place_next(place, text, repeated);
    if (!strcmp(argument, "[COMMAND]")) {
        place->taken = TAKEN_WORD;
        for (int command = 0; command < COMMANDS; command++)
            add_word(place, command_texts[command].name);
    } else if (!strncmp(argument, "COMMAND", strlen("COMMAND"))) {
        place->taken = TAKEN_COMMAND;
    } else if (!strcmp(argument, "RUN_DIRECTORY") ||
               !strcmp(argument, "RUN_DIRECTORY...")) {
        place->taken = TAKEN_FOLDER;
    } else if (!strcmp(argument, "TASK")) {
        place->taken = TAKEN_TASK;
    } else {
        place_from_argument(place, argument);
    }
    return true;
}
