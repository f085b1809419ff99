#!/bin/sh
# The main job over HTTP: what is sent, what tools answer, what is judged, and
# what is left; with hostile material on the way.
. tests/lib.sh

OPENAI_API_KEY=sk-main-0123456789
SOME_TOKEN=token-of-the-host-4711
export OPENAI_API_KEY SOME_TOKEN

make_repository work
(
    cd "$REPOSITORY" || exit 1
    mkdir tests
    echo 'grep -q good value.txt' >tests/check.sh
    echo bad >value.txt
    printf 'token-of-the-host-4711\n' >leak.txt
    printf '\211PNG\r\n\032\n0000' >image.png
    ln -s /etc/passwd outside.png
    git add -A && git commit -qm "material"
)

python3 - "$TMPDIR" <<'END'
import json, sys

folder = sys.argv[1]
hostile = "".join(map(chr, range(1, 32))) + "]]>&amp;<b>\x7f\u202e\U000e0041" \
    "\n::error::x\n##vso[task.complete]y\n\x1b]0;title\x07\x1b[31mred"
done = {"items": [{"message": "done"}]}


def run(command, **more):
    return {"call": {"name": "exec_command",
                     "arguments": dict({"cmd": command}, **more)}}


def stdin(session, chars="", **more):
    return {"call": {"name": "write_stdin", "arguments":
                     dict({"session_id": session, "chars": chars}, **more)}}


