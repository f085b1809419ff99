#!/bin/sh
# The sandbox of a run: networks that differ between steps, limits with their
# reasons, required layers, workspaces over one checkout.
. tests/lib.sh

git init -q -b main "$TMPDIR/repo"
(
    cd "$TMPDIR/repo" || exit 1
    mkdir -p src/deep
    i=0
    while [ $i -lt 300 ]; do
        echo "$i" >"src/f$i"
        i=$((i + 1))
    done
    echo deep >src/deep/file
    git add . && git commit -qm first
)

# A server of the host that notes what it was asked.
python3 - "$TMPDIR/port" "$TMPDIR/hits" <<'END' &
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with open(sys.argv[2], "a") as file: file.write(self.path + "\n")
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *a): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open(sys.argv[1] + ".new", "w") as file: file.write(str(server.server_port))
os.rename(sys.argv[1] + ".new", sys.argv[1])
server.serve_forever()
END
server=$!
trap 'kill $server 2>/dev/null; stop_all' EXIT
while [ ! -e "$TMPDIR/port" ]; do sleep 0.01; done
port=$(cat "$TMPDIR/port")

# run NAME TASK-KEYS SCRIPT-TURNS: journal in $journal.
run() {
    printf 'version: 1\ntasks:\n  - task: "*"\n    turns:\n%s\n' "$3" \
        >"$TMPDIR/script.yaml"
    printf 'version: 1\nmodel: {provider: scripted, script: script.yaml}\ntasks:\n  - id: t\n    repo: repo\n    prompt: p\n    timeout: 2m\n%s\n' \
        "$2" >"$TMPDIR/$1.yaml"
    out=$("$NIGHTJAR" run "$TMPDIR/$1.yaml" --out "$TMPDIR/out-$1" -q 2>&1)
    status=$?
    journal=$(cat "$TMPDIR/out-$1/journal.jsonl" 2>/dev/null)
}
get="curl -sS -o /dev/null -w '%{http_code}' http://127.0.0.1:$port"

# ---- networks -------------------------------------------------------------------

