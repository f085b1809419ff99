#!/usr/bin/env python3
"""One HTTP exchange over a bare socket, told in facts that a test compares.

    http_client.py [options] URL        prints the facts asked for, one line

A library would hide what the tests of the model server are about: how the
bytes are cut, framed and ended. Facts (--print a,b,…):
  status    of the last response        end    complete, cut, reset or open;
            with --then half-close: silent or talks, beside: ahead or behind
  bytes     of the body                 chunk  the largest chunk
  events    number of events            last   type of the last event
  sequence  "whole" if sequence_number counts from 0 without a gap
  text      of all text deltas          items  types in the last response
  newline   lf, crlf or cr              line   length of the longest line
  done      output_item.done events     deltas of text
  head      bytes of the headers        ids    call ids in the last response
  body, usage, error, reason, sha256, calls (arguments), header:NAME
Standard library only; every wait ends after --timeout seconds."""
import argparse
import hashlib
import json
import re
import socket
import sys
from urllib.parse import urlsplit


class Exchange:
    def __init__(self, options):
        self.options = options
        url = urlsplit(options.url)
        self.path = url.path or "/"
        self.host = (url.hostname, url.port)
        self.pending = b""
        self.end = "complete"
        self.chunk = 0
        self.headers, self.body, self.status = {}, bytearray(), None
        self.head_bytes = 0
        self.socket = socket.create_connection(self.host, options.timeout)

    def send(self):
        body = self.options.body.encode()
        body *= self.options.body_times
        version = "1.0" if self.options.send == "old" else "1.1"
        head = [f"POST {self.path} HTTP/{version}", f"Host: {self.host[0]}",
                "Content-Type: application/json"] + self.options.header
        if self.options.send == "chunked":
            head.append("Transfer-Encoding: chunked")
            half = len(body) // 2
            body = b"".join(b"%x\r\n%s\r\n" % (len(part), part)
                            for part in (body[:half], body[half:]) if part)
            body += b"0\r\n\r\n"
        else:
            head.append(f"Content-Length: {len(body)}")
        if self.options.send == "expect":
            head.append("Expect: 100-continue")
        head = "\r\n".join(head).encode() + b"\r\n\r\n"
        if self.options.send == "expect":
            self.socket.sendall(head)
            if self.read_head() != 100:
                sys.exit("no 100 Continue")
            self.socket.sendall(body)
        else:
            self.socket.sendall(head + body)

    def more(self):
        """Reads; False (and why, in self.end) when nothing more comes."""
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            self.end = "reset"
            return False
        if not data:
            self.end = "cut"
        self.pending += data
        return bool(data)

    def read_head(self):
        while b"\r\n\r\n" not in self.pending:
            if not self.more():
                return None
        head, self.pending = self.pending.split(b"\r\n\r\n", 1)
        self.head_bytes = len(head)
        lines = head.decode("latin-1").split("\r\n")
        self.headers = {}
        for line in lines[1:]:
            name, value = line.split(":", 1)
            self.headers[name.lower()] = value.strip()
        return int(lines[0].split()[1])

    def enough(self):
        limit = self.options.read_events
        if limit and self.body.count(b"\n\n") >= limit:
            return True
        return self.options.read_bytes and \
            len(self.body) >= self.options.read_bytes

    def take(self, length):
        """Moves `length` bytes to the body; False if the stream ends."""
        while len(self.pending) < length:
            length -= len(self.pending)
            self.body += self.pending
            self.pending = b""
            if not self.more():
                return False
        self.body += self.pending[:length]
        self.pending = self.pending[length:]
        return True

    def read_chunks(self):
        while True:
            while b"\r\n" not in self.pending:
                if not self.more():
                    return
            line, self.pending = self.pending.split(b"\r\n", 1)
            size = int(line, 16)
            self.chunk = max(self.chunk, size)
            if not self.take(size) or not self.take(2):
                return
            if self.body[-2:] != b"\r\n":
                sys.exit("a chunk does not end with CRLF")
            del self.body[-2:]
            if not size:
                return
            if self.enough():
                self.end = "open"
                return

    def receive(self):
        self.body, self.end = bytearray(), "complete"
        self.status = self.read_head()
        if self.status is None:
            return
        if self.headers.get("transfer-encoding") == "chunked":
            self.read_chunks()
        elif "content-length" in self.headers:
            self.take(int(self.headers["content-length"]))
        else:
            while self.more():
                pass
            self.body, self.pending = bytearray(self.pending), b""
            self.end = "complete" if self.end == "cut" else self.end

    def half_close(self):
        """A stalled server closes now, without another byte."""
        self.socket.shutdown(socket.SHUT_WR)
        before = len(self.pending)
        while self.more():
            pass
        self.end = "silent" if len(self.pending) == before else "talks"

    def beside(self):
        """Whether anything came here while another exchange went through."""
        options = argparse.Namespace(**vars(self.options))
        options.then = None
        options.read_events = 0
        other = Exchange(options)
        other.send()
        other.receive()
        self.socket.setblocking(False)
        try:
            self.end = "ahead" if self.socket.recv(1) else "cut"
        except BlockingIOError:
            self.end = "behind"
        self.status = other.status


