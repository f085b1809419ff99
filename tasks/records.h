/* Records: tables of texts, from CSV, JSON Lines, YAML, or a list of
 * repositories. Pure: bytes in, rows out, or what is wrong and where.
 *
 *     struct records records;
 *     records_init(&records, &arena);
 *     if (records_read(&records, RECORDS_CSV, text, &fault)) …
 *     records_value(&records, row, "title")
 *     records_free(&records);                // texts stay in the arena
 *
 * CSV is that of RFC 4180 with a header line: fields may be quoted, quotes in
 * them doubled, and hold line breaks; TSV has tabs instead of commas. JSON
 * Lines: one object a line, blank lines allowed. YAML: a list of maps. Numbers
 * and booleans are their texts as written, null and empty CSV fields are no
 * value, lists and maps are their JSON. A bare text in a list is a record of
 * one field "value". Repositories: "URL [REF]" a line, '#' begins a comment;
 * fields repo, ref, name (the last part of the path), slug (the last two and
 * the ref).
 *
 * Field names are words ([A-Za-z_][A-Za-z0-9_-]*); in CSV and JSON other
 * characters of them become '_'. Values are UTF-8 without NUL. */
#ifndef NIGHTJAR_TASKS_RECORDS_H
#define NIGHTJAR_TASKS_RECORDS_H

#include "base/arena.h"
#include "base/buffer.h"
#include "tasks/yaml.h"

#define RECORDS_BYTES_MAX ((size_t)64 << 20) /* of one file */
#define RECORDS_MAX 100000
#define RECORDS_FIELDS_MAX 256
#define RECORDS_NAME_MAX 100
#define RECORDS_VALUE_MAX ((size_t)1 << 20)
#define RECORDS_CELLS_MAX ((size_t)8 << 20) /* rows times fields */

enum records_format {
    RECORDS_CSV,
    RECORDS_TSV,
    RECORDS_JSONL,
    RECORDS_YAML,
    RECORDS_REPOSITORIES,
};

struct records {
    struct arena *arena;
    const char *names[RECORDS_FIELDS_MAX];
    size_t name_count;
    const char **cells; /* of all rows, one after another */
    size_t *starts;     /* row: index of its first cell */
    size_t *widths;     /* row: how many cells it has */
    size_t *lines;      /* row: where it is written, from 1 */
    size_t count;
    size_t capacity;
    size_t cell_count;
    size_t cell_capacity;
};

struct records_fault {
    size_t line; /* from 1 */
    char text[200];
};

void records_init(struct records *records, struct arena *arena);
void records_free(struct records *records);

/* The format that a file's name tells; -1 for another ending than .csv, .tsv,
 * .jsonl, .ndjson, .yaml, .yml. */
int records_format_of(const char *path);

/* Adds all rows of a text. Returns 0, or -1 with a fault. */
int records_read(struct records *records, enum records_format format,
                 struct span text, struct records_fault *fault);

/* Adds the rows of a list in a manifest. */
int records_add_nodes(struct records *records, const struct yaml_node *list,
                      struct records_fault *fault);

/* Adds an empty row, written at `line`. -1: too many. */
int records_add_row(struct records *records, size_t line,
                    struct records_fault *fault);

/* Sets a field of the last row; the text is copied. -1: a name that is no word
 * or one too many, a value that is too long. */
int records_set(struct records *records, const char *name, struct span value,
                struct records_fault *fault);

/* A row's value; NULL: none. */
const char *records_value(const struct records *records, size_t row,
                          const char *name);

/* The same by the index of a name. */
const char *records_cell(const struct records *records, size_t row,
                         size_t name);

/* Takes a row out; the others keep their order. */
void records_remove(struct records *records, const bool *gone);

#endif
