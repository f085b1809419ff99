/* Whether the processes of a sandbox that was cut off are still there.
 *
 * A kill of the run ends its sandboxes, but not at once: until their first
 * processes are gone, commands may still write to the workspace. So each place
 * notes who its first process is, and whoever goes on with it waits. */
#ifndef NIGHTJAR_RUNNER_LINGERING_H
#define NIGHTJAR_RUNNER_LINGERING_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

/* Notes the process in a file: boot, process id and start time. */
int lingering_note(const char *path, pid_t pid, struct error *err);

/* Waits until the process that the file names is gone (or was never noted), at
 * most some seconds: then ERROR_SANDBOX. */
int lingering_wait(const char *path, struct error *err);

/* Whether the machine was started again since the file was written: then what
 * was last written to disk may be lost. */
bool lingering_rebooted(const char *path);

#endif
