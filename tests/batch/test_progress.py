#!/usr/bin/env python3
"""What a person sees: the live view on a terminal, lines in CI, status and
logs from another shell."""
import fcntl
import pty
import re
import struct
import subprocess
import termios
import threading

from batch import *
from provider import nightjar, command, Provider, done, repository

repo = repository("repo", {"a.txt": "a\n"})
MANIFEST = f"""version: 1
model: {{name: m}}
run: {{jobs: 4}}
defaults: {{repo: {repo}, changes: any}}
tasks:
  - id: t-{{{{ matrix.n }}}}
    matrix: {{n: [{", ".join(str(n) for n in range(12))}]}}
    prompt: "task:t-{{{{ matrix.n }}}} go"
    verify: [{{name: big, run: 'head -c 300000 /dev/zero | tr "\\\\0" x; false'}}]
    fix_attempts: 0
"""
LONG = ("printf '\\033[2J\\033[31m::error::x\\n' # "
        "\u65e5\u672c\u8a9e " + "y" * 300)


class Screen:
    """As much of a terminal as the view uses; anything else is an error."""

    def __init__(self, columns):
        self.columns, self.lines, self.row, self.wrapped = columns, [""], 0, 0
        self.unknown = []

    def feed(self, text):
        for part in re.findall(r"\x1b\[[0-9;]*[A-Za-z]|\r|\n|[^\x1b\r\n]+|\x1b",
                               text):
            if part == "\n":
                self.row += 1
                while len(self.lines) <= self.row:
                    self.lines.append("")
            elif part == "\r":
                pass
            elif re.fullmatch(r"\x1b\[\d+F", part):
                self.row = max(0, self.row - int(part[2:-1]))
            elif part == "\x1b[J":
                del self.lines[self.row + 1:]
                self.lines[self.row] = ""
            elif re.fullmatch(r"\x1b\[\d*m", part):
                pass
            elif part.startswith("\x1b"):
                self.unknown.append(part)
            else:
                self.lines[self.row] += part
                if len(self.lines[self.row]) > self.columns:
                    self.wrapped += 1


def on_terminal(words, columns, rows):
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ,
                struct.pack("HHHH", rows, columns, 0, 0))
    variables = {name: value for name, value in environment().items()
                 if name not in ("CI", "GITHUB_ACTIONS", "GITLAB_CI")}
    child = subprocess.Popen(words, env={**variables, "TERM": "xterm"},
                             cwd=FOLDER, stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=slave)
    os.close(slave)
    text = b""
    while True:
        try:
            data = os.read(master, 65536)
        except OSError:
            break
        if not data:
            break
        text += data
    os.close(master)
    return child.wait(), text.decode("utf-8", "replace")


with Provider(worker_model(2, LONG.replace("{", "{{"))) as provider:
    for columns, rows in ((100, 30), (40, 8), (20, 3)):
        words, out = command(provider, MANIFEST)
        status, text = on_terminal(words, columns, rows)
        screen = Screen(columns)
        screen.feed(text)
        name = f"{columns} by {rows}"
        equal(status, 1, f"{name}: the run")
        equal(screen.unknown, [], f"{name}: nothing of a command is obeyed")
        ended = [line for line in screen.lines if re.match(r"\[\d+/12\]", line)]
        equal(len(ended), 12, f"{name}: a line for each task")
        left = [line for line in screen.lines if " done" in line or
                " turn " in line]
        equal(left, [], f"{name}: the picture is gone at the end")
        drawn = re.findall(r"\d+ of 12 done", text)
        ok(drawn or columns < 21, f"{name}: it was there", text[:500])

    # ---- lines in CI ---------------------------------------------------------
    run = nightjar(provider, MANIFEST, "--progress", "github")
    lines = run.text.splitlines()
    depth, good = 0, True
    for line in lines:
        depth += line.startswith("::group::")
        depth -= line.startswith("::endgroup::")
        good &= depth in (0, 1)
    ok(good and depth == 0, "groups are closed and not nested", run.text[:2000])
    equal(sum(line.startswith("::group::[") for line in lines), 12,
          "a group for each task")
    commands = [line for line in lines if line.lstrip().startswith("::")]
    ok(all(line.startswith(("::group::[", "::endgroup::"))
           for line in commands), "and no other command", commands)
    inside, mixed = None, []
    for line in lines:
        if line.startswith("::group::"):
            inside = line.split("] ", 1)[1].split(":")[0]
        elif inside and line.startswith("t-") and \
                not line.startswith(inside + ":"):
            mixed.append((inside, line))
        elif line.startswith("::endgroup::"):
            inside = None
    equal(mixed, [], "tasks are not mixed")
    run = nightjar(provider, MANIFEST, "--progress", "gitlab")
    begun = re.findall(r"section_start:\d+:(\w+)", run.text)
    ended = re.findall(r"section_end:\d+:(\w+)", run.text)
    ok(begun == ended and len(set(begun)) == 12, "sections for GitLab", begun)
    run = nightjar(provider, MANIFEST, "--progress", "plain")
    equal(len([line for line in run.text.splitlines()
               if re.match(r"\[\d+/12\]", line)]), 12, "plain lines")
    ok("\x1b" not in run.text, "without escapes")

# ---- status and logs ---------------------------------------------------------
arrived, leave = threading.Semaphore(0), threading.Event()


def waiting(request):
    if len(request.outputs()) == 1:
        arrived.release()
        leave.wait(120)
    return worker_model(1, "echo some-command")(request)


with Provider(waiting) as provider:
    words, out = command(provider, MANIFEST.replace("false'", "true'"))
    child = subprocess.Popen(words, env=environment(), cwd=FOLDER,
                             stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
    for _ in range(4):
        arrived.acquire(timeout=120)
    status, text, errors = program("status", out)
    equal(status, 0, "status of a run at work", errors)
    ok("0 of 12 done" in text and "4 running" in text, "totals", text)
    equal(len(re.findall(r"^  t-\d+  turn 1  ", text, re.M)), 4,
          "a line for each running task", text)
    follower = subprocess.Popen([NIGHTJAR, "logs", out, "t-0", "--follow"],
                                env=environment(), stdout=subprocess.PIPE)
    leave.set()
    equal(child.wait(300), 0, "it goes on")
    text = follower.communicate(timeout=300)[0].decode()
    equal(follower.returncode, 0, "logs --follow ends with the task")
    ok("exec_command: echo some-command" in text and "passed" in
       text.splitlines()[-1], "and has told all", text[-500:])
    ok("verify step 'big' passed" in text, "checks too")
    status, text, errors = program("status", out)
    ok("12 of 12 done, 12 passed | 0 running" in text, "status of one that is "
       "done", text)
    status, text, errors = program("logs", out, "nobody")
    ok(status == 2 and "no task 'nobody'" in errors, "a task that is not there",
       errors)
    status, text, errors = program("logs", FOLDER, "x")
    ok(status == 2 and "folder of a run" in errors, "no run", errors)
    with open(os.path.join(out, "journal.jsonl"), "r+") as file:
        lines = file.readlines()
        file.seek(0)
        file.truncate()
        file.writelines(line for line in lines if "run_finished" not in line)
    status, text, errors = program("status", out)
    ok("cut off" in text and "--resume" in text, "one that was cut off", text)
done()
