#!/usr/bin/env python3
"""Run directories that somebody else has made: nothing outside of them is
read, nothing is fetched unasked, nothing runs for ever."""
import threading
import zlib

from corpus import *  # noqa: F401,F403
from corpus import (FOLDER, Journal, NIGHTJAR, equal, github_commands,
                    hostile_run, ok, report)
from provider import git, repository


def run(*words, timeout=120, **more):
    result = subprocess.run([NIGHTJAR, *words], capture_output=True,
                            stdin=subprocess.DEVNULL, cwd=FOLDER,
                            timeout=timeout, **more)
    return (result.returncode, result.stdout, result.stderr.decode())


def made(name, tasks, repo="https://127.0.0.1:9/x.git", commit="0" * 40,
         patch="diff --git a/n b/n\nnew file mode 100644\n--- /dev/null\n+++ b/n\n"
               "@@ -0,0 +1 @@\n+x\n", tree="", path=None, **more):
    journal = Journal(tasks=len(tasks), **more)
    for task in tasks:
        journal.event("task_planned", task, suite="s", cell="", number=0,
                      repo=repo, ref=None, prompt_bytes=1, verify=[], setup=[])
        journal.event("task_started", task, attempts=1)
        journal.event("attempt_started", task, attempt=1)
        journal.event("patch_made", task, attempt=1, files=1, insertions=1,
                      deletions=0, bytes=9, violations=[], findings=[],
                      tree=tree)
        where = path or f"tasks/{len(journal.lines)}/patch.diff"
        journal.event("artifact_written", task, name="patch.diff", path=where,
                      bytes=9)
        journal.event("artifact_written", task, name="final.md",
                      path=path or "final.md", bytes=9)
        if not path:
            journal.files[where] = patch
        journal.event("task_finished", task, verdict="passed",
                      reason="verified", message="", hint=None,
                      retryable=False, attempts=1, commit=commit,
                      duration_ms=1)
    journal.finish(0, "passed")
    return journal.write(os.path.join(FOLDER, name))


# ---- files of others -------------------------------------------------------------
secret = os.path.join(FOLDER, "secret")
os.makedirs(secret)
with open(os.path.join(secret, "id_rsa"), "w") as file:
    file.write("PRIVATE-KEY")
for path in (f"{secret}/id_rsa", "../secret/id_rsa", "tasks/a/id_rsa",
             "link", "/proc/self/environ", "tasks/fifo", "tasks"):
    folder = made("reads", ["a"], path=path)
    os.makedirs(os.path.join(folder, "tasks"), exist_ok=True)
    for link, to in (("tasks/a", secret), ("link", f"{secret}/id_rsa")):
        if not os.path.lexists(os.path.join(folder, link)):
            os.symlink(to, os.path.join(folder, link))
    if not os.path.exists(os.path.join(folder, "tasks/fifo")):
        os.mkfifo(os.path.join(folder, "tasks/fifo"))
    for name in ("html", "github", "junit", "sarif"):
        status, text, errors = run("report", folder, "--report", name)
        ok(status == 0 and b"PRIVATE-KEY" not in text,
           f"{name} does not read {path}", errors)
    status, text, errors = run("report", folder, "--report", "mail")
    ok(status == 3 and not text, "nor does mail", errors)
    status, text, errors = run("report", folder, made("other", ["b"]),
                               "--report", "html")
    ok(b"PRIVATE-KEY" not in text, f"nor a report of several: {path}", errors)
out = os.path.join(FOLDER, "merged")
run("merge", folder, made("other", ["b"]), "--out", out)
ok(not os.path.exists(os.path.join(out, "tasks/a/id_rsa")),
   "merge does not follow a link out of a part")
pipe = os.path.join(FOLDER, "pipe")
os.makedirs(pipe)
os.mkfifo(os.path.join(pipe, "journal.jsonl"))
for words in (["report", pipe], ["status", pipe], ["logs", pipe, "a"],
              ["why", pipe, "a"], ["show", pipe, "a"], ["diff", pipe, pipe]):
    status, text, errors = run(*words)
    ok(status != 0, f"{words[0]}: a journal that is a pipe is refused", errors)

# ---- repositories of others --------------------------------------------------------
hits = []


class Trap(threading.Thread):
    def __init__(self):
        super().__init__(daemon=True)
        import socket
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.start()

    def run(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            hits.append(1)
            connection.close()


trap = Trap()
private = repository("private", {"a.txt": "a\n"})
head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=private,
                      capture_output=True, text=True).stdout.strip()
cache = ["--cache", os.path.join(FOLDER, "cache")]
for repo in (f"http://127.0.0.1:{trap.port}/x.git", private,
             f"file://{private}", "ssh://127.0.0.1/x", "-x", "ext::sh -c id"):
    folder = made("fetches", ["a"], repo=repo, commit=head)
    bundles = os.path.join(FOLDER, "bundles-of-others")
    status, text, errors = run("report", folder, "--report",
                               f"bundles={bundles}", *cache)
    ok(status in (2, 3) and not os.listdir(bundles),
       f"{repo[:30]} is not fetched from", errors)
    ok(status != 2 or "--fetch" in errors, "and what would is said", errors)
equal(hits, [], "nobody was asked")
folder = made("fetches", ["a"], repo=private, commit=head)
status, text, errors = run("report", folder, "--report",
                           f"bundles={FOLDER}/wanted", "--fetch", *cache)
equal((status, os.listdir(os.path.join(FOLDER, "wanted"))),
      (0, ["private.bundle"]), "unless it is wanted", errors)

# ---- patches of others: the cache has the repository now ----------------------------
def bundle_of(name, **more):
    folder = made(name, more.pop("tasks", ["a"]), repo=private, commit=head,
                  **more)
    out = os.path.join(FOLDER, "b-" + name)
    status, text, errors = run("report", folder, "--report", f"bundles={out}",
                               *cache)
    return status, os.listdir(out), errors


