#!/usr/bin/env python3
"""Batches: many tasks at once against a model that answers after a second.

    batch.py BUILD [TASKS]

For 200 and 500 at once: wall time against the least there can be (tasks times
turns times latency, divided by those at once), processor time, memory of all
processes together, and whether every task has its verdict. Then once more
with faults of the server and with workers that are killed. Then what a task
costs with a model that answers at once, with 10 to 10,000 of them, and many
tasks on one large repository."""
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

TURNS = 5
LATENCY_MS = 1000

build = sys.argv[1]
TASKS = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
nightjar = os.path.join(build, "nightjar")
model_server = os.path.join(build, "tests/server/model_server")
folder = tempfile.mkdtemp(prefix="nightjar-batch.")
environment = dict(os.environ, OPENAI_API_KEY="sk-bench-0123456789",
                   HOME=folder, TMPDIR=folder,
                   XDG_CACHE_HOME=os.path.join(folder, "cache"))
FAULTS = [{"status": 429, "headers": {"Retry-After": "1"}}, {"status": 500},
          {"status": 503}, {"reset": True},
          {"cut_after_event": 1, "items": [{"message": "x"}]},
          {"garbage": 100}, {"no_completed": True, "items": [{"message": "x"}]},
          {"truncated_chunk": True, "items": [{"message": "x"}]}]


def write(name, text):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def git(path, *words):
    subprocess.run(["git", "-C", path, "-c", "user.name=b", "-c",
                    "user.email=b@localhost", *words], check=True,
                   stdout=subprocess.DEVNULL)


def make_repository(name, files):
    path = os.path.join(folder, name)
    for index in range(files):
        where = os.path.join(path, f"folder-{index // 100}")
        os.makedirs(where, exist_ok=True)
        with open(os.path.join(where, f"file-{index}"), "w",
                  encoding="utf-8") as file:
            file.write(f"file {index}\n")
    subprocess.run(["git", "init", "-q", "-b", "main", path], check=True)
    git(path, "add", "-A")
    git(path, "commit", "-qm", "one")
    return path


def manifest(tasks, jobs, repository="small", more=""):
    write("tasks.csv", "n\n" + "".join(f"{n}\n" for n in range(tasks)))
    return write("tasks.yaml", f"""version: 1
model: {{name: bench, request_timeout: 5m}}
run: {{jobs: {jobs}}}
defaults: {{repo: {repository}, prompt: go, changes: none, timeout: 30m{more}}}
tasks:
  - {{id: "t-{{{{ item.n }}}}", for: {{items: tasks.csv}}}}
""")


class Server:
    def __init__(self, turns, latency_ms, faults=False):
        scenario = {"echo_turns": turns - 1, "cmd": "true",
                    "latency_ms": latency_ms}
        if faults:
            scenario.update(faults=FAULTS, fault_every=50)
        read_end, write_end = os.pipe()
        self.process = subprocess.Popen(
            [model_server, "--ready-fd", str(write_end), "--lifetime", "900",
             write("scenario.json", json.dumps(scenario))],
            pass_fds=[write_end])
        os.close(write_end)
        self.url = f"http://127.0.0.1:{os.read(read_end, 16).decode().strip()}/v1"
        os.close(read_end)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def tree(root):
    parents = {}
    for name in os.listdir("/proc"):
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            parents.setdefault(int(fields[1]), []).append(int(name))
        except (OSError, ValueError, IndexError):
            pass
    found, todo = [], [root]
    while todo:
        found.append(todo.pop())
        todo += parents.get(found[-1], [])
    return found


def memory_kib(root):
    total = 0
    for pid in tree(root):
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as file:
                total += sum(int(line.split()[1]) for line in file
                             if line.startswith("Pss:"))
        except OSError:
            pass
    return total


