#include "tasks/records.h"

#include <ctype.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/utf8.h"

static int fail(struct records_fault *fault, size_t line, const char *format,
                ...) __attribute__((format(printf, 3, 4)));

static int fail(struct records_fault *fault, size_t line, const char *format,
                ...)
{
    va_list arguments;

    fault->line = line;
    va_start(arguments, format);
    vsnprintf(fault->text, sizeof(fault->text), format, arguments);
    va_end(arguments);
    return -1;
}

/* ---- the table --------------------------------------------------------- */

void records_init(struct records *records, struct arena *arena)
{
    memset(records, 0, sizeof(*records));
    records->arena = arena;
}

void records_free(struct records *records)
{
    free(records->cells);
    free(records->starts);
    free(records->widths);
    free(records->lines);
    memset(records, 0, sizeof(*records));
}

int records_add_row(struct records *records, size_t line,
                    struct records_fault *fault)
{
    if (records->count == RECORDS_MAX)
        return fail(fault, line, "more than %d records", RECORDS_MAX);
    if (records->count == records->capacity) {
        size_t capacity = records->capacity ? 2 * records->capacity : 64;

        records->starts = mem_resize(records->starts, capacity, sizeof(size_t));
        records->widths = mem_resize(records->widths, capacity, sizeof(size_t));
        records->lines = mem_resize(records->lines, capacity, sizeof(size_t));
        records->capacity = capacity;
    }
    records->starts[records->count] = records->cell_count;
    records->widths[records->count] = 0;
    records->lines[records->count++] = line;
    return 0;
}

/* The index of the name, which is added if it is new; -1: one too many. */
static ssize_t name_index(struct records *records, const char *name)
{
    for (size_t i = 0; i < records->name_count; i++) {
        if (!strcmp(records->names[i], name))
            return (ssize_t)i;
    }
    if (records->name_count == RECORDS_FIELDS_MAX)
        return -1;
    records->names[records->name_count] = arena_string(records->arena, name);
    return (ssize_t)records->name_count++;
}

/* The last row gets room for that many cells. */
static int widen(struct records *records, size_t width)
{
    size_t row = records->count - 1;
    size_t all = records->starts[row] + width;

    if (all > RECORDS_CELLS_MAX)
        return -1;
    if (all > records->cell_capacity) {
        records->cell_capacity = all * 2;
        records->cells = mem_resize(records->cells, records->cell_capacity,
                                    sizeof(*records->cells));
    }
    for (size_t i = records->widths[row]; i < width; i++)
        records->cells[records->starts[row] + i] = NULL;
    if (width > records->widths[row])
        records->widths[row] = width;
    records->cell_count = records->starts[row] + records->widths[row];
    return 0;
}

int records_set(struct records *records, const char *name, struct span value,
                struct records_fault *fault)
{
    size_t row = records->count - 1;
    size_t line = records->lines[row];
    CLEANUP(mem_free) char *word = mem_string(name);
    ssize_t index;

    for (char *at = word; *at; at++) {
        if (!isalnum((unsigned char)*at) && *at != '_' && *at != '-')
            *at = '_';
    }
    if (strlen(word) > RECORDS_NAME_MAX)
        return fail(fault, line, "a field name of more than %d bytes",
                    RECORDS_NAME_MAX);
    if (!*word || isdigit((unsigned char)*word) || *word == '-')
        return fail(fault, line,
                    "expected a field name that begins with a letter, got "
                    "\"%.40s\"",
                    name);
    if (value.length > RECORDS_VALUE_MAX)
        return fail(fault, line, "%.40s: longer than %zu bytes", word,
                    RECORDS_VALUE_MAX);
    index = name_index(records, word);
    if (index < 0 || widen(records, (size_t)index + 1))
        return fail(fault, line, "more than %d fields", RECORDS_FIELDS_MAX);
    records->cells[records->starts[row] + (size_t)index] =
        arena_bytes(records->arena, value.data, value.length);
    return 0;
}

const char *records_cell(const struct records *records, size_t row, size_t name)
{
    return name < records->widths[row]
               ? records->cells[records->starts[row] + name]
               : NULL;
}

const char *records_value(const struct records *records, size_t row,
                          const char *name)
{
    for (size_t i = 0; i < records->name_count; i++) {
        if (!strcmp(records->names[i], name))
            return records_cell(records, row, i);
    }
    return NULL;
}

