# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""Nothing that runs in these tests can set the clock of this machine, not even root and not even by mistake."""

import ctypes
import pathlib

import pytest

from harness import run

CAP_SYS_TIME = 25
SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


def capabilities(status):
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    return {name: int(fields[name], 16) for name in SETS}


def may_set_the_clock(status):
    return any(held >> CAP_SYS_TIME & 1 for held in capabilities(status).values())


@pytest.fixture
def harmless(bus):
    """What follows would touch the clock if the right were there: then it does not run at all."""
    del bus
    assert not may_set_the_clock(pathlib.Path("/proc/self/status").read_text(encoding="ascii"))


def test_nobody_has_the_right(bus):
    """Neither this process nor a program that it starts, in any of the sets of capabilities."""
    del bus
    assert not may_set_the_clock(pathlib.Path("/proc/self/status").read_text(encoding="ascii"))
    assert not may_set_the_clock(run("cat", "/proc/self/status").stdout)


def test_the_kernel_refuses(harmless):
    """adjtime() by nothing is enough to see it."""
    del harmless
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.adjtime(ctypes.byref((ctypes.c_long * 2)(0, 0)), None) == -1
    assert ctypes.get_errno() == 1


def test_the_daemon_observes(harmless):
    """Without -x, as root: it says that it may not, and goes on."""
    del harmless
    done = run("timeballd", "-d", "-t", "0.5", "pidfile /", "server 192.0.2.99", check=False)
    assert "No right to set the system clock" in done.stdout + done.stderr
    done = run("timeballd", "-q", "-t", "5", "pidfile /", "server 192.0.2.99", check=False)
    assert done.returncode == 1 and "Could not take control of the system clock" in done.stdout + done.stderr


@pytest.mark.parametrize("command", ["tools/run", "test/system/run", "test/bench/footprint"])
def test_every_way_in_gives_it_up(command):
    """All commands that run a daemon on this machine begin with giving the right up."""
    top = pathlib.Path(__file__).resolve().parents[2]
    assert "without-clock" in (top / command).read_text(encoding="utf-8")
