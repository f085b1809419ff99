#include "tasks/manifest_problems.h"

#include "base/memory.h"

#define TEXT_BYTES_MAX 4000

static bool same_problem(const struct problem *a, const struct problem *b)
{
    return a->line == b->line && a->column == b->column &&
           !strcmp(a->file, b->file) && !strcmp(a->path, b->path) &&
           !strcmp(a->text, b->text);
}

static void problem_clear(struct problem *problem)
{
    free(problem->file);
    free(problem->path);
    free(problem->text);
    free(problem->hint);
}

/* Takes over the problem's strings. */
static void add(struct reader *reader, struct problem problem)
{
    struct problems *problems = reader->problems;
    bool known = false;

    reader->found++;
    for (size_t i = 0; i < problems->count && !known; i++)
        known = same_problem(&problems->items[i], &problem);
    if (known || problems->count == PROBLEMS_MAX) {
        problems->dropped += !known;
        problem_clear(&problem);
        return;
    }
    if (!problems->items)
        problems->items = mem_array(PROBLEMS_MAX, sizeof(*problems->items));
    problems->items[problems->count++] = problem;
}

static char *path_text(const struct yaml_place *place)
{
    struct buffer path;

    buffer_init(&path, TEXT_BYTES_MAX);
    yaml_place_add(&path, place);
    return buffer_steal(&path);
}

void reader_problem(struct reader *reader, const struct yaml_node *at,
                    const struct yaml_place *place, const char *hint,
                    const char *format, ...)
{
    struct problem problem = {
        .file = mem_string(reader->file),
        .line = at ? at->line : 0,
        .column = at ? at->column : 0,
        .path = path_text(place),
        .hint = hint ? mem_string(hint) : NULL,
    };
    va_list arguments;

    va_start(arguments, format);
    problem.text = mem_vformat(format, arguments);
    va_end(arguments);
    add(reader, problem);
}

static void add_got(struct buffer *out, const struct yaml_node *node)
{
    if (node->kind != YAML_SCALAR) {
        buffer_addf(out, "%s %s", node->count ? "a" : "an empty",
                    node->kind == YAML_LIST ? "list" : "map");
    } else if (!node->length && !node->quoted) {
        buffer_add_string(out, "nothing");
    } else {
        yaml_show(out, node->text, node->length);
    }
}

void reader_expected(struct reader *reader, const struct yaml_node *node,
                     const struct yaml_place *place, const char *hint,
                     const char *expected)
{
    struct buffer got;

    buffer_init(&got, TEXT_BYTES_MAX);
    add_got(&got, node);
    reader_problem(reader, node, place, hint, "expected %s, got %s", expected,
                   got.data);
    buffer_free(&got);
}

void reader_faults(struct reader *reader, const struct yaml_tree *tree)
{
    for (size_t i = 0; i < tree->fault_count; i++) {
        const struct yaml_fault *fault = &tree->faults[i];

        add(reader, (struct problem){
                        .file = mem_string(reader->file),
                        .line = fault->line,
                        .column = fault->column,
                        .path = mem_string(fault->path),
                        .text = mem_string(fault->text),
                        .hint = fault->hint ? mem_string(fault->hint) : NULL,
                    });
    }
}

static int by_place(const void *left, const void *right)
{
    const struct problem *a = left;
    const struct problem *b = right;
    int order = (a->line > b->line) - (a->line < b->line);

    if (!order)
        order = (a->column > b->column) - (a->column < b->column);
    if (!order)
        order = strcmp(a->path, b->path);
    return order ? order : strcmp(a->text, b->text);
}

void problems_sort(struct problems *problems, size_t first)
{
    if (problems->count > first)
        qsort(problems->items + first, problems->count - first,
              sizeof(*problems->items), by_place);
}

const char *did_you_mean(struct arena *arena, const char *word)
{
    return word ? arena_format(arena, "did you mean \"%s\"?", word) : NULL;
}

void problem_format(const struct problem *problem, struct buffer *out)
{
    buffer_add_string(out, problem->file);
    if (problem->line)
        buffer_addf(out, ":%zu:%zu", problem->line, problem->column);
    buffer_addf(out, ": %s%s%s\n", problem->path, *problem->path ? ": " : "",
                problem->text);
    if (problem->hint)
        buffer_addf(out, "  hint: %s\n", problem->hint);
}

void problems_free(struct problems *problems)
{
    for (size_t i = 0; i < problems->count; i++)
        problem_clear(&problems->items[i]);
    free(problems->items);
    *problems = (struct problems){0};
}
