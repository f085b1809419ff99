"""The kernel's surface: what a bug or a privilege behind a system call would
give. The attacker's own word says whether the kernel answered."""
import os
import pathlib

from lab import Skip, attack, main


def asks(name, code, **options):
    """An attack that is one system call, whose answer is the effect."""
    @attack('kernel', name, **options)
    def _(lab):
        return lab.says(lab.py(f'if {code}: print("reached")'))


@attack('kernel', 'a user namespace is made')
def _(lab):
    return lab.says(lab.sh('unshare -U echo reached'))


@attack('kernel', 'a file system is mounted')
def _(lab):
    (lab.work / 'folder').mkdir()
    return lab.says(lab.sh('unshare -Urm sh -c "mount -t tmpfs x folder && '
                           'echo reached"'))


@attack('kernel', 'a file system of the host\'s is mounted', root=True)
def _(lab):
    target = lab.outside / 'folder'
    target.mkdir()
    lab.sh(f'mount -t tmpfs x {target}')
    mounted = os.path.ismount(target)
    if mounted:
        import subprocess
        subprocess.run(['umount', target], check=True)
    return mounted


@attack('kernel', 'a mount of the system is made writable', root=True)
def _(lab):
    return lab.says(lab.sh('unshare -m sh -c "mount -o bind,rw /usr /usr && '
                           'touch /usr/x && rm /usr/x && echo reached"'))


asks('the root is changed', 'reached(161, b".")', root=True)
asks('another\'s namespace is entered',
     'call(308, os.open(f"/proc/{os.getppid()}/ns/uts", os.O_RDONLY), 0) == 0',
     root=True)
asks('a process with namespaces is cloned',
     'call(56, 0x10000011, 0, 0, 0, 0) >= 0')
asks('a process with namespaces is cloned by clone3',
     'call(435, ctypes.create_string_buffer(struct.pack("<11Q", 0x10000000, '
     '0, 0, 0, 17, 0, 0, 0, 0, 0, 0)), 88) >= 0')
asks('a file system is opened by fsopen', 'call(430, b"tmpfs", 0) >= 0',
     root=True)
asks('a mount is copied by open_tree', 'call(428, -100, b"/", 1) >= 0',
     root=True)
asks('a mount is changed by mount_setattr',
     'reached(442, -100, b"/", 0, 0, 0)', root=True)
asks('the root is exchanged by pivot_root', 'reached(155, b"/x", b"/x")',
     root=True)
asks('mounts are listed by listmount',
     'call(458, 0, 0, 0, 0) != -errno.ENOSYS')
asks('a BPF program is loaded', 'reached(321, 5, 0, 0)', root=True)
asks('performance events are opened',
     'reached(298, ctypes.create_string_buffer(128), 0, -1, -1, 0)')
asks('faults are handled in user space', 'reached(323, 1)')
asks('an io_uring is made',
     'call(425, 1, ctypes.create_string_buffer(120)) >= 0')
asks('a key is kept in the kernel',
     'call(248, b"user", b"nightjar", b"y", 1, -2) > 0')
asks('a key ring is asked', 'reached(250, 0, -3, 0, 0, 0)')
asks('accesses of others are listened to', 'reached(300, 0, 0)')
asks('a handle of a file is asked for', 'reached(303, -100, b"/", 0, 0, 0)')
asks('a module is loaded', 'reached(175, 0, 0, b"")', root=True)
asks('a module is loaded from a file', 'reached(313, -1, b"", 0)', root=True)
asks('a module is removed', 'reached(176, b"no-such-module", 0x800)', root=True)
asks('a kernel is loaded', 'reached(246, 0, 99, 0, 0xffff0000)', root=True)
asks('swap is added', 'reached(167, b"/no/such/file", 0)', root=True)
asks('accounting is asked for', 'reached(163, b"/no/such/file")', root=True)
asks('the host name is set',
     'call(170, os.uname().nodename.encode(), len(os.uname().nodename)) == 0',
     root=True)
asks('ports are opened by iopl', 'reached(172, 0)')
asks('a segment is set by modify_ldt',
     'reached(154, 1, ctypes.create_string_buffer(16), 16)')
asks('quotas are asked for', 'reached(179, 0x800001, 0, 0, 0)')
asks('the clock is set', 'reached(227, 99, 0)', root=True)
asks('data are executable', 'call(135, 0x0400000) >= 0')
asks('another kernel is claimed', 'call(135, 0x0020000) >= 0')
asks('two processes are compared by kcmp',
     'reached(312, os.getpid(), os.getppid(), 1, 0, 0)')
