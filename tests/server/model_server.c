/* model_server: a scripted model behind the Responses API, for tests and
 * benchmarks. One process, one poll loop, loopback only.
 *
 *     model_server [--port-file FILE] [--ready-fd N] [--log FILE]
 *                  [--lifetime SECONDS] SCENARIO.json
 *
 * It binds 127.0.0.1 and a free port, which it writes to FILE (by rename)
 * and as a line to descriptor N (closed after that). It ends on SIGTERM, when
 * its parent dies, and after its lifetime (120 seconds). Any path that ends
 * in /responses is served. Each request is one JSON line in the log, written
 * before the reply: {n, connection, method, path, headers, body}; body is the
 * JSON as it came, or a string if it is none. A request that breaks HTTP is
 * refused and not logged. Exit statuses: 0 ended as asked, 1 cannot run, 2 the
 * command line or the scenario is wrong.
 *
 * SCENARIO: {"responses": [STEP…], …} answers requests in their order, with
 *   "repeat"      "last" or "cycle" at the end of the list; "none" (default)
 *                 answers 500 from then on
 *   "by_prompt"   {"text": [STEP…], …}: the first list whose text occurs in
 *                 the body, each with its own counter; else "responses"
 *   "match"       a text: a request without it in its body is answered 400
 *   "echo_turns"  N, instead of lists: a request with fewer than N
 *                 function_call_output items gets one exec_command call with
 *                 {"cmd": the scenario's "cmd" or "true"}, else a message
 *   "faults"      steps that take the place of an echo, in turn, at each
 *                 "fault_every"-th request
 *   "latency_ms"  before the first byte, where the step says nothing else
 *   "model"       the name in responses
 *
 * STEP: {"items": [ITEM…], "usage": {input_tokens, cached_tokens,
 *   cache_write_tokens, output_tokens, reasoning_tokens}}; "usage": null
 *   sends none. ITEM is one of
 *   {"message": "text", "phase"?}   {"reasoning": "encrypted"}
 *   {"call": {"name", "arguments": object or text, "call_id"?, "namespace"?}}
 *   {"custom": {"name", "input", "call_id"?}}   {"raw": {any item}}
 *
 * What a STEP can do wrong (most go together):
 *   "status", "headers": {…}, "body": text or JSON   a reply, no stream
 *   "redirect": URL            307        "content_type": another one
 *   "cut_after_event": K, "cut_after_bytes": N (of the body): the end
 *   "stall_after_event": K     nothing more, until the peer closes
 *   "reset": true              RST: in place of a reply, or after a cut
 *   "truncated_chunk": true    the first chunk lacks 16 of its bytes; the end
 *   "garbage": N               pseudo-random bytes, as an event stream
 *   "endless": true, "comments"   text deltas or comments up to 1 GiB
 *   "huge_text": N             one more item: a message of N bytes
 *   "huge_line": N             an unknown event in a data line of N bytes
 *   "error_event", "failed": {code, message}      "no_completed": true
 *   "incomplete": "max_output_tokens" or "content_filter"
 *   "duplicate_done": true     output_item.done twice
 *   "sse_newline": "\r\n", "\r"        "header_flood": N bytes of headers
 *   "fragment": N              chunks of N bytes, a write for each
 *   "drip": {"bytes": N, "interval_ms": M}
 *   "close": true              Connection: close, and does so
 *   "latency_ms": M            before the first byte
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "tests/server/http.h"
#include "tests/server/reply.h"
#include "tests/server/scenario.h"

#define CONNECTIONS_MAX 4096
#define LOG_LINE_MAX (HTTP_BODY_MAX * 7)
#define RECEIVE_BYTES ((size_t)64 << 10)
#define RECEIVED_MAX (HTTP_HEAD_MAX + 2 * RECEIVE_BYTES)
#define TURN_BYTES ((size_t)1 << 20) /* sent before others get their turn */
#define LIFETIME_SECONDS 120
#define DRAIN_POLL_MS 5

