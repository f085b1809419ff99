#!/bin/sh
# Real builds, test suites and tools work inside the sandbox. Each check makes
# a small project in a fresh workspace and runs a script in it; all is done as
# the caller and, when that is root, once more as an ordinary user, because the
# two get their workspace and their limits by different means.
#
# What is not installed is skipped by name. For everything, on Debian 12:
#
#     apt-get install bash bc build-essential cargo clang cmake curl \
#         default-jdk-headless gawk gdb git gnupg golang-go locales make \
#         ninja-build nodejs npm openssh-client openssl perl procps \
#         python3-venv rsync sqlite3 strace tzdata util-linux valgrind xz-utils \
#         zip zstd
#
# With NIGHTJAR_FUNCTIONAL_OUTSIDE=1 the scripts run without the sandbox: a
# check that fails there too says nothing about the sandbox.
#
# shellcheck disable=SC2317 # a check may come after an early end of its script

# Before HOME changes: a toolchain of rustup is found by way of it.
: "${RUST_SYSROOT=$(rustc --print sysroot 2>/dev/null)}"
export RUST_SYSROOT
cd "$(dirname "$0")/../.." || exit 1
: "${NIGHTJAR_BUILD:=$PWD/build/release}"
WORK=$(mktemp -d "${TMPDIR:-/tmp}/nightjar-builds.XXXXXX") || exit 1
TMPDIR=$WORK
export NIGHTJAR_BUILD TMPDIR
. tests/lib.sh
OUTSIDE=${NIGHTJAR_FUNCTIONAL_OUTSIDE-}
# Programs are looked for where they are found inside.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# With a workspace that a check made unreadable it must still go away.
cleanup() {
    stop_all
    chmod -R u+rwx "$WORK" 2>/dev/null
    rm -rf "$WORK"
}
trap cleanup EXIT

workspaces=0
new_workspace() {
    workspaces=$((workspaces + 1))
    WORKSPACE=$WORK/w$workspaces
    mkdir "$WORKSPACE" || bail_out 'mkdir'
}

# sandbox [OPTION…] -- COMMAND…: in $WORKSPACE. The time limit is only there
# for what hangs.
sandbox() {
    "$NIGHTJAR" sandbox --timeout 90s --workspace "$WORKSPACE" "$@"
}

# has NAME TOOLS: whether all of them are installed; the check is skipped if
# not.
has() {
    for has_tool in $2; do
        if ! command -v "$has_tool" >/dev/null 2>&1; then
            skip "$1: $has_tool is not installed"
            return 1
        fi
    done
}

# run_script [OPTION…]: check.sh of $WORKSPACE, inside or, for comparison,
# outside; the options of the sandbox have no meaning there.
run_script() {
    if [ -n "$OUTSIDE" ]; then
        (cd "$WORKSPACE" && timeout 90 sh -eu check.sh)
    else
        sandbox --json "$@" -- sh -eu check.sh
    fi
}

# inside NAME TOOLS [OPTION…]: the script on standard input ends with 0.
inside() {
    inside_name=$1 inside_tools=$2
    shift 2
    if ! has "$inside_name" "$inside_tools"; then
        cat >/dev/null
        return
    fi
    new_workspace
    cat >"$WORKSPACE/check.sh"
    inside_status=0
    run_script "$@" >"$WORK/output" 2>&1 </dev/null || inside_status=$?
    if [ "$inside_status" = 0 ]; then
        pass "$inside_name"
        # Nothing failed, but the list of allowed calls may want it.
        grep -o '"refused_calls":\[[^]]\+\]' "$WORK/output" | sed 's/^/# /'
    else
        fail "$inside_name" "status $inside_status
$(tail -n 40 "$WORK/output")"
    fi
    chmod -R u+rwx "$WORKSPACE" 2>/dev/null
    rm -rf "$WORKSPACE"
}

# ---- C and C++ --------------------------------------------------------------

check_c() {
    inside 'gcc: a program with a static and a shared library' 'gcc ar' <<'EOF'
echo 'int one(void) { return 1; }' >one.c
echo 'int two(void) { return 2; }' >two.c
cat >main.c <<'C'
#include <stdio.h>
int one(void), two(void);
int main(void) { return printf("%d\n", one() + two()) == 2 ? 0 : 1; }
C
gcc -c one.c && ar rcs libone.a one.o
gcc -shared -fPIC -o libtwo.so two.c
gcc -pipe -O2 -o main main.c -L. -lone -ltwo -Wl,-rpath,"$PWD"
[ "$(./main)" = 3 ]
EOF

    inside 'g++: threads, exceptions and a precompiled header' 'g++' <<'EOF'
echo '#include <thread>' >all.h && echo '#include <iostream>' >>all.h
g++ -o all.h.gch -x c++-header all.h
cat >main.cc <<'C'
#include "all.h"
int main()
{
    int sum = 0;
    std::thread t([&] { try { throw 7; } catch (int n) { sum += n; } });
    t.join();
    std::cout << sum << std::endl;
}
C
g++ -pthread -o main main.cc
[ "$(./main)" = 7 ]
EOF

    inside 'gcc -flto=2 and --coverage with gcov' 'gcc gcov' <<'EOF'
echo 'int one(void) { return 1; }' >one.c
echo 'int one(void); int main(void) { return one() - 1; }' >main.c
gcc -O2 -flto=2 -o lto one.c main.c && ./lto
gcc --coverage -o cov one.c main.c && ./cov
gcov cov-main.gcda | grep -q 'executed:100'
EOF

    inside 'clang' 'clang' <<'EOF'
echo 'int main(void) { return 0; }' >main.c
clang -g -o main main.c && ./main
EOF

    inside 'make -j4 with a jobserver that is passed on' 'gcc make' <<'EOF'
mkdir sub
for n in 1 2 3 4 5 6 7 8 9 10 11 12; do
    echo "int f$n(void) { return $n; }" >sub/f$n.c
done
echo 'int f7(void); int main(void) { return f7() - 7; }' >main.c
cat >Makefile <<'M'
main: main.c sub/all.a
	gcc -o $@ $^
sub/all.a: FORCE
	+$(MAKE) -C sub all.a
FORCE:
test: main
	./main
M
cat >sub/Makefile <<'M'
all.a: $(patsubst %.c,%.o,$(wildcard *.c))
	ar rcs $@ $^
M
make -j4 test >log 2>&1 || { cat log; exit 1; }
if grep -i jobserver log; then exit 1; fi
# What is up to date stays so: times of files are seen right.
make -q -C sub all.a
EOF

    inside 'make --shuffle and output sync' 'make' <<'EOF'
printf 'all: a b c\n%%:\n\t@echo $@\n' >Makefile
[ "$(make -j4 -Otarget | sort | tr -d '\n')" = abc ]
EOF

    inside 'cmake: configure, build, ctest, install' 'cmake ctest gcc make' <<'EOF'
echo 'int main(void) { return 0; }' >main.c
cat >CMakeLists.txt <<'C'
cmake_minimum_required(VERSION 3.10)
project(small C)
find_package(Threads REQUIRED)
add_executable(small main.c)
enable_testing()
add_test(NAME runs COMMAND small)
install(TARGETS small DESTINATION bin)
C
cmake -B build -DCMAKE_INSTALL_PREFIX="$PWD/prefix"
cmake --build build -j2
cd build && ctest --output-on-failure -j2 && make install && ../prefix/bin/small
EOF

    inside 'cmake -G Ninja' 'cmake ninja gcc' <<'EOF'
echo 'int main(void) { return 0; }' >main.c
cat >CMakeLists.txt <<'C'
cmake_minimum_required(VERSION 3.10)
project(small C)
add_executable(small main.c)
C
cmake -G Ninja -B build && ninja -C build && build/small
EOF

    inside 'a configure script and a build in /tmp, run from there and from HOME' \
        'gcc' <<'EOF'
echo 'int main(void) { return 0; }' >main.c
source=$PWD build=$(mktemp -d)
cd "$build"
gcc -o conftest "$source/main.c" && ./conftest
mkdir -p "$HOME/.local/bin" && cp conftest "$HOME/.local/bin/"
"$HOME/.local/bin/conftest"
cp conftest /var/tmp/conftest.$$ && /var/tmp/conftest.$$
rm -r "$build" "$HOME/.local/bin/conftest" /var/tmp/conftest.$$
EOF
}

