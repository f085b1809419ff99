/* PID 1 of a sandbox: confines itself, then starts commands on request and
 * watches what all of them use.
 *
 * Every command is its child and inherits the confinement. When the owner
 * goes away, by closing the socket or by dying, it exits and the kernel kills
 * everything inside; without namespaces it does that itself. */
#include "sandbox/init.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/memory.h"
#include "sandbox/filter.h"

#define CALLS_MAX 1024
#define FIRST_TICK_MS 5
#define OOM_SCORE_COMMANDS "500"
#define OOM_SCORE_OWN "0"
#define END_TRIES 1000
#define END_ALL_TRIES 10000
#define END_PAUSE_NS 1000000

struct running {
    uint32_t id; /* 0: free */
    pid_t pid;
    enum sandbox_limit limit; /* that it was killed at */
};

struct server {
    struct init init;
    struct running table[SANDBOX_COMMANDS_MAX];
    int64_t tick_at;      /* when to measure again; CLOCK_NEVER */
    bool told[CALLS_MAX]; /* refused calls that the owner knows of */
};

/* Everything of ours dies with PID 1 of a namespace; elsewhere it is hunted
 * down. */
static _Noreturn void end(const struct server *server, int status)
{
    for (int i = 0; !server->init.watch.processes.namespaces && i < END_TRIES &&
                    processes_count(&server->init.watch.processes);
         i++) {
        processes_kill(&server->init.watch.processes);
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
    }
    _exit(status);
}

static void report(const struct server *server, enum control_type type,
                   uint32_t id, int32_t value, uint32_t step)
{
    struct control packet = {type, id, value, step};

    /* When nobody listens, the next receive says so and init ends. */
    if (control_send(server->init.control, &packet, NULL, 0))
        end(server, 1);
}

/* ---- commands -------------------------------------------------------------
 */

/* What is started now is killed before everything else of the host, and this
 * process later: with it, nobody would tell why. */
static void set_oom_score(const struct server *server, const char *score)
{
    if (server->init.oom_score >= 0 &&
        pwrite(server->init.oom_score, score, strlen(score), 0) < 0)
        errno = 0; /* the host decides by size */
}

static void start(struct server *server, uint32_t id, const int *fds)
{
    struct child_error error;
    struct running *slot = NULL;
    struct control started = {CONTROL_STARTED, id, 0, 0};
    int master = -1;
    int failed;

    for (int i = 0; i < SANDBOX_COMMANDS_MAX && !slot; i++)
        slot = server->table[i].id ? NULL : &server->table[i];
    if (!slot) {
        report(server, CONTROL_FAILED, id, EAGAIN, STEP_COMMANDS);
        return;
    }
    watch_begin(&server->init.watch);
    set_oom_score(server, OOM_SCORE_COMMANDS);
    failed = command_start(fds, &slot->pid, &master, &error);
    set_oom_score(server, OOM_SCORE_OWN);
    if (failed) {
        report(server, CONTROL_FAILED, id, error.errnum, error.step);
        return;
    }
    slot->id = id;
    slot->limit = SANDBOX_LIMIT_NONE;
    if (control_send(server->init.control, &started, &master, master >= 0))
        end(server, 1);
    fd_reset(&master);
    server->tick_at =
        clock_earlier(server->tick_at, clock_deadline(FIRST_TICK_MS));
}

static void reap(struct server *server)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (int i = 0; i < SANDBOX_COMMANDS_MAX; i++) {
            struct running *slot = &server->table[i];

            if (!slot->id || slot->pid != pid)
                continue;
            report(server, CONTROL_EXITED, slot->id, status, slot->limit);
            slot->id = 0;
        }
    }
}

/* Kills what there is and sees its end. What the kernel holds on to for a
 * moment is waited for, not for ever. */
static void end_all(struct server *server)
{
    const struct timespec pause = {0, END_PAUSE_NS};
    const struct processes *all = &server->init.watch.processes;
    int left = 0;

    for (int i = 0; i < END_ALL_TRIES; i++) {
        processes_kill(all);
        reap(server);
        left = processes_count(all);
        if (!left)
            break;
        nanosleep(&pause, NULL);
    }
    report(server, CONTROL_ENDED, 0, left, 0);
}

static void handle(struct server *server)
{
    struct control packet;
    int fds[CONTROL_FDS_MAX];

    if (control_receive(server->init.control, &packet, fds, 0) <= 0)
        end(server, 0); /* the owner is gone */
    if (packet.type == CONTROL_RUN)
        start(server, packet.id, fds);
    if (packet.type == CONTROL_END)
        end_all(server);
    if (packet.type == CONTROL_SIGNAL) {
        for (int i = 0; i < SANDBOX_COMMANDS_MAX; i++) {
            if (server->table[i].id && server->table[i].id == packet.id)
                kill(-server->table[i].pid, packet.value);
        }
    }
    for (int i = 0; i < CONTROL_FDS_MAX; i++)
        fd_reset(&fds[i]);
}

