/* One client of the egress proxy, in a thread of its own. Everything that it
 * sends is hostile: sizes, times and forms are bounded. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/number.h"
#include "sandbox/egress_serve.h"

#define HEAD_MAX 32768
#define HEAD_TIMEOUT_MS 30000
#define DRAIN_MAX ((size_t)1 << 20)
#define DRAIN_TIMEOUT_MS 2000
#define CONNECT_TIMEOUT_MS 20000
#define IDLE_TIMEOUT_MS 600000
#define COPY_BYTES 32768

struct request {
    struct egress_target target;
    bool connect;
    char head[HEAD_MAX + 1]; /* as received; then what goes to the server */
    size_t length;
    size_t head_length; /* with its empty line; the rest is body */
    char path[HEAD_MAX];
};

/* ---- reading the request ------------------------------------------------ */

static int send_all(int fd, const char *data, size_t length)
{
    while (length) {
        ssize_t put = send(fd, data, length, MSG_NOSIGNAL);

        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return -1;
        data += put;
        length -= (size_t)put;
    }
    return 0;
}

/* Reads what the client still sends: closing before would reset the
 * connection, and the answer could be lost with it. */
static void drain(int client)
{
    int64_t deadline = clock_deadline(DRAIN_TIMEOUT_MS);
    char unread[4096];
    struct pollfd wait = {client, POLLIN, 0};
    ssize_t got = 1;

    if (shutdown(client, SHUT_WR))
        return;
    for (size_t total = 0; got > 0 && total < DRAIN_MAX; total += (size_t)got) {
        if (poll(&wait, 1, clock_left_ms(deadline)) <= 0)
            return;
        got = recv(client, unread, sizeof(unread), 0);
    }
}

static void answer(int client, const char *status, const char *text)
{
    char reply[1024];
    int length = snprintf(reply, sizeof(reply),
                          "HTTP/1.1 %s\r\nContent-Type: text/plain\r\n"
                          "Content-Length: %zu\r\nConnection: close\r\n\r\n"
                          "nightjar: %s\n",
                          status, strlen(text) + 11, text);

    if (length > 0 && (size_t)length < sizeof(reply) &&
        !send_all(client, reply, (size_t)length))
        drain(client);
}

/* Until the empty line. */
static int read_head(int client, struct request *request)
{
    int64_t deadline = clock_deadline(HEAD_TIMEOUT_MS);

    while (request->length < HEAD_MAX) {
        struct pollfd wait = {client, POLLIN, 0};
        const char *end;
        ssize_t got;

        if (poll(&wait, 1, clock_left_ms(deadline)) <= 0)
            return -1;
        got = recv(client, request->head + request->length,
                   HEAD_MAX - request->length, 0);
        if (got <= 0)
            return -1;
        request->length += (size_t)got;
        request->head[request->length] = '\0';
        if (strlen(request->head) != request->length &&
            !strstr(request->head, "\r\n\r\n"))
            return -1; /* a NUL in the head */
        end = strstr(request->head, "\r\n\r\n");
        if (end) {
            request->head_length = (size_t)(end - request->head) + 4;
            return 0;
        }
    }
    answer(client, "431 Request Header Fields Too Large",
           "the request's head is larger than 32 KiB");
    return -1;
}

/* "host:port" or "[address]:port"; the port may be absent where a default is
 * given. */
static bool read_authority(const char *text, size_t length, int default_port,
                           struct egress_target *target)
{
    char copy[HOST_NAME_MAX_LENGTH + 16];
    char *name = copy;
    char *colon;
    int64_t port = default_port;

    if (!length || length >= sizeof(copy))
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    for (size_t i = 0; i < length; i++) {
        if (!isalnum((unsigned char)copy[i]) && !strchr(".-_:[]", copy[i]))
            return false; /* no user information, no blanks */
    }
    if (*name == '[') {
        char *bracket = strchr(name, ']');

        if (!bracket || (bracket[1] && bracket[1] != ':'))
            return false;
        colon = bracket[1] ? bracket + 1 : NULL;
        *bracket = '\0';
        name++;
    } else {
        colon = strchr(name, ':');
        if (colon && strchr(colon + 1, ':'))
            return false;
    }
    if (colon) {
        *colon = '\0';
        if (number_int64(colon + 1, &port))
            return false;
    }
    if (port < 1 || port > 65535 || !*name ||
        strlen(name) > HOST_NAME_MAX_LENGTH)
        return false;
    memcpy(target->name, name, strlen(name) + 1);
    target->port = (int)port;
    return true;
}

