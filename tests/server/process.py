"""What the test servers in Python share: they end with their parent, at
SIGTERM and after their lifetime, and tell their port when they listen."""
import ctypes
import os
import signal
import subprocess
import sys
import threading

PR_SET_PDEATHSIG = 1

_children = set()
_lock = threading.Lock()


def stop(*_):
    """Ends this process and what it started."""
    with _lock:
        for child in _children:
            child.kill()
        os._exit(0)


def bound(lifetime):
    """Makes the process end by itself. Call it before any thread starts."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0):
        sys.exit("prctl: " + os.strerror(ctypes.get_errno()))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)
    timer = threading.Timer(lifetime, stop)
    timer.daemon = True
    timer.start()


def start(arguments, **options):
    """subprocess.Popen whose child stop() kills; end it with finish()."""
    with _lock:
        child = subprocess.Popen(arguments, **options)
        _children.add(child)
    return child


def finish(child):
    """Waits for the child and returns its status."""
    status = child.wait()
    with _lock:
        _children.discard(child)
    return status


def tell_port(port, port_file=None, ready_fd=None):
    """Writes the port to a file (by rename) and as a line to a descriptor,
    which is closed."""
    if port_file:
        beside = f"{port_file}.new-{os.getpid()}"
        with open(beside, "w") as file:
            file.write(f"{port}\n")
        os.rename(beside, port_file)
    if ready_fd is not None:
        os.write(ready_fd, b"%d\n" % port)
        os.close(ready_fd)
