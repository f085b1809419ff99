#!/bin/sh
# `nightjar sandbox` and `nightjar doctor`: what is passed through, limits with
# their reasons, networks, and the mode without namespaces.
. tests/lib.sh

work=$TMPDIR/work
mkdir "$work"
cd_work() { cd "$work" || exit 1; }
# inside OPTIONS… -- COMMAND…: in the work folder; output goes to $out.
inside() {
    out=$(cd_work && "$NIGHTJAR" sandbox "$@" 2>"$TMPDIR/errors")
    status=$?
    errors=$(cat "$TMPDIR/errors")
}

# ---- passing through ----------------------------------------------------------

inside -- sh -c 'echo out; echo err >&2; exit 7'
is "$status:$out:$errors" "7:out:err" "status, output and errors are the command's"
inside -- sh -c 'kill -TERM $$'
is "$status" 143 "death by a signal is 128 and its number"
inside -- pwd
is "$out" /workspace "the workspace is at /workspace"
inside --workspace "$work:/home/me/project" -- sh -c 'pwd; touch there'
is "$out" /home/me/project "or elsewhere"
ok "and changed in place" test -f "$work/there"
is "$(stat -c %u "$work/there")" "$(stat -c %u "$work")" "by its owner"
inside -- no-such-program
is "$status" 127 "127: not there"
touch "$work/not-a-program"
inside -- ./not-a-program
is "$status" 126 "126: no program"
is "$(printf 'a\0b\377c' | (cd_work && "$NIGHTJAR" sandbox -- cat) | od -An -tx1)" \
    " 61 00 62 ff 63" "bytes pass as they are"
is "$(head -c 30000000 /dev/zero | (cd_work && "$NIGHTJAR" sandbox -- cat) | sha256sum)" \
    "$(head -c 30000000 /dev/zero | sha256sum)" "and many of them"
is "$( (cd_work && "$NIGHTJAR" sandbox -- yes) | head -1)" y \
    "a reader that leaves ends it"
inside --env A=1 --env 'B=x y' -- sh -c 'echo "$A $B $HOME $TMPDIR"'
is "$out" "1 x y /home/agent /tmp" "variables"
SECRET_TOKEN=hidden-value-1234 inside -- env
unlike "$out" "hidden-value" "none of ours"
mkdir "$TMPDIR/lib" "$TMPDIR/outbox"
echo tool >"$TMPDIR/lib/tool"
inside --read "$TMPDIR/lib" --write "$TMPDIR/outbox" -- sh -c \
    "cat $TMPDIR/lib/tool; echo x >$TMPDIR/outbox/x; echo y >$TMPDIR/lib/y"
like "$out" tool "--read can be read"
ok "--write can be written to" test -f "$TMPDIR/outbox/x"
ok "--read cannot" test ! -e "$TMPDIR/lib/y"

# ---- wrong use -------------------------------------------------------------------

for wrong in "--workspace /no/such/folder" "--workspace /" \
    "--workspace $work:/a/../b" "--network http://x" "--memory 1x" \
    "--pids 0" "--cpu 0" "--timeout never" "--require chroot" "--read x" \
    "--no-such-option"; do
    # shellcheck disable=SC2086
    inside $wrong -- true
    is "$status" 125 "$wrong: 125"
    like "$errors" "^nightjar: " "$wrong: and why"
done
inside --
is "$status" 125 "no command: 125"
inside --read /no/such/path -- true
is "$status" 125 "a path that is not there"
like "$errors" "is not on this host" "is told"
inside --without seccomp -- true
is "$status" 125 "never without seccomp"
inside --require cgroup --without cgroup -- true
is "$status" 125 "what is required and missing: 125"
like "$errors" "hint: " "with what to do"

# ---- limits ------------------------------------------------------------------------

