/* What the owner's side of a sandbox shares among its files. */
#ifndef NIGHTJAR_SANDBOX_OWNER_H
#define NIGHTJAR_SANDBOX_OWNER_H

#include "sandbox/cgroup.h"
#include "sandbox/control.h"
#include "sandbox/egress.h"

#define SANDBOX_EXITS_MAX (2 * SANDBOX_COMMANDS_MAX)
#define SANDBOX_NOTICES_MAX 256

struct process_exit {
    uint32_t id; /* 0: free */
    int status;
    enum sandbox_limit limit;
};

struct sandbox {
    int control;
    int pidfd;
    pid_t pid;
    int workspace;
    char *directory;
    char *home;
    char *temporary;
    uint32_t last_id;
    bool namespaces;
    struct sandbox_identity identity;
    struct sandbox_limits limits;
    struct sandbox_state state;
    struct cgroup cgroup;
    int64_t memory_kills; /* told so far */
    struct egress *egress;
    int proxy_port;
    struct process_exit exits[SANDBOX_EXITS_MAX]; /* nobody asked yet */
    struct sandbox_notice notices[SANDBOX_NOTICES_MAX];
    size_t notice_first;
    size_t notice_count;
};

/* The words for a step; never NULL. */
const char *sandbox_step_name(uint32_t step);

/* Sets err from a FAILED packet, or only its hint: what the host forbids, and
 * how to allow it. Return -1. */
int sandbox_explain(const struct control *packet, const struct mounts *mounts,
                    struct error *err);
int sandbox_hint_namespaces(struct error *err);

/* Makes tmp, var-tmp and home in spec->scratch, the inside user's. */
int sandbox_make_scratch(const struct sandbox_spec *spec, struct error *err);

/* Without a mount namespace the inside user walks the host's paths: lets
 * others through root's folders from `path` up to `passage` (NULL: none). */
int sandbox_open_passage(const char *passage, const char *path,
                         struct error *err);

/* One packet with a deadline; descriptors that came with it go to fds. */
int sandbox_take_packet(int control, struct control *packet,
                        int fds[static CONTROL_FDS_MAX], int64_t deadline,
                        struct error *err);

#endif
