# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""Fixtures. bus, network and timeballd are made once per test file and end with it."""

import collections
import json
import os
import pathlib

import pytest

from harness import Bus, Daemon, Machine, Network, program, world
from harness.machine import Unbootable
from rawbus import Fixture


# What a test costs that boots a machine, in tests that do not.
BOOT = 100


def pytest_addoption(parser):
    parser.addoption("--shares", metavar="FILE", help="write down what can run beside one another (for run-all)")


def pytest_collection_finish(session):
    """[[cost, name, tests]...]: a file is a share, but a test that boots machines for itself only is best off alone."""
    path = session.config.getoption("--shares")
    if not path:
        return
    tests, cost = collections.defaultdict(list), collections.Counter()
    for item in session.items:
        boots = item.get_closest_marker("lab") is not None
        alone = boots and "boot_once" not in item.fixturenames
        share = item.nodeid if alone else item.nodeid.split("::")[0]
        tests[share].append(item.nodeid)
        cost[share] += BOOT if boots else 1
    pathlib.Path(path).write_text(json.dumps([[cost[share], share, tests[share]] for share in tests]))


def pytest_configure(config):
    del config
    if os.environ.get("TIMEBALL_INSIDE") != "1":
        pytest.exit("start the system tests with test/system/run", returncode=2)
    world.prepare()


@pytest.fixture(autouse=True)
def nobody_left_on_the_bus():
    """One test that fails costs the next one nothing."""
    yield
    Fixture.end_all()


@pytest.fixture(scope="module")
def bus():
    """A system bus with polkitd."""
    made = Bus()
    yield made
    made.stop()


def network_with_chrony():
    if not program("chronyd"):
        pytest.skip("no chronyd: test/system/fetch-daemons could not fetch it")
    return Network()


@pytest.fixture(scope="module")
def empty_network():
    """A network without servers: network.server() adds one."""
    made = network_with_chrony()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def network(empty_network):
    """A network with three servers that are right, at 192.0.2.11 to 13."""
    for _ in range(3):
        empty_network.server()
    return empty_network


@pytest.fixture(scope="module")
def timeballd(bus, network):
    """The daemon on that bus, with these three servers, synchronised."""
    daemon = Daemon(*(f"server {server.address} iburst minpoll 0 maxpoll 2" for server in network.servers), bus=bus)
    daemon.synchronized()
    yield daemon
    daemon.stop()


@pytest.fixture
def start_daemon():
    """start_daemon(lines..., bus=bus): a daemon that ends with the test."""
    started = []

    def start(*lines, **options):
        started.append(Daemon(*lines, **options))
        return started[-1]

    yield start
    for daemon in started:
        daemon.stop()


def boot_machines():
    """A function that boots, and after the test or the file the end of all that it has booted."""
    started = []
    if not program("linux.uml"):
        pytest.skip("no linux.uml: package user-mode-linux is not installed")

    def start(**options):
        try:
            started.append(Machine(**options))
        except Unbootable as reason:
            pytest.skip(f"User-Mode Linux does not run here: {reason}")
        return started[-1]

    yield start
    for machine in started:
        machine.stop()


@pytest.fixture
def boot():
    """boot(clock=..., enable=[...]): a lab machine that ends with the test."""
    yield from boot_machines()


@pytest.fixture(scope="module")
def boot_once():
    """The same for all tests of a file: for a machine that they share."""
    yield from boot_machines()


@pytest.fixture(scope="module")
def lab_network():
    """A network whose servers lab machines reach: boot(**lab_network.port(1))."""
    if not pathlib.Path("/dev/net/tun").exists():
        pytest.skip("no /dev/net/tun: no network for lab machines")
    made = network_with_chrony()
    yield made
    made.stop()
