/* Each step of building a sandbox fails in turn: the system call that it is
 * made of is refused to this process by a filter, so that the real code meets
 * a real error. What comes out must be an error that says what it was, never
 * a weaker sandbox, and nothing may be left behind. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/memory.h"
#include "sandbox/sandbox.h"
#include "tests/tap.h"

#define ANY (-1)
#define FULL (SANDBOX_NAMESPACES | SANDBOX_LANDLOCK | SANDBOX_SECCOMP)

struct fault {
    const char *call;
    int argument; /* that must have the value, under the mask; or ANY */
    uint64_t mask;
    uint64_t value;
    int number;       /* errno */
    bool proxy;       /* the sandbox has one */
    bool without_too; /* also a step of the mode without namespaces */
};

static const struct fault faults[] = {
    {"socketpair", ANY, 0, 0, EMFILE, false, true},
    {"memfd_create", ANY, 0, 0, ENOSYS, false, true},
    {"clone", 0, CLONE_NEWUSER, CLONE_NEWUSER, EPERM},
    {"clone", 0, CLONE_NEWUSER, CLONE_NEWUSER, ENOSPC},
    {"clone", 0, CLONE_PIDFD, CLONE_PIDFD, EAGAIN, false, true},
    {"sendmsg", ANY, 0, 0, ENOBUFS, false, true},
    {"recvmsg", ANY, 0, 0, ENOMEM, false, true},
    {"close_range", ANY, 0, 0, EINVAL, false, true},
    {"open_tree", ANY, 0, 0, EPERM},
    {"mount_setattr", ANY, 0, 0, EPERM},
    {"setresuid", ANY, 0, 0, EPERM},
    {"setresgid", ANY, 0, 0, EPERM},
    {"fsopen", ANY, 0, 0, EPERM},
    {"fsconfig", ANY, 0, 0, EINVAL},
    {"fsmount", ANY, 0, 0, ENOMEM},
    {"move_mount", ANY, 0, 0, EINVAL},
    {"mount", ANY, 0, 0, EPERM},
    {"mkdirat", ANY, 0, 0, ENOSPC},
    {"symlinkat", ANY, 0, 0, ENOSPC},
    {"fchmod", ANY, 0, 0, EPERM},
    {"pivot_root", ANY, 0, 0, EINVAL},
    {"umount2", ANY, 0, 0, EBUSY},
    {"fchdir", ANY, 0, 0, EACCES},
    {"chdir", ANY, 0, 0, EACCES},
    {"socket", 0, ~0ULL, 2, EAFNOSUPPORT},
    {"ioctl", 1, 0xFFFFFFFF, SIOCSIFFLAGS, EPERM},
    {"ioctl", 1, 0xFFFFFFFF, SIOCGIFFLAGS, ENODEV},
    {"sethostname", ANY, 0, 0, EPERM},
    {"setdomainname", ANY, 0, 0, EPERM},
    {"bind", ANY, 0, 0, EADDRINUSE, true},
    {"listen", ANY, 0, 0, EADDRINUSE, true},
    {"getsockname", ANY, 0, 0, ENOBUFS, true},
    {"prctl", 0, 0xFFFFFFFF, PR_CAPBSET_DROP, EPERM},
    {"prctl", 0, 0xFFFFFFFF, PR_SET_SECUREBITS, EPERM},
    {"prctl", 0, 0xFFFFFFFF, PR_SET_PDEATHSIG, EINVAL},
    {"prctl", 0, 0xFFFFFFFF, PR_CAP_AMBIENT, EPERM, false, true},
    {"prctl", 0, 0xFFFFFFFF, PR_SET_NO_NEW_PRIVS, EINVAL, false, true},
    {"prctl", 0, 0xFFFFFFFF, PR_SET_DUMPABLE, EINVAL, false, true},
    {"capset", ANY, 0, 0, EPERM, false, true},
    {"prlimit64", 1, 0xFFFFFFFF, 4 /* RLIMIT_CORE */, EPERM, false, true},
    {"prlimit64", 1, 0xFFFFFFFF, 6 /* RLIMIT_NPROC */, EPERM, false, true},
    {"prlimit64", 1, 0xFFFFFFFF, 7 /* RLIMIT_NOFILE */, EPERM, false, true},
    {"landlock_create_ruleset", 1, ~0ULL, 24, ENOMEM, false, true},
    {"landlock_add_rule", ANY, 0, 0, ENOMEM, false, true},
    {"landlock_restrict_self", ANY, 0, 0, E2BIG, false, true},
    {"seccomp", 0, 0xFFFFFFFF, 1, EINVAL, false, true},
    {"signalfd4", ANY, 0, 0, EMFILE, false, true},
};

static char *folder;

/* Loaded into this process for good. */
static int refuse(const struct fault *fault)
{
    scmp_filter_ctx context = seccomp_init(SCMP_ACT_ALLOW);
    int number = seccomp_syscall_resolve_name(fault->call);
    struct scmp_arg_cmp test = {.arg = (unsigned)fault->argument,
                                .op = SCMP_CMP_MASKED_EQ,
                                .datum_a = fault->mask,
                                .datum_b = fault->value};
    int status;

    if (!context)
        return -1;
    status =
        seccomp_rule_add_array(context, SCMP_ACT_ERRNO((uint32_t)fault->number),
                               number, fault->argument == ANY ? 0 : 1, &test);
    if (!status)
        status = seccomp_load(context);
    seccomp_release(context);
    return status;
}

