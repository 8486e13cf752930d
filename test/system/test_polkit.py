# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""Who may do what, with the real bus and the real polkitd: refusals, rules, and everybody leaving in the middle.

polkitd is held up with SIGSTOP, so that a check is under way for as long as a test wants. What is authorized
are the real bus objects over fixed values (bus-fixture); test_bus.py does it with the daemon."""

import signal

import pytest

import manual
from harness import soon
from rawbus import ERROR, INTERACTIVE, REPLY, Fixture, Monitor, RawBus

SET_TIME, SOURCES = "org.timeball1.set-time", "org.timeball1.manage-sources"
DENIED = "org.freedesktop.DBus.Error.AccessDenied"
CHALLENGE = "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"
LIMITS = "org.freedesktop.DBus.Error.LimitsExceeded"
INVALID = "org.timeball1.Error.InvalidArgument"
SOURCE = "/org/timeball1/source/_3192_2e0_2e2_2e11"


@pytest.fixture
def fixture(bus):
    made = Fixture()
    soon(bus.has)
    yield made
    bus.polkit.signal(signal.SIGCONT)
    bus.rule()
    made.stop()


@pytest.fixture
def monitor(fixture):
    del fixture
    made = Monitor()
    yield made
    made.stop()


def allow(bus, action=SET_TIME, result="YES"):
    """A rule for nobody, which polkitd has read."""
    expected = {"YES": None, "NO": DENIED, "AUTH_ADMIN": CHALLENGE}[result]
    bus.rule(action, result)
    caller = RawBus("nobody")
    member, interface = {SET_TIME: ("MakeStep", "Clock"), SOURCES: ("Reselect", "Sources")}[action]
    soon(lambda: caller.ask(member, interface=interface).error == expected, what=f"rule {result}")
    caller.close()


def hold_polkit(bus):
    """polkitd answers no more, until resume_polkit()."""
    bus.polkit.signal(signal.SIGSTOP)


def resume_polkit(bus):
    bus.polkit.signal(signal.SIGCONT)


def checks(monitor, member="CheckAuthorization"):
    return [got for got in monitor.messages() if got.get("type") == "method_call" and got.get("member") == member]


# --- Refusals and rules ---


CHANGING = [
    ("Manager", "/org/timeball1", "Reload", "", ()),
    ("Manager", "/org/timeball1", "ReloadSources", "", ()),
    ("Manager", "/org/timeball1", "Dump", "", ()),
    ("Manager", "/org/timeball1", "Rekey", "", ()),
    ("Manager", "/org/timeball1", "CycleLogs", "", ()),
    ("Clock", "/org/timeball1", "SetTime", "tt", (1700000000000000, 0)),
    ("Manual", "/org/timeball1", "On", "", ()),
    ("Manual", "/org/timeball1", "Off", "", ()),
    ("Manual", "/org/timeball1", "Reset", "", ()),
    ("Manual", "/org/timeball1", "Delete", "u", (0,)),
    ("Clock", "/org/timeball1", "MakeStep", "", ()),
    ("Clock", "/org/timeball1", "SetStepPolicy", "di", (1.0, 3)),
    ("Clock", "/org/timeball1", "SetMaxUpdateSkew", "d", (100.0,)),
    ("Sources", "/org/timeball1", "Add", "sss", ("server", "192.0.2.99", "iburst")),
    ("Sources", "/org/timeball1", "Remove", "s", ("192.0.2.11",)),
    ("Sources", "/org/timeball1", "SetOnline", "sb", ("", False)),
    ("Sources", "/org/timeball1", "Burst", "iis", (1, 2, "")),
    ("Sources", "/org/timeball1", "CheckNTS", "squ", ("192.0.2.99", 0, 0)),
    ("Sources", "/org/timeball1", "OnOffline", "", ()),
    ("Sources", "/org/timeball1", "Refresh", "", ()),
    ("Sources", "/org/timeball1", "Reselect", "", ()),
    ("Sources", "/org/timeball1", "Reset", "", ()),
    ("Sources", "/org/timeball1", "SetReselectDistance", "d", (0.001,)),
    ("Server", "/org/timeball1", "Allow", "sb", ("192.0.2.0/24", False)),
    ("Server", "/org/timeball1", "Deny", "sb", ("", True)),
    ("Server", "/org/timeball1", "ResetClients", "", ()),
    ("Server", "/org/timeball1", "GetClients", "tuu", (0, 10, 0)),
    ("LocalReference", "/org/timeball1", "Enable", "a{sv}", ({"Stratum": ("u", 5), "Distance": ("d", 0.5)},)),
    ("LocalReference", "/org/timeball1", "Disable", "", ()),
    ("Source", SOURCE, "Remove", "", ()),
    ("Source", SOURCE, "SetOnline", "b", (False,)),
    ("Source", SOURCE, "Burst", "ii", (1, 2)),
    ("Source", SOURCE, "SetOption", "sd", ("maxdelay", 0.1)),
    ("Source", SOURCE, "SetSelectOptions", "a{sb}", ({"prefer": True},)),
]


# Methods that change nothing, and yet are not for everybody.
READING = {"GetClients"}


def test_table_is_complete():
    """The table above has every method that the manual page says needs an action."""
    documented = {(interface, name) for interface, members in manual.interfaces().items()
                  for name, member in members.items() if member.action}
    assert {(interface, member) for interface, _, member, _, _ in CHANGING} == documented


@pytest.mark.parametrize("interface, path, member, signature, values", CHANGING)
def test_everything_that_changes_is_refused(bus, fixture, monitor, interface, path, member, signature, values):
    """Every such method asks for the action that the manual page names; nobody is refused, root may."""
    del bus
    asked = RawBus("nobody").ask(member, signature, *values, interface=interface, path=path)
    assert asked.error == CHALLENGE
    assert fixture.applied() == []
    RawBus().ask(member, signature, *values, interface=interface, path=path)
    assert len(fixture.applied()) == (0 if member in READING else 1)
    soon(lambda: len(checks(monitor)) == 2)
    assert {got["payload"]["data"][1] for got in checks(monitor)} == {manual.interfaces()[interface][member].action}


def test_rules(bus, fixture):
    """YES lets through, NO does not, a challenge is one only if nobody may be asked; each for its action alone."""
    caller = RawBus("nobody")
    allow(bus, SET_TIME, "NO")
    assert caller.ask("MakeStep").error == DENIED
    allow(bus, SET_TIME, "AUTH_ADMIN")
    assert caller.ask("MakeStep", flags=INTERACTIVE).error == DENIED  # nobody has an agent
    assert fixture.applied() == []
    allow(bus, SET_TIME, "YES")
    before = len(fixture.applied())
    assert caller.ask("MakeStep").kind == REPLY
    assert fixture.applied()[before:] == ["makestep: ok"]
    assert caller.ask("Reselect", interface="Sources").error == CHALLENGE


def test_details(bus, fixture, monitor):
    """Rules and agents are told what it is about; only the header of the call allows questions."""
    del bus, fixture
    caller = RawBus()
    caller.ask("MakeStep", flags=INTERACTIVE)
    caller.ask("Remove", interface="Source", path=SOURCE)
    soon(lambda: len(checks(monitor)) == 2)
    step, remove = (got["payload"]["data"] for got in checks(monitor))
    assert step[0][0] == "system-bus-name" and step[0][1]["name"]["data"].startswith(":")
    assert step[1:4] == [SET_TIME, {"command": "makestep", "seconds": "0.5", "direction": "forward"}, 1]
    assert remove[1:4] == [SOURCES, {"command": "delete", "source": "192.0.2.11"}, 0]


def test_arguments_first(bus, fixture, monitor):
    """An error in the arguments needs no password, and no question to polkit."""
    del bus
    caller = RawBus("nobody")
    assert caller.ask("Add", "sss", "server", "not a name", "", interface="Sources").error.endswith(".BadName")
    assert caller.ask("SetStepPolicy", "di", float("nan"), 1).error == INVALID
    assert caller.ask("Remove", "s", "nobody.example", interface="Sources").error.endswith(".NoSuchSource")
    assert caller.ask("SetOption", "sd", "maxdelay", -1.0, interface="Source", path=SOURCE).error == INVALID
    assert caller.ask("MakeStep").error == CHALLENGE
    soon(lambda: checks(monitor))
    assert len(checks(monitor)) == 1
    assert fixture.applied() == []


# --- Leaving in the middle ---


def test_caller_leaves(bus, fixture, monitor):
    """The check is withdrawn, and what polkit says later is nobody's."""
    allow(bus)
    before = fixture.applied()
    hold_polkit(bus)
    asked = len(checks(monitor))
    caller = RawBus("nobody")
    caller.call("MakeStep")
    soon(lambda: len(checks(monitor)) > asked)
    caller.close()
    soon(lambda: checks(monitor, "CancelCheckAuthorization"), what="CancelCheckAuthorization")
    cancelled = checks(monitor, "CancelCheckAuthorization")[-1]["payload"]["data"][0]
    assert cancelled == checks(monitor)[-1]["payload"]["data"][4]
    resume_polkit(bus)
    assert RawBus("nobody").ask("MakeStep").kind == REPLY
    assert fixture.applied() == before + ["makestep: ok"]
    assert fixture.alive()