void records_remove(struct records *records, const bool *gone)
{
    size_t kept = 0;

    for (size_t i = 0; i < records->count; i++) {
        if (gone[i])
            continue;
        records->starts[kept] = records->starts[i];
        records->widths[kept] = records->widths[i];
        records->lines[kept++] = records->lines[i];
    }
    records->count = kept;
}

/* ---- CSV --------------------------------------------------------------- */

struct csv {
    struct span text;
    size_t at;
    size_t line;
    char separator;
    struct buffer field;
    struct records_fault *fault;
};

static int csv_quoted(struct csv *csv)
{
    size_t began = csv->line;

    for (csv->at++; csv->at < csv->text.length; csv->at++) {
        char byte = csv->text.data[csv->at];

        if (byte == '"' && (csv->at + 1 == csv->text.length ||
                            csv->text.data[csv->at + 1] != '"')) {
            csv->at++;
            return 0;
        }
        csv->at += byte == '"';
        csv->line += byte == '\n';
        if (buffer_add_byte(&csv->field, byte))
            return fail(csv->fault, began, "a field of more than %zu bytes",
                        RECORDS_VALUE_MAX);
    }
    return fail(csv->fault, began, "a quoted field without its end");
}

/* One field into csv->field. 1: it is the last one of its line. */
static int csv_field(struct csv *csv)
{
    const char *data = csv->text.data;
    size_t length = csv->text.length;

    buffer_clear(&csv->field);
    if (csv->at < length && data[csv->at] == '"' && csv_quoted(csv))
        return -1;
    for (; csv->at < length; csv->at++) {
        char byte = data[csv->at];

        if (byte == csv->separator) {
            csv->at++;
            return 0;
        }
        if (byte == '\r' && csv->at + 1 < length && data[csv->at + 1] == '\n')
            continue;
        if (byte == '\n') {
            csv->at++;
            csv->line++;
            return 1;
        }
        if (byte == '"')
            return fail(csv->fault, csv->line,
                        "a quote within a field that does not begin with one");
        if (buffer_add_byte(&csv->field, byte))
            return fail(csv->fault, csv->line, "a field of more than %zu bytes",
                        RECORDS_VALUE_MAX);
    }
    return 1;
}

static int csv_header(struct records *records, struct csv *csv, size_t *columns,
                      const char **names)
{
    int last = 0;

    for (*columns = 0; !last; (*columns)++) {
        last = csv_field(csv);
        if (last < 0)
            return -1;
        if (*columns == RECORDS_FIELDS_MAX)
            return fail(csv->fault, 1, "more than %d columns",
                        RECORDS_FIELDS_MAX);
        for (size_t i = 0; i < *columns; i++) {
            if (!strcmp(names[i], csv->field.data))
                return fail(csv->fault, 1, "the column \"%.40s\" stands twice",
                            names[i]);
        }
        names[*columns] = arena_string(records->arena, csv->field.data);
    }
    return 0;
}

static int csv_row(struct records *records, struct csv *csv, size_t columns,
                   const char *const *names)
{
    size_t line = csv->line;
    size_t column = 0;
    int last = 0;

    if (records_add_row(records, line, csv->fault))
        return -1;
    while (!last) {
        last = csv_field(csv);
        if (last < 0)
            return -1;
        if (column == columns || (last && column + 1 < columns))
            return fail(csv->fault, line,
                        "expected %zu fields as in the first line, got %s%zu",
                        columns, column == columns ? "more than " : "",
                        column == columns ? columns : column + 1);
        if (csv->field.length &&
            records_set(records, names[column], buffer_span(&csv->field),
                        csv->fault))
            return -1;
        column++;
    }
    return 0;
}

static int read_csv(struct records *records, struct span text, char separator,
                    struct records_fault *fault)
{
    const char *names[RECORDS_FIELDS_MAX];
    struct csv csv = {
        .text = text, .line = 1, .separator = separator, .fault = fault};
    size_t columns;
    int status;

    buffer_init(&csv.field, RECORDS_VALUE_MAX);
    buffer_add_string(&csv.field, "");
    status = csv_header(records, &csv, &columns, names);
    while (!status && csv.at < text.length) {
        if (text.data[csv.at] == '\n') { /* a blank line */
            csv.at++;
            csv.line++;
            continue;
        }
        status = csv_row(records, &csv, columns, names);
    }
    buffer_free(&csv.field);
    return status;
}

/* ---- JSON Lines -------------------------------------------------------- */

static int set_json(struct records *records, const cJSON *value,
                    struct span line, struct records_fault *fault)
{
    CLEANUP(buffer_free) struct buffer text = {0};
    struct span raw;

