#include <float.h>
#include <math.h>

#include "base/memory.h"
#include "base/schema_parts.h"
#include "base/utf8.h"

#define SHOWN_BYTES 100
#define EXPECTED_BYTES 600
#define NAME_BYTES 64 /* of a member in messages */

bool schema_spend(struct schema_checker *checker, size_t steps)
{
    checker->steps += steps;
    if (checker->steps > SCHEMA_STEPS_MAX)
        checker->exhausted = true;
    return !checker->exhausted;
}

/* The steps of one look-up by name: it goes through all members. */
static size_t look_up_cost(const cJSON *object)
{
    return 1 + (object ? (size_t)cJSON_GetArraySize(object) / 8 : 0);
}

int schema_exhausted(struct schema_checker *checker)
{
    checker->exhausted = true;
    return error_set(checker->err, ERROR_PROTOCOL,
                     "%s: the check against the schema is nested too deep or "
                     "takes too long",
                     checker->path.data);
}

/* A value as short JSON. */
static void show(struct buffer *out, const cJSON *value)
{
    struct json json = json_to(out);
    size_t length;

    if (cJSON_IsArray(value)) {
        buffer_add_string(out, value->child ? "a list" : "an empty list");
    } else if (cJSON_IsObject(value)) {
        buffer_add_string(out, value->child ? "an object" : "an empty object");
    } else if (cJSON_IsString(value)) {
        length = strlen(value->valuestring);
        json_bytes(&json, value->valuestring,
                   utf8_floor(value->valuestring, length, SHOWN_BYTES));
        buffer_add_string(out, length > SHOWN_BYTES ? "…" : "");
    } else {
        json_value(&json, value);
    }
}

int schema_violated(struct schema_checker *checker,
                    const struct schema_test *test, const char *format, ...)
{
    CLEANUP(buffer_free) struct buffer got = {0};
    CLEANUP(mem_free) char *expected = NULL;
    va_list arguments;

    buffer_init(&got, SHOWN_BYTES * 8);
    va_start(arguments, format);
    expected = mem_vformat(format, arguments);
    va_end(arguments);
    show(&got, test->value);
    return error_set(checker->err, ERROR_PROTOCOL, "%s: expected %s; got %s",
                     checker->path.data, expected, got.data);
}

/* The same value: numbers by value, objects in any order. */
static bool same(struct schema_checker *checker, const cJSON *a, const cJSON *b)
{
    if (!schema_spend(checker, 1) || (a->type & 0xFF) != (b->type & 0xFF))
        return false;
    if (cJSON_IsString(a))
        return !strcmp(a->valuestring, b->valuestring);
    if (cJSON_IsNumber(a))
        return a->valuedouble == b->valuedouble;
    if (cJSON_IsArray(a)) {
        const cJSON *x = a->child;
        const cJSON *y = b->child;

        for (; x && y && same(checker, x, y); y = y->next)
            x = x->next;
        return !x && !y;
    }
    if (cJSON_IsObject(a)) {
        size_t cost = look_up_cost(b);

        if (!schema_spend(checker, cost) ||
            cJSON_GetArraySize(a) != cJSON_GetArraySize(b))
            return false;
        for (const cJSON *x = a->child; x; x = x->next) {
            const cJSON *y = json_get(b, x->string);

            if (!schema_spend(checker, cost) || !y || !same(checker, x, y))
                return false;
        }
    }
    return true;
}

static bool is_integer(const cJSON *value)
{
    return cJSON_IsNumber(value) &&
           value->valuedouble == floor(value->valuedouble);
}

static bool has_type(const cJSON *value, const char *type)
{
    if (!strcmp(type, "integer"))
        return is_integer(value);
    if (!strcmp(type, "number"))
        return cJSON_IsNumber(value);
    if (!strcmp(type, "string"))
        return cJSON_IsString(value);
    if (!strcmp(type, "object"))
        return cJSON_IsObject(value);
    if (!strcmp(type, "array"))
        return cJSON_IsArray(value);
    if (!strcmp(type, "boolean"))
        return cJSON_IsBool(value);
    return cJSON_IsNull(value);
}

