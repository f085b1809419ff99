/* Processes of a sandbox without namespaces whose first process was killed:
 * they become children of the owner, which must not let them live on.
 *
 * The owner has other children too. Those of a sandbox are told by the
 * filters that are on them and that the owner itself does not have; the first
 * processes of other sandboxes, which have them as well, are known here. */
#ifndef NIGHTJAR_SANDBOX_ORPHANS_H
#define NIGHTJAR_SANDBOX_ORPHANS_H

#include <sys/types.h>

/* The first process of a sandbox that is open. */
void orphans_spare(pid_t pid);
void orphans_forget(pid_t pid);

/* Kills and reaps until there are none. */
void orphans_kill(void);

#endif