def run(path, url, look=0.0, kill=0.0):
    """(seconds, processor seconds, peak KiB, verdicts by word)"""
    out = os.path.join(folder, "out")
    shutil.rmtree(out, ignore_errors=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    child = subprocess.Popen([nightjar, "run", path, "--model-url", url,
                              "--out", out, "-q"], env=environment, cwd=folder)
    peak, looked, killed = 0, 0, 0
    over = threading.Event()
    waiter = threading.Thread(target=lambda: (child.wait(), over.set()))
    waiter.start()
    while not over.wait(0.25):
        # Looking takes time from what is looked at: seldom.
        if look and time.monotonic() - began > look * (looked + 1):
            peak, looked = max(peak, memory_kib(child.pid)), looked + 1
        if kill:
            workers = [pid for pid in tree(child.pid)[1:]
                       if name_of(pid) == "nightjar-worker" and
                       parent_of(pid) == child.pid]
            wanted = kill * TASKS / 60  # about so many, over the first 15 s
            for pid in random.sample(workers, min(len(workers), int(
                    wanted + random.random()))):
                if killed < kill * TASKS:
                    os.kill(pid, signal.SIGKILL)
                    killed += 1
    wall = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    waiter.join()
    verdicts = {}
    with open(os.path.join(out, "reports/report.json"), encoding="utf-8") as f:
        for task in json.load(f)["tasks"]:
            word = f"{task['verdict']} ({task['reason']})"
            verdicts[word] = verdicts.get(word, 0) + 1
    cpu = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return wall, cpu, peak, verdicts


def name_of(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return ""


def parent_of(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return int(file.read().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0


def concurrency():
    for tools in ("", ", tools: [plan]"):
        what = "answers only" if tools else "a command a turn"
        for jobs in (200, 500):
            least = TASKS * TURNS * LATENCY_MS / 1000 / jobs
            with Server(TURNS, LATENCY_MS) as server:
                path = manifest(TASKS, jobs, more=tools)
                wall, cpu, _, verdicts = run(path, server.url)
                _, _, peak, _ = run(path, server.url, look=least / 3)
            print(f"{TASKS} tasks, {jobs} at once, {what}: {wall:6.1f} s, "
                  f"least {least:5.1f} s, ratio {wall / least:4.2f}; "
                  f"processor {cpu:5.1f} s; all processes "
                  f"{peak / 1024:6.0f} MiB; {verdicts}", flush=True)
    with Server(TURNS, LATENCY_MS, faults=True) as server:
        path = manifest(TASKS, 200)
        wall, cpu, _, verdicts = run(path, server.url, kill=0.05)
    print(f"{TASKS} tasks, 200 at once, 2 % faults, 5 % of workers killed: "
          f"{wall:6.1f} s; {verdicts}; of {sum(verdicts.values())}", flush=True)


def instant():
    with Server(1, 0) as server:
        for tasks in (10, 100, 1000, 10000):
            path = manifest(tasks, 8, more=", tools: [plan]")
            wall, cpu, peak, _ = run(path, server.url)
            print(f"{tasks:6} tasks, a model that answers at once: "
                  f"{tasks / wall:6.1f} tasks/s, {cpu / tasks * 1000:6.2f} ms "
                  f"of processor each", flush=True)


def used(path):
    result = subprocess.run(["du", "-sk", path], stdout=subprocess.PIPE,
                            check=False)
    return int(result.stdout.split()[0]) // 1024


def large():
    make_repository("large", 50000)
    with Server(2, 0) as server:
        path = manifest(300, 8, "large")
        empty = used(folder)
        wall, cpu, _, verdicts = run(path, server.url)
        with open(os.path.join(folder, "out/journal.jsonl"),
                  encoding="utf-8") as file:
            events = [json.loads(line) for line in file]
    fetched = sum(event["fetched"] for event in events
                  if event["type"] == "repository_ready")
    ready = {event["task"]: event["time"] for event in events
             if event["type"] == "repository_ready"}
    took = []
    for event in events:
        if event["type"] == "sandbox_ready":
            took.append(ms(event["time"]) - ms(ready[event["task"]]))
    took.sort()
    print(f"300 tasks on 50,000 files: {wall:5.1f} s, {fetched} fetch, "
          f"{len(os.listdir(checkouts()))} entries of checkouts, workspace and "
          f"sandbox {took[len(took) // 2]} ms, disk {used(folder) - empty:+} "
          f"MiB; {verdicts}", flush=True)


def checkouts():
    cache = os.path.join(folder, "cache", "nightjar")
    sizes = [(used(os.path.join(cache, name)), name)
             for name in os.listdir(cache) if len(name) == 40]
    return os.path.join(cache, max(sizes)[1], "checkouts")


def ms(text):
    import datetime
    return int(datetime.datetime.fromisoformat(
        text.replace("Z", "+00:00")).timestamp() * 1000)


try:
    make_repository("small", 1)
    large()
    instant()
    concurrency()
finally:
    shutil.rmtree(folder, ignore_errors=True)
