# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""`timectl settime` and `manual` beside chronyc's; the clock of a lab machine really follows."""

import json
import re
import time

import pytest

from harness import Process, run, soon
from harness.world import STATE

SOCKET = STATE / "manual" / "chronyd.sock"


@pytest.fixture(scope="module", name="both")
def both_commands(bus):
    """ask(words...): what chronyc and timectl say, status and output."""
    # pylint: disable=import-outside-toplevel
    from harness import Daemon
    folder = SOCKET.parent
    folder.mkdir(mode=0o770)
    configuration = folder / "chrony.conf"
    configuration.write_text(f"manual\nmaxdrift 1\ncmdport 0\nport 0\nbindcmdaddress {SOCKET}\npidfile {folder}/pid\n")
    chronyd = Process("chronyd", ["chronyd", "-x", "-d", "-u", "root", "-f", configuration])
    daemon = Daemon("manual", bus=bus)

    def ask(*words):
        done = [run("chronyc", "-h", SOCKET, *words, check=False), run("timectl", *words, check=False)]
        return [(one.returncode, one.stdout) for one in done]
    soon(lambda: ask("manual", "list")[0][0] == 0, what="chronyd")
    yield ask
    daemon.stop()
    chronyd.stop()


def shape(text):
    return re.sub(r"[0-9]", "9", re.sub(r" +[+-]?(?=[0-9])", " ", text))


def test_the_same_answers(both):
    assert len(set(both("manual", "list"))) == 1
    assert len(set(both("-c", "manual", "list"))) == 1
    for words in (["settime", time.strftime("%H:%M:%S")], ["manual", "list"], ["-c", "manual", "list"]):
        theirs, ours = both(*words)
        assert shape(ours[1]) == shape(theirs[1]) and ours[0] == theirs[0] == 0
    width = [[len(line) for line in said.splitlines()] for _, said in both("manual", "list")]
    assert width[0] == width[1]


@pytest.mark.parametrize("words", [["manual", "delete", "7"], ["manual", "off"], ["settime", "12:00"], ["settime", "gibberish"],
                                   ["manual", "on"], ["manual", "reset"], ["manual", "list"]])
def test_the_same_replies(both, words):
    theirs, ours = both(*words)
    if words == ["settime", "gibberish"]:
        assert ours == (1, "510 - Could not parse date string\n")
    else:
        assert ours == theirs


def test_too_soon(both):
    word = time.strftime("%H:%M:%S")
    assert both("settime", word)[1][0] == 0
    assert both("settime", word)[1] == (1, "500 Failure\n")
    both("manual", "reset")


def test_sign_and_json(both):
    """Somebody says that it is an hour later: the clock is 3600 s behind."""
    soon(lambda: both("settime", f"@{int(time.time()) + 3600}")[1][0] == 0, what="a second to pass")
    _, ours = both("manual", "list")
    original = float(ours[1].splitlines()[-1].split()[4])
    assert -3601 < original < -3598
    both("manual", "reset")


def test_bus(bus, both):
    del both
    bus.call("Clock", "SetTime", "tt", str(int(time.time() * 1e6)), "0")
    bus.call("Manual", "Reset")
    now = int(time.time() * 1e6)
    monotonic = time.monotonic_ns() // 1000
    # ten seconds ago it was what is ten seconds ago
    reply = bus.call("Clock", "SetTime", "tt", str(now - 10_000_000), str(monotonic - 10_000_000))
    assert abs(json.loads(reply.stdout)["data"][0]) < 0.5
    assert len(bus.get("Manual", "Entries")) == 1 and bus.get("Manual", "Enabled") is True
    for arguments in (("0", "0"), (str(now), str(monotonic + 10_000_000)), (str(now), str(2 ** 63))):
        assert bus.call("Clock", "SetTime", "tt", *arguments, check=False).returncode != 0
    assert bus.call("Clock", "SetTime", "tt", str(now), "0", user="nobody", check=False).returncode != 0
    assert bus.call("Manual", "Reset", user="nobody", check=False).returncode != 0
    bus.call("Manual", "Reset")
    assert bus.get("Manual", "Entries") == []


def test_polkit_is_told_size_and_direction(bus, both):
    """A rule that lets nobody move the clock by less than a minute, forward only."""
    del both
    path = "/etc/polkit-1/rules.d/50-manual.rules"
    with open(path, "w", encoding="ascii") as f:
        f.write('polkit.addRule(function(action, subject) {\n'
                '  if (action.id == "org.timeball1.set-time" && subject.user == "nobody" &&\n'
                '      action.lookup("direction") == "forward" && parseFloat(action.lookup("seconds")) < 60)\n'
                '    return polkit.Result.YES;\n'
                '});\n')
    run("chmod", "644", path)

    def set_time(seconds):
        return bus.call("Clock", "SetTime", "tt", str(int((time.time() + seconds) * 1e6)), "0", user="nobody", check=False)
    soon(lambda: set_time(30).returncode == 0, what="the rule")
    assert set_time(-30).returncode != 0
    assert set_time(90).returncode != 0
    run("rm", path)
    bus.call("Manual", "Reset")


@pytest.mark.lab
def test_lab(boot):
    """The clock is stepped as makestep allows, the drift file is written, nobody is told of synchronisation."""
    machine = boot(files={"/etc/timeball/timeball.conf": "manual\nmakestep 10 -1\ndriftfile /var/lib/timeball/drift\n"
                                                         "rtcsync\n"})
    machine.run("systemctl start timeball")
    said = machine.said("timectl settime 2027-03-04 05:06:07 UTC")
    assert re.fullmatch(r"200 OK\nClock was -\d+\.\d\d seconds fast\.  Frequency change = -?0\.00ppm, "
                        r"new frequency = -?\d+\.\d\dppm\n?", said)
    soon(lambda: machine.said("date -u +%F").strip() == "2027-03-04", what="the step")
    drift = machine.said("cat /var/lib/timeball/drift").split()
    assert len(drift) == 2
    assert "Leap status     : Not synchronised" in machine.said("timectl tracking")
    assert "NTPSynchronized=no" in machine.said("timedatectl show")
