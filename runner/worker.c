#include "runner/worker.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "runner/attempt.h"
#include "runner/link.h"

#define TRANSCRIPT_BYTES_MAX ((size_t)1 << 30)

static void note_start(struct link *link, int64_t attempt)
{
    struct json event = link_begin(link, "attempt_started");

    json_member_int(&event, "attempt", attempt);
    link_send(link, &event);
}

static void note_verdict(struct link *link, int64_t attempt,
                         const struct attempt_verdict *verdict)
{
    struct json event = link_begin(link, "attempt_finished");

    json_member_int(&event, "attempt", attempt);
    json_member_string(&event, "verdict", verdict->verdict);
    json_member_string(&event, "reason", verdict->reason);
    json_member_string(&event, "message", verdict->message);
    if (*verdict->hint)
        json_member_string(&event, "hint", verdict->hint);
    link_send(link, &event);
}

static void note_resume(struct link *link, const struct record *record)
{
    struct json event = link_begin(link, "attempt_resumed");

    json_member_int(&event, "attempt", record->attempt);
    json_member_int(&event, "turn", record->turn);
    link_send(link, &event);
}

static void note_repository(const struct worker_job *job,
                            const struct attempt_request *request, bool fetched,
                            int64_t began)
{
    struct json event = link_begin(request->link, "repository_ready");

    json_member_int(&event, "attempt", request->number);
    json_member_string(&event, "commit", mirror_commit(request->mirror).hex);
    json_key(&event, "ref");
    if (job->task->ref)
        json_string(&event, job->task->ref);
    else
        json_null(&event);
    json_member_bool(&event, "fetched", fetched);
    json_member_int(&event, "duration_ms", clock_elapsed_ms(began));
    link_send(request->link, &event);
}

/* ---- the repository ---------------------------------------------------- */

/* The host of the remote has its turns, which the run gives. */
static int begin_fetch(void *context, const char *host, struct error *err)
{
    struct link *link = context;
    struct json ask = link_ask_begin(link, "enter");

    json_member_string(&ask, "host", host);
    if (link_ask(link, &ask))
        return 0;
    return error_set(err, ERROR_INTERRUPTED, "the run is to stop");
}

static void end_fetch(void *context)
{
    struct link *link = context;
    struct json ask = link_ask_begin(link, "exit");

    link_tell(link, &ask);
}

/* `ref`: what is wanted of the task's remote. */
static int take(const struct worker_job *job, struct attempt_request *request,
                const char *ref, struct error *err)
{
    struct link *link = request->link;
    const struct mirror_turns turns = {begin_fetch, end_fetch, link};
    CLEANUP(mem_free) char *objects = mem_format("%s/objects", job->scratch);
    struct mirror_request remote = *request->remote;
    char commit[LINK_COMMIT_LENGTH + 1];
    int64_t began = clock_now_ms();
    bool fetched;

    if (!request->record && !link_pin(link, commit))
        return error_set(err, ERROR_INTERRUPTED, "the run is to stop");
    remote.ref = request->record || !*commit ? ref : commit;
    remote.turns = &turns;
    remote.deadline = clock_deadline(job->task->timeout_ms);
    remote.fetch_ms = job->task->timeout_ms;
    if (mirror_take(&remote, &request->mirror, &fetched, err) ||
        mirror_write_to(request->mirror, objects, err))
        return -1;
    note_repository(job, request, fetched, began);
    /* The attempt's own time begins now: others may have been before us. */
    request->deadline = clock_deadline(job->task->timeout_ms);
    return 0;
}

/* A failure before the attempt has begun. */
static void fail(const struct attempt_request *request, const struct error *err,
                 struct attempt_verdict *verdict)
{
    enum link_stop stop = link_asked(request->link);

    if (stop && err->kind == ERROR_INTERRUPTED)
        verdict_set(verdict, "skipped", link_stop_reason(stop), "%s",
                    err->text);
    else
        verdict_from_error(verdict, err);
}

/* The mirror is taken and the base is checked once, in the first attempt. */
static void try_once(const struct worker_job *job,
                     struct attempt_request *request,
                     struct attempt_verdict *verdict)
{
    CLEANUP(mem_free)
    char *scratch =
        mem_format("%s/attempt-%" PRId64, job->scratch, request->number);
    struct error err;

    request->deadline = clock_deadline(job->task->timeout_ms);
    request->scratch = scratch;
    if (!request->mirror && take(job, request, job->task->ref, &err)) {
        fail(request, &err, verdict);
        return;
    }
    if (!request->record) {
        file_remove_tree(AT_FDCWD, scratch, &err);
        if (mkdir(scratch, 0700)) {
            verdict_set(verdict, "error", "io", "cannot create %s", scratch);
            return;
        }
    }
    if (!request->record && request->number == 1 &&
        job->task->verify_expect == VERIFY_FAIL_THEN_PASS &&
        attempt_check_base(request, verdict))
        return;
    attempt_run(request, verdict);
}

/* A mirror that cannot be read is fetched anew, and the attempt made once
 * more, as long as nothing was paid for in it. */
static void try_with_good_mirror(const struct worker_job *job,
                                 struct attempt_request *request,
                                 struct attempt_verdict *verdict)
{
    int64_t turns = request->totals.turns;
    struct mirror_request remote = *request->remote;
    struct error err;

