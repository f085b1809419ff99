#include "sandbox/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "sandbox/cgroup.h"
#include "sandbox/filter.h"
#include "sandbox/landlock.h"
#include "sandbox/owner.h"

#define PROBE_MS 30000

static struct probe *add(struct probes *probes, const char *name)
{
    struct probe *probe = &probes->items[probes->count++];

    *probe = (struct probe){.name = name, .state = PROBE_WORKS};
    return probe;
}

/* ---- sandboxes, opened for a moment
 * ------------------------------------------ */

static char *make_folder(const char *scratch, const char *name,
                         struct sandbox_identity identity)
{
    CLEANUP(mem_free) char *path = mem_format("%s/%s", scratch, name);

    if (mkdir(path, 0700) ||
        (!geteuid() && chown(path, identity.uid, identity.gid)))
        return NULL;
    return STEAL(path);
}

/* The command must run and see its workspace. */
static int use(struct sandbox *sandbox, struct error *err)
{
    const char *const argv[] = {"/bin/sh", "-c", "echo x > probe && cat probe",
                                NULL};
    const char *const environment[] = {"PATH=" SANDBOX_PATH, NULL};
    struct sandbox_command command = {.argv = argv,
                                      .environment = environment,
                                      .directory = sandbox_directory(sandbox)};
    CLEANUP(sandbox_process_close)
    struct sandbox_process process = {.input = -1, .output = -1, .errors = -1};

    if (sandbox_start(sandbox, &command, &process, err))
        return -1;
    switch (sandbox_wait(sandbox, &process, clock_deadline(PROBE_MS), err)) {
    case 1:
        return process.status
                   ? error_set(err, ERROR_SANDBOX,
                               "a command cannot write to its workspace")
                   : 0;
    case 0:
        return error_set(err, ERROR_SANDBOX, "a command does not end");
    default:
        return -1;
    }
}

/* Opens one in new folders named after `name`. */
static int try_sandbox(const char *scratch, const char *name,
                       struct sandbox_spec spec, struct sandbox_state *state,
                       struct error *err)
{
    CLEANUP(mem_free) char *workspace = NULL;
    CLEANUP(mem_free) char *own = NULL;
    CLEANUP(mem_free) char *own_name = mem_format("%s-scratch", name);
    CLEANUP(sandbox_cleanup) struct sandbox *sandbox = NULL;

    spec.identity = sandbox_identity();
    spec.limits.pids = 64;
    spec.limits.memory_bytes = (int64_t)256 << 20;
    spec.passage = scratch;
    workspace = make_folder(scratch, name, spec.identity);
    own = make_folder(scratch, own_name, spec.identity);
    if (!workspace || !own)
        return error_set_errno(err, ERROR_IO, errno, "make a folder in %s",
                               scratch);
    spec.workspace = workspace;
    spec.scratch = own;
    if (spec.lower) {
        CLEANUP(mem_free)
        char *upper = make_folder(workspace, "upper", spec.identity);
        CLEANUP(mem_free)
        char *work = make_folder(workspace, "work", spec.identity);

        if (!upper || !work)
            return error_set_errno(err, ERROR_IO, errno, "make a folder");
    }
    sandbox = sandbox_open(&spec, err);
    if (!sandbox || use(sandbox, err))
        return -1;
    *state = *sandbox_state(sandbox);
    return 0;
}

static int try_overlay(const char *scratch, struct error *err)
{
    CLEANUP(mem_free) char *lower = mem_format("%s/lower", scratch);
    struct sandbox_state state;
    struct sandbox_spec spec = {
        .lower = lower, .require = SANDBOX_NAMESPACES | SANDBOX_SECCOMP};

    if (mkdir(lower, 0755))
        return error_set_errno(err, ERROR_IO, errno, "mkdir %s", lower);
    return try_sandbox(scratch, "overlay", spec, &state, err);
}

bool probe_overlay(const char *scratch)
{
    struct error ignored;

    return !try_overlay(scratch, &ignored);
}

/* ---- single layers
 * ------------------------------------------------------------- */

static void copy_error(struct probe *probe, enum probe_state state,
                       const struct error *err)
{
    probe->state = state;
    snprintf(probe->found, sizeof(probe->found), "%.200s", err->text);
    snprintf(probe->advice, sizeof(probe->advice), "%s", err->hint);
}

static void probe_kernel(struct probes *probes)
{
    struct probe *probe = add(probes, "kernel");
    struct utsname name;

    if (uname(&name))
        return;
    snprintf(probe->found, sizeof(probe->found), "Linux %.60s, %.30s",
             name.release, name.machine);
}

