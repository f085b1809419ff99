#include "tasks/manifest_read.h"

#include <assert.h>
#include <inttypes.h>

#include "base/memory.h"
#include "base/secret.h"
#include "base/utf8.h"
#include "tasks/manifest_values.h"

#define STEP_NAME_CHARACTERS 60

/* One value on its way from a node to its target. */
struct value {
    const struct field *field;
    const struct yaml_node *node;
    const struct yaml_place *place;
    void *target; /* NULL: checked and not kept */
    void *base;   /* the struct that holds the target */
};

/* Of a list; -1 after a problem. */
static int check_list(struct reader *reader, const struct value *value,
                      int64_t minimum, int64_t maximum)
{
    int64_t count = (int64_t)value->node->count;

    if (value->node->kind != YAML_LIST) {
        value_unexpected(reader, value->field, value->node, value->place);
        return -1;
    }
    if (count >= minimum && count <= maximum)
        return 0;
    reader_problem(reader, value->node, value->place, NULL,
                   "expected %" PRId64 " to %" PRId64 " items, got %" PRId64,
                   minimum, maximum, count);
    return -1;
}

/* ---- single values ----------------------------------------------------- */

static void read_boolean(struct reader *reader, const struct value *value)
{
    bool truth;

    if (!value_boolean(reader, value->field, value->node, value->place, &truth))
        *(bool *)value->target = truth;
}

static void read_number(struct reader *reader, const struct value *value)
{
    int64_t number;

    if (!value_number(reader, value->field, value->node, value->place,
                      &number) &&
        value->target)
        *(int64_t *)value->target = number;
}

static void read_text(struct reader *reader, const struct value *value)
{
    const char *text =
        value_text(reader, value->field, value->node, value->place);

    if (text)
        *(const char **)value->target = text;
}

static void read_source(struct reader *reader, const struct value *value)
{
    struct source_text *source = value->target;

    source->node = value->node;
    source->text = value_text(reader, value->field, value->node, value->place);
}

static void read_choice(struct reader *reader, const struct value *value)
{
    unsigned index;

    if (!value_name(reader, value->field, value->node, value->place, &index))
        *(const char **)value->target = value->field->names[index];
}

static void read_enum(struct reader *reader, const struct value *value)
{
    unsigned index;

    if (!value_name(reader, value->field, value->node, value->place, &index) &&
        value->target)
        memcpy(value->target, &index, sizeof(index));
}

static void read_node(struct reader *reader, const struct value *value)
{
    (void)reader; /* checked when the tasks are read */
    *(const struct yaml_node **)value->target = value->node;
}

/* ---- lists and maps of single values ----------------------------------- */

static void read_flags(struct reader *reader, const struct value *value)
{
    unsigned flags = 0;

    if (check_list(reader, value, 0, INT64_MAX))
        return;
    for (size_t i = 0; i < value->node->count; i++) {
        struct yaml_place place = {value->place, NULL, i};
        struct field single = *value->field;
        unsigned index;

        single.type = FIELD_ENUM;
        if (value_name(reader, &single, value->node->items[i], &place, &index))
            continue;
        if (flags & 1u << index)
            reader_problem(reader, value->node->items[i], &place, NULL,
                           "\"%s\" stands twice", single.names[index]);
        flags |= 1u << index;
    }
    *(unsigned *)value->target = flags;
}

static void read_texts(struct reader *reader, const struct value *value)
{
    const struct field *field = value->field;
    struct strings strings = {0};

    if (check_list(reader, value, field->minimum_items, field->maximum_items))
        return;
    strings.items =
        arena_array(reader->arena, value->node->count, sizeof(char *));
    for (size_t i = 0; i < value->node->count; i++) {
        struct yaml_place place = {value->place, NULL, i};
        const char *text =
            value_text(reader, field, value->node->items[i], &place);

        if (text)
            strings.items[strings.count++] = text;
    }
    *(struct strings *)value->target = strings;
}

static void read_network(struct reader *reader, const struct value *value)
{
    const struct yaml_node *node = value->node;
    struct network_setting *network = value->target;

    *network = (struct network_setting){.mode = NETWORK_LIST};
    if (node->kind == YAML_LIST) {
        struct value list = *value;

        list.target = &network->hosts;
        read_texts(reader, &list);
        if (!node->count)
            network->mode = NETWORK_NONE;
    } else if (node->kind == YAML_SCALAR && !strcmp(node->text, "none")) {
        network->mode = NETWORK_NONE;
    } else if (node->kind == YAML_SCALAR && !strcmp(node->text, "open")) {
        network->mode = NETWORK_OPEN;
    } else {
        value_unexpected(reader, value->field, node, value->place);
    }
}

