#include "base/schema.h"

#include "base/memory.h"
#include "base/schema_parts.h"
#include "base/utf8.h"

#define PATH_MAX_BYTES 400
#define NAME_BYTES 64 /* of a member in messages */
#define SUBSCHEMA_STEPS 20

/* ---- places ------------------------------------------------------------ */

size_t schema_push_name(struct buffer *path, const char *name)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-$";
    size_t before = path->length;
    size_t length = strlen(name);

    if (length && strspn(name, plain) == length)
        buffer_addf(path, ".%s", name);
    else
        buffer_addf(path, "[\"%.*s\"]",
                    (int)utf8_floor(name, length, NAME_BYTES), name);
    return before;
}

size_t schema_push_index(struct buffer *path, size_t index)
{
    size_t before = path->length;

    buffer_addf(path, "[%zu]", index);
    return before;
}

/* ---- the keywords ------------------------------------------------------ */

struct keyword {
    const char *name;
    int (*read)(struct schema_reader *, const cJSON *);
    int (*check)(struct schema_checker *,
                 const struct schema_test *); /* or NULL */
};

/* `type` comes first in a check, because it explains most. */
static const struct keyword keywords[] = {
    {"type", schema_read_types, schema_check_type},
    {"enum", schema_read_enum, schema_check_enum},
    {"const", schema_read_anything, schema_check_const},
    {"$ref", schema_read_reference, schema_check_reference},
    {"required", schema_read_names, schema_check_required},
    {"properties", schema_read_schema_map, schema_check_properties},
    {"additionalProperties", schema_read, schema_check_additional},
    {"minProperties", schema_read_count, schema_check_size},
    {"maxProperties", schema_read_count, schema_check_size},
    {"prefixItems", schema_read_schema_list, schema_check_prefix},
    {"items", schema_read, schema_check_items},
    {"minItems", schema_read_count, schema_check_size},
    {"maxItems", schema_read_count, schema_check_size},
    {"uniqueItems", schema_read_flag, schema_check_unique},
    {"minimum", schema_read_number, schema_check_bound},
    {"maximum", schema_read_number, schema_check_bound},
    {"exclusiveMinimum", schema_read_number, schema_check_bound},
    {"exclusiveMaximum", schema_read_number, schema_check_bound},
    {"multipleOf", schema_read_positive, schema_check_multiple},
    {"minLength", schema_read_count, schema_check_size},
    {"maxLength", schema_read_count, schema_check_size},
    {"pattern", schema_read_pattern, schema_check_pattern},
    {"allOf", schema_read_schema_list, schema_check_all},
    {"anyOf", schema_read_schema_list, schema_check_any},
    {"oneOf", schema_read_schema_list, schema_check_one},
    {"not", schema_read, schema_check_not},
    {"$defs", schema_read_schema_map, NULL},
    {"definitions", schema_read_schema_map, NULL},
    {"$id", schema_read_id, NULL},
    {"$schema", schema_read_anything, NULL},
    {"$comment", schema_read_anything, NULL},
    {"title", schema_read_anything, NULL},
    {"description", schema_read_anything, NULL},
    {"default", schema_read_anything, NULL},
    {"examples", schema_read_anything, NULL},
    {"format", schema_read_anything, NULL},
    {"deprecated", schema_read_anything, NULL},
    {"readOnly", schema_read_anything, NULL},
    {"writeOnly", schema_read_anything, NULL},
    {"contentEncoding", schema_read_anything, NULL},
    {"contentMediaType", schema_read_anything, NULL},
};

static const struct keyword *find_keyword(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(keywords); i++) {
        if (!strcmp(keywords[i].name, name))
            return &keywords[i];
    }
    return NULL;
}

static int read_keyword(struct schema_reader *reader, const cJSON *schema,
                        const cJSON *node)
{
    const struct keyword *keyword = find_keyword(node->string);
    size_t before = schema_push_name(&reader->path, node->string);

    if (!keyword)
        return schema_wrong(reader, "this keyword is not supported");
    if (json_get(schema, node->string) != node)
        return schema_wrong(reader, "the keyword is there twice");
    if (keyword->read(reader, node))
        return -1;
    buffer_truncate(&reader->path, before);
    return 0;
}

int schema_read(struct schema_reader *reader, const cJSON *node)
{
    if (cJSON_IsBool(node))
        return 0;
    if (!cJSON_IsObject(node))
        return schema_wrong(reader,
                            "expected a schema: an object, true or false");
    if (++reader->depth > SCHEMA_DEPTH_MAX)
        return schema_wrong(reader, "nested too deep");
    for (const cJSON *child = node->child; child; child = child->next) {
        if (read_keyword(reader, node, child))
            return -1;
    }
    reader->depth--;
    return 0;
}

static int check_keywords(struct schema_checker *checker, const cJSON *schema,
                          const cJSON *value)
{
    for (size_t i = 0; i < ARRAY_LENGTH(keywords); i++) {
        struct schema_test test = {json_get(schema, keywords[i].name), schema,
                                   value};

        if (keywords[i].check && test.keyword &&
            keywords[i].check(checker, &test))
            return -1;
    }
    return 0;
}

