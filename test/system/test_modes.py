# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""Interleaved mode, extension field F323 and the small options of sources, against Debian's chronyd."""

import ipaddress

import pytest

from harness.world import soon

FAST = "iburst minpoll -2 maxpoll -2"


@pytest.fixture(scope="module")
def server(empty_network):
    return empty_network.server(lines=["bindaddress ::"])


def source(bus, address):
    found = [object for object in bus.objects().values()
             if object.get("org.timeball1.Source", {}).get("Address") == address]
    assert len(found) == 1
    return found[0]


def ntp(bus, address):
    return source(bus, address)["org.timeball1.NTP"]


@pytest.mark.parametrize("family", [4, 6])
def test_interleaved_client(bus, server, start_daemon, family):
    address = server.address if family == 4 else "2001:db8::" + server.address.split(".")[-1]
    daemon = start_daemon(f"server {address} {FAST} xleave", bus=bus)
    daemon.synchronized()
    soon(lambda: ntp(bus, address)["Interleaved"], what="interleaved mode")
    soon(lambda: ntp(bus, address)["GoodReceived"] > 20, what="samples")
    report = ntp(bus, address)
    assert report["Interleaved"] and report["Version"] == 4
    assert all(report["Tests"].values())
    # in interleaved mode the server's answer left when its kernel says so
    assert report["TransmitTimestamping"] == report["ReceiveTimestamping"] == "kernel"
    assert source(bus, address)["org.timeball1.Source"]["Reachability"] == 255


def test_falls_back_when_the_server_was_away(bus, server, start_daemon, empty_network):
    daemon = start_daemon(f"server {server.address} {FAST} xleave", bus=bus)
    daemon.synchronized()
    soon(lambda: ntp(bus, server.address)["Interleaved"], what="interleaved mode")
    empty_network.cut()
    soon(lambda: source(bus, server.address)["org.timeball1.Source"]["Reachability"] == 0, what="silence", limit=60)
    empty_network.mend()
    good = ntp(bus, server.address)["GoodReceived"]
    soon(lambda: ntp(bus, server.address)["GoodReceived"] > good + 5, what="new samples", limit=60)
    soon(lambda: ntp(bus, server.address)["Interleaved"], what="interleaved mode again")


def test_extension_field(bus, server, start_daemon):
    """chronyd answers with the field; its root dispersion has finer steps than the header's 15 us."""
    daemon = start_daemon(f"server {server.address} {FAST} xleave extfield F323", bus=bus)
    daemon.synchronized()
    soon(lambda: ntp(bus, server.address)["GoodReceived"] > 10, what="samples")
    report = ntp(bus, server.address)
    assert report["Interleaved"] and all(report["Tests"].values())
    steps = report["RootDispersion"] * 2 ** 16
    assert report["RootDispersion"] * 2 ** 28 == pytest.approx(round(report["RootDispersion"] * 2 ** 28), abs=1e-3)
    assert steps < 2, "the field was not used"


def test_copy(bus, empty_network, start_daemon):
    """A chronyd that follows another: with copy we say what it says."""
    primary = empty_network.server()
    middle = empty_network.server(lines=[f"server {primary.address} iburst minpoll 0 maxpoll 0"])
    daemon = start_daemon(f"server {middle.address} {FAST} copy", bus=bus)
    daemon.synchronized()

    def clock(name):
        return bus.get("Clock", name)
    soon(lambda: clock("Stratum") == 3, what="the stratum of the source")
    assert clock("ReferenceID") == int(ipaddress.ip_address(primary.address))
    daemon.stop()
    daemon = start_daemon(f"server {middle.address} {FAST}", bus=bus)
    daemon.synchronized()
    soon(lambda: clock("Stratum") == 4, what="one stratum more")
    assert clock("ReferenceID") == int(ipaddress.ip_address(middle.address))


def test_presend(bus, server, start_daemon):
    daemon = start_daemon(f"server {server.address} minpoll 2 maxpoll 2 presend 2 maxsamples 1", bus=bus)
    daemon.synchronized()
    soon(lambda: ntp(bus, server.address)["GoodReceived"] >= 3, what="samples")
    report = ntp(bus, server.address)
    assert report["Verdicts"]["delay"] >= 2
    assert report["Sent"] >= 2 * report["GoodReceived"] - 1
    assert source(bus, server.address)["org.timeball1.Source"]["Reachability"] in (7, 15, 31)


def test_asymmetry(bus, server, start_daemon):
    daemon = start_daemon(f"server {server.address} {FAST} asymmetry -0.25 mindelay 0.00001", bus=bus)
    daemon.synchronized()
    assert ntp(bus, server.address)["JitterAsymmetry"] == -0.25
