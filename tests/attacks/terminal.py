"""The terminal of the caller."""
import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios

from lab import PRELUDE, SECONDS, attack, main


class Terminal:
    """Runs a command on a terminal, as a user at a shell does."""

    def __init__(self, lab, code):
        self.master, self.slave = pty.openpty()
        self.before = termios.tcgetattr(self.slave)
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ,
                    struct.pack('4H', 33, 99, 0, 0))
        slave = self.slave

        def own():
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        process = subprocess.Popen(
            lab.command(['python3', '-c', PRELUDE + 'import fcntl, '
                         'termios, tty\n' + code]), cwd=lab.work,
            stdin=slave, stdout=slave, stderr=slave, preexec_fn=own)
        self.output = b''
        os.set_blocking(self.master, False)
        import select
        while process.poll() is None:
            if select.select([self.master], [], [], 0.02)[0]:
                try:
                    self.output += os.read(self.master, 65536)
                except OSError:
                    break
        process.wait(SECONDS)
        self.after = termios.tcgetattr(self.slave)

    def queued(self):
        """What the next program that reads the terminal would get."""
        raw = termios.tcgetattr(self.slave)
        raw[3] &= ~(termios.ICANON | termios.ECHO)
        termios.tcsetattr(self.slave, termios.TCSANOW, raw)
        os.set_blocking(self.slave, False)
        try:
            return os.read(self.slave, 1000)
        except BlockingIOError:
            return b''

    def size(self):
        return struct.unpack('4H', fcntl.ioctl(self.slave, termios.TIOCGWINSZ,
                                               bytes(8)))[:2]

    def close(self):
        os.close(self.master)
        os.close(self.slave)


def on_terminal(name, code, succeeded, **options):
    @attack('terminal', name, **options)
    def _(lab):
        terminal = Terminal(lab, code)
        lab.at_end.append(terminal.close)
        return succeeded(terminal)


INJECT = '''
for fd in 0, 1, 2, "/dev/tty":
    try:
        fd = fd if isinstance(fd, int) else os.open(fd, os.O_RDWR)
        for c in b"evil\\n": fcntl.ioctl(fd, REQUEST, bytes([c]))
    except OSError: pass
'''
on_terminal('text is typed into it', INJECT.replace('REQUEST', '0x5412'),
            lambda t: b'evil' in t.queued())
on_terminal('text is typed into it, by a request of 64 bits', '''
for c in b"evil\\n":
    call(16, 0, 0x5412 | 1 << 40, ctypes.create_string_buffer(bytes([c])))''',
            lambda t: b'evil' in t.queued())
on_terminal('its echo stays off', '''
import termios
a = termios.tcgetattr(0); a[3] &= ~termios.ECHO
termios.tcsetattr(0, termios.TCSANOW, a)''',
            lambda t: not t.after[3] & termios.ECHO)
on_terminal('it stays raw', 'tty.setraw(0)', lambda t: t.after != t.before)
on_terminal('its size is changed', '''
for fd in 0, 1, 2:
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("4H", 1, 2, 0, 0))''',
            lambda t: t.size() == (1, 2))
on_terminal('it is opened among all terminals', '''
for name in os.listdir("/dev/pts"):
    try:
        if name != "ptmx" and int(name) >= 0:
            fd = os.open("/dev/pts/" + name, os.O_RDWR | os.O_NOCTTY)
            fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("4H", 3, 4, 0, 0))
    except (OSError, ValueError): pass''',
            lambda t: t.size() == (3, 4))
on_terminal('a process that stays reads what is typed', '''
if not os.fork():
    os.setpgid(0, 0)
    for s in signal.SIGTTIN, signal.SIGHUP, signal.SIGTTOU: signal.signal(s, signal.SIG_IGN)
    try: fcntl.ioctl(0, termios.TIOCSPGRP, struct.pack("i", os.getpid()))
    except OSError: pass
    if os.fork(): os._exit(0)
    time.sleep(30)
''', lambda t: foreground_left(t))


def foreground_left(terminal):
    """Whether somebody still has the terminal open: a process of the user."""
    ours = os.fstat(terminal.slave)
    found = []
    for process in filter(str.isdigit, os.listdir('/proc')):
        try:
            # Sandboxes have terminals of the same names, in file systems of
            # their own.
            its = os.stat(f'/proc/{process}/fd/0')
            if int(process) != os.getpid() and \
                    (its.st_dev, its.st_ino) == (ours.st_dev, ours.st_ino):
                found.append(int(process))
        except OSError:
            pass
    for process in found:
        os.kill(process, signal.SIGKILL)
    return bool(found)


main()
