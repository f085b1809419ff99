/* update_plan: the model's own list of steps; kept in the transcript. */
#include "runner/tools/tool.h"

#define STEPS_MAX 100

int update_plan_run(struct tool_context *context, const struct tool_call *call,
                    struct tool_result *result, struct error *err)
{
    const cJSON *plan = json_get_array(call->json, "plan");
    const cJSON *step;
    int count = 0;
    int done = 0;

    (void)context;
    (void)err;
    if (!plan) {
        tool_refuse(result, "update_plan needs 'plan', a list of steps");
        return 0;
    }
    cJSON_ArrayForEach(step, plan)
    {
        const char *status = json_get_text(step, "status", "");

        if (!json_get_string(step, "step") || ++count > STEPS_MAX ||
            (strcmp(status, "pending") != 0 &&
             strcmp(status, "in_progress") != 0 &&
             strcmp(status, "completed") != 0)) {
            tool_refuse(result,
                        "step %d: expected {\"step\": text, \"status\": "
                        "pending, in_progress or completed}; at most %d steps",
                        count, STEPS_MAX);
            return 0;
        }
        done += !strcmp(status, "completed");
    }
    buffer_add_string(&result->text, "Plan updated");
    snprintf(result->summary, sizeof(result->summary), "%d of %d steps done",
             done, count);
    result->ok = true;
    return 0;
}
