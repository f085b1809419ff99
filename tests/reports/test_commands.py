#!/usr/bin/env python3
"""The commands that read runs: diff, estimate, show; and init."""
import shutil

from corpus import *  # noqa: F401,F403
from corpus import (FOLDER, HOSTILE, Journal, NIGHTJAR, equal, github_commands,
                    hostile_run, large_run, ok, other_commands, report)


def run(*words, **more):
    result = subprocess.run([NIGHTJAR, *words], capture_output=True,
                            stdin=subprocess.DEVNULL, cwd=FOLDER, **more)
    return (result.returncode, result.stdout.decode("utf-8"),
            result.stderr.decode("utf-8"))


def made(name, verdicts, definition="d1", commit="c1", attempts=None,
         cost=1000, reason="verify"):
    journal = Journal(tasks=len(verdicts))
    for task, verdict in verdicts.items():
        journal.event("task_planned", task, suite="s", cell="", number=0,
                      repo="https://h/r.git", ref=None, prompt_bytes=1,
                      verify=[], setup=[], definition=definition)
        journal.event("task_started", task, attempts=1)
        for attempt in range(1, (attempts or {}).get(task, 1) + 1):
            journal.event("attempt_started", task, attempt=attempt)
            journal.event("turn_finished", task, attempt=attempt, turn=1,
                          input_tokens=1000, cached_tokens=500,
                          output_tokens=100, cost_microusd=cost,
                          duration_ms=10, calls=0)
        journal.event("task_finished", task, verdict=verdict,
                      reason=reason, message="m", hint=None, retryable=False,
                      attempts=1, commit=commit, duration_ms=1000)
    journal.finish()
    return journal.write(os.path.join(FOLDER, name))


# ---- diff ----------------------------------------------------------------------
before = made("before", {"a": "passed", "b": "failed", "c": "failed",
                         "gone": "passed", "e": "passed", "f": "passed"})
after = made("after", {"a": "failed", "b": "passed", "c": "failed",
                       "new": "passed", "e": "error", "f": "passed"},
             commit="c2", attempts={"f": 2}, cost=1500)
status, text, errors = run("diff", before, after, "--json")
data = json.loads(text)
equal({t["id"]: t["change"] for t in data["tasks"]},
      {"a": "broken", "b": "fixed", "c": "failing", "e": "broken",
       "f": "flaky", "gone": "gone", "new": "new"}, "what changed", errors)
equal(status, 1, "something is broken")
equal(data["counts"], {"broken": 2, "fixed": 1, "flaky": 1, "failing": 1,
                       "new": 1, "gone": 1, "passing": 0}, "and how often")
status, text, errors = run("diff", before, after)
for line in ("broken (2): passed before, not now", "a: passed -> failed (verify)",
             "f: passed -> passed, at attempt 2", "$0.0060 ->   $0.0105  (+75%)"):
    ok(line in text, f"told: {line}", text)
status, text, errors = run("diff", before, before)
equal(status, 0, "the same is no worse")
same = made("same", {"a": "failed", "b": "passed", "c": "failed",
                     "gone": "passed", "e": "error", "f": "passed"})
data = json.loads(run("diff", before, same, "--json")[1])
equal({t["id"]: t["change"] for t in data["tasks"]},
      {"a": "flaky", "b": "flaky", "c": "failing", "e": "broken",
       "f": "passing", "gone": "passing"},
      "of the same work, only chance can be the difference")
other = made("other", {"a": "failed"}, definition="d2")
data = json.loads(run("diff", before, other, "--json")[1])
equal(data["tasks"][0]["change"], "broken", "another prompt is another thing")
limit = made("limit", {"a": "failed"}, reason="budget")
data = json.loads(run("diff", before, limit, "--json")[1])
equal(data["tasks"][0]["change"], "broken", "a limit is not chance")
status, text, errors = run("diff", before, os.path.join(FOLDER, "nowhere"))
ok(status != 0 and "nowhere" in errors, "a run that is not there", errors)