fill='import sys
x = []
while True: x.append(bytes([1]) * (4 << 20))'
# ended_by REASON NAME OPTIONS… -- COMMAND…
ended_by() {
    reason=$1 name=$2
    shift 2
    inside --json "$@"
    like "$errors" "\"ended_by\":\"$reason\"" "$name: ended by $reason"
    is "$((status > 128))" 1 "$name: status $status"
}
limits() {
    ended_by memory "memory$1" "$@" --memory 64M -- python3 -c "$fill"
    ended_by memory "memory of a tree$1" "$@" --memory 96M -- sh -c \
        'for i in 1 2 3 4; do python3 -c "
x = bytes([1]) * (40 << 20)
import signal; signal.pause()" & done; wait $!; exit $?'
    ended_by pids "fork bomb$1" "$@" --pids 48 -- bash -c ':(){ :|:& };:; wait; sleep 1000'
    ended_by disk "one file$1" "$@" --disk 8M -- dd if=/dev/zero of=big bs=1M count=100
    rm -f "$work/big"
    ended_by disk "many files$1" "$@" --disk 8M -- sh -c \
        'i=0; while :; do head -c 1000000 /dev/zero >f$i; i=$((i+1)); done'
    is "$(($(du -sm "$work" | cut -f1) < 400))" 1 "many files$1: it was in time"
    rm -f "$work"/f*
    ended_by disk "files without a name$1" "$@" --disk 8M -- python3 -c \
        'import os, tempfile
keep = []
while True:
    f = tempfile.TemporaryFile(buffering=0)
    keep.append(f)
    f.write(bytes(1 << 20))'
    ended_by file_size "file size$1" "$@" --file-size 64K -- \
        dd if=/dev/zero of=big bs=64K count=10
    ended_by cpu_time "busy loop$1" "$@" --cpu-time 300ms -- sh -c 'while :; do :; done'
    ended_by cpu_time "busy children$1" "$@" --cpu-time 300ms -- sh -c \
        'while :; do sh -c "i=0; while [ \$i -lt 20000 ]; do i=\$((i+1)); done"; done'
    ended_by timeout "time$1" "$@" --timeout 200ms -- sleep 1000
}
# Nothing but a control group bounds root's own processes.
if [ "$(id -u)" = 0 ]; then
    inside --without=namespaces,cgroup -- true
    is "$status" 125 "root's folder, without namespaces and control groups: 125"
    like "$errors" "chown" "with what to do"
    chown 61234:61234 "$work"
    chmod a+x "$TMPDIR" # its way to it
fi
limits --without=cgroup
limits --require=namespaces
limits --without=namespaces,cgroup
[ "$(id -u)" != 0 ] || chown 0:0 "$work"
# An ordinary user's neighbours are bounded by the watch alone, so the forks
# of the modes above must not have spread.
is "$(pgrep -fc 'sleep 100[0]')" 0 "nothing is left of them"

# ---- network -----------------------------------------------------------------------

python3 - "$TMPDIR/port" "$TMPDIR/hits" <<'EOF' &
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with open(sys.argv[2], "a") as file:
            file.write(self.headers["Host"] + " " + self.path + "\n")
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")
    def log_message(self, *a): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open(sys.argv[1] + ".new", "w") as file:
    file.write(str(server.server_port))
import os
os.rename(sys.argv[1] + ".new", sys.argv[1])
server.serve_forever()
EOF
server=$!
trap 'kill $server 2>/dev/null' EXIT
while [ ! -e "$TMPDIR/port" ]; do sleep 0.01; done
port=$(cat "$TMPDIR/port")
get="curl -s -o - -w %{http_code} http://127.0.0.1:$port/x"
# shellcheck disable=SC2086
inside -- $get
is "$status:$(cat "$TMPDIR/hits" 2>/dev/null | wc -l)" "7:0" "none: the host's loopback is not there"
# shellcheck disable=SC2086
inside --json --network "127.0.0.1:$port" -- $get
is "$out" hello200 "a listed address is reached, by the variables alone"
like "$errors" "\"port\":$port,\"connections\":1,\"refusals\":0" "and counted"
inside --json --network "localhost:$port" -- curl -sS -p --noproxy '' \
    "http://localhost:$port/tunnel"
is "$out" hello "also through a tunnel"
# shellcheck disable=SC2086
inside --json --network "example.org" -- curl -s --noproxy "" -w '%{http_code}' "http://127.0.0.1:$port/y"
like "$out" "not in sandbox.network" "another is refused, and told"
like "$errors" "\"refusals\":1" "and counted"
inside --network '*' -- curl -s --noproxy '' -w '%{http_code}' "http://127.0.0.1:80/"
like "$out" "403$" "everything public does not mean loopback"
inside --network '*' -- curl -s --noproxy '' -w '%{http_code}' "http://localhost:80/"
like "$out" "not public.*|403$" "nor by a name"
inside --network "localhost:$port" -- python3 -c "
import os, socket
proxy = int(os.environ['HTTP_PROXY'].rsplit(':', 1)[1])
def ask(text):
    s = socket.create_connection(('127.0.0.1', proxy))
    s.sendall(text)
    s.shutdown(socket.SHUT_WR)
    answer = b''
    while chunk := s.recv(65536): answer += chunk
    return answer.split(b'\r\n')[0].decode()
