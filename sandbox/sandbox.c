#include "sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "sandbox/control.h"
#include "sandbox/filter.h"

#define START_TIMEOUT_MS 30000
#define FILTER_BYTES ((size_t)64 << 10)
#define EXITS_MAX (2 * SANDBOX_COMMANDS_MAX)
#define NAMESPACES                                               \
    (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | \
     CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)

struct process_exit {
    uint32_t id; /* 0: free */
    int status;
};

struct sandbox {
    int control;
    int pidfd;
    pid_t pid;
    uint32_t last_id;
    int64_t memory_bytes;
    struct process_exit exits[EXITS_MAX]; /* reported, nobody asked yet */
};

static const char *const steps[STEP_COUNT] = {
    [STEP_IDENTITY] = "become the inside user",
    [STEP_SOURCES] = "take hold of",
    [STEP_MOUNTS] = "mount",
    [STEP_LOOPBACK] = "bring the loopback interface up",
    [STEP_HOSTNAME] = "set the host name",
    [STEP_PRIVILEGES] = "set limits and drop privileges",
    [STEP_FILTER] = "install the system-call filter",
    [STEP_COMMANDS] = "too many commands run at once",
    [STEP_TERMINAL] = "open a terminal",
    [STEP_REQUEST] = "read the request",
    [STEP_FORK] = "fork",
    [STEP_DIRECTORY] = "change to the directory",
    [STEP_EXEC] = "execute",
};

static int write_proc(pid_t pid, const char *name, const char *text,
                      struct error *err)
{
    CLEANUP(mem_free)
    char *path = mem_format("/proc/%d/%s", (int)pid, name);
    CLEANUP(fd_close) int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        return error_set_errno(err, ERROR_SANDBOX, errno,
                               "user namespace: write %s", name);
    return 0;
}

static int write_maps(pid_t pid, struct sandbox_identity identity,
                      struct error *err)
{
    CLEANUP(mem_free)
    char *users = mem_format("%d %" PRIu32 " 1\n", SANDBOX_UID, identity.uid);
    CLEANUP(mem_free)
    char *groups = mem_format("%d %" PRIu32 " 1\n", SANDBOX_UID, identity.gid);

    if (geteuid() && write_proc(pid, "setgroups", "deny\n", err))
        return -1;
    if (write_proc(pid, "uid_map", users, err) ||
        write_proc(pid, "gid_map", groups, err))
        return -1;
    return 0;
}

/* ---- opening ----------------------------------------------------------- */

static bool host_says(const char *path, char value)
{
    struct error ignored;
    struct buffer text;
    bool says;

    buffer_init(&text, 64);
    says = !file_read(AT_FDCWD, path, &text, &ignored) && text.length &&
           text.data[0] == value;
    buffer_free(&text);
    return says;
}

/* Whether this process runs in a chroot, as far as it may look. */
static bool in_chroot(void)
{
    struct stat own;
    struct stat first;

    return !stat("/", &own) && !stat("/proc/1/root/.", &first) &&
           (own.st_dev != first.st_dev || own.st_ino != first.st_ino);
}

/* What the host forbids, and how to allow it. */
static int hint_namespaces(struct error *err)
{
    if (in_chroot())
        return error_hint(err, "the kernel allows no user namespaces in a "
                               "chroot: use a container, or enter the folder "
                               "with pivot_root in a mount namespace");
    if (host_says("/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
                  '1') &&
        geteuid())
        return error_hint(
            err, "AppArmor restricts user namespaces on this host: run 'sudo "
                 "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0', "
                 "or run nightjar as root");
    if (host_says("/proc/sys/kernel/unprivileged_userns_clone", '0'))
        return error_hint(err, "user namespaces are switched off: run 'sudo "
                               "sysctl -w kernel.unprivileged_userns_clone=1'");
    if (host_says("/proc/sys/user/max_user_namespaces", '0'))
        return error_hint(err, "user namespaces are switched off: run 'sudo "
                               "sysctl -w user.max_user_namespaces=10000'");
    return error_hint(
        err, "in a container, start it with '--security-opt seccomp=unconfined "
             "--security-opt apparmor=unconfined --security-opt "
             "systempaths=unconfined' so that nightjar can make its own "
             "sandbox; Linux 5.12 or newer is needed");
}

