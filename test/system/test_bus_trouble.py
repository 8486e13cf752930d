# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""The daemon on a bus where things go wrong: a broken configuration, polkitd and the bus killed, a flood."""

import signal

from harness import Process, soon
from rawbus import NAME, OBJECT, REPLY, Monitor, RawBus

REFUSED = ("org.freedesktop.DBus.Error.AccessDenied",
           "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired")


def test_reload(bus, network, start_daemon):
    """Reload by the bus: the difference is applied and told, an error changes nothing and says where."""
    bus_daemon = start_daemon(f"server {network.servers[0].address} iburst", bus=bus)
    bus_daemon.write(f"server {network.servers[0].address} iburst", f"server {network.servers[1].address} iburst")
    bus.call("Manager", "Reload")
    assert bus.get("Sources", "Count") == 2
    assert bus.get("Manager", "ConfigurationFiles") == [str(bus_daemon.configuration)]
    bus_daemon.write("servr 192.0.2.99")
    done = bus.call("Manager", "Reload", check=False)
    assert done.returncode != 0 and "servr" in done.stderr
    assert bus.get("Sources", "Count") == 2


def checks(monitor, member):
    return [got for got in monitor.messages() if got.get("type") == "method_call" and got.get("member") == member]


def test_caller_dies(bus, network, start_daemon):
    """busctl is killed while polkit thinks, and polkit would have said yes: nothing is done."""
    start_daemon(f"server {network.servers[0].address} iburst", bus=bus)
    bus.rule("org.timeball1.manage-sources")
    soon(lambda: RawBus("nobody").ask("Reselect", interface="Sources").kind == REPLY, what="the rule")
    monitor = Monitor()
    bus.polkit.signal(signal.SIGSTOP)
    caller = Process("caller", ["busctl", "call", NAME, OBJECT, f"{NAME}.Sources", "Remove", "s",
                                network.servers[0].address], user="nobody")
    soon(lambda: checks(monitor, "CheckAuthorization"))
    caller.kill()
    soon(lambda: checks(monitor, "CancelCheckAuthorization"))
    bus.polkit.signal(signal.SIGCONT)
    assert RawBus("nobody").ask("Reselect", interface="Sources").kind == REPLY
    assert bus.get("Sources", "Count") == 1
    bus.rule()
    monitor.stop()


def test_polkit_and_bus_die(bus, network, start_daemon):
    """polkitd, then the bus, are killed while a check is under way: the daemon keeps time, and all works again."""
    daemon = start_daemon(f"server {network.servers[0].address} iburst minpoll 0 maxpoll 1", bus=bus)
    daemon.synchronized()
    bus.polkit.signal(signal.SIGSTOP)
    caller = RawBus("nobody")
    serial = caller.call("Reset", interface="Sources")
    bus.polkit.kill()
    assert caller.wait(serial).error in REFUSED
    bus.start_polkit()
    bus.polkit.signal(signal.SIGSTOP)
    caller.call("Reset", interface="Sources")
    path = bus.get("Sources", "List")[0]
    before = bus.get("NTP", "GoodReceived", path=path)
    bus.daemon.kill()
    bus.polkit.kill()
    bus.start()
    bus.start_polkit()
    soon(bus.has, what="the name on the new bus")
    soon(lambda: bus.get("NTP", "GoodReceived", path=path) > before)
    assert bus.get("Clock", "Synchronized") and bus.get("Source", "Samples", path=path) > 1
    bus.rule("org.timeball1.manage-sources")
    soon(lambda: RawBus("nobody").ask("Reselect", interface="Sources").kind == REPLY, what="the rule")
    bus.rule()


def test_flood(bus, network, start_daemon):
    """Calls by the thousand and texts of 10 MB: it answers them all, keeps time, and needs no more memory after."""
    daemon = start_daemon(f"server {network.servers[0].address} iburst minpoll 0 maxpoll 1", bus=bus)
    daemon.synchronized()
    caller = RawBus("nobody")
    path = bus.get("Sources", "List")[0]

    def storm():
        for _ in range(20):
            serials = [caller.call("Explain", interface="Source", path=path) for _ in range(100)]
            assert caller.wait(serials[-1]).kind == REPLY
        for _ in range(3):
            caller.ask("Add", "sss", "server", "x" * 10_000_000, "", interface="Sources")

    def memory():
        return int(daemon.status()["RssAnon"].split()[0])

    storm()
    before, received = memory(), bus.get("NTP", "GoodReceived", path=path)
    storm()
    # the answer to the last call may be here before its 10 MB are given back there
    soon(lambda: memory() - before < 512, what="the memory of the first storm")
    soon(lambda: bus.get("NTP", "GoodReceived", path=path) > received)
    assert bus.get("Clock", "Synchronized")
