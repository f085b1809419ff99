#include "sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/memory.h"
#include "sandbox/filter.h"
#include "sandbox/landlock.h"
#include "sandbox/orphans.h"
#include "sandbox/owner.h"

#define START_TIMEOUT_MS 30000
#define FILTER_BYTES ((size_t)64 << 10)
#define NAMESPACES                                               \
    (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | \
     CLONE_NEWUTS | CLONE_NEWCGROUP)

static unsigned layer_index(unsigned layer)
{
    return (unsigned)__builtin_ctz(layer);
}

/* ---- filters
 * ------------------------------------------------------------------ */

int sandbox_filter_make(struct sandbox_filter *filter, struct error *err)
{
    const struct filter_options options = {.notify = true, .inet = true};

    buffer_init(&filter->program, FILTER_BYTES);
    return filter_build(&options, &filter->program, err);
}

void sandbox_filter_free(struct sandbox_filter *filter)
{
    buffer_free(&filter->program);
}

/* ---- opening
 * -------------------------------------------------------------------- */

/* What is decided before a try, and what it learns. */
struct opening {
    const struct sandbox_spec *spec;
    struct sandbox *sandbox;
    struct mounts mounts;
    bool namespaces;
    bool notify;
    bool filter_busy; /* a filter of the caller's has a listener already */
    bool final;       /* the failure would be the same without namespaces */
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

    if ((geteuid() && write_proc(pid, "setgroups", "deny\n", err)) ||
        write_proc(pid, "uid_map", users, err) ||
        write_proc(pid, "gid_map", groups, err)) {
        sandbox_hint_namespaces(err);
        return -1;
    }
    return 0;
}

int sandbox_take_packet(int control, struct control *packet,
                        int fds[static CONTROL_FDS_MAX], int64_t deadline,
                        struct error *err)
{
    struct pollfd wait = {control, POLLIN, 0};
    int ready;

    do {
        ready = poll(&wait, 1, clock_left_ms(deadline));
    } while (ready < 0 && errno == EINTR);
    if (!ready)
        return error_set(err, ERROR_SANDBOX, "sandbox: no answer in time");
    if (control_receive(control, packet, fds, 0) <= 0)
        return error_set(err, ERROR_SANDBOX, "sandbox: its first process died");
    return 0;
}

static int send_go(const struct opening *opening, struct error *err)
{
    const struct sandbox *sandbox = opening->sandbox;
    struct control packet = {.type = CONTROL_GO};
    int fds[CONTROL_FDS_MAX];
    size_t count = mounts_mapped(&opening->mounts, fds, CONTROL_FDS_MAX - 2);

    if (sandbox->cgroup.cpu_time >= 0)
        fds[count++] = sandbox->cgroup.cpu_time;
    if (sandbox->cgroup.memory_events >= 0)
        fds[count++] = sandbox->cgroup.memory_events;
    if (control_send(sandbox->control, &packet, fds, count))
        return error_set_errno(err, ERROR_SANDBOX, errno, "sandbox: start");
    return 0;
}

static int take_ready(struct opening *opening, struct error *err)
{
    struct sandbox *sandbox = opening->sandbox;
    struct control packet;
    int fds[CONTROL_FDS_MAX];
    CLEANUP(fd_close) int listener = -1;

    if (sandbox_take_packet(sandbox->control, &packet, fds,
                            clock_deadline(START_TIMEOUT_MS), err))
        return -1;
    if (packet.type != CONTROL_READY) {
        opening->filter_busy =
            packet.step == STEP_FILTER && packet.value == EBUSY;
        if (packet.step == STEP_OVERLAY && opening->spec->no_overlay)
            *opening->spec->no_overlay = true;
        opening->final = packet.step == STEP_SOURCES ||
                         packet.step == STEP_OVERLAY ||
                         (packet.step == STEP_MOUNTS && packet.value == EROFS);
        return sandbox_explain(&packet, &opening->mounts, err);
    }
    sandbox->workspace = fds[0];
    listener = fds[1];
    sandbox->proxy_port = (int)packet.step;
    sandbox->state.landlock_abi = packet.value;
    if (opening->spec->network != SANDBOX_NETWORK_PROXY)
        return 0;
    sandbox->egress = egress_start(listener, opening->spec->identity, err);
    return sandbox->egress ? 0 : -1;
}

