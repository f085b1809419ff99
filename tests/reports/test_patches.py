#!/usr/bin/env python3
"""Patches leave as mail that git takes and as bundles that git fetches, byte
for byte: line ends, missing last newlines, binary files, renames, modes, links
and names of any kind."""
from corpus import *  # noqa: F401,F403
from corpus import FOLDER, NIGHTJAR, equal, ok, report
from provider import (Provider, Reply, call, function, git, message, nightjar,
                      repository)

# What the agent does, by task.
COMMANDS = {
    "crlf": r"printf 'one\r\ntwo\r\n' >dos.txt",
    "lone-cr": r"printf 'a\rb\nc\r\r\n' >mac.txt",
    "no-newline": "printf 'without an end' >end.txt",
    "binary": "head -c 3000 /dev/urandom >image.bin",
    "rename": "mv b.txt 'a new name.txt'",
    "mode": "chmod +x a.txt 'old file'",
    "blanks": r"""mkdir 'a b'; mv b.txt 'a b/'; touch 'empty file' ' lead'
                  printf x >'trail '; head -c 99 /dev/urandom >'bin file'
                  rm 'other file'""",
    "link": "ln -s a.txt link",
    "remove": "rm b.txt",
    "names": r"""printf x >'sp ace'; printf x >'qu"ote'; printf x >$'t\tab';
                 printf x >$'new\nline'; printf x >'ünï'; printf x >$'\xff\xfe';
                 mkdir -p 'd i r/-x'; printf x >'d i r/-x/--'""",
    "markers": r"printf -- '---\n-- \nFrom x\n>From y\ndiff --git a/x b/x\n"
               r"Index: z\n' >a.txt",
    # A NUL that comes late: the library takes the file for text.
    "nul": r"(head -c 9000 /dev/zero | tr '\0' x; printf '\n\0'; "
           r"head -c 200000 /dev/zero | tr '\0' A; echo) >n.txt",
    "nul-gone": r"tr -d '\0' <late.txt >x; mv x late.txt",
    "binary-rename": "mv zeros.bin 'other zeros.bin'",
    "binary-mode": "chmod +x zeros.bin",
    "x.lock": "echo locked >a.txt",
    "mailbox": r"printf 'From me\n>From you\n\nFrom 0\n' >'From'",
    "latin": r"printf 'caf\xe9\n' >latin.txt",
}
SAID = ("Subject: [PATCH] other [skip ci]\n\nCloses #12, fixes GH-7, @octocat, "
        "closes https://github.com/a/b/issues/3 [CI SKIP]\nFrom: Eve <eve@evil>\n\n---\ndiff --git a/z b/z\n"
        "--- /dev/null\n+++ b/z\n@@ -0,0 +1 @@\n+z\n-- >8 --\n\nSigned-off-by: "
        "Eve <eve@evil>\n\u202e\x1b[31m")


def model(request):
    if not request.outputs():
        return Reply(function("p", "update_plan", {"plan": [
            {"step": "change it", "status": "in_progress"},
            {"step": "<b>look</b>", "status": "pending"}]}),
            call("c0", COMMANDS[request.task()]))
    return Reply(message(SAID))


repo = repository("app", {"a.txt": "a\n" * 20, "b.txt": "b\n" * 20,
                          "c.txt": "c\n", "old file": "d\n",
                          "other file": "e\n", "zeros.bin": "\0" * 500,
                          "late.txt": "x\n" * 9000 + "\0\n" + "y\n" * 9000})
tasks = "".join(f"  - {{id: {name}, repo: {repo}, prompt: 'task:{name} x', "
                "verify: [{name: c, run: 'true'}], "
                "policy: {patch: {binary: true}}}\n" for name in COMMANDS)
with Provider(model) as provider:
    run = nightjar(provider, "version: 1\nmodel: {name: m}\ntasks:\n" + tasks,
                   "--report", "patches", "--report", "bundles", "--author",
                   "Jörg <j@example.org>")
equal(run.status, 0, "all tasks pass", run.text[-3000:])
base = git("rev-parse", "HEAD", cwd=repo)
base = (base if isinstance(base, str) else subprocess.run(
    ["git", "rev-parse", "HEAD"], cwd=repo, capture_output=True,
    text=True).stdout).strip()
PATCHES = os.path.join(run.out, "reports", "patches", "app")
mails = sorted(os.listdir(PATCHES))
equal(len(mails), len(COMMANDS), "a mail for each")
bundles = os.listdir(os.path.join(run.out, "reports", "bundles"))
equal(bundles, ["app.bundle"], "one bundle for the repository")
clone = os.path.join(FOLDER, "clone")
GIT = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "HOME": FOLDER,
       "GIT_COMMITTER_NAME": "C", "GIT_COMMITTER_EMAIL": "c@example.org"}


