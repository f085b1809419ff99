"""Rules and reviews, what `why` tells of them; tools of other clients; calls
that only look; what the repository tells the agent."""
import subprocess

from provider import *

MANIFEST = """
version: 1
model: {name: m, max_retries: 0, price: {input: 1, output: 2}}
defaults: {repo: %s, changes: any%s}
tasks:
  - {id: t, prompt: "task:t %s"}
"""
work = repository("work", {
    "a.txt": "alpha\nbeta\n", "sub/b.txt": "gamma\n", "sub/c/d.txt": "d\n",
    "AGENTS.md": "ROOT SAYS\n", "sub/AGENTS.override.md": "OVERRIDE SAYS\n",
    "sub/AGENTS.md": "NOT THIS\n", "sub/c/CLAUDE.md": "FALLBACK SAYS\n",
    ".agents/skills/release/SKILL.md":
        "---\nname: release\ndescription: >\n  How to\n  release.\n---\nBODY\n",
    ".agents/skills/bad/SKILL.md": "no front matter\n"})


class Script:
    """Plays calls, a list for each turn; answers reviews by a function."""

    def __init__(self, *turns, review=None):
        self.turns, self.review = turns, review
        self.reviews = []
        self.requests = []

    def __call__(self, request):
        if request.body["model"] == "reviewer":
            self.reviews.append(request)
            return self.review(request)
        self.requests.append(request)
        turn = len(self.requests) - 1
        if turn < len(self.turns):
            return Reply(*self.turns[turn])
        return Reply(message("Done."))

    def answers(self):
        return dict(self.requests[-1].outputs())


def go(script, more="", prompt="go", status=0):
    with Provider(script) as provider:
        run = nightjar(provider, MANIFEST % (work, more, prompt))
        ok(run.status == status, f"{prompt}: exit status", run.status, run.text)
        if script.review:
            fits_schema(provider, "with reviews")
        return run


def why(run):
    return subprocess.run([NIGHTJAR, "why", run.out, "t"], env=environment(),
                          stdout=subprocess.PIPE).stdout.decode()


# ---- rules -------------------------------------------------------------------

script = Script([call("push", "git push origin main"),
                 call("host", "curl -s https://user@bad.example.org:1/x"),
                 call("other", "echo https://good.example.com"),
                 call("mine", "git  status")])
run = go(script, """, policy: {approve: [
  {tool: exec, hosts: ["*.example.org"], decision: deny, because: not there},
  {tool: exec, argv: [git, status], decision: allow}]}""")
answers = script.answers()
ok("denied by the task's policy: work leaves by the patch" in answers["push"],
   "a default rule denies, and says why", answers)
ok("denied by the task's policy: not there" in answers["host"],
   "a rule by host", answers)
ok("exited with code 0" in answers["other"], "another host is not it", answers)
ok("Process exited" in answers["mine"], "allowed", answers)
text = why(run)
ok("deny by default:6: work leaves" in text and ".yaml:5: not there" in text and
   "no rule: the sandbox confines it" in text, "why tells each rule", text)
lines = subprocess.run([NIGHTJAR, "policy"], stdout=subprocess.PIPE,
                       env=environment()).stdout.decode().splitlines()
ok("push" in lines[5], "default:6 is that line of what policy prints", lines)
script = Script([call("push", "git push")])
run = go(script, ", policy: {default_rules: false}")
ok("Process exited" in script.answers()["push"], "without default rules",
   script.answers())

# ---- reviews -----------------------------------------------------------------

RULE = """, policy: {approve: [{tool: exec, argv: [make, "*"], decision: review,
  because: builds may publish}], review: {model: reviewer, price:
  {input: 1, output: 1}%s}}"""


def says(decision, reason="so"):
    return lambda request: Reply(message(json.dumps(
        {"decision": decision, "reason": reason})))


script = Script([call("m", "cd sub && make release")],
                review=says("allow", "it serves the task"))
run = go(script, RULE % "", prompt="build it")
ok("Process exited" in script.answers()["m"], "allowed by the review")
shown = json.dumps(script.reviews[0].items)
ok(all(word in shown for word in ("make release", "builds may publish",
                                  "build it", "All of that text is material")),
   "the reviewer sees call, rule, task and its orders", shown)
equal(script.reviews[0].body["text"]["format"]["strict"], True,
      "and must answer in a form")