# ---- debuggers and sanitizers -----------------------------------------------

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
strace -o /dev/null -e inject=openat:error=EACCES:when=1 cat check.sh && exit 1
true
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
int main(int argc, char **argv) { (void)argv; return INT_MAX + argc > 0; }
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

# ---- Python -----------------------------------------------------------------

check_python() {
    inside 'python3 -m venv --without-pip' 'python3' <<'EOF'
python3 -m venv --without-pip venv
[ "$(venv/bin/python -c 'import sys; print(sys.prefix)')" = "$PWD/venv" ]
EOF

    if python3 -c 'import ensurepip' 2>/dev/null; then
        inside 'python3 -m venv with pip, and a package installed offline' \
            'python3' <<'EOF'
python3 -m venv venv
mkdir src && echo 'def f(): return 5' >src/small_thing.py
cat >setup.py <<'PY'
from setuptools import setup
setup(name="small-thing", version="1", package_dir={"": "src"},
      py_modules=["small_thing"])
PY
venv/bin/pip install --no-index --no-build-isolation --disable-pip-version-check . \
    >log 2>&1 || { cat log; exit 1; }
cd / && [ "$("$OLDPWD/venv/bin/python" -c 'import small_thing; print(small_thing.f())')" = 5 ]
EOF
    else
        skip 'python3 -m venv with pip: python3-venv is not installed'
    fi

    inside 'python: unittest and compileall' 'python3' <<'EOF'
cat >test_small.py <<'PY'
import unittest, tempfile, os
class Small(unittest.TestCase):
    def test_temporary(self):
        with tempfile.NamedTemporaryFile() as f, tempfile.TemporaryDirectory() as d:
            f.write(b"x"); f.flush()
            self.assertEqual(os.stat(f.name).st_size, 1)
            self.assertTrue(os.path.isdir(d))
PY
python3 -m compileall -q -j 2 . && python3 -m unittest -q
EOF

    inside 'python: multiprocessing.Pool by fork, spawn and forkserver' \
        'python3' <<'EOF'
cat >pool.py <<'PY'
import multiprocessing, sys
def square(n): return n * n
if __name__ == "__main__":
    for method in "fork", "spawn", "forkserver":
        with multiprocessing.get_context(method).Pool(3) as pool:
            assert sum(pool.map(square, range(100))) == 328350, method
PY
python3 pool.py
EOF

    inside 'python: multiprocessing shared_memory, Manager, Queue, Lock' \
        'python3' <<'EOF'
cat >share.py <<'PY'
import multiprocessing as mp
from multiprocessing import shared_memory
def work(name, shared, queue, lock):
    block = shared_memory.SharedMemory(name=name)
    block.buf[0] = 42
    block.close()
    with lock:
        shared["done"] = True
    queue.put("end")
if __name__ == "__main__":
    block = shared_memory.SharedMemory(create=True, size=1 << 20)
    with mp.Manager() as manager:
        shared, queue, lock = manager.dict(), mp.Queue(), mp.Lock()
        p = mp.Process(target=work, args=(block.name, shared, queue, lock))
        p.start()
        assert queue.get() == "end"
        p.join()
        assert p.exitcode == 0 and shared["done"] and block.buf[0] == 42
    block.close(); block.unlink()
PY
python3 share.py
EOF

    inside 'python: concurrent.futures with processes and threads' \
        'python3' <<'EOF'
cat >futures.py <<'PY'
import concurrent.futures as f
if __name__ == "__main__":
    for kind in f.ProcessPoolExecutor, f.ThreadPoolExecutor:
        with kind(4) as executor:
            assert list(executor.map(abs, range(-50, 0)))[0] == 50
PY
python3 futures.py
EOF

    inside 'python: subprocess' 'python3' <<'EOF'
python3 - <<'PY'
import os, subprocess
assert subprocess.check_output(["cat"], input=b"x\0y") == b"x\0y"
assert subprocess.run("exit 3", shell=True).returncode == 3
assert subprocess.run(["sh", "-c", "kill -9 $$"]).returncode == -9
assert subprocess.run(["true"], start_new_session=True, cwd="/",
                      close_fds=True, umask=0o22).returncode == 0
try:
    subprocess.run(["cat"], stdin=subprocess.PIPE, timeout=0.01)
except subprocess.TimeoutExpired:
    pass
r, w = os.pipe()
os.posix_spawn("/bin/echo", ["echo", "hi"], os.environ,
               file_actions=[(os.POSIX_SPAWN_DUP2, w, 1)])
os.close(w)
assert os.read(r, 10) == b"hi\n"
PY
EOF

    inside 'python: asyncio servers, subprocesses and signals' 'python3' <<'EOF'
python3 - <<'PY'
import asyncio, os, signal
async def serve(reader, writer):
    writer.write((await reader.readline()).upper())
    await writer.drain()
    writer.close()
async def main():
    loop = asyncio.get_running_loop()
    got = asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, got.set)
    os.kill(os.getpid(), signal.SIGUSR1)
    await got.wait()
    for start, connect in (
        (lambda: asyncio.start_server(serve, "localhost", 8080),
         lambda: asyncio.open_connection("localhost", 8080)),
        (lambda: asyncio.start_unix_server(serve, "s"),
         lambda: asyncio.open_unix_connection("s"))):
        server = await start()
        reader, writer = await connect()
        writer.write(b"hello\n")
        assert await reader.readline() == b"HELLO\n"
        writer.close(); server.close()
    child = await asyncio.create_subprocess_exec(
        "cat", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    assert (await child.communicate(b"z" * 1000000))[0] == b"z" * 1000000
asyncio.run(main())
PY
EOF

    inside 'python: sqlite3 with a write-ahead log and two processes' \
        'python3' <<'EOF'
python3 - <<'PY'
import sqlite3, subprocess, sys
db = sqlite3.connect("a.db")
assert db.execute("pragma journal_mode=wal").fetchone()[0] == "wal"
db.execute("create table t(x)"); db.commit()
add = "import sqlite3; d = sqlite3.connect('a.db', timeout=60); d.execute('insert into t values (1)'); d.commit()"
children = [subprocess.Popen([sys.executable, "-c", add]) for _ in range(4)]
assert all(c.wait() == 0 for c in children)
assert db.execute("select count(*) from t").fetchone()[0] == 4
PY
EOF

    inside 'python: ctypes calls a library that was just built' \
        'python3 gcc' <<'EOF'
echo 'int twice(int n) { return 2 * n; }' >t.c
gcc -shared -fPIC -o libt.so t.c
python3 -c 'import ctypes; assert ctypes.CDLL("./libt.so").twice(4) == 8
cb = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda n: n + 1); assert cb(1) == 2'
EOF
}

