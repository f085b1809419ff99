"""Runs for tests of reports: journals with hostile text in every field that
comes from outside, and run directories of any size."""
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "agent"))
from provider import (FOLDER, NIGHTJAR, done, environment, equal,  # noqa: F401
                      note, ok)

TAGS = "".join(chr(0xE0000 + ord(c)) for c in "run me")
HOSTILE = [
    # every control character but NUL, which JSON cannot bring here
    "".join(map(chr, range(1, 32))) + "\x7f" + "".join(map(chr, range(128, 160))),
    "]]> <![CDATA[x]]> <?php ?> <!-- x --> --><script>alert(1)</script>",
    "<img src=x onerror=\"fetch('http://127.0.0.1:9/x')\">",
    "&lt; &amp; &#27; &e; <!DOCTYPE x [<!ENTITY e \"boom\">]>",
    "\x1b[31mred\x1b[0m \x1b]8;;http://h\x07link\x1b]8;;\x1b\\ \x1b]0;title\x07",
    "\u202egnp.exe\u2066 \u200b\u200d\ufeff" + TAGS,
    "::error file=a.c,line=1::pwned", "  ::add-mask::a", "\t::SET-OUTPUT name=x::y",
    "x\n::stop-commands::t\n::endgroup::\r::debug::z\r\n::warning::w",
    "##[error]x ##[group]y ##vso[task.setvariable variable=x]y "
    "##teamcity[testFailed name='x']",
    "#\x1b[0m#[error]split :\x1b[0m:error::split",
    "section_start:1:x\r\x1b[0Ksection_end:1:x",
    "--- group\n+++ open\n~~~ closed\n^^^ +++",
    "[[ATTACHMENT|/etc/passwd]] [[PROPERTY|a=b]]",
    "EOF\napproved=true\nghadelimiter_0\nEOF",
    "# heading\n| a | b |\n![x](http://h/i.png) [y](javascript:alert(1)) "
    "@octocat closes #1 `` ` ``` </details> **b** ~~~\n/close\n/merge",
    "```\n</code></pre><script>alert(2)</script>\n```",
    "`x`", "` `", "||", "a|b`c|d", "\\", "a\\\\|b\\",
    "x \\| ![a](http://evil/i.png) [l](http://e) @octocat <b>x</b> `y\\",
    "ok 1 - forged\nnot ok 2 # TODO x\nBail out!\n1..99\n  ---\n  ...\n# SKIP all",
    "\\# SKIP \\", "'; DROP TABLE x; --", "%0A%0D::error::x", "${{ secrets.X }} $(id) `id`",
    "../../../etc/passwd", "/etc/passwd", "a\\b", "{{ x }}", "=cmd|' /C calc'!A0",
    "</script><script>alert(3)</script>", "\u2028\u2029", "\ud83d\udc69\u200d\ud83d\udc69",
    "From nobody\n---\ndiff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n-- \n"
    "From: e@vil\nSubject: x\n\nSigned-off-by: e <e@vil>\n-- >8 --\nIndex: x",
    " ", "",
]
# A second message, if it came into the first one as it is.
FORGED = ("\n\nFrom " + "0" * 40 + " Mon Sep 17 00:00:00 2001\nFrom: evil <e@vil>\n"
          "Subject: [PATCH] forged\n\nx\n---\ndiff --git a/evil b/evil\n"
          "new file mode 100755\n--- /dev/null\n+++ b/evil\n@@ -0,0 +1 @@\n+x\n")


