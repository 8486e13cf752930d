# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""MS-SNTP: Samba signs for members of its domain. Samba itself cannot be run here, so Signd below stands in for its
ntp_signd; it speaks the same protocol, and does everything wrong that can be done wrong."""

import hashlib
import os
import shutil
import socket
import socketserver
import struct
import threading

import pytest

from harness import Daemon, run, soon
from harness.world import STATE

PORT = 1123
ACCOUNT = 1104
PASSWORD = b"the password of a machine"
REQUEST = bytes([0x1b]) + bytes(39) + bytes.fromhex("0123456789abcdef")
PLAIN = bytes([0x23]) + REQUEST[1:]


class Signd:
    """A stand-in for Samba's ntp_signd: knows one account, and behaves as `behaviour` says."""

    def __init__(self, folder):
        self.folder = folder
        self.behaviour = "signs"
        self.asked = 0
        self.server = None
        self.connections = []
        self.start()

    def start(self):
        signd = self
        path = self.folder / "socket"
        path.unlink(missing_ok=True)

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                signd.connections.append(self.request)
                signd.serve(self.request)

        class Server(socketserver.ThreadingUnixStreamServer):
            daemon_threads = True

        self.server = Server(str(path), Handler)
        os.chmod(path, 0o666)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self):
        """As if it had been killed: connections end, the socket's name stays."""
        self.server.shutdown()
        self.server.server_close()
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.connections.clear()

    def serve(self, connection):
        try:
            while True:
                length = struct.unpack(">I", receive(connection, 4))[0]
                self.answer(connection, receive(connection, length))
        except (EOFError, OSError):
            pass

    def answer(self, connection, question):
        version, operation, number, padding = struct.unpack(">IIHH", question[:12])
        account, packet = question[12:16], question[16:]
        assert (version, operation, padding, len(packet)) == (0, 0, 0, 48)
        self.asked += 1
        if self.behaviour == "hangs":
            return
        if self.behaviour == "dies":
            connection.shutdown(socket.SHUT_RDWR)
            return
        if self.behaviour == "rubbish":
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(100))
            return
        if struct.unpack("<I", account)[0] != ACCOUNT:
            connection.sendall(struct.pack(">IIII", 12, 0, 4, number))
            return
        reply = struct.pack(">III", 0, 3, number) + packet + account + digest(packet)
        connection.sendall(struct.pack(">I", len(reply)) + reply)


def receive(connection, length):
    data = b""
    while len(data) < length:
        more = connection.recv(length - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def digest(packet):
    return hashlib.md5(PASSWORD + packet).digest()


def ask(packet, address="127.0.0.1", wait=1.0):
    """The answer, b"" for silence."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect((address, PORT))
        s.settimeout(wait)
        s.send(packet)
        try:
            return s.recv(2048)
        except (TimeoutError, ConnectionRefusedError):
            return b""


def member(account=ACCOUNT):
    """What a member of the domain sends."""
    return REQUEST + struct.pack("<I", account) + bytes(16)


def is_signed(answer):
    return (len(answer) == 68 and answer[0] & 0x3f == 0x1c and answer[1] == 5 and answer[24:32] == REQUEST[40:48]
            and answer[48:52] == struct.pack("<I", ACCOUNT) and answer[52:] == digest(answer[:48]))


def ask_until_signed():
    soon(lambda: is_signed(ask(member())), what="a signed answer")


@pytest.fixture(name="signd", scope="module")
def stand_in():
    """In a directory that only root and the daemon's group may enter, as an administrator has to make it."""
    folder = STATE / "ntp_signd"
    folder.mkdir(mode=0o750)
    shutil.chown(folder, "root", "timeball")
    signd = Signd(folder)
    yield signd
    signd.stop()


@pytest.fixture(name="server", scope="module")
def time_server(bus, signd):
    daemon = Daemon(f"port {PORT}", "allow", "local stratum 5", f"ntpsigndsocket {signd.folder}", bus=bus)
    soon(lambda: ask(PLAIN))
    yield daemon
    daemon.stop()


def test_signed(server, signd, bus):
    """The answer that we gave, signed by Samba, from the address that was asked; plain ones as ever."""
    signd.behaviour = "signs"
    assert is_signed(ask(member(), wait=20))
    assert is_signed(ask(member(), "127.4.5.6", wait=20))
    assert len(ask(PLAIN, wait=20)) == 48
    asked = signd.asked
    assert bus.get("Server", "Verdicts")["ms-sntp"] == asked == 2
    assert ask(member(77)) == b""  # no such account
    assert ask(REQUEST + bytes(20)) == b""  # no account at all
    assert ask(member() + bytes(52)) == b""  # the extended form
    assert signd.asked == asked + 1
    assert "ntp_signd" not in server.said()


def test_burst(server, signd):
    """As many as may wait, at once."""
    signd.behaviour = "signs"
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(16)]
    try:
        for s in sockets:
            s.connect(("127.0.0.1", PORT))
            s.settimeout(20)
            s.send(member())
        assert all(is_signed(s.recv(2048)) for s in sockets)
    finally:
        for s in sockets:
            s.close()
    assert "ntp_signd" not in server.said()


@pytest.mark.parametrize("behaviour, reason", [("hangs", "it does not answer"), ("dies", "it has ended the connection"),
                                               ("rubbish", "it answers what we do not understand")])
def test_trouble(server, signd, behaviour, reason):
    """It costs the answers that it was to sign and one warning; when it is right again, so are we."""
    line = f"Samba's ntp_signd in {signd.folder}: {reason}; what it does not sign is not answered"
    again = f"Samba's ntp_signd in {signd.folder} signs again"
    recoveries = server.said().count(again)
    signd.behaviour = behaviour
    try:
        for _ in range(3):
            assert ask(member(), wait=0.2) == b""
            assert len(ask(PLAIN, wait=20)) == 48
        soon(lambda: line in server.said(), what=line)
    finally:
        signd.behaviour = "signs"
    ask_until_signed()
    soon(lambda: server.said().count(again) == recoveries + 1, what=again)
    assert server.said().count(line) == 1


def test_absent(server, signd):
    """It is stopped and started while we run."""
    signd.stop()
    try:
        for _ in range(5):
            assert ask(member(), wait=0.2) == b""
            assert len(ask(PLAIN, wait=20)) == 48
        said = [line for line in server.said().splitlines() if "Connection refused; what it does not sign" in line]
        assert len(said) == 1
    finally:
        signd.start()
    ask_until_signed()


def test_reload(server, signd):
    """Without the directive such requests meet silence; threads do not go with it."""
    def reload_with(*lines):
        server.write(f"port {PORT}", "allow", "local stratum 5", *lines)
        run("timectl", "reload")
        soon(lambda: ask(PLAIN))

    asked = signd.asked
    try:
        reload_with()
        assert ask(member(), wait=0.5) == b"" and signd.asked == asked
        reload_with("serverthreads 2")
        assert ask(member(), wait=0.5) == b"" and signd.asked == asked
    finally:
        reload_with(f"ntpsigndsocket {signd.folder}", "serverthreads 2")
    assert "serverthreads 2 is refused: what Samba signs (ntpsigndsocket)" in server.said()
    ask_until_signed()