int schema_check_type(struct schema_checker *checker,
                      const struct schema_test *test)
{
    CLEANUP(buffer_free) struct buffer names = {0};

    buffer_init(&names, EXPECTED_BYTES);
    if (cJSON_IsString(test->keyword))
        return has_type(test->value, test->keyword->valuestring)
                   ? 0
                   : schema_violated(checker, test, "%s",
                                     test->keyword->valuestring);
    for (const cJSON *type = test->keyword->child; type; type = type->next) {
        if (has_type(test->value, type->valuestring))
            return 0;
        buffer_addf(&names, "%s%s", names.length ? " or " : "",
                    type->valuestring);
    }
    return schema_violated(checker, test, "%s", names.data);
}

int schema_check_enum(struct schema_checker *checker,
                      const struct schema_test *test)
{
    CLEANUP(buffer_free) struct buffer names = {0};

    buffer_init(&names, EXPECTED_BYTES);
    for (const cJSON *each = test->keyword->child; each; each = each->next) {
        if (same(checker, each, test->value))
            return 0;
        if (names.dropped)
            continue;
        buffer_add_string(&names, names.length ? ", " : "");
        show(&names, each);
    }
    if (names.dropped)
        return schema_violated(checker, test, "one of %s, …", names.data);
    return schema_violated(checker, test, "one of %s", names.data);
}

int schema_check_const(struct schema_checker *checker,
                       const struct schema_test *test)
{
    CLEANUP(buffer_free) struct buffer text = {0};

    buffer_init(&text, SHOWN_BYTES * 8);
    if (same(checker, test->keyword, test->value))
        return 0;
    show(&text, test->keyword);
    return schema_violated(checker, test, "%s", text.data);
}

static int check_member(struct schema_checker *checker, const cJSON *schema,
                        const cJSON *member)
{
    size_t before = schema_push_name(&checker->path, member->string);
    int failed = schema_check_at(checker, schema, member);

    buffer_truncate(&checker->path, before);
    return failed;
}

int schema_check_properties(struct schema_checker *checker,
                            const struct schema_test *test)
{
    size_t cost = look_up_cost(test->keyword);

    if (!cJSON_IsObject(test->value))
        return 0;
    for (const cJSON *each = test->value->child; each; each = each->next) {
        const cJSON *schema = json_get(test->keyword, each->string);

        if (!schema_spend(checker, cost))
            return schema_exhausted(checker);
        if (schema && check_member(checker, schema, each))
            return -1;
    }
    return 0;
}

int schema_check_additional(struct schema_checker *checker,
                            const struct schema_test *test)
{
    const cJSON *known = json_get(test->schema, "properties");
    size_t cost = look_up_cost(known);

    if (!cJSON_IsObject(test->value))
        return 0;
    for (const cJSON *each = test->value->child; each; each = each->next) {
        if (!schema_spend(checker, cost))
            return schema_exhausted(checker);
        if (json_get(known, each->string))
            continue;
        if (cJSON_IsFalse(test->keyword))
            return error_set(
                checker->err, ERROR_PROTOCOL, "%s: unknown property \"%.*s\"",
                checker->path.data,
                (int)utf8_floor(each->string, strlen(each->string), NAME_BYTES),
                each->string);
        if (check_member(checker, test->keyword, each))
            return -1;
    }
    return 0;
}

int schema_check_required(struct schema_checker *checker,
                          const struct schema_test *test)
{
    size_t cost = look_up_cost(test->value);

    if (!cJSON_IsObject(test->value))
        return 0;
    for (const cJSON *name = test->keyword->child; name; name = name->next) {
        if (!schema_spend(checker, cost))
            return schema_exhausted(checker);
        if (!json_get(test->value, name->valuestring))
            return error_set(checker->err, ERROR_PROTOCOL,
                             "%s: missing property \"%s\"", checker->path.data,
                             name->valuestring);
    }
    return 0;
}

int schema_check_items(struct schema_checker *checker,
                       const struct schema_test *test)
{
    const cJSON *prefix = json_get_array(test->schema, "prefixItems");
    size_t index = 0;
    size_t first = prefix ? (size_t)cJSON_GetArraySize(prefix) : 0;

    if (!cJSON_IsArray(test->value))
        return 0;
    for (const cJSON *item = test->value->child; item; item = item->next) {
        size_t before;
        int failed;

        if (index++ < first)
            continue;
        before = schema_push_index(&checker->path, index - 1);
        failed = schema_check_at(checker, test->keyword, item);
        buffer_truncate(&checker->path, before);
        if (failed)
            return -1;
    }
    return 0;
}