@pytest.mark.parametrize("offset, fits", [(0.5, True), (0.3, True), (0.55, True), (-0.009, True), (0.6, False), (100, False),
                                          (-0.1, False), (-0.5, False)])
def test_step_grows_meanwhile(bus, fixture, monitor, offset, fits):
    """Half a second forward was asked for. While somebody looks for a password the clock may become another one; what is
    allowed then is still half a second, or less."""
    allow(bus)
    before = fixture.applied()
    hold_polkit(bus)
    caller = RawBus("nobody")
    asked = len(checks(monitor))
    serial = caller.call("MakeStep")
    soon(lambda: len(checks(monitor)) > asked, what="the question to polkit")
    fixture.tell(f"offset {offset}")
    resume_polkit(bus)
    answer = caller.wait(serial)
    assert (answer.kind == REPLY) == fits
    if fits:
        assert fixture.applied() == before + ["makestep: ok"]
    else:
        assert answer.error == "org.timeball1.Error.Failed" and "a step by +0.5 s" in answer.text()
        assert fixture.applied() == before
        assert caller.ask("MakeStep").kind == REPLY  # asked again, about what it is now


def test_caller_leaves_at_once(bus, fixture):
    """However early he leaves: nothing is done for who is not there, and nothing stays behind."""
    allow(bus)
    hold_polkit(bus)
    for _ in range(100):
        caller = RawBus("nobody")
        caller.call("MakeStep")
        caller.close()
    patient = RawBus("nobody")
    soon(lambda: is_held(patient), what="room for another check")
    patient.close()
    before = fixture.applied()
    resume_polkit(bus)
    assert RawBus("nobody").ask("MakeStep").kind == REPLY
    assert fixture.applied() == before + ["makestep: ok"]
    assert fixture.alive()