run lists "    changes: any
    fix_attempts: 0
    sandbox: {network: ['127.0.0.1:9']}
    setup:
      - {run: \"$get/setup\", network: ['127.0.0.1:$port']}
    verify:
      - {run: \"$get/verify --fail\", network: none}" \
    "      - calls: [{exec_command: {cmd: \"$get/agent; echo x >new\"}}]
      - expect: '403'
        final: done"
is "$(sort -u "$TMPDIR/hits")" /setup "setup reaches what it lists, the agent and verify do not"
like "$journal" '"type":"network_used".*"purpose":"agent".*"port":'"$port"'.*"refusals":1.*"reason":"' \
    "the agent's refusal is an event"
like "$journal" '"type":"network_used".*"connections":1,"refusals":[01],"bytes_sent":[1-9]' \
    "connections and bytes are counted"
like "$journal" '"phase":"verify".*"result":"failed"' "verify has no network"
is "$status" 1 "and so the task fails"

run none "    changes: any" \
    "      - calls: [{exec_command: {cmd: \"$get/none 2>&1; env | grep -i proxy; echo end\"}}]
      - expect: end
        final: done"
unlike "$(cat "$TMPDIR/hits")" /none "none: nothing is reached"
unlike "$journal" network_used "none: no proxy"

run open "    changes: any
    sandbox: {network: open}" \
    "      - calls: [{exec_command: {cmd: \"$get/open\"}}]
      - expect: '200'
        final: done"
like "$(cat "$TMPDIR/hits")" /open "open: the host's network"

# ---- limits ---------------------------------------------------------------------

# limited NAME SETTINGS LIMIT COMMAND
limited() {
    run "$1" "    changes: any
    sandbox: {$2}" "      - calls: [{exec_command: {cmd: $4, yield_time_ms: 30000}}]
      - expect: limit
        calls: [{exec_command: {cmd: 'echo still here'}}]
      - expect: still here
        final: done"
    like "$journal" "\"type\":\"limit_reached\".*\"limit\":\"$3\"" "$1: its own reason"
    is "$status" 0 "$1: the model is told, and the task goes on"
}
limited memory 'memory: 64M' memory \
    "\"python3 -c 'x = bytes([1]) * (300 << 20)'\""
limited forks 'pids: 40' pids "\"bash -c ':(){ :|:& };:; wait; sleep 100'\""
limited disk 'disk: 8M, file_size: 100M' disk \
    "'i=0; while [ \$i -lt 1000 ]; do head -c 1000000 /dev/zero >/tmp/f\$i; i=\$((i + 1)); done'"
limited file 'file_size: 64K' file_size "'dd if=/dev/zero of=/tmp/big bs=64K count=9'"
run cpu "    changes: any
    sandbox: {cpu_time: 400ms}" \
    "      - calls: [{exec_command: {cmd: 'while :; do :; done', yield_time_ms: 30000}}]
      - final: done"
like "$journal" '"type":"limit_reached".*"limit":"cpu_time"' "a busy loop: its own reason"

run bomb "    changes: any
    setup: [{run: 'x=\$(head -c 300000000 /dev/zero | tr \"\\\\0\" x)'}]
    sandbox: {memory: 64M}" "      - final: done"
like "$journal" '"type":"limit_reached".*"limit":"memory"' "a step of the setup: the limit's event"
like "$journal" '"type":"task_finished".*"reason":"setup"' "and the task ends for it"

run refused "    changes: any" \
    "      - calls: [{exec_command: {cmd: 'unshare -U true; mount -t tmpfs x /tmp; true'}}]
      - final: done"
like "$journal" '"type":"syscall_refused".*"call":"unshare"' "a refused call is an event with its name"
like "$journal" '"type":"syscall_refused".*"call":"mount"' "and each of them"

# ---- what is required ---------------------------------------------------------------

run require "    changes: any
    sandbox: {require: [namespaces, landlock, seccomp, cgroup]}" "      - final: done"
if "$NIGHTJAR" sandbox --require namespaces,landlock,seccomp,cgroup -w "$TMPDIR/repo" -- true 2>/dev/null; then
    is "$status" 0 "everything is here, and required"
else
    is "$status" 3 "what is required is missing: an error"
    like "$journal" '"type":"task_finished".*"reason":"sandbox".*"hint":"' "with a hint"
    unlike "$journal" '"type":"(turn_finished|tool_finished)"' "before any command"
fi
# A host without user namespaces, which needs one to be shown.
if unshare -Ur true 2>/dev/null; then
    without=$TMPDIR/without
    printf '#!/bin/sh\nexec unshare -Ur sh -c '\''echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"'\'' sh "%s" "$@"\n' \
        "$NIGHTJAR" >"$without"
    chmod +x "$without"
    real=$NIGHTJAR
    NIGHTJAR=$without
    run denied "    changes: any" "      - calls: [{exec_command: {cmd: 'touch x'}}]
      - final: done"
    is "$status" 3 "no namespaces, which are required: an error"
    like "$journal" '"reason":"sandbox".*max_user_namespaces' "that says what to do"
    unlike "$journal" '"type":"(turn_finished|tool_finished)"' "before any command of the model"
    run confined "    changes: required
    sandbox: {require: [landlock, seccomp]}
    verify: [{run: 'test -e made'}]" \
        "      - calls: [{exec_command: {cmd: 'pwd; ls /root; cat /etc/shadow; touch made'}}]
      - final: done"
    is "$status" 0 "Landlock and seccomp alone: the task passes"
    like "$journal" '"type":"sandbox_ready".*"overlay":false,"layers":\["landlock","seccomp".*"missing":\["namespaces: ' \
        "and what is missing is told"
    like "$(cat "$TMPDIR/out-confined/reports/report.json")" '"missing":\["namespaces: ' "also in the report"
    NIGHTJAR=$real
else
    skip "no user namespaces to go without" 6
fi

# ---- workspaces -------------------------------------------------------------------------

run overlay "    changes: required
    verify: [{run: 'test \"\$(cat src/f7)\" = seven && test ! -e src/f8 && test ! -e src/deep'}]" \
    "      - calls:
          - exec_command: {cmd: 'git status --short | wc -l; echo seven >src/f7; rm src/f8; rm -r src/deep; git status --short'}
      - expect: 'D src/deep/file'
        final: done"
is "$status" 0 "an overlay: changed, removed, and verified in a clean one"
like "$journal" '"type":"sandbox_ready".*"overlay":true' "it is one"
is "$(grep -c '^diff --git' "$TMPDIR/out-overlay/tasks/t/patch.diff")" 3 "the patch has just the changes"
run plain "    changes: required
    sandbox: {overlay: false}
    verify: [{run: 'test \"\$(cat src/f7)\" = seven && test ! -e src/f8 && test ! -e src/deep'}]" \
    "      - calls:
          - exec_command: {cmd: 'echo seven >src/f7; rm src/f8; rm -r src/deep'}
      - final: done"
is "$status" 0 "a plain checkout: the same"
like "$journal" '"type":"sandbox_ready".*"overlay":false' "it is one"
ok "and the same patch" cmp "$TMPDIR/out-overlay/tasks/t/patch.diff" "$TMPDIR/out-plain/tasks/t/patch.diff"
is "$(git -C "$TMPDIR/repo" status --short)" "" "the repository is as it was"

done_testing
