# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""org.timeball1 on the real bus: what is read, which signals are sent, a bus that comes and goes, bad input.
Over fixed values (bus-fixture) where a test must know or provoke them, then with the daemon."""

import dataclasses
import json
import os
import pathlib
import re
import signal
import socket
from xml.etree import ElementTree

import pytest

import manual
from harness import nobody, program, run, soon
from rawbus import NAME, OBJECT, REPLY, SOCKET, Fixture, Monitor, RawBus

PROPERTIES = "org.freedesktop.DBus.Properties"
FIRST = "/org/timeball1/source/_3192_2e0_2e2_2e11"
POOL = "/org/timeball1/source/pool_2eexample_2enet_231"
TIMEOUT = "org.timeball1.Error.Timeout"
LIMITS = "org.freedesktop.DBus.Error.LimitsExceeded"


@pytest.fixture
def fixture(bus):
    made = Fixture()
    soon(bus.has)
    yield made
    made.stop()


@pytest.fixture
def monitor(fixture):
    del fixture
    made = Monitor()
    yield made
    made.stop()


def changed(monitor, path, interface):
    """Payloads of the PropertiesChanged of that interface: ({name: value}, [invalidated])."""
    found = [got["payload"]["data"] for got in monitor.signals("PropertiesChanged", path)]
    return [({name: value["data"] for name, value in values.items()}, names)
            for of, values, names in found if of == f"{NAME}.{interface}"]


# --- Reading ---


def test_read_all(bus, fixture):
    """An unprivileged user reads every property of every object; names of sources come back from paths."""
    del fixture
    tree = nobody("busctl", "tree", "--list", NAME).stdout.split()
    assert tree[-4:] == ["/org/timeball1/source", FIRST, "/org/timeball1/source/_32001_3adb8_3a_3a12", POOL]
    for path in [OBJECT, FIRST, POOL]:
        listed = nobody("busctl", "introspect", NAME, path).stdout
        assert "error" not in listed.lower().replace("offseterror", "").replace("maxerror", "") \
            .replace("estimatedoffseterror", "")
        assert len(re.findall(r"^\.\w+ +property", listed, re.M)) > 30
    objects = bus.objects()
    assert set(objects) == set(tree[-3:])
    assert objects[POOL]["org.timeball1.Source"]["Name"] == "pool.example.net#1"
    assert bus.get("Sources", "List", user="nobody") == tree[-3:]


def test_units(bus, fixture):
    """Frequencies are ppm, instants microseconds, enumerations words, absent values empty."""
    del fixture
    assert bus.get("Clock", "Frequency") == -12.5
    assert bus.get("Clock", "State") == "starting"
    assert bus.get("Clock", "ReferenceSource") == "/"
    assert bus.get("Clock", "ReferenceUSec") == 0
    ntp = bus.objects()[FIRST]["org.timeball1.NTP"]
    assert ntp["ReferenceUSec"] == 1600000000000000
    assert (ntp["Mode"], ntp["PollInterval"], ntp["Precision"]) == ("server", 64, 2**-20)
    assert [name for name, passed in ntp["Tests"].items() if passed] == ["1", "2", "3", "D"]
    assert ntp["Verdicts"]["good"] == 7
    selection = bus.objects()[FIRST]["org.timeball1.Selection"]
    assert (selection["ConfiguredOptions"], selection["EffectiveOptions"]) == (["prefer"], ["prefer", "trust"])


def test_explain(bus, fixture):
    """A sentence, and the numbers that it is made of; those that do not exist are left out."""
    del fixture
    sentence, fields = json.loads(bus.call("Source", "Explain", path=POOL, user="nobody").stdout)["data"]
    assert sentence == bus.get("Source", "StateReason", path=POOL) != ""
    assert fields["Limit"]["data"] == 3 and fields["Agreeing"]["data"] == 2 and "Value" not in fields
    sentence, fields = json.loads(bus.call("Clock", "Explain", user="nobody").stdout)["data"]
    assert sentence == bus.get("Clock", "UnsynchronizedReason") != ""
    assert fields["State"]["data"] == "starting" and fields["OnlineSources"]["data"] == 3


def test_unknown(bus, fixture):
    """What is not there is an error of its kind; properties cannot be set."""
    del fixture
    for path in ("/org/timeball1/source/_31", "/org/timeball1/source/_", "/org/timeball1/sourc", "/"):
        assert bus.call("Source", "Explain", path=path, check=False).returncode != 0
    done = run("busctl", "set-property", NAME, OBJECT, f"{NAME}.Clock", "Stratum", "u", "1", check=False)
    assert done.returncode != 0


# --- The manual page ---


def live(path):
    """{interface: {member: Member}} by introspection, of our interfaces."""
    xml = ElementTree.fromstring(run("busctl", "introspect", "--xml-interface", NAME, path).stdout)
    found = {}
    for interface in xml.findall("interface"):
        if interface.get("name").startswith(NAME + "."):
            found[interface.get("name").removeprefix(NAME + ".")] = {
                element.get("name"): member_of(element) for element in interface if element.tag != "annotation"}
    return found


def member_of(element):
    emits = {"false": "not signalled", "const": "constant", "invalidates": "invalidated", None: ""}
    arguments = {"in": [], "out": []}
    for argument in element.findall("arg"):
        arguments[argument.get("direction", "in")].append(f"{argument.get('type')} {argument.get('name')}")
    notes = [note.get("value") for note in element.findall("annotation") if note.get("name").endswith("EmitsChangedSignal")]
    return manual.Member(
        kind=element.tag, signature=element.get("type", ""), emits=emits[notes[0] if notes else None],
        arguments=", ".join(arguments["in"]), results=", ".join(arguments["out"]))


def test_manual_page(bus, fixture):
    """org.timeball1(5) has every member that is served, with its types, names and kind of change, and no other."""
    del bus, fixture
    served = {**live(OBJECT), **live(FIRST)}
    documented = manual.interfaces()
    assert set(served) == set(documented)
    for interface, members in served.items():
        assert list(served[interface]) and members == {
            name: dataclasses.replace(member, action="") for name, member in documented[interface].items()}


def test_manual_page_values(bus, fixture):
    """It lists the verdicts that are counted, and the errors that exist."""
    del fixture
    page = manual.text()
    values = re.search(r"^Verdict on a packet\n(.*?)^\w", page, re.M | re.S)[1]
    assert re.findall(r"_([a-z-]+)_", values) == list(bus.objects()[FIRST]["org.timeball1.NTP"]["Verdicts"])
    header = manual.SOURCE.joinpath("src/core/api/bus-names.h").read_text(encoding="utf-8")
    assert set(re.findall(r'"(org\.timeball1\.Error\.\w+)"', header)) == \
        set(re.findall(r"^_(org\.timeball1\.Error\.\w+)_$", page, re.M))


# --- Signals ---


def test_one_signal_per_object(fixture, monitor):
    """A sample that causes five events is told once for each object; what moves by itself is not in it."""
    fixture.tell("sample 192.0.2.11")
    soon(lambda: changed(monitor, FIRST, "Selection"))
    fixture.tell("leap")
    soon(lambda: monitor.signals("LeapPending"))
    told = changed(monitor, FIRST, "Source")
    assert len(told) == 1 and set(told[0][0]) == {"Samples", "MeasuredOffset", "StateReason"}
    assert told[0][0]["Samples"] == 1 and told[0][1] == []
    ntp, selection = changed(monitor, FIRST, "NTP"), changed(monitor, FIRST, "Selection")
    assert len(ntp) == len(selection) == 1
    assert "Sent" in ntp[0][1] and "Score" in selection[0][1] and "SampleAge" not in selection[0][1]
    assert changed(monitor, POOL, "Source") == []


def test_clock_signals(fixture, monitor):
    """Steps and jumps in nanoseconds, with their sign; synchronisation as changed properties."""
    for line in ("step -1.5", "jump 0.25", "leap", "select 192.0.2.11", "sync"):
        fixture.tell(line)
    soon(lambda: changed(monitor, OBJECT, "Clock"))
    assert [got["payload"]["data"] for got in monitor.signals("Stepped")] == [[-1500000000]]
    assert [got["payload"]["data"] for got in monitor.signals("Disrupted")] == [[250000000]]
    assert [got["payload"]["data"] for got in monitor.signals("LeapPending")] == [["insert-second"]]
    assert [got["path"] for got in monitor.signals("Selected")] == [FIRST]
    values, _ = changed(monitor, OBJECT, "Clock")[-1]
    assert values["Synchronized"] is True and values["State"] == "synchronized"
    assert values["UnsynchronizedReason"] == "" and values["ReferenceSource"] == FIRST
    assert not {"SystemOffset", "MaxError", "RootDispersion"} & set(values)


def test_state_of_others(fixture, monitor):
    """A selection that judges a source anew is told, though the source itself had no event."""
    fixture.tell("state pool.example.net#1")
    soon(lambda: changed(monitor, POOL, "Source"))
    assert changed(monitor, POOL, "Source")[0][0]["State"] == "falseticker"
    assert changed(monitor, FIRST, "Source") == []


def test_objects_come_and_go(bus, fixture, monitor):
    """Add returns the path that InterfacesAdded tells, Remove takes it away."""
    del fixture
    path = json.loads(bus.call("Sources", "Add", "sss", "server", "2001:db8::7", "iburst").stdout)["data"][0]
    added = soon(lambda: monitor.signals("InterfacesAdded"))[0]["payload"]["data"]
    assert path == added[0] == "/org/timeball1/source/_32001_3adb8_3a_3a7"
    assert {"org.timeball1.Source", "org.timeball1.NTP", "org.timeball1.Selection"} <= set(added[1])
    soon(lambda: [values for values, _ in changed(monitor, OBJECT, "Sources") if values.get("Count") == 4])
    bus.call("Sources", "Remove", "s", path)
    removed = soon(lambda: monitor.signals("InterfacesRemoved"))[0]["payload"]["data"]
    assert removed[0] == path
    assert {"org.timeball1.Source", "org.timeball1.NTP", "org.timeball1.Selection"} <= set(removed[1])
    assert path not in bus.get("Sources", "List")


def test_configuration_files(bus, fixture, monitor):
    """A reload that finds errors says so, and what is wrong, as it stands."""
    done = bus.call("Manager", "Reload", check=False)
    assert "line 3: 100%s wrong %n" in done.stderr
    fixture.tell("files")
    soon(lambda: changed(monitor, OBJECT, "Manager"))
    assert len(changed(monitor, OBJECT, "Manager")[0][0]["ConfigurationFiles"]) == 2
    bus.call("Manager", "Reload")


# --- Masks ---


@pytest.mark.parametrize("mask, error", [
    ("", None), ("192.0.2.0/24", None), ("192.0.2.11", None), ("2001:db8::/32", None),
    ("pool.example.net#1", None), (FIRST, None),
    ("192.0.2.0/33", "InvalidArgument"), ("2001:db8::/129", "NoSuchSource"), ("192.0.2.0/x", "NoSuchSource"),
    ("192.0.2.0/", "NoSuchSource"), ("pool.example.net", "NoSuchSource"), ("/org/timeball1", "NoSuchSource"),
    ("/", "NoSuchSource"), ("x" * 100000, "NoSuchSource"),
])
def test_masks(fixture, mask, error):
    """All, a network, an address, a name, a path; nothing else."""
    del fixture
    got = RawBus().ask("SetOnline", "sb", mask, False, interface="Sources")
    assert got.error == (error and f"org.timeball1.Error.{error}")


# --- Waiting ---


def test_wait_synchronized(fixture):
    """It is answered when the clock is right, at once if it is; or when the time is over."""
    caller = RawBus("nobody")
    assert caller.ask("WaitSynchronized", "ddt", 0.0, 0.0, 1000).error == TIMEOUT
    serial = caller.call("WaitSynchronized", "ddt", 0.0, 0.0, 0)
    caller.ask("GetMachineId", interface="org.freedesktop.DBus.Peer")
    fixture.tell("sync")
    assert caller.wait(serial).kind == REPLY
    assert caller.ask("WaitSynchronized", "ddt", 0.0, 0.0, 1).kind == REPLY
    fixture.tell("lose")
    assert caller.ask("WaitSynchronized", "ddt", 0.0, 0.0, 1000).error == TIMEOUT


def test_wait_for_limits(fixture):
    """The correction is waited for while it shrinks, though no event tells of it; the skew too."""
    caller = RawBus("nobody")
    fixture.tell("sync")
    assert caller.ask("WaitSynchronized", "ddt", 0.1, 0.0, 10000).error == TIMEOUT
    assert caller.ask("WaitSynchronized", "ddt", 0.0, 0.2, 10000).error == TIMEOUT
    assert caller.ask("WaitSynchronized", "ddt", 0.5, 0.25, 10000).kind == REPLY
    serial = caller.call("WaitSynchronized", "ddt", 0.1, 0.0, 0)
    caller.ask("GetMachineId", interface="org.freedesktop.DBus.Peer")
    fixture.tell("offset 0.09")
    assert caller.wait(serial).kind == REPLY


@pytest.mark.parametrize("correction, skew", [(-1.0, 0.0), (float("nan"), 0.0), (float("inf"), 0.0),
                                              (0.0, -1.0), (0.0, float("nan"))])
def test_wait_for_nonsense(fixture, correction, skew):
    del fixture
    got = RawBus("nobody").ask("WaitSynchronized", "ddt", correction, skew, 1)
    assert got.error == "org.timeball1.Error.InvalidArgument"


def test_waits_are_bounded(fixture):
    """Eight for each connection, as long as it is there; test_polkit.py has the sums."""
    caller = RawBus("nobody")
    serials = [caller.call("WaitSynchronized", "ddt", 0.0, 0.0, 0) for _ in range(9)]
    assert caller.wait(serials[-1]).error == LIMITS
    caller.close()
    fixture.tell("sync")
    assert fixture.alive()


# --- A bus that comes and goes ---


def test_bus_comes_later(bus):
    """Started without a bus, it is there when the bus is; and again when the bus was restarted."""
    bus.daemon.kill()
    bus.polkit.kill()
    fixture = Fixture()
    fixture.tell("sample 192.0.2.11")
    for _ in range(2):
        bus.start()
        soon(bus.has, what="the name")
        assert bus.objects()[FIRST]["org.timeball1.Source"]["Samples"] == 1
        bus.daemon.kill()
        soon(lambda: fixture.said().count("bus lost") > 0)
    fixture.tell("sample 192.0.2.11")
    bus.start()
    soon(bus.has, what="the name")
    assert bus.get("Source", "Samples", path=FIRST) == 2
    fixture.stop()
    bus.start_polkit()


def test_bus_refuses(bus):
    """Something at the socket that cuts everybody off: one notice, fewer and fewer attempts; then the bus."""
    bus.daemon.kill()
    bus.polkit.kill()
    attempts = 0
    with socket.socket(socket.AF_UNIX) as listener:
        pathlib.Path(SOCKET).unlink(missing_ok=True)
        listener.bind(SOCKET)
        os.chmod(SOCKET, 0o666)
        listener.listen()
        listener.settimeout(10)
        fixture = Fixture()
        while "bus unavailable" not in fixture.said():
            listener.accept()[0].close()
            attempts += 1
    assert attempts <= 6 and fixture.said() == "bus unavailable\n"
    bus.start()
    soon(bus.has, what="the name")
    fixture.stop()
    bus.start_polkit()


def test_bus_hangs(bus):
    """A bus that reads nothing any more stops nothing: events go on, and the end comes when it is asked for."""
    fixture = Fixture()
    soon(bus.has)
    bus.daemon.signal(signal.SIGSTOP)
    try:
        for _ in range(20):
            fixture.tell("\n".join(["sample 192.0.2.11"] * 100))
        bus.daemon.signal(signal.SIGCONT)
        assert bus.get("Source", "Samples", path=FIRST) == 2000
        bus.daemon.signal(signal.SIGSTOP)
        fixture.tell("step 1")
        fixture.stop()
    finally:
        bus.daemon.signal(signal.SIGCONT)


def test_never_waits(bus):
    """While calls are authorized, held and given up, the daemon sleeps in its event loop and nowhere else."""
    if not program("strace"):
        pytest.skip("no strace")
    fixture = Fixture(prefix=["strace", "-f", "-o", "/run/test/strace", "-e", "trace=poll,ppoll,select,pselect6"])
    soon(bus.has)
    caller = RawBus("nobody")
    caller.ask("MakeStep")
    caller.call("WaitSynchronized", "ddt", 0.0, 0.0, 0)
    caller.ask("Remove", interface="Source", path=FIRST)
    caller.close()
    RawBus().ask("Remove", interface="Source", path=FIRST)
    bus.objects()
    fixture.stop()
    with open("/run/test/strace", encoding="utf-8") as trace:
        assert [line for line in trace if "poll(" in line or "select" in line] == []


def test_name_refused(bus):
    """Somebody else has the name: it is told once, and the name is taken when it is free."""
    thief = RawBus()
    thief.ask("RequestName", "su", NAME, 4, name="org.freedesktop.DBus", path="/org/freedesktop/DBus",
              interface="org.freedesktop.DBus")
    fixture = Fixture()
    soon(lambda: "bus name refused" in fixture.said())
    fixture.tell("sample 192.0.2.11")
    assert fixture.said().count("bus name refused") == 1
    thief.close()
    soon(lambda: bus.get("Source", "Samples", path=FIRST) == 1, what="the name, now that it is free")
    fixture.stop()


def test_name_forbidden(bus):
    """The bus policy gives the name to the users timeball and root alone."""
    del bus
    fixture = Fixture(user="nobody")
    soon(lambda: "bus name refused" in fixture.said())
    fixture.stop()


# --- Bad input ---

TEXTS = ["", "a\nb", "a b", "a;b", "a#b", "#", "!x", "../../etc/passwd", "%n%s", "\x7f", "a\tb", "ä", "-x", "a\\nb",
         "a'b", 'a"b', "$(id)", "x" * 264, "x" * 100000, "y" * 10_000_000]


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: repr(text[:12]) + f"-{len(text)}")
def test_bad_names(fixture, text):
    """No name or option reaches a command that could end a line of configuration."""
    caller = RawBus()
    assert caller.ask("Add", "sss", "server", text, "", interface="Sources").error == "org.timeball1.Error.BadName"
    for kind in ("", "SERVER", "refclock", text):
        got = caller.ask("Add", "sss", kind, "192.0.2.77", "", interface="Sources")
        assert got.error == "org.timeball1.Error.InvalidArgument"
    assert caller.ask("Remove", "s", text, interface="Sources").error == "org.timeball1.Error.NoSuchSource"
    got = caller.ask("SetOption", "sd", text, 1.0, interface="Source", path=FIRST)
    assert got.error == "org.timeball1.Error.InvalidArgument"
    got = caller.ask("SetSelectOptions", "a{sb}", {text: True}, interface="Source", path=FIRST)
    assert got.error == "org.timeball1.Error.InvalidArgument"
    assert fixture.applied() == []
    assert fixture.alive()


@pytest.mark.parametrize("options", ["iburst\nserver evil", "\r", "x" * 1024, "z" * 10_000_000, "\x01"],
                         ids=lambda text: repr(text[:12]) + f"-{len(text)}")
def test_bad_options(fixture, options):
    got = RawBus().ask("Add", "sss", "server", "192.0.2.77", options, interface="Sources")
    assert got.error == "org.timeball1.Error.InvalidArgument"
    assert fixture.applied() == []


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf"), 1e300, -1e300])
def test_bad_numbers(fixture, number):
    caller = RawBus()
    invalid = "org.timeball1.Error.InvalidArgument"
    assert caller.ask("SetStepPolicy", "di", number, 1).error == invalid
    assert caller.ask("SetMaxUpdateSkew", "d", number).error == invalid
    assert caller.ask("SetReselectDistance", "d", number, interface="Sources").error == invalid
    assert caller.ask("SetOption", "sd", "offset", number, interface="Source", path=FIRST).error == invalid
    for good, total in ((0, 1), (1, 0), (2, 1), (-1, 5), (2**31 - 1, 2**31 - 1)):
        assert caller.ask("Burst", "iis", good, total, "", interface="Sources").error == invalid
    assert fixture.applied() == []


@pytest.mark.parametrize("member, interface, right", [
    ("MakeStep", "Clock", ""), ("SetStepPolicy", "Clock", "di"), ("WaitSynchronized", "Clock", "ddt"),
    ("Add", "Sources", "sss"), ("SetOnline", "Sources", "sb"), ("Burst", "Sources", "iis"), ("Reload", "Manager", ""),
])
def test_wrong_types(fixture, member, interface, right):
    """Every other signature is refused before the arguments are read."""
    values = {"s": "x", "d": 1.0, "i": 1, "b": True, "t": 1, "u": 1}
    for signature in {"", "s", "d", "ss", "dd", "ddd", "ssss", "ii", "bb", "sbb", "sdi", "t"} - {right}:
        got = RawBus().ask(member, signature, *(values[kind] for kind in signature), interface=interface)
        assert got.error == "org.freedesktop.DBus.Error.InvalidArgs"
    assert fixture.applied() == []


@pytest.mark.parametrize("text", [b"a\0b", b"\xff\xfe", b"\xed\xa0\x80"])
def test_not_text(bus, fixture, text):
    """What is no text does not get past the bus; its sender is cut off, and nobody else."""
    caller = RawBus()
    with pytest.raises((EOFError, ConnectionError)):
        caller.ask("Add", "sss", "server", text, "", interface="Sources")
    assert fixture.alive() and bus.get("Clock", "Stratum") == 0
