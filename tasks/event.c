#include "tasks/event.h"

#include "base/clock.h"
#include "base/memory.h"

static const char *const worker_types[] = {
    "attempt_started", "repository_ready", "sandbox_ready",   "step_finished",
    "turn_finished",   "request_retried",  "tool_finished",   "patch_made",
    "verify_finished", "attempt_finished", "syscall_refused", "limit_reached",
    "network_used",    "prompt_made",      "attempt_resumed", "compacted",
    "prefix_broken",   "call_reviewed",    "commands_ended",  "tool_started"};

struct json event_begin(struct buffer *out, const char *type, const char *task)
{
    char time[CLOCK_RFC3339_BYTES];
    struct json event;

    buffer_clear(out);
    event = json_to(out);
    clock_rfc3339(clock_utc_ms(), time);
    json_object(&event);
    json_member_string(&event, "type", type);
    json_member_string(&event, "time", time);
    json_member_text(&event, "task", task);
    return event;
}

int event_end(struct json *event)
{
    json_end(event);
    return event->full || buffer_add_byte(event->out, '\n') ? -1 : 0;
}

bool event_from_worker(const char *type)
{
    for (size_t i = 0; i < ARRAY_LENGTH(worker_types); i++) {
        if (!strcmp(worker_types[i], type))
            return true;
    }
    return false;
}
