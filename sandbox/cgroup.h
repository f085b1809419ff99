/* A control group for a sandbox: memory, processes and processor time of all
 * that is in it, held by the kernel.
 *
 * Version 2 where a group that this process may make children of has the
 * controllers (root, a delegated scope of systemd, a container with its own
 * tree); version 1 for root. Nothing else can give them. Sources: the
 * kernel's admin-guide/cgroup-v2 and cgroup-v1. */
#ifndef NIGHTJAR_SANDBOX_CGROUP_H
#define NIGHTJAR_SANDBOX_CGROUP_H

#include "sandbox/sandbox.h"

#define CGROUP_CONTROLLERS 4

struct cgroup {
    int version;                     /* 0: there is none */
    char *paths[CGROUP_CONTROLLERS]; /* of memory, pids, cpu, cpu time; the
                                       same for version 2; NULL: not held */
    bool memory;
    bool pids;
    bool cpu;
    int cpu_time;      /* a file that counts it, or -1 */
    int memory_events; /* a file that counts kills for memory, or -1 */
};

/* Moves this process to a child of its group where that lets other children
 * have limits. */
void cgroup_prepare(void);

/* Makes a group with those limits that are not 0. On failure cgroup->version
 * is 0 and `reason` says why in words for people. */
void cgroup_make(struct cgroup *cgroup, const struct sandbox_limits *limits,
                 char reason[static SANDBOX_REASON_MAX]);

/* Puts a process in. */
int cgroup_add(const struct cgroup *cgroup, pid_t pid, struct error *err);

/* How many processes the kernel has killed for memory so far, by
 * cgroup->memory_events; 0 for -1. Only system calls. */
int64_t cgroup_memory_kills(int memory_events);

/* Removes groups whose process was killed before it could. */
void cgroup_sweep(void);

/* Kills what is left and removes it. */
void cgroup_free(struct cgroup *cgroup);

#endif
