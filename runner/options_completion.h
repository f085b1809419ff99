/* Private to options_completion*.c: completion of the command line by shells,
 * from the options table.
 *
 * Each script is a fixed part, which finds out where in the line the cursor
 * is, and a table of commands and options made from ours. Texts of the
 * program only ever stand between single quotes: completion_quote(). */
#ifndef NIGHTJAR_RUNNER_OPTIONS_COMPLETION_H
#define NIGHTJAR_RUNNER_OPTIONS_COMPLETION_H

#include "runner/options_table.h"

/* Adds the text between single quotes, safe for that shell: bash and zsh know
 * no escape there at all, fish those of the quote and of the backslash. */
void completion_quote(struct buffer *out, const char *text,
                      enum help_format shell);

/* Adds the text with a backslash before each backslash and each byte of
 * `special`: for what a shell looks at once more behind the quotes. */
void completion_escape(struct buffer *out, const char *text,
                       const char *special);

/* The first sentence of a text, or as much of it as a list has room for; the
 * caller frees it. */
char *completion_brief(const char *text);

bool completion_has(const struct option_text *option, enum command command);

/* The whole scripts. */
void completion_zsh(struct buffer *out);
void completion_fish(struct buffer *out);

#endif
