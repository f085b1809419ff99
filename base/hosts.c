#include "base/hosts.h"

#include <arpa/inet.h>
#include <ctype.h>

#include "base/memory.h"
#include "base/number.h"

#define V4_BITS 96 /* in front of an IPv4 address in IPv6's form */

struct block {
    const char *address;
    int bits;
};

/* IPv4, as bits of the IPv4 address. */
static const struct block special_v4[] = {
    {"0.0.0.0", 8},      {"10.0.0.0", 8},     {"100.64.0.0", 10},
    {"127.0.0.0", 8},    {"169.254.0.0", 16}, {"172.16.0.0", 12},
    {"192.0.0.0", 24},   {"192.0.2.0", 24},   {"192.88.99.0", 24},
    {"192.168.0.0", 16}, {"198.18.0.0", 15},  {"198.51.100.0", 24},
    {"203.0.113.0", 24}, {"224.0.0.0", 4},    {"240.0.0.0", 4},
};

/* Within 2000::/3, the only part that is public at all. */
static const struct block special_v6[] = {
    {"2001::", 23}, {"2001:db8::", 32}, {"2002::", 16}, {"3fff::", 20}};

static bool is_in(const struct in6_addr *address, const struct in6_addr *block,
                  int bits)
{
    int bytes = bits / 8;
    int rest = bits % 8;
    unsigned mask = rest ? 0xFFU << (8 - rest) & 0xFFU : 0;

    return !memcmp(address->s6_addr, block->s6_addr, (size_t)bytes) &&
           (!rest ||
            !((address->s6_addr[bytes] ^ block->s6_addr[bytes]) & mask));
}

static void map_v4(const void *four, struct in6_addr *address)
{
    *address = (struct in6_addr){0};
    address->s6_addr[10] = address->s6_addr[11] = 0xFF;
    memcpy(address->s6_addr + 12, four, 4);
}

bool address_parse(const char *text, struct in6_addr *address)
{
    struct in_addr four;

    if (inet_pton(AF_INET, text, &four) == 1) {
        map_v4(&four, address);
        return true;
    }
    return inet_pton(AF_INET6, text, address) == 1;
}

static bool is_special_v4(const struct in6_addr *address)
{
    for (size_t i = 0; i < ARRAY_LENGTH(special_v4); i++) {
        struct in6_addr block;

        if (address_parse(special_v4[i].address, &block) &&
            is_in(address, &block, V4_BITS + special_v4[i].bits))
            return true;
    }
    return false;
}

bool address_is_public(const struct in6_addr *address)
{
    static const struct in6_addr nat64 = {{{0, 0x64, 0xFF, 0x9B}}};
    static const struct in6_addr global = {{{0x20}}};

    if (IN6_IS_ADDR_V4MAPPED(address))
        return !is_special_v4(address);
    if (is_in(address, &nat64, 96)) {
        struct in6_addr within;

        map_v4(address->s6_addr + 12, &within);
        return !is_special_v4(&within);
    }
    if (!is_in(address, &global, 3))
        return false;
    for (size_t i = 0; i < ARRAY_LENGTH(special_v6); i++) {
        struct in6_addr block;

        if (address_parse(special_v6[i].address, &block) &&
            is_in(address, &block, special_v6[i].bits))
            return false;
    }
    return true;
}

/* ---- entries
 * -------------------------------------------------------------------- */

static bool is_name(const char *text)
{
    size_t length = strlen(text);
    const char *label = text;

    if (!length || length > HOST_NAME_MAX_LENGTH)
        return false;
    while (*label) {
        size_t size = strcspn(label, ".");

        if (!size || size > 63 || label[0] == '-' || label[size - 1] == '-')
            return false;
        for (size_t i = 0; i < size; i++) {
            if (!isalnum((unsigned char)label[i]) && label[i] != '-' &&
                label[i] != '_')
                return false;
        }
        label += size;
        if (*label == '.')
            label++;
    }
    return true;
}

static int bad(const char *text, struct error *err)
{
    return error_set(err, ERROR_MANIFEST,
                     "'%s' is no host: expected example.org, "
                     "example.org:8443, *.example.org, 10.0.0.7 or "
                     "10.0.0.0/8",
                     text);
}

