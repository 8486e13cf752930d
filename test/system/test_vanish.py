# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""All servers vanish and come back: what the bus says meanwhile is true, and nobody has to do anything."""

import time

import pytest

from harness import Daemon, soon

# Polls every second; a clock that may be wrong by 1000 ppm, so that the bound grows visibly.
OPTIONS = "iburst minpoll 0 maxpoll 0 maxunreach 4"
GROWTH = 1000e-6


@pytest.fixture(scope="module")
def daemon(bus, network):
    made = Daemon(*(f"server {server.address} {OPTIONS}" for server in network.servers), "maxclockerror 1000", bus=bus)
    made.synchronized()
    yield made
    made.stop()


def sources(bus):
    return [interfaces["org.timeball1.Source"] for interfaces in bus.objects().values()
            if "org.timeball1.Source" in interfaces]


def test_vanish_and_return(bus, network, daemon):
    """Reach falls to 0, MaxError grows by the clock's possible error, Synchronized falls, and all recovers."""
    soon(lambda: all(source["Reachability"] == 0o377 for source in sources(bus)), what="full reach")
    before = bus.get("Clock", "MaxError")
    network.cut()
    try:
        falling = [min(source["Reachability"] for source in sources(bus))]
        soon(lambda: all(source["Reachability"] == 0 for source in sources(bus)), what="reach 0")
        assert falling[0] > 0
        # the answers that were under way are in by now: from here on the bound only grows
        points = []
        while len(points) < 3:
            points.append((time.monotonic(), bus.get("Clock", "MaxError")))
            until = points[-1][0] + 1.0
            soon(lambda: time.monotonic() >= until)
        rates = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in zip(points, points[1:])]
        assert all(0.8 * GROWTH < rate < 1.5 * GROWTH for rate in rates), rates
        assert points[0][1] > before
        soon(lambda: not bus.get("Clock", "Synchronized"), what="Synchronized false")
        assert bus.get("Clock", "UnsynchronizedReason")
    finally:
        network.mend()
    daemon.synchronized()
    soon(lambda: bus.get("Clock", "MaxError") < points[0][1], what="a small bound again")
    soon(lambda: all(source["Reachability"] & 1 for source in sources(bus)))
