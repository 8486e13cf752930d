# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""The server, peers and requests from one port: whoever comes first, all of them work."""

import pytest

from harness import Chronyd, Daemon, Process, run, soon
from harness.network import CLIENT, CLIENT6, give_addresses
from harness.world import program

PEER, PEER6 = "192.0.2.21", "2001:db8::21"
FAST = "minpoll 0 maxpoll 0"
SERVER = "192.0.2.11"
STRANGERS = range(31, 37)
PEERS = [f"peer {PEER} {FAST}", f"peer {PEER6} {FAST}"]
ALLOW = ["allow 192.0.2.0/24", "allow 2001:db8::/64"]
CONFIGURATIONS = {
    "event-loop": [],
    "threads": ["serverthreads 2"],
    "bindaddress": [f"bindaddress {CLIENT}", f"bindaddress {CLIENT6}"],
    "threads-bindaddress": ["serverthreads 2", f"bindaddress {CLIENT}", f"bindaddress {CLIENT6}"],
    "acquisitionport": ["acquisitionport 123"],
}

# Asks from so many addresses and prints how many were answered.
ASK = """
import socket, sys
server, port, sources = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
answered = 0
for source in sources:
    s = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((source, 0))
    s.settimeout(5)
    s.sendto(bytes([0x23]) + bytes(39) + b"12345678", (server, port))
    try:
        answered += s.recv(2048)[24:32] == b"12345678"
    except socket.timeout:
        pass
print(answered)
"""

# Binds port 123 of both families as systemd does, and becomes the program.
PASS = """
import os, socket, sys
for fd, (family, address) in enumerate(((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")), 3):
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.bind((address, 123))
    os.dup2(s.fileno(), fd + 10)
for fd in (3, 4):
    os.dup2(fd + 10, fd, inheritable=True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="2", LISTEN_FDNAMES="ntp:ntp")
os.execv(sys.argv[1], sys.argv[1:])
"""


class Activated(Daemon):
    """With sockets that root has bound, as the user timeball."""

    def start(self):
        drop = ["--reuid", "timeball", "--regid", "timeball", "--clear-groups", "--inh-caps", "+net_bind_service",
                "--ambient-caps", "+net_bind_service"]
        self.process = Process("timeballd", ["python3", "-c", PASS, program("setpriv"), *drop, program("timeballd"),
                                             "-x", "-d", "-f", self.configuration])
        soon(self.on_bus, what="org.timeball1 on the bus")


@pytest.fixture(scope="module", name="network")
def network_with_peer(empty_network):
    """A chronyd that is a peer of ours by both families but does not follow us, and some more addresses."""
    empty_network.server()
    for number in (21, *STRANGERS):
        give_addresses(number, "bridge0", empty_network.netns)
    other = Chronyd("peer", f"peer {CLIENT} {FAST} noselect", f"peer {CLIENT6} {FAST} noselect", "local stratum 3", f"bindaddress {PEER}",
                    f"bindaddress {PEER6}")
    yield empty_network
    other.stop()


@pytest.fixture(name="start")
def start_one(bus, network):
    """start(lines..., kind): a daemon on the bus that ends with the test."""
    del network
    started = []

    def start(*lines, kind=Daemon, **options):
        started.append(kind(*lines, bus=bus, user=None, **options))
        return started[-1]

    yield start
    for daemon in started:
        daemon.stop()


def good(bus, address):
    """Samples of a source so far."""
    for value in bus.objects().values():
        if value.get("org.timeball1.Source", {}).get("Address") == address:
            return value["org.timeball1.NTP"]["GoodReceived"]
    raise KeyError(address)


def peers_go_on(bus):
    """Several samples more of each than there are now."""
    before = {address: soon(lambda address=address: good(bus, address) + 1, what=f"the peer {address}")
              for address in (PEER, PEER6)}
    for address, count in before.items():
        soon(lambda address=address, count=count: good(bus, address) >= count + 2, what=f"samples of {address}")


