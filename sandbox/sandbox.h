/* The confinement of one attempt: opened once, many commands run in it,
 * closed with every process that they started.
 *
 * A process of ours becomes PID 1 of new namespaces (user, mount, PID,
 * network, IPC, UTS, cgroup), builds its file tree from nothing, drops every
 * capability, restricts itself by Landlock and the system-call filter, and
 * then starts commands as they are asked for. What it confines itself by,
 * they inherit, so a command costs little more than fork and exec. The same
 * process watches what they use together and ends them at a limit.
 *
 *     struct sandbox *sandbox = sandbox_open(&spec, &err);
 *     struct sandbox_process process;
 *     sandbox_start(sandbox, &command, &process, &err);
 *     ... read process.output, sandbox_wait(sandbox, &process, deadline) ...
 *     sandbox_process_close(&process);
 *     sandbox_close(sandbox);      // kills what is left
 *
 * Fail closed: what is required and not to be had is ERROR_SANDBOX with a
 * hint from sandbox_open, before any command. Where namespaces are neither
 * required nor to be had, Landlock and seccomp confine alone; what that mode
 * cannot give (a network list, the workspace at another place) is an error
 * too. */
#ifndef NIGHTJAR_SANDBOX_SANDBOX_H
#define NIGHTJAR_SANDBOX_SANDBOX_H

#include <stdint.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/error.h"

#define SANDBOX_WORKSPACE "/workspace"
#define SANDBOX_HOME "/home/agent"
#define SANDBOX_OBJECTS "/var/lib/nightjar/objects"
#define SANDBOX_UID 1000 /* as seen inside; SANDBOX_HOME's owner */
#define SANDBOX_PATH \
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define SANDBOX_COMMANDS_MAX 64               /* running at the same time */
#define SANDBOX_REQUEST_MAX ((size_t)4 << 20) /* argv and environment */
#define SANDBOX_REASON_MAX 256
#define SANDBOX_CALL_MAX 32 /* bytes of a system call's name */

/* Layers, as bits. */
enum sandbox_layer {
    SANDBOX_NAMESPACES = 1,
    SANDBOX_LANDLOCK = 2,
    SANDBOX_SECCOMP = 4,
    SANDBOX_CGROUP = 8,
    SANDBOX_LAYERS_ALL = 15,
};

/* Names in the order of their bits: "namespaces", … NULL past the end. */
const char *sandbox_layer_name(unsigned index);

/* The bit of a name; 0 for an unknown one. */
unsigned sandbox_layer_from_name(const char *name);

/* Limits of everything inside together, unless said otherwise; 0: none. */
struct sandbox_limits {
    int64_t memory_bytes;
    int64_t pids;        /* processes and threads at the same time */
    int64_t cpu_milli;   /* thousandths of a processor */
    int64_t cpu_time_ms; /* processor time in all */
    int64_t disk_bytes;  /* added to workspace and temporary files */
    int64_t file_bytes;  /* of each file */
};

/* Why commands were ended. */
enum sandbox_limit {
    SANDBOX_LIMIT_NONE,
    SANDBOX_LIMIT_MEMORY,
    SANDBOX_LIMIT_PIDS,
    SANDBOX_LIMIT_CPU_TIME,
    SANDBOX_LIMIT_DISK,
    SANDBOX_LIMIT_FILE_SIZE,
    SANDBOX_LIMITS
};

/* "memory", "pids", "cpu_time", "disk", "file_size"; NULL for none. */
const char *sandbox_limit_name(enum sandbox_limit limit);

/* "the memory limit of 512 MiB was reached"; owned by the caller. */
char *sandbox_limit_text(const struct sandbox_limits *limits,
                         enum sandbox_limit limit);

enum sandbox_network {
    SANDBOX_NETWORK_NONE,  /* the sandbox's own loopback alone */
    SANDBOX_NETWORK_PROXY, /* and the egress proxy: see sandbox_set_hosts */
    SANDBOX_NETWORK_OPEN,  /* the host's network */
};

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
    /* Absolute host path of a directory that becomes the workspace, changed
     * in place. It belongs to `identity`, or, when this process is root and
     * the filesystem can map owners, to anyone. With `lower`: a directory of
     * identity's that holds "upper" and "work", for what changes. */
    const char *workspace;
    const char *inside;  /* absolute; NULL: SANDBOX_WORKSPACE */
    const char *lower;   /* NULL, or the read-only files below an overlay */
    bool *no_overlay;    /* set when that is what the host cannot do */
    const char *objects; /* NULL, or a folder of git objects that the lower
                            files borrow: read-only at SANDBOX_OBJECTS */
    /* A host directory that this process may write to; "tmp", "var-tmp" and
     * "home" are made in it. */
    const char *scratch;
    const char *const *read; /* absolute host paths, mounted read-only at the
                                same place */
    size_t read_count;
    const char *const *write; /* likewise, writable */
    size_t write_count;
    /* A folder above scratch and workspace that others may be let through
     * (o+x) where the inside user has to walk that way; NULL: none. */
    const char *passage;
    struct sandbox_identity identity;
    struct sandbox_limits limits;
    enum sandbox_network network;
    bool protect_git; /* .git/config and .git/hooks of a workspace that is
                         changed in place are read-only */
    unsigned require; /* layers; seccomp always is */
    unsigned without; /* layers to do as if the host had them not */
    const struct sandbox_filter *filter; /* NULL: one is made for this */
};

