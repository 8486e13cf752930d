# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""The real NetworkManager, unpacked and not installed, and what it needs to have something to do: a cable to a router that has DHCP
and DHCPv6 (dnsmasq), with servers of time behind it.

    this namespace            router                        servers
    cable0  ------------  cable1-lan  wan  -------------  host0
    by DHCP               192.0.2.254 198.51.100.254      198.51.100.11, 12, 13: chronyd
                          2001:db8:1::fe, 2001:db8:2::fe   2001:db8:2::11, 12, 13

NetworkManager sees a /sys of its own that it cannot write to, since it would wait for udev otherwise, and a /var/lib of its own; it is
told to leave names of hosts and resolvers alone."""

import json
import pathlib
import shutil

from .bus import Bus
from .network import Server
from .world import STATE, Process, program, run, soon

NAME = "org.freedesktop.NetworkManager"
PATH = "/org/freedesktop/NetworkManager"
ACTIVATED, FULL = 100, 4

CONFIGURATION = """[main]
plugins=keyfile
dhcp=internal
dns=none
hostname-mode=none
no-auto-default=*
[keyfile]
path={folder}/connections
[logging]
level=INFO
# a cable that is pulled out is out, without six seconds of hope
[device]
carrier-wait-timeout=200
"""

CONNECTION = """[connection]
id=cable
uuid=6d9a7a3a-5f5d-4c8e-9f5e-0c1d2e3f4a5b
type=ethernet
interface-name=cable0
[ipv4]
method=auto
[ipv6]
method=auto
addr-gen-mode=eui64
"""

# Mounts are NetworkManager's alone: it gets a mount namespace before it starts.
START = """mount -t sysfs -o ro sysfs /sys && mount -t tmpfs -o mode=755 tmpfs /var/lib && mkdir -p /var/lib/NetworkManager &&
exec "$@" """


class Router:
    """The cable, the router and what is behind it."""

    def __init__(self, servers=3):
        for name in ("router", "servers"):
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        self.inside("sysctl", "-q", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        # no second of waiting whether an address is somebody else's
        run("sysctl", "-q", "net.ipv6.conf.default.dad_transmits=0")
        self.inside("sysctl", "-q", "net.ipv6.conf.default.dad_transmits=0")
        # the router's end is on a bridge, which keeps its addresses when the cable is out
        self.inside("ip", "link", "add", "lan", "type", "bridge")
        run("ip", "link", "add", "cable0", "type", "veth", "peer", "name", "cable1", "netns", "router")
        run("ip", "link", "add", "wan", "netns", "router", "type", "veth", "peer", "name", "host0", "netns", "servers")
        self.inside("ip", "link", "set", "cable1", "master", "lan", "up")
        self.give("router", "lan", "192.0.2.254/24", "2001:db8:1::fe/64")
        self.give("router", "wan", "198.51.100.254/24", "2001:db8:2::fe/64")
        self.give("servers", "host0", *(address for number in range(11, 11 + servers)
                                        for address in (f"198.51.100.{number}/24", f"2001:db8:2::{number}/64")))
        run("ip", "-n", "servers", "route", "add", "default", "via", "198.51.100.254")
        run("ip", "-n", "servers", "-6", "route", "add", "default", "via", "2001:db8:2::fe")
        self.servers = [Server(f"198.51.100.{number}", "servers", lines=[f"bindaddress 2001:db8:2::{number}"])
                        for number in range(11, 11 + servers)]
        self.dnsmasq = None

    @staticmethod
    def give(netns, interface, *addresses):
        run("ip", "-n", netns, "link", "set", interface, "up")
        for address in addresses:
            run("ip", "-n", netns, "addr", "add", address, "dev", interface, *(["nodad"] if ":" in address else []))

    @staticmethod
    def inside(*command, **options):
        return run(*command, prefix=["ip", "netns", "exec", "router"], **options)

    def offer(self, *options):
        """DHCP and DHCPv6 from now on, with these options of DHCP, as dnsmasq writes them."""
        if self.dnsmasq:
            self.dnsmasq.stop()
        self.dnsmasq = Process("dnsmasq", [
            "dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--user=root", "--group=root", "--leasefile-ro", "--no-resolv", "--no-hosts",
            "--pid-file=", "--port=0", "--bind-interfaces", "--interface=lan", "--log-dhcp", "--dhcp-authoritative", "--no-ping",
            "--dhcp-range=192.0.2.10,192.0.2.20,2m", "--enable-ra", "--dhcp-range=2001:db8:1::10,2001:db8:1::20,64,2m",
            *(f"--dhcp-option={option}" for option in options)], netns="router")
        soon(lambda: "sockets bound" in self.dnsmasq.said() or "DHCPv6" in self.dnsmasq.said(), what="dnsmasq")

    def cable(self, plugged):
        self.inside("ip", "link", "set", "cable1", "up" if plugged else "down")

    def stop(self):
        if self.dnsmasq:
            self.dnsmasq.stop()
        for server in self.servers:
            server.stop()
        run("ip", "link", "del", "cable0")
        for name in ("router", "servers"):
            run("ip", "netns", "del", name)


class NetworkManager:
    """On the bus that runs; its only connection is by DHCP over cable0."""

    def __init__(self):
        self.folder = STATE / "NetworkManager"
        shutil.rmtree(self.folder, ignore_errors=True)
        connections = self.folder / "connections"
        connections.mkdir(parents=True)
        (self.folder / "NetworkManager.conf").write_text(CONFIGURATION.format(folder=self.folder))
        cable = connections / "cable.nmconnection"
        cable.write_text(CONNECTION)
        cable.chmod(0o600)
        self.process = None
        self.start()

    def start(self):
        """Starts it (again, after kill())."""
        self.process = Process("NetworkManager", [
            "unshare", "--mount", "--uts", "sh", "-c", START, "sh", program("NetworkManager"), "--no-daemon",
            f"--config={self.folder}/NetworkManager.conf", f"--config-dir={self.folder}/conf.d", f"--system-config-dir={self.folder}/system",
            f"--intern-config={self.folder}/intern.conf", f"--state-file={self.folder}/state", f"--pid-file={self.folder}/pid"])
        soon(self.is_there, what="NetworkManager")

    def is_there(self):
        self.process.expect_alive()
        return Bus.has(NAME)

    @staticmethod
    def get(name, interface="", path=PATH):
        """A property; interface without the beginning."""
        reply = run("busctl", "--json=short", "get-property", NAME, path, ".".join(filter(None, [NAME, interface])), name)
        return json.loads(reply.stdout)["data"]

    @staticmethod
    def call(path, interface, method, *arguments):
        """What a method returns, in a list."""
        reply = run("busctl", "--json=short", "call", NAME, path, ".".join(filter(None, [NAME, interface])), method, *arguments)
        return json.loads(reply.stdout)["data"] if reply.stdout.strip() else []

    def cable(self):
        """Path of the device."""
        return self.call(PATH, "", "GetDeviceByIpIface", "s", "cable0")[0]

    def device(self, name):
        """A property of the device."""
        return self.get(name, "Device", self.cable())

    def disconnect(self):
        self.call(self.cable(), "Device", "Disconnect")

    def activate(self):
        self.call(PATH, "", "ActivateConnection", "ooo", "/", self.cable(), "/")
        soon(self.is_activated)

    def renew(self):
        """Gets its leases anew, with the cable in."""
        self.disconnect()
        self.activate()

    def options(self, version):
        """{name: text} of what DHCP has said."""
        path = self.device(f"Dhcp{version}Config")
        return {name: value["data"] for name, value in self.get("Options", f"DHCP{version}Config", path).items()} if path != "/" else {}

    def is_activated(self):
        return self.device("State") == ACTIVATED

    def has_written(self):
        """What it needs to go on with the connection after a kill; without that it takes the device for somebody else's."""
        written = pathlib.Path("/run/NetworkManager/devices").glob("*")
        return any("[dhcp4]" in path.read_text(encoding="utf-8") for path in written)

    def kill(self):
        soon(self.has_written, what="what NetworkManager knows of the cable")
        self.process.kill()
        soon(lambda: not Bus.has(NAME), what="the end of NetworkManager")

    def restart(self):
        """Kills it if it has survived that long, and starts it."""
        if self.process.alive():
            soon(self.has_written, what="what NetworkManager knows of the cable")
        self.process.kill()
        self.start()

    def stop(self):
        self.process.stop()
