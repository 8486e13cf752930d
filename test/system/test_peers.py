# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""Peers: Debian's chronyd and we, each as the peer of the other."""

import itertools
import json
import struct

import pytest

from harness import Daemon, Process, run, soon
from harness.network import CLIENT, CLIENT6
from harness.world import STATE

PEER, PEER6 = "192.0.2.21", "2001:db8::21"
FAST = "minpoll 0 maxpoll 0"
COUNT = itertools.count(1)


class Chronyd:
    """Debian's chronyd on the other side, with its own command socket."""

    def __init__(self, *lines):
        self.folder = STATE / f"peer-{next(COUNT)}"
        self.folder.mkdir(mode=0o700)
        self.socket = self.folder / "chronyd.sock"
        path = self.folder / "chrony.conf"
        path.write_text("\n".join([*lines, f"bindcmdaddress {self.socket}", "cmdport 0", f"pidfile {self.folder}/pid"]) + "\n")
        self.process = Process("chronyd-peer", ["chronyd", "-x", "-d", "-u", "root", "-f", path], netns="servers")
        soon(lambda: self.ask("activity"), what="chronyd")

    def ask(self, *words):
        self.process.expect_alive()
        return run("chronyc", "-h", self.socket, "-c", "-n", *words).stdout.splitlines()

    def follows(self, address):
        return self.ask("tracking")[0].split(",")[1] == address

    def ntpdata(self):
        return self.ask("ntpdata")[0].split(",")

    def stop(self):
        self.process.stop()


@pytest.fixture(scope="module")
def peers(bus, empty_network):
    """peers(our lines, lines of chronyd): (our daemon, chronyd), both at 123."""
    empty_network.inside("ip", "addr", "add", f"{PEER}/24", "dev", "bridge0")
    empty_network.inside("ip", "-6", "addr", "add", f"{PEER6}/64", "dev", "bridge0", "nodad")
    started = []

    def start(ours, theirs):
        while started:
            started.pop().stop()
        started.append(Chronyd(*theirs))
        started.append(Daemon(*ours, bus=bus, user=None))
        return started[1], started[0]

    yield start
    while started:
        started.pop().stop()


@pytest.fixture(scope="module")
def primary(empty_network):
    return empty_network.server()


def ntp(bus, address=PEER):
    for path, value in bus.objects().items():
        if value.get("org.timeball1.Source", {}).get("Address") == address:
            return {**value["org.timeball1.Source"], **value["org.timeball1.NTP"]}
    raise KeyError(address)


@pytest.mark.parametrize("address, client", [(PEER, CLIENT), (PEER6, CLIENT6)])
@pytest.mark.parametrize("options", ["", " xleave"])
def test_we_follow(bus, peers, address, client, options):
    daemon, other = peers([f"peer {address} {FAST}{options}"], [f"peer {client} {FAST}{options}", "local stratum 3"])
    daemon.synchronized()
    soon(lambda: ntp(bus, address)["GoodReceived"] >= 8, what="samples")
    report = ntp(bus, address)
    assert report["Mode"] == "symmetric-active" and report["Kind"] == "peer" and report["Stratum"] == 3
    assert all(report["Tests"].values())
    if options:
        soon(lambda: ntp(bus, address)["Interleaved"], what="interleaved mode")
    assert abs(report["Offset"]) < 0.01
    assert run("timectl", "-c", "sources").stdout.startswith(f"=,*,{address},3,0,")
    # it knows us, and will not follow who follows it
    assert other.ask("sources")[0].split(",")[0] == "="
    assert not other.follows(client)


@pytest.mark.parametrize("options", ["", " xleave"])
def test_it_follows(bus, peers, primary, options):
    daemon, other = peers([f"peer {PEER} {FAST}{options}", f"server {primary.address} iburst {FAST}", "allow"],
                          [f"peer {CLIENT} {FAST}{options}"])
    daemon.synchronized()
    soon(lambda: other.follows(CLIENT), 60, what="chronyd follows us")
    row = other.ask("tracking")[0].split(",")
    assert row[2] == "4" and abs(float(row[4])) < 0.01
    data = other.ntpdata()
    assert set("".join(data[23:26])) == {"1"}
    if options:
        soon(lambda: other.ntpdata()[26] == "Yes", 30, what="chronyd in interleaved mode")


def test_one_side_only(bus, peers):
    """chronyd serves, and knows nothing of being a peer; then it is a peer of us, and we only serve."""
    daemon, other = peers([f"peer {PEER} {FAST}"], ["local stratum 3", "allow"])
    daemon.synchronized()
    assert ntp(bus)["Mode"] == "symmetric-passive"
    daemon, other = peers(["local stratum 3", "allow"], [f"peer {CLIENT} {FAST}"])
    soon(lambda: other.follows(CLIENT), what="chronyd follows us")


