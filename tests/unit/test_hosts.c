/* Lists of hosts: what an entry says, and what it lets through. */
#include "base/hosts.h"
#include "base/memory.h"
#include "tests/tap.h"

static void test_bad(void)
{
    static const char *const bad[] = {
        "",        ".",         "-a",  "a-.org",      "a..b",
        "a b",     "http://a",  "a/b", "a:0",         "a:65536",
        "a:x",     "a:-1",      "a:",  "10.0.0.0/33", "10.0.0.0/x",
        "::1/129", "[::1",      "*.",  "*x",          "**.a",
        "*.*",     "a@b",       "a?b", "a#b",         "10.0.0.0/-1",
        "[a]:1:2", "ex\tample", "x/8", "*/8",         "[::1]x",
    };
    struct host_entry entry;
    struct error err;

    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        tap_ok(host_parse(bad[i], &entry, &err) && err.kind == ERROR_MANIFEST,
               "'%s' is no host", bad[i]);
    }
}

static void parse(struct hosts *hosts, const char *const *texts, size_t count)
{
    struct error err;

    hosts->count = 0;
    for (size_t i = 0; i < count; i++) {
        if (host_parse(texts[i], &hosts->entries[hosts->count++], &err))
            tap_ok(false, "%s", err.text);
    }
}

struct question {
    const char *name;
    int port;
    bool allowed;
};

static void test_names(void)
{
    static const char *const list[] = {
        "example.org", "*.Example.com",       "git.example.net:2222",
        "10.1.2.3",    "192.168.0.0/16:8080", "[2001:db8::1]:9"};
    static const struct question questions[] = {
        {"example.org", 80, true},
        {"example.org", 443, true},
        {"EXAMPLE.org", 443, true},
        {"example.org.", 443, true},
        {"example.org", 22, false},
        {"www.example.org", 443, false},
        {"xexample.org", 443, false},
        {"example.org.evil.net", 443, false},
        {"example.com", 443, false},
        {"a.example.com", 443, true},
        {"a.b.example.com", 443, true},
        {"aexample.com", 443, false},
        {".example.com", 443, false},
        {"git.example.net", 2222, true},
        {"git.example.net", 443, false},
        {"10.1.2.3", 80, true},
        {"10.1.2.4", 80, false},
        {"192.168.7.7", 8080, true},
        {"192.168.7.7", 80, false},
        {"2001:db8::1", 9, true},
        {"2001:db8:0:0::1", 9, true},
        {"2001:db8::2", 9, false},
        {"", 80, false},
    };
    struct hosts hosts;

    parse(&hosts, list, ARRAY_LENGTH(list));
    for (size_t i = 0; i < ARRAY_LENGTH(questions); i++)
        tap_ok(hosts_allow_name(&hosts, questions[i].name, questions[i].port) ==
                   questions[i].allowed,
               "%s:%d is %s", questions[i].name, questions[i].port,
               questions[i].allowed ? "allowed" : "refused");
}

static void test_public(void)
{
    static const struct {
        const char *address;
        bool is_public;
    } addresses[] = {
        {"1.1.1.1", true},
        {"8.8.8.8", true},
        {"0.0.0.0", false},
        {"10.0.0.1", false},
        {"100.64.0.1", false},
        {"100.128.0.1", true},
        {"127.0.0.1", false},
        {"127.255.255.255", false},
        {"169.254.169.254", false},
        {"172.15.0.1", true},
        {"172.16.0.1", false},
        {"172.31.255.255", false},
        {"172.32.0.1", true},
        {"192.0.2.1", false},
        {"192.168.1.1", false},
        {"198.18.0.1", false},
        {"198.20.0.1", true},
        {"203.0.113.9", false},
        {"224.0.0.1", false},
        {"255.255.255.255", false},
        {"::", false},
        {"::1", false},
        {"::ffff:127.0.0.1", false},
        {"::ffff:8.8.8.8", true},
        {"64:ff9b::7f00:1", false},
        {"64:ff9b::808:808", true},
        {"fe80::1", false},
        {"fc00::1", false},
        {"fd12::1", false},
        {"ff02::1", false},
        {"2001:db8::1", false},
        {"2001::1", false},
        {"2002:7f00:1::", false},
        {"2606:4700::1111", true},
        {"2a00:1450::1", true},
        {"fec0::1", false},
        {"100::1", false},
        {"::7f00:1", false},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(addresses); i++) {
        struct in6_addr address;

        tap_ok(address_parse(addresses[i].address, &address) &&
                   address_is_public(&address) == addresses[i].is_public,
               "%s is %spublic", addresses[i].address,
               addresses[i].is_public ? "" : "not ");
    }
}

/* What a name may lead to. */
static void test_addresses(void)
{
    static const char *const list[] = {"example.org", "db.internal:5432",
                                       "10.0.0.0/8:5432", "localhost:8080"};
    static const struct {
        const char *name;
        const char *address;
        int port;
        bool allowed;
    } questions[] = {
        {"example.org", "93.184.216.34", 443, true},
        {"example.org", "127.0.0.1", 443, false},
        {"example.org", "169.254.169.254", 80, false},
        {"example.org", "::ffff:10.0.0.1", 443, false},
        {"db.internal", "10.2.3.4", 5432, true},
        {"db.internal", "192.168.0.1", 5432, false},
        {"localhost", "127.0.0.1", 8080, true},
        {"localhost", "::1", 8080, true},
        {"localhost", "10.0.0.1", 8080, false},
        {"localhost", "127.0.0.1", 8081, false},
    };
    struct hosts hosts;

    parse(&hosts, list, ARRAY_LENGTH(list));
    for (size_t i = 0; i < ARRAY_LENGTH(questions); i++) {
        struct in6_addr address;

        tap_ok(address_parse(questions[i].address, &address) &&
                   hosts_allow_address(&hosts, questions[i].name, &address,
                                       questions[i].port) ==
                       questions[i].allowed,
               "%s at %s:%d is %s", questions[i].name, questions[i].address,
               questions[i].port, questions[i].allowed ? "allowed" : "refused");
    }
    parse(&hosts, (const char *const[]){"*"}, 1);
    tap_ok(hosts_allow_name(&hosts, "any.example", 443) &&
               hosts_allow_name(&hosts, "8.8.8.8", 80) &&
               !hosts_allow_name(&hosts, "any.example", 25),
           "* is every name, at the ports of the web");
}

int main(void)
{
    test_bad();
    test_names();
    test_public();
    test_addresses();
    return tap_done();
}
