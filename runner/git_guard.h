/* What git runs or obeys by itself, in a repository that a command may change
 * in place: hooks, configuration, and the files that say where those are.
 *
 * They are kept before the command and put back after it, in the repository
 * and in those of its submodules. Nothing is lost: what the command made of
 * them stays beside them under a name that git does not know. Nested
 * repositories of the workspace, and one that the command made, are not looked
 * at: they are its content. */
#ifndef NIGHTJAR_RUNNER_GIT_GUARD_H
#define NIGHTJAR_RUNNER_GIT_GUARD_H

#include "base/buffer.h"
#include "base/error.h"

#define GIT_GUARD_SUFFIX ".nightjar-refused"

struct git_guard;

/* Before the command. Returns 0 with *guard set, or NULL in it when the
 * folder has no .git; -1 when what is there is too much to keep. */
int git_guard_begin(const char *workspace, struct git_guard **guard,
                    struct error *err);

/* Once no process of the command is left: puts back what differs, and adds
 * the path of each such file (".git/config") to `changed`, with a zero after
 * each. Returns 0, or -1 when something could not be put back. Accepts
 * NULL. */
int git_guard_end(struct git_guard *guard, struct buffer *changed,
                  struct error *err);

void git_guard_free(struct git_guard *guard);

#endif
