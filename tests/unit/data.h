/* Reading the files of tests/data/ in a test. */
#ifndef NIGHTJAR_TESTS_UNIT_DATA_H
#define NIGHTJAR_TESTS_UNIT_DATA_H

#include <fcntl.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "tests/tap.h"

#define DATA_BYTES_MAX ((size_t)64 << 20)

/* The whole file; the caller frees the buffer. A file that is not there ends
 * the test, since nothing in it could be checked. */
static inline struct buffer data_read(const char *path)
{
    struct buffer bytes;
    struct error err;

    buffer_init(&bytes, DATA_BYTES_MAX);
    if (file_read(AT_FDCWD, path, &bytes, &err)) {
        printf("Bail out! %s\n", err.text);
        exit(1);
    }
    return bytes;
}

/* The next line, without its newline, as JSON; NULL behind the last. The
 * caller deletes it. */
static inline cJSON *data_next(struct span *rest)
{
    struct error err;
    const char *end = memchr(rest->data, '\n', rest->length);
    size_t length = end ? (size_t)(end - rest->data) : rest->length;
    cJSON *value;

    if (!rest->length)
        return NULL;
    value = json_parse(rest->data, length, &err);
    if (!value) {
        printf("Bail out! %s\n", err.text);
        exit(1);
    }
    length += end != NULL;
    *rest = (struct span){rest->data + length, rest->length - length};
    return value;
}

/* Adds the bytes of a text in base64 (RFC 4648, with padding). */
static inline void data_base64(struct buffer *out, const char *text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqr"
                                 "stuvwxyz0123456789+/";
    unsigned bits = 0;
    int count = 0;

    for (; *text && *text != '='; text++) {
        const char *digit = strchr(digits, *text);

        bits = bits << 6 | (unsigned)(digit - digits);
        count += 6;
        if (count >= 8) {
            count -= 8;
            buffer_add_byte(out, (char)(bits >> count & 0xFF));
        }
    }
}

#endif
