# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""What is heard of NetworkManager: bus-fixture tells each piece of news as a line. NetworkManager is a mock here, so that it says
what a test wants, also what the real one never would."""

import dbus
import dbus.bus
import pytest

from harness import soon
from harness.bus import SOCKET
from harness.mock_network_manager import (ACTIVATED, ASLEEP, CONNECTED, DEACTIVATING, FULL, LIMITED, NAME, NONE, PATH, PORTAL,
                                          MockNetworkManager)
from rawbus import Fixture, Monitor

DEVICE, LEASE4, LEASE6 = (f"{NAME}.{name}" for name in ("Device", "DHCP4Config", "DHCP6Config"))
PROPERTIES = "org.freedesktop.DBus.Properties"


class Listener(Fixture):
    """What was told from some point on."""

    def __init__(self):
        super().__init__()
        self.seen = 0

    def news(self):
        """Lines since the last call about networks. That all is told comes some seconds later, whatever comes between."""
        lines = [line for line in self.said().splitlines()
                 if line.split()[0] in ("network", "offered", "provider") and line != "provider complete"]
        new, self.seen = lines[self.seen:], len(lines)
        return new

    def hears(self, *expected):
        """Exactly these come next, in whatever order changes are told."""
        heard = []

        def all_there():
            heard.extend(self.news())
            return len(heard) >= len(expected)
        soon(all_there, what=f"{expected}; heard {heard}")
        assert sorted(heard) == sorted(expected)


@pytest.fixture
def manager(bus):
    del bus
    made = MockNetworkManager()
    yield made
    made.stop()


@pytest.fixture
def monitor(bus):
    del bus
    made = Monitor()
    yield made
    made.stop()


@pytest.fixture(name="listen")
def start_listener(bus):
    """listen(): one that ends with the test."""
    started = []

    def start():
        started.append(Listener())
        soon(bus.has)
        return started[-1]

    yield start
    for listener in started:
        listener.stop()


@pytest.fixture
def listener(manager, listen):
    """It knows the NetworkManager that is there."""
    del manager
    made = listen()
    made.hears("network full", "network changed")
    return made


def test_state(manager, listener):
    """Each state is told once; what is asleep knows nothing; a number that nobody has heard of says nothing either."""
    manager.connectivity(PORTAL)
    listener.hears("network portal", "network changed")
    manager.connectivity(PORTAL)
    manager.metered(1)
    listener.hears("network portal metered")
    manager.metered(3)  # guessed, and still so
    manager.connectivity(LIMITED)
    listener.hears("network limited metered", "network changed")
    manager.metered(2)
    listener.hears("network limited")
    manager.state(ASLEEP)
    listener.hears("network unknown", "network changed")
    manager.state(CONNECTED)
    listener.hears("network limited", "network changed")
    manager.connectivity(77)
    listener.hears("network unknown", "network changed")
    manager.connectivity(NONE)
    listener.hears("network none", "network changed")


def test_burst_of_changes(manager, listener):
    """Changes that follow one another closely are one piece of news, and one that is taken back is none of the state."""
    for value in [PORTAL, LIMITED, NONE] * 5 + [FULL, PORTAL]:
        manager.connectivity(value)
    soon(lambda: "network portal" in listener.said())
    manager.connectivity(FULL)
    soon(lambda: listener.said().splitlines()[-2:] == ["network full", "network changed"])
    assert len(listener.news()) < 20


def test_offers(manager, listener):
    """Servers of DHCP and DHCPv6 come with the device's activation under the name of the interface with the addresses, and go with it."""
    lease4 = manager.lease(1, 4, ntp_servers="192.0.2.1 192.0.2.2", requested_ntp_servers="1", ip_address="192.0.2.9")
    lease6 = manager.lease(1, 6, dhcp6_ntp_servers="ntp.example.net 2001:db8::1", dhcp6_sntp_servers="2001:db8::2")
    device = manager.device(1, "eth0", 70, lease4=lease4, lease6=lease6)
    manager.set(device, DEVICE, State=dbus.UInt32(ACTIVATED))
    listener.hears("offered 0 eth0: [192.0.2.1 192.0.2.2 ntp.example.net 2001:db8::1 2001:db8::2]", "network changed")
    # a changed lease
    manager.options(lease4, **{"ntp_servers": "192.0.2.3"})
    listener.hears("offered 0 eth0: [192.0.2.3 ntp.example.net 2001:db8::1 2001:db8::2]")
    # another lease, which is another object
    manager.set(device, DEVICE, Dhcp4Config=dbus.ObjectPath(manager.lease(2, 4, ntp_servers="192.0.2.4")))
    listener.hears("offered 0 eth0: [192.0.2.4 ntp.example.net 2001:db8::1 2001:db8::2]")
    manager.remove(lease6, LEASE6)
    listener.hears("offered 0 eth0: [192.0.2.4]")
    # the addresses belong to another interface than the modem
    manager.set(device, DEVICE, IpInterface="ppp0")
    listener.hears("offered 0 ppp0: [192.0.2.4]", "offered 0 eth0: []")
    # the signal is enough
    manager.signal(device, DEVICE, "StateChanged", "uuu", dbus.UInt32(DEACTIVATING), dbus.UInt32(100), dbus.UInt32(0))
    listener.hears("offered 0 ppp0: []", "network changed")
    manager.set(device, DEVICE, State=dbus.UInt32(ACTIVATED))
    listener.hears("offered 0 ppp0: [192.0.2.4]", "network changed")
    manager.remove(device, DEVICE)
    listener.hears("offered 0 ppp0: []", "network changed")


