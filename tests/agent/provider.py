"""A model provider for tests of the agent loop: the Responses API on loopback,
with a prompt cache that is simulated, a bill, and a model that is a function.

    with Provider(model) as provider:
        run = nightjar(provider, manifest)

`model(request)` is called with a Request and returns a Reply; it has no memory
of its own, so that a run that was cut off can be gone on with. The provider
remembers what was asked, and checks of each request that the one before it of
the same task is its prefix.

The cache: each request's head and items are a chain of hashes. A prefix that
some request of the same key had before, when this one came, is cached in steps
of 128 tokens from 1,024 on; tokens are four bytes. A prefix enters the cache
when the response to its request begins.
"""
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NIGHTJAR = os.path.join(os.environ["NIGHTJAR_BUILD"], "nightjar")
KEY = "sk-provider-0123456789"
TOKEN_BYTES = 4

# ---- TAP ---------------------------------------------------------------------

_checks = [0, 0]
_lock = threading.Lock()


def ok(condition, name, *why):
    with _lock:
        _checks[0] += 1
        _checks[1] += not condition
        print(f"{'ok' if condition else 'not ok'} {_checks[0]} - {name}")
        if not condition:
            for line in "\n".join(str(part) for part in why).splitlines():
                print("# " + line[:2000])
        sys.stdout.flush()
    return condition


def equal(got, wanted, name, *why):
    return ok(got == wanted, name, f"got:    {got!r}", f"wanted: {wanted!r}",
              *why)


def note(*text):
    print("# " + " ".join(str(part) for part in text))


def done():
    print(f"1..{_checks[0]}")
    sys.exit(1 if _checks[1] else 0)


# ---- requests and replies ----------------------------------------------------


class Request:
    """One request, as the model sees it."""

    def __init__(self, raw, number):
        self.raw = raw
        self.number = number
        self.body = json.loads(raw)
        self.items = self.body.get("input", [])
        at = raw.index(b'"input":[')
        self.head = raw[:at]
        self.input = raw[at:raw.rindex(b"]")]

    def texts(self, role=None):
        for item in self.items:
            if item.get("type") == "message" and role in (None, item["role"]):
                for part in item["content"]:
                    yield part.get("text", "")

    def outputs(self):
        """(call_id, text) of each answered call, in order."""
        found = []
        for item in self.items:
            if item["type"].endswith("_call_output"):
                text = item["output"]
                found.append((item["call_id"],
                              text if isinstance(text, str) else ""))
        return found

    def task(self):
        """The word after "task:" in the prompt."""
        for text in self.texts("user"):
            if "task:" in text:
                return text.split("task:", 1)[1].split()[0]
        return ""


class Reply:
    """What the model answers: items, and perhaps a fault."""

    def __init__(self, *items, status=200, error=None, cut=None, latency=0,
                 usage=None, headers=None, failed=None,
                 incomplete=None, stall=None):
        self.items = list(items)
        self.status = status
        self.error = error  # of a reply that is no stream
        self.cut = cut  # ends the stream behind so many events
        self.latency = latency
        self.usage = usage
        self.headers = headers or {}
        self.failed = failed  # an error within the stream
        self.incomplete = incomplete  # why it ended early
        self.stall = stall  # says nothing more behind so many events


def message(text, phase=None):
    item = {"type": "message", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": text,
                         "annotations": []}]}
    if phase:
        item["phase"] = phase
    return item


def call(call_id, command, **more):
    return function(call_id, "exec_command", {"cmd": command, **more})


def function(call_id, name, arguments):
    if not isinstance(arguments, str):
        arguments = json.dumps(arguments)
    return {"type": "function_call", "call_id": call_id, "name": name,
            "arguments": arguments}


def custom(call_id, name, text):
    return {"type": "custom_tool_call", "call_id": call_id, "name": name,
            "input": text}


def reasoning(text="sealed"):
    return {"type": "reasoning", "summary": [], "encrypted_content": text}


def tokens(data):
    return (len(data) + TOKEN_BYTES - 1) // TOKEN_BYTES


# ---- the provider ------------------------------------------------------------


