# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""The clock of a lab machine, set right from 2020 by the daemon as systemd starts it. Servers live outside the
machine, where the time is true, so that the machine's error is known."""

import json
import time

import pytest

from harness import soon

pytestmark = pytest.mark.lab

PAST = "2020-01-01 00:00 UTC"
OPTIONS = "iburst minpoll 0 maxpoll 2"

# Asks a server 20 times and prints the offset (server minus us) and the delay of the quickest exchange, in s.
MEASURE = r"""
import socket, struct, time
def stamp(data):
    seconds, fraction = struct.unpack("!II", data)
    return seconds - 2208988800 + fraction / 2**32
def exchange():
    s.send(b"\x23" + bytes(39) + b"timeball")
    sent = time.time()
    packet, received = s.recv(48), time.time()
    t2, t3 = stamp(packet[32:40]), stamp(packet[40:48])
    return received - sent - (t3 - t2), ((t2 - sent) + (t3 - received)) / 2
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(10)
s.connect(("%s", 123))
# A machine that stands still for a moment between two readings of its clock sees less than no delay: no better.
delay, offset = min((abs(delay), offset) for delay, offset in (exchange() for _ in range(20)))
print(offset, delay)
"""

# Prints the frequency that the kernel applies, in ppm, as tick and freq together make it.
KERNEL_FREQUENCY = r"""
import ctypes, struct
buffer = ctypes.create_string_buffer(256)
assert ctypes.CDLL(None).adjtimex(buffer) >= 0
freq, = struct.unpack_from("l", buffer, 16)
tick, = struct.unpack_from("l", buffer, 88)
print(freq / 65536 + (tick - 10000) * 100)
"""


def python(machine, script):
    return machine.said(f"python3 - <<'SCRIPT_END'\n{script}\nSCRIPT_END")


def true_offset(machine, server):
    """By how much the machine's clock is wrong, and how sure that is, in s."""
    offset, delay = map(float, python(machine, MEASURE % server.address).split())
    return offset, delay / 2


def is_within(measured, limit):
    offset, unsure = measured
    return abs(offset) < limit + unsure


def kernel_frequency(machine):
    return float(python(machine, KERNEL_FREQUENCY))


def configuration(servers, *lines):
    text = [f"server {server.address} {OPTIONS}" for server in servers]
    return {"/etc/timeball/timeball.conf":
            "\n".join([*text, "driftfile /var/lib/timeball/drift", "makestep 1 3", "rtcsync", *lines]) + "\n"}


def journal(machine, text):
    """Messages of the daemon that contain the text, with their monotonic times in µs."""
    said = machine.said("journalctl -u timeball -o json --no-pager")
    entries = [json.loads(line) for line in said.splitlines()]
    return [int(entry["__MONOTONIC_TIMESTAMP"]) for entry in entries if text in str(entry["MESSAGE"])]


def steps(machine):
    return journal(machine, "System clock was stepped by")


def states(machine):
    """{address: state character} as sources shows it."""
    rows = [line.split(",") for line in machine.said("timectl -n -c sources").splitlines()]
    return {row[2]: row[1] for row in rows}


@pytest.fixture(scope="module")
def servers(lab_network):
    """Three servers that are right and one that is wrong by one second."""
    return [lab_network.server() for _ in range(3)] + [lab_network.server(offset=1.0)]


# What is promised is ten seconds (two to four are usual) and a millisecond (a tenth of that is). While a machine
# boots beside others its packets are late by milliseconds, which no client can know: the millisecond is waited for,
# and from then on five times as much is allowed. What was seen is written down.
PATIENCE = 50
OFFSET_MOST = 0.005


def test_start_in_2020(boot, lab_network, servers, record_property):
    """The clock is right soon, after one step; the liar is found out; everybody is told."""
    machine = boot(clock=PAST, files=configuration(servers), **lab_network.port(1))
    assert machine.said("systemctl is-active time-sync.target || true") == "inactive"
    begin = time.monotonic()
    machine.run(f"systemctl start timeball && timectl waitsync {PATIENCE} 0 0 1", limit=2 * PATIENCE)
    record_property("seconds to the right time", f"{time.monotonic() - begin:.1f}")

    liar = servers[3].address
    soon(lambda: states(machine)[liar] == "x" and "*" in states(machine).values(), what="the liar marked")
    explained = machine.said(f"timectl explain {liar}")
    assert "x" in states(machine)[liar] and "differs by" in explained, explained

    machine.run("systemctl start timeball-wait-sync", limit=2 * PATIENCE)
    assert machine.said("systemctl is-active time-sync.target") == "active"
    soon(lambda: machine.said("timedatectl show --value -p NTP -p NTPSynchronized").split() == ["yes", "yes"])
    status = machine.said("timedatectl status")
    assert "System clock synchronized: yes" in status and "NTP service: active" in status, status

    soon(lambda: is_within(true_offset(machine, servers[0]), 0.001), 60, 1, what="the last millisecond")
    offsets = [true_offset(machine, servers[0]) for _ in range(5)]
    record_property("offsets in s, and how sure", str(offsets))
    assert all(is_within(measured, OFFSET_MOST) for measured in offsets), offsets
    assert len(steps(machine)) == 1