def test_two_devices_of_a_name(manager, listener):
    """An interface that was made anew has two devices for a moment; it is one interface."""
    old = manager.device(1, "br0", lease4=manager.lease(1, 4, ntp_servers="192.0.2.1"))
    listener.hears("offered 0 br0: [192.0.2.1]", "network changed")
    manager.device(2, "br0", lease4=manager.lease(2, 4, ntp_servers="192.0.2.2"))
    listener.hears("offered 0 br0: [192.0.2.1 192.0.2.2]", "network changed")
    manager.remove(old, DEVICE)
    listener.hears("offered 0 br0: [192.0.2.2]", "network changed")


def test_vanishes_and_returns(manager, listener):
    """What it said is not known any more, and told again when it is back; nothing is withdrawn. While it starts it is not complete."""
    manager.device(1, "eth0", lease4=manager.lease(1, 4, ntp_servers="192.0.2.1"))
    manager.metered(1)
    soon(lambda: "offered 0 eth0: [192.0.2.1]" in listener.said() and "network full metered" in listener.said())
    listener.news()
    manager.stop()
    listener.hears("network unknown", "provider gone")
    manager.start()
    listener.hears("network full", "network changed")


def test_while_it_starts(manager, listen):
    """Offers of a NetworkManager that starts are told; that they are all is not, and not at once when it has started."""
    manager.set(Startup=True)
    manager.device(1, "eth0", lease4=manager.lease(1, 4, ntp_servers="192.0.2.1"))
    listener = listen()
    listener.hears("network full", "offered 0 eth0: [192.0.2.1]", "network changed")
    manager.device(2, "eth1", lease4=manager.lease(2, 4, ntp_servers="192.0.2.2"))
    listener.hears("offered 0 eth1: [192.0.2.2]", "network changed")
    manager.set(Startup=False)
    manager.metered(1)
    listener.hears("network full metered")
    assert "provider complete" not in listener.said()  # which is so for half a minute: test_networkmanager.py waits for it


def test_is_never_started(monitor, listen):
    """Without NetworkManager nothing is told, and nobody is asked to start it."""
    listener = listen()
    # after the connection is ready, and the question for the owner answered
    soon(lambda: [got for got in monitor.messages() if got.get("member") == "GetNameOwner"])
    assert not [got for got in monitor.messages() if got.get("destination") == NAME or got.get("member") == "StartServiceByName"]
    assert listener.news() == []