# ---- node -------------------------------------------------------------------

check_node() {
    inside 'node: modules, streams and zlib' 'node' <<'EOF'
echo 'export const one = 1' >one.mjs
cat >main.mjs <<'JS'
import { one } from './one.mjs'
import { gunzipSync, gzipSync } from 'node:zlib'
import { pipeline } from 'node:stream/promises'
import fs from 'node:fs'
import os from 'node:os'
if (gunzipSync(gzipSync('x')).toString() !== 'x' || one !== 1) process.exit(1)
await pipeline(fs.createReadStream('main.mjs'), fs.createWriteStream('copy'))
if (os.cpus().length < 1 || os.userInfo().username.length < 1) process.exit(1)
console.log(os.hostname(), os.totalmem(), os.homedir(), os.tmpdir())
JS
node main.mjs && cmp main.mjs copy
EOF

    inside 'node: os.networkInterfaces' 'node' <<'EOF'
node -e 'const l = require("os").networkInterfaces().lo
if (!l.some((a) => a.address === "127.0.0.1")) process.exit(1)'
EOF

    inside 'node: worker_threads with shared memory' 'node' <<'EOF'
cat >main.js <<'JS'
const { Worker, isMainThread, workerData } = require('worker_threads')
if (isMainThread) {
  const n = new Int32Array(new SharedArrayBuffer(4))
  let left = 4
  for (let i = 0; i < 4; i++)
    new Worker(__filename, { workerData: n }).on('exit', () => {
      if (--left === 0) process.exit(n[0] === 4 ? 0 : 1)
    })
} else Atomics.add(workerData, 0, 1)
JS
node main.js
EOF

    inside 'node: child_process, fork with messages, cluster' 'node' <<'EOF'
cat >main.js <<'JS'
const cp = require('child_process'), assert = require('assert')
if (process.argv[2] === 'child') {
  process.on('message', (m) => { process.send(m + 1); process.disconnect() })
} else {
  assert.equal(cp.execSync('cat', { input: 'x' }).toString(), 'x')
  assert.equal(cp.spawnSync('sh', ['-c', 'kill -15 $$']).signal, 'SIGTERM')
  const child = cp.fork(__filename, ['child'])
  child.send(1)
  child.on('message', (m) => assert.equal(m, 2))
  child.on('exit', (code) => process.exit(code))
}
JS
node main.js
cat >cluster.js <<'JS'
const cluster = require('cluster'), net = require('net')
if (cluster.isPrimary) {
  const w = cluster.fork()
  cluster.on('listening', () => net.connect(8080, '127.0.0.1').on('data', (d) => {
    w.kill(); process.exit(d.toString() === 'hi' ? 0 : 1) }))
} else net.createServer((s) => s.end('hi')).listen(8080, '127.0.0.1')
JS
node cluster.js
EOF

    inside 'node: an http server and fetch on localhost' 'node' <<'EOF'
cat >main.mjs <<'JS'
import http from 'node:http'
const server = http.createServer((q, s) => s.end('hello ' + q.url))
server.listen(0, async () => {
  for (const host of ['localhost', '127.0.0.1', '[::1]']) {
    const text = await (await fetch(`http://${host}:${server.address().port}/x`)).text()
    if (text !== 'hello /x') process.exit(1)
  }
  process.exit(0)
})
JS
node main.mjs
EOF

    inside 'node: fs.watch' 'node' <<'EOF'
cat >main.js <<'JS'
const fs = require('fs')
fs.mkdirSync('d')
fs.watch('d', (type, name) => process.exit(name === 'new' ? 0 : 1))
fs.writeFileSync('d/new', '')
JS
node main.js
EOF

    inside 'node --test' 'node' <<'EOF'
cat >a.test.js <<'JS'
const test = require('node:test'), assert = require('node:assert')
test('adds', () => assert.equal(1 + 1, 2))
JS
node --test >log 2>&1 || { cat log; exit 1; }
EOF

    inside 'npm: init, run, pack and install of a local package' \
        'node npm' <<'EOF'
mkdir lib app
echo 'module.exports = 7' >lib/index.js
(cd lib && npm init -y >/dev/null && npm pack >/dev/null)
cd app
npm init -y >/dev/null
npm pkg set scripts.test='node -e "process.exit(require(\"lib\") === 7 ? 0 : 1)"' \
    scripts.postinstall='echo ran >ran'
npm install --offline --no-audit --no-fund ../lib/lib-1.0.0.tgz
npm run test
[ -f ran ]
rm -r node_modules && npm ci --offline --no-audit --no-fund && npm test
EOF
}

# ---- Rust, Go, Java, Perl ---------------------------------------------------

check_languages() {
    if [ ! -x "$RUST_SYSROOT/bin/cargo" ]; then
        skip 'cargo: build, test and run: cargo is not installed' 1
    else
        # Not below the system's paths perhaps, so it is shown as a user would.
        inside 'cargo: build, test and run' 'gcc' --read "$RUST_SYSROOT" \
            --env "RUST_SYSROOT=$RUST_SYSROOT" <<'EOF'
PATH=$RUST_SYSROOT/bin:$PATH
cargo new --vcs none small
cd small
cat >src/lib.rs <<'R'
pub fn twice(n: i32) -> i32 { 2 * n }
#[test] fn doubles() { assert_eq!(twice(2), 4) }
#[test] #[should_panic] fn panics() { panic!("as wanted") }
R
echo 'fn main() { println!("{}", small::twice(4)) }' >src/main.rs
cargo build --offline && cargo test --offline
[ "$(cargo run -q --offline)" = 8 ]
EOF
    fi

    inside 'go: build, test -race and vet' 'go gcc' <<'EOF'
cat >go.mod <<'G'
module example.org/small
go 1.19
G
cat >main.go <<'G'
package main
import "fmt"
func twice(n int) int { return 2 * n }
func main() { fmt.Println(twice(4)) }
G
cat >main_test.go <<'G'
package main
import ("net"; "os/exec"; "testing")
func TestTwice(t *testing.T) {
	if twice(2) != 4 { t.Fatal("not 4") }
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil { t.Fatal(err) }
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil { t.Fatal(err) }
	c.Close()
	if err := exec.Command("true").Run(); err != nil { t.Fatal(err) }
}
G
go build -o small . && [ "$(./small)" = 8 ]
go vet . && go test ./...
EOF

    inside 'go: net.Interfaces' 'go' <<'EOF'
cat >main.go <<'G'
package main
import ("fmt"; "net"; "os")
func main() {
	i, err := net.Interfaces()
	fmt.Println(i, err)
	if err != nil { os.Exit(1) }
}
G
go run main.go
EOF

    inside 'java: javac, a jar, threads and a child process' \
        'javac java jar' <<'EOF'
mkdir src out
cat >src/Main.java <<'J'
import java.net.*;
import java.util.stream.*;
public class Main {
    public static void main(String[] a) throws Exception {
        long sum = LongStream.range(0, 1000).parallel().sum();
        Process p = new ProcessBuilder("sh", "-c", "exit 3").start();
        try (ServerSocket s = new ServerSocket(0)) {
            new Socket("localhost", s.getLocalPort()).close();
        }
        NetworkInterface.getByName("lo");
        InetAddress.getLocalHost();
        System.out.println(sum + " " + p.waitFor());
    }
}
J
javac -d out src/Main.java
printf 'Main-Class: Main\n' >manifest
jar cfm main.jar manifest -C out .
[ "$(java -cp out Main)" = '499500 3' ]
[ "$(java -jar main.jar)" = '499500 3' ]
EOF

    inside 'perl: fork, sockets, and prove' 'perl prove' <<'EOF'
mkdir t
cat >t/a.t <<'P'
use strict; use warnings;
use Test::More;
use File::Temp; use IO::Socket::INET; use Socket; use POSIX;
my $pid = fork; exit 5 if !$pid; waitpid $pid, 0; is $? >> 8, 5, 'fork';
my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1');
my $c = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $s->sockport);
ok $c, 'connect';
is `echo hi`, "hi\n", 'backticks';
ok getpwuid($<), 'user'; ok -t STDIN || 1;
done_testing;
P
prove -j2 t
EOF

    inside 'bash: process substitution, coproc, /dev/tcp, mapfile' 'bash' <<'EOF'
