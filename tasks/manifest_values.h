/* Single values: numbers with units and texts, checked by their field. */
#ifndef NIGHTJAR_TASKS_MANIFEST_VALUES_H
#define NIGHTJAR_TASKS_MANIFEST_VALUES_H

#include "tasks/manifest_fields.h"
#include "tasks/manifest_problems.h"

/* What the field takes, with its range, to be read behind "expected": "a size
 * such as 64K or 2G, at least 16M". Also for the reference. */
void field_expected(const struct field *field, struct buffer *out);

/* "expected <what the field takes>, got <the node>". */
void value_unexpected(struct reader *reader, const struct field *field,
                      const struct yaml_node *node,
                      const struct yaml_place *place);

/* A number of one of the number types. Returns 0, or -1 after a problem. */
int value_number(struct reader *reader, const struct field *field,
                 const struct yaml_node *node, const struct yaml_place *place,
                 int64_t *out);

/* true or false. Returns 0, or -1 after a problem. */
int value_boolean(struct reader *reader, const struct field *field,
                  const struct yaml_node *node, const struct yaml_place *place,
                  bool *out);

/* The index of one of the field's names. Returns 0, or -1 after a problem. */
int value_name(struct reader *reader, const struct field *field,
               const struct yaml_node *node, const struct yaml_place *place,
               unsigned *out);

/* A text by its field's limits, rule and flags, in the reader's arena; NULL
 * after a problem. */
const char *value_text(struct reader *reader, const struct field *field,
                       const struct yaml_node *node,
                       const struct yaml_place *place);

/* The first character of a text that is neither printable nor tab or line
 * break; UINT32_MAX for bytes that are no UTF-8; 0xFFFFFFFE: all is good. */
#define TEXT_IS_CLEAN UINT32_C(0xFFFFFFFE)
uint32_t text_find_control(const char *text, size_t length);

#endif
