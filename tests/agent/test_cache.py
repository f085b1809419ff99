"""Prefixes and the provider's cache: tasks of one manifest share all but their
own prompt, the first one goes first, and the rest hits what it has filled."""
import subprocess
import threading

from provider import *

TASKS = 100
MANIFEST = """
version: 1
model: {name: m, cache_key_rate: 1000}
run: {jobs: %d}
defaults: {repo: %s, changes: any}
tasks:
  - id: t-{{ matrix.n }}
    matrix: {n: [%s]}
    prompt: "task:t-{{ matrix.n }} look around"
"""
AGENTS = "# How to work here\n\n" + "Keep it simple, and test it.\n" * 300


def model(request):
    step = len(request.outputs())
    if step < 2:
        return Reply(call(f"c{step}", "echo looked"), latency=0.02)
    return Reply(message("Done."), latency=0.02)


def uncached(provider):
    """Uncached input tokens of each task, in the order of first requests."""
    sums = {}
    for request, cached in provider.requests:
        total = provider.cache.chain(request)[-1][1]
        sums[request.task()] = sums.get(request.task(), 0) + total - cached
    return list(sums.values())


def firsts(provider):
    """Uncached and all input tokens of each task's first request."""
    seen = {}
    for request, cached in provider.requests:
        seen.setdefault(request.task(), (
            provider.cache.chain(request)[-1][1] - cached,
            provider.cache.chain(request)[-1][1]))
    return list(seen.values())


work = repository("work", {"a.txt": "a\n", "AGENTS.md": AGENTS})
numbers = ", ".join(str(n) for n in range(TASKS))
with Provider(model) as provider:
    run = nightjar(provider, MANIFEST % (8, work, numbers))
    equal(run.status, 0, "100 tasks, 8 at once: all passed")
    equal(provider.breaks, [], "each request starts with the one before")
    per_task = uncached(provider)
    first, rest = per_task[0], per_task[1:]
    share = sum(rest) / len(rest) / first
    note(f"uncached input tokens: first task {first}, others "
         f"{sum(rest) / len(rest):.0f} each ({share:.1%})")
    ok(share < 0.1, "the others' uncached tokens are under 10 % of the first's",
       first, rest[:20])
    heads = {request.head for request, _ in provider.requests}
    equal(len(heads), 1, "one head, byte for byte, for all requests")
    keys = {request.body["prompt_cache_key"]
            for request, _ in provider.requests}
    equal(len(keys), 1, "one cache key")
    leases = run.events("prefix_leased")
    equal(sorted(e["position"] for e in leases), list(range(TASKS)),
          "each task has its place in the prefix")
    equal(sum(e["leader"] for e in leases), 1, "one goes first")
    report = run.report()
    groups = report["cache"]["prefixes"]
    equal([(g["tasks"], g["prefix"]) for g in groups], [(TASKS, keys.pop())],
          "the report has the prefix")
    equal(groups[0]["input_tokens"], report["usage"]["input_tokens"],
          "with all its tokens")
    ok(len(groups[0]["by_position"]) > 1 and
       groups[0]["by_position"][0]["first_cached_tokens"] == 0 and
       all(p["first_cached_tokens"] > 0.9 * p["first_input_tokens"]
           for p in groups[0]["by_position"][1:]),
       "and what was cached by position", groups[0]["by_position"][:5])

# The same eight tasks in eight runs at once: nothing leases between them.
def misses(provider):
    return sum(part > 0.9 * whole for part, whole in firsts(provider))


eight = ", ".join(str(n) for n in range(8))
with Provider(model) as provider:
    nightjar(provider, MANIFEST % (8, work, eight))
    equal(misses(provider), 1, "of eight at once in one run, one misses")
together = threading.Barrier(8)


def all_at_once(request):
    """No response begins before all eight have asked."""
    if not request.outputs():
        together.wait(60)
    return model(request)


with Provider(all_at_once) as provider:
    runs = [subprocess.Popen(command(provider, MANIFEST % (8, work, str(n)))[0],
                             env=environment(), cwd=FOLDER,
                             stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL) for n in range(8)]
    statuses = [run.wait() for run in runs]
    equal(statuses, [0] * 8, "eight runs")
    equal(misses(provider), 8, "between which there is no lease: all miss")

# A leader whose response never begins does not hold the others for ever; one
# that fails makes room for the next.
failed = []


def first_fails(request):
    if not failed:
        failed.append(request.task())
        return Reply(status=400, error={"error": {"message": "no"}})
    return model(request)


with Provider(first_fails) as provider:
    run = nightjar(provider, MANIFEST % (4, work, "0, 1, 2, 3"))
    verdicts = sorted(run.verdict(f"t-{n}")[0] for n in range(4))
    equal(verdicts, ["error"] + ["passed"] * 3, "the leader's task fails alone")
    equal(sum(e["leader"] for e in run.events("prefix_leased")), 2,
          "and another one leads")

# Spread when more run at once than a key takes.
with Provider(model) as provider:
    run = nightjar(provider, (MANIFEST % (8, work, numbers)).replace(
        "cache_key_rate: 1000", "cache_key_rate: 4"), "--filter", "t-1*")
    keys = {request.body["prompt_cache_key"]
            for request, _ in provider.requests}
    equal(len(keys), 4, "8 at once, 2 requests a minute each: 4 keys of 4")
    equal(len({key.rsplit("-", 1)[0] for key in keys}), 1, "of one prefix")

# The same bytes on another run, from another folder.
with Provider(model) as provider:
    other = repository("elsewhere/deeper", {"a.txt": "a\n",
                                            "AGENTS.md": AGENTS})
    first = nightjar(provider, MANIFEST % (1, work, "0"))
    second = nightjar(provider, MANIFEST % (2, other, "0"))
    bodies = [request.raw for request, _ in provider.requests
              if not request.outputs()]
    equal(len(set(bodies)), 1, "the same first request from everywhere")
clean()
done()
