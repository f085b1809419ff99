"""What the attacks share: each is a function that prepares a victim outside,
runs something inside, and looks from outside at what came of it.

    from lab import attack, main

    @attack('files', 'a file of the caller is read')
    def _(lab):
        secret = lab.secret()
        return secret.text in lab.sh(f'cat {secret.path}').output

    main()

It returns whether the attack succeeded. Each runs first without a sandbox,
where it has to succeed, so that its check is known to be able to fail; what
this host does not even allow there is skipped by name. Then it runs in the
sandbox and in the mode without namespaces, as the caller and, when that is
root, once more as an ordinary user. `open` names what is known not to be
stopped, with the reason; it is told as a TODO.
"""
import collections
import ctypes
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import uuid

BUILD = pathlib.Path(os.environ['NIGHTJAR_BUILD'])
NIGHTJAR = BUILD / 'nightjar'
TEMPORARY = pathlib.Path(os.environ['TMPDIR'])
# The system's: others may look where it lies, and it is inside too.
PYTHON = shutil.which('python3', path='/usr/bin:/bin') or sys.executable
ORDINARY_USER = 64123
SECONDS = 60

# call(number, …) gives a system call's result, or -errno.
PRELUDE = '''
import ctypes, errno, os, signal, socket, struct, sys, time
libc = ctypes.CDLL(None, use_errno=True)
def call(*arguments):
    result = libc.syscall(*[ctypes.c_long(a) if isinstance(a, int) else a
                            for a in arguments])
    return result if result >= 0 else -ctypes.get_errno()
# Whether the kernel itself answered, and not the sandbox for it.
def reached(*arguments):
    return call(*arguments) not in (-errno.EPERM, -errno.ENOSYS)
# A test that is interrupted leaves no attacker behind: each ends with its
# parent (PR_SET_PDEATHSIG).
libc.prctl(1, 9, 0, 0, 0)
def fork():
    child = os.fork()
    if not child: libc.prctl(1, 9, 0, 0, 0)
    return child
'''

Secret = collections.namedtuple('Secret', 'path text')
Result = collections.namedtuple('Result', 'status output')


def landlock_abi():
    """landlock_create_ruleset(NULL, 0, LANDLOCK_CREATE_RULESET_VERSION)."""
    return ctypes.CDLL(None).syscall(444, None, 0, 1)


class Skip(Exception):
    """This host cannot show the attack; the argument is why."""


class Lab:
    """Where one attack runs in one mode."""

    def __init__(self, mode, folder):
        self.mode = mode
        self.outside = folder / 'outside'
        self.work = folder / 'work'
        self.outside.mkdir()
        self.work.mkdir()
        self.at_end = []

    # ---- victims ----------------------------------------------------------

    def secret(self, name='secret'):
        """A file outside that its owner alone may read."""
        path = self.outside / name
        text = uuid.uuid4().hex
        path.write_text(text + '\n')
        path.chmod(0o600)
        return Secret(path, text)

    def victim(self, *words, **options):
        """A process of the same user, outside, until the attack is over."""
        options.setdefault('stdout', subprocess.DEVNULL)
        process = subprocess.Popen(words or ('sleep', '1000'),
                                   stdin=subprocess.DEVNULL, **options)
        self.at_end.append(lambda: (process.kill(), process.wait()))
        return process

    def python_victim(self, code):
        """The same, in Python, once it has printed its first line."""
        process = self.victim(PYTHON, '-c', PRELUDE + code,
                              stdout=subprocess.PIPE, text=True)
        process.line = process.stdout.readline().strip()
        return process

    # ---- attackers ----------------------------------------------------------

    def command(self, words, options=()):
        if self.mode == 'none':
            return list(words)
        mode = ['--without', 'namespaces'] if self.mode == 'confined' else []
        return [str(NIGHTJAR), 'sandbox', '--timeout', f'{SECONDS}s', *mode,
                *options, '--', *words]

    def run(self, words, *options, env=None, **popen):
        """Runs it in the workspace. Without a sandbox options mean nothing."""
        popen.setdefault('stdin', subprocess.DEVNULL)
        popen.setdefault('stdout', subprocess.PIPE)
        # Attackers may end their group; that is not ours.
        popen.setdefault('start_new_session', True)
        done = subprocess.run(self.command(words, options), cwd=self.work,
                              env={**os.environ, **(env or {})},
                              stderr=subprocess.STDOUT, timeout=2 * SECONDS,
                              check=False, **popen)
        output = (done.stdout or b'').decode(errors='replace')
        if self.mode != 'none' and done.returncode == 125:
            raise RuntimeError(f'no sandbox: {output}')
        self.last = Result(done.returncode, output)
        return self.last

    def sh(self, script, *options, **popen):
        return self.run(['sh', '-c', script], *options, **popen)

    def py(self, code, *options, **popen):
        return self.run(['python3', '-c', PRELUDE + code], *options, **popen)

    def c(self, source, *options, words=(), flags=()):
        """Compiles a program of tests/attacks and runs it."""
        program = self.work / source.removesuffix('.c')
        compiler = shutil.which('cc')
        if not compiler:
            raise Skip('no C compiler')
        built = subprocess.run([compiler, '-O1', '-w', '-D_GNU_SOURCE',
                                '-pthread', *flags, '-o',
                                program, HERE / source],
                               capture_output=True, text=True, check=False)
        if built.returncode:
            raise Skip(f'{source} is not compiled here')
        return self.run([f'./{program.name}', *map(str, words)], *options)

    def says(self, result, word='reached'):
        """Whether a line says so: for what leaves no other trace."""
        return word in result.output.splitlines()


