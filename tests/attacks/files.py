"""Files of the host, and what a workspace may hold when it comes back."""
import os
import stat

from lab import NIGHTJAR, Skip, attack, main


@attack('files', 'a file of the caller is read')
def _(lab):
    secret = lab.secret()
    return secret.text in lab.sh(f'cat {secret.path}').output


@attack('files', 'the host\'s password hashes are read', root=True)
def _(lab):
    return 'root:' in lab.sh('cat /etc/shadow').output


@attack('files', 'the host\'s accounts are read',
        confined='/etc is the host\'s, and may be read')
def _(lab):
    host = open('/etc/passwd', encoding='utf-8').read()
    return host in lab.sh('cat /etc/passwd').output


@attack('files', 'the caller\'s folder is listed')
def _(lab):
    lab.secret('a-name-to-find')
    return 'a-name-to-find' in lab.sh(f'ls -a {lab.outside}').output


@attack('files', 'whether a file exists is found out by stat',
        confined='Landlock does not bound stat')
def _(lab):
    secret = lab.secret()
    return lab.sh(f'stat -c %s {secret.path}').output.strip() == '33'


@attack('files', 'a file is made outside')
def _(lab):
    lab.sh(f'echo x >{lab.outside}/new')
    return (lab.outside / 'new').exists()


@attack('files', 'a file outside is written to')
def _(lab):
    secret = lab.secret()
    lab.sh(f'echo more >>{secret.path}')
    return 'more' in secret.path.read_text()


@attack('files', 'a file outside is truncated by name',
        abi=(3, 'Landlock bounds truncating from ABI 3 on'))
def _(lab):
    secret = lab.secret()
    lab.py(f'os.truncate({str(secret.path)!r}, 0)')
    return secret.path.stat().st_size == 0


@attack('files', 'a file outside is removed')
def _(lab):
    secret = lab.secret()
    lab.sh(f'rm -f {secret.path}')
    return not secret.path.exists()


@attack('files', 'a file outside is renamed')
def _(lab):
    secret = lab.secret()
    lab.sh(f'mv {secret.path} {secret.path}2')
    return not secret.path.exists()


@attack('files', 'a file outside is moved into the workspace')
def _(lab):
    secret = lab.secret()
    lab.sh(f'mv {secret.path} here')
    return (lab.work / 'here').exists()


@attack('files', 'a file outside is exchanged for one of the workspace')
def _(lab):
    secret = lab.secret()
    lab.py(f'''open('mine', 'w').write('mine')
call(316, -100, b'mine', -100, {os.fsencode(secret.path)!r}, 2)''')
    return secret.path.read_text() == 'mine'


@attack('files', 'a hard link to a file outside is made in the workspace')
def _(lab):
    secret = lab.secret()
    lab.sh(f'ln {secret.path} link')
    return (lab.work / 'link').exists()


@attack('files', 'a folder is made outside')
def _(lab):
    lab.sh(f'mkdir {lab.outside}/folder')
    return (lab.outside / 'folder').exists()


@attack('files', 'a folder outside is removed')
def _(lab):
    (lab.outside / 'folder').mkdir()
    lab.sh(f'rmdir {lab.outside}/folder')
    return not (lab.outside / 'folder').exists()


@attack('files', 'a named pipe is made outside')
def _(lab):
    lab.sh(f'mkfifo {lab.outside}/fifo')
    return (lab.outside / 'fifo').exists()


@attack('files', 'a symbolic link is made outside')
def _(lab):
    lab.sh(f'ln -s /etc/passwd {lab.outside}/link')
    return (lab.outside / 'link').is_symlink()


@attack('files', 'a socket is made outside')
def _(lab):
    lab.py(f's = socket.socket(socket.AF_UNIX)\n'
           f's.bind({str(lab.outside / "s")!r})')
    return (lab.outside / 's').exists()


@attack('files', 'the mode of a file outside is changed',
        confined='Landlock does not bound chmod')
