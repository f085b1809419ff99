#include "runner/worker.h"

#include <inttypes.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "base/memory.h"
#include "runner/attempt.h"
#include "runner/link.h"

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
    struct json event;

    if (mirror_fetch(&request, mirror, err))
        return -1;
    event = link_begin(link, "repository_ready");
    json_member_int(&event, "attempt", attempt);
    json_member_string(&event, "commit", mirror_commit(*mirror).hex);
    json_key(&event, "ref");
    if (job->task->ref)
        json_string(&event, job->task->ref);
    else
        json_null(&event);
    json_member_int(&event, "duration_ms", clock_now_ms() - began);
    link_send(link, &event);
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
    if (!*mirror) {
        if (fetch(job, link, request->number, request->deadline, mirror,
                  &err)) {
            verdict_from_error(verdict, &err);
            return;
        }
        request->mirror = *mirror;
    }
    if (mkdir(scratch, 0700)) {
        verdict_set(verdict, "error", "io", "cannot create %s", scratch);
        return;
    }
    if (request->number == 1 &&
        job->task->verify_expect == VERIFY_FAIL_THEN_PASS &&
        attempt_check_base(request, verdict))
        return;
    attempt_run(request, verdict);
}

static void work(const struct worker_job *job, struct link *link)
{
    CLEANUP(mirror_cleanup) struct mirror *mirror = NULL;
    struct attempt_request request = {.task = job->task,
                                      .link = link,
                                      .key = job->key,
                                      .checkouts = job->checkouts,
                                      .filter = job->filter};

    for (request.number = 1;; request.number++) {
        struct attempt_verdict verdict;

        note_start(link, request.number);
        try_once(job, link, &mirror, &request, &verdict);
        note_verdict(link, request.number, &verdict);
        /* Another try helps only where the agent had its chance; a base that
         * passes, a spent budget or a stop stay what they are. */
        if (strcmp(verdict.verdict, "failed") != 0 ||
            !strcmp(verdict.reason, "verify_base") ||
            !strcmp(verdict.reason, "budget") ||
            request.number >= job->task->attempts)
            return;
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
