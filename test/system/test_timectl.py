# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""timectl: what it shows of known values, JSON, terminals, waiting, authorization, other machines. Its layouts
are held against chronyc's in test_chronyc_layout.py."""

import json
import os
import pathlib
import pty
import re
import select
import signal
import time

import pytest

from harness import Process, run, soon
from harness.world import as_user, program
from rawbus import OBJECT, Fixture, Monitor

SOURCE = "/org/timeball1/source/_3192_2e0_2e2_2e11"


@pytest.fixture
def fixture(bus):
    made = Fixture()
    soon(bus.has)
    yield made
    made.stop()


def timectl(*words, **options):
    return run("timectl", *words, **options)


def fails(*words, **options):
    done = timectl(*words, check=False, **options)
    assert done.returncode == 1, done.stdout + done.stderr
    return done


def at_terminal(*words, user=None, env=None, answer=None, limit=40):
    """Runs timectl at a terminal of its own; answer: (what it asks, what is typed then). Output and status."""
    child, terminal = pty.fork()
    if child == 0:
        command = [*as_user(user), program("timectl"), *words]
        os.execvpe(command[0], command, {"PATH": os.environ["PATH"], "TERM": "xterm", **(env or {})})
    said, end = b"", time.monotonic() + limit
    try:
        while time.monotonic() < end:
            if select.select([terminal], [], [], 0.3)[0]:
                said += os.read(terminal, 4096)
            elif answer and answer[0] in said:
                os.write(terminal, answer[1])
    except OSError:
        pass  # the last one has left the terminal
    else:
        os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.close(terminal)
    return said.decode().replace("\r", ""), status


# --- Known values ---


def test_tracking(fixture):
    """Corrections of the bus become what chronyc calls slow, fast, + and -: we are slow and run fast."""
    fixture.tell("figures")
    fixture.tell("sync")
    assert timectl("-n", "tracking").stdout == (
        "Reference ID    : C000020B (192.0.2.11)\n"
        "Stratum         : 2\n"
        "Ref time (UTC)  : Tue Nov 14 22:13:20 2023\n"
        "System time     : 0.500000000 seconds slow of NTP time\n"
        "Last offset     : -0.250000000 seconds\n"
        "RMS offset      : 0.125000000 seconds\n"
        "Frequency       : 12.500 ppm fast\n"
        "Residual freq   : +0.500 ppm\n"
        "Skew            : 0.250 ppm\n"
        "Root delay      : 0.062500000 seconds\n"
        "Root dispersion : 0.031250000 seconds\n"
        "Update interval : 64.5 seconds\n"
        "Leap status     : Insert second\n")
    assert timectl("-c", "tracking").stdout == (
        "C000020B,192.0.2.11,2,1700000000.123456000,0.500000000,-0.250000000,0.125000000,12.500,0.500,0.250,"
        "0.062500000,0.031250000,64.5,Insert second\n")


def test_unsynchronized(fixture):
    """Nothing is known yet: no name, the epoch, zeros."""
    assert fixture.alive()
    lines = timectl("tracking").stdout.splitlines()
    assert lines[:3] == ["Reference ID    : 00000000 ()", "Stratum         : 0",
                         "Ref time (UTC)  : Thu Jan 01 00:00:00 1970"]
    assert lines[-1] == "Leap status     : Not synchronised"


def test_selection_and_exchange(fixture):
    assert fixture.alive()
    assert timectl("-n", "selectdata").stdout.splitlines()[2] == \
        "M 192.0.2.11                N -P--- -PT--    -   1.0  -500ms  +250ms  N"
    record = timectl("-c", "ntpdata", "192.0.2.11").stdout.rstrip("\n").split(",")
    assert record[:9] == ["192.0.2.11", "C000020B", "123", "[UNSPEC]", "00000000", "Normal", "4", "Server", "1"]
    assert record[9:19] == ["6", "64", "-20", "0.000000954", "0.000000", "0.000000", "47505300", "GPS",
                            "1600000000.000000000", "0.125000000"]
    assert record[23:26] == ["111", "000", "0001"]


def test_status(fixture):
    """Aligned labels; why it is not synchronised, and then by whom it is."""
    said = timectl().stdout
    assert "Synchronised: no\n" in said and "Reason: No source has had time to answer yet." in said
    fixture.tell("figures")
    fixture.tell("sync")
    said = timectl("status").stdout
    assert "Synchronised: yes\n" in said and "Leap second: to be inserted\n" in said
    assert "Frequency: 12.500 ppm fast, corrected, known to 0.250 ppm\n" in said
    assert "Offset: 500.00 ms slow, being corrected\n" in said
    assert len({line.index(": ") for line in said.splitlines()}) == 1


