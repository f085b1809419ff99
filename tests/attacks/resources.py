"""Using more than was allowed. Without a sandbox each attacker stops by
itself a little above the limit, so that the host survives its own tests; in
one it goes on much longer, since what watches it may be busy."""
import os
import pathlib

from lab import PRELUDE, attack, main

MIB = 1 << 20


def used(folder):
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob('*')) / MIB


def ends_typed(lab, reason):
    """In a sandbox the reason is told, or the attacker saw an error."""
    return (lab.mode == 'none' or lab.last.status == 1 or
            f'"ended_by":"{reason}"' in lab.last.output)


def beyond(name, reason, code, *options, **reasons):
    """The attacker says that it got further than allowed, or nothing says
    that it was ended for it."""
    @attack('resources', name, **reasons)
    def _(lab):
        text = code.replace('SIZE', '200' if lab.mode == 'none' else '3000')
        result = lab.py('import threading\n' + text, '--json', *options)
        return lab.says(result) or not ends_typed(lab, reason)


FILL = '''
def fill(mib):
    x = bytearray(mib << 20)
    for i in range(0, len(x), 4096): x[i] = 1
    return x
'''

beyond('memory of one process', 'memory', FILL + 'x = fill(200); '
       'print("reached")', '--memory', '64M')
beyond('memory of several processes', 'memory', FILL + '''
r, w = os.pipe()
for _ in range(6):
    if not fork():
        x = fill(40); os.write(w, b"x"); signal.pause()
got = b""
while len(got) < 6: got += os.read(r, 6)
print("reached", flush=True)
os.killpg(0, 9)''', '--memory', '100M')
beyond('memory that is a file', 'memory', '''
fd = os.memfd_create("x")
for _ in range(200): os.write(fd, bytes(1 << 20))
print("reached")''', '--memory', '64M')
@attack('resources', 'memory that is a file, by a small program')
def _(lab):
    result = lab.c('memfile.c', '--json', '--memory', '64M')
    return lab.says(result) or not ends_typed(lab, 'memory')


beyond('memory that is shared', 'memory', '''
import mmap
m = mmap.mmap(-1, 200 << 20)
for i in range(0, 200 << 20, 4096): m[i] = 1
print("reached")''', '--memory', '64M')
beyond('memory that is locked', 'memory', FILL + '''
libc.mlockall(2)
x = fill(200); print("reached")''', '--memory', '64M')
beyond('memory of a shell', 'memory', '''
os.execvp("sh", ["sh", "-c", "x=$(head -c 150000000 /dev/zero | tr '\\\\0' x); "
                 "echo reached"])''', '--memory', '64M')

FORK = '''
made = 0
try:
    for _ in range(COUNT):
        if not fork():
            signal.pause()
        made += 1
except OSError: pass
if made == COUNT: print("reached", flush=True)
'''


def count(lab, code):
    return code.replace('COUNT', '300' if lab.mode == 'none' else '1000')


@attack('resources', 'processes')
def _(lab):
    return lab.says(lab.py(count(lab, FORK) + 'os.killpg(0, 9)',
                           '--pids', '64'))


@attack('resources', 'threads')
def _(lab):
    return lab.says(lab.py(count(lab, '''import threading
made = 0
try:
    for _ in range(COUNT):
        threading.Thread(target=signal.pause, daemon=True).start(); made += 1
except RuntimeError: pass
if made == COUNT: print("reached", flush=True)
os._exit(0)'''), '--pids', '64'))


beyond('processes that stay at the limit', 'pids', '''
made, end = 0, time.monotonic() + 40
while made < 300 and time.monotonic() < end:
    try:
        if not fork(): signal.pause()
        made += 1
    except OSError: pass
if made == 300: print("reached", flush=True)
os.killpg(0, 9)''', '--pids', '64')
beyond('the disk, by one file', 'disk', '''
with open("big", "wb", 0) as f:
    for _ in range(SIZE): f.write(bytes(1 << 20))
print("reached")''', '--disk', '16M')
beyond('the disk, by many files', 'disk', '''
for i in range(2 * SIZE):
    with open("f%d" % i, "wb", 0) as f: f.write(bytes(1 << 19))
print("reached")''', '--disk', '16M')
beyond('the disk, by temporary files', 'disk', '''
import tempfile
for i in range(SIZE):
    with tempfile.NamedTemporaryFile(delete=False, buffering=0) as f:
        f.write(bytes(1 << 20))
print("reached")
os.system("rm -f /tmp/tmp*" if os.getcwd() == "/workspace" else "true")''',
       '--disk', '16M')
