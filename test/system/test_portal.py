# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""Captive portals and metered networks. NetworkManager is a mock, because nobody can make the real one find a portal or a bill
when a test wants it to; what it says goes through the bus to a daemon with real servers, one of which lies."""

import pytest

from harness import Authority, Chronyd, name_host, run, soon
from harness.mock_network_manager import ASLEEP, CONNECTED, FULL, LIMITED, NONE, PORTAL, MockNetworkManager
from harness.names import RESOLVED, NameServer, Resolved
from interop import addresses, need

NAME, SECURE = "time.example", "secure.example"
OPTIONS = "iburst minpoll 0 maxpoll 1"
WRONG = 30  # s, what the liar is wrong by
PASSED = "The captive portal is passed"


@pytest.fixture
def manager(bus):
    del bus
    made = MockNetworkManager()
    yield made
    made.stop()


@pytest.fixture(name="places", scope="module")
def servers(empty_network):
    """(one in our own network, one that lies, one that a name really stands for)"""
    return empty_network.server(), empty_network.server(offset=WRONG), empty_network.server()


def sources(bus):
    """{name: properties} of org.timeball1.Source."""
    found = [interfaces["org.timeball1.Source"] for path, interfaces in bus.objects().items() if "/source/" in path]
    return {source["Name"]: source for source in found}


def samples(bus, name):
    return sources(bus)[name]["Samples"]


def explained(name):
    return run("timectl", "explain", name).stdout


def test_liar_behind_the_portal(bus, manager, places, start_daemon):
    """The name stands for a liar behind the portal. It is looked up anew when that is passed, the source in our own network goes on, and
    all agree about the right time."""
    near, liar, right = places
    name_host(NAME, liar.address)
    manager.connectivity(PORTAL)
    daemon = start_daemon(f"server {near.address} {OPTIONS}", f"server {NAME} {OPTIONS}", bus=bus)
    soon(lambda: samples(bus, NAME) > 3 and samples(bus, near.address) > 3)
    assert sources(bus)[NAME]["Address"] == liar.address
    assert "when the portal is passed" in explained(NAME) and "portal" not in explained(near.address)
    assert "behind a captive portal" in daemon.said() and not bus.get("Clock", "Synchronized")
    before = sources(bus)[near.address]

    name_host(NAME, right.address)
    manager.connectivity(FULL)
    soon(lambda: sources(bus)[NAME]["Address"] == right.address)
    daemon.synchronized()
    soon(lambda: samples(bus, NAME) > 3)
    assert abs(sources(bus)[NAME]["Offset"]) < 0.1
    assert f"{PASSED}: 1 source is forgotten" in daemon.said()
    assert sources(bus)[near.address]["Samples"] >= before["Samples"] and "portal" not in explained(NAME)


def test_liar_that_is_remembered(bus, manager, empty_network, places, start_daemon):
    """systemd-resolved remembers the portal's answer for an hour. It is asked past its memory."""
    need("dnsmasq")
    if not RESOLVED.exists():
        pytest.skip("no systemd-resolved: test/system/fetch-daemons could not fetch it")
    _, liar, right = places
    name_server = NameServer(empty_network, f"host-record=time.example.net,{liar.address},3600")
    resolved = Resolved(name_server, cache="yes")
    manager.connectivity(PORTAL)
    daemon = start_daemon(f"server time.example.net {OPTIONS}", bus=bus)
    soon(lambda: sources(bus)["time.example.net"]["Address"] == liar.address)
    name_server.write(f"host-record=time.example.net,{right.address},3600")
    assert liar.address in run("busctl", "call", "org.freedesktop.resolve1", "/org/freedesktop/resolve1", "org.freedesktop.resolve1.Manager",
                               "ResolveHostname", "isit", "0", "time.example.net", "2", "0").stdout.replace(" ", ".")
    manager.connectivity(FULL)
    soon(lambda: sources(bus)["time.example.net"]["Address"] == right.address)
    daemon.synchronized()
    resolved.stop()
    name_server.stop()


def test_address_from_before(bus, manager, places, start_daemon):
    """A name that was looked up where all was well keeps address and samples behind a portal, also when it is to be looked up again."""
    _, liar, right = places
    name_host(NAME, right.address)
    daemon = start_daemon(f"server {NAME} {OPTIONS}", bus=bus)
    daemon.synchronized()
    name_host(NAME, liar.address)
    manager.connectivity(PORTAL)
    soon(lambda: "behind a captive portal" in daemon.said())
    before = samples(bus, NAME)
    run("timectl", "refresh")
    soon(lambda: samples(bus, NAME) > min(before + 3, 8))
    assert sources(bus)[NAME]["Address"] == right.address
    name_host(NAME, right.address)
    manager.connectivity(LIMITED)
    soon(lambda: PASSED in daemon.said())
    assert PASSED + ":" not in daemon.said() and samples(bus, NAME) >= min(before, 8)
    assert bus.get("Clock", "Synchronized")


