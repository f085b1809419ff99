#include "sandbox/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/memory.h"

#define TEXT_MAX ((size_t)1 << 20)
#define REMOVE_TRIES 200
#define PREFIX "nightjar-"
#define OWN_CHILD PREFIX "runner"
#define CPU_PERIOD_US 100000

enum controller { MEMORY, PIDS, CPU, CPU_TIME };

/* In version 1 each is a hierarchy of its own. */
static const char *const v1_names[CGROUP_CONTROLLERS] = {"memory", "pids",
                                                         "cpu", "cpuacct"};

static int read_text(const char *path, struct buffer *out)
{
    struct error ignored;

    buffer_clear(out);
    return file_read(AT_FDCWD, path, out, &ignored);
}

static int put(const char *directory, const char *name, const char *value)
{
    CLEANUP(mem_free) char *path = mem_format("%s/%s", directory, name);
    CLEANUP(fd_close) int fd = open(path, O_WRONLY | O_CLOEXEC);

    return fd >= 0 && write(fd, value, strlen(value)) == (ssize_t)strlen(value)
               ? 0
               : -1;
}

static int put_number(const char *directory, const char *name, int64_t value)
{
    char text[32];

    snprintf(text, sizeof(text), "%" PRId64, value);
    return put(directory, name, text);
}

static bool has_word(const char *list, const char *word)
{
    size_t length = strlen(word);

    for (const char *at = list; (at = strstr(at, word)); at += length) {
        bool begins = at == list || at[-1] == ' ' || at[-1] == ',';
        char next = at[length];

        if (begins && (!next || next == ' ' || next == ',' || next == '\n'))
            return true;
    }
    return false;
}

/* ---- where this process is ----------------------------------------------- */

/* This process's path in a hierarchy: the line of /proc/self/cgroup whose
 * controllers have the name ("" for version 2). Owned by the caller. */
