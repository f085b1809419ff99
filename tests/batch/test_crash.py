#!/usr/bin/env python3
"""Everything is killed at random moments of a batch, and gone on with each
time: the end is that of an undisturbed run, and no response that was recorded
is paid for again. CRASH_ROUNDS and CRASH_TASKS make it long (100, 200)."""
import json
import random
import signal
import subprocess
import threading
import time

from batch import *
from provider import command, nightjar, Provider, done, note, repository

ROUNDS = int(os.environ.get("CRASH_ROUNDS", "8"))
TASKS = int(os.environ.get("CRASH_TASKS", "40"))
random.seed(int(os.environ.get("CRASH_SEED", "5")))
repo = repository("repo", {"a.txt": "a\n"})
MANIFEST = f"""version: 1
model: {{name: m}}
run: {{jobs: 24}}
defaults: {{repo: {repo}, fix_attempts: 0}}
tasks:
  - id: t-{{{{ item.n }}}}
    for: {{items: numbers.csv}}
    prompt: "task:t-{{{{ item.n }}}} go"
    verify: [{{name: check, run: 'test "$NIGHTJAR_ITEM_N" != 3'}}]
"""
write("numbers.csv", "n\n" + "".join(f"{n}\n" for n in range(TASKS)))
CLOCK = {"rate": 0.02}


def model(request):
    """Three commands that came to their end: one that was interrupted, whose
    answer says so, is asked for again, as a model would."""
    outputs = request.outputs()
    whole = sum("exited with code 0" in text for _, text in outputs)
    if whole < 3:
        task = request.task()
        return Reply(call(f"c{len(outputs)}", f"echo {task} >{task}.txt"),
                     latency=CLOCK["rate"])
    return Reply(message("done"), latency=CLOCK["rate"])


def descendants(root):
    """The process and all below it."""
    parents = {}
    for name in os.listdir("/proc"):
        try:
            with open(f"/proc/{name}/stat") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            parents.setdefault(int(fields[1]), []).append(int(name))
        except (OSError, ValueError, IndexError):
            pass
    found, todo = [], [root]
    while todo:
        found.append(todo.pop())
        todo += parents.get(found[-1], [])
    return found


def responses(out):
    """What was recorded: (task, number of answered calls in the request)."""
    count = {}
    folder = os.path.join(out, "tasks")
    for task in os.listdir(folder) if os.path.isdir(folder) else []:
        path = os.path.join(folder, task, "transcript.jsonl")
        try:
            with open(path, errors="replace") as file:
                count[task] = sum('"nightjar.response"' in line
                                  for line in file)
        except OSError:
            pass
    return count


def asked(provider, first):
    """How many requests of a task were for its n-th turn, since then."""
    found = {}
    for request, _ in provider.requests[first:]:
        turn = (request.task(), len(request.outputs()))
        found[turn] = found.get(turn, 0) + 1
    return found


with Provider(model) as provider:
    whole = nightjar(provider, MANIFEST)
    equal(whole.status, 1, "undisturbed")
    wanted = {task["id"]: task["verdict"] for task in whole.report()["tasks"]}
    served = len(provider.requests)
    words, out = command(provider, MANIFEST)
    again = 0
    for round_ in range(ROUNDS + 1):
        before, first = responses(out), len(provider.requests)
        child = subprocess.Popen(words, env=environment(), cwd=FOLDER,
                                 stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT)
        reader = threading.Thread(target=child.stdout.read, daemon=True)
        reader.start()
        if round_ < ROUNDS:
            # By progress, not by the clock: this machine may be slow.
            goal = first + random.randrange(1, max(2, served * 2 // ROUNDS))
            while len(provider.requests) < goal and child.poll() is None:
                time.sleep(0.001)
            time.sleep(random.random() * 0.02)
            family = descendants(child.pid)
            random.shuffle(family)
            for pid in family:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        status = child.wait(600)
        # A turn whose response was on disk is not asked for again.
        for (task, turn), count in asked(provider, first).items():
            again += turn < before.get(task, 0)
        words = [NIGHTJAR, "run", "--resume", out, "-q"]
        if not os.path.exists(os.path.join(out, "journal.jsonl")):
            words, out = command(provider, MANIFEST)
        if status >= 0 and round_ < ROUNDS:
            break
    equal(status, 1, "gone on with to the end")
    equal(again, 0, "no recorded response was paid for again")
    run = Run(out, status, "")
    report = run.report()
    equal({task["id"]: task["verdict"] for task in report["tasks"]}, wanted,
          "the same verdicts")
    got, expected = patches(out), patches(whole.out)
    other = {task: got.get(task) for task in expected
             if got.get(task) != expected[task]}
    equal(other, {}, "the same patches", [run.events(task=task)
                                          for task in list(other)[:1]])
    note(f"{round_} kills, {len(provider.requests) - served} requests instead "
         f"of {served}")
    ok(not os.path.exists(os.path.join(out, "work", "0")), "nothing is left")

    # ---- two at once ---------------------------------------------------------
    held, leave = threading.Event(), threading.Event()

    def slow(request):
        held.set()
        leave.wait(60)
        return worker_model(1)(request)

    with Provider(slow) as waiting:
        words, out = command(waiting, MANIFEST)
        child = subprocess.Popen(words, env=environment(), cwd=FOLDER,
                                 stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        held.wait(60)
        status, text, errors = program("run", "--resume", out)
        ok(status == 2 and "still at work" in errors, "two runs on one folder",
           errors)
        status, text, errors = program("run", write("m.yaml", MANIFEST), "-o",
                                       out)
        ok(status == 2 and "holds a run already" in errors, "a new run either",
           errors)
        leave.set()
        equal(child.wait(300), 1, "the first is not disturbed")

    # ---- a full disk ---------------------------------------------------------
if os.geteuid() == 0:
    small = os.path.join(FOLDER, "small")
    os.makedirs(small)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs",
                              small]).returncode == 0
    if mounted:
        try:
            with Provider(model) as provider:
                path = write("m.yaml", MANIFEST)
                out = os.path.join(small, "run")
                filler = os.path.join(small, "filler")
                with open(filler, "wb") as file:
                    # What is kept of the run alone is 900 KiB; what is at
                    # work at a time hangs on the machine.
                    file.write(b"x" * (5 << 19))
                status, text, errors = program(
                    "run", path, "-o", out, "--model-url", provider.url)
                ok(status not in (0, 1), "a full disk is no success", status)
                ok("No space" in errors, "and is named", errors[-500:])
                os.remove(filler)
                subprocess.run(["mount", "-o", "remount,size=400m", small])
                status, text, errors = program("run", "--resume", out)
                equal(status, 1, "with room again it goes on", errors[-500:])
                equal(patches(out), patches(whole.out), "to the same patches")
        finally:
            subprocess.run(["umount", "-l", small])
done()
