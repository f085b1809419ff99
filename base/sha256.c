#include "base/sha256.h"

#include <endian.h>
#include <stdint.h>

#define BLOCK 64
#define ROUNDS 64

/* The first 32 bits of the fractional parts of the cube roots of the first 64
 * primes. */
static const uint32_t constants[ROUNDS] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
    0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
    0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
    0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
    0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
    0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
    0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
    0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
    0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t x, int by)
{
    return x >> by | x << (32 - by);
}

static void extend(const unsigned char *block, uint32_t words[ROUNDS])
{
    memcpy(words, block, BLOCK);
    for (int i = 0; i < 16; i++)
        words[i] = be32toh(words[i]);
    for (int i = 16; i < ROUNDS; i++) {
        uint32_t a = words[i - 15];
        uint32_t b = words[i - 2];

        words[i] = words[i - 16] + words[i - 7] +
                   (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) +
                   (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
    }
}

static void take_block(uint32_t state[8], const unsigned char *block)
{
    uint32_t words[ROUNDS];
    uint32_t s[8];

    extend(block, words);
    memcpy(s, state, sizeof(s));
    for (int i = 0; i < ROUNDS; i++) {
        uint32_t one = s[7] + constants[i] + words[i] +
                       ((s[4] & s[5]) ^ (~s[4] & s[6])) +
                       (rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25));
        uint32_t two = ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2])) +
                       (rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22));

        memmove(s + 1, s, 7 * sizeof(*s));
        s[4] += one;
        s[0] = one + two;
    }
    for (int i = 0; i < 8; i++)
        state[i] += s[i];
}

void sha256(struct span data, unsigned char out[static SHA256_BYTES])
{
    /* The square roots of the first eight primes. */
    uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    unsigned char last[2 * BLOCK] = {0};
    uint64_t bits = htobe64((uint64_t)data.length * 8);
    size_t rest = data.length % BLOCK;
    size_t padded = rest < BLOCK - 8 ? BLOCK : 2 * BLOCK;
    size_t whole = data.length - rest;

    for (size_t at = 0; at < whole; at += BLOCK)
        take_block(state, (const unsigned char *)data.data + at);
    if (rest)
        memcpy(last, data.data + whole, rest);
    last[rest] = 0x80;
    memcpy(last + padded - 8, &bits, sizeof(bits));
    for (size_t at = 0; at < padded; at += BLOCK)
        take_block(state, last + at);
    for (int i = 0; i < 8; i++)
        state[i] = htobe32(state[i]);
    memcpy(out, state, SHA256_BYTES);
}

void sha256_hex(struct span data, size_t digits, char *out)
{
    static const char names[] = "0123456789abcdef";
    unsigned char digest[SHA256_BYTES];

    sha256(data, digest);
    for (size_t i = 0; i < digits && i < 2 * sizeof(digest); i++)
        out[i] = names[i % 2 ? digest[i / 2] & 15 : digest[i / 2] >> 4];
    out[digits] = '\0';
}
