/* Attacks from inside, each with what it must come to; as root and, when this
 * runs as root, again as an ordinary user. The commands are shell and Python,
 * whose ctypes make any system call. What builds need must work. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "sandbox/sandbox.h"
#include "tests/tap.h"

#define ORDINARY_USER 64123
#define COMMAND_MS 60000

/* Python's beginning: call(number, …) gives the result or -errno. */
#define PYTHON                                                              \
    "import ctypes, os, socket, sys\n"                                      \
    "libc = ctypes.CDLL(None, use_errno=True)\n"                            \
    "def call(*a):\n"                                                       \
    "    r = libc.syscall(*[ctypes.c_long(x) if isinstance(x, int) else x " \
    "for x in a])\n"                                                        \
    "    return r if r >= 0 else -ctypes.get_errno()\n"

struct attack {
    const char *name;
    const char *code; /* shell; Python when it starts with "py:" */
};

/* Each must fail: end with a status that is not 0. */
static const struct attack refused[] = {
    {"read /etc/shadow", "cat /etc/shadow"},
    {"read a host key", "cat /etc/ssh/ssh_host_rsa_key /etc/ssh/sshd_config"},
    {"list /root", "ls /root"},
    {"list the host's /home", "ls /home | grep -v agent"},
    {"see the host's /tmp", "ls -A /tmp | grep ."},
    {"see /sys", "ls /sys/kernel"},
    {"see a device of the disk", "ls /dev/vda /dev/sda /dev/mem /dev/kmsg"},
    {"write to /usr", "touch /usr/bin/x"},
    {"write to /etc", "echo x >> /etc/passwd"},
    {"write to /", "mkdir /x"},
    {"write to /dev", "touch /dev/x"},
    {"write to /proc/sys", "echo 1 > /proc/sys/kernel/core_uses_pid"},
    {"core_pattern", "echo '|/x' > /proc/sys/kernel/core_pattern"},
    {"sysrq", "echo b > /proc/sysrq-trigger"},
    {"read kernel memory", "head -c 1 /proc/kcore | grep -q ."},
    {"kernel symbols", "grep -q . /proc/kallsyms"},
    {"see PID 1", "ls /proc/1"},
    {"environment of PID 1", "cat /proc/1/environ"},
    {"memory of PID 1", "head -c 1 /proc/1/mem"},
    {"root of PID 1", "ls /proc/1/root/"},
    {"kill PID 1 and live", "kill -9 1 && kill -0 1 && false"},
    {"change a mount", "mount -o remount,rw /usr"},
    {"chroot", "chroot /workspace /bin/sh"},
    {"unshare a user namespace", "unshare -U true"},
    {"unshare by system call", "py:sys.exit(call(272, 0x10000000) < 0)"},
    {"clone into namespaces",
     "py:sys.exit(call(56, 0x10000011, 0, 0, 0, 0) < 0)"},
    {"clone3", "py:sys.exit(call(435, 0, 0) == -38)"},
    {"setns", "py:sys.exit(call(308, 0, 0) == -1)"},
    {"mount by system call",
     "py:sys.exit(call(165, b'x', b'/tmp', b'tmpfs', 0, 0) == -1)"},
    {"fsopen", "py:sys.exit(call(430, b'tmpfs', 0) == -1)"},
    {"open_tree", "py:sys.exit(call(428, -100, b'/', 1) == -1)"},
    {"move_mount", "py:sys.exit(call(429, -100, b'/', -100, b'/', 0) == -1)"},
    {"mount_setattr", "py:sys.exit(call(442, -100, b'/', 0, 0, 0) == -1)"},
    {"pivot_root", "py:sys.exit(call(155, b'.', b'.') == -1)"},
    {"bpf", "py:sys.exit(call(321, 0, 0, 0) == -1)"},
    {"perf_event_open", "py:sys.exit(call(298, 0, 0, -1, -1, 0) == -1)"},
    {"userfaultfd", "py:sys.exit(call(323, 0) == -1)"},
    {"io_uring", "py:sys.exit(call(425, 1, 0) == -1)"},
    {"keyctl", "py:sys.exit(call(250, 0, -3, 0) == -1)"},
    {"add_key", "py:sys.exit(call(248, b'user', b'x', b'y', 1, -3) == -1)"},
    {"open_by_handle_at", "py:sys.exit(call(304, -100, 0, 0) == -1)"},
    {"name_to_handle_at", "py:sys.exit(call(303, -100, b'/', 0, 0, 0) == -1)"},
    {"init_module", "py:sys.exit(call(175, 0, 0, b'') == -1)"},
    {"kexec_load", "py:sys.exit(call(246, 0, 0, 0, 0) == -1)"},
    {"reboot", "py:sys.exit(call(169, 0, 0, 0, 0) == -1)"},
    {"swapon", "py:sys.exit(call(167, b'/x', 0) == -1)"},
    {"syslog", "py:sys.exit(call(103, 3, 0, 0) == -1)"},
    {"iopl", "py:sys.exit(call(172, 3) == -1)"},
    {"modify_ldt", "py:sys.exit(call(154, 0, 0, 0) == -1)"},
    {"quotactl", "py:sys.exit(call(179, 0, 0, 0, 0) == -1)"},
    {"fanotify", "py:sys.exit(call(300, 0, 0) == -1)"},
    {"personality of another kind", "py:sys.exit(call(135, 0x0008) < 0)"},
    {"openat2, past the rule on modes",
     "py:sys.exit(call(437, -100, b'/', 0, 24) == -38)"},
    {"x32 call", "py:call(0x40000000 + 39)\nsys.exit(0)"},
    {"set a setuid bit", "touch f && chmod 4755 f"},
    {"set a setgid bit", "touch f && chmod 2755 f"},
    {"create a setuid file",
     "py:sys.exit(call(257, -100, b'g', 0o102, 0o4755) == -1)"},
    {"create one by creat", "py:sys.exit(call(85, b'h', 0o4755) == -1)"},
    {"make a device", "mknod n c 1 3"},
    {"type into a terminal", "py:import pty, fcntl\nm, s = pty.openpty()\n"
                             "try: fcntl.ioctl(s, 0x5412, b'x')\n"
                             "except OSError: sys.exit(1)"},
    {"netlink socket", "py:socket.socket(16, 3, 0)"},
    {"packet socket", "py:socket.socket(17, 3, 0)"},
    {"vsock socket", "py:socket.socket(40, 1, 0)"},
    {"alg socket", "py:socket.socket(38, 5, 0)"},
    {"bluetooth socket", "py:socket.socket(31, 3, 0)"},
    {"raw socket", "py:socket.socket(2, 3, 1)"},
    {"the network",
     "py:s = socket.socket(); s.settimeout(5); s.connect(('192.0.2.1', 80))"},
    {"a name", "py:socket.getaddrinfo('example.org', 80)"},
    {"become root", "py:os.setuid(0)"},
    {"sudo or su", "sudo -n true || su -c true"},
    {"a capability", "grep -E 'Cap(Prm|Eff|Bnd|Amb):' /proc/self/status | grep "
                     "-v 0000000000000000"},
    {"new privileges", "grep -q 'NoNewPrivs:.*0' /proc/self/status"},
    {"raise a limit", "ulimit -Hu 100000 && ulimit -Hn 1000000"},
    {"more memory than allowed", "py:x = bytearray(600 << 20)"},
    {"a core file", "sh -c 'ulimit -c unlimited; kill -SEGV $$'; ls core*"},
    {"write through /proc/self/exe", "py:open('/proc/self/exe', 'r+b')"},
};