# --- JSON ---


REPORTS = [["status"], ["tracking"], ["sources"], ["sourcestats"], ["selectdata"], ["ntpdata"], ["activity"],
           ["explain"], ["explain", "192.0.2.11"], ["ntpdata", "192.0.2.11"]]


def refuse(constant):
    raise ValueError(f"{constant} is no JSON")


@pytest.mark.parametrize("report", REPORTS, ids=" ".join)
def test_json(fixture, report):
    """Both forms are JSON and the same; what is infinite is null."""
    assert fixture.alive()
    pretty = timectl("--json=pretty", *report).stdout
    short = timectl("--json=short", *report).stdout
    assert json.loads(pretty, parse_constant=refuse) == json.loads(short, parse_constant=refuse)
    assert short.count("\n") == 1 < pretty.count("\n")


def test_json_is_the_bus(bus, fixture):
    """Names and values are those of the bus."""
    fixture.tell("figures")
    found = json.loads(timectl("--json=short", "tracking").stdout)
    assert found["MaxError"] is None
    for name in ("SystemOffset", "Frequency", "LeapStatus", "ReferenceUSec", "Synchronized", "ReferenceSource"):
        assert found[name] == bus.get("Clock", name)
    sources = json.loads(timectl("--json=short", "-a", "sources").stdout)
    assert [source["Name"] for source in sources] == ["192.0.2.11", "2001:db8::12", "pool.example.net#1"]
    selected = json.loads(timectl("--json=short", "selectdata").stdout)
    assert selected[0]["Name"] == "192.0.2.11"
    assert selected[0]["EffectiveOptions"] == bus.get("Selection", "EffectiveOptions", SOURCE)


@pytest.mark.parametrize("words", [["--json=short", "makestep"], ["--json=x", "status"], ["-c", "status"],
                                   ["-c", "explain"]], ids=" ".join)
def test_form_is_refused(fixture, words):
    """An option that would do nothing is an error, and nothing is done."""
    done = fails(*words)
    assert done.stdout == "" and done.stderr.startswith("timectl: ")
    assert fixture.applied() == []


# --- What the daemon says on a terminal ---


HOSTILE = "evil\033[2J\033]0;title\007\u009b31m,x\u202e"


@pytest.mark.parametrize("words", [["-N", "-a", "sources"], ["-N", "-a", "sourcestats"], ["-N", "-a", "selectdata"],
                                   ["-N", "-a", "-c", "sources"], ["explain"], ["--json=short", "-a", "sources"]],
                         ids=" ".join)
def test_hostile_name(fixture, words):
    """A name cannot steer the terminal, nor begin a line."""
    fixture.tell("add " + HOSTILE)
    done = timectl(*words)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", done.stdout + done.stderr)
    assert "evil" in done.stdout


def test_hostile_error(fixture):
    """What an error says is data, too."""
    assert fixture.alive()
    done = fails("reload")
    assert done.stdout == "500 Failure\n"
    assert "line 3: 100%s wrong %n" in done.stderr


def test_color(fixture):
    """Only on a terminal that has it, and not when it is not wanted."""
    fixture.tell("select 192.0.2.11")
    assert "\033[1;32m^* 192.0.2.11" in at_terminal("-n", "--no-pager", "sources")[0]
    assert "\033" not in at_terminal("-n", "--no-pager", "sources", env={"NO_COLOR": "1"})[0]
    assert "\033" not in at_terminal("-n", "--no-pager", "sources", env={"TERM": "dumb"})[0]
    assert "\033" not in timectl("-n", "sources").stdout


def test_pager(fixture):
    assert fixture.alive()
    pager = {"PAGER": "sed 's/^/through: /'"}
    assert "through: MS Name" in at_terminal("-n", "sources", env=pager)[0]
    assert "through" not in at_terminal("-n", "--no-pager", "sources", env=pager)[0]
    assert "through" not in run("timectl", "-n", "sources", env=pager).stdout
    said, status = at_terminal("ntpdata", "198.51.100.1", env=pager)
    assert said == "through: 503 No such source\n" and status == 1


# --- No daemon ---


