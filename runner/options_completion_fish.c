/* Completion by fish. */
#include "runner/options_completion.h"

#include "base/memory.h"
#include "runner/options_place.h"

#define SPEC_MAX ((size_t)64 << 10)

static const char fish_main[] =
    "    end\n"
    "    set -q line[2]\n"
    "    or return\n"
    "    printf '%s\\n' $line[2]\n"
    "    for word in $line[3..-1]\n"
    "        if set -q pending\n"
    "            set -e pending\n"
    "        else if set -q rest\n"
    "            printf '%s\\n' $word\n"
    "        else if contains -- $word $values\n"
    "            set pending\n"
    "        else if test \"$word\" = --\n"
    "            set rest\n"
    "            printf '%s\\n' --\n"
    "        else if not string match -q -- '-?*' $word\n"
    "            if set -q command\n"
    "                set rest\n"
    "                printf '%s\\n' --\n"
    "            end\n"
    "            printf '%s\\n' $word\n"
    "        end\n"
    "    end\n"
    "end\n"
    "\n"
    "# There is no command yet.\n"
    "function __nightjar_bare\n"
    "    test (count (commandline -opc)) -lt 2\n"
    "end\n"
    "\n"
    "# COMMAND...: it is one of them, and options may follow.\n"
    "function __nightjar_takes\n"
    "    set -l line (__nightjar_line)\n"
    "    contains -- \"$line[1]\" $argv\n"
    "    and not contains -- -- $line\n"
    "end\n"
    "\n"
    "# COMMAND FIRST LAST: it is that one, with so many words behind it.\n"
    "function __nightjar_at\n"
    "    set -l line (__nightjar_line | string match -v -- --)\n"
    "    set -l behind (math (count $line) - 1)\n"
    "    test \"$line[1]\" = $argv[1]\n"
    "    and test $behind -ge $argv[2] -a $behind -le $argv[3]\n"
    "end\n"
    "\n"
    "# FORMAT...: one of them, or FORMAT=PATH.\n"
    "function __nightjar_reports\n"
    "    set -l word (commandline -ct | string replace -r '^--report=' '')\n"
    "    set -l parts (string split -m 1 = -- $word)\n"
    "    if set -q parts[2]\n"
    "        string replace -r '^' \"$parts[1]=\" -- (__fish_complete_path "
    "$parts[2])\n"
    "    else\n"
    "        printf '%s\\n' $argv\n"
    "    end\n"
    "end\n"
    "\n"
    "# WORD...: a list of them, separated by commas.\n"
    "function __nightjar_list\n"
    "    set -l word (commandline -ct | string replace -r '^--[^=]*=' '')\n"
    "    set -l before (string match -r '^.*,' -- $word)\n"
    "    printf '%s\\n' \"$before\"$argv\n"
    "end\n"
    "\n"
    "# The ids of the run directory that is written first.\n"
    "function __nightjar_tasks\n"
    "    set -l line (__nightjar_line | string match -v -- --)\n"
    "    for folder in $line[2]/tasks/*/\n"
    "        path basename -- $folder\n"
    "    end\n"
    "end\n"
    "\n"
    "complete -c nightjar -f\n";

/* Behind "-a": text that fish looks at again when it completes. */
static void fish_choice(struct buffer *out, const struct place *place)
{
    static const char *const calls[] = {[TAKEN_FOLDER] =
                                            "(__fish_complete_directories)",
                                        [TAKEN_LIST] = "(__nightjar_list",
                                        [TAKEN_REPORT] = "(__nightjar_reports",
                                        [TAKEN_TASK] = "(__nightjar_tasks)"};
    CLEANUP(buffer_free) struct buffer choice = {0};

    buffer_init(&choice, SPEC_MAX);
    if (place->taken < ARRAY_LENGTH(calls) && calls[place->taken])
        buffer_add_string(&choice, calls[place->taken]);
    for (size_t i = 0; i < place->count; i++) {
        if (choice.length)
            buffer_add_byte(&choice, ' ');
        completion_escape(&choice, place->words[i], " '\"$()*?{}[]~#&;<>|");
    }
    if (place->taken == TAKEN_LIST || place->taken == TAKEN_REPORT)
        buffer_add_byte(&choice, ')');
    if (place->taken == TAKEN_FILE) {
        buffer_add_string(out, " -F");
    } else if (choice.length) {
        buffer_add_string(out, " -a ");
        completion_quote(out, choice.data, HELP_FISH);
    }
}

