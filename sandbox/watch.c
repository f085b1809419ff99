#include "sandbox/watch.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "base/memory.h"

#define TICK_MIN_MS 5
#define TICK_MAX_MS 250
/* How fast memory and disk can be filled at most, in bytes a millisecond. */
#define FILL_SPEED ((int64_t)4 << 20)
/* Disk that may be used before it is counted: the count costs. */
#define UNCOUNTED_MAX ((int64_t)16 << 20)
#define DEPTH_MAX 400
#define PIDS_FULL_TICKS 40
#define OPEN_FILES_MAX 256
#define COUNT_MAX_MS 10000
#define LIST_BYTES 2048
#define PIDS_MAX 65536

/* PID 1 has one thread, and its stack is small. */
#define KILL_TRIES 64

static pid_t process_ids[PIDS_MAX];

/* ---- directories without malloc ---------------------------------------- */

struct list {
    int fd;
    long length;
    long at;
    char bytes[LIST_BYTES] __attribute__((aligned(8)));
};

struct entry { /* struct linux_dirent64 */
    uint64_t inode;
    int64_t offset;
    unsigned short length;
    unsigned char type;
    char name[];
};

static const struct entry *next_entry(struct list *list)
{
    const struct entry *entry;

    if (list->at >= list->length) {
        list->at = 0;
        list->length =
            syscall(SYS_getdents64, list->fd, list->bytes, sizeof(list->bytes));
        if (list->length <= 0)
            return NULL;
    }
    entry = (const struct entry *)(const void *)(list->bytes + list->at);
    list->at += entry->length;
    return entry;
}

