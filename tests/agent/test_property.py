"""Generated conversations: whatever the model and the network do, each request
starts with the one before it (but behind a compaction), each call has exactly
one output, in order, and 1,000 turns are no more than 1,000 times one."""
import os
import random
import resource

from provider import *

SEED = int(os.environ.get("PROPERTY_SEED", "1"))
TASKS = int(os.environ.get("PROPERTY_TASKS", "8"))
MANIFEST = """
version: 1
model: {name: m, max_retries: 6, context_window: %s, compaction: %s,
        price: {input: 1, cached_input: 0.1, output: 2}}
run: {jobs: 8}
defaults:
  repo: %s
  changes: any
  timeout: 9m
  budget: {turns: 2000}
  policy: {approve: [{tool: exec, argv: [curl, "*"], decision: deny}]}
tasks:
%s
"""
TASK = '  - {id: "%s", prompt: "task:%s go on"}\n'


class Generator:
    """A conversation that is drawn from the task's name and its length, so
    that what is asked again is answered again."""

    def __init__(self, turns, faults=True):
        self.turns, self.faults = turns, faults
        self.asked = {}
        self.count = {}
        self.lock = threading.Lock()

    def one_call(self, draw, name):
        return draw.choice((
            lambda: call(name, f"echo {draw.random()}"),
            lambda: call(name, "exit 3"),
            lambda: call(name, "curl http://example.com"),
            lambda: call(name, f"seq 1 {draw.randint(1, 900)}"),
            lambda: call(name, "printf '\\377\\000\\033[1mx'"),
            lambda: call(name, "cat", tty=True, yield_time_ms=250)
            if draw.random() < 0.05 else call(name, "true"),
            lambda: custom(name, "apply_patch",
                           "*** Begin Patch\n*** Add File: f%d.txt\n+x\n"
                           "*** End Patch\n" % draw.randint(0, 9)),
            lambda: custom(name, "apply_patch", "nonsense"),
            lambda: function(name, "exec_command", "{\"cmd\":"),
            lambda: function(name, "exec_command", {"cmd": 7}),
            lambda: function(name, "read_file", {"file_path": "a.txt"}),
            lambda: function(name, "list_dir", {}),
            lambda: function(name, "update_plan", {"plan": [
                {"step": "s", "status": "pending"}]}),
            lambda: function(name, "no_such_tool", {}),
            lambda: function(name, "write_stdin", {"session_id": 99}),
        ))()

    def __call__(self, request):
        task = request.task()
        if request.path.endswith("/compact"):
            return Reply({"type": "compaction", "encrypted_content": "sealed"})
        if "your successor" in json.dumps(request.items[-1]):
            return Reply(message("What was done so far."))
        with self.lock:
            tries = self.asked.get(request.input, 0)
            self.asked[request.input] = tries + 1
            if not tries:
                self.count[task] = self.count.get(task, 0) + 1
            turn = self.count[task]
        draw = random.Random(f"{SEED} {task} {turn}")
        if turn > self.turns:
            return Reply(message("Done."))
        items = []
        if draw.random() < 0.5:
            items.append(reasoning("r" * draw.randint(1, 300)))
        if draw.random() < 0.3:
            items.append(message("On it.", "commentary"))
        for index in range(draw.choice((1, 1, 1, 2, 5)) if turn % 6 else 0):
            items.append(self.one_call(draw, f"c{turn}-{index}"))
        reply = Reply(*items)
        if self.faults and tries < 2 and draw.random() < 0.06:
            fault = draw.choice(("cut", "failed", "busy"))
            if fault == "cut":
                reply.cut = draw.randint(0, 2 * len(items) + 1)
            elif fault == "failed":
                reply.failed = {"code": "server_error", "message": "again"}
            else:
                return Reply(status=503, headers={"Retry-After": "0"},
                             error={"error": {"message": "busy"}})
        return reply


def check_items(request):
    """"" or what is wrong with a request's calls and outputs."""
    open_calls = []
    for item in request.items:
        kind = item["type"]
        if kind in ("function_call", "custom_tool_call"):
            open_calls.append(item["call_id"])
        elif kind.endswith("_call_output"):
            if not open_calls or open_calls.pop(0) != item["call_id"]:
                return f"output of {item['call_id']} is out of place"
        elif kind == "message" and item["role"] != "assistant" and open_calls:
            return "a message between calls and their outputs"
    return f"no output of {open_calls}" if open_calls else ""


def go(generator, window, compaction, names):
    tasks = "".join(TASK % (name, name) for name in names)
    with Provider(generator, cache=len(names) > 1) as provider:
        run = nightjar(provider, MANIFEST % (window, compaction, work, tasks))
        return run, provider


work = repository("work", {"a.txt": "alpha\n"})
for window, compaction in (("1M", "summary"), ("5000", "summary"),
                           ("4500", "auto")):
    names = [f"t{n}" for n in range(TASKS)]
    run, provider = go(Generator(24), window, compaction, names)
    ends = {run.verdict(name) for name in names}
    ok(ends <= {("passed", "completed"), ("failed", "no_message")},
       f"window {window}: every task ends as it should", ends, run.text[-500:])
    wrong = {check_items(request) for request, _ in provider.requests} - {""}
    equal(wrong, set(), f"window {window}: each call has one output, in order")
    fits_schema(provider, f"window {window}")
    compacted = len(run.events("compacted"))
    ok((compacted >= TASKS) == (window != "1M"),
       f"window {window}: {compacted} compactions")
    # A compaction and what follows it are two requests that are no extension.
    allowed = 3 * compacted
    ok(len(provider.breaks) <= allowed and
       (compacted or not provider.breaks),
       f"window {window}: prefixes break there alone", provider.breaks[:5])
    equal(len(run.events("prefix_broken")), compacted,
          f"window {window}: and are told")

figures = []
for turns in (250, 1000):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run, provider = go(Generator(turns, faults=False), "10M", "summary",
                       [f"long{turns}"])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = (after.ru_utime + after.ru_stime -
            before.ru_utime - before.ru_stime)
    equal(run.status, 0, f"{turns} turns: completed")
    equal({check_items(request) for request, _ in provider.requests}, {""},
          f"{turns} turns: each call has one output")
    equal(provider.breaks, [], f"{turns} turns: one prefix all along")
    figures.append(used)
    note(f"{turns} turns: {used:.2f} s of processor time with all commands, "
         f"{max(len(r.raw) for r, _ in provider.requests)} bytes at the end")
note(f"1,000 turns take {figures[1] / figures[0]:.1f} times what 250 do")
clean()
done()