static int begin(struct opening *opening, struct error *err)
{
    struct sandbox *sandbox = opening->sandbox;

    if ((opening->namespaces &&
         write_maps(sandbox->pid, opening->spec->identity, err)) ||
        (sandbox->cgroup.version &&
         cgroup_add(&sandbox->cgroup, sandbox->pid, err)) ||
        send_go(opening, err))
        return -1;
    return take_ready(opening, err);
}

static pid_t clone_init(const struct opening *opening, int *pidfd)
{
    unsigned long flags = CLONE_PIDFD | SIGCHLD;

    if (opening->namespaces)
        flags |= NAMESPACES;
    if (opening->namespaces && opening->spec->network != SANDBOX_NETWORK_OPEN)
        flags |= CLONE_NEWNET;
    /* Like fork, into new namespaces; the libc wrapper wants a stack. */
    return (pid_t)syscall(SYS_clone, flags, NULL, pidfd, NULL, NULL);
}

static void set_paths(struct opening *opening)
{
    const struct sandbox_spec *spec = opening->spec;
    struct sandbox *sandbox = opening->sandbox;

    if (opening->namespaces) {
        sandbox->directory =
            mem_string(spec->inside ? spec->inside : SANDBOX_WORKSPACE);
        sandbox->home = mem_string(SANDBOX_HOME);
        sandbox->temporary = mem_string("/tmp");
        return;
    }
    sandbox->directory = mem_string(spec->workspace);
    sandbox->home = mem_format("%s/home", spec->scratch);
    sandbox->temporary = mem_format("%s/tmp", spec->scratch);
}

static void set_setup(struct opening *opening, struct init_setup *setup)
{
    const struct sandbox_spec *spec = opening->spec;
    const struct sandbox *sandbox = opening->sandbox;

    *setup = (struct init_setup){
        .mounts = &opening->mounts,
        .staging = spec->workspace,
        .notify = opening->notify,
        .namespaces = opening->namespaces,
        .landlock = !(spec->without & SANDBOX_LANDLOCK),
        .group_memory = sandbox->cgroup.memory,
        .group_cpu_time = sandbox->cgroup.cpu_time >= 0,
        .group_events = sandbox->cgroup.memory_events >= 0,
        .network = spec->network,
        .identity = spec->identity,
        .own_user = !geteuid() &&
                    spec->identity.uid == sandbox_identity().uid &&
                    spec->identity.uid,
        .limits = spec->limits,
        .workspace = sandbox->directory,
        .scratch = spec->scratch,
    };
    if (sandbox->cgroup.cpu)
        setup->limits.cpu_milli = 0;
}

/* The shared filter where it fits, or one for this. */
static int choose_filter(const struct opening *opening,
                         struct sandbox_filter *own, struct span *filter,
                         struct error *err)
{
    const struct filter_options options = {.notify = opening->notify,
                                           .inet = opening->namespaces ||
                                                   opening->spec->network ==
                                                       SANDBOX_NETWORK_OPEN,
                                           .shared = !opening->namespaces};

    if (opening->spec->filter && opening->notify && opening->namespaces) {
        *filter = buffer_span(&opening->spec->filter->program);
        return 0;
    }
    buffer_init(&own->program, FILTER_BYTES);
    if (filter_build(&options, &own->program, err))
        return -1;
    *filter = buffer_span(&own->program);
    return 0;
}

