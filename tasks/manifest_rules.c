#include "tasks/manifest_rules.h"

#include <arpa/inet.h>
#include <ctype.h>

#include "base/buffer.h"
#include "base/hosts.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/secret.h"
#include "tasks/task.h"

/* A user part of that length with letters and digits is taken for a token. */
#define TOKEN_LENGTH_MIN 20

static bool letter_or_digit(char c)
{
    return isalnum((unsigned char)c) != 0;
}

/* ---- names ------------------------------------------------------------- */

static bool is_name(const char *text, const char *extra)
{
    if (!letter_or_digit(*text) && *text != '_')
        return false;
    if (isdigit((unsigned char)*text))
        return false;
    for (; *text; text++) {
        if (!letter_or_digit(*text) && !strchr(extra, *text))
            return false;
    }
    return true;
}

const char *rule_variable(const char *text)
{
    return is_name(text, "_") ? NULL
                              : "a variable's name of letters, digits and _";
}

const char *rule_own_variable(const char *text)
{
    if (!strncmp(text, "NIGHTJAR_", strlen("NIGHTJAR_")))
        return "a variable that does not start with NIGHTJAR_, which are set "
               "for every command";
    return rule_variable(text);
}

const char *rule_passed_variable(const char *text)
{
    if (secret_name(text))
        return "a variable that is not named like a secret: no credential "
               "enters a sandbox";
    return rule_own_variable(text);
}

const char *rule_name(const char *text)
{
    return is_name(text, "_-") ? NULL
                               : "a name of letters, digits, _ and - that "
                                 "starts with a letter or _";
}

const char *rule_id(const char *text)
{
    size_t length = strlen(text);
    bool good = length && length <= TASK_ID_MAX && *text != '.' && *text != '-';

    for (size_t i = 0; good && i < length; i++)
        good = letter_or_digit(text[i]) || strchr("._-", text[i]);
    return good ? NULL
                : "1 to 100 letters, digits, '.', '_' and '-' that do not "
                  "start with '.' or '-'";
}

/* ---- paths ------------------------------------------------------------- */

static bool has_segment(const char *path, const char *segment)
{
    while (*path) {
        size_t length = strcspn(path, "/");

        if (length == strlen(segment) && !strncasecmp(path, segment, length))
            return true;
        path += length + (path[length] != '\0');
    }
    return false;
}

const char *rule_host(const char *text)
{
    struct host_entry ignored;
    struct error err;

    if (!strcmp(text, "none") || !strcmp(text, "open"))
        return "a host; none and open stand alone, without a list";
    return host_parse(text, &ignored, &err)
               ? "a host such as example.org, example.org:8443, "
                 "*.example.org, 10.0.0.7 or 10.0.0.0/8"
               : NULL;
}

const char *rule_host_path(const char *text)
{
    return *text == '/' && !has_segment(text, "..")
               ? NULL
               : "an absolute path without \"..\"";
}

const char *rule_glob(const char *text)
{
    return *text != '/' && !has_segment(text, "..") && !has_segment(text, ".")
               ? NULL
               : "a path pattern relative to the repository, without \".\" "
                 "and \"..\"";
}

const char *rule_file_name(const char *text)
{
    return !strchr(text, '/') && strcmp(text, ".") && strcmp(text, "..")
               ? NULL
               : "the name of a file, without a folder";
}

const char *rule_directory(const char *text)
{
    if (!*text || *text == '/' || has_segment(text, ".."))
        return "a directory relative to the repository, without \"..\"";
    return has_segment(text, ".git") ? "a directory outside of .git" : NULL;
}

/* gitrevisions(7) and git-check-ref-format(1): no operators, no option. */
const char *rule_ref(const char *text)
{
    bool good = *text && *text != '-' && !strstr(text, "..") &&
                !strstr(text, "@{") && !strpbrk(text, " ~^:?*[\\\t\n");

    return good ? NULL : "a branch, tag or commit";
}

/* ---- addresses --------------------------------------------------------- */

struct address {
    struct span user; /* data NULL: none */
    struct span host; /* without brackets */
    const char *path; /* from '/', '?' or '#' on; "" */
    bool brackets;
    bool good; /* host and port have the form of such */
};

static bool good_host(struct span host, bool brackets)
{
    char text[256];
    struct in6_addr ipv6;

    if (!host.length || host.length >= sizeof(text) || host.data[0] == '-')
        return false;
    memcpy(text, host.data, host.length);
    text[host.length] = '\0';
    if (brackets)
        return inet_pton(AF_INET6, text, &ipv6) == 1;
    for (const char *at = text; *at; at++) {
        if (!letter_or_digit(*at) && !strchr(".-_", *at))
            return false;
    }
    return true;
}

static bool good_port(const char *text, size_t length)
{
    int64_t port;
    char digits[8];

    if (!length)
        return true;
    if (*text != ':' || length < 2 || length > 6)
        return false;
    memcpy(digits, text + 1, length - 1);
    digits[length - 1] = '\0';
    return isdigit((unsigned char)*digits) && !number_int64(digits, &port) &&
           port >= 1 && port <= 65535;
}