enum connection_state {
    READING,   /* a request */
    REPLYING,  /* sends, from wake_ms on */
    DRAINING,  /* waits until the peer has all, then resets */
    DISCARDING /* has nothing to say; waits for the peer to close */
};

struct connection {
    int fd;
    int64_t number;
    enum connection_state state;
    bool is_ended;   /* the peer sends no more */
    int64_t wake_ms; /* nothing is sent before */
    struct buffer received, out;
    size_t out_at;
    struct http_request request;
    struct reply reply;
};

struct server {
    struct scenario scenario;
    int listener, signals, log;
    int64_t deadline, requests, accepted;
    struct connection *connections[CONNECTIONS_MAX];
    struct pollfd polls[CONNECTIONS_MAX + 2];
    size_t count;
    bool is_full; /* of connections or descriptors, until one closes */
};

/* ---- requests ---------------------------------------------------------- */

static int log_request(const struct server *server,
                       const struct connection *connection, struct error *err)
{
    const struct http_request *request = &connection->request;
    struct span body = buffer_span(&request->body);
    CLEANUP(buffer_free) struct buffer line;
    CLEANUP(json_free) cJSON *value = NULL;
    struct error ignored;
    struct json json;

    buffer_init(&line, LOG_LINE_MAX);
    json = json_to(&line);
    json_object(&json);
    json_member_int(&json, "n", server->requests);
    json_member_int(&json, "connection", connection->number);
    json_member_string(&json, "method", request->method);
    json_member_string(&json, "path", request->path);
    json_key(&json, "headers");
    json_object(&json);
    for (size_t i = 0; i < request->header_count; i++)
        json_member_string(&json, request->headers[i].name,
                           request->headers[i].value);
    json_end(&json);
    json_key(&json, "body");
    value = json_parse(body.data, body.length, &ignored);
    if (value && !memchr(body.data, '\n', body.length))
        json_raw(&json, body);
    else if (value)
        json_value(&json, value);
    else
        json_bytes(&json, body.data, body.length);
    json_end(&json);
    buffer_add_byte(&line, '\n');
    return file_write_fd(server->log, line.data, line.length, err);
}

static bool is_responses_path(const char *path)
{
    static const char suffix[] = "/responses";
    size_t length = strcspn(path, "?");

    return length >= sizeof(suffix) - 1 &&
           !strncmp(path + length - (sizeof(suffix) - 1), suffix,
                    sizeof(suffix) - 1);
}

/* Chooses the reply to the complete request of a connection. */
static int answer(struct server *server, struct connection *connection,
                  struct error *err)
{
    const struct http_request *request = &connection->request;
    const struct scenario *scenario = &server->scenario;
    struct span body = buffer_span(&request->body);
    struct reply *reply = &connection->reply;
    const cJSON *step = NULL;
    int64_t latency;

    server->requests++;
    if (server->log >= 0 && log_request(server, connection, err))
        return -1;
    reply->chunked = !request->old;
    reply->says_close = !request->keep_alive;
    if (reply->says_close)
        reply->end = REPLY_CLOSE;
    if (!is_responses_path(request->path))
        reply_error(reply, server->requests, 404, "no such path");
    else if (strcmp(request->method, "POST"))
        reply_error(reply, server->requests, 405, "only POST is answered");
    else if (scenario->match && !occurs(body, scenario->match))
        reply_error(reply, server->requests, 400,
                    "the body does not hold the scenario's \"match\"");
    else if (!(step = scenario_step(&server->scenario, body)))
        reply_error(reply, server->requests, 500, "the script has ended");
    else
        reply_build(reply, step,
                    json_get_text(scenario->json, "model", "test-model"),
                    server->requests);
    latency = json_get_int64(step, "latency_ms",
                             json_get_int64(scenario->json, "latency_ms", 0));
    connection->wake_ms = latency ? clock_deadline(latency) : 0;
    connection->state = REPLYING;
    return 0;
}