static int explain(const struct control *packet, const struct mounts *mounts,
                   struct error *err)
{
    const char *step =
        packet->step < STEP_COUNT ? steps[packet->step] : "start";
    const char *what = "";

    if ((packet->step == STEP_SOURCES || packet->step == STEP_MOUNTS) &&
        packet->id < mounts->count)
        what = mounts->items[packet->id].target;
    error_set_errno(err, ERROR_SANDBOX, packet->value, "sandbox: cannot %s%s%s",
                    step, *what ? " /" : "", what);
    if (packet->step == STEP_SOURCES && packet->value == ENOENT)
        return error_hint(err, "the path is named in sandbox.read or "
                               "sandbox.write but is not on this host");
    return hint_namespaces(err);
}

/* One packet with a deadline; a descriptor that came with it goes to *fd.
 * Returns 0 on the end of the socket. */
static int take_packet(int control, struct control *packet, int *fd,
                       int64_t deadline, struct error *err)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } ancillary;
    struct iovec part = {packet, sizeof(*packet)};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = ancillary.bytes,
                             .msg_controllen = sizeof(ancillary.bytes)};
    struct pollfd wait = {control, POLLIN, 0};
    struct cmsghdr *head;
    ssize_t got;
    int ready;

    do {
        ready = poll(&wait, 1, clock_left_ms(deadline));
    } while (ready < 0 && errno == EINTR);
    if (!ready)
        return error_set(err, ERROR_SANDBOX, "sandbox: no answer in time");
    do {
        got = recvmsg(control, &message, MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    if (got != (ssize_t)sizeof(*packet))
        return error_set(err, ERROR_SANDBOX, "sandbox: its first process died");
    head = CMSG_FIRSTHDR(&message);
    if (head && head->cmsg_level == SOL_SOCKET &&
        head->cmsg_type == SCM_RIGHTS &&
        head->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(fd, CMSG_DATA(head), sizeof(int));
    return 0;
}

static int begin(struct sandbox *sandbox, const struct sandbox_spec *spec,
                 const struct mounts *mounts, struct error *err)
{
    struct control packet = {.type = CONTROL_GO};
    int no_fd = -1;

    if (write_maps(sandbox->pid, spec->identity, err)) {
        hint_namespaces(err);
        return -1;
    }
    if (send(sandbox->control, &packet, sizeof(packet), MSG_NOSIGNAL) < 0)
        return error_set_errno(err, ERROR_SANDBOX, errno, "sandbox: start");
    if (take_packet(sandbox->control, &packet, &no_fd,
                    clock_deadline(START_TIMEOUT_MS), err))
        return -1;
    fd_reset(&no_fd);
    if (packet.type != CONTROL_READY)
        return explain(&packet, mounts, err);
    return 0;
}

static pid_t clone_init(int *pidfd)
{
    /* Like fork, into new namespaces; the libc wrapper wants a stack. */
    return (pid_t)syscall(SYS_clone, NAMESPACES | CLONE_PIDFD | SIGCHLD, NULL,
                          pidfd, NULL, NULL);
}

int sandbox_filter_make(struct sandbox_filter *filter, struct error *err)
{
    buffer_init(&filter->program, FILTER_BYTES);
    return filter_build(&filter->program, err);
}

void sandbox_filter_free(struct sandbox_filter *filter)
{
    buffer_free(&filter->program);
}

struct sandbox *sandbox_open(const struct sandbox_spec *spec, struct error *err)
{
    CLEANUP(sandbox_filter_free) struct sandbox_filter own = {{0}};
    const struct sandbox_filter *filter = spec->filter ? spec->filter : &own;
    CLEANUP(sandbox_cleanup) struct sandbox *sandbox = NULL;
    CLEANUP(mounts_free) struct mounts mounts;
    struct init_setup setup = {.mounts = &mounts, .staging = spec->workspace};
    int ends[2];

    if (mounts_plan(spec, &mounts, err) ||
        (filter == &own && sandbox_filter_make(&own, err)))
        return NULL;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends)) {
        error_set_errno(err, ERROR_SANDBOX, errno, "sandbox: socketpair");
        return NULL;
    }
    setup.control = ends[1];
    setup.filter = buffer_span(&filter->program);
    setup.pids = (uint64_t)spec->pids;
    sandbox = mem_alloc(sizeof(*sandbox));
    *sandbox = (struct sandbox){
        .control = ends[0], .pidfd = -1, .memory_bytes = spec->memory_bytes};
    sandbox->pid = clone_init(&sandbox->pidfd);
    if (sandbox->pid == 0)
        init_main(&setup);
    close(ends[1]);
    if (sandbox->pid < 0) {
        error_set_errno(err, ERROR_SANDBOX, errno,
                        "sandbox: cannot make namespaces");
        hint_namespaces(err);
        return NULL;
    }
    if (begin(sandbox, spec, &mounts, err))
        return NULL;
    return STEAL(sandbox);
}

