#include "sandbox/filter.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/file.h"
#include "base/memory.h"

#define FILTER_BYTES_MAX ((size_t)4096 * sizeof(struct sock_filter))

/* A list of names, separated by blanks, and why they are in it. Names that an
 * architecture does not have are passed over. */
struct group {
    const char *names;
    const char *reason;
};

static const struct group allowed[] = {
    {"read write readv writev pread64 pwrite64 preadv pwritev preadv2 "
     "pwritev2 lseek _llseek sendfile sendfile64 splice tee vmsplice "
     "copy_file_range readahead fadvise64 fadvise64_64",
     "bytes of open files"},
    {"close close_range dup dup2 dup3 fcntl fcntl64 flock cachestat",
     "files: close and share (open: see below)"},
    {"stat lstat fstat newfstatat fstatat64 stat64 lstat64 fstat64 statx "
     "access faccessat faccessat2 readlink readlinkat getdents getdents64 "
     "statfs fstatfs statfs64 fstatfs64 getcwd",
     "files: look"},
    {"rename renameat renameat2 link linkat symlink symlinkat unlink unlinkat "
     "mkdir mkdirat rmdir truncate ftruncate truncate64 ftruncate64 "
     "fallocate utime utimes utimensat utimensat_time64 futimesat chown "
     "fchown lchown fchownat umask sync fsync fdatasync syncfs "
     "sync_file_range chdir fchdir",
     "files: change, as far as mounts and modes allow"},
    {"getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr setxattr "
     "lsetxattr fsetxattr removexattr lremovexattr fremovexattr",
     "extended attributes: cp -a, tar, install"},
    {"inotify_init inotify_init1 inotify_add_watch inotify_rm_watch",
     "file watchers of build tools"},
    {"mmap mmap2 munmap mremap mprotect pkey_mprotect pkey_alloc pkey_free "
     "msync mincore madvise mlock mlock2 munlock mlockall munlockall brk "
     "membarrier memfd_create get_mempolicy set_mempolicy mbind mseal "
     "map_shadow_stack process_madvise",
     "memory of the process itself"},
    {"fork vfork execve execveat exit exit_group wait4 waitid waitpid "
     "set_tid_address set_robust_list get_robust_list futex futex_time64 "
     "futex_waitv futex_wake futex_wait futex_requeue rseq arch_prctl "
     "set_thread_area get_thread_area "
     "restart_syscall",
     "processes and threads (clone: see below)"},
    {"getpid getppid gettid getpgid setpgid getpgrp getsid setsid getuid "
     "geteuid getgid getegid getresuid getresgid getgroups setuid setgid "
     "setreuid setregid setresuid setresgid setgroups setfsuid setfsgid "
     "capget capset getpriority ioprio_get getrlimit setrlimit ugetrlimit "
     "getrusage times sysinfo uname getcpu prctl",
     "who and what a process is; no capability is there to change it"},
    {"sched_yield sched_getaffinity sched_getparam sched_getscheduler "
     "sched_getattr sched_get_priority_max sched_get_priority_min "
     "sched_rr_get_interval sched_rr_get_interval_time64",
     "scheduling; real-time needs a capability"},
    {"rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigsuspend "
     "rt_sigtimedwait rt_sigtimedwait_time64 rt_sigqueueinfo "
     "rt_tgsigqueueinfo sigaltstack signal sigaction sigprocmask sigreturn "
     "sigpending sigsuspend kill tkill tgkill pause signalfd signalfd4 "
     "pidfd_open pidfd_send_signal pidfd_getfd alarm",
     "signals, to this PID namespace"},
    {"nanosleep clock_nanosleep clock_nanosleep_time64 clock_gettime "
     "clock_gettime64 clock_getres clock_getres_time64 gettimeofday time "
     "getitimer setitimer timer_create timer_settime timer_settime64 "
     "timer_gettime timer_gettime64 timer_getoverrun timer_delete "
     "timerfd_create timerfd_settime timerfd_settime64 timerfd_gettime "
     "timerfd_gettime64",
     "time: reading and waiting"},
    {"poll ppoll ppoll_time64 select _newselect pselect6 pselect6_time64 "
     "epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_wait "
     "epoll_wait_old epoll_pwait epoll_pwait2 eventfd eventfd2 pipe pipe2",
     "waiting for descriptors"},
    {"bind connect listen accept accept4 getsockname getpeername getsockopt "
     "sendto recvfrom sendmsg recvmsg sendmmsg recvmmsg recvmmsg_time64 send "
     "recv shutdown",
     "sockets of the allowed kinds (socket, setsockopt: see below)"},
    {"landlock_create_ruleset landlock_add_rule landlock_restrict_self "
     "seccomp",
     "programs that confine themselves further; what is refused stays so"},
    {"ptrace process_vm_readv process_vm_writev kcmp",
     "debuggers and leak checkers of own children: PID 1 is not dumpable, "
     "and no other process of the host is visible"},
    {"getrandom", "randomness"},
};