    if (cJSON_IsNull(value))
        return 0;
    if (cJSON_IsString(value))
        return records_set(
            records, value->string,
            (struct span){value->valuestring, strlen(value->valuestring)},
            fault);
    /* Numbers as they are written: an id of 20 digits stays one. */
    raw = json_member_bytes(line, value->string);
    buffer_init(&text, RECORDS_VALUE_MAX);
    if (!raw.data || buffer_add_span(&text, raw))
        return fail(fault, records->lines[records->count - 1],
                    "%.40s: longer than %zu bytes", value->string,
                    RECORDS_VALUE_MAX);
    return records_set(records, value->string, buffer_span(&text), fault);
}

static int read_line(struct records *records, struct span line, size_t number,
                     struct records_fault *fault)
{
    CLEANUP(json_free) cJSON *object = NULL;
    const cJSON *value;
    struct error err;

    if (line.length == strspn(line.data, " \t\r"))
        return 0;
    object = json_parse(line.data, line.length, &err);
    if (!object)
        return fail(fault, number, "no JSON: %.150s", err.text);
    if (!cJSON_IsObject(object))
        return fail(fault, number, "expected a JSON object");
    if (records_add_row(records, number, fault))
        return -1;
    cJSON_ArrayForEach(value, object)
    {
        if (set_json(records, value, line, fault))
            return -1;
    }
    return 0;
}

static int read_lines(struct records *records, struct span text,
                      struct records_fault *fault)
{
    CLEANUP(buffer_free) struct buffer line = {0};
    size_t at = 0;

    buffer_init(&line, RECORDS_BYTES_MAX);
    for (size_t number = 1; at < text.length; number++) {
        const char *end = memchr(text.data + at, '\n', text.length - at);
        size_t length = end ? (size_t)(end - text.data) - at : text.length - at;

        buffer_clear(&line);
        buffer_add(&line, text.data + at, length);
        if (read_line(records, buffer_span(&line), number, fault))
            return -1;
        at += length + 1;
    }
    return 0;
}

/* ---- YAML -------------------------------------------------------------- */

static void put_node(struct json *json, const struct yaml_node *node)
{
    if (node->kind == YAML_SCALAR) {
        json_string(json, node->text);
        return;
    }
    if (node->kind == YAML_LIST)
        json_array(json);
    else
        json_object(json);
    for (size_t i = 0; i < node->count; i++) {
        if (node->kind == YAML_MAP)
            json_key(json, node->keys[i]->text);
        put_node(json, node->items[i]);
    }
    json_end(json);
}

static bool is_null(const struct yaml_node *node)
{
    return node->kind == YAML_SCALAR && !node->quoted &&
           (!*node->text || !strcmp(node->text, "null") ||
            !strcmp(node->text, "~"));
}

static int set_node(struct records *records, const char *name,
                    const struct yaml_node *node, struct records_fault *fault)
{
    CLEANUP(buffer_free) struct buffer text = {0};
    struct json json;

    if (is_null(node))
        return 0;
    if (node->kind == YAML_SCALAR && strlen(node->text) < node->length)
        return fail(fault, node->line, "%.40s: holds a NUL", name);
    if (node->kind == YAML_SCALAR)
        return records_set(records, name,
                           (struct span){node->text, node->length}, fault);
    buffer_init(&text, RECORDS_VALUE_MAX);
    json = json_to(&text);
    put_node(&json, node);
    if (json.full)
        return fail(fault, node->line, "%.40s: longer than %zu bytes", name,
                    RECORDS_VALUE_MAX);
    return records_set(records, name, buffer_span(&text), fault);
}

int records_add_nodes(struct records *records, const struct yaml_node *list,
                      struct records_fault *fault)
{
    if (list->kind != YAML_LIST)
        return fail(fault, list->line, "expected a list of records");
    for (size_t i = 0; i < list->count; i++) {
        const struct yaml_node *node = list->items[i];

        if (node->kind == YAML_LIST)
            return fail(fault, node->line, "expected a record, got a list");
        if (records_add_row(records, node->line, fault))
            return -1;
        if (node->kind == YAML_SCALAR &&
            set_node(records, "value", node, fault))
            return -1;
        for (size_t k = 0; node->kind == YAML_MAP && k < node->count; k++) {
            if (set_node(records, node->keys[k]->text, node->items[k], fault))
                return -1;
        }
    }
    return 0;
}

