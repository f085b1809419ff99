/* The confinement of one attempt: opened once, many commands run in it,
 * closed with every process that they started.
 *
 * A process of ours becomes PID 1 of new namespaces (user, mount, PID,
 * network, IPC, UTS, cgroup), builds its file tree from nothing, drops every
 * capability, installs the system-call filter, and then starts commands as
 * they are asked for. What it confines itself by, they inherit, so a command
 * costs little more than fork and exec.
 *
 *     struct sandbox *sandbox = sandbox_open(&spec, &err);
 *     struct sandbox_process process;
 *     sandbox_start(sandbox, &command, &process, &err);
 *     ... read process.output, sandbox_wait(sandbox, &process, deadline) ...
 *     sandbox_process_close(&process);
 *     sandbox_close(sandbox);      // kills what is left
 *
 * Fail closed: a layer that the host does not give is ERROR_SANDBOX with a
 * hint from sandbox_open; nothing ever runs with less than all of them. */
#ifndef NIGHTJAR_SANDBOX_SANDBOX_H
#define NIGHTJAR_SANDBOX_SANDBOX_H

#include <stdint.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/error.h"

#define SANDBOX_WORKSPACE "/workspace"
#define SANDBOX_HOME "/home/agent"
#define SANDBOX_UID 1000 /* as seen inside; SANDBOX_HOME's owner */
#define SANDBOX_PATH \
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define SANDBOX_COMMANDS_MAX 64               /* running at the same time */
#define SANDBOX_REQUEST_MAX ((size_t)4 << 20) /* argv and environment */

/* Who the inside user is outside. */
struct sandbox_identity {
    uid_t uid;
    gid_t gid;
};

/* The system-call filter as the kernel takes it. Making it costs more than
 * the rest of a sandbox, so whoever opens many makes it once. */
struct sandbox_filter {
    struct buffer program;
};

struct sandbox_spec {
    const char *workspace;   /* absolute host path of a directory that identity
                                owns; becomes SANDBOX_WORKSPACE */
    const char *const *read; /* absolute host paths, mounted read-only at the
                                same place */
    size_t read_count;
    const char *const *write; /* likewise, writable */
    size_t write_count;
    struct sandbox_identity identity;
    int64_t memory_bytes;  /* address space of each process */
    int64_t pids;          /* processes and threads at the same time */
    int64_t scratch_bytes; /* of each of /tmp, /home and /dev/shm */
    const struct sandbox_filter *filter; /* NULL: one is made for this */
};

struct sandbox_command {
    const char *const *argv;        /* NULL at the end; looked up in PATH */
    const char *const *environment; /* "NAME=value", NULL at the end: all that
                                       the command gets */
    const char *directory;          /* inside, absolute */
    bool terminal; /* an own pseudo-terminal instead of pipes */
    bool input;    /* keep standard input open for writing; else /dev/null */
};

/* A command that was started. The fds are the caller's: non-blocking, and
 * output gives end-of-file only when every process that holds it is gone. */
struct sandbox_process {
    uint32_t id;
    int input;  /* -1 when not asked for; same as output for a terminal */
    int output; /* standard output and error, in order of arrival */
    bool exited;
    int status; /* as from waitpid, once exited */
};

struct sandbox;

/* The identity for a sandbox that this process opens: for an ordinary user
 * the user; for root a user that owns nothing (the workspace must be given
 * to it), different for each live process, where the host has such ids. */
struct sandbox_identity sandbox_identity(void);

/* Makes the filter; the caller frees it in any case. */
int sandbox_filter_make(struct sandbox_filter *filter, struct error *err);
void sandbox_filter_free(struct sandbox_filter *filter);

/* Opens. On failure returns NULL; err says which step failed and its hint
 * what to do about it. */
struct sandbox *sandbox_open(const struct sandbox_spec *spec,
                             struct error *err);

/* The names of the layers in force, NULL at the end. */
const char *const *sandbox_layers(void);

/* Starts a command. The program that cannot be started is ERROR_IO with the
 * reason; a sandbox that is gone is ERROR_SANDBOX. */
int sandbox_start(struct sandbox *sandbox,
                  const struct sandbox_command *command,
                  struct sandbox_process *process, struct error *err);

/* Waits until the process has exited or the deadline (base/clock.h) passed.
 * Returns 1 when it has exited, 0 at the deadline, -1 when the sandbox is
 * gone. */
int sandbox_wait(struct sandbox *sandbox, struct sandbox_process *process,
                 int64_t deadline, struct error *err);

/* A descriptor that becomes readable when some process may have exited. */
int sandbox_events(const struct sandbox *sandbox);

/* Takes in what init has reported without waiting, and marks *process when
 * its exit is among it. -1 when the sandbox is gone. */
int sandbox_poll(struct sandbox *sandbox, struct sandbox_process *process,
                 struct error *err);

/* Sends a signal to the process's group; none if it has exited. */
int sandbox_signal(struct sandbox *sandbox,
                   const struct sandbox_process *process, int signal,
                   struct error *err);

/* Closes the fds; the process goes on. Accepts one that was never started
 * when its fds are -1. */
void sandbox_process_close(struct sandbox_process *process);

/* Kills every process inside, waits until they are gone, releases. Accepts
 * NULL. */
void sandbox_close(struct sandbox *sandbox);
void sandbox_cleanup(struct sandbox **sandbox); /* for CLEANUP */

/* What sandbox_open would do, a line for each operation, for people. */
int sandbox_describe(const struct sandbox_spec *spec, struct buffer *out,
                     struct error *err);

#endif
