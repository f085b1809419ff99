#include "runner/attempt.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/schema.h"
#include "runner/agent/calls.h"
#include "runner/attempt_state.h"
#include "runner/checks.h"

#define PROBLEMS_TOLD_MAX 50

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

int attempt_check_base(const struct attempt_request *request,
                       struct attempt_verdict *verdict)
{
    struct checked checked;
    struct error err;
    int status = checks_run(request, mirror_commit(request->mirror), "base", 1,
                            &checked, &err);

    output_free(&checked.run.output);
    if (status) {
        attempt_failed(request, &err, verdict);
        return -1;
    }
    if (!checked.passed)
        return 0;
    verdict_set(verdict, "failed", "verify_base",
                "the checks pass already without a change "
                "(verify_expect: fail_then_pass)");
    return -1;
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
        attempt_timed_out(attempt->task, verdict);
        break;
    case AGENT_STOPPED:
        verdict_set(verdict, "skipped", link_stop_reason(agent->stop),
                    "stopped after turn %" PRId64, agent->turn);
        break;
    case AGENT_ERROR:
        attempt_failed(attempt->request, err, verdict);
        break;
    }
    return false;
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
        attempt_tell(attempt, (struct span){text, strlen(text)});
    }
}

/* ---- whole ------------------------------------------------------------- */

/* Whether the agent can look at files or run anything. One that only answers
 * needs no workspace and no sandbox: there is nothing to confine. */
static bool needs_place(const struct task *task)
{
    return task->tools & ~(unsigned)TOOL_PLAN || task->setup.count;
}

/* A folder alone, which says that the attempt can be gone on with. */
static int open_no_place(struct attempt *attempt, const char *scratch,
                         struct error *err)
{
    const struct record *record = attempt->request->record;

    attempt->place.shell = place_shell();
    attempt->after_setup = record ? record->after_setup : attempt->base;
    if (mkdir(scratch, 0700) && !(record && errno == EEXIST))
        return error_set_errno(err, ERROR_IO, errno, "mkdir %s", scratch);
    return 0;
}

static int open_place(struct attempt *attempt, struct error *err)
{
    struct attempt_request *request = attempt->request;
    const struct record *record = request->record;
    CLEANUP(mem_free) char *scratch = mem_format("%s/agent", request->scratch);
    struct place_request open = {.task = attempt->task,
                                 .link = attempt->link,
                                 .mirror = request->mirror,
                                 .tree = attempt->base,
                                 .scratch = scratch,
                                 .remote = request->remote,
                                 .passage = request->passage,
                                 .filter = request->filter,
                                 .purpose = "agent",
                                 .attempt = request->number,
                                 .existing = record != NULL,
                                 .deadline = request->deadline};

    if (!needs_place(attempt->task))
        return open_no_place(attempt, scratch, err);
    if (place_open(&open, &attempt->place, err))
        return -1;
    if (record) {
        attempt->after_setup = record->after_setup;
        return 0;
    }
    if (checks_set_up(&attempt->place, 1, err))
        return -1;
    attempt->after_setup = attempt->base;
    if (attempt->task->setup.count)
        return attempt_snapshot(attempt, attempt->base, &attempt->after_setup,
                                err);
    return 0;
}

static void note_prompt(struct attempt *attempt, const struct prompt *prompt,
                        const struct documents *documents)
{
    struct json event = link_begin(attempt->link, "prompt_made");

    json_member_int(&event, "attempt", attempt->request->number);
    json_member_string(&event, "prefix", prompt->key);
    json_member_int(&event, "bytes",
                    (int64_t)(prompt->head.length + prompt->items.length));
    json_key(&event, "problems");
    json_array(&event);
    for (size_t i = 0; i < documents->problem_count && i < PROBLEMS_TOLD_MAX;
         i++)
        json_bytes(&event, documents->problems[i],
                   strnlen(documents->problems[i], 1000));
    json_end(&event);
    link_send(attempt->link, &event);
}

static void note_running(struct attempt *attempt)
{
    struct json event = link_begin(attempt->link, "commands_ended");

    json_member_int(&event, "attempt", attempt->request->number);
    json_key(&event, "commands");
    if (sessions_list(attempt->agent.tools->sessions, &event))
        link_send(attempt->link, &event);
}

/* Agent, patch, checks, until proven or settled. */
static void work(struct attempt *attempt)
{
    struct violations violations;
    struct error err;
    enum proof proof = TRY_AGAIN;

    while (proof == TRY_AGAIN) {
        bool ended = run_agent(attempt);

        /* What still runs would change what is looked at. */
        note_running(attempt);
        if (attempt->place.sandbox &&
            sandbox_end_commands(attempt->place.sandbox, &err)) {
            if (ended)
                attempt_failed(attempt->request, &err, attempt->verdict);
            return;
        }
        sessions_clear(attempt->agent.tools->sessions);
        /* Whatever the end was, what was done until then is kept. */
        if (attempt_make_patch(attempt, &violations, &err)) {
            if (ended)
                attempt_failed(attempt->request, &err, attempt->verdict);
            return;
        }
        if (!ended) {
            attempt_land(attempt);
            return;
        }
        if (!attempt_patch_acceptable(attempt, &violations))
            return;
        proof = attempt->task->verify.count ? attempt_verify(attempt)
                                            : attempt_apply(attempt);
    }
    if (proof == PROVEN)
        verdict_set(attempt->verdict, "passed",
                    attempt->task->verify.count ? "verified" : "completed",
                    "%s", "");
}

