#include "base/secret.h"

#include <ctype.h>
#include <stdint.h>
#include <sys/mman.h>

#include "base/json.h"
#include "base/memory.h"

/* Words of a name, split at '_', '-' and '.', that mean a credential. The
 * second table: words that mean one anywhere at a word's end (APIKEY). */
static const char *const secret_words[] = {
    "KEY",        "KEYS",        "TOKEN",  "TOKENS",     "SECRET",
    "SECRETS",    "PASSWORD",    "PASSWD", "PASSPHRASE", "PASS",
    "CREDENTIAL", "CREDENTIALS", "PWD",    "AUTH",       "COOKIE",
    "PAT",        "JWT",         "BEARER", "SIGNATURE",  "DSN"};

static const char *const secret_endings[] = {"KEY", "TOKEN", "SECRET",
                                             "PASSWORD", "PASSWD"};

/* Names that match a word and hold no credential. */
static const char *const plain_names[] = {"PWD", "OLDPWD", "SSH_AUTH_SOCK",
                                          "XAUTHORITY"};

static bool word_is_secret(const char *word, size_t length)
{
    for (size_t i = 0; i < ARRAY_LENGTH(secret_words); i++) {
        if (strlen(secret_words[i]) == length &&
            !strncasecmp(word, secret_words[i], length))
            return true;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(secret_endings); i++) {
        size_t ending = strlen(secret_endings[i]);

        if (length > ending &&
            !strncasecmp(word + length - ending, secret_endings[i], ending))
            return true;
    }
    return false;
}

bool secret_name(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(plain_names); i++) {
        if (!strcmp(name, plain_names[i]))
            return false;
    }
    while (*name) {
        size_t length = strcspn(name, "_-.");

        if (word_is_secret(name, length))
            return true;
        name += length + (name[length] != '\0');
    }
    return false;
}

/* A credential's form: a fixed start, then `minimum` or more characters of a
 * class. Forms as published by the providers for secret scanning. */
struct form {
    const char *kind;
    const char *start;
    size_t minimum;
    const char *extra; /* allowed besides letters and digits */
};

static const struct form forms[] = {
    {"private key", "-----BEGIN RSA PRIVATE KEY-----", 0, ""},
    {"private key", "-----BEGIN EC PRIVATE KEY-----", 0, ""},
    {"private key", "-----BEGIN DSA PRIVATE KEY-----", 0, ""},
    {"private key", "-----BEGIN OPENSSH PRIVATE KEY-----", 0, ""},
    {"private key", "-----BEGIN PRIVATE KEY-----", 0, ""},
    {"GitHub token", "ghp_", 36, ""},
    {"GitHub token", "gho_", 36, ""},
    {"GitHub token", "ghs_", 36, ""},
    {"GitHub token", "ghu_", 36, ""},
    {"GitHub token", "github_pat_", 40, "_"},
    {"GitLab token", "glpat-", 20, "-_"},
    {"OpenAI key", "sk-proj-", 20, "-_"},
    {"Anthropic key", "sk-ant-", 20, "-_"},
    {"OpenAI key", "sk-", 32, "-_"},
    {"AWS access key", "AKIA", 16, ""},
    {"AWS access key", "ASIA", 16, ""},
    {"Google key", "AIza", 35, "-_"},
    {"Slack token", "xoxb-", 20, "-"},
    {"Slack token", "xoxp-", 20, "-"},
    {"npm token", "npm_", 36, ""},
    {"PyPI token", "pypi-", 50, "-_"},
    {"Stripe key", "sk_live_", 20, ""},
    {"Stripe key", "rk_live_", 20, ""},
};

static size_t match_form(const struct form *form, const char *at, size_t left)
{
    size_t start = strlen(form->start);
    size_t length = start;

    if (left < start || memcmp(at, form->start, start))
        return 0;
    while (form->minimum && length < left &&
           (isalnum((unsigned char)at[length]) ||
            (at[length] && strchr(form->extra, at[length]))))
        length++;
    return length - start >= form->minimum ? length : 0;
}

