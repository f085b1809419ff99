#include "sandbox/processes.h"

#include <ctype.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PROCESSES_MAX 65536
#define KILL_TRIES 64

/* PID 1 has one thread, and its stack is small. */
static pid_t process_ids[PROCESSES_MAX];

const struct listing_entry *listing_next(struct listing *list)
{
    const struct listing_entry *entry;

    if (list->at >= list->length) {
        list->at = 0;
        list->length =
            syscall(SYS_getdents64, list->fd, list->bytes, sizeof(list->bytes));
        if (list->length <= 0)
            return NULL;
    }
    entry =
        (const struct listing_entry *)(const void *)(list->bytes + list->at);
    list->at += entry->length;
    return entry;
}

int listing_open(struct listing *list, int directory, const char *path)
{
    list->at = list->length = 0;
    list->fd = openat(directory, path,
                      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return list->fd;
}

ssize_t process_read(int directory, const char *path, char *out, size_t size)
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

/* The children of one thread, added to process_ids. The file may be longer
 * than any buffer: digits are read as they come. */
static int add_children(const struct processes *all, pid_t pid,
                        const char *task, int count)
{
    char path[300];
    char text[2048];
    ssize_t got;
    pid_t child = 0;
    int fd;

    snprintf(path, sizeof(path), "%d/task/%.20s/children", pid, task);
    fd = openat(all->proc, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return count;
    while ((got = read(fd, text, sizeof(text))) > 0) {
        for (ssize_t i = 0; i < got; i++) {
            if (isdigit((unsigned char)text[i])) {
                child = child * 10 + (text[i] - '0');
            } else if (child) {
                if (count < PROCESSES_MAX)
                    process_ids[count++] = child;
                child = 0;
            }
        }
    }
    close(fd);
    return count;
}

/* process_ids is filled with this process's descendants, breadth first. */
static int find_descendants(const struct processes *all)
{
    int count = 0;
    int done = -1;

    for (pid_t of = getpid();; of = process_ids[done]) {
        struct listing list;
        const struct listing_entry *entry;
        char path[64];

        snprintf(path, sizeof(path), "%d/task", of);
        if (listing_open(&list, all->proc, path) >= 0) {
            while ((entry = listing_next(&list))) {
                if (isdigit((unsigned char)*entry->name))
                    count = add_children(all, of, entry->name, count);
            }
            close(list.fd);
        }
        if (++done >= count)
            return count;
    }
}

int processes_list(const struct processes *all, const pid_t **pids)
{
    struct listing list = {.fd = all->proc};
    const struct listing_entry *entry;
    int count = 0;

    *pids = process_ids;
    if (!all->namespaces)
        return find_descendants(all);
    if (lseek(all->proc, 0, SEEK_SET) < 0)
        return 0;
    while ((entry = listing_next(&list))) {
        long pid = isdigit((unsigned char)*entry->name)
                       ? strtol(entry->name, NULL, 10)
                       : 0;

        if (pid > 1 && count < PROCESSES_MAX)
            process_ids[count++] = (pid_t)pid;
    }
    return count;
}

int processes_count(const struct processes *all)
{
    const pid_t *pids;

    return processes_list(all, &pids);
}

int processes_of_user(int proc, uid_t uid)
{
    struct listing list = {.fd = proc};
    const struct listing_entry *entry;
    struct stat info;
    int count = 0;

    if (lseek(proc, 0, SEEK_SET) < 0)
        return 0;
    while ((entry = listing_next(&list))) {
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
static bool is_zombie(const struct processes *all, pid_t pid)
{
    char path[64];
    char text[512];
    const char *name_end;

    snprintf(path, sizeof(path), "%d/stat", pid);
    if (process_read(all->proc, path, text, sizeof(text)) <= 0)
        return true;
    name_end = strrchr(text, ')');
    return name_end && (name_end[2] == 'Z' || name_end[2] == 'X');
}

void processes_kill(const struct processes *all)
{
    static const int signals[] = {SIGSTOP, SIGKILL};
    bool alive = true;

    if (all->alone) {
        kill(-1, SIGKILL);
        return;
    }
    /* Stopped ones cannot fork on while the rest is looked for. */
    for (int tries = 0; alive && tries < KILL_TRIES; tries++) {
        const pid_t *pids;
        int count = processes_list(all, &pids);

        alive = false;
        for (int i = 0; i < count; i++) {
            if (is_zombie(all, pids[i]))
                continue;
            kill(pids[i], signals[tries % 2]);
            alive = true;
        }
    }
}