def events_of(body):
    events, data = [], []
    for line in re.split(rb"\r\n|\n|\r", body):
        if line.startswith(b"data: "):
            data.append(line[6:])
        elif not line and data:
            events.append(json.loads(b"\n".join(data)))
            data = []
    return events


def facts_of(exchange):
    body = bytes(exchange.body)
    facts = {"status": exchange.status, "end": exchange.end,
             "bytes": len(body), "chunk": exchange.chunk,
             "head": exchange.head_bytes,
             "sha256": hashlib.sha256(body).hexdigest(),
             "line": max(map(len, re.split(rb"\r\n|\n|\r", body)))}
    facts["newline"] = "crlf" if b"\r\n" in body else \
        "cr" if b"\r" in body else "lf"
    if not exchange.headers.get("content-type", "").startswith(
            "text/event-stream") or exchange.options.raw:
        facts["body"] = body.decode("utf-8", "replace")
        return facts
    events = events_of(body)
    numbers = [event.get("sequence_number") for event in events]
    texts = [event["delta"] for event in events
             if event["type"] == "response.output_text.delta"]
    last = events[-1] if events else {}
    response = last.get("response", {})
    facts.update({
        "events": len(events), "last": last.get("type"),
        "sequence": "whole" if numbers == list(range(len(events))) else "gaps",
        "text": "".join(texts), "deltas": len(texts),
        "done": sum(event["type"] == "response.output_item.done"
                    for event in events),
        "items": "+".join(i["type"] for i in response.get("output", [])),
        "calls": "+".join(i.get("arguments", i.get("input", ""))
                          for i in response.get("output", [])
                          if i["type"].endswith("_call")),
        "ids": "+".join(i["call_id"] for i in response.get("output", [])
                        if "call_id" in i),
        "usage": json.dumps(response.get("usage"), separators=(",", ":")),
        "error": json.dumps(last.get("error") or response.get("error"),
                            separators=(",", ":")),
        "reason": (response.get("incomplete_details") or {}).get("reason"),
    })
    return facts


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("url")
    parser.add_argument("--print", default="status,end")
    parser.add_argument("--body", default="{}")
    parser.add_argument("--body-times", type=int, default=1)
    parser.add_argument("--header", action="append", default=[])
    parser.add_argument("--send", choices=["plain", "chunked", "expect", "old"],
                        default="plain")
    parser.add_argument("--requests", type=int, default=1)
    parser.add_argument("--read-events", type=int, default=0)
    parser.add_argument("--read-bytes", type=int, default=0)
    parser.add_argument("--then", choices=["half-close", "beside"])
    parser.add_argument("--raw", action="store_true")
    parser.add_argument("--save")
    parser.add_argument("--timeout", type=float, default=60)
    options = parser.parse_args()
    exchange = Exchange(options)
    for _ in range(options.requests):
        exchange.send()
        if options.then != "beside" or options.read_bytes:
            exchange.receive()
    if options.then == "half-close":
        exchange.half_close()
    elif options.then == "beside":
        exchange.beside()
    if options.save:
        with open(options.save, "wb") as file:
            file.write(exchange.body)
    facts = facts_of(exchange)
    print(" ".join(
        exchange.headers.get(name[7:], "-") if name.startswith("header:")
        else str(facts[name]) for name in options.print.split(",")))


if __name__ == "__main__":
    main()
