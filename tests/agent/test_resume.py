"""Going on with a run after kill -9 of a worker, of the supervisor, or of all
of it, at random points: no recorded response is paid for again, no call runs
twice in silence, and the patch is the same."""
import os
import random
import signal
import subprocess
import sys
import threading
import time

from provider import *

ROUNDS = int(os.environ.get("RESUME_ROUNDS", "24"))
STEPS = 5


def model(request):
    """Adds a line a step; looks before it repeats what was cut off."""
    outputs = request.outputs()
    done_steps, repairs, failed = set(), 0, None
    for call_id, text in outputs:
        step = int(call_id[1:].split("-")[0])
        repairs += call_id[0] == "r"
        if "interrupted:" in text:
            failed = step
        else:
            done_steps.add(step)
            failed = None
    if failed is not None and failed not in done_steps:
        return Reply(call(f"r{failed}-{repairs}",
                          f"grep -qx line-{failed} log.txt || "
                          f"echo line-{failed} >>log.txt"), latency=0.01)
    step = len(done_steps)
    if step < STEPS:
        return Reply(reasoning(f"think-{step}"),
                     call(f"s{step}-0", f"echo line-{step} >>log.txt"),
                     latency=0.01)
    return Reply(message("All lines are there."), latency=0.01)


MANIFEST = """
version: 1
model: {name: m, max_retries: 0, price: {input: 1, output: 2}}
run: {jobs: 2}
defaults: {repo: %s, verify: ["test $(wc -l <log.txt) = 6"]}
tasks:
  - {id: one, prompt: "task:one add lines"}
  - {id: two, prompt: "task:two add lines", sandbox: {overlay: false}}
"""


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


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


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def strike(what, pid):
    if what == "worker":
        for worker in workers(pid)[:1]:
            kill(worker)
    elif what == "supervisor":
        kill(pid)
    else:
        try:
            os.kill(pid, signal.SIGSTOP)
        except ProcessLookupError:
            return
        for child in children(pid):
            kill(child)
        kill(pid)


def lines(path):
    try:
        with open(path, "rb") as file:
            return file.read().count(b"\n")
    except OSError:
        return 0


def run_and_strike(provider, manifest, what, goal):
    words, out = command(provider, manifest)
    process = subprocess.Popen(words, env=environment(), cwd=FOLDER,
                               stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    journal = os.path.join(out, "journal.jsonl")
    until = time.monotonic() + 120
    while lines(journal) < goal and process.poll() is None and \
            time.monotonic() < until:
        time.sleep(0.001)
    strike(what, process.pid)
    process.wait()
    return out


def recorded(out):
    """Requests whose responses are in transcripts: (task, outputs before)."""
    found = []
    for task in ("one", "two"):
        path = os.path.join(out, "tasks", task, "transcript.jsonl")
        try:
            text = open(path, "rb").read()
        except OSError:
            continue
        outputs = 0
        for line in text.split(b"\n"):
            if b'_call_output"' in line[:60]:
                outputs += 1
            if line.startswith(b'{"type":"nightjar.response"'):
                found.append((task, outputs))
    return found


def is_unrecorded(provider, broken, before, paid):
    task, _, number = broken
    late = provider.of_task(task, before)[:2]
    earlier = provider.of_task(task, 0, number)[-1]
    return number in [request.number for request in late] and \
        (task, len(earlier.outputs())) not in paid


def one_round(number, manifest):
    what = ("worker", "supervisor", "everything")[number % 3]
    goal = random.randint(8, 64)
    name = f"round {number}: {what} after {goal} events"
    with Provider(model) as provider:
        out = run_and_strike(provider, manifest, what, goal)
        paid = recorded(out)
        before = len(provider.requests)
        run = resume(out)
        again = [(request.task(), len(request.outputs()))
                 for request, _ in provider.requests[before:]]
        good = run.status == 0 and \
            [run.verdict(task)[0] for task in ("one", "two")] == ["passed"] * 2
        ok(good, f"{name}: the run is completed", run.status, run.text)
        if not good:
            return
        ok(not set(again) & set(paid),
           f"{name}: no recorded response is asked for again",
           sorted(again), sorted(paid))
        patches = {run.file("tasks", task, "patch.diff")
                   for task in ("one", "two")}
        equal(patches, {PATCH}, f"{name}: the same patch")
        # A request whose response was not recorded may be put otherwise: the
        # answer in it may be lost with the run. One of those may still come
        # when the run is gone. All before them stands.
        broken = [one for one in provider.breaks
                  if not is_unrecorded(provider, one, before, paid)]
        equal(broken, [], f"{name}: every request starts with the one before")
        ok(not os.path.exists(os.path.join(out, "work")),
           f"{name}: no workspace is left")


random.seed(int(os.environ.get("RESUME_SEED", "4")))
manifest = MANIFEST % repository("work", {"log.txt": "first\n"})
with Provider(model) as provider:
    run = nightjar(provider, manifest)
    equal(run.status, 0, "without a kill: passed")
    PATCH = run.file("tasks", "one", "patch.diff")
    ok(all(f"+line-{i}\n" in PATCH for i in range(STEPS)), "all lines", PATCH)
    before = len(provider.requests)
    run = resume(run.out)
    equal(run.status, 0, "a run that is complete: nothing to do")
    equal(len(provider.requests), before, "and nothing is asked")
for number in range(ROUNDS):
    one_round(number, manifest)
clean()
done()
