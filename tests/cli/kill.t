#!/bin/sh
# Whatever is killed, whenever: nothing is left behind, the journal is readable,
# other tasks do not notice. Interrupts land.
. tests/lib.sh

make_repository work
cat >"$TMPDIR/scenario.json" <<'END'
{"echo_turns": 6, "latency_ms": 40,
 "cmd": "setsid sleep 98765 >/dev/null 2>&1 & echo working"}
END
start_model_server "$TMPDIR/scenario.json" --lifetime 600
cat >"$TMPDIR/tasks.yaml" <<'END'
version: 1
model: {name: m, max_retries: 1}
run: {jobs: 3}
defaults: {sandbox: {pass_env: [KILL_MARK]}}
tasks:
  - id: task-{{ matrix.n }}
    matrix: {n: [1, 2, 3, 4]}
    repo: work
    prompt: go
    changes: any
    verify: ["true"]
END
OPENAI_API_KEY=sk-kill-0123456789
export OPENAI_API_KEY

cat >"$TMPDIR/driver.py" <<'END'
"""driver.py WHAT ROUNDS: starts a run, does WHAT to it at a random moment,
and prints a line "ok …" or "no …" for each round."""
import glob, json, os, random, shutil, signal, subprocess, sys, time

what, rounds = sys.argv[1], int(sys.argv[2])
folder, nightjar, url = (os.environ[name] for name in
                         ("FOLDER", "NIGHTJAR", "MODEL_URL"))
random.seed(what)
DEADLINE = 60


def wait_until(condition):
    until = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.005)
    return True


def processes():
    """What a run may leave: pid and command line of ours, and of commands."""
    found = []
    for path in glob.glob("/proc/[0-9]*"):
        try:
            with open(path + "/environ", "rb") as file:
                ours = ("KILL_MARK=" + mark).encode() in file.read()
            with open(path + "/cmdline", "rb") as file:
                line = file.read().replace(b"\0", b" ").decode().strip()
        except OSError:
            continue
        if ours and line:
            found.append((int(path[6:]), line))
    return found


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(child) for child in file.read().split()]


def workers(pid):
    found = []
    for child in children(pid):
        try:
            with open(f"/proc/{child}/comm") as file:
                if file.read().strip() == "nightjar-worker":
                    found.append(child)
        except OSError:
            pass
    return found


def lines(journal):
    try:
        with open(journal, "rb") as file:
            return file.read().count(b"\n")
    except OSError:
        return 0


def act(run, journal):
    goal = random.randint(1, 60)
    wait_until(lambda: lines(journal) >= goal or run.poll() is not None)
    try:
        if what == "worker":
            wait_until(lambda: workers(run.pid) or run.poll() is not None)
            os.kill(random.choice(workers(run.pid)), signal.SIGKILL)
        elif what == "sandbox":
            wait_until(lambda: [w for w in workers(run.pid) if children(w)] or
                       run.poll() is not None)
            worker = random.choice([w for w in workers(run.pid)
                                    if children(w)])
            os.kill(random.choice(children(worker)), signal.SIGKILL)
        elif what == "supervisor":
            os.kill(run.pid, signal.SIGKILL)
        elif what == "everything":
            os.kill(run.pid, signal.SIGSTOP)
            for child in children(run.pid):
                os.kill(child, signal.SIGKILL)
            os.kill(run.pid, signal.SIGKILL)
        elif what == "interrupt":
            os.kill(run.pid, signal.SIGINT)
        elif what == "terminate":
            os.kill(run.pid, signal.SIGTERM)
        elif what == "twice":
            os.kill(run.pid, signal.SIGINT)
            wait_until(lambda: b"run_interrupted" in open(journal, "rb").read()
                       or run.poll() is not None)
            os.kill(run.pid, signal.SIGINT)
    except (OSError, IndexError):
        pass  # it was over already


def verdicts(out):
    report = subprocess.run([nightjar, "report", out, "--report", "json"],
                            capture_output=True, check=True).stdout
    return {task["id"]: task["verdict"] for task in
            json.loads(report)["tasks"]}, report


