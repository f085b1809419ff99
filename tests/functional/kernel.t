#!/bin/sh
# The kernel as programs use it, in the sandbox.
# shellcheck disable=SC2016,SC2086,SC2317 # scripts for inside; some end early
. tests/functional/lib.sh

check_kernel() {
    inside 'inotify' 'gcc' <<'EOF'
cat >i.c <<'C'
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>
int main(void)
{
    char b[4096];
    int fd = inotify_init1(IN_CLOEXEC);
    if (inotify_add_watch(fd, ".", IN_CREATE) < 0) { perror("watch"); return 1; }
    fclose(fopen("new", "w"));
    return read(fd, b, sizeof b) > 0 ? 0 : 1;
}
C
gcc -o i i.c && ./i
EOF

    inside 'timers: timerfd, timer_create, setitimer, alarm, nanosleep' \
        'gcc' <<'EOF'
cat >t.c <<'C'
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#define TRY(x) do { if ((x) < 0) { perror(#x); return 1; } } while (0)
static volatile sig_atomic_t fired;
static void on(int n) { fired |= 1 << (n == SIGALRM ? 0 : n == SIGUSR1 ? 1 : 2); }
int main(void)
{
    struct itimerspec soon = {.it_value.tv_nsec = 1};
    struct itimerval soon_v = {.it_value.tv_usec = 1};
    struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    timer_t t;
    uint64_t n;
    signal(SIGALRM, on), signal(SIGUSR1, on), signal(SIGVTALRM, on);
    int fd = timerfd_create(CLOCK_MONOTONIC, 0);
    TRY(fd);
    TRY(timerfd_settime(fd, 0, &soon, NULL));
    TRY(read(fd, &n, 8));
    TRY(timer_create(CLOCK_MONOTONIC, &e, &t));
    TRY(timer_settime(t, 0, &soon, NULL));
    TRY(setitimer(ITIMER_REAL, &soon_v, NULL));
    TRY(setitimer(ITIMER_VIRTUAL, &soon_v, NULL));
    while (fired != 7)
        ;
    struct timespec r, ts = {.tv_nsec = 1};
    TRY(nanosleep(&ts, NULL));
    TRY(clock_getres(CLOCK_PROCESS_CPUTIME_ID, &r));
    alarm(1), alarm(0);
    return 0;
}
C
gcc -o t t.c && ./t
EOF

    inside 'event loops: epoll, eventfd, signalfd, pidfd, poll, select' \
        'gcc' <<'EOF'
cat >e.c <<'C'
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <poll.h>
#include <unistd.h>
#define TRY(x) do { if ((x) < 0) { perror(#x); return 1; } } while (0)
int main(void)
{
    sigset_t s;
    sigemptyset(&s), sigaddset(&s, SIGUSR1), sigprocmask(SIG_BLOCK, &s, NULL);
    int ep = epoll_create1(0), ev = eventfd(1, 0), sg = signalfd(-1, &s, 0);
    TRY(ep); TRY(ev); TRY(sg);
    pid_t child = fork();
    if (child == 0) _exit(0);
    int pid = (int)syscall(SYS_pidfd_open, child, 0);
    TRY(pid);
    kill(getpid(), SIGUSR1);
    int fds[] = {ev, sg, pid}, seen = 0;
    for (int i = 0; i < 3; i++) {
        struct epoll_event e = {.events = EPOLLIN | EPOLLONESHOT, .data.fd = i};
        TRY(epoll_ctl(ep, EPOLL_CTL_ADD, fds[i], &e));
    }
    while (seen != 7) {
        struct epoll_event e;
        if (epoll_wait(ep, &e, 1, -1) == 1) seen |= 1 << e.data.fd;
    }
    siginfo_t info;
    TRY(waitid((idtype_t)3, (id_t)pid, &info, WEXITED));
    TRY(syscall(SYS_pidfd_send_signal, syscall(SYS_pidfd_open, getpid(), 0), 0, NULL, 0));
    struct timespec none = {0};
    TRY(ppoll(&(struct pollfd){.fd = ev, .events = POLLIN}, 1, &none, NULL));
    fd_set set; FD_ZERO(&set); FD_SET(ev, &set);
    TRY(pselect(ev + 1, &set, NULL, NULL, &none, NULL));
    return 0;
}
C
gcc -o e e.c && ./e
EOF

    inside 'memory: 64 GB reserved, 1 GB mapped, huge stack, memfd, mprotect' \
        'gcc' <<'EOF'
cat >m.c <<'C'
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#define MAP(size, prot, flags, fd) mmap(NULL, size, prot, flags, fd, 0)
#define TRY(x) do { if (!(x)) { perror(#x); return 1; } } while (0)
int main(void)
{
    char *p = MAP(64L << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
    TRY(p != MAP_FAILED);
    TRY(mprotect(p, 1 << 20, PROT_READ | PROT_WRITE) == 0);
    memset(p, 1, 1 << 20);
    TRY(madvise(p, 1 << 20, MADV_DONTNEED) == 0);
    char *big = MAP(1L << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    TRY(big != MAP_FAILED);
    big[(1L << 30) - 1] = 1;
    int fd = memfd_create("m", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    TRY(fd >= 0 && ftruncate(fd, 4096) == 0);
    TRY(MAP(4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd) != MAP_FAILED);
    /* What a just-in-time compiler does. */
    unsigned char *code = MAP(4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1);
    TRY(code != MAP_FAILED);
    TRY(mremap(big, 1L << 30, 1L << 31, MREMAP_MAYMOVE) != MAP_FAILED);
    TRY(mlock(p, 4096) == 0);
    return 0;
}
C
gcc -o m m.c && ./m
sh -c 'ulimit -s 65536 2>/dev/null; ulimit -s; exec true'
EOF

    inside 'POSIX shared memory, semaphores and message queues' 'gcc' <<'EOF'
cat >p.c <<'C'
#include <fcntl.h>
#include <mqueue.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#define TRY(x) do { if (!(x)) { perror(#x); return 1; } } while (0)
int main(void)
{
    int fd = shm_open("/block", O_CREAT | O_RDWR, 0600);
    TRY(fd >= 0 && ftruncate(fd, 1 << 20) == 0);
    char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    TRY(p != MAP_FAILED);
    sem_t *s = sem_open("/sem", O_CREAT, 0600, 0);
    TRY(s != SEM_FAILED);
    if (fork() == 0) { p[5] = 9; sem_post(s); _exit(0); }
    TRY(sem_wait(s) == 0 && p[5] == 9);
    wait(NULL);
    TRY(shm_unlink("/block") == 0 && sem_unlink("/sem") == 0);
    return 0;
}
C
gcc -o p p.c -lrt -pthread && ./p
EOF

    inside 'POSIX message queues' 'gcc' <<'EOF'
cat >q.c <<'C'
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
int main(void)
{
    struct mq_attr a = {.mq_maxmsg = 4, .mq_msgsize = 16};
    char b[16];
    mqd_t q = mq_open("/q", O_CREAT | O_RDWR, 0600, &a);
    if (q < 0 || mq_send(q, "x", 1, 0) < 0 || mq_receive(q, b, 16, NULL) != 1) {
        perror("mq");
        return 1;
    }
    return mq_unlink("/q");
}
C
gcc -o q q.c -lrt && ./q
EOF

    inside 'System V shared memory, semaphores and message queues' \
        'gcc' <<'EOF'
cat >v.c <<'C'
#include <stdio.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#define TRY(x) do { if ((long)(x) == -1) { perror(#x); return 1; } } while (0)
int main(void)
{
    struct { long type; char text[4]; } m = {1, "abc"};
    int shm = shmget(IPC_PRIVATE, 1 << 20, 0600), sem = semget(IPC_PRIVATE, 1, 0600);
    int msg = msgget(IPC_PRIVATE, 0600);
    TRY(shm); TRY(sem); TRY(msg);
    char *p = shmat(shm, NULL, 0);
    TRY(p);
    p[0] = 1;
    TRY(shmdt(p));
    TRY(semop(sem, &(struct sembuf){.sem_op = 1}, 1));
    TRY(msgsnd(msg, &m, 4, 0));
    TRY(msgrcv(msg, &m, 4, 1, 0));
    TRY(shmctl(shm, IPC_RMID, NULL)); TRY(semctl(sem, 0, IPC_RMID)); TRY(msgctl(msg, IPC_RMID, NULL));
    return 0;
}
C
gcc -o v v.c && ./v
EOF

    inside 'threads: 200 at once, priorities, affinity, names' 'python3' <<'EOF'
nice -n 5 true && chrt --idle 0 true && taskset -c "$(taskset -cp $$ | sed 's/.*: //; s/[,-].*//')" true
ionice -c 3 true
python3 - <<'PY'
import os, resource, threading
b = threading.Barrier(201)
for _ in range(200): threading.Thread(target=b.wait, daemon=True).start()
b.wait()
assert os.sched_getaffinity(0) and os.getpriority(os.PRIO_PROCESS, 0) == 0
resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
resource.getrusage(resource.RUSAGE_CHILDREN); os.getloadavg()
import ctypes
assert ctypes.CDLL(None).prctl(15, b"named", 0, 0, 0) == 0
assert open("/proc/self/comm").read() == "named\n"
PY
EOF

    inside '/proc as tools read it: ps, pgrep, free, uptime, maps, fd' \
        'ps pgrep free' <<'EOF'
ps aux && ps -ef --forest && free -m && uptime && pgrep -f check.sh
cat /proc/cpuinfo /proc/meminfo /proc/self/maps /proc/self/status /proc/self/limits >/dev/null
cat /proc/self/mountinfo /proc/version /proc/stat /proc/loadavg /proc/filesystems >/dev/null
cat /proc/sys/kernel/pid_max /proc/sys/kernel/random/uuid /proc/sys/vm/overcommit_memory >/dev/null
ls -l /proc/self/fd /proc/self/task /proc/self/exe && df -h . && getconf -a >/dev/null
EOF

    inside '/dev: null, zero, full, random, tty, fd, stdin, ptmx, shm' '' <<'EOF'
echo x >/dev/null && head -c 4 /dev/zero | cmp -n 4 - /dev/zero && head -c 9 /dev/urandom | wc -c
head -c 1 /dev/random >/dev/null
if (echo x >/dev/full) 2>/dev/null; then exit 1; fi
[ "$(echo x | cat /dev/stdin /dev/fd/0)" = x ] && echo x >/dev/stdout && echo x >/dev/stderr
: >/dev/shm/f && rm /dev/shm/f
EOF
}

run_checks check_kernel