static bool read_request_line(struct request *request)
{
    const char *head = request->head;
    const char *line_end = strstr(head, "\r\n");
    const char *method_end = strchr(head, ' ');
    const char *uri;
    const char *uri_end;

    if (!method_end || method_end > line_end)
        return false;
    uri = method_end + 1;
    uri_end = strchr(uri, ' ');
    if (!uri_end || uri_end > line_end || strncmp(uri_end, " HTTP/1.", 8) != 0)
        return false;
    for (const char *at = head; at < line_end; at++) {
        if ((unsigned char)*at < ' ' || *at == 127)
            return false;
    }
    request->connect = !strncmp(head, "CONNECT ", 8);
    if (request->connect)
        return read_authority(uri, (size_t)(uri_end - uri), 0,
                              &request->target);
    if (strncasecmp(uri, "http://", 7) != 0)
        return false;
    uri += 7;
    {
        size_t size = strcspn(uri, "/? ");
        size_t path = (size_t)(uri_end - uri) - size;

        snprintf(request->path, sizeof(request->path), "%.*s %s%.*s",
                 (int)(method_end - head), head, uri[size] == '/' ? "" : "/",
                 (int)path, uri + size);
        return read_authority(uri, size, 80, &request->target);
    }
}

/* ---- connecting
 * ------------------------------------------------------------------ */

static bool to_address(const struct addrinfo *info, struct in6_addr *address)
{
    if (info->ai_family == AF_INET6) {
        const struct sockaddr_in6 *six = (void *)info->ai_addr;

        *address = six->sin6_addr;
        return true;
    }
    if (info->ai_family == AF_INET) {
        const struct sockaddr_in *four = (void *)info->ai_addr;

        *address = (struct in6_addr){0};
        address->s6_addr[10] = address->s6_addr[11] = 0xFF;
        memcpy(address->s6_addr + 12, &four->sin_addr, 4);
        return true;
    }
    return false;
}