def answers(network, port=123):
    """How many of the strangers get one, by both families."""
    v4 = [f"192.0.2.{number}" for number in STRANGERS]
    v6 = [f"2001:db8::{number}" for number in STRANGERS]
    return sum(int(network.inside("python3", "-c", ASK, server, port, *sources).stdout)
               for server, sources in ((CLIENT, v4), (CLIENT6, v6)))


def check_all(bus, network, daemon, port=123):
    soon(lambda: bus.get("Server", "Listening"), what="the port")
    assert answers(network, port) == 2 * len(STRANGERS)
    peers_go_on(bus)
    assert answers(network, port) == 2 * len(STRANGERS)
    assert "Could not listen" not in daemon.said()


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_peers_first(bus, network, start, name):
    """They hold the port when the first is allowed to ask, by a command."""
    daemon = start(*CONFIGURATIONS[name], *PEERS)
    peers_go_on(bus)
    assert not bus.get("Server", "Listening")
    for words in ALLOW:
        run("timectl", *words.split())
    check_all(bus, network, daemon)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_server_first(bus, network, start, name):
    """Peers are added by a command while it serves."""
    daemon = start(*CONFIGURATIONS[name], *ALLOW)
    soon(lambda: bus.get("Server", "Listening"), what="the port")
    for words in PEERS:
        run("timectl", "add", *words.split())
    check_all(bus, network, daemon)


@pytest.mark.parametrize("threads", [0, 2])
def test_everything_at_once(bus, network, start, threads):
    """Peers, a source that is asked from the server's port, and the server."""
    daemon = start(f"serverthreads {threads}", "acquisitionport 123", f"server {SERVER} iburst {FAST}", *PEERS, *ALLOW)
    check_all(bus, network, daemon)
    before = good(bus, SERVER)
    soon(lambda: good(bus, SERVER) >= before + 3, what="samples of the source")
    assert "123" in {line.split()[3].rsplit(":", 1)[1] for line in run("ss", "-Hunap").stdout.splitlines() if "timeballd" in line}
    assert answers(network) == 2 * len(STRANGERS)


def test_other_user(bus, network, start):
    """What was opened by root and what the user timeball opens later are of two users."""
    daemon = start(*ALLOW, PEERS[0], options=["-u", "timeball"])
    soon(lambda: bus.get("Server", "Listening"), what="the port")
    run("timectl", "add", *PEERS[1].split())
    check_all(bus, network, daemon)
    for word in ("deny", "allow"):
        run("timectl", word, "all")
        for words in ALLOW:
            run("timectl", word, "all", words.split()[1])
    check_all(bus, network, daemon)


def test_passed_sockets(bus, network, start):
    """Both families, bound by root, beside peers that come before and after somebody is allowed to ask."""
    daemon = start(PEERS[0], kind=Activated)
    for words in ALLOW:
        run("timectl", *words.split())
    run("timectl", "add", *PEERS[1].split())
    check_all(bus, network, daemon)
    assert daemon.status()["Uid"].split()[0] != "0"


@pytest.mark.parametrize("threads", [0, 2])
def test_reload(bus, network, start, threads):
    """The port and the addresses change: peers are asked from there, too, and the old port is free."""
    base = [f"serverthreads {threads}", *PEERS, *ALLOW]
    daemon = start(*base)
    check_all(bus, network, daemon)

    def ports():
        """Of the sockets that are connected to the peers."""
        lines = run("ss", "-Hunap").stdout.splitlines()
        return sorted(line.split()[3].rsplit(":", 1)[1] for line in lines if "ESTAB" in line and "timeballd" in line)

    for lines in [f"bindaddress {CLIENT}", f"bindaddress {CLIENT6}"], ["port 1123"], ["port 1123", f"bindaddress {CLIENT}"], []:
        daemon.write(*base, *lines)
        run("timectl", "reload")
        port = "1123" if "port 1123" in lines else "123"
        soon(lambda port=port: ports() == [port, port], what=f"peers that are asked from {port}")
        assert answers(network, port) == 2 * len(STRANGERS)
    check_all(bus, network, daemon)
    assert "Could not listen" not in daemon.said()
