#include "tasks/yaml.h"

#include <inttypes.h>
#include <stdarg.h>

#include <yaml.h>

#include "base/memory.h"
#include "base/utf8.h"

#define PATH_BYTES_MAX 2000

/* A list or map whose end has not come yet. */
struct frame {
    struct yaml_node *node;
    struct yaml_node **items;
    struct yaml_node **keys;
    size_t capacity;
    struct yaml_node *key; /* waits for its value */
    size_t anchor;         /* of the node; 0: none, else index + 1 */
    bool skip_value;       /* the key was refused */
};

struct anchor {
    char *name;
    struct yaml_node *node; /* NULL until it is complete */
};

struct builder {
    yaml_parser_t parser;
    struct yaml_tree *tree;
    const struct yaml_limits *limits;
    struct frame stack[YAML_DEPTH_MAX];
    size_t depth;
    struct anchor anchors[YAML_ANCHORS_MAX];
    size_t anchor_count;
    size_t nodes;
    size_t bytes;
};

/* ---- faults ------------------------------------------------------------ */

struct position {
    size_t line;
    size_t column;
};

static struct position position_of(yaml_mark_t mark)
{
    return (struct position){mark.line + 1, mark.column + 1};
}

/* The place of what is being read; with `key`, of that key in the map that is
 * being read. */
static char *current_path(struct builder *builder, const char *key)
{
    struct yaml_place places[YAML_DEPTH_MAX];
    const struct yaml_place *innermost = NULL;
    struct buffer path;
    char *copy;

    for (size_t i = 0; i < builder->depth; i++) {
        const struct frame *frame = &builder->stack[i];
        bool is_map = frame->node->kind == YAML_MAP;
        const char *own = frame->key ? frame->key->text : NULL;

        if (i + 1 == builder->depth && key)
            own = key;
        if (is_map && !own)
            break;
        places[i] = (struct yaml_place){innermost, is_map ? own : NULL,
                                        frame->node->count};
        innermost = &places[i];
    }
    buffer_init(&path, PATH_BYTES_MAX);
    yaml_place_add(&path, innermost);
    copy = arena_string(&builder->tree->arena, path.data);
    buffer_free(&path);
    return copy;
}

static void add_fault(struct builder *builder, struct position at,
                      const char *key, const char *text, const char *hint)
{
    struct yaml_tree *tree = builder->tree;

    if (tree->fault_count == YAML_FAULTS_MAX)
        return;
    if (!tree->faults)
        tree->faults =
            arena_array(&tree->arena, YAML_FAULTS_MAX, sizeof(*tree->faults));
    tree->faults[tree->fault_count++] = (struct yaml_fault){
        .line = at.line,
        .column = at.column,
        .path = current_path(builder, key),
        .text = arena_string(&tree->arena, text),
        .hint = hint ? arena_string(&tree->arena, hint) : NULL,
    };
}

/* A fault that ends the reading. */
static int fail(struct builder *builder, struct position at, const char *hint,
                const char *format, ...) __attribute__((format(printf, 4, 5)));

static int fail(struct builder *builder, struct position at, const char *hint,
                const char *format, ...)
{
    CLEANUP(mem_free) char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    text = mem_vformat(format, arguments);
    va_end(arguments);
    add_fault(builder, at, NULL, text, hint);
    return -1;
}