/* ---- connections ------------------------------------------------------- */

static void connection_free(struct connection *connection)
{
    fd_reset(&connection->fd);
    buffer_free(&connection->received);
    buffer_free(&connection->out);
    http_request_free(&connection->request);
    reply_free(&connection->reply);
    mem_free(&connection);
}

static void accept_all(struct server *server)
{
    int on = 1;

    while (server->count < CONNECTIONS_MAX) {
        struct connection *connection;
        int fd =
            accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0) {
            server->is_full = errno == EMFILE || errno == ENFILE;
            return;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        connection = mem_alloc(sizeof(*connection));
        connection->fd = fd;
        connection->number = ++server->accepted;
        buffer_init(&connection->received, RECEIVED_MAX);
        buffer_init(&connection->out, SIZE_MAX);
        http_request_init(&connection->request);
        reply_init(&connection->reply);
        server->connections[server->count++] = connection;
    }
    server->is_full = true;
}

/* A request that cannot be read: the answer goes out in one piece; what the
 * peer still sends is thrown away, since closing now would reset it. */
static void refuse(struct connection *connection, int status)
{
    struct reply *reply = &connection->reply;

    reply->says_close = true;
    reply_error(reply, 0, status, "the request is not accepted");
    reply->end = REPLY_STALL;
    connection->wake_ms = 0;
    connection->state = REPLYING;
}

/* Reads and answers what has come. Returns -1 when the log fails. */
static int connection_advance(struct server *server,
                              struct connection *connection, struct error *err)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct http_request *request = &connection->request;
    int status;

    if (connection->state != READING)
        return 0;
    status = http_read(request, &connection->received);
    if (status == HTTP_DONE)
        return answer(server, connection, err);
    if (status != HTTP_MORE)
        refuse(connection, status);
    else if (request->expects) {
        request->expects = false;
        if (!request->body.length &&
            send(connection->fd, go_on, sizeof(go_on) - 1, MSG_NOSIGNAL) < 0)
            connection->is_ended = true;
    }
    return 0;
}

/* Returns false when the connection is broken. */
static bool connection_receive(struct connection *connection)
{
    char *room = buffer_reserve(&connection->received, RECEIVE_BYTES);
    ssize_t got = recv(connection->fd, room, RECEIVE_BYTES, 0);

    if (got < 0)
        return errno == EAGAIN || errno == EINTR;
    buffer_commit(&connection->received, (size_t)got);
    if (connection->state == DISCARDING)
        buffer_clear(&connection->received);
    if (!got)
        connection->is_ended = true;
    return true;
}

/* After the last byte of a reply. Returns false to close. */
static bool reply_finish(struct connection *connection)
{
    enum reply_end end = connection->reply.end;

    if (end == REPLY_CLOSE)
        return false;
    if (end == REPLY_RESET)
        connection->state = DRAINING;
    if (end == REPLY_STALL) {
        connection->state = DISCARDING;
        buffer_clear(&connection->received);
    }
    if (end == REPLY_KEEP) {
        http_request_free(&connection->request);
        reply_free(&connection->reply);
        connection->state = READING;
    }
    return true;
}

/* Sends what is due. Returns false when the connection has ended. */
static bool connection_send(struct connection *connection)
{
    struct buffer *out = &connection->out;
    size_t sent = 0;

    while (connection->state == REPLYING && sent < TURN_BYTES &&
           connection->wake_ms <= clock_now_ms()) {
        ssize_t put;

        if (connection->out_at == out->length) {
            buffer_clear(out);
            connection->out_at = 0;
            if (!reply_read(&connection->reply, out))
                return reply_finish(connection);
        }
        put = send(connection->fd, out->data + connection->out_at,
                   out->length - connection->out_at, MSG_NOSIGNAL);
        if (put < 0)
            return errno == EAGAIN || errno == EINTR;
        connection->out_at += (size_t)put;
        sent += (size_t)put;
        if (connection->reply.interval_ms && connection->out_at == out->length)
            connection->wake_ms = clock_deadline(connection->reply.interval_ms);
    }
    return true;
}

