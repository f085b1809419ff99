#!/bin/sh
# Python, in the sandbox.
# shellcheck disable=SC2016,SC2086,SC2317 # scripts for inside; some end early
. tests/functional/lib.sh

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

run_checks check_python
