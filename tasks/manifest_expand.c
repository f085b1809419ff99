#include "tasks/manifest_expand.h"

#include <ctype.h>

#include "base/memory.h"
#include "tasks/expand_work.h"
#include "tasks/manifest_for.h"
#include "tasks/manifest_template.h"
#include "tasks/manifest_values.h"

#define HINT_BYTES_MAX 2000
/* What of a record may stand within other texts: one line, not long. */
#define INLINE_MAX 200

static const struct yaml_place tasks_place = {NULL, "tasks", 0};

/* "matrix" "a-b" gives the name "matrix.a-b", the variable
 * "NIGHTJAR_MATRIX_A_B". */
static void add_name(struct work *work, const char *kind, const char *name,
                     const char *value)
{
    struct arena *arena = work->reader->arena;
    CLEANUP(mem_free) char *prefix = mem_format("NIGHTJAR_%s_", kind);
    struct buffer variable;

    buffer_init(&variable, HINT_BYTES_MAX);
    for (char *at = prefix; *at; at++)
        *at = (char)toupper((unsigned char)*at);
    template_variable(&variable, prefix, name);
    work->names[work->name_count] = arena_format(arena, "%s.%s", kind, name);
    work->variables[work->name_count] = arena_string(arena, variable.data);
    work->values[work->name_count++] = value;
    buffer_free(&variable);
}

static void add_names(struct work *work)
{
    const struct environment *params = work->expansion->params;
    size_t most =
        work->matrix.key_count + work->records.name_count + params->count + 1;

    work->names = mem_array(most, sizeof(*work->names));
    work->variables = mem_array(most, sizeof(*work->variables));
    work->values = mem_array(most, sizeof(*work->values));
    work->shown = mem_array(most, sizeof(*work->shown));
    for (size_t i = 0; i < work->matrix.key_count; i++)
        add_name(work, "matrix", work->matrix.keys[i], NULL);
    for (size_t i = 0; i < work->records.name_count; i++)
        add_name(work, "item", work->records.names[i], NULL);
    for (size_t i = 0; i < params->count; i++)
        add_name(work, "param", params->items[i].name, params->items[i].value);
    add_name(work, "task", "id", NULL);
}

/* Steps without a timeout of their own have the sandbox's. The list may be
 * the defaults', so it is copied. */
static struct task_steps
with_timeouts(struct arena *arena, struct task_steps steps, int64_t timeout_ms)
{
    struct task_steps own = {NULL, steps.count};
    bool all_set = true;

    for (size_t i = 0; i < steps.count; i++)
        all_set &= steps.items[i].timeout_ms >= 0;
    if (all_set)
        return steps;
    own.items = arena_array(arena, steps.count, sizeof(*own.items));
    for (size_t i = 0; i < steps.count; i++) {
        own.items[i] = steps.items[i];
        if (own.items[i].timeout_ms < 0)
            own.items[i].timeout_ms = timeout_ms;
    }
    return own;
}

static const char *read_output_schema(struct work *work)
{
    struct slot *slot = &work->slots[SLOT_OUTPUT_SCHEMA];
    struct named_file *file = NULL;

    slot_set(work, SLOT_OUTPUT_SCHEMA,
             (struct slot){.key = "output_schema",
                           .source = work->source->output_schema});
    if (slot->source.text)
        file = slot_read_named(work, slot);
    if (!file)
        return NULL;
    named_file_check_json(file, work->reader->arena);
    if (file->json_fault)
        slot_problem(work, slot, NULL, "no JSON Schema: %s", file->json_fault);
    return file->text;
}

/* What is the same in all cells. */
static struct task common_task(struct work *work)
{
    struct arena *arena = work->reader->arena;
    struct task task = work->source->task;
    int64_t timeout_ms = task.sandbox.command_timeout_ms;
    struct yaml_place place = {&tasks_place, NULL, work->number};
    struct yaml_place expect = {&place, "verify_expect", 0};

    task.suite = work->expansion->suite;
    task.file = work->reader->file;
    task.line = work->node->line;
    task.model = work->expansion->model;
    task.setup = with_timeouts(arena, task.setup, timeout_ms);
    task.verify = with_timeouts(arena, task.verify, timeout_ms);
    task.output_schema = read_output_schema(work);
    if (task.verify_expect == VERIFY_FAIL_THEN_PASS && !task.verify.count)
        reader_problem(work->reader, work->node, &expect, NULL,
                       "\"fail_then_pass\" needs a step in \"verify\"");
    return task;
}

