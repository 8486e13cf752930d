# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""A mock of NetworkManager (python-dbusmock), for what the real one will not say when it is asked to: that there is a
portal, that a network is metered, things that it would never say. The real one is in network_manager.py."""

import dbus
import dbus.bus

from .bus import SOCKET, Bus
from .world import Process, soon

NAME = "org.freedesktop.NetworkManager"
PATH = "/org/freedesktop/NetworkManager"
MOCK = "org.freedesktop.DBus.Mock"
PROPERTIES = "org.freedesktop.DBus.Properties"
UNKNOWN, NONE, PORTAL, LIMITED, FULL = range(5)
ACTIVATED, DEACTIVATING, ASLEEP, CONNECTED = 100, 110, 10, 70


class MockNetworkManager:
    """Its state is State 70, Connectivity FULL, not metered, and no devices."""

    def __init__(self):
        self.process = self.connection = None
        self.start()

    def start(self):
        self.process = Process("mock-network-manager", ["/usr/bin/python3", "-m", "dbusmock", "--system", "-t", "networkmanager"])
        soon(lambda: Bus.has(NAME), what="the mock")
        self.connection = dbus.bus.BusConnection(f"unix:path={SOCKET}")
        soon(lambda: self.object().Get(NAME, "State", dbus_interface=PROPERTIES), what="the mock's objects")
        self.object().AddProperty(NAME, "Metered", dbus.UInt32(4, variant_level=1), dbus_interface=MOCK)

    def object(self, path=PATH):
        return self.connection.get_object(NAME, path, introspect=False)

    def set(self, path=PATH, interface=NAME, **values):
        """Changes properties of an object, with a signal for each."""
        for name, value in values.items():
            self.object(path).Set(interface, name, value, dbus_interface=PROPERTIES, signature="ssv")

    def options(self, lease, **values):
        """Other options of a lease."""
        self.set(lease, f"{NAME}.{lease.split('/')[-2]}", Options=dbus.Dictionary(values, signature="sv", variant_level=1))

    def connectivity(self, value):
        self.set(Connectivity=dbus.UInt32(value))

    def metered(self, value):
        self.set(Metered=dbus.UInt32(value))

    def state(self, value):
        self.set(State=dbus.UInt32(value))

    def signal(self, path, interface, member, signature, *arguments, **options):
        self.object(path).EmitSignal(interface, member, signature, dbus.Array(arguments, signature="v"), dbus_interface=MOCK,
                                    signature="sssav", **options)

    def lease(self, number, version=4, **options):
        """A new configuration by DHCP. Its path."""
        path = f"{PATH}/DHCP{version}Config/{number}"
        self.add(path, f"{NAME}.DHCP{version}Config", {"Options": dbus.Dictionary(
            {name: value if isinstance(value, dbus.Dictionary) else dbus.String(value, variant_level=1)
             for name, value in options.items()}, signature="sv", variant_level=1)})
        return path

    def device(self, number, interface, state=ACTIVATED, ip_interface="", lease4="/", lease6="/"):
        """A new device. Its path."""
        path = f"{PATH}/Devices/{number}"
        self.add(path, f"{NAME}.Device", {
            "Interface": interface, "IpInterface": ip_interface, "State": dbus.UInt32(state, variant_level=1),
            "Dhcp4Config": dbus.ObjectPath(lease4, variant_level=1), "Dhcp6Config": dbus.ObjectPath(lease6, variant_level=1)})
        return path

    def add(self, path, interface, properties):
        self.object("/org/freedesktop").AddObject(path, interface, dbus.Dictionary(properties, signature="sv"),
                                                  dbus.Array([], signature="(ssss)"), dbus_interface=MOCK, signature="ssa{sv}a(ssss)")
        self.announce(path, interface, properties)

    def announce(self, path, interface, properties, **options):
        """The signal alone."""
        self.signal("/org/freedesktop", "org.freedesktop.DBus.ObjectManager", "InterfacesAdded", "oa{sa{sv}}", dbus.ObjectPath(path),
                    dbus.Dictionary({interface: dbus.Dictionary(properties, signature="sv")}, signature="sa{sv}"), **options)

    def remove(self, path, interface):
        self.object("/org/freedesktop").RemoveObject(path, dbus_interface=MOCK)
        self.signal("/org/freedesktop", "org.freedesktop.DBus.ObjectManager", "InterfacesRemoved", "oas",
                    dbus.ObjectPath(path), dbus.Array([interface], signature="s"))

    def stop(self):
        self.connection.close()
        self.process.stop()
        soon(lambda: not Bus.has(NAME), what="the end of the mock")
