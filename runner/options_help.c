/* The manual from the options table: as text, as a man page, as Markdown. */
#include <ctype.h>

#include "base/memory.h"
#include "reporters/reporter.h"
#include "runner/options.h"
#include "runner/options_table.h"
#include "runner/report_folders.h"

#define COLUMNS 78
#define PARAGRAPHS_BYTES ((size_t)64 << 10)

static const char purpose[] =
    "runs coding-agent tasks with nobody watching: clones repositories, lets "
    "a model work on them in a sandbox, proves the result in a clean checkout, "
    "and leaves patches and reports";

/* ---- text -------------------------------------------------------------- */

/* Words of `text` in lines of at most COLUMNS, each `indent` in; paragraphs
 * stay apart. The first line goes on at `column`. */
static void wrap(struct buffer *out, const char *text, size_t indent,
                 size_t column)
{
    while (*text) {
        size_t word = strcspn(text, " \n");

        if (column + 1 + word > COLUMNS && column > indent) {
            buffer_addf(out, "\n%*s", (int)indent, "");
            column = indent;
        } else if (column > indent) {
            buffer_add_byte(out, ' ');
            column++;
        }
        buffer_add(out, text, word);
        column += word;
        text += word;
        if (!strncmp(text, "\n\n", 2)) {
            buffer_addf(out, "\n\n%*s", (int)indent, "");
            column = indent;
        }
        text += strspn(text, " \n");
    }
    buffer_add_byte(out, '\n');
}

/* The command's paragraphs; of reports also the formats, from their table. The
 * caller frees them. */
static char *paragraphs(enum command command)
{
    CLEANUP(buffer_free) struct buffer text = {0};

    buffer_init(&text, PARAGRAPHS_BYTES);
    buffer_add_string(&text, command_texts[command].text);
    if (command == COMMAND_REPORT) {
        buffer_add_string(&text, "\n\nFormats: ");
        for (size_t i = 0; reporter_at(i); i++)
            buffer_addf(&text, "%s (%s), ", reporter_at(i)->name,
                        reporter_at(i)->description);
        for (size_t i = 0; report_folder_at(i); i++)
            buffer_addf(&text, "%s%s (%s)", i ? ", " : "",
                        report_folder_at(i)->name,
                        report_folder_at(i)->description);
        buffer_add_byte(&text, '.');
    }
    return buffer_steal(&text);
}

static void add_label(struct buffer *out, const struct option_text *option)
{
    if (option->letter)
        buffer_addf(out, "%s, ", option->letter);
    buffer_add_string(out, option->name);
    if (option->argument)
        buffer_addf(out, " %s", option->argument);
}

static void text_options(struct buffer *out, enum command command)
{
    buffer_add_string(out, "\nOptions:\n");
    for (size_t i = 0; i < option_count; i++) {
        if (!(option_texts[i].commands & FOR(command)))
            continue;
        buffer_add_string(out, "  ");
        add_label(out, &option_texts[i]);
        buffer_add_string(out, "\n      ");
        wrap(out, option_texts[i].text, 6, 6);
    }
}

static void text_examples(struct buffer *out, const char *examples)
{
    buffer_add_string(out, "\nExamples:\n");
    while (*examples) {
        size_t line = strcspn(examples, "\n");

        buffer_addf(out, "  %.*s\n", (int)line, examples);
        examples += line + (examples[line] == '\n');
    }
}

static void text_command(struct buffer *out, enum command command)
{
    const struct command_text *text = &command_texts[command];
    CLEANUP(mem_free) char *description = paragraphs(command);

    buffer_addf(out, "Usage: nightjar %s [OPTIONS] %s\n", text->name,
                text->arguments);
    if (text->examples)
        text_examples(out, text->examples);
    buffer_add_byte(out, '\n');
    wrap(out, description, 0, 0);
    text_options(out, command);
}