static void note_state(struct opening *opening)
{
    const struct sandbox_spec *spec = opening->spec;
    struct sandbox *sandbox = opening->sandbox;
    struct sandbox_state *state = &sandbox->state;
    const struct sandbox_limits *limits = &spec->limits;
    const struct cgroup *group = &sandbox->cgroup;
    const char *name = group->version == 2 ? "cgroup v2" : "cgroup v1";

    state->layers = SANDBOX_SECCOMP;
    if (opening->namespaces)
        state->layers |= SANDBOX_NAMESPACES;
    if (state->landlock_abi)
        state->layers |= SANDBOX_LANDLOCK;
    if (group->version)
        state->layers |= SANDBOX_CGROUP;
    state->overlay = spec->lower != NULL;
    state->memory_by = !limits->memory_bytes ? "none"
                       : group->memory       ? name
                                             : "watch";
    state->pids_by = !limits->pids         ? "none"
                     : group->pids         ? name
                     : opening->namespaces ? "rlimit"
                                           : "watch";
    state->cpu_by = !limits->cpu_milli ? "none"
                    : group->cpu       ? name
                                       : "affinity";
    state->disk_by = limits->disk_bytes ? "watch" : "none";
    if (!state->landlock_abi)
        snprintf(state->missing[layer_index(SANDBOX_LANDLOCK)],
                 SANDBOX_REASON_MAX, "%s",
                 spec->without & SANDBOX_LANDLOCK
                     ? "switched off"
                     : "the kernel has no Landlock, or 'lsm=' leaves it out");
}

static int try_open(struct opening *opening, struct error *err)
{
    CLEANUP(sandbox_filter_free) struct sandbox_filter own = {{0}};
    struct sandbox *sandbox = opening->sandbox;
    struct init_setup setup;
    struct span filter;
    int ends[2];

    set_paths(opening);
    set_setup(opening, &setup);
    if (choose_filter(opening, &own, &filter, err) ||
        (opening->namespaces &&
         mounts_map_owners(&opening->mounts, opening->spec->identity, err)))
        return -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
        return error_set_errno(err, ERROR_SANDBOX, errno,
                               "sandbox: socketpair");
    sandbox->control = ends[0];
    setup.control = ends[1];
    setup.filter = filter;
    sandbox->namespaces = opening->namespaces;
    sandbox->identity = opening->spec->identity;
    sandbox->pid = clone_init(opening, &sandbox->pidfd);
    if (sandbox->pid == 0)
        init_main(&setup);
    close(ends[1]);
    if (sandbox->pid > 0)
        orphans_spare(sandbox->pid);
    if (sandbox->pid < 0) {
        error_set_errno(err, ERROR_SANDBOX, errno,
                        "sandbox: cannot make namespaces");
        return sandbox_hint_namespaces(err);
    }
    if (begin(opening, err))
        return -1;
    note_state(opening);
    return 0;
}

/* ---- layers, and doing without
 * ---------------------------------------------------- */

static int check_group(const struct sandbox_spec *spec, struct sandbox *sandbox,
                       struct error *err)
{
    char *reason = sandbox->state.missing[layer_index(SANDBOX_CGROUP)];

    sandbox->cgroup.cpu_time = sandbox->cgroup.memory_events = -1;
    snprintf(reason, SANDBOX_REASON_MAX, "switched off");
    if (!(spec->without & SANDBOX_CGROUP))
        cgroup_make(&sandbox->cgroup, &spec->limits, reason);
    if (sandbox->cgroup.version || !(spec->require & SANDBOX_CGROUP))
        return 0;
    error_set(err, ERROR_SANDBOX, "sandbox: no control group: %s", reason);
    return error_hint(err, "run nightjar as root, or in a delegated scope: "
                           "'systemd-run --user --scope -p Delegate=yes "
                           "nightjar …'; or take 'cgroup' out of "
                           "sandbox.require");
}

static int check_landlock(const struct sandbox_spec *spec, struct error *err)
{
    bool there = !(spec->without & SANDBOX_LANDLOCK) && landlock_version();

    if (there || !(spec->require & SANDBOX_LANDLOCK))
        return 0;
    error_set(err, ERROR_SANDBOX, "sandbox: Landlock is not to be had");
    return error_hint(err, "Linux 5.13 or newer with 'landlock' in the boot "
                           "parameter 'lsm=' is needed; or take 'landlock' "
                           "out of sandbox.require");
}