/* Only with an own namespace around it. */
static const struct group allowed_within[] = {
    {"shmget shmat shmctl shmdt semget semop semtimedop semtimedop_time64 "
     "semctl msgget msgsnd msgrcv msgctl mq_open mq_unlink mq_timedsend "
     "mq_timedsend_time64 mq_timedreceive mq_timedreceive_time64 mq_notify "
     "mq_getsetattr",
     "System V and POSIX IPC, in an own namespace"},
    {"setpriority ioprio_set prlimit64 sched_setaffinity sched_setparam "
     "sched_setscheduler sched_setattr",
     "limits and scheduling of processes of this PID namespace"},
};

/* Without namespaces these change the caller alone: who, and the argument
 * that must be 0. */
static const struct {
    const char *name;
    unsigned argument;
} own_only[] = {{"prlimit64", 0},      {"setpriority", 1},
                {"ioprio_set", 1},     {"sched_setaffinity", 0},
                {"sched_setparam", 0}, {"sched_setscheduler", 0},
                {"sched_setattr", 0}};

/* EPERM: programs look for it and must be told no. Each is either the
 * kernel's privileged surface or reaches beyond the sandbox. */
static const struct group refused[] = {
    {"mount umount umount2 pivot_root chroot open_tree move_mount fsopen "
     "fsconfig fsmount fspick mount_setattr",
     "the file tree is fixed"},
    {"unshare setns", "no new namespace, no foreign one"},
    {"bpf perf_event_open userfaultfd", "kernel attack surface"},
    {"io_uring_setup io_uring_enter io_uring_register",
     "goes past this filter"},
    {"keyctl add_key request_key",
     "keyrings are shared across a user's processes"},
    {"name_to_handle_at open_by_handle_at", "files by number, past the mounts"},
    {"reboot swapon swapoff sethostname setdomainname settimeofday "
     "clock_settime clock_settime64 clock_adjtime clock_adjtime64 adjtimex "
     "syslog acct quotactl quotactl_fd vhangup ustat sysfs _sysctl",
     "administration of the host"},
    {"memfd_secret", "memory that limits cannot see"},
    {"fanotify_init fanotify_mark", "watches whole mounts"},
    {"modify_ldt", "old x86 attack surface"},
    {"migrate_pages move_pages", "other processes' memory"},
};

/* The process is killed: no build asks for these, exploits do. */
static const struct group killed[] = {
    {"init_module finit_module delete_module", "code in the kernel"},
    {"kexec_load kexec_file_load", "another kernel"},
    {"iopl ioperm", "hardware ports"},
    {"uselib nfsservctl lookup_dcookie vm86 vm86old",
     "long dead, kept by kernels for their bugs"},
};

/* ENOSYS, answered by the kernel at once: C libraries ask often and go on
 * with another call, and the arguments lie in memory that a filter cannot
 * read. */
static const struct group absent[] = {
    {"clone3", "clone is there, whose flags can be read"},
    {"openat2", "openat is there, whose mode can be read"},
};

/* Adds one rule with up to two argument tests. Names that this architecture
 * or library does not know are no error. */
