/* Landlock: what processes may do to files, whatever mounts and modes say.
 *
 * With namespaces it is a second lock: reading is allowed in the sandbox's
 * own tree, writing where the plan is writable. Without them it is the first:
 * only what the plan names can be opened at all. Source: landlock(7). */
#ifndef NIGHTJAR_SANDBOX_LANDLOCK_H
#define NIGHTJAR_SANDBOX_LANDLOCK_H

#include "sandbox/mounts.h"

#define LANDLOCK_SCOPES 6 /* the version that keeps signals in */

/* The kernel's version of the interface; 0 when it has none. */
int landlock_version(void);

/* In PID 1, with no_new_privs set and, with namespaces, the new tree as the
 * root: restricts this process and its children for good. `tcp`: connections
 * and listening are not restricted. `proc` stays readable: a directory that
 * this process alone has. Only system calls. Returns 0 or -1 with
 * errno. */
int landlock_confine(const struct mounts *mounts, bool namespaces, bool tcp,
                     int proc, int version);

#endif