/* Each must work: end with status 0. */
static const struct attack needed[] = {
    {"the workspace",
     "echo x > f && mv f g && ln -s g l && ln g h && rm g h l"},
    {"home and temporary folders", "touch ~/x /tmp/x /var/tmp/x /dev/shm/x"},
    {"devices", "head -c 4 /dev/urandom > /dev/null && echo > /dev/null"},
    {"a user and a host name",
     "[ \"$(whoami)\" = agent ] && [ \"$(hostname)\" = nightjar ]"},
    /* Python itself ignores 13 and 25. */
    {"signals", "py:import signal\nfor s in range(1, 32):\n"
                "    if s not in (9, 13, 19, 25):\n"
                "        assert signal.getsignal(s) != signal.SIG_IGN, s"},
    {"a broken pipe ends a program", "trap 'exit 1' PIPE; yes | head -1"},
    {"modes", "touch m && chmod 755 m && [ -x m ]"},
    {"pipes and sockets in the workspace", "mkfifo p && rm p"},
    {"own loopback",
     "py:s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()\n"
     "c = socket.create_connection(s.getsockname())"},
    {"unix sockets",
     "py:a, b = socket.socketpair(); s = socket.socket(1); s.bind('/tmp/s')"},
    {"own name resolves", "py:socket.gethostbyname('localhost')"},
    {"processes and locks",
     "py:import multiprocessing as m\nif __name__ == '__main__':\n"
     "    with m.Pool(2) as p: assert p.map(abs, [-1]) == [1]"},
    {"threads", "py:import threading; t = threading.Thread(target=print); "
                "t.start(); t.join()"},
    {"a pseudo-terminal", "py:import pty; pty.openpty()"},
    {"shared memory", "py:import mmap; mmap.mmap(-1, 4096)[0]"},
    {"file locks", "py:import fcntl; fcntl.flock(open('k', 'w'), 2)"},
    {"no address randomisation", "setarch -R true"},
    {"git", "git init -q r && cd r && touch a && git add a && "
            "git -c user.name=a -c user.email=a@b commit -qm x && git status"},
    {"a compiler",
     "printf 'int main(void){return 0;}' > t.c && cc t.c -o t && ./t"},
    {"make", "printf 'x:\\n\\ttouch x\\n' > Makefile && make"},
    {"/proc of oneself",
     "cat /proc/self/maps /proc/cpuinfo /proc/meminfo > /dev/null"},
};