static int count_lines(const char *path)
{
    struct buffer text;
    struct error ignored;
    int lines = 0;

    buffer_init(&text, (size_t)4 << 20);
    if (!file_read(AT_FDCWD, path, &text, &ignored)) {
        for (size_t i = 0; i < text.length; i++)
            lines += text.data[i] == '\n';
    }
    buffer_free(&text);
    return lines;
}

static int count_entries(const char *path)
{
    DIR *directory = opendir(path);
    int count = 0;

    while (directory && readdir(directory))
        count++;
    if (directory)
        closedir(directory);
    return count;
}

enum outcome { OPENED = 10, UNTOLD, LEFT_MOUNTS, LEFT_FILES, LEFT_PROCESSES };

/* In a process of its own: opens and tells by its exit status. */
static _Noreturn void attempt(const struct fault *fault, unsigned require,
                              unsigned without, const char *name)
{
    CLEANUP(mem_free) char *workspace = mem_format("%s/%s", folder, name);
    CLEANUP(mem_free) char *scratch = mem_format("%s.scratch", workspace);
    struct sandbox_spec spec = {.workspace = workspace,
                                .scratch = scratch,
                                .passage = folder,
                                .identity = sandbox_identity(),
                                .limits = {.pids = 64},
                                .network = fault->proxy ? SANDBOX_NETWORK_PROXY
                                                        : SANDBOX_NETWORK_NONE,
                                .require = require,
                                .without = without | SANDBOX_CGROUP};
    int mounts = count_lines("/proc/self/mountinfo");
    int files = count_entries("/proc/self/fd");
    struct sandbox *sandbox;
    struct error err = {.kind = ERROR_NONE};

    if (mkdir(workspace, 0700) || mkdir(scratch, 0700) ||
        (!geteuid() &&
         chown(workspace, spec.identity.uid, spec.identity.gid)) ||
        refuse(fault))
        _exit(2);
    sandbox = sandbox_open(&spec, &err);
    if (sandbox)
        _exit(OPENED);
    if ((err.kind != ERROR_SANDBOX && err.kind != ERROR_IO) || !*err.text)
        _exit(UNTOLD);
    if (count_lines("/proc/self/mountinfo") != mounts)
        _exit(LEFT_MOUNTS);
    if (count_entries("/proc/self/fd") != files)
        _exit(LEFT_FILES);
    if (waitpid(-1, NULL, 0) != -1 || errno != ECHILD)
        _exit(LEFT_PROCESSES);
    _exit(0);
}

static void test_fault(const struct fault *fault, unsigned require,
                       unsigned without, const char *mode)
{
    static unsigned number;
    CLEANUP(mem_free) char *name = mem_format("%u", ++number);
    int status = 0;
    pid_t pid = fork();

    if (pid == 0)
        attempt(fault, require, without, name);
    waitpid(pid, &status, 0);
    tap_int(WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), 0,
            "%s: %s (%llu) fails with %s: an error, and nothing is left", mode,
            fault->call, (unsigned long long)fault->value,
            strerrorname_np(fault->number));
}

/* Where namespaces are not required, what is left is told. */
static void test_degrading(void)
{
    static const struct fault no_namespaces = {"clone", 0, CLONE_NEWUSER,
                                               CLONE_NEWUSER, EPERM};
    CLEANUP(mem_free) char *workspace = mem_format("%s/less", folder);
    CLEANUP(mem_free) char *scratch = mem_format("%s/less.scratch", folder);
    struct sandbox_spec spec = {.workspace = workspace,
                                .scratch = scratch,
                                .passage = folder,
                                .identity = sandbox_identity(),
                                .require = SANDBOX_LANDLOCK | SANDBOX_SECCOMP};
    int status = 0;
    pid_t pid;

    if (mkdir(workspace, 0700) || mkdir(scratch, 0700) ||
        (!geteuid() && chown(workspace, spec.identity.uid, spec.identity.gid)))
        tap_note("mkdir failed");
    pid = fork();
    if (pid == 0) {
        struct error err;
        struct sandbox *sandbox =
            refuse(&no_namespaces) ? NULL : sandbox_open(&spec, &err);
        const struct sandbox_state *state =
            sandbox ? sandbox_state(sandbox) : NULL;
        bool told = state && !(state->layers & SANDBOX_NAMESPACES) &&
                    (state->layers & SANDBOX_LANDLOCK) && *state->missing[0];

        sandbox_close(sandbox);
        _exit(told ? 0 : 1);
    }
    waitpid(pid, &status, 0);
    tap_int(status, 0, "without namespaces, if they are not required: told");
}

int main(void)
{
    const char *temporary = getenv("TMPDIR");
    CLEANUP(mem_free)
    char *template =
        mem_format("%s/faults-XXXXXX", temporary ? temporary : "/tmp");

    folder = mkdtemp(template);
    if (!tap_ok(folder, "a folder"))
        return tap_done();
    for (size_t i = 0; i < ARRAY_LENGTH(faults); i++) {
        test_fault(&faults[i], FULL, 0, "whole");
        if (faults[i].without_too)
            test_fault(&faults[i], SANDBOX_LANDLOCK | SANDBOX_SECCOMP,
                       SANDBOX_NAMESPACES, "without namespaces");
    }
    test_degrading();
    return tap_done();
}