int schema_check_at(struct schema_checker *checker, const cJSON *schema,
                    const cJSON *value)
{
    struct schema_test test = {NULL, schema, value};
    int failed;

    if (!schema_spend(checker, SUBSCHEMA_STEPS) ||
        checker->depth >= SCHEMA_CHECK_DEPTH_MAX)
        return schema_exhausted(checker);
    if (cJSON_IsTrue(schema))
        return 0;
    if (cJSON_IsFalse(schema))
        return schema_violated(checker, &test, "nothing here");
    checker->depth++;
    failed = check_keywords(checker, schema, value);
    checker->depth--;
    return failed;
}

/* ---- the interface ----------------------------------------------------- */

struct schema *schema_compile(struct span text, struct error *err)
{
    struct schema_reader reader = {.err = err};
    struct schema *schema;
    int failed;

    if (text.length > SCHEMA_TEXT_MAX) {
        error_set(err, ERROR_MANIFEST, "schema: larger than %zu bytes",
                  SCHEMA_TEXT_MAX);
        return NULL;
    }
    schema = mem_alloc(sizeof(*schema));
    schema->root = json_parse(text.data, text.length, err);
    if (!schema->root) {
        error_context(err, "schema");
        err->kind = ERROR_MANIFEST;
        schema_free(schema);
        return NULL;
    }
    reader.schema = schema;
    buffer_init(&reader.path, PATH_MAX_BYTES);
    buffer_add_string(&reader.path, "$");
    failed = schema_read(&reader, schema->root);
    buffer_free(&reader.path);
    if (!failed)
        return schema;
    schema_free(schema);
    return NULL;
}

int schema_check(const struct schema *schema, const cJSON *value,
                 struct error *err)
{
    struct schema_checker checker = {.schema = schema, .err = err};
    int failed;

    buffer_init(&checker.path, PATH_MAX_BYTES);
    buffer_add_string(&checker.path, "$");
    failed = schema_check_at(&checker, schema->root, value);
    if (checker.exhausted)
        failed = schema_exhausted(&checker);
    buffer_free(&checker.path);
    return failed ? -1 : 0;
}

/* ---- the strict rule --------------------------------------------------- */

static bool may_be_object(const cJSON *schema)
{
    static const char *const narrowing[] = {"enum",  "const", "$ref",
                                            "anyOf", "oneOf", "allOf"};
    const cJSON *type = json_get(schema, "type");

    if (cJSON_IsString(type))
        return !strcmp(type->valuestring, "object");
    for (const cJSON *each = type ? type->child : NULL; each;
         each = each->next) {
        if (!strcmp(each->valuestring, "object"))
            return true;
    }
    if (type)
        return false;
    for (size_t i = 0; i < ARRAY_LENGTH(narrowing); i++) {
        if (json_get(schema, narrowing[i]))
            return json_get(schema, "properties") != NULL;
    }
    return true;
}

static bool requires(const cJSON *schema, const char *name)
{
    const cJSON *required = json_get_array(schema, "required");

    for (const cJSON *each = required ? required->child : NULL; each;
         each = each->next) {
        if (!strcmp(each->valuestring, name))
            return true;
    }
    return false;
}

static bool level_is_strict(const cJSON *schema)
{
    const cJSON *properties = json_get_object(schema, "properties");

    if (!may_be_object(schema))
        return true;
    if (!cJSON_IsFalse(json_get(schema, "additionalProperties")))
        return false;
    for (const cJSON *each = properties ? properties->child : NULL; each;
         each = each->next) {
        if (!requires(schema, each->string))
            return false;
    }
    return true;
}

static bool is_strict(const cJSON *schema);

static bool children_are_strict(const cJSON *parent)
{
    for (const cJSON *child = parent->child; child; child = child->next) {
        if (!is_strict(child))
            return false;
    }
    return true;
}

static bool is_strict(const cJSON *schema)
{
    if (cJSON_IsBool(schema))
        return cJSON_IsFalse(schema);
    if (!level_is_strict(schema))
        return false;
    for (const cJSON *child = schema->child; child; child = child->next) {
        const struct keyword *keyword = find_keyword(child->string);

        if (!keyword) /* never: schema_compile knew it */
            return false;
        if (keyword->read == schema_read && !is_strict(child))
            return false;
        if ((keyword->read == schema_read_schema_map ||
             keyword->read == schema_read_schema_list) &&
            !children_are_strict(child))
            return false;
    }
    return true;
}

bool schema_is_strict(const struct schema *schema)
{
    return is_strict(schema->root);
}

void schema_free(struct schema *schema)
{
    if (!schema)
        return;
    cJSON_Delete(schema->root);
    for (size_t i = 0; i < schema->pattern_count; i++)
        schema_pattern_free(schema->patterns[i].pattern);
    mem_free(&schema->patterns);
    mem_free(&schema);
}