static char *prefix;
static char *folder;

static struct sandbox *open_sandbox(const char *name, char **workspace)
{
    struct sandbox_identity identity = sandbox_identity();
    struct sandbox_spec spec = {.identity = identity,
                                .require = SANDBOX_NAMESPACES |
                                           SANDBOX_LANDLOCK | SANDBOX_SECCOMP,
                                .limits = {.memory_bytes = (int64_t)512 << 20,
                                           .disk_bytes = (int64_t)64 << 20,
                                           .pids = 128}};
    CLEANUP(mem_free)
    char *scratch = mem_format("%s/%s.scratch", folder, name);
    struct sandbox *sandbox;
    struct error err;

    *workspace = mem_format("%s/%s", folder, name);
    spec.scratch = scratch;
    if (mkdir(scratch, 0700) || mkdir(*workspace, 0700) ||
        (geteuid() == 0 && chown(*workspace, identity.uid, identity.gid)))
        return NULL;
    spec.workspace = *workspace;
    sandbox = sandbox_open(&spec, &err);
    if (!sandbox)
        tap_note("%s (%s)", err.text, err.hint);
    return sandbox;
}

/* The limit that ended the last command, if one did. */
static enum sandbox_limit ended_by;

/* Runs a command and gives its exit status (128 + signal), -1 on trouble. */
static int run(struct sandbox *sandbox, const char *code, struct buffer *output)
{
    bool python = !strncmp(code, "py:", 3);
    CLEANUP(mem_free)
    char *script =
        mem_format("%s%s", python ? PYTHON : "", python ? code + 3 : code);
    const char *const shell[] = {"/bin/sh", "-c", script, NULL};
    const char *const interpreter[] = {"/usr/bin/python3", "-c", script, NULL};
    const char *const environment[] = {"PATH=" SANDBOX_PATH,
                                       "HOME=" SANDBOX_HOME, NULL};
    struct sandbox_command command = {.argv = python ? interpreter : shell,
                                      .environment = environment,
                                      .directory = SANDBOX_WORKSPACE};
    int64_t deadline = clock_deadline(COMMAND_MS);
    struct sandbox_process process;
    struct error err;
    int status = -1;

    if (sandbox_start(sandbox, &command, &process, &err)) {
        tap_note("%s", err.text);
        return -1;
    }
    for (;;) {
        struct pollfd waits[] = {{process.output, POLLIN, 0},
                                 {sandbox_events(sandbox), POLLIN, 0}};
        char bytes[4096];
        ssize_t got;

        if (sandbox_poll(sandbox, &process, &err))
            break;
        while ((got = read(process.output, bytes, sizeof(bytes))) > 0)
            buffer_add(output, bytes, (size_t)got);
        if (process.exited)
            break;
        if (!got)
            waits[0].fd = -1;
        if (!poll(waits, 2, clock_left_ms(deadline)))
            break;
    }
    if (process.exited)
        status = WIFSIGNALED(process.status) ? 128 + WTERMSIG(process.status)
                                             : WEXITSTATUS(process.status);
    ended_by = process.limit;
    sandbox_process_close(&process);
    return status;
}

static void check(struct sandbox *sandbox, const struct attack *attack,
                  bool must_work)
{
    CLEANUP(buffer_free) struct buffer output = {0};
    int status;

    buffer_init(&output, 65536);
    status = run(sandbox, attack->code, &output);
    if (!tap_ok(status >= 0 && (status == 0) == must_work, "%s: %s %s", prefix,
                attack->name, must_work ? "works" : "is refused"))
        tap_note("status %d: %.500s", status, output.data);
}