static void put_pair(struct environment *pairs, const char *name,
                     const char *text)
{
    size_t i = 0;

    while (i < pairs->count && strcmp(pairs->items[i].name, name))
        i++;
    pairs->items[i] = (struct environment_variable){name, text};
    pairs->count += i == pairs->count;
}

/* Maps are merged: what was there stays unless it is named again. */
static void read_pairs(struct reader *reader, const struct value *value)
{
    const struct yaml_node *node = value->node;
    const struct field *field = value->field;
    struct environment *old = value->target;
    struct environment pairs = {.count = old->count};

    if (node->kind != YAML_MAP) {
        value_unexpected(reader, field, node, value->place);
        return;
    }
    if ((int64_t)node->count > field->maximum_items) {
        reader_problem(reader, node, value->place, NULL,
                       "expected at most %" PRId64 " keys, got %zu",
                       field->maximum_items, node->count);
        return;
    }
    pairs.items = arena_array(reader->arena, old->count + node->count,
                              sizeof(*pairs.items));
    if (old->count)
        memcpy(pairs.items, old->items, old->count * sizeof(*pairs.items));
    for (size_t i = 0; i < node->count; i++) {
        struct yaml_place place = {value->place, node->keys[i]->text, 0};
        const char *expected = field->name_rule(node->keys[i]->text);
        const char *text = value_text(reader, field, node->items[i], &place);

        if (expected)
            reader_expected(reader, node->keys[i], &place, NULL, expected);
        /* A name whose value is wrong is still a known name. */
        put_pair(&pairs, arena_string(reader->arena, node->keys[i]->text),
                 text ? text : "");
    }
    *old = pairs;
}

/* ---- blocks ------------------------------------------------------------ */

static void read_map(struct reader *reader, const struct value *value)
{
    read_block(reader, value->field->block, value->node, value->place,
               value->field->flags & FIELD_DEFAULTS, value->target);
}

/* The first line that is not blank, without blanks around it, shortened. */
static const char *step_name(struct reader *reader, const char *run)
{
    const char *start = run + strspn(run, " \t\n");
    size_t length = strcspn(start, "\n");
    size_t cut = 0;

    while (length && strchr(" \t", start[length - 1]))
        length--;
    for (size_t i = 0; i < STEP_NAME_CHARACTERS && cut < length; i++) {
        uint32_t code;

        cut += utf8_decode(start + cut, length - cut, &code);
    }
    return arena_bytes(reader->arena, start, cut);
}

/* A step that is a text alone is its `run`. */
static struct task_step read_step(struct reader *reader,
                                  const struct yaml_node *node,
                                  const struct yaml_place *place)
{
    struct task_step step = {.timeout_ms = -1};

    if (node->kind == YAML_SCALAR) {
        const struct field *run = block_find(&step_block, "run", false);

        step.run = value_text(reader, run, node, place);
    } else {
        read_block(reader, &step_block, node, place, false, &step);
    }
    if (step.run && !step.run[strspn(step.run, " \t\n")]) {
        reader_expected(reader, node, place, NULL, "a command");
        step.run = NULL;
    }
    return step;
}

static bool name_taken(const struct task_step *steps, size_t count,
                       const char *name, size_t except)
{
    for (size_t i = 0; i < count; i++) {
        if (i != except && steps[i].name && !strcmp(steps[i].name, name))
            return true;
    }
    return false;
}

/* Written names must differ; made ones are made to. */
static void name_steps(struct reader *reader, const struct value *value,
                       struct task_step *steps, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct yaml_place place = {value->place, NULL, i};

        if (steps[i].name && name_taken(steps, i, steps[i].name, i))
            reader_problem(reader, value->node->items[i], &place, NULL,
                           "two steps of this list have the same name");
    }
    for (size_t i = 0; i < count; i++) {
        const char *name;

        if (steps[i].name || !steps[i].run)
            continue;
        name = step_name(reader, steps[i].run);
        steps[i].name = name;
        for (unsigned n = 2; name_taken(steps, count, steps[i].name, i); n++)
            steps[i].name = arena_format(reader->arena, "%s (%u)", name, n);
    }
}