/* What follows "scheme://". */
static struct address address_split(const char *text)
{
    struct address address = {0};
    size_t length = strcspn(text, "/?#");
    const char *at = memrchr(text, '@', length);
    const char *end = text + length;
    size_t host;

    address.path = end;
    if (at) {
        address.user = (struct span){text, (size_t)(at - text)};
        text = at + 1;
    }
    address.brackets = *text == '[';
    if (address.brackets) {
        const char *close = memchr(text, ']', (size_t)(end - text));

        if (!close)
            return address;
        host = (size_t)(close - ++text);
    } else {
        const char *colon = memchr(text, ':', (size_t)(end - text));

        host = (size_t)((colon ? colon : end) - text);
    }
    address.host = (struct span){text, host};
    text += host + address.brackets;
    address.good = good_host(address.host, address.brackets) &&
                   good_port(text, (size_t)(end - text));
    return address;
}

static bool is_loopback(const struct address *address)
{
    char text[INET6_ADDRSTRLEN + 1];
    struct in_addr ipv4;
    struct in6_addr ipv6;

    if (address->host.length >= sizeof(text))
        return false;
    memcpy(text, address->host.data, address->host.length);
    text[address->host.length] = '\0';
    if (address->brackets)
        return inet_pton(AF_INET6, text, &ipv6) == 1 &&
               IN6_IS_ADDR_LOOPBACK(&ipv6);
    if (inet_pton(AF_INET, text, &ipv4) == 1)
        return ntohl(ipv4.s_addr) >> 24 == 127;
    return !strcasecmp(text, "localhost");
}

/* Behind "scheme://", or NULL. */
static const char *behind(const char *text, const char *scheme)
{
    size_t length = strlen(scheme);

    return strncasecmp(text, scheme, length) ? NULL : text + length;
}

static bool has_odd_byte(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text <= ' ' || *text == 0x7F || *text == '\\')
            return true;
    }
    return false;
}

const char *rule_base_url(const char *text)
{
    const char *rest = behind(text, "https://");
    bool clear = !rest && (rest = behind(text, "http://"));
    struct address address;

    if (!rest || has_odd_byte(text))
        return "an address that starts with https:// or http://";
    address = address_split(rest);
    if (address.user.data)
        return "an address without credentials; \"key_env\" names the "
               "variable that holds the key";
    if (!address.good)
        return "an address with a host, and a port from 1 to 65535 if any";
    if (strpbrk(address.path, "?#"))
        return "an address without '?' and '#'";
    if (clear && !is_loopback(&address))
        return "https, because over http to another machine the key would "
               "travel in clear";
    return NULL;
}

/* A password, or a user name that can only be a token. */
static bool holds_credentials(struct span user)
{
    const char *kind;
    bool digit = false;
    bool letter = false;

    if (!user.data)
        return false;
    if (memchr(user.data, ':', user.length) || secret_find(user, &kind).data)
        return true;
    for (size_t i = 0; i < user.length; i++) {
        digit |= isdigit((unsigned char)user.data[i]) != 0;
        letter |= isalpha((unsigned char)user.data[i]) != 0;
    }
    return digit && letter && user.length >= TOKEN_LENGTH_MIN;
}

static const char *check_repo_address(const char *rest, const char *text)
{
    struct address address = address_split(rest);

    if (holds_credentials(address.user))
        return "an address without credentials: secrets are named, never "
               "written";
    if (!address.good || has_odd_byte(text) || strpbrk(address.path, "?#") ||
        (address.user.data && address.user.data[0] == '-'))
        return "an address of the form scheme://host/path";
    return address.path[0] == '/' && address.path[1]
               ? NULL
               : "an address with the path of a repository";
}

/* user@host:path; `colon` stands before any '/'. */
static const char *check_scp(const char *text, const char *colon)
{
    const char *at = memchr(text, '@', (size_t)(colon - text));
    struct span host;

    if (!at || at == text || *text == '-' || !colon[1] || has_odd_byte(text))
        return "a URL, user@host:path, or a path, which starts with ./ if it "
               "has a colon";
    host = (struct span){at + 1, (size_t)(colon - at - 1)};
    return good_host(host, false) ? NULL : "user@host:path";
}

const char *rule_repo(const char *text)
{
    static const char *const schemes[] = {"https://", "http://", "ssh://"};
    size_t first = strcspn(text, ":/");
    const char *rest;

    if (!*text || *text == '-')
        return "a URL, user@host:path or a path";
    for (size_t i = 0; i < ARRAY_LENGTH(schemes); i++) {
        rest = behind(text, schemes[i]);
        if (rest)
            return check_repo_address(rest, text);
    }
    rest = behind(text, "file://");
    if (rest)
        return *rest == '/' && rest[1] ? NULL : "file:///absolute/path";
    if (strstr(text, "://") || strstr(text, "::"))
        return "a scheme of https, http, ssh or file";
    return text[first] == ':' ? check_scp(text, text + first) : NULL;
}

bool repo_is_path(const char *text)
{
    size_t first = strcspn(text, ":/");

    return text[first] != ':';
}