/* Whether Landlock and the filter alone can give what is asked for. */
static int check_without_namespaces(const struct sandbox_spec *spec,
                                    const struct error *why, struct error *err)
{
    struct error cause = *why;
    const char *what = NULL;

    if (spec->require & SANDBOX_NAMESPACES)
        what = "sandbox.require names them";
    else if ((spec->without & SANDBOX_LANDLOCK) || !landlock_version())
        what = "there is no Landlock to do without them";
    else if (spec->network == SANDBOX_NETWORK_PROXY)
        what = "a list of hosts needs a network namespace";
    else if (spec->lower) {
        what = "an overlay needs a mount namespace";
        if (spec->no_overlay)
            *spec->no_overlay = true;
    } else if (spec->inside && strcmp(spec->inside, spec->workspace) != 0)
        what = "the workspace at another place needs a mount namespace";
    if (!what)
        return 0;
    *err = cause;
    error_set(err, ERROR_SANDBOX, "%s (%s)", cause.text, what);
    return error_hint(err, "%s", cause.hint);
}

static void abandon_try(struct sandbox *sandbox)
{
    egress_stop(STEAL(sandbox->egress));
    fd_reset(&sandbox->control);
    if (sandbox->pid > 0) {
        kill(sandbox->pid, SIGKILL);
        while (waitpid(sandbox->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    if (sandbox->pid > 0)
        orphans_forget(sandbox->pid);
    sandbox->pid = 0;
    fd_reset(&sandbox->pidfd);
    fd_reset(&sandbox->workspace);
    mem_free(&sandbox->directory);
    mem_free(&sandbox->home);
    mem_free(&sandbox->temporary);
}

/* One way, twice where the first shows that the filter cannot tell. */
static int open_one_way(struct opening *opening, struct error *err)
{
    int status;

    if (mounts_plan(opening->spec, &opening->mounts, err))
        return -1;
    status = try_open(opening, err);
    mounts_free(&opening->mounts);
    if (status)
        abandon_try(opening->sandbox);
    if (!status || !opening->filter_busy)
        return status;
    opening->filter_busy = opening->notify = false;
    return open_one_way(opening, err);
}

/* Nothing can lend the workspace to another user here: whoever owns it works
 * in it. Root does so without any capability, and only where Landlock keeps
 * it from signalling root's other processes and a control group bounds its
 * processes: RLIMIT_NPROC does not bind root. */
static int choose_owner(struct sandbox_spec *spec, bool group_pids,
                        struct error *err)
{
    struct stat info;
    bool safe = group_pids && landlock_version() >= LANDLOCK_SCOPES;

    if (stat(spec->workspace, &info))
        return error_set_errno(err, ERROR_SANDBOX, errno, "%s",
                               spec->workspace);
    if (geteuid() || info.st_uid == spec->identity.uid)
        return 0;
    spec->identity = (struct sandbox_identity){info.st_uid, info.st_gid};
    if (info.st_uid || safe)
        return sandbox_make_scratch(spec, err);
    error_set(err, ERROR_SANDBOX,
              "sandbox: without namespaces, root's own folder '%s' cannot be "
              "worked in safely here",
              spec->workspace);
    return error_hint(err, "give the folder to an ordinary user (chown); root "
                           "needs Linux 6.12 or newer and a control group "
                           "with the pids controller");
}

static int open_confined(const struct opening *with, struct error *err)
{
    struct sandbox_spec spec = *with->spec;
    struct opening opening = *with;
    int status;

    opening.spec = &spec;
    opening.namespaces = false;
    opening.notify = true;
    /* Its processes must not become strangers' when init is killed. */
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    status = choose_owner(&spec, opening.sandbox->cgroup.pids, err) ||
             (!geteuid() &&
              (sandbox_open_passage(spec.passage, spec.scratch, err) ||
               sandbox_open_passage(spec.passage, spec.workspace, err))) ||
             open_one_way(&opening, err);
    return status ? -1 : 0;
}

struct sandbox *sandbox_open(const struct sandbox_spec *spec, struct error *err)
{
    CLEANUP(sandbox_cleanup)
    struct sandbox *sandbox = mem_alloc(sizeof(*sandbox));
    struct opening opening = {
        .spec = spec, .sandbox = sandbox, .namespaces = true, .notify = true};
    struct error why;

    sandbox->control = sandbox->pidfd = sandbox->workspace = -1;
    sandbox->limits = spec->limits;
    if (check_group(spec, sandbox, err) || check_landlock(spec, err) ||
        sandbox_make_scratch(spec, err))
        return NULL;
    if (spec->without & SANDBOX_SECCOMP) {
        error_set(err, ERROR_SANDBOX,
                  "sandbox: nothing runs without the system-call filter");
        return NULL;
    }
    error_set(&why, ERROR_SANDBOX, "sandbox: namespaces are switched off");
    if (!(spec->without & SANDBOX_NAMESPACES) && !open_one_way(&opening, &why))
        return STEAL(sandbox);
    if (opening.final) {
        *err = why;
        return NULL;
    }
    if (check_without_namespaces(spec, &why, err))
        return NULL;
    snprintf(sandbox->state.missing[layer_index(SANDBOX_NAMESPACES)],
             SANDBOX_REASON_MAX, "%.200s", why.text);
    if (open_confined(&opening, err))
        return NULL;
    return STEAL(sandbox);
}

/* ---- asking
 * ------------------------------------------------------------------------ */

const struct sandbox_state *sandbox_state(const struct sandbox *sandbox)
{
    return &sandbox->state;
}

const struct sandbox_limits *sandbox_limits(const struct sandbox *sandbox)
{
    return &sandbox->limits;
}

int sandbox_workspace(const struct sandbox *sandbox)
{
    return sandbox->workspace;
}

pid_t sandbox_first_process(const struct sandbox *sandbox)
{
    return sandbox->pid;
}

const char *sandbox_directory(const struct sandbox *sandbox)
{
    return sandbox->directory;
}

const char *sandbox_home(const struct sandbox *sandbox)
{
    return sandbox->home;
}

const char *sandbox_temporary(const struct sandbox *sandbox)
{
    return sandbox->temporary;
}

int sandbox_proxy_port(const struct sandbox *sandbox)
{
    return sandbox->proxy_port;
}

int sandbox_set_hosts(struct sandbox *sandbox, const char *const *hosts,
                      size_t count, struct error *err)
{
    if (!sandbox->egress)
        return error_set(err, ERROR_INTERNAL, "sandbox without a proxy");
    return egress_set_hosts(sandbox->egress, hosts, count, err);
}

/* ---- closing
 * ------------------------------------------------------------------------ */

void sandbox_prepare_groups(void)
{
    cgroup_prepare();
    cgroup_sweep();
}

void sandbox_sweep_groups(void)
{
    cgroup_sweep();
}

void sandbox_close(struct sandbox *sandbox)
{
    if (!sandbox)
        return;
    fd_reset(&sandbox->control);
    /* Killing PID 1 kills its namespace; waiting for it waits until all are
     * gone. Without a namespace it does that itself when the socket closes. */
    if (sandbox->pid > 0 && sandbox->namespaces)
        kill(sandbox->pid, SIGKILL);
    if (sandbox->pid > 0) {
        while (waitpid(sandbox->pid, NULL, 0) < 0 && errno == EINTR)
            ;
        orphans_forget(sandbox->pid);
        if (!sandbox->namespaces)
            orphans_kill();
    }
    sandbox->pid = 0;
    abandon_try(sandbox);
    cgroup_free(&sandbox->cgroup);
    free(sandbox);
}

void sandbox_cleanup(struct sandbox **sandbox)
{
    sandbox_close(*sandbox);
    *sandbox = NULL;
}
