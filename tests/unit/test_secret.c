#include <sys/wait.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/secret.h"
#include "tests/tap.h"

#define ALNUM36 "abcdefghijklmnopqrstuvwxyz0123456789"

static void test_names(void)
{
    static const char *const secret[] = {
        "OPENAI_API_KEY", "GITHUB_TOKEN",  "DB_PASSWORD", "db.password",
        "MY-SECRET",      "APIKEY",        "Token",       "AWS_SECRET_ACCESS",
        "PGPASSWORD",     "SENTRY_DSN",    "NPM_AUTH",    "X_PAT",
        "CREDENTIALS",    "DATABASE_PASS", "jwt",         "KEY"};
    static const char *const plain[] = {
        "PATH",    "HOME",     "PWD",  "OLDPWD",     "SSH_AUTH_SOCK",
        "MONKEYS", "KEYBOARD", "LANG", "TOKENIZERS", "",
        "PASSAGE", "AUTHOR",   "_",    "SECRETARY",  "XAUTHORITY"};

    for (size_t i = 0; i < ARRAY_LENGTH(secret); i++)
        tap_ok(secret_name(secret[i]), "'%s' holds a secret", secret[i]);
    for (size_t i = 0; i < ARRAY_LENGTH(plain); i++)
        tap_ok(!secret_name(plain[i]), "'%s' holds none", plain[i]);
}

static void finds(const char *text, const char *want, const char *want_kind)
{
    const char *kind = "";
    struct span found = secret_find((struct span){text, strlen(text)}, &kind);

    tap_bytes(found.data, found.length, want, strlen(want), "in: %s", text);
    tap_string(kind, want_kind, "its kind");
}

static void finds_nothing(struct span text)
{
    const char *kind = NULL;
    struct span found = secret_find(text, &kind);

    tap_ok(!found.data && !found.length, "nothing in: %.60s",
           text.data ? text.data : "NULL");
}

static void test_forms(void)
{
    finds("x ghp_" ALNUM36 " y", "ghp_" ALNUM36, "GitHub token");
    finds("ghp_" ALNUM36 "longer", "ghp_" ALNUM36 "longer", "GitHub token");
    finds("\"glpat-abcdefghij_-klmnopqr\"", "glpat-abcdefghij_-klmnopqr",
          "GitLab token");
    finds("k=AKIAABCDEFGHIJKLMNOP;", "AKIAABCDEFGHIJKLMNOP", "AWS access key");
    finds("sk-proj-abcdefghijklmnopqrst", "sk-proj-abcdefghijklmnopqrst",
          "OpenAI key");
    finds("sk-ant-abcdefghijklmnopqrst", "sk-ant-abcdefghijklmnopqrst",
          "Anthropic key");
    finds("sk-" ALNUM36, "sk-" ALNUM36, "OpenAI key");
    finds("x: -----BEGIN OPENSSH PRIVATE KEY-----x",
          "-----BEGIN OPENSSH PRIVATE KEY-----", "private key");
    finds_nothing(SPAN("ghp_abcdefghijklmnopqrstuvwxyz012345678")); /* 35 */
    finds_nothing(SPAN("xghp_" ALNUM36));
    finds_nothing(SPAN("_ghp_" ALNUM36));
    finds_nothing(SPAN("-----BEGIN PUBLIC KEY-----"));
    finds_nothing(SPAN("AKIAabc"));
    finds_nothing(SPAN("ghp_\0" ALNUM36));
    finds_nothing(SPAN(""));
    finds_nothing((struct span){NULL, 0});
}

static void test_cut_forms(void)
{
    static const char token[] = "ghp_" ALNUM36;
    const char *kind;
    size_t found = 0;

    for (size_t length = 0; length < sizeof(token) - 1; length++) {
        char *copy = malloc(length ? length : 1);

        memcpy(copy, token, length);
        found += secret_find((struct span){copy, length}, &kind).length;
        free(copy);
    }
    tap_int((int64_t)found, 0, "no token that is cut short");
}

static void masks(const struct secrets *secrets, const char *text,
                  const char *want, const char *name)
{
    CLEANUP(mem_free) char *copy = mem_string(text);

    secrets_mask(secrets, copy, strlen(copy));
    tap_string(copy, want, "%s", name);
}

static void test_mask(void)
{
    struct secrets secrets = {0};

    masks(&secrets, "nothing", "nothing", "no secrets");
    tap_ok(!secrets_add(&secrets, "1234567"), "seven bytes are left out");
    tap_ok(!secrets_add(&secrets, ""), "and none");
    tap_string(secrets_add(&secrets, "p@ss\"wo/rd"), "p@ss\"wo/rd", "added");
    masks(&secrets, "p@ss\"wo/rd", "**********", "the whole text");
    masks(&secrets, "a p@ss\"wo/rdp@ss\"wo/rd b", "a ******************** b",
          "twice in a row");
    masks(&secrets, "p@ss\"wo/r", "p@ss\"wo/r", "not a part of it");
    masks(&secrets, "x=p%40ss%22wo%2Frd&", "x=****************&",
          "percent-encoded");
    masks(&secrets, "\"p@ss\\\"wo/rd\"", "\"***********\"", "escaped in JSON");
    secrets_free(&secrets);
    secrets_free(&secrets);
    masks(&secrets, "p@ss\"wo/rd", "p@ss\"wo/rd", "forgotten");
}

