#include "sandbox/egress.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <grp.h>

#include "base/memory.h"
#include "sandbox/egress_serve.h"
#include "sandbox/landlock.h"

struct egress {
    pid_t pid;
    int socket;
    bool asked; /* an answer is being read */
};

/* ---- the process
 * ------------------------------------------------------------------- */

/* What looking up names needs; it may execute nothing at all. */
static const char *const readable[] = {"/etc",   "/usr", "/lib",
                                       "/lib64", "/run", "/proc"};

static int confine_files(void)
{
    struct {
        uint64_t files;
    } attr = {LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE |
              LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_WRITE_FILE |
              LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR |
              LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REMOVE_FILE |
              LANDLOCK_ACCESS_FS_REMOVE_DIR};
    int ruleset;
    int status;

    if (!landlock_version())
        return 0; /* it is unprivileged all the same */
    ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
    if (ruleset < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LENGTH(readable); i++) {
        struct landlock_path_beneath_attr rule = {
            .allowed_access =
                LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
            .parent_fd = open(readable[i], O_PATH | O_CLOEXEC)};

        if (rule.parent_fd < 0)
            continue;
        syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH,
                &rule, 0);
        close(rule.parent_fd);
    }
    status = (int)syscall(SYS_landlock_restrict_self, ruleset, 0);
    close(ruleset);
    return status;
}

static int confine_process(struct sandbox_identity identity)
{
    struct rlimit none = {0, 0};

    if (!geteuid() &&
        (setgroups(0, NULL) ||
         syscall(SYS_setresgid, identity.gid, identity.gid, identity.gid) ||
         syscall(SYS_setresuid, identity.uid, identity.uid, identity.uid)))
        return -1;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
                   prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) ||
                   prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) ||
                   setrlimit(RLIMIT_CORE, &none) || confine_files()
               ? -1
               : 0;
}

static _Noreturn void live(int listener, int socket,
                           struct sandbox_identity identity)
{
    sigset_t mask;

    sigfillset(&mask);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    /* Nothing else of the runner's stays open in here: dup both to the bottom
     * in an order that overwrites neither. */
    if (dup2(listener, 0) < 0 || dup2(socket, 1) < 0 ||
        syscall(SYS_close_range, 2U, ~0U, 0U) ||
        open("/dev/null", O_RDWR) != 2 || confine_process(identity))
        _exit(1);
    egress_serve(0, 1);
}

/* ---- the owner
 * ---------------------------------------------------------------------- */

int egress_check_host(const char *host, struct error *err)
{
    struct host_entry entry;

    return host_parse(host, &entry, err);
}

struct egress *egress_start(int listener, struct sandbox_identity identity,
                            struct error *err)
{
    struct egress *egress;
    int ends[2];
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends)) {
        error_set_errno(err, ERROR_SANDBOX, errno, "egress proxy: socketpair");
        return NULL;
    }
    pid = fork();
    if (pid == 0)
        live(listener, ends[1], identity);
    close(ends[1]);
    if (pid < 0) {
        error_set_errno(err, ERROR_SANDBOX, errno, "egress proxy: fork");
        close(ends[0]);
        return NULL;
    }
    egress = mem_alloc(sizeof(*egress));
    *egress = (struct egress){.pid = pid, .socket = ends[0]};
    return egress;
}

static int say(struct egress *egress, const struct egress_message *message,
               struct error *err)
{
    if (send(egress->socket, message, sizeof(*message), MSG_NOSIGNAL) < 0)
        return error_set_errno(err, ERROR_SANDBOX, errno,
                               "the egress proxy is gone");
    return 0;
}

static bool hear(struct egress *egress, struct egress_message *message)
{
    ssize_t got;

    do {
        got = recv(egress->socket, message, sizeof(*message), 0);
    } while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof(*message);
}

int egress_set_hosts(struct egress *egress, const char *const *hosts,
                     size_t count, struct error *err)
{
    struct egress_message message = {.type = EGRESS_HOST};

    if (count > HOSTS_MAX)
        return error_set(err, ERROR_SANDBOX, "more than %d hosts", HOSTS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (host_parse(hosts[i], &message.host, err) ||
            say(egress, &message, err))
            return -1;
    }
    message.type = EGRESS_USE;
    if (say(egress, &message, err))
        return -1;
    do {
        if (!hear(egress, &message))
            return error_set(err, ERROR_SANDBOX, "the egress proxy is gone");
    } while (message.type != EGRESS_DONE);
    return 0;
}

void egress_settle(struct egress *egress)
{
    struct egress_message message = {.type = EGRESS_SETTLE};
    struct error ignored;

    if (egress->asked || say(egress, &message, &ignored))
        return;
    while (hear(egress, &message) && message.type != EGRESS_DONE)
        ;
}

/* An answer is read to its end, over several calls. */
bool egress_next(struct egress *egress, struct sandbox_notice *notice)
{
    struct egress_message message = {.type = EGRESS_ASK};
    struct error ignored;

    if (!egress->asked && say(egress, &message, &ignored))
        return false;
    egress->asked = hear(egress, &message) && message.type == EGRESS_REPORT;
    if (!egress->asked)
        return false;
    *notice = (struct sandbox_notice){
        .type = SANDBOX_HOST,
        .port = message.report.port,
        .connections = message.report.connections,
        .refusals = message.report.refusals,
        .bytes_sent = message.report.sent,
        .bytes_received = message.report.received,
    };
    snprintf(notice->text, sizeof(notice->text), "%s", message.report.name);
    snprintf(notice->reason, sizeof(notice->reason), "%s",
             message.report.refusals ? message.report.reason : "");
    return true;
}

void egress_stop(struct egress *egress)
{
    if (!egress)
        return;
    fd_reset(&egress->socket);
    kill(egress->pid, SIGKILL);
    while (waitpid(egress->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    free(egress);
}
