/* Documents: what a repository says to agents, at the pinned commit.
 *
 * Read from the mirror, never from a workspace, so that nothing that ran in a
 * sandbox has a say in it. Untrusted text all the same: whoever can commit
 * wrote it.
 *
 * AGENTS.md: in each folder from the root down to the task's, the first that
 * is there of AGENTS.override.md, AGENTS.md and the fallback names, at most
 * DOCUMENTS_BYTES_MAX together, the outermost first. Skills: a folder with a
 * SKILL.md that begins with a YAML block between lines of "---", with `name`
 * and `description`. */
#ifndef NIGHTJAR_TASKS_DOCUMENTS_H
#define NIGHTJAR_TASKS_DOCUMENTS_H

#include "base/arena.h"
#include "tasks/mirror.h"
#include "tasks/task.h"

#define DOCUMENTS_BYTES_MAX ((size_t)32 << 10)
#define SKILLS_MAX 200
#define SKILL_BYTES_MAX ((size_t)64 << 10)
#define SKILL_NAME_MAX 100
#define SKILL_DESCRIPTION_MAX 1000

struct document {
    const char *path; /* in the repository */
    const char *text; /* UTF-8 */
};

struct skill {
    const char *name; /* one line; sorted by it, then by path */
    const char *description;
    const char *path; /* of its SKILL.md */
    const char *text; /* all of it */
};

struct documents {
    struct arena arena;
    struct document *agents;
    size_t agent_count;
    struct skill *skills;
    size_t skill_count;
    /* What was left out, and why, for the journal: "skills/x: no name". */
    const char **problems;
    size_t problem_count;
};

/* Reads those that a task wants. ERROR_REPOSITORY when the mirror is broken;
 * a document that is no text is left out. The caller frees in any case. */
int documents_read(const struct mirror *mirror, const struct task *task,
                   struct documents *documents, struct error *err);
void documents_free(struct documents *documents);

#endif
