# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""The kernel clock of a lab machine, really stepped and slewed. chronyd -Q says from outside how wrong it is."""

import json
import re

import pytest

from harness import program
from harness.world import soon

pytestmark = pytest.mark.lab

UNSYNC = 0x40


@pytest.fixture(scope="module")
def servers(lab_network):
    for _ in range(3):
        lab_network.server()
    return lab_network.servers


def lines(servers, *more):
    return "\n".join([*(f"server {server.address} iburst minpoll 0 maxpoll 2" for server in servers),
                      "driftfile /var/lib/timeball/drift", *more]) + "\n"


def offset(machine, server):
    """By how many seconds the machine's clock is slow."""
    said = machine.said(f"{program('chronyd')} -Q -t 10 -u root -f /dev/null "
                        f"'server {server.address} iburst maxsamples 1' 2>&1")
    return float(re.search(r"wrong by (-?[0-9.]+) seconds", said).group(1))


def kernel(machine):
    """{field: number} of adjtimex(2)."""
    said = machine.said(r"""/usr/bin/python3 - <<'E'
import ctypes
class Timex(ctypes.Structure):
    _fields_ = [("modes", ctypes.c_uint), ("offset", ctypes.c_long), ("freq", ctypes.c_long),
                ("maxerror", ctypes.c_long), ("esterror", ctypes.c_long), ("status", ctypes.c_int),
                ("constant", ctypes.c_long), ("precision", ctypes.c_long), ("tolerance", ctypes.c_long),
                ("sec", ctypes.c_long), ("usec", ctypes.c_long), ("tick", ctypes.c_long),
                ("rest", ctypes.c_byte * 200)]
t = Timex()
ctypes.CDLL(None).adjtimex(ctypes.byref(t))
for name in "freq maxerror esterror status tick".split():
    print(name, getattr(t, name))
E""")
    return {name: int(value) for name, value in (line.split() for line in said.splitlines())}


def start(machine, *options):
    machine.run("install -d -o timeball /var/lib/timeball /run/timeball; "
                f"setsid timeballd -d -u timeball {' '.join(options)} </dev/null >/root/log 2>&1 & echo $! >/root/pid")


def wait_for(machine, text, seconds=30):
    return machine.said(f"for i in $(seq {seconds * 10}); do grep -m1 -- '{text}' /root/log && exit; sleep 0.1; done;"
                        "cat /root/log; exit 1", limit=seconds + 30)


def stop(machine, signal="TERM"):
    machine.run(f"pid=$(cat /root/pid); kill -{signal} $pid; while [ -e /proc/$pid ]; do sleep 0.1; done")


def test_step_then_slew_then_restart(boot, lab_network, servers):
    machine = boot(clock="2020-01-01", **lab_network.port(1),
                   files={"/etc/timeball/timeball.conf": lines(servers, "makestep 1 3", "rtcsync")})
    start(machine)
    stepped = wait_for(machine, "System clock was stepped by")
    assert float(re.search(r"by ([0-9.]+) seconds", stepped).group(1)) > 1e6  # systemd brings a clock in 2020 up to its own date
    wait_for(machine, "System clock is synchronised")
    assert abs(offset(machine, servers[0])) < 0.005
    now = kernel(machine)
    assert now["status"] & UNSYNC == 0
    assert now["maxerror"] < 1000000

    # somebody moves the clock by less than what makes a jump: it is slewed back, fast
    machine.run("/usr/bin/python3 -c 'import time; time.clock_settime(0, time.time() + 0.3)'")
    assert offset(machine, servers[0]) < -0.2
    soon(lambda: abs(offset(machine, servers[0])) < 0.005, 90, 1, what="the slew back")
    assert machine.said("grep -c stepped /root/log") == "1"

    # killed: the kernel keeps running at the last frequency; started again: no second step
    stop(machine)
    log = machine.said("cat /root/log")
    assert "timeballd exiting" in log
    drift = machine.said("cat /var/lib/timeball/drift").split()
    assert len(drift) == 2
    rest = kernel(machine)
    assert abs(rest["tick"] * 100 - 1e6 + rest["freq"] / 65536 + float(drift[0])) < 1
    start(machine)
    wait_for(machine, "read from /var/lib/timeball/drift")
    wait_for(machine, "System clock is synchronised")
    assert "stepped" not in machine.said("cat /root/log")
    assert abs(offset(machine, servers[0])) < 0.005
    stop(machine, "KILL")


def test_journal(boot, lab_network, servers):
    machine = boot(clock="2020-01-01", **lab_network.port(4),
                   files={"/etc/timeball/timeball.conf": lines(servers, "makestep 1 3")})
    machine.run("systemctl start timeball")
    stepped = soon(lambda: machine.said("journalctl -q -o json -u timeball TIMEBALL_EVENT=stepped"), what="the step")
    entry = json.loads(stepped)
    assert entry["MESSAGE"].startswith("System clock was stepped by ")
    assert entry["PRIORITY"] == "4" and len(entry["MESSAGE_ID"]) == 32
    assert float(entry["TIMEBALL_OFFSET"]) > 1e6
    assert entry["_SYSTEMD_UNIT"] == "timeball.service"
    soon(lambda: "Synchronised to time server" in machine.said("systemctl show -P StatusText timeball"))
    # alone on its machine, and still every answer is stamped by the kernel (of requests, its driver here cannot)
    said = machine.said("busctl --json=short call org.timeball1 /org/timeball1 org.freedesktop.DBus.ObjectManager "
                        "GetManagedObjects")
    sources = [source["org.timeball1.NTP"] for source in json.loads(said)["data"][0].values()
               if "org.timeball1.NTP" in source]
    assert len(sources) == 3
    for source in sources:
        assert source["KernelReceived"]["data"] == source["Received"]["data"] > 0


def test_another_program_steers(boot, lab_network, servers):
    machine = boot(**lab_network.port(2), files={"/etc/timeball/timeball.conf": lines(servers, "makestep 1 3")})
    start(machine)
    wait_for(machine, "System clock is synchronised")
    assert kernel(machine)["status"] & UNSYNC  # no rtcsync
    machine.run("""/usr/bin/python3 -c '
import ctypes, struct
t = ctypes.create_string_buffer(struct.pack("IxxxxqQ", 2, 0, 100 << 16), 256)
ctypes.CDLL(None).adjtimex(t)'""")
    wait_for(machine, "Another program steers the system clock")
    stop(machine)


def test_set_once_and_observe(boot, lab_network, servers):
    machine = boot(clock="2020-01-01", **lab_network.port(3))
    server = f"'server {servers[0].address} iburst'"
    assert "(ignored)" in machine.said(f"timeballd -Q -t 20 {server} 2>&1")
    machine.run("test $(date +%s) -lt 1790000000")
    before = kernel(machine)
    assert "Disabled control" in machine.said(f"timeballd -x -d -t 5 {server} 'pidfile /' 2>&1")
    # a user without the right to set the clock
    assert "Disabled control" in machine.said(f"runuser -u nobody -- timeballd -d -t 5 {server} 'pidfile /' 2>&1")
    assert machine.run(f"runuser -u nobody -- timeballd -q -t 5 {server} 'pidfile /'", check=False).status == 1
    after = kernel(machine)
    assert (after["freq"], after["tick"]) == (before["freq"], before["tick"])
    assert "(step)" in machine.said(f"timeballd -q -t 20 {server} 'pidfile /' 2>&1")
    assert abs(offset(machine, servers[0])) < 0.01
