"""Budgets: no cap is passed, at any concurrency; near one the agent is told;
at one the work is landed."""
from provider import *

MANIFEST = """
version: 1
model: {name: m, max_retries: 0, cache_key_rate: 1000,
        price: {input: 1, cached_input: 1, output: 10}}
run: {jobs: %d%s}
defaults: {repo: %s, changes: any, verify: ["test -e made.txt"]}
tasks:
  - {id: "t{{ matrix.n }}", matrix: {n: [%s]}, prompt: "task:t{{ matrix.n }} go", budget: {%s}}
"""
work = repository("work", {"a.txt": "a\n"})


def endless(request):
    """Works for ever, in many words, as far as it may speak."""
    most = request.body.get("max_output_tokens", 400)
    words = "word " * min(most // 2, 300)
    return Reply(reasoning(words), call(f"c{len(request.outputs())}",
                                        "echo x >>made.txt"), latency=0.005)


def go(budget, run_budget="", jobs=1, tasks=1, model=endless):
    numbers = ", ".join(str(n) for n in range(tasks))
    with Provider(model) as provider:
        run = nightjar(provider, MANIFEST % (jobs, run_budget, work, numbers,
                                             budget))
        return run, provider


def spent(run):
    usage = run.report()["usage"]
    return usage["input_tokens"], usage["output_tokens"], usage["cost_usd"]


for budget, index, cap in (("input_tokens: 30k", 0, 30000),
                           ("output_tokens: 3k", 1, 3000),
                           ("cost_usd: 0.05", 2, 0.05)):
    run, provider = go(budget + ", turns: 1000")
    equal(run.status, 1, f"{budget}: failed")
    equal(run.verdict("t0"), ("failed", "budget"), f"{budget}: by its budget")
    used = spent(run)[index]
    ok(cap * 0.5 < used <= cap, f"{budget}: most of it is used, and no more",
       used)
    ok("passes its checks" in run.text or "passes its checks" in
       run.file("reports", "report.json"), f"{budget}: the work is checked")
    ok("made.txt" in run.file("tasks", "t0", "patch.diff"),
       f"{budget}: and kept")
    told = [text for request, _ in provider.requests
            for text in request.texts("user") if "Most of your budget" in text]
    ok(told and max(sum("Most of your budget" in text for text in
                        request.texts("user"))
                    for request, _ in provider.requests) == 1,
       f"{budget}: the agent is told, once", told[:2])
run, provider = go("turns: 5")
equal(len(provider.requests), 5, "turns: so many requests")
equal(run.verdict("t0"), ("failed", "budget"), "turns: by its budget")

# Of the run, at several tasks at once.
for run_budget, index, cap in ((", budget: {tokens: 120k}", None, 120000),
                               (", budget: {cost_usd: 0.2}", 2, 0.2)):
    run, provider = go("turns: 1000", run_budget, jobs=8, tasks=12)
    equal(run.status, 4, f"run {run_budget}: a limit of the run")
    used = spent(run)
    used = used[index] if index is not None else used[0] + used[1]
    ok(cap * 0.3 < used <= cap, f"run {run_budget}: never more", used)
    verdicts = {run.verdict(f"t{n}") for n in range(12)}
    equal(verdicts, {("skipped", "run_budget")}, f"run {run_budget}: told so")
    ok(any("made.txt" in run.file("tasks", f"t{n}", "patch.diff")
           for n in range(8)), f"run {run_budget}: work is kept")
    ok(any("passes its checks" in event["message"] for event in
           run.events("task_finished")), f"run {run_budget}: and checked")

# A price that is not known cannot be held: nothing is asked.
with Provider(endless) as provider:
    text = MANIFEST % (1, "", work, "0", "cost_usd: 1")
    run = nightjar(provider, text.replace(
        "price: {input: 1, cached_input: 1, output: 10}", "key_env: "
        "OPENAI_API_KEY"))
    equal(run.verdict("t0"), ("failed", "budget"), "no price: no request")
    equal(len(provider.requests), 0, "none at all")
    ok("price" in run.text, "and why", run.text)


# What broke off is counted against the cap as well.
class Broken:
    def __init__(self):
        self.calls = 0

    def __call__(self, request):
        self.calls += 1
        reply = endless(request)
        if self.calls % 2:
            reply.cut = 2
        return reply


with Provider(Broken()) as provider:
    text = MANIFEST % (1, "", work, "0", "input_tokens: 30k, turns: 1000")
    run = nightjar(provider, text.replace("max_retries: 0", "max_retries: 3"))
    used = run.report()["usage"]
    ok(used["input_tokens"] <= 30000 and used["estimated_tokens"] > 1000,
       "broken responses count", used)
clean()
done()
