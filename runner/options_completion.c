/* What the scripts of all shells need, and the one of bash. */
#include "runner/options_completion.h"

#include "base/memory.h"
#include "runner/options_place.h"

#define BRIEF_COLUMNS 68

/* Of enum taken, as the bash script calls them. */
static const char *const taken_names[] = {
    "nothing", "file", "folder", "word", "list", "report", "task", "command"};

int apply_completion(struct options *options, const char *value,
                     struct error *err)
{
    static const char *const shells[] = {"bash", "zsh", "fish"};

    for (size_t i = 0; i < ARRAY_LENGTH(shells); i++) {
        if (!strcmp(shells[i], value)) {
            options->format = (enum help_format)(HELP_BASH + i);
            return 0;
        }
    }
    return error_set(err, ERROR_USAGE,
                     "--completion: expected bash, zsh or fish, got '%s'",
                     value);
}

/* ---- texts ------------------------------------------------------------- */

void completion_quote(struct buffer *out, const char *text,
                      enum help_format shell)
{
    buffer_add_byte(out, '\'');
    for (; *text; text++) {
        if (*text == '\'')
            buffer_add_string(out, shell == HELP_FISH ? "\\'" : "'\\''");
        else if (*text == '\\' && shell == HELP_FISH)
            buffer_add_string(out, "\\\\");
        else
            buffer_add_byte(out, *text == '\n' ? ' ' : *text);
    }
    buffer_add_byte(out, '\'');
}

void completion_escape(struct buffer *out, const char *text,
                       const char *special)
{
    for (; *text; text++) {
        if (*text == '\\' || strchr(special, *text))
            buffer_add_byte(out, '\\');
        buffer_add_byte(out, *text);
    }
}

char *completion_brief(const char *text)
{
    size_t length = 0;

    while (
        text[length] && text[length] != ';' && text[length] != '\n' &&
        (text[length] != '.' || (text[length + 1] && text[length + 1] != ' ')))
        length++;
    if (length <= BRIEF_COLUMNS)
        return mem_bytes(text, length);
    length = BRIEF_COLUMNS;
    while (length && text[length] != ' ')
        length--;
    return mem_format("%.*s...", (int)(length ? length : BRIEF_COLUMNS), text);
}

bool completion_has(const struct option_text *option, enum command command)
{
    return option->commands & FOR(command);
}

/* ---- bash -------------------------------------------------------------- */

static const char bash_main[] =
    "\n"
    "# WORD...: those that go on with what is written. `before` is what of it\n"
    "# they do not replace, `lead` what bash does not: \"=\" and \":\" "
    "separate\n"
    "# words for it.\n"
    "_nightjar_offer() {\n"
    "    local word\n"
    "    for word in \"$@\"; do\n"
    "        word=$before$word\n"
    "        [[ $word != \"$cur\"* ]] || COMPREPLY+=(\"${word#\"$lead\"}\")\n"
    "    done\n"
    "}\n"
    "\n"
    "_nightjar_value() {\n"
    "    local before=${cur%\"$value\"} id\n"
    "    case $kind in\n"
    "    file) compopt -o default ;;\n"
    "    folder) compopt -o dirnames ;;\n"
    "    word) _nightjar_offer \"${list[@]}\" ;;\n"
    "    list)\n"
    "        compopt -o nospace\n"
    "        [[ $value != *,* ]] || before=$before${value%,*},\n"
    "        _nightjar_offer \"${list[@]}\" ;;\n"
    "    report)\n"
    "        if [[ $value == *=* ]]; then\n"
    "            compopt -o default\n"
    "        else\n"
    "            _nightjar_offer \"${list[@]}\"\n"
    "        fi ;;\n"
    "    task)\n"
    "        for id in \"${first/#\\~\\//$HOME/}\"/tasks/*/; do\n"
    "            id=${id%/}\n"
    "            [[ ! -d $id ]] || _nightjar_offer \"$(printf %q "
    "\"${id##*/}\")\"\n"
    "        done ;;\n"
    "    command)\n"
    "        compopt -o default\n"
    "        ((count)) || mapfile -t COMPREPLY < <(compgen -c -- \"$2\") ;;\n"
    "    esac\n"
    "}\n"
    "\n"
    "_nightjar() {\n"
    "    local options=() kind= list=() places=() repeated=\n"
    "    local cur= lead= value= word= glue= pending= rest= first= count=0 i\n"
    "    local line=()\n"
    "\n"
    "    COMPREPLY=()\n"
    "    for ((i = 0; i <= COMP_CWORD; i++)); do\n"
    "        word=${COMP_WORDS[i]}\n"
    "        if ((i > 1)) && [[ $glue || $word == [=:]* ]]; then\n"
    "            line[-1]+=$word\n"
    "        else\n"
    "            line+=(\"$word\")\n"
    "        fi\n"
    "        [[ $word == *[!=:]* || ! $word ]] && glue= || glue=1\n"
    "    done\n"
    "    cur=${line[-1]} value=$cur lead=${cur%\"$2\"}\n"
    "    unset 'line[-1]'\n"
    "    if ((${#line[@]} < 2)); then\n"
    "        _nightjar_table '' ''\n"
    "        kind=word list=(\"${options[@]}\")\n"
    "        _nightjar_value \"$1\" \"$2\"\n"
    "        return\n"
    "    fi\n"
    "    for word in \"${line[@]:2}\"; do\n"
    "        _nightjar_table \"${line[1]}\" \"$word\"\n"
    "        if [[ $pending ]]; then\n"
    "            pending=\n"
    "        elif [[ ! $rest && $word == -- ]]; then\n"
    "            rest=1\n"
    "        elif [[ ! $rest && $word == -?* ]]; then\n"
    "            [[ ! $kind ]] || pending=$word\n"
    "        else\n"
    "            ((count)) || first=$word\n"
    "            count=$((count + 1))\n"
    "            [[ ${places[0]} != command ]] || rest=1\n"
    "        fi\n"
    "    done\n"
    "    _nightjar_table \"${line[1]}\" \"$pending\"\n"
    "    if [[ $pending ]]; then\n"
    "        :\n"
    "    elif [[ ! $rest && $cur == --*=* ]]; then\n"
    "        _nightjar_table \"${line[1]}\" \"${cur%%=*}\"\n"
    "        value=${cur#*=}\n"
    "    elif [[ ! $rest && $cur == -* ]]; then\n"
    "        kind=word list=(\"${options[@]}\")\n"
    "    else\n"
    "        i=$count\n"
    "        [[ ! $repeated ]] || ((i < ${#places[@]})) || i=$((${#places[@]} "
    "- 1))\n"
    "        kind=${places[i]}\n"
    "    fi\n"
    "    _nightjar_value \"$1\" \"$2\"\n"
    "}\n"
    "\n"
    "complete -F _nightjar nightjar\n";

