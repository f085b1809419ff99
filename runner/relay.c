#include "runner/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <termios.h>

#include "base/clock.h"
#include "base/memory.h"

/* What a pipe that is ready takes without blocking. */
#define CHUNK 4096
/* The most that a pipe holds: fs.pipe-max-size, by default. */
#define PIPE_MAX ((ssize_t)1 << 20)

struct relay {
    struct sandbox *sandbox;
    struct sandbox_process *process;
    int signals;
    int asked; /* how often to end */
    int lost;  /* errno of output that could not be passed on; or 0 */
    bool terminal;
    bool input_open;
    bool output_open;
    bool errors_open;
    char pending[CHUNK]; /* of input, for the command */
    size_t pending_at;
    size_t pending_length;
};

bool relay_on_terminal(void)
{
    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

void relay_set_size(struct sandbox_command *command)
{
    struct winsize size;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size))
        return;
    command->rows = size.ws_row;
    command->columns = size.ws_col;
}

bool relay_one_output(void)
{
    struct stat output;
    struct stat errors;

    return !fstat(STDOUT_FILENO, &output) && !fstat(STDERR_FILENO, &errors) &&
           output.st_dev == errors.st_dev && output.st_ino == errors.st_ino;
}

static void signal_set(sigset_t *set)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGPIPE};

    sigemptyset(set);
    for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++)
        sigaddset(set, numbers[i]);
}

void relay_block_signals(void)
{
    sigset_t set;

    signal_set(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
}

static void copy_size(const struct relay *relay)
{
    struct winsize size;

    if (relay->terminal && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size))
        ioctl(relay->process->output, TIOCSWINSZ, &size);
}

static int take_signal(struct relay *relay, struct error *err)
{
    struct signalfd_siginfo info;
    int number;

    if (read(relay->signals, &info, sizeof(info)) != sizeof(info))
        return 0;
    number = (int)info.ssi_signo;
    if (number == SIGWINCH)
        copy_size(relay);
    if (number == SIGWINCH || number == SIGPIPE)
        return 0;
    if (relay->asked++)
        number = SIGKILL;
    return sandbox_signal(relay->sandbox, relay->process, number, err);
}

static void close_input(struct relay *relay)
{
    /* A terminal's end is a character; its descriptor is the output too. */
    if (!relay->terminal)
        fd_reset(&relay->process->input);
    relay->input_open = false;
}

static void read_input(struct relay *relay)
{
    ssize_t got = read(STDIN_FILENO, relay->pending, sizeof(relay->pending));

    relay->pending_at = 0;
    relay->pending_length = got > 0 ? (size_t)got : 0;
    if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
        close_input(relay);
}

static void write_input(struct relay *relay)
{
    ssize_t put =
        write(relay->process->input, relay->pending + relay->pending_at,
              relay->pending_length);

    if (put > 0) {
        relay->pending_at += (size_t)put;
        relay->pending_length -= (size_t)put;
    } else if (put < 0 && errno != EAGAIN && errno != EINTR) {
        relay->pending_length = 0; /* nobody reads any more */
        close_input(relay);
    }
}

/* One piece. Returns its bytes, 0 when there was none to read yet, or -1 at
 * the end of either side; *lost becomes the errno of a write that failed for
 * another reason than that nobody reads. */
static ssize_t pass(int from, int to, int *lost)
{
    char bytes[CHUNK];
    ssize_t got = read(from, bytes, sizeof(bytes));
    size_t done = 0;

    if (got <= 0)
        return got && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
    while (done < (size_t)got) {
        ssize_t put = write(to, bytes + done, (size_t)got - done);

        if (put < 0 && errno == EAGAIN) {
            struct pollfd wait = {to, POLLOUT, 0};

            poll(&wait, 1, -1);
        } else if (put < 0 && errno != EINTR) {
            if (errno != EPIPE)
                *lost = errno;
            return -1;
        } else if (put > 0) {
            done += (size_t)put;
        }
    }
    return got;
}

static ssize_t pass_output(struct relay *relay)
{
    ssize_t passed = pass(relay->process->output, STDOUT_FILENO, &relay->lost);

    if (passed >= 0)
        return passed;
    relay->output_open = false;
    /* The command is to notice that nobody listens. */
    if (!relay->terminal)
        fd_reset(&relay->process->output);
    return 0;
}

static ssize_t pass_errors(struct relay *relay)
{
    ssize_t passed = pass(relay->process->errors, STDERR_FILENO, &relay->lost);

    if (passed >= 0)
        return passed;
    relay->errors_open = false;
    fd_reset(&relay->process->errors);
    return 0;
}

enum {
    SIGNALS,
    EVENTS,
    INPUT,
    COMMAND_INPUT,
    OUTPUT,
    OUR_OUTPUT,
    ERRORS,
    OUR_ERRORS,
    WAITS
};

