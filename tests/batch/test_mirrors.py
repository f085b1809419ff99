#!/usr/bin/env python3
"""The cache of repositories: one fetch however many ask, for runs and
processes too; what is damaged is made again; what is too much is removed,
never what is in use; nothing of it can be written from a sandbox."""
import glob
import shutil
import signal
import subprocess
import threading
import time

from batch import *
from provider import nightjar, command, Provider, done, note, repository, resume

repo = repository("repo", {"a.txt": "a\n"})
cache = os.path.join(FOLDER, "cache")
HEAD = "version: 1\nmodel: {name: m}\nrun: {jobs: 16}\n"


def tasks(count, **more):
    keys = "".join(f", {key}: {value}" for key, value in more.items())
    return HEAD + f"""defaults: {{repo: {repo}, changes: any{keys}}}
tasks:
  - id: t-{{{{ matrix.n }}}}
    matrix: {{n: [{", ".join(str(n) for n in range(count))}]}}
    prompt: "task:t-{{{{ matrix.n }}}} go"
"""


def fetched(run):
    return sum(event["fetched"] for event in run.events("repository_ready"))


def entry():
    return glob.glob(cache + "/" + "[0-9a-f]" * 40)[0]


def objects():
    return sum(len(files) for _, _, files in os.walk(
        os.path.join(entry(), "repository", "objects")))