/* What helps against libyaml's most frequent complaints. */
static const char *syntax_hint(const yaml_parser_t *parser)
{
    static const struct {
        const char *part;
        const char *hint;
    } hints[] = {
        {"cannot start any token", "indent with blanks, not with tabs; quote "
                                   "a value that starts with @, ` or %"},
        {"mapping values are not allowed", "quote a value that holds \": \""},
        {"did not find expected alphabetic", "quote a value that starts with "
                                             "* or &"},
        {"expected ',' or", "close every [ and {, and quote values that hold "
                            "one"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(hints); i++) {
        if (strstr(parser->problem, hints[i].part))
            return hints[i].hint;
    }
    return NULL;
}

static int syntax_fault(struct builder *builder)
{
    const yaml_parser_t *parser = &builder->parser;
    struct position at = position_of(parser->problem_mark);

    if (!parser->problem || parser->error == YAML_MEMORY_ERROR)
        return fail(builder, at, NULL, "not enough memory to read it");
    if (!parser->context)
        return fail(builder, at, syntax_hint(parser), "no YAML: %s",
                    parser->problem);
    return fail(builder, at, syntax_hint(parser),
                "no YAML: %s (%s that starts on line %zu)", parser->problem,
                parser->context, parser->context_mark.line + 1);
}

/* ---- bytes ------------------------------------------------------------- */

/* YAML 1.2, production 1: the characters that a text may hold. */
static bool allowed(uint32_t code)
{
    if (code < 0x20)
        return code == '\t' || code == '\n' || code == '\r';
    return code < 0x7F || code == 0x85 ||
           (code >= 0xA0 && code != 0xFFFE && code != 0xFFFF &&
            code <= 0x10FFFF);
}

static int check_bytes(struct builder *builder, struct span text)
{
    struct position at = {1, 1};

    for (size_t i = 0; i < text.length;) {
        uint32_t code;
        size_t size = utf8_decode(text.data + i, text.length - i, &code);

        if (code == UINT32_MAX)
            return fail(builder, at, "save the file as UTF-8",
                        "no UTF-8: byte 0x%02X", (unsigned char)text.data[i]);
        if (!allowed(code))
            return fail(builder, at, NULL,
                        "control character U+%04" PRIX32 " in the text", code);
        at.column++;
        if (code == '\n')
            at = (struct position){at.line + 1, 1};
        i += size;
    }
    return 0;
}

/* ---- building ---------------------------------------------------------- */

static int count_node(struct builder *builder, const struct yaml_node *node,
                      struct position at)
{
    const struct yaml_limits *limits = builder->limits;

    builder->nodes += node->all_nodes;
    builder->bytes += node->all_bytes;
    if (builder->nodes > limits->nodes)
        return fail(builder, at, NULL,
                    "more than %zu values, aliases counted in full",
                    limits->nodes);
    if (builder->bytes > limits->bytes)
        return fail(builder, at, NULL,
                    "more than %zu bytes of text, aliases counted in full",
                    limits->bytes);
    if (builder->depth + node->height > limits->depth)
        return fail(builder, at, NULL, "nested deeper than %zu levels",
                    limits->depth);
    return 0;
}

/* The anchor's number + 1, 0 without one, -1 after a fault. */
static ssize_t add_anchor(struct builder *builder, const yaml_char_t *name,
                          struct yaml_node *node, struct position at)
{
    if (!name)
        return 0;
    if (builder->anchor_count == YAML_ANCHORS_MAX)
        return fail(builder, at, NULL, "more than %d anchors",
                    YAML_ANCHORS_MAX);
    builder->anchors[builder->anchor_count++] = (struct anchor){
        arena_string(&builder->tree->arena, (const char *)name), node};
    return (ssize_t)builder->anchor_count;
}

/* Why a scalar may not be a key; NULL: it may. */
static const char *bad_key(const struct yaml_node *node, const char **hint)
{
    if (!node->quoted && !strcmp(node->text, "<<")) {
        *hint = "write the keys out, or put them under \"defaults\"";
        return "merge keys are not supported";
    }
    for (size_t i = 0; i < node->length; i++) {
        if ((unsigned char)node->text[i] < 0x20 || node->text[i] == 0x7F)
            return "control character in a key";
    }
    return NULL;
}

static int take_key(struct builder *builder, struct frame *frame,
                    struct yaml_node *node, struct position at)
{
    const char *hint = NULL;
    const char *fault;

    if (node->kind != YAML_SCALAR)
        return fail(builder, at, "quote a value that starts with { or [",
                    "a key must be text, not a list or a map");
    fault = bad_key(node, &hint);
    if (fault)
        add_fault(builder, at, node->text, fault, hint);
    frame->skip_value = fault != NULL;
    frame->key = node;
    return 0;
}

/* Puts a node where the innermost list or map (or the document) wants it. */
static int place_node(struct builder *builder, struct yaml_node *node,
                      struct position at)
{
    struct frame *frame;

    if (!builder->depth) {
        builder->tree->root = node;
        return 0;
    }
    frame = &builder->stack[builder->depth - 1];
    if (frame->node->kind == YAML_MAP && !frame->key)
        return take_key(builder, frame, node, at);
    if (frame->node->count == frame->capacity) {
        frame->capacity = frame->capacity ? frame->capacity * 2 : 8;
        frame->items =
            mem_resize(frame->items, frame->capacity, sizeof(*frame->items));
        frame->keys =
            mem_resize(frame->keys, frame->capacity, sizeof(*frame->keys));
    }
    if (!frame->skip_value) {
        frame->keys[frame->node->count] = frame->key;
        frame->items[frame->node->count++] = node;
    }
    frame->key = NULL;
    frame->skip_value = false;
    return 0;
}

static struct yaml_node *new_node(struct builder *builder, enum yaml_kind kind,
                                  struct position at)
{
    struct yaml_node *node = arena_alloc(&builder->tree->arena, sizeof(*node));

    node->kind = kind;
    node->number = builder->tree->node_count++;
    node->line = at.line;
    node->column = at.column;
    node->all_nodes = 1;
    node->height = 1;
    return node;
}

static int refuse_tag(struct builder *builder, const yaml_char_t *tag,
                      struct position at)
{
    if (!tag)
        return 0;
    return fail(builder, at, "quote a value that starts with !",
                "tags are not supported");
}

static int take_scalar(struct builder *builder, const yaml_event_t *event)
{
    struct position at = position_of(event->start_mark);
    struct yaml_node *node = new_node(builder, YAML_SCALAR, at);

    node->length = event->data.scalar.length;
    node->text = arena_bytes(&builder->tree->arena, event->data.scalar.value,
                             node->length);
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    node->all_bytes = node->length;
    if (refuse_tag(builder, event->data.scalar.tag, at) ||
        count_node(builder, node, at) ||
        add_anchor(builder, event->data.scalar.anchor, node, at) < 0)
        return -1;
    return place_node(builder, node, at);
}

static int take_alias(struct builder *builder, const yaml_event_t *event)
{
    struct position at = position_of(event->start_mark);
    const char *name = (const char *)event->data.alias.anchor;

    for (size_t i = builder->anchor_count; i > 0; i--) {
        struct anchor *anchor = &builder->anchors[i - 1];

        if (strcmp(anchor->name, name))
            continue;
        if (!anchor->node)
            return fail(builder, at, NULL, "an alias inside its own anchor");
        if (count_node(builder, anchor->node, at))
            return -1;
        return place_node(builder, anchor->node, at);
    }
    return fail(builder, at, "quote a value that starts with *",
                "an alias without an anchor before it");
}

static int open_collection(struct builder *builder, const yaml_event_t *event)
{
    struct position at = position_of(event->start_mark);
    bool is_map = event->type == YAML_MAPPING_START_EVENT;
    const yaml_char_t *name = is_map ? event->data.mapping_start.anchor
                                     : event->data.sequence_start.anchor;
    const yaml_char_t *tag =
        is_map ? event->data.mapping_start.tag : event->data.sequence_start.tag;
    struct yaml_node *node =
        new_node(builder, is_map ? YAML_MAP : YAML_LIST, at);
    const struct frame *outer =
        builder->depth ? &builder->stack[builder->depth - 1] : NULL;
    ssize_t anchor;

    if (outer && outer->node->kind == YAML_MAP && !outer->key)
        return take_key(builder, NULL, node, at);
    if (refuse_tag(builder, tag, at) || count_node(builder, node, at))
        return -1;
    anchor = add_anchor(builder, name, NULL, at);
    if (anchor < 0)
        return -1;
    builder->stack[builder->depth++] =
        (struct frame){.node = node, .anchor = (size_t)anchor};
    return 0;
}

static int by_key(const void *left, const void *right)
{
    const struct yaml_node *a = *(struct yaml_node *const *)left;
    const struct yaml_node *b = *(struct yaml_node *const *)right;
    int order = strcmp(a->text, b->text);

    if (!order)
        order = (a->line > b->line) - (a->line < b->line);
    return order ? order : (a->column > b->column) - (a->column < b->column);
}

/* Sorted, so that a map of many keys costs no square of them. */
static void find_duplicates(struct builder *builder, const struct frame *frame)
{
    size_t count = frame->node->count;
    CLEANUP(mem_free)
    struct yaml_node **sorted = mem_array(count, sizeof(*sorted));

    if (count)
        memcpy(sorted, frame->keys, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), by_key);
    for (size_t i = 1, first = 0; i < count; i++) {
        char text[80];

        if (strcmp(sorted[i]->text, sorted[first]->text)) {
            first = i;
            continue;
        }
        snprintf(text, sizeof(text), "key stands twice, first on line %zu",
                 sorted[first]->line);
        add_fault(builder,
                  (struct position){sorted[i]->line, sorted[i]->column},
                  sorted[i]->text, text, NULL);
    }
}

