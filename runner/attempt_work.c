/* What becomes of the agent's work: snapshot, patch, checks. */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/memory.h"
#include "runner/attempt_state.h"
#include "runner/checks.h"
#include "tasks/snapshot.h"

#define LANDING_MS 60000 /* for work whose time is over */
#define FEEDBACK_BYTES 16384
#define VIOLATIONS_TOLD_MAX 30 /* of each kind; an event has a limit */

void attempt_timed_out(const struct task *task, struct attempt_verdict *verdict)
{
    verdict_set(verdict, "failed", "timeout",
                "not done within %" PRId64 " seconds", task->timeout_ms / 1000);
}

void attempt_failed(const struct attempt_request *request,
                    const struct error *err, struct attempt_verdict *verdict)
{
    if (err->kind == ERROR_TIMEOUT && clock_now_ms() >= request->deadline)
        attempt_timed_out(request->task, verdict);
    else
        verdict_from_error(verdict, err);
}

/* ---- what the agent did ------------------------------------------------ */

/* An overlay in which nothing was changed, but for what git keeps. */
static bool is_untouched(int upper)
{
    int fd = openat(upper, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    bool untouched = folder != NULL;

    if (!folder)
        fd_reset(&fd);
    while (untouched && (entry = readdir(folder)))
        untouched = !strcmp(entry->d_name, ".") ||
                    !strcmp(entry->d_name, "..") ||
                    !strcmp(entry->d_name, ".git");
    if (folder)
        closedir(folder);
    return untouched;
}

int attempt_snapshot(struct attempt *attempt, struct object_id base,
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

    /* Reading a large tree to find that out takes longer than a turn. */
    if (!attempt->place.sandbox ||
        (attempt->place.upper >= 0 && is_untouched(attempt->place.upper)))
        return mirror_tree(request.mirror, tree, err);
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

int attempt_make_patch(struct attempt *attempt, struct violations *violations,
                       struct error *err)
{
    const struct mirror *mirror = attempt->request->mirror;
    struct violations findings;
    struct object_id found;
    struct json event;
    bool set_up = strcmp(attempt->base.hex, attempt->after_setup.hex) != 0;

    buffer_clear(&attempt->patch);
    patch_summary_free(&attempt->summary);
    if (attempt_snapshot(attempt, attempt->base, &found, err))
        return -1;
    attempt->tree = found;
    if ((set_up && snapshot_without(mirror, attempt->base, attempt->after_setup,
                                    found, &attempt->tree, err)) ||
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
    json_member_string(&event, "tree", attempt->tree.hex);
    put_violations(&event, "violations", violations);
    put_violations(&event, "findings", &findings);
    link_send(attempt->link, &event);
    return 0;
}

bool attempt_patch_acceptable(struct attempt *attempt,
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

void attempt_tell(struct attempt *attempt, struct span text)
{
    conversation_add_message(attempt->agent.conversation, "user", text);
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

/* The tree that the patch text itself gives: the one that it was made from,
 * or the text is none. */
static int apply_patch(const struct attempt *attempt, struct object_id *tree,
                       struct error *err)
{
    if (patch_apply_text(attempt->request->mirror, attempt->base,
                         buffer_span(&attempt->patch), tree, err))
        return -1;
    if (strcmp(tree->hex, attempt->tree.hex) != 0)
        return error_set(err, ERROR_INTERNAL,
                         "the patch does not give the tree that it was made "
                         "from");
    return 0;
}

enum proof attempt_apply(struct attempt *attempt)
{
    struct object_id tree;
    struct error err;

    if (!attempt->summary.count || !apply_patch(attempt, &tree, &err))
        return PROVEN;
    attempt_failed(attempt->request, &err, attempt->verdict);
    return SETTLED;
}

/* That tree with the pinned paths as they were: what is verified is what the
 * user will apply. */
static int tree_to_verify(struct attempt *attempt, struct object_id *tree,
                          struct error *err)
{
    const struct strings *pin = &attempt->task->verify_pin;
    struct object_id applied;

    if (apply_patch(attempt, &applied, err))
        return -1;
    return snapshot_pin(attempt->request->mirror, applied, attempt->base,
                        pin->items, pin->count, tree, err);
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
    attempt_tell(attempt, buffer_span(&text));
}

static void failed_check(struct attempt *attempt, const struct checked *checked)
{
    verdict_set(
        attempt->verdict, "failed", "verify", "check '%s' failed%s%s",
        checked->failed->name, checked->run.limit ? " at the limit: " : "",
        checked->run.limit ? sandbox_limit_name(checked->run.limit) : "");
    if (step_missed_a_program(&checked->run))
        snprintf(attempt->verdict->hint, sizeof(attempt->verdict->hint), "%s",
                 STEP_PROGRAM_HINT);
}

/* Runs the checks on the patch as it is. -1: the verdict is set. */
static int check_patch(struct attempt *attempt, struct checked *checked)
{
    struct object_id tree;
    struct error err;

    memset(checked, 0, sizeof(*checked));
    attempt->verify_rounds++;
    if (tree_to_verify(attempt, &tree, &err) ||
        checks_run(attempt->request, tree, "verify", attempt->verify_rounds,
                   checked, &err)) {
        attempt_failed(attempt->request, &err, attempt->verdict);
        return -1;
    }
    note_verify(attempt, checked);
    return 0;
}

enum proof attempt_verify(struct attempt *attempt)
{
    struct checked checked;
    enum proof proof = PROVEN;

    if (check_patch(attempt, &checked)) {
        proof = SETTLED;
    } else if (!checked.passed) {
        proof = attempt->verify_rounds <= attempt->task->fix_attempts
                    ? TRY_AGAIN
                    : SETTLED;
        failed_check(attempt, &checked);
        if (proof == TRY_AGAIN)
            tell_failure(attempt, &checked);
    }
    output_free(&checked.run.output);
    return proof;
}

void attempt_land(struct attempt *attempt)
{
    struct attempt_verdict verdict = *attempt->verdict;
    struct checked checked;

    if (!attempt->summary.count || !attempt->task->verify.count ||
        (strcmp(verdict.reason, "budget") != 0 &&
         strcmp(verdict.reason, "run_budget") != 0))
        return;
    if (!check_patch(attempt, &checked))
        snprintf(verdict.message + strlen(verdict.message),
                 sizeof(verdict.message) - strlen(verdict.message),
                 "; the patch as it is %s its checks",
                 checked.passed ? "passes" : "fails");
    output_free(&checked.run.output);
    *attempt->verdict = verdict;
}