def test_restarts(bus, peers):
    """Either side loses its memory; the other one notices, and both go on."""
    daemon, other = peers([f"peer {PEER} {FAST}"], [f"peer {CLIENT} {FAST}", "local stratum 3"])
    daemon.synchronized()
    daemon.restart()
    soon(lambda: ntp(bus)["GoodReceived"] >= 5, what="samples after our restart")
    good = ntp(bus)["GoodReceived"]
    other.stop()
    soon(lambda: ntp(bus)["Reachability"] & 7 == 0, what="silence")
    other = Chronyd(f"peer {CLIENT} {FAST}", "local stratum 3")
    try:
        soon(lambda: ntp(bus)["GoodReceived"] >= good + 5, what="samples after its restart")
    finally:
        other.stop()


def test_keys(bus, peers, tmp_path):
    tmp_path.chmod(0o755)
    for number, secret, theirs in ((1, "HEX:" + 20 * "5a", 20 * "5a"), (2, "HEX:" + 20 * "5a", 20 * "5b")):
        ours, other_file = tmp_path / f"ours-{number}", tmp_path / f"theirs-{number}"
        ours.write_text(f"1 SHA256 {secret}\n")
        other_file.write_text(f"1 SHA256 HEX:{theirs}\n")
        ours.chmod(0o600)
        daemon, _ = peers([f"keyfile {ours}", f"peer {PEER} {FAST} key 1"],
                          [f"keyfile {other_file}", f"peer {CLIENT} {FAST} key 1", "local stratum 3"])
        if number == 1:
            daemon.synchronized()
            assert ntp(bus)["Authenticated"]
        else:
            soon(lambda: ntp(bus)["Received"] >= 5, what="packets with the wrong MAC")
            assert ntp(bus)["ValidReceived"] == 0 and not bus.get("Clock", "Synchronized")


def test_never_mobilised(bus, peers, empty_network):
    """Symmetric packets of a stranger make no source of it."""
    peers([f"peer {PEER} {FAST}"], [f"peer {CLIENT} {FAST}", "local stratum 3"])
    program = ("import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('192.0.2.77', 1123))\n"
               f"for mode in range(8):\n  s.sendto(bytes([0x20 | mode, 1, 0, 236]) + bytes(44), ('{CLIENT}', 123))\n")
    empty_network.inside("ip", "addr", "add", "192.0.2.77/24", "dev", "bridge0", check=False)
    empty_network.inside("python3", "-c", program)
    soon(lambda: ntp(bus)["GoodReceived"] >= 3, what="samples of the peer")
    assert bus.get("Sources", "Count") == 1


# Prints the first broadcasts that come to an address, their times of arrival and their sender.
LISTEN = """
import json, socket, struct, sys, time
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
s = socket.socket(family, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind((sys.argv[1], int(sys.argv[2])))
if family == socket.AF_INET6:
    group = socket.inet_pton(family, sys.argv[1]) + struct.pack("@I", socket.if_nametoindex("bridge0"))
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
s.settimeout(20)
for i in range(3):
    frame, sender = s.recvfrom(2048)
    print(json.dumps([time.time(), frame.hex(), sender[0], sender[1]]), flush=True)
"""


@pytest.mark.parametrize("group, sender, port", [("192.0.2.255", CLIENT, 123), ("ff05::101", CLIENT6, 1123)])
def test_broadcast(bus, empty_network, peers, group, sender, port):
    """Each field of the frames, as RFC 5905 has them (section 7.3)."""
    peers([f"broadcast 1 {group} {port}", "local stratum 4", "allow"], ["port 0"])
    soon(lambda: bus.get("Clock", "Stratum") == 4, what="the local reference")
    lines = empty_network.inside("python3", "-c", LISTEN, group, port, limit=60).stdout.splitlines()
    times = []
    for arrival, frame, source, source_port in map(json.loads, lines):
        frame = bytes.fromhex(frame)
        first, stratum, poll, precision, delay, dispersion, name, reference, origin, receive, transmit = \
            struct.unpack(">BBbbIIIQQQQ", frame)
        assert len(frame) == 48 and (source, source_port) == (sender, 123)
        assert (first >> 6, first >> 3 & 7, first & 7) == (0, 4, 5)
        assert (stratum, poll, delay, dispersion, name) == (4, 0, 0, 0, 0x7f7f0101)
        assert -32 <= precision <= -10
        assert origin == receive == 0
        assert abs(transmit / 2 ** 32 - 2208988800 - arrival) < 0.05
        assert 0 <= (transmit - reference) / 2 ** 32 < 3
        times.append(arrival)
    assert len(times) == 3 and all(0.8 < later - earlier < 1.2 for earlier, later in zip(times, times[1:]))