asks('pages of another are moved', 'reached(279, os.getppid(), 0, 0, 0, 0, 0)')
asks('a secret memory file', 'reached(447, 0)')
asks('a call of a newer kernel', 'call(463, 0, 0, 0, 0, 0) != -errno.ENOSYS')
asks('the kernel\'s log is read', 'call(103, 10, 0, 0) >= 0', root=True)
asks('an NFS server is asked', 'reached(180, 0, 0, 0)', root=True)


@attack('kernel', '32-bit calls are made')
def _(lab):
    return lab.says(lab.c('calls.c', words=['int80']))


@attack('kernel', 'x32 calls are made')
def _(lab):
    # Without support in the kernel they are absent, and do not kill.
    return lab.says(lab.c('calls.c', words=['x32']))


@attack('kernel', 'a filter of its own answers for the sandbox\'s')
def _(lab):
    return lab.says(lab.c('listener.c'))


@attack('kernel', 'a tracer changes a call after it was looked at')
def _(lab):
    return lab.says(lab.c('tracer.c'))


@attack('kernel', 'a kernel setting is written', root=True)
def _(lab):
    path = pathlib.Path('/proc/sys/kernel/printk_ratelimit_burst')
    before = path.read_text()
    lab.sh(f'echo {int(before) + 1} >{path}')
    changed = path.read_text() != before
    path.write_text(before)
    return changed


for name, path, mode in (
        ('the core pattern is opened for writing',
         '/proc/sys/kernel/core_pattern', 'O_WRONLY'),
        ('sysrq is opened for writing', '/proc/sysrq-trigger', 'O_WRONLY'),
        ('the kernel\'s memory is opened', '/proc/kcore', 'O_RDONLY'),
        ('the kernel\'s log is opened', '/dev/kmsg', 'O_RDWR'),
        ('physical memory is opened', '/dev/mem', 'O_RDONLY'),
        ('a network device could be made', '/dev/net/tun', 'O_RDWR'),
        ('a file system could be served', '/dev/fuse', 'O_RDWR'),
        ('a loop device could be made', '/dev/loop-control', 'O_RDWR'),
        ('a virtual machine could be made', '/dev/kvm', 'O_RDWR'),
        ('devices are listed in /sys', '/sys/devices', 'O_RDONLY'),
        ('control groups are listed', '/sys/fs/cgroup', 'O_RDONLY'),
        ('the tracer is opened', '/sys/kernel/tracing/tracing_on', 'O_WRONLY'),
):
    @attack('kernel', name)
    def _(lab, path=path, mode=mode):
        code = f'''fd = os.open({path!r}, os.{mode})
if os.path.isdir(fd): print("reached" if os.listdir(fd) else "")
elif "{mode}" != "O_RDONLY" or os.read(fd, 1): print("reached")'''
        return lab.says(lab.py(code))


@attack('kernel', 'the kernel\'s symbols are read', root=True)
def _(lab):
    out = lab.sh('head -n 1 /proc/kallsyms').output
    return bool(out.strip()) and not out.startswith('0000000000000000')


@attack('kernel', 'its own control group is left', root=True)
def _(lab):
    return lab.says(lab.sh(
        'for f in /sys/fs/cgroup/pids/cgroup.procs /sys/fs/cgroup/cgroup.procs '
        '/sys/fs/cgroup/unified/cgroup.procs; do '
        '(exec 3>>"$f") 2>/dev/null && echo reached; done'))


@attack('kernel', 'a program with more rights is started')
def _(lab):
    import shutil
    program = shutil.which('su')
    if not program or not os.stat(program).st_mode & 0o4000:
        raise Skip('no setuid program')
    # Who runs it counts when it starts: no_new_privs is the answer to that.
    return lab.says(lab.sh(
        "grep -q 'NoNewPrivs:.*0' /proc/self/status && echo reached"))


@attack('kernel', 'capabilities are held', root=True)
def _(lab):
    return lab.says(lab.sh("grep -q 'Cap[A-Z][a-z]*:.*[1-9a-f]' "
                           '/proc/self/status && echo reached'))


@attack('kernel', 'another user is become', root=True)
def _(lab):
    return lab.says(lab.py('os.setgid(7); os.setuid(7); print("reached")'))


main()