def test_keys_wait(bus, manager, empty_network, places, start_daemon):
    """No keys are established behind a portal; when it is passed they are, at once."""
    need("chronyd")
    authority = Authority()
    host = empty_network.host("host61", 61)
    name_host(SECURE, *addresses(61))
    server = Chronyd(SECURE, "allow all", "local stratum 3", *Chronyd.nts_server(authority.issue(SECURE, *addresses(61))), netns=host)
    manager.connectivity(PORTAL)
    lines = [*Chronyd.nts_client(authority), f"server {places[0].address} {OPTIONS}", "authselectmode ignore"]
    daemon = start_daemon(*lines, bus=bus)
    soon(lambda: "behind a captive portal" in daemon.said())
    daemon.write(*lines, f"server {SECURE} nts {OPTIONS}")
    bus.call("Manager", "Reload")
    soon(lambda: sources(bus)[SECURE]["Address"])
    daemon.synchronized()
    assert "where no keys are established" in explained(SECURE)
    soon(lambda: samples(bus, places[0].address) > 4)
    assert server.counters()["NTS-KE connections accepted"] == 0
    manager.connectivity(FULL)
    soon(lambda: samples(bus, SECURE) > 2)
    assert server.counters()["NTS-KE connections accepted"] == 1
    server.stop()


@pytest.mark.parametrize("connectivity", [NONE, LIMITED, FULL], ids=["none", "limited", "full"])
def test_no_portal(bus, manager, places, start_daemon, connectivity):
    """Everything else that is said of the network keeps nobody from trying, and loses nothing."""
    near, _, right = places
    name_host(NAME, right.address)
    manager.connectivity(connectivity)
    daemon = start_daemon(f"server {near.address} {OPTIONS}", f"server {NAME} {OPTIONS}", bus=bus)
    daemon.synchronized()
    soon(lambda: samples(bus, NAME) > 3)
    before = sources(bus)
    manager.connectivity(FULL)
    manager.state(ASLEEP)
    manager.state(CONNECTED)
    manager.metered(1)
    soon(lambda: "is metered" in daemon.said())
    after = sources(bus)
    assert [after[name]["Address"] for name in after] == [before[name]["Address"] for name in before]
    assert all(after[name]["Samples"] >= min(before[name]["Samples"], 8) for name in before)
    assert "portal" not in daemon.said()


def test_metered(bus, manager, places, start_daemon):
    """All are asked as rarely as they may be, and it is said why; NetworkManager asleep, or gone, says nothing of the kind."""
    near = places[0].address
    daemon = start_daemon(f"server {near} iburst minpoll 0 maxpoll 9", bus=bus)
    daemon.synchronized()
    manager.metered(1)
    soon(lambda: "longest interval, every 512 s" in explained(near))
    assert sources(bus)[near]["PollInterval"] == 512
    manager.metered(2)
    soon(lambda: "not metered any more" in daemon.said())
    before = samples(bus, near)
    soon(lambda: samples(bus, near) > before)  # without waiting for the end of 512 s
    assert sources(bus)[near]["PollInterval"] < 512 and "metered" not in explained(near)
    manager.metered(3)
    soon(lambda: sources(bus)[near]["PollInterval"] == 512)
    manager.state(ASLEEP)
    soon(lambda: sources(bus)[near]["PollInterval"] < 512)
    manager.state(CONNECTED)
    soon(lambda: sources(bus)[near]["PollInterval"] == 512)
    manager.stop()
    soon(lambda: sources(bus)[near]["PollInterval"] < 512)
    manager.start()


def test_manager_vanishes_behind_the_portal(bus, manager, places, start_daemon):
    """Nothing is concluded when NetworkManager ends; when it is back and says that all is well, the portal is passed."""
    _, liar, right = places
    name_host(NAME, liar.address)
    manager.connectivity(PORTAL)
    daemon = start_daemon(f"server {NAME} {OPTIONS}", bus=bus)
    soon(lambda: samples(bus, NAME) > 3)
    manager.stop()
    soon(lambda: "portal" not in explained(NAME))
    assert sources(bus)[NAME]["Address"] == liar.address and PASSED not in daemon.said()
    name_host(NAME, right.address)
    manager.start()
    soon(lambda: sources(bus)[NAME]["Address"] == right.address)
    assert PASSED in daemon.said()
