/* PID 1 of a sandbox: confines itself, then starts commands on request.
 *
 * It is a copy of a process that may have had threads, so it allocates
 * nothing and calls only what is safe after fork. Every command is its child
 * and inherits the confinement. When the owner goes away, by closing the
 * socket or by dying, it exits and the kernel kills everything inside. */
#include "sandbox/control.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <grp.h>

#include "base/memory.h"
#include "sandbox/filter.h"

#define FILES_MAX 65536
#define FILE_BYTES_MAX ((rlim_t)16 << 30)

struct running {
    uint32_t id; /* 0: free */
    pid_t pid;
};

static void report(int control, enum control_type type, uint32_t id,
                   int32_t value, uint32_t step)
{
    struct control packet = {type, id, value, step};

    /* When nobody listens, the next receive says so and init ends. */
    if (send(control, &packet, sizeof(packet), MSG_NOSIGNAL) < 0)
        _exit(1);
}

static _Noreturn void fail(int control, enum control_step step, size_t id)
{
    report(control, CONTROL_FAILED, (uint32_t)id, errno, step);
    _exit(1);
}

/* A packet and up to three descriptors. Returns 0 at the end. */
static ssize_t receive(int control, struct control *packet, int fds[3])
{
    union {
        char bytes[CMSG_SPACE(3 * sizeof(int))];
        struct cmsghdr align;
    } ancillary;
    struct iovec part = {packet, sizeof(*packet)};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = ancillary.bytes,
                             .msg_controllen = sizeof(ancillary.bytes)};
    struct cmsghdr *head;
    ssize_t got;

    fds[0] = fds[1] = fds[2] = -1;
    do {
        got = recvmsg(control, &message, MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    head = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS)
        memcpy(fds, CMSG_DATA(head), head->cmsg_len - CMSG_LEN(0));
    return got == (ssize_t)sizeof(*packet) ? got : 0;
}

/* ---- confinement, once ------------------------------------------------- */

static int become_inside_user(void)
{
    /* EPERM: an ordinary user's map forbids setgroups. */
    if (syscall(SYS_setgroups, 0, NULL) && errno != EPERM)
        return -1;
    if (syscall(SYS_setresgid, SANDBOX_UID, SANDBOX_UID, SANDBOX_UID) ||
        syscall(SYS_setresuid, SANDBOX_UID, SANDBOX_UID, SANDBOX_UID))
        return -1;
    return 0;
}

static int loopback_up(void)
{
    struct ifreq request = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int status;

    if (fd < 0)
        return -1;
    status = ioctl(fd, SIOCGIFFLAGS, &request);
    request.ifr_flags |= IFF_UP;
    if (!status)
        status = ioctl(fd, SIOCSIFFLAGS, &request);
    close(fd);
    return status;
}

static int drop_privileges(void)
{
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2] = {{0}};

    for (int capability = 0; capability <= 63; capability++) {
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) && errno != EINVAL)
            return -1;
    }
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) ||
        prctl(PR_SET_SECUREBITS,
              SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
                  SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED) ||
        syscall(SYS_capset, &head, none))
        return -1;
    /* Not dumpable: /proc/1 of init, with what it holds in memory, is closed
     * to the commands, and so is tracing it. */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) ||
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
        return -1;
    return 0;
}

static int limit(int resource, rlim_t value)
{
    struct rlimit limits;

    if (getrlimit(resource, &limits))
        return -1;
    if (limits.rlim_max < value)
        value = limits.rlim_max;
    limits = (struct rlimit){value, value};
    return setrlimit(resource, &limits);
}

static void confine(const struct init_setup *setup)
{
    size_t failed = 0;

    if (mounts_take_sources(setup->mounts, setup->staging, &failed))
        fail(setup->control, STEP_SOURCES, failed);
    if (become_inside_user())
        fail(setup->control, STEP_IDENTITY, 0);
    if (mounts_apply(setup->mounts, &failed))
        fail(setup->control, STEP_MOUNTS, failed);
    if (loopback_up())
        fail(setup->control, STEP_LOOPBACK, 0);
    if (sethostname("nightjar", 8) || setdomainname("", 0))
        fail(setup->control, STEP_HOSTNAME, 0);
    if (limit(RLIMIT_CORE, 0) || limit(RLIMIT_NOFILE, FILES_MAX) ||
        limit(RLIMIT_FSIZE, FILE_BYTES_MAX) ||
        limit(RLIMIT_NPROC, setup->pids + 1) || drop_privileges())
        fail(setup->control, STEP_PRIVILEGES, 0);
    if (filter_install(setup->filter))
        fail(setup->control, STEP_FILTER, 0);
}

/* ---- commands ---------------------------------------------------------- */

struct request {
    const struct control_request *head;
    const char *directory;
    char **argv;
    char **environment;
    size_t mapped;  /* bytes at head */
    size_t vectors; /* bytes at argv */
};