patch = """*** Begin Patch
*** Update File: value.txt
@@
-bad
+good
*** End Patch
"""
fix = {"items": [{"custom": {"name": "apply_patch", "input": patch}}]}
cases = {
    "custom": ([fix, done], "passed verified", "verify: [sh tests/check.sh]"),
    "function": ([{"items": [{"call": {"name": "apply_patch", "arguments":
                                       {"input": patch}}}]}, done],
                 "passed verified", "verify: [sh tests/check.sh]"),
    "heredoc": ([{"items": [run("apply_patch <<'EOF'\n" + patch + "EOF\n")]},
                 done], "passed verified", "verify: [sh tests/check.sh]"),
    "sent-back": ([done, fix, done], "failed no_changes", ""),
    "fixes": ([{"items": [run("echo x > other.txt")]}, done, fix, done],
              "passed verified", "verify: [sh tests/check.sh]\n    fix_attempts: 1"),
    "no-fix": ([{"items": [run("echo x > other.txt")]}, done, done, done],
               "failed verify", "verify: [sh tests/check.sh]\n    fix_attempts: 1"),
    "pinned": ([{"items": [run("echo true > tests/check.sh")]}, done],
               "failed verify", "verify: [sh tests/check.sh]\n"
               "    verify_pin: ['tests/**']\n    fix_attempts: 0"),
    "first-fails": ([fix, done], "passed verified",
                    "verify: [sh tests/check.sh]\n"
                    "    verify_expect: fail_then_pass"),
    "first-passes": ([done], "failed verify_base",
                     "verify: ['true']\n    verify_expect: fail_then_pass"),
    "left-behind": ([{"items": [run("echo good > value.txt; echo 'value.txt' "
                                    "> .gitignore; mkdir b; echo x > b/y; "
                                    "echo b/ >> .gitignore")]}, done],
                    "failed verify", "verify: [test -e b/y]\n    fix_attempts: 0"),
    "protected": ([{"items": [run("mkdir -p .github/workflows; echo x > "
                                  ".github/workflows/x.yml")]}, done],
                  "failed policy", ""),
    "credential": ([{"items": [run("printf 'ghp_%036d' 7 > key.txt")]}, done],
                   "failed policy", ""),
    "denied": ([{"items": [run("git -C . status && git push origin main")]},
                fix, done], "passed verified",
               "verify: [sh tests/check.sh]\n    policy: {approve: [{tool: exec, "
               "argv: [git, push, '*'], decision: deny, because: no pushing}]}"),
    "schema": ([{"items": [{"message": "{\"kind\": \"no\"}"}]},
                {"items": [{"message": "{\"kind\": \"bug\"}"}]}],
               "passed completed", "changes: none\n    output_schema: schema.json"),
    "schema-twice": ([{"items": [{"message": "prose"}]},
                      {"items": [{"message": "{}"}]}],
                     "failed output_schema",
                     "changes: none\n    output_schema: schema.json"),
    "changes": ([fix, done], "failed unexpected_changes", "changes: none"),
    "turns": ([{"items": [run("true")]}] * 4, "failed budget",
              "budget: {turns: 3}"),
    "tokens": ([{"items": [run("true")], "usage":
                 {"input_tokens": 10, "output_tokens": 600}}] * 4,
               "failed budget", "budget: {output_tokens: 1000}"),
    "cost": ([{"items": [run("true")], "usage":
               {"input_tokens": 1000000, "output_tokens": 10}}] * 4,
             "failed budget", "budget: {cost_usd: 1.50}"),
    "late": ([{"items": [run("sleep 1000", yield_time_ms=30000)]}, done],
             "failed timeout", "timeout: 3s\n    changes: any"),
    "setup": ([done], "error setup", "setup: [exit 3]"),
    "attempts": ([done, fix, done], "passed verified",
                 "verify: [sh tests/check.sh]\n    attempts: 2"),
    "calls": ([{"items": [run("echo one"),
                          {"call": {"name": "nonsense", "arguments": {}}},
                          {"call": {"name": "exec_command",
                                    "arguments": "{\"cmd\": "}},
                          {"call": {"name": "exec_command", "arguments": ""}},
                          {"custom": {"name": "nonsense", "input": "x"}},
                          {"call": {"name": "view_image", "arguments":
                                    {"path": "image.png"}}},
                          {"call": {"name": "view_image", "arguments":
                                    {"path": "outside.png"}}},
                          {"call": {"name": "view_image", "arguments":
                                    {"path": "/etc/hostname"}}},
                          {"call": {"name": "update_plan", "arguments":
                                    {"plan": []}}}]}, done],
              "passed completed", "changes: any"),
    "sessions": ([{"items": [run("while read l; do echo got $l; done; echo end",
                                 yield_time_ms=250),
                             stdin(1, "first\n", yield_time_ms=1000),
                             stdin(1, "\u0004", yield_time_ms=30000),
                             run("trap 'echo caught; exit 7' INT; "
                                 "echo up; while :; do sleep 0.1; done",
                                 yield_time_ms=500),
                             stdin(2, "\u0003", yield_time_ms=30000),
                             stdin(99, ""),
                             run("[ -t 1 ] && stty size", tty=True),
                             run("sleep 1000 & echo left", yield_time_ms=30000)]},
                  done], "passed completed", "changes: any"),
    "output": ([{"items": [run("head -c 100000000 /dev/zero | tr '\\0' x; "
                               "echo; echo the end"),
                           run("printf '\\377\\376\\000\\033[31mred'"),
                           run("cat leak.txt; env")]}, done],
               "passed completed", "changes: any"),
    "killed": ([{"items": [run("trap '' TERM; sleep 1000",
                               yield_time_ms=30000)]}, done],
               "passed completed", "changes: any\n    sandbox: "
               "{command_timeout: 1s}"),
    "hostile": ([{"items": [{"message": hostile, "phase": "commentary"},
                            {"call": {"name": "exec_command", "arguments": {
                                "cmd": "printf '%b' '" + "".join(
                                    f"\\\\x{n:02x}" for n in range(1, 256)
                                    if n != 39) + "' | tee 'a\tb]]>.txt'"}}}]},
                 {"items": [{"message": hostile}]}],
                "failed verify", "verify: [{name: \"x ]]> & <\", run: "
                "\"cat a*; printf '::error::x\\\\n\\\\033[31m]]>'; exit 1\"}]\n"
                "    fix_attempts: 0\n    policy: {patch: {binary: true}}"),
}
with open(folder + "/schema.json", "w") as file:
    json.dump({"type": "object", "properties": {"kind": {"enum":
               ["bug", "feature"]}}, "required": ["kind"],
               "additionalProperties": False}, file)
with open(folder + "/scenario.json", "w") as file:
    json.dump({"by_prompt": {f"<{name}>": steps for name, (steps, _, _)
                             in cases.items()}}, file)
with open(folder + "/expected.json", "w") as file:
    json.dump({name: verdict for name, (_, verdict, _) in cases.items()}, file)
with open(folder + "/tasks.yaml", "w") as file:
    file.write("version: 1\nname: main\nmodel: {name: m, max_retries: 0, "
               "price: {input: 1, output: 10}}\nrun: {jobs: 4}\n"
               "defaults: {repo: work, timeout: 3m}\ntasks:\n")
    for name, (_, _, keys) in cases.items():
        file.write(f"  - id: {name}\n    prompt: \"<{name}>\"\n")
        if keys:
            file.write(f"    {keys}\n")
END

start_model_server "$TMPDIR/scenario.json" --lifetime 600
mkfifo "$TMPDIR/never"
# Standard input is an open pipe that nobody writes to: it is never read.
exec 8<>"$TMPDIR/never"
"$NIGHTJAR" run "$TMPDIR/tasks.yaml" --model-url "$MODEL_URL" \
    --out "$TMPDIR/out" -v <&8 >"$TMPDIR/stdout" 2>"$TMPDIR/stderr"