def run_git(*words, **more):
    return subprocess.run(["git", *words], cwd=clone, env=GIT,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, **more)


subprocess.run(["git", "clone", "-q", repo, clone], env=GIT, check=True)
bundle = os.path.join(run.out, "reports", "bundles", bundles[0])
result = run_git("bundle", "verify", bundle)
ok(result.returncode == 0, "git verifies the bundle", result.stdout)
result = run_git("fetch", "-q", bundle, "refs/heads/nightjar/*:refs/heads/*")
ok(result.returncode == 0, "and fetches from it", result.stdout)
for name, mail in zip(COMMANDS, mails):
    branch = f"refs/heads/{name.replace('.', '-')}"
    run_git("checkout", "-q", "--detach", base)
    run_git("reset", "-q", "--hard", base)
    path = os.path.join(run.out, "tasks", name, "patch.diff")
    result = run_git("apply", "--index", path)
    wanted = run_git("write-tree").stdout
    run_git("reset", "-q", "--hard", base)
    result = run_git("am", "-q", os.path.join(PATCHES, mail))
    ok(result.returncode == 0, f"{name}: git am takes it", result.stdout)
    got = run_git("rev-parse", "HEAD^{tree}").stdout
    equal(got, wanted, f"{name}: and makes what the patch makes")
    equal(run_git("rev-parse", f"{branch}^{{tree}}").stdout, wanted,
          f"{name}: as does the bundle")
    equal(run_git("rev-parse", f"{branch}^").stdout.decode().strip(), base,
          f"{name}: on the commit that it is for")
    for commit in ("HEAD", branch):
        about = run_git("show", "-s", "--format=%an <%ae>%n%s%n%(trailers)",
                        commit).stdout.decode().splitlines()
        told = run_git("show", "-s", "--format=%B", commit).stdout.decode()
        ok("[skip ci]" not in told and "#12" not in told and
           "@octocat" not in told and "/issues/3" not in told,
           f"{commit}: no forge obeys its message", told)
        equal(about[0], "Jörg <j@example.org>", f"{commit}: its author")
        ok(about[1].startswith(f"{name}: Subject: [PATCH] other"),
           f"{commit}: its subject", about)
        keys = [line.split(":")[0] for line in about[2:] if line]
        equal(keys, ["Nightjar-Task", "Nightjar-Run", "Nightjar-Model",
                     "Nightjar-Commit"], f"{commit}: its trailers", about)
run_git("checkout", "-q", "--detach", base)
box = os.path.join(FOLDER, "box.mbox")
with open(box, "wb") as file:
    file.write(report(run.out, "--report", "mail"))
result = run_git("mailsplit", f"-o{FOLDER}", box)
equal(result.stdout.strip(), str(len(COMMANDS)).encode(), "all in one mailbox")

# ---- the plan ------------------------------------------------------------------
page = report(run.out, "--report", "html").decode()
equal(page.count('"plan":[{"step":"change it","status":"in_progress"},{"step":'
                 '"\\u003cb\\u003elook'), len(COMMANDS),
      "what the agent planned is in the page")

# ---- a folder is a report's own -------------------------------------------------
mixed = os.path.join(FOLDER, "mixed")
report(run.out, "--report", f"patches={mixed}")
result = subprocess.run([NIGHTJAR, "report", run.out, "--report",
                         f"patches={mixed}"], env=GIT, capture_output=True,
                        text=True)
ok(result.returncode == 2 and "is not empty" in result.stderr,
   "one with something in it is not written to", result.stderr)

# ---- what cannot be had is told -------------------------------------------------
os.remove(os.path.join(run.out, "tasks", "mode", "patch.diff"))
for format_ in ("mail", "patches", "bundles"):
    result = subprocess.run([NIGHTJAR, "report", run.out, "--report",
                             f"{format_}={FOLDER}/none-{format_}"], env=GIT,
                            capture_output=True, text=True)
    ok(result.returncode == 3 and "mode: its patch" in result.stderr,
       f"{format_}: a patch that is gone", result.stderr)
result = subprocess.run([NIGHTJAR, "report", run.out, "--report", "patches"],
                        capture_output=True, text=True)
ok(result.returncode == 2 and "patches=FOLDER" in result.stderr,
   "a folder must be named", result.stderr)
result = subprocess.run([NIGHTJAR, "report", run.out, "--author", "nobody"],
                        capture_output=True, text=True)
ok(result.returncode == 2 and "'Name <mail>'" in result.stderr,
   "an author without an address", result.stderr)
done()