static int list_open(struct list *list, int directory, const char *path)
{
    list->at = list->length = 0;
    list->fd = openat(directory, path,
                      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return list->fd;
}

/* ---- processes ---------------------------------------------------------- */

static ssize_t read_at(int directory, const char *path, char *out, size_t size)
{
    int fd = openat(directory, path, O_RDONLY | O_CLOEXEC);
    ssize_t got;

    if (fd < 0)
        return -1;
    got = read(fd, out, size - 1);
    close(fd);
    out[got > 0 ? got : 0] = '\0';
    return got;
}

/* The children of one thread, added to pids. */
static int add_children(const struct watch *watch, pid_t pid, const char *task,
                        pid_t *pids, int count, int maximum)
{
    char path[300];
    char text[4096];
    char *at = text;

    snprintf(path, sizeof(path), "%d/task/%.20s/children", pid, task);
    if (read_at(watch->proc, path, text, sizeof(text)) <= 0)
        return count;
    while (count < maximum) {
        char *end;
        long child = strtol(at, &end, 10);

        if (end == at)
            break;
        pids[count++] = (pid_t)child;
        at = end;
    }
    return count;
}

/* pids is filled with this process's descendants, breadth first. */
static int find_descendants(const struct watch *watch, pid_t *pids, int maximum)
{
    int count = 0;
    int done = -1;

    for (pid_t of = getpid();; of = pids[done]) {
        struct list list;
        const struct entry *entry;
        char path[64];

        snprintf(path, sizeof(path), "%d/task", of);
        if (list_open(&list, watch->proc, path) >= 0) {
            while ((entry = next_entry(&list))) {
                if (isdigit((unsigned char)*entry->name))
                    count = add_children(watch, of, entry->name, pids, count,
                                         maximum);
            }
            close(list.fd);
        }
        if (++done >= count)
            return count;
    }
}

static int list_processes(const struct watch *watch, pid_t *pids, int maximum)
{
    struct list list = {.fd = watch->proc};
    const struct entry *entry;
    int count = 0;

    if (!watch->namespaces)
        return find_descendants(watch, pids, maximum);
    if (lseek(watch->proc, 0, SEEK_SET) < 0)
        return 0;
    while ((entry = next_entry(&list))) {
        long pid = isdigit((unsigned char)*entry->name)
                       ? strtol(entry->name, NULL, 10)
                       : 0;

        if (pid > 1 && count < maximum)
            pids[count++] = (pid_t)pid;
    }
    return count;
}

int watch_processes(const struct watch *watch)
{
    return list_processes(watch, process_ids, PIDS_MAX);
}

int watch_count_user(int proc, uid_t uid)
{
    struct list list = {.fd = proc};
    const struct entry *entry;
    struct stat info;
    int count = 0;

    if (lseek(proc, 0, SEEK_SET) < 0)
        return 0;
    while ((entry = next_entry(&list))) {
        char path[300];

        snprintf(path, sizeof(path), "%.32s/task", entry->name);
        /* A folder has a link for itself, its parent and each thread. */
        if (isdigit((unsigned char)*entry->name) &&
            !fstatat(proc, path, &info, 0) && info.st_uid == uid)
            count += info.st_nlink > 2 ? (int)info.st_nlink - 2 : 1;
    }
    return count;
}

/* Dead, and only waiting to be asked for. */
static bool is_zombie(const struct watch *watch, pid_t pid)
{
    char path[64];
    char text[512];
    const char *name_end;

    snprintf(path, sizeof(path), "%d/stat", pid);
    if (read_at(watch->proc, path, text, sizeof(text)) <= 0)
        return true;
    name_end = strrchr(text, ')');
    return name_end && (name_end[2] == 'Z' || name_end[2] == 'X');
}

void watch_kill_all(const struct watch *watch)
{
    static const int signals[] = {SIGSTOP, SIGKILL};
    bool alive = true;

    if (watch->alone) {
        kill(-1, SIGKILL);
        return;
    }
    /* Stopped ones cannot fork on while the rest is looked for. */
    for (int tries = 0; alive && tries < KILL_TRIES; tries++) {
        int count = list_processes(watch, process_ids, PIDS_MAX);

        alive = false;
        for (int i = 0; i < count; i++) {
            if (is_zombie(watch, process_ids[i]))
                continue;
            kill(process_ids[i], signals[tries % 2]);
            alive = true;
        }
    }
}

struct usage {
    int64_t memory;
    int64_t cpu_ms;
    int64_t threads;
};

/* Fields of /proc/PID/stat behind the name, which may hold anything. */
static void add_stat(const struct watch *watch, pid_t pid, struct usage *usage)
{
    char path[64];
    char text[1024];
    const char *at;
    char *end;
    long long ticks = 0;

    snprintf(path, sizeof(path), "%d/stat", pid);
    if (read_at(watch->proc, path, text, sizeof(text)) <= 0 ||
        !(at = strrchr(text, ')')))
        return;
    at++;
    for (int field = 3; field <= 20 && *at; field++) {
        at += strspn(at, " ");
        if (field == 14 || field == 15)
            ticks += strtoll(at, &end, 10);
        if (field == 20)
            usage->threads += strtoll(at, &end, 10);
        at += strcspn(at, " ");
    }
    usage->cpu_ms += ticks * 1000 / sysconf(_SC_CLK_TCK);
}

/* Pages of its own; exact: with its share of those it has in common. */
static int64_t memory_of(const struct watch *watch, pid_t pid, bool exact)
{
    char path[64];
    char text[2048];
    char *at;
    long long size;
    long long resident;
    long long shared;

    if (exact) {
        snprintf(path, sizeof(path), "%d/smaps_rollup", pid);
        if (read_at(watch->proc, path, text, sizeof(text)) > 0) {
            int64_t bytes = 0;

            at = strstr(text, "\nPss_Anon:");
            if (at)
                bytes += strtoll(at + 10, NULL, 10) << 10;
            at = strstr(text, "\nPss_Shmem:");
            if (at)
                bytes += strtoll(at + 11, NULL, 10) << 10;
            at = strstr(text, "\nSwapPss:");
            if (at)
                bytes += strtoll(at + 9, NULL, 10) << 10;
            return bytes;
        }
    }
    snprintf(path, sizeof(path), "%d/statm", pid);
    if (read_at(watch->proc, path, text, sizeof(text)) <= 0)
        return 0;
    size = strtoll(text, &at, 10);
    resident = strtoll(at, &at, 10);
    shared = strtoll(at, &at, 10);
    return size > 0 ? (resident - shared) * sysconf(_SC_PAGESIZE) : 0;
}

/* ---- files --------------------------------------------------------------- */

struct sum {
    int64_t bytes;
    int64_t memory_bytes; /* of files in memory */
    bool too_deep;
    dev_t memory_device;
    dev_t devices[WATCH_ROOTS_MAX];
    size_t device_count;
    int seen_count;
    ino_t seen[OPEN_FILES_MAX];
};

static void add_tree(int directory, const char *name, int depth,
                     struct sum *sum)
{
    struct list list;
    const struct entry *entry;
    struct stat info;

    if (depth > DEPTH_MAX) {
        sum->too_deep = true;
        return;
    }
    if (list_open(&list, directory, name) < 0)
        return;
    while ((entry = next_entry(&list))) {
        if (!strcmp(entry->name, ".") || !strcmp(entry->name, ".."))
            continue;
        if (fstatat(list.fd, entry->name, &info, AT_SYMLINK_NOFOLLOW))
            continue;
        sum->bytes +=
            (int64_t)info.st_blocks * 512 / (info.st_nlink ? info.st_nlink : 1);
        if (S_ISDIR(info.st_mode))
            add_tree(list.fd, entry->name, depth + 1, sum);
    }
    close(list.fd);
}

static bool seen(struct sum *sum, ino_t inode)
{
    for (int i = 0; i < sum->seen_count; i++) {
        if (sum->seen[i] == inode)
            return true;
    }
    if (sum->seen_count < OPEN_FILES_MAX)
        sum->seen[sum->seen_count++] = inode;
    return false;
}

static void add_open_file(const struct stat *info, struct sum *sum)
{
    if (!S_ISREG(info->st_mode) || info->st_nlink || seen(sum, info->st_ino))
        return;
    if (info->st_dev == sum->memory_device)
        sum->memory_bytes += (int64_t)info->st_blocks * 512;
    for (size_t i = 0; i < sum->device_count; i++) {
        if (sum->devices[i] == info->st_dev) {
            sum->bytes += (int64_t)info->st_blocks * 512;
            return;
        }
    }
}

/* Files that are open and have no name any more. */
static void add_open_files(const struct watch *watch, const pid_t *pids,
                           int count, struct sum *sum)
{
    for (int i = 0; i < count; i++) {
        struct list list;
        const struct entry *entry;
        struct stat info;
        char path[64];

        snprintf(path, sizeof(path), "%d/fd", pids[i]);
        if (list_open(&list, watch->proc, path) < 0)
            continue;
        while ((entry = next_entry(&list))) {
            if (isdigit((unsigned char)*entry->name) &&
                !fstatat(list.fd, entry->name, &info, 0))
                add_open_file(&info, sum);
        }
        close(list.fd);
    }
}

static void sum_init(const struct watch *watch, struct sum *sum)
{
    CLEANUP(fd_close) int memory = memfd_create("watch", MFD_CLOEXEC);
    struct stat info;

    *sum = (struct sum){0};
    if (!fstat(memory, &info))
        sum->memory_device = info.st_dev;
    for (size_t i = 0; i < watch->root_count; i++) {
        if (!fstat(watch->roots[i], &info))
            sum->devices[sum->device_count++] = info.st_dev;
    }
}

/* Bytes free in the roots' file systems; several roots mostly share one. */
static int64_t free_bytes(const struct watch *watch)
{
    int64_t bytes = 0;
    struct statfs info;

    for (size_t i = 0; i < watch->root_count; i++) {
        if (!fstatfs(watch->roots[i], &info))
            bytes += (int64_t)info.f_bfree * info.f_bsize;
    }
    return bytes;
}

/* ---- measuring ----------------------------------------------------------- */

static int64_t roots_bytes(const struct watch *watch, bool *too_deep)
{
    struct sum sum = {0};

    for (size_t i = 0; i < watch->root_count; i++)
        add_tree(watch->roots[i], ".", 0, &sum);
    *too_deep = sum.too_deep;
    return sum.bytes;
}

void watch_begin(struct watch *watch)
{
    bool too_deep;

    watch->pids_full = 0;
    if (watch->began || !watch->limits.disk_bytes)
        return;
    watch->began = true;
    watch->disk_base = roots_bytes(watch, &too_deep);
    watch->disk_free = free_bytes(watch);
    watch->counted_ms = clock_now_ms();
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Whether more can have been written since the last count than is left, or
 * it is long ago: others may have freed what was used here. Counting takes at
 * most a fifth of the time. */
static bool must_count(const struct watch *watch)
{
    int64_t left = watch->limits.disk_bytes - watch->disk_used;
    int64_t gone = watch->disk_free - free_bytes(watch);
    int64_t since = clock_now_ms() - watch->counted_ms;

    if (since < watch->counting_ms * 4)
        return false;
    return gone >= smaller(left, UNCOUNTED_MAX) / 2 ||
           since > smaller(watch->counting_ms * 20 + 1000, COUNT_MAX_MS);
}

static void count_disk(struct watch *watch, int64_t unnamed)
{
    int64_t began = clock_now_ms();
    bool too_deep;

    watch->disk_free = free_bytes(watch);
    watch->disk_used =
        roots_bytes(watch, &too_deep) + unnamed - watch->disk_base;
    if (too_deep)
        watch->disk_used = INT64_MAX / 2;
    watch->counted_ms = clock_now_ms();
    watch->counting_ms = watch->counted_ms - began;
}

static int64_t group_cpu_ms(const struct watch *watch)
{
    char text[512];
    ssize_t got = pread(watch->cpu_time, text, sizeof(text) - 1, 0);
    const char *usage;

    if (got <= 0)
        return 0;
    text[got] = '\0';
    usage = strstr(text, "usage_usec ");
    return usage ? strtoll(usage + 11, NULL, 10) / 1000
                 : strtoll(text, NULL, 10) / 1000000;
}

static int64_t children_cpu_ms(void)
{
    struct rusage usage;

    if (getrusage(RUSAGE_CHILDREN, &usage))
        return 0;
    return (int64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}

static int64_t shared_memory(const struct watch *watch)
{
    struct statfs info;

    if (watch->shared_memory < 0 || fstatfs(watch->shared_memory, &info))
        return 0;
    return (int64_t)(info.f_blocks - info.f_bfree) * info.f_bsize;
}

static int64_t sum_memory(const struct watch *watch, const pid_t *pids,
                          int count, bool exact)
{
    int64_t bytes = 0;

    for (int i = 0; i < count; i++)
        bytes += memory_of(watch, pids[i], exact);
    return bytes;
}

static enum sandbox_limit check_memory(const struct watch *watch,
                                       const pid_t *pids, int count,
                                       int64_t files, int64_t *left)
{
    int64_t limit = watch->limits.memory_bytes;
    int64_t used;

    if (!limit)
        return SANDBOX_LIMIT_NONE;
    files += shared_memory(watch);
    used = files + sum_memory(watch, pids, count, false);
    /* The quick sum counts what forked processes share several times. */
    if (used > limit)
        used = files + sum_memory(watch, pids, count, true);
    *left = smaller(*left, limit - used);
    return used > limit ? SANDBOX_LIMIT_MEMORY : SANDBOX_LIMIT_NONE;
}

static enum sandbox_limit check_disk(struct watch *watch, int64_t unnamed,
                                     int64_t *left)
{
    int64_t limit = watch->limits.disk_bytes;

    if (!limit)
        return SANDBOX_LIMIT_NONE;
    if (must_count(watch))
        count_disk(watch, unnamed);
    *left = smaller(*left, limit - watch->disk_used);
    return watch->disk_used > limit ? SANDBOX_LIMIT_DISK : SANDBOX_LIMIT_NONE;
}

static enum sandbox_limit check_processes(struct watch *watch,
                                          const pid_t *pids, int count,
                                          int64_t *left_ms)
{
    const struct sandbox_limits *limits = &watch->limits;
    struct usage usage = {0};

    if (!limits->cpu_time_ms && !limits->pids)
        return SANDBOX_LIMIT_NONE;
    for (int i = 0; i < count; i++)
        add_stat(watch, pids[i], &usage);
    if (usage.threads < count)
        usage.threads = count;
    usage.cpu_ms = watch->cpu_time >= 0 ? group_cpu_ms(watch)
                                        : usage.cpu_ms + children_cpu_ms();
    if (limits->cpu_time_ms) {
        if (usage.cpu_ms >= limits->cpu_time_ms)
            return SANDBOX_LIMIT_CPU_TIME;
        *left_ms = smaller(*left_ms, (limits->cpu_time_ms - usage.cpu_ms) / 4);
    }
    /* The kernel refuses to fork at the limit. Whoever stays there does
     * nothing else any more. */
    watch->pids_full = limits->pids && usage.threads + 4 >= limits->pids
                           ? watch->pids_full + 1
                           : 0;
    if (watch->pids_full)
        *left_ms = smaller(*left_ms, TICK_MAX_MS / 5);
    if (!watch->namespaces && limits->pids && usage.threads > limits->pids)
        return SANDBOX_LIMIT_PIDS;
    return watch->pids_full > PIDS_FULL_TICKS ? SANDBOX_LIMIT_PIDS
                                              : SANDBOX_LIMIT_NONE;
}

enum sandbox_limit watch_tick(struct watch *watch, int *next_ms)
{
    pid_t *pids = process_ids;
    int count = list_processes(watch, pids, PIDS_MAX);
    int64_t left = FILL_SPEED * TICK_MAX_MS;
    int64_t left_ms = TICK_MAX_MS;
    struct sum sum;
    enum sandbox_limit limit;

    *next_ms = -1;
    if (!count)
        return SANDBOX_LIMIT_NONE;
    sum_init(watch, &sum);
    if (watch->limits.disk_bytes || watch->limits.memory_bytes)
        add_open_files(watch, pids, count, &sum);
    limit = check_disk(watch, sum.bytes, &left);
    if (limit == SANDBOX_LIMIT_NONE)
        limit = check_memory(watch, pids, count, sum.memory_bytes, &left);
    if (limit == SANDBOX_LIMIT_NONE)
        limit = check_processes(watch, pids, count, &left_ms);
    left_ms = smaller(left_ms, left / FILL_SPEED);
    *next_ms = (int)(left_ms < TICK_MIN_MS ? TICK_MIN_MS : left_ms);
    return limit;
}