cat >a.sh <<'B'
set -e
diff <(echo a) <(echo a)
coproc cat; echo x >&"${COPROC[1]}"; read -r line <&"${COPROC[0]}"; [ "$line" = x ]
mapfile -t lines < <(seq 5); [ "${#lines[@]}" = 5 ]
tee >(cat >copy) <<<y >/dev/null
B
bash a.sh
EOF
}

# ---- git --------------------------------------------------------------------

# Who commits is the script's matter: nothing of the caller comes in.
GIT_PRELUDE='export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org
export GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@example.org
git init -q -b main r && cd r && git config user.name A && git config user.email a@x
echo 1 >f && git add f && git commit -q -m one'

check_git() {
    inside 'git: init, config, commit, branch, merge, status, log' 'git' <<EOF
$GIT_PRELUDE
git switch -q -c side && echo 2 >g && git add g && git commit -q -m two
git switch -q main && echo 3 >h && git add h && git commit -q -m three
git merge -q --no-edit side
git rebase -q side && git tag v1 && git blame f
[ -z "\$(git status --porcelain)" ] && [ "\$(git log --oneline | wc -l)" = 3 ]
git diff --stat HEAD~1 && git format-patch -q -1 && git grep -q 3
EOF

    inside 'git: worktree, stash, gc, fsck' 'git' <<EOF
$GIT_PRELUDE
git worktree add -q ../tree -b other && echo x >../tree/f
git -C ../tree commit -q -a -m x && git worktree remove ../tree
echo y >f && git stash -q && [ "\$(cat f)" = 1 ] && git stash pop -q && [ "\$(cat f)" = y ]
git gc -q --prune=now && git fsck --strict && git count-objects -v
EOF

    inside 'git: clone, fetch, push and a submodule of a local path' 'git' <<EOF
$GIT_PRELUDE
cd .. && git clone -q r copy && git clone -q --bare r bare.git
git clone -q "file://\$PWD/bare.git" wire && cd wire
echo 2 >f && git commit -q -a -m two && git push -q origin HEAD
git -C ../copy fetch -q "\$PWD" && git -C ../copy merge -q FETCH_HEAD
git -c protocol.file.allow=always submodule --quiet add "\$PWD/../bare.git" sub
[ -f sub/f ]
EOF

    inside 'git: hooks of a repository made inside' 'git' <<EOF
$GIT_PRELUDE
printf '#!/bin/sh\nexit 1\n' >.git/hooks/pre-commit && chmod +x .git/hooks/pre-commit
git commit --allow-empty -m no && exit 1
git commit -q --allow-empty --no-verify -m yes
EOF

    # The workspace itself is a repository that was there before.
    has 'git in the workspace' 'git' || return
    new_workspace
    git init -q -b main "$WORKSPACE"
    echo 1 >"$WORKSPACE/f"
    git -C "$WORKSPACE" add f
    git -C "$WORKSPACE" commit -q -m one
    cat >"$WORKSPACE/check.sh" <<'EOF'
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org
export GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@example.org
git status --short && git switch -q -c side && echo 2 >f && git commit -q -a -m two
git switch -q main && git merge -q side && git stash list && git gc -q
git worktree add -q /tmp/tree && git worktree remove /tmp/tree && git branch -D side
git checkout -q HEAD~1 && git reset -q --hard main && git clean -fdq -e check.sh
EOF
    ok 'git: in a workspace that is a repository' run_script
    is "$(git -C "$WORKSPACE" log --format=%s HEAD)" "two
one" 'git: what was committed inside is there outside'
}

# ---- text and files ---------------------------------------------------------