is "$?" 3 "exit status 3: one task is an error"
exec 8<&-

python3 - "$TMPDIR" "$MODEL_LOG" >"$TMPDIR/results" <<'END'
import json, re, sys

folder, log = sys.argv[1:]
expected = json.load(open(folder + "/expected.json"))
tasks = {task["id"]: task for task in
         json.load(open(folder + "/out/reports/report.json"))["tasks"]}
requests, connections = {}, {}
for line in open(log):
    entry = json.loads(line)
    name = re.search('"text": "<([a-z0-9-]+)>"',
                     json.dumps(entry["body"])).group(1)
    requests.setdefault(name, []).append(entry["body"])
    connections.setdefault(name, set()).add(entry["connection"])


def check(held, name, detail=""):
    print("ok" if held else "no", name, "|", " ".join(str(detail).split()))


for name, verdict in expected.items():
    got = tasks[name]["verdict"] + " " + tasks[name]["reason"]
    check(got == verdict, f"{name}: {verdict}",
          got + " " + repr(tasks[name]["message"][:200]))


def outputs(name, index=-1):
    return {item["call_id"]: item["output"]
            for item in requests[name][index]["input"]
            if item["type"].endswith("_output")}


for name, bodies in requests.items():
    grows = all(later["input"][:len(earlier["input"])] == earlier["input"]
                for earlier, later in zip(bodies, bodies[1:])
                if name != "attempts")
    heads = {json.dumps({key: value for key, value in body.items()
                         if key not in ("input", "max_output_tokens")})
             for body in bodies}
    check(grows and len(heads) == 1, f"{name}: each request extends the last")
    if name != "attempts":
        check(len(connections[name]) == 1, f"{name}: one connection")
    last = bodies[-1]["input"]
    calls = [item["call_id"] for item in last
             if item["type"] in ("function_call", "custom_tool_call")]
    answers = [item["call_id"] for item in last
               if item["type"].endswith("_output")]
    check(calls == answers or name == "late",
          f"{name}: every call answered, in order", f"{calls} {answers}")
first = {json.dumps([requests[name][0][key] for key in ("model", "tools")] +
                    requests[name][0]["input"][:1])
         for name in requests if not name.startswith("schema")}
check(len(first) == 1, "what tasks share is the same bytes")
keys = {}
for name, bodies in requests.items():
    body = bodies[0]
    prompt = [item["content"][0]["text"].startswith("<environment_context>")
              for item in body["input"]].index(True) + 1
    shared = json.dumps([body.get("text"), body["input"][:prompt]])
    keys.setdefault(shared, set()).add(body["prompt_cache_key"])
check(all(len(key) == 1 for key in keys.values()) and
      len(set.union(*keys.values())) == len(keys) and len(keys) > 1,
      "a cache key for each shared prefix", keys.values())

texts = list(outputs("calls").values())
check("one" in texts[0], "calls: the first ran")
check(texts[1] == "unsupported call: nonsense", "calls: an unknown tool", texts[1])
check("failed to parse" in texts[2], "calls: broken arguments", texts[2])
check("needs 'cmd'" in texts[3], "calls: empty arguments", texts[3])
check(texts[4] == "unsupported call: nonsense", "calls: an unknown custom tool")
check(texts[5][0]["image_url"].startswith("data:image/png;base64,"),
      "calls: an image")
check("leads out" in texts[6], "calls: an image behind a link out", texts[6])
check("not in the workspace" in texts[7], "calls: an image elsewhere", texts[7])
check(texts[8] == "Plan updated", "calls: a plan")
denied = list(outputs("denied", 1).values())[0]
check("no pushing" in denied, "denied: the model is told why", denied)

texts = list(outputs("sessions").values())
check("session ID 1" in texts[0], "sessions: it keeps running", texts[0])
check("got first" in texts[1], "sessions: input arrives", texts[1])
check("end" in texts[2] and "code 0" in texts[2], "sessions: its input ends",
      texts[2])
check("session ID 2" in texts[3], "sessions: another one", texts[3])
check("caught" in texts[4] and "code 7" in texts[4],
      "sessions: it is interrupted", texts[4])
check("Unknown process id 99" in texts[5], "sessions: an unknown one")
check("24 80" in texts[6], "sessions: a terminal", texts[6])
check("left" in texts[7] and "code 0" in texts[7],
      "sessions: a process that holds the pipe is not waited for", texts[7])
texts = list(outputs("output").values())
check(len(texts[0]) < 50000 and "the end" in texts[0] and
      "bytes omitted" in texts[0], "output: head, tail and what was dropped")
check("\ufffd\ufffd" in texts[1] and "red" in texts[1],
      "output: invalid UTF-8 is replaced", repr(texts[1]))
