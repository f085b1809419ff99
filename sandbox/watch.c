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
#include "sandbox/cgroup.h"

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
    if (process_read(watch->processes.proc, path, text, sizeof(text)) <= 0 ||
        !(at = strrchr(text, ')')))
        return;
    at++;
    for (int field = 3; field <= 20 && *at; field++) {
        at += strspn(at, " ");
        /* Its own, and that of children that it asked after. */
        if (field >= 14 && field <= 17)
            ticks += strtoll(at, &end, 10);
        if (field == 20)
            usage->threads += strtoll(at, &end, 10);
        at += strcspn(at, " ");
    }
    usage->cpu_ms += ticks * 1000 / sysconf(_SC_CLK_TCK);
}

/* The number behind a name at the start of a line, in KiB. */
static int64_t field_bytes(const char *text, const char *name)
{
    const char *at = strstr(text, name);

    return at ? (int64_t)strtoll(at + strlen(name), NULL, 10) << 10 : 0;
}

/* Memory that is no file's; exact: of what processes share its part. */
static int64_t memory_of(const struct watch *watch, pid_t pid, bool exact)
{
    char path[64];
    char text[4096];

    if (exact) {
        snprintf(path, sizeof(path), "%d/smaps_rollup", pid);
        if (process_read(watch->processes.proc, path, text, sizeof(text)) > 0)
            return field_bytes(text, "\nPss_Anon:") +
                   field_bytes(text, "\nPss_Shmem:") +
                   field_bytes(text, "\nSwapPss:");
    }
    snprintf(path, sizeof(path), "%d/status", pid);
    if (process_read(watch->processes.proc, path, text, sizeof(text)) <= 0)
        return 0;
    return field_bytes(text, "\nRssAnon:") + field_bytes(text, "\nRssShmem:") +
           field_bytes(text, "\nVmSwap:");
}

/* ---- files --------------------------------------------------------------- */

struct sum {
    int64_t bytes;
    int64_t memory_bytes; /* of files in memory */
    bool uncounted;       /* too deep, or closed */
    dev_t memory_device;
    dev_t devices[WATCH_ROOTS_MAX];
    size_t device_count;
    int seen_count;
    ino_t seen[OPEN_FILES_MAX];
};

/* Opens a folder although its owner, who this process is too, took the right
 * to read it away. Returns 0; -1: it cannot be counted. One that is gone is
 * an empty list. */
static int open_folder(int directory, const char *name, struct listing *list)
{
    struct stat info;
    int status;

    if (listing_open(list, directory, name) >= 0 || errno == ENOENT ||
        errno == ENOTDIR || errno == ELOOP)
        return 0;
    if (errno != EACCES ||
        fstatat(directory, name, &info, AT_SYMLINK_NOFOLLOW) ||
        fchmodat(directory, name, 0700, AT_SYMLINK_NOFOLLOW))
        return -1;
    status = listing_open(list, directory, name);
    /* It may have been renamed or removed meanwhile. */
    (void)!fchmodat(directory, name, info.st_mode & 07777, AT_SYMLINK_NOFOLLOW);
    return status < 0 ? -1 : 0;
}

static void add_tree(int directory, const char *name, int depth,
                     struct sum *sum)
{
    struct listing list;
    const struct listing_entry *entry;
    struct stat info;

    if (depth > DEPTH_MAX || open_folder(directory, name, &list)) {
        sum->uncounted = true;
        return;
    }
    while ((entry = listing_next(&list))) {
        if (!strcmp(entry->name, ".") || !strcmp(entry->name, ".."))
            continue;
        if (fstatat(list.fd, entry->name, &info, AT_SYMLINK_NOFOLLOW))
            continue;
        sum->bytes +=
            (int64_t)info.st_blocks * 512 / (info.st_nlink ? info.st_nlink : 1);
        if (S_ISDIR(info.st_mode))
            add_tree(list.fd, entry->name, depth + 1, sum);
    }
    if (list.fd >= 0)
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
        struct listing list;
        const struct listing_entry *entry;
        struct stat info;
        char path[64];

        snprintf(path, sizeof(path), "%d/fd", pids[i]);
        if (listing_open(&list, watch->processes.proc, path) < 0)
            continue;
        while ((entry = listing_next(&list))) {
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

static int64_t roots_bytes(const struct watch *watch, bool *uncounted)
{
    struct sum sum = {0};

    for (size_t i = 0; i < watch->root_count; i++)
        add_tree(watch->roots[i], ".", 0, &sum);
    *uncounted = sum.uncounted;
    return sum.bytes;
}

void watch_begin(struct watch *watch)
{
    bool uncounted;

    watch->pids_full = 0;
    if (watch->began || !watch->limits.disk_bytes)
        return;
    watch->began = true;
    watch->disk_base = roots_bytes(watch, &uncounted);
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
    bool uncounted;

    watch->disk_free = free_bytes(watch);
    watch->disk_used =
        roots_bytes(watch, &uncounted) + unnamed - watch->disk_base;
    if (uncounted)
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

/* The kernel killed one process; the others were started for the same. */
static enum sandbox_limit check_group(struct watch *watch)
{
    int64_t kills = cgroup_memory_kills(watch->memory_events);

    if (kills == watch->memory_kills)
        return SANDBOX_LIMIT_NONE;
    watch->memory_kills = kills;
    return SANDBOX_LIMIT_MEMORY;
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
    if (!watch->processes.namespaces && limits->pids &&
        usage.threads > limits->pids)
        return SANDBOX_LIMIT_PIDS;
    return watch->pids_full > PIDS_FULL_TICKS ? SANDBOX_LIMIT_PIDS
                                              : SANDBOX_LIMIT_NONE;
}

enum sandbox_limit watch_tick(struct watch *watch, int *next_ms)
{
    const pid_t *pids;
    int count = processes_list(&watch->processes, &pids);
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
        limit = check_group(watch);
    if (limit == SANDBOX_LIMIT_NONE)
        limit = check_memory(watch, pids, count, sum.memory_bytes, &left);
    if (limit == SANDBOX_LIMIT_NONE)
        limit = check_processes(watch, pids, count, &left_ms);
    left_ms = smaller(left_ms, left / FILL_SPEED);
    *next_ms = (int)(left_ms < TICK_MIN_MS ? TICK_MIN_MS : left_ms);
    return limit;
}
