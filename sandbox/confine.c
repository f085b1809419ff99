/* Confinement of a sandbox's PID 1: each layer once, for all commands. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <linux/securebits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <grp.h>

#include "base/memory.h"
#include "sandbox/filter.h"
#include "sandbox/init.h"
#include "sandbox/landlock.h"

#define FILES_MAX 65536
#define PROXY_BACKLOG 128

_Noreturn void init_fail(int control, enum control_step step, size_t id)
{
    struct control packet = {CONTROL_FAILED, (uint32_t)id, errno, step};

    _exit(control_send(control, &packet, NULL, 0) ? 2 : 1);
}

/* ---- identity and privileges ----------------------------------------------
 */

static int become(uid_t uid, gid_t gid)
{
    /* EPERM: an ordinary user's map forbids setgroups. */
    if (syscall(SYS_setgroups, 0, NULL) && errno != EPERM)
        return -1;
    if (syscall(SYS_setresgid, gid, gid, gid) ||
        syscall(SYS_setresuid, uid, uid, uid))
        return -1;
    return 0;
}

/* What a program could get by its file's bits or being root; needs a
 * capability itself, which an ordinary user does not have outside of a
 * namespace, nor anything to drop. */
static int drop_bounds(void)
{
    for (int capability = 0; capability <= 63; capability++) {
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) && errno != EINVAL)
            return -1;
    }
    return prctl(PR_SET_SECUREBITS,
                 SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
                     SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED);
}

static int drop_capabilities(void)
{
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2] = {{0}};

    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) ||
        syscall(SYS_capset, &head, none))
        return -1;
    /* Not dumpable: /proc/1 of init, with what it holds in memory, is closed
     * to the commands, and so is tracing it. */
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
                   prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
               ? -1
               : 0;
}

/* ---- limits ----------------------------------------------------------------
 */

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

/* Without a control group: some of the processors that there are, not the
 * same for each sandbox. */
static int pin(int64_t cpu_milli)
{
    int wanted = (int)((cpu_milli + 999) / 1000);
    cpu_set_t have;
    cpu_set_t take;
    int count;
    int skip;

    if (sched_getaffinity(0, sizeof(have), &have))
        return -1;
    count = CPU_COUNT(&have);
    if (wanted >= count)
        return 0;
    skip = (int)(syscall(SYS_getppid) % count);
    CPU_ZERO(&take);
    for (int i = 0; CPU_COUNT(&take) < wanted; i = (i + 1) % CPU_SETSIZE) {
        if (CPU_ISSET(i, &have) && skip-- <= 0)
            CPU_SET(i, &take);
    }
    return sched_setaffinity(0, sizeof(take), &take);
}

/* The kernel counts them for the user: within a namespace, or of a user that
 * is nobody else, those are ours. Of an ordinary user outside of one all
 * others count too, and there may be more of them later: the watch holds the
 * limit itself, this one keeps a fork bomb small until then. */
static rlim_t processes_max(const struct init_setup *setup, int proc)
{
    rlim_t own = (rlim_t)setup->limits.pids + 1;

    if (setup->namespaces || setup->own_user)
        return own;
    return own * 4 + (rlim_t)processes_of_user(proc, getuid());
}

static int set_limits(const struct init_setup *setup, int proc)
{
    const struct sandbox_limits *limits = &setup->limits;
    int64_t file = limits->file_bytes;

    if (limits->disk_bytes && (!file || limits->disk_bytes < file))
        file = limits->disk_bytes;
    if (limit(RLIMIT_CORE, 0) || limit(RLIMIT_NOFILE, FILES_MAX) ||
        (file && limit(RLIMIT_FSIZE, (rlim_t)file)))
        return -1;
    if (limits->pids && limit(RLIMIT_NPROC, processes_max(setup, proc)))
        return -1;
    /* A process that is given no time in parts is given none by one. */
    if (limits->cpu_time_ms &&
        limit(RLIMIT_CPU, (rlim_t)(limits->cpu_time_ms / 1000 + 2)))
        return -1;
    return limits->cpu_milli ? pin(limits->cpu_milli) : 0;
}

/* The file that says how soon this process and what it starts is killed when
 * memory runs out. A host that does not let us say so decides by size. */
static int oom_score_open(void)
{
    return open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
}

/* ---- network ----------------------------------------------------------------
 */

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

/* The proxy lives outside; its socket, made in here, listens here. */
static int proxy_listen(struct init *init)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(address);

    init->proxy = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (init->proxy < 0 ||
        bind(init->proxy, (struct sockaddr *)&address, sizeof(address)) ||
        listen(init->proxy, PROXY_BACKLOG) ||
        getsockname(init->proxy, (struct sockaddr *)&address, &size))
        return -1;
    init->proxy_port = ntohs(address.sin_port);
    return 0;
}

/* ---- watching
 * ---------------------------------------------------------------- */

/* A /proc of this PID namespace that hides nothing from us and that no path
 * leads to. */
static int own_proc(void)
{
    int context = (int)syscall(SYS_fsopen, "proc", FSOPEN_CLOEXEC);
    int mount = -1;
    int fd = -1;

    if (context >= 0 &&
        !syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
        mount = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC,
                             MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
                                 MOUNT_ATTR_NOEXEC);
    if (mount >= 0)
        fd = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (context >= 0)
        close(context);
    if (mount >= 0)
        close(mount);
    return fd;
}