static void prepare(const struct relay *relay, const bool ready[static 2],
                    struct pollfd waits[static WAITS])
{
    const struct sandbox_process *process = relay->process;
    bool pending = relay->pending_length > 0;

    for (int i = 0; i < WAITS; i++)
        waits[i] = (struct pollfd){-1, POLLIN, 0};
    waits[SIGNALS].fd = relay->signals;
    waits[EVENTS].fd = sandbox_events(relay->sandbox);
    if (relay->input_open && !pending)
        waits[INPUT].fd = STDIN_FILENO;
    if (relay->input_open && pending)
        waits[COMMAND_INPUT] = (struct pollfd){process->input, POLLOUT, 0};
    /* First until there is output, then until ours takes it. */
    if (relay->output_open && !ready[0])
        waits[OUTPUT].fd = process->output;
    else if (relay->output_open)
        waits[OUR_OUTPUT] = (struct pollfd){STDOUT_FILENO, POLLOUT, 0};
    if (relay->errors_open && !ready[1])
        waits[ERRORS].fd = process->errors;
    else if (relay->errors_open)
        waits[OUR_ERRORS] = (struct pollfd){STDERR_FILENO, POLLOUT, 0};
}

static void move(struct relay *relay, const struct pollfd *waits,
                 bool ready[static 2])
{
    if (waits[INPUT].revents)
        read_input(relay);
    if (waits[COMMAND_INPUT].revents)
        write_input(relay);
    if (waits[OUTPUT].revents)
        ready[0] = true;
    if (waits[OUR_OUTPUT].revents) {
        pass_output(relay);
        ready[0] = false;
    }
    if (waits[ERRORS].revents)
        ready[1] = true;
    if (waits[OUR_ERRORS].revents) {
        pass_errors(relay);
        ready[1] = false;
    }
}

/* What the command itself wrote is in the pipes. Processes that it left
 * behind may hold them open, and write on: no more is passed than a pipe
 * holds. */
static void drain(struct relay *relay)
{
    struct pollfd waits[2];
    ssize_t total = 0;

    while (total < 2 * PIPE_MAX) {
        waits[0] = (struct pollfd){
            relay->output_open ? relay->process->output : -1, POLLIN, 0};
        waits[1] = (struct pollfd){
            relay->errors_open ? relay->process->errors : -1, POLLIN, 0};
        if (poll(waits, 2, 0) <= 0)
            return;
        if (waits[0].revents)
            total += pass_output(relay);
        if (waits[1].revents)
            total += pass_errors(relay);
    }
}

static int attend(struct relay *relay, int64_t deadline, enum relay_end *end,
                  struct error *err)
{
    bool ready[2] = {false, false};

    for (;;) {
        struct pollfd waits[WAITS];

        if (sandbox_poll(relay->sandbox, relay->process, err))
            return -1;
        if (relay->process->exited) {
            drain(relay);
            *end = RELAY_EXITED;
            return 0;
        }
        if (clock_now_ms() >= deadline) {
            *end = RELAY_TIMEOUT;
            return sandbox_signal(relay->sandbox, relay->process, SIGKILL, err);
        }
        prepare(relay, ready, waits);
        if (poll(waits, WAITS, clock_left_ms(deadline)) < 0 && errno != EINTR)
            return error_set_errno(err, ERROR_IO, errno, "poll");
        if (waits[SIGNALS].revents && take_signal(relay, err))
            return -1;
        move(relay, waits, ready);
    }
}

/* Keys go to the command's terminal as they are. */
static bool make_raw(struct termios *before)
{
    struct termios raw;

    if (tcgetattr(STDIN_FILENO, before))
        return false;
    raw = *before;
    cfmakeraw(&raw);
    return !tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

int relay_run(struct sandbox *sandbox, struct sandbox_process *process,
              int64_t deadline, enum relay_end *end, struct error *err)
{
    struct relay relay = {.sandbox = sandbox,
                          .process = process,
                          .terminal = process->input == process->output,
                          .input_open = process->input >= 0,
                          .output_open = true,
                          .errors_open = process->errors >= 0};
    struct termios before;
    bool raw;
    sigset_t set;
    int status;

    signal_set(&set);
    relay.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (relay.signals < 0)
        return error_set_errno(err, ERROR_IO, errno, "signalfd");
    raw = relay.terminal && make_raw(&before);
    copy_size(&relay);
    status = attend(&relay, deadline, end, err);
    if (raw)
        tcsetattr(STDIN_FILENO, TCSANOW, &before);
    close(relay.signals);
    if (!status && relay.lost)
        return error_set_errno(err, ERROR_IO, relay.lost,
                               "cannot pass on what the command wrote");
    return status;
}
