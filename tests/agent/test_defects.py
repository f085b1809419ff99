"""What was wrong once: each with what made it show."""
import os
import re
import signal
import subprocess
import time

from provider import *

BASE = """
version: 1
model: {name: m, max_retries: %s, price: {input: 1, output: 2}%s}
run: {jobs: %s%s}
defaults: {repo: %s, changes: any%s}
tasks:
%s
"""
work = repository("work", {"a.txt": "alpha\n"})


def manifest(tasks="", retries=0, model="", jobs=1, run="", defaults=""):
    tasks = tasks or '  - {id: t, prompt: "task:t go"}\n'
    return BASE % (retries, model, jobs, run, work, defaults, tasks)


class Turns:
    """Answers by a function of how many outputs there are."""

    def __init__(self, *turns):
        self.turns = turns

    def __call__(self, request):
        step = len(request.outputs())
        return self.turns[step](request) if step < len(self.turns) else \
            Reply(message("Done."))


# A review of a call that only looks, while the response comes.
REVIEW = (", policy: {review: {model: reviewer, price: {input: 1, output: 1}%s}"
          ", approve: [{tool: exec, decision: review}]}")


def reviewer(*words):
    def model(request):
        if request.body["model"] == "reviewer":
            return Reply(*[message(json.dumps({"decision": word,
                                               "reason": "so"}))
                           for word in words])
        if not request.outputs():
            return Reply(function("r", "read_file", {"file_path": "a.txt"}),
                         call("c", "echo ran"))
        return Reply(message("Done."))
    return model


with Provider(reviewer("allow")) as provider:
    run = nightjar(provider, manifest(defaults=REVIEW % "",
                                      run=", budget: {tokens: 1M}"))
    equal(run.verdict("t"), ("passed", "completed"), "a review of read_file")
    equal(len(run.events("call_reviewed")), 2, "each call is reviewed once")
    answers = dict(provider.requests[-1][0].outputs())
    ok("alpha" in answers["r"] and "ran" in answers["c"], "and runs", answers)
with Provider(reviewer("allow", "deny")) as provider:
    run = nightjar(provider, manifest(defaults=REVIEW % ""))
    ok("more than one answer" in
       dict(provider.requests[-1][0].outputs())["c"], "two answers: denied")
with Provider(reviewer("allow")) as provider:
    run = nightjar(provider, manifest(
        defaults=REVIEW % ", budget: {cost_usd: 0.0001}"))
    equal(run.report()["usage"]["reviews"]["cost_usd"], 0,
          "a review that could cost more than its budget is not asked for")

# Other members of the arguments do not change what is decided about.
PUSH = "git push origin main; echo pushed >push.txt"
for name, arguments in (
        ("exec_command", {"cmd": PUSH, "command": "true"}),
        ("exec_command", {"cmd": PUSH, "file_path": "x"}),
        ("exec_command", {"cmd": PUSH, "dir_path": "x", "chars": "y"}),
        ("shell", {"command": ["bash", "-c", PUSH], "cmd": "true"}),
        ("shell_command", {"command": PUSH, "file_path": "x"}),
        ("container.exec", {"command": ["sh", "-c", PUSH], "chars": ""})):
    with Provider(Turns(lambda request: Reply(
            function("p", name, arguments)))) as provider:
        run = nightjar(provider, manifest())
        ok("denied by the task's policy" in
           provider.requests[-1][0].outputs()[0][1] and
           not run.file("tasks", "t", "patch.diff"),
           f"{name} {sorted(arguments)}: denied")

# Options of git itself; what `why` and the prompt say of rules.
HOSTS = (', policy: {approve: [{tool: exec, hosts: ["*.example.org"], decision: '
         'deny, because: not there}, {tool: patch, paths: ["tests/**"], '
         'decision: deny}]}')
