#!/usr/bin/python3
"""Servers that are none, for zk-cli to stumble over: prints `kind host:port` of each, then `ready`."""

import socket
import struct
import sys
import threading

kept = []  # connections that stay open


def answer(data, keep):
    def serve(connection):
        connection.recv(100)
        connection.sendall(data)
        if keep:
            kept.append(connection)
        else:
            connection.close()

    return serve


WELCOME = struct.pack(">iiiqi", 37, 0, 3000, 1, 16) + bytes(17)


def welcome(reply):
    """Takes a session, and answers the first request with `reply`; None: never."""

    def serve(connection):
        connection.recv(100)
        connection.sendall(WELCOME)
        connection.recv(100)
        if reply is None:
            kept.append(connection)
        else:
            connection.sendall(reply)
            connection.close()

    return serve


def slam(connection):
    """A reply and a reset at once: both are there when the client looks."""
    connection.recv(100)
    connection.sendall(WELCOME)
    connection.recv(100)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.sendall(struct.pack(">i", 100) + bytes(10))
    connection.close()


def frame(pattern, *values):
    body = struct.pack(">" + pattern, *values)
    return struct.pack(">i", len(body)) + body


def late(connection):
    """Makes a znode, and tells of another before it answers the end of the session."""
    connection.recv(100)
    connection.sendall(WELCOME)
    connection.recv(200)
    connection.sendall(frame("iqii2s", 1, 1, 0, 2, b"/e"))
    connection.recv(100)
    connection.sendall(frame("iqiiii2s", -1, -1, 0, 4, 3, 2, b"/b") + frame("iqi", 2, 2, 0))
    connection.close()


KINDS = {
    "http": answer(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", False),
    "silent": kept.append,
    "closing": lambda connection: connection.close(),
    "hanging up": answer(b"", False),
    "TLS": answer(bytes([0x15, 3, 1, 0, 2, 2, 0x46]), True),
    "ssh": answer(b"SSH-2.0-OpenSSH_9\r\n", True),
    "short": answer(bytes([0, 0, 0, 4, 0, 0, 0, 0]), True),
    "good until it is asked": welcome(b""),
    "out of order": welcome(struct.pack(">iiqi", 16, 999, 1, 0)),
    "slamming the door": slam,
    "silent once it is asked": welcome(None),
    "late": late,
}


def listen(kind, serve):
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    print(kind.replace(" ", "-"), "127.0.0.1:%d" % listener.getsockname()[1], flush=True)

    def accept():
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def main():
    for kind, serve in KINDS.items():
        listen(kind, serve)
    print("ready", flush=True)
    sys.stdin.read()  # until whoever started us is gone


if __name__ == "__main__":
    main()