# ---- estimate ------------------------------------------------------------------
manifest = os.path.join(FOLDER, "m.yaml")
with open(manifest, "w") as file:
    file.write("version: 1\nmodel: {name: m}\ntasks:\n" + "".join(
        f"  - {{id: '{name}', repo: 'https://h/r.git', prompt: x}}\n"
        for name in ["a", "b"] + [f"z{i}" for i in range(8)]))
pilot = made("pilot", {"a": "passed", "b": "failed", "other": "passed"})
data = json.loads(run("estimate", manifest, "--from", pilot, "--json")[1])
equal((data["tasks"], data["known"], data["cost_usd"]["middle"]),
      (10, 2, 0.01), "ten tasks at the price of the three that were run", data)
equal((data["input_tokens"]["middle"], data["cached_tokens"]["middle"]),
      (10000, 5000), "and tokens")
equal((data["cost_usd"]["low"], data["cost_usd"]["high"]), (0.01, 0.01),
      "without a spread, no interval")
journal = Journal()
uneven = made("uneven", {"a": "passed", "b": "passed"}, cost=1000)
with open(os.path.join(uneven, "journal.jsonl")) as file:
    lines = file.read().replace('"cost_microusd": 1000', '"cost_microusd": 9000',
                                1)
with open(os.path.join(uneven, "journal.jsonl"), "w") as file:
    file.write(lines)
data = json.loads(run("estimate", manifest, "--from", uneven, "--json")[1])
ok(data["cost_usd"]["low"] < 0.05 == data["cost_usd"]["middle"] <
   data["cost_usd"]["high"], "with one, there is", data)
status, text, errors = run("estimate", manifest, "--from", pilot, "--jobs", "5")
ok("10 tasks, 2 of them in the run" in text and "with 5 at once" in text,
   "for people", text)
status, text, errors = run("estimate", manifest)
ok(status == 2 and "--sample" in errors, "without a run it says how", errors)

one = made("one", {"a": "passed"})
data = json.loads(run("estimate", manifest, "--from", one, "--json")[1])
equal((data["cost_usd"]["middle"], data["cost_usd"]["low"]), (0.01, None),
      "one task says nothing about the spread")

# ---- show ----------------------------------------------------------------------
folder, counts = hostile_run()
with open(os.path.join(folder, "journal.jsonl"), encoding="utf-8") as file:
    ids = [json.loads(line)["task"] for line in file
           if '"task_planned"' in line]
task = "shown"
journal = Journal()
journal.task(task, "failed", HOSTILE[6])
items = [{"type": "nightjar.begun", "attempt": 1}]
for text in HOSTILE:
    items += [{"type": "message", "role": "assistant", "content": [
                  {"type": "output_text", "text": text}]},
              {"type": "message", "role": text, "content": text},
              {"type": "function_call", "name": text, "call_id": "c",
               "arguments": json.dumps({"cmd": text})},
              {"type": "function_call", "name": text, "call_id": "c",
               "arguments": text},
              {"type": "function_call_output", "call_id": "c", "output": text},
              {"type": "reasoning", "summary": [
                  {"type": "summary_text", "text": text}]}]
items.append({"type": "function_call_output", "call_id": "c",
              "output": "\n".join(f"line {i}" for i in range(1000))})
journal.files[f"tasks/{task}/transcript.jsonl"] = "\n".join(
    json.dumps(item) for item in items) + '\n{"torn'
shown = journal.write(os.path.join(FOLDER, "shown"))
status, text, errors = run("show", shown, task)
equal(status, 0, "a transcript", errors)
equal(github_commands(text) + other_commands(text), [], "obeyed by nothing")
equal(sorted({hex(ord(c)) for c in text if ord(c) < 32 and c != "\n"}), [],
      "without a control character")
ok("[... 970 lines; --verbose shows them]" in text and "line 999" in text and
   "line 500" not in text, "long outputs are cut in the middle", text[-600:])
