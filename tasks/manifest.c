#include "tasks/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/secret.h"
#include "base/utf8.h"
#include "tasks/manifest_expand.h"
#include "tasks/manifest_read.h"
#include "tasks/manifest_rules.h"
#include "tasks/manifest_template.h"
#include "tasks/manifest_values.h"
#include "tasks/suggest.h"

#define OPENAI_URL "https://api.openai.com/v1"
#define OPENAI_KEY "OPENAI_API_KEY"
#define OPENAI_MODEL "gpt-5.5"
#define SCRIPTED_MODEL "scripted"
#define NAME_BYTES_MAX 200

/* ---- model ------------------------------------------------------------- */

static const struct yaml_place model_place = {NULL, "model", 0};

/* A key that the provider needs, or must not have. */
static void model_problem(struct reader *reader, const struct yaml_node *model,
                          const char *key, const char *text)
{
    struct yaml_place place = {&model_place, key, 0};
    const struct yaml_node *node = yaml_get(model, key);

    reader_problem(reader, node ? node : model, &place, NULL, "%s", text);
}

static void refuse_keys(struct reader *reader, const struct yaml_node *model,
                        const char *const *keys, const char *text)
{
    for (; *keys; keys++) {
        if (yaml_get(model, *keys))
            model_problem(reader, model, *keys, text);
    }
}

static void check_script(struct reader *reader, const struct yaml_node *node,
                         const char *directory, struct model_settings *model)
{
    struct stat info;
    CLEANUP(fd_close) int fd = -1;

    if (!model->script) {
        if (!yaml_get(node, "script"))
            model_problem(reader, node, "script",
                          "the provider \"scripted\" needs a script");
        return;
    }
    model->script = path_join(reader->arena, directory, model->script);
    fd = open(model->script, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &info))
        model_problem(reader, node, "script",
                      arena_format(reader->arena, "cannot read the script: %s",
                                   strerrordesc_np(errno)));
    else if (!S_ISREG(info.st_mode))
        model_problem(reader, node, "script",
                      "cannot read the script: not a regular file");
}

static const char *or_default(const char *text, const char *otherwise)
{
    return text ? text : otherwise;
}

static void finish_compatible(struct reader *reader,
                              const struct yaml_node *node)
{
    static const char *const needed[] = {"name", "base_url"};

    for (size_t i = 0; i < ARRAY_LENGTH(needed); i++) {
        if (!yaml_get(node, needed[i]))
            model_problem(reader, node, needed[i],
                          "the provider \"compatible\" needs it");
    }
}

/* What depends on the provider. `node` may be NULL: nothing was written. */
static void finish_model(struct reader *reader, const struct yaml_node *node,
                         const char *directory, struct model_settings *model)
{
    static const char *const hosted[] = {"name", "base_url", "key_env", NULL};
    static const char *const scripted[] = {"script", NULL};

    if (model->provider == MODEL_SCRIPTED) {
        refuse_keys(reader, node, hosted,
                    "has no meaning with the provider \"scripted\"");
        check_script(reader, node, directory, model);
        model->name = SCRIPTED_MODEL;
        model->base_url = "";
        model->key_env = NULL;
        return;
    }
    refuse_keys(reader, node, scripted,
                "has a meaning only with the provider \"scripted\"");
    if (model->provider == MODEL_COMPATIBLE) {
        finish_compatible(reader, node);
    } else {
        model->name = or_default(model->name, OPENAI_MODEL);
        model->base_url = or_default(model->base_url, OPENAI_URL);
        model->key_env = or_default(model->key_env, OPENAI_KEY);
    }
    if (model->base_url) {
        char *url = arena_string(reader->arena, model->base_url);
        size_t length = strlen(url);

        while (length && url[length - 1] == '/')
            url[--length] = '\0';
        model->base_url = url;
    }
}

/* ---- params ------------------------------------------------------------ */

static const struct yaml_place params_place = {NULL, "params", 0};

