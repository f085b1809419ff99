/* Between the files of the schema module; others include base/schema.h.
 *
 * A schema stays the JSON it was written as. Each keyword has a function that
 * reads it, once, and one that checks a value against it; the table in
 * schema.c joins them. Readers are in schema_read.c, checks in
 * schema_check.c. */
#ifndef NIGHTJAR_BASE_SCHEMA_PARTS_H
#define NIGHTJAR_BASE_SCHEMA_PARTS_H

#include "base/schema.h"
#include "base/schema_pattern.h"

/* A pattern of the schema, found by its node in the JSON. */
struct schema_compiled_pattern {
    const cJSON *node;
    struct schema_pattern *pattern;
};

struct schema {
    cJSON *root;
    struct schema_compiled_pattern *patterns;
    size_t pattern_count;
};

/* Reading: the place in the schema, and how deep that is. */
struct schema_reader {
    struct schema *schema;
    struct buffer path;
    int depth;
    struct error *err;
};

/* Checking: the place in the value, and what it has cost so far. */
struct schema_checker {
    const struct schema *schema;
    struct buffer path;
    int depth;
    size_t steps;
    bool exhausted; /* no alternative may hide that */
    struct error *err;
};

/* One keyword at work: its value, the schema around it, the instance. */
struct schema_test {
    const cJSON *keyword;
    const cJSON *schema;
    const cJSON *value;
};

/* Adds ".name" (["name"] where that would be unclear) or "[index]" to a path.
 * Returns the length before, for buffer_truncate. A path that gets too long
 * stays as it is. */
size_t schema_push_name(struct buffer *path, const char *name);
size_t schema_push_index(struct buffer *path, size_t index);

/* What a $ref names; NULL if there is nothing. */
const cJSON *schema_resolve(const struct schema *schema, const char *reference);

/* Reads, and checks against, a whole subschema. */
int schema_read(struct schema_reader *reader, const cJSON *node);
int schema_check_at(struct schema_checker *checker, const cJSON *schema,
                    const cJSON *value);

/* Sets an error with the place in the schema. Returns -1. */
int schema_wrong(struct schema_reader *reader, const char *what);

/* Counts work (a step is a comparison or so); false when it was too much. */
bool schema_spend(struct schema_checker *checker, size_t steps);

/* Sets the error for that. Returns -1. */
int schema_exhausted(struct schema_checker *checker);

/* Sets "PLACE: expected …; got VALUE". Returns -1. */
int schema_violated(struct schema_checker *checker,
                    const struct schema_test *test, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Readers: whether the value of a keyword has the right form. Return 0, or -1
 * with the error set. */
int schema_read_types(struct schema_reader *reader, const cJSON *node);
int schema_read_enum(struct schema_reader *reader, const cJSON *node);
int schema_read_anything(struct schema_reader *reader, const cJSON *node);
int schema_read_number(struct schema_reader *reader, const cJSON *node);
int schema_read_positive(struct schema_reader *reader, const cJSON *node);
int schema_read_count(struct schema_reader *reader, const cJSON *node);
int schema_read_flag(struct schema_reader *reader, const cJSON *node);
int schema_read_names(struct schema_reader *reader, const cJSON *node);
int schema_read_schema_map(struct schema_reader *reader, const cJSON *node);
int schema_read_schema_list(struct schema_reader *reader, const cJSON *node);
int schema_read_pattern(struct schema_reader *reader, const cJSON *node);
int schema_read_reference(struct schema_reader *reader, const cJSON *node);
int schema_read_id(struct schema_reader *reader, const cJSON *node);

/* Checks: 0 if the instance meets the keyword or is of a type that the
 * keyword does not speak of, or -1 with the error set. */
int schema_check_type(struct schema_checker *checker,
                      const struct schema_test *test);
int schema_check_enum(struct schema_checker *checker,
                      const struct schema_test *test);
int schema_check_const(struct schema_checker *checker,
                       const struct schema_test *test);
int schema_check_properties(struct schema_checker *checker,
                            const struct schema_test *test);
int schema_check_additional(struct schema_checker *checker,
                            const struct schema_test *test);
int schema_check_required(struct schema_checker *checker,
                          const struct schema_test *test);
int schema_check_items(struct schema_checker *checker,
                       const struct schema_test *test);
int schema_check_prefix(struct schema_checker *checker,
                        const struct schema_test *test);
int schema_check_unique(struct schema_checker *checker,
                        const struct schema_test *test);
int schema_check_size(struct schema_checker *checker,
                      const struct schema_test *test);
int schema_check_bound(struct schema_checker *checker,
                       const struct schema_test *test);
int schema_check_multiple(struct schema_checker *checker,
                          const struct schema_test *test);
int schema_check_pattern(struct schema_checker *checker,
                         const struct schema_test *test);
int schema_check_all(struct schema_checker *checker,
                     const struct schema_test *test);
int schema_check_any(struct schema_checker *checker,
                     const struct schema_test *test);
int schema_check_one(struct schema_checker *checker,
                     const struct schema_test *test);
int schema_check_not(struct schema_checker *checker,
                     const struct schema_test *test);
int schema_check_reference(struct schema_checker *checker,
                           const struct schema_test *test);

#endif
