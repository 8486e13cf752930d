# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""A small network: a bridge in a namespace of its own, where the servers are, each a chronyd of Debian that
touches no clock (-x) and serves this machine's time, or another. This side is a client on it; so are lab
machines, by tap devices."""

import itertools

from .world import STATE, Process, run, soon

COUNT = itertools.count(1)
CLIENT, CLIENT6 = "192.0.2.1", "2001:db8::1"


class Server:
    """One chronyd: stratum, and by how many seconds it is wrong."""

    def __init__(self, address, netns=None, stratum=2, offset=0.0, lines=()):
        self.address, self.netns = address, netns
        self.folder = STATE / f"server-{next(COUNT)}"
        self.folder.mkdir()
        self.lines = ["allow all", "cmdport 0", "port 123", f"bindaddress {address}",
                      f"pidfile {self.folder}/pid", "bindcmdaddress /", *lines]
        self.teacher = None
        if offset:
            # chronyd serves the wrong time if it believes in a source that it corrects by that much
            self.teacher = Server(liar_teacher(address), netns, stratum - 1)
            self.lines += [f"server {self.teacher.address} iburst minpoll 0 maxpoll 0 offset {offset}",
                           "maxdistance 30"]
        else:
            self.lines.append(f"local stratum {stratum}")
        self.process = None
        self.start()

    def start(self):
        if self.teacher and not self.teacher.process.alive():
            self.teacher.start()
        path = self.folder / "chrony.conf"
        path.write_text("\n".join(self.lines) + "\n")
        self.process = Process(f"chronyd-{self.address}", ["chronyd", "-x", "-d", "-u", "root", "-f", path],
                               netns=self.netns)
        soon(self.answers, what=f"the server {self.address}")

    def answers(self):
        """It does, and says that it is synchronised."""
        self.process.expect_alive()
        done = run("chronyd", "-Q", "-t", "3", "-u", "root", "-f", "/dev/null", f"server {self.address} iburst maxsamples 1",
                   check=False, prefix=self.prefix())
        return "System clock wrong by" in done.stderr + done.stdout

    def prefix(self):
        return ["ip", "netns", "exec", self.netns] if self.netns else []

    def stop(self):
        self.process.stop()
        if self.teacher:
            self.teacher.stop()


def liar_teacher(address):
    return "127.66.0." + address.split(".")[-1]


def give_addresses(number, interface, netns=None):
    """192.0.2.N and 2001:db8::N for an interface, of this side without netns."""
    where = ["-n", netns] if netns else []
    run("ip", *where, "addr", "add", f"192.0.2.{number}/24", "dev", interface)
    run("ip", *where, "-6", "addr", "add", f"2001:db8::{number}/64", "dev", interface, "nodad")


class Network:
    """Servers live in the namespace "servers", at 192.0.2.11 and on, as seen from this one at 192.0.2.1."""

    netns = "servers"

    def __init__(self):
        self.servers, self.hosts = [], []
        run("ip", "netns", "add", self.netns)
        self.inside("ip", "link", "set", "lo", "up")
        self.inside("ip", "link", "add", "bridge0", "type", "bridge")
        self.inside("sysctl", "-q", "net.ipv6.conf.bridge0.keep_addr_on_down=1")
        self.inside("ip", "link", "set", "bridge0", "up")
        run("ip", "link", "add", "client0", "type", "veth", "peer", "name", "port0", "netns", self.netns)
        self.inside("ip", "link", "set", "port0", "master", "bridge0", "up")
        run("ip", "addr", "add", f"{CLIENT}/24", "dev", "client0")
        run("ip", "-6", "addr", "add", f"{CLIENT6}/64", "dev", "client0", "nodad")
        run("ip", "link", "set", "client0", "up")

    def inside(self, *command, **options):
        """Runs a command among the servers."""
        return run(*command, prefix=["ip", "netns", "exec", self.netns], **options)

    def server(self, stratum=2, offset=0.0, lines=()):
        """A new server, at the next address; ready when this returns."""
        number = 11 + len(self.servers)
        address = f"192.0.2.{number}"
        give_addresses(number, "bridge0", self.netns)
        server = Server(address, self.netns, stratum, offset, lines)
        self.servers.append(server)
        return server

    def host(self, name, *numbers):
        """A namespace of that name on the same bridge, at 192.0.2.N and 2001:db8::N for each of the numbers."""
        run("ip", "netns", "add", name)
        self.hosts.append(name)
        self.inside("ip", "link", "add", f"to-{name}", "type", "veth", "peer", "name", "host0", "netns", name)
        self.inside("ip", "link", "set", f"to-{name}", "master", "bridge0", "up")
        for number in numbers:
            give_addresses(number, "host0", name)
        for link in ("lo", "host0"):
            run("ip", "-n", name, "link", "set", link, "up")
        return name

    def port(self, number):
        """What Machine() needs to be on this network, at 192.0.2.100 + number."""
        tap = f"tap{number}"
        if self.inside("ip", "link", "show", tap, check=False).returncode != 0:
            self.inside("ip", "tuntap", "add", tap, "mode", "tap")
            self.inside("ip", "link", "set", tap, "master", "bridge0", "up")
        return {"netns": self.netns, "tap": tap, "address": f"192.0.2.{100 + number}/24"}

    def cut(self):
        """Packets vanish between clients and servers: silence, not an error."""
        self.inside("ip", "link", "set", "bridge0", "down")

    def mend(self):
        """Undoes cut()."""
        self.inside("ip", "link", "set", "bridge0", "up")

    def stop(self):
        for server in self.servers:
            server.stop()
        run("ip", "link", "del", "client0")
        for name in (self.netns, *self.hosts):
            run("ip", "netns", "del", name)