beyond('the disk, by files without a name', 'disk', '''
keep = []
for i in range(SIZE):
    keep.append(os.open(".", os.O_TMPFILE | os.O_RDWR))
    os.write(keep[-1], bytes(1 << 20))
print("reached")''', '--disk', '16M')
beyond('the disk, by removed files that are open', 'disk', '''
keep = []
for i in range(SIZE):
    keep.append(open("gone", "wb", 0)); os.unlink("gone")
    keep[-1].write(bytes(1 << 20))
print("reached")''', '--disk', '16M')
beyond('the disk, by fallocate', 'disk', '''
for i in range(SIZE):
    with open("f%d" % i, "wb", 0) as f: os.posix_fallocate(f.fileno(), 0, 1 << 20)
print("reached")''', '--disk', '16M')
beyond('the disk, by folders too deep to count', 'disk', '''
for i in range(600): os.mkdir("d"); os.chdir("d")
for i in range(SIZE):
    with open("f%d" % i, "wb", 0) as f: f.write(bytes(1 << 20))
print("reached")''', '--disk', '16M')
beyond('the disk, by a folder that cannot be listed', 'disk', '''
os.mkdir("d"); os.chdir("d"); os.chmod(".", 0o300)
for i in range(SIZE):
    with open("f%d" % i, "wb", 0) as f: f.write(bytes(1 << 20))
print("reached")
os.chmod(".", 0o700)''', '--disk', '16M')
beyond('the size of a file', 'file_size', '''
with open("big", "wb", 0) as f: f.truncate(1 << 30)
print("reached")''', '--file-size', '16M')
beyond('processor time of one process', 'cpu_time', '''
while time.process_time() < 2: pass
print("reached")''', '--cpu-time', '300ms')
beyond('processor time of children', 'cpu_time', '''
began = time.monotonic()
for _ in range(40):
    if not fork():
        while time.process_time() < 0.05: pass
        os._exit(0)
    os.wait()
print("reached")''', '--cpu-time', '300ms')
beyond('time', 'timeout', 'time.sleep(2); print("reached")',
       '--timeout', '200ms')


@attack('resources', 'a core file is left')
def _(lab):
    return lab.says(lab.sh('ulimit -c unlimited && [ "$(ulimit -c)" = '
                           'unlimited ] && echo reached'))


@attack('resources', 'priority above others', root=True)
def _(lab):
    return lab.says(lab.py('os.nice(-5); print("reached")'))


@attack('resources', 'real-time scheduling', root=True)
def _(lab):
    return lab.says(lab.py('os.sched_setscheduler(0, os.SCHED_FIFO, '
                           'os.sched_param(1)); print("reached")'))


@attack('resources', 'the memory killer passes it by', root=True)
def _(lab):
    return lab.says(lab.sh('echo -900 >/proc/self/oom_score_adj && '
                           'echo reached'))


@attack('resources', 'a neighbour has no room for processes',
        confined='without a control group the number is watched, not held: '
                 'four times as many for a moment')
def _(lab):
    # After the fork bomb another of the same user can still be started.
    import subprocess
    bomb = subprocess.Popen(lab.command(
        ['python3', '-c', PRELUDE + 'n = 0\n'
         'try:\n    while n < 200:\n        if not fork(): signal.pause()\n'
         '        n += 1\nexcept OSError: pass\nprint("full", flush=True)\n'
         'sys.stdin.read()\nos.killpg(0, 9)'], ('--pids', '64')), cwd=lab.work,
        start_new_session=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL)
    bomb.stdout.readline()
    mine = sum(1 for p in pathlib.Path('/proc').iterdir() if p.name.isdigit()
               and in_group(p, bomb.pid, lab))
    bomb.stdin.close()
    bomb.wait()
    return mine > 100


def in_group(process, pid, lab):
    """Whether the process descends from the bomb: its workspace tells."""
    try:
        return os.readlink(process / 'cwd') in (str(lab.work), '/workspace')
    except OSError:
        return False


main()
