#include "tasks/manifest_matrix.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "tasks/manifest_fields.h"
#include "tasks/manifest_rules.h"
#include "tasks/manifest_template.h"
#include "tasks/manifest_values.h"
#include "tasks/suggest.h"

#define SHOWN_VALUE_MAX 100
#define CELL_NAME_MAX (MANIFEST_NAMES_MAX * (SHOWN_VALUE_MAX + 8))
#define COMPARISONS_MAX ((size_t)1 << 30)

static const struct field value_field = {
    .key = "matrix",
    .type = FIELD_TEXT,
    .flags = FIELD_LINES,
    .maximum = MANIFEST_VALUE_MAX,
};

/* A list of the matrix: values[i] is the text of one value. */
struct axis {
    const char *const *values;
    size_t count;
};

/* An entry of include or exclude: texts at their keys' indices. */
struct entry {
    const char **values; /* key_count of the matrix; NULL: not named */
};

struct entries {
    struct entry *items;
    size_t count;
};

struct work {
    struct reader *reader;
    const struct yaml_place *place;
    struct matrix *matrix;
    struct axis axes[MANIFEST_NAMES_MAX];
    const char *keys[MANIFEST_NAMES_MAX];
    struct entries exclude;
    struct entries include;
};

static bool is_special(const char *key)
{
    return !strcmp(key, "include") || !strcmp(key, "exclude");
}

/* ---- reading ----------------------------------------------------------- */

static bool good_key(struct reader *reader, const struct yaml_node *key,
                     const struct yaml_place *place)
{
    const char *expected = rule_name(key->text);

    if (expected)
        reader_expected(reader, key, place, NULL, expected);
    return !expected;
}

/* The key's index, added if it is new; -1 after a problem. */
static ssize_t add_key(struct work *work, const struct yaml_node *key,
                       const struct yaml_place *place)
{
    struct matrix *matrix = work->matrix;

    if (!good_key(work->reader, key, place))
        return -1;
    for (size_t i = 0; i < matrix->key_count; i++) {
        if (!strcmp(work->keys[i], key->text))
            return (ssize_t)i;
        if (!template_same_variable(work->keys[i], key->text))
            continue;
        reader_problem(work->reader, key, place, NULL,
                       "\"%s\" and \"%s\" would be the same variable",
                       work->keys[i], key->text);
        return -1;
    }
    if (matrix->key_count == MANIFEST_NAMES_MAX) {
        reader_problem(work->reader, key, place, NULL,
                       "a matrix has at most %d keys", MANIFEST_NAMES_MAX);
        return -1;
    }
    work->keys[matrix->key_count] =
        arena_string(work->reader->arena, key->text);
    return (ssize_t)matrix->key_count++;
}

static void read_axis(struct work *work, const struct yaml_node *key,
                      const struct yaml_node *node)
{
    struct reader *reader = work->reader;
    struct yaml_place place = {work->place, key->text, 0};
    ssize_t index = add_key(work, key, &place);
    const char **values;

    if (index < 0)
        return;
    if (node->kind != YAML_LIST) {
        reader_expected(reader, node, &place, NULL, "a list of values");
        return;
    }
    if (!node->count || node->count > MANIFEST_NAMES_MAX) {
        reader_problem(reader, node, &place, NULL,
                       "expected 1 to %d values, got %zu", MANIFEST_NAMES_MAX,
                       node->count);
        return;
    }
    values = arena_array(reader->arena, node->count, sizeof(*values));
    for (size_t i = 0; i < node->count; i++) {
        struct yaml_place inner = {&place, NULL, i};

        values[i] = value_text(reader, &value_field, node->items[i], &inner);
    }
    work->axes[index] = (struct axis){values, node->count};
}

static void unknown_key(struct work *work, const struct yaml_node *key,
                        const struct yaml_place *place)
{
    const char *near = suggest(key->text, work->keys, work->matrix->own_count);

    reader_problem(work->reader, key, place,
                   did_you_mean(work->reader->arena, near),
                   "exclude names a key that the matrix does not have");
}