static void read_steps(struct reader *reader, const struct value *value)
{
    size_t count = value->node->count;
    struct task_step *steps;

    if (check_list(reader, value, 0, value->field->maximum))
        return;
    steps = arena_array(reader->arena, count, sizeof(*steps));
    for (size_t i = 0; i < count; i++) {
        struct yaml_place place = {value->place, NULL, i};

        steps[i] = read_step(reader, value->node->items[i], &place);
    }
    name_steps(reader, value, steps, count);
    *(struct task_steps *)value->target = (struct task_steps){steps, count};
}

/* `argv` and `hosts` have a meaning for commands only, `paths` for patches
 * only. */
static void check_rule(struct reader *reader, const struct yaml_node *node,
                       const struct yaml_place *place, enum rule_tool tool)
{
    static const struct {
        const char *key;
        const char *name;
        enum rule_tool tool;
    } own[] = {{"argv", "exec", RULE_TOOL_EXEC},
               {"hosts", "exec", RULE_TOOL_EXEC},
               {"paths", "patch", RULE_TOOL_PATCH}};

    for (size_t i = 0; i < ARRAY_LENGTH(own); i++) {
        const struct yaml_node *item = yaml_get(node, own[i].key);
        struct yaml_place inner = {place, own[i].key, 0};

        if (item && tool != own[i].tool)
            reader_problem(reader, item, &inner, NULL,
                           "only a rule for the tool \"%s\" has %s",
                           own[i].name, own[i].key);
    }
}

static void read_rules(struct reader *reader, const struct value *value)
{
    struct policy *policy = value->base;
    size_t count = value->node->count;
    struct approve_rule *rules;

    if (check_list(reader, value, 0, value->field->maximum))
        return;
    rules = arena_array(reader->arena, count, sizeof(*rules));
    for (size_t i = 0; i < count; i++) {
        const struct yaml_node *item = value->node->items[i];
        struct yaml_place place = {value->place, NULL, i};
        size_t before = reader->found;

        rules[i].line = item->line;
        read_block(reader, value->field->block, item, &place, false, &rules[i]);
        if (reader->found == before)
            check_rule(reader, item, &place, rules[i].tool);
    }
    policy->approve = rules;
    policy->approve_count = count;
}

/* Where the field's value goes; NULL: nowhere. */
static void *target_of(const struct field *field, void *base)
{
    return field->offset == FIELD_NOWHERE ? NULL : (char *)base + field->offset;
}

static void read_value(struct reader *reader, const struct field *field,
                       const struct yaml_node *node,
                       const struct yaml_place *place, void *base)
{
    static void (*const readers[FIELD_TYPES])(struct reader *,
                                              const struct value *) = {
        [FIELD_BOOLEAN] = read_boolean, [FIELD_INTEGER] = read_number,
        [FIELD_COUNT] = read_number,    [FIELD_DURATION] = read_number,
        [FIELD_SIZE] = read_number,     [FIELD_PERCENT] = read_number,
        [FIELD_CORES] = read_number,    [FIELD_NETWORK] = read_network,
        [FIELD_MONEY] = read_number,    [FIELD_TEXT] = read_text,
        [FIELD_SOURCE] = read_source,   [FIELD_CHOICE] = read_choice,
        [FIELD_ENUM] = read_enum,       [FIELD_FLAGS] = read_flags,
        [FIELD_TEXTS] = read_texts,     [FIELD_PAIRS] = read_pairs,
        [FIELD_BLOCK] = read_map,       [FIELD_STEPS] = read_steps,
        [FIELD_RULES] = read_rules,     [FIELD_MATRIX] = read_node,
        [FIELD_TASKS] = read_node,      [FIELD_ITEMS] = read_node,
        [FIELD_ENTRIES] = read_node,
    };
    struct value value = {field, node, place, target_of(field, base), base};

    readers[field->type](reader, &value);
}

static void unknown_key(struct reader *reader, const struct block *block,
                        const struct yaml_node *key,
                        const struct yaml_place *place, bool in_defaults)
{
    const char *hint = did_you_mean(
        reader->arena, block_suggest(block, key->text, in_defaults));

    if (in_defaults && block_find(block, key->text, false))
        hint = "only a task has it";
    reader_problem(reader, key, place, hint, "unknown key");
}

