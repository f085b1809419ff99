#!/usr/bin/env python3
"""In which order and how fast: priorities, the pilot, one server for all, one
host of repositories, limits of the run."""
import json
import subprocess
import threading
import time

from batch import *
from provider import nightjar, command, Provider, done, repository

repo = repository("repo", {"a.txt": "a\n"})


def manifest(count, run="jobs: 16", model="", extra="", task=""):
    return f"""version: 1
model: {{name: m{model}}}
run: {{{run}}}
defaults: {{repo: {repo}, changes: any{task}}}
tasks:
  - id: t-{{{{ matrix.n }}}}
    matrix: {{n: [{", ".join(str(n) for n in range(count))}]}}
    prompt: "task:t-{{{{ matrix.n }}}} go"
{extra}"""


def started(run):
    return [event["task"] for event in run.events("task_started")]


# ---- order -------------------------------------------------------------------
with Provider(worker_model(0)) as provider:
    run = nightjar(provider, manifest(3, "jobs: 1", extra="""
  - {id: urgent, prompt: "task:urgent", priority: 10}
  - {id: last, prompt: "task:last", priority: 1}
"""))
    equal(started(run), ["urgent", "last", "t-0", "t-1", "t-2"],
          "higher priorities start first, else the plan's order")
    report = [test["id"] for test in run.report()["tasks"]]
    equal(report, ["t-0", "t-1", "t-2", "urgent", "last"],
          "reports have the plan's order")

# ---- pilot -------------------------------------------------------------------
PRICE = ", price: {input: 1000, output: 1000}"
with Provider(worker_model(0)) as provider:
    run = nightjar(provider, manifest(20, "jobs: 8, pilot: 4", PRICE))
    equal(started(run)[:4], ["t-0", "t-5", "t-10", "t-15"],
          "the pilot is spread over the plan")
    kinds = [event["type"] for event in run.events()
             if event["type"] in ("task_finished", "task_started",
                                  "pilot_finished")]
    at = kinds.index("pilot_finished")
    equal(kinds[:at].count("task_started"), 4, "it goes alone")
    equal(kinds[:at].count("task_finished"), 4, "to its end")
    pilot = run.events("pilot_finished")[0]
    cost = run.report()["usage"]["cost_microusd"] if "cost_microusd" in \
        run.report().get("usage", {}) else None
    total = sum(event["cost_microusd"] for event in run.events("turn_finished"))
    equal(pilot["passed"], 4, "what became of it")
    ok(pilot["cost_low_microusd"] <= total <= pilot["cost_high_microusd"] or
       abs(pilot["cost_microusd"] - total) <= total * 0.05,
       "what it makes one expect", pilot, total)
    ok("pilot: 4 of 4 tasks passed; of all 20 expect 51 % to 100 %" in run.text,
       "and that is told", run.text)

# ---- one server --------------------------------------------------------------
counter = {"now": 0, "most": 0}


def counted(request):
    with lock:
        counter["now"] += 1
        counter["most"] = max(counter.values())
    time.sleep(0.05)
    with lock:
        counter["now"] -= 1
    return worker_model(2)(request)


lock = threading.Lock()
with Provider(counted) as provider:
    run = nightjar(provider, manifest(30, model=", requests: 3"))
    equal(run.status, 0, "30 tasks")
    ok(1 < counter["most"] <= 3, "three requests at once", counter)

moments = []


def limited(request):
    """Says "too fast" to everything for a while after the tenth request."""
    with lock:
        moments.append(time.monotonic())
        count = len(moments)
    if state["until"] is None and count >= 20:
        state["until"] = time.monotonic() + 1.0
        state["first"] = count
    if state["until"] and time.monotonic() < state["until"]:
        state["refused"] += 1
        return Reply(status=429, headers={"Retry-After": "1"},
                     error={"error": {"type": "rate_limit_error",
                                      "message": "slow down"}})
    return worker_model(3, latency=0.1)(request)


state = {"until": None, "refused": 0, "first": 0}
with Provider(limited) as provider:
    run = nightjar(provider, manifest(32, "jobs: 32"))
    equal(run.status, 0, "a server that says too fast: all pass", run.text)
    ok(state["refused"] <= 32, "each task hears it once at most: one answer "
       "slows all down", state)
    retries = run.events("request_retried")
    equal(len(retries), state["refused"], "no task asks again while it lasts")
    after = [moment for moment in moments if moment >= state["until"]]
    # Not all at once, however slow this machine is: at any moment of the
    # first half second, fewer are out than there were.
    equal(len(provider.requests), 32 * 4 + state["refused"],
          "nothing is asked twice but what was refused")

with Provider(worker_model(1)) as provider:
    run = nightjar(provider, manifest(8, model=", tokens_per_minute: 600k, "
                                               "requests_per_minute: 6000"))
    equal(run.status, 0, "rates that are wide enough")

# ---- limits of the run -------------------------------------------------------
def half(request):
    number = int(request.task().split("-")[1])
    if number % 2:
        return Reply(status=400, error={"error": {"message": "no"}})
    return Reply(message("done"))


with Provider(half) as provider:
    run = nightjar(provider, manifest(40, "jobs: 1, failures: 10%"))
    equal(run.status, 4, "a hopeless run is stopped")
    verdicts = [event["verdict"] for event in run.events("task_finished")]
    equal(verdicts.count("error"), 5, "by the fifth of forty")
    equal(verdicts.count("skipped"), 30, "the rest is not begun")
    run = nightjar(provider, manifest(10, "jobs: 1, fail_fast: true"))
    equal([event["verdict"] for event in run.events("task_finished")][:2],
          ["passed", "error"], "fail_fast")

# ---- a host of repositories --------------------------------------------------
class Slow(threading.Thread):
    """Answers nothing useful, and counts who asks at once."""

    def __init__(self):
        import http.server
        super().__init__(daemon=True)
        outer = self
        self.now, self.most, self.lock = 0, 0, threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *args):
                pass

            def do_GET(self):
                with outer.lock:
                    outer.now += 1
                    outer.most = max(outer.now, outer.most)
                time.sleep(0.3)
                with outer.lock:
                    outer.now -= 1
                self.send_error(404)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.start()

    def run(self):
        self.server.serve_forever()


host = Slow()
with Provider(worker_model(0)) as provider:
    run = nightjar(provider, f"""version: 1
model: {{name: m}}
run: {{jobs: 12, clones_per_host: 2}}
tasks:
  - id: t-{{{{ matrix.n }}}}
    matrix: {{n: [{", ".join(str(n) for n in range(12))}]}}
    repo: http://127.0.0.1:{host.server.server_port}/r{{{{ matrix.n }}}}.git
    prompt: p
""")
    equal(run.status, 3, "none of them is there")
    ok(1 <= host.most <= 2, "two fetches at once of one host", host.most)
    equal(len(run.events("task_finished")), 12, "all are told")
done()
