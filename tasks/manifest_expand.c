#include "tasks/manifest_expand.h"

#include <ctype.h>
#include <inttypes.h>

#include "base/memory.h"
#include "base/secret.h"
#include "tasks/manifest_matrix.h"
#include "tasks/manifest_rules.h"
#include "tasks/manifest_template.h"
#include "tasks/suggest.h"

#define KNOWN_SHOWN_MAX 12
#define HINT_BYTES_MAX 2000

struct work;

/* A text of a task that may hold templates. */
struct slot {
    const char *key;
    struct source_text source; /* as written, or a file's text */
    bool inherited;            /* written under `defaults` */
    bool failed;               /* told once: not again for each cell */
    const char *shared;        /* the result, when all cells have the same */
    size_t maximum;            /* bytes of the result */
    const char *(*rule)(const char *text);
    const char *(*finish)(struct work *work, const char *text);
};

enum {
    SLOT_REPO,
    SLOT_REF,
    SLOT_DIRECTORY,
    SLOT_PROMPT,
    SLOT_INSTRUCTIONS,
    SLOT_ID,
    SLOT_OUTPUT_SCHEMA,
    SLOTS
};

/* One item of `tasks`. */
struct work {
    struct expansion *expansion;
    struct reader *reader;
    const struct task_source *source;
    const struct yaml_node *node;
    size_t number;
    struct matrix matrix;
    struct slot slots[SLOTS];
    /* Matrix keys, params, task.id: names in templates, variables, values of
     * the cell at hand. */
    const char **names;
    const char **variables;
    const char **values;
    size_t name_count;
    const char *cell; /* the cell's name */
};

static const struct yaml_place tasks_place = {NULL, "tasks", 0};
static const struct yaml_place defaults_place = {NULL, "defaults", 0};