class Cache:
    """Prefixes by key, as chains of hashes at the ends of items."""

    def __init__(self):
        self.known = {}
        self.lock = threading.Lock()

    def chain(self, request):
        head = {name: value for name, value in request.body.items()
                if name not in ("input", "max_output_tokens")}
        parts = [json.dumps(head).encode()]
        parts += [json.dumps(item).encode() for item in request.items]
        digest, total, chain = hashlib.sha256(), 0, []
        for part in parts:
            digest.update(part)
            total += tokens(part)
            chain.append((digest.hexdigest(), total))
        return chain

    def look(self, request):
        known = self.known.setdefault(
            request.body.get("prompt_cache_key", ""), set())
        hit = 0
        with self.lock:
            for digest, total in self.chain(request):
                if digest not in known:
                    break
                hit = total
        return hit // 128 * 128 if hit >= 1024 else 0

    def store(self, request):
        key = request.body.get("prompt_cache_key", "")
        with self.lock:
            self.known.setdefault(key, set()).update(
                digest for digest, _ in self.chain(request))


class NoCache:
    """For conversations that are too long to be hashed each time."""

    def chain(self, request):
        return [("", tokens(request.raw))]

    def look(self, request):
        return 0

    def store(self, request):
        pass


class Provider:
    def __init__(self, model, cache=True):
        self.model = model
        self.cache = Cache() if cache else NoCache()
        self.lock = threading.Lock()
        self.requests = []  # (Request, cached)
        self.served = []  # numbers of requests whose response went out whole
        self.last = {}  # input of each task's last request
        self.breaks = []  # (task, byte, number of the request)
        self.open = 0  # requests that are being answered
        self.open_most = 0

    def __enter__(self):
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *args):
                pass

            def do_POST(self):
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                try:
                    provider.answer(self, raw)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 512

            def handle_error(self, *args):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever,
                         kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *args):
        self.server.shutdown()
        self.server.server_close()

    def note(self, request):
        """Remembers it, and whether it broke its task's prefix."""
        task = request.task()
        with self.lock:
            request.number = len(self.requests)
            before = self.last.get(task)
            if before is not None and not request.input.startswith(before):
                same = os.path.commonprefix([before, request.input])
                self.breaks.append((task, len(same), request.number))
            self.last[task] = request.input
            self.requests.append((request, self.cache.look(request)))
            request.cached = self.requests[-1][1]
            self.open += 1
            self.open_most = max(self.open, self.open_most)

    def of_task(self, task, first=0, last=None):
        return [request for request, _ in self.requests[first:last]
                if request.task() == task]

    def answer(self, handler, raw):
        request = Request(raw, None)
        request.path = handler.path
        self.note(request)
        try:
            reply = self.model(request)
            if reply.latency:
                time.sleep(reply.latency)
            if handler.path.endswith("/compact") or reply.status != 200:
                self.send_whole(handler, request, reply)
            else:
                self.send_stream(handler, request, reply)
        finally:
            with self.lock:
                self.open -= 1

    def usage(self, request, reply):
        if reply.usage is not None:
            return reply.usage or None  # False: none is told
        output = sum(tokens(json.dumps(item).encode()) for item in reply.items)
        return {"input_tokens": self.cache.chain(request)[-1][1],
                "input_tokens_details": {"cached_tokens": request.cached},
                "output_tokens": output,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": 0}

    def send_whole(self, handler, request, reply):
        body = reply.error
        if reply.status == 200:
            body = {"id": "resp_1", "object": "response.compaction",
                    "output": reply.items, "usage": self.usage(request, reply)}
            self.served.append(request.number)
        data = json.dumps(body).encode()
        handler.send_response(reply.status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(data)))
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(data)

    def events(self, request, reply):
        response = {"id": f"resp_{request.number}", "output": []}
        yield {"type": "response.created", "response": response}
        for index, item in enumerate(reply.items):
            yield {"type": "response.output_item.added", "output_index": index,
                   "item": {"type": item["type"]}}
            yield {"type": "response.output_item.done", "output_index": index,
                   "item": item}
        if reply.failed:
            yield {"type": "response.failed",
                   "response": {**response, "error": reply.failed}}
            return
        if reply.incomplete:
            yield {"type": "response.incomplete", "response": {
                **response, "status": "incomplete",
                "incomplete_details": {"reason": reply.incomplete},
                "usage": self.usage(request, reply)}}
            return
        yield {"type": "response.completed",
               "response": {**response, "status": "completed",
                            "usage": self.usage(request, reply)}}

    def send_stream(self, handler, request, reply):
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        self.cache.store(request)
        for count, event in enumerate(self.events(request, reply)):
            if reply.stall is not None and count >= reply.stall:
                handler.wfile.flush()
                handler.connection.recv(1)  # until the peer has enough
                return
            if reply.cut is not None and count >= reply.cut:
                handler.close_connection = True
                handler.wfile.flush()
                handler.connection.close()
                return
            data = (f"event: {event['type']}\ndata: "
                    f"{json.dumps(event, separators=(',', ':'))}\n\n").encode()
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        handler.wfile.write(b"0\r\n\r\n")
        handler.wfile.flush()
        self.served.append(request.number)


