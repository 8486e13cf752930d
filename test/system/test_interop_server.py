# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""Programs that we did not write follow timeballd: Debian's chronyd and ntpd of NTPsec, over IPv4 and IPv6."""

import pytest

from harness import Chronyd, Daemon, Ntpd, soon
from harness.network import CLIENT, CLIENT6, give_addresses
from interop import NAMES, NUMBERS, WRONG, addresses, need, our_keys, their_keys

STRATUM = 5
OPTIONS = "iburst minpoll 0 maxpoll 0"


def place(number):
    """Where a follower asks us with that key: 192.0.2.101 for the first."""
    return 100 + number


@pytest.fixture(scope="module", name="server")
def our_server(bus, empty_network):
    """timeballd at 192.0.2.1 and 2001:db8::1; as root, for the port."""
    need("chronyd", "ntpd")
    for number in [*NUMBERS, WRONG]:
        give_addresses(place(number), "client0")
    daemon = Daemon("allow 192.0.2.0/24", "allow 2001:db8::/64", f"local stratum {STRATUM}",
                    f"keyfile {our_keys(user='root')}", bus=bus, user=None)
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


@pytest.mark.parametrize("address", [CLIENT, CLIENT6])
def test_chronyd_interleaves(server, bus, other, address):
    """It is told when our last answer really left, by the kernel."""
    before = bus.get("Server", "KernelTransmitTimestamps")
    follower = other(Chronyd, "chronyd", f"server {address} {OPTIONS} xleave", "port 0", netns="chrony")
    seen = soon(lambda: (row := follower.source(address))["interleaved"] and row["selected"] and row, what="interleaved mode")
    assert set(seen["tests"]) == {"1"} and abs(seen["offset"]) < 0.01
    soon(lambda: bus.get("Server", "KernelTransmitTimestamps") > before + 2, what="timestamps of the kernel")
    assert server.process.alive()


def sources_with_keys():
    return [f"server {address} {OPTIONS} key {number}" for number in [*NUMBERS, WRONG] for address in addresses(place(number))]


def chronyd_with_keys():
    return Chronyd("keyed-chronyd", "port 0", f"keyfile {their_keys('keyed-chronyd', 'ours')}", *sources_with_keys(),
                   netns="chrony")


def ntpd_with_keys():
    return Ntpd("keyed-ntpd", f"keys {their_keys('keyed-ntpd', 'ntpsec')}",
                "trustedkey " + " ".join(map(str, [*NUMBERS, WRONG])), *sources_with_keys(), netns="ntpsec")


@pytest.fixture(scope="module", name="keyed", params=[chronyd_with_keys, ntpd_with_keys], ids=["chronyd", "ntpd"])
def keyed_follower(request, server):
    """One with a source for each key and family, and with two for a wrong key."""
    assert server.process.alive()
    follower = request.param()
    yield follower
    follower.stop()


@pytest.mark.parametrize("family", [0, 1], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("number", NUMBERS, ids=NAMES.get)
def test_key(keyed, number, family):
    """We take their MAC for good, and they ours."""
    address = addresses(place(number))[family]
    soon(lambda: keyed.source(address)["good"], 60, every=0.5, what=f"{address} among the good ones")
    assert keyed.source(address)["authenticated"]


def test_wrong_secret(keyed, bus):
    """A request that is signed with another secret is met with silence, and counted."""
    soon(lambda: bus.get("Server", "Verdicts")["unauthenticated"] >= 4, what="requests with a wrong MAC")
    for address in addresses(place(WRONG)):
        seen = keyed.source(address)
        assert not seen["good"] and seen["reach"] == 0


@pytest.mark.parametrize("number", [*NUMBERS, WRONG], ids=lambda number: NAMES.get(number, "wrong"))
def test_key_and_interleaved(server, other, number):
    """The MAC covers the timestamps that an interleaved answer has, and interleaved mode opens no way round it. One source of
    each family: of a client that asks more of our addresses than two at a time, not all exchanges are kept."""
    follower = other(Chronyd, "keyed-interleaving", "port 0", f"keyfile {their_keys('keyed-interleaving', 'ours')}",
                     *(f"server {address} {OPTIONS} key {number} xleave" for address in addresses(place(number))), netns="chrony")
    for address in addresses(place(number)):
        if number == WRONG:
            seen = soon(lambda where=address: (row := follower.source(where))["sent"] >= 6 and row, what="requests")
            assert not seen["good"] and not seen["interleaved"] and seen["reach"] == 0
            continue
        seen = soon(lambda where=address: (row := follower.source(where))["interleaved"] and row["good"] and row,
                    what=f"{address} interleaved and good")
        assert seen["authenticated"] and set(seen["tests"]) == {"1"}
        assert (seen["transmit"], seen["receive"]) == ("Kernel", "Kernel")
    assert server.process.alive()
