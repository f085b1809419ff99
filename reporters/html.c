#include "reporters/html.h"

#include <stdarg.h>

#include "base/memory.h"
#include "reporters/clean.h"

void html_put(struct html *html, const char *markup)
{
    html->full = buffer_add_string(html->out, markup) || html->full;
}

void html_putf(struct html *html, const char *format, ...)
{
    CLEANUP(mem_free) char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    text = mem_vformat(format, arguments);
    va_end(arguments);
    html_put(html, text);
}

void html_text(struct html *html, const char *text, size_t most)
{
    CLEANUP(mem_free) char *line = clean_line(text, most);

    for (const char *at = line; *at; at++) {
        char piece[] = {*at, '\0'};

        if (strchr("&<>\"'`=", *at))
            html_putf(html, "&#%d;", *at);
        else
            html_put(html, piece);
    }
}