def test_not_running(bus):
    """It says so, and does not start it."""
    assert not bus.has()
    done = fails("status")
    assert "timeball is not running." in done.stdout and "systemctl start timeball.service" in done.stdout
    assert json.loads(fails("--json=short", "status").stdout)["Running"] is False
    for words in (["tracking"], ["makestep"], ["sources"], ["-c", "activity"]):
        done = fails(*words)
        assert done.stdout == "506 Cannot talk to daemon\n" and "not running" in done.stderr
    assert not bus.has()


def test_no_bus():
    """Without a bus at all."""
    done = fails("tracking", env={"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent"})
    assert done.stdout == "506 Cannot talk to daemon\n"
    assert "no connection to the system bus" in done.stderr


# --- Words ---


def test_words(fixture):
    assert fixture.alive()
    assert "did you mean sources?" in fails("sorces").stderr
    assert fails("xyzzy").stderr == "Unrecognized command\n"
    for words in (["tracking", "x"], ["minpoll", "192.0.2.11"], ["add", "refclock", "a"], ["burst", "4"], ["makestep", "1"],
                  ["selectopts", "192.0.2.11", "+nonsense"], ["waitsync", "-1"], ["reset"], ["reload", "x"],
                  ["online", "255.0.255.0/192.0.2.0"], ["online", "192.0.2.0/33"], ["maxdelay", "192.0.2.11", "nan"]):
        assert fails(*words).stderr == f"Invalid syntax for {words[0]} command\n"
    assert fixture.applied() == []


COMMANDS = [
    ("add server ntp.example.net iburst", "add"),
    ("delete pool.example.net#1", "delete"),
    ("online", "online"),
    ("offline 192.0.2.11", "online"),
    ("burst 1/2 192.0.2.0/24", "burst"),
    ("refresh", "refresh"),
    ("reselect", "reselect"),
    ("reselectdist 0.001", "reselectdist"),
    ("selectopts 192.0.2.11 +prefer -trust", "selectopts"),
    ("minpoll 2001:db8::12 -2", "set"),
    ("offset 192.0.2.11 -0.5", "set"),
    ("makestep", "makestep"),
    ("makestep 1 -1", "makestep"),
    ("maxupdateskew 100", "maxupdateskew"),
    ("reload sources", "reload sources"),
    ("reset sources", "reset sources"),
    ("dump", "dump"),
]


@pytest.mark.parametrize("line,applied", COMMANDS)
def test_command(fixture, line, applied):
    """Each command arrives, once."""
    assert timectl(*line.split()).stdout == "200 OK\n"
    assert fixture.applied() == [f"{applied}: ok"]


def test_several_commands(fixture):
    """-m: until the first that fails."""
    done = fails("-m", "refresh", "minpoll 198.51.100.1 4", "reselect")
    assert done.stdout == "200 OK\n503 No such source\n"
    assert fixture.applied() == ["refresh: ok"]


# --- Waiting ---


class Waiting:
    """timectl waitsync in the background."""

    def __init__(self, *words):
        self.process = Process("waitsync", ["timectl", "waitsync", *words])

    def lines(self):
        return self.process.said().splitlines()

    def status(self, limit=20):
        return self.process.popen.wait(limit)


def test_waitsync(fixture):
    """The answer comes with the event, long before the interval is over; until then the daemon is left alone."""
    monitor = Monitor()
    waiting = Waiting("0", "0", "0", "600")
    soon(waiting.lines)
    fixture.tell("offset 0.001")
    fixture.tell("sync")
    assert waiting.status() == 0
    assert waiting.lines() == ["try: 1, refid: 00000000, correction: 0.500000000, skew: 0.250",
                               "try: 2, refid: C000020B, correction: 0.001000000, skew: 0.250"]
    asked = [got for got in monitor.messages() if got.get("type") == "method_call" and got.get("path") == OBJECT]
    assert sorted(got["member"] for got in asked) == ["GetAll", "GetAll", "WaitSynchronized"]
    monitor.stop()


def test_waitsync_at_once(fixture):
    fixture.tell("sync")
    assert timectl("waitsync").stdout == "try: 1, refid: C000020B, correction: 0.500000000, skew: 0.250\n"
    assert timectl("-c", "waitsync").stdout == "1,C000020B,0.500000000,0.250\n"


def test_waitsync_gives_up(fixture):
    """After tries times interval, with a line for each try."""
    assert fixture.alive()
    begin = time.monotonic()
    done = fails("waitsync", "3", "0", "0", "0.3")
    assert 0.85 < time.monotonic() - begin < 10
    assert [line.split(",")[0] for line in done.stdout.splitlines()] == ["try: 1", "try: 2", "try: 3"]


