#include "base/base64.h"

#include <stdint.h>

int base64_add(struct buffer *out, struct span data)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < data.length; i += 3) {
        size_t left = data.length - i;
        uint32_t bits = (uint32_t)(unsigned char)data.data[i] << 16;
        char text[4];

        if (left > 1)
            bits |= (uint32_t)(unsigned char)data.data[i + 1] << 8;
        if (left > 2)
            bits |= (unsigned char)data.data[i + 2];
        text[0] = digits[bits >> 18];
        text[1] = digits[bits >> 12 & 63];
        text[2] = left > 1 ? digits[bits >> 6 & 63] : '=';
        text[3] = left > 2 ? digits[bits & 63] : '=';
        if (buffer_add(out, text, sizeof(text)))
            return -1;
    }
    return 0;
}