check_files() {
    inside 'sort of a file of 50 MB, in two threads and through TMPDIR' \
        'sort python3' <<'EOF'
python3 -c 'import random; r = random.Random(1)
for i in range(50): print("\n".join("%019d" % r.getrandbits(60) for _ in range(52429)))' >big
[ "$(stat -c %s big)" -ge 50000000 ]
sort -S 16M --parallel=2 big >sorted && sort -c sorted && [ "$(wc -l <sorted)" = 2621450 ]
EOF

    inside 'awk, sed -i, grep, tr, cut, join, paste, comm, diff, patch, bc' \
        'awk sed grep patch bc' <<'EOF'
seq 1 1000 >n
[ "$(awk '{ s += $1 } END { print s }' n)" = 500500 ]
awk 'BEGIN { "echo hi" | getline x; close("echo hi"); print x | "cat >out" }' && [ "$(cat out)" = hi ]
cp n m && sed -i 's/^500$/five/' m && grep -c . m && grep -qx five m
diff -u n m >p && exit 1
patch -s n p && cmp n m
[ "$(echo '2^64' | bc)" = 18446744073709551616 ]
EOF

    inside 'find, xargs -P, parallel writes to one file' 'find xargs' <<'EOF'
mkdir d && seq 1 400 | (cd d && xargs touch)
find d -type f -print0 | xargs -0 -P 8 -n 5 sh -c 'echo "$@" >>log' x
[ "$(wc -w <log)" = 400 ]
find d -type f -newermt 2000-01-01 -size -1 -delete && [ -z "$(ls d)" ]
EOF

    inside 'fifos and pipelines of twenty' 'mkfifo' <<'EOF'
mkfifo f
seq 1 10000 >f & wc -l <f >n; wait; [ "$(cat n)" -eq 10000 ]
c=cat; i=0; while [ $i -lt 20 ]; do c="$c | cat"; i=$((i + 1)); done
[ "$(seq 1 10000 | eval "$c" | tail -n 1)" = 10000 ]
echo x | tee copy /dev/stderr >/dev/null && [ "$(cat copy)" = x ]
EOF

    inside 'tar, gzip, xz, zstd and zip preserve modes, times and links' \
        'tar gzip python3' <<'EOF'
mkdir -p d/sub && echo x >d/f && chmod 640 d/f && touch -d '2001-02-03 04:05:06.123456789' d/f
ln -s f d/link && ln d/f d/hard && chmod 555 d/sub && mkfifo d/pipe
tar --format=pax -cf - d | gzip | (mkdir out && cd out && tar -xzpf -)
[ "$(stat -c '%a %y %h' d/f)" = "$(stat -c '%a %y %h' out/d/f)" ]
[ "$(readlink out/d/link)" = f ] && [ -p out/d/pipe ] && [ "$(stat -c %a out/d/sub)" = 555 ]
for c in xz zstd bzip2; do
    if command -v $c >/dev/null; then tar -cf - --exclude=pipe d | $c | $c -d | tar -tf - >/dev/null; fi
done
python3 -c 'import shutil; shutil.make_archive("a", "zip", "d/sub"); shutil.unpack_archive("a.zip", "z")'
EOF

    inside 'tar extracts files of other owners and with setuid bits' \
        'python3 tar' <<'EOF'
python3 - <<'PY'
import io, tarfile
with tarfile.open("a.tar", "w") as t:
    for name, mode in ("plain", 0o644), ("special", 0o4755), ("sticky", 0o2755):
        i = tarfile.TarInfo(name); i.mode = mode; i.uid = i.gid = 0; i.size = 1
        t.addfile(i, io.BytesIO(b"x"))
PY
tar -xf a.tar && [ -f plain ] && [ -f special ] && [ -f sticky ]
python3 -c 'import tarfile; tarfile.open("a.tar").extractall("p")' && [ -f p/special ]
EOF

    inside 'cp -a, install, mv and touch keep modes and times' \
        'cp install' <<'EOF'
mkdir a && echo x >a/f && chmod 751 a/f && touch -d '2001-02-03 04:05:06.5' a/f a
ln -s f a/l
cp -a a b && mkdir c && cp -p --reflink=auto a/f c/ && install -D -p -m 640 a/f d/e/f && install -d -m 750 g
[ "$(stat -c '%a %Y' a/f)" = "$(stat -c '%a %Y' b/f)" ] && [ "$(stat -c %Y a)" = "$(stat -c %Y b)" ]
[ "$(stat -c '%a %Y' d/e/f)" = '640 981173106' ] && [ "$(stat -c %a g)" = 750 ]
mv b /tmp/b.$$ && mv /tmp/b.$$ back && [ "$(stat -c '%a %Y' back/f)" = '751 981173106' ]
chown "$(id -u):$(id -g)" a/f && chgrp "$(id -gn)" a && chmod -R u+w,go-w a
EOF

    inside 'rsync -a between folders' 'rsync' <<'EOF'
mkdir -p a/b && echo x >a/b/f && touch -d 2001-02-03 a/b/f && ln -s b a/l
rsync -a --delete a/ c/ && rsync -ani --delete a/ c/ >log && [ ! -s log ]
EOF

    inside 'sparse files, fallocate, truncate, holes' 'truncate fallocate' <<'EOF'
truncate -s 20G sparse && [ "$(du -k sparse | cut -f1)" -lt 1000 ]
fallocate -l 1M real && [ "$(du -k real | cut -f1)" -ge 1024 ]
cp --sparse=always sparse copy && [ "$(stat -c %s copy)" = 21474836480 ]
dd if=/dev/zero of=seek bs=1 count=1 seek=10M 2>/dev/null && rm sparse copy
EOF

    inside 'hard and symbolic links, renames of directories, O_TMPFILE' \
        'python3' <<'EOF'
python3 - <<'PY'
import os
open("f", "w").write("x"); os.link("f", "h"); assert os.stat("f").st_nlink == 2
os.symlink("missing", "dangling"); assert os.path.islink("dangling")
os.symlink("/etc/passwd", "out"); assert "root" in open("out").read()
os.makedirs("d/e/f"); open("d/e/f/g", "w").close()
os.rename("d", "moved"); assert os.path.exists("moved/e/f/g")
os.makedirs("empty"); os.rename("moved", "empty"); os.rename("empty/e", "e")
os.link("h", "e/h"); os.rename("e/h", "h2")
fd = os.open(".", os.O_TMPFILE | os.O_RDWR); os.write(fd, b"late")
os.link(f"/proc/self/fd/{fd}", "late", follow_symlinks=True)
assert open("late").read() == "late"
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
assert libc.renameat2(-100, b"late", -100, b"f", 2) == 0, os.strerror(ctypes.get_errno())
assert open("f").read() == "late"
PY
EOF

    inside 'deep paths, long names, unicode and odd names' 'python3 find' <<'EOF'
python3 - <<'PY'
import os
top = os.getcwd()
for i in range(60):
    os.mkdir("n" * 200); os.chdir("n" * 200)
open("end", "w").close(); os.chdir(top)
names = ["ünïcödé", "日本語", "😀", "with space", "-dash", "new\nline", "quote'\"",
         "a" * 255, "tab\t", "back\\slash"]
for n in names: open(n, "w").write(n)
assert set(names) <= set(os.listdir("."))
raw = b"\xff\xfe"; open(raw, "w").close(); assert raw in os.listdir(b".")
PY
find . -name end | grep -q end && rm -r nnn*
[ -f 日本語 ] && [ "$(cat ünïcödé)" = ünïcödé ]
EOF

    inside '10,000 small files in 100 folders' 'python3 find' <<'EOF'
python3 - <<'PY'
import os
for d in range(100):
    os.mkdir(str(d))
    for f in range(100): open(f"{d}/{f}", "w").write("x")
PY
[ "$(find . -type f | wc -l)" -gt 10000 ] && rm -r [0-9]*
EOF

    inside 'file locks: flock, fcntl, open file descriptions' \
        'flock python3' <<'EOF'
flock lock true
flock lock sh -c 'flock -n lock true' && exit 1
python3 - <<'PY'
import fcntl, os, struct
f = open("l", "w")
fcntl.lockf(f, fcntl.LOCK_EX)
if os.fork() == 0:
    try: fcntl.lockf(open("l", "w"), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError: os._exit(0)
    os._exit(1)
assert os.wait()[1] == 0
fcntl.fcntl(open("m", "w"), 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
fcntl.fcntl(os.open(".", 0), fcntl.F_NOTIFY, 0) if hasattr(fcntl, "F_NOTIFY") else 0
PY
EOF

    inside 'extended attributes, access times, statvfs, fsync' 'python3' <<'EOF'
python3 - <<'PY'
import os
f = open("f", "w"); f.write("x"); f.flush(); os.fsync(f.fileno()); os.fdatasync(f.fileno())
os.setxattr("f", "user.note", b"v"); assert os.getxattr("f", "user.note") == b"v"
assert "user.note" in os.listxattr("f"); os.removexattr("f", "user.note")
os.utime("f", ns=(1, 2)); assert os.stat("f").st_mtime_ns == 2
s = os.statvfs("."); assert s.f_bavail > 0
os.posix_fallocate(f.fileno(), 0, 4096); os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
a, b = os.open("f", os.O_RDONLY), os.open("g", os.O_WRONLY | os.O_CREAT)
assert os.copy_file_range(a, b, 4096) == 4096
os.lseek(a, 0, 0); assert os.sendfile(b, a, 0, 10) == 10
os.sync()
PY
EOF

    inside 'umask, read-only files and folders, access' 'python3' <<'EOF'
umask 027 && touch f && mkdir d && [ "$(stat -c %a f)$(stat -c %a d)" = 640750 ]
chmod 444 f && if (echo x >f) 2>/dev/null; then exit 1; fi
chmod 555 d && if (touch d/x) 2>/dev/null; then exit 1; fi
[ -r f ] && [ ! -w f ] && chmod 000 f && if cat f 2>/dev/null; then exit 1; fi
EOF
}

# ---- the kernel as programs use it ------------------------------------------

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
open("/proc/self/comm", "w").write("named")
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

# ---- network, within ---------------------------------------------------------

check_network() {
    inside 'TCP and UDP on the own loopback, IPv4 and IPv6' 'python3' <<'EOF'
python3 - <<'PY'
import socket
for family, host in (socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"), (socket.AF_INET, "127.1.2.3"):
    s = socket.create_server((host, 0), family=family, reuse_port=True)
    c = socket.create_connection(s.getsockname()[:2])
    a, _ = s.accept()
    c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    c.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    c.sendall(b"x" * 70000); c.shutdown(socket.SHUT_WR)
    assert sum(len(d) for d in iter(lambda: a.recv(65536), b"")) == 70000
    u, v = (socket.socket(family, socket.SOCK_DGRAM) for _ in "ab")
    u.bind((host, 0)); v.sendto(b"hi", u.getsockname()); assert u.recvfrom(10)[0] == b"hi"
s = socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)
socket.create_connection(("127.0.0.1", s.getsockname()[1]))
PY
EOF

    inside 'unix sockets: stream, datagram, seqpacket, abstract, descriptors passed' \
        'python3' <<'EOF'
python3 - <<'PY'
import os, socket, struct
for kind in socket.SOCK_STREAM, socket.SOCK_SEQPACKET:
    for name in f"s{kind}", f"\0s{kind}", f"/tmp/s{kind}":
        s = socket.socket(socket.AF_UNIX, kind); s.bind(name); s.listen()
        c = socket.socket(socket.AF_UNIX, kind); c.connect(name)
        a, _ = s.accept(); c.send(b"x"); assert a.recv(1) == b"x"
        pid, uid, gid = struct.unpack("3i", a.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        assert pid == os.getpid() and uid == os.getuid()
d = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); d.bind("d")
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"y", "d"); assert d.recv(1) == b"y"
a, b = socket.socketpair()
socket.send_fds(a, [b"f"], [os.open("/dev/null", os.O_RDONLY)])
assert socket.recv_fds(b, 1, 1)[1]
PY
EOF

    inside 'localhost and the own host name resolve' 'getent python3 hostname' <<'EOF'
getent hosts localhost && getent hosts "$(hostname)" && getent ahosts localhost && hostname -i
python3 - <<'PY'
import socket
for name in "localhost", socket.gethostname(), socket.getfqdn():
    socket.gethostbyname(name)
    with socket.create_server((name, 0)) as s: socket.create_connection((name, s.getsockname()[1]))
assert {a[0] for a in socket.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)} == {socket.AF_INET, socket.AF_INET6}
assert socket.getservbyname("https") == 443 and socket.getprotobyname("tcp") == 6
PY
EOF

    inside 'network interfaces can be listed' 'python3 gcc' <<'EOF'
cat >i.c <<'C'
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
int main(void)
{
    struct ifaddrs *list;
    if (getifaddrs(&list) < 0) { perror("getifaddrs"); return 1; }
    if (if_nametoindex("lo") == 0) { perror("if_nametoindex"); return 1; }
    for (; list != NULL; list = list->ifa_next)
        if (strcmp(list->ifa_name, "lo") == 0) return 0;
    return 2;
}
C
gcc -o i i.c && ./i
python3 -c 'import socket; print(socket.if_nameindex())'
EOF

    inside 'curl to an http server on localhost' 'curl python3' <<'EOF'
python3 - <<'PY'
import http.server, subprocess, threading
s = http.server.ThreadingHTTPServer(("localhost", 0), http.server.SimpleHTTPRequestHandler)
threading.Thread(target=s.serve_forever, daemon=True).start()
out = subprocess.run(["curl", "-sS", f"http://localhost:{s.server_port}/check.sh"], capture_output=True)
print(out)
assert out.stdout == open("check.sh", "rb").read()
PY
EOF

    inside 'openssl: keys, certificates, TLS on localhost' 'openssl python3' <<'EOF'
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
    -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout k.pem -out c.pem
openssl dgst -sha256 check.sh && openssl rand 16 | wc -c
openssl genrsa -out rsa.pem 2048 && openssl verify -CAfile c.pem c.pem
python3 - <<'PY'
import socket, ssl, threading
s = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); s.load_cert_chain("c.pem", "k.pem")
l = socket.create_server(("localhost", 0))
def serve():
    c, _ = l.accept(); s.wrap_socket(c, server_side=True).sendall(b"ok")
