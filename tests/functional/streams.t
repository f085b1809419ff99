#!/bin/sh
# Standard streams, terminals and exit status, in the sandbox.
# shellcheck disable=SC2016,SC2086,SC2317 # scripts for inside; some end early
. tests/functional/lib.sh

check_streams() {
    [ -z "$OUTSIDE" ] || return
    new_workspace
    big=$WORK/big
    head -c 104857600 /dev/urandom >"$big"
    is "$(sandbox -- cat <"$big" | sha256sum)" "$(sha256sum <"$big")" \
        '100 MB through cat, from a file to a pipe'
    # shellcheck disable=SC2002 # a pipe is what is wanted
    is "$(cat "$big" | sandbox -- cat | sha256sum)" "$(sha256sum <"$big")" \
        '…from a pipe to a pipe'
    sandbox -- cat <"$big" >"$WORK/copy"
    ok '…from a file to a file' cmp "$big" "$WORK/copy"
    rm -f "$big" "$WORK/copy"
    is "$(sandbox -- sh -c 'i=0; while [ $i -lt 500 ]; do
        echo o$i; echo e$i >&2; i=$((i + 1)); done' 2>&1 | sha256sum)" \
        "$(i=0; while [ $i -lt 500 ]; do
            echo o$i; echo e$i; i=$((i + 1)); done | sha256sum)" \
        'output and errors in one pipe keep their order'
    is "$(sandbox -- sh -c 'echo o; echo e >&2' 2>/dev/null)" o \
        'standard output alone'
    is "$(sandbox -- sh -c 'echo o; echo e >&2' 2>&1 >/dev/null)" e \
        'standard error alone: nothing is added to it'
    is "$(printf 'a\0b\377' | sandbox -- od -An -c | tr -s ' ')" \
        ' a \0 b 377' 'NUL and invalid UTF-8 in the input'
    is "$(printf abc | sandbox -- sh -c 'cat; echo :end')" abc:end \
        'the end of the input is seen'
    is "$(sandbox -- cat </dev/null | wc -c)" 0 'no input'
    is "$(sandbox -- sh -c 'cat; echo :$?' <&- 2>/dev/null | tail -n 1)" :0 \
        'a closed standard input is an empty one'
    is "$(sandbox -- sh -c 'echo one >/dev/stdout; echo two | tee /dev/stderr' \
        2>&1 | sort -u | tr '\n' ' ')" 'one two ' \
        '/dev/stdout and /dev/stderr are opened anew: a pipe'
    sandbox -- sh -c 'echo one >/dev/stdout; echo two >>/dev/stdout' \
        >"$WORK/reopened" 2>&1
    is "$(tail -n 1 "$WORK/reopened")" two \
        '/dev/stdout is opened anew: a file of the host'
    is "$(sandbox -- cat /dev/stdin <"$0")" "$(cat "$0")" \
        '/dev/stdin is opened anew: a file of the host'
    status_is 0 'a process left behind does not hold the end up' \
        sh -c '"$NIGHTJAR" sandbox -w "$1" -- sh -c "tail -f /dev/null & echo x" |
            cat' x "$WORKSPACE"

    for status in 0 1 42 124 255; do
        status_is $status "exit status $status" sandbox -- sh -c "exit $status"
    done
    for signal in 1 2 6 9 11 13 15 31; do
        status_is $((128 + signal)) "death by signal $signal" \
            sandbox -- sh -c "kill -$signal \$\$"
    done
    status_is 127 'no such command' sandbox -- no-such-command
    : >"$WORKSPACE/text"
    status_is 126 'a file that is not executable' sandbox -- ./text
    status_is 125 'no sandbox: the workspace is missing' \
        "$NIGHTJAR" sandbox -w "$WORK/missing" -- true
    # The reader leaves: the writer must end, and by the signal.
    (
        got=0
        sandbox -- yes || got=$?
        echo "$got" >"$WORK/status"
    ) | head -n 1 >/dev/null
    is "$(cat "$WORK/status")" 141 'SIGPIPE when the reader leaves'
    # shellcheck disable=SC2016 # for the other shell
    status_is 125 'a full device is told' sh -c \
        '"$NIGHTJAR" sandbox -w "$1" -- echo x >/dev/full' x "$WORKSPACE"
}

# A terminal outside becomes one of its own inside.
check_terminal() {
    [ -z "$OUTSIDE" ] || return
    has 'a terminal' 'script python3' || return
    new_workspace
    export WORKSPACE
    cat >"$WORK/terminal.py" <<'EOF'
import fcntl, os, pty, signal, struct, sys, termios

def run(script, feed=b"", size=(33, 99)):
    pid, fd = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("4H", *size, 0, 0))
        os.execv(os.environ["NIGHTJAR"], ["nightjar", "sandbox", "--timeout",
                 "60s", "-w", os.environ["WORKSPACE"], "--", "sh", "-c", script])
    out = b""
    try:
        while data := os.read(fd, 4096):
            out += data
            if feed and b"ready" in out:
                os.write(fd, feed)
                feed = b""
    except OSError:
        pass
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), out

checks = {
    "size": lambda: b"33 99" in run("stty size")[1],
    "name": lambda: b"/dev/pts/" in run("tty")[1],
    "status": lambda: run("exit 7")[0] == 7,
    "input": lambda: b"got abc" in run("echo ready; read x; echo got $x", b"abc\n")[1],
    "interrupt": lambda: run("echo ready; exec cat", b"\x03")[0] == 130,
    "end": lambda: run("echo ready; cat; exit 5", b"\x04")[0] == 5,
    "job": lambda: b"resumed" in run(
        "bash -ic 'sleep 0 & wait; fg 2>/dev/null; echo resumed'")[1],
}
sys.exit(0 if checks[sys.argv[1]]() else 1)
EOF
    ok 'a terminal: its size' python3 "$WORK/terminal.py" size
    ok 'a terminal: its name is one inside' python3 "$WORK/terminal.py" name
    ok 'a terminal: the exit status' python3 "$WORK/terminal.py" status
    ok 'a terminal: input' python3 "$WORK/terminal.py" input
    ok 'a terminal: Ctrl-C ends the command' python3 "$WORK/terminal.py" interrupt
    ok 'a terminal: Ctrl-D ends its input' python3 "$WORK/terminal.py" end
    ok 'a terminal: job control' python3 "$WORK/terminal.py" job
}

run_checks check_streams check_terminal
