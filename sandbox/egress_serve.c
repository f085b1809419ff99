/* The egress proxy's process: a thread for each client, one list, one table
 * of what was done. */
#include "sandbox/egress_serve.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

#include "base/memory.h"

#define SETTLE_TRIES 1000
#define SETTLE_PAUSE_NS 1000000
#define CLIENTS_MAX 128
#define TARGETS_MAX 256
#define STACK_BYTES ((size_t)256 << 10)

struct client {
    bool used;
    int client;
    int server; /* or -1 */
    uint64_t generation;
};

struct counted {
    struct egress_message message; /* an EGRESS_REPORT */
    bool changed;
};

/* Of this process alone, under the lock. */
static struct {
    pthread_mutex_t lock;
    struct hosts hosts;
    uint64_t generation; /* of the list */
    struct client clients[CLIENTS_MAX];
    struct counted targets[TARGETS_MAX];
    size_t target_count;
} proxy = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void lock(void)
{
    pthread_mutex_lock(&proxy.lock);
}

static void unlock(void)
{
    pthread_mutex_unlock(&proxy.lock);
}

/* ---- counting
 * -------------------------------------------------------------------- */

/* The target's line; the last one takes what has no room of its own. */
static struct counted *find_target(const struct egress_target *target)
{
    struct counted *line;

    for (size_t i = 0; i < proxy.target_count; i++) {
        line = &proxy.targets[i];
        if (line->message.report.port == target->port &&
            !strcasecmp(line->message.report.name, target->name))
            return line;
    }
    if (proxy.target_count == TARGETS_MAX)
        return &proxy.targets[TARGETS_MAX - 1];
    line = &proxy.targets[proxy.target_count++];
    line->message.type = EGRESS_REPORT;
    if (proxy.target_count == TARGETS_MAX) {
        snprintf(line->message.report.name, sizeof(line->message.report.name),
                 "(others)");
        return line;
    }
    memcpy(line->message.report.name, target->name, strlen(target->name) + 1);
    line->message.report.port = target->port;
    return line;
}

void egress_count_refusal(const struct egress_target *target,
                          const char *reason)
{
    struct counted *line;

    lock();
    line = find_target(target);
    line->message.report.refusals++;
    snprintf(line->message.report.reason, sizeof(line->message.report.reason),
             "%s", reason);
    line->changed = true;
    unlock();
}

void egress_count_bytes(const struct egress_target *target, int64_t sent,
                        int64_t received)
{
    struct counted *line;

    lock();
    line = find_target(target);
    line->message.report.connections++;
    line->message.report.sent += sent;
    line->message.report.received += received;
    line->changed = true;
    unlock();
}

/* ---- the list
 * ----------------------------------------------------------------------- */

bool egress_may_ask(const struct egress_target *target)
{
    bool may;

    lock();
    may = hosts_allow_name(&proxy.hosts, target->name, target->port);
    unlock();
    if (!may)
        egress_count_refusal(target, "not in the list");
    return may;
}

bool egress_may_connect(const struct egress_target *target,
                        const struct in6_addr *address)
{
    bool may;

    lock();
    may =
        hosts_allow_name(&proxy.hosts, target->name, target->port) &&
        hosts_allow_address(&proxy.hosts, target->name, address, target->port);
    unlock();
    return may;
}

bool egress_register(int client, int server)
{
    bool current = false;

    lock();
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        struct client *entry = &proxy.clients[i];

        if (entry->used && entry->client == client &&
            entry->generation == proxy.generation) {
            entry->server = server;
            current = true;
        }
    }
    unlock();
    return current;
}

/* Cuts what is open. Returns how many clients there are. */
static size_t cut_all(void)
{
    size_t count = 0;

    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        struct client *entry = &proxy.clients[i];

        if (!entry->used)
            continue;
        count++;
        shutdown(entry->client, SHUT_RDWR);
        if (entry->server >= 0)
            shutdown(entry->server, SHUT_RDWR);
    }
    return count;
}

