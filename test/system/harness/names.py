# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""Names: dnsmasq as the network's name server, and the real systemd-resolved, never installed: both are unpacked below
build/daemons. resolved runs with the rights of its service on the bus of the test, and takes its configuration from
our /run."""

import contextlib
import json
import pathlib
import re
import signal
import socket

from .bus import Bus
from .network import give_addresses
from .world import DAEMONS, STATE, Process, run, soon

RESOLVED = DAEMONS / "lib/systemd/systemd-resolved"
SERVICE = "org.freedesktop.resolve1"
FLAG_NO_TXT, FLAG_NO_ADDRESS, FLAG_NO_SEARCH, FLAG_NO_VALIDATE = 1 << 6, 1 << 7, 1 << 8, 1 << 10


class NameServer:
    """dnsmasq among the servers, at 192.0.2.53: lines of its configuration, and nothing else is known."""

    number = 53

    def __init__(self, network, *lines):
        self.address = f"192.0.2.{self.number}"
        self.network, self.process = network, None
        self.path = STATE / "dnsmasq.conf"
        give_addresses(self.number, "bridge0", network.netns)
        self.write(*lines)

    def write(self, *lines):
        """Another configuration, which dnsmasq takes by being started again."""
        self.stop()
        self.path.write_text("\n".join(["no-resolv", "no-hosts", "no-daemon", "log-queries", "log-facility=-", "user=root",
                                        f"pid-file={STATE}/dnsmasq.pid", "local-ttl=0", "no-negcache", "bind-interfaces",
                                        f"listen-address={self.address}", "local=/net/", *lines]) + "\n")
        self.process = Process("dnsmasq", ["dnsmasq", f"--conf-file={self.path}"], netns=self.network.netns)
        soon(self.started, what="dnsmasq")

    def started(self):
        self.process.expect_alive()
        return "started, version" in self.process.said()

    def pause(self):
        """Questions wait: nobody answers until resume()."""
        self.process.signal(signal.SIGSTOP)

    def resume(self):
        self.process.signal(signal.SIGCONT)

    def asked(self, name, kind="A"):
        """How often it was asked for that."""
        return len(re.findall(rf"query\[{kind}\] {re.escape(name)} ", self.process.said()))

    def stop(self):
        if self.process:
            self.resume()
            self.process.stop()


@contextlib.contextmanager
def name_server_of_libc(address):
    """What the resolver of libc asks meanwhile, here and in programs that are started."""
    path = STATE / "resolv.conf"
    path.write_text(f"nameserver {address}\n")
    run("mount", "--bind", path, "/etc/resolv.conf")
    yield
    run("umount", "/etc/resolv.conf")


class Resolved:
    """systemd-resolved, which asks that name server."""

    def __init__(self, name_server, dnssec="no", cache="no"):
        self.name_server, self.process = name_server, None
        self.start(dnssec, cache)

    def start(self, dnssec="no", cache="no"):
        configuration = pathlib.Path("/run/systemd/resolved.conf.d/test.conf")
        configuration.parent.mkdir(parents=True, exist_ok=True)
        configuration.write_text(f"[Resolve]\nDNS={self.name_server.address}\nFallbackDNS=\nDNSSEC={dnssec}\nLLMNR=no\n"
                                 f"MulticastDNS=no\nDNSStubListener=no\nCache={cache}\nReadEtcHosts=no\n")
        self.process = Process("resolved", [RESOLVED], env={"SYSTEMD_LOG_LEVEL": "debug", "SYSTEMD_LOG_TARGET": "console"})
        soon(self.on_bus, what="resolved on the bus")

    def on_bus(self):
        self.process.expect_alive()
        return Bus.has(SERVICE)

    def set_link_servers(self, interface, *addresses):
        """What a manager of the network does for an interface that has come up."""
        self.process.expect_alive()
        servers = [word for address in addresses for word in ("2", "4", *address.split("."))]
        run("busctl", "call", SERVICE, "/org/freedesktop/resolve1", f"{SERVICE}.Manager", "SetLinkDNS", "ia(iay)",
            socket.if_nametoindex(interface), len(addresses), *servers)

    def kill(self):
        self.process.kill()
        soon(lambda: not Bus.has(SERVICE), what="resolved off the bus")

    def stop(self):
        if self.process.alive():
            self.process.stop()


class Questions:
    """What resolved is asked on the bus, seen by busctl: as a context."""

    def __enter__(self):
        self.process = Process("monitor", ["busctl", "monitor", "--json=short",
                                           f"--match=interface='{SERVICE}.Manager'"])
        # a monitor is heard by nobody, so it is tried until it hears us
        soon(self.hears, what="the monitor")
        self.before = len(self.all())
        return self

    def hears(self):
        run("busctl", "call", SERVICE, "/org/freedesktop/resolve1", f"{SERVICE}.Manager", "ResetStatistics", check=False)
        return "ResetStatistics" in self.process.said()

    def __exit__(self, *unused):
        self.process.stop()

    def all(self):
        lines = [json.loads(line) for line in self.process.said().splitlines() if line.startswith("{") and line.endswith("}")]
        return [line for line in lines if line.get("member", "").startswith("Resolve") and line["type"] == "method_call"]

    def of(self, name):
        """[(member, flags)...] of the questions for that name."""
        return [(line["member"], line["payload"]["data"][-1]) for line in self.all()[self.before:]
                if name in line["payload"]["data"] or name.removeprefix("_ntp._udp.") in line["payload"]["data"]]