/* ---- one cell ---------------------------------------------------------- */

/* Adds "-text" with what no id may hold as '-', never two of them together. */
static void add_id_part(struct buffer *out, const char *text)
{
    bool dash = out->length > 0;

    for (; *text; text++) {
        bool good = isalnum((unsigned char)*text) || *text == '_' ||
                    (*text == '.' && out->length);

        if (good && dash && out->length)
            buffer_add_byte(out, '-');
        if (good)
            buffer_add_byte(out, *text);
        dash = !good;
    }
}

/* The suite, the task's number among several, the cell's values. */
static const char *made_id(struct work *work)
{
    struct slot *slot = &work->slots[SLOT_ID];
    const char *id = NULL;
    struct buffer out;

    buffer_init(&out, TASK_ID_MAX);
    add_id_part(&out, work->expansion->suite);
    if (!out.length)
        buffer_add_string(&out, "task");
    if (work->expansion->written > 1)
        buffer_addf(&out, "-%zu", work->number + 1);
    for (size_t i = 0; i < work->matrix.key_count; i++) {
        if (work->values[i])
            add_id_part(&out, work->values[i]);
    }
    if (work->each)
        add_id_part(&out, for_identity(work));
    if (out.dropped)
        slot_problem(work, slot, "give the task an id",
                     "the id made from name and matrix is longer than %d bytes",
                     TASK_ID_MAX);
    else
        id = arena_string(work->reader->arena, out.data);
    buffer_free(&out);
    return id;
}

static struct environment make_variables(struct work *work)
{
    size_t items = work->matrix.key_count;
    size_t end = items + work->records.name_count;
    struct environment variables = {0};

    variables.items =
        arena_array(work->reader->arena, work->name_count - (end - items),
                    sizeof(*variables.items));
    for (size_t i = 0; i < work->name_count; i++) {
        /* Those of a record are made where its files are. */
        if ((i < items || i >= end) && work->values[i])
            variables.items[variables.count++] = (struct environment_variable){
                work->variables[i], work->values[i]};
    }
    return variables;
}

/* Of a list of repositories, some lines have a ref and some have none. */
static bool has_ref(const struct work *work)
{
    const struct slot *ref = &work->slots[SLOT_REF];

    return ref->source.node || !ref->source.text ||
           records_value(&work->records, work->row, "ref");
}

static struct environment make_record(const struct work *work)
{
    const struct records *records = &work->records;
    struct environment record = {0};

    if (!work->each)
        return record;
    record.items = arena_array(work->reader->arena, records->name_count,
                               sizeof(*record.items));
    for (size_t i = 0; i < records->name_count; i++) {
        const char *value = records_cell(records, work->row, i);

        if (value)
            record.items[record.count++] =
                (struct environment_variable){records->names[i], value};
    }
    return record;
}

static void fill_task(struct work *work, struct task *task)
{
    struct slot *slots = work->slots;
    const char **task_id = &work->values[work->name_count - 1];

    *task_id = NULL;
    if (!slots[SLOT_ID].failed)
        *task_id = slots[SLOT_ID].source.node
                       ? slot_resolve(work, &slots[SLOT_ID])
                       : made_id(work);
    task->id = *task_id;
    work->shown[work->name_count - 1] = *task_id;
    /* So that an id that could not be made is not told again for each use. */
    if (!task->id)
        *task_id = "";
    task->matrix_cell = work->cell;
    task->repo = slots[SLOT_REPO].source.text || slots[SLOT_REPO].failed
                     ? slot_resolve(work, &slots[SLOT_REPO])
                     : slot_current_repo(work, &slots[SLOT_REPO]);
    task->ref = has_ref(work) ? slot_resolve(work, &slots[SLOT_REF]) : NULL;
    task->directory = slot_resolve(work, &slots[SLOT_DIRECTORY]);
    task->prompt = slot_resolve(work, &slots[SLOT_PROMPT]);
    task->instructions = slot_resolve(work, &slots[SLOT_INSTRUCTIONS]);
    task->variables = make_variables(work);
    task->record = make_record(work);
}

static void keep_origin(struct work *work, bool good_id)
{
    struct expansion *expansion = work->expansion;
    size_t count = expansion->plan->count - expansion->first;

    if (count > expansion->origin_capacity) {
        expansion->origin_capacity = count * 2;
        expansion->origins =
            mem_resize(expansion->origins, expansion->origin_capacity,
                       sizeof(*expansion->origins));
    }
    expansion->origins[count - 1] =
        (struct task_origin){good_id ? work->slots[SLOT_ID].source.node
                                           ? work->slots[SLOT_ID].source.node
                                           : work->node
                                     : NULL,
                             work->number};
}