const char *const *sandbox_layers(void)
{
    static const char *const layers[] = {"namespaces", "seccomp", "rlimits",
                                         NULL};
    return layers;
}

/* ---- commands ---------------------------------------------------------- */

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
static int request_file(const struct sandbox *sandbox,
                        const struct sandbox_command *command,
                        struct error *err)
{
    CLEANUP(buffer_free) struct buffer out;
    struct control_request head = {
        .argc = count_strings(command->argv),
        .envc = count_strings(command->environment),
        .terminal = command->terminal,
        .memory_bytes = (uint64_t)sandbox->memory_bytes,
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

static int send_request(struct sandbox *sandbox, uint32_t id, const int fds[3],
                        struct error *err)
{
    struct control packet = {.type = CONTROL_RUN, .id = id};
    union {
        char bytes[CMSG_SPACE(3 * sizeof(int))];
        struct cmsghdr align;
    } ancillary = {{0}};
    struct iovec part = {&packet, sizeof(packet)};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = ancillary.bytes,
                             .msg_controllen = sizeof(ancillary.bytes)};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);

    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(3 * sizeof(int));
    memcpy(CMSG_DATA(head), fds, 3 * sizeof(int));
    if (sendmsg(sandbox->control, &message, MSG_NOSIGNAL) < 0)
        return error_set_errno(err, ERROR_SANDBOX, errno, "sandbox is gone");
    return 0;
}

static void note_exit(struct sandbox *sandbox, uint32_t id, int status)
{
    for (size_t i = 0; i < EXITS_MAX; i++) {
        if (!sandbox->exits[i].id) {
            sandbox->exits[i] = (struct process_exit){id, status};
            return;
        }
    }
    /* Nobody asks for the oldest any more. */
    memmove(sandbox->exits, sandbox->exits + 1,
            (EXITS_MAX - 1) * sizeof(sandbox->exits[0]));
    sandbox->exits[EXITS_MAX - 1] = (struct process_exit){id, status};
}

/* Waits for the answer to a RUN; exits of other commands may come first. */
static int await_start(struct sandbox *sandbox,
                       const struct sandbox_command *command, uint32_t id,
                       int *terminal, struct error *err)
{
    int64_t deadline = clock_deadline(START_TIMEOUT_MS);
    struct control packet = {0};

    for (;;) {
        if (take_packet(sandbox->control, &packet, terminal, deadline, err))
            return -1;
        if (packet.type == CONTROL_EXITED)
            note_exit(sandbox, packet.id, packet.value);
        else if (packet.id == id && packet.type == CONTROL_STARTED)
            return 0;
        else if (packet.id == id && packet.type == CONTROL_FAILED)
            break;
    }
    return error_set_errno(
        err, ERROR_IO, packet.value, "cannot %s '%s'",
        packet.step < STEP_COUNT ? steps[packet.step] : "start",
        packet.step == STEP_DIRECTORY ? command->directory : command->argv[0]);
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
};

