/* Compaction: a conversation that comes near the model's window is replaced,
 * behind its prefix, by what it came to.
 *
 * By the provider where it has a way (an opaque item), else by a summary that
 * a model writes. What we told the agent is kept, newest first, up to a
 * bound; the plan, what must not be changed and the schema of the final
 * message are said again. A compaction that is itself too long for the model
 * leaves out the oldest turns and tries again; one that follows another
 * without a response between them ends the attempt (ERROR_CONTEXT_LENGTH). */
#ifndef NIGHTJAR_RUNNER_AGENT_COMPACTION_H
#define NIGHTJAR_RUNNER_AGENT_COMPACTION_H

#include "runner/agent/loop.h"

/* Whether the next request would pass compact_at. */
bool compaction_is_due(const struct agent *agent);

/* Compacts, for the reason "threshold" or "context_length". */
int compact(struct agent *agent, const char *reason, struct error *err);

#endif