static int rule(scmp_filter_ctx context, uint32_t action, const char *name,
                unsigned count, const struct scmp_arg_cmp *tests)
{
    int number = seccomp_syscall_resolve_name(name);

    if (number == __NR_SCMP_ERROR)
        return 0;
    number = seccomp_rule_add_array(context, action, number, count, tests);
    return number == -EDOM || number == -EINVAL ? 0 : number;
}

static uint32_t refusal(const struct filter_options *options, int number)
{
    return options->notify ? SCMP_ACT_NOTIFY : SCMP_ACT_ERRNO((uint32_t)number);
}

/* A rule that refuses; where that happens anyway none is needed, nor taken. */
static int refuse(scmp_filter_ctx context, const struct filter_options *options,
                  const char *name, const struct scmp_arg_cmp *test)
{
    return options->notify
               ? 0
               : rule(context, SCMP_ACT_ERRNO(EPERM), name, 1, test);
}

static int add_group(scmp_filter_ctx context, uint32_t action,
                     const char *names)
{
    while (*names) {
        size_t length = strcspn(names, " ");
        CLEANUP(mem_free) char *name = mem_bytes(names, length);
        int status = rule(context, action, name, 0, NULL);

        if (status)
            return status;
        names += length + strspn(names + length, " ");
    }
    return 0;
}

/* Files that would be setuid or setgid are live on the host afterwards. A
 * call passes only when neither bit is in its mode argument. */
static int add_mode_rules(scmp_filter_ctx context,
                          const struct filter_options *options)
{
    static const struct {
        const char *name;
        unsigned argument;
    } calls[] = {{"chmod", 1}, {"fchmod", 1}, {"fchmodat", 2}, {"fchmodat2", 2},
                 {"open", 2},  {"openat", 3}, {"creat", 1}};
    int status = 0;

    for (size_t i = 0; i < ARRAY_LENGTH(calls) && !status; i++) {
        struct scmp_arg_cmp plain[] = {SCMP_CMP(
            calls[i].argument, SCMP_CMP_MASKED_EQ, S_ISUID | S_ISGID, 0)};

        status = rule(context, SCMP_ACT_ALLOW, calls[i].name, 1, plain);
        for (unsigned bits = S_ISGID; bits <= (S_ISUID | S_ISGID) && !status;
             bits += S_ISGID) {
            struct scmp_arg_cmp special[] = {SCMP_CMP(calls[i].argument,
                                                      SCMP_CMP_MASKED_EQ,
                                                      S_ISUID | S_ISGID, bits)};

            status = refuse(context, options, calls[i].name, special);
        }
    }
    return status;
}

/* Named pipes, sockets and plain files, never a device. */
static int add_node_rules(scmp_filter_ctx context)
{
    static const unsigned types[] = {0, S_IFREG, S_IFIFO, S_IFSOCK};
    const unsigned mask = S_IFMT | S_ISUID | S_ISGID;
    int status = 0;

    for (size_t i = 0; i < ARRAY_LENGTH(types) && !status; i++) {
        struct scmp_arg_cmp old[] = {
            SCMP_CMP(1, SCMP_CMP_MASKED_EQ, mask, types[i])};
        struct scmp_arg_cmp at[] = {
            SCMP_CMP(2, SCMP_CMP_MASKED_EQ, mask, types[i])};

        status = rule(context, SCMP_ACT_ALLOW, "mknod", 1, old);
        if (!status)
            status = rule(context, SCMP_ACT_ALLOW, "mknodat", 1, at);
    }
    return status;
}

/* Threads and processes, but no new namespace. clone3 keeps its flags in
 * memory that a filter cannot read, so it does not exist (the default);
 * C libraries fall back to clone. */
static int add_clone_rules(scmp_filter_ctx context)
{
    const uint64_t namespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS |
                                CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |
                                CLONE_NEWNET;
    struct scmp_arg_cmp none[] = {
        SCMP_CMP(0, SCMP_CMP_MASKED_EQ, namespaces, 0)};

    return rule(context, SCMP_ACT_ALLOW, "clone", 1, none);
}

/* TCP and UDP alone: a protocol that nobody uses is loaded when the first
 * one asks, with all its bugs. */