/* What is open was allowed by the list before. */
static void use_list(const struct hosts *hosts)
{
    lock();
    proxy.hosts = *hosts;
    proxy.generation++;
    cut_all();
    unlock();
}

/* Clients count what they did when they end. One that is looking up a name
 * may take its time: it is not waited for. */
static void settle(void)
{
    const struct timespec pause = {0, SETTLE_PAUSE_NS};

    for (int i = 0; i < SETTLE_TRIES; i++) {
        size_t left;

        lock();
        left = cut_all();
        unlock();
        if (!left)
            return;
        nanosleep(&pause, NULL);
    }
}

/* ---- clients
 * -------------------------------------------------------------------------- */

static void *run_client(void *argument)
{
    struct client *entry = argument;

    egress_client(entry->client);
    lock();
    /* Closed under the lock: a number that is free may be another's soon. */
    fd_reset(&entry->client);
    fd_reset(&entry->server);
    entry->used = false;
    unlock();
    return NULL;
}

static struct client *take_entry(int fd)
{
    size_t i = 0;

    lock();
    while (i < CLIENTS_MAX && proxy.clients[i].used)
        i++;
    if (i < CLIENTS_MAX)
        proxy.clients[i] = (struct client){true, fd, -1, proxy.generation};
    unlock();
    return i < CLIENTS_MAX ? &proxy.clients[i] : NULL;
}

static void accept_client(int listener, const pthread_attr_t *attributes)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    struct client *entry = fd < 0 ? NULL : take_entry(fd);
    pthread_t thread;

    if (fd >= 0 && !entry) {
        close(fd); /* too many at once: the client tries again */
    } else if (entry &&
               pthread_create(&thread, attributes, run_client, entry)) {
        lock();
        fd_reset(&entry->client);
        entry->used = false;
        unlock();
    }
}

/* ---- the owner
 * ---------------------------------------------------------------------------
 */

static void tell(int owner, const struct egress_message *message)
{
    if (send(owner, message, sizeof(*message), MSG_NOSIGNAL) < 0)
        _exit(1);
}

static void report_changes(int owner)
{
    for (size_t i = 0; i < TARGETS_MAX; i++) {
        struct egress_message message = {.type = EGRESS_DONE};

        lock();
        if (i < proxy.target_count && proxy.targets[i].changed) {
            struct egress_message *line = &proxy.targets[i].message;

            message = *line;
            line->report.connections = line->report.refusals = 0;
            line->report.sent = line->report.received = 0;
            proxy.targets[i].changed = false;
        }
        unlock();
        if (message.type == EGRESS_REPORT)
            tell(owner, &message);
    }
    tell(owner, &(struct egress_message){.type = EGRESS_DONE});
}

static void obey(int owner, struct hosts *next)
{
    struct egress_message message;
    ssize_t got = recv(owner, &message, sizeof(message), 0);

    if (got < 0 && errno == EINTR)
        return;
    if (got != (ssize_t)sizeof(message))
        _exit(0);
    if (message.type == EGRESS_HOST && next->count < HOSTS_MAX)
        next->entries[next->count++] = message.host;
    if (message.type == EGRESS_USE) {
        use_list(next);
        next->count = 0;
        tell(owner, &(struct egress_message){.type = EGRESS_DONE});
    }
    if (message.type == EGRESS_SETTLE) {
        settle();
        tell(owner, &(struct egress_message){.type = EGRESS_DONE});
    }
    if (message.type == EGRESS_ASK)
        report_changes(owner);
}

_Noreturn void egress_serve(int listener, int owner)
{
    static struct hosts next;
    pthread_attr_t attributes;

    if (pthread_attr_init(&attributes) ||
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) ||
        pthread_attr_setstacksize(&attributes, STACK_BYTES))
        _exit(1);
    for (;;) {
        struct pollfd waits[] = {{owner, POLLIN, 0}, {listener, POLLIN, 0}};

        if (poll(waits, 2, -1) < 0 && errno != EINTR)
            _exit(1);
        if (waits[0].revents)
            obey(owner, &next);
        if (waits[1].revents)
            accept_client(listener, &attributes);
    }
}
