"""Networks: services of the host, and ways around a list of hosts."""
import http.server
import os
import socket
import subprocess
import threading
import uuid

from lab import Skip, attack, main


class Server:
    """An HTTP server of the host that notes what it was asked."""

    def __init__(self, lab, address='127.0.0.1', family=socket.AF_INET):
        hits = self.hits = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                hits.append(self.path)
                self.send_response(200)
                self.send_header('Content-Length', '6')
                self.end_headers()
                self.wfile.write(b'answer')

            do_POST = do_CONNECT = do_GET

            def log_message(self, *_):
                pass

        class Listener(http.server.ThreadingHTTPServer):
            address_family = family

            def handle_error(self, *_):
                pass  # a client that is gone

        self.server = Listener((address, 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever,
                         args=(0.01,), daemon=True).start()
        lab.at_end.append(self.server.shutdown)
        lab.at_end.append(self.server.server_close)


@attack('network', 'a service on the host\'s loopback is asked')
def _(lab):
    server = Server(lab)
    lab.py(f'socket.create_connection(("127.0.0.1", {server.port}))'
           '.sendall(b"GET /a HTTP/1.0\\r\\n\\r\\n")')
    return await_hit(server, lab)


def await_hit(server, lab):
    # In the none mode the request is on its way; answers come in order.
    if lab.mode == 'none':
        with socket.create_connection(server.server.server_address[:2]) as s:
            s.sendall(b'GET /own HTTP/1.0\r\n\r\n')
            while s.recv(100):
                pass
    return any(hit != '/own' for hit in server.hits)


@attack('network', 'a service on the host\'s IPv6 loopback is asked')
def _(lab):
    try:
        server = Server(lab, '::1', socket.AF_INET6)
    except OSError as error:
        raise Skip('no IPv6') from error
    out = lab.py(f's = socket.create_connection(("::1", {server.port}))\n'
                 's.sendall(b"GET /a HTTP/1.0\\r\\n\\r\\n")\n'
                 'print(s.recv(100))')
    return '200' in out.output


@attack('network', 'a service on an address of the host is asked')
def _(lab):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(('192.0.2.1', 9))
        except OSError as error:
            raise Skip('no address but loopback') from error
        address = probe.getsockname()[0]
    server = Server(lab, address)
    out = lab.py(f's = socket.create_connection(("{address}", {server.port}))\n'
                 's.sendall(b"GET /a HTTP/1.0\\r\\n\\r\\n")\n'
                 'print(s.recv(100))')
    return '200' in out.output


@attack('network', 'a datagram reaches the host')
def _(lab):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(('127.0.0.1', 0))
        receiver.settimeout(5 if lab.mode == 'none' else 0.0)
        lab.py('socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", '
               f'("127.0.0.1", {receiver.getsockname()[1]}))')
        try:
            return bool(receiver.recv(10))
        except OSError:
            return False


@attack('network', 'a name is asked from a server that the host can reach')
def _(lab):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(('127.0.0.1', 0))
        server.settimeout(5 if lab.mode == 'none' else 0.0)
        secret = uuid.uuid4().hex[:20]
        port = server.getsockname()[1]
        lab.py(f'''name = {secret!r}
query = struct.pack(">6H", 1, 256, 1, 0, 0, 0) + bytes([len(name)]) + \\
    name.encode() + b"\\3org\\0" + struct.pack(">2H", 1, 1)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("127.0.0.1", {port})); s.send(query)''')
        try:
            return secret.encode() in server.recv(500)
        except OSError:
            return False


@attack('network', 'a port of the host is taken')
def _(lab):
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(lab.command(['python3', '-c', f'''
import socket, sys
s = socket.socket(); s.setsockopt(1, 2, 1); s.bind(("127.0.0.1", {port}))
s.listen(); print("listens", flush=True); sys.stdin.read()''']),
        cwd=lab.work, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True)
    process.stdout.readline()
    try:
        socket.create_connection(('127.0.0.1', port), timeout=5).close()
        return True
    except OSError:
        return False
    finally:
        process.stdin.close()
        process.wait()


@attack('network', 'an abstract socket of the host is reached')
def _(lab):
    name = f'nightjar-{uuid.uuid4().hex}'
    with socket.socket(socket.AF_UNIX) as server:
        server.bind('\0' + name)
        server.listen()
        return lab.says(lab.py(f's = socket.socket(socket.AF_UNIX)\n'
                               f's.connect("\\0{name}"); print("reached")'))


@attack('network', 'a socket of the host is reached by its path')
def _(lab):
    path = str(lab.outside / 'socket')
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        return lab.says(lab.py(f's = socket.socket(socket.AF_UNIX)\n'
                               f's.connect({path!r}); print("reached")'))


@attack('network', 'a datagram socket of the host is reached by its path')
def _(lab):
    path = str(lab.outside / 'socket')
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(path)
        server.setblocking(False)
        lab.py('socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)'
               f'.sendto(b"x", {path!r})')
        try:
            return bool(server.recv(10))
        except BlockingIOError:
            return False


@attack('network', 'a socket that lies in the workspace itself is reached',
        open='a socket in a folder that the sandbox is given is given too',
        confined='')
def _(lab):
    path = str(lab.work / 'socket')
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        return lab.says(lab.py('s = socket.socket(socket.AF_UNIX)\n'
                               's.connect("socket"); print("reached")'))


for kind, code in (
        ('a raw socket', 'socket.AF_INET, socket.SOCK_RAW, 1'),
        ('a packet socket', 'socket.AF_PACKET, socket.SOCK_RAW, 3'),
        ('a netlink socket', 'socket.AF_NETLINK, socket.SOCK_RAW, 0'),
        ('a netfilter socket', 'socket.AF_NETLINK, socket.SOCK_RAW, 12'),
        ('an audit socket', 'socket.AF_NETLINK, socket.SOCK_RAW, 9'),
        ('a vsock socket', '40, socket.SOCK_STREAM, 0'),
        ('a crypto socket', '38, 5, 0'),
        ('an XDP socket', '44, socket.SOCK_RAW, 0'),
        ('a bluetooth socket', '31, 3, 1'),
        ('a CAN socket', '29, 3, 1'),
        ('a TIPC socket', '30, 5, 0'),
        ('an SCTP socket', 'socket.AF_INET, socket.SOCK_STREAM, 132'),
        ('an MPTCP socket', 'socket.AF_INET, socket.SOCK_STREAM, 262'),
        ('a ping socket', 'socket.AF_INET, socket.SOCK_DGRAM, 1'),
        ('an RDS socket', '21, 5, 0'),
        ('a key socket', '15, 3, 2')):
    @attack('network', f'{kind} is made')
    def _(lab, code=code):
        return lab.says(lab.py(f'socket.socket({code}); print("reached")'))


# ---- around the list of hosts ------------------------------------------------

CLIENT = '''
import urllib.parse
def talk(text):
    proxy = os.environ.get("HTTP_PROXY") or os.environ.get("http_proxy")
    where = urllib.parse.urlsplit(proxy) if proxy else None
    if where:
        s = socket.create_connection((where.hostname, where.port), 10)
    else:
        s = socket.create_connection(("127.0.0.1", PORT), 10)
    s.settimeout(20)
    s.sendall(text)
    answer = b""
    try:
        while chunk := s.recv(4096): answer += chunk
    except OSError: pass
    return answer
def tunnel(host):
    proxy = os.environ.get("HTTP_PROXY")
    if not proxy:
        address = host.rsplit(":", 1)[0].strip("[]")
        s = socket.create_connection((address, PORT), 10)
    else:
        where = urllib.parse.urlsplit(proxy)
        s = socket.create_connection((where.hostname, where.port), 10)
        s.sendall(("CONNECT %s HTTP/1.1\\r\\n\\r\\n" % host).encode())
        s.recv(4096)
    s.sendall(b"GET /inside HTTP/1.0\\r\\n\\r\\n")
    return s.recv(4096)
'''


def around(name, hosts, code, **options):
    """With --network `hosts` the host's server is asked all the same. The
    mode without namespaces has no lists: there the network is none."""
    @attack('network', f'a list of hosts: {name}', **options)
    def _(lab):
        server = Server(lab)
        listed = hosts.replace('PORT', str(server.port))
        options = () if lab.mode == 'confined' else ('--network', listed)
        lab.py((CLIENT + code).replace('PORT', str(server.port)), *options)
        return await_hit(server, lab)


around('past the proxy', 'example.org',
       'socket.create_connection(("127.0.0.1", PORT)).sendall(b"GET /a HTTP/1.0'
       '\\r\\n\\r\\n")')
around('a host that is not named', 'example.org', 'tunnel("127.0.0.1:PORT")')
around('loopback, when everything public is', '*', 'tunnel("127.0.0.1:PORT")')
around('a name for loopback', '*', 'tunnel("localhost:PORT")')
around('another address of loopback', '*', 'tunnel("127.0.0.1:PORT") if not '
       'os.environ.get("HTTP_PROXY") else tunnel("127.9.8.7:PORT")')
around('the unspecified address', '*', 'tunnel("0.0.0.0:PORT")')
around('the unspecified IPv6 address', '*', 'tunnel("127.0.0.1:PORT") if not '
       'os.environ.get("HTTP_PROXY") else tunnel("[::]:PORT")')
around('IPv4 in IPv6', '*', 'tunnel("[::ffff:127.0.0.1]:PORT")')
around('IPv4 in IPv6, in hexadecimal', '*', 'tunnel("[::ffff:7f00:1]:PORT")')
around('an address as one number', '*', 'tunnel("2130706433:PORT")')
around('an address in octal', '*', 'tunnel("0177.0.0.1:PORT")')
around('an address in hexadecimal', '*', 'tunnel("0x7f.1:PORT")')
around('an address with a part missing', '*', 'tunnel("127.1:PORT")')
around('another port of a named host', 'localhost:1', 'tunnel("localhost:PORT")')
around('a named host as user name', 'example.org',
       'tunnel("127.0.0.1:PORT") if not os.environ.get("HTTP_PROXY") else '
       'tunnel("example.org@127.0.0.1:PORT")')
around('a named host before a fragment', 'example.org',
       'tunnel("127.0.0.1:PORT") if not os.environ.get("HTTP_PROXY") else '
       'tunnel("127.0.0.1:PORT#example.org:80")')
around('a longer name that ends like a named one', '*.example.org',
       'tunnel("127.0.0.1:PORT") if not os.environ.get("HTTP_PROXY") else '
       'tunnel("127.0.0.1:PORT\\0.example.org:80")')
around('a line break in the name', 'example.org',
       'tunnel("127.0.0.1:PORT") if not os.environ.get("HTTP_PROXY") else '
       'tunnel("example.org:80 HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'
       'CONNECT 127.0.0.1:PORT")')
around('an absolute URL', 'example.org',
       'talk(b"GET http://127.0.0.1:PORT/a HTTP/1.1\\r\\nHost: example.org'
       '\\r\\nConnection: close\\r\\n\\r\\n")')
around('a relative URL and a Host', '*',
       'talk(b"GET /a HTTP/1.1\\r\\nHost: 127.0.0.1:PORT\\r\\n'
       'Connection: close\\r\\n\\r\\n")')


def two_servers(name, request):
    """One that is named and one that is not, which is asked."""
    @attack('network', f'a list of hosts: {name}')
    def _(lab):
        named, other = Server(lab), Server(lab)
        options = () if lab.mode == 'confined' else (
            '--network', f'127.0.0.1:{named.port}')
        text = request if lab.mode != 'none' else \
            'GET /b HTTP/1.1\r\nConnection: close\r\n\r\n'
        text = text.replace('NAMED', f'127.0.0.1:{named.port}').replace(
            'OTHER', f'127.0.0.1:{other.port}')
        lab.py(CLIENT.replace('PORT', str(other.port)) +
               f'talk({text.encode()!r})', *options)
        return await_hit(other, lab)


two_servers('a second request in one connection',
            'GET http://NAMED/a HTTP/1.1\r\nHost: NAMED\r\n\r\n'
            'GET http://OTHER/b HTTP/1.1\r\nHost: OTHER\r\n'
            'Connection: close\r\n\r\n')
two_servers('two Host headers and two targets',
            'GET http://NAMED/a HTTP/1.1\r\nHost: OTHER\r\nHost: OTHER\r\n'
            'Connection: close\r\n\r\n')
two_servers('a user name that looks like a host',
            'GET http://NAMED@OTHER/a HTTP/1.1\r\nHost: NAMED\r\n'
            'Connection: close\r\n\r\n')
two_servers('a backslash in the URL',
            'GET http://OTHER\\@NAMED/a HTTP/1.1\r\nHost: NAMED\r\n'
            'Connection: close\r\n\r\n')


@attack('network', 'a list of hosts: a Host header is passed on unchecked')
def _(lab):
    # A server of many names would take it for a name that was not checked.
    seen = []
    server = Server(lab)
    handler = server.server.RequestHandlerClass
    answer = handler.do_GET

    def note(self):
        seen.append(self.headers['Host'])
        answer(self)

    handler.do_GET = note
    options = () if lab.mode == 'confined' else (
        '--network', f'127.0.0.1:{server.port}')
    lab.py(CLIENT.replace('PORT', str(server.port)) +
           f'talk(b"GET http://127.0.0.1:{server.port}/a HTTP/1.1\\r\\n"\n'
           '     b"Host: evil\\r\\nConnection: close\\r\\n\\r\\n")',
           *options)
    return 'evil' in seen


main()