static int add_internet_rules(scmp_filter_ctx context)
{
    static const uint32_t families[] = {AF_INET, AF_INET6};
    static const uint32_t sockets[][2] = {{SOCK_STREAM, 0},
                                          {SOCK_STREAM, IPPROTO_TCP},
                                          {SOCK_DGRAM, 0},
                                          {SOCK_DGRAM, IPPROTO_UDP}};
    int status = 0;

    for (size_t i = 0;
         i < ARRAY_LENGTH(families) * ARRAY_LENGTH(sockets) && !status; i++) {
        const uint32_t *type = sockets[i / ARRAY_LENGTH(families)];
        struct scmp_arg_cmp socket[] = {
            SCMP_CMP32(0, SCMP_CMP_EQ, families[i % ARRAY_LENGTH(families)]),
            SCMP_CMP(1, SCMP_CMP_MASKED_EQ, 0xF, type[0]),
            SCMP_CMP32(2, SCMP_CMP_EQ, type[1])};

        status = rule(context, SCMP_ACT_ALLOW, "socket", 3, socket);
    }
    return status;
}

static int add_socket_rules(scmp_filter_ctx context,
                            const struct filter_options *options)
{
    struct scmp_arg_cmp local[] = {SCMP_CMP32(0, SCMP_CMP_EQ, AF_UNIX)};
    struct scmp_arg_cmp other_level[] = {
        SCMP_CMP32(1, SCMP_CMP_NE, IPPROTO_TCP)};
    struct scmp_arg_cmp other_option[] = {SCMP_CMP32(2, SCMP_CMP_NE, TCP_ULP)};
    int status = rule(context, SCMP_ACT_ALLOW, "socketpair", 1, local);

    /* Services of the host would be reached: a path is no bound for them. */
    if (!options->shared && !status)
        status = rule(context, SCMP_ACT_ALLOW, "socket", 1, local);
    if (options->inet && !status)
        status = add_internet_rules(context);
    /* Upper layer protocols of TCP (tls, smc) are loaded on demand too. */
    if (!status)
        status = rule(context, SCMP_ACT_ALLOW, "setsockopt", 1, other_level);
    return status
               ? status
               : rule(context, SCMP_ACT_ALLOW, "setsockopt", 1, other_option);
}

static int add_shared_rules(scmp_filter_ctx context,
                            const struct filter_options *options)
{
    int status = 0;

    for (size_t i = 0; i < ARRAY_LENGTH(allowed_within) && !status; i++) {
        if (!options->shared)
            status =
                add_group(context, SCMP_ACT_ALLOW, allowed_within[i].names);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(own_only) && !status; i++) {
        struct scmp_arg_cmp own[] = {
            SCMP_CMP32(own_only[i].argument, SCMP_CMP_EQ, 0)};

        if (options->shared)
            status = rule(context, SCMP_ACT_ALLOW, own_only[i].name, 1, own);
    }
    return status;
}

/* ioctl by request: everything but typing into terminals. */
static int add_ioctl_rules(scmp_filter_ctx context,
                           const struct filter_options *options)
{
    static const uint32_t injecting[] = {TIOCSTI, 0x541C /* TIOCLINUX */};
    int status = seccomp_rule_add(context, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                                  SCMP_CMP32(1, SCMP_CMP_LT, TIOCSTI));

    if (!status)
        status = seccomp_rule_add(context, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                                  SCMP_CMP32(1, SCMP_CMP_GT, 0x541C));
    for (uint32_t request = TIOCSTI + 1; request < 0x541C && !status; request++)
        status = seccomp_rule_add(context, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                                  SCMP_CMP32(1, SCMP_CMP_EQ, request));
    for (size_t i = 0; i < ARRAY_LENGTH(injecting) && !status; i++) {
        struct scmp_arg_cmp request[] = {
            SCMP_CMP32(1, SCMP_CMP_EQ, injecting[i])};

        status = refuse(context, options, "ioctl", request);
    }
    return status;
}

/* personality(2): asking, and switching address randomisation off for
 * debuggers; nothing that changes the architecture. */
