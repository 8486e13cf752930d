# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""Ways to the servers go and come, made by nobody that the daemon knows: no network manager, no scripts.

    this namespace          router                   servers
    uplink0 198.51.100.1 -- downlink0   host0 -- bridge0 192.0.2.11 to 13
            2001:db8:1::1                                2001:db8::11 to 13

What is promised is one second to offline or online, and ten to a clock that is right again; the limits here are five
times that."""

import contextlib
import os
import time

import pytest

from harness import Daemon, Network, program, run, soon
from harness.world import STATE, Process

FOLLOWS, RIGHT = 5, 50
SERVERS = {4: ["192.0.2.11", "192.0.2.12", "192.0.2.13"], 6: ["2001:db8::11", "2001:db8::12", "2001:db8::13"]}
NETS = {4: "192.0.2.0/24", 6: "2001:db8::/64"}
PARTS = {4: "192.0.2.0/28", 6: "2001:db8::/112"}
GATEWAYS = {4: "198.51.100.2", 6: "2001:db8:1::2"}
OWN = {4: "198.51.100.1/24", 6: "2001:db8:1::1/64"}


def ip(family, *words, **options):
    return run("ip", f"-{family}", *words, **options)


def give_address(family):
    ip(family, "addr", "add", OWN[family], "dev", "uplink0", *(["nodad"] if family == 6 else []))


def take_address(family):
    ip(family, "addr", "del", OWN[family], "dev", "uplink0")


def add_route(family):
    ip(family, "route", "replace", NETS[family], "via", GATEWAYS[family])


def delete_route(family):
    ip(family, "route", "del", NETS[family])


class Routed(Network):
    """The network of the harness, with a router between it and this side."""

    def __init__(self):
        super().__init__()
        for _ in range(3):
            self.server(lines=[f"bindaddress 2001:db8::{11 + len(self.servers)}"])
        run("ip", "link", "set", "client0", "down")
        run("ip", "addr", "flush", "dev", "client0")
        self.host("router", 254)
        run("ip", "link", "add", "uplink0", "type", "veth", "peer", "name", "downlink0", "netns", "router")
        self.routing("sysctl", "-q", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1",
                     "net.ipv6.conf.downlink0.keep_addr_on_down=1")
        run("ip", "-n", "router", "addr", "add", "198.51.100.2/24", "dev", "downlink0")
        run("ip", "-n", "router", "-6", "addr", "add", "2001:db8:1::2/64", "dev", "downlink0", "nodad")
        run("ip", "-n", "router", "link", "set", "downlink0", "up")
        self.inside("ip", "route", "add", "198.51.100.0/24", "via", "192.0.2.254")
        self.inside("ip", "-6", "route", "add", "2001:db8:1::/64", "via", "2001:db8::254")

    def routing(self, *command, **options):
        return run(*command, prefix=["ip", "netns", "exec", "router"], **options)

    def pull(self):
        """Takes the cable out of the router: our end loses its carrier."""
        run("ip", "-n", "router", "link", "set", "downlink0", "down")

    def plug(self):
        run("ip", "-n", "router", "link", "set", "downlink0", "up")

    @staticmethod
    def connect():
        """Our end, addresses, routes: whatever of it is not there."""
        run("ip", "link", "set", "uplink0", "up")
        for family in (4, 6):
            run("ip", f"-{family}", "addr", "replace", OWN[family], "dev", "uplink0", *(["nodad"] if family == 6 else []))
            add_route(family)

    @staticmethod
    def disconnect():
        run("ip", "link", "set", "uplink0", "down")
        run("ip", "addr", "flush", "dev", "uplink0")

    def stop(self):
        run("ip", "link", "del", "uplink0")
        super().stop()


@pytest.fixture(scope="module")
def routed():
    if not program("chronyd"):
        pytest.skip("no chronyd: test/system/fetch-daemons could not fetch it")
    made = Routed()
    made.connect()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def daemon(bus, routed):
    del routed
    made = Daemon(*(f"server {address} iburst minpoll 4" for addresses in SERVERS.values() for address in addresses), bus=bus)
    made.synchronized()
    yield made
    made.stop()


def sources(bus):
    """{name: properties}"""
    return {interfaces["org.timeball1.Source"]["Name"]: interfaces["org.timeball1.Source"]
            for interfaces in bus.objects().values() if "org.timeball1.Source" in interfaces}


@pytest.fixture(autouse=True)
def all_online(bus, daemon):
    """What an earlier test has mended is mended."""
    del daemon
    soon(lambda: all(source["Online"] for source in sources(bus).values()), RIGHT, what="all sources online")


def expect_offline(bus, names, reason="no-way"):
    def offline():
        found = sources(bus)
        return all(not found[name]["Online"] and found[name]["OfflineReason"] == reason for name in names)

    begin = time.monotonic()
    soon(offline, FOLLOWS, what=f"offline ({reason}): {names}")
    print(f"offline after {time.monotonic() - begin:.2f} s")


def expect_right_again(bus, names):
    """Online, then a sample of each that is newer than this call, and a clock that is synchronised."""
    begin = time.monotonic()
    soon(lambda: all(source["Online"] and source["OfflineReason"] == "" for name, source in sources(bus).items()
                     if name in names), FOLLOWS, what=f"online: {names}")
    print(f"online after {time.monotonic() - begin:.2f} s")

    def right():
        found = sources(bus)
        since = time.monotonic() - begin
        return bus.get("Clock", "Synchronized") and all(0 <= found[name]["SampleAge"] < since for name in names)

    soon(right, RIGHT, what=f"right again: {names}")
    print(f"right again after {time.monotonic() - begin:.2f} s")


@contextlib.contextmanager
def whole_again(routed):
    try:
        yield
    finally:
        routed.plug()
        routed.connect()


def block(family, *route):
    ip(family, "route", "add", *route, PARTS[family])


def unblock(family, *route):
    ip(family, "route", "del", *route, PARTS[family])


def table(family, verb):
    """A rule that sends what is for the servers to a table of its own, which knows no way."""
    if verb == "add":
        ip(family, "route", "add", "unreachable", "default", "table", "100")
    ip(family, "rule", verb, "to", NETS[family], "lookup", "100", "pref", "100")
    if verb == "del":
        ip(family, "route", "del", "unreachable", "default", "table", "100")


# What goes and comes: how it goes, how it comes, and what explain says meanwhile.
WAYS = {
    "route": (delete_route, add_route, "there is no route to"),
    "address": (take_address, lambda family: (give_address(family), add_route(family)), ""),
    "blackhole": (lambda family: block(family, "blackhole"), lambda family: unblock(family, "blackhole"), "bars the way to"),
    "unreachable": (lambda family: block(family, "unreachable"), lambda family: unblock(family, "unreachable"), "bars the way to"),
    "prohibit": (lambda family: block(family, "prohibit"), lambda family: unblock(family, "prohibit"), "bars the way to"),
    "rule": (lambda family: ip(family, "rule", "add", "to", NETS[family], "unreachable", "pref", "100"),
             lambda family: ip(family, "rule", "del", "to", NETS[family], "unreachable", "pref", "100"), ""),
    "table": (lambda family: table(family, "add"), lambda family: table(family, "del"), ""),
}


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("way", WAYS)
def test_a_way_goes_and_comes(bus, routed, daemon, way, family):
    """Sources of that family follow, the others do not notice."""
    names, others = SERVERS[family], SERVERS[10 - family]
    goes, comes, said = WAYS[way]
    del daemon
    with whole_again(routed):
        goes(family)
        expect_offline(bus, names)
        assert all(sources(bus)[name]["Online"] for name in others)
        why = run("timectl", "explain", names[0]).stdout
        assert "It is offline: " in why and said in why, why
        comes(family)
        expect_right_again(bus, names)


def everybody():
    return SERVERS[4] + SERVERS[6]


def test_the_cable_is_out(bus, routed, daemon):
    """Routes and addresses are all there; the kernel would use them, and lose what it is given."""
    with whole_again(routed):
        routed.pull()
        assert "linkdown" in run("ip", "route").stdout
        expect_offline(bus, everybody())
        assert "has no carrier (Network is down)" in run("timectl", "explain", SERVERS[4][0]).stdout
        assert f"Source {SERVERS[4][0]} offline: the link to it has no carrier (Network is down)" in daemon.said()
        assert bus.get("Clock", "State") in ("synchronized", "all-offline")
        routed.plug()
        expect_right_again(bus, everybody())


def test_the_link_is_down(bus, routed, daemon):
    """... and the kernel forgets routes and IPv6 addresses with it; they come back one by one."""
    del daemon
    with whole_again(routed):
        routed.disconnect()
        expect_offline(bus, everybody())
        run("ip", "link", "set", "uplink0", "up")
        give_address(4)
        add_route(4)
        expect_right_again(bus, SERVERS[4])
        assert not any(sources(bus)[name]["Online"] for name in SERVERS[6])
        give_address(6)
        add_route(6)
        expect_right_again(bus, SERVERS[6])


def test_a_script_that_runs_before_the_route_exists_does_not_mean_offline_for_ever(bus, routed, daemon):
    """What dispatcher scripts do for chronyd: the link comes up, the script says onoffline, there is no route yet, and
    whatever makes it later tells nobody."""
    del daemon
    with whole_again(routed):
        routed.disconnect()
        run("ip", "link", "set", "uplink0", "up")
        assert run("timectl", "onoffline").stdout == "200 OK\n"
        expect_offline(bus, everybody())
        give_address(4)
        give_address(6)
        add_route(4)
        add_route(6)
        expect_right_again(bus, everybody())


def test_no_network_at_the_start(bus, routed, daemon):
    with whole_again(routed):
        routed.disconnect()
        daemon.restart()
        expect_offline(bus, everybody())
        assert bus.get("Clock", "State") == "all-offline"
        assert run("timectl", "activity").stdout.splitlines()[1:3] == ["0 sources online", "6 sources offline"]
        routed.connect()
        expect_right_again(bus, everybody())
        assert run("timectl", "-c", "activity").stdout.split(",")[1] == "0"


def test_what_somebody_holds_offline_stays(bus, routed, daemon):
    """Through routes that go and come, and a new configuration; onoffline lets it go."""
    name, others = SERVERS[4][0], SERVERS[4][1:]
    with whole_again(routed):
        run("timectl", "offline", name)
        expect_offline(bus, [name], "by-hand")
        delete_route(4)
        expect_offline(bus, others)
        add_route(4)
        expect_right_again(bus, others)
        lines = daemon.configuration.read_text().replace(f"{name} iburst minpoll 4", f"{name} iburst minpoll 3")
        daemon.configuration.write_text(lines)
        run("timectl", "reload")
        soon(lambda: sources(bus)[name]["PollInterval"] == 8, what="the new configuration")
        assert sources(bus)[name]["OfflineReason"] == "by-hand"
        assert "a command or the configuration wants it so" in run("timectl", "explain", name).stdout
        run("timectl", "onoffline")
        expect_right_again(bus, [name])


def test_online_counts_for_more_than_a_test(bus, routed, daemon):
    """... until the next one."""
    del daemon
    with whole_again(routed):
        delete_route(4)
        expect_offline(bus, SERVERS[4])
        run("timectl", "online", SERVERS[4][0])
        assert sources(bus)[SERVERS[4][0]]["Online"]
        run("ip", "route", "add", "203.0.113.0/24", "via", GATEWAYS[4])
        try:
            expect_offline(bus, SERVERS[4])
        finally:
            run("ip", "route", "del", "203.0.113.0/24")


def test_a_storm_of_changes(bus, routed, daemon):
    """Ten thousand routes that nobody asks for: few tests, no source goes offline, and the next change counts."""
    batch = STATE / "storm"
    batch.write_text("".join(f"route {verb} 203.0.113.{i % 250}/32 dev lo\n" for i in range(5000) for verb in ("add", "del")))
    trace = STATE / "storm.trace"
    offline_before = daemon.said().count(" offline")
    with whole_again(routed):
        strace = Process("strace", ["strace", "-f", "-e", "trace=connect", "-o", trace, "-p", daemon.process.pid])
        soon(lambda: "attached" in strace.said(), what="strace")
        run("ip", "-batch", batch, limit=120)
        delete_route(4)
        expect_offline(bus, SERVERS[4])
        strace.stop()
        tests = trace.read_text().count("sin_port=htons(123)") + trace.read_text().count("sin6_port=htons(123)")
        print(f"{tests} sockets to servers in a storm of 10000 changes")
        assert 6 <= tests < 1000
        assert daemon.said().count(" offline") == offline_before + len(SERVERS[4])
        add_route(4)
        expect_right_again(bus, SERVERS[4])


def netlink_sockets(pid):
    inodes = set()
    for entry in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            inodes.add(os.readlink(f"/proc/{pid}/fd/{entry}"))
    with open("/proc/net/netlink", encoding="ascii") as table_of_kernel:
        return [line for line in table_of_kernel if f"socket:[{line.split()[-1]}]" in inodes]


def test_one_socket(bus, daemon):
    """Whatever was tested, one socket is held for it."""
    del bus
    assert len(netlink_sockets(daemon.process.pid)) == 1