equal([(e["decision"], e["reason"]) for e in run.events("call_reviewed")],
      [("allow", "it serves the task")], "an event tells it")
ok("reviewed by reviewer: allow: it serves the task" in why(run),
   "so does why", why(run))
usage = run.report()["usage"]
ok(usage["reviews"]["count"] == 1 and usage["reviews"]["cost_usd"] > 0 and
   usage["input_tokens"] > sum(e["input_tokens"] for e in
                               run.events("turn_finished")),
   "it is counted and paid", usage)
for name, review in (
        ("denied", says("deny", "no need")),
        ("another word", says("perhaps")),
        ("no JSON", lambda request: Reply(message("allow"))),
        ("a refusal", lambda request: Reply({
            "type": "message", "role": "assistant", "status": "completed",
            "content": [{"type": "refusal", "refusal": "no"}]})),
        ("an error", lambda request: Reply(
            status=400, error={"error": {"message": "no"}})),
        ("nothing", lambda request: Reply(reasoning()))):
    script = Script([call("m", "make x")], review=review)
    run = go(script, RULE % "")
    ok("denied by the task's policy" in script.answers()["m"],
       f"{name}: denied", script.answers())
    equal([e["decision"] for e in run.events("call_reviewed")], ["deny"],
          f"{name}: told")
script = Script([call("m", "make x")])
run = go(script, (RULE % "").replace("review: {model: reviewer, price:\n  "
                                     "{input: 1, output: 1}}", "patch: {}"))
ok("nobody reviews" in script.answers()["m"], "no reviewer: denied",
   script.answers())
script = Script([call("m", "make x")], [call("n", "make y")],
                review=lambda request: Reply(
                    *says("allow")(request).items,
                    usage={"input_tokens": 8000, "output_tokens": 0}))
run = go(script, RULE % ", budget: {cost_usd: 0.009}")
equal(len(script.reviews), 1, "a budget of its own")
ok("the budget for reviews is spent" in script.answers()["n"], "holds",
   script.answers())

# ---- tools -------------------------------------------------------------------

script = Script(
    [function("sh", "shell", {"command": ["bash", "-lc", "echo $((40+2))"]}),
     function("words", "shell", {"command": ["printf", "%s|", "a b", "it's"]}),
     function("cmd", "shell_command", {"command": "exit 3"}),
     function("late", "shell", {"command": ["sleep", "100"],
                                "timeout_ms": 300}),
     function("read", "read_file", {"file_path": "a.txt"}),
     function("abs", "read_file", {"file_path": "/workspace/sub/b.txt"}),
     function("out", "read_file", {"file_path": "/etc/passwd"}),
     function("list", "list_dir", {"dir_path": "."}),
     function("grep", "grep_files", {"pattern": "gam+a", "include": "*.txt"}),
     function("inject", "grep_files", {"pattern": "x'; touch /workspace/bad"}),
     function("patch", "shell", {"command": [
         "apply_patch", "*** Begin Patch\n*** Add File: new.txt\n+new\n"
         "*** End Patch\n"]}),
     function("none", "open_door", {})])
run = go(script)
answers = script.answers()
ok("Exit code: 0" in answers["sh"] and "\n42\n" in answers["sh"], "shell -lc",
   answers["sh"])
ok("a b|it's|" in answers["words"], "shell with words", answers["words"])
ok("Exit code: 3" in answers["cmd"], "shell_command", answers["cmd"])
ok("timed out" in answers["late"] and "Exit code: 124" in answers["late"],
   "a timeout as models know it", answers["late"])
equal(answers["read"], "L1: alpha\nL2: beta\n", "read_file")
equal(answers["abs"], "L1: gamma\n", "by its path in the sandbox")
ok("is not in the workspace" in answers["out"], "nowhere else", answers["out"])
ok("sub/\n  AGENTS.md\n" in answers["list"] and ".git" not in
   answers["list"].split(), "list_dir", answers["list"])
ok("sub/b.txt" in answers["grep"], "grep_files", answers["grep"])
patch = run.file("tasks", "t", "patch.diff")
ok("new.txt" in patch and "bad" not in patch, "apply_patch by shell; quoted",
   patch)
ok("unsupported call: open_door" in answers["none"], "an unknown tool")
declared = [tool["name"] for tool in script.requests[0].body["tools"]]
equal(declared, ["exec_command", "write_stdin", "apply_patch", "view_image",
                 "update_plan"], "what is declared stays as it is")
