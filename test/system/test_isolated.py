# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""Networks without a source from outside."""

import socket
import struct

import pytest

from harness import Network, Process, run, soon
from harness.world import STATE

LOCAL_REFERENCE = 0x7F7F0101


def ask(address):
    """(leap, stratum, reference ID) that a server tells."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(0.5)
        s.sendto(b"\x23" + 39 * b"\0" + b"12345678", (address, 123))
        answer = s.recv(100)
    return answer[0] >> 6, answer[1], struct.unpack("!I", answer[12:16])[0]


def number(address):
    return struct.unpack("!I", socket.inet_aton(address))[0]


class Node:
    """timeballd in a namespace of its own on the network."""

    def __init__(self, network, index):
        self.address, self.netns = f"192.0.2.{index}", f"node{index}"
        run("ip", "netns", "add", self.netns)
        run("ip", "link", "add", "eth0", "netns", self.netns, "type", "veth", "peer", "name", f"node{index}",
            "netns", network.netns)
        network.inside("ip", "link", "set", f"node{index}", "master", "bridge0", "up")
        for words in (["link", "set", "lo", "up"], ["addr", "add", f"{self.address}/24", "dev", "eth0"],
                      ["link", "set", "eth0", "up"]):
            run("ip", "-n", self.netns, *words)
        self.process = None

    def start(self, *lines):
        configuration = STATE / f"{self.netns}.conf"
        configuration.write_text("\n".join([*lines, "allow", "pidfile /"]) + "\n")
        self.process = Process(self.netns, ["timeballd", "-x", "-d", "-f", configuration], netns=self.netns)

    def stop(self):
        if self.process:
            self.process.stop()
        run("ip", "netns", "del", self.netns, check=False)


@pytest.fixture(name="nodes")
def three_nodes():
    network = Network()
    made = [Node(network, 21 + index) for index in range(3)]
    yield made
    for node in made:
        node.stop()
    network.stop()


def leads(nodes, leader):
    """The leader tells its own time, the others that live tell that they have it from there."""
    for node in nodes:
        if node is not leader and node.process.alive():
            assert ask(node.address) == (0, 9, number(leader.address))
    return ask(leader.address) == (0, 8, LOCAL_REFERENCE)


def test_orphans(nodes):
    """One leads, the others follow; it is killed, the next takes over; it is back, and leads again."""
    lines = [[f"server {other.address} iburst minpoll 0 maxpoll 0 maxunreach 4 maxsamples 8" for other in nodes if other is not node]
             + ["local stratum 8 orphan waitunsynced 2"] for node in nodes]
    for node, said in zip(nodes, lines):
        node.start(*said)
    soon(lambda: leads(nodes, nodes[0]), 60, what="the first leads")
    nodes[0].process.kill()
    soon(lambda: leads(nodes, nodes[1]), 90, what="the second leads")
    nodes[0].start(*lines[0])
    soon(lambda: leads(nodes, nodes[0]), 60, what="the first leads again")