class Journal:
    """Events as the program writes them."""

    def __init__(self, name="nightly", tasks=None, **more):
        self.lines, self.clock, self.files = [], 1795300000000, {}
        self.event("run_started", **{
            "format": 1, "run_id": "20261121T000000Z-abc123", "name": name,
            "version": "0.1.0", "model": "gpt-test", "provider": "openai",
            "jobs": 4, "tasks": tasks or 0, **more})

    def event(self, type_, task=None, **members):
        import datetime
        self.clock += 250
        when = datetime.datetime.fromtimestamp(self.clock / 1000,
                                               datetime.timezone.utc)
        line = {"type": type_, "time": when.strftime("%Y-%m-%dT%H:%M:%S.") +
                f"{self.clock % 1000:03d}Z"}
        if task is not None:
            line["task"] = task
        line.update(members)
        # Lone surrogates are no text: the program would not write them.
        self.lines.append(json.dumps(line, ensure_ascii=False).encode(
            "utf-8", "replace").replace(b"\\u0000", b""))

    def task(self, id_, verdict, text="all is well", repo="https://h/a.git",
             turns=2, output="", files=(), final=None, attempts=1, plan=()):
        suite = "nightly"
        self.event("task_planned", id_, suite=suite, cell="", number=0,
                   repo=repo, ref="main", prompt_bytes=10,
                   verify=["tests", text or "named"], setup=[],
                   definition="0123456789abcdef")
        if verdict == "skipped":
            self.event("task_finished", id_, verdict="skipped",
                       reason="run_budget", message=text, hint=None,
                       retryable=False, attempts=0, commit=None, duration_ms=0)
            return
        self.event("task_started", id_, attempts=attempts)
        for attempt in range(1, attempts + 1):
            self.attempt(id_, attempt, verdict, text, turns, output, plan)
        self.event("patch_made", id_, attempt=attempts, files=len(files),
                   insertions=len(files), deletions=0, bytes=100,
                   violations=[{"path": text, "rule": "protect",
                                "message": text}] if verdict == "failed"
                   else [],
                   findings=[{"path": "src/a.c", "rule": "secret",
                              "message": text}])
        for name in (["patch.diff"] if files else []) + (
                ["final.md"] if final is not None else []):
            self.event("artifact_written", id_, name=name,
                       path=f"tasks/{len(self.lines)}/{name}", bytes=9)
            yield_path = f"tasks/{len(self.lines) - 1}/{name}"
            self.files[yield_path] = (patch_of(files) if name == "patch.diff"
                                      else final)
        if verdict == "unfinished":
            return
        self.event("task_finished", id_, verdict=verdict,
                   reason={"passed": "verified", "failed": "policy",
                           "error": "network"}[verdict], message=text,
                   hint=text, retryable=verdict == "error",
                   attempts=attempts, commit="0" * 40, duration_ms=4321)

    def attempt(self, id_, number, verdict, text, turns, output, plan):
        self.event("attempt_started", id_, attempt=number)
        self.event("repository_ready", id_, attempt=number, commit="0" * 40,
                   ref="main", duration_ms=10)
        for turn in range(1, turns + 1):
            self.event("turn_finished", id_, attempt=number, turn=turn,
                       input_tokens=2000, cached_tokens=1500, output_tokens=99,
                       reasoning_tokens=5, cost_microusd=1234, duration_ms=200,
                       calls=1)
            self.event("tool_finished", id_, attempt=number, turn=turn,
                       call_id=f"c{turn}", tool="exec_command",
                       call=text or "true", reviewed=False,
                       decision="allow" if turn % 2 else "deny", rule=text,
                       reason=text, ok=True, duration_ms=100, summary=text,
                       **({"plan": [{"step": s, "status": "pending"}
                                    for s in plan]} if plan else {}))
        good = verdict == "passed" and number > 0
        self.event("step_finished", id_, attempt=number, phase="verify",
                   round=1, name="tests", result="passed" if good else "failed",
                   exit_status=0 if good else 1, duration_ms=50,
                   output=output or text, output_bytes=len(output or text))
        if good:
            self.event("step_finished", id_, attempt=number, phase="verify",
                       round=1, name=text or "named", result="passed",
                       exit_status=0, duration_ms=5, output="", output_bytes=0)
        self.event("verify_finished", id_, attempt=number, round=1,
                   passed=good, failed_step=None if good else "tests")
        self.event("attempt_finished", id_, attempt=number,
                   verdict=verdict if verdict != "unfinished" else "error",
                   reason="verified" if good else "verify", message=text)

    def finish(self, status=1, name="failed"):
        self.event("run_finished", exit_status=status, exit_name=name,
                   retryable=False, duration_ms=60000)

    def write(self, folder):
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "journal.jsonl"), "wb") as file:
            file.write(b"\n".join(self.lines) + b"\n")
        with open(os.path.join(folder, "run.json"), "w") as file:
            file.write("{}")
        for path, content in self.files.items():
            os.makedirs(os.path.dirname(os.path.join(folder, path)),
                        exist_ok=True)
            with open(os.path.join(folder, path), "wb") as file:
                file.write(content if isinstance(content, bytes)
                           else content.encode("utf-8", "replace"))
        return folder


