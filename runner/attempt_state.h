/* Private to the files of an attempt: its state, and what becomes of the
 * agent's work. Others see attempt.h. */
#ifndef NIGHTJAR_RUNNER_ATTEMPT_STATE_H
#define NIGHTJAR_RUNNER_ATTEMPT_STATE_H

#include "runner/agent/prompt.h"
#include "runner/attempt.h"
#include "runner/place.h"
#include "tasks/patch.h"

struct attempt {
    struct attempt_request *request;
    const struct task *task;
    struct link *link;
    struct attempt_verdict *verdict;
    struct place place;
    struct object_id base;        /* the pinned commit */
    struct object_id after_setup; /* the tree that setup left */
    struct object_id tree;        /* base with the agent's changes alone */
    struct buffer patch;
    struct patch_summary summary;
    struct agent agent;
    char key[PROMPT_KEY_BYTES];
    int64_t verify_rounds;
};

void attempt_timed_out(const struct task *task,
                       struct attempt_verdict *verdict);

/* The verdict of an error, which may be that the time was over. */
void attempt_failed(const struct attempt_request *request,
                    const struct error *err, struct attempt_verdict *verdict);

/* Adds a message of ours to the conversation. */
void attempt_tell(struct attempt *attempt, struct span text);

/* The workspace as a tree, what setup changed included. */
int attempt_snapshot(struct attempt *attempt, struct object_id base,
                     struct object_id *tree, struct error *err);

/* Makes the patch, keeps it, and says what the policy says of it. */
int attempt_make_patch(struct attempt *attempt, struct violations *violations,
                       struct error *err);

/* The patch's own rules. False: the verdict is set. */
bool attempt_patch_acceptable(struct attempt *attempt,
                              const struct violations *violations);

enum proof { PROVEN, TRY_AGAIN, SETTLED };

/* Whether the patch, of a task without checks, is one: applied as text it
 * gives the agent's tree. SETTLED: the verdict is an error. */
enum proof attempt_apply(struct attempt *attempt);

/* Verifies. TRY_AGAIN: the agent has been told why it failed. */
enum proof attempt_verify(struct attempt *attempt);

/* Work that a limit has ended: what there is is checked, so that whoever looks
 * at it knows what it is worth. The verdict stays what it was. */
void attempt_land(struct attempt *attempt);

#endif
