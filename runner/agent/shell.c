#include "runner/agent/shell.h"

#include "base/buffer.h"
#include "base/memory.h"

struct splitting {
    struct arena *arena;
    struct shell_commands *all;
    const char **words;
    size_t count;
    struct buffer word;
    bool in_word;
    int depth;
};

static void split_script(struct shell_commands *all, struct arena *arena,
                         const char *script, int depth);

/* Words that run the command behind them. */
static bool is_wrapper(const char *word)
{
    static const char *const wrappers[] = {
        "sudo",   "env",  "command", "nohup",   "time",    "exec",  "nice",
        "setsid", "then", "else",    "do",      "if",      "while", "until",
        "!",      "{",    "xargs",   "timeout", "builtin", "stdbuf"};

    for (size_t i = 0; i < ARRAY_LENGTH(wrappers); i++) {
        if (!strcmp(wrappers[i], word))
            return true;
    }
    return false;
}

static bool is_shell(const char *word)
{
    const char *slash = strrchr(word, '/');
    const char *name = slash ? slash + 1 : word;

    return !strcmp(name, "sh") || !strcmp(name, "bash") ||
           !strcmp(name, "dash") || !strcmp(name, "zsh");
}

static bool is_assignment(const char *word)
{
    size_t name = strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "abcdefghijklmnopqrstuvwxyz_0123456789");

    return name && word[name] == '=';
}

static void add_command(struct splitting *splitting, size_t first)
{
    struct shell_commands *all = splitting->all;
    struct shell_command *command;

    if (first >= splitting->count)
        return;
    if (all->count == SHELL_COMMANDS_MAX) {
        all->complete = false;
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
static void add_inner(struct splitting *splitting, size_t first)
{
    for (size_t i = first + 1; i + 1 < splitting->count; i++) {
        const char *word = splitting->words[i];

        if (word[0] == '-' && word[1] != '-' && strchr(word, 'c')) {
            if (splitting->depth < SHELL_DEPTH_MAX)
                split_script(splitting->all, splitting->arena,
                             splitting->words[i + 1], splitting->depth + 1);
            else
                splitting->all->complete = false;
            return;
        }
    }
}

/* The end of a simple command: noted as it stands, and again behind each
 * wrapper with its options. */
static void end_command(struct splitting *splitting)
{
    size_t first = 0;

    while (first < splitting->count && is_assignment(splitting->words[first]))
        first++;
    while (first < splitting->count) {
        add_command(splitting, first);
        if (is_shell(splitting->words[first]))
            add_inner(splitting, first);
        if (!is_wrapper(splitting->words[first]))
            break;
        first++;
        while (first < splitting->count &&
               (splitting->words[first][0] == '-' ||
                is_assignment(splitting->words[first])))
            first++;
    }
    splitting->count = 0;
}

static void end_word(struct splitting *splitting)
{
    if (!splitting->in_word)
        return;
    if (splitting->count < SHELL_WORDS_MAX)
        splitting->words[splitting->count++] = arena_bytes(
            splitting->arena, splitting->word.data, splitting->word.length);
    else
        splitting->all->complete = false;
    buffer_clear(&splitting->word);
    splitting->in_word = false;
}

static void add_byte(struct splitting *splitting, char byte)
{
    splitting->in_word = true;
    if (buffer_add_byte(&splitting->word, byte))
        splitting->all->complete = false;
}

/* Takes one character or quoted part at `at`; returns what is behind it. */
static const char *take(struct splitting *splitting, const char *at)
{
    if (*at == '\\' && at[1]) {
        if (at[1] != '\n')
            add_byte(splitting, at[1]);
        return at + 2;
    }
    if (*at == '\'') {
        splitting->in_word = true;
        for (at++; *at && *at != '\''; at++)
            add_byte(splitting, *at);
        return at + (*at != '\0');
    }
    if (*at == '"') {
        /* Substitutions in it run too: their text ends the word as outside. */
        splitting->in_word = true;
        return at + 1;
    }
    if (*at == '$' && at[1] == '(')
        at++;
    if (strchr(";|&\n()`", *at)) {
        end_word(splitting);
        end_command(splitting);
        return at + 1;
    }
    if (strchr(" \t\r<>", *at)) {
        end_word(splitting);
        return at + 1;
    }
    add_byte(splitting, *at);
    return at + 1;
}

/* Text in double quotes, up to the closing one: blanks belong to the word,
 * substitutions do not. */
static const char *take_quoted(struct splitting *splitting, const char *at)
{
    for (; *at && *at != '"'; at++) {
        if (*at == '\\' && at[1])
            add_byte(splitting, *++at);
        else if (*at == '`' || (*at == '$' && at[1] == '('))
            return take(splitting, at);
        else
            add_byte(splitting, *at);
    }
    return at + (*at == '"');
}

static void split_script(struct shell_commands *all, struct arena *arena,
                         const char *script, int depth)
{
    struct splitting splitting = {.arena = arena, .all = all, .depth = depth};

    splitting.words = arena_array(arena, SHELL_WORDS_MAX, sizeof(char *));
    buffer_init(&splitting.word, (size_t)1 << 20);
    while (*script) {
        bool comment = *script == '#' && !splitting.in_word;
        bool quoted = *script == '"';

        if (comment) {
            script += strcspn(script, "\n");
            continue;
        }
        script = take(&splitting, script);
        if (quoted)
            script = take_quoted(&splitting, script);
    }
    end_word(&splitting);
    end_command(&splitting);
    buffer_free(&splitting.word);
}

struct shell_commands shell_split(struct arena *arena, const char *script)
{
    struct shell_commands all = {.complete = true};

    all.items =
        arena_array(arena, SHELL_COMMANDS_MAX, sizeof(struct shell_command));
    split_script(&all, arena, script, 0);
    return all;
}
