#include <assert.h>

#include "tasks/manifest.h"
#include "tasks/manifest_fields.h"
#include "tasks/manifest_values.h"

#define CELL_BYTES_MAX 4000
#define BLOCKS_MAX 32

/* A table's cell: '|' would end it. */
static void add_cell(struct buffer *out, const char *text)
{
    buffer_add_string(out, " ");
    for (; *text; text++) {
        if (*text == '|')
            buffer_add_byte(out, '\\');
        buffer_add_byte(out, *text);
    }
    buffer_add_string(out, " |");
}

static void add_type(struct buffer *out, const struct field *field)
{
    struct buffer type;

    buffer_init(&type, CELL_BYTES_MAX);
    field_expected(field, &type);
    if (field->block)
        buffer_addf(&type, ", see [%s](#%s)", field->block->name,
                    field->block->name);
    if (field->flags & FIELD_TEMPLATES)
        buffer_add_string(&type, "; templates");
    add_cell(out, type.data);
    buffer_free(&type);
}

static void add_default(struct buffer *out, const struct field *field)
{
    struct buffer text;

    buffer_init(&text, CELL_BYTES_MAX);
    if (field->flags & FIELD_REQUIRED)
        buffer_add_string(&text, "required");
    else if (field->fallback)
        buffer_addf(&text, "`%s`", field->fallback);
    else if (field->otherwise)
        buffer_add_string(&text, field->otherwise);
    else
        buffer_add_string(&text, "see there");
    add_cell(out, text.data);
    buffer_free(&text);
}

static void add_block(struct buffer *out, const struct block *block)
{
    buffer_addf(out, "### %s\n\n%s\n\n", block->name, block->meaning);
    buffer_add_string(out, "| key | takes | default | meaning |\n"
                           "| --- | --- | --- | --- |\n");
    for (size_t i = 0; i < block->count; i++) {
        const struct field *field = &block->fields[i];

        buffer_addf(out, "| `%s` |", field->key);
        add_type(out, field);
        add_default(out, field);
        add_cell(out, field->meaning);
        buffer_add_string(out, "\n");
    }
    buffer_add_string(out, "\n");
}

static size_t collect(const struct block **blocks, size_t count,
                      const struct block *block)
{
    for (size_t i = 0; i < count; i++) {
        if (blocks[i] == block)
            return count;
    }
    assert(count < BLOCKS_MAX);
    blocks[count++] = block;
    for (size_t i = 0; i < block->count; i++) {
        if (block->fields[i].block)
            count = collect(blocks, count, block->fields[i].block);
    }
    return count;
}

void manifest_write_reference(struct buffer *out)
{
    const struct block *blocks[BLOCKS_MAX];
    size_t count = collect(blocks, 0, &manifest_block);

    for (size_t i = 0; i < count; i++)
        add_block(out, blocks[i]);
    if (count)
        buffer_truncate(out, out->length - 1); /* one line break at the end */
}