/* Fills `count` pointers with the strings from *at; NULL behind them. */
static bool take_strings(char **out, uint32_t count, char **at, char *end)
{
    for (uint32_t i = 0; i < count; i++) {
        char *nul = memchr(*at, '\0', (size_t)(end - *at));

        if (!nul)
            return false;
        out[i] = *at;
        *at = nul + 1;
    }
    out[count] = NULL;
    return true;
}

static void request_close(struct request *request)
{
    if (request->argv)
        munmap(request->argv, request->vectors);
    if (request->head)
        munmap((void *)(uintptr_t)request->head, request->mapped);
}

static int request_open(int fd, struct request *request)
{
    struct control_request head;
    char *memory;
    char *at;
    size_t pointers;

    errno = EINVAL;
    if (pread(fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
        head.size <= sizeof(head) || head.size > SANDBOX_REQUEST_MAX)
        return -1;
    memory = mmap(NULL, head.size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    if (memory == MAP_FAILED)
        return -1;
    request->head = (struct control_request *)(void *)memory;
    request->mapped = head.size;
    pointers = (size_t)head.argc + head.envc + 3;
    request->vectors = pointers * sizeof(char *);
    request->argv = mmap(NULL, request->vectors, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (request->argv == MAP_FAILED) {
        request->argv = NULL;
        return -1;
    }
    at = memory + sizeof(head);
    request->directory = at;
    request->environment = request->argv + head.argc + 1;
    errno = EINVAL;
    at = memchr(at, '\0', head.size - sizeof(head));
    if (!at || !head.argc)
        return -1;
    at++;
    return take_strings(request->argv, head.argc, &at, memory + head.size) &&
                   take_strings(request->environment, head.envc, &at,
                                memory + head.size)
               ? 0
               : -1;
}

struct child_error {
    int32_t errnum;
    uint32_t step;
};

static _Noreturn void child_fail(int fd, enum control_step step)
{
    struct child_error error = {errno, step};
    ssize_t put = write(fd, &error, sizeof(error));

    _exit(put == sizeof(error) ? 127 : 126);
}

/* PATH of the command's own environment, as a shell would look it up. */
static void exec_found(const struct request *request)
{
    const char *name = request->argv[0];
    const char *path = SANDBOX_PATH;
    char file[4096];
    int seen = ENOENT;

    if (strchr(name, '/')) {
        execve(name, request->argv, request->environment);
        return;
    }
    for (char **entry = request->environment; *entry; entry++) {
        if (!strncmp(*entry, "PATH=", 5))
            path = *entry + 5;
    }
    while (*path) {
        size_t length = strcspn(path, ":");

        if (length && length + strlen(name) + 2 < sizeof(file)) {
            memcpy(file, path, length);
            file[length] = '/';
            memcpy(file + length + 1, name, strlen(name) + 1);
            execve(file, request->argv, request->environment);
            if (errno != ENOENT && errno != ENOTDIR)
                seen = errno;
        }
        path += length + (path[length] == ':');
    }
    errno = seen;
}

/* fds are input, output and the error pipe. */
static _Noreturn void run_child(const struct request *request, int input,
                                int output, int error_pipe)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    if (request->head->terminal && ioctl(output, TIOCSCTTY, 0))
        child_fail(error_pipe, STEP_TERMINAL);
    if (dup2(input, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0)
        child_fail(error_pipe, STEP_REQUEST);
    if (error_pipe != 3 && dup3(error_pipe, 3, O_CLOEXEC) < 0)
        child_fail(error_pipe, STEP_REQUEST);
    /* Nothing of init's is open in a command: above 3 all goes now, and 3
     * itself at the exec. */
    if (syscall(SYS_close_range, 4U, ~0U, 0U))
        child_fail(3, STEP_REQUEST);
    if (chdir(request->directory))
        child_fail(3, STEP_DIRECTORY);
    if (limit(RLIMIT_AS, request->head->memory_bytes))
        child_fail(3, STEP_PRIVILEGES);
    exec_found(request);
    child_fail(3, STEP_EXEC);
}

/* Opens a pseudo-terminal of this sandbox. */
static int open_terminal(int *master, int *slave)
{
    int unlocked = 0;
    struct winsize size = {.ws_row = 24, .ws_col = 80};

    *slave = -1;
    *master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (*master < 0 || ioctl(*master, TIOCSPTLCK, &unlocked))
        return -1;
    *slave = ioctl(*master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    return *slave < 0 ? -1 : ioctl(*slave, TIOCSWINSZ, &size);
}

static int fork_command(const struct request *request, int input, int output,
                        pid_t *pid, struct child_error *error)
{
    int ends[2];
    ssize_t got;

    *error = (struct child_error){0, STEP_FORK};
    if (pipe2(ends, O_CLOEXEC)) {
        error->errnum = errno;
        return -1;
    }
    /* The child only makes system calls until it execs, so it may borrow this
     * process's memory: copying the tables of all our libraries would cost
     * more than the command. NOLINTNEXTLINE */
    *pid = vfork();
    if (*pid == 0)
        run_child(request, input, output, ends[1]);
    error->errnum = errno;
    close(ends[1]);
    do {
        got = *pid < 0 ? 0 : read(ends[0], error, sizeof(*error));
    } while (got < 0 && errno == EINTR);
    close(ends[0]);
    if (*pid < 0)
        return -1;
    if (got != sizeof(*error))
        return 0; /* closed by a successful exec */
    waitpid(*pid, NULL, 0);
    return -1;
}

static void send_started(int control, uint32_t id, int master)
{
    struct control packet = {CONTROL_STARTED, id, 0, 0};
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } ancillary = {{0}};
    struct iovec part = {&packet, sizeof(packet)};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    if (master >= 0) {
        struct cmsghdr *head;

        message.msg_control = ancillary.bytes;
        message.msg_controllen = sizeof(ancillary.bytes);
        head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(head), &master, sizeof(int));
    }
    if (sendmsg(control, &message, MSG_NOSIGNAL) < 0)
        _exit(1);
}

static void start(int control, struct running *table, uint32_t id, int fds[3])
{
    struct request request = {0};
    struct child_error error;
    struct running *slot = NULL;
    int master = -1;
    int slave = -1;

    for (int i = 0; i < SANDBOX_COMMANDS_MAX && !slot; i++)
        slot = table[i].id ? NULL : &table[i];
    if (!slot) {
        report(control, CONTROL_FAILED, id, EAGAIN, STEP_COMMANDS);
    } else if (request_open(fds[0], &request)) {
        report(control, CONTROL_FAILED, id, errno, STEP_REQUEST);
    } else if (request.head->terminal && open_terminal(&master, &slave)) {
        report(control, CONTROL_FAILED, id, errno, STEP_TERMINAL);
    } else if (fork_command(&request, slave >= 0 ? slave : fds[1],
                            slave >= 0 ? slave : fds[2], &slot->pid, &error)) {
        report(control, CONTROL_FAILED, id, error.errnum, error.step);
    } else {
        slot->id = id;
        send_started(control, id, master);
    }
    fd_reset(&master);
    fd_reset(&slave);
    request_close(&request);
}

static void reap(int control, struct running *table)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (int i = 0; i < SANDBOX_COMMANDS_MAX; i++) {
            if (!table[i].id || table[i].pid != pid)
                continue;
            report(control, CONTROL_EXITED, table[i].id, status, 0);
            table[i].id = 0;
        }
    }
}