static struct entry read_entry(struct work *work, const struct yaml_node *node,
                               const struct yaml_place *place, bool include)
{
    struct entry entry = {mem_array(MANIFEST_NAMES_MAX, sizeof(char *))};

    if (node->kind != YAML_MAP || !node->count) {
        reader_expected(work->reader, node, place, NULL,
                        "a map of one value or more");
        return entry;
    }
    for (size_t i = 0; i < node->count; i++) {
        struct yaml_place inner = {place, node->keys[i]->text, 0};
        size_t known = work->matrix->key_count;
        ssize_t index;

        if (!include) {
            for (known = 0; known < work->matrix->own_count; known++) {
                if (!strcmp(work->keys[known], node->keys[i]->text))
                    break;
            }
            if (known == work->matrix->own_count) {
                unknown_key(work, node->keys[i], &inner);
                continue;
            }
        }
        index = include ? add_key(work, node->keys[i], &inner) : (ssize_t)known;
        if (index >= 0)
            entry.values[index] =
                value_text(work->reader, &value_field, node->items[i], &inner);
    }
    return entry;
}

static struct entries
read_entries(struct work *work, const struct yaml_node *matrix, const char *key)
{
    const struct yaml_node *node = yaml_get(matrix, key);
    struct yaml_place place = {work->place, key, 0};
    struct entries entries = {0};

    if (!node)
        return entries;
    if (node->kind != YAML_LIST) {
        reader_expected(work->reader, node, &place, NULL, "a list of maps");
        return entries;
    }
    if (node->count > MANIFEST_NAMES_MAX) {
        reader_problem(work->reader, node, &place, NULL,
                       "expected at most %d entries, got %zu",
                       MANIFEST_NAMES_MAX, node->count);
        return entries;
    }
    entries.items = mem_array(node->count, sizeof(*entries.items));
    for (size_t i = 0; i < node->count; i++) {
        struct yaml_place inner = {&place, NULL, i};

        entries.items[entries.count++] =
            read_entry(work, node->items[i], &inner, !strcmp(key, "include"));
    }
    return entries;
}

static void entries_free(struct entries *entries)
{
    for (size_t i = 0; i < entries->count; i++)
        free(entries->items[i].values);
    free(entries->items);
}

/* ---- expanding --------------------------------------------------------- */

/* Combinations of the lists; 0 without lists, SIZE_MAX: too many. */
static size_t product(const struct work *work)
{
    size_t count = work->matrix->own_count > 0;

    for (size_t k = 0; k < work->matrix->own_count; k++) {
        count *= work->axes[k].count;
        if (count > PLAN_TASKS_MAX)
            return SIZE_MAX;
    }
    return count;
}

static void fill_combination(const struct work *work, size_t number,
                             const char **cell)
{
    for (size_t k = work->matrix->own_count; k > 0; k--) {
        const struct axis *axis = &work->axes[k - 1];

        cell[k - 1] = axis->values[number % axis->count];
        number /= axis->count;
    }
}

/* Whether the entry contradicts none of the cell's own values. */
static bool fits(const struct matrix *matrix, const struct entry *entry,
                 const char *const *cell)
{
    for (size_t k = 0; k < matrix->own_count; k++) {
        if (entry->values[k] && strcmp(entry->values[k], cell[k]))
            return false;
    }
    return true;
}

static bool is_excluded(const struct work *work, const char *const *cell)
{
    for (size_t i = 0; i < work->exclude.count; i++) {
        if (fits(work->matrix, &work->exclude.items[i], cell))
            return true;
    }
    return false;
}

static void add_values(const struct matrix *matrix, const struct entry *entry,
                       const char **cell)
{
    for (size_t k = 0; k < matrix->key_count; k++) {
        if (entry->values[k])
            cell[k] = entry->values[k];
    }
}

static void include_entry(struct matrix *matrix, const struct entry *entry,
                          size_t original)
{
    bool added = false;

    for (size_t c = 0; c < original; c++) {
        const char **cell = matrix->cells + c * matrix->key_count;

        if (!fits(matrix, entry, cell))
            continue;
        add_values(matrix, entry, cell);
        added = true;
    }
    if (!added)
        add_values(matrix, entry,
                   matrix->cells + matrix->count++ * matrix->key_count);
}

