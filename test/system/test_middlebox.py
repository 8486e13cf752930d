# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""Networks as they are: something between us and the server that passes some packets, cuts others, and marks them all."""

import json

import pytest

from harness import Daemon, Process, run, soon
from harness.network import CLIENT, CLIENT6
from interop import our_keys, rows

HERE = {4: "192.0.2.51", 6: "2001:db8::51"}
OPTIONS = "iburst minpoll 0 maxpoll 0"
DSCP = 46
CONGESTED = 3  # ECN: congestion experienced

# Passes packets of clients to a server, as `rule` says, and marks what comes back as congested. Prints for each packet of a
# client: length, source port, the byte of DSCP and ECN that it came with.
MIDDLEBOX = r"""
import json, select, socket, sys
here, server, rule = sys.argv[1:]
v6 = ":" in here
family = socket.AF_INET6 if v6 else socket.AF_INET
level, receive, mark = ((socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, socket.IPV6_TCLASS) if v6
                        else (socket.IPPROTO_IP, socket.IP_RECVTOS, socket.IP_TOS))
front = socket.socket(family, socket.SOCK_DGRAM)
front.setsockopt(level, receive, 1)
front.setsockopt(level, mark, 3)
front.bind((here, 123))
back = socket.socket(family, socket.SOCK_DGRAM)
back.setsockopt(level, mark, 3)
back.connect((server, 123))
client = None
while True:
    for ready in select.select([front, back], [], [])[0]:
        if ready is front:
            packet, control, _, client = front.recvmsg(2048, 64)
            tos = next((data[0] for _, _, data in control), 0)
            print(json.dumps([len(packet), client[1], tos]), flush=True)
            if rule == "only 48 bytes" and len(packet) != 48 or rule == "not from port 123" and client[1] == 123:
                continue
            back.send(packet[:48] if rule == "cuts to 48 bytes" else packet)
        else:
            try:
                front.sendto(back.recv(2048), client)
            except ConnectionRefusedError:
                pass
"""


@pytest.fixture(name="middlebox")
def middle_box(empty_network):
    """middlebox(rule, server, family): one between us and that server, which is gone after the test."""
    started = []

    def start(rule, server=None, family=4):
        server = server or f"{HERE[family][:-2]}11"
        started.append(Process("middlebox", ["python3", "-c", MIDDLEBOX, HERE[family], server, rule], netns="middle"))
        soon(lambda: empty_network.inside("ip", "netns", "exec", "middle", "ss", "-Huln", "sport", "=", ":123").stdout)
        return lambda: [json.loads(line) for line in started[-1].said().splitlines()]

    yield start
    for process in started:
        process.stop()


@pytest.fixture(scope="module", autouse=True)
def around(empty_network):
    """A server with our keys, and a place for what stands before it."""
    keys = our_keys("middlebox.keys")
    empty_network.server(lines=[f"keyfile {keys}", "bindaddress 2001:db8::11"])
    empty_network.host("middle", 51)


def source(bus):
    return next(found for found in bus.objects().values() if "org.timeball1.Source" in found)


@pytest.mark.parametrize("family", [4, 6])
def test_congestion_marks(bus, start_daemon, middlebox, family):
    """What routers write into the byte of DSCP and ECN is none of our business; in ours is what the configuration says."""
    passed = middlebox("all", family=family)
    start_daemon(f"server {HERE[family]} {OPTIONS}", f"dscp {DSCP}", bus=bus).synchronized()
    seen = passed()
    assert len(seen) >= 2 and {tos for _, _, tos in seen} == {DSCP << 2}


@pytest.mark.parametrize("address, family", [(CLIENT, 4), (CLIENT6, 6)])
def test_congestion_marks_of_clients(bus, empty_network, address, family):
    """A marked request gets an answer like any other, and its mark is not sent back."""
    daemon = Daemon("allow", "local", f"dscp {DSCP}", bus=bus, user=None)
    ask = r"""
import socket, sys
v6 = ":" in sys.argv[1]
level, receive, mark = ((socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, socket.IPV6_TCLASS) if v6
                        else (socket.IPPROTO_IP, socket.IP_RECVTOS, socket.IP_TOS))
s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(level, receive, 1)
s.setsockopt(level, mark, int(sys.argv[2]))
s.settimeout(20)
s.connect((sys.argv[1], 123))
s.send(b"\x23" + bytes(47))
packet, control, _, _ = s.recvmsg(2048, 64)
print(len(packet), next((data[0] for _, _, data in control), 0))
"""
    try:
        soon(lambda: bus.get("Server", "Listening"))
        for mark in range(4):
            said = empty_network.inside("ip", "netns", "exec", "middle", "python3", "-c", ask, address, str(mark)).stdout
            assert said.split() == ["48", str(DSCP << 2)], (family, mark)
    finally:
        daemon.stop()


def test_port_123_is_blocked(bus, start_daemon, middlebox):
    """Requests do not come from port 123, which some networks let nobody use."""
    passed = middlebox("not from port 123")
    start_daemon(f"server {HERE[4]} {OPTIONS}", bus=bus).synchronized()
    ports = [port for _, port, _ in passed()]
    assert min(ports) >= 1024 and len(set(ports)) > 1


@pytest.mark.parametrize("rule", ["only 48 bytes", "cuts to 48 bytes"])
def test_only_plain_packets_pass(bus, start_daemon, middlebox, rule):
    """Without a key all is well. With one we are without time, not without authentication."""
    number, _, _ = rows("ours")[0]
    passed = middlebox(rule)
    daemon = start_daemon(f"server {HERE[4]} {OPTIONS}", bus=bus)
    daemon.synchronized()
    daemon.stop()
    start_daemon(f"server {HERE[4]} {OPTIONS} key {number}", f"keyfile {our_keys('middlebox.keys')}", bus=bus)
    soon(lambda: len([length for length, _, _ in passed() if length > 48]) >= 8, what="signed requests")
    exchange = soon(lambda: (now := source(bus)["org.timeball1.NTP"])["Sent"] >= 8 and now)
    assert exchange["ValidReceived"] == 0
    assert not bus.get("Clock", "Synchronized")


def set_mtu(network, size):
    run("ip", "link", "set", "client0", "mtu", size)
    network.inside("ip", "link", "set", "bridge0", "mtu", size)


def test_small_path(bus, start_daemon, empty_network):
    """The smallest packets that IPv6 has to carry whole carry all of ours, with the longest MAC and a field."""
    number = rows("ours")[4][0]
    set_mtu(empty_network, 1280)
    try:
        start_daemon(f"server 2001:db8::11 {OPTIONS} key {number} extfield F323 xleave", f"keyfile {our_keys('middlebox.keys')}",
                     bus=bus).synchronized()
        assert source(bus)["org.timeball1.NTP"]["Authenticated"]
    finally:
        set_mtu(empty_network, 1500)