static void text_overview(struct buffer *out)
{
    buffer_add_string(out, "nightjar");
    wrap(out, purpose, 0, strlen("nightjar"));
    buffer_add_string(out, "\nUsage: nightjar COMMAND [OPTIONS] ...\n\n"
                           "Commands:\n");
    for (int command = 0; command < COMMANDS; command++)
        buffer_addf(out, "  %-9s %s\n", command_texts[command].name,
                    command_texts[command].summary);
    buffer_add_string(out, "\nExit status:\n");
    for (size_t i = 0; i < exit_count; i++) {
        buffer_addf(out, "  %-4d ", exit_texts[i].status);
        wrap(out, exit_texts[i].text, 7, 7);
    }
    buffer_add_string(out, "\n'nightjar help COMMAND' explains a command.\n");
}

/* ---- man --------------------------------------------------------------- */

/* roff: a '-' is a hyphen unless escaped; a line that starts with '.' is a
 * request. */
static void roff(struct buffer *out, const char *text)
{
    bool line_start = true;

    for (; *text; text++) {
        if (line_start && (*text == '.' || *text == '\''))
            buffer_add_string(out, "\\&");
        if (!strncmp(text, "\n\n", 2)) {
            buffer_add_string(out, "\n.PP\n");
            text++;
            line_start = true;
            continue;
        }
        if (*text == '-')
            buffer_add_string(out, "\\-");
        else if (*text == '\\')
            buffer_add_string(out, "\\e");
        else
            buffer_add_byte(out, *text);
        line_start = *text == '\n';
    }
}

static void man_item(struct buffer *out, const char *label, const char *text)
{
    buffer_add_string(out, ".TP\n.B ");
    roff(out, label);
    buffer_add_byte(out, '\n');
    roff(out, text);
    buffer_add_byte(out, '\n');
}

static void man_options(struct buffer *out, enum command command)
{
    for (size_t i = 0; i < option_count; i++) {
        CLEANUP(buffer_free) struct buffer label = {0};

        if (!(option_texts[i].commands & FOR(command)))
            continue;
        buffer_init(&label, 256);
        add_label(&label, &option_texts[i]);
        man_item(out, label.data, option_texts[i].text);
    }
}

static void man_command(struct buffer *out, enum command command)
{
    const struct command_text *text = &command_texts[command];
    CLEANUP(mem_free) char *description = paragraphs(command);

    buffer_addf(out, ".SS nightjar %s %s\n", text->name, text->arguments);
    roff(out, description);
    buffer_add_byte(out, '\n');
    man_options(out, command);
    if (text->examples) {
        buffer_add_string(out, ".PP\nExamples:\n.PP\n.nf\n");
        roff(out, text->examples);
        buffer_add_string(out, "\n.fi\n");
    }
}

/* All pages but that of `self`; COMMANDS is the program's. */
static void man_see_also(struct buffer *out, enum command self)
{
    const char *separator = "";

    buffer_add_string(out, ".SH SEE ALSO\n");
    if (self != COMMANDS) {
        buffer_add_string(out, ".BR nightjar (1)");
        separator = ",\n";
    }
    for (int command = 0; command < COMMANDS; command++) {
        if (command == (int)self)
            continue;
        buffer_addf(out, "%s.BR nightjar\\-%s (1)", separator,
                    command_texts[command].name);
        separator = ",\n";
    }
    buffer_add_byte(out, '\n');
}

static void man_title(struct buffer *out, const char *command)
{
    buffer_add_string(out, ".TH NIGHTJAR");
    if (command)
        buffer_add_string(out, "\\-");
    for (; command && *command; command++)
        buffer_add_byte(out, (char)toupper((unsigned char)*command));
    buffer_addf(out, " 1 \"\" \"nightjar %s\" \"User Commands\"\n",
                NIGHTJAR_VERSION);
}

