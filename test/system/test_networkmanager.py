# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""The daemon beside the real NetworkManager, on a cable to a router that has DHCP and DHCPv6, with real servers behind it
(harness/network_manager.py). One NetworkManager serves all tests of this file, and is as the next one wants it when each has
ended: with the cable in, and a lease."""

import itertools
import time

import pytest

from harness import Daemon, run, soon
from harness.network_manager import NetworkManager, Router
from interop import need

V4, V6 = "198.51.100.{}", "2001:db8:2::{}"
OFFERED4, OFFERED6 = [V4.format(12), V4.format(13)], [V6.format(12)]
NTP_OPTIONS = (f"option:ntp-server,{','.join(OFFERED4)}", f"option6:ntp-server,[{OFFERED6[0]}]")
# Promised is one second; a machine with other things to do is given five.
FOLLOWS = 5
# Promised is ten seconds.
RIGHT_AGAIN = 50


@pytest.fixture(scope="module")
def router():
    need("NetworkManager", "dnsmasq", "chronyd")
    made = Router()
    made.offer(*NTP_OPTIONS)
    yield made
    made.stop()


@pytest.fixture(scope="module", name="manager")
def real_manager(bus, router):
    del bus, router
    made = NetworkManager()
    soon(made.is_activated)
    yield made
    made.stop()


@pytest.fixture(scope="module", name="daemon")
def one_daemon(bus, manager):
    """It has a server by address, and takes what DHCP offers."""
    del manager
    made = Daemon(f"server {V4.format(11)} iburst minpoll 0 maxpoll 2", "sourcedir /run/chrony-dhcp", bus=bus)
    made.synchronized()
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def cable_in_afterwards(router):
    """Whatever becomes of a test, the next one has a cable."""
    yield
    router.cable(True)


def sources(bus):
    """{name: properties} of org.timeball1.Source."""
    found = [interfaces["org.timeball1.Source"] for path, interfaces in bus.objects().items() if "/source/" in path]
    return {source["Name"]: source for source in found}


def online(bus):
    return sources(bus)[V4.format(11)]["Online"]


def good(bus, name=V4.format(11)):
    """How many good answers it has given since it is there at that address: what is dropped from the statistics by age still counts."""
    return answers(bus)[name]


def answers(bus):
    """{name: how many} of all."""
    return {interfaces["org.timeball1.Source"]["Name"]: interfaces["org.timeball1.NTP"]["GoodReceived"]
            for path, interfaces in bus.objects().items() if "/source/" in path}


def offered(bus):
    """Names of the sources that are not of the configuration."""
    return set(sources(bus)) - {V4.format(11)}


EXPECTED = {*OFFERED4, *OFFERED6}


def all_offered(bus):
    """A client of DHCP that is not heard asks again later and later."""
    soon(lambda: offered(bus) == EXPECTED, limit=120, what="what DHCP offers")


def right_again(bus):
    """It has been asked anew, and the clock is right by what it said."""
    before = good(bus)
    soon(lambda: good(bus) >= before + 3 and bus.get("Clock", "Synchronized"), RIGHT_AGAIN, what="the clock is right again")


def took(condition, limit):
    """Waits for it, and shows how long that took."""
    start = time.monotonic()
    soon(condition, limit, every=0.02)
    print(f"{time.monotonic() - start:.2f} s")


def test_cable(bus, router, manager, daemon):
    """The cable is pulled out and put in again: the source goes offline and comes back."""
    del daemon
    assert online(bus)
    router.cable(False)
    took(lambda: not online(bus), FOLLOWS)
    soon(lambda: not manager.is_activated())  # sooner, and what is left of its lease is renewed when its time has come
    router.cable(True)
    took(lambda: online(bus), FOLLOWS)
    right_again(bus)


def test_route_of_others(bus, manager, daemon):
    """The route is removed by hand and made again later by hand. NetworkManager knows nothing of it; nobody stays offline."""
    del daemon
    route = run("ip", "route", "show", "default").stdout.split()
    run("ip", "route", "del", "default")
    took(lambda: not online(bus), FOLLOWS)
    assert "It is offline: there is no route" in run("timectl", "explain", V4.format(11)).stdout
    assert manager.get("State") == 70
    run("ip", "route", "add", *route)
    took(lambda: online(bus), FOLLOWS)
    start = time.monotonic()
    right_again(bus)
    print(f"right again after {time.monotonic() - start:.2f} s")


def test_offers_of_dhcp(bus, router, manager, daemon):
    """Servers of DHCP and DHCPv6 are sources, under the name of the interface. When the cable is out they go, and come again with it."""
    all_offered(bus)
    soon(lambda: all(good(bus, name) > 0 for name in EXPECTED))
    of = {name: (source["Origin"], source["OriginName"]) for name, source in sources(bus).items()}
    assert of == {V4.format(11): ("configuration", ""), **{name: ("networkmanager", "cable0") for name in EXPECTED}}
    assert "networkmanager" in run("timectl", "-n", "sources", "-v").stdout
    router.cable(False)
    soon(lambda: not offered(bus))
    assert V4.format(11) in sources(bus)
    router.cable(True)
    all_offered(bus)
    soon(manager.is_activated)
    assert daemon.process.alive()


def test_released(bus, router, manager, daemon):
    """A lease that is given back takes its servers with it; of another lease, what was in the old one as well stays as it is."""
    all_offered(bus)
    manager.disconnect()
    soon(lambda: not offered(bus))
    assert V4.format(11) in sources(bus)
    manager.activate()
    all_offered(bus)
    assert router.dnsmasq.alive() and daemon.process.alive()


def kill_manager(bus, manager):
    del bus
    manager.kill()
    manager.start()


def kill_polkit(bus, manager):
    del manager
    bus.polkit.kill()
    bus.start_polkit()


def kill_bus(bus, manager):
    """NetworkManager does not come back to another bus."""
    bus.restart()
    manager.restart()


STEPS = {"manager": kill_manager, "polkit": kill_polkit, "bus": kill_bus}


@pytest.mark.parametrize("order", list(itertools.permutations(STEPS)), ids=" ".join)
def test_killed_in_any_order(bus, manager, daemon, order):
    """NetworkManager, polkit and the bus are killed and started: each source is there once, is the same as before, and has lost nothing."""
    all_offered(bus)
    soon(lambda: all(good(bus, name) > 3 for name in EXPECTED))
    before, said = answers(bus), len(daemon.said())
    for step in order:
        STEPS[step](bus, manager)
    soon(manager.is_activated)
    soon(lambda: set(answers(bus)) == set(before))
    after = answers(bus)
    assert all(after[name] >= before[name] for name in before)
    assert all(source["Samples"] > 2 for source in sources(bus).values())
    assert offered(bus) == EXPECTED
    news = daemon.said()[said:]
    assert not [line for line in news.splitlines() if "Added source" in line or "Removed source" in line]
    assert bus.get("Clock", "Synchronized")


def test_what_is_not_repeated(bus, router, manager, daemon):
    """NetworkManager is killed, and DHCP has another offer when it comes back: what is in both has lost nothing, the other one goes."""
    gone, stays = OFFERED4
    all_offered(bus)
    soon(lambda: good(bus, stays) > 3)
    said, before = len(daemon.said()), good(bus, stays)
    manager.kill()
    router.offer(f"option:ntp-server,{stays}", NTP_OPTIONS[1])
    manager.start()
    soon(lambda: gone not in sources(bus), limit=250)  # 50 s after NetworkManager has begun all that it does
    assert good(bus, stays) >= before and offered(bus) == {stays, *OFFERED6}
    assert [line.split("Removed source ")[1] for line in daemon.said()[said:].splitlines() if "Removed source" in line] == [gone]
    assert "Added source" not in daemon.said()[said:]
    router.offer(*NTP_OPTIONS)
    manager.renew()
    all_offered(bus)