static void slot_problem(struct work *work, struct slot *slot, const char *hint,
                         const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* At the slot's node, or at the task if nothing was written. */
static void slot_problem(struct work *work, struct slot *slot, const char *hint,
                         const char *format, ...)
{
    struct yaml_place task = {&tasks_place, NULL, work->number};
    struct yaml_place place = {slot->inherited ? &defaults_place : &task,
                               slot->key, 0};
    CLEANUP(mem_free) char *text = NULL;
    va_list arguments;

    slot->failed = true;
    va_start(arguments, format);
    text = mem_vformat(format, arguments);
    va_end(arguments);
    reader_problem(work->reader,
                   slot->source.node ? slot->source.node : work->node, &place,
                   hint, "%s", text);
}

static void slot_expected(struct work *work, struct slot *slot,
                          const char *expected, const char *got)
{
    struct buffer shown;

    buffer_init(&shown, HINT_BYTES_MAX);
    yaml_show(&shown, got, strlen(got));
    slot_problem(work, slot, NULL, "expected %s, got %s", expected, shown.data);
    buffer_free(&shown);
}

/* ---- what becomes of the texts ----------------------------------------- */

static const char *finish_repo(struct work *work, const char *text)
{
    if (!repo_is_path(text))
        return text;
    return path_join(work->reader->arena, work->expansion->directory, text);
}

static const char *finish_directory(struct work *work, const char *text)
{
    const char *path = path_join(work->reader->arena, "", text);

    return path[1] ? path + 1 : ".";
}

static const char *rule_not_blank(const char *text)
{
    return text[strspn(text, " \t\n")] ? NULL : "a text that is not blank";
}

static const char *current_repo(struct work *work, struct slot *slot)
{
    struct expansion *expansion = work->expansion;

    if (!expansion->current_repo)
        expansion->current_repo =
            work_tree_of(work->reader->arena, expansion->directory);
    if (*expansion->current_repo)
        return expansion->current_repo;
    slot_problem(work, slot, "name a repository with \"repo\"",
                 "the manifest is in no git work tree");
    return NULL;
}

/* ---- templates --------------------------------------------------------- */

/* What may be written instead of an unknown name. */
static char *name_hint(const struct template_scope *scope, const char *name)
{
    const char *near = suggest(name, scope->names, scope->count);
    struct buffer hint;

    if (near)
        return mem_format("did you mean \"%s\"?", near);
    if (!scope->count)
        return mem_string("there is no matrix and there are no params");
    buffer_init(&hint, HINT_BYTES_MAX);
    buffer_add_string(&hint, "known here: ");
    for (size_t i = 0; i < scope->count && i < KNOWN_SHOWN_MAX; i++)
        buffer_addf(&hint, "%s%s", i ? ", " : "", scope->names[i]);
    if (scope->count > KNOWN_SHOWN_MAX)
        buffer_add_string(&hint, ", ...");
    return buffer_steal(&hint);
}

static void template_problem(struct work *work, struct slot *slot,
                             const struct template_scope *scope,
                             enum template_status status, const char *name)
{
    CLEANUP(mem_free) char *hint = NULL;
    struct buffer shown;

    buffer_init(&shown, HINT_BYTES_MAX);
    yaml_show(&shown, name, strlen(name));
    if (status == TEMPLATE_OPEN) {
        slot_problem(work, slot,
                     "to write \"{{\" itself, put it into a parameter",
                     "\"{{\" without \"}}\"");
    } else if (status == TEMPLATE_UNKNOWN) {
        hint = name_hint(scope, name);
        slot_problem(work, slot, hint, "unknown name %s in a template",
                     shown.data);
    } else if (status == TEMPLATE_UNSET) {
        slot_problem(work, slot, "give it one in every entry of include",
                     "%s has no value in the cell \"%s\"", shown.data,
                     work->cell);
    } else {
        slot_problem(work, slot, NULL,
                     "longer than %zu bytes with its templates expanded",
                     slot->maximum);
    }
    buffer_free(&shown);
}

/* The text with its templates expanded, in the arena; NULL after a problem. */
static const char *expand_text(struct work *work, struct slot *slot)
{
    /* task.id, the last name, is not there yet while the id is made. */
    struct template_scope scope = {work->names, work->values,
                                   work->name_count -
                                       (slot == &work->slots[SLOT_ID])};
    char name[TEMPLATE_NAME_MAX];
    enum template_status status;
    struct buffer out;
    const char *text = NULL;

    buffer_init(&out, slot->maximum);
    status = template_expand(slot->source.text, &scope, &out, name);
    if (status == TEMPLATE_GOOD) {
        text = arena_bytes(work->reader->arena, out.data, out.length);
        work->expansion->bytes += out.length;
    } else {
        template_problem(work, slot, &scope, status, name);
    }
    buffer_free(&out);
    return text;
}

/* The slot's text for the cell at hand; NULL: not set, or after a problem. */
static const char *resolve(struct work *work, struct slot *slot)
{
    const char *text = slot->source.text;
    const char *expected;
    const char *kind;
    bool shared;

    if (slot->failed || slot->shared || !text)
        return slot->failed ? NULL : slot->shared;
    shared = !template_has(text);
    if (!shared)
        text = expand_text(work, slot);
    if (!text)
        return NULL;
    expected = slot->rule ? slot->rule(text) : NULL;
    if (expected) {
        slot_expected(work, slot, expected, text);
        return NULL;
    }
    if (!shared && secret_find((struct span){text, strlen(text)}, &kind).data) {
        slot_problem(work, slot, NULL, "looks like a %s once expanded", kind);
        return NULL;
    }
    if (slot->finish)
        text = slot->finish(work, text);
    if (shared)
        slot->shared = text;
    return text;
}

/* ---- preparing --------------------------------------------------------- */

static void set_slot(struct work *work, int index, struct slot slot)
{
    const struct task_source *defaults = work->expansion->defaults;
    const struct source_text inheritable[] = {
        defaults->repo,         defaults->ref,         defaults->directory,
        defaults->prompt,       defaults->prompt_file, defaults->instructions,
        defaults->output_schema};

    for (size_t i = 0; slot.source.node && i < ARRAY_LENGTH(inheritable); i++)
        slot.inherited |= inheritable[i].node == slot.source.node;
    slot.failed = slot.source.node && !slot.source.text;
    work->slots[index] = slot;
}

/* A file's text in the place of its name. */
static struct named_file *read_named(struct work *work, struct slot *slot)
{
    struct expansion *expansion = work->expansion;
    struct named_file *file =
        named_file_read(&expansion->files, work->reader->arena,
                        expansion->directory, slot->source.text);
    struct buffer shown;

    if (!file->fault)
        return file;
    buffer_init(&shown, HINT_BYTES_MAX);
    yaml_show(&shown, slot->source.text, strlen(slot->source.text));
    slot_problem(work, slot, NULL, "cannot use the file %s: %s", shown.data,
                 file->fault);
    buffer_free(&shown);
    return NULL;
}

static void set_prompt(struct work *work)
{
    const struct task_source *source = work->source;
    bool from_file = source->prompt_file.node;
    struct slot *slot = &work->slots[SLOT_PROMPT];
    struct named_file *file;

    set_slot(work, SLOT_PROMPT,
             (struct slot){.key = from_file ? "prompt_file" : "prompt",
                           .source =
                               from_file ? source->prompt_file : source->prompt,
                           .rule = rule_not_blank,
                           .maximum = MANIFEST_TEXT_MAX});
    if (!slot->source.node)
        slot_problem(work, slot, NULL,
                     "\"prompt\" or \"prompt_file\" is required");
    if (!from_file || slot->failed)
        return;
    file = read_named(work, slot);
    slot->source.text = file ? file->text : NULL;
}

static void set_slots(struct work *work)
{
    const struct task_source *source = work->source;

    set_slot(work, SLOT_REPO,
             (struct slot){.key = "repo",
                           .source = source->repo,
                           .rule = rule_repo,
                           .finish = finish_repo,
                           .maximum = 4000});
    set_slot(work, SLOT_REF,
             (struct slot){.key = "ref",
                           .source = source->ref,
                           .rule = rule_ref,
                           .maximum = 1000});
    set_slot(work, SLOT_DIRECTORY,
             (struct slot){.key = "directory",
                           .source = source->directory,
                           .rule = rule_directory,
                           .finish = finish_directory,
                           .maximum = 4000});
    set_slot(work, SLOT_INSTRUCTIONS,
             (struct slot){.key = "instructions",
                           .source = source->instructions,
                           .rule = rule_not_blank,
                           .maximum = MANIFEST_TEXT_MAX});
    set_slot(work, SLOT_ID,
             (struct slot){.key = "id",
                           .source = source->id,
                           .rule = rule_id,
                           .maximum = 4000});
    set_prompt(work);
}

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
    size_t most = work->matrix.key_count + params->count + 1;

    work->names = mem_array(most, sizeof(*work->names));
    work->variables = mem_array(most, sizeof(*work->variables));
    work->values = mem_array(most, sizeof(*work->values));
    for (size_t i = 0; i < work->matrix.key_count; i++)
        add_name(work, "matrix", work->matrix.keys[i], NULL);
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

    set_slot(work, SLOT_OUTPUT_SCHEMA,
             (struct slot){.key = "output_schema",
                           .source = work->source->output_schema});
    if (slot->source.text)
        file = read_named(work, slot);
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
    struct environment variables = {0};

    variables.items = arena_array(work->reader->arena, work->name_count,
                                  sizeof(*variables.items));
    for (size_t i = 0; i < work->name_count; i++) {
        if (work->values[i])
            variables.items[variables.count++] = (struct environment_variable){
                work->variables[i], work->values[i]};
    }
    return variables;
}