static void ends_close(struct ends *ends)
{
    for (int i = 0; i < 2; i++) {
        fd_reset(&ends->input[i]);
        fd_reset(&ends->output[i]);
    }
}

static int ends_open(const struct sandbox_command *command, struct ends *ends,
                     struct error *err)
{
    *ends = (struct ends){{-1, -1}, {-1, -1}};
    if (pipe2(ends->output, O_CLOEXEC))
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

int sandbox_start(struct sandbox *sandbox,
                  const struct sandbox_command *command,
                  struct sandbox_process *process, struct error *err)
{
    CLEANUP(ends_close) struct ends ends;
    CLEANUP(fd_close) int request = -1;
    CLEANUP(fd_close) int terminal = -1;
    uint32_t id = ++sandbox->last_id;

    *process = (struct sandbox_process){.input = -1, .output = -1};
    if (ends_open(command, &ends, err))
        return -1;
    request = request_file(sandbox, command, err);
    if (request < 0)
        return -1;
    if (send_request(sandbox, id,
                     (int[3]){request, ends.input[0], ends.output[1]}, err) ||
        await_start(sandbox, command, id, &terminal, err))
        return -1;
    process->id = id;
    if (command->terminal) {
        process->output = terminal;
        process->input = terminal;
        terminal = -1;
    } else {
        process->output = ends.output[0];
        process->input = ends.input[1];
        ends.output[0] = ends.input[1] = -1;
    }
    set_nonblocking(process->output);
    if (process->input >= 0)
        set_nonblocking(process->input);
    return 0;
}

int sandbox_poll(struct sandbox *sandbox, struct sandbox_process *process,
                 struct error *err)
{
    struct control packet;

    for (;;) {
        ssize_t got =
            recv(sandbox->control, &packet, sizeof(packet), MSG_DONTWAIT);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            break;
        if (got != (ssize_t)sizeof(packet))
            return error_set(err, ERROR_SANDBOX,
                             "sandbox: its first process died");
        if (packet.type == CONTROL_EXITED)
            note_exit(sandbox, packet.id, packet.value);
    }
    for (size_t i = 0; i < EXITS_MAX; i++) {
        if (process->exited || sandbox->exits[i].id != process->id)
            continue;
        process->exited = true;
        process->status = sandbox->exits[i].status;
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

void sandbox_process_close(struct sandbox_process *process)
{
    if (process->input == process->output)
        process->input = -1;
    fd_reset(&process->input);
    fd_reset(&process->output);
}

/* ---- closing ----------------------------------------------------------- */

void sandbox_close(struct sandbox *sandbox)
{
    if (!sandbox)
        return;
    fd_reset(&sandbox->control);
    if (sandbox->pid > 0) {
        /* Killing PID 1 kills its namespace; waiting for it waits until all
         * are gone. */
        kill(sandbox->pid, SIGKILL);
        while (waitpid(sandbox->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    fd_reset(&sandbox->pidfd);
    free(sandbox);
}

void sandbox_cleanup(struct sandbox **sandbox)
{
    sandbox_close(*sandbox);
    *sandbox = NULL;
}

int sandbox_describe(const struct sandbox_spec *spec, struct buffer *out,
                     struct error *err)
{
    struct mounts mounts;

    if (mounts_plan(spec, &mounts, err))
        return -1;
    buffer_addf(out, "namespaces: user mount pid network ipc uts cgroup\n"
                     "network:    none (own loopback only)\n");
    buffer_addf(out,
                "user:       %d inside, no capabilities, "
                "no_new_privs\n",
                SANDBOX_UID);
    buffer_addf(out, "limits:     memory %lld MiB a process, %lld processes\n",
                (long long)spec->memory_bytes >> 20, (long long)spec->pids);
    buffer_add_string(out, "filter:     allow list of system calls\n");
    mounts_describe(&mounts, out);
    mounts_free(&mounts);
    return 0;
}
