#include "runner/options.h"

#include "base/memory.h"
#include "runner/options_table.h"
#include "tasks/suggest.h"

#define SANDBOX_DEFAULTS                              \
    {                                                 \
        .memory_bytes = (int64_t)2 << 30, .pids = 512 \
    }

enum command options_find_command(const char *name)
{
    for (int command = 0; command < COMMANDS; command++) {
        if (!strcmp(command_texts[command].name, name))
            return (enum command)command;
    }
    return COMMANDS;
}

static int unknown_command(const char *name, struct error *err)
{
    const char *names[COMMANDS];
    const char *nearest;

    for (int command = 0; command < COMMANDS; command++)
        names[command] = command_texts[command].name;
    nearest = suggest(name, names, COMMANDS);
    error_set(err, ERROR_USAGE, "unknown command '%s'", name);
    if (nearest)
        return error_hint(err, "did you mean '%s'?", nearest);
    return error_hint(err, "'nightjar help' lists the commands");
}

static int unknown_option(const char *name, enum command command,
                          struct error *err)
{
    CLEANUP(mem_free)
    const char **names = mem_array(option_count, sizeof(char *));
    const char *nearest;
    size_t count = 0;

    for (size_t i = 0; i < option_count; i++) {
        if (option_texts[i].commands & FOR(command))
            names[count++] = option_texts[i].name;
    }
    nearest = suggest(name, names, count);
    error_set(err, ERROR_USAGE, "%s: unknown option '%s'",
              command_texts[command].name, name);
    if (nearest)
        return error_hint(err, "did you mean '%s'?", nearest);
    return error_hint(err, "'nightjar help %s' lists its options",
                      command_texts[command].name);
}

static const struct option_text *find_option(const char *name, size_t length,
                                             enum command command)
{
    for (size_t i = 0; i < option_count; i++) {
        const struct option_text *option = &option_texts[i];

        if (!(option->commands & FOR(command)))
            continue;
        if ((strlen(option->name) == length &&
             !strncmp(option->name, name, length)) ||
            (option->letter && length == 2 &&
             !strncmp(option->letter, name, 2)))
            return option;
    }
    return NULL;
}

struct cursor {
    int argc;
    char **argv;
    int at;
};

/* "--name VALUE", "--name=VALUE", "-n VALUE", "-nVALUE". */
static int take_option(struct cursor *cursor, struct options *options,
                       struct error *err)
{
    const char *word = cursor->argv[cursor->at++];
    bool is_long = word[1] == '-';
    size_t length = is_long ? strcspn(word, "=") : 2;
    const struct option_text *option =
        find_option(word, length, options->command);
    const char *value = word[length] ? word + length + is_long : NULL;

    if (!option) {
        CLEANUP(mem_free)
        char *name = mem_bytes(word, is_long ? length : strlen(word));

        return unknown_option(name, options->command, err);
    }
    if (!option->argument && value)
        return error_set(err, ERROR_USAGE, "%s takes no value", option->name);
    if (option->argument && !value) {
        if (cursor->at == cursor->argc)
            return error_set(err, ERROR_USAGE, "%s needs %s", option->name,
                             option->argument);
        value = cursor->argv[cursor->at++];
    }
    return option->apply(options, value, err);
}

static int take_words(struct cursor *cursor, struct options *options,
                      struct error *err)
{
    bool only_arguments = false;
    bool words = command_texts[options->command].most == OPTIONS_WORDS;

    while (cursor->at < cursor->argc) {
        const char *word = cursor->argv[cursor->at];

        if (words && (only_arguments || word[0] != '-' || !word[1])) {
            options->words = (const char *const *)&cursor->argv[cursor->at];
            return 0;
        }
        if (!only_arguments && !strcmp(word, "--")) {
            only_arguments = true;
            cursor->at++;
        } else if (!only_arguments && word[0] == '-' && word[1]) {
            if (take_option(cursor, options, err))
                return -1;
        } else if (options->arguments.count == OPTIONS_LIST_MAX) {
            return error_set(err, ERROR_USAGE, "more than %d arguments",
                             OPTIONS_LIST_MAX);
        } else {
            options->arguments.items[options->arguments.count++] = word;
            cursor->at++;
        }
    }
    return 0;
}

static int check_arguments(const struct options *options, struct error *err)
{
    const struct command_text *text = &command_texts[options->command];

    if (options->help)
        return 0;
    if (text->most == OPTIONS_WORDS ? text->least && !options->words
                                    : options->arguments.count < text->least) {
        error_set(err, ERROR_USAGE, "%s needs %s", text->name, text->arguments);
        return error_hint(err, "'nightjar help %s' has examples", text->name);
    }
    if (options->command == COMMAND_RUN) {
        if (!options->resume && !options->arguments.count) {
            error_set(err, ERROR_USAGE, "run needs MANIFEST...");
            return error_hint(err, "'nightjar help run' has examples");
        }
        if (options->resume &&
            (options->arguments.count || options->filters.count ||
             options->params.count || options->out || options->dry_run ||
             options->record || options->replay || options->limit >= 0 ||
             options->sample >= 0 || options->shard.count))
            return error_set(err, ERROR_USAGE,
                             "--resume takes manifests, the choice of tasks, "
                             "params and the folder from the run");
        if (!options->resume && (options->retry.count || options->rerun.count))
            return error_set(err, ERROR_USAGE,
                             "--retry and --rerun go on with a run: name it "
                             "with --resume");
        if (options->record && options->replay)
            return error_set(err, ERROR_USAGE,
                             "--record and --replay exclude each other");
    }
    if (options->arguments.count > text->most)
        return error_set(err, ERROR_USAGE, "%s: unexpected argument '%s'",
                         text->name, options->arguments.items[text->most]);
    return 0;
}

int options_parse(int argc, char **argv, struct options *options,
                  struct error *err)
{
    struct cursor cursor = {argc, argv, 1};
    const char *first = argc > 1 ? argv[1] : "--help";

    *options = (struct options){
        .jobs = -1,
        .cache_bytes = -1,
        .limit = -1,
        .sample = -1,
        .seed = "",
        .shards = -1,
        .verbosity = PROGRESS_NORMAL,
        .sandbox = {.timeout_ms = -1, .limits = SANDBOX_DEFAULTS}};
    if (!strcmp(first, "--help") || !strcmp(first, "-h")) {
        options->command = COMMAND_HELP;
        return 0;
    }
    if (!strcmp(first, "--version") || !strcmp(first, "-V")) {
        options->command = COMMAND_VERSION;
        return 0;
    }
    options->command = options_find_command(first);
    if (options->command == COMMANDS)
        return unknown_command(first, err);
    cursor.at++;
    if (take_words(&cursor, options, err))
        return -1;
    return check_arguments(options, err);
}
