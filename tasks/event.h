/* Events: what happened, one JSON object a line, in the order it happened.
 *
 * The journal (journal.jsonl in a run directory) is these lines; every report
 * is computed from them and nothing else. Workers send them to the
 * supervisor, which checks them before it writes them down.
 *
 * Every event has `type` and `time` (RFC 3339, UTC, milliseconds); those of a
 * task have `task`. Readers ignore unknown members and unknown types, and a
 * last line without its newline (a torn write), which they count.
 *
 * type               members besides type, time, task
 * run_started        format (1), run_id, name, version (of nightjar),
 *                    model (name), provider, jobs, tasks (how many), shard,
 *                    shards, whole (of a part: which, of how many, tasks of
 *                    all),
 *                    budget {…} as set
 * task_planned       suite, cell, number (in the whole plan, from 0), repo,
 *                    ref|null, prompt_bytes,
 *                    verify [names], setup [names], definition (hash of
 *                    what is asked and how it is checked)
 * task_again         why (retry|rerun), anew (from the start, not from where
 *                    it was), attempts_before: a task that had ended
 * task_started       attempts (allowed)
 * attempt_started    attempt (from 1)
 * attempt_resumed    attempt, turn (that it goes on behind)
 * repository_ready   attempt, commit, ref|null, duration_ms
 * sandbox_ready      attempt, purpose (agent|verify|base), layers [names],
 *                    missing ["layer: why"], overlay, limited_by {memory,
 *                    pids, cpu, disk: what holds it}
 * syscall_refused    attempt, purpose, call (its name; once each)
 * limit_reached      attempt, purpose, limit (memory|pids|cpu_time|disk|
 *                    file_size), message
 * network_used       attempt, purpose, host, port, connections, refusals,
 *                    bytes_sent, bytes_received, reason (of the last refusal)
 * step_finished      attempt, phase (setup|base|verify), round (from 1), name,
 *                    result (passed|failed|timeout|killed), exit_status or
 *                    signal, duration_ms, output (UTF-8, head and tail),
 *                    output_bytes (before cutting)
 * prompt_made        attempt, prefix (its cache key), bytes, problems [text]
 *                    (documents that were left out)
 * prefix_leased      prefix, position (from 0: how many of it went before),
 *                    leader, waited_ms: the first request may go
 * turn_finished      attempt, turn (from 1 in each attempt), input_tokens,
 *                    cached_tokens, cache_write_tokens, output_tokens,
 *                    reasoning_tokens, cost_microusd|null (unknown price),
 *                    duration_ms, calls, estimated (the server told no
 *                    usage)
 * request_retried    attempt, turn, kind (error kind), status|0, again (false:
 *                    it was the last try), wait_ms, message,
 *                    estimated_input_tokens, estimated_output_tokens,
 *                    cost_microusd|null: of a response that broke off
 * tool_started       attempt, turn, call_id, tool, call
 * tool_finished      attempt, turn, call_id, tool, call (the command, or the
 *                    arguments, cut), decision (allow|deny),
 *                    reviewed, rule|null (file:line, default:line), reason, ok,
 *                    duration_ms, summary, plan [{step, status}] (of
 *                    update_plan)
 * commands_ended     attempt, commands [{session, command, output}]: that still
 *                    ran when the agent ended, each cut
 * call_reviewed      attempt, turn, call_id, model, decision, reason,
 *                    input_tokens, cached_tokens, output_tokens,
 *                    cost_microusd|null, duration_ms
 * compacted          attempt, turn, form (endpoint|trigger|summary), reason
 *                    (threshold|context_length), tokens_before, tokens_after
 *                    (estimates), input_tokens, cached_tokens, output_tokens,
 *                    cost_microusd|null, duration_ms
 * prefix_broken      attempt, turn, cause (compaction), byte (the first of the
 *                    request that differs from the one before)
 * patch_made         attempt, files, insertions, deletions, bytes, tree (that
 *                    it gives),
 *                    violations [{path, rule, message}],
 *                    findings [{path, rule, message}] (reported only)
 * verify_finished    attempt, round, passed, failed_step|null
 * attempt_finished   attempt, verdict, reason, message
 * artifact_written   name, path (in the run directory), bytes
 * task_finished      verdict (passed|failed|error|skipped), reason, message,
 *                    hint|null, retryable, attempts (made), commit|null,
 *                    duration_ms
 * reservation_lost   tokens, cost_microusd: the most that a request took whose
 *                    worker died
 * pilot_finished     tasks, passed, share_low, share_high (thousandths of
 *                    tasks that may be expected to pass), cost_microusd,
 *                    cost_low_microusd, cost_high_microusd (of the whole run;
 *                    missing without a price; -1: unknown), message
 * run_interrupted    signal (number), action (finish|stop)
 * run_finished       exit_status, exit_name, retryable, duration_ms
 *
 * reason, by verdict
 *   passed   completed (nothing to verify), verified
 *   failed   verify, verify_base (the check passes without the change),
 *            policy (protected path, too large, a secret…), no_changes,
 *            unexpected_changes, output_schema, no_message, budget, timeout
 *   error    an error kind (base/error.h)
 *   skipped  interrupted, fail_fast, failures, run_budget
 */
#ifndef NIGHTJAR_TASKS_EVENT_H
#define NIGHTJAR_TASKS_EVENT_H

#include <stdbool.h>

#include "base/json.h"

#define EVENT_BYTES_MAX ((size_t)1 << 20)   /* of one line */
#define EVENT_OUTPUT_MAX ((size_t)64 << 10) /* of a step's output in one */

/* Starts an event in `out` (cleared first): opens the object and writes type,
 * time (now) and, unless NULL, task. The caller adds members, then
 * event_end. */
struct json event_begin(struct buffer *out, const char *type, const char *task);

/* Closes the object and adds the newline. Returns -1 when it was too long for
 * its buffer: it must not be sent. */
int event_end(struct json *event);

/* Whether a worker may send an event of this type. */
bool event_from_worker(const char *type);

#endif