struct span secret_find(struct span text, const char **kind)
{
    for (size_t i = 0; i < text.length; i++) {
        if (i && (isalnum((unsigned char)text.data[i - 1]) ||
                  text.data[i - 1] == '_'))
            continue;
        for (size_t f = 0; f < ARRAY_LENGTH(forms); f++) {
            size_t length =
                match_form(&forms[f], text.data + i, text.length - i);

            if (length) {
                *kind = forms[f].kind;
                return (struct span){text.data + i, length};
            }
        }
    }
    return (struct span){NULL, 0};
}

static const char *add_value(struct secrets *secrets, const char *value)
{
    size_t size = strlen(value) + 1;
    char *copy;

    for (size_t i = 0; i < secrets->count; i++) {
        if (!strcmp(secrets->values[i], value))
            return secrets->values[i];
    }
    if (size <= SECRET_LENGTH_MIN || secrets->count == SECRETS_MAX ||
        size > SECRETS_BYTES_MAX - secrets->used)
        return NULL;
    if (!secrets->pages) {
        secrets->pages = mmap(NULL, SECRETS_BYTES_MAX, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (secrets->pages == MAP_FAILED)
            return mem_array(SIZE_MAX, 2); /* ends the process */
        madvise(secrets->pages, SECRETS_BYTES_MAX, MADV_DONTDUMP);
    }
    copy = secrets->pages + secrets->used;
    memcpy(copy, value, size);
    secrets->used += size;
    secrets->values[secrets->count++] = copy;
    return copy;
}

static char *percent_encoded(const char *value)
{
    char *encoded = mem_alloc(strlen(value) * 3 + 1);
    char *out = encoded;

    for (; *value; value++) {
        if (isalnum((unsigned char)*value) || strchr("-._~", *value))
            *out++ = *value;
        else
            out += snprintf(out, 4, "%%%02X", (unsigned char)*value);
    }
    return encoded;
}

/* As the JSON writer has it, without the quotes. */
static char *json_escaped(const char *value)
{
    size_t most = strlen(value) * 6 + 2;
    struct buffer text;
    struct json json;

    buffer_init(&text, most);
    buffer_reserve(&text, most); /* growing would leave copies behind */
    json = json_to(&text);
    json_string(&json, value);
    buffer_truncate(&text, text.length - 1);
    buffer_consume(&text, 1);
    return buffer_steal(&text);
}

static void wipe(char **text)
{
    explicit_bzero(*text, strlen(*text));
    free(*text);
}

const char *secrets_add(struct secrets *secrets, const char *value)
{
    CLEANUP(wipe) char *percent = percent_encoded(value);
    CLEANUP(wipe) char *escaped = json_escaped(value);
    const char *copy = add_value(secrets, value);

    add_value(secrets, percent);
    add_value(secrets, escaped);
    return copy;
}

void secrets_hide_from_forks(const struct secrets *secrets)
{
    if (secrets->pages)
        madvise(secrets->pages, SECRETS_BYTES_MAX, MADV_WIPEONFORK);
}

void secrets_add_environment(struct secrets *secrets, char **environment)
{
    for (char **entry = environment; entry && *entry; entry++) {
        const char *equals = strchr(*entry, '=');
        CLEANUP(mem_free) char *name = NULL;

        if (!equals)
            continue;
        name = mem_bytes(*entry, (size_t)(equals - *entry));
        if (secret_name(name))
            secrets_add(secrets, equals + 1);
    }
}

/* Marks in *hits, made when there is something to mark, where `value` is. */
static void mark(const char *value, const char *data, size_t length,
                 char **hits)
{
    size_t size = strlen(value);
    const char *at = data;

    while ((at = memmem(at, length - (size_t)(at - data), value, size))) {
        if (!*hits)
            *hits = mem_alloc(length);
        memset(*hits + (at - data), 1, size);
        at++;
    }
}

/* All are found before one is masked: a value may hold or overlap another. */
void secrets_mask(const struct secrets *secrets, char *data, size_t length)
{
    CLEANUP(mem_free) char *hits = NULL;

    for (size_t i = 0; length && i < secrets->count; i++)
        mark(secrets->values[i], data, length, &hits);
    for (size_t i = 0; hits && i < length; i++) {
        if (hits[i])
            data[i] = '*';
    }
}

void secrets_free(struct secrets *secrets)
{
    if (secrets->pages) {
        explicit_bzero(secrets->pages, SECRETS_BYTES_MAX);
        munmap(secrets->pages, SECRETS_BYTES_MAX);
    }
    *secrets = (struct secrets){.count = 0};
}
