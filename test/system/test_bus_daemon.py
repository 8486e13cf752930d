# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""org.timeball1 as the daemon serves it: what it says of real servers, who may change them, and how."""

import json
import re

import pytest

from harness import nobody, run, soon
from rawbus import NAME, OBJECT, REPLY, Monitor, RawBus

SET_TIME, SOURCES = "org.timeball1.set-time", "org.timeball1.manage-sources"
REFUSED = ("org.freedesktop.DBus.Error.AccessDenied",
           "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired")


def source_path(bus, name):
    for path, interfaces in bus.objects().items():
        if interfaces["org.timeball1.Source"]["Name"] == name:
            return path
    raise AssertionError(name)


def rule(bus, action):
    """A rule that lets nobody do it, which polkitd has read."""
    bus.rule(action)
    member, interface = {SET_TIME: ("SetMaxUpdateSkew", "Clock"), SOURCES: ("Reselect", "Sources")}[action]
    arguments = ("d", 1000.0) if action == SET_TIME else ()
    caller = RawBus("nobody")
    soon(lambda: caller.ask(member, *arguments, interface=interface).kind == REPLY, what="the rule")
    caller.close()


@pytest.fixture(autouse=True)
def no_rule(bus):
    yield
    bus.rule()


def test_read_all(bus, timeballd):
    """An unprivileged user reads all that the daemon knows of its servers."""
    del timeballd
    assert bus.get("Clock", "Synchronized", user="nobody") is True
    paths = bus.get("Sources", "List", user="nobody")
    assert len(paths) == bus.get("Sources", "Count", user="nobody") == 3
    for path in [OBJECT, *paths]:
        assert len(re.findall(r"^\.\w+ +property", nobody("busctl", "introspect", NAME, path).stdout, re.M)) > 30
    reports = [bus.objects()[path] for path in paths]
    assert [report["org.timeball1.Source"]["Name"] for report in reports] == ["192.0.2.11", "192.0.2.12", "192.0.2.13"]
    for report in reports:
        source, ntp, selection = (report[f"org.timeball1.{name}"] for name in ("Source", "NTP", "Selection"))
        assert source["Samples"] > 0 and abs(source["Offset"]) < 0.1 and source["Reachability"] > 0
        assert ntp["GoodReceived"] > 0 and ntp["Mode"] == "server" and all(ntp["Tests"].values())
        assert selection["LowLimit"] < selection["HighLimit"] and selection["State"] == source["State"]
    clock = bus.get("Clock", "ReferenceSource")
    assert clock in paths and bus.get("Source", "State", path=clock) == "selected"


def test_max_error(bus, timeballd):
    """MaxError is made of its parts, and grows while nothing happens."""
    del timeballd
    reply = run("busctl", "--json=short", "call", NAME, OBJECT, "org.freedesktop.DBus.Properties", "GetAll", "s",
                f"{NAME}.Clock")
    clock = {name: value["data"] for name, value in json.loads(reply.stdout)["data"][0].items()}
    parts = abs(clock["SystemOffset"]) + clock["RootDelay"] / 2 + clock["RootDispersion"]
    assert clock["MaxError"] == pytest.approx(parts, rel=1e-6)


def test_signals_per_sample(bus, timeballd):
    """No object is told of more often than it has samples."""
    del timeballd
    path = source_path(bus, "192.0.2.11")
    monitor = Monitor()
    first = bus.get("NTP", "Received", path=path)
    soon(lambda: bus.get("NTP", "Received", path=path) >= first + 3)
    monitor.stop()
    polls = bus.get("NTP", "Sent", path=path) - first + 1
    told = [got for got in monitor.signals("PropertiesChanged", path) if got["payload"]["data"][0] == f"{NAME}.Source"]
    assert 0 < len(told) <= 2 * polls


def test_refused_and_let_through(bus, timeballd):
    """MakeStep and Sources.Add: refused to nobody, done when a rule says so."""
    del timeballd
    caller = RawBus("nobody")
    add = ("Add", "sss", "server", "192.0.2.12", "iburst")
    assert caller.ask("MakeStep").error in REFUSED
    assert caller.ask("Add", "sss", "server", "192.0.2.99", "iburst", interface="Sources").error in REFUSED
    assert bus.get("Sources", "Count") == 3
    rule(bus, SOURCES)
    assert caller.ask("Add", "sss", "server", "192.0.2.99", "offline", interface="Sources").kind == REPLY
    assert bus.get("Sources", "Count") == 4
    assert caller.ask(*add, interface="Sources").error == "org.timeball1.Error.SourceExists"
    assert caller.ask("Remove", "s", "192.0.2.99", interface="Sources").kind == REPLY
    assert bus.get("Sources", "Count") == 3
    assert caller.ask("MakeStep").error in REFUSED
    rule(bus, SET_TIME)
    assert caller.ask("MakeStep").error == "org.timeball1.Error.NoClock"  # it is allowed, but -x has no clock


def test_source_methods(bus, timeballd):
    """Root changes a source and sees it change; what is out of range changes nothing."""
    del timeballd
    path = source_path(bus, "192.0.2.13")
    bus.call("Source", "SetOnline", "b", "false", path=path)
    assert bus.get("Source", "Online", path=path) is False
    assert bus.get("Manager", "OfflineSources") == 1
    bus.call("Sources", "SetOnline", "sb", "192.0.2.13/32", "true")
    assert bus.get("Source", "Online", path=path) is True
    bus.call("Source", "SetSelectOptions", "a{sb}", "2", "prefer", "true", "trust", "false", path=path)
    assert bus.get("Selection", "ConfiguredOptions", path=path) == ["prefer"]
    bus.call("Source", "SetSelectOptions", "a{sb}", "1", "prefer", "false", path=path)
    assert bus.get("Selection", "ConfiguredOptions", path=path) == []
    bus.call("Source", "SetOption", "sd", "maxdelay", "0.5", path=path)
    assert bus.call("Source", "SetOption", "sd", "maxdelay", "-1", path=path, check=False).returncode != 0
    bus.call("Source", "Burst", "ii", "1", "2", path=path)
    soon(lambda: bus.get("Manager", "BurstOnlineSources") == 0)


@pytest.mark.parametrize("options", ["#", "iburst # comment", "; key 1", "! x", "iburst key", "minpoll 6.5", "peer",
                                     "maxdelay nan", "presend x", "iburst iburst2", "xyzzy"])
def test_bad_options(bus, timeballd, options):
    """The words of an added source are read as those of the file: what is no option is an error that says so."""
    done = bus.call("Sources", "Add", "sss", "server", "192.0.2.99", options, check=False)
    assert done.returncode != 0 and bus.get("Sources", "Count") == 3
    assert timeballd.process.alive()


def test_explain(bus, timeballd):
    """Every source says why it is used, or is not."""
    del timeballd
    for path in bus.get("Sources", "List"):
        sentence, fields = json.loads(bus.call("Source", "Explain", path=path, user="nobody").stdout)["data"]
        assert sentence.endswith(".") and fields["State"]["data"] == bus.get("Source", "State", path=path)