static int close_collection(struct builder *builder)
{
    struct frame *frame = &builder->stack[builder->depth - 1];
    struct yaml_node *node = frame->node;
    size_t bytes = node->count * sizeof(*node->items);

    if (node->kind == YAML_MAP) {
        find_duplicates(builder, frame);
        node->keys = arena_alloc(&builder->tree->arena, bytes);
        if (bytes)
            memcpy(node->keys, frame->keys, bytes);
    }
    node->items = arena_alloc(&builder->tree->arena, bytes);
    if (bytes)
        memcpy(node->items, frame->items, bytes);
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_node *item = node->items[i];
        size_t key = node->kind == YAML_MAP;

        node->all_nodes += item->all_nodes + key;
        node->all_bytes += item->all_bytes + (key ? node->keys[i]->length : 0);
        if (node->height < item->height + 1)
            node->height = item->height + 1;
    }
    if (frame->anchor)
        builder->anchors[frame->anchor - 1].node = node;
    free(frame->items);
    free(frame->keys);
    builder->depth--;
    return place_node(builder, node,
                      (struct position){node->line, node->column});
}

/* ---- events ------------------------------------------------------------ */

static int take_document(struct builder *builder, const yaml_event_t *event)
{
    if (!builder->tree->root)
        return 0;
    return fail(builder, position_of(event->start_mark),
                "one file holds one document", "a second document");
}

