/* Commands in a sandbox, from the owner's side. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "sandbox/egress.h"
#include "sandbox/filter.h"
#include "sandbox/owner.h"

#define START_TIMEOUT_MS 30000

/* A descriptor whose variable no longer owns it. */
#define STEAL_FD(fd)    \
    ({                  \
        int fd_ = (fd); \
        (fd) = -1;      \
        fd_;            \
    })

static uint32_t count_strings(const char *const *list)
{
    uint32_t count = 0;

    while (list[count])
        count++;
    return count;
}

static int add_strings(struct buffer *out, const char *const *list)
{
    for (; *list; list++) {
        if (buffer_add(out, *list, strlen(*list) + 1))
            return -1;
    }
    return 0;
}

/* The request as a memory file. */
static int request_file(const struct sandbox_command *command,
                        struct error *err)
{
    CLEANUP(buffer_free) struct buffer out;
    struct control_request head = {
        .argc = count_strings(command->argv),
        .envc = count_strings(command->environment),
        .terminal = command->terminal,
        .rows = command->rows ? command->rows : 24,
        .columns = command->columns ? command->columns : 80,
    };

    buffer_init(&out, SANDBOX_REQUEST_MAX);
    if (buffer_add(&out, &head, sizeof(head)) ||
        buffer_add(&out, command->directory, strlen(command->directory) + 1) ||
        add_strings(&out, command->argv) ||
        add_strings(&out, command->environment))
        return error_set(err, ERROR_IO, "command is longer than %zu bytes",
                         SANDBOX_REQUEST_MAX);
    head.size = (uint32_t)out.length;
    memcpy(out.data, &head, sizeof(head));
    return file_memory("command", buffer_span(&out), err);
}

/* ---- what init reports ------------------------------------------------------
 */

static void add_notice(struct sandbox *sandbox,
                       const struct sandbox_notice *notice)
{
    size_t at =
        (sandbox->notice_first + sandbox->notice_count) % SANDBOX_NOTICES_MAX;

    if (sandbox->notice_count == SANDBOX_NOTICES_MAX)
        return;
    sandbox->notices[at] = *notice;
    sandbox->notice_count++;
}

static void add_limit_notice(struct sandbox *sandbox, enum sandbox_limit limit)
{
    struct sandbox_notice notice = {.type = SANDBOX_LIMIT_REACHED,
                                    .limit = limit};

    add_notice(sandbox, &notice);
}

bool sandbox_next_notice(struct sandbox *sandbox, struct sandbox_notice *notice)
{
    if (!sandbox->notice_count)
        return sandbox->egress && egress_next(sandbox->egress, notice);
    *notice = sandbox->notices[sandbox->notice_first];
    sandbox->notice_first = (sandbox->notice_first + 1) % SANDBOX_NOTICES_MAX;
    sandbox->notice_count--;
    return true;
}

static bool ended_by(int status, int number)
{
    return (WIFSIGNALED(status) && WTERMSIG(status) == number) ||
           (WIFEXITED(status) && WEXITSTATUS(status) == 128 + number);
}

/* The limit behind an exit that init did not cause: the kernel's. */
static enum sandbox_limit kernel_limit(struct sandbox *sandbox, int status)
{
    const struct sandbox_limits *limits = &sandbox->limits;
    int64_t kills;

    if (ended_by(status, SIGXFSZ))
        return !limits->file_bytes || (limits->disk_bytes &&
                                       limits->disk_bytes < limits->file_bytes)
                   ? SANDBOX_LIMIT_DISK
                   : SANDBOX_LIMIT_FILE_SIZE;
    if (ended_by(status, SIGXCPU) && limits->cpu_time_ms)
        return SANDBOX_LIMIT_CPU_TIME;
    kills = cgroup_memory_kills(sandbox->cgroup.memory_events);
    if (kills == sandbox->memory_kills)
        return SANDBOX_LIMIT_NONE;
    sandbox->memory_kills = kills;
    return SANDBOX_LIMIT_MEMORY;
}