saw_command = False
for number in range(rounds):
    mark = f"{what}-{number}-{os.getpid()}"
    temporary = f"{folder}/tmp-{mark}"
    out = f"{folder}/out-{mark}"
    os.mkdir(temporary)
    run = subprocess.Popen([nightjar, "run", folder + "/tasks.yaml", "-q",
                            "--model-url", url, "--out", out],
                           env=dict(os.environ, TMPDIR=temporary,
                                    KILL_MARK=mark), stdin=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
    if number == 0:
        # So that a test that finds nothing would have found something.
        wait_until(lambda: any("98765" in line for _, line in processes()) or
                   run.poll() is not None)
        saw_command = run.poll() is None
    act(run, out + "/journal.jsonl")
    status = run.wait(DEADLINE)
    clean = wait_until(lambda: not processes() and (what == "everything" or
                                                    not os.listdir(temporary)))
    faults = []
    if not clean:
        faults.append(f"left: {processes()} {os.listdir(temporary)}")
    with open("/proc/self/mountinfo") as file:
        if temporary in file.read():
            faults.append("a mount is left")
    if lines(out + "/journal.jsonl"):
        found, report = verdicts(out)
        if what in ("worker", "sandbox"):
            bad = [v for v in found.values() if v != "passed"]
            if len(bad) > 1 or status not in (0, 3):
                faults.append(f"verdicts {found}, status {status}")
        if what in ("interrupt", "twice", "terminate") and status != 0:
            wanted = 143 if what == "terminate" else 130
            if status != wanted or set(found.values()) - {"passed", "skipped"}:
                faults.append(f"verdicts {found}, status {status}")
            for name in ("report.json", "junit.xml"):
                if not os.path.exists(f"{out}/reports/{name}"):
                    faults.append(name + " was not written")
    elif what not in ("supervisor", "everything"):
        faults.append("there is no journal")
    if number == 0 and not saw_command:
        faults.append("no command of the sandbox was seen while it ran")
    print("no" if faults else "ok", f"{what}, round {number + 1}",
          "|", "; ".join(faults))
    sys.stdout.flush()
    shutil.rmtree(temporary, ignore_errors=True)
END

FOLDER=$TMPDIR
export FOLDER MODEL_URL
for what in worker:8 sandbox:6 supervisor:12 interrupt:4 twice:4 terminate:2; do
    python3 "$TMPDIR/driver.py" "${what%:*}" "${what#*:}" >"$TMPDIR/results" 2>&1
    while IFS= read -r line; do
        name=${line#?? }
        case $line in
        ok*) pass "${name% | *}" ;;
        *) fail "${name% | *}" "${line#* | }" ;;
        esac
    done <"$TMPDIR/results"
done

# The guard killed as well.
mkdir "$TMPDIR/stale"
TMPDIR=$TMPDIR/stale python3 - "$NIGHTJAR" "$FOLDER" "$MODEL_URL" <<'END'
import os, signal, subprocess, sys, time

nightjar, folder, url = sys.argv[1:]
run = subprocess.Popen([nightjar, "run", folder + "/tasks.yaml", "-q",
                        "--model-url", url, "--out", folder + "/stale-out"],
                       stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
journal = folder + "/stale-out/journal.jsonl"
until = time.monotonic() + 60
while time.monotonic() < until:
    if os.path.exists(journal) and b"sandbox_ready" in open(journal, "rb").read():
        break
    time.sleep(0.005)
os.kill(run.pid, signal.SIGSTOP)
with open(f"/proc/{run.pid}/task/{run.pid}/children") as file:
    for child in file.read().split():
        os.kill(int(child), signal.SIGKILL)
os.kill(run.pid, signal.SIGKILL)
run.wait()
END
is "$(ls "$TMPDIR/stale")" "" "all killed at once: nothing in TMPDIR"
ok "the workspace stays with the run" test -d "$TMPDIR/stale-out/work"
status_is 0 "which can be gone on with" \
    "$NIGHTJAR" run --resume "$TMPDIR/stale-out" -q
status_is 1 "and is gone then" test -e "$TMPDIR/stale-out/work"

done_testing