threading.Thread(target=serve, daemon=True).start()
x = ssl.create_default_context(cafile="c.pem")
assert x.wrap_socket(socket.create_connection(l.getsockname()), server_hostname="localhost").recv(2) == b"ok"
PY
EOF
}

# ---- processes, sessions, terminals -----------------------------------------

check_sessions() {
    inside 'a pseudo terminal by python' 'python3' <<'EOF'
python3 - <<'PY'
import os, pty, termios, fcntl, struct
pid, fd = pty.fork()
if pid == 0:
    os.execlp("sh", "sh", "-c", "tty; stty size; read x; echo got $x >/dev/tty")
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("4H", 30, 90, 0, 0))
os.write(fd, b"abc\n")
out = b""
try:
    while d := os.read(fd, 1000): out += d
except OSError: pass
print(out)
assert b"/dev/pts/" in out and b"got abc" in out
assert os.waitpid(pid, 0)[1] == 0
PY
EOF

    inside 'script(1)' 'script' <<'EOF'
script -qec 'tty && test -t 0 && test -t 1 && echo yes' log >/dev/null
grep -q yes log
script -qec 'exit 3' /dev/null && exit 1
true
EOF

    inside 'job control in bash' 'bash script' <<'EOF'
cat >j.sh <<'B'
set -m
cat /dev/zero >/dev/null & pid=$!
kill -STOP %1
wait -f %1 2>/dev/null & 
while [ "$(ps -o stat= -p $pid | cut -c1)" != T ]; do :; done
jobs | grep -q cat
bg %1 >/dev/null; kill %1; wait $pid; [ $? = 143 ] && echo controlled
B
bash j.sh | grep -q controlled
script -qec 'bash -i -c "sleep 0 & fg; echo fore"' /dev/null | grep -q fore
EOF

    inside 'signals, process groups, timeout, nohup, trap' 'bash timeout setsid' <<'EOF'
s=0; timeout 0.01 sh -c 'while :; do :; done' || s=$?; [ $s = 124 ]
s=0; sh -c 'kill -TERM $$' || s=$?; [ $s = 143 ]
nohup true >/dev/null 2>&1 && [ "$(setsid sh -c 'ps -o sid= -p $$; echo' | head -1 | tr -d ' ')" -gt 0 ]
[ "$(sh -c 'trap "echo caught" USR1; kill -USR1 $$')" = caught ]
python3 - <<'PY'
import os, signal
pid = os.fork()
if pid == 0:
    os.setpgid(0, 0)
    for _ in "abc": os.fork()
    signal.pause()
