/* Templates: `{{ name }}` in a text, replaced once by a value.
 *
 * There is no logic and no escape; what was inserted is not looked at again,
 * so a value may hold "{{" itself. */
#ifndef NIGHTJAR_TASKS_MANIFEST_TEMPLATE_H
#define NIGHTJAR_TASKS_MANIFEST_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

#define TEMPLATE_NAME_MAX 200 /* with its NUL, as far as it is shown */

/* Names that may stand in a template and their values. A NULL value: the name
 * is known and has no value here. */
struct template_scope {
    const char *const *names; /* "matrix.repo" */
    const char *const *values;
    size_t count;
};

enum template_status {
    TEMPLATE_GOOD,
    TEMPLATE_OPEN,    /* "{{" without "}}" */
    TEMPLATE_UNKNOWN, /* no such name */
    TEMPLATE_UNSET,   /* known, without a value here */
    TEMPLATE_LONG,    /* the result does not fit into the buffer */
};

/* Whether a text must be expanded at all. */
bool template_has(const char *text);

/* Whether a text, where templates are not expanded, holds one of ours all the
 * same: "{{" and "}}" around a name such as matrix.x. Braces of other
 * programs are left alone. The name goes to `name`; it holds a dot. */
bool template_finds(const char *text, char name[static TEMPLATE_NAME_MAX]);

/* Adds the text with its templates replaced. Unless the status is
 * TEMPLATE_GOOD, `name` is the name it is about, "" if there is none; it may
 * be cut. */
enum template_status template_expand(const char *text,
                                     const struct template_scope *scope,
                                     struct buffer *out,
                                     char name[static TEMPLATE_NAME_MAX]);

/* The environment variable for a matrix key or parameter: the prefix, then
 * the name in upper case with '_' for '-'. */
void template_variable(struct buffer *out, const char *prefix,
                       const char *name);

/* Whether two names give the same variable. */
bool template_same_variable(const char *a, const char *b);

#endif
