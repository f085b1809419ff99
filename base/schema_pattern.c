#include "base/schema_pattern.h"

#include <ctype.h>
#include <locale.h>
#include <regex.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/utf8.h"

#define GROUPS_MAX 32
#define REPEAT_MAX 1000
#define RANGE_MAX 2000
#define POSIX_MAX ((size_t)64 << 10) /* bytes of a translated pattern */

struct schema_pattern {
    regex_t regex;
    locale_t locale; /* UTF-8, whatever the program's locale is */
};

struct translator {
    const char *at;
    struct buffer out;
    bool atom;                /* a quantifier may follow */
    size_t atom_size;         /* characters of it, repetitions written out */
    size_t size;              /* of the group so far */
    size_t outer[GROUPS_MAX]; /* sizes of the groups around */
    int depth;
    struct error *err;
};

static int refuse(struct translator *translator, const char *what)
{
    return error_set(translator->err, ERROR_MANIFEST, "%s", what);
}

static void atom(struct translator *translator)
{
    translator->atom = true;
    translator->atom_size = 1;
    translator->size++;
}

/* ---- characters -------------------------------------------------------- */

static void put_code(struct buffer *out, uint32_t code)
{
    if (code < 0x80) {
        buffer_add_byte(out, (char)code);
    } else if (code < 0x800) {
        buffer_add_byte(out, (char)(0xC0 | code >> 6));
        buffer_add_byte(out, (char)(0x80 | (code & 0x3F)));
    } else if (code < 0x10000) {
        buffer_add_byte(out, (char)(0xE0 | code >> 12));
        buffer_add_byte(out, (char)(0x80 | (code >> 6 & 0x3F)));
        buffer_add_byte(out, (char)(0x80 | (code & 0x3F)));
    } else {
        buffer_add_byte(out, (char)(0xF0 | code >> 18));
        buffer_add_byte(out, (char)(0x80 | (code >> 12 & 0x3F)));
        buffer_add_byte(out, (char)(0x80 | (code >> 6 & 0x3F)));
        buffer_add_byte(out, (char)(0x80 | (code & 0x3F)));
    }
}

static int hex_code(struct translator *translator, int digits, uint32_t *code)
{
    *code = 0;
    for (int i = 0; i < digits; i++) {
        unsigned char c = (unsigned char)*translator->at;

        if (!isxdigit(c))
            return refuse(translator, "\\x or \\u without its digits");
        *code = *code << 4 |
                (uint32_t)(isdigit(c) ? c - '0' : tolower(c) - 'a' + 10);
        translator->at++;
    }
    if (*code >= 0xD800 && *code <= 0xDFFF)
        return refuse(translator, "\\u with half a surrogate pair");
    return 0;
}

/* The character of an escape whose letter is not a class; `at` stands at the
 * letter. */
static int escaped_code(struct translator *translator, uint32_t *code)
{
    static const char controls[] = "t\tn\nr\rf\fv\v";
    char c = *translator->at;

    if (c == '\0')
        return refuse(translator, "a '\\' at the end");
    translator->at++;
    if (c == 'x')
        return hex_code(translator, 2, code);
    if (c == 'u')
        return hex_code(translator, 4, code);
    for (const char *pair = controls; *pair; pair += 2) {
        if (*pair == c) {
            *code = (unsigned char)pair[1];
            return 0;
        }
    }
    if (!ispunct((unsigned char)c)) {
        return error_set(translator->err, ERROR_MANIFEST,
                         "the escape '\\%c' is not supported",
                         isprint((unsigned char)c) ? c : '?');
    }
    *code = (unsigned char)c;
    return 0;
}

static uint32_t plain_code(struct translator *translator)
{
    uint32_t code;

    translator->at +=
        utf8_decode(translator->at, strlen(translator->at), &code);
    return code;
}

static void put_literal(struct translator *translator, uint32_t code)
{
    if (code < 0x80 && strchr("\\^$.[|()*+?{", (int)code))
        buffer_add_byte(&translator->out, '\\');
    put_code(&translator->out, code);
    atom(translator);
}

