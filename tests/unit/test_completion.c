/* runner/options_completion: no text breaks the quoting of a shell. */
#include "runner/options_completion.h"

#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "tests/tap.h"

static const char *const texts[] = {
    "",
    "'",
    "a task's tool calls",
    "''' \" ` ``",
    "$HOME $(id) `id` ${x} $((1))",
    "\\ \\\\ \\' ends in \\",
    "!! !x ^a^b ~ * ? [a-z] {a,b} # ; & | < > ( )",
    "%s %% -n --",
    "\xc3\xa4\xe2\x80\xa6 \t tab",
};

/* What the shell makes of `printf %s TEXT`; false if there is no such. */
static bool printed(const char *shell, const char *quoted, struct buffer *out)
{
    CLEANUP(mem_free)
    char *script = mem_format("printf '<%%s>' %s", quoted);
    int ends[2];
    int status;
    ssize_t got;
    pid_t pid;

    if (pipe(ends))
        return false;
    pid = fork();
    if (!pid) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        if (!strcmp(shell, "fish"))
            execlp(shell, shell, "--no-config", "-c", script, NULL);
        else
            execlp(shell, shell, "-c", script, NULL);
        _exit(127);
    }
    close(ends[1]);
    while ((got = read(ends[0], buffer_reserve(out, 4096), 4096)) > 0)
        buffer_commit(out, got);
    close(ends[0]);
    waitpid(pid, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void survives(const char *shell, enum help_format format)
{
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        CLEANUP(buffer_free) struct buffer quoted = {0};
        CLEANUP(buffer_free) struct buffer out = {0};
        CLEANUP(mem_free) char *wanted = mem_format("<%s>", texts[i]);

        buffer_init(&quoted, 4096);
        buffer_init(&out, 65536);
        completion_quote(&quoted, texts[i], format);
        if (!printed(shell, quoted.data, &out) && !out.length)
            tap_skip("there is no %s", shell);
        else
            tap_bytes(out.data, out.length, wanted, strlen(wanted), "%s: %s",
                      shell, quoted.data);
    }
}

static void is_brief(const char *text, const char *wanted)
{
    CLEANUP(mem_free) char *got = completion_brief(text);

    tap_string(got, wanted, "brief: %.40s", text);
}

int main(void)
{
    CLEANUP(buffer_free) struct buffer out = {0};

    survives("bash", HELP_BASH);
    survives("zsh", HELP_ZSH);
    survives("fish", HELP_FISH);

    buffer_init(&out, 4096);
    completion_escape(&out, "DIR[:INSIDE] \\", ":[");
    tap_string(out.data, "DIR\\[\\:INSIDE] \\\\", "escapes");

    is_brief("", "");
    is_brief("No dot", "No dot");
    is_brief("One. Two.", "One");
    is_brief("See run.jobs; else 1.", "See run.jobs");
    is_brief("Words that go on and on until there is no room left for all of "
             "them in a list",
             "Words that go on and on until there is no room left for all of "
             "them...");
    is_brief("wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww"
             "wwwwwwwwwwwwwwwwwwwwww",
             "wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww"
             "wwwwww...");
    return tap_done();
}