/* A reset drops what the peer has not got yet, so it waits for that. Returns
 * false when it is done. */
static bool connection_drain(struct connection *connection)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    int unsent = 0;

    ioctl(connection->fd, SIOCOUTQ, &unsent);
    if (unsent && !connection->is_ended) {
        connection->wake_ms = clock_deadline(DRAIN_POLL_MS);
        return true;
    }
    setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    return false;
}

/* One turn of a connection. Returns 1 when it has ended, -1 on an error. */
static int connection_turn(struct server *server, struct connection *connection,
                           short events, struct error *err)
{
    bool readable = events & (POLLIN | POLLHUP | POLLERR);

    if (readable && !connection->is_ended && !connection_receive(connection))
        return 1;
    /* Several requests may have come at once. */
    do {
        if (connection_advance(server, connection, err))
            return -1;
        if (!connection_send(connection))
            return 1;
    } while (connection->state == READING && connection->received.length &&
             connection->request.part == HTTP_HEAD &&
             memmem(connection->received.data, connection->received.length,
                    "\r\n\r\n", 4));
    if (connection->state == DRAINING && !connection_drain(connection))
        return 1;
    if (connection->is_ended &&
        (connection->state == READING || connection->state == DISCARDING))
        return 1;
    return 0;
}

/* ---- the loop ---------------------------------------------------------- */

/* What to wait for on a connection; moves *wake to its timer. */
static short wanted(const struct connection *connection, int64_t now,
                    int64_t *wake)
{
    const struct buffer *received = &connection->received;
    bool room = received->maximum - received->length >= RECEIVE_BYTES;
    short events = room && !connection->is_ended ? POLLIN : 0;

    if (connection->state == DRAINING ||
        (connection->state == REPLYING && connection->wake_ms > now))
        *wake = clock_earlier(*wake, connection->wake_ms);
    else if (connection->state == REPLYING)
        events |= POLLOUT;
    return events;
}

static int wait_for_events(struct server *server)
{
    int64_t now = clock_now_ms(), wake = server->deadline;

    server->polls[0] = (struct pollfd){server->signals, POLLIN, 0};
    server->polls[1] =
        (struct pollfd){server->is_full ? -1 : server->listener, POLLIN, 0};
    for (size_t i = 0; i < server->count; i++) {
        const struct connection *connection = server->connections[i];
        short events = wanted(connection, now, &wake);

        /* An ended peer would be reported again and again. */
        server->polls[i + 2] =
            (struct pollfd){events ? connection->fd : -1, events, 0};
    }
    return poll(server->polls, server->count + 2, clock_left_ms(wake));
}

/* Serves until a signal or the deadline. */
static int serve(struct server *server, struct error *err)
{
    while (clock_now_ms() < server->deadline) {
        size_t kept = 0, count = server->count;
        int ended = 0;

        if (wait_for_events(server) < 0 && errno != EINTR)
            return error_set_errno(err, ERROR_IO, errno, "poll");
        if (server->polls[0].revents)
            return 0;
        for (size_t i = 0; i < count; i++) {
            struct connection *connection = server->connections[i];

            if (ended >= 0)
                ended = connection_turn(server, connection,
                                        server->polls[i + 2].revents, err);
            if (ended > 0) {
                connection_free(connection);
                server->is_full = false;
            } else {
                server->connections[kept++] = connection;
            }
        }
        server->count = kept;
        if (ended < 0)
            return -1;
        if (server->polls[1].revents)
            accept_all(server);
    }
    return 0;
}

/* ---- start ------------------------------------------------------------- */

struct options {
    const char *port_file, *log, *scenario;
    int64_t lifetime, ready_fd;
};