static void fill_task(struct work *work, struct task *task)
{
    struct slot *slots = work->slots;
    const char **task_id = &work->values[work->name_count - 1];

    *task_id = NULL;
    if (!slots[SLOT_ID].failed)
        *task_id = slots[SLOT_ID].source.node ? resolve(work, &slots[SLOT_ID])
                                              : made_id(work);
    task->id = *task_id;
    /* So that an id that could not be made is not told again for each use. */
    if (!task->id)
        *task_id = "";
    task->matrix_cell = work->cell;
    task->repo = slots[SLOT_REPO].source.node || slots[SLOT_REPO].failed
                     ? resolve(work, &slots[SLOT_REPO])
                     : current_repo(work, &slots[SLOT_REPO]);
    task->ref = resolve(work, &slots[SLOT_REF]);
    task->directory = resolve(work, &slots[SLOT_DIRECTORY]);
    task->prompt = resolve(work, &slots[SLOT_PROMPT]);
    task->instructions = resolve(work, &slots[SLOT_INSTRUCTIONS]);
    task->variables = make_variables(work);
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

static int expand_cells(struct work *work)
{
    struct task common = common_task(work);
    struct matrix *matrix = &work->matrix;

    for (size_t cell = 0; cell < matrix->count; cell++) {
        struct task *task = plan_add(work->expansion->plan);

        if (check_limits(work, task))
            return -1;
        for (size_t k = 0; k < matrix->key_count; k++)
            work->values[k] = matrix->cells[cell * matrix->key_count + k];
        work->cell = matrix_cell(matrix, cell, work->reader->arena);
        *task = common;
        fill_task(work, task);
        keep_origin(work, task->id != NULL);
    }
    return 0;
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

    if (!matrix_read(work.reader, source->matrix, &matrix_place,
                     &work.matrix)) {
        set_slots(&work);
        add_names(&work);
        status = expand_cells(&work);
    }
    free(work.names);
    free(work.variables);
    free(work.values);
    matrix_free(&work.matrix);
    return status;
}

void expansion_free(struct expansion *expansion)
{
    named_files_free(&expansion->files);
    free(expansion->origins);
}
