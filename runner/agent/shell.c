#include "runner/agent/shell.h"

#include "base/buffer.h"
#include "base/memory.h"

#define WORD_BYTES_MAX ((size_t)1 << 20)
#define HERE_DOCUMENTS_MAX 8 /* that begin in one line */

/* Text may be read several times, as a substitution and as the argument of
 * `sh -c` that it is in: not without end. */
#define READ_FACTOR 8
#define READ_BYTES_MIN 65536

struct splitting {
    struct arena *arena;
    struct shell_commands *all;
    const char **words; /* of all commands that are being read */
    size_t count;
    const char *at; /* what is left of the text */
    size_t left;    /* characters that may still be read */
    int depth;
};

enum role { ARGUMENT, TARGET, DELIMITER, HERE_STRING };

/* A list of commands that is being read. */
struct list {
    struct splitting *splitting;
    char end;      /* what ends it: ')', '`', or the text's NUL */
    size_t groups; /* '(' that are open */
    size_t first;  /* word of its present command */
    bool redirected;
    struct buffer word;
    bool in_word;
    enum role role; /* of this word or the next */
    const char *delimiters[HERE_DOCUMENTS_MAX];
    size_t delimiter_count;
};

static void read_list(struct splitting *splitting, char end);

static void incomplete(struct splitting *splitting)
{
    splitting->all->complete = false;
}

/* Leaves the rest of the text unread. */
static void give_up(struct splitting *splitting)
{
    incomplete(splitting);
    splitting->at += strlen(splitting->at);
}

/* The commands of a text that is an argument or document of another. */
static void split_inner(struct splitting *splitting, const char *text)
{
    const char *at = splitting->at;

    if (splitting->depth == SHELL_DEPTH_MAX) {
        incomplete(splitting);
        return;
    }
    splitting->at = text;
    splitting->depth++;
    read_list(splitting, '\0');
    splitting->depth--;
    splitting->at = at;
}

/* ---- which commands ---------------------------------------------------- */

/* A command that runs the one behind it. */
struct wrapper {
    const char *name;
    const char *valued; /* its short options that a value follows */
    size_t positional;  /* arguments before the command */
};

static const struct wrapper wrappers[] = {
    {"builtin", "", 0},   {"busybox", "", 0},   {"command", "", 0},
    {"doas", "uC", 0},    {"env", "uCS", 0},    {"exec", "a", 0},
    {"ionice", "cnp", 0}, {"nice", "n", 0},     {"nohup", "", 0},
    {"setsid", "", 0},    {"stdbuf", "ioe", 0}, {"sudo", "ugpCThrtUDR", 0},
    {"time", "fo", 0},    {"timeout", "sk", 1}, {"xargs", "aEILnPsd", 0},
};

static bool is_one_of(const char *word, const char *const *names)
{
    for (; *names; names++) {
        if (!strcmp(*names, word))
            return true;
    }
    return false;
}

static const char *base_name(const char *word)
{
    const char *slash = strrchr(word, '/');

    return slash ? slash + 1 : word;
}

static const struct wrapper *find_wrapper(const char *word)
{
    for (size_t i = 0; i < ARRAY_LENGTH(wrappers); i++) {
        if (!strcmp(wrappers[i].name, base_name(word)))
            return &wrappers[i];
    }
    return NULL;
}

static bool is_shell(const char *word)
{
    static const char *const names[] = {"sh",  "bash", "dash", "zsh",
                                        "ksh", "ash",  "su",   NULL};

    return is_one_of(base_name(word), names);
}

/* Words of the grammar before a command or instead of one. */
static bool is_keyword(const char *word)
{
    static const char *const names[] = {
        "if", "then", "elif", "else", "fi", "while", "until",
        "do", "done", "esac", "!",    "{",  "}",     NULL};

    return is_one_of(word, names);
}

/* Words that begin something that is no command. */
static bool is_header(const char *word)
{
    static const char *const names[] = {"for", "case", "select", "function",
                                        NULL};

    return is_one_of(word, names);
}

static bool is_assignment(const char *word)
{
    size_t name = strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "abcdefghijklmnopqrstuvwxyz_0123456789");

    return name && word[name] == '=';
}

/* Whether the value of this option is the next word. */
static bool takes_value(const struct wrapper *wrapper, const char *option)
{
    static const char *const names[] = {
        "--user",      "--group",     "--unset",      "--chdir",
        "--signal",    "--max-args",  "--kill-after", "--adjustment",
        "--max-procs", "--delimiter", "--arg-file",   NULL};
    size_t letters = strlen(option + 1);

    if (option[1] == '-')
        return is_one_of(option, names);
    return letters && strcspn(option + 1, wrapper->valued) == letters - 1;
}

