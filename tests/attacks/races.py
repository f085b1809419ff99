"""Races with the runner: a process of the attempt exchanges a folder or file
for a symbolic link that leads out, all the time, while the runner writes
patches, looks for changes and removes the workspace.

Without a sandbox a runner stands in that does the same by path, after looking
whether it is a link: what programs do that do not think of it."""
import json
import os
import shutil
import subprocess
import sys

from lab import NIGHTJAR, PYTHON, SECONDS, Skip, attack, main

if not shutil.which('git'):
    print('1..0 # SKIP git is not installed')
    raise SystemExit

# renameat2(…, RENAME_EXCHANGE) of two names, until it is killed.
SWAP = '''import ctypes, sys
libc = ctypes.CDLL(None)
a, b = (name.encode() for name in sys.argv[1:3])
print("swaps", flush=True)
while True: libc.renameat2(-100, a, -100, b, 2)
'''
TRIES = 20000


def swapping(lab, name, link):
    """Starts it on the host, for the runner that stands in."""
    process = lab.victim(PYTHON, '-c', SWAP, name, link, cwd=lab.work,
                         stdout=subprocess.PIPE)
    process.stdout.readline()


def run(lab, turns, files, clean=True):
    """Runs a task whose scripted model does what `turns` say; the first turn
    starts the swapping. Returns all that the run left, as text."""
    repository = lab.work / 'repository'
    repository.mkdir()
    (repository / 'swap.py').write_text(SWAP)
    for name, text in files.items():
        path = repository / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    identity = ['-c', 'user.name=n', '-c', 'user.email=n@localhost']
    for words in (['init', '-q', '-b', 'main'], ['add', '.'],
                  [*identity, 'commit', '-q', '-m', 'x']):
        subprocess.run(['git', *words], cwd=repository, check=True,
                       env={**os.environ, 'GIT_CONFIG_GLOBAL': '/dev/null'})
    (lab.work / 'script.yaml').write_text(json.dumps(
        {'version': 1, 'tasks': [{'task': '*', 'turns': turns}]}))
    (lab.work / 'm.yaml').write_text(json.dumps({
        'version': 1, 'model': {'provider': 'scripted',
                                'script': 'script.yaml'},
        'tasks': [{'id': 't', 'repo': 'repository', 'prompt': 'p',
                   'timeout': f'{SECONDS}s',
                   'sandbox': {'require': ['landlock', 'seccomp']}}]}))
    words = [str(NIGHTJAR), 'run', 'm.yaml', '--out', 'out', '-q']
    if lab.mode == 'confined':
        words = ['unshare', '-Ur', 'sh', '-c',
                 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"',
                 'sh', *words]
    done = subprocess.run(words, cwd=lab.work, check=False, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=3 * SECONDS)
    journal = lab.work / 'out' / 'journal.jsonl'
    if not journal.exists():
        raise RuntimeError(f'no run: {done.stdout}')
    lab.last = lab.last._replace(status=done.returncode, output=done.stdout +
                                 journal.read_text(errors='replace')[-3000:])
    layers = journal.read_text(errors='replace')
    if (lab.mode == 'full') != ('"namespaces"' in layers.split('"layers":', 1)
                                [1].split(']', 1)[0]):
        raise RuntimeError(f'not the mode that was wanted: {layers[:2000]}')
    return ''.join(path.read_text(errors='replace')
                   for path in sorted((lab.work / 'out').rglob('*'))
                   if path.is_file())


def starts(name, link, setup):
    return {'calls': [{'exec_command': {'cmd': f'''{setup}
setsid python3 swap.py {name} {link} >started 2>&1 </dev/null &
while [ ! -s started ]; do :; done'''}}]}


