#!/bin/sh
# Every way in which a model's server can fail has a verdict of its kind, the
# right number of requests, and runs nothing twice. One run: a task for each
# case, which the server tells apart by the prompt.
. tests/lib.sh

make_repository work
python3 - "$TMPDIR" <<'END'
import json, sys

folder = sys.argv[1]
done = {"items": [{"message": "done"}]}
# A call with an effect that can be counted: a line for each time it ran.
mark = {"items": [{"message": "working", "phase": "commentary"},
                  {"call": {"name": "exec_command", "arguments":
                            {"cmd": "echo ran >> /tmp/ran; cat /tmp/ran"}}}]}
cases = {}


def case(name, steps, verdict, requests):
    cases[name] = (steps, verdict, requests)


def status(number, code=None, **more):
    return dict({"status": number, "body": {"error": {"message": "m",
                 "type": "t", "code": code}}}, **more)


for code, kind in ((400, "request"), (401, "authentication"), (402, "quota"),
                   (403, "authentication"), (404, "request"),
                   (413, "request"), (422, "request")):
    case(f"status-{code}", [status(code), done], f"error {kind}", 1)
for code, kind in ((408, "overloaded"), (409, "overloaded"),
                   (429, "rate_limit"), (500, "overloaded"),
                   (502, "overloaded"), (503, "overloaded"),
                   (504, "overloaded"), (529, "overloaded")):
    case(f"status-{code}-once", [status(code), done], "passed completed", 2)
    case(f"status-{code}-always", [status(code)] * 3, f"error {kind}", 2)
case("quota", [status(429, code="insufficient_quota"), done], "error quota", 1)
case("context", [status(400, code="context_length_exceeded")],
     "error context_length", 1)
case("retry-after", [status(429, headers={"Retry-After": "0"}), done],
     "passed completed", 2)
case("retry-date", [status(503, headers={"Retry-After":
     "Wed, 21 Oct 2015 07:28:00 GMT"}), done], "passed completed", 2)
case("retry-far", [status(429, headers={"Retry-After": "100000"}), done],
     "error rate_limit", 1)
case("should-not", [status(500, headers={"x-should-retry": "false"}), done],
     "error overloaded", 1)
case("redirect", [{"redirect": "http://127.0.0.1:1/v1/responses"}, done],
     "error request", 1)
case("html", [{"status": 200, "body": "<html>no</html>",
               "content_type": "text/html"}] * 2, "error protocol", 2)
case("garbage", [{"garbage": 100000}] * 2, "error network", 2)
case("garbage-once", [{"garbage": 100000}, done], "passed completed", 2)
case("reset", [{"reset": True}, done], "passed completed", 2)
case("no-end", [{"items": [{"message": "x"}], "no_completed": True}] * 2,
     "error network", 2)
# The reply was complete before the framing broke.
case("chunk", [{"items": [{"message": "x"}], "truncated_chunk": True}, done],
     "passed completed", 1)
case("flood", [{"items": [{"message": "x"}], "header_flood": 2000000}] * 2,
     "error network", 2)
case("huge-line", [dict(done, huge_line=40000000)] * 2, "error protocol", 2)
case("big-line", [dict(done, huge_line=20000000)], "passed completed", 1)
case("huge-text", [dict(done, huge_text=20000000)], "passed completed", 1)
case("endless", [{"endless": True}], "error protocol", 1)
case("comments", [{"endless": "comments"}], "error protocol", 1)
case("drip", [dict(done, drip={"bytes": 100, "interval_ms": 20})],
     "passed completed", 1)
case("error-event", [{"error_event": {"code": "server_error",
                                      "message": "oops"}}, done],
     "passed completed", 2)
case("failed-quota", [{"failed": {"code": "insufficient_quota",
                                  "message": "no"}}], "error quota", 1)
case("failed-context", [{"failed": {"code": "context_length_exceeded",
                                    "message": "long"}}],
     "error context_length", 1)
case("failed-rate", [{"failed": {"code": "rate_limit_exceeded", "message":
                                 "Please try again in 20ms."}}, done],
     "passed completed", 2)
case("failed-prompt", [{"failed": {"code": "invalid_prompt",
                                   "message": "no"}}], "error content", 1)
case("filter", [{"items": [], "incomplete": "content_filter"}],
     "error content", 1)
case("cut-short", [{"items": [{"message": "half"}],
                    "incomplete": "max_output_tokens"}, done],
     "passed completed", 2)
case("duplicate", [dict(mark, duplicate_done=True), done],
     "passed completed", 2)
case("cr", [dict(mark, sse_newline="\r"), done], "passed completed", 2)
case("crlf", [dict(mark, sse_newline="\r\n"), done], "passed completed", 2)
case("fragments", [dict(mark, fragment=1), done], "passed completed", 2)
for event in range(0, 14):
    case(f"cut-{event:02}", [dict(mark, cut_after_event=event), mark, done],
         "passed completed", 3)
for size in (1, 100, 1000, 2000):
    case(f"cut-bytes-{size}", [dict(mark, cut_after_bytes=size), mark, done],
         "passed completed", 3)