static void add_command(struct list *list, size_t first)
{
    struct splitting *splitting = list->splitting;
    struct shell_commands *all = splitting->all;
    struct shell_command *command;

    if (all->count == SHELL_COMMANDS_MAX) {
        incomplete(splitting);
        return;
    }
    command = &all->items[all->count++];
    command->count = splitting->count - first;
    command->words =
        arena_array(splitting->arena, command->count + 1, sizeof(char *));
    memcpy(command->words, splitting->words + first,
           command->count * sizeof(char *));
}

/* `sh -c SCRIPT`: the script's commands as well. */
static void add_inner(struct list *list, size_t first)
{
    struct splitting *splitting = list->splitting;

    for (size_t i = first + 1; i + 1 < splitting->count; i++) {
        const char *word = splitting->words[i];

        if (word[0] != '-' || word[1] == '-' || !strchr(word, 'c'))
            continue;
        if (!strcmp(splitting->words[i + 1], "--") && i + 2 < splitting->count)
            i++;
        split_inner(splitting, splitting->words[i + 1]);
        return;
    }
}

/* Where the command begins that a wrapper runs. */
static size_t behind_wrapper(const struct splitting *splitting, size_t at)
{
    const struct wrapper *wrapper = find_wrapper(splitting->words[at++]);

    for (; at < splitting->count; at++) {
        const char *word = splitting->words[at];

        if (!strcmp(word, "--")) {
            at++;
            break;
        }
        if (word[0] != '-' && !is_assignment(word))
            break;
        if (word[0] == '-' && takes_value(wrapper, word))
            at++;
    }
    return at + wrapper->positional;
}

/* The end of a simple command: noted as it stands, and again behind each
 * wrapper. */
static void end_command(struct list *list)
{
    struct splitting *splitting = list->splitting;
    size_t at = list->first;

    while (at < splitting->count && (is_assignment(splitting->words[at]) ||
                                     is_keyword(splitting->words[at])))
        at++;
    if (splitting->count == list->first && list->redirected)
        add_command(list, at);
    if (at < splitting->count && is_header(splitting->words[at]))
        at = splitting->count;
    while (at < splitting->count) {
        add_command(list, at);
        if (is_shell(splitting->words[at]))
            add_inner(list, at);
        if (!find_wrapper(splitting->words[at]))
            break;
        at = behind_wrapper(splitting, at);
    }
    splitting->count = list->first;
    list->redirected = false;
    list->role = ARGUMENT;
}

/* ---- words ------------------------------------------------------------- */

static void end_word(struct list *list)
{
    struct splitting *splitting = list->splitting;
    enum role role = list->role;
    const char *text;

    if (!list->in_word)
        return;
    text = arena_bytes(splitting->arena, list->word.data, list->word.length);
    buffer_clear(&list->word);
    list->in_word = false;
    list->role = ARGUMENT;
    if (role == HERE_STRING)
        split_inner(splitting, text);
    else if (role == DELIMITER && list->delimiter_count < HERE_DOCUMENTS_MAX)
        list->delimiters[list->delimiter_count++] = text;
    else if (role == ARGUMENT && splitting->count < SHELL_WORDS_MAX)
        splitting->words[splitting->count++] = text;
    else if (role != TARGET)
        incomplete(splitting);
}

static void add_byte(struct list *list, char byte)
{
    list->in_word = true;
    if (buffer_add_byte(&list->word, byte))
        incomplete(list->splitting);
}

/* "$(…)", "`…`", "<(…)": its commands, and its text as part of the word. */
static void take_substitution(struct list *list, size_t skip, char end)
{
    struct splitting *splitting = list->splitting;
    const char *start = splitting->at;

    if (splitting->depth == SHELL_DEPTH_MAX) {
        give_up(splitting);
        return;
    }
    splitting->at += skip;
    splitting->depth++;
    read_list(splitting, end);
    splitting->depth--;
    splitting->at += *splitting->at && *splitting->at == end;
    for (; start < splitting->at; start++)
        add_byte(list, *start);
}

/* '…' as it is, or $'…' with its escapes, of which only quotes matter. */
static void take_single(struct list *list, bool escapes)
{
    const char *at = list->splitting->at + 1;

    list->in_word = true;
    for (; *at && *at != '\''; at++) {
        if (escapes && *at == '\\' && at[1])
            at++;
        add_byte(list, *at);
    }
    list->splitting->at = at + (*at != '\0');
}

static void take_escape(struct list *list, bool quoted)
{
    struct splitting *splitting = list->splitting;
    char next = splitting->at[1];

    if (quoted && !strchr("$`\"\\\n", next))
        add_byte(list, '\\');
    if (next != '\n')
        add_byte(list, next);
    splitting->at += 2;
}

static bool spend(struct splitting *splitting)
{
    if (splitting->left) {
        splitting->left--;
        return true;
    }
    give_up(splitting);
    return false;
}

