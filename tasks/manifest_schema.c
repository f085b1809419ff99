#include <assert.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/number.h"
#include "tasks/manifest.h"
#include "tasks/manifest_fields.h"

#define SCHEMA_BYTES_MAX ((size_t)1 << 20)
#define BLOCKS_MAX 32
#define NAME_PATTERN "^[A-Za-z_][A-Za-z0-9_-]*$"

/* A block under $defs. `defaults` is the task's block without some keys. */
struct definition {
    const struct block *block;
    bool in_defaults;
};

struct definitions {
    struct definition items[BLOCKS_MAX];
    size_t count;
};

static const char *definition_name(const struct block *block, bool in_defaults)
{
    return in_defaults ? "defaults" : block->name;
}

/* ---- types ------------------------------------------------------------- */

static void write_types(struct json *json, const char *a, const char *b)
{
    json_key(json, "type");
    json_array(json);
    json_string(json, a);
    json_string(json, b);
    json_end(json);
}

static void write_range(struct json *json, const char *low, const char *high,
                        int64_t minimum, int64_t maximum)
{
    json_member_int(json, low, minimum);
    if (maximum != INT64_MAX)
        json_member_int(json, high, maximum);
}

static void write_names(struct json *json, const struct field *field)
{
    json_key(json, "enum");
    json_array(json);
    for (size_t i = 0; field->names[i]; i++)
        json_string(json, field->names[i]);
    json_end(json);
}

/* Of lengths and counts, where a minimum of 0 says nothing. */
static void write_lengths(struct json *json, const char *low, const char *high,
                          int64_t minimum, int64_t maximum)
{
    if (minimum > 0)
        json_member_int(json, low, minimum);
    json_member_int(json, high, maximum);
}

/* Numbers are taken as their text. The limits are bytes in the program, so
 * that as characters they refuse nothing that it takes. */
static void write_text(struct json *json, const struct field *field,
                       const char *pattern)
{
    write_types(json, "string", "number");
    write_lengths(json, "minLength", "maxLength", field->minimum > 0,
                  field->maximum);
    json_member_text(json, "pattern", pattern);
}

static void write_money(struct json *json, const struct field *field)
{
    json_member_string(json, "type", "number");
    json_key(json, "minimum");
    json_micro(json, field->minimum);
    json_key(json, "maximum");
    json_micro(json, field->maximum);
}

static void write_number(struct json *json, const struct field *field)
{
    static const char *const patterns[FIELD_TYPES] = {
        [FIELD_COUNT] = "^[0-9]+(\\.[0-9]+)?[kKM]?$",
        [FIELD_DURATION] = "^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$",
        [FIELD_SIZE] = "^[0-9]+(\\.[0-9]+)?[KMG]?$",
        [FIELD_PERCENT] = "^(100|[0-9]{1,2})(\\.0+)?%$",
    };
    bool text_only =
        field->type == FIELD_DURATION || field->type == FIELD_PERCENT;

    if (field->type == FIELD_INTEGER)
        json_member_string(json, "type", "integer");
    else if (text_only)
        json_member_string(json, "type", "string");
    else
        write_types(json, "integer", "string");
    if (!text_only)
        write_range(json, "minimum", "maximum", field->minimum, field->maximum);
    json_member_text(json, "pattern", patterns[field->type]);
}

static void write_reference(struct json *json, const struct block *block,
                            bool in_defaults)
{
    CLEANUP(mem_free)
    char *reference =
        mem_format("#/$defs/%s", definition_name(block, in_defaults));

    json_member_string(json, "$ref", reference);
}

/* ---- lists and maps ---------------------------------------------------- */

static void write_list(struct json *json, const struct field *field)
{
    bool texts = field->type == FIELD_TEXTS || field->type == FIELD_NETWORK;

    json_member_string(json, "type", "array");
    write_lengths(json, "minItems", "maxItems",
                  texts ? field->minimum_items : field->minimum,
                  texts ? field->maximum_items : field->maximum);
    json_key(json, "items");
    json_object(json);
    if (texts)
        write_text(json, field, field->pattern);
    else
        write_reference(json, field->block, false);
    json_end(json);
}

/* A word or a list. */
static void write_network(struct json *json, const struct field *field)
{
    json_key(json, "anyOf");
    json_array(json);
    json_object(json);
    json_key(json, "enum");
    json_array(json);
    json_string(json, "none");
    json_string(json, "open");
    json_end(json);
    json_end(json);
    json_object(json);
    write_list(json, field);
    json_end(json);
    json_end(json);
}

static void write_steps(struct json *json, const struct field *field)
{
    json_member_string(json, "type", "array");
    write_lengths(json, "minItems", "maxItems", 0, field->maximum);
    json_key(json, "items");
    json_object(json);
    json_key(json, "anyOf");
    json_array(json);
    json_object(json);
    write_text(json, block_find(field->block, "run", false), NULL);
    json_end(json);
    json_object(json);
    write_reference(json, field->block, false);
    json_end(json);
    json_end(json);
    json_end(json);
}

