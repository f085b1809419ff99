#include "runner/ending.h"

#include <signal.h>
#include <sys/wait.h>

static struct ending ending_of_death(const struct worker *worker, int status,
                                     char *text, size_t size)
{
    struct ending ending = {"error", "crash", text, NULL, true};

    if (worker->stopped) {
        ending = (struct ending){"skipped", "interrupted",
                                 "ended by a signal to the run", NULL, true};
    } else if (*worker->fault) {
        ending.reason = "internal";
        snprintf(text, size, "its worker %s", worker->fault);
    } else if (worker->late) {
        ending.reason = "timeout";
        snprintf(text, size, "its worker did not end in time and was killed");
    } else if (WIFSIGNALED(status)) {
        snprintf(text, size, "its worker was killed by signal %d (%s)",
                 WTERMSIG(status), strsignal(WTERMSIG(status)));
    } else {
        snprintf(text, size, "its worker ended with status %d and no verdict",
                 WEXITSTATUS(status));
    }
    return ending;
}

static bool is_retryable(const char *verdict, const char *reason)
{
    if (!strcmp(verdict, "error"))
        return error_kind_retryable(error_kind_from_name(reason));
    return !strcmp(verdict, "skipped");
}

struct ending ending_of(const struct worker *worker, int status, char *text,
                        size_t size)
{
    const cJSON *said = worker->verdict;
    struct ending ending;

    if (!WIFEXITED(status) || WEXITSTATUS(status) || !said || *worker->fault)
        return ending_of_death(worker, status, text, size);
    ending = (struct ending){json_get_text(said, "verdict", "error"),
                             json_get_text(said, "reason", "internal"),
                             json_get_text(said, "message", ""),
                             json_get_string(said, "hint"), false};
    ending.retryable = is_retryable(ending.verdict, ending.reason);
    return ending;
}

bool ending_is_open(const struct ending *ending)
{
    return !strcmp(ending->verdict, "error") ||
           !strcmp(ending->verdict, "skipped");
}
