#!/usr/bin/env python3
"""What reviews found in batches: one case each, so that it stays mended."""
import glob
import json
import shutil
import signal
import subprocess
import threading

from batch import *
from provider import nightjar, command, Provider, done, repository

repo = repository("repo", {"a.txt": "a\n", "b.txt": "b\n"})
cache = os.path.join(FOLDER, "cache")
commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=repo,
                        stdout=subprocess.PIPE).stdout.decode().strip()
HEAD = "version: 1\nmodel: {name: m, max_retries: 0}\nrun: {jobs: 4}\n"


def tasks(count, defaults="", task=""):
    return HEAD + f"""defaults: {{repo: {repo}, changes: any{defaults}}}
tasks:
  - id: t-{{{{ matrix.n }}}}
    matrix: {{n: [{", ".join(str(n) for n in range(count))}]}}
    prompt: "task:t-{{{{ matrix.n }}}} go"{task}
"""


def mirror():
    return os.stat(glob.glob(cache + "/*/repository/objects")[0]).st_ino


with Provider(worker_model(1)) as provider:
    run = nightjar(provider, tasks(1), "--cache", cache)
    equal(run.status, 0, "a first run")

    # ---- the remote is gone for a while --------------------------------------
    before = mirror()
    os.rename(repo, repo + ".away")
    run = nightjar(provider, tasks(1), "--cache", cache)
    equal(run.status, 3, "a remote that is not there")
    run = nightjar(provider, tasks(2, f", ref: {commit}"), "--cache", cache)
    equal(run.status, 0, "takes nothing from the cache", run.text)
    os.rename(repo + ".away", repo)
    equal(mirror(), before, "the mirror is the same")

    # ---- faults that are no damage -------------------------------------------
    run = nightjar(provider, tasks(3, ", directory: nowhere"), "--cache", cache)
    equal({run.verdict(f"t-{n}") for n in range(3)}, {("error", "repository")},
          "a directory that is not there")
    equal(mirror(), before, "is no reason to fetch again")
    equal(glob.glob(cache + "/*/damaged-*"), [], "nothing was set aside")

    # ---- damage without a list of refs ---------------------------------------
    for path in glob.glob(cache + "/*/checkouts"):
        shutil.rmtree(path)
    os.remove(glob.glob(cache + "/*/refs.json")[0])
    for pack in glob.glob(cache + "/*/repository/objects/pack/*"):
        os.remove(pack)
    run = nightjar(provider, tasks(3), "--cache", cache)
    equal(run.status, 0, "objects and the list of refs are gone", run.text)

    # ---- a checkout that was changed -----------------------------------------
    path = glob.glob(cache + "/*/checkouts/*/a.txt")[0]
    os.truncate(path, 0)
    run = nightjar(provider, tasks(3, task="\n    verify: [{name: v, run: "
                                           "test -s a.txt}]"),
                   "--cache", cache)
    equal(run.status, 0, "a file of a checkout that was emptied", run.text)

    # ---- umask ---------------------------------------------------------------
    for mask in (0o002, 0o077):
        old = os.umask(mask)
        run = nightjar(provider, tasks(1), "--cache",
                       os.path.join(FOLDER, f"cache-{mask}"))
        os.umask(old)
        equal(run.status, 0, f"umask {mask:o}", run.text)

    # ---- another file system -------------------------------------------------
    if os.stat("/dev/shm").st_dev != os.stat(FOLDER).st_dev:
        far = f"/dev/shm/nightjar-test-{os.getpid()}"
        try:
            run = nightjar(provider, tasks(1, ", sandbox: {overlay: false}"),
                           "--cache", far)
            equal(run.status, 0, "a cache on another file system", run.text)
            run = nightjar(provider, tasks(1), "--cache", far)
            equal(run.status, 0, "with overlays, too", run.text)
            status, text, errors = program("merge", run.out, "-o",
                                           os.path.join(far, "merged"))
            equal(status, 0, "merge between file systems", errors)
        finally:
            shutil.rmtree(far, ignore_errors=True)

# ---- a branch that moves while a run is at work ------------------------------
moved = []


def mover(request):
    """Before the first task ends, the branch moves and another run fetches."""
    if request.task() == "t-0" and not moved:
        moved.append(1)
        write("repo/new.txt", "new\n")
        git("add", "-A", cwd=repo)
        git("commit", "-qm", "two", cwd=repo)
        with Provider(worker_model(0)) as other:
            nightjar(other, tasks(1), "--cache", cache)
    if request.task() == "t-3" and len(moved) == 1:
        moved.append(2)
        return Reply(status=400, error={"error": {"message": "no"}})
    return worker_model(0)(request)


