#include "runner/checks.h"

#include <fcntl.h>
#include <inttypes.h>

#include "base/file.h"
#include "base/memory.h"

int checks_set_up(struct place *place, int64_t round, struct error *err)
{
    const struct task_steps *setup = &place->task->setup;

    for (size_t i = 0; i < setup->count; i++) {
        struct step_run run;
        int status =
            place_run_step(place, &setup->items[i], "setup", round, &run, err);

        output_free(&run.output);
        if (status)
            return -1;
        if (run.result == STEP_PASSED)
            continue;
        error_set(err, ERROR_SETUP, "setup step '%s' failed",
                  setup->items[i].name);
        if (step_missed_a_program(&run))
            return error_hint(err, "%s", STEP_PROGRAM_HINT);
        if (place->task->sandbox.network.mode != NETWORK_OPEN)
            return error_hint(err, "if it needs the network, 'network' of the "
                                   "step names hosts that it may reach");
        return -1;
    }
    return 0;
}

static int run_verify(struct place *place, const char *phase, int64_t round,
                      struct checked *checked, struct error *err)
{
    const struct task_steps *verify = &place->task->verify;

    *checked = (struct checked){.passed = true};
    for (size_t i = 0; i < verify->count && checked->passed; i++) {
        output_free(&checked->run.output);
        if (place_run_step(place, &verify->items[i], phase, round,
                           &checked->run, err))
            return -1;
        checked->passed = checked->run.result == STEP_PASSED;
        if (!checked->passed)
            checked->failed = &verify->items[i];
    }
    return 0;
}

int checks_run(const struct attempt_request *request, struct object_id tree,
               const char *purpose, int64_t round, struct checked *checked,
               struct error *err)
{
    CLEANUP(mem_free)
    char *scratch =
        mem_format("%s/%s-%" PRId64, request->scratch, purpose, round);
    CLEANUP(place_close) struct place place;
    struct place_request open = {.task = request->task,
                                 .link = request->link,
                                 .mirror = request->mirror,
                                 .tree = tree,
                                 .scratch = scratch,
                                 .remote = request->remote,
                                 .passage = request->passage,
                                 .filter = request->filter,
                                 .purpose = purpose,
                                 .attempt = request->number,
                                 .deadline = request->deadline};
    struct error ignored;

    memset(checked, 0, sizeof(*checked));
    /* Of a check that was cut off. */
    file_remove_tree(AT_FDCWD, scratch, &ignored);
    if (place_open(&open, &place, err) || checks_set_up(&place, round, err))
        return -1;
    return run_verify(&place, purpose, round, checked, err);
}
