/* Any bytes as a manifest: they are refused with a problem, or become tasks
 * that keep what tasks/task.h promises. */
#include <stddef.h>
#include <stdint.h>

#include "tasks/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_task(const struct task *task)
{
    require(task->id && *task->id && strlen(task->id) <= TASK_ID_MAX);
    require(task->repo && *task->repo && task->directory && task->prompt);
    require(task->suite && task->matrix_cell && task->model && task->line);
    require(task->directory[0] != '/' && task->timeout_ms > 0);
    for (size_t i = 0; i < task->verify.count; i++)
        require(task->verify.items[i].run && task->verify.items[i].name &&
                task->verify.items[i].timeout_ms > 0);
    for (size_t i = 0; i < task->variables.count; i++)
        require(!strncmp(task->variables.items[i].name, "NIGHTJAR_", 9) &&
                task->variables.items[i].value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct problems problems = {0};
    struct buffer text;
    struct plan plan;
    int status;

    plan_init(&plan);
    buffer_init(&text, (size_t)64 << 20);
    status = manifest_parse(&plan, "fuzz/tasks.yaml",
                            (struct span){(const char *)data, size}, NULL,
                            &problems);
    require(status ? problems.count > 0 : !problems.count && plan.count);
    for (size_t i = 0; i < problems.count; i++)
        problem_format(&problems.items[i], &text);
    for (size_t i = 0; !status && i < plan.count; i++)
        check_task(&plan.tasks[i]);
    problems_free(&problems);
    buffer_free(&text);
    plan_free(&plan);
    return 0;
}
