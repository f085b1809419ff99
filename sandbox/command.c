/* Commands of a sandbox: reading the request, fork, exec. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/memory.h"
#include "sandbox/init.h"

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

/* What a command's standard descriptors become. */
struct streams {
    int input;
    int output;
    int errors;
};

static _Noreturn void run_child(const struct request *request,
                                const struct streams *streams, int error_pipe)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    if (request->head->terminal && ioctl(streams->output, TIOCSCTTY, 0))
        child_fail(error_pipe, STEP_TERMINAL);
    if (dup2(streams->input, 0) < 0 || dup2(streams->output, 1) < 0 ||
        dup2(streams->errors, 2) < 0)
        child_fail(error_pipe, STEP_REQUEST);
    if (error_pipe != 3 && dup3(error_pipe, 3, O_CLOEXEC) < 0)
        child_fail(error_pipe, STEP_REQUEST);
    /* Nothing of init's is open in a command: above 3 all goes now, and 3
     * itself at the exec. */
    if (syscall(SYS_close_range, 4U, ~0U, 0U))
        child_fail(3, STEP_REQUEST);
    if (chdir(request->directory))
        child_fail(3, STEP_DIRECTORY);
    exec_found(request);
    child_fail(3, STEP_EXEC);
}

/* Opens a pseudo-terminal of this sandbox. */
static int open_terminal(const struct control_request *request, int *master,
                         int *slave)
{
    int unlocked = 0;
    struct winsize size = {.ws_row = request->rows, .ws_col = request->columns};

    *slave = -1;
    *master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (*master < 0 || ioctl(*master, TIOCSPTLCK, &unlocked))
        return -1;
    *slave = ioctl(*master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    return *slave < 0 ? -1 : ioctl(*slave, TIOCSWINSZ, &size);
}

static int fork_command(const struct request *request,
                        const struct streams *streams, pid_t *pid,
                        struct child_error *error)
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
        run_child(request, streams, ends[1]);
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

int command_start(const int *fds, pid_t *pid, int *master,
                  struct child_error *error)
{
    struct request request = {0};
    struct streams streams = {fds[1], fds[2], fds[3] < 0 ? fds[2] : fds[3]};
    int slave = -1;
    int status = -1;

    if (request_open(fds[0], &request)) {
        *error = (struct child_error){errno, STEP_REQUEST};
    } else if (request.head->terminal &&
               open_terminal(request.head, master, &slave)) {
        *error = (struct child_error){errno, STEP_TERMINAL};
    } else {
        if (slave >= 0)
            streams = (struct streams){slave, slave, slave};
        status = fork_command(&request, &streams, pid, error);
    }
    fd_reset(&slave);
    if (status)
        fd_reset(master);
    request_close(&request);
    return status;
}
