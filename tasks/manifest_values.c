#include "tasks/manifest_values.h"

#include <ctype.h>
#include <inttypes.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/secret.h"
#include "base/utf8.h"
#include "tasks/manifest_rules.h"
#include "tasks/manifest_template.h"
#include "tasks/suggest.h"

#define PHRASE_BYTES_MAX 2000
#define NAMES_SHOWN_MAX 32

/* ---- phrases ----------------------------------------------------------- */

struct unit {
    const char *name;
    int64_t factor;
};

/* As units of the field's type, in the largest that leaves no fraction. */
static void add_number(enum field_type type, int64_t value, struct buffer *out)
{
    static const struct unit units[FIELD_TYPES][4] = {
        [FIELD_COUNT] = {{"M", 1000000}, {"k", 1000}},
        [FIELD_DURATION] = {{"h", 3600000},
                            {"m", 60000},
                            {"s", 1000},
                            {"ms", 1}},
        [FIELD_SIZE] = {{"G", 1 << 30}, {"M", 1 << 20}, {"K", 1 << 10}},
        [FIELD_PERCENT] = {{"%", 1}},
    };
    struct json json = json_to(out);

    if (type == FIELD_MONEY || type == FIELD_CORES) {
        json_micro(&json, value);
        return;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(units[type]); i++) {
        const struct unit *unit = &units[type][i];

        if (!unit->name || value % unit->factor ||
            (!value && unit->factor != 1))
            continue;
        buffer_addf(out, "%" PRId64 "%s", value / unit->factor, unit->name);
        return;
    }
    buffer_addf(out, "%" PRId64, value);
}

static void add_range(const struct field *field, struct buffer *out)
{
    buffer_add_string(out, field->maximum == INT64_MAX ? ", at least " : ", ");
    add_number(field->type, field->minimum, out);
    if (field->maximum == INT64_MAX)
        return;
    buffer_add_string(out, " to ");
    add_number(field->type, field->maximum, out);
}

static void add_names(const struct field *field, struct buffer *out)
{
    for (size_t i = 0; field->names[i]; i++) {
        if (i)
            buffer_add_string(out, field->names[i + 1] ? ", " : " or ");
        buffer_addf(out, "\"%s\"", field->names[i]);
    }
}

void field_expected(const struct field *field, struct buffer *out)
{
    static const char *const phrases[FIELD_TYPES] = {
        [FIELD_BOOLEAN] = "true or false",
        [FIELD_INTEGER] = "a whole number",
        [FIELD_COUNT] = "a count such as 4000, 200k or 2M",
        [FIELD_DURATION] = "a duration such as 90s, 10m or 2h",
        [FIELD_SIZE] = "a size such as 64K or 2G",
        [FIELD_PERCENT] = "a percentage such as 25%",
        [FIELD_CORES] = "processors such as 2 or 0.5",
        [FIELD_MONEY] = "US dollars such as 2.50",
        [FIELD_TEXT] = "text",
        [FIELD_SOURCE] = "text",
        [FIELD_CHOICE] = "",
        [FIELD_ENUM] = "",
        [FIELD_FLAGS] = "a list of ",
        [FIELD_TEXTS] = "a list of texts",
        [FIELD_PAIRS] = "a map of texts",
        [FIELD_BLOCK] = "a map",
        [FIELD_NETWORK] = "none, open or a list of hosts",
        [FIELD_STEPS] = "a list of steps",
        [FIELD_RULES] = "a list of rules",
        [FIELD_MATRIX] = "a map of lists",
        [FIELD_ITEMS] = "a list of records, or a file of them",
        [FIELD_ENTRIES] = "a list of maps",
        [FIELD_TASKS] = "a list of tasks",
    };

    if (field->type == FIELD_INTEGER && field->minimum == field->maximum) {
        buffer_addf(out, "%" PRId64, field->minimum);
        return;
    }
    buffer_add_string(out, phrases[field->type]);
    if (field->names)
        add_names(field, out);
    else if (field->type >= FIELD_INTEGER && field->type <= FIELD_MONEY)
        add_range(field, out);
}