def test_target_waits(boot, lab_network, servers):
    """time-sync.target is not reached while no server answers, and is once the clock was set."""
    lab_network.cut()
    try:
        machine = boot(clock=PAST, files=configuration(servers[:3]), enable=["timeball.service"],
                       **lab_network.port(2))
        soon(lambda: machine.said("systemctl is-active timeball") == "active")
        machine.run("systemctl --no-block start timeball-wait-sync")
        soon(lambda: machine.run("systemctl is-active timeball-wait-sync", check=False).said.strip() == "activating")
        assert machine.run("systemctl is-active time-sync.target", check=False).said.strip() == "inactive"
        assert machine.said("timedatectl show --value -p NTPSynchronized") == "no"
    finally:
        lab_network.mend()
    soon(lambda: machine.said("systemctl is-active time-sync.target") == "active", limit=60)
    # What the machine's own clock showed then: the journal's times are those at which journald had its turn.
    reached = machine.said("systemctl show --timestamp=unix -P ActiveEnterTimestamp time-sync.target")
    assert abs(int(reached.lstrip("@")) - time.time()) < 600, reached
    assert len(steps(machine)) == 1


def drift(machine):
    """Frequency and skew in the drift file, in ppm."""
    return [float(word) for word in machine.said("cat /var/lib/timeball/drift").split()[:2]]


def test_killed_and_restarted(boot, lab_network, servers):
    """kill -9: systemd starts it again, it knows its frequency at once, and nothing is stepped."""
    files = configuration(servers[:3])
    text = files["/etc/timeball/timeball.conf"]
    files["/etc/timeball/timeball.conf"] = text.replace("/drift\n", "/drift interval 1\n")
    machine = boot(clock=PAST, files=files, **lab_network.port(3))
    machine.run("systemctl start timeball && timectl waitsync 30 0 0 1", limit=60)
    soon(lambda: drift(machine)[1] < 100, limit=60, what="a drift file")
    assert len(steps(machine)) == 1

    was = machine.said("systemctl show -P MainPID timeball")
    # silence: what it does from here it knows from the file
    lab_network.cut()
    try:
        machine.run(f"kill -9 {was}")
        soon(lambda: machine.said("systemctl show -P MainPID timeball") not in (was, "0"))
        soon(lambda: machine.said("systemctl is-active timeball") == "active")
        known = drift(machine)[0]
        assert abs(kernel_frequency(machine) + known) < 0.01
        shown = float(machine.said("timectl -c tracking").split(",")[7])
        assert abs(shown - known) < 0.01
    finally:
        lab_network.mend()
    machine.run("timectl waitsync 60 0 0 1", limit=90)
    measured = true_offset(machine, servers[0])
    assert is_within(measured, OFFSET_MOST), measured
    assert len(steps(machine)) == 1


def test_crash_gives_no_step(boot, lab_network, servers):
    """Who makes the daemon crash does not get another step for it; who restarts it does."""
    machine = boot(clock=PAST, files=configuration(servers[:3]), **lab_network.port(5))
    machine.run("systemctl start timeball && timectl waitsync 30 0 0 1", limit=60)
    soon(lambda: machine.said("cat /run/timeball/clock-updates") == "3", what="the updates of makestep 1 3")
    assert len(steps(machine)) == 1

    was = machine.said("systemctl show -P MainPID timeball")
    machine.run(f"kill -9 {was} && date -s '+100 seconds'")
    soon(lambda: machine.said("systemctl show -P MainPID timeball") not in (was, "0"))
    soon(lambda: journal(machine, "makestep and maxchange go on after its 3 updates"), what="the message about the crash")
    soon(lambda: journal(machine, "System clock wrong by"), 60, what="the daemon sees it")
    soon(lambda: abs(float(machine.said("timectl -c tracking").split(",")[4])) > 50, what="a slew")
    assert len(steps(machine)) == 1

    machine.run("systemctl restart timeball && timectl waitsync 30 0 0 1", limit=60)
    assert len(steps(machine)) == 2
    assert len(journal(machine, "makestep and maxchange go on")) == 1
    machine.run("systemctl stop timeball")
    assert machine.run("test -e /run/timeball/clock-updates", check=False).status != 0


# What drift files hold, the good one last: what the kernel was told stays until somebody tells it otherwise.
DRIFT_FILES = {
    "truncated": ("40.0", 0.0),
    "foreign": ("not a number\n", 0.0),
    "binary": ("\x7fELF\x02\x01\x01" + "\x01" * 4096, 0.0),
    "a folder": (None, 0.0),
    "good": ("40.000000 0.500000\n", -40.0),
}


def warnings(machine):
    """How many messages at least as bad as a warning the daemon gave."""
    return len(machine.said("journalctl -u timeball -p warning -o cat -q --no-pager").splitlines())


def test_drift_files(boot):
    """A good drift file is applied at once; a bad one costs a warning and nothing else."""
    machine = boot(clock=PAST, files=configuration([]))
    path = "/var/lib/timeball/drift"
    for name, (content, frequency) in DRIFT_FILES.items():
        before = warnings(machine)
        machine.run(f"systemctl stop timeball; mkdir -p /var/lib/timeball; rm -rf {path}")
        if content is None:
            machine.run(f"mkdir {path}")
        else:
            python(machine, f"open('{path}', 'wb').write(bytes.fromhex('{content.encode().hex()}'))")
        machine.run("chown -R timeball: /var/lib/timeball && systemctl start timeball")
        assert abs(kernel_frequency(machine) - frequency) < 0.01, name
        assert (warnings(machine) > before) == (name != "good"), name
