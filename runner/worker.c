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

static void note_repository(const struct worker_job *job, struct link *link,
                            int64_t attempt, const struct mirror *mirror,
                            int64_t began)
{
    struct json event = link_begin(link, "repository_ready");

    json_member_int(&event, "attempt", attempt);
    json_member_string(&event, "commit", mirror_commit(mirror).hex);
    json_key(&event, "ref");
    if (job->task->ref)
        json_string(&event, job->task->ref);
    else
        json_null(&event);
    json_member_int(&event, "duration_ms", clock_elapsed_ms(began));
    link_send(link, &event);
}

static int fetch(const struct worker_job *job, struct link *link,
                 int64_t attempt, int64_t deadline, struct mirror **mirror,
                 struct error *err)
{
    CLEANUP(mem_free) char *directory = mem_format("%s/mirror", job->scratch);
    struct mirror_request request = {.url = job->task->repo,
                                     .ref = job->task->ref,
                                     .directory = directory,
                                     .depth = job->task->depth,
                                     .deadline = deadline};
    int64_t began = clock_now_ms();
    struct error ignored;

    /* Of a fetch that was cut off. */
    file_remove_tree(AT_FDCWD, directory, &ignored);
    if (mirror_fetch(&request, mirror, err))
        return -1;
    note_repository(job, link, attempt, *mirror, began);
    return 0;
}

/* The mirror is fetched and the base is checked once, in the first attempt. */
static void try_once(const struct worker_job *job, struct link *link,
                     struct mirror **mirror, struct attempt_request *request,
                     struct attempt_verdict *verdict)
{
    CLEANUP(mem_free)
    char *scratch =
        mem_format("%s/attempt-%" PRId64, job->scratch, request->number);
    struct error err;

    request->deadline = clock_deadline(job->task->timeout_ms);
    request->scratch = scratch;
    if (!*mirror &&
        fetch(job, link, request->number, request->deadline, mirror, &err)) {
        verdict_from_error(verdict, &err);
        return;
    }
    request->mirror = *mirror;
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

/* ---- going on ---------------------------------------------------------- */

/* The record of a run that was cut off, with its mirror and its workspace. 1:
 * all three; 0: the attempt begins anew; -1: the record is there and cannot be
 * read: what was paid for is not thrown away in silence. */
static int find_record(const struct worker_job *job, struct link *link,
                       struct record *record, struct mirror **mirror,
                       struct error *err)
{
    CLEANUP(mem_free) char *directory = mem_format("%s/mirror", job->scratch);
    CLEANUP(mem_free) char *workspace = NULL;
    CLEANUP(buffer_free) struct buffer text = {0};
    struct error ignored;
    int found;

    if (access(job->transcript, F_OK))
        return 0;
    buffer_init(&text, TRANSCRIPT_BYTES_MAX);
    if (file_read(AT_FDCWD, job->transcript, &text, err))
        return -1;
    found = record_read(buffer_span(&text), link, record, err);
    if (found < 1 || record->attempt != job->attempt)
        return found < 0 ? -1 : 0;
    workspace = mem_format("%s/attempt-%" PRId64 "/agent", job->scratch,
                           record->attempt);
    return !access(workspace, F_OK) &&
           !mirror_open(directory, record->base, mirror, &ignored);
}

/* -1: the verdict is set. */
static int go_on_or_begin(const struct worker_job *job, struct link *link,
                          struct attempt_request *request,
                          struct mirror **mirror, struct record *record,
                          struct attempt_verdict *verdict)
{
    struct error err;
    int found =
        job->transcript ? find_record(job, link, record, mirror, &err) : 0;

    request->number = job->attempt;
    request->totals = job->totals;
    if (found < 1)
        note_start(link, request->number);
    if (found < 0) {
        error_hint(&err, "remove the task's folder from the run directory to "
                         "begin it anew");
        verdict_from_error(verdict, &err);
        return -1;
    }
    if (!found)
        return 0;
    request->record = record;
    request->verify_rounds = job->verify_rounds;
    record_resumed(link, record->attempt);
    note_resume(link, record);
    note_repository(job, link, request->number, *mirror, clock_now_ms());
    return 0;
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
    struct json ask = link_ask_begin(link, "sync");
    struct error ignored;

    link_ask(link, &ask);
    /* What stays, the supervisor removes with the task's folder. */
    if (strcmp(verdict->verdict, "error") != 0 &&
        strcmp(verdict->verdict, "skipped") != 0)
        file_remove_tree(AT_FDCWD, scratch, &ignored);
}

static void work(const struct worker_job *job, struct link *link)
{
    CLEANUP(mirror_cleanup) struct mirror *mirror = NULL;
    CLEANUP(record_free) struct record record = {.attempt = 0};
    struct attempt_request request = {.task = job->task,
                                      .link = link,
                                      .key = job->key,
                                      .checkouts = job->checkouts,
                                      .filter = job->filter,
                                      .run = job->run,
                                      .tape = job->tape,
                                      .index = job->index};

    struct attempt_verdict verdict;

    if (go_on_or_begin(job, link, &request, &mirror, &record, &verdict)) {
        note_verdict(link, request.number, &verdict);
        return;
    }
    for (;;) {
        try_once(job, link, &mirror, &request, &verdict);
        note_verdict(link, request.number, &verdict);
        put_away(job, link, &request, &verdict);
        /* Another try helps only where the agent had its chance; a base that
         * passes, a spent budget or a stop stay what they are. */
        if (strcmp(verdict.verdict, "failed") != 0 ||
            !strcmp(verdict.reason, "verify_base") ||
            !strcmp(verdict.reason, "budget") ||
            request.number >= job->task->attempts)
            return;
        request.number++;
        request.record = NULL;
        request.verify_rounds = 0;
        note_start(link, request.number);
    }
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
    link_init(&link, job->link, job->task->id, job->secrets);
    work(job, &link);
    link_free(&link);
    exit(0);
}
