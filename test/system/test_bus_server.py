# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""org.timeball1.Server and LocalReference over fixed values (bus-fixture), and timectl over them."""

import json

import pytest

from harness import run, soon
from rawbus import NAME, OBJECT, Fixture, Monitor, RawBus

INVALID = "org.timeball1.Error.InvalidArgument"


@pytest.fixture(name="fixture")
def fixed_values(bus):
    made = Fixture()
    soon(bus.has)
    yield made
    made.stop()


def clients(bus, position, limit, least):
    reply = json.loads(bus.call("Server", "GetClients", "tuu", str(position), str(limit), str(least)).stdout)["data"]
    return [{name: value["data"] for name, value in client.items()} for client in reply[0]], reply[1]


def test_counters(bus, fixture):
    """Each where it belongs; they are 64 bits wide."""
    del fixture
    assert bus.get("Server", "Received") == 1 << 40
    assert bus.get("Server", "Verdicts")["answered"] == 5
    assert bus.get("Server", "NTSState") == "listening"
    assert bus.get("Server", "NTSVerdicts")["given"] == 16
    assert bus.get("Server", "NTSCertificateEndUSec") == 1000000
    assert run("timectl", "-c", "serverstats").stdout == f"{1 << 40},2,0,0,3,14,15,12,4,5,13,6,9,7,10,8,11\n"


def test_pages_of_clients(bus, fixture):
    """At most a thousand at a time; one after the other they are all there is."""
    del fixture
    first, after_first = clients(bus, 0, 0, 0)
    rest, end = clients(bus, after_first, 0, 0)
    assert (len(first), len(rest), end) == (1000, 500, 0)
    assert len({client["Address"] for client in first + rest}) == 1500
    assert first[0] == {"Address": "192.0.2.1", "Received": 1000000, "Dropped": 12345, "SinceLast": 1.5,
                        "Interval": -5, "LimitedInterval": 6,
                        "NTSConnections": 5, "NTSConnectionsDropped": 2, "NTSSinceLast": 90, "NTSInterval": 7}
    assert set(first[1]) == {"Address", "Received", "Dropped", "SinceLast", "NTSConnections", "NTSConnectionsDropped", "NTSSinceLast"}
    assert "SinceLast" not in first[2]
    assert set(first[3]) == {"Address", "Received", "Dropped", "SinceLast"}
    few, position = clients(bus, 0, 7, 0)
    assert len(few) == 7 and clients(bus, position, 1, 0)[0][0]["Address"] == "192.0.2.8"
    assert clients(bus, 0, 4294967295, 2) == (first[:3], 0)
    assert clients(bus, 18446744073709551615, 1, 0) == ([], 0)


def test_rows_of_clients(fixture):
    """All of them, in chronyc's columns and fields; JSON as on the bus."""
    del fixture
    lines = run("timectl", "-n", "clients").stdout.splitlines()
    assert len(lines) == 2 + 1500
    assert lines[2] == f"{'192.0.2.1':25}  1000000  12345  -5   6     1       0      0   -     -"
    assert lines[3] == f"{'192.0.2.2':25}       1      0   -   -     1       0      0   -     -"
    lines = run("timectl", "-n", "clients", "-k").stdout.splitlines()
    assert lines[2] == f"{'192.0.2.1':25}  1000000  12345  -5   6     1       5      2   7    90"
    assert lines[4] == f"{'192.0.2.3':25}       1      0   -   -     -       5      2   -    90"
    assert lines[5] == f"{'192.0.2.4':25}       1      0   -   -     1       0      0   -     -"
    assert run("timectl", "-c", "clients", "-k").stdout.splitlines()[0] == "192.0.2.1,1000000,12345,-5,6,1,5,2,7,90"
    fields = run("timectl", "-c", "clients").stdout.splitlines()
    assert fields[:2] == ["192.0.2.1,1000000,12345,-5,6,1,0,0,127,4294967295", "192.0.2.2,1,0,127,127,1,0,0,127,4294967295"]
    assert len(json.loads(run("timectl", "--json=short", "clients").stdout)) == 1500


@pytest.mark.parametrize("signature,value", [
    ("a{sv}", {"Stratum": ("u", 0)}), ("a{sv}", {"Stratum": ("u", 16)}), ("a{sv}", {"Stratum": ("u", 4294967295)}),
    ("a{sv}", {"Stratum": ("d", 5.0)}), ("a{sv}", {"Distance": ("d", -1.0)}), ("a{sv}", {"Distance": ("d", float("nan"))}),
    ("a{sv}", {"Distance": ("d", float("inf"))}), ("a{sv}", {"Orphan": ("u", 1)}), ("a{sv}", {"WaitUnsynced": ("d", -1.0)}), ("a{sv}", {"": ("s", "")}),
    ("a{sv}", {"WaitSynced": ("d", 1e300)}), ("a{sv}", {"Activate": ("u", 1)})])
def test_bad_options_of_the_local_reference(fixture, signature, value):
    """Nothing out of range, of another type or unknown gets through."""
    assert RawBus().ask("Enable", signature, value, interface="LocalReference").error == INVALID
    assert fixture.applied() == []


@pytest.mark.parametrize("network", ["10/33", "2001:db8::/129", "nowhere", "/", "10/8/8", "1.2.3.4.5", "a" * 100000, "\n"])
def test_bad_networks(fixture, network):
    """Allow and Deny want networks."""
    assert RawBus().ask("Allow", "sb", network, False, interface="Server").error == INVALID
    assert RawBus().ask("CheckAccess", "s", network, interface="Server").error == INVALID
    assert fixture.applied() == []


def test_signals_of_the_local_reference(bus, fixture):
    """A change is told with its value."""
    del fixture
    monitor = Monitor()
    try:
        bus.call("LocalReference", "Enable", "a{sv}", "2", "Stratum", "u", "3", "WaitUnsynced", "d", "60")
        values = soon(lambda: [got["payload"]["data"][1] for got in monitor.signals("PropertiesChanged", OBJECT)
                               if got["payload"]["data"][0] == f"{NAME}.LocalReference"])[0]
        assert {name: value["data"] for name, value in values.items()} == {
            "Enabled": True, "Stratum": 3, "Distance": 1.0, "WaitUnsynced": 60.0}
    finally:
        monitor.stop()