static void check_variables(struct reader *reader, const struct yaml_node *node)
{
    for (size_t i = 0; node && i < node->count; i++) {
        struct yaml_place place = {&params_place, NULL, 0};

        if (node->kind != YAML_MAP)
            return;
        place.key = node->keys[i]->text;
        for (size_t j = 0; j < i && j < MANIFEST_NAMES_MAX; j++) {
            const char *other = node->keys[j]->text;

            /* The same key twice has been told. */
            if (!strcmp(other, place.key) || rule_name(other) ||
                !template_same_variable(other, place.key))
                continue;
            reader_problem(reader, node->keys[i], &place, NULL,
                           "\"%s\" and \"%s\" would be the same variable",
                           other, place.key);
            break;
        }
    }
}

static const char *value_fault(struct reader *reader, const char *value)
{
    size_t length = strlen(value);
    const char *kind;

    if (length > MANIFEST_VALUE_MAX)
        return arena_format(reader->arena, "expected at most %d bytes, got %zu",
                            MANIFEST_VALUE_MAX, length);
    if (text_find_control(value, length) != TEXT_IS_CLEAN)
        return "control character, or no UTF-8";
    if (secret_find((struct span){value, length}, &kind).data)
        return arena_format(reader->arena,
                            "looks like a %s: name a variable instead", kind);
    return NULL;
}

static void override_param(struct reader *reader, struct environment *params,
                           const char *name, const char *value)
{
    struct yaml_place place = {&params_place, name, 0};
    CLEANUP(mem_free)
    const char **known = mem_array(params->count, sizeof(*known));
    const char *fault = value_fault(reader, value);

    if (fault) {
        reader_problem(reader, NULL, &place, NULL, "-p: %s", fault);
        return;
    }
    for (size_t i = 0; i < params->count; i++) {
        known[i] = params->items[i].name;
        if (strcmp(known[i], name))
            continue;
        params->items[i].value = arena_string(reader->arena, value);
        return;
    }
    reader_problem(
        reader, NULL, &place,
        did_you_mean(reader->arena, suggest(name, known, params->count)),
        "-p: the manifest has no such parameter");
}

/* ---- the whole --------------------------------------------------------- */

/* The manifest's folder, as an absolute path. */
static char *directory_of(struct arena *arena, const char *path)
{
    CLEANUP(mem_free) char *folder = mem_string(path);
    CLEANUP(mem_free) char *real = NULL;
    CLEANUP(mem_free) char *current = NULL;
    char *slash = strrchr(folder, '/');

    if (slash)
        slash[slash == folder] = '\0';
    real = realpath(slash ? folder : ".", NULL);
    if (real)
        return arena_string(arena, real);
    current = getcwd(NULL, 0);
    return path_join(arena, current ? current : "/", slash ? folder : ".");
}

/* The file's name without folder and ending. */
static const char *default_name(struct arena *arena, const char *path)
{
    static const char *const endings[] = {".yaml", ".yml"};
    const char *slash = strrchr(path, '/');
    char *name = arena_string(arena, slash ? slash + 1 : path);
    size_t length = strlen(name);

    for (size_t i = 0; i < ARRAY_LENGTH(endings); i++) {
        size_t ending = strlen(endings[i]);

        if (length > ending && !strcmp(name + length - ending, endings[i]))
            length -= ending;
        name[length] = '\0';
    }
    if (!length || text_find_control(name, length) != TEXT_IS_CLEAN ||
        strchr(name, '\n'))
        return "manifest";
    if (length > NAME_BYTES_MAX)
        name[utf8_floor(name, length, NAME_BYTES_MAX)] = '\0';
    return name;
}

/* What a task inherits as prompt gives way to either form of its own. */
static void drop_inherited_prompt(struct task_source *source,
                                  const struct yaml_node *node)
{
    if (!yaml_get(node, "prompt") && !yaml_get(node, "prompt_file"))
        return;
    source->prompt = (struct source_text){0};
    source->prompt_file = (struct source_text){0};
}

static bool check_tasks(struct reader *reader, const struct yaml_node *tasks,
                        const struct yaml_place *place)
{
    if (!tasks)
        return false;
    if (tasks->kind != YAML_LIST) {
        reader_expected(reader, tasks, place, NULL, "a list of tasks");
        return false;
    }
    if (!tasks->count)
        reader_problem(reader, tasks, place, NULL, "there is no task");
    return tasks->count > 0;
}

