#include <ctype.h>
#include <inttypes.h>

#include "base/memory.h"
#include "base/secret.h"
#include "tasks/expand_work.h"
#include "tasks/manifest_rules.h"
#include "tasks/manifest_template.h"
#include "tasks/suggest.h"

#define KNOWN_SHOWN_MAX 12
#define HINT_BYTES_MAX 2000

static const struct yaml_place tasks_place = {NULL, "tasks", 0};
static const struct yaml_place defaults_place = {NULL, "defaults", 0};

void slot_problem(struct work *work, struct slot *slot, const char *hint,
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

const char *slot_current_repo(struct work *work, struct slot *slot)
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
    } else if (status == TEMPLATE_UNSET && !strncmp(name, "item.", 5) &&
               !records_value(&work->records, work->row, name + 5)) {
        slot_problem(work, slot, "give it one, or leave the name out",
                     "%s has no value in the record \"%s\"", shown.data,
                     work->cell);
    } else if (status == TEMPLATE_UNSET && !strncmp(name, "item.", 5)) {
        slot_problem(work, slot,
                     "only the prompt may name what is long or has several "
                     "lines",
                     "%s has no value that fits here, of \"%s\"", shown.data,
                     work->cell);
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

    if (slot == &work->slots[SLOT_PROMPT])
        scope.values = work->shown;
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

/* With '-' for each run of other characters. */
static const char *id_of(const struct work *work, const char *text)
{
    char *id = arena_string(work->reader->arena, text);
    size_t length = 0;

    for (size_t i = 0; id[i]; i++) {
        bool good = isalnum((unsigned char)id[i]) || strchr("._-", id[i]);

        if (good)
            id[length++] = id[i];
        else if (length && id[length - 1] != '-')
            id[length++] = '-';
    }
    while (length && id[length - 1] == '-')
        length--;
    id[length] = '\0';
    return id;
}

const char *slot_resolve(struct work *work, struct slot *slot)
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
    /* What an id may not hold comes from elsewhere. */
    if (slot == &work->slots[SLOT_ID] && !shared)
        text = id_of(work, text);
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

void slot_set(struct work *work, int index, struct slot slot)
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

struct named_file *slot_read_named(struct work *work, struct slot *slot)
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

    slot_set(work, SLOT_PROMPT,
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
    file = slot_read_named(work, slot);
    slot->source.text = file ? file->text : NULL;
}

void slots_set(struct work *work)
{
    const struct task_source *source = work->source;

    slot_set(work, SLOT_REPO,
             (struct slot){.key = "repo",
                           .source = source->repo,
                           .rule = rule_repo,
                           .finish = finish_repo,
                           .maximum = 4000});
    slot_set(work, SLOT_REF,
             (struct slot){.key = "ref",
                           .source = source->ref,
                           .rule = rule_ref,
                           .maximum = 1000});
    slot_set(work, SLOT_DIRECTORY,
             (struct slot){.key = "directory",
                           .source = source->directory,
                           .rule = rule_directory,
                           .finish = finish_directory,
                           .maximum = 4000});
    slot_set(work, SLOT_INSTRUCTIONS,
             (struct slot){.key = "instructions",
                           .source = source->instructions,
                           .rule = rule_not_blank,
                           .maximum = MANIFEST_TEXT_MAX});
    slot_set(work, SLOT_ID,
             (struct slot){.key = "id",
                           .source = source->id,
                           .rule = rule_id,
                           .maximum = 4000});
    set_prompt(work);
}
