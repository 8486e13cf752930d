# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""A bare connection to the system bus: calls by the thousand without waiting for a reply, arguments of any
type and size, a caller who vanishes. And the bus objects over fixed values (bus-fixture)."""

import json
import os
import pathlib
import pwd
import socket
import struct
import subprocess

from harness import ROOT, Process, run, soon
from harness.world import as_user

SOCKET = "/run/dbus/system_bus_socket"
NAME, OBJECT = "org.timeball1", "/org/timeball1"
CALL, REPLY, ERROR, SIGNAL = 1, 2, 3, 4
NO_REPLY, NO_AUTO_START, INTERACTIVE = 1, 2, 4

ALIGNMENT = {"y": 1, "q": 2, "b": 4, "i": 4, "u": 4, "d": 8, "t": 8, "x": 8, "s": 4, "o": 4, "g": 1, "a": 4, "{": 8, "(": 8, "v": 1}
NUMBERS = {"y": "B", "q": "H", "b": "I", "i": "i", "u": "I", "d": "d", "t": "Q", "x": "q"}


def pad(data, alignment):
    return data + bytes(-len(data) % alignment)


def split(signature):
    """The complete types that a signature has: "sa{sv}(ii)" -> ["s", "a{sv}", "(ii)"]."""
    types, at = [], 0
    while at < len(signature):
        end = at
        while signature[end] == "a":
            end += 1
        depth = 0
        while True:
            depth += (signature[end] in "({") - (signature[end] in ")}")
            end += 1
            if depth == 0:
                break
        types.append(signature[at:end])
        at = end
    return types


def marshal_array(data, kind, value):
    start = pad(data, 4) + bytes(4)
    first = content = pad(start, ALIGNMENT[kind[0]])
    for item in value.items() if isinstance(value, dict) else value:
        content = marshal(content, kind, item)
    return start[:-4] + struct.pack("<I", len(content) - len(first)) + content[len(start):]


def marshal(data, kind, value):
    """data with a value of that type after it. An array is a list or a dict, a structure a tuple, a variant a tuple of type
    and value."""
    data = pad(data, ALIGNMENT[kind[0]])
    if kind in NUMBERS:
        return data + struct.pack("<" + NUMBERS[kind], value)
    if kind == "g":
        return data + bytes([len(value)]) + value.encode() + b"\0"
    if kind == "v":
        return marshal(marshal(data, "g", value[0]), value[0], value[1])
    if kind[0] == "a":
        return marshal_array(data, kind[1:], value)
    if kind[0] in "({":
        for inner, member in zip(split(kind[1:-1]), value):
            data = marshal(data, inner, member)
        return data
    value = value if isinstance(value, bytes) else value.encode()
    return data + struct.pack("<I", len(value)) + value + b"\0"


def message(serial, fields, signature="", values=(), flags=0, sort=CALL):
    """A message; fields: {number of the header field: (type, value)}."""
    body = b""
    for kind, value in zip(split(signature), values):
        body = marshal(body, kind, value)
    if signature:
        fields = {**fields, 8: ("g", signature)}
    header = b""
    for number, (kind, value) in fields.items():
        header = pad(header, 8) + bytes([number])
        header = marshal(header + b"\1" + kind.encode() + b"\0", kind, value)
    start = struct.pack("<cBBBII", b"l", sort, flags, 1, len(body), serial)
    return pad(start + struct.pack("<I", len(header)) + header, 8) + body


class Message:
    """What came in: kind, reply_to (serial), error (name), body (bytes)."""

    def __init__(self, kind, header, body):
        self.kind, self.body, self.reply_to, self.error = kind, body, None, None
        at = 0
        while at < len(header):
            at += -at % 8
            number, length = header[at], header[at + 1]
            signature = header[at + 2:at + 2 + length].decode()
            at += 3 + length
            if signature == "g":
                at += header[at] + 2
                continue
            at += -at % 4
            (value,) = struct.unpack_from("<I", header, at)
            at += 4
            if signature in "so":
                text = header[at:at + value].decode()
                at += value + 1
                if number == 4:
                    self.error = text
            elif number == 5:
                self.reply_to = value

    def text(self):
        """The first argument, if it is a string: the words of an error."""
        (length,) = struct.unpack_from("<I", self.body, 0)
        return self.body[4:4 + length].decode()


class RawBus:
    """RawBus("nobody"): connected as that user."""

    def __init__(self, user="root", limit=30):
        uid = pwd.getpwnam(user).pw_uid
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(limit)
        os.seteuid(uid)
        try:
            self.socket.connect(SOCKET)
        finally:
            os.seteuid(0)
        self.buffer, self.serial = b"", 0
        self.socket.sendall(b"\0AUTH EXTERNAL " + str(uid).encode().hex().encode() + b"\r\n")
        assert self.line().startswith(b"OK ")
        self.socket.sendall(b"BEGIN\r\n")
        self.name = self.wait(self.call("Hello", name="org.freedesktop.DBus", path="/org/freedesktop/DBus",
                                        interface="org.freedesktop.DBus")).text()

    def line(self):
        while b"\r\n" not in self.buffer:
            self.buffer += self.socket.recv(4096)
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def call(self, member, signature="", *values, interface="Clock", path=OBJECT, name=NAME, flags=0):
        """Sends a call and returns its serial number."""
        self.serial += 1
        if "." not in interface:
            interface = f"{NAME}.{interface}"
        fields = {1: ("o", path), 2: ("s", interface), 3: ("s", member), 6: ("s", name)}
        self.socket.sendall(message(self.serial, fields, signature, values, flags))
        return self.serial

    def pretend(self, member, signature, *values, interface="org.freedesktop.DBus", path="/org/freedesktop/DBus", to=NAME):
        """Sends a signal as somebody else would send it, by default the bus, and waits until it has come."""
        self.serial += 1
        fields = {1: ("o", path), 2: ("s", interface), 3: ("s", member), 6: ("s", to)}
        self.socket.sendall(message(self.serial, fields, signature, values, sort=SIGNAL))
        self.ask("Ping", interface="org.freedesktop.DBus.Peer", name=to)

    def need(self, count):
        while len(self.buffer) < count:
            data = self.socket.recv(1 << 16)
            if not data:
                raise EOFError("the bus has closed the connection")
            self.buffer += data

    def receive(self):
        self.need(16)
        _, kind, _, _, body, _, header = struct.unpack_from("<cBBBIII", self.buffer)
        start = 16 + header + -header % 8
        self.need(start + body)
        got = Message(kind, self.buffer[16:16 + header], self.buffer[start:start + body])
        self.buffer = self.buffer[start + body:]
        return got

    def wait(self, serial):
        """The reply to that call; others are dropped."""
        while True:
            got = self.receive()
            if got.reply_to == serial:
                return got

    def ask(self, *arguments, **options):
        return self.wait(self.call(*arguments, **options))

    def close(self):
        self.socket.close()


class Fixture:
    """The real bus objects over fixed values; see bus-fixture.c."""

    running = []  # conftest.py ends what a test that failed has left

    def __init__(self, user="timeball", prefix=()):
        folders = [ROOT.parent / "gcc", pathlib.Path(__file__).resolve().parents[2] / "build"]
        path = next(folder / "test/system/bus-fixture" for folder in folders
                    if (folder / "test/system/bus-fixture").exists())
        self.pipe, self.writer = os.pipe()
        self.process = None
        self.command = [*prefix, *as_user(user), path]
        Fixture.running.append(self)
        self.start()

    def start(self):
        self.log = pathlib.Path("/run/test/fixture.log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(self.command, stdin=self.pipe, stdout=log, stderr=log)

    def tell(self, lines):
        """Makes an event of each line, and waits until all were emitted. It reads 4095 bytes at a time: no more at once."""
        wanted = self.said().count("done\n") + len(lines.splitlines())
        os.write(self.writer, lines.encode() + b"\n")
        soon(lambda: self.said().count("done\n") >= wanted)

    def said(self):
        return self.log.read_text()

    def applied(self):
        return [line.removeprefix("applied ") for line in self.said().splitlines() if line.startswith("applied ")]

    def alive(self):
        return self.process.poll() is None

    def stop(self):
        Fixture.running.remove(self)
        os.close(self.writer)
        os.close(self.pipe)
        assert self.process.wait(20) == 0

    @staticmethod
    def end_all():
        """The next test finds the name on the bus free."""
        while Fixture.running:
            left = Fixture.running.pop()
            left.process.kill()
            left.process.wait()
            os.close(left.writer)
            os.close(left.pipe)


class Monitor:
    """Every message on the bus, as busctl prints it."""

    def __init__(self, *match):
        self.process = Process("monitor", ["busctl", "--json=short", "monitor", *match])
        soon(self.ready, what="the monitor")

    def ready(self):
        run("busctl", "call", "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId")
        return "GetId" in self.process.said()

    def messages(self):
        found = []
        for line in self.process.said().splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                pass
        return found

    def signals(self, member, path=None):
        return [got for got in self.messages() if got.get("type") == "signal" and got.get("member") == member
                and path in (None, got.get("path"))]

    def stop(self):
        self.process.stop()
