# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""More requests than can be answered, and a server that was not running for a while. How fast it is test/bench says; here
is what becomes of the requests."""

import pathlib
import re
import signal
import socket
import struct
import time

import pytest

from harness import Daemon, Process, soon
from harness.network import CLIENT
from harness.world import ROOT

PORT = 1123
REQUEST = bytes([0x23]) + bytes(39) + bytes.fromhex("0123456789abcdef")


@pytest.fixture(scope="module", name="server")
def time_server(bus, empty_network):
    """timeballd at 192.0.2.1, and a host with a network of clients behind it."""
    empty_network.host("load", 31)
    load = lambda *words: empty_network.inside("ip", "-n", "load", *words)
    load("route", "add", "local", "10.64.0.0/10", "dev", "lo")
    Process("route", ["ip", "route", "add", "10.64.0.0/10", "via", "192.0.2.31"]).popen.wait(20)
    daemon = Daemon(f"port {PORT}", "allow", "local stratum 5", bus=bus)
    soon(lambda: bus.get("Server", "Listening"))
    yield daemon
    daemon.stop()


def client():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(0.2)
    s.connect(("127.0.0.1", PORT))
    return s


def stamps(answer):
    """Receive and transmit timestamp, s since 1970."""
    return [seconds - 2208988800 + fraction / 2**32 for seconds, fraction in
            (struct.unpack(">II", answer[at:at + 8]) for at in (32, 40))]


def hear(s):
    try:
        return s.recv(2048)
    except TimeoutError:
        return b""


def ask(s):
    s.send(REQUEST)
    return hear(s)


def verdicts(bus):
    return bus.get("Server", "Verdicts")


def program():
    for folder in (ROOT.parent / "gcc", pathlib.Path(__file__).resolve().parents[2] / "build"):
        if (folder / "test/bench/serve-load").exists():
            return folder / "test/bench/serve-load"
    return pytest.skip("no serve-load: it is built with the benchmarks")


class Load:
    """Requests at a rate (1/s; 0: as many as can be made) for a second, and what became of them."""

    def __init__(self, rate):
        self.process = Process("load", [program(), CLIENT, PORT, rate, 1, 250, "basic"], netns="load")

    def result(self):
        assert self.process.popen.wait(60) == 0, self.process.said()
        said = dict(re.findall(r"^(\w+) ([\d.]+)$", self.process.said(), re.M))
        seconds = float(said["seconds"])
        assert int(said["wrong"]) == 0, said
        return float(said["sent"]) / seconds, float(said["answered"]) / seconds


def test_twice_the_load(server):
    """Asked twice as often as it can answer, it answers as often as ever: an honest client among all the others gets
    its answers too. One that drowns, because it works on what it then throws away, would answer a few of hundred. The
    limits are wide: the machine does other things as well."""
    capacity = max(Load(0).result()[1] for _ in range(2))
    assert capacity > 0
    usual, flood, honest = [], [], 0
    for _ in range(3):
        usual.append(Load(int(capacity)).result())
        load = Load(int(2 * capacity))
        with client() as s:
            while load.process.alive():
                honest += bool(ask(s))
        flood.append(load.result())
    assert max(answered for _, answered in flood) > max(answered for _, answered in usual) / 3, (usual, flood)
    assert honest > 0
    with client() as s:
        assert soon(lambda: ask(s))
    assert server.process.alive()


def test_stopped_for_a_moment(server, bus):
    """Who waited for us is told so: the timestamps say when the request came and when the answer left."""
    with client() as s:
        assert soon(lambda: ask(s))
        answered = verdicts(bus)["answered"]
        server.process.signal(signal.SIGSTOP)
        try:
            before = time.time()
            s.send(REQUEST)
            sent = time.time()
            time.sleep(0.5)
        finally:
            server.process.signal(signal.SIGCONT)
        received, transmitted = stamps(soon(lambda: hear(s)))
        assert before - 0.001 <= received <= sent + 0.25  # the kernel's, not that of when we looked
        assert transmitted - received > 0.2
        assert verdicts(bus)["answered"] == answered + 1


def test_stopped_for_long(server, bus):
    """What waited longer than any client does is not answered any more; the next request is."""
    late = verdicts(bus)["late"]
    with client() as s:
        server.process.signal(signal.SIGSTOP)
        try:
            for _ in range(10):
                s.send(REQUEST)
            time.sleep(4.5)
        finally:
            server.process.signal(signal.SIGCONT)
        soon(lambda: verdicts(bus)["late"] == late + 10, what="ten late requests")
        assert hear(s) == b""
        assert soon(lambda: ask(s))