static void bash_words(struct buffer *out, const struct place *place)
{
    if (!place->count)
        return;
    buffer_add_string(out, " list=(");
    for (size_t i = 0; i < place->count; i++) {
        if (i)
            buffer_add_byte(out, ' ');
        completion_quote(out, place->words[i], HELP_BASH);
    }
    buffer_add_byte(out, ')');
}

static void bash_names(struct buffer *out, enum command command)
{
    buffer_add_string(out, "        options=(");
    for (size_t i = 0; i < option_count; i++) {
        if (!completion_has(&option_texts[i], command))
            continue;
        completion_quote(out, option_texts[i].name, HELP_BASH);
        buffer_add_byte(out, ' ');
        if (option_texts[i].letter) {
            completion_quote(out, option_texts[i].letter, HELP_BASH);
            buffer_add_byte(out, ' ');
        }
    }
    buffer_add_string(out, ")\n");
}

static void bash_places(struct buffer *out, enum command command)
{
    const char *text = command_texts[command].arguments;
    bool repeated = false;

    for (;;) {
        CLEANUP(place_free) struct place place;

        if (!place_next(&place, &text, &repeated))
            break;
        buffer_addf(out, "        places+=(%s)", taken_names[place.taken]);
        bash_words(out, &place);
        buffer_add_byte(out, '\n');
    }
    if (repeated)
        buffer_add_string(out, "        repeated=1\n");
}

static void bash_command(struct buffer *out, enum command command)
{
    buffer_add_string(out, "    ");
    completion_quote(out, command_texts[command].name, HELP_BASH);
    buffer_add_string(out, ")\n");
    bash_names(out, command);
    bash_places(out, command);
    buffer_add_string(out, "        case $2 in\n");
    for (size_t i = 0; i < option_count; i++) {
        const struct option_text *option = &option_texts[i];
        CLEANUP(place_free) struct place place = {0};

        if (!completion_has(option, command) || !option->argument)
            continue;
        place_of_option(&place, option);
        buffer_add_string(out, "        ");
        completion_quote(out, option->name, HELP_BASH);
        if (option->letter) {
            buffer_add_string(out, " | ");
            completion_quote(out, option->letter, HELP_BASH);
        }
        buffer_addf(out, ") kind=%s", taken_names[place.taken]);
        bash_words(out, &place);
        buffer_add_string(out, " ;;\n");
    }
    buffer_add_string(out, "        esac ;;\n");
}

static void bash(struct buffer *out)
{
    buffer_add_string(
        out, "# bash completion for nightjar. Made by: nightjar help "
             "--completion bash\n\n"
             "# COMMAND WORD: what the command takes; of an option the kind of "
             "its value,\n# \"\" if it has none, and the words that it can "
             "be.\n_nightjar_table() {\n    options=() kind= list=() places=() "
             "repeated=\n    case $1 in\n    '')\n        options=(");
    for (int command = 0; command < COMMANDS; command++) {
        completion_quote(out, command_texts[command].name, HELP_BASH);
        buffer_add_byte(out, ' ');
    }
    buffer_add_string(out, "--help -h --version -V) ;;\n");
    for (int command = 0; command < COMMANDS; command++)
        bash_command(out, (enum command)command);
    buffer_add_string(out, "    esac\n}\n");
    buffer_add_string(out, bash_main);
}

/* ------------------------------------------------------------------------ */

void options_completion(enum help_format shell, struct buffer *out)
{
    if (shell == HELP_BASH)
        bash(out);
    else if (shell == HELP_ZSH)
        completion_zsh(out);
    else
        completion_fish(out);
}