int schema_check_prefix(struct schema_checker *checker,
                        const struct schema_test *test)
{
    const cJSON *schema = test->keyword->child;
    size_t index = 0;

    if (!cJSON_IsArray(test->value))
        return 0;
    for (const cJSON *item = test->value->child; item && schema;
         item = item->next, schema = schema->next) {
        size_t before = schema_push_index(&checker->path, index++);
        int failed = schema_check_at(checker, schema, item);

        buffer_truncate(&checker->path, before);
        if (failed)
            return -1;
    }
    return 0;
}

int schema_check_unique(struct schema_checker *checker,
                        const struct schema_test *test)
{
    size_t index = 0;

    if (!cJSON_IsArray(test->value) || !cJSON_IsTrue(test->keyword))
        return 0;
    for (const cJSON *a = test->value->child; a; a = a->next, index++) {
        size_t other = 0;

        for (const cJSON *b = test->value->child; b != a;
             b = b->next, other++) {
            if (same(checker, a, b))
                return error_set(checker->err, ERROR_PROTOCOL,
                                 "%s: expected different items; [%zu] and "
                                 "[%zu] are the same",
                                 checker->path.data, other, index);
            if (checker->exhausted)
                return schema_exhausted(checker);
        }
    }
    return 0;
}

/* ---- sizes ------------------------------------------------------------- */

static size_t characters(const char *text)
{
    size_t count = 0;

    for (; *text; text++)
        count += ((unsigned char)*text & 0xC0) != 0x80;
    return count;
}

/* Items, members or characters; false if the keyword is for another type. */
static bool size_of(const struct schema_test *test, double *size)
{
    const char *name = test->keyword->string;

    if (strstr(name, "Items") && cJSON_IsArray(test->value))
        *size = cJSON_GetArraySize(test->value);
    else if (strstr(name, "Properties") && cJSON_IsObject(test->value))
        *size = cJSON_GetArraySize(test->value);
    else if (strstr(name, "Length") && cJSON_IsString(test->value))
        *size = (double)characters(test->value->valuestring);
    else
        return false;
    return true;
}

static const char *unit_of(const struct schema_test *test)
{
    if (cJSON_IsArray(test->value))
        return "items";
    return cJSON_IsObject(test->value) ? "properties" : "characters";
}

int schema_check_size(struct schema_checker *checker,
                      const struct schema_test *test)
{
    bool least = !strncmp(test->keyword->string, "min", 3);
    double limit = test->keyword->valuedouble;
    double size;

    if (!size_of(test, &size) || (least ? size >= limit : size <= limit))
        return 0;
    return error_set(checker->err, ERROR_PROTOCOL,
                     "%s: expected at %s %.0f %s; got %.0f", checker->path.data,
                     least ? "least" : "most", limit, unit_of(test), size);
}

int schema_check_bound(struct schema_checker *checker,
                       const struct schema_test *test)
{
    const char *name = test->keyword->string;
    double limit = test->keyword->valuedouble;
    double value = test->value->valuedouble;

    if (!cJSON_IsNumber(test->value))
        return 0;
    if (!strcmp(name, "minimum") && value < limit)
        return schema_violated(checker, test, "at least %.15g", limit);
    if (!strcmp(name, "maximum") && value > limit)
        return schema_violated(checker, test, "at most %.15g", limit);
    if (!strcmp(name, "exclusiveMinimum") && value <= limit)
        return schema_violated(checker, test, "more than %.15g", limit);
    if (!strcmp(name, "exclusiveMaximum") && value >= limit)
        return schema_violated(checker, test, "less than %.15g", limit);
    return 0;
}

/* 0.07 is a multiple of 0.01, though not of the double next to 0.01: the
 * quotient may be off by rounding, unless both are whole. */