NEW = "diff --git a/n b/n\nnew file mode 100644\n--- /dev/null\n+++ b/n\n"
status, there, errors = bundle_of("nul", patch=NEW + "@@ -0,0 +1 @@\n+x\0" +
                                  "A" * 5000 + "\n")
ok(status == 3 and not there and "NUL" in errors, "a NUL in a patch", errors)
status, there, errors = bundle_of("tree", tree="1" * 40)
ok(status == 3 and not there and "another tree" in errors,
   "a tree that was not checked", errors)
packed = zlib.compress(b"\0" * 1000)
status, there, errors = bundle_of(
    "bomb", patch="diff --git a/n b/n\nnew file mode 100644\nindex " + "0" * 40 +
    ".." + "1" * 40 + "\nGIT binary patch\nliteral 99999999999\nzcmZ\n\n")
ok(status == 3 and not there and "larger than" in errors,
   "a binary file that unpacks to too much", errors)
names = [chr(0x4E00 + i) * 3 for i in range(200)] + ["x.lock", "..", ".", "a/b",
                                                     "-", "n" * 400, "x-lock"]
status, there, errors = bundle_of("names", tasks=names)
equal((status, there), (0, ["private.bundle"]), "branch names that collide",
      errors)
clone = os.path.join(FOLDER, "clone")
subprocess.run(["git", "clone", "-q", private, clone], check=True)
result = subprocess.run(["git", "fetch", "-q", os.path.join(
    FOLDER, "b-names", "private.bundle"), "refs/heads/*:refs/heads/*"],
    cwd=clone, capture_output=True, text=True)
count = subprocess.run(["git", "for-each-ref", "refs/heads/nightjar"],
                       cwd=clone, capture_output=True).stdout.count(b"\n")
equal((result.stderr, count), ("", len(names)), "git takes each of them")
names = os.listdir(os.path.join(FOLDER, "b-names"))

# One that does not apply does not cost the others.
journal = Journal(tasks=2)
folder = made("mixed", ["good", "bad"], repo=private, commit=head)
bad = [path for path in sorted(os.listdir(os.path.join(folder, "tasks")))][-1]
with open(os.path.join(folder, "tasks", bad, "patch.diff"), "w") as file:
    file.write("diff --git a/a.txt b/a.txt\n--- a/a.txt\n+++ b/a.txt\n"
               "@@ -1 +1 @@\n-not there\n+x\n")
status, text, errors = run("report", folder, "--report",
                           f"bundles={FOLDER}/mixed-out", *cache)
heads = subprocess.run(["git", "bundle", "list-heads", os.path.join(
    FOLDER, "mixed-out", "private.bundle")], capture_output=True, cwd=clone,
    text=True).stdout.split()
ok(status == 3 and len(heads) == 2 and ("nightjar/good" in heads[1]) !=
   ("nightjar/bad" in heads[1]) and "apply the patch" in errors,
   "a patch that does not apply is told, and the others are there",
   heads, errors)

# ---- many repositories ---------------------------------------------------------------
journal = Journal(tasks=4000)
for i in range(4000):
    journal.event("task_planned", f"t{i}", suite="s", cell="", number=i,
                  repo=f"https://h/team{i}/app.git", ref=None, prompt_bytes=1,
                  verify=[], setup=[])
    journal.event("task_started", f"t{i}", attempts=1)
    journal.event("attempt_started", f"t{i}", attempt=1)
    journal.event("patch_made", f"t{i}", attempt=1, files=1, insertions=1,
                  deletions=0, bytes=9, violations=[], findings=[])
    journal.event("artifact_written", f"t{i}", name="patch.diff",
                  path="patch.diff", bytes=9)
    journal.event("task_finished", f"t{i}", verdict="passed", reason="verified",
                  message="", hint=None, retryable=False, attempts=1,
                  commit="0" * 40, duration_ms=1)
journal.files["patch.diff"] = NEW + "@@ -0,0 +1 @@\n+x\n"
many = journal.write(os.path.join(FOLDER, "many"))
out = os.path.join(FOLDER, "many-patches")
status, text, errors = run("report", many, "--report", f"patches={out}")
there = os.listdir(out)
equal((status, len(there), "app" in there, "app-4000" in there),
      (0, 4000, True, True), "a folder for each of 4,000 repositories", errors)

# ---- places and times of others ------------------------------------------------------
folder = made("places", ["a"], patch=NEW.replace("/dev/null", "a/n").replace(
    "new file mode 100644\n", "") + "@@ -1,0 +999999999999,2 @@\n+x\n+y\n")
quality = json.loads(report(folder, "--report", "codequality"))
ok(all(q["location"]["lines"]["begin"] < 2 ** 31 for q in quality),
   "lines that no reader knows are left out", quality)
with open(os.path.join(folder, "journal.jsonl")) as file:
    text = file.read().replace('"time": "2026', '"time": "9999')
with open(os.path.join(folder, "journal.jsonl"), "w") as file:
    file.write(text)
spans = json.loads(report(folder, "--report", "traces"))
times = re.findall(r'TimeUnixNano": "(\d+)"', json.dumps(spans))
ok(times and all(int(one) < 2 ** 63 for one in times),
   "times fit into 64 bits of nanoseconds", times)
for parent in ("00-" + "0" * 32 + "-b7ad6b7169203331-01",
               "00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01",
               "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
               "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x"):
    text = report(folder, "--report", "traces", env={"TRACEPARENT": parent})
    ok(b"parentSpanId\":\"b7ad" not in text and
       b'traceId":"' + b"0" * 32 not in text,
       f"no parent: {parent[:20]}", text[:300])
done()
