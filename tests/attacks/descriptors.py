"""Open files and sockets that the caller has."""
import os
import socket
import subprocess

from lab import attack, main


def inherited(name, make, code):
    """The caller has a descriptor open, which is not closed on exec."""
    @attack('descriptors', f'{name} is inherited')
    def _(lab):
        secret = lab.secret()
        fd = make(lab, secret)
        os.set_inheritable(fd, True)
        try:
            output = lab.py(code.replace('FD', str(fd)), close_fds=False).output
        finally:
            os.close(fd)
        return secret.text in output or 'more' in secret.path.read_text()


inherited('a file open for reading',
          lambda lab, secret: os.open(secret.path, os.O_RDONLY),
          'print(os.pread(FD, 100, 0))')
inherited('a file open for writing',
          lambda lab, secret: os.open(secret.path, os.O_WRONLY | os.O_APPEND),
          'os.write(FD, b"more")')
inherited('a folder', lambda lab, secret: os.open(lab.outside, os.O_RDONLY),
          'print(os.read(os.open("secret", os.O_RDONLY, dir_fd=FD), 100))')
inherited('a path', lambda lab, secret: os.open(lab.outside, os.O_PATH),
          'print(os.read(os.open("secret", os.O_RDONLY, dir_fd=FD), 100))')
inherited('the root', lambda lab, secret: os.open('/', os.O_PATH),
          'os.fchdir(FD)\nimport glob\n'
          'for p in glob.glob("tmp/*/**/outside/secret", recursive=True): '
          'print(open(p).read())')


@attack('descriptors', 'a socket to a service is inherited')
def _(lab):
    ours, theirs = socket.socketpair()
    theirs.set_inheritable(True)
    ours.sendall(b'answer')
    output = lab.py(f'print(os.read({theirs.fileno()}, 100))',
                    close_fds=False).output
    theirs.close()
    ours.close()
    return 'answer' in output


@attack('descriptors', 'a folder as standard input leads out')
def _(lab):
    secret = lab.secret()
    fd = os.open(lab.outside, os.O_RDONLY)
    try:
        return secret.text in lab.sh('cat /proc/$$/fd/0/secret',
                                     stdin=fd).output
    finally:
        os.close(fd)


@attack('descriptors', 'a file that is standard input is written to')
def _(lab):
    secret = lab.secret()
    with open(secret.path, 'rb') as file:
        lab.sh('echo more >>/proc/self/fd/0', stdin=file)
    return 'more' in secret.path.read_text()


@attack('descriptors', 'a file that is standard output is read')
def _(lab):
    secret = lab.secret()
    copy = lab.work / 'copy'
    with open(secret.path, 'ab') as file:
        lab.sh('cat /proc/$$/fd/1 >copy', stdout=file)
    return copy.exists() and secret.text in copy.read_text()


@attack('descriptors', 'a file that is standard output is emptied')
def _(lab):
    secret = lab.secret()
    with open(secret.path, 'ab') as file:
        lab.py('os.ftruncate(1, 0)', stdout=file)
    return secret.text not in secret.path.read_text()


@attack('descriptors', 'the end of the caller\'s pipe is made non-blocking')
def _(lab):
    import fcntl
    reader, writer = os.pipe()
    lab.py('import fcntl\n'
           'fcntl.fcntl(1, fcntl.F_SETFL, os.O_NONBLOCK | os.O_WRONLY)',
           stdout=writer)
    changed = fcntl.fcntl(writer, fcntl.F_GETFL) & os.O_NONBLOCK
    os.close(reader)
    os.close(writer)
    return bool(changed)


@attack('descriptors', 'a pipe of the caller is held open after the end')
def _(lab):
    reader, writer = os.pipe()
    lab.sh('sleep 1000.7351 & exit', stdout=writer)
    os.close(writer)
    os.set_blocking(reader, False)
    try:
        held = os.read(reader, 1) != b''
    except BlockingIOError:
        held = True
    os.close(reader)
    if lab.mode == 'none':
        subprocess.run(['pkill', '-9', '-u', str(os.getuid()), '-f',
                        '^sleep 1000[.]7351$'], check=False)
    return held


@attack('descriptors', 'a descriptor is sent out through a socket of the host')
def _(lab):
    path = str(lab.outside / 'socket')
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        server.settimeout(0)
        lab.py(f'''open("mine", "w").close()
s = socket.socket(socket.AF_UNIX); s.connect({path!r})
socket.send_fds(s, [b"x"], [os.open("mine", os.O_RDONLY)])''')
        try:
            client, _ = server.accept()
        except BlockingIOError:
            return False
        fds = socket.recv_fds(client, 10, 1)[1]
        for fd in fds:
            os.close(fd)
        client.close()
        return bool(fds)


main()