def test_somebody_says_that_the_caller_left(bus, fixture, monitor):
    """Only the bus knows who has left: what looks like its word, and is anybody's, takes nobody's call away."""
    allow(bus)
    before = fixture.applied()
    hold_polkit(bus)
    asked = len(checks(monitor))
    caller, stranger = RawBus("nobody"), RawBus("daemon")
    serial = caller.call("MakeStep")
    soon(lambda: len(checks(monitor)) > asked)
    stranger.pretend("NameOwnerChanged", "sss", caller.name, caller.name, "")
    resume_polkit(bus)
    assert caller.wait(serial).kind == REPLY
    assert fixture.applied() == before + ["makestep: ok"]


def is_held(caller, member="MakeStep", signature="", *values):
    """Whether a call is taken up, by a connection that may have made some before."""
    serial = caller.call(member, signature, *values)
    caller.socket.settimeout(0.3)
    try:
        return caller.wait(serial).error != LIMITS
    except TimeoutError:
        return True
    finally:
        caller.socket.settimeout(30)


def test_polkit_dies(bus, fixture):
    """Killed in the middle: a user is refused, root passes; started again, it is asked again."""
    allow(bus)
    before = fixture.applied()
    hold_polkit(bus)
    caller = RawBus("nobody")
    serial = caller.call("MakeStep")
    bus.polkit.kill()
    assert caller.wait(serial).error == DENIED
    assert caller.ask("MakeStep").error == DENIED
    assert fixture.applied() == before
    assert RawBus().ask("MakeStep").kind == REPLY
    assert fixture.applied() == before + ["makestep: ok"]
    bus.start_polkit()
    assert caller.ask("MakeStep").kind == REPLY