/* ---- watching --------------------------------------------------------------
 */

static void tick(struct server *server)
{
    int next_ms;
    enum sandbox_limit limit = watch_tick(&server->init.watch, &next_ms);

    if (limit != SANDBOX_LIMIT_NONE) {
        for (int i = 0; i < SANDBOX_COMMANDS_MAX; i++)
            server->table[i].limit = limit;
        processes_kill(&server->init.watch.processes);
        report(server, CONTROL_LIMIT, 0, limit, 0);
    }
    server->tick_at = next_ms < 0 ? CLOCK_NEVER : clock_deadline(next_ms);
}

/* Answers a refused call and tells of the first of each. */
static void answer_refused(struct server *server)
{
    union {
        struct seccomp_notif notice;
        char bytes[512]; /* a later kernel's may be longer */
    } call = {.bytes = {0}};
    union {
        struct seccomp_notif_resp reply;
        char bytes[512];
    } answer = {.bytes = {0}};
    int number;

    if (ioctl(server->init.listener, SECCOMP_IOCTL_NOTIF_RECV, &call))
        return; /* the caller was killed meanwhile */
    number = call.notice.data.nr;
    answer.reply.id = call.notice.id;
    answer.reply.error =
        -filter_errno(number, (const uint64_t *)call.notice.data.args);
    ioctl(server->init.listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
    if (number < 0 || number >= CALLS_MAX || server->told[number])
        return;
    server->told[number] = true;
    report(server, CONTROL_REFUSED, (uint32_t)number, 0, 0);
}

static _Noreturn void serve(struct server *server, int signals)
{
    for (;;) {
        struct pollfd waits[] = {{server->init.control, POLLIN, 0},
                                 {signals, POLLIN, 0},
                                 {server->init.listener, POLLIN, 0}};
        struct signalfd_siginfo info;

        if (poll(waits, 3, clock_left_ms(server->tick_at)) < 0 &&
            errno != EINTR)
            end(server, 1);
        if (waits[2].revents & POLLIN)
            answer_refused(server);
        else if (waits[2].revents)
            server->init.listener = -1; /* nobody is left who could ask */
        if (waits[1].revents && read(signals, &info, sizeof(info)) > 0)
            reap(server);
        if (waits[0].revents)
            handle(server);
        if (server->tick_at != CLOCK_NEVER && clock_now_ms() >= server->tick_at)
            tick(server);
    }
}

/* ---- beginning --------------------------------------------------------------
 */

/* What the owner ignores, commands must not: a shell cannot even trap it. */
static void reset_signals(void)
{
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL); /* fails for those that cannot be ignored */
}

static void report_ready(struct server *server)
{
    struct control ready = {CONTROL_READY, 0, server->init.landlock_abi,
                            (uint32_t)server->init.proxy_port};
    int fds[] = {server->init.workspace, server->init.proxy};

    if (control_send(server->init.control, &ready, fds,
                     server->init.proxy < 0 ? 1 : 2))
        end(server, 1);
    fd_reset(&server->init.workspace);
    fd_reset(&server->init.proxy);
}

/* What the runner was given may hold secrets; no process in here has them. */
static void forget_environment(void)
{
    for (char **entry = environ; entry && *entry; entry++)
        memset(*entry, 0, strlen(*entry));
}

_Noreturn void init_main(const struct init_setup *setup)
{
    static struct server server;
    struct init_setup own = *setup;
    struct control packet;
    sigset_t mask;
    int fds[CONTROL_FDS_MAX];
    int signals;

    sigfillset(&mask);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    reset_signals();
    forget_environment();
    /* First of all: descriptors of the runner and of other sandboxes must not
     * live on in here. The owner's end of our own socket is among them: while
     * it is open here, the owner's death would not be noticed. */
    own.control = 3;
    if ((setup->control != own.control &&
         dup3(setup->control, own.control, O_CLOEXEC) < 0) ||
        syscall(SYS_close_range, 4U, ~0U, 0U))
        _exit(1);
    if (control_receive(own.control, &packet, fds, 0) <= 0 ||
        packet.type != CONTROL_GO)
        _exit(1);
    confine(&own, fds, &server.init);
    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0)
        init_fail(own.control, STEP_FILTER, 0);
    server.tick_at = CLOCK_NEVER;
    report_ready(&server);
    serve(&server, signals);
}