static void note_exit(struct sandbox *sandbox, const struct control *packet)
{
    struct process_exit exit = {packet->id, packet->value, packet->step};

    if (packet->step >= SANDBOX_LIMITS)
        exit.limit = SANDBOX_LIMIT_NONE;
    if (exit.limit == SANDBOX_LIMIT_NONE) {
        exit.limit = kernel_limit(sandbox, exit.status);
        if (exit.limit != SANDBOX_LIMIT_NONE)
            add_limit_notice(sandbox, exit.limit);
    }
    if (!exit.status) /* the limit ended a part that it did without */
        exit.limit = SANDBOX_LIMIT_NONE;
    for (size_t i = 0; i < SANDBOX_EXITS_MAX; i++) {
        if (!sandbox->exits[i].id) {
            sandbox->exits[i] = exit;
            return;
        }
    }
    /* Nobody asks for the oldest any more. */
    memmove(sandbox->exits, sandbox->exits + 1,
            (SANDBOX_EXITS_MAX - 1) * sizeof(sandbox->exits[0]));
    sandbox->exits[SANDBOX_EXITS_MAX - 1] = exit;
}

static void note(struct sandbox *sandbox, const struct control *packet)
{
    struct sandbox_notice notice = {.type = SANDBOX_CALL_REFUSED};

    if (packet->type == CONTROL_EXITED)
        note_exit(sandbox, packet);
    if (packet->type == CONTROL_LIMIT && packet->value > 0 &&
        packet->value < SANDBOX_LIMITS) {
        sandbox->memory_kills =
            cgroup_memory_kills(sandbox->cgroup.memory_events);
        add_limit_notice(sandbox, (enum sandbox_limit)packet->value);
    }
    if (packet->type == CONTROL_REFUSED) {
        filter_call_name((int)packet->id, notice.text, sizeof(notice.text));
        add_notice(sandbox, &notice);
    }
}

/* ---- starting
 * ------------------------------------------------------------------ */

/* Waits for the answer to a RUN; other reports may come first. */
static int await_start(struct sandbox *sandbox,
                       const struct sandbox_command *command, uint32_t id,
                       int *terminal, struct error *err)
{
    int64_t deadline = clock_deadline(START_TIMEOUT_MS);
    struct control packet = {0};
    int fds[CONTROL_FDS_MAX];

    for (;;) {
        if (sandbox_take_packet(sandbox->control, &packet, fds, deadline, err))
            return -1;
        if (packet.id == id && packet.type == CONTROL_STARTED) {
            *terminal = fds[0];
            return 0;
        }
        if (packet.id == id && packet.type == CONTROL_FAILED)
            break;
        note(sandbox, &packet);
    }
    return error_set_errno(err, ERROR_IO, packet.value, "cannot %s '%s'",
                           sandbox_step_name(packet.step),
                           packet.step == STEP_DIRECTORY ? command->directory
                                                         : command->argv[0]);
}

static void set_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags >= 0)
        fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

struct ends {
    int input[2]; /* read end for the command, write end for us */
    int output[2];
    int errors[2];
};

static void ends_close(struct ends *ends)
{
    for (int i = 0; i < 2; i++) {
        fd_reset(&ends->input[i]);
        fd_reset(&ends->output[i]);
        fd_reset(&ends->errors[i]);
    }
}

static int ends_open(const struct sandbox_command *command, struct ends *ends,
                     struct error *err)
{
    *ends = (struct ends){{-1, -1}, {-1, -1}, {-1, -1}};
    if (pipe2(ends->output, O_CLOEXEC) ||
        (command->errors && pipe2(ends->errors, O_CLOEXEC)))
        return error_set_errno(err, ERROR_IO, errno, "pipe");
    if (command->input && !command->terminal) {
        if (pipe2(ends->input, O_CLOEXEC))
            return error_set_errno(err, ERROR_IO, errno, "pipe");
        return 0;
    }
    ends->input[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (ends->input[0] < 0)
        return error_set_errno(err, ERROR_IO, errno, "open /dev/null");
    return 0;
}

static void set_process(struct sandbox_process *process, struct ends *ends)
{
    process->output = STEAL_FD(ends->output[0]);
    process->input = STEAL_FD(ends->input[1]);
    process->errors = STEAL_FD(ends->errors[0]);
}

int sandbox_start(struct sandbox *sandbox,
                  const struct sandbox_command *command,
                  struct sandbox_process *process, struct error *err)
{
    CLEANUP(ends_close) struct ends ends;
    CLEANUP(fd_close) int request = -1;
    struct control packet = {.type = CONTROL_RUN, .id = ++sandbox->last_id};
    struct sandbox_identity own;
    int terminal = -1;
    int status;
    int fds[4];

