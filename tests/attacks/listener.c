/* A filter of the attacker's own, whose listener lets a call go on that an
 * outer filter hands to its listener. Prints "reached" if the call was made:
 * unshare(CLONE_NEWUSER). */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int listener;

static void *serve(void *unused)
{
    struct seccomp_notif call;
    struct seccomp_notif_resp answer;

    memset(&call, 0, sizeof(call));
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call))
        return unused;
    memset(&answer, 0, sizeof(answer));
    answer.id = call.id;
    answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
    return unused;
}

/* Installs it with or without a listener, as the argument says. */
int main(int argc, char **argv)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_unshare, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {4, code};
    pthread_t thread;
    unsigned long flags = argc > 1 ? 0 : SECCOMP_FILTER_FLAG_NEW_LISTENER;

    /* The thread comes first: it must not have the filter. */
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    listener =
        (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
    if (listener < 0)
        perror("seccomp");
    if (listener > 0 && pthread_create(&thread, NULL, serve, NULL))
        return 1;
    if (unshare(CLONE_NEWUTS | CLONE_NEWUSER) && errno != EINVAL) {
        perror("unshare");
        return 1;
    }
    puts("reached");
    return 0;
}