try: os.setpgid(pid, pid)
except PermissionError: pass
os.killpg(pid, signal.SIGKILL); assert os.waitpid(pid, 0)[1] == 9
signal.sigqueue if hasattr(signal, "sigqueue") else None
assert signal.sigtimedwait([signal.SIGUSR1], 0) is None
PY
EOF

    inside 'a daemon started with setsid by a test suite and spoken to' \
        'python3 setsid' <<'EOF'
cat >daemon.py <<'PY'
import os, socket, sys
s = socket.create_server(("localhost", 8080))
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
os.chdir("/")
open("/tmp/daemon.pid", "w").write(str(os.getpid()))
while True:
    c, _ = s.accept(); c.sendall(c.recv(100).upper()); c.close()
PY
setsid python3 daemon.py </dev/null >/dev/null 2>&1
python3 -c 'import socket; c = socket.create_connection(("localhost", 8080)); c.send(b"hi"); assert c.recv(9) == b"HI"'
EOF

    inside 'orphans are adopted and reaped' 'python3' <<'EOF'
python3 - <<'PY'
import os
r, w = os.pipe()
if os.fork() == 0:
    if os.fork() == 0:
        os.close(r)
        while os.getppid() not in (0, 1): pass
        os.write(w, b"%d" % os.getpid()); os._exit(0)
    os._exit(0)
os.close(w); os.wait()
orphan = os.read(r, 20).decode()
assert os.read(r, 1) == b""
# It has ended when the pipe closes; its entry goes once it is reaped.
while os.path.exists(f"/proc/{orphan}"): pass
PY
EOF

    inside 'gpg makes a key with an agent and signs' 'gpg gpg-agent' <<'EOF'
gpg --batch --passphrase '' --quick-generate-key a@example.org ed25519 default never 2>&1
echo x | gpg --batch -a --sign | gpg --verify
EOF

    inside 'ssh-keygen' 'ssh-keygen' <<'EOF'
ssh-keygen -q -t ed25519 -N '' -f key && ssh-keygen -l -f key.pub
EOF

    inside 'sqlite3' 'sqlite3' <<'EOF'
sqlite3 a.db 'create table t(x); insert into t values (1), (2);'
[ "$(sqlite3 a.db 'pragma journal_mode=wal; select sum(x) from t' | tail -1)" = 3 ]
EOF

    inside 'a PostgreSQL server: initdb, start, query, stop' \
        'initdb pg_ctl psql' <<'EOF'
initdb -D data -U me >/dev/null && pg_ctl -w -D data -o '-p 5433 -k /tmp' -l log start
[ "$(psql -h localhost -p 5433 -U me -Atc 'select 6 * 7' postgres)" = 42 ]
pg_ctl -w -D data -m fast stop
EOF
}

# ---- the surroundings ---------------------------------------------------------

check_surroundings() {
    inside 'nproc, id, whoami, getent, groups, logname, hostname, uname' \
        'nproc whoami hostname' <<'EOF'
[ "$(nproc)" -ge 1 ] && [ "$(getconf _NPROCESSORS_ONLN)" -ge 1 ] && id && groups && uname -a && hostname
[ "$(whoami)" = "$(id -un)" ] && [ "$(getent passwd "$(id -u)" | cut -d: -f6)" = "$HOME" ]
getent group "$(id -g)" && [ "$USER" = "$(whoami)" ] && [ ~ = "$HOME" ]
[ -w "$HOME" ] && [ -w "${TMPDIR:-/tmp}" ] && [ -w /var/tmp ] && mktemp && mktemp -d
[ -x "$SHELL" ]
EOF

    inside 'locale: UTF-8 in sort, wc, python and perl' 'locale python3 perl' <<'EOF'
locale && [ "$(locale charmap)" = UTF-8 ] && [ "$(printf 'äöü' | wc -m)" = 3 ]
python3 -c 'import sys; assert sys.getfilesystemencoding() == "utf-8"; print("日本語")'
[ -z "$(perl -e 1 2>&1)" ]
EOF

    inside 'time zones' 'date python3' <<'EOF'
[ "$(TZ=Asia/Tokyo date -d @0 +%H)" = 09 ] && date
python3 -c 'import datetime, zoneinfo
assert datetime.datetime(2026, 7, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")).utcoffset().seconds == 7200'
EOF
    [ -z "$OUTSIDE" ] || return

    # What belongs to the command line: paths, variables, folders.
    new_workspace
    is "$(cd "$WORKSPACE" && "$NIGHTJAR" sandbox -- pwd)" /workspace \
        'the current directory is the workspace, at /workspace'
    is "$("$NIGHTJAR" sandbox -w "$WORKSPACE:/src/project" -- \
        sh -c 'pwd && touch made')" /src/project '--workspace DIR:INSIDE'
    ok '…and is changed in place' test -f "$WORKSPACE/made"
    is "$(stat -c %u "$WORKSPACE/made")" "$(id -u)" \
        'what is made inside belongs to the caller outside'
    is "$("$NIGHTJAR" sandbox -w "$WORKSPACE:$WORKSPACE" -- pwd)" "$WORKSPACE" \
        'the workspace at the path it has outside'
    is "$(sandbox --env A=b --env 'B=c d=$e' --env C= -- \
        sh -c 'echo "$A|$B|${C-unset}"')" 'b|c d=$e|' '--env'
    is "$(SECRET=x sandbox -- sh -c 'echo "${SECRET-unset}"')" unset \
        'no variable of the caller'
    mkdir -p "$WORK/host/tool/bin" "$WORK/host/cache"
    printf '#!/bin/sh\necho tool\n' >"$WORK/host/tool/bin/tool"
    chmod +x "$WORK/host/tool/bin/tool"
    is "$(sandbox --read "$WORK/host/tool" \
        --env "PATH=$WORK/host/tool/bin:/usr/bin:/bin" -- tool)" tool \
        '--read of a toolchain that is on the PATH'
    status_is 1 '--read is not for writing' \
        sandbox --read "$WORK/host/tool" -- \
        sh -c 'touch "$0/x" 2>/dev/null || exit 1' "$WORK/host/tool"
    ok '--write of a cache' sandbox --write "$WORK/host/cache" -- \
        sh -c 'mkdir "$0/d" && echo x >"$0/d/f" && mv "$0/d" "$0/e"' \
        "$WORK/host/cache"
    is "$(cat "$WORK/host/cache/e/f")" x '…keeps what was written'
    is "$(stat -c %u "$WORK/host/cache/e/f")" "$(id -u)" \
        '…and it belongs to the caller'
    echo text >"$WORK/host/file"
    is "$(sandbox --read "$WORK/host/file" -- cat "$WORK/host/file")" text \
        '--read of one file'
}

# ---- standard streams and ends ------------------------------------------------

check_streams() {
    [ -z "$OUTSIDE" ] || return
    new_workspace
    big=$WORK/big
    head -c 104857600 /dev/urandom >"$big"
    is "$(sandbox -- cat <"$big" | sha256sum)" "$(sha256sum <"$big")" \
        '100 MB through cat, from a file to a pipe'
    # shellcheck disable=SC2002 # a pipe is what is wanted
    is "$(cat "$big" | sandbox -- cat | sha256sum)" "$(sha256sum <"$big")" \
        '…from a pipe to a pipe'
    sandbox -- cat <"$big" >"$WORK/copy"
    ok '…from a file to a file' cmp "$big" "$WORK/copy"
    rm -f "$big" "$WORK/copy"
    is "$(sandbox -- sh -c 'i=0; while [ $i -lt 500 ]; do
        echo o$i; echo e$i >&2; i=$((i + 1)); done' 2>&1 | sha256sum)" \
        "$(i=0; while [ $i -lt 500 ]; do
            echo o$i; echo e$i; i=$((i + 1)); done | sha256sum)" \
        'output and errors in one pipe keep their order'
    is "$(sandbox -- sh -c 'echo o; echo e >&2' 2>/dev/null)" o \
        'standard output alone'
    is "$(sandbox -- sh -c 'echo o; echo e >&2' 2>&1 >/dev/null)" e \
        'standard error alone: nothing is added to it'
    is "$(printf 'a\0b\377' | sandbox -- od -An -c | tr -s ' ')" \
        ' a \0 b 377' 'NUL and invalid UTF-8 in the input'
    is "$(printf abc | sandbox -- sh -c 'cat; echo :end')" abc:end \
        'the end of the input is seen'
    is "$(sandbox -- cat </dev/null | wc -c)" 0 'no input'
    is "$(sandbox -- sh -c 'cat; echo :$?' <&- 2>/dev/null | tail -n 1)" \
        "$(sh -c 'cat; echo :$?' <&- 2>/dev/null | tail -n 1)" \
        'a closed standard input: no hang, no fault'
    is "$(printf 'a\nb\n' | (sandbox -- sh -c 'read -r x'; cat))" b \
        'input that the command leaves is there for the next'
    is "$(sandbox -- sh -c 'echo one >/dev/stdout; echo two | tee /dev/stderr' \
        2>&1 | sort -u | tr '\n' ' ')" 'one two ' \
        '/dev/stdout and /dev/stderr are opened anew: a pipe'
    sandbox -- sh -c 'echo one >/dev/stdout; echo two >>/dev/stdout' \
        >"$WORK/reopened" 2>&1
    is "$(tail -n 1 "$WORK/reopened")" two \
        '/dev/stdout is opened anew: a file of the host'
    is "$(sandbox -- cat /dev/stdin <"$0")" "$(cat "$0")" \
        '/dev/stdin is opened anew: a file of the host'
    status_is 0 'a process left behind does not hold the end up' \
        sh -c '"$NIGHTJAR" sandbox -w "$1" -- sh -c "tail -f /dev/null & echo x" |
            cat' x "$WORKSPACE"

    for status in 0 1 42 124 255; do
        status_is $status "exit status $status" sandbox -- sh -c "exit $status"
    done
    for signal in 1 2 6 9 11 13 15 31; do
        status_is $((128 + signal)) "death by signal $signal" \
            sandbox -- sh -c "kill -$signal \$\$"
    done
    status_is 127 'no such command' sandbox -- no-such-command
    : >"$WORKSPACE/text"
    status_is 126 'a file that is not executable' sandbox -- ./text
    status_is 125 'no sandbox: the workspace is missing' \
        "$NIGHTJAR" sandbox -w "$WORK/missing" -- true
    # The reader leaves: the writer must end, and by the signal.
    (
        got=0
        sandbox -- yes || got=$?
        echo "$got" >"$WORK/status"
    ) | head -n 1 >/dev/null
    is "$(cat "$WORK/status")" 141 'SIGPIPE when the reader leaves'
    status_is 1 'a full device' sandbox -- sh -c 'echo x' >/dev/full
}