static void read_tasks(struct expansion *expansion,
                       const struct manifest_source *manifest)
{
    static const struct yaml_place tasks_place = {NULL, "tasks", 0};
    struct reader *reader = expansion->reader;
    const struct yaml_node *tasks = manifest->tasks;

    if (!check_tasks(reader, tasks, &tasks_place))
        return;
    expansion->written = tasks->count;
    for (size_t i = 0; i < tasks->count; i++) {
        struct task_source source = manifest->defaults;
        struct yaml_place place = {&tasks_place, NULL, i};
        const struct yaml_node *node = tasks->items[i];

        drop_inherited_prompt(&source, node);
        read_block(reader, &task_block, node, &place, false, &source);
        if (node->kind == YAML_MAP && expand_task(expansion, &source, node, i))
            return;
    }
    expand_check_ids(expansion);
}

static void read_params(struct reader *reader, struct manifest_source *manifest,
                        const struct yaml_node *root,
                        const struct params *params)
{
    check_variables(reader, yaml_get(root, "params"));
    for (size_t i = 0; params && i < params->count; i++)
        override_param(reader, &manifest->params, params->names[i],
                       params->values[i]);
}

static void read_manifest(struct plan *plan, struct reader *reader,
                          const struct yaml_tree *tree,
                          const struct params *params)
{
    const struct yaml_node *root = tree->root;
    struct arena *arena = reader->arena;
    struct manifest_source *manifest = arena_alloc(arena, sizeof(*manifest));
    struct expansion expansion = {
        .reader = reader,
        .plan = plan,
        .directory = directory_of(arena, reader->file),
        .params = &manifest->params,
        .model = &manifest->model,
        .defaults = &manifest->defaults,
        .first = plan->count,
    };

    read_secrets(reader, tree);
    read_fallbacks(reader, &manifest_block, manifest);
    read_block(reader, &manifest_block, root, NULL, false, manifest);
    finish_model(reader, yaml_get(root, "model"), expansion.directory,
                 &manifest->model);
    read_params(reader, manifest, root, params);
    if (!manifest->name)
        manifest->name = default_name(arena, reader->file);
    expansion.suite = manifest->name;
    read_tasks(&expansion, manifest);
    expansion_free(&expansion);
    if (!plan->manifests++) {
        plan->name = manifest->name;
        plan->run = manifest->run;
    }
}

int manifest_parse(struct plan *plan, const char *path, struct span text,
                   const struct params *params, struct problems *problems)
{
    static const struct yaml_limits limits = {
        MANIFEST_DEPTH_MAX, MANIFEST_NODES_MAX, MANIFEST_EXPANDED_MAX};
    struct reader reader = {.arena = &plan->arena,
                            .file = arena_string(&plan->arena, path),
                            .problems = problems};
    size_t first = problems->count;
    struct yaml_tree tree;

    if (text.length > MANIFEST_BYTES_MAX) {
        reader_problem(&reader, NULL, NULL, NULL, "larger than %zu bytes",
                       MANIFEST_BYTES_MAX);
        return -1;
    }
    yaml_read(&tree, text, &limits);
    reader_faults(&reader, &tree);
    if (tree.root && tree.root->kind == YAML_MAP)
        read_manifest(plan, &reader, &tree, params);
    else if (tree.root)
        reader_expected(&reader, tree.root, NULL, NULL,
                        "a map with the keys \"version\" and \"tasks\"");
    yaml_free(&tree);
    problems_sort(problems, first);
    return reader.found ? -1 : 0;
}

int manifest_load(struct plan *plan, const char *path,
                  const struct params *params, struct problems *problems)
{
    struct reader reader = {
        .arena = &plan->arena, .file = path, .problems = problems};
    struct buffer text;
    struct error err;
    int status = -1;

    buffer_init(&text, MANIFEST_BYTES_MAX);
    if (file_read(AT_FDCWD, path, &text, &err)) {
        size_t length = strlen(path);
        bool named = !strncmp(err.text, path, length) &&
                     !strncmp(err.text + length, ": ", 2);

        reader_problem(&reader, NULL, NULL, NULL, "%s",
                       named ? err.text + length + 2 : err.text);
    } else {
        status =
            manifest_parse(plan, path, buffer_span(&text), params, problems);
    }
    buffer_free(&text);
    return status;
}