static const char *expected_phrase(struct reader *reader,
                                   const struct field *field)
{
    struct buffer phrase;
    const char *copy;

    buffer_init(&phrase, PHRASE_BYTES_MAX);
    field_expected(field, &phrase);
    copy = arena_string(reader->arena, phrase.data);
    buffer_free(&phrase);
    return copy;
}

/* What usually went wrong with a value of that type. */
static const char *usual_hint(const struct field *field,
                              const struct yaml_node *node)
{
    bool scalar = node->kind == YAML_SCALAR;
    int64_t number;

    if (scalar && node->length && field->type >= FIELD_FLAGS &&
        (field->type == FIELD_FLAGS || field->type == FIELD_NETWORK ||
         field->type == FIELD_TEXTS || field->type == FIELD_STEPS))
        return "a single one is a list too: [...]";
    if (!scalar || strlen(node->text) != node->length)
        return NULL;
    if (field->type == FIELD_DURATION && !number_int64(node->text, &number))
        return "add a unit: ms, s, m or h";
    if (field->type == FIELD_PERCENT && !number_int64(node->text, &number))
        return "add the sign: %";
    if (node->quoted &&
        (field->type == FIELD_INTEGER || field->type == FIELD_MONEY ||
         field->type == FIELD_CORES || field->type == FIELD_BOOLEAN))
        return "write it without quotes";
    return NULL;
}

/* A template where none is expanded: told, and true. */
static bool refuse_template(struct reader *reader, const struct yaml_node *node,
                            const struct yaml_place *place)
{
    char name[TEMPLATE_NAME_MAX];
    struct buffer hint;
    const char *kind;
    char *dot;

    if (node->kind != YAML_SCALAR || !template_finds(node->text, name))
        return false;
    dot = strchr(name, '.');
    *dot = '\0';
    if (rule_name(dot + 1) ||
        secret_find((struct span){dot + 1, strlen(dot + 1)}, &kind).data)
        snprintf(dot + 1, 4, "KEY");
    buffer_init(&hint, PHRASE_BYTES_MAX);
    buffer_add_string(&hint, "in commands the value is \"$");
    template_variable(&hint, "NIGHTJAR_", name);
    template_variable(&hint, "_", dot + 1);
    buffer_add_string(&hint, "\"");
    reader_problem(reader, node, place, hint.data,
                   "a template is not expanded here");
    buffer_free(&hint);
    return true;
}

void value_unexpected(struct reader *reader, const struct field *field,
                      const struct yaml_node *node,
                      const struct yaml_place *place)
{
    if (!refuse_template(reader, node, place))
        reader_expected(reader, node, place, usual_hint(field, node),
                        expected_phrase(reader, field));
}

/* ---- numbers ----------------------------------------------------------- */

/* Digits as YAML, JSON and C agree on: no "010", which YAML 1.1 takes for 8,
 * and no sign before them but '-'. */
static int parse_integer(const char *text, int64_t *out)
{
    const char *digits = text + (*text == '-');

    if (*text == '+' || (digits[0] == '0' && digits[1]))
        return -1;
    return number_int64(text, out);
}

static int parse_number(enum field_type type, const char *text, int64_t *out)
{
    switch (type) {
    case FIELD_INTEGER:
        return parse_integer(text, out);
    case FIELD_COUNT:
        return number_count(text, out);
    case FIELD_DURATION:
        return number_duration_ms(text, out);
    case FIELD_SIZE:
        return number_size_bytes(text, out);
    case FIELD_PERCENT:
        return number_percent(text, out);
    case FIELD_CORES:
    case FIELD_MONEY:
        return number_micro(text, out);
    default:
        return -1;
    }
}

int value_number(struct reader *reader, const struct field *field,
                 const struct yaml_node *node, const struct yaml_place *place,
                 int64_t *out)
{
    bool bare = field->type == FIELD_INTEGER || field->type == FIELD_MONEY ||
                field->type == FIELD_CORES;
    int64_t value;

    if (node->kind != YAML_SCALAR || (bare && node->quoted) ||
        strlen(node->text) != node->length ||
        parse_number(field->type, node->text, &value) ||
        value < field->minimum || value > field->maximum) {
        value_unexpected(reader, field, node, place);
        return -1;
    }
    *out = value;
    return 0;
}

