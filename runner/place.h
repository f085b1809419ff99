/* A place to run commands in: a fresh checkout and the sandbox around it, for
 * the agent or for a verification. */
#ifndef NIGHTJAR_RUNNER_PLACE_H
#define NIGHTJAR_RUNNER_PLACE_H

#include "runner/environment.h"
#include "runner/link.h"
#include "runner/tools/output.h"
#include "sandbox/sandbox.h"
#include "tasks/checkout.h"
#include "tasks/task.h"

struct place {
    const struct task *task;
    struct link *link;
    const char *purpose;
    int64_t attempt;
    int64_t deadline;
    const struct network_setting *network; /* in force; NULL: none yet */
    char *scratch;         /* a folder on the host that holds all of it */
    char *directory;       /* the workspace on the host, unless … */
    char *overlay;         /* … this holds what changed, … */
    struct checkout lower; /* … over this */
    int root;              /* its descriptor, as commands see it */
    int upper;             /* where an overlay keeps what changed; or -1 */
    struct sandbox *sandbox;
    struct sandbox_identity identity;
    struct command_environment environment;
    const char *shell;
    bool rebooted; /* it existed before the machine was started again */
    bool keep;     /* closing leaves the files, for whoever goes on */
};

struct place_request {
    const struct task *task;
    struct link *link;
    struct mirror *mirror;               /* in the cache */
    const struct mirror_request *remote; /* it is of */
    struct object_id tree;               /* what the files are */
    const char *scratch;                 /* a folder to create */
    const char *passage;                 /* a folder above it: see sandbox.h */
    const struct sandbox_filter *filter;
    const char *purpose; /* agent, verify or base: for the journal */
    int64_t attempt;
    bool existing; /* the folder is there, with the files as they were left */
    int64_t deadline;
};

/* Checks out, unless it exists, and opens the sandbox. On failure nothing
 * runs. */
int place_open(const struct place_request *request, struct place *place,
               struct error *err);

/* Ends everything in it and, unless it is kept, removes it from disk. A folder
 * that cannot be removed is left to the run's guard. Accepts a place that did
 * not open. */
void place_close(struct place *place);

/* The shell of commands, the same for every sandbox on this host. */
const char *place_shell(void);

/* Sets what can be reached: what the step says, or, without one, the agent's
 * setting. Connections that are open are cut when it changes. */
int place_allow(struct place *place, const struct task_step *step,
                struct error *err);

/* Sends an event for each thing that the sandbox has to tell. */
void place_note(struct place *place);

enum step_result { STEP_PASSED, STEP_FAILED, STEP_TIMEOUT, STEP_KILLED };

struct step_run {
    enum step_result result;
    int status;               /* as from waitpid */
    enum sandbox_limit limit; /* that ended it */
    struct output output;     /* of the last step that ran */
};

/* What the shell's exit status 127 means here. */
#define STEP_PROGRAM_HINT                                                   \
    "exit status 127: a program is not in the sandbox, which has those of " \
    "the system (PATH=" SANDBOX_PATH "); sandbox.read shows it another "    \
    "folder, and sandbox.env.PATH has to name it"
bool step_missed_a_program(const struct step_run *run);

/* Runs one setup or verify step and sends its event and log. Returns -1 only
 * when the sandbox is gone or the deadline of the attempt passed
 * (ERROR_TIMEOUT). The caller frees run->output. */
int place_run_step(struct place *place, const struct task_step *step,
                   const char *phase, int64_t round, struct step_run *run,
                   struct error *err);

/* What a sandbox of this task is like, for --dry-run. */
int place_describe(const struct task *task, struct buffer *out,
                   struct error *err);

#endif