/* What \d, \w, \s are within brackets; NULL for any other letter. */
static const char *class_of(char letter)
{
    switch (tolower((unsigned char)letter)) {
    case 'd':
        return "0-9";
    case 'w':
        return "A-Za-z0-9_";
    case 's':
        return " \t\n\v\f\r\xC2\xA0\xE1\x9A\x80\xE2\x80\x80\xE2\x80\x81"
               "\xE2\x80\x82\xE2\x80\x83\xE2\x80\x84\xE2\x80\x85"
               "\xE2\x80\x86\xE2\x80\x87\xE2\x80\x88\xE2\x80\x89"
               "\xE2\x80\x8A\xE2\x80\xA8\xE2\x80\xA9\xE2\x80\xAF\xE2\x81\x9F"
               "\xE3\x80\x80\xEF\xBB\xBF";
    default:
        return NULL;
    }
}

static int translate_escape(struct translator *translator)
{
    const char *class = class_of(*translator->at);
    uint32_t code = 0;

    if (class) {
        buffer_addf(&translator->out, "[%s%s]",
                    isupper((unsigned char)*translator->at) ? "^" : "", class);
        translator->at++;
        atom(translator);
        return 0;
    }
    if (escaped_code(translator, &code))
        return -1;
    if (!code)
        return refuse(translator, "a NUL never stands in a text");
    put_literal(translator, code);
    return 0;
}

/* ---- brackets ---------------------------------------------------------- */

/* POSIX has no escapes within brackets: these four have their places there. */
struct bracket {
    struct buffer members;
    bool close;
    bool open;
    bool caret;
    bool hyphen;
};

static void bracket_free(struct bracket *bracket)
{
    buffer_free(&bracket->members);
}

static void add_member(struct bracket *bracket, uint32_t code)
{
    if (code == ']')
        bracket->close = true;
    else if (code == '[')
        bracket->open = true;
    else if (code == '^')
        bracket->caret = true;
    else if (code == '-')
        bracket->hyphen = true;
    else
        put_code(&bracket->members, code);
}

/* The C library knows ranges of ASCII only: others are written out. */
static int add_range(struct translator *translator, struct bracket *bracket,
                     uint32_t from, uint32_t to)
{
    uint32_t ascii_end = to < 0x80 ? to : 0x7F;

    if (from > to)
        return refuse(translator, "a range whose end is before its start");
    if (!to)
        return 0; /* no text has a NUL */
    if (!from)
        from = 1;
    if (to - from > RANGE_MAX)
        return refuse(translator, "a range of more than 2000 characters");
    if (from < 0x80 &&
        (strchr("[]^-", (int)from) || strchr("[]^-", (int)ascii_end)))
        return refuse(translator,
                      "a range that starts or ends at '[', ']', '^' or '-'");
    if (from < 0x80) {
        put_code(&bracket->members, from);
        buffer_add_byte(&bracket->members, '-');
        put_code(&bracket->members, ascii_end);
        from = 0x80;
    }
    for (; from <= to; from++) {
        if (from < 0xD800 || from > 0xDFFF)
            put_code(&bracket->members, from);
    }
    return 0;
}

static int bracket_code(struct translator *translator, uint32_t *code)
{
    if (*translator->at != '\\') {
        *code = plain_code(translator);
        return 0;
    }
    translator->at++;
    return escaped_code(translator, code);
}

/* \d, \w or \s at `at`; 0 if it is something else, -1 if it is refused. */
static int add_class(struct translator *translator, struct bracket *bracket)
{
    const char *class =
        *translator->at == '\\' ? class_of(translator->at[1]) : NULL;

    if (!class)
        return 0;
    if (isupper((unsigned char)translator->at[1]))
        return refuse(translator, "\\D, \\W or \\S within '[…]'");
    buffer_add_string(&bracket->members, class);
    translator->at += 2;
    return 1;
}

