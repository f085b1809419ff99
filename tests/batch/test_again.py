#!/usr/bin/env python3
"""--resume with --retry and --rerun: what is done again, and that it is said."""
from batch import *
from provider import nightjar, Provider, done, repository

repo = repository("repo", {"a.txt": "a\n"})
MANIFEST = f"""version: 1
model: {{name: m, max_retries: 0}}
run: {{jobs: 1}}
defaults: {{repo: {repo}, changes: required, fix_attempts: 0}}
tasks:
  - {{id: good, prompt: "task:good"}}
  - {{id: bad, prompt: "task:bad"}}
  - {{id: other, prompt: "task:other", changes: any,
      verify: [{{name: v, run: "false"}}]}}
  - {{id: broken, prompt: "task:broken"}}
"""
healed = set()


def model(request):
    task = request.task()
    if task == "broken" and task not in healed:
        return Reply(status=503, error={"error": {"message": "down"}})
    if task == "bad" and task not in healed:
        return Reply(message("I could not"))
    return worker_model(1)(request)


def go_on(out, *words):
    status, text, errors = program("run", "--resume", out, *words)
    return Run(out, status, text + errors)


def count(provider, task):
    return len([1 for request, _ in provider.requests
                if request.task() == task])


with Provider(model) as provider:
    run = nightjar(provider, MANIFEST)
    equal([run.verdict(t) for t in ("good", "bad", "other", "broken")],
          [("passed", "completed"), ("failed", "no_changes"),
           ("failed", "verify"), ("error", "overloaded")], "four endings")
    first = {t: count(provider, t) for t in ("good", "bad", "other", "broken")}

    run = go_on(run.out)
    equal(run.events("task_again")[0]["task"], "broken", "an error is gone on "
          "with, and that is said")
    equal(count(provider, "bad"), first["bad"], "a failure is not")
    run = go_on(run.out, "--retry", "error:network")
    equal(len(run.events("task_again")), 1, "another kind of error")

    run = go_on(run.out, "--retry", "failed:no_changes")
    again = run.events("task_again")
    equal([e["task"] for e in again[1:]], ["bad"], "that failure alone")
    equal((again[1]["why"], again[1]["anew"]), ("retry", True), "from the start")
    equal(run.verdict("bad"), ("failed", "no_changes"), "it fails again")

    healed |= {"bad", "broken"}
    run = go_on(run.out, "--retry", "failed", "--retry", "error")
    equal([run.verdict(t) for t in ("good", "bad", "other", "broken")],
          [("passed", "completed"), ("passed", "completed"),
           ("failed", "verify"), ("passed", "completed")],
          "failures and errors once more")
    equal(run.status, 1, "the run's verdict is by the last")
    before = count(provider, "good")
    equal(before, first["good"], "what passed was never asked again")
    attempts = [e["attempt"] for e in run.events("attempt_started", "bad")]
    equal(attempts, [1, 2, 3], "attempts are counted on")

    run = go_on(run.out, "--rerun", "go*")
    equal(count(provider, "good"), before + 2, "what passed, begun anew")
    equal(run.events("task_again")[-1]["why"], "rerun", "and that is said")
    report = {t["id"]: t for t in run.report()["tasks"]}
    equal(report["good"]["verdict"], "passed", "in the report")

    healed.clear()
    run = go_on(run.out, "--retry", "error")
    broken = count(provider, "broken")
    run = go_on(run.out, "--rerun", "bad")
    equal(count(provider, "broken"), broken, "--rerun leaves the rest alone")
    status, text, errors = program("status", run.out)
    ok("4 of 4 done" in text, "each task is counted once", text)
    for words, part in ((["--rerun", "nobody"], "no task 'nobody'"),
                        (["--retry", "error:nosuch"], "no kind of error"),
                        (["--retry", "passed"], "--retry"),
                        (["--retry", "error:"], "--retry")):
        run2 = go_on(run.out, *words)
        ok(run2.status == 2 and part in run2.text, " ".join(words), run2.text)
    status, text, errors = program("run", "x.yaml", "--rerun", "a")
    ok(status == 2 and "--resume" in errors, "only of a run that was", errors)
done()
