#include "runner/attempt.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/schema.h"
#include "runner/agent/prompt.h"
#include "runner/place.h"
#include "tasks/patch.h"
#include "tasks/snapshot.h"

#define LANDING_MS                                             \
    60000 /* to keep the work of an attempt whose time is over \
           */
#define FEEDBACK_BYTES 16384
#define VIOLATIONS_TOLD_MAX 30 /* of each kind; an event has a limit */

struct attempt {
    struct attempt_request *request;
    const struct task *task;
    struct link *link;
    struct attempt_verdict *verdict;
    struct place place;
    struct object_id base;        /* the pinned commit */
    struct object_id after_setup; /* the tree that setup left */
    struct object_id tree;        /* base with the agent's changes alone */
    struct buffer patch;
    struct patch_summary summary;
    struct agent agent;
    int64_t verify_rounds;
};

void verdict_set(struct attempt_verdict *verdict, const char *word,
                 const char *reason, const char *format, ...)
{
    va_list arguments;

    verdict->verdict = word;
    verdict->reason = reason;
    verdict->hint[0] = '\0';
    va_start(arguments, format);
    vsnprintf(verdict->message, sizeof(verdict->message), format, arguments);
    va_end(arguments);
}

void verdict_from_error(struct attempt_verdict *verdict,
                        const struct error *err)
{
    verdict_set(verdict, "error", error_kind_name(err->kind), "%s", err->text);
    snprintf(verdict->hint, sizeof(verdict->hint), "%s", err->hint);
}

/* ---- setup and verification -------------------------------------------- */

/* A setup that fails is the world's fault: nothing could be judged. */
static int run_setup(struct place *place, int64_t round, struct error *err)
{
    const struct task_steps *setup = &place->task->setup;

    for (size_t i = 0; i < setup->count; i++) {
        struct step_run run;
        int status =
            place_run_step(place, &setup->items[i], "setup", round, &run, err);

        output_free(&run.output);
        if (status)
            return -1;
        if (run.result != STEP_PASSED)
            return error_set(err, ERROR_SETUP, "setup step '%s' failed",
                             setup->items[i].name);
    }
    return 0;
}

struct checked {
    bool passed;
    const struct task_step *failed; /* the first */
    struct step_run run;            /* of that step */
};

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

/* Setup and checks in a clean checkout of `tree`. */
static int check_tree(const struct attempt_request *request,
                      struct object_id tree, const char *purpose, int64_t round,
                      struct checked *checked, struct error *err)
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
                                 .checkouts = request->checkouts,
                                 .filter = request->filter,
                                 .purpose = purpose,
                                 .attempt = request->number,
                                 .deadline = request->deadline};

    memset(checked, 0, sizeof(*checked));
    if (place_open(&open, &place, err) || run_setup(&place, round, err))
        return -1;
    return run_verify(&place, purpose, round, checked, err);
}

static void timed_out(const struct task *task, struct attempt_verdict *verdict)
{
    verdict_set(verdict, "failed", "timeout",
                "not done within %" PRId64 " seconds", task->timeout_ms / 1000);
}

static void verdict_from_failure(const struct attempt_request *request,
                                 const struct error *err,
                                 struct attempt_verdict *verdict)
{
    if (err->kind == ERROR_TIMEOUT && clock_now_ms() >= request->deadline)
        timed_out(request->task, verdict);
    else
        verdict_from_error(verdict, err);
}

int attempt_check_base(const struct attempt_request *request,
                       struct attempt_verdict *verdict)
{
    struct checked checked;
    struct error err;
    int status = check_tree(request, mirror_commit(request->mirror), "base", 1,
                            &checked, &err);

    output_free(&checked.run.output);
    if (status) {
        verdict_from_failure(request, &err, verdict);
        return -1;
    }
    if (!checked.passed)
        return 0;
    verdict_set(verdict, "failed", "verify_base",
                "the checks pass already without a change "
                "(verify_expect: fail_then_pass)");
    return -1;
}

/* ---- what the agent did ------------------------------------------------ */

static int take_snapshot(struct attempt *attempt, struct object_id base,
                         struct object_id *tree, struct error *err)
{
    int64_t grace = clock_deadline(LANDING_MS);
    int64_t deadline = attempt->request->deadline;
    struct snapshot_request request = {.mirror = attempt->request->mirror,
                                       .workspace = attempt->place.root,
                                       .upper = attempt->place.upper,
                                       .base = base,
                                       .scratch = attempt->request->scratch,
                                       .deadline =
                                           deadline > grace ? deadline : grace};
    struct snapshot snapshot;