def _(lab):
    secret = lab.secret()
    lab.sh(f'chmod 666 {secret.path}')
    return secret.path.stat().st_mode & 0o777 == 0o666


@attack('files', 'the owner of a file outside is changed', root=True)
def _(lab):
    secret = lab.secret()
    lab.sh(f'chown 1:1 {secret.path}')
    return secret.path.stat().st_uid == 1


@attack('files', 'the times of a file outside are changed',
        confined='Landlock does not bound utimes')
def _(lab):
    secret = lab.secret()
    lab.sh(f'touch -d 2001-01-01 {secret.path}')
    return secret.path.stat().st_mtime < 1e9


@attack('files', 'an extended attribute of a file outside is set',
        confined='Landlock does not bound setxattr')
def _(lab):
    secret = lab.secret()
    lab.py(f'os.setxattr({str(secret.path)!r}, "user.x", b"y")')
    return 'user.x' in os.listxattr(secret.path)


@attack('files', 'a symbolic link of the workspace leads to a file outside')
def _(lab):
    secret = lab.secret()
    (lab.work / 'link').symlink_to(secret.path)
    return secret.text in lab.sh('cat link').output


@attack('files', 'a symbolic link of the workspace is written through')
def _(lab):
    secret = lab.secret()
    lab.sh(f'ln -s {secret.path} link; echo more >>link')
    return 'more' in secret.path.read_text()


@attack('files', 'the parent of the workspace is entered')
def _(lab):
    secret = lab.secret()
    return secret.text in lab.sh('cat ../outside/secret').output


@attack('files', 'the parent is entered from a folder that is moved away')
def _(lab):
    secret = lab.secret()
    return secret.text in lab.sh('mkdir -p a/b && cd a/b && mv ../b ../../c; '
                                 'cat ../../outside/secret '
                                 '../outside/secret').output


@attack('files', '/proc/self/root leads out')
def _(lab):
    secret = lab.secret()
    return secret.text in lab.sh(f'cat /proc/self/root{secret.path}').output


@attack('files', '/proc/self/cwd leads out')
def _(lab):
    secret = lab.secret()
    return secret.text in lab.sh('cat /proc/self/cwd/../outside/secret').output


@attack('files', 'another process\'s root leads out')
def _(lab):
    secret = lab.secret()
    return secret.text in lab.sh(
        f'for root in /proc/[0-9]*/root; do cat $root{secret.path}; done '
        '2>/dev/null').output


@attack('files', 'another process\'s folder leads out')
def _(lab):
    secret = lab.secret()
    lab.victim(cwd=lab.outside)
    return secret.text in lab.sh('cat /proc/[0-9]*/cwd/secret').output


@attack('files', 'a file handle opens a file without a path', root=True)
def _(lab):
    secret = lab.secret()
    # The handle is made outside, as one who guesses inode numbers would.
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    handle = ctypes.create_string_buffer(136)
    ctypes.memmove(handle, (128).to_bytes(4, 'little'), 4)
    mount = ctypes.c_int()
    if libc.name_to_handle_at(-100, os.fsencode(secret.path), handle,
                              ctypes.byref(mount), 0):
        raise Skip('this file system has no handles')
    return secret.text in lab.py(f'''
handle = ctypes.create_string_buffer({handle.raw!r}, 136)
for root in '.', '/', '/tmp', '/usr':
    fd = call(304, os.open(root, os.O_RDONLY), handle, 0)
    if fd >= 0: print(os.read(fd, 100).decode())''').output


@attack('files', 'the program itself is overwritten')
def _(lab):
    copy = lab.outside / 'nightjar'
    copy.write_bytes(NIGHTJAR.read_bytes())
    lab.sh(f'echo x >{copy}')
    return copy.stat().st_size < 100


