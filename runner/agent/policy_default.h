/* The rules that follow after a manifest's own, and the file that shows them.
 *
 * They are about what a run does not want to happen by way of the network,
 * should the task allow it: work leaves by the patch, and is published by
 * people. */
#ifndef NIGHTJAR_RUNNER_AGENT_POLICY_DEFAULT_H
#define NIGHTJAR_RUNNER_AGENT_POLICY_DEFAULT_H

#include "base/buffer.h"
#include "tasks/task.h"

/* In their order; `line` is the rule's line in what policy_default_write
 * writes. */
const struct approve_rule *policy_default_rules(size_t *count);

/* As the part of a manifest that would say the same. */
void policy_default_write(struct buffer *out);

/* The host that a word of a command names: of "https://user@host:1/x",
 * "user@host:path", "host.example:80" or "host.example". NULL: none. Owned by
 * the caller, in lower case. */
char *policy_word_host(const char *word);

#endif
