/* JSON Schema: the part of draft 2020-12 that tools and outputs are described
 * with. https://json-schema.org/draft/2020-12/json-schema-validation
 *
 *     struct schema *schema = schema_compile(text, err);
 *     if (schema_check(schema, value, err)) …   // err: "$.a[2]: expected …"
 *     schema_free(schema);
 *
 * Known keywords: type enum const · properties required additionalProperties
 * minProperties maxProperties · items prefixItems minItems maxItems
 * uniqueItems · minimum maximum exclusiveMinimum exclusiveMaximum multipleOf ·
 * minLength maxLength pattern · anyOf oneOf allOf not · $ref ("#",
 * "#/$defs/NAME") $defs, and definitions, its older name.
 * Annotations are accepted: title description default examples format
 * deprecated readOnly writeOnly contentEncoding contentMediaType $comment
 * $schema, and $id at the root. Everything else is refused, because to ignore
 * a keyword would be to allow what its author forbids.
 *
 * pattern: ECMAScript syntax as far as schema_pattern.h knows it.
 *
 * Neither a schema nor a value can make this recurse or run without bound. A
 * value whose check exceeds the bound counts as not valid. */
#ifndef NIGHTJAR_BASE_SCHEMA_H
#define NIGHTJAR_BASE_SCHEMA_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/json.h"

#define SCHEMA_TEXT_MAX ((size_t)1 << 20)
#define SCHEMA_DEPTH_MAX 64        /* of subschemas in each other */
#define SCHEMA_CHECK_DEPTH_MAX 256 /* of subschemas at work, by $ref too */
#define SCHEMA_STEPS_MAX 50000000  /* of one check: a few seconds */
#define SCHEMA_PATTERNS_MAX 200

struct schema;

/* Reads a schema; `text` is not needed afterwards. Owned by the caller,
 * release with schema_free. NULL and an error (ERROR_MANIFEST) that gives the
 * place in the schema ("schema $.properties.a: …"): not JSON, too large or too
 * deep, a keyword that is unknown or has a wrong value, a $ref to nothing, a
 * pattern that cannot be translated. */
struct schema *schema_compile(struct span text, struct error *err);

/* Checks a value. Returns 0, or -1 with the first violation
 * (ERROR_PROTOCOL): its place, what was expected, what is there:
 *     $.labels[2]: expected one of "bug", "feature"; got "x" */
int schema_check(const struct schema *schema, const cJSON *value,
                 struct error *err);

/* Whether it meets the strict rule of model providers: each subschema that
 * can describe an object has "additionalProperties": false and requires all
 * its properties; none is without any restriction. */
bool schema_is_strict(const struct schema *schema);

/* Accepts NULL. */
void schema_free(struct schema *schema);

#endif
