/* Base64 with padding and no line breaks: RFC 4648, section 4. */
#ifndef NIGHTJAR_BASE_BASE64_H
#define NIGHTJAR_BASE_BASE64_H

#include "base/buffer.h"

/* Adds it. Returns -1 when the buffer is full: some may have been added. */
int base64_add(struct buffer *out, struct span data);

#endif
