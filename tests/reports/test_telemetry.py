#!/usr/bin/env python3
"""Spans and metrics: sent by OTLP/HTTP to a collector on loopback, as the
standard variables say."""
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from corpus import *  # noqa: F401,F403
from corpus import (FOLDER, NIGHTJAR, equal, large_run, ok, report)
from provider import Provider, Reply, call, message, nightjar, repository


class Collector:
    """Answers with the next of `answers`, then with 200."""

    def __init__(self, answers=()):
        self.requests, self.answers = [], list(answers)
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.requests.append((self.path, dict(self.headers), body))
                status, headers = (collector.answers.pop(0)
                                   if collector.answers else (200, {}))
                self.send_response(status)
                for key, value in headers.items():
                    self.send_header(key, value)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def bodies(self, path):
        return [json.loads(body) for at, _, body in self.requests if at == path]


def attributes(owner):
    found = {}
    for one in owner["attributes"]:
        (kind, value), = one["value"].items()
        assert kind in ("stringValue", "intValue", "doubleValue", "boolValue")
        assert (kind == "intValue") <= isinstance(value, str)
        found[one["key"]] = int(value) if kind == "intValue" else value
    return found


def spans(bodies):
    return [span for body in bodies for resource in body["resourceSpans"]
            for scope in resource["scopeSpans"] for span in scope["spans"]]


def check(spans_, name):
    """What the protocol asks for, and that each span's parent is there."""
    ids = {span["spanId"] for span in spans_}
    equal(len(ids), len(spans_), f"{name}: ids are unique")
    bad = [s for s in spans_ if not (
        re.fullmatch("[0-9a-f]{32}", s["traceId"]) and
        re.fullmatch("[0-9a-f]{16}", s["spanId"]) and
        s["kind"] in (1, 3) and s["name"] and
        s["startTimeUnixNano"].isdigit() and
        int(s["endTimeUnixNano"]) >= int(s["startTimeUnixNano"]) > 0)]
    equal(bad[:1], [], f"{name}: each is well-formed")
    equal([s["name"] for s in spans_ if s.get("parentSpanId") not in ids][1:],
          [], f"{name}: one tree")


def model(request):
    if not request.outputs():
        return Reply(call("c0", "echo SECRET-CONTENT >a.txt"))
    return Reply(message("done"))