    if (snapshot_take(&request, &snapshot, err))
        return -1;
    *tree = snapshot.tree;
    return 0;
}

static void put_violations(struct json *event, const char *key,
                           const struct violations *violations)
{
    json_key(event, key);
    json_array(event);
    for (size_t i = 0; i < violations->count && i < VIOLATIONS_TOLD_MAX; i++) {
        const struct violation *violation = &violations->items[i];

        json_object(event);
        json_key(event, "path");
        json_bytes(event, violation->path, strnlen(violation->path, 1000));
        json_member_string(event, "rule", violation->rule);
        json_key(event, "message");
        json_bytes(event, violation->message,
                   strnlen(violation->message, 2000));
        json_end(event);
    }
    json_end(event);
}

/* Makes the patch, keeps it, and says what the policy says of it. */
static int make_patch(struct attempt *attempt, struct violations *violations,
                      struct error *err)
{
    const struct mirror *mirror = attempt->request->mirror;
    struct violations findings;
    struct object_id found;
    struct json event;

    buffer_clear(&attempt->patch);
    patch_summary_free(&attempt->summary);
    if (take_snapshot(attempt, attempt->base, &found, err) ||
        snapshot_without(mirror, attempt->base, attempt->after_setup, found,
                         &attempt->tree, err) ||
        patch_make(mirror, attempt->base, attempt->tree, &attempt->patch,
                   &attempt->summary, err))
        return -1;
    link_artifact(attempt->link, "patch.diff", buffer_span(&attempt->patch));
    patch_check(&attempt->summary, &attempt->task->policy.patch,
                attempt->task->directory, violations, &findings);
    event = link_begin(attempt->link, "patch_made");
    json_member_int(&event, "attempt", attempt->request->number);
    json_member_int(&event, "files", (int64_t)attempt->summary.count);
    json_member_int(&event, "insertions", attempt->summary.added);
    json_member_int(&event, "deletions", attempt->summary.removed);
    json_member_int(&event, "bytes", (int64_t)attempt->patch.length);
    put_violations(&event, "violations", violations);
    put_violations(&event, "findings", &findings);
    link_send(attempt->link, &event);
    return 0;
}

/* The patch's own rules. False: the verdict is set. */
static bool patch_acceptable(struct attempt *attempt,
                             const struct violations *violations)
{
    struct attempt_verdict *verdict = attempt->verdict;

    if (violations->count) {
        verdict_set(verdict, "failed", "policy", "%s%s",
                    violations->items[0].message,
                    violations->count > 1 ? " (and more)" : "");
        return false;
    }
    if (attempt->task->changes == CHANGES_REQUIRED && !attempt->summary.count) {
        verdict_set(verdict, "failed", "no_changes",
                    "the agent changed nothing");
        return false;
    }
    if (attempt->task->changes == CHANGES_NONE && attempt->summary.count) {
        verdict_set(verdict, "failed", "unexpected_changes",
                    "%zu files were changed; the task allows none",
                    attempt->summary.count);
        return false;
    }
    return true;
}

/* ---- final message ----------------------------------------------------- */

/* Checks the final message against output_schema; the text of what is wrong
 * goes to err. */
static int check_output(struct attempt *attempt, struct error *err)
{
    const char *text = attempt->task->output_schema;
    struct span final = buffer_span(&attempt->agent.final);
    CLEANUP(json_free) cJSON *value = NULL;
    struct schema *schema;
    int status;

    if (!text)
        return 0;
    value = json_parse(final.data, final.length, err);
    if (!value)
        return error_context(err, "the final message is no JSON");
    schema = schema_compile((struct span){text, strlen(text)}, err);
    if (!schema)
        return -1;
    status = schema_check(schema, value, err);
    schema_free(schema);
    if (!status)
        link_artifact(attempt->link, "output.json", final);
    return status;
}

/* Runs the agent until it has ended with an acceptable message. False: the
 * verdict is set. */
static bool agent_ends_well(struct attempt *attempt, enum agent_end end,
                            const struct error *err)
{
    struct agent *agent = &attempt->agent;
    struct attempt_verdict *verdict = attempt->verdict;

    link_artifact(attempt->link, "final.md", buffer_span(&agent->final));
    switch (end) {
    case AGENT_MESSAGE:
        return true;
    case AGENT_NO_MESSAGE:
        verdict_set(verdict, "failed", "no_message",
                    "the agent ended without a final message");
        break;
    case AGENT_BUDGET:
        verdict_set(verdict, "failed", "budget", "%s", agent->text);
        break;
    case AGENT_TIMEOUT:
        timed_out(attempt->task, verdict);
        break;
    case AGENT_STOPPED:
        verdict_set(verdict, "skipped", link_stop_reason(agent->stop),
                    "stopped after turn %" PRId64, agent->turn);
        break;
    case AGENT_ERROR:
        verdict_from_failure(attempt->request, err, verdict);
        break;
    }
    return false;
}