static int connect_one(const struct addrinfo *info)
{
    int fd =
        socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct pollfd wait = {fd, POLLOUT, 0};
    int failure = 0;
    socklen_t size = sizeof(failure);

    if (fd < 0)
        return -1;
    if ((connect(fd, info->ai_addr, info->ai_addrlen) &&
         (errno != EINPROGRESS || poll(&wait, 1, CONNECT_TIMEOUT_MS) <= 0)) ||
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size) || failure ||
        fcntl(fd, F_SETFL, 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Connects to the first address that may be and answers; the client is told
 * when there is none. */
static int connect_target(int client, const struct egress_target *target)
{
    const struct addrinfo wanted = {.ai_socktype = SOCK_STREAM,
                                    .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    bool allowed = false;
    char port[16];
    int server = -1;

    snprintf(port, sizeof(port), "%d", target->port);
    if (getaddrinfo(target->name, port, &wanted, &found)) {
        answer(client, "502 Bad Gateway", "the host's name is not known");
        return -1;
    }
    for (const struct addrinfo *info = found; info && server < 0;
         info = info->ai_next) {
        struct in6_addr address;

        if (!to_address(info, &address) ||
            !egress_may_connect(target, &address))
            continue;
        allowed = true;
        server = connect_one(info);
    }
    freeaddrinfo(found);
    if (!allowed) {
        egress_count_refusal(target, "the name leads to an address that is "
                                     "not public");
        answer(client, "403 Forbidden",
               "the name leads to an address that is not public and that "
               "sandbox.network does not name");
    } else if (server < 0) {
        answer(client, "502 Bad Gateway", "the host does not answer");
    }
    return server;
}

/* ---- passing on
 * -------------------------------------------------------------------- */

static bool is_hop_header(const char *line, size_t length)
{
    static const char *const names[] = {
        "proxy-connection:", "proxy-authorization:", "connection:",
        "keep-alive:", "host:"};

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        size_t size = strlen(names[i]);

        if (length >= size && !strncasecmp(line, names[i], size))
            return true;
    }
    return false;
}

/* The head as an origin server expects it, for exactly the host that was
 * checked. */
static int send_head(int server, const struct request *request, int64_t *sent)
{
    CLEANUP(buffer_free) struct buffer out = {0};
    const struct egress_target *target = &request->target;
    bool six = strchr(target->name, ':') != NULL;
    const char *line = strstr(request->head, "\r\n") + 2;
    const char *end = request->head + request->head_length - 2;

    buffer_init(&out, 2 * HEAD_MAX);
    buffer_addf(&out, "%s HTTP/1.1\r\nHost: %s%s%s", request->path,
                six ? "[" : "", target->name, six ? "]" : "");
    if (target->port != 80)
        buffer_addf(&out, ":%d", target->port);
    buffer_add_string(&out, "\r\nConnection: close\r\n");
    while (line < end) {
        const char *next = strstr(line, "\r\n") + 2;

        if (!is_hop_header(line, (size_t)(next - line)))
            buffer_add(&out, line, (size_t)(next - line));
        line = next;
    }
    buffer_add_string(&out, "\r\n");
    *sent += (int64_t)out.length;
    return send_all(server, out.data, out.length);
}

/* Copies what is there from one side to the other; false at the end. */
static bool pass(int from, int to, int64_t *count)
{
    char bytes[COPY_BYTES];
    ssize_t got = recv(from, bytes, sizeof(bytes), 0);

    if (got < 0 && errno == EINTR)
        return true;
    if (got <= 0 || send_all(to, bytes, (size_t)got))
        return false;
    *count += got;
    return true;
}

static void copy_both(int client, int server, int64_t *sent, int64_t *received)
{
    bool open_up = true;
    bool open_down = true;

    while (open_up || open_down) {
        struct pollfd waits[] = {{open_up ? client : -1, POLLIN, 0},
                                 {open_down ? server : -1, POLLIN, 0}};

        if (poll(waits, 2, IDLE_TIMEOUT_MS) <= 0)
            return;
        if (waits[0].revents && !pass(client, server, sent)) {
            open_up = false;
            shutdown(server, SHUT_WR);
        }
        if (waits[1].revents && !pass(server, client, received)) {
            open_down = false;
            shutdown(client, SHUT_WR);
        }
        /* A server that is done does not read on. */
        if (!open_down)
            return;
    }
}

static void serve_target(int client, const struct request *request)
{
    int server = connect_target(client, &request->target);
    const char *body = request->head + request->head_length;
    size_t rest = request->length - request->head_length;
    int64_t sent = (int64_t)rest;
    int64_t received = 0;
    static const char established[] =
        "HTTP/1.1 200 Connection established\r\n\r\n";

    if (server < 0)
        return;
    if (!egress_register(client, server)) {
        close(server);
        return;
    }
    if ((request->connect
             ? send_all(client, established, sizeof(established) - 1)
             : send_head(server, request, &sent)) ||
        send_all(server, body, rest)) {
        egress_count_bytes(&request->target, sent, 0);
        return;
    }
    copy_both(client, server, &sent, &received);
    egress_count_bytes(&request->target, sent, received);
}

void egress_client(int client)
{
    CLEANUP(mem_free) struct request *request = mem_alloc(sizeof(*request));

    if (read_head(client, request))
        return;
    if (!read_request_line(request)) {
        answer(client, "400 Bad Request",
               "expected CONNECT host:port or an http:// URL");
        return;
    }
    if (!egress_may_ask(&request->target)) {
        char text[HOST_NAME_MAX_LENGTH + 100];

        snprintf(text, sizeof(text), "%s:%d is not in sandbox.network",
                 request->target.name, request->target.port);
        answer(client, "403 Forbidden", text);
        return;
    }
    serve_target(client, request);
}
