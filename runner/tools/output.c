#include "runner/tools/output.h"

#include <errno.h>
#include <stdbool.h>

#include "base/memory.h"
#include "base/utf8.h"

#define READ_BYTES 65536

void output_init(struct output *output, size_t maximum)
{
    *output = (struct output){.half = maximum / 2};
    buffer_init(&output->head, output->half);
    buffer_init(&output->tail, output->half * 2 + 1);
}

void output_add(struct output *output, const char *data, size_t length)
{
    size_t room = output->half - output->head.length;
    size_t first = length < room ? length : room;

    output->total += length;
    buffer_add(&output->head, data, first);
    data += first;
    length -= first;
    if (length >= output->half) {
        buffer_clear(&output->tail);
        buffer_add(&output->tail, data + (length - output->half), output->half);
        return;
    }
    if (output->tail.length + length > output->half * 2)
        buffer_consume(&output->tail,
                       output->tail.length + length - output->half);
    buffer_add(&output->tail, data, length);
}

void output_read(struct output *output, int fd, bool *ended)
{
    char bytes[READ_BYTES];

    while (!*ended) {
        ssize_t got = read(fd, bytes, sizeof(bytes));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0)
            *ended = true;
        else
            output_add(output, bytes, (size_t)got);
    }
}

void output_clear(struct output *output)
{
    buffer_clear(&output->head);
    buffer_clear(&output->tail);
    output->total = 0;
}

void output_free(struct output *output)
{
    buffer_free(&output->head);
    buffer_free(&output->tail);
}

static void add_marker(struct buffer *out, size_t dropped)
{
    buffer_addf(out, "\n\xE2\x80\xA6 %zu bytes omitted \xE2\x80\xA6\n",
                dropped);
}

static bool continues(char byte)
{
    return ((unsigned char)byte & 0xC0) == 0x80;
}

/* How many bytes a character has that begins so. */
static size_t character_length(char lead)
{
    unsigned char byte = (unsigned char)lead;

    return byte < 0xC0 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

/* Before the character that is not whole at `limit`. Only what lies before is
 * looked at: behind it may be the tail, which is from elsewhere. */
static size_t cut_down(struct span text, size_t limit)
{
    size_t back = 1;

    while (back < 4 && back < limit && continues(text.data[limit - back]))
        back++;
    if (limit && character_length(text.data[limit - back]) > back)
        return limit - back;
    return limit;
}

/* Behind the rest of a character that began before `limit`. In bytes that are
 * no UTF-8 a run of more than three such bytes is none. */
static size_t cut_up(struct span text, size_t limit)
{
    size_t cut = utf8_ceiling(text.data, text.length, limit);

    return cut - limit > 3 ? limit : cut;
}

/* Head and tail of `text` in at most `maximum` bytes, when `missing` more
 * bytes are not there any more behind its first `known`. */
static void render(struct span text, size_t known, size_t missing,
                   size_t maximum, struct buffer *out)
{
    size_t head = text.length;
    size_t tail = text.length;

    if (missing)
        head = tail = known;
    if (text.length > maximum) {
        head = maximum / 2 < known ? maximum / 2 : known;
        tail = text.length - maximum / 2;
    }
    if (head >= tail && !missing) {
        utf8_repair(out, text.data, text.length);
        return;
    }
    head = cut_down(text, head);
    tail = cut_up(text, tail);
    utf8_repair(out, text.data, head);
    add_marker(out, missing + tail - head);
    utf8_repair(out, text.data + tail, text.length - tail);
}

void output_shorten(struct span text, size_t maximum, struct buffer *out)
{
    render(text, text.length, 0, maximum, out);
}

void output_render(const struct output *output, size_t maximum,
                   struct buffer *out)
{
    CLEANUP(buffer_free) struct buffer kept = {0};
    struct span tail = buffer_span(&output->tail);
    size_t missing;

    /* The tail may hold up to twice its half: only its end is shown, so that
     * the same output gives the same text however it came. */
    if (output->total > output->half * 2 && tail.length > output->half) {
        tail.data += tail.length - output->half;
        tail.length = output->half;
    }
    missing = output->total - output->head.length - tail.length;
    buffer_init(&kept, output->half * 2 + 1);
    buffer_add_span(&kept, buffer_span(&output->head));
    buffer_add_span(&kept, tail);
    render(buffer_span(&kept), output->head.length, missing, maximum, out);
}