/* No factor is large enough for an overflow. */
static bool is_too_large(const struct work *work, size_t all)
{
    size_t keys = work->matrix->key_count;
    size_t entries = work->exclude.count + work->include.count;

    return all == SIZE_MAX || all + work->include.count > PLAN_TASKS_MAX ||
           (all + work->include.count) * keys * sizeof(char *) >
               MATRIX_BYTES_MAX ||
           all * keys * entries > COMPARISONS_MAX;
}

static int expand(struct work *work, const struct yaml_node *node)
{
    struct matrix *matrix = work->matrix;
    size_t all = product(work);
    size_t width = matrix->key_count * sizeof(char *);
    size_t original;

    if (is_too_large(work, all)) {
        reader_problem(work->reader, node, work->place, NULL,
                       "the matrix is too large: at most %d tasks, fewer with "
                       "many keys and entries",
                       PLAN_TASKS_MAX);
        return -1;
    }
    matrix->cells = mem_array(all + work->include.count, width);
    for (size_t number = 0; number < all; number++) {
        const char **cell = matrix->cells + matrix->count * matrix->key_count;

        fill_combination(work, number, cell);
        matrix->count += !is_excluded(work, cell);
    }
    original = matrix->count;
    /* The last one that was left out is not blank. */
    if (original < all + work->include.count)
        memset(matrix->cells + original * matrix->key_count, 0, width);
    for (size_t i = 0; i < work->include.count; i++)
        include_entry(matrix, &work->include.items[i], original);
    if (matrix->count)
        return 0;
    reader_problem(work->reader, node, work->place, NULL,
                   "the matrix leaves no task");
    return -1;
}

static int read_lists(struct work *work, const struct yaml_node *node)
{
    struct reader *reader = work->reader;
    size_t before = reader->found;

    if (node->kind != YAML_MAP) {
        reader_expected(reader, node, work->place, NULL, "a map of lists");
        return -1;
    }
    for (size_t i = 0; i < node->count; i++) {
        if (!is_special(node->keys[i]->text))
            read_axis(work, node->keys[i], node->items[i]);
    }
    work->matrix->own_count = work->matrix->key_count;
    work->exclude = read_entries(work, node, "exclude");
    work->include = read_entries(work, node, "include");
    return reader->found == before ? 0 : -1;
}

int matrix_read(struct reader *reader, const struct yaml_node *node,
                const struct yaml_place *place, struct matrix *matrix)
{
    CLEANUP(mem_free) struct work *work = NULL;
    int status;

    *matrix = (struct matrix){0};
    if (!node) {
        matrix->count = 1;
        return 0;
    }
    work = mem_alloc(sizeof(*work));
    work->reader = reader;
    work->place = place;
    work->matrix = matrix;
    status = read_lists(work, node);
    if (!status)
        status = expand(work, node);
    matrix->keys =
        arena_array(reader->arena, matrix->key_count, sizeof(*matrix->keys));
    if (matrix->key_count)
        memcpy(matrix->keys, work->keys,
               matrix->key_count * sizeof(*matrix->keys));
    entries_free(&work->exclude);
    entries_free(&work->include);
    return status;
}

void matrix_free(struct matrix *matrix)
{
    free(matrix->cells);
    *matrix = (struct matrix){0};
}

/* In one line, shortened: it becomes part of names. */
static void add_shown(struct buffer *out, const char *value)
{
    size_t length = strlen(value);
    size_t shown = length;

    if (length > SHOWN_VALUE_MAX)
        shown = utf8_floor(value, length, SHOWN_VALUE_MAX);
    for (size_t i = 0; i < shown; i++)
        buffer_add_byte(out, strchr("\n\t", value[i]) ? ' ' : value[i]);
    if (shown < length)
        buffer_add_string(out, "...");
}

const char *matrix_cell(const struct matrix *matrix, size_t cell,
                        struct arena *arena)
{
    struct buffer text;
    const char *copy;
    bool first = true;

    buffer_init(&text, CELL_NAME_MAX);
    for (size_t k = 0; k < matrix->key_count; k++) {
        const char *value = matrix->cells[cell * matrix->key_count + k];

        if (!value)
            continue;
        buffer_add_string(&text, first ? "" : ", ");
        add_shown(&text, value);
        first = false;
    }
    copy = arena_string(arena, text.data);
    buffer_free(&text);
    return copy;
}