static char *own_path(const char *controller)
{
    CLEANUP(buffer_free) struct buffer text = {0};
    char *rest;

    buffer_init(&text, TEXT_MAX);
    if (read_text("/proc/self/cgroup", &text))
        return NULL;
    for (char *line = strtok_r(text.data, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        char *names = strchr(line, ':');
        char *path = names ? strchr(names + 1, ':') : NULL;

        if (!path)
            continue;
        *path = '\0';
        names++;
        if (*controller ? has_word(names, controller)
                        : !*names && !strncmp(line, "0:", 2))
            return mem_string(path + 1);
    }
    return NULL;
}

struct mount_line {
    char *root;
    char *point;
    char *type;
    char *options; /* of the file system */
};

/* Takes a line of /proc/self/mountinfo apart, in place. */
static bool read_mount(char *line, struct mount_line *mount)
{
    char *rest;
    char *field = strtok_r(line, " ", &rest);

    *mount = (struct mount_line){0};
    for (int i = 0; field && strcmp(field, "-") != 0; i++) {
        if (i == 3)
            mount->root = field;
        if (i == 4)
            mount->point = field;
        field = strtok_r(NULL, " ", &rest);
    }
    mount->type = strtok_r(NULL, " ", &rest);
    field = mount->type ? strtok_r(NULL, " ", &rest) : NULL;
    mount->options = field ? strtok_r(NULL, " ", &rest) : NULL;
    return mount->point && mount->options;
}

/* Where a hierarchy is mounted: the mount point whose type is that and whose
 * options have the controller. The root of the mount, as seen from the
 * hierarchy's, goes to *root. Both are owned by the caller. */
static char *mount_point(const char *type, const char *controller, char **root)
{
    CLEANUP(buffer_free) struct buffer text = {0};
    char *rest;

    buffer_init(&text, TEXT_MAX);
    if (read_text("/proc/self/mountinfo", &text))
        return NULL;
    for (char *line = strtok_r(text.data, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        struct mount_line mount;

        if (!read_mount(line, &mount) || strcmp(mount.type, type) != 0 ||
            (*controller && !has_word(mount.options, controller)))
            continue;
        *root = mem_string(mount.root);
        return mem_string(mount.point);
    }
    return NULL;
}

/* The directory of this process's own group. NULL: not to be found. */
static char *own_directory(const char *type, const char *controller)
{
    CLEANUP(mem_free) char *root = NULL;
    CLEANUP(mem_free) char *point = mount_point(type, controller, &root);
    CLEANUP(mem_free) char *path = own_path(controller);
    size_t length;

    if (!point || !path)
        return NULL;
    length = strlen(root);
    /* A mount of a part of the hierarchy shows the path from there. */
    if (strcmp(root, "/") != 0 && !strncmp(path, root, length) &&
        (path[length] == '/' || !path[length]))
        return mem_format("%s%s", point, path + length);
    return mem_format("%s%s", point, strcmp(path, "/") ? path : "");
}

/* ---- version 2 ------------------------------------------------------------
 */

static bool gives(const char *directory, const char *file)
{
    CLEANUP(buffer_free) struct buffer text = {0};
    CLEANUP(mem_free) char *path = mem_format("%s/%s", directory, file);

    buffer_init(&text, TEXT_MAX);
    return !read_text(path, &text) && has_word(text.data, "memory") &&
           has_word(text.data, "pids");
}

/* Only this process is in the group. */
static bool alone_in(const char *directory)
{
    CLEANUP(buffer_free) struct buffer text = {0};
    CLEANUP(mem_free) char *path = mem_format("%s/cgroup.procs", directory);
    char *end;

    buffer_init(&text, TEXT_MAX);
    return !read_text(path, &text) && strtol(text.data, &end, 10) == getpid() &&
           strlen(end) <= 1;
}

static int enable(const char *directory)
{
    if (gives(directory, "cgroup.subtree_control"))
        return 0;
    if (put(directory, "cgroup.subtree_control", "+memory +pids"))
        return -1;
    /* Nice to have: without it processors are held by affinity. */
    return put(directory, "cgroup.subtree_control", "+cpu") ? 0 : 0;
}

void cgroup_prepare(void)
{
    CLEANUP(mem_free) char *own = own_directory("cgroup2", "");
    CLEANUP(mem_free) char *child = NULL;

    if (!own || !gives(own, "cgroup.controllers") || !alone_in(own))
        return;
    child = mem_format("%s/" OWN_CHILD, own);
    if (mkdir(child, 0755) && errno != EEXIST)
        return;
    if (put_number(child, "cgroup.procs", getpid()) || enable(own)) {
        put_number(own, "cgroup.procs", getpid());
        rmdir(child);
    }
}

/* The group that children are made in. */
static char *parent_v2(char reason[static SANDBOX_REASON_MAX])
{
    CLEANUP(mem_free) char *own = own_directory("cgroup2", "");
    CLEANUP(mem_free) char *root = NULL;
    CLEANUP(mem_free) char *point = NULL;
    char *last;

    snprintf(reason, SANDBOX_REASON_MAX, "cgroup v2 is not mounted");
    if (!own)
        return NULL;
    last = strrchr(own, '/');
    if (last && !strcmp(last, "/" OWN_CHILD)) {
        *last = '\0';
        return STEAL(own);
    }
    if (gives(own, "cgroup.subtree_control") && !access(own, W_OK))
        return STEAL(own);
    /* Root may use the top, which may hold processes beside children. */
    point = mount_point("cgroup2", "", &root);
    if (!geteuid() && point && gives(point, "cgroup.controllers") &&
        !enable(point))
        return STEAL(point);
    snprintf(reason, SANDBOX_REASON_MAX,
             gives(own, "cgroup.controllers")
                 ? "the control group is not delegated to this user"
                 : "the control group has no memory and pids controllers");
    return NULL;
}

static int limit_v2(struct cgroup *cgroup, const struct sandbox_limits *limits)
{
    const char *group = cgroup->paths[MEMORY];
    char quota[64];

    if (limits->memory_bytes) {
        if (put_number(group, "memory.max", limits->memory_bytes))
            return -1;
        put(group, "memory.swap.max", "0"); /* hosts without swap have none */
        cgroup->memory = true;
    }
    if (limits->pids) {
        if (put_number(group, "pids.max", limits->pids + 1))
            return -1;
        cgroup->pids = true;
    }
    snprintf(quota, sizeof(quota), "%" PRId64 " %d",
             limits->cpu_milli * (CPU_PERIOD_US / 1000), CPU_PERIOD_US);
    cgroup->cpu = limits->cpu_milli && !put(group, "cpu.max", quota);
    return 0;
}

/* Names differ for each process and sandbox; the process's id may be that of
 * one that was killed before it could remove its groups. */
static char *make_child(const char *parent)
{
    static unsigned number;

    for (int tries = 0; tries < 1000; tries++) {
        CLEANUP(mem_free)
        char *path =
            mem_format("%s/" PREFIX "%d-%u", parent, (int)getpid(), number++);

        if (!mkdir(path, 0755))
            return STEAL(path);
        if (errno != EEXIST)
            return NULL;
    }
    return NULL;
}

static int make_v2(struct cgroup *cgroup, const struct sandbox_limits *limits,
                   char reason[static SANDBOX_REASON_MAX])
{
    CLEANUP(mem_free) char *parent = parent_v2(reason);
    CLEANUP(mem_free) char *stat = NULL;

    if (!parent)
        return -1;
    cgroup->paths[MEMORY] = make_child(parent);
    if (!cgroup->paths[MEMORY]) {
        snprintf(reason, SANDBOX_REASON_MAX, "cannot make a control group: %s",
                 strerror(errno));
        return -1;
    }
    cgroup->version = 2;
    if (limit_v2(cgroup, limits)) {
        snprintf(reason, SANDBOX_REASON_MAX,
                 "cannot set a control group's limits: %s", strerror(errno));
        cgroup_free(cgroup);
        return -1;
    }
    stat = mem_format("%s/cpu.stat", cgroup->paths[MEMORY]);
    cgroup->cpu_time = open(stat, O_RDONLY | O_CLOEXEC);
    return 0;
}

/* ---- version 1 ------------------------------------------------------------
 */

static void limit_v1(struct cgroup *cgroup, const struct sandbox_limits *limits)
{
    const char *memory = cgroup->paths[MEMORY];
    const char *pids = cgroup->paths[PIDS];
    const char *cpu = cgroup->paths[CPU];

    if (memory && limits->memory_bytes) {
        cgroup->memory =
            !put_number(memory, "memory.limit_in_bytes", limits->memory_bytes);
        put_number(memory, "memory.memsw.limit_in_bytes", limits->memory_bytes);
    }
    if (pids && limits->pids)
        cgroup->pids = !put_number(pids, "pids.max", limits->pids + 1);
    if (cpu && limits->cpu_milli)
        cgroup->cpu = !put_number(cpu, "cpu.cfs_period_us", CPU_PERIOD_US) &&
                      !put_number(cpu, "cpu.cfs_quota_us",
                                  limits->cpu_milli * (CPU_PERIOD_US / 1000));
}

static int make_v1(struct cgroup *cgroup, const struct sandbox_limits *limits)
{
    for (int i = 0; i < CGROUP_CONTROLLERS; i++) {
        CLEANUP(mem_free) char *parent = own_directory("cgroup", v1_names[i]);

        if (parent)
            cgroup->paths[i] = make_child(parent);
    }
    if (!cgroup->paths[MEMORY] && !cgroup->paths[PIDS]) {
        cgroup_free(cgroup);
        return -1;
    }
    cgroup->version = 1;
    limit_v1(cgroup, limits);
    if (cgroup->paths[CPU_TIME]) {
        CLEANUP(mem_free)
        char *usage = mem_format("%s/cpuacct.usage", cgroup->paths[CPU_TIME]);

        cgroup->cpu_time = open(usage, O_RDONLY | O_CLOEXEC);
    }
    return 0;
}

/* ---- all -------------------------------------------------------------------
 */

static void remove_group(const char *path)
{
    /* Those that were killed are in it until the kernel has let go. */
    for (int tries = 0; rmdir(path) && errno == EBUSY && tries < REMOVE_TRIES;
         tries++)
        usleep(1000);
}

/* Groups of processes that were killed before they could remove them. */
static void sweep(const char *parent)
{
    DIR *directory = opendir(parent);
    struct dirent *entry;

    while (directory && (entry = readdir(directory))) {
        long pid = 0;

        if (!strncmp(entry->d_name, PREFIX, strlen(PREFIX)))
            pid = strtol(entry->d_name + strlen(PREFIX), NULL, 10);
        if (pid > 1 && kill((pid_t)pid, 0) && errno == ESRCH) {
            CLEANUP(mem_free)
            char *path = mem_format("%s/%s", parent, entry->d_name);

            remove_group(path);
        }
    }
    if (directory)
        closedir(directory);
}

void cgroup_sweep(void)
{
    char reason[SANDBOX_REASON_MAX];
    CLEANUP(mem_free) char *parent = parent_v2(reason);

    if (parent)
        sweep(parent);
    for (int i = 0; i < CGROUP_CONTROLLERS && !geteuid(); i++) {
        CLEANUP(mem_free) char *own = own_directory("cgroup", v1_names[i]);

        if (own)
            sweep(own);
    }
}

void cgroup_make(struct cgroup *cgroup, const struct sandbox_limits *limits,
                 char reason[static SANDBOX_REASON_MAX])
{
    *cgroup = (struct cgroup){.cpu_time = -1, .memory_events = -1};
    if (make_v2(cgroup, limits, reason) &&
        (geteuid() || make_v1(cgroup, limits)))
        return;
    reason[0] = '\0';
    if (cgroup->memory) {
        CLEANUP(mem_free)
        char *path = mem_format("%s/%s", cgroup->paths[MEMORY],
                                cgroup->version == 2 ? "memory.events"
                                                     : "memory.oom_control");

        cgroup->memory_events = open(path, O_RDONLY | O_CLOEXEC);
    }
}

int cgroup_add(const struct cgroup *cgroup, pid_t pid, struct error *err)
{
    for (int i = 0; i < CGROUP_CONTROLLERS; i++) {
        if (cgroup->paths[i] &&
            put_number(cgroup->paths[i], "cgroup.procs", pid))
            return error_set_errno(err, ERROR_SANDBOX, errno,
                                   "sandbox: cannot use the control group %s",
                                   cgroup->paths[i]);
    }
    return 0;
}

int64_t cgroup_memory_kills(int memory_events)
{
    char text[1024];
    ssize_t got = memory_events < 0
                      ? -1
                      : pread(memory_events, text, sizeof(text) - 1, 0);
    const char *at;

    if (got <= 0)
        return 0;
    text[got] = '\0';
    at = strstr(text, "oom_kill ");
    return at ? strtoll(at + 9, NULL, 10) : 0;
}

void cgroup_free(struct cgroup *cgroup)
{
    fd_reset(&cgroup->cpu_time);
    fd_reset(&cgroup->memory_events);
    if (cgroup->version == 2)
        put(cgroup->paths[MEMORY], "cgroup.kill", "1");
    for (int i = 0; i < CGROUP_CONTROLLERS; i++) {
        if (cgroup->paths[i])
            remove_group(cgroup->paths[i]);
        mem_free(&cgroup->paths[i]);
    }
    *cgroup = (struct cgroup){.cpu_time = -1, .memory_events = -1};
}
