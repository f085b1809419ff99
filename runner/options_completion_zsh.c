/* Completion by zsh. */
#include "runner/options_completion.h"

#include "base/memory.h"
#include "runner/options_place.h"

#define SPEC_MAX ((size_t)64 << 10)

static const char zsh_main[] =
    "\n"
    "# FORMAT...: one of them, or FORMAT=PATH.\n"
    "_nightjar_reports() {\n"
    "    local expl\n"
    "    if compset -P '*='; then\n"
    "        _files\n"
    "    else\n"
    "        _wanted formats expl format compadd \"$@\"\n"
    "    fi\n"
    "}\n"
    "\n"
    "# The ids of the run directory that is written first.\n"
    "_nightjar_tasks() {\n"
    "    local expl\n"
    "    local -a ids\n"
    "    ids=(${(Q)~line[1]}/tasks/*(N/:t))\n"
    "    _wanted tasks expl task compadd -a ids\n"
    "}\n"
    "\n"
    "_nightjar() {\n"
    "    local curcontext=$curcontext state\n"
    "    local -a line commands\n"
    "    typeset -A opt_args\n"
    "\n"
    "    _arguments -C \\\n"
    "        '(- : *)'{-h,--help}'[Explains the program]' \\\n"
    "        '(- : *)'{-V,--version}'[Prints the version]' \\\n"
    "        '(-)1: :->command' '(-)*:: :->arguments' && return\n"
    "    case $state in\n"
    "    (command)\n"
    "        _nightjar_commands ;;\n"
    "    (arguments)\n"
    "        curcontext=${curcontext%:*:*}:nightjar-$words[1]:\n"
    "        _nightjar_table $words[1] ;;\n"
    "    esac\n"
    "}\n"
    "\n"
    "if [[ $zsh_eval_context[-1] == loadautofunc ]]; then\n"
    "    _nightjar \"$@\"\n"
    "else\n"
    "    compdef _nightjar nightjar\n"
    "fi\n";

/* What follows "MESSAGE:" in a specification of _arguments. */
static void zsh_action(struct buffer *spec, const struct place *place,
                       const char *message)
{
    static const char *const actions[] = {[TAKEN_NOTHING] = " ",
                                          [TAKEN_FILE] = "_files",
                                          [TAKEN_FOLDER] = "_files -/",
                                          [TAKEN_WORD] = "(",
                                          [TAKEN_LIST] = "_values -s , ",
                                          [TAKEN_REPORT] = "_nightjar_reports",
                                          [TAKEN_TASK] = "_nightjar_tasks",
                                          [TAKEN_COMMAND] =
                                              "_command_names -e"};

    completion_escape(spec, message, ":");
    buffer_add_byte(spec, ':');
    buffer_add_string(spec, actions[place->taken]);
    if (place->taken == TAKEN_LIST)
        completion_escape(spec, message, ": ");
    for (size_t i = 0; i < place->count; i++) {
        if (i || place->taken != TAKEN_WORD)
            buffer_add_byte(spec, ' ');
        completion_escape(spec, place->words[i], ":() ");
    }
    if (place->taken == TAKEN_WORD)
        buffer_add_byte(spec, ')');
}

/* "*--name=[what]:MESSAGE:action": an option may stand more than once. */
static void zsh_option(struct buffer *out, const struct option_text *option,
                       const char *name)
{
    CLEANUP(buffer_free) struct buffer spec = {0};
    CLEANUP(mem_free) char *text = completion_brief(option->text);
    CLEANUP(place_free) struct place place = {0};

    buffer_init(&spec, SPEC_MAX);
    buffer_add_byte(&spec, '*');
    buffer_add_string(&spec, name);
    if (option->argument)
        buffer_add_byte(&spec, name[1] == '-' ? '=' : '+');
    buffer_add_byte(&spec, '[');
    completion_escape(&spec, text, "[]");
    buffer_add_byte(&spec, ']');
    if (option->argument) {
        place_of_option(&place, option);
        buffer_add_byte(&spec, ':');
        zsh_action(&spec, &place, option->argument);
    }
    buffer_add_string(out, " \\\n            ");
    completion_quote(out, spec.data, HELP_ZSH);
}

static void zsh_places(struct buffer *out, enum command command)
{
    const char *text = command_texts[command].arguments;
    const char *argument = text;
    bool repeated = false;

    for (int at = 1;; at++, argument = text) {
        CLEANUP(buffer_free) struct buffer spec = {0};
        CLEANUP(place_free) struct place place;
        CLEANUP(mem_free) char *message = NULL;

        if (!place_next(&place, &text, &repeated))
            break;
        message = mem_bytes(argument, strcspn(argument, " "));
        buffer_init(&spec, SPEC_MAX);
        if (place.taken == TAKEN_COMMAND)
            buffer_add_string(&spec, "(-)1:");
        else if (repeated)
            buffer_add_string(&spec, "*:");
        else
            buffer_addf(&spec, "%d:", at);
        zsh_action(&spec, &place, message);
        buffer_add_string(out, " \\\n            ");
        completion_quote(out, spec.data, HELP_ZSH);
        if (place.taken == TAKEN_COMMAND)
            buffer_add_string(out, " '(-)*:: :_normal'");
    }
}

void completion_zsh(struct buffer *out)
{
    buffer_add_string(out, "#compdef nightjar\n# zsh completion for nightjar. "
                           "Made by: nightjar help --completion zsh\n\n"
                           "_nightjar_commands() {\n    commands=(");
    for (int command = 0; command < COMMANDS; command++) {
        CLEANUP(buffer_free) struct buffer item = {0};

        buffer_init(&item, SPEC_MAX);
        buffer_addf(&item, "%s:", command_texts[command].name);
        completion_escape(&item, command_texts[command].summary, "");
        buffer_add_string(out, "\n        ");
        completion_quote(out, item.data, HELP_ZSH);
    }
    buffer_add_string(out, ")\n    _describe -t commands 'nightjar command' "
                           "commands\n}\n\n# COMMAND: what it takes.\n"
                           "_nightjar_table() {\n    case $1 in\n");
    for (int command = 0; command < COMMANDS; command++) {
        buffer_add_string(out, "    (");
        completion_quote(out, command_texts[command].name, HELP_ZSH);
        buffer_add_string(out, ")\n        _arguments -S");
        for (size_t i = 0; i < option_count; i++) {
            if (!completion_has(&option_texts[i], (enum command)command))
                continue;
            zsh_option(out, &option_texts[i], option_texts[i].name);
            if (option_texts[i].letter)
                zsh_option(out, &option_texts[i], option_texts[i].letter);
        }
        zsh_places(out, (enum command)command);
        buffer_add_string(out, " ;;\n");
    }
    buffer_add_string(out, "    esac\n}\n");
    buffer_add_string(out, zsh_main);
}