static int check_limits(struct work *work, const struct task *task)
{
    struct expansion *expansion = work->expansion;
    struct yaml_place place = {&tasks_place, NULL, work->number};

    expansion->bytes +=
        sizeof(*task) + work->name_count * sizeof(*task->variables.items);
    if (!task)
        reader_problem(work->reader, work->node, &place, NULL,
                       "more than %d tasks", PLAN_TASKS_MAX);
    else if (expansion->bytes + expansion->files.bytes > PLAN_BYTES_MAX)
        reader_problem(work->reader, work->node, &place,
                       "share texts: put what is the same for all into "
                       "\"instructions\" or the repository",
                       "the tasks need more than %zu bytes", PLAN_BYTES_MAX);
    else
        return 0;
    return -1;
}

/* What may stand within another text as it is. */
static bool is_inline(const char *value)
{
    size_t length = strlen(value);

    return length <= INLINE_MAX && !strchr(value, '\n') &&
           text_find_control(value, length) == TEXT_IS_CLEAN;
}

/* Foreign text is not joined to the prompt: where it is long, its name stands
 * for it, and the record follows as data. */
static void set_record(struct work *work, size_t row)
{
    size_t at = work->matrix.key_count;

    work->row = row;
    for (size_t i = 0; i < work->records.name_count; i++) {
        const char *value = records_cell(&work->records, row, i);

        work->values[at + i] = work->shown[at + i] = value;
        if (!value || is_inline(value))
            continue;
        work->values[at + i] = NULL;
        work->shown[at + i] =
            arena_format(work->reader->arena, "`%s` of the record below",
                         work->records.names[i]);
    }
}

static void set_cell(struct work *work, size_t cell)
{
    struct matrix *matrix = &work->matrix;
    struct arena *arena = work->reader->arena;
    const char *name = matrix_cell(matrix, cell, arena);

    for (size_t k = 0; k < matrix->key_count; k++)
        work->values[k] = matrix->cells[cell * matrix->key_count + k];
    if (work->each)
        name = *name ? arena_format(arena, "%s, %s", for_identity(work), name)
                     : for_identity(work);
    work->cell = name;
}

static int expand_cells(struct work *work)
{
    struct task common = common_task(work);
    size_t rows = work->each ? work->records.count : 1;

    for (size_t i = 0; i < rows * work->matrix.count; i++) {
        struct task *task = plan_add(work->expansion->plan);

        if (check_limits(work, task))
            return -1;
        if (work->each)
            set_record(work, i / work->matrix.count);
        set_cell(work, i % work->matrix.count);
        for (size_t k = 0; k < work->name_count; k++) {
            if (k < work->matrix.key_count ||
                k >= work->matrix.key_count + work->records.name_count)
                work->shown[k] = work->values[k];
        }
        *task = common;
        fill_task(work, task);
        keep_origin(work, task->id != NULL);
    }
    return 0;
}

/* A list of repositories says whose task it is. */
static void set_repository(struct work *work)
{
    struct slot *repo = &work->slots[SLOT_REPO];
    struct slot *ref = &work->slots[SLOT_REF];

    if (!work->each || !work->source->each.repos)
        return;
    if (!repo->source.node)
        repo->source.text = "{{ item.repo }}";
    for (size_t i = 0; i < work->records.count && !ref->source.node; i++) {
        if (records_value(&work->records, i, "ref"))
            ref->source.text = "{{ item.ref }}";
    }
}

int expand_task(struct expansion *expansion, const struct task_source *source,
                const struct yaml_node *node, size_t number)
{
    struct work work = {.expansion = expansion,
                        .reader = expansion->reader,
                        .source = source,
                        .node = node,
                        .number = number};
    struct yaml_place place = {&tasks_place, NULL, number};
    struct yaml_place matrix_place = {&place, "matrix", 0};
    int status = 0;

    slots_set(&work);
    if (!matrix_read(work.reader, source->matrix, &matrix_place,
                     &work.matrix) &&
        !for_read(&work)) {
        set_repository(&work);
        add_names(&work);
        status = expand_cells(&work);
    }
    free(work.names);
    free(work.variables);
    free(work.values);
    free(work.shown);
    matrix_free(&work.matrix);
    records_free(&work.records);
    return status;
}

void expansion_free(struct expansion *expansion)
{
    named_files_free(&expansion->files);
    free(expansion->origins);
}
