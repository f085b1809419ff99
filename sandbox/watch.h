/* Watching what everything in a sandbox uses together, from its PID 1.
 *
 * Control groups hold memory, processes and processor time exactly where the
 * host gives them; resource limits (setrlimit(2)) hold one process each. What
 * neither holds is measured here: at intervals that shrink as a limit comes
 * near, since the room that is left and the speed of a machine say how soon
 * it can be reached.
 *
 * Memory is the sum of the processes' own pages, shared ones by halves
 * (PSS), and of memory files; processor time what /proc and wait4(2) count;
 * disk what workspace and temporary files grew by since the first command,
 * files that are open and have no name included. */
#ifndef NIGHTJAR_SANDBOX_WATCH_H
#define NIGHTJAR_SANDBOX_WATCH_H

#include <stdint.h>
#include <sys/types.h>

#include "sandbox/processes.h"
#include "sandbox/sandbox.h"

#define WATCH_ROOTS_MAX 4

struct watch {
    struct sandbox_limits limits; /* 0 where something else holds it */
    struct processes processes;
    int cpu_time;      /* a file that counts nanoseconds or "usage_usec N"; or
                          -1 */
    int memory_events; /* a group's, see cgroup_memory_kills; or -1 */
    int64_t memory_kills;
    int shared_memory;          /* /dev/shm; or -1 */
    int roots[WATCH_ROOTS_MAX]; /* what disk counts */
    size_t root_count;
    /* since the first command */
    bool began;
    int64_t disk_base;  /* bytes in the roots then */
    int64_t disk_used;  /* at the last count */
    int64_t disk_free;  /* of the file systems at the last count */
    int64_t counted_ms; /* when that was, and how long it took */
    int64_t counting_ms;
    int pids_full; /* ticks in a row at the limit of processes */
};

/* Before a command: remembers what is there. */
void watch_begin(struct watch *watch);

/* Measures once. Returns the limit that is passed, or none, and sets
 * *next_ms to when to measure again; -1: not before the next command. Only
 * system calls. */
enum sandbox_limit watch_tick(struct watch *watch, int *next_ms);

#endif
