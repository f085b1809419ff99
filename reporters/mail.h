/* One patch as mail: see mail.c for the format. */
#ifndef NIGHTJAR_REPORTERS_MAIL_H
#define NIGHTJAR_REPORTERS_MAIL_H

#include "reporters/reporter.h"

/* Whether the task ended with a patch that is to be sent: it passed and
 * changed something. */
bool mail_is_patch(const struct outcome_task *task);

/* "Name <mail>" of what is made of patches. */
const char *mail_author(const struct report_options *options);

/* Adds subject, body and trailers, as a commit has them. */
void mail_commit_message(const struct run_outcome *outcome,
                         const struct report_options *options,
                         const struct outcome_task *task, struct buffer *out);

/* Adds its message. Errors: ERROR_IO when the patch cannot be read or the
 * message does not fit. */
int mail_add(const struct run_outcome *outcome,
             const struct report_options *options,
             const struct outcome_task *task, struct buffer *out,
             struct error *err);

#endif
