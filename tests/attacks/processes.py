"""Other processes of the same user: signals, memory, priorities, messages;
and processes that are to outlive the command."""
import os
import pathlib
import signal
import subprocess
import uuid

from lab import SECONDS, Skip, attack, main


SIGNALS = 6, 'Landlock bounds signals from ABI 6 on'


def unique():
    """A number that sleep takes, and that no other process has."""
    return f'0.{uuid.uuid4().int}'


def state(process):
    text = pathlib.Path(f'/proc/{process.pid}/stat').read_text('utf-8')
    return text.rsplit(')', 1)[1].split()[0]


@attack('processes', 'a neighbour is killed', abi=SIGNALS)
def _(lab):
    victim = lab.victim()
    lab.sh(f'kill -9 {victim.pid}')
    return state(victim) == 'Z'


@attack('processes', 'a neighbour is stopped', abi=SIGNALS)
def _(lab):
    victim = lab.victim()
    lab.sh(f'kill -STOP {victim.pid}')
    # The signal has been sent or refused by now; stopping may take a moment.
    for _ in range(50):
        if state(victim) == 'T':
            return True
        os.sched_yield()
    return state(victim) == 'T'


@attack('processes', 'a neighbour\'s group is killed', abi=SIGNALS)
def _(lab):
    victim = lab.victim(start_new_session=True)
    lab.sh(f'kill -9 -{victim.pid}')
    return state(victim) == 'Z'


@attack('processes', 'a neighbour is signalled by a pidfd', abi=SIGNALS)
def _(lab):
    victim = lab.victim()
    lab.py(f'fd = call(434, {victim.pid}, 0); call(424, fd, 9, 0, 0)')
    return state(victim) == 'Z'


@attack('processes', 'a neighbour is signalled by sigqueue', abi=SIGNALS)
def _(lab):
    victim = lab.victim()
    lab.py(f'''info = ctypes.create_string_buffer(128)
struct.pack_into("iii", info, 0, 9, 0, -1)
call(129, {victim.pid}, 9, info)''')
    return state(victim) == 'Z'


@attack('processes', 'a neighbour is traced')
def _(lab):
    victim = lab.victim()
    return lab.says(lab.py(
        f'if libc.ptrace(16, {victim.pid}, 0, 0) == 0: print("reached")'))


@attack('processes', 'a neighbour\'s memory is read')
def _(lab):
    victim = lab.python_victim(f'''text = {uuid.uuid4().hex!r}.encode()
buffer = ctypes.create_string_buffer(text)
print(ctypes.addressof(buffer), text.decode(), flush=True)
signal.pause()''')
    address, text = victim.line.split()
    return text in lab.py(f'''
mine = ctypes.create_string_buffer(64)
local = struct.pack("QQ", ctypes.addressof(mine), 32)
remote = struct.pack("QQ", {address}, 32)
call(310, {victim.pid}, local, 1, remote, 1, 0)
print(mine.value)''').output


@attack('processes', 'a neighbour\'s memory is read from /proc')
def _(lab):
    victim = lab.python_victim(f'''text = {uuid.uuid4().hex!r}.encode()
buffer = ctypes.create_string_buffer(text)
print(ctypes.addressof(buffer), text.decode(), flush=True)
signal.pause()''')
    address, text = victim.line.split()
    return text in lab.py(f'''with open("/proc/{victim.pid}/mem", "rb") as file:
    file.seek({address}); print(file.read(32))''').output


@attack('processes', 'a neighbour\'s memory is written')
def _(lab):
    victim = lab.python_victim('''
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
buffer = ctypes.create_string_buffer(b"before")
print(ctypes.addressof(buffer), flush=True)
signal.sigwait([signal.SIGUSR1])
print(buffer.value.decode(), flush=True)''')
    lab.py(f'''mine = ctypes.create_string_buffer(b"after!")
local = struct.pack("QQ", ctypes.addressof(mine), 6)
remote = struct.pack("QQ", {victim.line}, 6)
call(311, {victim.pid}, local, 1, remote, 1, 0)''')
    victim.send_signal(signal.SIGUSR1)
    return victim.stdout.readline().strip() == 'after!'