static void tell(struct attempt *attempt, struct span text)
{
    conversation_add_message(attempt->agent.conversation, "user", text);
}

/* Until the message fits output_schema: one repair. */
static bool run_agent(struct attempt *attempt)
{
    for (int repairs = 0;; repairs++) {
        CLEANUP(mem_free) char *text = NULL;
        struct error err;
        enum agent_end end = place_allow(&attempt->place, NULL, &err)
                                 ? AGENT_ERROR
                                 : agent_run(&attempt->agent, &err);

        place_note(&attempt->place);

        if (!agent_ends_well(attempt, end, &err))
            return false;
        if (!check_output(attempt, &err))
            return true;
        if (repairs) {
            verdict_set(attempt->verdict, "failed", "output_schema", "%s",
                        err.text);
            return false;
        }
        text = mem_format("Your final message does not fit the schema that is "
                          "required: %s. Answer with the corrected JSON and "
                          "nothing else.",
                          err.text);
        tell(attempt, (struct span){text, strlen(text)});
    }
}

/* ---- verification ------------------------------------------------------ */

static void note_verify(struct attempt *attempt, const struct checked *checked)
{
    struct json event = link_begin(attempt->link, "verify_finished");

    json_member_int(&event, "attempt", attempt->request->number);
    json_member_int(&event, "round", attempt->verify_rounds);
    json_member_bool(&event, "passed", checked->passed);
    json_key(&event, "failed_step");
    if (checked->failed)
        json_string(&event, checked->failed->name);
    else
        json_null(&event);
    link_send(attempt->link, &event);
}

/* The tree that the patch text itself gives, with the pinned paths as they
 * were: what is verified is what the user will apply. */
static int tree_to_verify(struct attempt *attempt, struct object_id *tree,
                          struct error *err)
{
    const struct mirror *mirror = attempt->request->mirror;
    const struct strings *pin = &attempt->task->verify_pin;
    struct object_id applied;

    if (patch_apply_text(mirror, attempt->base, buffer_span(&attempt->patch),
                         &applied, err))
        return -1;
    if (strcmp(applied.hex, attempt->tree.hex) != 0)
        return error_set(err, ERROR_INTERNAL,
                         "the patch does not give the tree that it was made "
                         "from");
    return snapshot_pin(mirror, applied, attempt->base, pin->items, pin->count,
                        tree, err);
}

static void tell_failure(struct attempt *attempt, const struct checked *checked)
{
    CLEANUP(buffer_free) struct buffer text = {0};
    const struct step_run *run = &checked->run;

    buffer_init(&text, FEEDBACK_BYTES * 8);
    buffer_addf(&text,
                "Your patch was applied to a clean checkout and checked "
                "there. The check '%s' failed: `%s` ",
                checked->failed->name, checked->failed->run);
    if (run->result == STEP_TIMEOUT)
        buffer_add_string(&text, "did not end in its time.");
    else if (run->result == STEP_KILLED)
        buffer_addf(&text, "was killed by signal %d.%s%s",
                    WTERMSIG(run->status),
                    run->limit ? " It reached the limit: " : "",
                    run->limit ? sandbox_limit_name(run->limit) : "");
    else
        buffer_addf(&text, "exited with code %d.", WEXITSTATUS(run->status));
    buffer_add_string(&text, " Its output:\n\n");
    output_render(&run->output, FEEDBACK_BYTES, &text);
    buffer_add_string(&text, "\n\nFind the cause and fix it; then end with a "
                             "final message again.");
    tell(attempt, buffer_span(&text));
}

enum proof { PROVEN, TRY_AGAIN, SETTLED };

/* Verifies. TRY_AGAIN: the agent has been told why it failed. */
static enum proof verify(struct attempt *attempt)
{
    struct attempt_request *request = attempt->request;
    struct attempt_verdict *verdict = attempt->verdict;
    struct object_id tree;
    struct checked checked;
    struct error err;
    enum proof proof = PROVEN;