static void check_keys(struct reader *reader, const struct block *block,
                       const struct yaml_node *node,
                       const struct yaml_place *place)
{
    const char *second = block->exclusive[1];

    for (size_t i = 0; i < block->count; i++) {
        const struct field *field = &block->fields[i];
        struct yaml_place inner = {place, field->key, 0};

        if (field->flags & FIELD_REQUIRED && !yaml_get(node, field->key))
            reader_problem(reader, node, &inner, NULL,
                           "a required key is "
                           "missing");
    }
    if (second && yaml_get(node, block->exclusive[0]) &&
        yaml_get(node, second)) {
        struct yaml_place inner = {place, second, 0};

        reader_problem(reader, yaml_get(node, second), &inner, NULL,
                       "\"%s\" and \"%s\" exclude each other",
                       block->exclusive[0], second);
    }
}

void read_block(struct reader *reader, const struct block *block,
                const struct yaml_node *node, const struct yaml_place *place,
                bool in_defaults, void *base)
{
    if (node->kind != YAML_MAP) {
        reader_expected(reader, node, place, NULL, "a map");
        return;
    }
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_node *key = node->keys[i];
        struct yaml_place inner = {place, key->text, 0};
        const struct field *field = block_find(block, key->text, in_defaults);

        if (field)
            read_value(reader, field, node->items[i], &inner, base);
        else
            unknown_key(reader, block, key, &inner, in_defaults);
    }
    check_keys(reader, block, node, place);
}

/* ---- defaults ---------------------------------------------------------- */

/* The default goes the way of a written value, so that the two cannot be read
 * in different ways. */
static void read_fallback(struct reader *reader, const struct field *field,
                          void *base)
{
    static const struct yaml_limits limits = {8, 100, 1000};
    struct source_text *source;
    struct yaml_tree tree;
    size_t before = reader->found;
    int status = yaml_read(
        &tree, (struct span){field->fallback, strlen(field->fallback)},
        &limits);

    assert(!status && tree.root);
    if (!status && tree.root)
        read_value(reader, field, tree.root, NULL, base);
    assert(reader->found == before);
    (void)before;
    source = field->type == FIELD_SOURCE ? target_of(field, base) : NULL;
    if (source)
        source->node = NULL; /* it goes with the tree */
    yaml_free(&tree);
}

void read_fallbacks(struct reader *reader, const struct block *block,
                    void *base)
{
    for (size_t i = 0; i < block->count; i++) {
        const struct field *field = &block->fields[i];
        void *target = target_of(field, base);

        if (field->type == FIELD_BLOCK)
            read_fallbacks(reader, field->block, target);
        else if (field->fallback)
            read_fallback(reader, field, base);
        else if (target && field->type >= FIELD_INTEGER &&
                 field->type <= FIELD_MONEY)
            *(int64_t *)target = -1;
    }
}

/* ---- credentials ------------------------------------------------------- */

static void check_secret(struct reader *reader, const struct yaml_node *node,
                         const struct yaml_place *place)
{
    const char *kind;

    if (secret_find((struct span){node->text, node->length}, &kind).data)
        reader_problem(reader, node, place, NULL,
                       "looks like %s %s: name a variable instead",
                       strchr("AEIOUn", kind[0]) ? "an" : "a", kind);
}

/* Nodes that aliases share are looked at once. */
static void walk(struct reader *reader, const struct yaml_node *node,
                 const struct yaml_place *place, bool *seen)
{
    if (seen[node->number])
        return;
    seen[node->number] = true;
    if (node->kind == YAML_SCALAR)
        check_secret(reader, node, place);
    for (size_t i = 0; i < node->count; i++) {
        bool map = node->kind == YAML_MAP;
        struct yaml_place inner = {place, map ? node->keys[i]->text : NULL, i};

        if (map)
            walk(reader, node->keys[i], place, seen);
        walk(reader, node->items[i], &inner, seen);
    }
}

void read_secrets(struct reader *reader, const struct yaml_tree *tree)
{
    CLEANUP(mem_free) bool *seen = mem_array(tree->node_count, sizeof(*seen));

    walk(reader, tree->root, NULL, seen);
}