with Provider(worker_model(1)) as provider:
    # ---- one fetch -----------------------------------------------------------
    run = nightjar(provider, tasks(60), "--cache", cache)
    equal(run.status, 0, "60 tasks pass")
    equal(fetched(run), 1, "60 tasks, one fetch")
    equal(len(glob.glob(entry() + "/checkouts/" + "[0-9a-f]" * 40)), 1,
          "and one checkout")
    before = objects()
    run = nightjar(provider, tasks(3), "--cache", cache)
    equal(fetched(run), 1, "the next run looks whether the branch has moved")
    run = nightjar(provider, tasks(3, fetch_age="1h"), "--cache", cache)
    equal(fetched(run), 0, "unless what is there is new enough")
    equal(objects(), before, "patches of tasks leave nothing in the cache")

    # ---- it has moved --------------------------------------------------------
    write("repo/b.txt", "b\n")
    git("add", "-A", cwd=repo)
    git("commit", "-qm", "two", cwd=repo)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=repo,
                            stdout=subprocess.PIPE).stdout.decode().strip()
    run = nightjar(provider, tasks(2), "--cache", cache)
    equal({e["commit"] for e in run.events("repository_ready")}, {commit},
          "a new run has the new commit")
    run = nightjar(provider, tasks(2, ref=commit), "--cache", cache)
    equal(fetched(run), 0, "a commit that is there is not fetched")

    # ---- two processes -------------------------------------------------------
    shutil.rmtree(cache)
    runs = []
    threads = [threading.Thread(target=lambda: runs.append(nightjar(
        provider, tasks(8, fetch_age="1h"), "--cache", cache)))
        for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal([run.status for run in runs], [0, 0, 0], "three runs at once")
    equal(sum(fetched(run) for run in runs), 1, "one fetch for all of them")

    # ---- an owner that died, and one that hangs -------------------------------
    lock = os.path.join(entry(), "lock")
    with open(lock, "w") as file:
        file.write("999999 1\n")
    run = nightjar(provider, tasks(2), "--cache", cache)
    equal(run.status, 0, "who died holds nothing")
    holder = subprocess.Popen(
        ["flock", "-x", lock, "-c", f"echo '4242 1' >{lock}; echo; cat"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    holder.stdout.readline()
    run = nightjar(provider, tasks(2), "--cache", cache)
    equal(run.status, 0, "one whose time is over is not waited for")
    holder.communicate(b"")
    holder = subprocess.Popen(
        ["flock", "-x", lock, "-c", f"echo '4242 99999999999' >{lock}; echo; "
         "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    holder.stdout.readline()
    run = nightjar(provider, tasks(1, timeout="2s"), "--cache", cache)
    holder.communicate(b"")
    equal(run.verdict("t-0"), ("error", "timeout"), "one at work is waited for")
    ok("4242" in run.text, "and named", run.text)

    # ---- damage --------------------------------------------------------------
    def damaged(what, name, **more):
        for path in glob.glob(cache + "/*/checkouts"):
            shutil.rmtree(path)
        what()
        run = nightjar(provider, tasks(4, **more), "--cache", cache)
        ok(run.status == 0, name, run.text)

    pack = lambda: glob.glob(entry() + "/repository/objects/pack/*.pack")[0]

    def flip(path):
        os.chmod(path, 0o644)
        with open(path, "r+b") as file:
            file.seek(os.path.getsize(path) // 2)
            byte = file.read(4)
            file.seek(-4, 1)
            file.write(bytes(b ^ 0xFF for b in byte))

    damaged(lambda: flip(pack()), "bytes that have changed", fetch_age="1h")
    damaged(lambda: os.truncate(pack(), 10), "a pack that is cut",
            fetch_age="1h")
    damaged(lambda: os.remove(pack()), "a pack that is gone", fetch_age="1h")
    damaged(lambda: os.remove(entry() + "/repository/HEAD"),
            "no repository any more")
    damaged(lambda: write(entry() + "/repository/refs/nightjar.lock", ""),
            "what a fetch left that was killed")
    damaged(lambda: write(entry() + "/refs.json", "{"), "half a list of refs",
            fetch_age="1h")
    shutil.rmtree(entry() + "/repository/refs")
    damaged(lambda: None, "no refs")

    # ---- what a sandbox can do to it -----------------------------------------
with Provider(worker_model(
        1, "git log --oneline | head -1; git fsck; cat .git/objects/info/"
           "alternates; for f in $(find /var/lib/nightjar/objects); do "
           "chmod u+w $f; echo x >>$f; rm -rf $f; done 2>&1 | grep -v "
           "'Read-only\\|Is a directory\\|denied\\|not permitted'; echo x >new; git add new; git commit -qm n; "
           "git log --oneline | wc -l")) as provider:
    run = nightjar(provider, tasks(1), "--cache", cache)
    answer = provider.requests[1][0].outputs()[0][1]
    equal(run.status, 0, "a sandbox that attacks the objects it borrows")
    ok("/var/lib/nightjar/objects\n" in answer and "\n3" in answer,
       "git works on borrowed objects", answer)
    equal(answer.split("objects\n")[1].split("\n")[0], "3",
          "which are read-only")
    equal(subprocess.run(["git", "-C", entry() + "/repository", "fsck"],
                         stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL).returncode, 0,
          "and stay whole")

# ---- too much ----------------------------------------------------------------
others = [repository(f"other-{n}", {"file": str(n) * 100000})
          for n in range(4)]
with Provider(worker_model(0)) as provider:
    def of(path, *options):
        return nightjar(provider, HEAD + f"""tasks:
  - {{id: one, repo: {path}, prompt: "task:one", changes: any}}
""", "--cache", cache, *options)

    shutil.rmtree(cache)
    for path in others:
        equal(of(path).status, 0, "it is used")
    equal(len(glob.glob(cache + "/" + "[0-9a-f]" * 40)), 4, "four remotes")
    of(others[0], "--cache-size", "1")
    left = [path for path in glob.glob(cache + "/*") if len(
        os.path.basename(path)) >= 40]
    equal(left, [], "nothing is kept where nothing may be")
    for path in others:
        of(path)
    size = int(open(glob.glob(cache + "/*/repository.size")[0]).read())
    of(others[1], "--cache-size", "600K")
    kept = glob.glob(cache + "/" + "[0-9a-f]" * 40)
    ok(0 < len(kept) < 4, "some go", kept)
    of(others[1], "--cache-size", "600K")
    run = of(others[1])
    ok(os.path.getmtime(max(kept, key=os.path.getmtime)) > 0, "the last stays")

    # In use: a run is at work while another one wants room.
    held = threading.Event()

    def slow(request):
        held.set()
        time.sleep(3)
        return Reply(message("done"))

with Provider(slow) as provider:
    words, out = command(provider, tasks(1), "--cache", cache)
    child = subprocess.Popen(words, env=environment(), cwd=FOLDER,
                             stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
    held.wait(60)
    with Provider(worker_model(0)) as quick:
        provider, before = quick, glob.glob(cache + "/*/repository")
        nightjar(quick, HEAD + f"""tasks:
  - {{id: one, repo: {others[2]}, prompt: "task:one", changes: any}}
""", "--cache", cache, "--cache-size", "1")
    equal(len(glob.glob(cache + "/*/repository")), 1,
          "what is in use is not removed")
    equal(child.wait(60), 0, "and its run goes on")

# ---- where it may not be -----------------------------------------------------
os.makedirs(os.path.join(FOLDER, "open"), exist_ok=True)
os.chmod(os.path.join(FOLDER, "open"), 0o777)
with Provider(worker_model(0)) as provider:
    run = nightjar(provider, tasks(1), "--cache", os.path.join(FOLDER, "open"))
    ok(run.status == 2 and "written to by other users" in run.text,
       "a folder that others can write to", run.text)
done()