static int parse_options(int argc, char **argv, struct options *options)
{
    static const struct option names[] = {
        {"port-file", required_argument, NULL, 'p'},
        {"ready-fd", required_argument, NULL, 'r'},
        {"log", required_argument, NULL, 'l'},
        {"lifetime", required_argument, NULL, 't'},
        {0},
    };
    int option, bad = 0;

    *options = (struct options){.lifetime = LIFETIME_SECONDS, .ready_fd = -1};
    while ((option = getopt_long(argc, argv, "", names, NULL)) >= 0) {
        if (option == 'p')
            options->port_file = optarg;
        else if (option == 'l')
            options->log = optarg;
        else if (option == 'r')
            bad |= number_int64(optarg, &options->ready_fd);
        else if (option == 't')
            bad |= number_int64(optarg, &options->lifetime);
        else
            bad = -1;
    }
    if (bad || argc - optind != 1 || options->lifetime < 1 ||
        options->lifetime > INT32_MAX || options->ready_fd > INT32_MAX) {
        fputs("usage: model_server [--port-file FILE] [--ready-fd N] "
              "[--log FILE] [--lifetime SECONDS] SCENARIO.json\n",
              stderr);
        return -1;
    }
    options->scenario = argv[optind];
    return 0;
}

/* Binds a free port and tells it. */
static int listen_and_tell(struct server *server, const struct options *options,
                           struct error *err)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    CLEANUP(mem_free) char *line = NULL;
    struct span text;

    server->listener =
        socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (server->listener < 0 ||
        bind(server->listener, (struct sockaddr *)&address, length) ||
        listen(server->listener, SOMAXCONN) ||
        getsockname(server->listener, (struct sockaddr *)&address, &length))
        return error_set_errno(err, ERROR_IO, errno, "listen on loopback");
    line = mem_format("%d\n", ntohs(address.sin_port));
    text = (struct span){line, strlen(line)};
    if (options->port_file &&
        file_replace(AT_FDCWD, options->port_file, text, err))
        return -1;
    if (options->ready_fd >= 0) {
        int fd = (int)options->ready_fd;

        if (file_write_fd(fd, text.data, text.length, err))
            return -1;
        fd_reset(&fd);
    }
    return 0;
}

/* Ends with the parent and at signals, and allows many connections. */
static int prepare_process(struct server *server, struct error *err)
{
    struct rlimit files;
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) ||
        (server->signals = signalfd(-1, &signals, SFD_CLOEXEC)) < 0 ||
        prctl(PR_SET_PDEATHSIG, SIGTERM))
        return error_set_errno(err, ERROR_IO, errno, "signals");
    if (!getrlimit(RLIMIT_NOFILE, &files)) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    return 0;
}

static void server_free(struct server *server)
{
    for (size_t i = 0; i < server->count; i++)
        connection_free(server->connections[i]);
    scenario_free(&server->scenario);
    fd_reset(&server->listener);
    fd_reset(&server->signals);
    fd_reset(&server->log);
    mem_free(&server);
}

static int run(struct server *server, const struct options *options,
               struct error *err)
{
    server->listener = server->signals = server->log = -1;
    server->deadline = clock_deadline(options->lifetime * 1000);
    if (scenario_load(&server->scenario, options->scenario, err)) {
        err->kind = ERROR_USAGE;
        return -1;
    }
    if (options->log &&
        (server->log = open(options->log,
                            O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666)) <
            0)
        return error_set_errno(err, ERROR_IO, errno, "%s", options->log);
    if (prepare_process(server, err) || listen_and_tell(server, options, err))
        return -1;
    return serve(server, err);
}

int main(int argc, char **argv)
{
    struct server *server = mem_alloc(sizeof(*server));
    struct options options;
    struct error err = {0};
    int status = 2;

    if (!parse_options(argc, argv, &options)) {
        status = run(server, &options, &err) ? 1 : 0;
        if (status)
            fprintf(stderr, "model_server: %s\n", err.text);
        if (status && err.kind == ERROR_USAGE)
            status = 2;
    } else {
        server->listener = server->signals = server->log = -1;
    }
    server_free(server);
    return status;
}
