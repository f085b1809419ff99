"""Faults at every event of every turn's stream, of every kind: the task ends
well or with a typed error, the money is counted, and no call runs twice."""
from provider import *

STEPS = 3
EVENTS = 6  # of a turn: created, two items with two events each, completed
MANIFEST = """
version: 1
model: {name: m, max_retries: %d, idle_timeout: 1s,
        price: {input: 1, cached_input: 0.1, output: 2}}
run: {jobs: 4}
defaults: {repo: %s, verify: ["test $(wc -l <log.txt) = 4"]}
tasks:
%s
"""
TASK = '  - {id: "%s", prompt: "task:%s append"}\n'


def good(request):
    step = len(request.outputs())
    if step < STEPS:
        return Reply(reasoning(f"r{step}"),
                     call(f"c{step}", f"echo line-{step} >>log.txt"))
    return Reply(message("Done."))


class Faulty:
    """Fails once for each task, at the turn that the task's name says."""

    def __init__(self):
        self.lock = threading.Lock()
        self.failed = {}

    def __call__(self, request):
        kind, turn, event = request.task().split(".")
        reply = good(request)
        if len(request.outputs()) != int(turn):
            return reply
        with self.lock:
            times = self.failed.get(request.task(), 0)
            self.failed[request.task()] = times + 1
        if times and kind not in ("fatal", "filter", "quota"):
            return reply
        return getattr(self, kind)(reply, int(event))

    @staticmethod
    def cut(reply, event):
        reply.cut = event
        return reply

    @staticmethod
    def failed_event(reply, event):
        reply.items = reply.items[:event // 2]
        reply.failed = {"code": "server_error", "message": "try later"}
        return reply

    @staticmethod
    def limited(reply, event):
        return Reply(status=429, headers={"Retry-After": "0"}, error={
            "error": {"code": "rate_limit_exceeded", "message": "slow down"}})

    @staticmethod
    def overloaded(reply, event):
        return Reply(status=503, headers={"Retry-After": "0"},
                     error={"error": {"message": "busy"}})

    @staticmethod
    def stall(reply, event):
        reply.stall = event
        return reply

    @staticmethod
    def filter(reply, event):
        reply.incomplete = "content_filter"
        return reply

    @staticmethod
    def short(reply, event):
        """The output limit, which cuts the call off with it."""
        return Reply(message("I was going to"), incomplete="max_output_tokens")

    @staticmethod
    def fatal(reply, event):
        return Reply(status=401, error={"error": {"message": "bad key"}})

    @staticmethod
    def quota(reply, event):
        return Reply(status=429, error={"error": {
            "type": "insufficient_quota", "code": "insufficient_quota",
            "message": "no money"}})


names = [f"cut.{turn}.{event}" for turn in range(STEPS + 1)
         for event in range(EVENTS if turn < STEPS else 4)]
names += [f"failed_event.{turn}.{event}" for turn in range(STEPS + 1)
          for event in (0, 2, 4)]
names += [f"stall.{turn}.{event}" for turn in (0, 2) for event in (1, 3)]
names += [f"{kind}.{turn}.0" for turn in range(STEPS + 1)
          for kind in ("limited", "overloaded", "fatal", "quota", "filter",
                       "short")]
work = repository("work", {"log.txt": "first\n"})
tasks = "".join(TASK % (name, name) for name in names)
wanted = {"fatal": ("error", "authentication"), "quota": ("error", "quota"),
          "filter": ("error", "content")}
with Provider(Faulty()) as provider:
    run = nightjar(provider, MANIFEST % (2, work, tasks))
    served = {}
    for request, _ in provider.requests:
        if request.number in provider.served:
            served[request.task()] = served.get(request.task(), 0) + 1
    for name in names:
        kind = name.split(".")[0]
        equal(run.verdict(name), wanted.get(kind, ("passed", "verified")),
              f"{name}: the verdict")
        if kind in wanted:
            continue
        patch = run.file("tasks", name, "patch.diff")
        equal([patch.count(f"+line-{step}\n") for step in range(STEPS)],
              [1] * STEPS, f"{name}: each call ran once")
        retries = run.events("request_retried", name)
        if kind == "short":
            equal(len(retries), 0, f"{name}: told, not retried")
            continue
        equal(len(retries), 1, f"{name}: one retry")
        began = kind in ("cut", "failed_event", "stall") and \
            not (kind == "cut" and name.endswith(".0"))
        equal(retries[0]["estimated_input_tokens"] > 0, began,
              f"{name}: a response that had begun is counted")
    report = {task["id"]: task for task in run.report()["tasks"]}
    for name in names:
        usage = report[name]["usage"]
        turns = run.events("turn_finished", name)
        retries = run.events("request_retried", name)
        equal(usage["input_tokens"],
              sum(e["input_tokens"] for e in turns) +
              sum(e["estimated_input_tokens"] for e in retries),
              f"{name}: the report has all tokens")
        cost = sum(e["cost_microusd"] for e in turns) + \
            sum(e["cost_microusd"] for e in retries)
        equal(round(usage["cost_usd"] * 1e6), cost,
              f"{name}: and all the money")
    equal(provider.breaks, [], "every request starts with the one before")
    calls = {}
    for request, _ in provider.requests:
        ids = [call_id for call_id, _ in request.outputs()]
        calls[request.task()] = len(ids) == len(set(ids))
    ok(all(calls.values()), "every call has one output")
clean()
done()