/* What is in force. */
struct sandbox_state {
    unsigned layers;
    int landlock_abi; /* 0: none */
    bool overlay;
    char missing[4][SANDBOX_REASON_MAX]; /* by layer; "" when there */
    const char *memory_by;               /* "cgroup v2", "watch", …; "none" */
    const char *pids_by;
    const char *cpu_by;
    const char *disk_by;
};

struct sandbox_command {
    const char *const *argv;        /* NULL at the end; looked up in PATH */
    const char *const *environment; /* "NAME=value", NULL at the end: all that
                                       the command gets */
    const char *directory;          /* inside, absolute */
    bool terminal;       /* an own pseudo-terminal instead of pipes */
    unsigned short rows; /* of it; 0: 24 by 80 */
    unsigned short columns;
    bool input;  /* keep standard input open for writing; else /dev/null */
    bool errors; /* standard error apart */
};

/* A command that was started. The fds are the caller's: non-blocking, and
 * output gives end-of-file only when every process that holds it is gone. */
struct sandbox_process {
    uint32_t id;
    int input;  /* -1 when not asked for; same as output for a terminal */
    int output; /* standard output and error, in order of arrival */
    int errors; /* -1 when not asked for */
    bool exited;
    int status;               /* as from waitpid, once exited */
    enum sandbox_limit limit; /* that ended it, once exited */
};

/* Something that the owner may want to tell: a system call that was refused
 * (once for each call of a sandbox), a limit, or what went through the
 * proxy. */
struct sandbox_notice {
    enum sandbox_notice_type {
        SANDBOX_CALL_REFUSED, /* text: the call's name */
        SANDBOX_LIMIT_REACHED,
        SANDBOX_HOST, /* text: a host; what was done since the last one of
                         it; reason: of the last refusal, or "" */
    } type;
    enum sandbox_limit limit;
    char text[SANDBOX_REASON_MAX];
    char reason[SANDBOX_REASON_MAX];
    int port;
    int64_t connections; /* that ended */
    int64_t refusals;
    int64_t bytes_sent; /* by the sandbox */
    int64_t bytes_received;
};

struct sandbox;

/* The identity for a sandbox that this process opens: for an ordinary user
 * the user; for root a user that owns nothing (the workspace must be given
 * to it), different for each live process, where the host has such ids. */
struct sandbox_identity sandbox_identity(void);

/* Becomes that user for files alone: what this process makes is the
 * identity's, and its rights reach no further. Returns who it was. */
struct sandbox_identity sandbox_files_as(struct sandbox_identity identity);

/* Makes the filter; the caller frees it in any case. */
int sandbox_filter_make(struct sandbox_filter *filter, struct error *err);
void sandbox_filter_free(struct sandbox_filter *filter);

/* Lets this process's sandboxes have control groups, where the host gives
 * them: to be called once, before other processes are started, since a group
 * that holds processes cannot have children with limits. Nothing is wrong
 * where it can do nothing. */
void sandbox_prepare_groups(void);

/* Removes control groups that killed processes of ours left behind. */
void sandbox_sweep_groups(void);

/* Opens. On failure returns NULL; err says which step failed and its hint
 * what to do about it. */
struct sandbox *sandbox_open(const struct sandbox_spec *spec,
                             struct error *err);

const struct sandbox_state *sandbox_state(const struct sandbox *sandbox);
const struct sandbox_limits *sandbox_limits(const struct sandbox *sandbox);

/* The workspace, as commands see it: an open directory that goes on being
 * valid while the sandbox is open. Owned by the sandbox. */
int sandbox_workspace(const struct sandbox *sandbox);

/* The host's process id of its first process: with namespaces, once that one
 * is gone, so is everything that ran in the sandbox. */
pid_t sandbox_first_process(const struct sandbox *sandbox);

/* Paths as commands see them; owned by the sandbox. */
const char *sandbox_directory(const struct sandbox *sandbox);
const char *sandbox_home(const struct sandbox *sandbox);
const char *sandbox_temporary(const struct sandbox *sandbox);

/* Which hosts the proxy lets through from now on: "host", "host:port",
 * "*.example.org"; "*" for all public ones. Connections that are open are
 * cut. Only with SANDBOX_NETWORK_PROXY; it begins with none. */
int sandbox_set_hosts(struct sandbox *sandbox, const char *const *hosts,
                      size_t count, struct error *err);

/* The proxy's port on the sandbox's loopback; 0 without one. */
int sandbox_proxy_port(const struct sandbox *sandbox);

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

/* The next notice, oldest first; false when there is none. Notices beyond
 * some hundreds that nobody took are dropped. */
bool sandbox_next_notice(struct sandbox *sandbox,
                         struct sandbox_notice *notice);

/* Sends a signal to the process's group; none if it has exited. */
int sandbox_signal(struct sandbox *sandbox,
                   const struct sandbox_process *process, int signal,
                   struct error *err);

/* Kills every process inside and waits until they are gone: then nothing
 * changes the workspace any more, and all that went through the proxy is
 * counted. Commands can be started again after it. */
int sandbox_end_commands(struct sandbox *sandbox, struct error *err);

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