script = Script([function("read", "read_file", {"file_path": "a.txt"}),
                 call("no", "ls")])
run = go(script, ", tools: [read, patch]")
equal([tool["name"] for tool in script.requests[0].body["tools"]],
      ["apply_patch", "read_file", "list_dir", "grep_files"],
      "tools: [read, patch]")
ok("unsupported call" in script.answers()["no"], "no commands then")

# Calls that only look run while the response still comes, in order.
script = Script([call("one", "rm a.txt"),
               function("two", "read_file", {"file_path": "a.txt"}),
               function("three", "read_file", {"file_path": "sub/b.txt"})])
run = go(script)
ids = [call_id for call_id, _ in script.requests[-1].outputs()]
equal(ids, ["one", "two", "three"], "answers in the order of the calls")
ok("alpha" in script.answers()["two"],
   "one that looks does not wait for one that acts")

# A command that is left running is ended, and its output until then is kept.
script = Script([call("bg", "echo before; (sleep 300; echo x >late.txt) & "
                      "echo started", yield_time_ms=500),
                 call("tty", "cat", tty=True, yield_time_ms=300)],
                [function("w", "write_stdin", {"session_id": 2,
                                               "chars": "typed\n\u0004"})])
run = go(script)
answers = script.answers()
ok("before" in answers["bg"] and "exited with code 0" in answers["bg"],
   "a grandchild that holds the pipe does not hang it", answers["bg"])
ok("typed" in answers["w"], "a terminal takes input", answers["w"])

script = Script([call("left", "echo working; sleep 301; touch late.txt",
                      yield_time_ms=250)])
run = go(script)
equal([(c["session"], c["command"].split(";")[0])
       for e in run.events("commands_ended") for c in e["commands"]],
      [(1, "echo working")], "what still ran at the end is listed")

# ---- what the repository says ------------------------------------------------

script = Script()
run = go(script, ", directory: sub/c, agents_fallback: [CLAUDE.md]",
         prompt="use $release now")
text = "\n".join(script.requests[0].texts())
order = [text.find(word) for word in
         ("nobody watching", "Commands run in a sandbox", "ROOT SAYS",
          "OVERRIDE SAYS", "FALLBACK SAYS", "- release: How to release.",
          "<environment_context>", "task:t", "BODY")]
ok(-1 not in order and order == sorted(order), "all in their order", order)
ok("NOT THIS" not in text, "the override instead of the other")
equal(run.events("prompt_made")[0]["problems"],
      [".agents/skills/bad/SKILL.md: expected a YAML block between lines of "
       "'---'"], "what is left out is told")
roles = {item["role"] for item in script.requests[0].items
         if "SAYS" in json.dumps(item)}
equal(roles, {"user"}, "as text of the repository, not as orders of ours")
script = Script()
run = go(script, ", agents_md: false, skills: []")
ok("SAYS" not in "".join(script.requests[0].texts()) and "release" not in
   "".join(script.requests[0].texts()), "neither, if it is not wanted")

# `prompt` prints the bytes that are sent.
script = Script()
with Provider(script) as provider:
    words, out = command(provider, MANIFEST % (work, "", "go"))
    subprocess.run(words, env=environment(), cwd=FOLDER,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    printed = subprocess.run([NIGHTJAR, "prompt", words[2], "--json"],
                             env=environment(), cwd=FOLDER,
                             stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE).stdout
    equal(printed.rstrip(b"\n"), script.requests[0].raw,
          "prompt --json is the first request, byte for byte")
    shown = subprocess.run([NIGHTJAR, "prompt", words[2]], env=environment(),
                           cwd=FOLDER, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE).stdout.decode()
    counts = [int(line.split("about ")[1].split()[0]) for line in
              shown.splitlines() if line.startswith("===")]
    ok("=== AGENTS.md (about" in shown and
       abs(sum(counts[:-1]) - counts[-1]) < 10, "prompt shows the parts",
       counts)
    ours = sum(count for line, count in zip(
        [line for line in shown.splitlines() if line.startswith("===")],
        counts) if any(word in line for word in
                       ("tools", "instructions (", "permissions")))
    note("instructions, tools and permissions: about", ours, "tokens")
    ok(ours <= 2500, "instructions and tools within 2,500 tokens", ours)
clean()
done()
