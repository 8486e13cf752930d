# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""timeballd as a process: command line, files, signals, what it says and how it ends."""

import itertools
import os
import pathlib
import shutil
import signal

import pytest

from harness.world import STATE, run, soon
from rawbus import REPLY, RawBus

COUNT = itertools.count(1)


@pytest.fixture
def folder(tmp_path):
    tmp_path.chmod(0o755)
    return tmp_path


def once(*words, limit=30):
    """Runs the daemon to its end: (status, what it said)."""
    done = run("timeballd", *words, check=False, limit=limit)
    return done.returncode, done.stdout + done.stderr


def says(daemon, text, count=1):
    soon(lambda: daemon.said().count(text) >= count, what=repr(text))


def server_lines(network, options="iburst minpoll 0 maxpoll 2"):
    return [f"server {server.address} {options}" for server in network.servers]


def names(bus):
    return {source["org.timeball1.Source"]["Name"]: source["org.timeball1.Source"]
            for source in bus.objects().values() if "org.timeball1.Source" in source}


def test_show_once(network):
    address = network.servers[0].address
    status, said = once("-Q", "-t", "10", f"server {address} iburst maxsamples 1")
    assert status == 0
    assert "System clock wrong by " in said and " seconds (ignored)" in said
    assert "synchronised" not in said
    status, said = once("-Q", "-t", "2", "server 192.0.2.99 iburst maxsamples 1")
    assert status == 1
    assert "System clock wrong" not in said
    assert "Not synchronised within 2 seconds: " in said


def test_time_limit_tells_whether_synchronised(network):
    line = server_lines(network)[0]
    assert once("-x", "-d", "-t", "8", line, "pidfile /")[0] == 0
    assert once("-x", "-d", "-t", "1", "server 192.0.2.99", "pidfile /")[0] == 1


@pytest.mark.parametrize("words, expected", [
    (["-F", "1"], "-F is refused"),
    (["-s"], "-s is refused"),
    (["-Z"], "Unknown option -Z"),
    (["-f", "/nowhere/timeball.conf", "-d"], "/nowhere/timeball.conf"),
    (["-d", "servr x"], 'did you mean "server"'),
    (["-d", "-x", "-u", "no-such-user", "server 192.0.2.11", "pidfile /"], "no such user"),
])
def test_fatal_errors(words, expected):
    status, said = once(*words)
    assert status == 1
    assert expected in said


def test_help_and_version():
    for word, expected in (("-h", "Usage: timeballd"), ("--help", "Usage: timeballd"), ("-v", "timeballd (timeball) version"),
                           ("--version", "timeballd (timeball) version")):
        status, said = once(word)
        assert status == 0 and expected in said


def test_print_configuration(folder):
    (folder / "more.conf").write_text("minsources 2\n")
    path = folder / "timeball.conf"
    path.write_text(f"# a comment\nserver   192.0.2.1   iburst\ninclude {folder}/more.conf\n")
    assert once("-p", "-f", path) == (0, "server 192.0.2.1 iburst\nminsources 2\n")
    path.write_text("server 192.0.2.1\nmakestep\n")
    status, said = once("-p", "-f", path)
    assert status == 1 and f"{path}:2:" in said


def test_second_daemon_is_refused(folder, network, start_daemon):
    path = folder / "pid"
    first = start_daemon(*server_lines(network), f"pidfile {path}", user=None)
    soon(path.exists, what="the pid file")
    assert int(path.read_text()) == first.process.pid
    status, said = once("-x", "-d", "server 192.0.2.11", f"pidfile {path}")
    assert status == 1
    assert f"Another timeballd may already be running (pid={first.process.pid}), check {path}" in said
    assert first.stop() == 0
    assert not path.exists()
    # what a killed one left behind is in nobody's way
    path.write_text("4194304\n")
    assert once("-x", "-d", "-t", "0.2", "server 192.0.2.11", f"pidfile {path}")[0] == 1
    assert not path.exists()


def bad_drift_files():
    yield "empty", lambda path: path.write_text("")
    yield "truncated", lambda path: path.write_text("     12.3")
    yield "foreign", lambda path: path.write_bytes(os.urandom(4096))
    yield "nan", lambda path: path.write_text("nan nan\n")
    yield "huge number", lambda path: path.write_text("1e9 1\n")
    yield "huge", lambda path: path.write_bytes(b"1" * 10_000_000)
    yield "link", lambda path: path.symlink_to("/etc/passwd")
    yield "fifo", os.mkfifo
    yield "folder", lambda path: path.mkdir()
    yield "unreadable", lambda path: path.touch(0o000)


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in bad_drift_files()])
def test_bad_drift_file_costs_a_warning(network, start_daemon, make):
    folder = STATE / f"drift-{next(COUNT)}"
    folder.mkdir()
    path = folder / "drift"
    make(path)
    daemon = start_daemon(*server_lines(network), f"driftfile {path}")
    says(daemon, "Selected source")
    assert daemon.said().count(f"Drift file {path} is not used: ") == 1
    assert daemon.stop() == 0


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in bad_drift_files() if name != "unreadable"])
def test_bad_known_time_costs_a_warning(network, start_daemon, make):
    """... and is out of the way for the next one."""
    folder = STATE / f"known-{next(COUNT)}"
    folder.mkdir()
    path = folder / "known-time"
    make(path)
    shutil.chown(folder, "timeball", "timeball")
    daemon = start_daemon(*server_lines(network), f"ntsdumpdir {folder}")
    says(daemon, "Selected source")
    said = daemon.said()
    assert said.count(f"{path} is not used: ") == 1 and f"it is now {path}.bad" in said
    assert not os.path.lexists(path) and os.path.lexists(f"{path}.bad")
    assert daemon.stop() == 0
    # these servers authenticate nobody
    assert not os.path.lexists(path)