def patches(text, count=60):
    """So many calls; each may be refused."""
    return [{'calls': [{'apply_patch': text.replace('NUMBER', str(i))}
                       for i in range(20)]} for _ in range(count // 20)]


@attack('races', 'the patch tool adds a file through a link')
def _(lab):
    if lab.mode == 'none':
        (lab.work / 'd').mkdir()
        (lab.work / 'l').symlink_to(lab.outside)
        swapping(lab, 'd', 'l')
        for i in range(TRIES):
            if not os.path.islink(lab.work / 'd'):
                with open(lab.work / 'd' / f'f{i}', 'w', encoding='utf-8'):
                    pass
            if any(lab.outside.iterdir()):
                return True
        return False
    run(lab, [starts('d', 'l', f'mkdir d; ln -s {lab.outside} l'),
              *patches('*** Begin Patch\n*** Add File: d/fNUMBER\n+x\n'
                       '*** End Patch\n'), {'final': 'done'}], {})
    return any(lab.outside.iterdir())


@attack('races', 'the patch tool changes a file through a link')
def _(lab):
    secret = lab.outside / 'secret'
    secret.write_text('one\n')
    if lab.mode == 'none':
        (lab.work / 'f').write_text('one\n')
        (lab.work / 'l').symlink_to(secret)
        swapping(lab, 'f', 'l')
        for _ in range(TRIES):
            path = lab.work / 'f'
            if not os.path.islink(path):
                with open(path, 'r+', encoding='utf-8') as file:
                    text = file.read()
                    file.seek(0)
                    file.write(text.replace('one', 'two'))
            if secret.read_text() != 'one\n':
                return True
        return False
    turns = patches('*** Begin Patch\n*** Update File: f\n@@\n-one\n+two\n'
                    '*** End Patch\n')
    run(lab, [starts('f', 'l', f'echo one >f; ln -s {secret} l'), *turns,
              {'final': 'done'}], {})
    return secret.read_text() != 'one\n'


@attack('races', 'the patch tool removes a file through a link')
def _(lab):
    secret = lab.outside / 'secret'
    secret.write_text('one\n')
    if lab.mode == 'none':
        (lab.work / 'd').mkdir()
        (lab.work / 'l').symlink_to(lab.outside)
        swapping(lab, 'd', 'l')
        for _ in range(TRIES):
            try:
                if not os.path.islink(lab.work / 'd'):
                    os.unlink(lab.work / 'd' / 'secret')
            except FileNotFoundError:
                pass
            if not secret.exists():
                return True
        return False
    run(lab, [starts('d', 'l', f'mkdir d; touch d/secret; ln -s {lab.outside} '
                               'l'),
              *patches('*** Begin Patch\n*** Delete File: d/secret\n'
                       '*** End Patch\n'), {'final': 'done'}], {})
    return not secret.exists()


@attack('races', 'the patch tool shows a file through a link')
def _(lab):
    secret = lab.secret()
    if lab.mode == 'none':
        (lab.work / 'f').write_text('one\n')
        (lab.work / 'l').symlink_to(secret.path)
        swapping(lab, 'f', 'l')
        for _ in range(TRIES):
            path = lab.work / 'f'
            if not os.path.islink(path) and secret.text in path.read_text():
                return True
        return False
    # A patch that does not match is explained with the file's lines.
    left = run(lab, [starts('f', 'l', f'echo one >f; ln -s {secret.path} l'),
                     *patches('*** Begin Patch\n*** Update File: f\n@@\n-nothing'
                              '\n+two\n*** End Patch\n'), {'final': 'done'}], {})
    return secret.text in left


@attack('races', 'the search for changes reads a file through a link')
def _(lab):
    secret = lab.secret()
    if lab.mode == 'none':
        (lab.work / 'f').write_text('one\n')
        (lab.work / 'l').symlink_to(secret.path)
        swapping(lab, 'f', 'l')
        return any(secret.text in (lab.work / 'f').read_text()
                   for _ in range(TRIES)
                   if not os.path.islink(lab.work / 'f'))
    left = run(lab, [starts('f', 'l', f'echo two >f; ln -s {secret.path} l'),
                     {'final': 'done'}], {'f': 'one\n'})
    return secret.text in left


@attack('races', 'the search for changes enters a folder through a link')
def _(lab):
    secret = lab.secret('inner')
    if lab.mode == 'none':
        (lab.work / 'd').mkdir()
        (lab.work / 'd' / 'inner').write_text('one')
        (lab.work / 'l').symlink_to(lab.outside)
        swapping(lab, 'd', 'l')
        return any(secret.text in (lab.work / 'd' / 'inner').read_text()
                   for _ in range(TRIES)
                   if not os.path.islink(lab.work / 'd'))
    left = run(lab, [starts('d', 'l', f'mkdir d; echo two >d/inner; ln -s '
                                      f'{lab.outside} l'), {'final': 'done'}],
               {'d/other': 'one\n'})
    return secret.text in left


@attack('races', 'the cleaner removes what a link leads to')
def _(lab):
    for i in range(20):
        (lab.outside / f'f{i}').write_text('x')
    if lab.mode == 'none':
        (lab.work / 'd').mkdir()
        (lab.work / 'l').symlink_to(lab.outside)
        swapping(lab, 'd', 'l')
        for _ in range(TRIES):
            path = lab.work / 'd'
            if not os.path.islink(path):
                for name in os.listdir(path):
                    try:
                        os.unlink(path / name)
                    except FileNotFoundError:
                        pass
            if len(list(lab.outside.iterdir())) < 20:
                return True
        return False
    run(lab, [starts('d', 'l', 'for i in 1 2 3 4 5 6 7 8; do mkdir -p e$i/e; '
                     f'done; mkdir d; touch d/a d/b; ln -s {lab.outside} l'),
              {'final': 'done'}], {})
    return len(list(lab.outside.iterdir())) < 20


@attack('races', 'a patch leads out by a link that the command left')
def _(lab):
    if lab.mode == 'none':
        (lab.work / 'd').symlink_to(lab.outside)
        with open(lab.work / 'd' / 'f', 'w', encoding='utf-8'):
            pass
        return any(lab.outside.iterdir())
    run(lab, [{'calls': [{'exec_command': {'cmd': f'ln -s {lab.outside} d'}},
                         {'apply_patch': '*** Begin Patch\n*** Add File: d/f\n'
                                         '+x\n*** End Patch\n'}]},
              {'final': 'done'}], {})
    return any(lab.outside.iterdir())


@attack('races', 'a patch leads out by its path')
def _(lab):
    name = f'nightjar-attack-{os.getpid()}'
    paths = f'../{name}', f'../../{name}', f'{lab.outside}/{name}', f'd/../../{name}'
    places = [lab.work / name, lab.work.parent / name, lab.outside / name]
    if lab.mode == 'none':
        inner = lab.work / 'a'
        (inner / 'd').mkdir(parents=True)
        for path in paths:
            with open(os.path.join(inner, path), 'w', encoding='utf-8'):
                pass
        return any(place.exists() for place in places)
    run(lab, [{'calls': [{'apply_patch': f'*** Begin Patch\n*** Add File: {path}'
                                         '\n+x\n*** End Patch\n'}
                         for path in paths]}, {'final': 'done'}], {'d/f': 'x'})
    found = subprocess.run(['find', lab.work.parent, '-name', name],
                           capture_output=True, check=True).stdout
    return bool(found.strip())


main()