int value_boolean(struct reader *reader, const struct field *field,
                  const struct yaml_node *node, const struct yaml_place *place,
                  bool *out)
{
    bool is_true = node->kind == YAML_SCALAR && !strcmp(node->text, "true");

    if (node->kind != YAML_SCALAR || node->quoted ||
        (!is_true && strcmp(node->text, "false"))) {
        value_unexpected(reader, field, node, place);
        return -1;
    }
    *out = is_true;
    return 0;
}

int value_name(struct reader *reader, const struct field *field,
               const struct yaml_node *node, const struct yaml_place *place,
               unsigned *out)
{
    const char *near = NULL;
    unsigned count = 0;

    if (node->kind == YAML_SCALAR && strlen(node->text) == node->length) {
        for (; field->names[count]; count++) {
            if (!strcmp(field->names[count], node->text)) {
                *out = count;
                return 0;
            }
        }
        near = suggest(node->text, field->names, count);
    }
    if (!near) {
        value_unexpected(reader, field, node, place);
        return -1;
    }
    reader_expected(reader, node, place, did_you_mean(reader->arena, near),
                    expected_phrase(reader, field));
    return -1;
}

/* ---- texts ------------------------------------------------------------- */

uint32_t text_find_control(const char *text, size_t length)
{
    for (size_t i = 0; i < length;) {
        uint32_t code;

        i += utf8_decode(text + i, length - i, &code);
        if (code == UINT32_MAX ||
            (code < 0x20 && code != '\t' && code != '\n') ||
            (code >= 0x7F && code <= 0x9F))
            return code;
    }
    return TEXT_IS_CLEAN;
}

/* Plain words that YAML 1.1 or 1.2 readers take for something else. */
static bool is_trap(const struct yaml_node *node)
{
    static const char *const words[] = {"yes",  "no",    "on",   "off",
                                        "true", "false", "null", "~"};

    for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
        if (!node->quoted && !strcasecmp(node->text, words[i]))
            return true;
    }
    return false;
}

static int check_form(struct reader *reader, const struct yaml_node *node,
                      const struct yaml_place *place)
{
    uint32_t control;

    if (node->kind != YAML_SCALAR || (!node->quoted && !node->length)) {
        reader_expected(reader, node, place, NULL, "text");
        return -1;
    }
    control = text_find_control(node->text, node->length);
    if (control != TEXT_IS_CLEAN) {
        reader_problem(reader, node, place, NULL,
                       "control character U+%04" PRIX32 " in a text", control);
        return -1;
    }
    if (is_trap(node)) {
        const char *hint =
            arena_format(reader->arena, "quote it: \"%s\"", node->text);

        reader_problem(reader, node, place, hint,
                       "expected text, got %s, which YAML does not take for "
                       "text",
                       node->text);
        return -1;
    }
    return 0;
}

static int check_text(struct reader *reader, const struct field *field,
                      const struct yaml_node *node,
                      const struct yaml_place *place)
{
    int64_t length;

    if (check_form(reader, node, place))
        return -1;
    length = (int64_t)node->length;
    if (length < field->minimum || length > field->maximum) {
        reader_problem(reader, node, place, NULL,
                       "expected text of %" PRId64 " to %" PRId64
                       " bytes, got %" PRId64,
                       field->minimum, field->maximum, length);
        return -1;
    }
    if (!(field->flags & FIELD_LINES) && strchr(node->text, '\n')) {
        reader_expected(reader, node, place, NULL, "one line");
        return -1;
    }
    if (!(field->flags & FIELD_TEMPLATES) &&
        refuse_template(reader, node, place))
        return -1;
    return 0;
}

const char *value_text(struct reader *reader, const struct field *field,
                       const struct yaml_node *node,
                       const struct yaml_place *place)
{
    const char *expected;

    if (check_text(reader, field, node, place))
        return NULL;
    expected = field->rule ? field->rule(node->text) : NULL;
    if (expected) {
        reader_expected(reader, node, place, NULL, expected);
        return NULL;
    }
    return arena_bytes(reader->arena, node->text, node->length);
}