status, text, errors = run("show", shown, task, "--verbose")
ok("line 500" in text, "unless all is wanted")
status, text, errors = run("show", shown, "nobody")
ok(status == 2 and "no task 'nobody'" in errors, "no such task", errors)
if shutil.which("script"):
    for pager, wanted in (("sed 's/^/PAGED /'", True), ("cat", False),
                          ("no-such-pager-here", False)):
        env = {**os.environ, "PAGER": pager, "NO_COLOR": "1", "TERM": "xterm"}
        result = subprocess.run(
            ["script", "-qec", f"{NIGHTJAR} show {shown} {task}", "/dev/null"],
            stdin=subprocess.DEVNULL, capture_output=True, env=env)
        text = result.stdout.decode()
        ok("Xline" not in text and ("PAGED" in text) == wanted and
           "the end" in text, f"on a terminal through PAGER={pager}",
           text[-500:])
    result = subprocess.run(
        ["script", "-qec", f"{NIGHTJAR} show {shown} {task} --no-pager",
         "/dev/null"], stdin=subprocess.DEVNULL, capture_output=True,
        env={**os.environ, "PAGER": "false", "TERM": "xterm"})
    ok(b"the end" in result.stdout and b"\x1b[1m" in result.stdout,
       "or not, and in colour")

# ---- init ----------------------------------------------------------------------
status, text, errors = run("init")
with open(os.path.join(FOLDER, "first.yaml"), "w") as file:
    file.write(text)
subprocess.run(["git", "init", "-q", FOLDER], check=True)
equal(run("check", "first.yaml")[:2], (0, "task\n"), "a first manifest", errors)
for i, text in enumerate(HOSTILE):
    if "\ud83d" in text or not text.strip() or "\x00" in text:
        continue
    status, yaml, errors = run("init", "--prompt", text, "--verify", text,
                               "--setup", text, "--model", "m")
    with open(os.path.join(FOLDER, "hostile.yaml"), "w") as file:
        file.write(yaml)
    status, checked, errors = run("check", "hostile.yaml")
    # A value that looks like a template or holds controls may be refused, by
    # name; it never becomes another key.
    ok((status, checked) == (0, "task\n") or (status == 2 and "hostile.yaml:"
                                              in errors and "unknown" not in
                                              errors),
       f"init: text {i} stays a text", yaml, errors)
    if status == 0:
        status, prompt, errors = run("run", "hostile.yaml", "--dry-run")
        equal(prompt.count("\ntask") + prompt.startswith("task"),
              prompt.count("task task"), f"one task of text {i}")

# ---- reports of a task with much to tell -------------------------------------------
journal = Journal(tasks=1)
journal.event("task_planned", "much", suite="s", cell="", number=0, repo="r",
              ref=None, prompt_bytes=1, verify=["v"], setup=[])
journal.event("task_started", "much", attempts=3)
for attempt in (1, 2, 3):
    journal.event("attempt_started", "much", attempt=attempt)
    for step in range(180):
        journal.event("step_finished", "much", attempt=attempt, phase="verify",
                      round=step + 1, name="v", result="failed", exit_status=1,
                      duration_ms=5, output=f"{step} <&>" * 6000,
                      output_bytes=9)
much = journal.write(os.path.join(FOLDER, "much"))
page = report(much, "--report", "html")
ok(len(page) < 4 << 20 and b"179 " in page and page.count(b'dropped\":0') == 0,
   "a page has a limit for each task, and shows how it ended", len(page))

# ---- report of several -----------------------------------------------------------
text = report(before, pilot, "--report", "json").decode()
equal(json.loads(text)["counts"]["tasks"], 7, "several runs are one report")
status, text, errors = run("report", before, pilot, "--ci", "github")
ok(status == 2 and "nightjar merge" in errors,
   "of several, no job is told: their paths are gone at once", errors)
ok(not [name for name in os.listdir(os.environ.get("TMPDIR", "/tmp"))
        if name.startswith("nightjar-report")], "and nothing is left of it")
done()