static int read_member(struct translator *translator, struct bracket *bracket)
{
    int class = add_class(translator, bracket);
    uint32_t from;
    uint32_t to;

    if (class)
        return class < 0 ? -1 : 0;
    if (bracket_code(translator, &from))
        return -1;
    if (translator->at[0] != '-' || !translator->at[1] ||
        translator->at[1] == ']') {
        if (from)
            add_member(bracket, from);
        return 0;
    }
    translator->at++;
    if (*translator->at == '\\' && class_of(translator->at[1]))
        return refuse(translator, "a range that ends at a class");
    return bracket_code(translator, &to) ||
                   add_range(translator, bracket, from, to)
               ? -1
               : 0;
}

static int put_bracket(struct translator *translator,
                       const struct bracket *bracket, bool negated)
{
    struct buffer *out = &translator->out;
    bool others = bracket->close || bracket->members.length || bracket->open;

    if (!others && !bracket->caret && !bracket->hyphen)
        return refuse(translator, "an empty '[]'");
    atom(translator);
    if (!others && !negated && bracket->caret) {
        /* '^' may not come first, and nothing else can. */
        buffer_add_string(out, bracket->hyphen ? "[-^]" : "\\^");
        return 0;
    }
    buffer_add_string(out, negated ? "[^" : "[");
    if (bracket->close)
        buffer_add_byte(out, ']');
    buffer_add_span(out, buffer_span(&bracket->members));
    if (bracket->open)
        buffer_add_byte(out, '[');
    if (bracket->caret)
        buffer_add_byte(out, '^');
    if (bracket->hyphen)
        buffer_add_byte(out, '-');
    buffer_add_byte(out, ']');
    return 0;
}

static int translate_bracket(struct translator *translator)
{
    CLEANUP(bracket_free) struct bracket bracket = {0};
    bool negated = *translator->at == '^';

    buffer_init(&bracket.members, POSIX_MAX);
    translator->at += negated;
    while (*translator->at != ']') {
        if (!*translator->at)
            return refuse(translator, "a '[' without ']'");
        if (read_member(translator, &bracket))
            return -1;
    }
    translator->at++;
    if (bracket.members.dropped)
        return refuse(translator, "too many characters in '[…]'");
    return put_bracket(translator, &bracket, negated);
}

/* ---- groups and repetition --------------------------------------------- */

static int open_group(struct translator *translator)
{
    if (*translator->at == '?') {
        if (translator->at[1] != ':')
            return refuse(translator,
                          "look-around and named groups '(?' are not "
                          "supported");
        translator->at += 2;
    }
    if (translator->depth == GROUPS_MAX)
        return refuse(translator, "groups nested too deep");
    translator->outer[translator->depth++] = translator->size;
    translator->size = 0;
    translator->atom = false;
    buffer_add_byte(&translator->out, '(');
    return 0;
}

static int close_group(struct translator *translator)
{
    if (!translator->depth)
        return refuse(translator, "a ')' without '('");
    translator->atom_size = translator->size + 1;
    translator->size =
        translator->outer[--translator->depth] + translator->atom_size;
    translator->atom = true;
    buffer_add_byte(&translator->out, ')');
    return 0;
}

/* A number of at most four digits; -1 if there is none. */
static int read_count(struct translator *translator)
{
    int count = isdigit((unsigned char)*translator->at) ? 0 : -1;

    while (isdigit((unsigned char)*translator->at) && count <= REPEAT_MAX)
        count = count * 10 + (*translator->at++ - '0');
    return count;
}

/* {m}, {m,} or {m,n}; `at` stands behind the '{'. */
static int translate_interval(struct translator *translator)
{
    int low = read_count(translator);
    int high = low;
    bool open_end = false;

    if (low >= 0 && *translator->at == ',') {
        translator->at++;
        high = read_count(translator);
        open_end = high < 0;
    }
    if (low < 0 || *translator->at != '}' || (!open_end && high < low))
        return refuse(translator, "a '{' that is no repetition");
    if (low > REPEAT_MAX || high > REPEAT_MAX)
        return refuse(translator, "a repetition of more than 1000");
    translator->at++;
    if (open_end)
        buffer_addf(&translator->out, "{%d,}", low);
    else
        buffer_addf(&translator->out, "{%d,%d}", low, high);
    translator->size +=
        translator->atom_size * (size_t)(high > low ? high : low);
    return 0;
}