def test_wrong_replies(manager, listener):
    """Values of the wrong type, names that are none, options that are something else: left out, and the rest is taken."""
    lease = manager.lease(1, 4, ntp_servers="192.0.2.1")
    manager.set(lease, LEASE4, Options=dbus.String("no dictionary"))
    manager.set(Connectivity=dbus.String("2"))
    manager.set(State=dbus.Int32(10))
    manager.set(Metered=dbus.Array([1], signature="u"))
    for number, name in enumerate(["", "a" * 16, "../../etc", "a b", "x\ny", ".", "\x1b[31m", "öl0", "a:1"]):
        manager.device(10 + number, name, lease4=lease)
    manager.options(lease, **{"ntp_servers": dbus.UInt32(7), "dhcp6_ntp_servers": "a;b $(c)"})
    manager.signal(PATH, NAME, "StateChanged", "s", "portal")
    manager.signal(PATH, PROPERTIES, "PropertiesChanged", "ss", NAME, "Connectivity")
    manager.signal("/org/freedesktop", "org.freedesktop.DBus.ObjectManager", "InterfacesAdded", "o", dbus.ObjectPath(PATH))
    manager.device(1, "fifteen-letters", lease4=lease)
    # the text is handed on as it is: the engine judges it
    soon(lambda: "offered 0 fifteen-letters: [a;b $(c)]" in listener.said())
    assert [line for line in listener.news() if line.startswith("offered")] == ["offered 0 fifteen-letters: [a;b $(c)]"]
    manager.connectivity(PORTAL)
    soon(lambda: "network portal" in listener.news())


def test_too_much(manager, listener):
    """A thousand servers, a name of 5000 letters: bounded, in whole words. So is the number of devices."""
    many = " ".join(f"2001:db8::{number:x}" for number in range(1000))
    lease = manager.lease(1, 4, ntp_servers=many)
    manager.device(1, "eth0", lease4=lease)
    soon(lambda: "offered 0 eth0: [2001:db8::0 " in listener.said())
    line = next(line for line in listener.news() if line.startswith("offered"))
    words = line.split("[")[1].rstrip("]").split(" ")
    assert 300 < len(words) < 400 and words == many.split()[:len(words)]
    manager.options(lease, **{"ntp_servers": "n" * 5000, "dhcp6_ntp_servers": "192.0.2.1"})
    soon(lambda: "offered 0 eth0: [192.0.2.1]" in listener.said())
    lease = manager.lease(2, 4, ntp_servers="192.0.2.2")
    for number in range(1030):
        manager.announce(f"{PATH}/Devices/{100 + number}", DEVICE, {
            "Interface": f"veth{number}", "State": dbus.UInt32(ACTIVATED), "Dhcp4Config": dbus.ObjectPath(lease)}, ignore_reply=True)
    soon(lambda: "offered 0 veth1000:" in listener.said())
    manager.connectivity(LIMITED)
    soon(lambda: "network limited" in listener.said())
    assert "veth1025" not in listener.said() and listener.alive()


def test_signals_of_others(manager, listener):
    """Anybody may send us what looks like a signal of NetworkManager, or of the bus: it is not listened to."""
    stranger = dbus.bus.BusConnection(f"unix:path={SOCKET}")
    to = dbus.bus.BusConnection(f"unix:path={SOCKET}").get_name_owner("org.timeball1")

    def send(path, interface, member, signature, *arguments):
        message = dbus.lowlevel.SignalMessage(path, interface, member)
        message.set_destination(to)
        message.append(*arguments, signature=signature)
        stranger.send_message(message)
        stranger.flush()

    values = dbus.Dictionary({"Connectivity": dbus.UInt32(PORTAL)}, signature="sv")
    send(PATH, PROPERTIES, "PropertiesChanged", "sa{sv}as", NAME, values, dbus.Array([], signature="s"))
    send(PATH, NAME, "StateChanged", "u", dbus.UInt32(ASLEEP))
    send("/org/freedesktop/DBus", "org.freedesktop.DBus", "NameOwnerChanged", "sss", NAME, ":1.1", "")
    send("/org/freedesktop/DBus", "org.freedesktop.DBus", "NameOwnerChanged", "sss", NAME, ":1.1", stranger.get_unique_name())
    send("/org/freedesktop", "org.freedesktop.DBus.ObjectManager", "InterfacesAdded", "oa{sa{sv}}", dbus.ObjectPath(PATH),
         dbus.Dictionary({NAME: values}, signature="sa{sv}"))
    # what comes after them on the same way has come after them
    dbus.Interface(stranger.get_object("org.timeball1", "/org/timeball1"), PROPERTIES).Get("org.timeball1.Manager", "Version")
    manager.metered(1)
    listener.hears("network full metered")


def test_bus_dies(bus, manager, listener):
    """With the bus all that is known is gone; on the new bus it is asked for again."""
    bus.daemon.kill()
    listener.hears("network unknown", "provider gone")
    manager.process.kill()
    bus.restart()
    soon(lambda: listener.said().splitlines().count("bus connected") == 2)
    manager.start()
    listener.hears("network full", "network changed")