static void handle(int control, struct running *table)
{
    struct control packet;
    int fds[3];

    if (!receive(control, &packet, fds))
        _exit(0); /* the owner is gone */
    if (packet.type == CONTROL_RUN)
        start(control, table, packet.id, fds);
    if (packet.type == CONTROL_SIGNAL) {
        for (int i = 0; i < SANDBOX_COMMANDS_MAX; i++) {
            if (table[i].id && table[i].id == packet.id)
                kill(-table[i].pid, packet.value);
        }
    }
    for (int i = 0; i < 3; i++)
        fd_reset(&fds[i]);
}

static _Noreturn void serve(int control, int signals)
{
    struct running table[SANDBOX_COMMANDS_MAX] = {{0}};

    for (;;) {
        struct pollfd waits[] = {{control, POLLIN, 0}, {signals, POLLIN, 0}};
        struct signalfd_siginfo info;

        if (poll(waits, 2, -1) < 0 && errno != EINTR)
            _exit(1);
        if (waits[1].revents && read(signals, &info, sizeof(info)) > 0)
            reap(control, table);
        if (waits[0].revents)
            handle(control, table);
    }
}

/* What the owner ignores, commands must not: a shell cannot even trap it. */
static void reset_signals(void)
{
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL); /* fails for those that cannot be ignored */
}

_Noreturn void init_main(const struct init_setup *setup)
{
    struct init_setup own = *setup;
    struct control packet;
    sigset_t mask;
    int fds[3];
    int signals;

    sigfillset(&mask);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    reset_signals();
    /* First of all: descriptors of the runner and of other sandboxes must not
     * live on in here. The owner's end of our own socket is among them: while
     * it is open here, the owner's death would not be noticed. */
    own.control = 3;
    if ((setup->control != own.control &&
         dup3(setup->control, own.control, O_CLOEXEC) < 0) ||
        syscall(SYS_close_range, 4U, ~0U, 0U))
        _exit(1);
    if (!receive(own.control, &packet, fds) || packet.type != CONTROL_GO)
        _exit(1);
    confine(&own);
    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0)
        fail(own.control, STEP_FILTER, 0);
    report(own.control, CONTROL_READY, 0, 0, 0);
    serve(own.control, signals);
}
