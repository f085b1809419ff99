#include "tasks/manifest_template.h"

#include <ctype.h>

#include "base/memory.h"
#include "base/utf8.h"

struct found {
    const char *open;  /* at "{{" */
    const char *after; /* behind "}}"; NULL: there is none */
    struct span name;  /* without blanks */
};

static bool blank(char c)
{
    return c && strchr(" \t\n", c);
}

/* The next template of the text; false when there is none. A name cannot hold
 * braces, so the first "}}" ends it. */
static bool find(const char *text, struct found *found)
{
    const char *start;
    const char *end;

    *found = (struct found){.open = strstr(text, "{{")};
    if (!found->open)
        return false;
    start = found->open + 2;
    end = strstr(start, "}}");
    if (!end)
        return true;
    found->after = end + 2;
    while (start < end && blank(*start))
        start++;
    while (end > start && blank(end[-1]))
        end--;
    found->name = (struct span){start, (size_t)(end - start)};
    return true;
}

static void copy_name(struct span name, char out[static TEMPLATE_NAME_MAX])
{
    size_t length = utf8_floor(name.data, name.length, TEMPLATE_NAME_MAX - 1);

    if (name.length < TEMPLATE_NAME_MAX)
        length = name.length;
    if (length)
        memcpy(out, name.data, length);
    out[length] = '\0';
}

bool template_has(const char *text)
{
    return strstr(text, "{{") != NULL;
}

bool template_finds(const char *text, char name[static TEMPLATE_NAME_MAX])
{
    static const char *const kinds[] = {"matrix.", "item.", "param.", "task."};
    struct found found;

    for (; find(text, &found) && found.after; text = found.open + 2) {
        for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
            size_t length = strlen(kinds[i]);

            if (found.name.length <= length ||
                memcmp(found.name.data, kinds[i], length))
                continue;
            copy_name(found.name, name);
            return true;
        }
    }
    return false;
}

/* The value's index; scope->count if the name is unknown. */
static size_t look_up(const struct template_scope *scope, struct span name)
{
    size_t i = 0;

    while (i < scope->count && !span_is(name, scope->names[i]))
        i++;
    return i;
}

enum template_status template_expand(const char *text,
                                     const struct template_scope *scope,
                                     struct buffer *out,
                                     char name[static TEMPLATE_NAME_MAX])
{
    struct found found;

    name[0] = '\0';
    while (find(text, &found)) {
        size_t index;

        if (!found.after)
            return TEMPLATE_OPEN;
        index = look_up(scope, found.name);
        if (index == scope->count || !scope->values[index]) {
            copy_name(found.name, name);
            return index == scope->count ? TEMPLATE_UNKNOWN : TEMPLATE_UNSET;
        }
        if (buffer_add(out, text, (size_t)(found.open - text)) ||
            buffer_add_string(out, scope->values[index]))
            return TEMPLATE_LONG;
        text = found.after;
    }
    return buffer_add_string(out, text) ? TEMPLATE_LONG : TEMPLATE_GOOD;
}

static char variable_letter(char c)
{
    return c == '-' ? '_' : (char)toupper((unsigned char)c);
}

void template_variable(struct buffer *out, const char *prefix, const char *name)
{
    buffer_add_string(out, prefix);
    for (; *name; name++)
        buffer_add_byte(out, variable_letter(*name));
}

bool template_same_variable(const char *a, const char *b)
{
    while (*a && variable_letter(*a) == variable_letter(*b)) {
        a++;
        b++;
    }
    return *a == *b;
}
