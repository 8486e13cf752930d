# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""Logind says that the machine sleeps, and has woken up. It is a stand-in, since the real one would send this machine to sleep; the
real one is heard in the lab (test_lab_disruptions.py). And a daemon that stands still alone."""

import signal
import time

import dbus
import dbus.bus
import dbus.lowlevel
import pytest

from harness import Daemon, soon
from harness.bus import SOCKET

NAME, PATH = "org.freedesktop.login1", "/org/freedesktop/login1"
SETTLED = 2.5  # s, in which a burst that comes would have begun


class Speaker:
    """A connection that may own logind's name."""

    def __init__(self, owns=True):
        self.connection = dbus.bus.BusConnection(f"unix:path={SOCKET}")
        if owns:
            self.connection.request_name(NAME, dbus.bus.NAME_FLAG_DO_NOT_QUEUE)

    def say(self, value, destination=None):
        said = dbus.lowlevel.SignalMessage(PATH, f"{NAME}.Manager", "PrepareForSleep")
        said.append(value)
        if destination:
            said.set_destination(destination)
        self.connection.send_message(said)
        self.connection.flush()

    def owner(self, name):
        return self.connection.get_name_owner(name)

    def close(self):
        self.connection.close()


@pytest.fixture(name="logind")
def stand_in(bus):
    del bus
    made = Speaker()
    yield made
    made.close()


@pytest.fixture(name="daemon", scope="module")
def patient_daemon(bus, network):
    """One that has its first samples and asks again in a minute: whatever is sent sooner is a burst."""
    made = Daemon(*(f"server {server.address} iburst minpoll 6 maxpoll 6" for server in network.servers), bus=bus)
    made.synchronized()
    soon(lambda: min(sent(bus)) >= 4)
    yield made
    made.stop()


def sent(bus):
    """Requests to each source."""
    return [interfaces["org.timeball1.NTP"]["Sent"] for path, interfaces in bus.objects().items() if "/source/" in path]


def is_quiet(bus, seconds=SETTLED):
    """Nothing is sent for so long."""
    before = sent(bus)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if sent(bus) != before:
            return False
        time.sleep(0.2)
    return True


def is_burst(bus, before):
    return all(now >= then + 3 for now, then in zip(sent(bus), before))


def test_daemon_stands_still(bus, network, start_daemon):
    """The daemon is stopped for some seconds: the clock went on, so that nothing has come over it."""
    daemon = start_daemon(*(f"server {server.address} iburst minpoll 0 maxpoll 1" for server in network.servers), bus=bus)
    daemon.synchronized()
    daemon.process.signal(signal.SIGSTOP)
    soon(lambda: daemon.status()["State"].startswith("T"))
    time.sleep(4)
    daemon.process.signal(signal.SIGCONT)
    soon(lambda: bus.get("Clock", "Synchronized"))
    before = sent(bus)
    soon(lambda: sum(sent(bus)) > sum(before) + 6)
    assert bus.get("Clock", "Synchronized") and 0 < bus.get("Clock", "MaxError") < 1
    assert "jump" not in daemon.said() and "slept" not in daemon.said()


def test_woken_up(bus, daemon, logind):
    """Nothing is asked before a sleep. After it all sources are, though no clock has slept, and nothing is thrown away."""
    soon(lambda: is_quiet(bus))
    before = sent(bus)
    logind.say(True)
    assert is_quiet(bus)
    logind.say(False)
    soon(lambda: is_burst(bus, before))
    assert bus.get("Clock", "Synchronized") and "jump" not in daemon.said() and "slept" not in daemon.said()


def test_logind_comes_and_goes(bus, daemon):
    """It is heard whenever it comes, and by whatever connection."""
    for _ in range(2):
        soon(lambda: is_quiet(bus))
        before = sent(bus)
        logind = Speaker()
        soon(lambda: logind.owner(NAME))
        logind.say(False)
        soon(lambda: is_burst(bus, before))
        logind.close()
    daemon.process.expect_alive()


def test_strangers(bus, daemon, logind):
    """Who is not logind is not heard, nor is logind itself when it does not say what it should."""
    soon(lambda: is_quiet(bus))
    stranger = Speaker(owns=False)
    ours = stranger.owner("org.timeball1")
    stranger.say(False)
    stranger.say(False, ours)
    logind.say("false")
    logind.say(dbus.Array([False], signature="b"))
    assert is_quiet(bus, 2 * SETTLED)
    daemon.process.expect_alive()
    stranger.close()
    before = sent(bus)
    logind.say(False)  # it would have been heard
    soon(lambda: is_burst(bus, before))
