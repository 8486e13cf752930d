# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""What leaves this machine, as a packet socket sees it just before the network driver does."""

import json
import socket
import struct

import pytest

from harness import Chronyd, Daemon, soon
from harness.network import CLIENT, CLIENT6, give_addresses

ASKER, ASKER6 = "192.0.2.20", "2001:db8::20"
EPOCH = 2208988800  # 1970 in the seconds of NTP
SO_TIMESTAMPNS = 35
PACKET_OUTGOING = 4
UDP = 17

# Asks the server so many times in interleaved mode and prints, for each answer, its three timestamps.
INTERLEAVE = """
import json, os, socket, sys
source, server, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
s = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM)
s.bind((source, 0))
s.connect((server, 123))
s.settimeout(5)
known, seen = bytes(8), []
for _ in range(count):
    cookie, transmit = os.urandom(8), os.urandom(8)
    s.send(bytes([0x23]) + bytes(23) + known + cookie + transmit)
    answer = s.recv(2048)
    known = answer[32:40]
    seen.append({"interleaved": answer[24:32] == cookie, "receive": known.hex(), "transmit": answer[40:48].hex()})
print(json.dumps(seen))
"""


class Payload(bytes):
    """Of UDP; with the version of IP that carried it."""

    version = None


class Tap:
    """What leaves by an interface: (nanoseconds since 1970, DSCP, UDP payload)."""

    def __init__(self, interface):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.bind((interface, 3))
        self.socket.setblocking(False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def read(self):
        """What has left since the last call, and is UDP."""
        packets = []
        while True:
            try:
                packet, control, _, sender = self.socket.recvmsg(2048, 256)
            except BlockingIOError:
                return packets
            seconds, nanoseconds = next(struct.unpack("qq", data[:16]) for _, kind, data in control if kind == SO_TIMESTAMPNS)
            v4 = packet[0] >> 4 == 4
            header = (packet[0] & 15) * 4 if v4 else 40
            if sender[2] == PACKET_OUTGOING and packet[9 if v4 else 6] == UDP:
                marked = packet[1] if v4 else struct.unpack("!H", packet[:2])[0] >> 4 & 0xff
                payload = Payload(packet[header + 8:])
                payload.version = packet[0] >> 4
                packets.append((seconds * 10**9 + nanoseconds, marked >> 2, payload))


def from_ntp(text):
    """Nanoseconds since 1970 of a timestamp in hexadecimal."""
    seconds, fraction = divmod(int(text, 16), 1 << 32)
    return (seconds - EPOCH) * 10**9 + (fraction * 10**9 >> 32)


@pytest.fixture(scope="module", name="network")
def network_with_askers(empty_network):
    give_addresses(20, "bridge0", empty_network.netns)
    return empty_network


@pytest.fixture(name="server", params=[0, 2], ids=["event loop", "threads"])
def time_server(request, bus, network):
    """Our daemon as a server; root, for the port."""
    del network
    daemon = Daemon("allow", "local stratum 5", f"serverthreads {request.param}", bus=bus, user=None)
    soon(lambda: bus.get("Server", "Listening"))
    yield daemon
    daemon.stop()


@pytest.mark.parametrize("source,address", [(ASKER, CLIENT), (ASKER6, CLIENT6)], ids=["IPv4", "IPv6"])
def test_interleaved_transmit_timestamps(server, bus, network, source, address):
    """What an interleaved answer tells of the one before is not before that was handed to the network driver, as the
    daemon's own timestamp is. It is the kernel's, and counted so."""
    def stamps():
        return bus.get("Server", "DaemonTransmitTimestamps"), bus.get("Server", "KernelTransmitTimestamps")

    count = 8
    before = stamps()
    with Tap("client0") as tap:
        said = json.loads(network.inside("python3", "-c", INTERLEAVE, source, address, str(count)).stdout)
        left = {packet[32:40].hex(): at for at, _, packet in tap.read() if len(packet) == 48}
    assert [answer["interleaved"] for answer in said] == [False] + (count - 1) * [True]
    told = {earlier["receive"]: from_ntp(answer["transmit"]) for earlier, answer in zip(said, said[1:])}
    first, *others = [(left[name], at) for name, at in told.items()]
    # nobody knew then that the first one would be asked for
    assert first[1] < first[0]
    for (at, claimed), answer in zip(others, said[2:]):
        assert at - 2 <= claimed < left[answer["receive"]]
    soon(lambda: stamps() == (before[0] + 2, before[1] + count - 2), what="all timestamps are counted")
    assert server.process.alive()


# Sends one packet and prints the answer.
ASK = """
import socket, sys
source, server, packet = sys.argv[1], sys.argv[2], bytes.fromhex(sys.argv[3])
s = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM)
s.bind((source, 0))
s.connect((server, 123))
s.settimeout(5)
s.send(packet)
print(s.recv(2048).hex())
"""
FIELD = "f323001cf5bedd9a"


@pytest.mark.parametrize("source,address", [(ASKER, CLIENT), (ASKER6, CLIENT6)], ids=["IPv4", "IPv6"])
def test_extension_field(server, network, source, address):
    """It is answered in a packet as long as the request; two fields get one answer."""
    request = "23" + 39 * "00" + "0123456789abcdef"
    lengths = {}
    for count in range(3):
        answer = network.inside("python3", "-c", ASK, source, address, request + count * (FIELD + 20 * "00")).stdout.strip()
        lengths[count] = len(answer) // 2
        assert count == 0 or answer[96:112] == FIELD
    assert lengths == {0: 48, 1: 76, 2: 76}
    assert server.process.alive()


@pytest.mark.parametrize("threads", [0, 2], ids=["event loop", "threads"])
@pytest.mark.parametrize("code", [0, 46])
def test_dscp(bus, network, start_daemon, threads, code):
    """Requests and answers carry it, of both families."""
    primary = network.servers[0] if network.servers else network.server()
    sources = [f"server {address} minpoll -1 maxpoll -1" for address in (primary.address, "2001:db8::20")]
    start_daemon("allow", "local stratum 5", f"dscp {code}", f"serverthreads {threads}", *sources, bus=bus, user=None)
    soon(lambda: bus.get("Server", "Listening"))
    seen = {}

    def of_all_kinds():
        for _, marked, packet in tap.read():
            seen.setdefault((packet[0] & 7, packet.version), set()).add(marked)
        return len(seen) == 4

    with Tap("client0") as tap:
        for source, address in ((ASKER, CLIENT), (ASKER6, CLIENT6)):
            network.inside("python3", "-c", ASK, source, address, "23" + 39 * "00" + "0123456789abcdef")
        soon(of_all_kinds, what="requests and answers of both families")
    assert seen == {(mode, version): {code} for mode in (3, 4) for version in (4, 6)}


@pytest.fixture(name="chain")
def chain_of_two(bus, network):
    """Our daemon as a server that follows a chronyd: it has a root delay of its own."""
    primary = network.servers[0] if network.servers else network.server()
    daemon = Daemon(f"server {primary.address} iburst minpoll 0 maxpoll 0", "allow", bus=bus, user=None)
    daemon.synchronized()
    yield daemon
    daemon.stop()


@pytest.mark.parametrize("option", ["", " extfield F323"], ids=["without", "with"])
def test_chronyd_takes_the_field(chain, option):
    """The header has the root delay in steps of 15 us, the extension field in much finer ones: chronyd shows them."""
    follower = Chronyd("finer" if option else "coarser", f"server {CLIENT} iburst minpoll 0 maxpoll 0{option}", "port 0")

    def steps():
        """Of the header."""
        row = next(row for row in follower.rows("ntpdata") if row[0] == CLIENT)
        return float(row[13]) * 65536

    def is_coarse():
        # chronyc prints microseconds, which are 0.066 of a step
        return abs(steps() - round(steps())) < 0.04

    try:
        soon(lambda: follower.source(CLIENT)["selected"] and steps() > 0, what="selection")
        assert set(follower.source(CLIENT)["tests"]) == {"1"}
        if option:
            soon(lambda: not is_coarse(), what="a fine root delay")
        assert is_coarse() != bool(option)
        assert chain.process.alive()
    finally:
        follower.stop()