static void man(struct buffer *out)
{
    man_title(out, NULL);
    buffer_add_string(out, ".SH NAME\nnightjar \\- run coding-agent tasks "
                           "unattended\n.SH SYNOPSIS\n.B nightjar\n.I COMMAND "
                           "[OPTIONS] ...\n.SH DESCRIPTION\n.B nightjar\n");
    roff(out, purpose);
    buffer_add_string(out, ".\n.SH COMMANDS\n");
    for (int command = 0; command < COMMANDS; command++)
        man_command(out, (enum command)command);
    buffer_add_string(out, ".SH EXIT STATUS\n");
    for (size_t i = 0; i < exit_count; i++) {
        CLEANUP(mem_free) char *label = mem_format("%d", exit_texts[i].status);

        man_item(out, label, exit_texts[i].text);
    }
    buffer_add_string(out, ".SH ENVIRONMENT\n");
    for (size_t i = 0; i < variable_count; i++)
        man_item(out, variable_texts[i].name, variable_texts[i].text);
    man_see_also(out, COMMANDS);
}

/* A page of its own: nightjar-run(1). */
static void man_page(struct buffer *out, enum command command)
{
    const struct command_text *text = &command_texts[command];
    CLEANUP(mem_free) char *description = paragraphs(command);

    man_title(out, text->name);
    buffer_addf(out, ".SH NAME\nnightjar\\-%s \\- ", text->name);
    roff(out, text->summary);
    buffer_addf(out, "\n.SH SYNOPSIS\n.B nightjar %s\n.RI [ OPTIONS ]",
                text->name);
    if (*text->arguments) {
        buffer_add_string(out, "\n.I ");
        roff(out, text->arguments);
    }
    buffer_add_string(out, "\n.SH DESCRIPTION\n");
    roff(out, description);
    buffer_add_string(out, "\n.SH OPTIONS\n");
    man_options(out, command);
    if (text->examples) {
        buffer_add_string(out, ".SH EXAMPLES\n.nf\n");
        roff(out, text->examples);
        buffer_add_string(out, "\n.fi\n");
    }
    buffer_add_string(out, ".SH EXIT STATUS\nThat of\n.BR nightjar (1),\n"
                           "unless the description says otherwise.\n");
    man_see_also(out, command);
}

/* ---- Markdown ---------------------------------------------------------- */

static void markdown_command(struct buffer *out, enum command command)
{
    const struct command_text *text = &command_texts[command];
    CLEANUP(mem_free) char *description = paragraphs(command);

    buffer_addf(out, "\n## nightjar %s\n\n", text->name);
    buffer_addf(out, "    nightjar %s [OPTIONS] %s\n\n%s\n\n", text->name,
                text->arguments, description);
    buffer_add_string(out, "| option | meaning |\n| --- | --- |\n");
    for (size_t i = 0; i < option_count; i++) {
        if (!(option_texts[i].commands & FOR(command)))
            continue;
        buffer_add_string(out, "| `");
        add_label(out, &option_texts[i]);
        buffer_addf(out, "` | %s |\n", option_texts[i].text);
    }
    if (text->examples) {
        buffer_add_string(out, "\n```sh\n");
        buffer_addf(out, "%s\n```\n", text->examples);
    }
}

static void markdown(struct buffer *out)
{
    buffer_addf(out,
                "# Command line\n\n<!-- Made by `make docs` from the options "
                "table. -->\n\nnightjar %s.\n",
                purpose);
    for (int command = 0; command < COMMANDS; command++)
        markdown_command(out, (enum command)command);
    buffer_add_string(out, "\n## Exit status\n\n| status | name | meaning |\n"
                           "| --- | --- | --- |\n");
    for (size_t i = 0; i < exit_count; i++)
        buffer_addf(out, "| %d | %s | %s |\n", exit_texts[i].status,
                    exit_texts[i].name, exit_texts[i].text);
    buffer_add_string(out, "\n## Environment\n\n| variable | meaning |\n"
                           "| --- | --- |\n");
    for (size_t i = 0; i < variable_count; i++)
        buffer_addf(out, "| `%s` | %s |\n", variable_texts[i].name,
                    variable_texts[i].text);
}

void options_help(enum command command, enum help_format format,
                  struct buffer *out)
{
    if (format == HELP_MAN && command == COMMANDS)
        man(out);
    else if (format == HELP_MAN)
        man_page(out, command);
    else if (format == HELP_MARKDOWN)
        markdown(out);
    else if (format != HELP_TEXT)
        options_completion(format, out);
    else if (command == COMMANDS)
        text_overview(out);
    else
        text_command(out, command);
}