static bool is_multiple(double value, double of)
{
    double quotient = value / of;

    if (fmod(value, of) == 0)
        return true;
    if ((value == floor(value) && of == floor(of)) || fabs(quotient) > 1e12)
        return false;
    return fabs(quotient - rint(quotient)) <= 4 * DBL_EPSILON * fabs(quotient);
}

int schema_check_multiple(struct schema_checker *checker,
                          const struct schema_test *test)
{
    if (!cJSON_IsNumber(test->value) ||
        is_multiple(test->value->valuedouble, test->keyword->valuedouble))
        return 0;
    return schema_violated(checker, test, "a multiple of %.15g",
                           test->keyword->valuedouble);
}

int schema_check_pattern(struct schema_checker *checker,
                         const struct schema_test *test)
{
    const struct schema *schema = checker->schema;
    const char *text = test->value->valuestring;
    size_t length;

    if (!cJSON_IsString(test->value))
        return 0;
    length = strlen(text);
    if (length > SCHEMA_PATTERN_TEXT_MAX)
        return error_set(checker->err, ERROR_PROTOCOL,
                         "%s: longer than %d bytes, too long for its pattern",
                         checker->path.data, SCHEMA_PATTERN_TEXT_MAX);
    if (!schema_spend(checker, 1 + schema->pattern_count / 8 + length))
        return schema_exhausted(checker);
    for (size_t i = 0; i < schema->pattern_count; i++) {
        if (schema->patterns[i].node == test->keyword &&
            schema_pattern_matches(schema->patterns[i].pattern, text))
            return 0;
    }
    return schema_violated(checker, test, "a match of the pattern '%s'",
                           test->keyword->valuestring);
}

/* ---- combinations ------------------------------------------------------ */

int schema_check_all(struct schema_checker *checker,
                     const struct schema_test *test)
{
    for (const cJSON *each = test->keyword->child; each; each = each->next) {
        if (schema_check_at(checker, each, test->value))
            return -1;
    }
    return 0;
}

/* How many alternatives hold, counted up to `enough`. The error of the first
 * that did not is put into *first. */
static int count_matches(struct schema_checker *checker,
                         const struct schema_test *test, int enough,
                         struct error *first)
{
    struct error *outer = checker->err;
    struct error ignored = {0};
    int matches = 0;

    first->text[0] = '\0';
    for (const cJSON *each = test->keyword->child;
         each && matches < enough && !checker->exhausted; each = each->next) {
        checker->err = first->text[0] ? &ignored : first;
        matches += !schema_check_at(checker, each, test->value);
    }
    checker->err = outer;
    return matches;
}

static int no_match(struct schema_checker *checker,
                    const struct schema_test *test, const struct error *first)
{
    return error_set(checker->err, ERROR_PROTOCOL,
                     "%s: none of the %d alternatives of %s matches; the "
                     "first: %s",
                     checker->path.data, cJSON_GetArraySize(test->keyword),
                     test->keyword->string, first->text);
}

int schema_check_any(struct schema_checker *checker,
                     const struct schema_test *test)
{
    struct error first;
    int matches = count_matches(checker, test, 1, &first);

    if (checker->exhausted)
        return schema_exhausted(checker);
    return matches ? 0 : no_match(checker, test, &first);
}

int schema_check_one(struct schema_checker *checker,
                     const struct schema_test *test)
{
    struct error first;
    int matches = count_matches(checker, test, 2, &first);

    if (checker->exhausted)
        return schema_exhausted(checker);
    if (!matches)
        return no_match(checker, test, &first);
    return matches == 1
               ? 0
               : schema_violated(checker, test,
                                 "a match of exactly one alternative of "
                                 "oneOf, not of several");
}

int schema_check_not(struct schema_checker *checker,
                     const struct schema_test *test)
{
    struct error *outer = checker->err;
    struct error ignored;
    int failed;

    checker->err = &ignored;
    failed = schema_check_at(checker, test->keyword, test->value);
    checker->err = outer;
    if (checker->exhausted)
        return schema_exhausted(checker);
    return failed ? 0
                  : schema_violated(checker, test,
                                    "no match of what 'not' excludes");
}

int schema_check_reference(struct schema_checker *checker,
                           const struct schema_test *test)
{
    return schema_check_at(
        checker, schema_resolve(checker->schema, test->keyword->valuestring),
        test->value);
}