/* Cuts ":PORT" off. */
static bool take_port(char *text, int *port)
{
    char *bracket = strrchr(text, ']');
    char *colon = strrchr(bracket ? bracket : text, ':');
    int64_t number;

    *port = 0;
    if (!colon || (!bracket && strchr(text, ':') != colon))
        return true; /* none, or an IPv6 address without brackets */
    if (number_int64(colon + 1, &number) || number < 1 || number > 65535)
        return false;
    *colon = '\0';
    *port = (int)number;
    return true;
}

static bool take_bits(char *text, int64_t *bits)
{
    char *slash = strchr(text, '/');

    *bits = -1;
    if (!slash)
        return true;
    *slash = '\0';
    return !number_int64(slash + 1, bits) && *bits >= 0 && *bits <= 128;
}

int host_parse(const char *text, struct host_entry *entry, struct error *err)
{
    CLEANUP(mem_free) char *copy = mem_string(text);
    char *name = copy;
    size_t length;
    int64_t bits;

    *entry = (struct host_entry){0};
    if (!take_port(copy, &entry->port) || !take_bits(copy, &bits))
        return bad(text, err);
    length = strlen(name);
    if (name[0] == '[' && length > 1 && name[length - 1] == ']') {
        name[length - 1] = '\0';
        name++;
    }
    if (address_parse(name, &entry->address)) {
        bool four = IN6_IS_ADDR_V4MAPPED(&entry->address) && !strchr(name, ':');

        if (four && bits > 32)
            return bad(text, err);
        entry->bits = bits < 0 ? 128 : (int)bits + (four ? V4_BITS : 0);
        return 0;
    }
    entry->any = !strcmp(name, "*");
    entry->below = !strncmp(name, "*.", 2);
    if (entry->below)
        name += 2;
    if (bits >= 0 || (!entry->any && !is_name(name)))
        return bad(text, err);
    for (size_t i = 0; name[i]; i++)
        entry->name[i] = (char)tolower((unsigned char)name[i]);
    return 0;
}

/* ---- asking
 * ---------------------------------------------------------------------- */

static bool port_fits(const struct host_entry *entry, int port)
{
    return entry->port ? port == entry->port : port == 80 || port == 443;
}

/* Without the dot that may end a name. */
static size_t name_length(const char *name)
{
    size_t length = strlen(name);

    return length && name[length - 1] == '.' ? length - 1 : length;
}

static bool name_fits(const struct host_entry *entry, const char *name)
{
    size_t length = name_length(name);
    size_t own = strlen(entry->name);

    if (entry->any)
        return true;
    if (!own)
        return false;
    if (!entry->below)
        return length == own && !strncasecmp(name, entry->name, own);
    return length > own + 1 && name[length - own - 1] == '.' &&
           !strncasecmp(name + length - own, entry->name, own);
}

static bool names_address(const struct host_entry *entry,
                          const struct in6_addr *address)
{
    return !*entry->name && !entry->any &&
           is_in(address, &entry->address, entry->bits);
}

bool hosts_allow_name(const struct hosts *hosts, const char *name, int port)
{
    struct in6_addr address;
    bool literal = address_parse(name, &address);

    for (size_t i = 0; i < hosts->count; i++) {
        const struct host_entry *entry = &hosts->entries[i];

        if (port_fits(entry, port) &&
            (literal ? entry->any || names_address(entry, &address)
                     : name_fits(entry, name)))
            return true;
    }
    return false;
}

static bool is_loopback(const struct in6_addr *address)
{
    return IN6_IS_ADDR_LOOPBACK(address) ||
           (IN6_IS_ADDR_V4MAPPED(address) && address->s6_addr[12] == 127);
}

bool hosts_allow_address(const struct hosts *hosts, const char *name,
                         const struct in6_addr *address, int port)
{
    if (address_is_public(address))
        return true;
    for (size_t i = 0; i < hosts->count; i++) {
        const struct host_entry *entry = &hosts->entries[i];

        /* The port was the name's matter; an address with one is bound to
         * it. */
        if (names_address(entry, address) &&
            (!entry->port || entry->port == port))
            return true;
        if (!strcmp(entry->name, "localhost") && !entry->below &&
            name_fits(entry, name) && is_loopback(address) &&
            port_fits(entry, port))
            return true;
    }
    return false;
}