static void test_mask_bytes(void)
{
    struct secrets secrets = {0};
    char text[] = "\0hunter22\0\xFFhunter22";

    secrets_add(&secrets, "hunter22");
    secrets_mask(&secrets, text, sizeof(text) - 1);
    tap_bytes(text, sizeof(text) - 1, "\0********\0\xFF********", 19,
              "among any bytes");
    secrets_mask(&secrets, NULL, 0);
    tap_ok(true, "nothing");
    secrets_free(&secrets);
}

/* A value that holds another, starts like it or overlaps it is masked whole,
 * in whatever order they became known. */
static void test_overlaps(void)
{
    static const char *const values[] = {"abcdefgh", "abcdefghij", "ghij1234"};

    for (size_t first = 0; first < 3; first++) {
        struct secrets secrets = {0};

        for (size_t i = 0; i < 3; i++)
            secrets_add(&secrets, values[(first + i) % 3]);
        masks(&secrets, "-abcdefghij-", "-**********-", "one in another");
        masks(&secrets, "-abcdefghij1234-", "-**************-", "overlapping");
        secrets_free(&secrets);
    }
    {
        struct secrets secrets = {0};

        secrets_add(&secrets, "aaaaaaaa");
        masks(&secrets, "aaaaaaaaaaa", "***********", "with itself");
        secrets_free(&secrets);
    }
}

/* Whatever the JSON writer makes of a value is masked, too. */
static void test_json_form(void)
{
    static const char value[] = "-key-\r\n\tA\b\f\x01\x7F\"\\/\xC3\xA4-end-";
    struct secrets secrets = {0};
    struct buffer out;
    struct json json;

    secrets_add(&secrets, value);
    buffer_init(&out, 1000);
    json = json_to(&out);
    json_string(&json, value);
    secrets_mask(&secrets, out.data, out.length);
    tap_int((int64_t)strspn(out.data + 1, "*"), (int64_t)out.length - 2,
            "all that is between the quotes: %s", out.data);
    buffer_free(&out);
    secrets_free(&secrets);
}

static void test_environment(void)
{
    char *environment[] = {(char[]){"PATH=/usr/bin:/bin"},
                           (char[]){"API_KEY=key-of-the-api"},
                           (char[]){"API_TOKEN"},
                           (char[]){"SHORT_KEY=1234567"},
                           (char[]){"DB_PASSWORD=a=b=c=d=e"},
                           (char[]){"EMPTY_TOKEN="},
                           NULL};
    struct secrets secrets = {0};

    secrets_add_environment(&secrets, NULL);
    secrets_add_environment(&secrets, environment);
    masks(&secrets, "key-of-the-api", "**************", "a key");
    masks(&secrets, "a=b=c=d=e", "*********", "with signs in it");
    masks(&secrets, "/usr/bin:/bin", "/usr/bin:/bin", "what is no secret");
    masks(&secrets, "1234567", "1234567", "what is too short");
    secrets_free(&secrets);
}

static void test_limits(void)
{
    struct secrets secrets = {0};
    CLEANUP(mem_free) char *large = mem_alloc(SECRETS_BYTES_MAX + 1);
    char value[32];

    memset(large, 'x', SECRETS_BYTES_MAX);
    tap_ok(!secrets_add(&secrets, large), "one that does not fit");
    for (int i = 0; i < SECRETS_MAX + 10; i++) {
        snprintf(value, sizeof(value), "value-number-%d", i);
        secrets_add(&secrets, value);
    }
    tap_int((int64_t)secrets.count, SECRETS_MAX, "not more than the limit");
    tap_string(secrets_add(&secrets, "value-number-3"), "value-number-3",
               "one that is known");
    secrets_free(&secrets);
}

static void test_hidden_from_forks(void)
{
    struct secrets secrets = {0};
    const char *value = secrets_add(&secrets, "in this process only");
    int status = -1;
    pid_t child;

    secrets_hide_from_forks(&secrets);
    child = fork();
    if (!child)
        _exit(*value ? 1 : 0);
    waitpid(child, &status, 0);
    tap_int(status, 0, "a fork sees zeros");
    tap_string(value, "in this process only", "this process the value");
    secrets_hide_from_forks(&(struct secrets){0});
    secrets_free(&secrets);
}

int main(void)
{
    test_names();
    test_forms();
    test_cut_forms();
    test_mask();
    test_mask_bytes();
    test_overlaps();
    test_json_form();
    test_environment();
    test_limits();
    test_hidden_from_forks();
    return tap_done();
}