static void write_flags(struct json *json, const struct field *field)
{
    json_member_string(json, "type", "array");
    json_key(json, "items");
    json_object(json);
    write_names(json, field);
    json_end(json);
    json_member_bool(json, "uniqueItems", true);
}

static void write_name_pattern(struct json *json, const char *pattern)
{
    json_key(json, "propertyNames");
    json_object(json);
    json_member_string(json, "pattern", pattern);
    json_end(json);
}

static void write_pairs(struct json *json, const struct field *field)
{
    json_member_string(json, "type", "object");
    json_member_int(json, "maxProperties", field->maximum_items);
    write_name_pattern(json, field->pattern);
    json_key(json, "additionalProperties");
    json_object(json);
    write_text(json, field, NULL);
    json_end(json);
}

static void write_matrix_value(struct json *json)
{
    json_object(json);
    write_types(json, "string", "number");
    json_member_int(json, "maxLength", MANIFEST_VALUE_MAX);
    json_end(json);
}

/* include and exclude: lists of maps of values. */
static void write_entries(struct json *json, const char *key,
                          const char *description)
{
    json_key(json, key);
    json_object(json);
    json_member_string(json, "description", description);
    json_member_string(json, "type", "array");
    json_member_int(json, "maxItems", MANIFEST_NAMES_MAX);
    json_key(json, "items");
    json_object(json);
    json_member_string(json, "type", "object");
    json_member_int(json, "minProperties", 1);
    write_name_pattern(json, NAME_PATTERN);
    json_key(json, "additionalProperties");
    write_matrix_value(json);
    json_end(json);
    json_end(json);
}

static void write_entry_list(struct json *json)
{
    json_member_string(json, "type", "array");
    json_key(json, "items");
    json_object(json);
    json_member_string(json, "type", "object");
    json_member_int(json, "minProperties", 1);
    json_end(json);
}

/* A file's name, or records in place. */
static void write_items(struct json *json)
{
    write_types(json, "string", "array");
    json_member_int(json, "minLength", 1);
    json_member_int(json, "minItems", 1);
}

static void write_matrix(struct json *json)
{
    json_member_string(json, "type", "object");
    json_member_int(json, "minProperties", 1);
    write_name_pattern(json, NAME_PATTERN);
    json_key(json, "properties");
    json_object(json);
    write_entries(json, "include", "values to add, or more combinations");
    write_entries(json, "exclude", "combinations to leave out");
    json_end(json);
    json_key(json, "additionalProperties");
    json_object(json);
    json_member_string(json, "type", "array");
    write_lengths(json, "minItems", "maxItems", 1, MANIFEST_NAMES_MAX);
    json_key(json, "items");
    write_matrix_value(json);
    json_end(json);
}

/* ---- defaults ---------------------------------------------------------- */

static void write_scalar(struct json *json, enum field_type type,
                         const char *text)
{
    int64_t number;

    if (type == FIELD_BOOLEAN)
        json_bool(json, !strcmp(text, "true"));
    else if ((type == FIELD_INTEGER || type == FIELD_COUNT) &&
             !number_int64(text, &number))
        json_int(json, number);
    else
        json_string(json, text);
}

static void write_node(struct json *json, enum field_type type,
                       const struct yaml_node *node)
{
    if (node->kind == YAML_SCALAR) {
        write_scalar(json, type, node->text);
        return;
    }
    if (node->kind == YAML_LIST)
        json_array(json);
    else
        json_object(json);
    for (size_t i = 0; i < node->count; i++)
        write_node(json, FIELD_TEXT, node->items[i]);
    json_end(json);
}

/* Maps among the defaults are empty, so their keys are not needed. */
static void write_default(struct json *json, const struct field *field)
{
    static const struct yaml_limits limits = {8, 100, 1000};
    struct yaml_tree tree;
    int status;

    if (!field->fallback)
        return;
    status = yaml_read(&tree,
                       (struct span){field->fallback, strlen(field->fallback)},
                       &limits);
    assert(!status);
    if (!status) {
        json_key(json, "default");
        write_node(json, field->type, tree.root);
    }
    yaml_free(&tree);
}

/* ---- blocks ------------------------------------------------------------ */

static void write_type(struct json *json, const struct field *field)
{
    switch (field->type) {
    case FIELD_BOOLEAN:
        json_member_string(json, "type", "boolean");
        return;
    case FIELD_CORES:
    case FIELD_MONEY:
        write_money(json, field);
        return;
    case FIELD_NETWORK:
        write_network(json, field);
        return;
    case FIELD_TEXT:
    case FIELD_SOURCE:
        write_text(json, field, field->pattern);
        return;
    case FIELD_CHOICE:
    case FIELD_ENUM:
        write_names(json, field);
        return;
    case FIELD_FLAGS:
        write_flags(json, field);
        return;
    case FIELD_PAIRS:
        write_pairs(json, field);
        return;
    case FIELD_BLOCK:
        write_reference(json, field->block, field->flags & FIELD_DEFAULTS);
        return;
    case FIELD_STEPS:
        write_steps(json, field);
        return;
    case FIELD_MATRIX:
        write_matrix(json);
        return;
    case FIELD_ITEMS:
        write_items(json);
        return;
    case FIELD_ENTRIES:
        write_entry_list(json);
        return;
    case FIELD_TEXTS:
    case FIELD_RULES:
    case FIELD_TASKS:
        write_list(json, field);
        return;
    default:
        write_number(json, field);
    }
}