HERE = pathlib.Path(__file__).parent
attacks = []


def attack(category, name, *, root=False, open=None, confined=None,
           abi=None):
    """root: only root can do it outside. open, confined: why it is not
    stopped, in every mode or in the one without namespaces; '': it is. abi:
    from which version of Landlock on it is without namespaces, and why."""
    if abi and landlock_abi() < abi[0]:
        confined = abi[1]

    def add(function):
        attacks.append((f'{category}: {name}', function, root,
                        {'full': open,
                         'confined': open if confined is None else confined}))
        return function
    return add


# ---- results ------------------------------------------------------------------

class Tap:
    def __init__(self):
        self.count = self.failed = self.shown = 0

    def line(self, good, name, directive=''):
        self.count += 1
        self.failed += not good and not directive
        print(f'{"ok" if good else "not ok"} {self.count} - {name}{directive}',
              flush=True)

    def skip(self, name, why):
        self.count += 1
        print(f'ok {self.count} # SKIP {name}: {why}', flush=True)

    def note(self, text):
        for line in text.splitlines()[-20:]:
            print('#', line[:300], flush=True)


def once(function, mode):
    """Runs it in a mode. Returns what it returned and the last output."""
    folder = pathlib.Path(tempfile.mkdtemp(dir=TEMPORARY))
    folder.chmod(0o711)
    lab = Lab(mode, folder)
    lab.last = Result(0, '')
    try:
        return bool(function(lab)), lab.last
    finally:
        for step in reversed(lab.at_end):
            step()
        subprocess.run(['chmod', '-R', 'u+rwx', folder], check=False,
                       stderr=subprocess.DEVNULL)
        shutil.rmtree(folder, ignore_errors=True)


def test(tap, name, function, reasons):
    try:
        succeeded, last = once(function, 'none')
    except Skip as why:
        tap.skip(name, why)
        return
    if not succeeded:
        tap.skip(name, 'this host does not allow it even without a sandbox')
        tap.note(last.output)
        return
    tap.line(True, f'{name}: succeeds without a sandbox')
    tap.shown += 1
    for mode, reason in reasons.items():
        if mode == 'confined' and not os.geteuid() and landlock_abi() < 6:
            tap.skip(f'{name} (confined)', 'root\'s own folder needs Landlock '
                     'ABI 6')
            continue
        succeeded, last = once(function, mode)
        tap.line(not succeeded, f'{name}: is stopped ({mode})',
                 f' # TODO {reason}' if reason else '')
        if succeeded and not reason:
            tap.note(f'status {last.status}\n{last.output}')


def as_user(tap):
    """The same test as an ordinary user, counted here. Of a copy, because
    that user may not look where this lies."""
    home = TEMPORARY / 'user'
    shutil.copytree(HERE, home / 'attacks')
    (home / 'build').mkdir()
    (home / 'tmp').mkdir()
    shutil.copy(NIGHTJAR, home / 'build')
    for path in (home, *home.rglob('*')):
        os.chown(path, ORDINARY_USER, ORDINARY_USER)
    TEMPORARY.chmod(0o711)
    environment = {**os.environ, 'TMPDIR': str(home / 'tmp'),
                   'NIGHTJAR_BUILD': str(home / 'build'), 'HOME': str(home)}
    test = home / 'attacks' / pathlib.Path(sys.argv[0]).name
    try:
        done = subprocess.run([PYTHON, test, *sys.argv[1:]], env=environment,
                              user=ORDINARY_USER, group=ORDINARY_USER,
                              extra_groups=[], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True,
                              stdin=subprocess.DEVNULL, check=False)
    except PermissionError:
        tap.skip('as a user', 'the temporary folder is closed to others')
        return
    planned = False
    for line in done.stdout.splitlines():
        good = line.startswith('ok ')
        if line.startswith('1..'):
            planned = True
        elif ' # SKIP ' in line:
            tap.skip('as a user', line.split(' # SKIP ', 1)[1])
        elif good or line.startswith('not ok '):
            name, todo, reason = line.split(' - ', 1)[1].partition(' # TODO ')
            tap.line(good, f'as a user: {name}', todo + reason)
            tap.shown += 'without a sandbox' in name
        else:
            tap.note(line.removeprefix('# '))
    tap.line(planned, 'as a user: the test came to its end')


def main():
    """With arguments: only attacks whose names have all of these words."""
    tap = Tap()
    for name, function, root, reasons in attacks:
        if (root and os.geteuid()) or not all(w in name for w in sys.argv[1:]):
            continue
        test(tap, name, function, reasons)
    if not os.geteuid():
        as_user(tap)
    tap.note(f'{tap.shown} attacks succeed without a sandbox')
    print(f'1..{tap.count}')
    sys.exit(tap.failed > 0)