static void test_tables(void)
{
    CLEANUP(mem_free) char *workspace = NULL;
    CLEANUP(sandbox_cleanup)
    struct sandbox *sandbox = open_sandbox("tables", &workspace);

    if (!tap_ok(sandbox, "%s: a sandbox opens", prefix))
        return;
    for (size_t i = 0; i < ARRAY_LENGTH(refused); i++)
        check(sandbox, &refused[i], false);
    for (size_t i = 0; i < ARRAY_LENGTH(needed); i++)
        check(sandbox, &needed[i], true);
}

static int output_of(struct sandbox *sandbox, const char *code, char *text,
                     size_t size)
{
    CLEANUP(buffer_free) struct buffer output = {0};
    int status;

    buffer_init(&output, 65536);
    status = run(sandbox, code, &output);
    snprintf(text, size, "%s", output.data);
    return status;
}

/* What the caller has open or in its environment is not inside. */
static void test_inheritance(void)
{
    CLEANUP(mem_free) char *workspace = NULL;
    CLEANUP(fd_close) int file = open("/etc/passwd", O_RDONLY); /* no CLOEXEC */
    CLEANUP(sandbox_cleanup) struct sandbox *sandbox = NULL;
    char text[4096];
    int pair[2];

    setenv("ATTACK_TOKEN", "value-that-must-not-leak", 1);
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    sandbox = open_sandbox("inheritance", &workspace);
    if (!tap_ok(sandbox && file >= 0, "%s: a sandbox opens", prefix))
        return;
    output_of(sandbox, "ls /proc/self/fd | tr '\\n' ' '", text, sizeof(text));
    tap_string(text, "0 1 2 3 ", "%s: only its own descriptors (3 is ls's)",
               prefix);
    output_of(sandbox, "env; cat /proc/[0-9]*/environ 2>/dev/null", text,
              sizeof(text));
    tap_ok(!strstr(text, "must-not-leak"), "%s: no variable of the caller",
           prefix);
    close(pair[0]);
    close(pair[1]);
    unsetenv("ATTACK_TOKEN");
}

/* Sockets of the host: an abstract one, and loopback. */
static void test_host_sockets(void)
{
    CLEANUP(mem_free) char *workspace = NULL;
    CLEANUP(sandbox_cleanup)
    struct sandbox *sandbox = open_sandbox("sockets", &workspace);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    CLEANUP(fd_close) int abstract = socket(AF_UNIX, SOCK_STREAM, 0);
    CLEANUP(mem_free) char *code = NULL;
    char text[4096];

    snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "nightjar-attack-%d",
             getpid());
    bind(abstract, (struct sockaddr *)&name, sizeof(name));
    listen(abstract, 1);
    code = mem_format("py:s = socket.socket(1)\ns.connect(b'\\0' + "
                      "b'nightjar-attack-%d'.ljust(107, b'\\0'))",
                      getpid());
    if (!tap_ok(sandbox, "%s: a sandbox opens", prefix))
        return;
    tap_int(output_of(sandbox, code, text, sizeof(text)), 1,
            "%s: the host's abstract socket is not reached", prefix);
    tap_contains(text, "refused", "%s: it is not there", prefix);
}

static bool gone(pid_t pid)
{
    return kill(pid, 0) && errno == ESRCH;
}

