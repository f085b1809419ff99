#!/usr/bin/env python3
"""The benchmarks: ratios against a floor that is measured in the same run.

    bench.py BUILD

start-up   from exec to the first request, against a program that only sends
           one with libcurl
turn       time and CPU of a conversation whose turns run a command, against
           floor.c: the same HTTP exchange and the same command, nothing else
memory     of one task and of each further one, as proportional set size of
           the whole process tree
growth     CPU of one conversation of 1,000 turns against ten of 100

Absolute numbers depend on the machine; look at the ratios. Nothing here is a
test: it fails only when something does not run."""
import json
import os
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROUNDS = 5
TURNS = 200
COMMAND = "true"

build = sys.argv[1]
nightjar = os.path.join(build, "nightjar")
floor = os.path.join(build, "tests/bench/floor")
model_server = os.path.join(build, "tests/server/model_server")
folder = tempfile.mkdtemp(prefix="nightjar-bench.")
environment = dict(os.environ, OPENAI_API_KEY="sk-bench-0123456789",
                   HOME=folder, TMPDIR=folder)


def write(name, text):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def make_repository():
    path = os.path.join(folder, "repository")
    git = ["git", "-c", "user.name=b", "-c", "user.email=b@localhost"]
    subprocess.run(git + ["init", "-q", "-b", "main", path], check=True)
    write("repository/file.txt", "text\n")
    subprocess.run(git + ["-C", path, "add", "."], check=True)
    subprocess.run(git + ["-C", path, "commit", "-q", "-m", "one"], check=True)


def manifest(tasks, jobs):
    return write(f"tasks-{tasks}.yaml", f"""version: 1
model: {{name: bench, request_timeout: 5m}}
run: {{jobs: {jobs}}}
defaults: {{repo: repository, prompt: go, changes: none, timeout: 30m,
            budget: {{turns: 100000}}}}
tasks:
  - id: task-{{{{ matrix.n }}}}
    matrix: {{n: [{", ".join(str(n) for n in range(tasks))}]}}
""")


class Server:
    """The model server with that many turns for each conversation."""

    def __init__(self, turns, latency_ms=0):
        scenario = write("scenario.json", '{"echo_turns": %d, "cmd": "%s", '
                         '"latency_ms": %d}' % (turns, COMMAND, latency_ms))
        read_end, write_end = os.pipe()
        self.process = subprocess.Popen(
            [model_server, "--ready-fd", str(write_end), "--lifetime", "600",
             scenario], pass_fds=[write_end])
        os.close(write_end)
        port = os.read(read_end, 16).decode().strip()
        os.close(read_end)
        self.url = f"http://127.0.0.1:{port}/v1"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def run_arguments(path, url, name):
    out = os.path.join(folder, name)
    shutil.rmtree(out, ignore_errors=True)
    return [nightjar, "run", path, "--model-url", url, "--out", out, "-q"]


