/* SHA-256: names for contents. Not for secrets. Definition: FIPS 180-4.
 *
 *     unsigned char digest[SHA256_BYTES];
 *     sha256(span, digest); */
#ifndef NIGHTJAR_BASE_SHA256_H
#define NIGHTJAR_BASE_SHA256_H

#include "base/buffer.h"

#define SHA256_BYTES 32

void sha256(struct span data, unsigned char out[static SHA256_BYTES]);

/* The first `digits` (even, at most 64) of its hexadecimal form, and a NUL. */
void sha256_hex(struct span data, size_t digits, char *out);

#endif