case("close", [dict(mark, close=True), done], "passed completed", 2)
case("empty-reply", [{"items": []}] * 5, "failed no_message", 4)
case("unknown-item", [{"items": [{"raw": {"type": "surprise", "x": 1}},
                                 {"message": "done"}]}], "passed completed", 1)

with open(folder + "/scenario.json", "w") as file:
    json.dump({"by_prompt": {f"<{name}>": steps for name, (steps, _, _)
                             in cases.items()}}, file)
with open(folder + "/expected.json", "w") as file:
    json.dump({name: [verdict, requests] for name, (_, verdict, requests)
               in cases.items()}, file)
with open(folder + "/tasks.yaml", "w") as file:
    file.write("""version: 1
model: {name: m, max_retries: 1, idle_timeout: 2m, request_timeout: 10m}
run: {jobs: 6}
defaults: {repo: work, changes: any, timeout: 15m}
tasks:
""")
    for name in cases:
        file.write(f"  - {{id: {name}, prompt: \"<{name}>\"}}\n")
END

start_model_server "$TMPDIR/scenario.json" --lifetime 600
OPENAI_API_KEY=sk-errors-0123456789
export OPENAI_API_KEY
status_is 3 "the run ends as incomplete" "$NIGHTJAR" run "$TMPDIR/tasks.yaml" \
    --model-url "$MODEL_URL" --out "$TMPDIR/out" -q

python3 - "$TMPDIR" "$MODEL_LOG" >"$TMPDIR/results" <<'END'
import json, re, sys

folder, log = sys.argv[1:]
expected = json.load(open(folder + "/expected.json"))
tasks = {task["id"]: task for task in
         json.load(open(folder + "/out/reports/report.json"))["tasks"]}
requests = {}
for line in open(log):
    body = json.dumps(json.loads(line)["body"])
    name = re.search('"text": "<([a-z0-9-]+)>"', body).group(1)
    requests.setdefault(name, []).append(json.loads(line))
for name, (verdict, count) in expected.items():
    task = tasks[name]
    got = task["verdict"] + " " + task["reason"]
    made = len(requests.get(name, []))
    print("ok" if got == verdict else "no", f"{name}: {verdict}", "|",
          got, task["message"][:150])
    print("ok" if made == count else "no", f"{name}: {count} requests", "|",
          made)
    last = json.dumps(requests[name][-1]["body"])
    if "echo ran" in last:
        outputs = [item for item in requests[name][-1]["body"]["input"]
                   if item["type"] == "function_call_output"]
        once = len(outputs) == 1 and outputs[0]["output"].count("ran\n") == 1
        print("ok" if once else "no", f"{name}: its call ran once", "|",
              len(outputs))
        said = last.count('"working"')
        print("ok" if said == 1 else "no", f"{name}: said once", "|", said)
END
while IFS= read -r line; do
    name=${line#?? }
    case $line in
    ok*) pass "${name% | *}" ;;
    *) fail "${name% | *}" "got ${name#* | }" ;;
    esac
done <"$TMPDIR/results"

ok "the JUnit report is XML" xmllint --noout "$TMPDIR/out/reports/junit.xml"
for format in json junit; do
    "$NIGHTJAR" report "$TMPDIR/out" --report "$format=$TMPDIR/again.$format"
done
ok "the same report.json again" cmp "$TMPDIR/again.json" \
    "$TMPDIR/out/reports/report.json"
ok "the same junit.xml again" cmp "$TMPDIR/again.junit" \
    "$TMPDIR/out/reports/junit.xml"
status_is 1 "the key is nowhere in the run directory" \
    grep -rq sk-errors-0123456789 "$TMPDIR/out"

# A stream that stops for longer than idle_timeout. On a busy machine the good
# answer may come too late as well, so the number of requests is open.
stop "$MODEL_PID"
cat >"$TMPDIR/stall.json" <<'END'
{"responses": [{"items": [{"message": "x"}], "stall_after_event": 2},
               {"items": [{"message": "done"}]}], "repeat": "last"}
END
start_model_server "$TMPDIR/stall.json"
cat >"$TMPDIR/stall.yaml" <<'END'
version: 1
model: {name: m, max_retries: 20, idle_timeout: 1s}
tasks: [{id: stall, repo: work, prompt: p, changes: any}]
END
status_is 0 "a stream that stops is asked for again" "$NIGHTJAR" run \
    "$TMPDIR/stall.yaml" --model-url "$MODEL_URL" --out "$TMPDIR/stall" -q
like "$(cat "$TMPDIR/stall/journal.jsonl")" '"kind":"network".*nothing came' \
    "and the journal says why"

# Nobody listens there at all.
stop "$MODEL_PID"
status_is 3 "no server" "$NIGHTJAR" run "$TMPDIR/tasks.yaml" -q \
    --model-url "$MODEL_URL" --out "$TMPDIR/nobody" --filter close
like "$(cat "$TMPDIR/nobody/journal.jsonl")" '"reason":"network"' \
    "is an error of the network"

done_testing