def test_drift_file_is_read(folder, network):
    path = folder / "drift"
    path.write_text("           12.345678             0.100000\n")
    said = once("-x", "-d", "-t", "1", server_lines(network)[0], "pidfile /", f"driftfile {path}")[1]
    assert f"Frequency 12.346 +/- 0.100 ppm read from {path}" in said


def test_reload(bus, network, start_daemon):
    lines = server_lines(network)
    daemon = start_daemon(*lines[:2], bus=bus)
    daemon.synchronized()
    before = names(bus)
    assert set(before) == {server.address for server in network.servers[:2]}

    daemon.write(*lines[1:])
    daemon.process.signal(signal.SIGHUP)
    says(daemon, "Configuration reloaded")
    soon(lambda: set(names(bus)) == {server.address for server in network.servers[1:]}, what="the new sources")
    assert "Added source 192.0.2.13" in daemon.said()
    assert "Removed source 192.0.2.11" in daemon.said()
    # the one that stayed kept its samples
    assert names(bus)["192.0.2.12"]["Samples"] >= before["192.0.2.12"]["Samples"]

    daemon.write("servr 192.0.2.11", lines[0], "makestep 1", "rtcfile /x")
    daemon.process.signal(signal.SIGHUP)
    says(daemon, "nothing was changed")
    for expected in (":2:1: unknown directive", ":4:", ":5:1: directive \"rtcfile\" is not supported"):
        assert expected in daemon.said()
    assert set(names(bus)) == {server.address for server in network.servers[1:]}
    assert daemon.process.alive()


def test_keeps_time_without_a_bus(network, start_daemon):
    daemon = start_daemon(*server_lines(network), env={"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={STATE}/no-bus"})
    says(daemon, "Selected source")
    says(daemon, "System clock is synchronised")
    assert daemon.stop() == 0


def test_name_without_address_is_retried_and_shown(bus, network, start_daemon):
    daemon = start_daemon("server no-such-name.invalid iburst", *server_lines(network), bus=bus)
    daemon.synchronized()
    says(daemon, "No address found for no-such-name.invalid")
    source = names(bus)["no-such-name.invalid"]
    assert source["Resolving"] and source["Address"] == ""
    assert daemon.said().count("No address found") == 1


def test_small_at_rest(bus, network, start_daemon):
    daemon = start_daemon(*server_lines(network), bus=bus)
    daemon.synchronized()
    process = pathlib.Path(f"/proc/{daemon.process.pid}")

    def sockets():
        return [link for link in (process / "fd").iterdir() if os.readlink(link).startswith("socket:")]

    soon(lambda: len(sockets()) <= 4, what="few sockets between the polls")
    assert len(list((process / "task").iterdir())) == 1


def test_nothing_stays_open(bus, network, start_daemon):
    """Sources and names that come and go, keys that nobody hands out, another configuration, threads that start anew:
    afterwards there are as many descriptors and threads as before."""
    base = ["allow", "serverthreads 2", *server_lines(network, "iburst")]
    daemon = start_daemon("port 1123", *base, bus=bus)
    process, caller = pathlib.Path(f"/proc/{daemon.process.pid}"), RawBus()

    def held():
        return len(list((process / "fd").iterdir())), len(list((process / "task").iterdir()))

    def ask(*words, interface="Sources"):
        got = caller.ask(*words, interface=interface)
        assert got.kind == REPLY, got.text()

    def forget(*names):
        for name in names:
            caller.ask("Remove", "s", name, interface="Sources")

    def churn(times):
        for number in range(times):
            for name, options in (("192.0.2.99", "nts iburst"), ("nobody.example", "iburst"), (network.servers[0].address, "")):
                forget(name)
                ask("Add", "sss", "server", name, options)
            ask("Refresh", "")
            ask("Burst", "iis", 1, 2, "")
            daemon.write(f"port {1123 + number % 2}", *base[number % 2:])
            ask("Reload", "", interface="Manager")
            forget("192.0.2.99", "nobody.example")

    churn(4)
    soon(lambda: daemon.said().count("Configuration reloaded") == 4)
    daemon.write("port 1123", *base)
    ask("Reload", "", interface="Manager")
    soon(lambda: held()[1] == 3, what="two threads that serve, and the event loop")
    # for each of the requests that are on their way there is one more
    most = held()[0] + len(network.servers)
    churn(20)
    daemon.write("port 1123", *base)
    ask("Reload", "", interface="Manager")
    soon(lambda: held()[0] <= most and held()[1] == 3, what=f"no more than {most} descriptors and 3 threads")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_ends_cleanly(network, start_daemon, number):
    daemon = start_daemon(*server_lines(network))
    says(daemon, "Selected source")
    daemon.process.signal(number)
    assert daemon.process.popen.wait(10) == 0
    assert daemon.said().rstrip().endswith("timeballd exiting")


def test_log_file_and_level(folder, network):
    path = folder / "log"
    line = server_lines(network)[0]
    status, said = once("-x", "-t", "4", "-l", path, line, "pidfile /")
    assert (status, said) == (0, "")
    assert path.stat().st_mode & 0o777 == 0o640
    lines = path.read_text().splitlines()
    assert " timeballd version " in lines[0] and lines[-1].endswith(" timeballd exiting")
    assert "Disabled control of system clock" in path.read_text()
    once("-x", "-t", "1", "-L", "2", "-l", path, line, "pidfile /")
    assert path.read_text().splitlines() == lines
