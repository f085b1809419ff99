/* A list of hosts that may be reached, and what it says of a request.
 *
 * Entries: "example.org", "*.example.org" (names below it), each with ports
 * 80 and 443, or with one as "example.org:8443"; "*" is every name. A name
 * that is listed may lead to public addresses only. Others are named as
 * "10.0.0.7", "10.0.0.0/8", "[::1]", each with or without a port; "localhost"
 * names loopback. Public: what IANA's special-purpose registries (RFC 6890)
 * do not take out. */
#ifndef NIGHTJAR_BASE_HOSTS_H
#define NIGHTJAR_BASE_HOSTS_H

#include <netinet/in.h>

#include "base/error.h"

#define HOSTS_MAX 256
#define HOST_NAME_MAX_LENGTH 253

struct host_entry {
    char name[HOST_NAME_MAX_LENGTH + 1]; /* lower case; "" for an address */
    bool below;                          /* "*." was in front */
    bool any;                            /* "*" */
    int port;                            /* 0: 80 and 443 */
    struct in6_addr address;             /* IPv4 as ::ffff:a.b.c.d */
    int bits;                            /* of the address that count */
};

struct hosts {
    struct host_entry entries[HOSTS_MAX];
    size_t count;
};

/* Takes one entry. Errors: ERROR_MANIFEST, what is wrong with it. */
int host_parse(const char *text, struct host_entry *entry, struct error *err);

/* Whether a name or literal address, as a client wrote it, may be asked for
 * at that port. */
bool hosts_allow_name(const struct hosts *hosts, const char *name, int port);

/* Whether that address, which `name` led to, may be connected to. */
bool hosts_allow_address(const struct hosts *hosts, const char *name,
                         const struct in6_addr *address, int port);

/* Whether an address (IPv4 as ::ffff:a.b.c.d) is a public one. */
bool address_is_public(const struct in6_addr *address);

/* Reads a literal address, without brackets. */
bool address_parse(const char *text, struct in6_addr *address);

#endif