# ---- running -----------------------------------------------------------------

FOLDER = tempfile.mkdtemp(prefix="agent-")
_runs = [0]


def git(*words, cwd):
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null",
                   "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.com",
                   "GIT_COMMITTER_NAME": "A",
                   "GIT_COMMITTER_EMAIL": "a@example.com",
                   "GIT_AUTHOR_DATE": "2026-01-02T03:04:05Z",
                   "GIT_COMMITTER_DATE": "2026-01-02T03:04:05Z"}
    subprocess.run(["git", "-c", "init.defaultBranch=main", *words], cwd=cwd,
                   env=environment, check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def repository(name, files):
    path = os.path.join(FOLDER, name)
    for file, text in files.items():
        full = os.path.join(path, file)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w") as out:
            out.write(text)
    git("init", "-q", cwd=path)
    git("add", "-A", cwd=path)
    git("commit", "-qm", "one", cwd=path)
    return path


def environment():
    return {**os.environ, "OPENAI_API_KEY": KEY, "HOME": FOLDER}


def command(provider, manifest, *options, name=None):
    """The words that run a manifest, and the run directory."""
    _runs[0] += 1
    out = os.path.join(FOLDER, name or f"run-{_runs[0]}")
    path = os.path.join(FOLDER, f"tasks-{_runs[0]}.yaml")
    with open(path, "w") as file:
        file.write(manifest)
    words = [NIGHTJAR, "run", path, "--out", out, *options]
    if provider:
        words += ["--model-url", provider.url]
    return words, out


class Run:
    def __init__(self, out, status, text):
        self.out, self.status, self.text = out, status, text

    def events(self, kind=None, task=None):
        found = []
        try:
            with open(os.path.join(self.out, "journal.jsonl")) as file:
                for line in file:
                    event = json.loads(line)
                    if kind in (None, event["type"]) and \
                            task in (None, event.get("task")):
                        found.append(event)
        except FileNotFoundError:
            pass
        return found

    def verdict(self, task):
        return [(e["verdict"], e["reason"])
                for e in self.events("task_finished", task)][-1]

    def file(self, *parts):
        with open(os.path.join(self.out, *parts)) as file:
            return file.read()

    def report(self):
        return json.loads(self.file("reports", "report.json"))


def nightjar(provider, manifest, *options, **more):
    words, out = command(provider, manifest, *options, **more)
    result = subprocess.run(words, env=environment(), cwd=FOLDER,
                            stdin=subprocess.DEVNULL, timeout=600,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return Run(out, result.returncode, result.stdout.decode())


def resume(out):
    result = subprocess.run([NIGHTJAR, "run", "--resume", out],
                            env=environment(), cwd=FOLDER, timeout=600,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT)
    return Run(out, result.returncode, result.stdout.decode())


VALIDATE = """
import json, sys
from jsonschema import Draft202012Validator
schemas = {name: Draft202012Validator(json.load(open(
    f"tests/data/schema/{name}.schema.json"))) for name in
    ("CreateResponse", "CompactResponseMethodPublicBody")}
for line in open(sys.argv[1]):
    name, body = json.loads(line)
    schemas[name].validate(body)
"""


def fits_schema(provider, name, most=60):
    """Requests, evenly drawn, fit the provider's published schema. By Debian's
    own Python, which has the package."""
    path = os.path.join(FOLDER, "requests.jsonl")
    requests = [request for request, _ in provider.requests]
    with open(path, "w") as file:
        for request in requests[::max(1, len(requests) // most)]:
            kind = "CompactResponseMethodPublicBody" if \
                request.path.endswith("/compact") else "CreateResponse"
            file.write(json.dumps([kind, request.body]) + "\n")
    result = subprocess.run(["/usr/bin/python3", "-c", VALIDATE, path],
                            stderr=subprocess.PIPE)
    ok(result.returncode == 0, f"{name}: requests fit the published schema",
       result.stderr.decode()[-3000:])


def clean():
    shutil.rmtree(FOLDER, ignore_errors=True)
