# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""timeballd follows programs that we did not write, Debian's chronyd and ntpd of NTPsec, over IPv4 and IPv6, with each
type of key that both sides know."""

import pytest

from harness import Chronyd, Daemon, Ntpd, run, soon
from interop import NAMES, NUMBERS, WRONG, addresses, need, our_keys, their_keys

OPTIONS = "iburst minpoll 0 maxpoll 0"
PROGRAMS = {"chronyd": 21, "ntpd": 22}
# ntpd follows chronyd
STRATA = {"chronyd": 4, "ntpd": 5}


def start_chronyd(network):
    network.host("chrony", PROGRAMS["chronyd"], *(PROGRAMS["chronyd"] + 10 * number for number in range(1, 13)))
    keys = their_keys("chronyd", "ours")
    return Chronyd("chronyd", "allow all", f"local stratum {STRATA['chronyd']}", f"keyfile {keys}", netns="chrony")


def start_ntpd(network):
    network.host("ntpsec", PROGRAMS["ntpd"], *(PROGRAMS["ntpd"] + 10 * number for number in range(1, 13)))
    keys = their_keys("ntpd", "ntpsec")
    server = Ntpd("ntpd", f"server {addresses(PROGRAMS['chronyd'])[0]} {OPTIONS}", f"keys {keys}",
                  "trustedkey " + " ".join(map(str, [*NUMBERS, WRONG])), netns="ntpsec")
    try:
        soon(lambda: server.system()["leap"] == "00", 60, what="ntpd is synchronised")
    except BaseException:
        server.stop()
        raise
    return server


@pytest.fixture(scope="module", name="others", autouse=True)
def other_servers(empty_network):
    """Both, with an address for each key: the Nth is ten times N further on."""
    need("chronyd", "ntpd")
    started = []
    try:
        started.append(start_chronyd(empty_network))
        started.append(start_ntpd(empty_network))
        yield started
    finally:
        for server in started:
            server.stop()


def source(bus, address):
    """{interface: {property: value}} of the source with that address."""
    return next(found for found in bus.objects().values() if found.get("org.timeball1.Source", {}).get("Address") == address)


def selected(bus, address):
    return source(bus, address)["org.timeball1.Source"]["State"] in ("selected", "combined")


@pytest.mark.parametrize("family", [0, 1], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_synchronises(bus, start_daemon, program, family):
    """All tests of an answer pass; we are one stratum below, and agree about a clock that is the same."""
    address = addresses(PROGRAMS[program])[family]
    start_daemon(f"server {address} {OPTIONS}", bus=bus).synchronized()
    found = source(bus, address)
    exchange = found["org.timeball1.NTP"]
    assert all(exchange["Tests"].values()) and exchange["Mode"] == "server" and exchange["Version"] == 4
    assert abs(found["org.timeball1.Source"]["MeasuredOffset"]) < 0.01
    assert bus.get("Clock", "Stratum") == STRATA[program] + 1 and bus.get("Clock", "ReferenceAddress") == address


def test_link_local(bus, start_daemon, empty_network):
    """A router's address that only means something together with the interface."""
    said = empty_network.inside("ip", "-n", "chrony", "-6", "-o", "addr", "show", "dev", "host0", "scope", "link").stdout
    address = said.split("inet6 ")[1].split("/")[0] + "%client0"
    start_daemon(f"server {address} {OPTIONS}", bus=bus).synchronized()
    found = next(value["org.timeball1.Source"] for value in bus.objects().values() if "org.timeball1.Source" in value)
    assert found["Name"] == address and found["Reachability"] > 0


# NTPsec knows nothing but version 4 with digests of at most 20 bytes, and not the interleaved mode.
KEYED = {"chronyd": "", "ntpd": "version 4", "chronyd-interleaved": "version 4 xleave"}


@pytest.fixture(scope="module", name="keyed", params=KEYED)
def keyed_daemon(request, bus, others):
    """A daemon with a source for each key and family of one program, and with two for a wrong key."""
    assert others
    program = request.param.split("-")[0]
    lines = [f"server {address} {OPTIONS} key {number} {KEYED[request.param]}" for number in [*NUMBERS, WRONG]
             for address in addresses(place(program, number))]
    daemon = Daemon(f"keyfile {our_keys()}", *lines, bus=bus)
    daemon.synchronized()
    yield program, "xleave" in KEYED[request.param]
    daemon.stop()


def place(program, number):
    return PROGRAMS[program] + 10 * (number if number != WRONG else 12)


@pytest.mark.parametrize("family", [0, 1], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("number", NUMBERS, ids=NAMES.get)
def test_key(bus, keyed, number, family):
    """Their server takes our MAC for good, and we theirs, which covers the timestamps of interleaved mode as well."""
    program, interleaved = keyed
    address = addresses(place(program, number))[family]
    soon(lambda: selected(bus, address), what=f"{address} among the good ones")
    if interleaved:
        soon(lambda: source(bus, address)["org.timeball1.NTP"]["Interleaved"], what=f"{address} interleaved")
    exchange = source(bus, address)["org.timeball1.NTP"]
    assert exchange["Authenticated"] and exchange["Tests"]["5"]
    fields = next(line.split(",") for line in run("timectl", "-n", "-c", "authdata").stdout.splitlines()
                  if line.startswith(address + ","))
    assert fields[1:3] == ["SK", str(number)]


def test_wrong_secret(bus, keyed):
    """A key of the same number with another secret is good for nothing: the server does not prove that it has ours."""
    for address in addresses(place(keyed[0], WRONG)):
        found = soon(lambda where=address: (now := source(bus, where))["org.timeball1.NTP"]["Sent"] >= 4 and now, what="requests")
        assert found["org.timeball1.NTP"]["ValidReceived"] == 0 and found["org.timeball1.Source"]["Reachability"] == 0
        assert not found["org.timeball1.NTP"]["Authenticated"]
