/* Text of others made safe to print: what a terminal, a log viewer or a CI
 * runner would obey becomes something that a person can see.
 *
 *     printable_add(&out, line.data, line.length, false);
 *
 * For whatever came from a repository, a command, a model or a journal and
 * goes to a terminal or a log. Not reversible: a backslash stays as it is.
 *
 *   bytes that are no UTF-8            U+FFFD
 *   C0 controls, DEL                   \x1b, \x07; CR and, unless kept, LF
 *                                      and TAB: \r \n \t
 *   C1 controls                        <U+009B>
 *   hidden characters (below)          <U+202E>
 *   "::" that begins a line            ": :"       (workflow commands)
 *   "##[" "##vso[" "##teamcity["       "## [" …    anywhere, any case
 *   "section_start:" "section_end:"    "s ection"  anywhere (GitLab)
 *   "---" "+++" "~~~" "^^^" that       "- --" …    (Buildkite's groups)
 *     begins a line
 *
 * A line begins behind blanks of any kind, because runners trim them. The
 * data of one call is taken to begin a line and to be whole: text that is cut
 * into pieces must be joined before. */
#ifndef NIGHTJAR_BASE_PRINTABLE_H
#define NIGHTJAR_BASE_PRINTABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

/* Adds `length` bytes of any content. With keep_newlines LF, CR LF (as LF)
 * and TAB stay; without, the result is one line. Returns 0, or -1 when the
 * buffer is full: then some of it may have been added. */
int printable_add(struct buffer *out, const char *data, size_t length,
                  bool keep_newlines);

/* Whether a character is drawn as nothing or changes how its neighbours are
 * drawn, so that text can be hidden or shown in another order: bidirectional
 * controls and marks, zero-width characters, line and paragraph separators,
 * tag characters, supplementary variation selectors, non-characters. The
 * variation selectors of emoji (U+FE00 to U+FE0F) are not among them;
 * printable_add keeps those behind a character outside ASCII. */
bool printable_hidden(uint32_t code);

/* Whether a runner may skip it in front of a command: white space as Unicode
 * has it, and variation selectors. */
bool printable_blank(uint32_t code);

/* Cells of a terminal that a character takes: 0 for combining marks, 2 for
 * East Asian wide characters and emoji, else 1. By ranges, not by a table of
 * the current Unicode, so that the result is the same on every machine; a
 * rare character may be a cell off. */
size_t printable_width(uint32_t code);

#endif
