#!/bin/sh
# Processes, sessions, terminals and daemons, in the sandbox.
# shellcheck disable=SC2016,SC2086,SC2317 # scripts for inside; some end early
. tests/functional/lib.sh

check_sessions() {
    inside 'a pseudo terminal by python' 'python3' <<'EOF'
python3 - <<'PY'
import os, pty, termios, fcntl, struct
pid, fd = pty.fork()
if pid == 0:
    os.execlp("sh", "sh", "-c", "tty; stty size; read x; echo got $x >/dev/tty")
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("4H", 30, 90, 0, 0))
os.write(fd, b"abc\n")
out = b""
try:
    while d := os.read(fd, 1000): out += d
except OSError: pass
print(out)
assert b"/dev/pts/" in out and b"got abc" in out
assert os.waitpid(pid, 0)[1] == 0
PY
EOF

    inside 'script(1)' 'script' <<'EOF'
script -qec 'tty && test -t 0 && test -t 1 && echo yes' log >/dev/null
grep -q yes log
script -qec 'exit 3' /dev/null && exit 1
true
EOF

    inside 'job control in bash' 'bash script' <<'EOF'
cat >j.sh <<'B'
set -m
cat /dev/zero >/dev/null & pid=$!
kill -STOP %1
wait -f %1 2>/dev/null & 
while [ "$(ps -o stat= -p $pid | cut -c1)" != T ]; do :; done
jobs | grep -q cat
bg %1 >/dev/null; kill %1; wait $pid; [ $? = 143 ] && echo controlled
B
bash j.sh | grep -q controlled
script -qec 'bash -i -c "sleep 0 & fg; echo fore"' /dev/null | grep -q fore
EOF

    inside 'signals, process groups, timeout, nohup, trap' 'bash timeout setsid' <<'EOF'
s=0; timeout 0.01 sh -c 'while :; do :; done' || s=$?; [ $s = 124 ]
s=0; sh -c 'kill -TERM $$' || s=$?; [ $s = 143 ]
nohup true >/dev/null 2>&1 && [ "$(setsid sh -c 'ps -o sid= -p $$; echo' | head -1 | tr -d ' ')" -gt 0 ]
[ "$(sh -c 'trap "echo caught" USR1; kill -USR1 $$')" = caught ]
python3 - <<'PY'
import os, signal
pid = os.fork()
if pid == 0:
    os.setpgid(0, 0)
    for _ in "abc": os.fork()
    signal.pause()
try: os.setpgid(pid, pid)
except PermissionError: pass
os.killpg(pid, signal.SIGKILL); assert os.waitpid(pid, 0)[1] == 9
signal.sigqueue if hasattr(signal, "sigqueue") else None
assert signal.sigtimedwait([signal.SIGUSR1], 0) is None
PY
EOF

    inside 'a daemon started with setsid by a test suite and spoken to' \
        'python3 setsid' <<'EOF'
cat >daemon.py <<'PY'
import os, socket, sys
s = socket.create_server(("localhost", 8080))
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
os.chdir("/")
open("/tmp/daemon.pid", "w").write(str(os.getpid()))
while True:
    c, _ = s.accept(); c.sendall(c.recv(100).upper()); c.close()
PY
setsid python3 daemon.py </dev/null >/dev/null 2>&1
python3 -c 'import socket; c = socket.create_connection(("localhost", 8080)); c.send(b"hi"); assert c.recv(9) == b"HI"'
EOF

    inside 'orphans are adopted and reaped' 'python3' <<'EOF'
python3 - <<'PY'
import os
r, w = os.pipe()
if os.fork() == 0:
    if os.fork() == 0:
        os.close(r)
        while os.getppid() not in (0, 1): pass
        os.write(w, b"%d" % os.getpid()); os._exit(0)
    os._exit(0)
os.close(w); os.wait()
orphan = os.read(r, 20).decode()
assert os.read(r, 1) == b""
# It has ended when the pipe closes; its entry goes once it is reaped.
while os.path.exists(f"/proc/{orphan}"): pass
PY
EOF

    inside 'gpg makes a key with an agent and signs' 'gpg gpg-agent' <<'EOF'
gpg --batch --passphrase '' --quick-generate-key a@example.org ed25519 default never 2>&1
echo x | gpg --batch -a --sign | gpg --verify
EOF

    inside 'ssh-keygen' 'ssh-keygen' <<'EOF'
ssh-keygen -q -t ed25519 -N '' -f key && ssh-keygen -l -f key.pub
EOF

    inside 'sqlite3' 'sqlite3' <<'EOF'
sqlite3 a.db 'create table t(x); insert into t values (1), (2);'
[ "$(sqlite3 a.db 'pragma journal_mode=wal; select sum(x) from t' | tail -1)" = 3 ]
EOF

    inside 'a PostgreSQL server: initdb, start, query, stop' \
        'initdb pg_ctl psql' <<'EOF'
initdb -D data -U me >/dev/null && pg_ctl -w -D data -o '-p 5433 -k /tmp' -l log start
[ "$(psql -h localhost -p 5433 -U me -Atc 'select 6 * 7' postgres)" = 42 ]
pg_ctl -w -D data -m fast stop
EOF
}

run_checks check_sessions
