# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""Programs that we did not write follow timeballd: Debian's chronyd and ntpd of NTPsec, over IPv4 and IPv6."""

import pytest

from harness import Chronyd, Daemon, Ntpd, soon
from harness.network import CLIENT, CLIENT6
from interop import need

STRATUM = 5
OPTIONS = "iburst minpoll 0 maxpoll 0"


@pytest.fixture(scope="module", name="server")
def our_server(bus, empty_network):
    """timeballd at 192.0.2.1 and 2001:db8::1; as root, for the port."""
    need("chronyd", "ntpd")
    daemon = Daemon("allow 192.0.2.0/24", "allow 2001:db8::/64", f"local stratum {STRATUM}", bus=bus, user=None)
    soon(lambda: bus.get("Server", "Listening"), what="the port")
    empty_network.host("chrony", 21)
    empty_network.host("ntpsec", 22)
    yield daemon
    daemon.stop()


@pytest.fixture(name="other")
def other_program():
    """other(Class, name, lines...): one that ends with the test."""
    started = []

    def start(kind, *words, **options):
        started.append(kind(*words, **options))
        return started[-1]

    yield start
    for process in started:
        process.stop()


@pytest.mark.parametrize("address", [CLIENT, CLIENT6])
def test_chronyd(server, other, address):
    """It selects us, finds nothing to object to, and is one stratum below."""
    follower = other(Chronyd, "chronyd", f"server {address} {OPTIONS}", "port 0", netns="chrony")
    seen = soon(lambda: (row := follower.source(address))["selected"] and row, what="selection")
    assert seen["stratum"] == STRATUM and abs(seen["offset"]) < 0.01
    assert set(seen["tests"]) == {"1"}
    assert (seen["transmit"], seen["receive"]) == ("Kernel", "Kernel")
    tracking = follower.rows("tracking")[0]
    assert tracking[1] == address and tracking[2] == str(STRATUM + 1) and tracking[13] == "Normal"
    assert server.process.alive()


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_chronyd_speaks_every_version(server, other, version):
    """Of the protocol, from the first on; chronyd knows from the answer which one we spoke."""
    follower = other(Chronyd, "chronyd", f"server {CLIENT} {OPTIONS} version {version}", "port 0", netns="chrony")
    soon(lambda: follower.source(CLIENT)["selected"], what="selection")
    assert f"Version         : {version}" in "\n".join(follower.ask("ntpdata"))
    assert server.process.alive()


@pytest.mark.parametrize("address", [CLIENT, CLIENT6])
def test_ntpd(server, other, address):
    """Its system peer, one stratum below, with a clock that it calls synchronised."""
    follower = other(Ntpd, "ntpd", f"server {address} {OPTIONS}", netns="ntpsec")
    seen = soon(lambda: (row := follower.source(address))["selected"] and row, what="selection")
    assert seen["stratum"] == STRATUM and abs(seen["offset"]) < 0.01
    system = soon(lambda: (said := follower.system())["leap"] == "00" and said, what="ntpd is synchronised")
    assert system["stratum"] == str(STRATUM + 1)
    assert server.process.alive()