repo = repository("app", {"a.txt": "a\n"})
MANIFEST = f"""version: 1
model: {{name: m, price: {{input: 1, cached_input: 0.1, output: 5}}}}
tasks:
  - {{id: good, repo: {repo}, prompt: 'task:good x', verify: [{{name: c, run: 'true'}}]}}
  - {{id: bad, repo: {repo}, prompt: 'task:bad x', fix_attempts: 0, verify: [{{name: c, run: 'false'}}]}}
"""
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
with Provider(model) as provider, Collector([(503, {}), (429, {})]) as collector:
    os.environ.update({
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url + "/",
        "OTEL_EXPORTER_OTLP_HEADERS": "api-key=top%20secret,x-a=1",
        "OTEL_SERVICE_NAME": "night", "TRACEPARENT": PARENT,
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=ci,team=a%2Cb"})
    run = nightjar(provider, MANIFEST)
    equal(run.status, 1, "the run is what it is", run.text)
    equal([path for path, _, _ in collector.requests],
          ["/v1/traces"] * 3 + ["/v1/metrics"],
          "both are sent, what failed for a moment again")
    heads = collector.requests[0][1]
    equal((heads["Content-Type"], heads["api-key"], heads["x-a"]),
          ("application/json", "top secret", "1"), "with the headers")
    body = collector.bodies("/v1/traces")[-1]
    found = spans([body])
    check(found, "spans")
    resource = attributes(body["resourceSpans"][0]["resource"])
    equal({key: resource[key] for key in ("service.name", "team",
                                          "deployment.environment")},
          {"service.name": "night", "team": "a,b",
           "deployment.environment": "ci"}, "the resource")
    by_name = {}
    for span in found:
        by_name.setdefault(span["name"], []).append(span)
    equal({name: len(list_) for name, list_ in by_name.items()
           if not name.startswith("run ")},
          {"task good": 1, "task bad": 1, "invoke_agent nightjar": 2,
           "chat m": 4, "execute_tool exec_command": 2, "verify c": 2},
          "a span for each run, task, attempt, turn, call and step")
    root = [span for span in found if span["name"].startswith("run ")][0]
    equal((root["traceId"], root["parentSpanId"]),
          ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"),
          "the run is part of the trace that started it")
    chat = attributes(by_name["chat m"][0])
    equal((chat["gen_ai.operation.name"], chat["gen_ai.request.model"],
           chat["gen_ai.usage.input_tokens"] > 0), ("chat", "m", True),
          "the conventions for generative AI")
    tool = attributes(by_name["execute_tool exec_command"][0])
    equal((tool["gen_ai.tool.name"], tool["gen_ai.tool.call.id"],
           tool["nightjar.decision"]), ("exec_command", "c0", "allow"),
          "also of tools")
    bad = by_name["task bad"][0]
    equal((bad["status"]["code"], attributes(bad)["error.type"]), (2, "verify"),
          "what failed says so")
    ok(b"SECRET-CONTENT" not in b"".join(b for _, _, b in collector.requests),
       "no content, unless it is asked for")
    metrics = {one["name"]: one for one in collector.bodies("/v1/metrics")[0]
               ["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]}
    equal(set(metrics), {"nightjar.tasks", "nightjar.cost",
                         "nightjar.task.duration", "gen_ai.client.token.usage",
                         "gen_ai.client.operation.duration"}, "metrics")
    equal({attributes(point)["nightjar.verdict"]: point["asInt"]
           for point in metrics["nightjar.tasks"]["sum"]["dataPoints"]
           if point["asInt"] != "0"}, {"passed": "1", "failed": "1"},
          "how many ended how")
    for name, one in metrics.items():
        for point in one.get("histogram", {}).get("dataPoints", []):
            equal((len(point["bucketCounts"]),
                   sum(map(int, point["bucketCounts"]))),
                  (len(point["explicitBounds"]) + 1, int(point["count"])),
                  f"{name}: its buckets")

    # ---- again, with content, by the report command --------------------------------
    again = report(run.out, "--report", "traces")
    equal(json.loads(again), body, "the report has the same bytes")
    count = len(collector.requests)
    report(run.out, "--otlp", env={
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "true",
        "OTEL_METRICS_EXPORTER": "none"})
    equal([path for path, _, _ in collector.requests[count:]], ["/v1/traces"],
          "metrics can be turned off")
    ok(b"SECRET-CONTENT" in collector.requests[-1][2], "content on demand")
    count = len(collector.requests)
    report(run.out, "--otlp", env={"OTEL_SDK_DISABLED": "true"})
    equal(len(collector.requests), count, "all of it can be turned off")
    report(run.out, "--otlp", env={
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": collector.url + "/other",
        "OTEL_METRICS_EXPORTER": "none"})
    equal(collector.requests[-1][0], "/other", "an endpoint of its own, as it is")

    # ---- many: in parts -------------------------------------------------------------
    large = large_run(2000)
    count = len(collector.requests)
    report(large, "--otlp", env={"OTEL_METRICS_EXPORTER": "none"})
    parts = [json.loads(b) for _, _, b in collector.requests[count:]]
    ok(len(parts) > 2 and all(len(b) < 4 << 20 for _, _, b in
                              collector.requests[count:]),
       "2,000 tasks come in parts", len(parts))
    check(spans(parts), "2,000 tasks")

# ---- collectors that are not good to us ----------------------------------------------
def refused(answers, name, wanted, **env):
    with Collector(answers) as collector:
        os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.url
        result = subprocess.run(
            [NIGHTJAR, "report", run.out, "--otlp"], capture_output=True,
            text=True, stdin=subprocess.DEVNULL, env={**os.environ, **env})
        ok(result.returncode != 0 and wanted in result.stderr, name,
           result.stderr)
        return collector


first = refused([(400, {})], "a request that is wrong is not sent again",
                "answered 400")
equal(len(first.requests), 1, "once")
refused([(503, {})] * 9, "one that is down is left alone", "503, 4 times")
with Collector() as other:
    refused([(302, {"Location": other.url + "/stolen"})], "no redirect",
            "answered 302")
    equal(other.requests, [], "and no headers go elsewhere")
refused([], "another protocol", "'grpc' is not spoken",
        OTEL_EXPORTER_OTLP_PROTOCOL="grpc")
refused([], "a timeout that is none", "OTEL_EXPORTER_OTLP_TIMEOUT",
        OTEL_EXPORTER_OTLP_TIMEOUT="soon")
os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:9"
with Provider(model) as provider:
    run = nightjar(provider, MANIFEST)
    equal(run.status, 1, "a run does not depend on its collector")
    ok("telemetry:" in run.text, "but tells", run.text)
    os.environ["TRACEPARENT"] = "00-xyz-1-01"
    name = json.loads(report(run.out, "--report", "traces"))
    ok(re.fullmatch("[0-9a-f]{32}", name["resourceSpans"][0]["scopeSpans"][0]
                    ["spans"][0]["traceId"]), "a traceparent that is none")
done()