static int read_yaml(struct records *records, struct span text,
                     struct records_fault *fault)
{
    static const struct yaml_limits limits = {16, (size_t)RECORDS_MAX * 20,
                                              RECORDS_BYTES_MAX};
    struct yaml_tree tree;
    int status = -1;

    if (yaml_read(&tree, text, &limits))
        fail(fault, tree.faults[0].line, "%s", tree.faults[0].text);
    else
        status = records_add_nodes(records, tree.root, fault);
    yaml_free(&tree);
    return status;
}

/* ---- repositories ------------------------------------------------------ */

/* "https://example.org/a/b.git" is "b". */
static struct span last_part(struct span url)
{
    size_t end = url.length;
    size_t start;

    while (end && url.data[end - 1] == '/')
        end--;
    if (end > 4 && !memcmp(url.data + end - 4, ".git", 4))
        end -= 4;
    for (start = end; start && !strchr("/:", url.data[start - 1]); start--)
        ;
    return (struct span){url.data + start, end - start};
}

/* "https://example.org/a/b.git v1" is "a-b-v1": what tells it from others. */
static int set_slug(struct records *records, struct span url, const char *ref,
                    struct records_fault *fault)
{
    struct span name = last_part(url);
    size_t before = (size_t)(name.data - url.data);
    struct span owner = {"", 0};
    CLEANUP(mem_free) char *slug = NULL;

    if (before > 1)
        owner = last_part((struct span){url.data, before - 1});
    slug = mem_format("%.*s%s%.*s%s%s", (int)owner.length, owner.data,
                      owner.length ? "-" : "", (int)name.length, name.data,
                      ref ? "-" : "", ref ? ref : "");
    return records_set(records, "slug", (struct span){slug, strlen(slug)},
                       fault);
}

static int read_repositories(struct records *records, struct span text,
                             struct records_fault *fault)
{
    size_t at = 0;

    for (size_t number = 1; at < text.length; number++) {
        const char *line = text.data + at;
        const char *end = memchr(line, '\n', text.length - at);
        size_t length = end ? (size_t)(end - line) : text.length - at;
        CLEANUP(mem_free) char *copy = mem_bytes(line, length);
        char *rest = NULL;
        const char *url;
        const char *ref;

        at += length + 1;
        copy[strcspn(copy, "#\r")] = '\0';
        url = strtok_r(copy, " \t", &rest);
        ref = url ? strtok_r(NULL, " \t", &rest) : NULL;
        if (!url)
            continue;
        if (ref && strtok_r(NULL, " \t", &rest))
            return fail(fault, number, "expected \"URL [REF]\"");
        if (records_add_row(records, number, fault) ||
            records_set(records, "repo", (struct span){url, strlen(url)},
                        fault) ||
            (ref && records_set(records, "ref", (struct span){ref, strlen(ref)},
                                fault)) ||
            records_set(records, "name",
                        last_part((struct span){url, strlen(url)}), fault) ||
            set_slug(records, (struct span){url, strlen(url)}, ref, fault))
            return -1;
    }
    return 0;
}

/* ---- all --------------------------------------------------------------- */

int records_format_of(const char *path)
{
    static const struct {
        const char *ending;
        enum records_format format;
    } endings[] = {{".csv", RECORDS_CSV},     {".tsv", RECORDS_TSV},
                   {".jsonl", RECORDS_JSONL}, {".ndjson", RECORDS_JSONL},
                   {".yaml", RECORDS_YAML},   {".yml", RECORDS_YAML}};
    const char *dot = strrchr(path, '.');

    for (size_t i = 0; dot && i < ARRAY_LENGTH(endings); i++) {
        if (!strcmp(dot, endings[i].ending))
            return (int)endings[i].format;
    }
    return -1;
}

int records_read(struct records *records, enum records_format format,
                 struct span text, struct records_fault *fault)
{
    if (text.length >= 3 && !memcmp(text.data, "\xEF\xBB\xBF", 3))
        text = (struct span){text.data + 3, text.length - 3};
    if (!utf8_valid(text.data, text.length))
        return fail(fault, 1, "no UTF-8");
    if (memchr(text.data, '\0', text.length))
        return fail(fault, 1, "it holds a NUL");
    switch (format) {
    case RECORDS_CSV:
        return read_csv(records, text, ',', fault);
    case RECORDS_TSV:
        return read_csv(records, text, '\t', fault);
    case RECORDS_JSONL:
        return read_lines(records, text, fault);
    case RECORDS_YAML:
        return read_yaml(records, text, fault);
    case RECORDS_REPOSITORIES:
        return read_repositories(records, text, fault);
    }
    return -1;
}
