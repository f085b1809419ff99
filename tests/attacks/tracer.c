/* A tracer that turns its child's getppid into unshare(CLONE_NEWUTS) of a new
 * user namespace while the child stands before the call. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
#ifdef __x86_64__
    struct user_regs_struct registers;
    int status;
    pid_t child = fork();

    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        errno = 0;
        _exit(syscall(SYS_getppid, CLONE_NEWUSER, 0, 0) == 0 ? 42 : 1);
    }
    if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
        return 1;
    for (;;) {
        if (ptrace(PTRACE_SYSCALL, child, NULL, NULL) ||
            waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
            break;
        if (ptrace(PTRACE_GETREGS, child, NULL, &registers))
            break;
        if (registers.orig_rax == SYS_getppid &&
            (long)registers.rax == -ENOSYS) {
            registers.orig_rax = SYS_unshare;
            ptrace(PTRACE_SETREGS, child, NULL, &registers);
        }
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 42)
        puts("reached");
#endif
    return 0;
}