/* A quantifier behind an atom. */
static int translate_repetition(struct translator *translator, char sign)
{
    if (!translator->atom)
        return refuse(translator, "nothing to repeat before a quantifier");
    if (sign == '{') {
        if (translate_interval(translator))
            return -1;
    } else {
        buffer_add_byte(&translator->out, sign);
    }
    /* Lazy or greedy: whether it matches is the same. */
    if (*translator->at == '?')
        translator->at++;
    translator->atom = false;
    return translator->size > SCHEMA_PATTERN_SIZE_MAX
               ? refuse(translator, "the repetitions are too large")
               : 0;
}

static int translate_sign(struct translator *translator, char sign)
{
    switch (sign) {
    case '\\':
        return translate_escape(translator);
    case '[':
        return translate_bracket(translator);
    case '(':
        return open_group(translator);
    case ')':
        return close_group(translator);
    case '.':
        buffer_add_string(&translator->out, "[^\n\r\xE2\x80\xA8\xE2\x80\xA9]");
        atom(translator);
        return 0;
    case '|':
    case '^':
    case '$':
        buffer_add_byte(&translator->out, sign);
        translator->atom = false;
        return 0;
    default:
        return translate_repetition(translator, sign);
    }
}

static int translate(struct translator *translator)
{
    while (*translator->at) {
        if (strchr("\\[().|^$*+?{", *translator->at)) {
            if (translate_sign(translator, *translator->at++))
                return -1;
        } else {
            put_literal(translator, plain_code(translator));
        }
    }
    if (translator->out.dropped)
        return refuse(translator, "too long when translated");
    return translator->depth ? refuse(translator, "a '(' without ')'") : 0;
}

/* ---- the C library ----------------------------------------------------- */

static int compile(struct schema_pattern *pattern, const char *posix,
                   struct error *err)
{
    /* Anchored: the C library would try anew from each character, which
     * takes a time that grows with the square of the text. */
    CLEANUP(mem_free) char *whole = mem_format("^.*(%s)", posix);
    locale_t before = uselocale(pattern->locale);
    int code = regcomp(&pattern->regex, whole, REG_EXTENDED | REG_NOSUB);
    char text[128];

    uselocale(before);
    if (!code)
        return 0;
    regerror(code, &pattern->regex, text, sizeof(text));
    return error_set(err, ERROR_MANIFEST, "%s", text);
}

struct schema_pattern *schema_pattern_compile(const char *pattern,
                                              struct error *err)
{
    struct translator translator = {.at = pattern, .err = err};
    struct schema_pattern *compiled = NULL;

    if (strlen(pattern) > SCHEMA_PATTERN_MAX) {
        error_set(err, ERROR_MANIFEST, "longer than %d bytes",
                  SCHEMA_PATTERN_MAX);
        return NULL;
    }
    if (!utf8_valid(pattern, strlen(pattern))) {
        error_set(err, ERROR_MANIFEST, "invalid UTF-8");
        return NULL;
    }
    buffer_init(&translator.out, POSIX_MAX);
    compiled = mem_alloc(sizeof(*compiled));
    compiled->locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    if (!compiled->locale)
        error_set(err, ERROR_MANIFEST,
                  "the locale C.UTF-8 that patterns need is missing");
    if (!compiled->locale || translate(&translator) ||
        compile(compiled, translator.out.data, err)) {
        if (compiled->locale)
            freelocale(compiled->locale);
        mem_free(&compiled);
    }
    buffer_free(&translator.out);
    return compiled;
}

bool schema_pattern_matches(const struct schema_pattern *pattern,
                            const char *text)
{
    locale_t before;
    int code;

    if (strlen(text) > SCHEMA_PATTERN_TEXT_MAX)
        return false;
    before = uselocale(pattern->locale);
    code = regexec(&pattern->regex, text, 0, NULL, 0);
    uselocale(before);
    return !code;
}

void schema_pattern_free(struct schema_pattern *pattern)
{
    if (!pattern)
        return;
    regfree(&pattern->regex);
    freelocale(pattern->locale);
    mem_free(&pattern);
}