    try_once(job, request, verdict);
    if (strcmp(verdict->verdict, "error") != 0 ||
        strcmp(verdict->reason, "repository") != 0 || !request->mirror ||
        request->record || request->totals.turns != turns)
        return;
    remote.deadline = request->deadline;
    if (!mirror_renew(request->mirror, &remote, &err))
        try_once(job, request, verdict);
}

/* ---- going on ---------------------------------------------------------- */

/* The record of a run that was cut off, with its workspace. 1: both; 0: the
 * attempt begins anew; -1: the record is there and cannot be read: what was
 * paid for is not thrown away in silence. */
static int find_record(const struct worker_job *job, struct link *link,
                       struct record *record, struct error *err)
{
    CLEANUP(mem_free) char *workspace = NULL;
    CLEANUP(buffer_free) struct buffer text = {0};
    int found;

    if (access(job->transcript, F_OK))
        return 0;
    buffer_init(&text, TRANSCRIPT_BYTES_MAX);
    if (file_read(AT_FDCWD, job->transcript, &text, err))
        return -1;
    found = record_read(buffer_span(&text), link, record, err);
    if (found < 0)
        return error_hint(err, "remove the task's folder from the run "
                               "directory to begin it anew");
    if (found < 1 || record->attempt != job->attempt)
        return 0;
    workspace = mem_format("%s/attempt-%" PRId64 "/agent", job->scratch,
                           record->attempt);
    return !access(workspace, F_OK);
}

/* -1: the verdict is set. */
static int go_on_or_begin(const struct worker_job *job,
                          struct attempt_request *request,
                          struct record *record,
                          struct attempt_verdict *verdict)
{
    struct link *link = request->link;
    struct error err;
    int found = job->transcript ? find_record(job, link, record, &err) : 0;

    request->number = job->attempt;
    request->totals = job->totals;
    request->deadline = clock_deadline(job->task->timeout_ms);
    if (found < 1)
        note_start(link, request->number);
    if (!found)
        return 0;
    if (found > 0) {
        request->record = record;
        request->verify_rounds = job->verify_rounds;
        record_resumed(link, record->attempt);
        note_resume(link, record);
        if (!take(job, request, record->base.hex, &err))
            return 0;
    }
    fail(request, &err, verdict);
    return -1;
}

/* Once the verdict is on disk, the workspace is not needed any more, unless
 * somebody may go on with it. */
static void put_away(const struct worker_job *job, struct link *link,
                     const struct attempt_request *request,
                     const struct attempt_verdict *verdict)
{
    CLEANUP(mem_free)
    char *scratch =
        mem_format("%s/attempt-%" PRId64, job->scratch, request->number);
    struct error ignored;

    link_sync(link);
    /* What stays, the supervisor removes with the task's folder. */
    if (strcmp(verdict->verdict, "error") != 0 &&
        strcmp(verdict->verdict, "skipped") != 0)
        file_remove_tree(AT_FDCWD, scratch, &ignored);
}

static void work(const struct worker_job *job, struct link *link)
{
    CLEANUP(record_free) struct record record = {.attempt = 0};
    const struct mirror_request remote = {.url = job->task->repo,
                                          .cache = job->cache,
                                          .ref = job->task->ref,
                                          .depth = job->task->depth,
                                          .age_ms = job->task->fetch_age_ms};
    struct attempt_request request = {.task = job->task,
                                      .link = link,
                                      .key = job->key,
                                      .remote = &remote,
                                      .passage = job->passage,
                                      .filter = job->filter,
                                      .run = job->run,
                                      .tape = job->tape,
                                      .index = job->index};

    struct attempt_verdict verdict;

    if (go_on_or_begin(job, &request, &record, &verdict)) {
        note_verdict(link, request.number, &verdict);
        return;
    }
    for (;;) {
        try_with_good_mirror(job, &request, &verdict);
        link_sync_artifacts(link);
        note_verdict(link, request.number, &verdict);
        put_away(job, link, &request, &verdict);
        /* Another try helps only where the agent had its chance; a base that
         * passes, a spent budget or a stop stay what they are. */
        if (strcmp(verdict.verdict, "failed") != 0 ||
            !strcmp(verdict.reason, "verify_base") ||
            !strcmp(verdict.reason, "budget") ||
            request.number - job->attempts_before >= job->task->attempts)
            break;
        request.number++;
        request.record = NULL;
        request.verify_rounds = 0;
        note_start(link, request.number);
    }
    mirror_close(request.mirror);
}

/* Signals go to the supervisor, which tells workers what to do; a worker dies
 * with it. */
static void detach(const struct worker_job *job)
{
    sigset_t none;

    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != job->supervisor)
        _exit(1);
    prctl(PR_SET_NAME, "nightjar-worker");
}

_Noreturn void worker_main(const struct worker_job *job)
{
    struct link link;

    detach(job);
    secrets_hide_from_forks(job->secrets);
    link_init(&link, job->link, job->files, job->task->id, job->secrets);
    link.progress = job->progress;
    work(job, &link);
    link_free(&link);
    exit(0);
}
