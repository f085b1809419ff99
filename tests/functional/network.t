#!/bin/sh
# The network of a sandbox alone, in the sandbox.
# shellcheck disable=SC2016,SC2086,SC2317 # scripts for inside; some end early
. tests/functional/lib.sh

check_network() {
    inside 'TCP and UDP on the own loopback, IPv4 and IPv6' 'python3' <<'EOF'
python3 - <<'PY'
import socket
for family, host in (socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"), (socket.AF_INET, "127.1.2.3"):
    s = socket.create_server((host, 0), family=family, reuse_port=True)
    c = socket.create_connection(s.getsockname()[:2])
    a, _ = s.accept()
    c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    c.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    c.sendall(b"x" * 70000); c.shutdown(socket.SHUT_WR)
    assert sum(len(d) for d in iter(lambda: a.recv(65536), b"")) == 70000
    u, v = (socket.socket(family, socket.SOCK_DGRAM) for _ in "ab")
    u.bind((host, 0)); v.sendto(b"hi", u.getsockname()); assert u.recvfrom(10)[0] == b"hi"
s = socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)
socket.create_connection(("127.0.0.1", s.getsockname()[1]))
PY
EOF

    inside 'unix sockets: stream, datagram, seqpacket, abstract, descriptors passed' \
        'python3' <<'EOF'
python3 - <<'PY'
import os, socket, struct
for kind in socket.SOCK_STREAM, socket.SOCK_SEQPACKET:
    for name in f"s{kind}", f"\0s{kind}", f"/tmp/s{kind}":
        s = socket.socket(socket.AF_UNIX, kind); s.bind(name); s.listen()
        c = socket.socket(socket.AF_UNIX, kind); c.connect(name)
        a, _ = s.accept(); c.send(b"x"); assert a.recv(1) == b"x"
        pid, uid, gid = struct.unpack("3i", a.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        assert pid == os.getpid() and uid == os.getuid()
d = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); d.bind("d")
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"y", "d"); assert d.recv(1) == b"y"
a, b = socket.socketpair()
socket.send_fds(a, [b"f"], [os.open("/dev/null", os.O_RDONLY)])
assert socket.recv_fds(b, 1, 1)[1]
PY
EOF

    inside 'localhost and the own host name resolve' 'getent python3 hostname' <<'EOF'
getent hosts localhost && getent hosts "$(hostname)" && getent ahosts localhost && hostname -i
python3 - <<'PY'
import socket
for name in "localhost", socket.gethostname(), socket.getfqdn():
    socket.gethostbyname(name)
    with socket.create_server((name, 0)) as s: socket.create_connection((name, s.getsockname()[1]))
assert {a[0] for a in socket.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)} == {socket.AF_INET, socket.AF_INET6}
assert socket.getservbyname("https") == 443 and socket.getprotobyname("tcp") == 6
PY
EOF

    inside 'curl to an http server on localhost' 'curl python3' <<'EOF'
python3 - <<'PY'
import http.server, subprocess, threading
s = http.server.ThreadingHTTPServer(("localhost", 0), http.server.SimpleHTTPRequestHandler)
threading.Thread(target=s.serve_forever, daemon=True).start()
out = subprocess.run(["curl", "-sS", f"http://localhost:{s.server_port}/check.sh"], capture_output=True)
print(out)
assert out.stdout == open("check.sh", "rb").read()
PY
EOF

    inside 'openssl: keys, certificates, TLS on localhost' 'openssl python3' <<'EOF'
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
    -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout k.pem -out c.pem
openssl dgst -sha256 check.sh && openssl rand 16 | wc -c
openssl genrsa -out rsa.pem 2048 && openssl verify -CAfile c.pem c.pem
python3 - <<'PY'
import socket, ssl, threading
s = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); s.load_cert_chain("c.pem", "k.pem")
l = socket.create_server(("localhost", 0))
def serve():
    c, _ = l.accept(); s.wrap_socket(c, server_side=True).sendall(b"ok")
threading.Thread(target=serve, daemon=True).start()
x = ssl.create_default_context(cafile="c.pem")
assert x.wrap_socket(socket.create_connection(l.getsockname()), server_hostname="localhost").recv(2) == b"ok"
PY
EOF
}

run_checks check_network