@attack('processes', 'a neighbour\'s descriptor is taken')
def _(lab):
    secret = lab.secret()
    victim = lab.python_victim(
        f'fd = os.open({str(secret.path)!r}, os.O_RDONLY)\n'
        'print(fd, flush=True); signal.pause()')
    return secret.text in lab.py(f'''p = call(434, {victim.pid}, 0)
fd = call(438, p, {victim.line}, 0)
print(os.read(fd, 100))''').output


@attack('processes', 'a neighbour\'s descriptor is opened anew')
def _(lab):
    secret = lab.secret()
    victim = lab.python_victim(
        f'fd = os.open({str(secret.path)!r}, os.O_RDONLY)\n'
        'print(fd, flush=True); signal.pause()')
    secret.path.unlink()
    return secret.text in lab.sh(
        f'cat /proc/{victim.pid}/fd/{victim.line}').output


@attack('processes', 'a neighbour is listed',
        confined='there is one /proc, and its status files are readable')
def _(lab):
    word = unique()
    lab.victim('sleep', '1000', word)
    return word in lab.sh('cat /proc/[0-9]*/cmdline 2>/dev/null | '
                          'tr "\\0" "\\n"').output


@attack('processes', 'a neighbour\'s priority is changed')
def _(lab):
    victim = lab.victim()
    lab.sh(f'renice -n 19 -p {victim.pid}')
    return os.getpriority(os.PRIO_PROCESS, victim.pid) == 19


@attack('processes', 'all the user\'s priorities are changed', root=True)
def _(lab):
    victim = lab.victim(user=61987)
    lab.py('call(141, 2, 61987, 19)')
    return os.getpriority(os.PRIO_PROCESS, victim.pid) == 19


@attack('processes', 'a neighbour\'s limits are changed')
def _(lab):
    import resource
    victim = lab.victim()
    lab.sh(f'prlimit --pid {victim.pid} --nofile=7:7')
    return resource.prlimit(victim.pid, resource.RLIMIT_NOFILE) == (7, 7)


@attack('processes', 'a neighbour is put on one processor')
def _(lab):
    if len(os.sched_getaffinity(0)) < 2:
        raise Skip('one processor')
    victim = lab.victim()
    lab.sh(f'taskset -cp {min(os.sched_getaffinity(0))} {victim.pid}')
    return len(os.sched_getaffinity(victim.pid)) == 1


@attack('processes', 'a neighbour\'s scheduling is changed')
def _(lab):
    victim = lab.victim()
    lab.sh(f'chrt -i -p 0 {victim.pid}')
    return os.sched_getscheduler(victim.pid) == os.SCHED_IDLE


@attack('processes', 'a neighbour\'s priority of the disk is changed')
def _(lab):
    victim = lab.victim()
    return lab.says(lab.sh(f'ionice -c 3 -p {victim.pid} && '
                           f'ionice -p {victim.pid} | grep -q idle && '
                           'echo reached'))


@attack('processes', 'the caller itself is killed', abi=SIGNALS)
def _(lab):
    victim = lab.victim()  # stands for a runner: any process of that user
    lab.py(f'''for p in os.listdir("/proc"):
    if p == "{victim.pid}": os.kill(int(p), 9)''')
    return state(victim) == 'Z'


@attack('processes', 'a neighbour\'s shared memory is read')
def _(lab):
    text = uuid.uuid4().hex
    victim = lab.python_victim(f'''libc.shmat.restype = ctypes.c_void_p
m = libc.shmget(0, 4096, 0o1600)
ctypes.memmove(libc.shmat(m, None, 0), {text!r}.encode(), 32)
print(m, flush=True); signal.pause()''')
    lab.at_end.append(lambda: os.system(f'ipcrm -m {victim.line} 2>/dev/null'))
    return text in lab.py(f'''libc.shmat.restype = ctypes.c_void_p
print(ctypes.string_at(libc.shmat({victim.line}, None, 0), 32))''').output


@attack('processes', 'a neighbour\'s message queue is emptied')
def _(lab):
    text = uuid.uuid4().hex[:20]
    victim = lab.python_victim(f'''q = libc.msgget(0, 0o1600)
libc.msgsnd(q, struct.pack("q", 1) + {text!r}.encode(), 20, 0)
print(q, flush=True); signal.pause()''')
    lab.at_end.append(lambda: os.system(f'ipcrm -q {victim.line} 2>/dev/null'))
    return text in lab.py(f'''b = ctypes.create_string_buffer(64)
libc.msgrcv({victim.line}, b, 20, 0, 0o4000); print(b.raw)''').output