def test_bus_dies(bus, fixture):
    """Killed in the middle: nothing was done, and on the new bus everything is there again."""
    allow(bus)
    before = fixture.applied()
    hold_polkit(bus)
    caller = RawBus("nobody")
    caller.call("MakeStep")
    soon(lambda: is_held(RawBus("nobody")))
    bus.daemon.kill()
    bus.polkit.kill()
    soon(lambda: "bus lost" in fixture.said())
    assert fixture.applied() == before
    bus.start()
    bus.start_polkit()
    soon(bus.has, what="the name on the new bus")
    assert bus.get("Clock", "Stratum", user="nobody") == 0
    allow(bus)
    assert RawBus("nobody").ask("MakeStep").kind == REPLY
    assert fixture.alive()


def test_object_leaves(bus, fixture):
    """The source that a call is for is removed while polkit thinks: an error, and the answer is not kept."""
    allow(bus, SOURCES)
    hold_polkit(bus)
    caller = RawBus("nobody")
    serials = [caller.call("Remove", interface="Source", path=SOURCE) for _ in range(2)]
    resume_polkit(bus)
    answers = [caller.wait(serial) for serial in serials]
    assert answers[0].kind == REPLY
    assert answers[1].error in ("org.freedesktop.DBus.Error.UnknownObject", "org.freedesktop.DBus.Error.UnknownMethod")
    assert caller.ask("Reselect", interface="Sources").kind == REPLY
    assert [line for line in fixture.applied() if line.startswith("delete")] == ["delete: ok"]


# --- Floods ---


def flood(caller, count, batch=100):
    """Sends count calls; returns the errors of those that were answered, and how many were not."""
    errors, held = [], 0
    for _ in range(count // batch):
        serials = {caller.call("MakeStep") for _ in range(batch)}
        last = caller.call("GetMachineId", interface="org.freedesktop.DBus.Peer")
        while True:
            got = caller.receive()
            if got.reply_to == last:
                break
            if got.reply_to in serials:
                serials.remove(got.reply_to)
                errors.append(got.error)
        held += len(serials)
    return errors, held


def test_ten_thousand_calls(bus, fixture):
    """While polkit hangs, a connection has eight calls under way; no memory is taken by the rest."""
    hold_polkit(bus)
    caller = RawBus("nobody")
    flood(caller, 100)
    memory = resident(fixture)
    errors, held = flood(caller, 10000)
    assert set(errors) == {LIMITS} and len(errors) == 10000 and held == 0  # eight are held since the first hundred
    assert resident(fixture) - memory < 1024
    assert bus.get("Clock", "Stratum") == 0
    caller.close()
    resume_polkit(bus)
    soon(lambda: RawBus("nobody").ask("MakeStep").error == CHALLENGE)
    assert fixture.applied() == []


@pytest.mark.parametrize("member, signature, values", [("MakeStep", "", ()), ("WaitSynchronized", "ddt", (1e-12, 0.0, 0))])
def test_one_user_cannot_keep_others_out(bus, fixture, member, signature, values):
    """However many connections a user opens, he has sixteen calls under way, and there is room for root."""
    hold_polkit(bus)
    crowd = [RawBus("nobody") for _ in range(40)]
    serials = [[one.call(member, signature, *values) for _ in range(8)] for one in crowd]
    for one, calls in zip(crowd[2:], serials[2:]):
        while calls:
            got = one.receive()
            if got.reply_to in calls:
                assert got.error == LIMITS
                calls.remove(got.reply_to)
    assert is_held(RawBus(), member, signature, *values)
    assert is_held(RawBus("timeball"), member, signature, *values)
    for one in crowd:
        one.close()
    resume_polkit(bus)
    soon(lambda: RawBus("nobody").ask("MakeStep").error == CHALLENGE)
    assert fixture.alive()


def resident(fixture):
    with open(f"/proc/{fixture.process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon"))


def test_denied_is_an_error(bus, fixture):
    """A refusal is an error with a sentence, not an empty reply."""
    del bus, fixture
    got = RawBus("nobody").ask("MakeStep")
    assert got.kind == ERROR and got.text()