/* The host's pid of a process whose command line has the text. */
static pid_t find_process(const char *text)
{
    CLEANUP(mem_free)
    char *command = mem_format("pgrep -f '%s' | head -1", text);
    char line[32] = "";
    int ends[2];
    pid_t pid;

    if (pipe(ends))
        return -1;
    pid = fork();
    if (pid == 0) {
        dup2(ends[1], 1);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    if (read(ends[0], line, sizeof(line) - 1) < 0)
        line[0] = '\0';
    close(ends[0]);
    waitpid(pid, NULL, 0);
    return (pid_t)strtol(line, NULL, 10);
}

static void test_closing(void)
{
    CLEANUP(mem_free) char *workspace = NULL;
    struct sandbox *sandbox = open_sandbox("closing", &workspace);
    char text[4096];
    pid_t daemon;

    if (!tap_ok(sandbox, "%s: a sandbox opens", prefix))
        return;
    /* The bracket keeps pgrep's own command line from matching. */
    output_of(sandbox,
              "(setsid sh -c 'trap \"\" TERM HUP; while :; do sleep 4711; "
              "done' >/dev/null 2>&1 &) ; until ls /proc/[0-9]*/exe "
              "-l | grep -q sleep; do :; done",
              text, sizeof(text));
    daemon = find_process("sleep 471[1]");
    tap_ok(daemon > 0, "%s: a daemon runs", prefix);
    sandbox_close(sandbox);
    tap_ok(daemon > 0 && gone(daemon), "%s: closing ended it", prefix);
}

static void test_owner_killed(void)
{
    int ends[2];
    char ready;
    pid_t owner;
    pid_t command;
    int tries = 0;

    if (pipe(ends))
        return;
    owner = fork();
    if (owner == 0) {
        CLEANUP(mem_free) char *workspace = NULL;
        struct sandbox *sandbox = open_sandbox("owner", &workspace);
        char text[4096];

        if (sandbox)
            output_of(sandbox,
                      "(setsid sleep 4712 >/dev/null 2>&1 &); until "
                      "ls -l /proc/[0-9]*/exe | grep -q sleep; do :; "
                      "done",
                      text, sizeof(text));
        if (write(ends[1], "r", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    close(ends[1]);
    if (read(ends[0], &ready, 1) != 1)
        tap_note("the owner did not get ready");
    close(ends[0]);
    command = find_process("sleep 471[2]");
    tap_ok(command > 0, "%s: a command runs", prefix);
    kill(owner, SIGKILL);
    waitpid(owner, NULL, 0);
    /* The kernel tears the namespace down after the owner is reaped. */
    while (command > 0 && !gone(command) && tries++ < 100000)
        sched_yield();
    tap_ok(command > 0 && gone(command), "%s: it dies with its owner", prefix);
}

static void test_limits(void)
{
    CLEANUP(mem_free) char *workspace = NULL;
    CLEANUP(mem_free) char *other_workspace = NULL;
    CLEANUP(sandbox_cleanup)
    struct sandbox *sandbox = open_sandbox("limits", &workspace);
    CLEANUP(sandbox_cleanup)
    struct sandbox *other = open_sandbox("other", &other_workspace);
    char text[4096];
    int status;

    if (!tap_ok(sandbox && other, "%s: two sandboxes open", prefix))
        return;
    output_of(
        sandbox,
        "py:n = 0\ntry:\n    while n < 1000:\n        if os.fork() == 0:\n"
        "            import time; time.sleep(60); os._exit(0)\n"
        "        n += 1\nexcept OSError: pass\nprint(n)\n"
        "os.kill(-1, 9)",
        text, sizeof(text));
    tap_ok(strtol(text, NULL, 10) < 130, "%s: forks are bounded (%ld)", prefix,
           strtol(text, NULL, 10));
    tap_int(output_of(other, "true", text, sizeof(text)), 0,
            "%s: the neighbour does not notice", prefix);
    output_of(sandbox, "touch /tmp/mine ~/mine; (sleep 60 &)", text,
              sizeof(text));
    tap_int(output_of(other, "ls /tmp/mine ~/mine || ps ax | grep '[s]leep'",
                      text, sizeof(text)),
            1, "%s: it sees neither files nor processes", prefix);
    /* One file may be as large as all may be together: on a slow disk the watch
     * sees their sum at its limit before the kernel refuses the next write. */
    status = output_of(sandbox, "dd if=/dev/zero of=/tmp/big bs=1M count=100",
                       text, sizeof(text));
    tap_ok(status == 128 + SIGXFSZ || ended_by == SANDBOX_LIMIT_DISK,
           "%s: temporary files are bounded (status %d)", prefix, status);
}

static void test_all(const char *name)
{
    CLEANUP(mem_free) char *template = NULL;
    const char *temporary = getenv("TMPDIR");

    prefix = mem_string(name);
    template = mem_format("%s/attack-XXXXXX", temporary ? temporary : "/tmp");
    folder = mkdtemp(template);
    if (!tap_ok(folder, "%s: a folder", name))
        return;
    test_tables();
    test_inheritance();
    test_host_sockets();
    test_closing();
    test_owner_killed();
    test_limits();
    mem_free(&prefix);
}

int main(void)
{
    struct sandbox_identity who = {ORDINARY_USER, ORDINARY_USER};
    const char *temporary = getenv("TMPDIR");
    CLEANUP(mem_free) char *own = NULL;

    if (geteuid()) {
        test_all("user");
        return tap_done();
    }
    test_all("root");
    /* Then the same as somebody else, with a folder of their own. */
    if (temporary && chmod(temporary, 0711))
        tap_note("chmod %s failed", temporary);
    own = mem_format("%s/user", temporary ? temporary : "/tmp");
    setenv("TMPDIR", own, 1);
    if (mkdir(getenv("TMPDIR"), 0700) ||
        chown(getenv("TMPDIR"), who.uid, who.gid) || setgroups(0, NULL) ||
        setresgid(who.gid, who.gid, who.gid) ||
        setresuid(who.uid, who.uid, who.uid) || prctl(PR_SET_DUMPABLE, 1))
        tap_ok(false, "become an ordinary user");
    else
        test_all("user");
    return tap_done();
}
