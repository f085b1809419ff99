/* The files of a commit in a repository on this machine. */
#ifndef NIGHTJAR_TASKS_TRACKED_FILES_H
#define NIGHTJAR_TASKS_TRACKED_FILES_H

#include "base/arena.h"
#include "base/error.h"
#include "tasks/task.h"

#define TRACKED_FILES_MAX 1000000

/* The paths of the files (no links, no submodules) of `ref`, or HEAD for NULL,
 * that match one of the globs (base/glob.h), sorted; in the arena. Errors:
 * ERROR_REPOSITORY. */
int tracked_files(const char *repository, const char *ref,
                  const struct strings *globs, struct arena *arena,
                  struct strings *files, struct error *err);

#endif