static void take_double(struct list *list)
{
    struct splitting *splitting = list->splitting;

    list->in_word = true;
    splitting->at++;
    while (*splitting->at && *splitting->at != '"' && spend(splitting)) {
        const char *at = splitting->at;

        if (*at == '`' && list->end == '`')
            return;
        if (*at == '\\' && at[1])
            take_escape(list, true);
        else if (*at == '`')
            take_substitution(list, 1, '`');
        else if (*at == '$' && at[1] == '(')
            take_substitution(list, 2, ')');
        else
            add_byte(list, *splitting->at++);
    }
    splitting->at += *splitting->at == '"';
}

/* ---- lists ------------------------------------------------------------- */

/* An operator and, before it, a descriptor's number. */
static void take_redirection(struct list *list)
{
    struct splitting *splitting = list->splitting;
    size_t length = strspn(splitting->at, "<>|&");

    if (list->in_word &&
        strspn(list->word.data, "0123456789") == list->word.length) {
        buffer_clear(&list->word);
        list->in_word = false;
    }
    if (splitting->at[1] == '(') {
        take_substitution(list, 2, ')');
        return;
    }
    end_word(list);
    list->redirected = true;
    list->role = TARGET;
    if (!strncmp(splitting->at, "<<<", 3))
        list->role = HERE_STRING;
    else if (!strncmp(splitting->at, "<<", 2))
        list->role = DELIMITER;
    splitting->at += length;
    if (list->role == DELIMITER)
        splitting->at += *splitting->at == '-';
}

/* The documents of the line that has just ended. They are read as commands:
 * a shell may be what they are for. */
static void read_here_documents(struct list *list)
{
    struct splitting *splitting = list->splitting;

    for (size_t i = 0; i < list->delimiter_count; i++) {
        const char *start = splitting->at;
        const char *line = start;
        size_t length = strlen(list->delimiters[i]);

        for (; *line; line += strcspn(line, "\n"), line += *line == '\n') {
            const char *text = line + strspn(line, "\t");

            if (strcspn(text, "\n") == length &&
                !strncmp(text, list->delimiters[i], length))
                break;
        }
        splitting->at = line + strcspn(line, "\n");
        split_inner(splitting, arena_bytes(splitting->arena, start,
                                           (size_t)(line - start)));
    }
    list->delimiter_count = 0;
}

static void take_operator(struct list *list)
{
    struct splitting *splitting = list->splitting;
    char symbol = *splitting->at++;

    end_word(list);
    if (symbol == ')' && !list->groups)
        splitting->count = list->first; /* a pattern of `case` */
    end_command(list);
    if (symbol == '(')
        list->groups++;
    if (symbol == ')' && list->groups)
        list->groups--;
    if (symbol == '\n')
        read_here_documents(list);
}

static void take_dollar(struct list *list)
{
    struct splitting *splitting = list->splitting;
    char next = splitting->at[1];

    if (next == '(') {
        take_substitution(list, 2, ')');
        return;
    }
    splitting->at++;
    if (next == '\'')
        take_single(list, true);
    else if (next != '"')
        add_byte(list, '$');
}

static void take(struct list *list)
{
    struct splitting *splitting = list->splitting;
    const char *at = splitting->at;

    if (*at == '\\' && at[1])
        take_escape(list, false);
    else if (*at == '\'')
        take_single(list, false);
    else if (*at == '"')
        take_double(list);
    else if (*at == '`')
        take_substitution(list, 1, '`');
    else if (*at == '$')
        take_dollar(list);
    else if (*at == '<' || *at == '>' || !strncmp(at, "&>", 2))
        take_redirection(list);
    else if (strchr(";|&\n()", *at))
        take_operator(list);
    else if (*at == '#' && !list->in_word)
        splitting->at += strcspn(at, list->end == '`' ? "\n`" : "\n");
    else if (!strchr(" \t\r", *at))
        add_byte(list, *splitting->at++);
    else {
        end_word(list);
        splitting->at++;
    }
}

static bool at_end(const struct list *list)
{
    char next = *list->splitting->at;

    return !next || (next == list->end && !(next == ')' && list->groups));
}

static void read_list(struct splitting *splitting, char end)
{
    struct list list = {
        .splitting = splitting, .end = end, .first = splitting->count};

    buffer_init(&list.word, WORD_BYTES_MAX);
    while (!at_end(&list) && spend(splitting))
        take(&list);
    end_word(&list);
    end_command(&list);
    buffer_free(&list.word);
}

struct shell_commands shell_split(struct arena *arena, const char *script)
{
    struct shell_commands all = {.complete = true};
    struct splitting splitting = {.arena = arena,
                                  .all = &all,
                                  .at = script,
                                  .left = strlen(script) * READ_FACTOR +
                                          READ_BYTES_MIN};

    all.items =
        arena_array(arena, SHELL_COMMANDS_MAX, sizeof(struct shell_command));
    splitting.words = arena_array(arena, SHELL_WORDS_MAX, sizeof(char *));
    read_list(&splitting, '\0');
    return all;
}