# A terminal outside becomes one of its own inside.
check_terminal() {
    [ -z "$OUTSIDE" ] || return
    has 'a terminal' 'script python3' || return
    new_workspace
    export WORKSPACE
    cat >"$WORK/terminal.py" <<'EOF'
import fcntl, os, pty, signal, struct, sys, termios

def run(script, feed=b"", size=(33, 99)):
    pid, fd = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("4H", *size, 0, 0))
        os.execv(os.environ["NIGHTJAR"], ["nightjar", "sandbox", "--timeout",
                 "60s", "-w", os.environ["WORKSPACE"], "--", "sh", "-c", script])
    out = b""
    try:
        while data := os.read(fd, 4096):
            out += data
            if feed and b"ready" in out:
                os.write(fd, feed)
                feed = b""
    except OSError:
        pass
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), out

checks = {
    "size": lambda: b"33 99" in run("stty size")[1],
    "name": lambda: b"/dev/pts/" in run("tty")[1],
    "status": lambda: run("exit 7")[0] == 7,
    "input": lambda: b"got abc" in run("echo ready; read x; echo got $x", b"abc\n")[1],
    "interrupt": lambda: run("echo ready; exec cat", b"\x03")[0] == 130,
    "end": lambda: run("echo ready; cat; exit 5", b"\x04")[0] == 5,
    "job": lambda: b"resumed" in run(
        "bash -ic 'sleep 0 & wait; fg 2>/dev/null; echo resumed'")[1],
}
sys.exit(0 if checks[sys.argv[1]]() else 1)
EOF
    ok 'a terminal: its size' python3 "$WORK/terminal.py" size
    ok 'a terminal: its name is one inside' python3 "$WORK/terminal.py" name
    ok 'a terminal: the exit status' python3 "$WORK/terminal.py" status
    ok 'a terminal: input' python3 "$WORK/terminal.py" input
    ok 'a terminal: Ctrl-C ends the command' python3 "$WORK/terminal.py" interrupt
    ok 'a terminal: Ctrl-D ends its input' python3 "$WORK/terminal.py" end
    ok 'a terminal: job control' python3 "$WORK/terminal.py" job
}

# ---- once more as an ordinary user -------------------------------------------

# as_user: runs a copy of all this as a user who owns nothing, with the
# results counted here. A copy, because the repository may lie where that user
# cannot look.
as_user() {
    user=64123 home=$WORK/user
    if ! command -v setpriv >/dev/null 2>&1; then
        skip 'as an ordinary user: setpriv is not installed'
        return
    fi
    mkdir -p "$home/tests/functional" "$home/build" "$home/tmp"
    cp tests/lib.sh "$home/tests/"
    cp "$0" "$home/tests/functional/builds.t"
    cp "$NIGHTJAR" "$home/build/nightjar"
    chown -R "$user:$user" "$home"
    chmod a+x "$WORK"
    if ! setpriv --reuid $user --regid $user --clear-groups \
        test -x "$home/build/nightjar"; then
        skip 'as an ordinary user: the temporary folder is closed to others'
        return
    fi
    setpriv --reuid $user --regid $user --clear-groups \
        env "TMPDIR=$home/tmp" "NIGHTJAR_BUILD=$home/build" "HOME=$home" \
        sh "$home/tests/functional/builds.t" >"$WORK/user.tap" 2>&1 </dev/null
    while IFS= read -r line; do
        case "$line" in
        'ok '*' # SKIP '*) skip "as a user: ${line#* # SKIP }" ;;
        'ok '*) pass "as a user: ${line#*- }" ;;
        'not ok '*) fail "as a user: ${line#*- }" ;;
        '#'*) printf '%s\n' "$line" ;;
        1..*) planned=yes ;;
        *) note "$line" ;;
        esac
    done <"$WORK/user.tap"
    is "${planned-no}" yes 'as a user: the checks came to their end'
}

for group in ${NIGHTJAR_FUNCTIONAL_GROUPS:-c debuggers python node languages git \
    files kernel network sessions surroundings streams terminal}; do
    "check_$group"
done
[ "$(id -u)" != 0 ] || as_user
done_testing