@attack('processes', 'a neighbour\'s semaphore is removed')
def _(lab):
    victim = lab.python_victim('s = libc.semget(0, 1, 0o1600)\n'
                               'print(s, flush=True); signal.pause()')
    lab.at_end.append(lambda: os.system(f'ipcrm -s {victim.line} 2>/dev/null'))
    lab.py(f'call(66, {victim.line}, 0, 0)')
    return not any(line.split()[1] == victim.line for line in
                   open('/proc/sysvipc/sem', encoding='utf-8'))


@attack('processes', 'a neighbour\'s POSIX shared memory is read')
def _(lab):
    path = pathlib.Path(f'/dev/shm/nightjar-attack-{os.getpid()}')
    path.write_text(text := uuid.uuid4().hex)
    path.chmod(0o600)
    lab.at_end.append(path.unlink)
    return text in lab.sh(f'cat {path}').output


@attack('processes', 'a neighbour\'s POSIX message queue is read')
def _(lab):
    name = f'/nightjar-attack-{os.getpid()}'
    text = uuid.uuid4().hex
    lab.python_victim(f'''
a = struct.pack("8q", 0, 4, 64, 0, 0, 0, 0, 0)
q = libc.mq_open(b"{name}", os.O_CREAT | os.O_RDWR, 0o600, a)
libc.mq_send(q, {text!r}.encode(), 32, 0)
print(q, flush=True); signal.pause()''')
    import ctypes
    lab.at_end.append(lambda: ctypes.CDLL(None).mq_unlink(name.encode()))
    return text in lab.py(f'''b = ctypes.create_string_buffer(64)
q = libc.mq_open(b"{name}", os.O_RDWR | os.O_NONBLOCK)
libc.mq_receive(q, b, 64, 0); print(b.value)''').output


def find(lab, word):
    """The processes with it. Without a sandbox it may take a moment until
    one has started its program; after a sandbox nothing may be left at all."""
    for _ in range(1 if lab.mode != 'none' else 2000):
        found = [int(p.name) for p in pathlib.Path('/proc').iterdir()
                 if p.name.isdigit() and word.encode() in cmdline(p)]
        if found:
            break
        os.sched_yield()
    for process in found:
        os.kill(process, signal.SIGKILL)
    return bool(found)


def cmdline(process):
    try:
        return (process / 'cmdline').read_bytes()
    except OSError:
        return b''


def outlives(name, script):
    @attack('processes', f'a process outlives the command: {name}')
    def _(lab):
        word = unique()
        # Output elsewhere, or the caller would wait for the pipe's end.
        lab.sh(script.replace('WORD', word), stdout=subprocess.DEVNULL)
        return find(lab, word)


outlives('in the background', 'sleep 1000 WORD &')
outlives('nohup', 'nohup sleep 1000 WORD >/dev/null 2>&1 &')
outlives('of an own session', 'setsid sleep 1000 WORD &')
outlives('twice forked', 'setsid sh -c "sleep 1000 WORD & '
         'exit"; sleep 0')
outlives('that ignores signals', 'setsid sh -c "trap \'\' HUP INT TERM CONT; '
         'exec sleep 1000 WORD" &')
outlives('that is stopped', 'setsid sh -c "kill -STOP \\$\\$; exit WORD" & '
         'sleep 0')


@attack('processes', 'a process outlives its killed first process')
def _(lab):
    word = unique()
    survivor = f'setsid sleep 1000 {word} &'
    if lab.mode == 'none':
        lab.sh(f"sh -c '{survivor} kill -9 $$'", stdout=subprocess.DEVNULL)
    else:
        # It may take the sandbox down with it, which is told by 125.
        subprocess.run(lab.command(['sh', '-c', f'{survivor} kill -9 $PPID; '
                                    'exec sleep 1000'], ['--timeout', '3s']),
                       cwd=lab.work, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       timeout=2 * SECONDS, check=False)
    return find(lab, word)


main()