static void write_required(struct json *json, const struct block *block)
{
    bool any = false;

    for (size_t i = 0; i < block->count; i++)
        any |= block->fields[i].flags & FIELD_REQUIRED;
    if (!any)
        return;
    json_key(json, "required");
    json_array(json);
    for (size_t i = 0; i < block->count; i++) {
        if (block->fields[i].flags & FIELD_REQUIRED)
            json_string(json, block->fields[i].key);
    }
    json_end(json);
}

static void write_exclusive(struct json *json, const struct block *block)
{
    if (!block->exclusive[0])
        return;
    json_key(json, "not");
    json_object(json);
    json_key(json, "required");
    json_array(json);
    json_string(json, block->exclusive[0]);
    json_string(json, block->exclusive[1]);
    json_end(json);
    json_end(json);
}

/* The members of a block's schema, in an object that is open. */
static void write_block(struct json *json, const struct block *block,
                        bool in_defaults)
{
    json_member_string(json, "description", block->meaning);
    json_member_string(json, "type", "object");
    json_key(json, "properties");
    json_object(json);
    for (size_t i = 0; i < block->count; i++) {
        const struct field *field = &block->fields[i];

        if (in_defaults && field->flags & FIELD_TASK_ONLY)
            continue;
        json_key(json, field->key);
        json_object(json);
        json_member_string(json, "description", field->meaning);
        write_type(json, field);
        write_default(json, field);
        json_end(json);
    }
    json_end(json);
    write_required(json, block);
    write_exclusive(json, block);
    json_member_bool(json, "additionalProperties", false);
}

static void collect(struct definitions *definitions, const struct block *block,
                    bool in_defaults)
{
    for (size_t i = 0; i < definitions->count; i++) {
        if (definitions->items[i].block == block &&
            definitions->items[i].in_defaults == in_defaults)
            return;
    }
    assert(definitions->count < BLOCKS_MAX);
    definitions->items[definitions->count++] =
        (struct definition){block, in_defaults};
    for (size_t i = 0; i < block->count; i++) {
        const struct field *field = &block->fields[i];

        if (field->block)
            collect(definitions, field->block, field->flags & FIELD_DEFAULTS);
    }
}

static void write_definitions(struct json *json)
{
    struct definitions definitions = {0};

    collect(&definitions, &manifest_block, false);
    json_key(json, "$defs");
    json_object(json);
    for (size_t i = 1; i < definitions.count; i++) {
        const struct definition *item = &definitions.items[i];

        json_key(json, definition_name(item->block, item->in_defaults));
        json_object(json);
        write_block(json, item->block, item->in_defaults);
        json_end(json);
    }
    json_end(json);
}

/* ---- indenting --------------------------------------------------------- */

static void new_line(struct buffer *out, size_t depth)
{
    buffer_add_byte(out, '\n');
    for (size_t i = 0; i < depth; i++)
        buffer_add_string(out, "  ");
}

/* Behind the string that starts at `at`. */
static size_t string_end(struct span json, size_t at)
{
    for (at++; json.data[at] != '"'; at++)
        at += json.data[at] == '\\';
    return at + 1;
}

/* Our own compact JSON with white space; "[]" and "{}" stay together. */
static void add_indented(struct buffer *out, struct span json)
{
    size_t depth = 0;

    for (size_t i = 0; i < json.length; i++) {
        char c = json.data[i];

        if (c == '"') {
            size_t end = string_end(json, i);

            buffer_add(out, json.data + i, end - i);
            i = end - 1;
        } else if (strchr("[{", c)) {
            buffer_add_byte(out, c);
            if (!strchr("]}", json.data[i + 1]))
                new_line(out, ++depth);
            else
                buffer_add_byte(out, json.data[++i]);
        } else if (strchr("]}", c)) {
            new_line(out, --depth);
            buffer_add_byte(out, c);
        } else {
            buffer_add_byte(out, c);
            if (c == ',')
                new_line(out, depth);
            else if (c == ':')
                buffer_add_byte(out, ' ');
        }
    }
    buffer_add_byte(out, '\n');
}

void manifest_write_schema(struct buffer *out)
{
    struct buffer compact;
    struct json json;

    buffer_init(&compact, SCHEMA_BYTES_MAX);
    json = json_to(&compact);
    json_object(&json);
    json_member_string(&json, "$schema",
                       "https://json-schema.org/draft/2020-12/schema");
    json_member_string(&json, "title", "nightjar manifest");
    write_block(&json, &manifest_block, false);
    write_definitions(&json);
    json_end(&json);
    assert(!json.full);
    add_indented(out, buffer_span(&compact));
    buffer_free(&compact);
}