with Provider(mover) as provider:
    run = nightjar(provider, tasks(6).replace("jobs: 4",
                                              "jobs: 1, fail_fast: true"),
                   "--cache", cache)
    status, text, errors = program("run", "--resume", run.out, "--cache", cache)
    run = Run(run.out, status, text + errors)
    equal(len(run.events("task_finished", "t-5")), 2, "it is gone on with")
    equal(len({e["commit"] for e in run.events("repository_ready")}), 1,
          "all tasks of a run have one commit")

# ---- names of folders from elsewhere -----------------------------------------
with Provider(worker_model(0)) as provider:
    run = nightjar(provider, tasks(1))
    journal = run.file("journal.jsonl")
    for evil in ("../../evil", "..", "a/b"):
        part = os.path.join(FOLDER, "part")
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(run.out, part)
        with open(os.path.join(part, "journal.jsonl"), "w") as file:
            file.write(journal.replace('"t-0"', json.dumps(evil)))
        out = os.path.join(FOLDER, "w", "merged")
        shutil.rmtree(os.path.join(FOLDER, "w"), ignore_errors=True)
        status, text, errors = program("merge", part, "-o", out)
        ok(not os.path.exists(os.path.join(FOLDER, "evil")) and
           not os.path.exists(os.path.join(FOLDER, "w", "evil")),
           f"a task called {evil!r} writes nowhere else", errors)
        ok(status != 0, f"and {evil!r} is refused", status)

    # ---- budgets of what is tried again --------------------------------------
    run = nightjar(provider, tasks(1, ", budget: {turns: 1}").replace(
        "go", "go on"))
with Provider(worker_model(3)) as provider:
    run = nightjar(provider, tasks(1, ", budget: {turns: 2}"))
    equal(run.verdict("t-0"), ("failed", "budget"), "a budget that is spent")
    before = len(provider.requests)
    program("run", "--resume", run.out, "--retry", "failed")
    equal(len(provider.requests), before + 2, "a fresh attempt has all of it")

    # ---- records that have changed -------------------------------------------
    write("items.jsonl", json.dumps({"n": 1, "body": "one\ntwo\n" * 50}) + "\n")
    run = nightjar(provider, HEAD + f"""tasks:
  - id: t-{{{{ item.n }}}}
    for: {{items: items.jsonl}}
    repo: {repo}
    prompt: "{{{{ item.body }}}}"
""")
    write("items.jsonl", json.dumps({"n": 1, "body": "one\ntwo\n" * 51}) + "\n")
    status, text, errors = program("run", "--resume", run.out, "--rerun", "*")
    ok(status == 2 and "says something else" in errors,
       "a run does not go on with other records", status, errors)
    write("items.jsonl", json.dumps({"x" * 300: 1}) + "\n")
    status, text, errors = program("check", write("m.yaml", HEAD + f"""tasks:
  - {{id: a, repo: {repo}, prompt: p, for: {{items: items.jsonl}}}}
"""))
    ok(status == 2 and "field name of more than" in errors,
       "a field name that is too long for a file", errors)

# ---- tasks that only answer, and ones that change nothing ---------------------
with Provider(worker_model(0)) as provider:
    for tools in ("[]", "[plan]", "[exec]"):
        run = nightjar(provider, tasks(2, f", tools: {tools}", """
    verify: [{name: v, run: "test -s a.txt && git diff --quiet HEAD"}]"""))
        equal([run.verdict(f"t-{n}") for n in (0, 1)],
              [("passed", "verified")] * 2, f"tools: {tools}", run.text)
        equal(set(patches(run.out).values()), {""}, "an empty patch")
        opened = [e["purpose"] for e in run.events("sandbox_ready", "t-0")]
        equal(opened, ["verify"] if "exec" not in tools else
              ["agent", "verify"], "no sandbox without a use")

# ---- logs of a run that was killed -------------------------------------------
held = threading.Event()


def stuck(request):
    held.set()
    threading.Event().wait(60)


with Provider(stuck) as provider:
    words, out = command(provider, tasks(1))
    child = subprocess.Popen(words, env=environment(), cwd=FOLDER,
                             stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
    held.wait(60)
    follower = subprocess.Popen([NIGHTJAR, "logs", out, "t-0", "--follow"],
                                env=environment(), stdout=subprocess.DEVNULL)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    equal(follower.wait(120), 0, "logs --follow of a run that was killed ends")
done()
