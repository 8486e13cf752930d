# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""initstepslew: hosts are asked before the sources are, and the start ends after that. What it does to clocks:
test_lab_isolated.py."""

import re
import signal
import socket

import pytest

from harness import run, soon
from harness.world import STATE

ABSENT = "192.0.2.99"
# seconds that the hosts have at most
LIMIT = 20


@pytest.fixture(name="manager")
def service_manager():
    """A service manager that listens. ready() tells whether the daemon has said that it is."""
    path = STATE / "notify"
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(str(path))
    path.chmod(0o666)
    listener.setblocking(False)
    heard = []

    def lines():
        while True:
            try:
                heard.extend(listener.recv(4096).decode().splitlines())
            except BlockingIOError:
                return heard
    lines.path = path
    yield lines
    listener.close()


def reason(bus):
    return bus.get("Clock", "State")


def test_hosts_come_first(bus, network, start_daemon, manager):
    """Their time is taken over, then the sources begin, and the daemon is ready."""
    hosts = " ".join(server.address for server in network.servers[:2])
    daemon = start_daemon(f"initstepslew 10 {hosts}", f"server {network.servers[2].address} iburst minpoll 0 maxpoll 2",
                          bus=bus, env={"NOTIFY_SOCKET": str(manager.path)})
    daemon.synchronized()
    soon(lambda: "READY=1" in manager())
    said = daemon.said()
    assert re.search(r"System's initial offset : 0\.0\d+ seconds (fast|slow) of true \(slew\)(.|\n)*Selected source", said), said
    assert "Added source" not in said and "Removed source" not in said


def test_no_host(bus, network, start_daemon, manager):
    """Nobody answers: people see what is being waited for, and the daemon starts nevertheless. A reload meanwhile is not
    what makes it ready."""
    address = network.servers[0].address
    server = f"server {address} iburst minpoll 0 maxpoll 2"
    daemon = start_daemon(f"initstepslew 10 {ABSENT} nowhere.invalid", server, bus=bus, env={"NOTIFY_SOCKET": str(manager.path)})
    assert "hosts of initstepslew" in run("timectl", "status", check=False).stdout
    assert [line.split(",")[2] for line in run("timectl", "-n", "-c", "sources").stdout.splitlines()] == [address]
    daemon.write(f"initstepslew 20 {ABSENT}", server)
    daemon.process.signal(signal.SIGHUP)
    soon(lambda: re.search("initstepslew.* wait for a restart", daemon.said()))
    assert reason(bus) == "initstepslew" and "READY=1" not in manager()
    soon(lambda: "READY=1" in manager(), 5 * LIMIT)
    assert "No suitable source for initstepslew" in daemon.said()
    daemon.synchronized()


def test_restarted(bus, network, start_daemon, manager):
    """-R: no hosts are asked."""
    daemon = start_daemon(f"initstepslew 10 {ABSENT}", f"server {network.servers[0].address} iburst", options=["-R"], bus=bus,
                          env={"NOTIFY_SOCKET": str(manager.path)})
    soon(lambda: "READY=1" in manager())
    assert reason(bus) != "initstepslew" and "initstepslew" not in daemon.said()
