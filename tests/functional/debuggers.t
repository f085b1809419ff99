#!/bin/sh
# Debuggers, tracers and sanitizers, in the sandbox.
# shellcheck disable=SC2016,SC2086,SC2317 # scripts for inside; some end early
. tests/functional/lib.sh

check_debuggers() {
    inside 'gdb runs a program and shows where it crashed' 'gcc gdb' <<'EOF'
cat >crash.c <<'C'
#include <stdlib.h>
static void fall(int *p) { *p = 1; }
int main(void) { fall(getenv("NOT_SET_ANYWHERE") ? &(int){0} : NULL); }
C
gcc -g -O0 -o crash crash.c
gdb -q -batch -ex 'break fall' -ex run -ex continue -ex backtrace ./crash >log 2>&1
cat log
grep -q 'SIGSEGV' log
grep -q '#1 .* main ' log
if grep -i 'disabling address space randomization' log; then exit 1; fi
EOF

    inside 'gdb attaches to a running process' 'gcc gdb' <<'EOF'
cat >wait.c <<'C'
#include <unistd.h>
static void here(void) { for (;;) pause(); }
int main(void) { write(1, "x", 1); here(); }
C
gcc -g -O0 -o wait wait.c
mkfifo ready
./wait >ready & pid=$!
head -c 1 ready >/dev/null
gdb -q -batch -p "$pid" -ex backtrace >log 2>&1 || true
kill "$pid"
cat log
grep -q ' here ' log
EOF

    inside 'strace -f of a child' 'strace' <<'EOF'
strace -f -o trace sh -c 'cat check.sh | wc -l' >/dev/null
grep -q 'execve.*/cat' trace
grep -q 'exited with 0' trace
strace -c true 2>&1 | grep -q total
EOF

    inside 'strace attaches, and injects a fault' 'strace python3' <<'EOF'
python3 - <<'PY'
import os, subprocess, sys
child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
tracer = subprocess.Popen(["strace", "-o", "trace", "-p", str(child.pid)],
                          stderr=subprocess.PIPE, text=True)
line = tracer.stderr.readline()
print(line)
child.stdin.write(b"seen\n"); child.stdin.flush()
assert child.stdout.readline() == b"seen\n"
child.stdin.close(); child.wait(); tracer.wait()
assert "seen" in open("trace").read()
PY
if strace -P "$PWD/check.sh" -o /dev/null -e inject=openat:error=EACCES cat "$PWD/check.sh"
then exit 1; fi
EOF

    inside 'valgrind finds a leak and a bad read' 'gcc valgrind' <<'EOF'
cat >bad.c <<'C'
#include <stdlib.h>
int main(void) { int *p = malloc(4 * sizeof *p); return p[argc_free(p)]; }
C
cat >bad.c <<'C'
#include <stdio.h>
#include <stdlib.h>
int main(void)
{
    int *volatile p = malloc(4 * sizeof *p);
    int *volatile lost = malloc(100);
    *lost = 1;
    lost = NULL;
    printf("%d\n", p[4]);
    free(p);
}
C
gcc -g -O0 -o bad bad.c
status=0
valgrind --leak-check=full --error-exitcode=9 ./bad >log 2>&1 || status=$?
cat log
[ "$status" = 9 ]
grep -q 'Invalid read of size 4' log
grep -q 'definitely lost: 100 bytes' log
EOF

    inside 'address sanitizer' 'gcc' <<'EOF'
cat >bad.c <<'C'
#include <stdlib.h>
int main(void) { int *volatile p = malloc(4 * sizeof *p); return p[4]; }
C
echo 'int main(void) { return 0; }' >good.c
gcc -g -fsanitize=address -o bad bad.c
gcc -g -fsanitize=address -o good good.c
./good
./bad 2>log && exit 1
cat log
grep -q 'heap-buffer-overflow' log
grep -q 'in main .*bad.c:2' log
EOF

    inside 'leak sanitizer, alone and with the address sanitizer' 'gcc' <<'EOF'
cat >leak.c <<'C'
#include <stdlib.h>
int main(void)
{
    void *volatile p = malloc(100);
    p = NULL;
    return p != NULL;
}
C
for kind in leak address; do
    gcc -g -O0 -fsanitize=$kind -o leak leak.c
    ./leak 2>log && exit 1
    cat log
    grep -q '100 byte(s) leaked' log
done
EOF

    inside 'undefined behaviour sanitizer' 'gcc' <<'EOF'
cat >bad.c <<'C'
#include <limits.h>
int main(int argc, char **argv) { int volatile n = INT_MAX; (void)argv; n += argc; return 0; }
C
gcc -g -fsanitize=undefined -fno-sanitize-recover -o bad bad.c
./bad 2>log && exit 1
grep -q 'signed integer overflow' log
EOF

    inside 'thread sanitizer' 'gcc' <<'EOF'
cat >race.c <<'C'
#include <pthread.h>
static int n;
static void *add(void *p) { for (int i = 0; i < 1000; i++) n++; return p; }
int main(void)
{
    pthread_t a, b;
    pthread_create(&a, NULL, add, NULL);
    pthread_create(&b, NULL, add, NULL);
    pthread_join(a, NULL);
    pthread_join(b, NULL);
}
C
gcc -g -fsanitize=thread -o race race.c
./race 2>log && exit 1
cat log
grep -q 'data race' log
EOF

    inside 'memory sanitizer of clang' 'clang' <<'EOF'
cat >bad.c <<'C'
#include <stdlib.h>
int main(void) { int *volatile p = malloc(4); return *p ? 1 : 0; }
C
clang -g -fsanitize=memory -o bad bad.c
./bad 2>log && exit 1
cat log
grep -q 'use-of-uninitialized-value' log
EOF

    inside 'libFuzzer' 'clang' <<'EOF'
cat >fuzz.c <<'C'
#include <stddef.h>
#include <stdint.h>
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n > 1 && p[0] == 'h' && p[1] == 'i')
        __builtin_trap();
    return 0;
}
C
clang -g -fsanitize=fuzzer,address -o fuzz fuzz.c
./fuzz -runs=200000 -seed=1 >log 2>&1 && { cat log; exit 1; }
cat log
grep -q 'deadly signal' log
EOF

    inside 'setarch -R' 'setarch' <<'EOF'
setarch -R true
one=$(setarch -R sh -c 'grep stack /proc/self/maps')
two=$(setarch -R sh -c 'grep stack /proc/self/maps')
[ "$one" = "$two" ]
EOF
}

run_checks check_debuggers