def measured(arguments):
    """Seconds of wall time and of CPU, of the process and all it waited for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    subprocess.run(arguments, check=True, env=environment, cwd=folder)
    wall = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, (after.ru_utime + after.ru_stime -
                  before.ru_utime - before.ru_stime)


def median(values):
    return statistics.median(values)


def first_request(arguments):
    """Milliseconds from exec until the first byte of a request."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        began = time.monotonic()
        process = subprocess.Popen(arguments(url), env=environment, cwd=folder,
                                   start_new_session=True,
                                   stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        listener.settimeout(60)
        connection, _ = listener.accept()
        connection.recv(1)
        took = (time.monotonic() - began) * 1000
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        connection.close()
    return took


def start_up():
    path = manifest(1, 1)
    ours, least = [], []
    for _ in range(ROUNDS + 1):
        least.append(first_request(
            lambda url: [floor, url + "/responses", "0", COMMAND]))
        ours.append(first_request(
            lambda url: run_arguments(path, url, "out")))
    print(f"start-up to first request   {median(ours[1:]):7.1f} ms   "
          f"floor {median(least[1:]):5.1f} ms   "
          f"ratio {median(ours[1:]) / median(least[1:]):5.2f}")


def turns():
    path = manifest(1, 1)
    with Server(TURNS) as server:
        rows = []
        for _ in range(ROUNDS + 1):
            least = measured([floor, server.url + "/responses", str(TURNS),
                              COMMAND])
            ours = measured(run_arguments(path, server.url, "out"))
            rows.append((ours, least))
    for index, what in enumerate(("time", "CPU ")):
        ratio = median([ours[index] / least[index] for ours, least in rows[1:]])
        ours = median([row[0][index] for row in rows[1:]]) / TURNS * 1000
        least = median([row[1][index] for row in rows[1:]]) / TURNS * 1000
        print(f"{what} of a turn              {ours:7.2f} ms   "
              f"floor {least:5.2f} ms   ratio {ratio:5.2f}")


def tree(root):
    """The process and its descendants, as pids."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8") as file:
                    fields = file.read().rsplit(")", 1)[1].split()
                parents.setdefault(int(fields[1]), []).append(int(name))
            except OSError:
                pass
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += parents.get(pid, [])
    return found


def tree_kib(root):
    total = 0
    for pid in tree(root):
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as file:
                for line in file:
                    if line.startswith("Pss:"):
                        total += int(line.split()[1])
        except OSError:
            pass
    return total


def peak_kib(tasks):
    path = manifest(tasks, tasks)
    # Two turns of a second each, so that all tasks are there together.
    with Server(2, 1000) as server:
        process = subprocess.Popen(run_arguments(path, server.url, "out"),
                                   env=environment, cwd=folder)
        peak = 0
        while process.poll() is None:
            peak = max(peak, tree_kib(process.pid))
            time.sleep(0.05)
    if process.returncode:
        sys.exit(f"bench: {tasks} tasks ended with {process.returncode}")
    return peak


def memory():
    one, more = 1, 33
    first = median([peak_kib(one) for _ in range(3)])
    many = median([peak_kib(more) for _ in range(3)])
    print(f"memory of one task          {first / 1024:7.1f} MiB  "
          f"each further {(many - first) / (more - one) / 1024:5.2f} MiB")


def growth():
    path = manifest(1, 1)
    ratios = []
    for _ in range(3):
        with Server(1000) as server:
            _, long = measured(run_arguments(path, server.url, "out"))
        with Server(100) as server:
            short = sum(measured(run_arguments(path, server.url, "out"))[1]
                        for _ in range(10))
        ratios.append((long, short))
    print(f"CPU of 1,000 turns          {median([r[0] for r in ratios]):7.2f} s"
          f"    ten of 100 {median([r[1] for r in ratios]):5.2f} s   "
          f"ratio {median([r[0] / r[1] for r in ratios]):5.2f}")


def sandbox_costs(*lower):
    place = tempfile.mkdtemp(dir=folder)
    result = subprocess.run([os.path.join(build, "tests/bench/sandbox"), place,
                             "100" if not lower else "30", *lower],
                            stdout=subprocess.PIPE, check=True)
    shutil.rmtree(place, ignore_errors=True)
    return json.loads(result.stdout)


def whole(command, rounds=30):
    """Median milliseconds of a whole process; None where it is not there."""
    times = []
    if not shutil.which(command[0]):
        return None
    for _ in range(rounds):
        began = time.monotonic()
        if subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode:
            return None
        times.append((time.monotonic() - began) * 1000)
    return median(times)


def sandboxes():
    costs = sandbox_costs()
    print(f"command in an open sandbox  {costs['command']:7.2f} ms   "
          f"fork+exec {costs['spawn']:5.2f} ms   "
          f"ratio {costs['command'] / costs['spawn']:5.2f}")
    print(f"opening a sandbox           {costs['open']:7.2f} ms   "
          f"bare clone+mounts+exec {costs['bare']:5.2f} ms   "
          f"ratio {costs['open'] / costs['bare']:5.2f}")
    ours = whole([nightjar, "sandbox", "--", "/bin/true"])
    theirs = whole(["bwrap", "--unshare-all", "--ro-bind", "/usr", "/usr",
                    "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64",
                    "/lib64", "--proc", "/proc", "--dev", "/dev", "--tmpfs",
                    "/tmp", "--bind", folder, "/workspace", "/usr/bin/true"])
    peer = f"bubblewrap {theirs:5.2f} ms" if theirs else "bubblewrap: not here"
    print(f"nightjar sandbox -- true    {ours:7.2f} ms   {peer}")


def make_files(repository, count):
    subprocess.run(["git", "init", "-q", repository], check=True)
    for index in range(count):
        where = os.path.join(repository, f"folder-{index % 500}")
        os.makedirs(where, exist_ok=True)
        with open(os.path.join(where, f"file-{index}"), "w",
                  encoding="utf-8") as file:
            file.write(f"file {index}\n")
    git = ["git", "-C", repository, "-c", "user.name=b", "-c",
           "user.email=b@localhost"]
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-qm", "files"], check=True)


def workspaces():
    for count in (1000, 10000, 50000):
        repository = os.path.join(folder, f"files-{count}")
        make_files(repository, count)
        ours = sandbox_costs(repository)["open"]
        began = time.monotonic()
        subprocess.run(["git", "-C", repository, "worktree", "add", "-q",
                        "--detach", repository + "-tree"], check=True)
        theirs = (time.monotonic() - began) * 1000
        print(f"workspace of {count:6} files   {ours:7.2f} ms   "
              f"git worktree add {theirs:7.1f} ms   "
              f"ratio {ours / theirs:7.4f}")


try:
    make_repository()
    sandboxes()
    workspaces()
    start_up()
    turns()
    memory()
    growth()
finally:
    shutil.rmtree(folder, ignore_errors=True)
