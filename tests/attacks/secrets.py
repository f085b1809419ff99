"""What the caller knows and the command must not."""
import os
import socket
import threading
import uuid

from lab import attack, main


@attack('secrets', 'a variable of the caller is read')
def _(lab):
    text = uuid.uuid4().hex
    return text in lab.sh('env', env={'MODEL_API_KEY': text}).output


@attack('secrets', 'a variable of the caller is read from /proc of the parent')
def _(lab):
    text = uuid.uuid4().hex
    return text in lab.sh('cat /proc/$PPID/environ | tr "\\0" "\\n"',
                          env={'MODEL_API_KEY': text}).output or \
        lab.mode == 'none' and text in lab.sh(
            'sh -c "tr \\\\\\\\0 \\\\\\\\n </proc/\\$PPID/environ; true"',
            env={'MODEL_API_KEY': text}).output


@attack('secrets', 'a variable of any process of the user is read')
def _(lab):
    text = uuid.uuid4().hex
    lab.victim(env={**os.environ, 'MODEL_API_KEY': text})
    return text in lab.sh('cat /proc/[0-9]*/environ /proc/[0-9]*/task/*/environ'
                          ' 2>/dev/null | tr "\\0" "\\n"').output


@attack('secrets', 'an argument of any process of the user is read',
        confined='there is one /proc, and command lines are readable')
def _(lab):
    text = f'0.{uuid.uuid4().int}'
    lab.victim('sleep', '1000', text)
    return text in lab.sh('cat /proc/[0-9]*/cmdline | tr "\\0" "\\n"').output


@attack('secrets', 'memory of any process of the user is searched')
def _(lab):
    text = uuid.uuid4().hex
    victim = lab.python_victim(
        f'x = {text[:16]!r} + {text[16:]!r}; y = bytearray(x.encode())\n'
        'print(1, flush=True); signal.pause()')
    code = f'''
def search(pid):
    for line in open(f"/proc/{{pid}}/maps"):
        a, _, b = line.split()[0].partition("-")
        if "rw" in line and int(b, 16) - int(a, 16) < 1 << 26:
            with open(f"/proc/{{pid}}/mem", "rb", 0) as memory:
                memory.seek(int(a, 16))
                if ({text[:16]!r} + {text[16:]!r}).encode() in \\
                        (memory.read(int(b, 16) - int(a, 16)) or b""):
                    return True
if "{lab.mode}" == "none":
    print("reached" if search({victim.pid}) else "")
else:
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if int(pid) != os.getpid() and search(pid): print("reached")
        except (OSError, ValueError): pass'''
    return lab.says(lab.py(code))


def home_file(name, path, text='token'):
    @attack('secrets', f'{name} of the caller\'s home folder is used')
    def _(lab):
        secret = uuid.uuid4().hex
        home = lab.outside / 'home'
        (home / path).parent.mkdir(parents=True)
        (home / path).write_text(f'{text} {secret}\n')
        # By the path that it has outside, and by the one that it has inside.
        return secret in lab.sh(f'cat {home}/{path} "$HOME/{path}"',
                                env={'HOME': str(home)}).output


home_file('an SSH key', '.ssh/id_ed25519')
home_file('a netrc file', '.netrc')
home_file('a git credential', '.git-credentials')
home_file('an npm token', '.npmrc')
home_file('a cloud credential', '.aws/credentials')
home_file('a registry\'s password', '.docker/config.json')
home_file('a shell\'s history', '.bash_history')


@attack('secrets', 'git\'s configuration of the caller is used')
def _(lab):
    secret = uuid.uuid4().hex
    (lab.outside / 'config').write_text(f'[http]\n\textraHeader = {secret}\n')
    return secret in lab.sh('git config --get http.extraHeader', env={
        'GIT_CONFIG_GLOBAL': str(lab.outside / 'config')}).output


def agent(name, variable):
    @attack('secrets', f'{name} is asked')
    def _(lab):
        path = str(lab.outside / 'agent')
        text = uuid.uuid4().hex
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path)
            server.listen()

            def serve():
                try:
                    while True:
                        client, _ = server.accept()
                        client.sendall(text.encode())
                        client.close()
                except OSError:
                    pass

            threading.Thread(target=serve, daemon=True).start()
            found = text in lab.py(f'''
for path in os.environ.get({variable!r}), {path!r}:
    try:
        s = socket.socket(socket.AF_UNIX)
        s.connect(path); print(s.recv(100).decode())
    except (OSError, TypeError): pass''', env={variable: path}).output
            server.shutdown(socket.SHUT_RDWR)
            return found


agent('the SSH agent', 'SSH_AUTH_SOCK')
agent('a container daemon', 'DOCKER_HOST_PATH')
agent('the session\'s message bus', 'DBUS_PATH')


@attack('secrets', 'what the last sandbox left in /tmp is read')
def _(lab):
    text = uuid.uuid4().hex
    lab.sh(f'echo {text} >/tmp/nightjar-left-{os.getpid()}; '
           f'echo {text} >"$HOME/.nightjar-left-{os.getpid()}"',
           env={'HOME': str(lab.outside)})
    found = text in lab.sh(f'cat /tmp/nightjar-left-{os.getpid()} '
                           f'"$HOME/.nightjar-left-{os.getpid()}"',
                           env={'HOME': str(lab.outside)}).output
    try:
        os.unlink(f'/tmp/nightjar-left-{os.getpid()}')
    except FileNotFoundError:
        pass
    return found


@attack('secrets', 'the temporary folder of a neighbour is read')
def _(lab):
    import pathlib
    path = pathlib.Path(f'/tmp/nightjar-neighbour-{os.getpid()}')
    path.write_text(text := uuid.uuid4().hex)
    path.chmod(0o600)
    lab.at_end.append(path.unlink)
    return text in lab.sh(f'cat {path}').output


@attack('secrets', 'the host\'s name and address are told',
        confined='there is one UTS namespace')
def _(lab):
    return os.uname().nodename in lab.sh('uname -n').output.split()


@attack('secrets', 'the host\'s mounts are told',
        confined='there is one mount namespace')
def _(lab):
    mounts = {line.split()[0] for line in open('/proc/mounts', encoding='utf-8')
              if line.startswith('/dev/') or '/sys/fs' in line}
    inside = lab.sh('cat /proc/mounts; cat /proc/self/mountinfo').output
    return bool(mounts) and any('/sys/fs/cgroup' in line
                                for line in inside.splitlines())


main()