    memset(&checked, 0, sizeof(checked));
    attempt->verify_rounds++;
    if (tree_to_verify(attempt, &tree, &err) ||
        check_tree(request, tree, "verify", attempt->verify_rounds, &checked,
                   &err)) {
        verdict_from_failure(request, &err, verdict);
        output_free(&checked.run.output);
        return SETTLED;
    }
    note_verify(attempt, &checked);
    if (!checked.passed) {
        proof = attempt->verify_rounds <= attempt->task->fix_attempts
                    ? TRY_AGAIN
                    : SETTLED;
        verdict_set(
            verdict, "failed", "verify", "check '%s' failed%s%s",
            checked.failed->name, checked.run.limit ? " at the limit: " : "",
            checked.run.limit ? sandbox_limit_name(checked.run.limit) : "");
        if (proof == TRY_AGAIN)
            tell_failure(attempt, &checked);
    }
    output_free(&checked.run.output);
    return proof;
}

/* ---- whole ------------------------------------------------------------- */

static int open_place(struct attempt *attempt, struct error *err)
{
    struct attempt_request *request = attempt->request;
    CLEANUP(mem_free) char *scratch = mem_format("%s/agent", request->scratch);
    struct place_request open = {.task = attempt->task,
                                 .link = attempt->link,
                                 .mirror = request->mirror,
                                 .tree = attempt->base,
                                 .scratch = scratch,
                                 .checkouts = request->checkouts,
                                 .filter = request->filter,
                                 .purpose = "agent",
                                 .attempt = request->number,
                                 .deadline = request->deadline};

    if (place_open(&open, &attempt->place, err) ||
        run_setup(&attempt->place, 1, err))
        return -1;
    attempt->after_setup = attempt->base;
    if (attempt->task->setup.count)
        return take_snapshot(attempt, attempt->base, &attempt->after_setup,
                             err);
    return 0;
}

/* Agent, patch, checks, until proven or settled. */
static void work(struct attempt *attempt)
{
    struct violations violations;
    struct error err;
    enum proof proof = TRY_AGAIN;

    while (proof == TRY_AGAIN) {
        bool ended = run_agent(attempt);

        /* Whatever the end was, what was done until then is kept. */
        if (make_patch(attempt, &violations, &err)) {
            if (ended)
                verdict_from_failure(attempt->request, &err, attempt->verdict);
            return;
        }
        if (!ended || !patch_acceptable(attempt, &violations))
            return;
        proof = attempt->task->verify.count ? verify(attempt) : PROVEN;
    }
    if (proof == PROVEN)
        verdict_set(attempt->verdict, "passed",
                    attempt->task->verify.count ? "verified" : "completed",
                    "%s", "");
}

static void run_with_model(struct attempt *attempt, struct model *model)
{
    struct attempt_request *request = attempt->request;
    struct tool_context tools = {
        .task = attempt->task,
        .sandbox = attempt->place.sandbox,
        .workspace = attempt->place.root,
        .identity = attempt->place.identity,
        .shell = attempt->place.shell,
        .environment = (const char *const *)attempt->place.environment.items,
        .deadline = request->deadline,
        .sessions = sessions_open()};
    const struct prompt_place place = {
        .workspace = sandbox_directory(attempt->place.sandbox),
        .home = sandbox_home(attempt->place.sandbox),
        .temporary = sandbox_temporary(attempt->place.sandbox),
        .shell = attempt->place.shell};
    struct conversation conversation;

    prompt_begin(&conversation, attempt->task, &place, attempt->link);
    attempt->agent = (struct agent){.task = attempt->task,
                                    .model = model,
                                    .tools = &tools,
                                    .conversation = &conversation,
                                    .link = attempt->link,
                                    .attempt = request->number,
                                    .deadline = request->deadline,
                                    .totals = request->totals};
    buffer_init(&attempt->agent.final, MODEL_REPLY_BYTES_MAX);
    work(attempt);
    request->totals = attempt->agent.totals;
    buffer_free(&attempt->agent.final);
    conversation_free(&conversation);
    sessions_close(tools.sessions);
}

void attempt_run(struct attempt_request *request,
                 struct attempt_verdict *verdict)
{
    struct attempt attempt = {.request = request,
                              .task = request->task,
                              .link = request->link,
                              .verdict = verdict,
                              .place = {.root = -1, .upper = -1},
                              .base = mirror_commit(request->mirror)};
    CLEANUP(model_cleanup) struct model *model = NULL;
    struct error err;

    buffer_init(&attempt.patch, PATCH_BYTES_MAX);
    model =
        model_open(request->task->model, request->key, request->task->id, &err);
    if (!model || open_place(&attempt, &err))
        verdict_from_failure(request, &err, verdict);
    else
        run_with_model(&attempt, model);
    place_close(&attempt.place);
    buffer_free(&attempt.patch);
    patch_summary_free(&attempt.summary);
}
