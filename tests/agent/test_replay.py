"""Record and replay: a batch that was recorded is played without a key and
without a network, to the same reports each time; what differs is shown."""
import json
import os
import subprocess

from provider import *

MANIFEST = """
version: 1
name: replay
model: {name: m, max_retries: 2, price: {input: 1, output: 2}}
run: {jobs: 3}
defaults: {repo: %s, attempts: 2, fix_attempts: 1}
tasks:
  - id: good
    prompt: "task:good add a line"
    verify: ["grep -q line-1 log.txt"]
  - {id: bad, prompt: "task:bad change nothing"}
  - id: asks
    prompt: "task:asks answer"
    changes: none
    output_schema: schema.json
  - {id: broken, prompt: "task:broken fail", changes: any}
"""


def model(request):
    task, step = request.task(), len(request.outputs())
    if task == "broken":
        return Reply(status=400, error={"error": {"message": "no such model"}})
    if task == "asks":
        return Reply(message('{"answer": 42}'))
    if task == "good" and request.number % 3 == 0 and request.raw not in again:
        again.add(request.raw)
        return Reply(message("lost"), cut=1)
    if step < 3:
        return Reply(reasoning(f"r{step}"), call(
            f"c{step}", f"echo line-{step} >>log.txt; date +%s%N | wc -c"
            if task == "good" else "ls"), latency=0.01)
    return Reply(message(f"Done with {task}."))


again = set()
work = repository("work", {"log.txt": "first\n"})
with open(os.path.join(FOLDER, "schema.json"), "w") as file:
    json.dump({"type": "object", "properties": {"answer": {"type": "integer"}},
               "required": ["answer"], "additionalProperties": False}, file)
tape = os.path.join(FOLDER, "tape")
manifest = MANIFEST % work


def replay(*options, text=manifest, folder=tape):
    """Without a key, in a network namespace of its own where one can be had,
    and with proxies that lead nowhere."""
    words, out = command(None, text, "--replay", folder, *options)
    dead = {**environment(), "HTTPS_PROXY": "http://127.0.0.1:9",
            "HTTP_PROXY": "http://127.0.0.1:9"}
    del dead["OPENAI_API_KEY"]
    result = subprocess.run(words, env=dead, cwd=FOLDER, timeout=300,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT)
    return Run(out, result.returncode, result.stdout.decode())


with Provider(model) as provider:
    recorded = nightjar(provider, manifest, "--record", tape)
    equal(recorded.status, 3, "recorded: some failed, one with an error")
    asked = len(provider.requests)
verdicts = {task: recorded.verdict(task)
            for task in ("good", "bad", "asks", "broken")}
equal(verdicts, {"good": ("passed", "verified"),
                 "bad": ("failed", "no_changes"),
                 "asks": ("passed", "completed"),
                 "broken": ("error", "request")}, "as it should")
ok(not any(KEY in open(os.path.join(folder, file)).read()
           for folder, _, files in os.walk(tape) for file in files),
   "no key is in the recording")
one, two = replay(), replay("--jobs", "1")
equal(one.status, 3, "replayed: the same status")
equal({task: one.verdict(task) for task in verdicts}, verdicts,
      "and the same verdicts")
for name in ("report.json", "junit.xml"):
    texts = [run.file("reports", name) for run in (one, two)]
    if name == "report.json":
        texts = [text.replace('"jobs":3', '"jobs":1') for text in texts]
    equal(texts[0] == texts[1], True, f"{name}: byte for byte, at any jobs")
equal(one.file("tasks", "good", "patch.diff"),
      recorded.file("tasks", "good", "patch.diff"), "the same patch")


def tokens_of(run):
    return {task["id"]: (task["usage"]["turns"],
                         task["usage"]["cost_usd"]) for task in
            run.report()["tasks"] if task["id"] != "good"}


equal(tokens_of(one), tokens_of(recorded), "the same turns and cost")

# Another prompt is drift: an error that shows it, of that task alone.
other = replay(text=manifest.replace("add a line", "add two lines"))
equal(other.verdict("good"), ("error", "drift"), "another prompt is drift")
equal(other.verdict("bad"), verdicts["bad"], "the others go on")
diff = other.file("tasks", "good", "drift.diff")
ok("-" in diff and "add a line" in diff and "add two lines" in diff,
   "the difference is shown", diff)
# Another output is told, and no more.
changed = repository("changed", {"log.txt": "first\n", "new.txt": "x\n"})
same = replay(text=MANIFEST % changed)
equal(same.verdict("bad"), verdicts["bad"], "another output goes on")
ok("new.txt" in same.file("tasks", "bad", "drift.diff"), "and is told",
   same.file("tasks", "bad", "drift.diff"))
# What cannot be.
words, _ = command(None, manifest, "--record", tape)
result = subprocess.run(words, env=environment(), cwd=FOLDER,
                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
equal(result.returncode, 2, "a folder that holds something is refused")
equal(replay(folder=os.path.join(FOLDER, "none")).status, 2,
      "so is one that holds no recording")
os.remove(os.path.join(tape, "bad", "1-0002.json"))
equal(replay().verdict("bad"), ("error", "drift"), "a recording with a gap")
clean()
done()