p = $port
for text in (b'GARBAGE\r\n\r\n', b'GET / HTTP/1.1\r\n\r\n',
             b'CONNECT localhost HTTP/1.1\r\n\r\n',
             b'CONNECT localhost:0 HTTP/1.1\r\n\r\n',
             b'CONNECT user@localhost:%d HTTP/1.1\r\n\r\n' % p,
             b'GET http://a b/ HTTP/1.1\r\n\r\n',
             b'GET http://localhost:%d@evil/ HTTP/1.1\r\n\r\n' % p,
             b'GET ftp://localhost/ HTTP/1.1\r\n\r\n'):
    assert ' 400 ' in ask(text), text
assert ' 431 ' in ask(b'x' * 40000)
assert ' 403 ' in ask(b'CONNECT localhost:%d HTTP/1.1\r\n\r\n' % (p + 1))
assert ' 403 ' in ask(b'CONNECT [::1]:%d HTTP/1.1\r\n\r\n' % p)
assert ' 200 ' in ask(b'GET http://localhost:%d/z HTTP/1.1\r\nHost: evil\r\n'
                      b'Proxy-Authorization: x\r\n\r\n' % p)
print('done')"
is "$out" "done" "requests of every wrong form are refused"
is "$(tail -1 "$TMPDIR/hits")" "localhost:$port /z" "the Host that is sent on is the one that was checked"
# shellcheck disable=SC2086
inside --network open -- $get
is "$out" hello200 "open: the host's network"

# ---- without namespaces --------------------------------------------------------------

[ "$(id -u)" != 0 ] || chown 61234:61234 "$work"
inside --json --without namespaces -- sh -c 'pwd; echo x >new; cat "$0"; ls /root; echo x >"$HOME/x" && echo home' "$TMPDIR/lib/tool"
like "$out" "^$work\$" "without namespaces: the workspace is where it is"
like "$out" "^home\$" "without namespaces: a home of its own"
unlike "$out" tool "without namespaces: other files cannot be read"
like "$errors" '"missing":\{"namespaces":' "without namespaces: it is told"
inside --without namespaces --network example.org -- true
is "$status" 125 "without namespaces: no list of hosts"
inside --without namespaces -- sh -c 'sleep 1001 & kill -9 $PPID; sleep 1001'
is "$status" 125 "without namespaces: its first process can be killed"
is "$(pgrep -fc 'sleep 100[1]')" 0 "and everything ends with it"

[ "$(id -u)" != 0 ] || chown 0:0 "$work"

# ---- a repository's own configuration --------------------------------------------------

git init -q "$work/repo"
(cd "$work/repo" && git commit -q --allow-empty -m first)
out=$(cd "$work/repo" && "$NIGHTJAR" sandbox -- sh -c '
    git config core.fsmonitor ./evil; echo evil >.git/hooks/pre-commit
    mv .git .git2; echo x >a && git add a && git -c user.name=n -c user.email=n@localhost commit -qm second && git status --short' 2>&1)
ok "git commits inside" test "$(git -C "$work/repo" log --oneline | wc -l)" = 2
is "$(git -C "$work/repo" config core.fsmonitor)" "" "its configuration stays"
ok "and its hooks" test ! -e "$work/repo/.git/hooks/pre-commit"

# ---- refused calls -----------------------------------------------------------------------

inside --json -- unshare -U true
like "$errors" '"refused_calls":\["unshare"\]' "a refused call is told by name"

# ---- doctor -------------------------------------------------------------------------------

out=$("$NIGHTJAR" doctor)
is "$?" 0 "doctor: this host is fit"
like "$out" "^works +landlock" "doctor: Landlock"
like "$out" "^works +sandbox " "doctor: the sandbox"
ok "doctor --json is JSON" sh -c '"$NIGHTJAR" doctor --json | python3 -m json.tool'
if [ "$(id -u)" = 0 ]; then
    out=$(unshare -U sh -c 'echo 0 >/proc/sys/user/max_user_namespaces; exec "$NIGHTJAR" doctor' 2>&1)
    like "$out" "max_user_namespaces|missing" "doctor: what is missing, and why"
fi
is "$(find "$TMPDIR" -mindepth 1 -maxdepth 1 -name 'nightjar-*' | wc -l)" 0 "no folder is left"
done_testing
