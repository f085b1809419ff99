#include <math.h>

#include "base/memory.h"
#include "base/schema_parts.h"

int schema_wrong(struct schema_reader *reader, const char *what)
{
    return error_set(reader->err, ERROR_MANIFEST, "schema %s: %s",
                     reader->path.data, what);
}

int schema_read_types(struct schema_reader *reader, const cJSON *node)
{
    static const char *const names[] = {"null",   "boolean", "object", "array",
                                        "string", "number",  "integer"};
    const cJSON *first = cJSON_IsArray(node) ? node->child : node;

    if (!first)
        return schema_wrong(reader, "an empty list of types");
    for (const cJSON *type = first; type;
         type = type == node ? NULL : type->next) {
        bool known = false;

        for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
            known |=
                cJSON_IsString(type) && !strcmp(type->valuestring, names[i]);
        if (!known)
            return schema_wrong(
                reader, "expected null, boolean, object, array, string, "
                        "number, integer, or a list of them");
    }
    return 0;
}

int schema_read_enum(struct schema_reader *reader, const cJSON *node)
{
    return cJSON_IsArray(node) && node->child
               ? 0
               : schema_wrong(reader, "expected a list of values, not empty");
}

int schema_read_anything(struct schema_reader *reader, const cJSON *node)
{
    (void)reader;
    (void)node;
    return 0;
}

int schema_read_number(struct schema_reader *reader, const cJSON *node)
{
    return cJSON_IsNumber(node) ? 0 : schema_wrong(reader, "expected a number");
}

int schema_read_positive(struct schema_reader *reader, const cJSON *node)
{
    return cJSON_IsNumber(node) && node->valuedouble > 0
               ? 0
               : schema_wrong(reader, "expected a number over 0");
}

int schema_read_count(struct schema_reader *reader, const cJSON *node)
{
    return cJSON_IsNumber(node) && node->valuedouble >= 0 &&
                   node->valuedouble == floor(node->valuedouble)
               ? 0
               : schema_wrong(reader, "expected a whole number, not negative");
}

int schema_read_flag(struct schema_reader *reader, const cJSON *node)
{
    return cJSON_IsBool(node) ? 0
                              : schema_wrong(reader, "expected true or false");
}

int schema_read_names(struct schema_reader *reader, const cJSON *node)
{
    if (!cJSON_IsArray(node))
        return schema_wrong(reader, "expected a list of names");
    for (const cJSON *name = node->child; name; name = name->next) {
        if (!cJSON_IsString(name))
            return schema_wrong(reader, "expected a list of names");
    }
    return 0;
}

int schema_read_schema_map(struct schema_reader *reader, const cJSON *node)
{
    if (!cJSON_IsObject(node))
        return schema_wrong(reader, "expected an object of schemas");
    for (const cJSON *child = node->child; child; child = child->next) {
        size_t before = schema_push_name(&reader->path, child->string);

        if (json_get(node, child->string) != child)
            return schema_wrong(reader, "the name is there twice");
        if (schema_read(reader, child))
            return -1;
        buffer_truncate(&reader->path, before);
    }
    return 0;
}

int schema_read_schema_list(struct schema_reader *reader, const cJSON *node)
{
    size_t index = 0;

    if (!cJSON_IsArray(node) || !node->child)
        return schema_wrong(reader, "expected a list of schemas, not empty");
    for (const cJSON *child = node->child; child; child = child->next) {
        size_t before = schema_push_index(&reader->path, index++);

        if (schema_read(reader, child))
            return -1;
        buffer_truncate(&reader->path, before);
    }
    return 0;
}

int schema_read_pattern(struct schema_reader *reader, const cJSON *node)
{
    struct schema *schema = reader->schema;
    struct schema_pattern *pattern;

    if (!cJSON_IsString(node))
        return schema_wrong(reader, "expected a regular expression");
    if (schema->pattern_count == SCHEMA_PATTERNS_MAX)
        return schema_wrong(reader, "more patterns than are supported");
    pattern = schema_pattern_compile(node->valuestring, reader->err);
    if (!pattern)
        return error_context(reader->err, "schema %s", reader->path.data);
    schema->patterns = mem_resize(schema->patterns, schema->pattern_count + 1,
                                  sizeof(*schema->patterns));
    schema->patterns[schema->pattern_count++] =
        (struct schema_compiled_pattern){node, pattern};
    return 0;
}

/* The escapes of a JSON pointer, RFC 6901. Owned by the caller. */
static char *pointer_name(const char *text)
{
    char *name = mem_string(text);
    char *to = name;

    for (const char *at = text; *at; at++) {
        char c = *at;

        if (c == '~' && (at[1] == '0' || at[1] == '1'))
            c = *++at == '0' ? '~' : '/';
        *to++ = c;
    }
    *to = '\0';
    return name;
}

/* What a $ref names; NULL if there is nothing. */
const cJSON *schema_resolve(const struct schema *schema, const char *reference)
{
    static const char *const places[] = {"$defs", "definitions"};

    if (!strcmp(reference, "#"))
        return schema->root;
    for (size_t i = 0; i < ARRAY_LENGTH(places); i++) {
        CLEANUP(mem_free) char *prefix = mem_format("#/%s/", places[i]);
        CLEANUP(mem_free) char *name = NULL;
        size_t length = strlen(prefix);

        if (strncmp(reference, prefix, length) ||
            strchr(reference + length, '/'))
            continue;
        name = pointer_name(reference + length);
        return json_get(json_get(schema->root, places[i]), name);
    }
    return NULL;
}

int schema_read_reference(struct schema_reader *reader, const cJSON *node)
{
    if (!cJSON_IsString(node) || strchr(node->valuestring, '%'))
        return schema_wrong(reader, "expected \"#\" or \"#/$defs/NAME\"");
    if (!schema_resolve(reader->schema, node->valuestring))
        return schema_wrong(reader, "expected \"#\" or \"#/$defs/NAME\" with a "
                                    "name that is there");
    return 0;
}

int schema_read_id(struct schema_reader *reader, const cJSON *node)
{
    (void)node;
    /* Within the schema it would change what "#" means. */
    return reader->depth == 1
               ? 0
               : schema_wrong(reader, "$id is supported at the root only");
}