def test_waitsync_limits(fixture):
    """Synchronised is not enough when the correction or the skew is too large."""
    fixture.tell("sync")
    assert fails("waitsync", "1", "0.1", "0", "0.2")
    assert fails("waitsync", "1", "0", "0.1", "0.2")
    assert timectl("waitsync", "1", "1", "1", "5").returncode == 0


def test_waitsync_before_the_daemon(bus):
    """It may come later, and again."""
    assert not bus.has()
    waiting = Waiting("0", "0", "0", "600")
    soon(waiting.lines)
    assert waiting.lines() == ["506 Cannot talk to daemon"]
    fixture = Fixture()
    soon(bus.has)
    fixture.process.kill()
    fixture.process.wait()
    soon(lambda: not bus.has())
    fixture.start()
    soon(bus.has)
    assert waiting.process.alive()
    fixture.tell("sync")
    assert waiting.status() == 0
    assert waiting.lines()[-1].startswith("try: 2, refid: C000020B")
    fixture.stop()


# --- Authorization ---


def test_refused(fixture):
    """nobody may look and not touch; a rule lets through."""
    assert timectl("tracking", user="nobody").returncode == 0
    done = fails("makestep", user="nobody")
    assert done.stdout == "501 Not authorised\n"
    assert fails("--no-ask-password", "reselect", user="nobody").stdout == "501 Not authorised\n"
    assert fixture.applied() == []


def test_rule(bus, fixture):
    bus.rule("org.timeball1.manage-sources")
    soon(lambda: timectl("reselect", user="nobody", check=False).stdout == "200 OK\n")
    bus.rule()
    assert fixture.applied() == ["reselect: ok"]


# crypt(3) of "sesame"
SESAME = "$6$harbour$/HeUZsQtGk.pf0IIGcVUZq07uT0YqgtpT.cfsja93ptrYqX0/" \
    "rEK1Z660IAFKHHSbvsfnLjUQSyTMi6S3SgfG."


@pytest.fixture(name="password")
def root_password(bus):
    """root's password is "sesame", and root is who polkit asks for."""
    if not program("pkttyagent"):
        pytest.skip("no pkttyagent")
    shadow = pathlib.Path("/run/test/shadow")
    shadow.write_text(re.sub(r"^root:[^:]*", f"root:{SESAME}", pathlib.Path("/etc/shadow").read_text(), flags=re.M))
    shadow.chmod(0o600)
    run("mount", "--bind", shadow, "/etc/shadow")
    rules = pathlib.Path("/etc/polkit-1/rules.d/00-root.rules")
    rules.write_text('polkit.addAdminRule(function(action, subject) { return ["unix-user:root"]; });\n')
    rules.chmod(0o644)
    bus.polkit.stop()
    bus.start_polkit()
    yield "sesame"
    run("umount", "/etc/shadow")
    rules.unlink()


def test_password(fixture, password):
    """At a terminal it is asked for; the right one does it, a wrong one does not, nor does --no-ask-password."""
    said, status = at_terminal("makestep", user="nobody", answer=(b"Password: ", password.encode() + b"\n"))
    assert "AUTHENTICATING FOR org.timeball1.set-time" in said and "200 OK\n" in said and status == 0, said
    assert fixture.applied() == ["makestep: ok"]
    said, status = at_terminal("makestep", user="nobody", answer=(b"Password: ", b"wrong\n"))
    assert "501 Not authorised\n" in said and status == 1, said
    said, status = at_terminal("--no-ask-password", "makestep", user="nobody")
    assert said.startswith("501 Not authorised\n") and status == 1
    assert fixture.applied() == ["makestep: ok"]


# --- Another machine ---


def test_host(fixture):
    """-H talks through ssh; here through a program of that name that only starts the bridge."""
    assert fixture.alive()
    folder = pathlib.Path("/run/test/bin")
    folder.mkdir(exist_ok=True)
    ssh = folder / "ssh"
    ssh.write_text('#!/bin/sh\necho "$@" >/run/test/ssh-arguments\nexec systemd-stdio-bridge\n')
    ssh.chmod(0o755)
    path = {"PATH": f"{folder}:{os.environ['PATH']}"}
    assert timectl("-c", "-H", "captain@harbour", "activity", env=path).stdout == "3,0,0,0,0\n"
    assert "captain@harbour" in pathlib.Path("/run/test/ssh-arguments").read_text()
    ssh.write_text("#!/bin/sh\nexit 255\n")
    assert fails("-H", "harbour", "activity", env=path).stdout == "506 Cannot talk to daemon\n"