static int add_personality_rules(scmp_filter_ctx context)
{
    static const uint32_t values[] = {PER_LINUX, ADDR_NO_RANDOMIZE, 0xFFFFFFFF};
    int status = 0;

    for (size_t i = 0; i < ARRAY_LENGTH(values) && !status; i++) {
        struct scmp_arg_cmp value[] = {SCMP_CMP32(0, SCMP_CMP_EQ, values[i])};

        status = rule(context, SCMP_ACT_ALLOW, "personality", 1, value);
    }
    return status;
}

static int add_groups(scmp_filter_ctx context,
                      const struct filter_options *options)
{
    const struct {
        const struct group *groups;
        size_t count;
        uint32_t action;
    } tables[] = {
        {allowed, ARRAY_LENGTH(allowed), SCMP_ACT_ALLOW},
        {refused, ARRAY_LENGTH(refused), refusal(options, EPERM)},
        {killed, ARRAY_LENGTH(killed), SCMP_ACT_KILL_PROCESS},
        {absent, ARRAY_LENGTH(absent), SCMP_ACT_ERRNO(ENOSYS)},
    };
    int status = 0;

    for (size_t t = 0; t < ARRAY_LENGTH(tables) && !status; t++) {
        for (size_t i = 0; i < tables[t].count && !status; i++) {
            uint32_t action = tables[t].action;

            if (action == SCMP_ACT_NOTIFY)
                continue; /* happens anyway */
            status = add_group(context, action, tables[t].groups[i].names);
        }
    }
    return status;
}

static int add_rules(scmp_filter_ctx context,
                     const struct filter_options *options)
{
    int status = add_groups(context, options);

    if (!status)
        status = add_mode_rules(context, options);
    if (!status)
        status = add_node_rules(context);
    if (!status)
        status = add_clone_rules(context);
    if (!status)
        status = add_socket_rules(context, options);
    if (!status)
        status = add_shared_rules(context, options);
    if (!status)
        status = add_ioctl_rules(context, options);
    return status ? status : add_personality_rules(context);
}

/* The answers of a listener, by number: it cannot ask libseccomp. */
#define CALLS_MAX 1024
static bool is_refused[CALLS_MAX];
static bool is_inet;

static void note_refused(void)
{
    for (size_t i = 0; i < ARRAY_LENGTH(refused); i++) {
        const char *names = refused[i].names;

        while (*names) {
            size_t length = strcspn(names, " ");
            CLEANUP(mem_free) char *name = mem_bytes(names, length);
            int number = seccomp_syscall_resolve_name(name);

            if (number >= 0 && number < CALLS_MAX)
                is_refused[number] = true;
            names += length + strspn(names + length, " ");
        }
    }
}

/* Calls that are there for some arguments are refused, not absent. */
static bool is_partly_allowed(int number)
{
    static const int calls[] = {
        SYS_fchmod,
        SYS_fchmodat,
        SYS_openat,
        SYS_clone,
        SYS_socket,
        SYS_socketpair,
        SYS_ioctl,
        SYS_personality,
        SYS_mknodat,
        SYS_prlimit64,
        SYS_setpriority,
        SYS_ioprio_set,
        SYS_sched_setaffinity,
        SYS_sched_setparam,
        SYS_sched_setscheduler,
        SYS_sched_setattr,
#ifdef SYS_open
        SYS_chmod,
        SYS_open,
        SYS_creat,
        SYS_mknod,
#endif
    };

    for (size_t i = 0; i < ARRAY_LENGTH(calls); i++) {
        if (calls[i] == number)
            return true;
    }
    return number == 452; /* fchmodat2 */
}

static int socket_errno(const uint64_t arguments[static 6])
{
    bool internet =
        (int)arguments[0] == AF_INET || (int)arguments[0] == AF_INET6;

    return internet && is_inet ? EPROTONOSUPPORT : EAFNOSUPPORT;
}

int filter_errno(int number, const uint64_t arguments[static 6])
{
    if (number >= 0 && number < CALLS_MAX && is_refused[number])
        return EPERM;
    if (number == SYS_socket || number == SYS_socketpair)
        return socket_errno(arguments);
    if (number == SYS_setsockopt)
        return ENOPROTOOPT;
    return is_partly_allowed(number) ? EPERM : ENOSYS;
}

