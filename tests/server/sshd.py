#!/usr/bin/env python3
"""A loopback port with an OpenSSH sshd behind it; sshd.sh prepares it.

    sshd.py [--ready-fd N] [--port-file FILE] --lifetime SECONDS
            --known-hosts FILE --host-key FILE.pub -- SSHD ARGUMENTS…

sshd cannot take a free port and tell which, so this listens and starts one
`sshd -i` for each connection, as inetd would. known_hosts is written before
the port is told."""
import argparse
import socket
import sys
import threading

sys.dont_write_bytecode = True  # nothing appears beside the sources
import process  # noqa: E402


def serve(connection, command):
    child = process.start(command, stdin=connection, stdout=connection)
    connection.close()
    process.finish(child)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ready-fd", type=int)
    parser.add_argument("--port-file")
    parser.add_argument("--lifetime", type=float, required=True)
    parser.add_argument("--known-hosts", required=True)
    parser.add_argument("--host-key", required=True)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    process.bound(options.lifetime)
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    port = listener.getsockname()[1]
    with open(options.host_key) as file:
        key = " ".join(file.read().split()[:2])
    with open(options.known_hosts, "w") as file:
        file.write(f"[127.0.0.1]:{port} {key}\n")
    process.tell_port(port, options.port_file, options.ready_fd)
    if options.ready_fd != 1:
        print(port, flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection, options.command),
                         daemon=True).start()


if __name__ == "__main__":
    main()