/* The agent of a new attempt, told all that comes before its first turn. */
static int begin_agent(struct attempt *attempt,
                       struct conversation *conversation, struct error *err)
{
    const struct attempt_request *request = attempt->request;
    const struct sandbox *sandbox = attempt->place.sandbox;
    const struct prompt_place place = {
        .workspace = sandbox ? sandbox_directory(sandbox) : SANDBOX_WORKSPACE,
        .home = sandbox ? sandbox_home(sandbox) : SANDBOX_HOME,
        .temporary = sandbox ? sandbox_temporary(sandbox) : "/tmp",
        .shell = attempt->place.shell};
    CLEANUP(documents_free) struct documents documents = {.agent_count = 0};
    CLEANUP(prompt_free) struct prompt prompt;
    const struct prompt_request wanted = {.task = attempt->task,
                                          .documents = &documents,
                                          .place = &place,
                                          .index = request->index,
                                          .jobs = request->run->jobs};

    memset(&prompt, 0, sizeof(prompt));
    if (documents_read(request->mirror, attempt->task, &documents, err))
        return -1;
    prompt_make(&wanted, &prompt);
    note_prompt(attempt, &prompt, &documents);
    record_begun(attempt->link, request->number, attempt->base,
                 attempt->after_setup, prompt.key, buffer_span(&prompt.head));
    prompt_begin(&prompt, conversation, attempt->link);
    snprintf(attempt->key, sizeof(attempt->key), "%s", prompt.key);
    attempt->agent.conversation = conversation;
    record_prefix(&attempt->agent);
    return 0;
}

/* The conversation is on disk; files that commands wrote may not be. */
static const char rebooted[] =
    "The machine went down and was started again. What was last written to "
    "files may be lost: look at the working copy (git status, git diff) before "
    "you go on, and make again what is missing.";

/* The agent of an attempt that was cut off, as its record has it. */
static void resume_agent(struct attempt *attempt,
                         struct conversation *conversation)
{
    struct record *record = attempt->request->record;
    struct agent *agent = &attempt->agent;
    bool answered = record->has_last && calls_count(&record->last) > 0;

    record_answer_interrupted(record);
    if (record->has_last && !answered) {
        agent->resumed = record->last;
        agent->has_resumed = true;
        memset(&record->last, 0, sizeof(record->last));
        record->has_last = false;
    }
    *conversation = record->conversation;
    memset(&record->conversation, 0, sizeof(record->conversation));
    snprintf(attempt->key, sizeof(attempt->key), "%s", record->key);
    agent->conversation = conversation;
    agent->turn = record->turn;
    model_skip_turns(agent->model, record->turn);
    agent->budget.told = record->told;
    agent->context_tokens = record->context_tokens;
    agent->context_bytes = record->context_bytes;
    if (attempt->place.rebooted) {
        /* It may have more to do than it thought. */
        model_reply_free(&agent->resumed);
        agent->has_resumed = false;
        attempt_tell(attempt, SPAN(rebooted));
    }
    agent->plan = STEAL(record->plan);
    agent->compactions = record->compactions;
    agent->since_compaction = record->since_compaction;
    attempt->verify_rounds = attempt->request->verify_rounds;
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
    struct conversation conversation = {.items = 0};
    struct error err;

    attempt->agent = (struct agent){.task = attempt->task,
                                    .model = model,
                                    .tools = &tools,
                                    .link = attempt->link,
                                    .prefix_key = attempt->key,
                                    .attempt = request->number,
                                    .deadline = request->deadline};
    attempt->agent.budget = (struct budget){.limits = &attempt->task->budget,
                                            .run = request->run,
                                            .totals = request->totals};
    buffer_init(&attempt->agent.final, MODEL_REPLY_BYTES_MAX);
    if (request->record)
        resume_agent(attempt, &conversation);
    if (!request->record && begin_agent(attempt, &conversation, &err))
        attempt_failed(request, &err, attempt->verdict);
    else
        work(attempt);
    request->totals = attempt->agent.budget.totals;
    agent_free(&attempt->agent);
    conversation_free(&conversation);
    sessions_close(tools.sessions);
}

static int insert_tape(const struct attempt_request *request,
                       struct model *model, struct error *err)
{
    struct tape *tape;

    if (!request->tape.folder)
        return 0;
    tape = tape_open(&request->tape, request->task->id, request->number,
                     request->link->secrets, err);
    if (!tape)
        return -1;
    model_set_tape(model, tape);
    return 0;
}

/* What differed from the recording is kept with the task's other files. */
static void keep_drift(const struct attempt_request *request,
                       struct model *model)
{
    CLEANUP(mem_free) char *drift = model ? model_take_drift(model) : NULL;

    if (drift && *drift)
        link_artifact(request->link, "drift.diff",
                      (struct span){drift, strlen(drift)});
}

void attempt_run(struct attempt_request *request,
                 struct attempt_verdict *verdict)
{
    struct attempt attempt = {
        .request = request,
        .task = request->task,
        .link = request->link,
        .verdict = verdict,
        .place = {.lower = {.use = -1}, .root = -1, .upper = -1},
        .base = mirror_commit(request->mirror)};
    CLEANUP(model_cleanup) struct model *model = NULL;
    struct error err;

    buffer_init(&attempt.patch, PATCH_BYTES_MAX);
    model =
        model_open(request->task->model, request->key, request->task->id, &err);
    if (!model || insert_tape(request, model, &err) ||
        open_place(&attempt, &err))
        attempt_failed(request, &err, verdict);
    else
        run_with_model(&attempt, model);
    keep_drift(request, model);
    attempt.place.keep = true; /* the caller knows for how long */
    place_close(&attempt.place);
    buffer_free(&attempt.patch);
    patch_summary_free(&attempt.summary);
}
