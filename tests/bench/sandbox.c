/* What a sandbox costs, against what the same program costs without one and
 * against the bare system calls that a sandbox cannot do without. Prints one
 * JSON line; milliseconds are medians.
 *
 * Usage: sandbox FOLDER ROUNDS [LOWER]
 * With LOWER, workspaces are overlays over that folder. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/number.h"
#include "sandbox/sandbox.h"

#define ROUNDS_MAX 10000

extern char **environ;

static double now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int compare(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;

    return (*x > *y) - (*x < *y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), compare);
    return values[count / 2];
}

static void fail(const char *what)
{
    fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- floors -----------------------------------------------------------------
 */

static double spawn_once(void)
{
    static char program[] = "/bin/true";
    char *argv[] = {program, NULL};
    double began = now_ms();
    pid_t pid = fork();

    if (pid == 0) {
        execve(argv[0], argv, environ);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, NULL, 0) < 0)
        fail("fork");
    return now_ms() - began;
}

static int write_map(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY);
    bool written =
        fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    close(fd);
    return written ? 0 : -1;
}

/* This process becomes the user namespace's root. */
static int map_self(uid_t uid, gid_t gid)
{
    char users[32];
    char groups[32];

    snprintf(users, sizeof(users), "0 %u 1", uid);
    snprintf(groups, sizeof(groups), "0 %u 1", gid);
    return write_map("/proc/self/setgroups", "deny") ||
                   write_map("/proc/self/uid_map", users) ||
                   write_map("/proc/self/gid_map", groups)
               ? -1
               : 0;
}

/* The namespaces, a tmpfs as the root with /usr in it, /proc, exec. */
static double bare_once(const char *folder)
{
    double began = now_ms();
    uid_t uid = geteuid();
    gid_t gid = getegid();
    int status;
    pid_t pid = (pid_t)syscall(SYS_clone,
                               CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID |
                                   CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
                                   CLONE_NEWCGROUP | SIGCHLD,
                               NULL, NULL, NULL, NULL);

    if (pid == 0) {
        if (map_self(uid, gid) ||
            mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
            mount("tmpfs", folder, "tmpfs", 0, NULL) || chdir(folder) ||
            mkdir("usr", 0755) || mkdir("proc", 0755) ||
            mount("/usr", "usr", NULL, MS_BIND | MS_REC, NULL) ||
            symlink("usr/lib", "lib") || symlink("usr/lib64", "lib64") ||
            symlink("usr/bin", "bin") ||
            mount("proc", "proc", "proc", 0, NULL) ||
            syscall(SYS_pivot_root, ".", ".") ||
            prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
            _exit(1);
        execl("/usr/bin/true", "true", (char *)NULL);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) < 0 || status)
        fail("bare namespaces");
    return now_ms() - began;
}

/* ---- sandboxes
 * ----------------------------------------------------------------- */

static const char *folder;
static const char *lower; /* NULL: plain workspaces */
static struct sandbox_filter filter;

static struct sandbox *open_one(void)
{
    static unsigned number;
    CLEANUP(mem_free) char *workspace = mem_format("%s/%u", folder, ++number);
    CLEANUP(mem_free) char *scratch = mem_format("%s/%u.s", folder, number);
    struct sandbox_spec spec = {.workspace = workspace,
                                .scratch = scratch,
                                .identity = sandbox_identity(),
                                .limits = {.memory_bytes = (int64_t)2 << 30,
                                           .pids = 512,
                                           .disk_bytes = (int64_t)4 << 30},
                                .require = SANDBOX_NAMESPACES | SANDBOX_SECCOMP,
                                .filter = &filter};
    CLEANUP(mem_free) char *upper = mem_format("%s/upper", workspace);
    CLEANUP(mem_free) char *work = mem_format("%s/work", workspace);
    struct sandbox *sandbox;
    struct error err;

    spec.lower = lower;
    if (mkdir(workspace, 0700) || mkdir(scratch, 0700) ||
        (!geteuid() && chown(workspace, spec.identity.uid, spec.identity.gid)))
        fail("mkdir");
    if (lower &&
        (mkdir(upper, 0755) || mkdir(work, 0755) ||
         (!geteuid() && (chown(upper, spec.identity.uid, spec.identity.gid) ||
                         chown(work, spec.identity.uid, spec.identity.gid)))))
        fail("mkdir");
    sandbox = sandbox_open(&spec, &err);
    if (!sandbox) {
        fprintf(stderr, "bench: %s\n", err.text);
        exit(1);
    }
    return sandbox;
}

static void run_true(struct sandbox *sandbox)
{
    const char *const argv[] = {"/bin/true", NULL};
    const char *const environment[] = {"PATH=" SANDBOX_PATH, NULL};
    const struct sandbox_command command = {.argv = argv,
                                            .environment = environment,
                                            .directory = SANDBOX_WORKSPACE};
    struct sandbox_process process;
    struct error err;

    if (sandbox_start(sandbox, &command, &process, &err) ||
        sandbox_wait(sandbox, &process, CLOCK_NEVER, &err) != 1) {
        fprintf(stderr, "bench: %s\n", err.text);
        exit(1);
    }
    sandbox_process_close(&process);
}

int main(int argc, char **argv)
{
    static double spawned[ROUNDS_MAX];
    static double commands[ROUNDS_MAX];
    static double opened[ROUNDS_MAX];
    static double closed[ROUNDS_MAX];
    static double bare[ROUNDS_MAX];
    struct sandbox *sandbox;
    struct error err;
    int64_t rounds;

    if (argc < 3 || argc > 4 || number_int64(argv[2], &rounds) || rounds < 1 ||
        rounds > ROUNDS_MAX)
        fail("usage: sandbox FOLDER ROUNDS [LOWER]");
    folder = argv[1];
    lower = argv[3];
    sandbox_prepare_groups();
    if (sandbox_filter_make(&filter, &err))
        fail("filter");
    sandbox = open_one();
    for (int64_t i = 0; i < rounds; i++) {
        double began;

        spawned[i] = spawn_once();
        began = now_ms();
        run_true(sandbox);
        commands[i] = now_ms() - began;
    }
    sandbox_close(sandbox);
    for (int64_t i = 0; i < rounds; i++) {
        double began = now_ms();

        sandbox = open_one();
        opened[i] = now_ms() - began;
        began = now_ms();
        sandbox_close(sandbox);
        closed[i] = now_ms() - began;
        bare[i] = bare_once(folder);
    }
    printf("{\"spawn\": %.3f, \"command\": %.3f, \"open\": %.3f, "
           "\"close\": %.3f, \"bare\": %.3f}\n",
           median(spawned, (size_t)rounds), median(commands, (size_t)rounds),
           median(opened, (size_t)rounds), median(closed, (size_t)rounds),
           median(bare, (size_t)rounds));
    sandbox_filter_free(&filter);
    return 0;
}