check("*" * 22 in texts[2] and "4711" not in texts[2],
      "output: a known secret is masked", texts[2])
check("sk-main" not in texts[2] and "SOME_TOKEN" not in texts[2],
      "output: the environment is the sandbox's own")
killed = list(outputs("killed").values())[0]
check("code 137" in killed and "Killed" in killed,
      "killed: a command that lasts too long", killed)
check("kind" in open(folder + "/out/tasks/schema/output.json").read(),
      "schema: the output is kept")
END
while IFS= read -r line; do
    name=${line#?? }
    case $line in
    ok*) pass "${name% | *}" ;;
    *) fail "${name% | *}" "got ${name#* | }" ;;
    esac
done <"$TMPDIR/results"
like "$(tail -1 "$TMPDIR/results")" "output is kept" "the checks went to their end"

ok "junit.xml is XML" xmllint --noout "$TMPDIR/out/reports/junit.xml"
ok "every line of the journal is JSON" python3 -c '
import json, sys
for line in open(sys.argv[1]): json.loads(line)' "$TMPDIR/out/journal.jsonl"
ok "every line of a transcript too" python3 -c '
import json, sys
for line in open(sys.argv[1]): json.loads(line)' \
    "$TMPDIR/out/tasks/hostile/transcript.jsonl"
for stream in stdout stderr; do
    is "$(tr -d '\n\t' <"$TMPDIR/$stream" | tr -d ' -~\200-\377' | wc -c)" 0 \
        "no control character on $stream"
    unlike "$(cat "$TMPDIR/$stream")" '^[[:space:]]*::|##vso\[' \
        "no workflow command on $stream"
done
status_is 1 "no secret in the run directory" grep -rqE --exclude-dir=work \
    'sk-main-0123456789|token-of-the-host-4711' "$TMPDIR/out"
git clone -q "$TMPDIR/work" "$TMPDIR/clean"
ok "git applies the hostile task's patch" git -C "$TMPDIR/clean" apply \
    "$TMPDIR/out/tasks/hostile/patch.diff"

# Debian's own Python, which has the package.
ok "every request fits the provider's published schema" /usr/bin/python3 -c '
import json, sys
from jsonschema import Draft202012Validator
schema = json.load(open("tests/data/schema/CreateResponse.schema.json"))
validator = Draft202012Validator(schema)
requests = [json.loads(line)["body"] for line in open(sys.argv[1])]
assert len(requests) > 50
for request in requests:
    validator.validate(request)' "$MODEL_LOG"

status_is 2 "a run directory that holds a run is refused" \
    "$NIGHTJAR" run "$TMPDIR/tasks.yaml" --model-url "$MODEL_URL" \
    --out "$TMPDIR/out"
"$NIGHTJAR" run "$TMPDIR/tasks.yaml" --dry-run --filter denied \
    --out "$TMPDIR/dry" >"$TMPDIR/dry.txt"
like "$(cat "$TMPDIR/dry.txt")" "deny exec git push" "--dry-run shows rules"
like "$(cat "$TMPDIR/dry.txt")" "writable  /workspace" "and the sandbox"
status_is 1 "and runs nothing" test -e "$TMPDIR/dry"
stop "$MODEL_PID"

# Limits of the run.
cat >"$TMPDIR/limits.yaml" <<'END'
version: 1
model: {provider: scripted, script: limits-script.yaml}
run: {jobs: 1, fail_fast: true}
tasks:
  - {id: "t{{ matrix.n }}", matrix: {n: [1, 2, 3]}, repo: work, prompt: p}
END
cat >"$TMPDIR/limits-script.yaml" <<'END'
version: 1
tasks: [{task: "*", turns: [{final: nothing done}]}]
END
status_is 4 "fail_fast ends with 4" "$NIGHTJAR" run "$TMPDIR/limits.yaml" -q \
    --out "$TMPDIR/limits"
is "$(grep -c '"reason":"fail_fast"' "$TMPDIR/limits/journal.jsonl")" 2 \
    "and skips the rest"
sed -i 's/fail_fast: true/failures: 50%/' "$TMPDIR/limits.yaml"
status_is 4 "too many failures too" "$NIGHTJAR" run "$TMPDIR/limits.yaml" -q \
    --out "$TMPDIR/failures"
sed -i 's/failures: 50%/budget: {tokens: 10}/' "$TMPDIR/limits.yaml"
status_is 4 "a spent budget too" "$NIGHTJAR" run "$TMPDIR/limits.yaml" -q \
    --out "$TMPDIR/budget"
unset OPENAI_API_KEY
status_is 2 "no key: exit status 2" "$NIGHTJAR" run "$TMPDIR/tasks.yaml"

done_testing
