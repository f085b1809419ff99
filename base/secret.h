/* Secrets: what is named like one, what looks like one, and masking the
 * values that are known.
 *
 * Known values (the API key, credentials of the environment) are collected
 * once by the supervisor and masked in every byte that goes to a journal,
 * transcript, report, log, or to the model. */
#ifndef NIGHTJAR_BASE_SECRET_H
#define NIGHTJAR_BASE_SECRET_H

#include <stdbool.h>

#include "base/buffer.h"

/* Shorter values are not masked: they would hit ordinary text. */
#define SECRET_LENGTH_MIN 8
#define SECRETS_MAX 256
#define SECRETS_BYTES_MAX ((size_t)256 << 10)

/* The values lie in pages of their own, so that a process that is forked for
 * a sandbox can be made to see zeros there. */
struct secrets {
    char *pages; /* NULL: none yet */
    size_t used;
    const char *values[SECRETS_MAX];
    size_t count;
};

/* Whether a variable's name says that it holds a credential: KEY, TOKEN,
 * SECRET, PASSWORD, CREDENTIAL… as a word of the name, any case. */
bool secret_name(const char *name);

/* Where in the text something has the form of a credential of a well-known
 * provider (API keys, forge tokens, private key blocks): the match, or
 * {NULL, 0}. *kind is then a short name such as "GitHub token". */
struct span secret_find(struct span text, const char **kind);

/* Adds a value (copied). Values that are short, known, or over the limit are
 * left out. Also adds its percent-encoded and JSON-escaped forms where they
 * differ. Returns the copy, or NULL when it was left out. */
const char *secrets_add(struct secrets *secrets, const char *value);

/* From now on a fork of this process has zeros instead of the values. */
void secrets_hide_from_forks(const struct secrets *secrets);

/* Adds the value of every variable in `environment` with a secret name. */
void secrets_add_environment(struct secrets *secrets, char **environment);

/* Replaces each known value by asterisks of the same length, in place. */
void secrets_mask(const struct secrets *secrets, char *data, size_t length);

/* Wipes and releases the values. */
void secrets_free(struct secrets *secrets);

#endif