static int take_event(struct builder *builder, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return take_document(builder, event);
    case YAML_SCALAR_EVENT:
        return take_scalar(builder, event);
    case YAML_ALIAS_EVENT:
        return take_alias(builder, event);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        return open_collection(builder, event);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return close_collection(builder);
    default:
        return 0;
    }
}

static int build(struct builder *builder)
{
    for (;;) {
        yaml_event_t event;
        bool ended;
        int status;

        if (!yaml_parser_parse(&builder->parser, &event))
            return syntax_fault(builder);
        status = take_event(builder, &event);
        ended = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
        if (status)
            return -1;
        if (ended)
            break;
    }
    if (!builder->tree->root)
        return fail(builder, (struct position){1, 1}, NULL,
                    "the text is empty");
    return 0;
}

static int read_text(struct builder *builder, struct span text)
{
    int status;

    if (text.length >= 3 && !memcmp(text.data, "\xEF\xBB\xBF", 3))
        text = (struct span){text.data + 3, text.length - 3};
    if (check_bytes(builder, text))
        return -1;
    if (!yaml_parser_initialize(&builder->parser))
        return fail(builder, (struct position){1, 1}, NULL,
                    "not enough memory to read it");
    yaml_parser_set_encoding(&builder->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&builder->parser,
                                 (const unsigned char *)text.data, text.length);
    status = build(builder);
    yaml_parser_delete(&builder->parser);
    return status;
}

int yaml_read(struct yaml_tree *tree, struct span text,
              const struct yaml_limits *limits)
{
    CLEANUP(mem_free)
    struct builder *builder = mem_alloc(sizeof(*builder));

    *tree = (struct yaml_tree){0};
    builder->tree = tree;
    builder->limits = limits;
    if (read_text(builder, text))
        tree->root = NULL;
    while (builder->depth) {
        struct frame *frame = &builder->stack[--builder->depth];

        free(frame->items);
        free(frame->keys);
    }
    return tree->fault_count ? -1 : 0;
}

void yaml_free(struct yaml_tree *tree)
{
    arena_free(&tree->arena);
    *tree = (struct yaml_tree){0};
}

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
    if (!map || map->kind != YAML_MAP)
        return NULL;
    for (size_t i = 0; i < map->count; i++) {
        if (!strcmp(map->keys[i]->text, key))
            return map->items[i];
    }
    return NULL;
}