static int add_root(struct watch *watch, const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return -1;
    watch->roots[watch->root_count++] = fd;
    return 0;
}

static int watch_open(const struct init_setup *setup, struct init *init)
{
    static const char *const parts[] = {"tmp", "var-tmp", "home"};
    struct watch *watch = &init->watch;

    watch->processes.namespaces = setup->namespaces;
    watch->limits = setup->limits;
    if (setup->group_memory)
        watch->limits.memory_bytes = 0;
    if (setup->mounts->upper >= 0)
        watch->roots[watch->root_count++] = setup->mounts->upper;
    else if (add_root(watch, setup->workspace))
        return -1;
    if (!setup->namespaces) {
        /* The folder around them is not for this process either. */
        for (size_t i = 0; i < ARRAY_LENGTH(parts); i++) {
            char path[PATH_MAX];

            snprintf(path, sizeof(path), "%s/%s", setup->scratch, parts[i]);
            if (add_root(watch, path))
                return -1;
        }
        return 0;
    }
    watch->shared_memory = open("/dev/shm", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return watch->shared_memory < 0 || add_root(watch, "/tmp") ||
                   add_root(watch, "/var/tmp") || add_root(watch, SANDBOX_HOME)
               ? -1
               : 0;
}

/* ---- whole -------------------------------------------------------------- */

static void enter_namespaces(const struct init_setup *setup, struct init *init)
{
    size_t failed = 0;

    if (mounts_take_sources(setup->mounts, setup->staging, &failed))
        init_fail(setup->control, STEP_SOURCES, failed);
    if (become(SANDBOX_UID, SANDBOX_UID))
        init_fail(setup->control, STEP_IDENTITY, 0);
    init->watch.processes.proc = own_proc();
    if (init->watch.processes.proc < 0)
        init_fail(setup->control, STEP_WATCH, 0);
    if (mounts_apply(setup->mounts, &failed)) {
        bool overlay = failed < setup->mounts->count &&
                       setup->mounts->items[failed].type == MOUNT_OVERLAY;

        init_fail(setup->control, overlay ? STEP_OVERLAY : STEP_MOUNTS, failed);
    }
    if (setup->network != SANDBOX_NETWORK_OPEN && loopback_up())
        init_fail(setup->control, STEP_LOOPBACK, 0);
    if (setup->network == SANDBOX_NETWORK_PROXY && proxy_listen(init))
        init_fail(setup->control, STEP_PROXY, 0);
    if (sethostname("nightjar", 8) || setdomainname("", 0))
        init_fail(setup->control, STEP_HOSTNAME, 0);
    if (drop_bounds() || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
        init_fail(setup->control, STEP_PRIVILEGES, 0);
}

static void stay_outside(const struct init_setup *setup, struct init *init)
{
    init->watch.processes.proc =
        open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (init->watch.processes.proc < 0)
        init_fail(setup->control, STEP_WATCH, 0);
    /* Processes whose parent is gone become ours, not the host's. */
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) ||
        (!geteuid() && drop_bounds()))
        init_fail(setup->control, STEP_PRIVILEGES, 0);
    if (!geteuid() && become(setup->identity.uid, setup->identity.gid))
        init_fail(setup->control, STEP_IDENTITY, 0);
}

void confine(const struct init_setup *setup, const int *fds, struct init *init)
{
    size_t used = mounts_put_mapped(setup->mounts, fds);

    *init = (struct init){
        .control = setup->control,
        .listener = -1,
        .proxy = -1,
        .watch = {.cpu_time = -1, .memory_events = -1, .shared_memory = -1}};
    init->oom_score = oom_score_open();
    if (setup->group_cpu_time)
        init->watch.cpu_time = fds[used++];
    if (setup->group_events)
        init->watch.memory_events = fds[used];
    if (setup->namespaces)
        enter_namespaces(setup, init);
    else
        stay_outside(setup, init);
    init->workspace =
        open(setup->workspace, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (init->workspace < 0)
        init_fail(setup->control, STEP_WORKSPACE, 0);
    if (watch_open(setup, init))
        init_fail(setup->control, STEP_WATCH, 0);
    if (set_limits(setup, init->watch.processes.proc))
        init_fail(setup->control, STEP_LIMITS, 0);
    if (drop_capabilities())
        init_fail(setup->control, STEP_PRIVILEGES, 0);
    init->landlock_abi = setup->landlock ? landlock_version() : 0;
    if (init->landlock_abi &&
        landlock_confine(setup->mounts, setup->namespaces,
                         setup->namespaces ||
                             setup->network == SANDBOX_NETWORK_OPEN,
                         init->watch.processes.proc, init->landlock_abi))
        init_fail(setup->control, STEP_LANDLOCK, 0);
    /* A signal to all goes no further than the namespace, the Landlock domain,
     * or a user that is nobody else. */
    init->watch.processes.alone = setup->namespaces ||
                                  init->landlock_abi >= LANDLOCK_SCOPES ||
                                  setup->own_user;
    init->listener = filter_install(setup->filter, setup->notify);
    if (init->listener < 0)
        init_fail(setup->control, STEP_FILTER, 0);
    if (!setup->notify)
        init->listener = -1;
}