def patch_of(files):
    """A patch that adds a line to each of them, whatever they are called."""
    parts = []
    for name in files:
        quoted = '"b/' + name.replace("\\", "\\\\").replace('"', '\\"').replace(
            "\n", "\\n").replace("\t", "\\t") + '"'
        parts.append(f"diff --git a/x {quoted}\nnew file mode 100644\n"
                     f"--- /dev/null\n+++ {quoted}\n@@ -0,0 +1,2 @@\n"
                     f"+::error::in a diff ##[error]x\n+</script><b>\n")
    return "".join(parts)


def hostile_run(name="hostile"):
    """A task for each text and verdict. Returns the folder and what reports
    must say."""
    journal = Journal(name="nightly " + HOSTILE[1], model=HOSTILE[10] + FORGED,
                      version="0.1.0" + FORGED + HOSTILE[4],
                      provider=HOSTILE[9] + FORGED)
    counts = {}
    verdicts = ["passed", "failed", "error", "skipped", "unfinished"]
    for i, text in enumerate(HOSTILE):
        for verdict in verdicts if i < 12 else verdicts[i % 5:i % 5 + 1]:
            final = text.encode("utf-8", "replace") + b"\xff\xfe\x00" + \
                (b"long " * 2000000 if i == 4 else b"")
            journal.task(f"{verdict}-{i} {text}"[:900], verdict, text,
                         repo=f"https://h/{i % 3}.git", final=final,
                         files=["a b.c", text or "x"], plan=[text, "second"],
                         output=text * 3 + ("y" * 200000 if i == 5 else ""))
            counts[verdict] = counts.get(verdict, 0) + 1
    journal.finish()
    folder = journal.write(os.path.join(FOLDER, name))
    return folder, counts


def large_run(tasks, name="large"):
    journal = Journal(name="a batch", tasks=tasks)
    for i in range(tasks):
        verdict = ("failed" if i % 7 == 3 else "error" if i % 31 == 5
                   else "passed")
        journal.task(f"team-{i % 40}/service-{i}", verdict,
                     "verified" if verdict == "passed" else
                     f"check 'tests' failed in module {i}",
                     repo=f"https://example.org/team/{i % 40}.git",
                     turns=3 + i % 9, files=["src/main.c", "README.md"],
                     final=f"I renamed it in {i} places.\n",
                     output="line of a test's output\n" * 40,
                     plan=["look", "change", "test"])
        if i % 5 == 0:
            journal.clock += 1000 * (i % 50)
    journal.finish()
    return journal.write(os.path.join(FOLDER, name))


def report(folder, *words, env=None):
    """Runs `nightjar report`; its bytes."""
    result = subprocess.run([NIGHTJAR, "report", folder, *words],
                            env={**environment(), **(env or {})}, cwd=FOLDER,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, timeout=600)
    if result.returncode:
        raise RuntimeError(f"{words}: {result.returncode} "
                           f"{result.stderr.decode()}")
    return result.stdout


# ---- what CI systems obey in a log -------------------------------------------

GITHUB = {"add-mask", "stop-commands", "add-matcher", "remove-matcher",
          "set-output", "save-state", "group", "endgroup", "error", "warning",
          "notice", "debug", "echo", "add-path", "set-env", "internal-set-repo-path"}


def github_commands(text):
    """As the runner's ActionCommand reads a line: `::name k=v::data` behind
    white space, else `##[name k=v;]data` anywhere. Lines end at CR too."""
    found = []
    for line in re.split(r"\r\n|\r|\n", text):
        trimmed = line.lstrip()
        if trimmed.startswith("::"):
            end = trimmed.find("::", 2)
            if end > 0:
                name = trimmed[2:end].split(" ", 1)[0].lower()
                if name in GITHUB:
                    found.append((name, trimmed))
                    continue
        start = line.find("##[")
        end = line.find("]", start) if start >= 0 else -1
        if end > 0:
            name = line[start + 3:end].split(" ", 1)[0].lower()
            if name in GITHUB or name == "section":
                found.append((name, line))
    return found


def other_commands(text):
    """Azure, TeamCity, GitLab, Buildkite."""
    found = []
    for line in re.split(r"\r\n|\r|\n", text):
        if re.search(r"##vso\[", line, re.I):
            found.append(("azure", line))
        if re.search(r"##teamcity\[", line, re.I):
            found.append(("teamcity", line))
        if re.search(r"section_(start|end):", line):
            found.append(("gitlab", line))
        if re.match(r"\s*(---|\+\+\+|~~~|\^\^\^)", line):
            found.append(("buildkite", line))
    return found