    *process =
        (struct sandbox_process){.input = -1, .output = -1, .errors = -1};
    /* A pipe belongs to its maker: /dev/stderr may be opened by its owner. */
    own = sandbox_files_as(sandbox->identity);
    status = ends_open(command, &ends, err);
    sandbox_files_as(own);
    if (status)
        return -1;
    request = request_file(command, err);
    if (request < 0)
        return -1;
    fds[0] = request;
    fds[1] = ends.input[0];
    fds[2] = ends.output[1];
    fds[3] = ends.errors[1];
    if (control_send(sandbox->control, &packet, fds, command->errors ? 4 : 3))
        return error_set_errno(err, ERROR_SANDBOX, errno, "sandbox is gone");
    if (await_start(sandbox, command, packet.id, &terminal, err))
        return -1;
    process->id = packet.id;
    if (command->terminal)
        process->output = process->input = terminal;
    else
        set_process(process, &ends);
    set_nonblocking(process->output);
    if (process->input >= 0)
        set_nonblocking(process->input);
    if (process->errors >= 0)
        set_nonblocking(process->errors);
    return 0;
}

/* The first process is gone, and everything with it. The kernel takes it for
 * the memory of its group where nothing else is left to take: then the limit
 * is what ended the command. */
static int take_death(struct sandbox *sandbox, struct sandbox_process *process,
                      struct error *err)
{
    if (process->exited || kernel_limit(sandbox, 0) != SANDBOX_LIMIT_MEMORY)
        return error_set(err, ERROR_SANDBOX, "sandbox: its first process died");
    add_limit_notice(sandbox, SANDBOX_LIMIT_MEMORY);
    process->exited = true;
    process->status = SIGKILL;
    process->limit = SANDBOX_LIMIT_MEMORY;
    return 0;
}

int sandbox_poll(struct sandbox *sandbox, struct sandbox_process *process,
                 struct error *err)
{
    struct control packet;
    int fds[CONTROL_FDS_MAX];

    for (;;) {
        int got = control_receive(sandbox->control, &packet, fds, MSG_DONTWAIT);

        if (got < 0 && errno == EAGAIN)
            break;
        if (got <= 0)
            return take_death(sandbox, process, err);
        note(sandbox, &packet);
    }
    for (size_t i = 0; i < SANDBOX_EXITS_MAX; i++) {
        if (process->exited || sandbox->exits[i].id != process->id)
            continue;
        process->exited = true;
        process->status = sandbox->exits[i].status;
        process->limit = sandbox->exits[i].limit;
        sandbox->exits[i].id = 0;
    }
    return 0;
}

int sandbox_events(const struct sandbox *sandbox)
{
    return sandbox->control;
}

int sandbox_wait(struct sandbox *sandbox, struct sandbox_process *process,
                 int64_t deadline, struct error *err)
{
    for (;;) {
        struct pollfd wait = {sandbox->control, POLLIN, 0};
        int ready;

        if (sandbox_poll(sandbox, process, err))
            return -1;
        if (process->exited)
            return 1;
        ready = poll(&wait, 1, clock_left_ms(deadline));
        if (!ready)
            return 0;
        if (ready < 0 && errno != EINTR)
            return error_set_errno(err, ERROR_SANDBOX, errno, "poll");
    }
}

int sandbox_signal(struct sandbox *sandbox,
                   const struct sandbox_process *process, int signal,
                   struct error *err)
{
    struct control packet = {
        .type = CONTROL_SIGNAL, .id = process->id, .value = signal};

    if (process->exited)
        return 0;
    if (send(sandbox->control, &packet, sizeof(packet), MSG_NOSIGNAL) < 0)
        return error_set_errno(err, ERROR_SANDBOX, errno, "sandbox is gone");
    return 0;
}

int sandbox_end_commands(struct sandbox *sandbox, struct error *err)
{
    struct control packet = {.type = CONTROL_END};
    int fds[CONTROL_FDS_MAX];

    if (send(sandbox->control, &packet, sizeof(packet), MSG_NOSIGNAL) < 0)
        return error_set_errno(err, ERROR_SANDBOX, errno, "sandbox is gone");
    do {
        int got = control_receive(sandbox->control, &packet, fds, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return error_set(err, ERROR_SANDBOX,
                             "sandbox: its first process died");
        note(sandbox, &packet);
    } while (packet.type != CONTROL_ENDED);
    if (sandbox->egress)
        egress_settle(sandbox->egress);
    if (packet.value)
        return error_set(err, ERROR_SANDBOX, "sandbox: %d processes do not end",
                         packet.value);
    return 0;
}

void sandbox_process_close(struct sandbox_process *process)
{
    if (process->input == process->output)
        process->input = -1;
    fd_reset(&process->input);
    fd_reset(&process->output);
    fd_reset(&process->errors);
}
