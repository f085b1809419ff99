"""Compaction: near the window and at its end, by endpoint, trigger and
summary; what is kept; too long to be compacted; in a circle."""
from provider import *

MANIFEST = """
version: 1
model: {name: m, provider: %s, max_retries: 0, %s
        price: {input: 1, cached_input: 0.1, output: 2}}
tasks:
  - id: t
    repo: %s
    prompt: "task:t work for long"
    changes: any
    policy: {patch: {protect: ["secret/**"]}}
    budget: {turns: 200}
"""
BIG = "seq 1 1500"  # some 7 kB of output


class Worker:
    """Calls BIG so often; compacts as it is asked to."""

    def __init__(self, steps=12, window=0, forms=("endpoint",), summary="",
                 reply_bytes=0):
        self.steps, self.window = steps, window
        self.forms, self.summary = forms, summary
        self.done = 0
        self.compactions = []
        self.overflows = 0

    def size(self, request):
        return tokens(json.dumps(request.items).encode())

    def compaction(self, request):
        last = request.items[-1]
        if request.path.endswith("/compact"):
            return "endpoint"
        if last["type"] == "compaction_trigger":
            return "trigger"
        if "your successor" in json.dumps(last):
            return "summary"
        return None

    def __call__(self, request):
        form = self.compaction(request)
        if self.window and self.size(request) > self.window:
            self.overflows += 1
            return Reply(status=400, error={"error": {
                "type": "invalid_request_error", "param": "input",
                "code": "context_length_exceeded",
                "message": "too long for the window"}})
        if form:
            if form not in self.forms and form != "summary":
                return Reply(status=404, error={"error": {"message": "none"}})
            self.compactions.append((form, request))
            if form == "summary":
                return Reply(message(self.summary or "I did things."))
            return Reply({"type": "compaction", "id": "cmp_1",
                          "encrypted_content": "sealed" * 20})
        if self.done < self.steps:
            self.done += 1
            if self.done == 1:
                return Reply(function("plan", "update_plan", {"plan": [
                    {"step": "count a lot", "status": "in_progress"}]}))
            return Reply(reasoning(), call(f"c{self.done}", BIG))
        return Reply(message("Done."))


work = repository("work", {"a.txt": "a\n"})


def go(worker, settings, provider_name="openai", status=0):
    with Provider(worker) as provider:
        text = MANIFEST % (provider_name, settings, work)
        if provider_name == "compatible":
            text = text.replace("provider: compatible,",
                                "provider: compatible, key_env: OPENAI_API_KEY,"
                                f" base_url: '{provider.url}',")
        run = nightjar(provider, text)
        equal(run.status, status, f"{settings}: exit status")
        return run, provider


def check_after(provider, worker, name):
    """The first request behind a compaction."""
    form, compaction = worker.compactions[0]
    after = next(request for request, _ in
                 provider.requests[compaction.number + 1:]
                 if not worker.compaction(request))
    first = provider.requests[0][0]
    ok(after.raw.startswith(first.input[:1]) or
       after.input.startswith(first.input),
       f"{name}: behind the whole prefix")
    text = json.dumps(after.items)
    ok("count a lot" in text, f"{name}: the plan is said again")
    ok("Must not be changed: secret/**" in
       json.dumps(after.items[len(first.items):]),
       f"{name}: so is what must not be changed")
    ok(worker.size(after) < worker.size(compaction) / 3,
       f"{name}: and it is short", worker.size(after), worker.size(compaction))
    return after


for settings, forms, wanted in (
        ("", ("endpoint",), "endpoint"),
        ("compaction: trigger,", ("trigger",), "trigger"),
        ("compaction: summary,", (), "summary"),
        ("", (), "summary")):
    worker = Worker(forms=forms, summary="SUMMARY of the work")
    run, provider = go(worker, f"context_window: 20000, {settings}")
    events = run.events("compacted")
    ok(len(events) >= 1 and {e["form"] for e in events} == {wanted},
       f"compacted by {wanted}", events)
    ok(all(e["tokens_before"] >= 18000 and e["reason"] == "threshold" and
           e["tokens_after"] < 5000 for e in events), "at 90 % of the window",
       events)
    after = check_after(provider, worker, wanted)
    fits_schema(provider, wanted, most=1000)
    ok(("SUMMARY of the work" if wanted == "summary" else "sealed") in
       json.dumps(after.items), f"{wanted}: with what it came to")
    usage = run.report()["usage"]
    equal(usage["compactions"]["count"], len(events), "it is counted")
    ok(usage["compactions"]["tokens"] > 15000 and
       usage["compactions"]["cost_usd"] > 0, "and priced", usage)
    equal(len(run.events("prefix_broken")), len(events), "a broken prefix each")
    equal(len(provider.breaks) <= 3 * len(events), True,
          "and no other one breaks")

# Another model writes the summary.
worker = Worker(forms=())
run, provider = go(worker, "context_window: 20000, compaction: summary, "
                   "compaction_model: small, compaction_price: "
                   "{input: 0.1, output: 0.2},")
equal({request.body["model"] for _, request in worker.compactions}, {"small"},
      "another model")
ok("tools" not in worker.compactions[0][1].body and
   not any(item["type"] == "reasoning"
           for item in worker.compactions[0][1].items),
   "without tools, and without what is sealed for the first one")

# The server knows the window better than the manifest.
worker = Worker(window=15000)
run, provider = go(worker, "context_window: 1M,")
events = run.events("compacted")
ok(events and {e["reason"] for e in events} == {"context_length"},
   "at the server's word", events)
ok(worker.overflows > len(events),
   "one that is itself too long leaves out the oldest", worker.overflows)
ids = [item["call_id"] for _, request in worker.compactions
       for item in request.items if item["type"] == "function_call"]
outputs = [item["call_id"] for _, request in worker.compactions
           for item in request.items if item["type"].endswith("_output")]
equal(ids, outputs, "and no call loses its output")

# Compacting that does not help ends as what it is.
worker = Worker(steps=200, forms=(), summary="x" * 70000)
run, provider = go(worker, "context_window: 16000, compaction: summary,",
                   status=3)
equal(run.verdict("t"), ("error", "context_length"), "in a circle: typed")
ok(len(run.events("compacted")) <= 5, "soon", run.events("compacted"))
worker = Worker(window=500)
run, provider = go(worker, "", status=3)
equal(run.verdict("t"), ("error", "context_length"),
      "a first request that does not fit: typed")
equal(len(provider.requests), 1, "and asked once")

# Another server: no endpoint is tried.
worker = Worker(forms=("endpoint",))
run, provider = go(worker, "context_window: 20000,", "compatible")
equal({form for form, _ in worker.compactions}, {"summary"},
      "a compatible server: a summary")
clean()
done()