with Provider(Turns(lambda request: Reply(
        call("a", "git -C . -c x.y=1 --no-pager push origin"),
        call("b", "git -C . status")))) as provider:
    run = nightjar(provider, manifest(defaults=HOSTS))
    outputs = dict(provider.requests[-1][0].outputs())
    ok("denied by" in outputs["a"] and "Process exited" in outputs["b"],
       "git -C . push is a push", outputs)
    text = "".join(provider.requests[0][0].texts("developer"))
    ok("Not allowed: commands that name *.example.org (not there)" in text and
       "Not allowed: patches of tests/**" in text, "the prompt has each rule")
    told = subprocess.run([NIGHTJAR, "why", run.out, "t"], env=environment(),
                          stdout=subprocess.PIPE).stdout.decode()
    ok("git -C . -c x.y=1 --no-pager push origin\n" in told and
       "git -C . status\n    -> exit 0" in told, "why shows the call", told)
words, _ = command(None, manifest(defaults=HOSTS.replace("*.example.org",
                                                         "https://x.org/")))
result = subprocess.run([NIGHTJAR, "check", words[2]], env=environment(),
                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
equal(result.returncode, 2, "a URL is no host of a rule")

# A call_id that no provider sends.
with Provider(Turns(lambda request: Reply(call("c" * 5000, "true")))) as provider:
    run = nightjar(provider, manifest())
    equal(run.verdict("t"), ("error", "protocol"), "a huge call_id: typed")


# ---- going on ----------------------------------------------------------------

class Stops:
    """A task of three steps; fails once at a step, as a server does."""

    def __init__(self, at):
        self.at, self.failed = at, False

    def __call__(self, request):
        step = len(request.outputs())
        if step == self.at and not self.failed:
            self.failed = True
            return Reply(status=400, error={"error": {"message": "not now"}})
        if step < 4:
            return Reply(call(f"s{step}", f"echo {step} >>log.txt"))
        return Reply(message("Done."))


def transcript(run):
    return os.path.join(run.out, "tasks", "t", "transcript.jsonl")


def steps_asked(provider, since=0):
    return [len(request.outputs()) for request, _ in provider.requests[since:]]


for name, tail in (("half a line", b'{"type":"function_ca'),
                   ("items without their response", json.dumps(
                       call("stale", "true")).encode() + b"\n")):
    model = Stops(2)
    with Provider(model) as provider:
        run = nightjar(provider, manifest())
        equal(run.status, 3, f"{name}: cut off by an error")
        with open(transcript(run), "ab") as file:
            file.write(tail)
        model.at, model.failed = 3, False
        run = resume(run.out)
        equal(run.status, 3, f"{name}: and again, one step further")
        asked = len(provider.requests)
        run = resume(run.out)
        equal(run.status, 0, f"{name}: gone on with twice", )
        equal(steps_asked(provider, asked), [3, 4],
              f"{name}: behind what was there")
        last = provider.requests[-1][0]
        calls = [item["call_id"] for item in last.items
                 if item["type"] == "function_call"]
        equal(calls, [call_id for call_id, _ in last.outputs()],
              f"{name}: each call has its output")
# A machine that went down: files may be lost, and the model is told.
model = Stops(2)
with Provider(model) as provider:
    run = nightjar(provider, manifest())
    path = os.path.join(run.out, "work/0/attempt-1/agent/process")
    with open(path) as file:
        noted = file.read()
    with open(path, "w") as file:
        file.write("another-boot" + noted[noted.index(" "):])
    asked = len(provider.requests)
    run = resume(run.out)
    equal(run.status, 0, "after a restart of the machine: gone on with")
    first = provider.requests[asked][0]
    ok("was started again" in first.items[-1]["content"][0]["text"],
       "and told", first.items[-1])
    equal(first.outputs()[-1][0], "s1", "behind the answers")

model = Stops(2)
with Provider(model) as provider:
    run = nightjar(provider, manifest())
    with open(transcript(run), "ab") as file:
        file.write(b"no JSON\n")
    asked = len(provider.requests)
    run = resume(run.out)
    equal((run.verdict("t")[0], len(provider.requests)), ("error", asked),
          "a record that cannot be read: said, and nothing is asked")

# A run that is killed takes its workers with it, whatever they wait for.
with Provider(Turns(lambda request: Reply(
        call("s", "echo begun >log.txt; sleep 300", yield_time_ms=30000)))) \
        as provider:
    words, out = command(provider, manifest())
    process = subprocess.Popen(words, env=environment(), cwd=FOLDER,
                               stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    log = os.path.join(out, "work/0/attempt-1/agent")
    until = time.monotonic() + 60
    while time.monotonic() < until and not any(
            "log.txt" in files for _, _, files in os.walk(log)):
        time.sleep(0.01)
    with open(f"/proc/{process.pid}/task/{process.pid}/children") as file:
        children = file.read().split()
    process.kill()
    process.wait()
    began = time.monotonic()
    while time.monotonic() < began + 25 and any(
            os.path.exists(f"/proc/{child}") for child in children):
        time.sleep(0.01)
    equal([child for child in children if os.path.exists(f"/proc/{child}")],
          [], "a killed run leaves no process, though a command waits")

# A script goes on behind the turns that were played.
script = os.path.join(FOLDER, "script.yaml")
with open(script, "w") as file:
    file.write("""version: 1
tasks:
  - task: "*"
    turns:
      - calls: [{exec_command: {cmd: echo one >>log.txt}}]
      - calls: [{exec_command: {cmd: "echo two >>log.txt; exit 0"}}]
      - expect: two
        final: Done.
""")
text = manifest().replace("{name: m, max_retries: 0",
                          "{provider: scripted, script: script.yaml")
words, out = command(None, text)
subprocess.run(words, env=environment(), cwd=FOLDER, stdout=subprocess.DEVNULL,
               stderr=subprocess.DEVNULL)
whole = Run(out, 0, "").file("tasks", "t", "patch.diff")
ok("+one" in whole and "+two" in whole, "a script, whole", whole)
for number in range(3):
    words, out = command(None, text.replace("exit 0", "sleep 300"))
    with open(script) as file:
        turns = file.read()
    with open(script, "w") as file:
        file.write(turns.replace("exit 0", "sleep 300"))
    process = subprocess.Popen(words, env=environment(), cwd=FOLDER,
                               stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    path = os.path.join(out, "tasks/t/transcript.jsonl")
    until = time.monotonic() + 60
    while time.monotonic() < until and not (
            os.path.exists(path) and
            open(path).read().count("nightjar.response") == 2):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with open(script, "w") as file:
        file.write(turns)
    run = resume(out)
    equal((run.status, len(run.events("turn_finished"))), (0, 3),
          "a script that was cut off goes on behind its second turn")

# The budget counts what attempts before took.
class Second:
    """The first attempt's checks fail; the second's first request does."""

    def __init__(self):
        self.requests = 0

    def __call__(self, request):
        self.requests += 1
        if self.requests == 3:
            return Reply(status=500, error={"error": {"message": "down"}})
        return Reply(message("Done."), usage={
            "input_tokens": 5000, "output_tokens": 5})


model = Second()
with Provider(model) as provider:
    text = manifest('  - {id: t, prompt: "task:t go", attempts: 2, '
                    'fix_attempts: 1, verify: ["false"], '
                    'budget: {input_tokens: 20000}}\n')
    run = nightjar(provider, text)
    equal(run.verdict("t"), ("error", "overloaded"), "cut off in attempt 2")
    run = resume(run.out)
    equal(run.verdict("t"), ("failed", "budget"), "the budget is the task's")
    equal(model.requests, 4, "and what came before counts")


# A retry asks for what is left.
class CutOnce:
    def __init__(self):
        self.bodies = []

    def __call__(self, request):
        self.bodies.append(request.body["max_output_tokens"])
        reply = Reply(message("word " * 1800))
        if len(self.bodies) == 1:
            reply.cut = 3
        return reply


model = CutOnce()
with Provider(model) as provider:
    run = nightjar(provider, manifest(
        '  - {id: t, prompt: "task:t go", budget: {output_tokens: 4000}}\n',
        retries=2))
    ok(len(model.bodies) == 2 and model.bodies[1] < model.bodies[0] == 4000,
       "a retry asks for less output", model.bodies)

# No usage: taken at its bytes.
with Provider(Turns(*[lambda request: Reply(
        call(f"c{len(request.outputs())}", "seq 1 500"), usage=False)
        for _ in range(30)])) as provider:
    run = nightjar(provider, manifest(
        '  - {id: t, prompt: "task:t go", budget: {input_tokens: 30000}}\n'))
    equal(run.verdict("t"), ("failed", "budget"), "no usage: limits hold")
    ok(run.report()["usage"]["estimated_tokens"] > 10000, "and it is told")


# A resume that stops early keeps what it did not come to.
class Both:
    def __init__(self):
        self.down = True

    def __call__(self, request):
        step = len(request.outputs())
        if step == 2 and self.down:
            return Reply(status=400, error={"error": {"message": "not now"}})
        if step < 4:
            return Reply(call(f"s{step}", "true"))
        if request.task() == "one":
            return Reply(message("Done."), usage={"input_tokens": 1,
                                                  "output_tokens": 1})
        return Reply(message("Done."))


model = Both()
with Provider(model) as provider:
    text = manifest('  - {id: one, prompt: "task:one go", verify: ["false"], '
                    'fix_attempts: 0}\n  - {id: two, prompt: "task:two go"}\n',
                    jobs=1, run=", fail_fast: false")
    run = nightjar(provider, text)
    equal(run.status, 3, "two tasks, cut off")
    model.down = False
    path = re.search(r'"manifests":\["([^"]*)"', run.file("run.json")).group(1)
    changed = open(path).read()
    with open(path, "w") as file:
        file.write(changed.replace('verify: ["false"]', 'verify: ["true"]'))
    asked = len(provider.requests)
    again = resume(run.out)
    equal((again.status, len(provider.requests)), (2, asked),
          "another policy or check: refused, and nothing is asked")
    with open(path, "w") as file:
        file.write(changed)
    run = resume(run.out)
    equal(steps_asked(provider, asked), [2, 3, 4, 2, 3, 4],
          "both go on where they were")

# Skills that are none are not looked at without end; names are shown safely.
many = os.path.join(FOLDER, "many")
for number in range(600):
    os.makedirs(os.path.join(many, ".agents/skills", f"s{number:04}"))
    with open(os.path.join(many, ".agents/skills", f"s{number:04}",
                           "SKILL.md"), "w") as file:
        file.write("x" * 60000)
os.makedirs(os.path.join(many, ".agents/skills", "0\x1b]0;own\x07"))
with open(os.path.join(many, ".agents/skills", "0\x1b]0;own\x07", "SKILL.md"),
          "w") as file:
    file.write("none\n")
git("init", "-q", cwd=many)
git("add", "-A", cwd=many)
git("commit", "-qm", "one", cwd=many)
words, _ = command(None, manifest().replace(work, many))
result = subprocess.run([NIGHTJAR, "prompt", words[2]], env=environment(),
                        cwd=FOLDER, stdout=subprocess.PIPE,
                        stderr=subprocess.PIPE)
equal(result.returncode, 0, "a repository of 600 skills that are none")
ok(b"is one skill too many" in result.stderr and
   result.stderr.count(b"left out") <= 202, "looked at up to a bound")
ok(b"\x1b" not in result.stderr and b"\x07" not in result.stderr,
   "no control character is printed")


clean()
done()