void filter_call_name(int number, char *out, size_t size)
{
    CLEANUP(mem_free)
    char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);

    if (name)
        snprintf(out, size, "%s", name);
    else
        snprintf(out, size, "%d", number);
}

/* What the add_… functions above say, for people. */
static const struct group partly[] = {
    {"open openat creat chmod fchmod fchmodat fchmodat2",
     "not with a setuid or setgid bit in the mode: EPERM"},
    {"mknod mknodat", "plain files, pipes and sockets, no device: EPERM"},
    {"clone", "threads and processes, no namespace: EPERM"},
    {"socket", "unix, and TCP and UDP over IPv4 and IPv6 alone, so that no "
               "module is loaded for another: EAFNOSUPPORT, EPROTONOSUPPORT; "
               "without namespaces no unix socket, and none of the internet "
               "but with the network `open`"},
    {"socketpair", "unix: EAFNOSUPPORT"},
    {"setsockopt", "not TCP_ULP, which loads modules: ENOPROTOOPT"},
    {"ioctl", "not TIOCSTI and TIOCLINUX, which type into terminals: EPERM"},
    {"personality", "asking, and no address randomisation: EPERM"},
    {"prlimit64 setpriority ioprio_set sched_setaffinity sched_setparam "
     "sched_setscheduler sched_setattr",
     "without namespaces on the caller itself alone: EPERM"},
};

static void describe_table(struct buffer *out, const char *answer,
                           const struct group *groups, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buffer_addf(out, "| %s | %s | %s |\n", answer, groups[i].names,
                    groups[i].reason);
}

void filter_describe(struct buffer *out)
{
    buffer_add_string(out, "| answer | system calls | why |\n"
                           "| --- | --- | --- |\n");
    describe_table(out, "allowed", allowed, ARRAY_LENGTH(allowed));
    describe_table(out, "allowed, with namespaces", allowed_within,
                   ARRAY_LENGTH(allowed_within));
    describe_table(out, "allowed in part", partly, ARRAY_LENGTH(partly));
    describe_table(out, "EPERM", refused, ARRAY_LENGTH(refused));
    describe_table(out, "ENOSYS", absent, ARRAY_LENGTH(absent));
    describe_table(out, "the process is killed", killed, ARRAY_LENGTH(killed));
    buffer_add_string(
        out, "| the process is killed | any call of another architecture, or "
             "of x32 | a way around this table |\n"
             "| ENOSYS | everything else | as on a kernel without it, so that "
             "programs fall back |\n");
}

static void context_free(scmp_filter_ctx *context)
{
    if (*context)
        seccomp_release(*context);
}

int filter_build(const struct filter_options *options, struct buffer *program,
                 struct error *err)
{
    CLEANUP(context_free) scmp_filter_ctx context = NULL;
    CLEANUP(fd_close) int fd = memfd_create("filter", MFD_CLOEXEC);
    int status;

    note_refused();
    is_inet = options->inet;
    context = seccomp_init(refusal(options, ENOSYS));
    if (!context || fd < 0)
        return error_set(err, ERROR_SANDBOX, "seccomp: cannot make a filter");
    status = seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH,
                              SCMP_ACT_KILL_PROCESS);
    /* A binary tree instead of a chain: some 15 comparisons for a call. */
    if (!status)
        status = seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (!status)
        status = add_rules(context, options);
    if (!status)
        status = seccomp_export_bpf(context, fd);
    if (status)
        return error_set_errno(err, ERROR_SANDBOX, -status,
                               "seccomp: cannot make the filter");
    if (lseek(fd, 0, SEEK_SET) < 0 || file_read_fd(fd, program, err))
        return error_context(err, "seccomp filter");
    if (program->length > FILTER_BYTES_MAX)
        return error_set(err, ERROR_SANDBOX, "seccomp: filter is too long");
    return 0;
}

int filter_install(struct span program, bool notify)
{
    struct sock_fprog fprog = {
        .len = (unsigned short)(program.length / sizeof(struct sock_filter)),
        .filter = (struct sock_filter *)(uintptr_t)program.data,
    };
    unsigned long flags = notify ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0;

    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &fprog);
}
