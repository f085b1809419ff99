/* Probing what the host gives sandboxes, by using it. */
#ifndef NIGHTJAR_SANDBOX_PROBE_H
#define NIGHTJAR_SANDBOX_PROBE_H

#include "sandbox/sandbox.h"

#define PROBES_MAX 24

enum probe_state {
    PROBE_WORKS,
    PROBE_MISSING, /* a sandbox is weaker or slower without it */
    PROBE_FATAL,   /* nothing can be confined without it */
};

struct probe {
    const char *name; /* "user namespace", … */
    enum probe_state state;
    char found[SANDBOX_REASON_MAX]; /* what it is, or why it is not there */
    char advice[ERROR_HINT_MAX];    /* what enables it; "" if nothing */
};

struct probes {
    struct probe items[PROBES_MAX];
    size_t count;
    bool full;     /* sandboxes with namespaces can be opened */
    bool confined; /* or at least those of Landlock and seccomp alone */
};

/* Tries everything. `scratch` is an empty directory to work in. */
void probe_host(const char *scratch, struct probes *probes);

/* Whether workspaces can be overlays below that directory. */
bool probe_overlay(const char *scratch);

#endif
