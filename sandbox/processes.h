/* The processes of a sandbox, as its PID 1 finds them in /proc, and folders
 * read without memory of the heap. */
#ifndef NIGHTJAR_SANDBOX_PROCESSES_H
#define NIGHTJAR_SANDBOX_PROCESSES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct listing {
    int fd; /* the caller's to close */
    long length;
    long at;
    char bytes[2048] __attribute__((aligned(8)));
};

struct listing_entry { /* struct linux_dirent64, getdents(2) */
    uint64_t inode;
    int64_t offset;
    unsigned short length;
    unsigned char type;
    char name[];
};

/* Opens the folder at path, no link, for listing_next. Returns list->fd, or
 * -1 with errno. */
int listing_open(struct listing *list, int directory, const char *path);

/* The next entry, valid until the next call; NULL at the end and on errors. */
const struct listing_entry *listing_next(struct listing *list);

struct processes {
    int proc;        /* a /proc of this PID namespace, or the host's */
    bool namespaces; /* every process in proc is ours; else descendants */
    bool alone;      /* kill(-1) reaches the sandbox's processes alone */
};

/* All but this one. *pids is valid until the next call of any function here;
 * of more than 65,536 the first ones. Returns how many. */
int processes_list(const struct processes *all, const pid_t **pids);

/* How many there are but this one. */
int processes_count(const struct processes *all);

/* Kills all but this one. */
void processes_kill(const struct processes *all);

/* How many processes and threads the user has on the host, as far as proc
 * tells. */
int processes_of_user(int proc, uid_t uid);

/* Reads the file at path, at most size - 1 bytes, which are ended by a zero.
 * Returns their number, or -1 with errno. */
ssize_t process_read(int directory, const char *path, char *out, size_t size);

#endif