static void probe_namespaces(struct probes *probes)
{
    static const struct {
        const char *name;
        int flag;
    } all[] = {{"user namespace", 0},
               {"mount namespace", CLONE_NEWNS},
               {"PID namespace", CLONE_NEWPID},
               {"network namespace", CLONE_NEWNET},
               {"IPC namespace", CLONE_NEWIPC},
               {"UTS namespace", CLONE_NEWUTS},
               {"cgroup namespace", CLONE_NEWCGROUP}};

    for (size_t i = 0; i < ARRAY_LENGTH(all); i++) {
        struct probe *probe = add(probes, all[i].name);
        pid_t pid =
            (pid_t)syscall(SYS_clone, CLONE_NEWUSER | all[i].flag | SIGCHLD,
                           NULL, NULL, NULL, NULL);
        struct error err;

        if (pid == 0)
            _exit(0);
        snprintf(probe->found, sizeof(probe->found), "can be made");
        if (pid < 0) {
            error_set_errno(&err, ERROR_SANDBOX, errno, "cannot be made");
            sandbox_hint_namespaces(&err);
            copy_error(probe, PROBE_MISSING, &err);
            continue;
        }
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
}

static void probe_landlock(struct probes *probes)
{
    static const char *const brings[] = {
        "files",     "moving between folders", "truncating",
        "TCP ports", "device control",         "signals and abstract sockets"};
    struct probe *probe = add(probes, "landlock");
    int version = landlock_version();

    snprintf(probe->found, sizeof(probe->found), "ABI %d", version);
    if (version >= LANDLOCK_SCOPES)
        return;
    if (!version) {
        probe->state = PROBE_MISSING;
        snprintf(probe->found, sizeof(probe->found), "%s",
                 errno == EOPNOTSUPP ? "switched off at boot"
                                     : "not in this kernel");
        snprintf(probe->advice, sizeof(probe->advice),
                 "use Linux 5.13 or newer, with 'landlock' in the boot "
                 "parameter 'lsm='");
        return;
    }
    snprintf(probe->found, sizeof(probe->found),
             "ABI %d: without %s (Linux 6.12 has ABI 6)", version,
             brings[version]);
}

static void probe_seccomp(struct probes *probes)
{
    struct probe *probe = add(probes, "seccomp");
    CLEANUP(sandbox_filter_free) struct sandbox_filter filter = {{0}};
    uint32_t action = 0x7FC00000U; /* SECCOMP_RET_USER_NOTIF */
    struct error err;

    if (sandbox_filter_make(&filter, &err)) {
        copy_error(probe, PROBE_FATAL, &err);
        return;
    }
    /* SECCOMP_GET_ACTION_AVAIL */
    if (syscall(SYS_seccomp, 2, 0, &action)) {
        error_set_errno(&err, ERROR_SANDBOX, errno,
                        "filters are not to be had");
        error_hint(&err, "use a kernel with CONFIG_SECCOMP_FILTER, 5.0 or "
                         "newer");
        copy_error(probe, PROBE_FATAL, &err);
        return;
    }
    snprintf(probe->found, sizeof(probe->found),
             "a filter of %zu instructions; refusals are told",
             filter.program.length / 8);
}

static void probe_groups(struct probes *probes)
{
    struct probe *probe = add(probes, "cgroup");
    const struct sandbox_limits limits = {
        .memory_bytes = (int64_t)64 << 20, .pids = 16, .cpu_milli = 500};
    struct cgroup group;

    cgroup_make(&group, &limits, probe->found);
    if (!group.version) {
        probe->state = PROBE_MISSING;
        snprintf(probe->advice, sizeof(probe->advice),
                 "limits of memory and processes are watched instead, which "
                 "is less exact; for a control group run nightjar as root, or "
                 "in a delegated scope: 'systemd-run --user --scope -p "
                 "Delegate=yes nightjar ...'");
    } else {
        snprintf(probe->found, sizeof(probe->found), "version %d:%s%s%s",
                 group.version, group.memory ? " memory" : "",
                 group.pids ? " pids" : "", group.cpu ? " cpu" : "");
    }
    cgroup_free(&group);
}

static void probe_modes(const char *scratch, struct probes *probes)
{
    struct sandbox_state state;
    struct sandbox_spec spec = {.require =
                                    SANDBOX_NAMESPACES | SANDBOX_SECCOMP};
    struct probe *probe = add(probes, "sandbox");
    struct error err;

    probes->full = !try_sandbox(scratch, "full", spec, &state, &err);
    snprintf(probe->found, sizeof(probe->found), "commands run in it");
    if (!probes->full)
        copy_error(probe, PROBE_MISSING, &err);
    probe = add(probes, "overlay workspaces");
    snprintf(probe->found, sizeof(probe->found), "one checkout serves many");
    if (probes->full && try_overlay(scratch, &err)) {
        copy_error(probe, PROBE_MISSING, &err);
        snprintf(probe->advice, sizeof(probe->advice),
                 "each workspace is a whole checkout; overlays need Linux "
                 "5.11 and a TMPDIR on ext4, xfs, btrfs or tmpfs");
    } else if (!probes->full) {
        probe->state = PROBE_MISSING;
        snprintf(probe->found, sizeof(probe->found), "needs the sandbox");
    }
    probe = add(probes, "sandbox without namespaces");
    spec.require = SANDBOX_LANDLOCK | SANDBOX_SECCOMP;
    spec.without = SANDBOX_NAMESPACES;
    probes->confined = !try_sandbox(scratch, "confined", spec, &state, &err);
    snprintf(probe->found, sizeof(probe->found),
             "Landlock and seccomp alone, for 'sandbox.require: [landlock, "
             "seccomp]'");
    if (!probes->confined)
        copy_error(probe, PROBE_MISSING, &err);
}

void probe_host(const char *scratch, struct probes *probes)
{
    *probes = (struct probes){.count = 0};
    probe_kernel(probes);
    probe_namespaces(probes);
    probe_landlock(probes);
    probe_seccomp(probes);
    probe_groups(probes);
    probe_modes(scratch, probes);
}
