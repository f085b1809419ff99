/* The record of a task (`for` in its manifest) as commands have it: in files
 * of the home folder and in variables that name them, never as part of a
 * command. */
#ifndef NIGHTJAR_RUNNER_TASK_RECORD_H
#define NIGHTJAR_RUNNER_TASK_RECORD_H

#include "base/error.h"
#include "runner/environment.h"
#include "tasks/task.h"

/* Writes ".nightjar/record.json" and ".nightjar/record/FIELD" into the home
 * folder on the host, before any command runs in it. Nothing to do without a
 * record. */
int task_record_write(const struct task *task, const char *home,
                      struct error *err);

/* Sets NIGHTJAR_ITEM, NIGHTJAR_ITEM_FIELD (short values of one line) and
 * NIGHTJAR_ITEM_FIELD_FILE; `home` as commands see it. */
void task_record_variables(const struct task *task, const char *home,
                           struct command_environment *environment);

/* Adds the record as a JSON object. */
void task_record_json(const struct task *task, struct buffer *out);

#endif
