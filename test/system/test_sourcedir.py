# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""The directories of sourcedir, in which others write while the daemon runs: Debian's hook of dhclient, people, rubbish.
Servers need not answer here."""

import os
import pathlib
import shutil

import pytest

from harness import Daemon, program, run, soon

DHCP = pathlib.Path("/run/chrony-dhcp")


@pytest.fixture(scope="module", name="daemon")
def daemon_with_directories(bus):
    """Neither of its directories is there at the start."""
    daemon = Daemon("server 192.0.2.1 offline", f"sourcedir {DHCP}", "sourcedir /run/sources.d", bus=bus)
    yield daemon
    daemon.stop()


@pytest.fixture(name="sources_d")
def other_directory(bus):
    expect(bus)
    path = pathlib.Path("/run/sources.d")
    path.mkdir(exist_ok=True)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(autouse=True)
def nothing_is_left(daemon):
    yield
    shutil.rmtree(DHCP, ignore_errors=True)
    daemon.process.expect_alive()


def named(bus):
    """{name: (origin, its name)} of all sources but the one of the configuration."""
    interfaces = (entry["org.timeball1.Source"] for entry in bus.objects().values() if "org.timeball1.Source" in entry)
    found = {source["Name"]: (source["Origin"], source["OriginName"]) for source in interfaces}
    assert found.pop("192.0.2.1") == ("configuration", "")
    return found


def expect(bus, **files):
    """These sources and no others: eth0="192.0.2.7 192.0.2.8" are those of eth0.sources."""
    wanted = {name: ("file", f"{file}.sources") for file, names in files.items() for name in names.split()}
    soon(lambda: named(bus) == wanted, what=f"{wanted}, not {named(bus)}")


def dhclient_hook(interface, servers):
    """What Debian's /etc/dhcp/dhclient-exit-hooks.d/chrony does when a lease is bound or renewed: its file is emptied and
    written line by line; and when it has expired."""
    path = DHCP / f"{interface}.sources"
    if not servers:
        run("rm", "-f", path)
        return
    run("sh", "-c", f'mkdir -p {DHCP}; rm -f {path}; for s in {servers}; do echo "server $s iburst" >>{path}; sleep 0.02; done')


def test_hook_of_dhclient(bus, daemon):
    expect(bus)
    dhclient_hook("eth0", "192.0.2.7 192.0.2.8")
    expect(bus, eth0="192.0.2.7 192.0.2.8")
    dhclient_hook("eth1", "192.0.2.9")
    expect(bus, eth0="192.0.2.7 192.0.2.8", eth1="192.0.2.9")
    added = daemon.said().count("Added source")
    assert "Added source 192.0.2.7\n" in daemon.said()

    # A lease is renewed with the same servers, then with others.
    dhclient_hook("eth0", "192.0.2.7 192.0.2.8")
    dhclient_hook("eth1", "192.0.2.10")
    expect(bus, eth0="192.0.2.7 192.0.2.8", eth1="192.0.2.10")
    assert daemon.said().count("Added source") == added + 1, "a source was added anew"
    dhclient_hook("eth0", "")
    expect(bus, eth1="192.0.2.10")
    soon(lambda: "Removed source 192.0.2.7\n" in daemon.said())
    dhclient_hook("eth1", "")
    expect(bus)


def test_files(bus, sources_d):
    (sources_d / "a.sources").write_text("server 192.0.2.7\n")
    expect(bus, a="192.0.2.7")
    os.rename(sources_d / "a.sources", sources_d / "b.sources")
    expect(bus, b="192.0.2.7")
    (sources_d / ".b.sources.new").write_text("server 192.0.2.8\n")
    os.rename(sources_d / ".b.sources.new", sources_d / "b.sources")
    expect(bus, b="192.0.2.8")
    with open(sources_d / "b.sources", "a", encoding="ascii") as file:
        file.write("peer 192.0.2.9\n")
    expect(bus, b="192.0.2.8 192.0.2.9")
    os.rename(sources_d / "b.sources", sources_d / "b.sources.off")
    expect(bus)


def test_directory_made_again(bus, sources_d):
    for _ in range(3):
        sources_d.mkdir(exist_ok=True)
        (sources_d / "a.sources").write_text("server 192.0.2.7\n")
        expect(bus, a="192.0.2.7")
        shutil.rmtree(sources_d)
        expect(bus)
    DHCP.mkdir()
    (DHCP / "eth0.sources").write_text("server 192.0.2.7\n")
    expect(bus, eth0="192.0.2.7")
    os.rename(DHCP, "/run/away")
    expect(bus)
    os.rename("/run/away", DHCP)
    expect(bus, eth0="192.0.2.7")
    os.symlink(DHCP, sources_d)
    (DHCP / "eth1.sources").write_text("server 192.0.2.8\n")
    expect(bus, eth0="192.0.2.7", eth1="192.0.2.8")
    sources_d.unlink()


def test_bad_lines(bus, daemon, sources_d):
    """They cost themselves, and are told once."""
    path = sources_d / "a.sources"
    path.write_text("server 192.0.2.7\nserver 192.0.2.8;reboot iburst\nmakestep 1 -1\nserver $(id)\nserver 192.0.2.9\nserver 192.0.2.1")
    expect(bus, a="192.0.2.7 192.0.2.9")
    lines = [line for line in daemon.said().splitlines() if str(path) in line]
    assert [f"{path}:{number}:" in line for number, line in zip((2, 3, 4, 6), lines)] == [True] * 4, lines
    (sources_d / "b.sources").write_text("server 192.0.2.10\n")
    expect(bus, a="192.0.2.7 192.0.2.9", b="192.0.2.10")
    assert [line for line in daemon.said().splitlines() if str(path) in line] == lines
    assert "200 OK" in run("timectl", "reload", "sources").stdout
    assert len([line for line in daemon.said().splitlines() if str(path) in line]) == 2 * len(lines)


def test_what_is_no_such_file(bus, daemon, sources_d):
    before = int(daemon.status()["VmRSS"].split()[0])
    os.mkfifo(sources_d / "fifo.sources")
    os.symlink("loop.sources", sources_d / "loop.sources")
    os.symlink("/dev/zero", sources_d / "zero.sources")
    os.symlink("/nowhere", sources_d / "nowhere.sources")
    (sources_d / "folder.sources").mkdir()
    (sources_d / "binary.sources").write_bytes(os.urandom(3000))
    (sources_d / "nul.sources").write_bytes(b"server 192.0.2.8\0\nserver 192.0.2.9\n")
    (sources_d / "line.sources").write_bytes(b"server " + 200000 * b"a")
    (sources_d / "large.sources").write_bytes(40000 * b"server 192.0.2.10\n")
    (sources_d / "secret.sources").write_text("server 192.0.2.11\n")
    (sources_d / "secret.sources").chmod(0)
    (sources_d / "many.sources").write_text("".join(f"server 198.51.{i // 256}.{i % 256}\n" for i in range(1000)))
    (sources_d / "z.sources").write_text("server 192.0.2.7\n")
    soon(lambda: "192.0.2.7" in named(bus), what="the good file")
    found = named(bus)
    assert len([name for name in found if name.startswith("198.51.")]) == 256
    assert {name for name in found if not name.startswith("198.51.")} == {"192.0.2.7", "192.0.2.9"}
    for name in ("fifo", "loop", "zero", "nowhere", "folder", "large", "secret", "many"):
        assert f"{sources_d}/{name}.sources" in daemon.said(), name
    shutil.rmtree(sources_d)
    expect(bus)
    assert int(daemon.status()["VmRSS"].split()[0]) < before + 8192


def test_commands_stay(bus, sources_d):
    """What somebody has added or removed is not touched by what others write."""
    assert "200 OK" in run("timectl", "add", "server", "192.0.2.20").stdout
    (sources_d / "a.sources").write_text("server 192.0.2.7\nserver 192.0.2.8\n")
    soon(lambda: "192.0.2.8" in named(bus))
    assert "200 OK" in run("timectl", "delete", "192.0.2.7").stdout
    assert "200 OK" in run("timectl", "reselectdist", "0.5").stdout
    (sources_d / "b.sources").write_text("server 192.0.2.9\n")
    soon(lambda: "192.0.2.9" in named(bus))
    assert named(bus) == {"192.0.2.20": ("command", ""), "192.0.2.8": ("file", "a.sources"), "192.0.2.9": ("file", "b.sources")}
    assert "200 OK" in run("timectl", "delete", "192.0.2.20").stdout


def test_shown(bus, sources_d):
    (sources_d / "a.sources").write_text("server 192.0.2.7\n")
    expect(bus, a="192.0.2.7")
    verbose = run("timectl", "-n", "sources", "-v").stdout.splitlines()
    assert [line.split() for line in verbose[-2:]] == [["192.0.2.1", "configuration"], ["192.0.2.7", "file,", "a.sources"]]
    assert "a.sources" not in run("timectl", "-n", "sources").stdout
    link = pathlib.Path("/run/chronyc")
    link.symlink_to(program("timectl"))
    assert "a.sources" not in run(link, "-n", "sources", "-v").stdout
    link.unlink()
    assert '"OriginName":"a.sources"' in run("timectl", "--json=short", "sources").stdout.replace(" ", "")
    assert "It is named in a.sources." in run("timectl", "explain", "192.0.2.7").stdout
