# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""Names by the real systemd-resolved, and without it, with dnsmasq as the network's name server. dnsmasq signs nothing:
what resolved makes of that (DNSSEC=yes) is what it makes of an answer that somebody has forged."""

import json
import signal

import pytest

from harness import Daemon, Process, run, soon
from harness.names import (FLAG_NO_ADDRESS, FLAG_NO_SEARCH, FLAG_NO_TXT, FLAG_NO_VALIDATE, RESOLVED, SERVICE, NameServer, Questions,
                           Resolved, name_server_of_libc)
from harness.network import give_addresses
from harness.world import STATE, program
from rawbus import RawBus

LINES = ["host-record=ntp.example.net,192.0.2.11", "host-record=second.example.net,192.0.2.12",
         "host-record=third.example.net,192.0.2.13,2001:db8::13"]
NTP = "_ntp._udp.example.net"


@pytest.fixture(scope="module", name="name_server")
def fixture_name_server(network):
    if not program("dnsmasq") or not RESOLVED.exists():
        pytest.skip("no dnsmasq or no systemd-resolved: test/system/fetch-daemons could not fetch them")
    made = NameServer(network, *LINES)
    with name_server_of_libc(made.address):
        yield made
    made.stop()


@pytest.fixture(name="start_resolved")
def fixture_start_resolved(bus, name_server):
    """start_resolved(dnssec="no"): one that ends with the test."""
    del bus
    started = []

    def start(**options):
        started.append(Resolved(name_server, **options))
        return started[-1]

    yield start
    for resolved in started:
        resolved.stop()


@pytest.fixture(name="daemon")
def fixture_daemon(bus, network):
    """One that knows nobody yet, and is on the bus."""
    del network
    made = Daemon(bus=bus)
    yield made
    made.stop()


def add(bus, name, kind="server", options=""):
    bus.call("Sources", "Add", "sss", kind, name, options)


def sources(bus):
    """{name: properties of org.timeball1.Source}."""
    found = [interfaces for interfaces in bus.objects().values() if "org.timeball1.Source" in interfaces]
    return {interfaces["org.timeball1.Source"]["Name"]: interfaces["org.timeball1.Source"] for interfaces in found}


def address(bus, name):
    return sources(bus)[name]["Address"]


def resolves(bus, name, *wanted):
    soon(lambda: address(bus, name) in wanted, what=f"{name} is {wanted}")


def test_by_resolved_without_and_with_validation(bus, name_server, start_resolved, daemon):
    """Each name is asked for once; the flag is there until the clock is right, and not any more from then on."""
    start_resolved()
    before = name_server.asked("ntp.example.net")
    with Questions() as questions:
        add(bus, "third.example.net", options="ipv6 offline")
        add(bus, "ntp.example.net", options="iburst minpoll 0 maxpoll 2")
        resolves(bus, "third.example.net", "2001:db8::13")
        daemon.synchronized()
        assert questions.of("ntp.example.net") == [("ResolveHostname", FLAG_NO_VALIDATE)]
        assert questions.of("third.example.net") == [("ResolveHostname", FLAG_NO_VALIDATE)]
        assert name_server.asked("ntp.example.net") == before + 1
        add(bus, "second.example.net", options="offline")
        resolves(bus, "second.example.net", "192.0.2.12")
        assert questions.of("second.example.net") == [("ResolveHostname", 0)]
        # the same for names that are looked up again
        bus.call("Sources", "Refresh")
        soon(lambda: len(questions.of("ntp.example.net")) == 2)
        assert questions.of("ntp.example.net")[1] == ("ResolveHostname", 0)
    assert sorted(sources(bus)) == ["ntp.example.net", "second.example.net", "third.example.net"]


def test_forged_answers(bus, network, start_resolved, daemon):
    """DNSSEC=yes, and nothing is signed. A clock that is not right yet does not know whether that is so, and starts all
    the same; one that is right refuses the names, says so once for each, and goes on with the addresses that it has."""
    del network
    start_resolved(dnssec="yes")
    with Questions() as questions:
        add(bus, "ntp.example.net", options="iburst minpoll 0 maxpoll 2")
        resolves(bus, "ntp.example.net", "192.0.2.11")
        daemon.synchronized()
        assert questions.of("ntp.example.net") == [("ResolveHostname", FLAG_NO_VALIDATE)]
        add(bus, "second.example.net", options="offline")
        soon(lambda: "DNSSEC refuses what second.example.net is said to mean" in daemon.said())
        assert questions.of("second.example.net") == [("ResolveHostname", 0)]
        for again in range(2, 4):
            bus.call("Sources", "Refresh")
            soon(lambda: len(questions.of("ntp.example.net")) == again and len(questions.of("second.example.net")) == again)
        # the answer to a question after those has come: theirs have, too
        add(bus, "third.example.net", options="offline")
        soon(lambda: "DNSSEC refuses what third.example.net" in daemon.said())
        assert daemon.said().count("DNSSEC refuses what ntp.example.net") == 1
        assert daemon.said().count("DNSSEC refuses what second.example.net") == 1
        assert not [flags for name in ("second.example.net", "third.example.net") for _, flags in questions.of(name) if flags]
    assert address(bus, "second.example.net") == "" and address(bus, "ntp.example.net") == "192.0.2.11"
    for name, keeps in (("ntp.example.net", True), ("second.example.net", False)):
        path = next(path for path, found in bus.objects().items() if found.get("org.timeball1.Source", {}).get("Name") == name)
        sentence, fields = json.loads(bus.call("Source", "Explain", path=path).stdout)["data"]
        assert "DNSSEC refuses what its name is said to mean" in sentence
        assert fields["NameRefused"]["data"] and ("keeps its address" in sentence) == keeps, sentence
    assert bus.get("Clock", "Synchronized")


def test_somebody_says_that_it_has_left(bus, network, start_resolved, daemon):
    """Only the bus knows who has the name: nobody gets us to ask elsewhere, where nothing is validated, or for nothing."""
    del network
    start_resolved()
    stranger = RawBus("nobody")
    with Questions() as questions:
        add(bus, "ntp.example.net", options="offline")
        resolves(bus, "ntp.example.net", "192.0.2.11")
        for owner in ("", stranger.name):
            stranger.pretend("NameOwnerChanged", "sss", "org.freedesktop.resolve1", ":1.1", owner)
        stranger.pretend("PropertiesChanged", "sa{sv}as", "org.freedesktop.resolve1.Manager", {}, ["DNS"],
                         interface="org.freedesktop.DBus.Properties", path="/org/freedesktop/resolve1")
        add(bus, "second.example.net", options="offline")
        resolves(bus, "second.example.net", "192.0.2.12")
        assert [len(questions.of(name)) for name in ("ntp.example.net", "second.example.net")] == [1, 1]
    daemon.process.expect_alive()


def test_killed_while_it_is_asked(bus, name_server, start_resolved, daemon):
    """The thread is asked instead, and there is one source with one address."""
    del daemon
    resolved = start_resolved()
    name_server.pause()
    try:
        with Questions() as questions:
            add(bus, "ntp.example.net", options="offline")
            soon(lambda: questions.of("ntp.example.net"), what="the question")
        resolved.kill()
    finally:
        name_server.resume()
    resolves(bus, "ntp.example.net", "192.0.2.11")
    assert list(sources(bus)) == ["ntp.example.net"]


def test_bus_lost_while_it_is_asked(bus, name_server, start_resolved, daemon):
    start_resolved()
    name_server.pause()
    try:
        with Questions() as questions:
            add(bus, "ntp.example.net", options="offline")
            soon(lambda: questions.of("ntp.example.net"), what="the question")
        bus.stop()
    finally:
        name_server.resume()
        bus.start()
        bus.start_polkit()
    soon(daemon.on_bus, what="the daemon on the new bus")
    resolves(bus, "ntp.example.net", "192.0.2.11")
    assert list(sources(bus)) == ["ntp.example.net"]


def test_any_order(bus, name_server, start_resolved, daemon):
    """resolved comes and goes: each name is asked for once more each time, of whoever is there, and found."""
    names = [f"n{i}.example.net" for i in range(6)]
    name_server.write(*LINES, *(f"host-record={name},192.0.2.{20 + i}" for i, name in enumerate(names)))
    resolved = None
    try:
        for i, name in enumerate(names):
            before = name_server.asked(name)
            if i % 2 == 0:
                add(bus, name, options="ipv4 offline")
                resolves(bus, name, f"192.0.2.{20 + i}")
                resolved = start_resolved()
            else:
                with Questions() as questions:
                    add(bus, name, options="ipv4 offline")
                    resolves(bus, name, f"192.0.2.{20 + i}")
                    assert len(questions.of(name)) == 1
                resolved.kill()
            assert name_server.asked(name) == before + 1
        assert sorted(sources(bus)) == names
    finally:
        name_server.write(*LINES)
    assert "No address found" not in daemon.said()


def test_found_when_resolved_asks_others(bus, network, name_server, start_resolved, daemon):
    """A name that was not found is asked for again at once when resolved is told of another name server, not when its
    time has come (28 s and more)."""
    del daemon
    resolved = start_resolved()
    name_server.write()  # nobody is known
    try:
        add(bus, "ntp.example.net", options="offline")
        soon(lambda: name_server.asked("ntp.example.net"))
        name_server.write(*LINES)
        asked = name_server.asked("ntp.example.net")
        resolved.set_link_servers("client0", name_server.address)
        soon(lambda: address(bus, "ntp.example.net") == "192.0.2.11", limit=20)
        assert name_server.asked("ntp.example.net") >= asked + 1
    finally:
        name_server.write(*LINES)
    del network


def test_names_that_are_no_sources(bus, start_resolved, daemon):
    """Who may ask us, and whose keys are tried: the same way, and the same word about the clock."""
    start_resolved()
    with Questions() as questions:
        daemon.write("allow second.example.net")
        daemon.process.signal(signal.SIGHUP)
        soon(lambda: questions.of("second.example.net") == [("ResolveHostname", FLAG_NO_VALIDATE)])
        soon(lambda: json.loads(bus.call("Server", "CheckAccess", "s", "192.0.2.12").stdout)["data"][0])
        assert not json.loads(bus.call("Server", "CheckAccess", "s", "192.0.2.13").stdout)["data"][0]
        done = run("timectl", "nts-check", "ntp.example.net", check=False)
        assert done.returncode != 0 and "192.0.2.11" in done.stdout + done.stderr
        assert questions.of("ntp.example.net") == [("ResolveHostname", FLAG_NO_VALIDATE)]


# --- services ---

SERVICES = [f"srv-host={NTP},ntp.example.net,123,10,5", f"srv-host={NTP},third.example.net,1123,20,5"]


@pytest.fixture(name="services")
def fixture_services(name_server):
    name_server.write(*LINES, *SERVICES)
    yield name_server
    name_server.write(*LINES)


@pytest.fixture(scope="module", name="other_port")
def fixture_other_port(network):
    """A server at port 1123 of 192.0.2.30, which alone.example.net is."""
    give_addresses(30, "bridge0", network.netns)
    path = STATE / "other-port.conf"
    path.write_text("allow all\ncmdport 0\nport 1123\nbindaddress 192.0.2.30\nbindcmdaddress /\nlocal stratum 2\n"
                    f"pidfile {STATE}/other-port.pid\n")
    made = Process("chronyd-1123", ["chronyd", "-x", "-d", "-u", "root", "-f", path], netns=network.netns)
    yield made
    made.stop()


def remote(bus, name):
    """(address, port) of a source."""
    for interfaces in bus.objects().values():
        if interfaces.get("org.timeball1.Source", {}).get("Name") == name:
            return interfaces["org.timeball1.NTP"]["RemoteAddress"], interfaces["org.timeball1.NTP"]["RemotePort"]
    return None


@pytest.mark.parametrize("by", ["resolved", "thread"])
def test_service(bus, services, start_resolved, daemon, by):
    """`pool _ntp._udp.example.net`: its hosts, at their ports, those of the lowest priority first."""
    del services, daemon
    if by == "resolved":
        start_resolved()
        with Questions() as questions:
            add(bus, NTP, kind="pool", options="offline maxsources 2 ipv4")
            soon(lambda: address(bus, f"{NTP}#2"))
            assert questions.of(NTP) == [("ResolveService", FLAG_NO_VALIDATE | FLAG_NO_TXT | FLAG_NO_ADDRESS)]
            assert questions.of("ntp.example.net.") == [("ResolveHostname", FLAG_NO_VALIDATE | FLAG_NO_SEARCH)]
    else:
        assert not bus.has(SERVICE)
        add(bus, NTP, kind="pool", options="offline maxsources 2 ipv4")
        soon(lambda: address(bus, f"{NTP}#2"))
    assert remote(bus, f"{NTP}#1") == ("192.0.2.11", 123)
    assert remote(bus, f"{NTP}#2") == ("192.0.2.13", 1123)
    assert len(sources(bus)) == 4 and not address(bus, f"{NTP}#3") and not address(bus, f"{NTP}#4")


@pytest.mark.parametrize("by", ["resolved", "thread"])
def test_service_at_another_port(bus, name_server, other_port, start_resolved, daemon, by):
    """The time comes from the port in the record, and from the next host when the first is silent."""
    other_port.expect_alive()
    name_server.write(*LINES, "host-record=silent.example.net,192.0.2.99", "host-record=alone.example.net,192.0.2.30",
                      f"srv-host={NTP},silent.example.net,123,1,0", f"srv-host={NTP},alone.example.net,1123,2,0")
    try:
        if by == "resolved":
            start_resolved()
        add(bus, NTP, kind="pool", options="iburst minpoll 0 maxpoll 0 maxsources 1")
        daemon.synchronized(90)
    finally:
        name_server.write(*LINES)
    synchronized = [name for name, source in sources(bus).items() if source["State"] == "selected"]
    assert len(synchronized) == 1
    assert remote(bus, synchronized[0]) == ("192.0.2.30", 1123)


def test_service_that_is_not_offered(bus, name_server, start_resolved, daemon):
    """"." says so, by both ways; the source stays and is asked for again."""
    name_server.write(*LINES, f"srv-host={NTP}")
    try:
        add(bus, NTP, options="offline")
        soon(lambda: f"No address found for {NTP}" in daemon.said())
        start_resolved()
        add(bus, "_ntp._udp.none.example.net", options="offline")
        soon(lambda: "No address found for _ntp._udp.none.example.net" in daemon.said())
    finally:
        name_server.write(*LINES)
    assert {address(bus, name) for name in sources(bus)} == {""}


def test_services_that_are_refused(bus, daemon):
    """With a sentence that says why, and what to do."""
    daemon.process.expect_alive()
    for kind, options, reason in (("server", "nts", "name each server in a line of its own"),
                                  ("pool", "port 1123", "whose records say the ports"),
                                  ("peer", "", "use server or pool")):
        done = bus.call("Sources", "Add", "sss", kind, NTP, options, check=False)
        assert done.returncode != 0 and reason in done.stderr, done.stderr