static void fish_option(struct buffer *out, const struct option_text *option)
{
    CLEANUP(mem_free) char *text = completion_brief(option->text);
    CLEANUP(place_free) struct place place = {0};

    buffer_add_string(out, "complete -c nightjar -n '__nightjar_takes");
    for (int command = 0; command < COMMANDS; command++) {
        if (completion_has(option, (enum command)command))
            buffer_addf(out, " %s", command_texts[command].name);
    }
    buffer_addf(out, "' -l %s", option->name + strlen("--"));
    if (option->letter)
        buffer_addf(out, " -s %s", option->letter + strlen("-"));
    if (option->argument) {
        place_of_option(&place, option);
        buffer_add_string(out, place.taken == TAKEN_FILE ? " -r" : " -x");
        fish_choice(out, &place);
    }
    buffer_add_string(out, " -d ");
    completion_quote(out, text, HELP_FISH);
    buffer_add_byte(out, '\n');
}

static void fish_values(struct buffer *out, enum command command)
{
    for (size_t i = 0; i < option_count; i++) {
        const struct option_text *option = &option_texts[i];

        if (!completion_has(option, command) || !option->argument)
            continue;
        buffer_addf(out, " %s", option->name);
        if (option->letter)
            buffer_addf(out, " %s", option->letter);
    }
}

static void fish_places(struct buffer *out, enum command command)
{
    const struct command_text *text = &command_texts[command];
    const char *arguments = text->arguments;
    bool repeated = false;

    for (int at = 0;; at++) {
        CLEANUP(place_free) struct place place;

        if (!place_next(&place, &arguments, &repeated))
            break;
        buffer_addf(out, "complete -c nightjar -n '__nightjar_at %s %d %d'",
                    text->name, at, repeated ? OPTIONS_LIST_MAX : at);
        if (place.taken == TAKEN_COMMAND) {
            buffer_add_string(out, " -a '(__fish_complete_subcommand "
                                   "--fcs-skip=2");
            fish_values(out, command);
            buffer_add_string(out, ")'");
        } else {
            fish_choice(out, &place);
        }
        buffer_add_byte(out, '\n');
    }
}

void completion_fish(struct buffer *out)
{
    buffer_add_string(
        out, "# fish completion for nightjar. Made by: nightjar help "
             "--completion fish\n\n"
             "# The command of the line and the words behind it that are no "
             "options;\n# \"--\" where options end.\n"
             "function __nightjar_line\n"
             "    set -l line (commandline -opc)\n"
             "    set -l values\n    set -l pending\n    set -l rest\n    set "
             "-l command\n    set -e pending rest command\n"
             "    switch \"$line[2]\"\n");
    for (int command = 0; command < COMMANDS; command++) {
        buffer_addf(out, "        case %s\n            set values",
                    command_texts[command].name);
        fish_values(out, (enum command)command);
        buffer_add_byte(out, '\n');
        if (command_texts[command].most == OPTIONS_WORDS)
            buffer_add_string(out, "            set command\n");
    }
    buffer_add_string(out, fish_main);
    for (int command = 0; command < COMMANDS; command++) {
        buffer_addf(out, "complete -c nightjar -n __nightjar_bare -a %s -d ",
                    command_texts[command].name);
        completion_quote(out, command_texts[command].summary, HELP_FISH);
        buffer_add_byte(out, '\n');
    }
    buffer_add_string(out, "complete -c nightjar -n __nightjar_bare -l help "
                           "-s h -d 'Explains the program'\n"
                           "complete -c nightjar -n __nightjar_bare -l version "
                           "-s V -d 'Prints the version'\n");
    for (size_t i = 0; i < option_count; i++)
        fish_option(out, &option_texts[i]);
    for (int command = 0; command < COMMANDS; command++)
        fish_places(out, (enum command)command);
}
