"""The workspace's .git: what git runs for the user once the command is over.
In the workspace of a run nothing of .git comes back; here it is changed in
place."""
import os
import shutil
import subprocess

from lab import Skip, attack, main

if not shutil.which('git'):
    print('1..0 # SKIP git is not installed')
    raise SystemExit

CLEAN = {key: value for key, value in os.environ.items()
         if not key.startswith('GIT_')}
CLEAN.update(GIT_CONFIG_NOSYSTEM='1', GIT_CONFIG_GLOBAL='/dev/null',
             GIT_AUTHOR_NAME='n', GIT_AUTHOR_EMAIL='n@localhost',
             GIT_COMMITTER_NAME='n', GIT_COMMITTER_EMAIL='n@localhost',
             GIT_PAGER='cat', GIT_EDITOR='true', GIT_TERMINAL_PROMPT='0')


def git(folder, *words):
    """As the user runs it, outside."""
    return subprocess.run(['git', *words], cwd=folder, env=CLEAN, check=False,
                          stdin=subprocess.DEVNULL, capture_output=True)


def repository(folder):
    git(folder, 'init', '-q')
    (folder / 'file').write_text('one\n')
    git(folder, 'add', 'file')
    git(folder, 'commit', '-q', '-m', 'first')


def plants(name, script, *words, **options):
    """The command plants something that `git WORDS` runs afterwards: the
    program ./evil, which leaves a mark outside."""
    @attack('git', name, **options)
    def _(lab):
        repository(lab.work)
        mark = lab.outside / 'mark'
        evil = lab.work / 'evil'
        evil.write_text(f'#!/bin/sh\ntouch {mark}\n')
        evil.chmod(0o755)
        lab.sh(f'evil="$PWD/evil"\n{script}', env={
            'GIT_CONFIG_NOSYSTEM': '1', 'GIT_CONFIG_GLOBAL': '/dev/null'})
        with open(lab.work / 'file', 'a', encoding='utf-8') as file:
            file.write('two\n')
        for command in words or ('status', 'add file', 'commit -m second'):
            git(lab.work, *command.split())
        return mark.exists()


plants('a hook', 'cp evil .git/hooks/pre-commit')
plants('a hook of another kind', 'cp evil .git/hooks/post-index-change')
plants('a hook, by exchanging the folder',
       'mkdir h; cp evil h/pre-commit; rm -rf .git/hooks; mv h .git/hooks')
plants('a hook, by a link', 'mkdir h; cp evil h/pre-commit; rm -rf .git/hooks; '
       'ln -s ../h .git/hooks')
plants('a folder of hooks', 'mkdir h; cp evil h/pre-commit; '
       'git config core.hooksPath h')
plants('a file system monitor', 'git config core.fsmonitor ./evil')
plants('an external diff', 'git config diff.external ./evil', 'diff')
plants('a text conversion', 'git config diff.x.textconv ./evil; '
       'echo "file diff=x" >.gitattributes', 'diff')
plants('a filter', 'git config filter.x.clean ./evil; '
       'echo "file filter=x" >.gitattributes')
plants('a filter of info/attributes', 'git config filter.x.clean ./evil; '
       'mkdir -p .git/info; echo "file filter=x" >.git/info/attributes')
plants('an alias', 'git config alias.st "!./evil"', 'st')
plants('an included configuration', 'printf "[core]\\n\\tfsmonitor = ./evil\\n" '
       '>.git/more; git config include.path more')
plants('the configuration, by exchanging the file',
       'cp .git/config c; printf "[core]\\n\\tfsmonitor = ./evil\\n" >>c; '
       'mv -f c .git/config')
plants('the configuration of a worktree',
       'git config extensions.worktreeConfig true; '
       'printf "[core]\\n\\tfsmonitor = ./evil\\n" >.git/config.worktree')
plants('another repository in its place', 'mv .git old; cp -r old .git; '
       'printf "[core]\\n\\tfsmonitor = ./evil\\n" >>.git/config')
plants('a file that leads to another repository', 'mv .git old; '
       'printf "[core]\\n\\tfsmonitor = ./evil\\n" >>old/config; '
       'echo "gitdir: old" >.git')
plants('a link to another repository', 'mv .git old; '
       'printf "[core]\\n\\tfsmonitor = ./evil\\n" >>old/config; '
       'ln -s old .git')
plants('another common folder', 'cp -r .git common; '
       'printf "[core]\\n\\tfsmonitor = ./evil\\n" >>common/config; '
       'echo ../common >.git/commondir')
plants('a signing program', 'git config gpg.program ./evil; '
       'git config commit.gpgSign true')
plants('a transport', 'git config remote.origin.url "ext::sh -c ./evil"; '
       'git config protocol.ext.allow always', 'fetch origin')
plants('an SSH command', 'git config core.sshCommand ./evil; '
       'git config remote.origin.url ssh://127.0.0.1/x', 'fetch origin')
plants('a server\'s program', 'git config remote.origin.url "$PWD"; '
       'git config remote.origin.uploadpack ./evil', 'fetch origin')
plants('a program that runs in a rebase', 'git config sequence.editor ./evil',
       'commit -am x', 'rebase -i --root')


@attack('git', 'a submodule\'s configuration')
def _(lab):
    other = lab.outside / 'other'
    other.mkdir()
    repository(other)
    repository(lab.work)
    git(lab.work, '-c', 'protocol.file.allow=always', 'submodule', '-q', 'add',
        str(other), 'sub')
    git(lab.work, 'commit', '-q', '-m', 'sub')
    if not (lab.work / '.git/modules/sub/config').exists():
        raise Skip('no submodule')
    mark = lab.outside / 'mark'
    (lab.work / 'evil').write_text(f'#!/bin/sh\ntouch {mark}\n')
    (lab.work / 'evil').chmod(0o755)
    lab.sh('printf "[core]\\n\\tfsmonitor = %s\\n" ../evil '
           '>>.git/modules/sub/config')
    git(lab.work, 'status')
    return mark.exists()


@attack('git', 'a worktree\'s configuration leads elsewhere')
def _(lab):
    main_folder = lab.outside / 'main'
    main_folder.mkdir()
    repository(main_folder)
    git(main_folder, 'worktree', 'add', '-q', str(lab.work / 'tree'))
    mark = lab.outside / 'mark'
    (lab.work / 'evil').write_text(f'#!/bin/sh\ntouch {mark}\n')
    (lab.work / 'evil').chmod(0o755)
    lab.sh(f'printf "[core]\\n\\tfsmonitor = {lab.work}/evil\\n" '
           f'>>{main_folder}/.git/config')
    git(main_folder, 'status')
    return mark.exists()


main()
