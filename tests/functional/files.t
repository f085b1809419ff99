#!/bin/sh
# Files, and the tools for text, in the sandbox.
# shellcheck disable=SC2016,SC2086,SC2317 # scripts for inside; some end early
. tests/functional/lib.sh

check_files() {
    inside 'sort of a file of 50 MB, in two threads and through TMPDIR' \
        'sort python3' <<'EOF'
python3 -c 'import random; r = random.Random(1)
for i in range(50): print("\n".join("%019d" % r.getrandbits(60) for _ in range(52429)))' >big
[ "$(stat -c %s big)" -ge 50000000 ]
sort -S 16M --parallel=2 big >sorted && sort -c sorted && [ "$(wc -l <sorted)" = 2621450 ]
EOF

    inside 'awk, sed -i, grep, tr, cut, join, paste, comm, diff, patch, bc' \
        'awk sed grep patch bc' <<'EOF'
seq 1 1000 >n
[ "$(awk '{ s += $1 } END { print s }' n)" = 500500 ]
awk 'BEGIN { "echo hi" | getline x; close("echo hi"); print x | "cat >out" }' && [ "$(cat out)" = hi ]
cp n m && sed -i 's/^500$/five/' m && grep -c . m && grep -qx five m
diff -u n m >p && exit 1
patch -s n p && cmp n m
[ "$(echo '2^64' | bc)" = 18446744073709551616 ]
EOF

    inside 'find, xargs -P, parallel writes to one file' 'find xargs' <<'EOF'
mkdir d && seq 1 400 | (cd d && xargs touch)
find d -type f -print0 | xargs -0 -P 8 -n 5 sh -c 'echo "$@" >>log' x
[ "$(wc -w <log)" = 400 ]
find d -type f -newermt 2000-01-01 -size -1 -delete && [ -z "$(ls d)" ]
EOF

    inside 'fifos and pipelines of twenty' 'mkfifo' <<'EOF'
mkfifo f
seq 1 10000 >f & wc -l <f >n; wait; [ "$(cat n)" -eq 10000 ]
c=cat; i=0; while [ $i -lt 20 ]; do c="$c | cat"; i=$((i + 1)); done
[ "$(seq 1 10000 | eval "$c" | tail -n 1)" = 10000 ]
echo x | tee copy /dev/stderr >/dev/null && [ "$(cat copy)" = x ]
EOF

    inside 'tar, gzip, xz, zstd and zip preserve modes, times and links' \
        'tar gzip python3' <<'EOF'
mkdir -p d/sub && echo x >d/f && chmod 640 d/f && touch -d '2001-02-03 04:05:06.123456789' d/f
ln -s f d/link && ln d/f d/hard && chmod 555 d/sub && mkfifo d/pipe
tar --format=pax -cf - d | gzip | (mkdir out && cd out && tar -xzpf -)
[ "$(stat -c '%a %y %h' d/f)" = "$(stat -c '%a %y %h' out/d/f)" ]
[ "$(readlink out/d/link)" = f ] && [ -p out/d/pipe ] && [ "$(stat -c %a out/d/sub)" = 555 ]
for c in xz zstd bzip2; do
    if command -v $c >/dev/null; then tar -cf - --exclude=pipe d | $c | $c -d | tar -tf - >/dev/null; fi
done
python3 -c 'import shutil; shutil.make_archive("a", "zip", "d/sub"); shutil.unpack_archive("a.zip", "z")'
EOF

    inside 'tar extracts files of other owners and with setuid bits' \
        'python3 tar' <<'EOF'
python3 - <<'PY'
import io, tarfile
with tarfile.open("a.tar", "w") as t:
    for name, mode in ("plain", 0o644), ("special", 0o4755), ("sticky", 0o2755):
        i = tarfile.TarInfo(name); i.mode = mode; i.uid = i.gid = 0; i.size = 1
        t.addfile(i, io.BytesIO(b"x"))
PY
tar -xf a.tar && [ -f plain ] && [ -f special ] && [ -f sticky ]
python3 -c 'import tarfile; tarfile.open("a.tar").extractall("p")' && [ -f p/special ]
EOF

    inside 'cp -a, install, mv and touch keep modes and times' \
        'cp install' <<'EOF'
mkdir a && echo x >a/f && chmod 751 a/f && touch -d '2001-02-03 04:05:06.5' a/f a
ln -s f a/l
cp -a a b && mkdir c && cp -p --reflink=auto a/f c/ && install -D -p -m 640 a/f d/e/f && install -d -m 750 g
[ "$(stat -c '%a %Y' a/f)" = "$(stat -c '%a %Y' b/f)" ] && [ "$(stat -c %Y a)" = "$(stat -c %Y b)" ]
[ "$(stat -c '%a %Y' d/e/f)" = '640 981173106' ] && [ "$(stat -c %a g)" = 750 ]
mv b /tmp/b.$$ && mv /tmp/b.$$ back && [ "$(stat -c '%a %Y' back/f)" = '751 981173106' ]
chown "$(id -u):$(id -g)" a/f && chgrp "$(id -gn)" a && chmod -R u+w,go-w a
EOF

    inside 'rsync -a between folders' 'rsync' <<'EOF'
mkdir -p a/b && echo x >a/b/f && touch -d 2001-02-03 a/b/f && ln -s b a/l
rsync -a --delete a/ c/ && rsync -ani --delete a/ c/ >log && [ ! -s log ]
EOF

    inside 'sparse files, fallocate, truncate, holes' 'truncate fallocate' <<'EOF'
truncate -s 20G sparse && [ "$(du -k sparse | cut -f1)" -lt 1000 ]
fallocate -l 1M real && [ "$(du -k real | cut -f1)" -ge 1024 ]
cp --sparse=always sparse copy && [ "$(stat -c %s copy)" = 21474836480 ]
dd if=/dev/zero of=seek bs=1 count=1 seek=10M 2>/dev/null && rm sparse copy
EOF

    inside 'hard and symbolic links, renames of directories, O_TMPFILE' \
        'python3' <<'EOF'
python3 - <<'PY'
import os
open("f", "w").write("x"); os.link("f", "h"); assert os.stat("f").st_nlink == 2
os.symlink("missing", "dangling"); assert os.path.islink("dangling")
os.symlink("/etc/passwd", "out"); assert "root" in open("out").read()
os.makedirs("d/e/f"); open("d/e/f/g", "w").close()
os.rename("d", "moved"); assert os.path.exists("moved/e/f/g")
os.makedirs("empty"); os.rename("moved", "empty"); os.rename("empty/e", "e")
os.link("h", "e/h"); os.rename("e/h", "h2")
fd = os.open(".", os.O_TMPFILE | os.O_RDWR); os.write(fd, b"late")
os.link(f"/proc/self/fd/{fd}", "late", src_dir_fd=os.open("/", os.O_RDONLY),
        follow_symlinks=True)
assert open("late").read() == "late"
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
assert libc.renameat2(-100, b"late", -100, b"f", 2) == 0, os.strerror(ctypes.get_errno())
assert open("f").read() == "late"
PY
EOF

    inside 'deep paths, long names, unicode and odd names' 'python3 find' <<'EOF'
python3 - <<'PY'
import os
top = os.getcwd()
for i in range(60):
    os.mkdir("n" * 200); os.chdir("n" * 200)
open("end", "w").close(); os.chdir(top)
names = ["ünïcödé", "日本語", "😀", "with space", "-dash", "new\nline", "quote'\"",
         "a" * 255, "tab\t", "back\\slash"]
for n in names: open(n, "w").write(n)
assert set(names) <= set(os.listdir("."))
raw = b"\xff\xfe"; open(raw, "w").close(); assert raw in os.listdir(b".")
PY
find . -name end | grep -q end && rm -r nnn*
[ -f 日本語 ] && [ "$(cat ünïcödé)" = ünïcödé ]
EOF

    inside '10,000 small files in 100 folders' 'python3 find' <<'EOF'
python3 - <<'PY'
import os
for d in range(100):
    os.mkdir(str(d))
    for f in range(100): open(f"{d}/{f}", "w").write("x")
PY
[ "$(find . -type f | wc -l)" -gt 10000 ] && rm -r [0-9]*
EOF

    inside 'file locks: flock, fcntl, open file descriptions' \
        'flock python3' <<'EOF'
flock lock true
flock lock sh -c 'flock -n lock true' && exit 1
python3 - <<'PY'
import fcntl, os, struct
f = open("l", "w")
fcntl.lockf(f, fcntl.LOCK_EX)
if os.fork() == 0:
    try: fcntl.lockf(open("l", "w"), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError: os._exit(0)
    os._exit(1)
assert os.wait()[1] == 0
fcntl.fcntl(open("m", "w"), 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
fcntl.fcntl(os.open(".", 0), fcntl.F_NOTIFY, 0) if hasattr(fcntl, "F_NOTIFY") else 0
PY
EOF

    inside 'extended attributes, access times, statvfs, fsync' 'python3' <<'EOF'
python3 - <<'PY'
import os
f = open("f", "w"); f.write("x"); f.flush(); os.fsync(f.fileno()); os.fdatasync(f.fileno())
os.setxattr("f", "user.note", b"v"); assert os.getxattr("f", "user.note") == b"v"
assert "user.note" in os.listxattr("f"); os.removexattr("f", "user.note")
os.utime("f", ns=(1, 2)); assert os.stat("f").st_mtime_ns == 2
s = os.statvfs("."); assert s.f_bavail > 0
os.posix_fallocate(f.fileno(), 0, 4096); os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
a, b = os.open("f", os.O_RDONLY), os.open("g", os.O_WRONLY | os.O_CREAT)
assert os.copy_file_range(a, b, 4096) == 4096
os.lseek(a, 0, 0); assert os.sendfile(b, a, 0, 10) == 10
os.sync()
PY
EOF

    inside 'umask, read-only files and folders, access' 'python3' <<'EOF'
umask 027 && touch f && mkdir d && [ "$(stat -c %a f)$(stat -c %a d)" = 640750 ]
chmod 444 f && if (echo x >f) 2>/dev/null; then exit 1; fi
chmod 555 d && if (touch d/x) 2>/dev/null; then exit 1; fi
[ -r f ] && [ ! -w f ] && chmod 000 f && if cat f 2>/dev/null; then exit 1; fi
EOF
}

run_checks check_files
