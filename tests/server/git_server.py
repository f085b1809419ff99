#!/usr/bin/env python3
"""git_server: bare repositories over smart HTTP, for tests. Loopback only.

    git_server.py [--tls CERT KEY] [--require-token TOKEN] [--vanish REF]
                  [--port-file FILE] [--ready-fd N] [--log FILE]
                  [--lifetime SECONDS] DIRECTORY

http://127.0.0.1:PORT/NAME.git is DIRECTORY/NAME.git, served by git
http-backend. --require-token wants Basic authentication with that password
and any user name, and answers 401 otherwise. --vanish deletes REF of a
repository once its info/refs was served, so a client that chose it is told
that it is not there; protocol version 2 is off then, because it lists the
refs later. Each request is one line of JSON in the log: {method, path, user,
status}. It ends on SIGTERM, with its parent, and after its lifetime (120
seconds)."""
import argparse
import base64
import binascii
import hmac
import http.server
import io
import json
import os
import ssl
import subprocess
import sys
import threading
from urllib.parse import unquote, urlsplit

sys.dont_write_bytecode = True  # nothing appears beside the sources
import process  # noqa: E402

BODY_MAX = 256 << 20
BLOCK = 64 << 10
TIMEOUT_SECONDS = 60
INFO_REFS = "/info/refs"
PASSED = {"CONTENT_TYPE": "Content-Type", "GIT_PROTOCOL": "Git-Protocol",
          "HTTP_CONTENT_ENCODING": "Content-Encoding"}


class BadRequest(Exception):
    pass


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = TIMEOUT_SECONDS
    server_version = "git_server"

    def log_message(self, *_):
        pass

    def credentials(self):
        """The user and password of the request; None, None without any."""
        scheme, _, value = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None, None
        try:
            user, _, password = base64.b64decode(value).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None, None
        return user, password

    def note(self, status):
        self.server.note({"method": self.command, "path": self.path,
                          "user": self.credentials()[0], "status": status})

    def refuse(self, status, *headers):
        self.note(status)
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

    def blocks(self):
        """The body of the request, whichever way it is framed."""
        left = BODY_MAX
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while True:
                size = int(self.rfile.readline(32).strip(), 16)
                left -= size
                if left < 0:
                    raise BadRequest
                data = self.rfile.read(size)
                self.rfile.readline(8)
                if not size:
                    return
                yield data
        left = int(self.headers.get("Content-Length", 0))
        if not 0 <= left <= BODY_MAX:
            raise BadRequest
        while left:
            data = self.rfile.read(min(left, BLOCK))
            if not data:
                raise BadRequest
            left -= len(data)
            yield data

    def environment(self, path, query):
        values = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": "/nonexistent",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "GIT_PROJECT_ROOT": self.server.directory,
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REMOTE_ADDR": self.client_address[0],
            "REMOTE_USER": self.credentials()[0] or "",
            "SERVER_PROTOCOL": "HTTP/1.1",
        }
        for variable, header in PASSED.items():
            if header in self.headers:
                values[variable] = self.headers[header]
        if self.server.vanish:
            values.pop("GIT_PROTOCOL", None)
        return values

    def relay(self, output, path):
        """Passes the answer of the CGI program on. The log and the vanished
        ref come first: the client may act on the first bytes."""
        status, headers = 200, []
        for line in iter(lambda: output.readline(BLOCK).strip(), b""):
            name, _, value = line.decode("latin-1").partition(":")
            if name.lower() == "status":
                status = int(value.split()[0])
            else:
                headers.append((name, value.strip()))
        self.note(status)
        if self.server.vanish and status == 200 and path.endswith(INFO_REFS):
            output = io.BytesIO(output.read())
            self.server.drop_ref(path[1:-len(INFO_REFS)])
        self.send_response(status)
        for header in headers:
            self.send_header(*header)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for data in iter(lambda: output.read1(BLOCK), b""):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.write(b"0\r\n\r\n")

    def serve(self):
        url = urlsplit(self.path)
        path = unquote(url.path)
        if ".." in path.split("/") or "\0" in path:
            return self.refuse(400)
        token = self.server.token
        password = self.credentials()[1]
        if token and not (password and hmac.compare_digest(
                password.encode(), token.encode())):
            return self.refuse(401, ("WWW-Authenticate",
                                     'Basic realm="git", charset="UTF-8"'))
        body = b"".join(self.blocks())
        child = process.start(["git", "http-backend"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL,
                              env=self.environment(path, url.query))
        writer = threading.Thread(target=feed, args=(child.stdin, body))
        writer.start()
        try:
            self.relay(child.stdout, path)
        finally:
            child.stdout.close()
            writer.join()
            process.finish(child)

    def do_GET(self):
        try:
            self.serve()
        except (BadRequest, ValueError):
            self.refuse(400)
        except OSError:
            self.close_connection = True

    do_POST = do_GET


def feed(pipe, data):
    """Writes to a child that may not want all of it."""
    try:
        with pipe:
            pipe.write(data)
    except BrokenPipeError:
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, options):
        super().__init__(("127.0.0.1", 0), Handler)
        self.directory = os.path.abspath(options.directory)
        self.token = options.require_token
        self.vanish = options.vanish
        self.lock = threading.Lock()
        self.log = open(options.log, "a") if options.log else None
        self.tls = None
        if options.tls:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*options.tls)

    def get_request(self):
        connection, address = super().get_request()
        if self.tls:
            # The handshake waits for the peer, so a thread has to do it: at
            # its first read.
            connection.settimeout(TIMEOUT_SECONDS)
            connection = self.tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def handle_error(self, request, client_address):
        pass

    def note(self, entry):
        if self.log:
            with self.lock:
                print(json.dumps(entry), file=self.log, flush=True)

    def drop_ref(self, repository):
        if self.vanish:
            with self.lock:
                subprocess.run(["git", "--git-dir",
                                os.path.join(self.directory, repository),
                                "update-ref", "-d", self.vanish],
                               check=False, stderr=subprocess.DEVNULL)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"))
    parser.add_argument("--require-token")
    parser.add_argument("--vanish", metavar="REF")
    parser.add_argument("--port-file")
    parser.add_argument("--ready-fd", type=int)
    parser.add_argument("--log")
    parser.add_argument("--lifetime", type=float, default=120)
    parser.add_argument("directory")
    options = parser.parse_args()
    process.bound(options.lifetime)
    server = Server(options)
    process.tell_port(server.server_address[1], options.port_file,
                      options.ready_fd)
    server.serve_forever()


if __name__ == "__main__":
    main()