@attack('files', 'a program of the system is added', root=True)
def _(lab):
    import pathlib
    path = pathlib.Path(f'/usr/local/bin/nightjar-attack-{os.getpid()}')
    lab.sh(f'echo x >{path}')
    found = path.exists()
    path.unlink(missing_ok=True)
    return found


@attack('files', 'a path that may be read is written to')
def _(lab):
    (lab.outside / 'f').write_text('before')
    lab.sh(f'echo after >{lab.outside}/f', '--read', str(lab.outside))
    return (lab.outside / 'f').read_text() != 'before'


@attack('files', 'the neighbour of a path that may be read is read')
def _(lab):
    secret = lab.secret()
    (lab.outside / 'f').write_text('x')
    return secret.text in lab.sh(f'cat {lab.outside}/secret', '--read',
                                 str(lab.outside / 'f')).output


@attack('files', 'a path that may be written to leads on by a link')
def _(lab):
    secret = lab.secret()
    shared = lab.outside / 'shared'
    shared.mkdir()
    return secret.text in lab.sh(
        f'ln -s ../secret {shared}/link; cat {shared}/link', '--write',
        str(shared)).output


@attack('files', 'a setuid program is left in the workspace')
def _(lab):
    lab.sh('cp /bin/true tool; chmod 4755 tool')
    return bool((lab.work / 'tool').stat().st_mode & stat.S_ISUID)


@attack('files', 'a setuid program is left by fchmodat2')
def _(lab):
    lab.py('open("tool", "w").close(); call(452, -100, b"tool", 0o4755, 0)')
    return bool((lab.work / 'tool').stat().st_mode & stat.S_ISUID)


@attack('files', 'a setgid folder is left in the workspace')
def _(lab):
    lab.sh('mkdir folder; chmod 2755 folder')
    return bool((lab.work / 'folder').stat().st_mode & stat.S_ISGID)


@attack('files', 'a setuid file is made by open')
def _(lab):
    lab.py('os.umask(0); os.open("tool", os.O_CREAT | os.O_WRONLY, 0o4755)')
    path = lab.work / 'tool'
    return path.exists() and bool(path.stat().st_mode & stat.S_ISUID)


@attack('files', 'a setuid file is made by mknod')
def _(lab):
    lab.py('os.umask(0); call(133, b"tool", 0o104755, 0)')
    path = lab.work / 'tool'
    return path.exists() and bool(path.stat().st_mode & stat.S_ISUID)


@attack('files', 'a file of root\'s is left in the workspace', root=True)
def _(lab):
    os.chown(lab.work, 1234, 1234)
    lab.sh('touch file')
    path = lab.work / 'file'
    return path.exists() and path.stat().st_uid == 0


@attack('files', 'a device is left in the workspace', root=True)
def _(lab):
    lab.sh('mknod device c 1 3')
    return (lab.work / 'device').exists()


@attack('files', 'capabilities are given to a file of the workspace', root=True)
def _(lab):
    lab.py('''open("tool", "w").close()
os.setxattr("tool", "security.capability",
            struct.pack("<IIIII", 0x02000001, 1 << 21, 0, 0, 0))''')
    return 'security.capability' in os.listxattr(lab.work / 'tool')


@attack('files', 'a file of the workspace is made immutable', root=True)
def _(lab):
    lab.py('''import fcntl
fd = os.open("file", os.O_CREAT | os.O_RDWR)
fcntl.ioctl(fd, 0x40086602, struct.pack("L", 0x10))''')
    try:
        (lab.work / 'file').unlink()
        return False
    except PermissionError:
        import subprocess
        subprocess.run(['chattr', '-i', lab.work / 'file'], check=True)
        return True


@attack('files', 'a disk is read', root=True)
def _(lab):
    return lab.says(lab.sh(
        'for d in /dev/[svx]d[a-z] /dev/vd[a-z] /dev/nvme0n1 /dev/loop0; do '
        'head -c 1 $d >/dev/null 2>&1 && echo reached; done'))


main()
